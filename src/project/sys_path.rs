//! The folders of the project that `manage.py` puts on Python's path, as templates with their applications in a
//! folder of their own have it: `sys.path.append(str(Path(__file__).parent / "apps"))`.
//!
//! Only literal folder names count, and only folders that exist in the project: what is computed in another way
//! is named by `[project] python_path`.

use std::path::{Component, Path, PathBuf};

use super::source::{Kind, Statement};

/// The folders, relative to `root`, in the order in which they are put there. `file` is relative to `root` too.
pub fn folders(root: &Path, file: &Path, statements: &[Statement]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for statement in statements {
        let folder = named(statement).and_then(|names| {
            // The names count from the file's folder or, by way of `BASE_DIR`, from one above it.
            let above = file.parent().unwrap_or(Path::new("")).ancestors();
            above.filter_map(|folder| below(folder, &names)).find(|folder| root.join(folder).is_dir())
        });
        found.extend(folder.filter(|folder| !found.contains(folder)));
    }
    found
}

/// The folder's names in `sys.path.append(…)` or `sys.path.insert(0, …)`.
fn named(statement: &Statement) -> Option<Vec<&str>> {
    let [sys, dot, path, second, verb, open, arguments @ ..] = statement.tokens.as_slice() else {
        return None;
    };
    let changes = sys.is_name("sys") && dot.is_mark('.') && path.is_name("path") && second.is_mark('.');
    if !changes || !(verb.is_name("append") || verb.is_name("insert")) || !open.is_mark('(') {
        return None;
    }
    if arguments.iter().any(|token| token.kind == Kind::Formatted) {
        return None;
    }
    let names: Vec<&str> = arguments.iter().filter_map(|token| token.text()).collect();
    (!names.is_empty()).then_some(names)
}

/// `names` below `folder`; `None` where they lead out of the project or nowhere.
fn below(folder: &Path, names: &[&str]) -> Option<PathBuf> {
    let mut path = folder.to_owned();
    for part in names.iter().flat_map(|name| Path::new(name).components()) {
        match part {
            Component::Normal(name) => path.push(name),
            Component::ParentDir => path = path.parent()?.to_owned(),
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir => return None,
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::project::source::statements;

    #[track_caller]
    fn check(source: &str, expected: &[&str]) {
        let root = tempfile::tempdir().unwrap();
        for folder in ["apps", "backend/apps", "backend/core/apps", "libs"] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let source = format!("import sys\nif __name__ == '__main__':\n    {source}\n");
        let found = folders(root.path(), Path::new("backend/manage.py"), &statements(&source));
        assert_eq!(found, expected.iter().map(PathBuf::from).collect::<Vec<_>>(), "{source}");
    }

    #[test]
    fn folders_with_literal_names_that_exist_are_found() {
        check("sys.path.append(str(Path(__file__).parent.resolve() / 'apps'))", &["backend/apps"]);
        check("sys.path.insert(0, os.path.join(BASE_DIR, 'core', 'apps'))", &["backend/core/apps"]);
        check(
            "sys.path.insert(0, str(BASE_DIR / 'core/apps')); sys.path.append('libs')",
            &["backend/core/apps", "libs"],
        );
        check("sys.path.append(os.path.join(os.path.dirname(__file__), '..', 'libs'))", &["libs"]);
    }

    #[test]
    fn what_is_computed_or_lies_elsewhere_is_passed_over() {
        for source in [
            "sys.path.append(str(BASE_DIR))",
            "sys.path.append(f'{BASE_DIR}/apps')",
            "sys.path.append('/opt/apps')",
            "sys.path.append('../../..')",
            "sys.path.append('no-such-folder')",
            "sys.path.remove('apps')",
            "os.environ.setdefault('apps', 'libs')",
        ] {
            check(source, &[]);
        }
    }
}
