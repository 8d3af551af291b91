//! Which of the project's files go into a bundle. Looks at names, not into files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::error::AppError;
use super::keep::{self, Why};
use super::survey::SiteFacts;
use super::{APP, Input, StaticChoice, tree};
use crate::entry;
use crate::layer::{Content, LayerError, Source};
use crate::progress::Notice;

/// The project's files, as they stand below `app/`.
#[derive(Debug, Clone)]
pub struct AppFiles {
    /// Sorted by path.
    pub sources: Vec<Source>,
    /// What stands in the project and is not bundled, apart from what `.gitignore` files and
    /// `[files] exclude` name.
    pub left_out: Vec<LeftOut>,
    pub notices: Vec<Notice>,
}

impl AppFiles {
    /// Fails for a file that is gone: the project's own code may have run since, and what it removed would be
    /// missed on the server.
    pub fn still_there(&self) -> Result<(), AppError> {
        let gone = self.sources.iter().find_map(|source| match &source.content {
            Content::File(path) if !path.exists() => Some(path.clone()),
            _ => None,
        });
        gone.map_or(Ok(()), |path| Err(LayerError::Vanished { path }.into()))
    }
}

/// A file or folder that is not bundled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct LeftOut {
    /// Relative to the project's root, with `/`.
    pub path: String,
    pub why: Why,
}

/// Chooses the project's files.
///
/// `facts` tell of data that the site writes and of collected static files, which are left out too; without
/// them (before the settings were loaded) only names decide. `[files] include` brings back whatever was left
/// out, ignored or not; `[files] exclude` has the last word.
pub fn files(input: &Input<'_>, facts: Option<&SiteFacts>) -> Result<AppFiles, AppError> {
    let exclude = Arc::new(globs("exclude", input.root, input.exclude)?);
    let include = globs("include", input.root, input.include)?;
    let executable = globs("executable", input.root, input.executable)?;
    let left_out = Arc::new(Mutex::new(BTreeSet::new()));
    let data = data(input, facts);

    let wanted: tree::Wanted = {
        let (exclude, left_out, data) = (Arc::clone(&exclude), Arc::clone(&left_out), data.clone());
        Arc::new(move |relative, disk, is_folder| {
            // A link to a folder goes by the folder's rules: `.venv` is often one.
            let is_folder = is_folder || disk.is_dir();
            if exclude.matched(relative, is_folder).is_ignore() {
                return false;
            }
            let by_name = if is_folder { keep::folder(relative, disk) } else { keep::file(relative) };
            let why = data.get(relative).copied().or(by_name);
            if let Some(why) = why {
                let path = shown(relative);
                left_out.lock().expect("nobody panics while holding it").insert(LeftOut { path, why });
            }
            why.is_none()
        })
    };
    let mut chosen = tree::files(input.root, true, &wanted)?;
    let mut named_only = BTreeMap::new();
    if !include.is_empty() {
        let include = Arc::new(include);
        let exclude = Arc::clone(&exclude);
        let wanted: tree::Wanted = Arc::new(move |relative, _, is_folder| {
            let excluded = exclude.matched(relative, is_folder).is_ignore();
            !excluded && (is_folder || include.matched_path_or_any_parents(relative, false).is_ignore())
        });
        named_only = tree::files(input.root, false, &wanted)?;
    }
    chosen.extend(named_only.clone());

    if !chosen.contains_key(input.manage) {
        return Err(AppError::ManageLeftOut { manage: shown(input.manage) });
    }
    let mut sources = Vec::with_capacity(chosen.len());
    for (relative, disk) in &chosen {
        sources.push(Source {
            path: input.entry(relative)?,
            content: Content::File(disk.clone()),
            executable: executable.matched_path_or_any_parents(relative, false).is_ignore(),
        });
    }
    entry::check_set(sources.iter().map(|source| &source.path), input.target)
        .map_err(|source| AppError::Names { target: input.target, source })?;
    sources.sort_by(|one, other| one.path.cmp(&other.path));

    let brought_back = |left: &LeftOut| named_only.keys().any(|file| file.starts_with(&left.path));
    let mut left_out: Vec<LeftOut> =
        std::mem::take(&mut *left_out.lock().expect("nobody panics while holding it")).into_iter().collect();
    left_out.retain(|left| !brought_back(left));
    let mut notices = Vec::from_iter(uncompiled(input.root, &chosen));
    let meant = |path: &Path| {
        let disk = input.root.join(path);
        let parts = path.ancestors().filter(|part| !part.as_os_str().is_empty());
        let mut by_name = parts.filter_map(|part| match input.root.join(part) {
            disk if disk.is_dir() => keep::folder(part, &disk),
            _ => keep::file(part),
        });
        let excluded = exclude.matched_path_or_any_parents(path, disk.is_dir()).is_ignore();
        excluded
            || by_name.any(|why| why != Why::Output)
            || data.keys().any(|place| path.starts_with(place) || place.starts_with(path))
    };
    notices.extend(missed(facts, &chosen, meant));
    notices.extend(left_out.iter().filter(|left| left.why == Why::Key).map(|left| {
        Notice {
            what: format!("`{}` is left out: it may be a private key", left.path),
            help: "if the site needs it and it is no secret, name it under `[files] include` in holdall.toml"
                .to_owned(),
        }
    }));
    Ok(AppFiles { sources, left_out, notices })
}

