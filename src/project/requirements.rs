//! Requirements files as far as they name other files. What they require is uv's business.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::disk;
use super::error::ProjectError;

/// Follows `-r` and `-c` from `file`: every file included must exist and be text.
pub fn check_includes(root: &Path, file: &Path) -> Result<(), ProjectError> {
    let mut seen = BTreeSet::new();
    let mut waiting = vec![file.to_owned()];
    while let Some(file) = waiting.pop() {
        if !seen.insert(file.clone()) {
            continue;
        }
        let folder = file.parent().unwrap_or(root);
        for Include { line, path } in includes(&disk::text(root, &file)?) {
            let included: PathBuf = folder.join(&path);
            if !included.is_file() {
                let place = format!("{}, line {line},", disk::shown(root, &file));
                return Err(ProjectError::MissingInclude { place, include: path });
            }
            waiting.push(included);
        }
    }
    Ok(())
}

/// Whether the requirements are nothing but the project itself: `.` or `-e .`.
pub fn install_the_project(text: &str) -> bool {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or(line).trim());
    let mut lines = lines.filter(|line| !line.is_empty()).peekable();
    let is_project = |line: &str| {
        let path = ["-e", "--editable"].iter().find_map(|option| line.strip_prefix(option)).unwrap_or(line);
        matches!(path.trim_start_matches('=').trim(), "." | "./")
    };
    lines.peek().is_some() && lines.all(is_project)
}

#[derive(Debug, PartialEq, Eq)]
struct Include {
    line: usize,
    path: String,
}

fn includes(text: &str) -> Vec<Include> {
    let mut includes = Vec::new();
    let mut continued = false;
    for (at, line) in text.lines().enumerate() {
        // Options stand at the beginning of a line; what follows a backslash belongs to the one before.
        let begins = !continued;
        continued = line.trim_end().ends_with('\\');
        let line = line.trim();
        if let Some(path) = begins.then(|| included(line)).flatten() {
            // Addresses and variables are resolved by uv.
            if !path.contains("://") && !path.contains("${") {
                includes.push(Include { line: at + 1, path: path.to_owned() });
            }
        }
    }
    includes
}

fn included(line: &str) -> Option<&str> {
    let rest =
        ["--requirement", "--constraint", "-r", "-c"].iter().find_map(|option| line.strip_prefix(option))?;
    let value = rest.strip_prefix('=').unwrap_or(rest).trim_start();
    // `-r` may be followed by its value at once, the long forms not.
    if line.starts_with("--") && value.len() == rest.len() {
        return None;
    }
    let value =
        value.find(" #").map_or(value, |comment| &value[..comment]).trim_end_matches([' ', '\t', '\\']);
    let unquoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    Some(unquoted.unwrap_or(value)).filter(|path| !path.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(usize, &str)]) {
        let found = includes(text);
        let found: Vec<_> = found.iter().map(|include| (include.line, include.path.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn all_spellings_of_an_include_are_read() {
        check("-r base.txt\r\nDjango\r\n-c ../c.txt  # why\r\n", &[(1, "base.txt"), (3, "../c.txt")]);
        check(
            "-rbase.txt\n--requirement=a.txt\n--requirement b.txt\n--constraint c.txt",
            &[(1, "base.txt"), (2, "a.txt"), (3, "b.txt"), (4, "c.txt")],
        );
        check("  -r 'my file.txt'", &[(1, "my file.txt")]);
    }

    #[test]
    fn requirements_that_are_only_the_project_itself_are_recognised() {
        for text in [".", "# for the platform\n-e .\r\n", "--editable=.", "./  # it\n"] {
            assert!(install_the_project(text), "{text}");
        }
        for text in ["", "# nothing", "-e .\nDjango", "./lib", "-e ./lib", ".[web]"] {
            assert!(!install_the_project(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_include_of_a_file_is_passed_over() {
        check(
            "# -r x.txt\n--require-hashes\n-e .\ncelery-redis\n-r https://host.example/x.txt\n-r ${DIR}/x.txt",
            &[],
        );
        check("a==1 \\\n  -r no\n", &[]);
    }
}