/// What settings lead to, and what is not bundled without being `meant` to stay behind: as a rule it is made by a
/// build and ignored by git, and the site fails for want of it when it runs.
fn missed(
    facts: Option<&SiteFacts>,
    chosen: &BTreeMap<PathBuf, PathBuf>,
    meant: impl Fn(&Path) -> bool,
) -> Vec<Notice> {
    let mentions = facts.into_iter().flat_map(|facts| &facts.mentions);
    let mentions = mentions.filter_map(|(inside, setting)| Some((inside.strip_prefix("app/")?, setting)));
    let missed = mentions.filter(|(path, _)| {
        let path = Path::new(path);
        !chosen.keys().any(|file| file.starts_with(path)) && !meant(path)
    });
    missed
        .map(|(path, setting)| Notice {
            what: format!("{setting} leads to `{path}`, which is left out as the output of a build, or because a `.gitignore` file names it"),
            help: format!("if the site reads it when it runs, add `include = [\"/{path}\"]` under `[files]` in holdall.toml"),
        })
        .collect()
}

/// Places of the project that hold data, and static files made from others.
fn data(input: &Input<'_>, facts: Option<&SiteFacts>) -> BTreeMap<PathBuf, Why> {
    let relative = |inside: &str| inside.strip_prefix(APP)?.strip_prefix('/').map(PathBuf::from);
    let mut data = BTreeMap::new();
    if let Some(facts) = facts {
        let places = facts.writable.table.keys();
        data.extend(places.filter_map(|inside| Some((relative(inside)?, Why::Data))));
        let collected = facts.static_files.project_root.as_deref().and_then(relative);
        data.extend(collected.map(|folder| (folder, Why::StaticFiles)));
    }
    if let StaticChoice::Prebuilt(folder) = input.static_files {
        data.insert(folder.components().collect(), Why::StaticFiles);
    }
    data
}

fn globs(key: &'static str, root: &Path, globs: &[String]) -> Result<Gitignore, AppError> {
    let mut builder = GitignoreBuilder::new(root);
    builder.allow_unclosed_class(false);
    let wrong = |glob: &str| {
        let glob = glob.to_owned();
        move |source| AppError::Glob { key, glob, source }
    };
    for glob in globs {
        builder.add_line(None, glob).map_err(wrong(glob))?;
    }
    builder.build().map_err(wrong(&globs.join("`, `")))
}

/// Translations whose compiled form exists but is left out: Django reads nothing else.
fn uncompiled(root: &Path, chosen: &BTreeMap<PathBuf, PathBuf>) -> Option<Notice> {
    let lost = |file: &&PathBuf| {
        let compiled = file.with_extension("mo");
        file.extension().is_some_and(|extension| extension == "po")
            && !chosen.contains_key(&compiled)
            && root.join(compiled).is_file()
    };
    let mut lost = chosen.keys().filter(lost);
    let first = lost.next()?;
    let more = lost.count();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Some(Notice {
        what: format!(
            "the compiled translations `{}`{more} are left out, because a `.gitignore` file or `[files] exclude` names them",
            shown(&first.with_extension("mo"))
        ),
        help: "the site would not be translated: add `include = [\"*.mo\"]` under `[files]` in holdall.toml"
            .to_owned(),
    })
}

fn shown(relative: &Path) -> String {
    relative.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

// Links, modes and names that are not Unicode are made as Unix makes them.
#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::app::test_input;
    use crate::target::Target;

    /// A folder with these files (each holds its own name), and `manage.py`.
    fn tree(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in files.iter().chain(&["manage.py"]) {
            write(folder.path(), name, name);
        }
        folder
    }

    fn write(root: &Path, name: &str, text: &str) {
        let path = root.join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    /// The names below `app/` that are chosen, apart from `manage.py`.
    fn chosen(found: &AppFiles) -> Vec<&str> {
        let names = found.sources.iter().map(|source| source.path.as_str().strip_prefix("app/").unwrap());
        names.filter(|name| *name != "manage.py").collect()
    }

    #[track_caller]
    fn check(root: &Path, include: &[&str], exclude: &[&str], expected: &[&str]) {
        let (include, exclude) = (words(include), words(exclude));
        let found = files(&Input { include: &include, exclude: &exclude, ..test_input(root) }, None).unwrap();
        assert_eq!(chosen(&found), expected);
    }

    #[test]
    fn what_belongs_to_one_machine_stays_there_unless_it_is_named() {
        let left = [
            ".git/config",
            ".venv/pyvenv.cfg",
            "myenv/pyvenv.cfg",
            "myenv/lib/x.py",
            "venv/x.py",
            "shop/__pycache__/a.pyc",
            "node_modules/x/index.js",
            ".env",
            "conf/.env.live",
            "server.key",
            "db.sqlite3",
            "dist/shop-1.zip",
            ".mypy_cache/x",
            ".coverage",
        ];
        let folder = tree(
            &[&left[..], &["shop/views.py", ".env.example", "shop/dist/x.js", "env/__init__.py"]].concat(),
        );
        let expected = [".env.example", "env/__init__.py", "shop/dist/x.js", "shop/views.py"];
        check(folder.path(), &[], &[], &expected);
        check(
            folder.path(),
            &["/db.sqlite3", "dist/"],
            &[],
            &[&expected[..1], &["db.sqlite3", "dist/shop-1.zip"], &expected[1..]].concat(),
        );
        let found = files(&test_input(folder.path()), None).unwrap();
        let left_out: Vec<_> = found.left_out.iter().map(|left| (left.path.as_str(), left.why)).collect();
        assert!(
            left_out.contains(&("myenv", Why::VirtualEnvironment))
                && left_out.contains(&("conf/.env.live", Why::Environment))
        );
        assert_eq!(left_out.len(), left.len() - 1, "{left_out:?}");
        assert_eq!(found.notices.len(), 1);
        assert!(found.notices[0].what.starts_with("`server.key` is left out"));
    }

    #[test]
    fn ignored_files_are_left_out_without_a_repository_and_whatever_lies_above() {
        let folder =
            tree(&["site/manage.py", "site/a.log", "site/keep.log", "site/sub/b.txt", "site/sub/c.py"]);
        write(folder.path(), ".gitignore", "*.py\n");
        write(folder.path(), "site/.gitignore", "*.log\n!keep.log\n");
        write(folder.path(), "site/sub/.gitignore", "/b.txt\n");
        write(folder.path(), "site/.ignore", "*\n");
        let site = folder.path().join("site");
        let plain = [".gitignore", ".ignore", "keep.log", "sub/.gitignore", "sub/c.py"];
        check(&site, &[], &[], &plain);
        check(&site, &["*.log"], &[], &[&plain[..2], &["a.log"], &plain[2..]].concat());
        check(&site, &["*.log"], &[".gitignore", ".ignore", "sub/", "keep.log"], &["a.log"]);
    }

    #[test]
    fn a_project_below_the_top_of_a_repository_is_ignored_as_git_ignores_it() {
        let folder = tree(&["top/site/manage.py", "top/site/dump.sql", "top/site/keep.sql", "top/site/a.py"]);
        fs_err::create_dir(folder.path().join("top/.git")).unwrap();
        write(folder.path(), ".gitignore", "*.py\n");
        write(folder.path(), "top/.gitignore", "*.sql\n");
        write(folder.path(), "top/site/.gitignore", "!keep.sql\n");
        check(&folder.path().join("top/site"), &[], &[], &[".gitignore", "a.py", "keep.sql"]);
    }

    #[test]
    fn a_project_without_its_manage_file_is_refused() {
        let folder = tree(&[]);
        write(folder.path(), ".gitignore", "manage.py\n");
        let error = files(&test_input(folder.path()), None).unwrap_err();
        assert_eq!(error.to_string(), "`manage.py` itself is left out of the bundle");
    }

    #[test]
    fn links_become_copies_of_what_they_lead_to() {
        let folder = tree(&["real/a.py", "real/b/c.py", "node_modules/lib/lib.js", "file.txt"]);
        let root = folder.path();
        write(root, ".gitignore", "/real/b/ignored\n");
        write(root, "real/b/ignored", "");
        symlink("file.txt", root.join("link.txt")).unwrap();
        symlink("real", root.join("copy")).unwrap();
        symlink("../node_modules/lib", root.join("real/lib")).unwrap();
        let found = files(&test_input(root), None).unwrap();
        let expected = [
            ".gitignore",
            "copy/a.py",
            "copy/b/c.py",
            "copy/lib/lib.js",
            "file.txt",
            "link.txt",
            "real/a.py",
            "real/b/c.py",
            "real/lib/lib.js",
        ];
        assert_eq!(chosen(&found), expected);
        for source in &found.sources {
            let Content::File(file) = &source.content else { panic!("it is copied") };
            assert!(fs_err::metadata(file).unwrap().is_file());
        }
    }

    #[test]
    fn links_that_leave_the_project_dangle_or_turn_in_circles_are_refused_unless_left_out() {
        let cases: [(&str, &str, &str); 5] = [
            ("..", "outside", "outside of the project"),
            ("/etc/hostname", "a/file", "outside of the project"),
            ("nowhere", "a/gone", "leads nowhere"),
            ("../a", "a/around", "leads back to a folder above it"),
            ("me", "me", "leads back to a folder above it"),
        ];
        for (leads_to, link, message) in cases {
            let folder = tree(&["a/x.py"]);
            symlink(leads_to, folder.path().join(link)).unwrap();
            let error = files(&test_input(folder.path()), None).unwrap_err().to_string();
            assert!(error.contains(message) && error.contains(link), "{error}");
            check(folder.path(), &[], &[link], &["a/x.py"]);
        }
        let folder = tree(&["a/x.py", "b/y.py"]);
        symlink("../b", folder.path().join("a/to_b")).unwrap();
        symlink("../a", folder.path().join("b/to_a")).unwrap();
        let error = files(&test_input(folder.path()), None).unwrap_err();
        assert!(matches!(error, AppError::LinkCycle { .. }), "{error}");
    }

    #[test]
    fn a_link_to_a_virtual_environment_elsewhere_is_left_out_like_one_here() {
        let (folder, elsewhere) = (tree(&[]), tree(&["pyvenv.cfg"]));
        symlink(elsewhere.path(), folder.path().join("environment")).unwrap();
        check(folder.path(), &[], &[], &[]);
    }

    #[test]
    fn a_name_that_is_not_unicode_is_refused_with_its_folder() {
        let folder = tree(&["docs/a.txt"]);
        fs_err::write(folder.path().join("docs").join(std::ffi::OsStr::from_bytes(b"caf\xe9")), "").unwrap();
        let error = files(&test_input(folder.path()), None).unwrap_err();
        assert!(error.to_string().ends_with("docs` is not Unicode"), "{error}");
        check(folder.path(), &[], &["docs/"], &[]);
    }

    #[test]
    fn a_name_that_windows_cannot_hold_is_refused_for_windows_alone() {
        let folder = tree(&["docs/aux.txt"]);
        check(folder.path(), &[], &[], &["docs/aux.txt"]);
        let input = Input { target: Target::WindowsX86_64, ..test_input(folder.path()) };
        assert!(matches!(files(&input, None), Err(AppError::Name { .. })));
    }

    #[test]
    fn programs_are_named_and_never_known_by_their_mode() {
        let folder = tree(&["bin/tool", "bin/other"]);
        fs_err::set_permissions(folder.path().join("bin/other"), std::fs::Permissions::from_mode(0o755))
            .unwrap();
        let executable = words(&["bin/tool"]);
        let found = files(&Input { executable: &executable, ..test_input(folder.path()) }, None).unwrap();
        let programs: Vec<_> = found.sources.iter().filter(|source| source.executable).collect();
        assert_eq!(programs.len(), 1);
        assert_eq!(programs[0].path.as_str(), "app/bin/tool");
    }

    #[test]
    fn translations_without_their_compiled_form_are_told_of() {
        let folder = tree(&["locale/de/django.po", "locale/de/django.mo", "locale/fr/django.po"]);
        write(folder.path(), ".gitignore", "*.mo\n");
        let found = files(&test_input(folder.path()), None).unwrap();
        assert!(
            found.notices[0].what.starts_with("the compiled translations `locale/de/django.mo` are left out")
        );
        let include = words(&["*.mo"]);
        let found = files(&Input { include: &include, ..test_input(folder.path()) }, None).unwrap();
        assert!(found.notices.is_empty() && chosen(&found).contains(&"locale/de/django.mo"));
    }

    #[test]
    fn a_glob_that_is_none_is_refused_with_its_key() {
        let (folder, exclude) = (tree(&[]), words(&["docs/", "[a"]));
        let error = files(&Input { exclude: &exclude, ..test_input(folder.path()) }, None).unwrap_err();
        assert_eq!(error.to_string(), "`[a` in `[files] exclude` is not a glob");
    }
}
