//! Which Python a project wants, and the places where it says so.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use pep440_rs::{Version, VersionSpecifiers};
use serde::Serialize;

use super::config::Config;
use super::disk;
use super::error::ProjectError;
use super::pyproject::Pyproject;
use super::{Found, Overrides};
use crate::progress::Notice;
use crate::python::{MinorVersion, PythonVersion};

/// The versions of Python that a project accepts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct PythonWanted {
    specifiers: VersionSpecifiers,
}

/// A text that says nothing about versions of CPython.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a Python version like `3.12` nor a range like `>=3.11,<3.14`")]
pub struct NotARange(String);

impl PythonWanted {
    /// Whether some patch release of `minor` is accepted.
    pub fn allows(&self, minor: MinorVersion) -> bool {
        // No minor version of CPython has come near a hundred patch releases.
        (0..100).any(|patch| self.allows_exactly(PythonVersion { minor, patch }))
    }

    pub fn allows_exactly(&self, version: PythonVersion) -> bool {
        let release = [version.minor.major, version.minor.minor, version.patch].map(u64::from);
        self.specifiers.contains(&Version::new(release))
    }
}

impl FromStr for PythonWanted {
    type Err = NotARange;

    /// Reads a range (`>=3.11,<3.14`), a minor version or a full version. Of a full version only the minor
    /// one counts: another patch release runs the same packages, and is often the safer one.
    fn from_str(text: &str) -> Result<PythonWanted, NotARange> {
        let text = text.trim();
        let wrong = || NotARange(text.to_owned());
        let minor = text
            .parse::<PythonVersion>()
            .map(|version| version.minor)
            .or_else(|_| text.parse::<MinorVersion>());
        let range = minor.map_or_else(|_| text.to_owned(), |minor| format!("=={minor}.*"));
        let specifiers: VersionSpecifiers = range.parse().map_err(|_| wrong())?;
        if specifiers.is_empty() {
            return Err(wrong());
        }
        Ok(PythonWanted { specifiers })
    }
}

impl fmt::Display for PythonWanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.specifiers.fmt(f)
    }
}

impl From<PythonWanted> for String {
    fn from(wanted: PythonWanted) -> String {
        wanted.to_string()
    }
}

/// Finds out which Python the project wants. `folders` are absolute, in order of closeness to `manage.py`.
pub(super) fn find(
    root: &Path,
    folders: &[PathBuf],
    pyprojects: &[Pyproject],
    config: &Config,
    overrides: &Overrides,
    notices: &mut Vec<Notice>,
) -> Result<Option<Found<PythonWanted>>, ProjectError> {
    if let Some(wanted) = &overrides.python {
        return Ok(Some(Found::new(wanted.clone(), "the command line")));
    }
    if let Some(wanted) = &config.project.python {
        return Ok(Some(Found::new(wanted.clone(), config.place("project.python"))));
    }
    for statement in statements(root, folders, pyprojects)? {
        match parse_loosely(&statement.value) {
            Some(value) => return Ok(Some(Found::new(value, statement.from))),
            None => notices.push(Notice {
                what: format!(
                    "{} says `{}`, which is no version of CPython",
                    statement.from, statement.value
                ),
                help: format!("correct it, or set {}", config.key("project.python")),
            }),
        }
    }
    Ok(None)
}

/// What the project's files say of Python, the most particular first.
fn statements(
    root: &Path,
    folders: &[PathBuf],
    pyprojects: &[Pyproject],
) -> Result<Vec<Found<String>>, ProjectError> {
    let mut statements = Vec::new();
    let first_line = |name: &str| -> Result<Option<Found<String>>, ProjectError> {
        for file in folders.iter().map(|folder| folder.join(name)).filter(|file| file.is_file()) {
            let text = disk::text(root, &file)?;
            let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
            if let Some(line) = line {
                return Ok(Some(Found::new(line.to_owned(), disk::shown(root, &file))));
            }
        }
        Ok(None)
    };
    statements.extend(first_line(".python-version")?);
    let keys = ["project.requires-python", "tool.poetry.dependencies.python"];
    statements.extend(pyprojects.iter().find_map(|pyproject| pyproject.text(&keys)));
    for folder in folders {
        let lock = folder.join("uv.lock");
        // The words of the parser would quote a line, and lines of a lock hold addresses of an index.
        let table = disk::toml(root, &lock).map_err(|error| match error {
            ProjectError::NotToml { file, .. } => ProjectError::BrokenLock { file },
            error => error,
        })?;
        if let Some(table) = table
            && let Some(range) = disk::lookup(&table, "requires-python").and_then(toml::Value::as_str)
        {
            let place = format!("{}, key `requires-python`", disk::shown(root, &lock));
            statements.push(Found::new(range.to_owned(), place));
        }
    }
    for folder in folders {
        let pipfile = folder.join("Pipfile");
        // What is wrong with it is pipenv's to say; here its lines, which hold addresses of indexes, would be quoted.
        let Ok(Some(table)) = disk::toml(root, &pipfile) else { continue };
        for key in ["requires.python_full_version", "requires.python_version"] {
            if let Some(version) = disk::lookup(&table, key).and_then(toml::Value::as_str) {
                let place = format!("{}, key `{key}`", disk::shown(root, &pipfile));
                statements.push(Found::new(version.to_owned(), place));
            }
        }
    }
    statements.extend(first_line("runtime.txt")?);
    Ok(statements)
}

/// Reads a version or range as the various files spell it: `python-3.12.4`, `cpython@3.12`, `3`, `^3.11`.
fn parse_loosely(text: &str) -> Option<PythonWanted> {
    let bare = ["cpython-", "cpython@", "cpython", "python-", "python"]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix));
    let bare = bare.unwrap_or(text).trim();
    let bare = bare.strip_suffix(".x").unwrap_or(bare);
    let numbers = |range: &str| {
        range
            .split('.')
            .map(|part| part.trim().parse::<u16>().ok())
            .collect::<Option<Vec<u16>>>()
            .map(|parts| parts.into_iter().map(u32::from).collect::<Vec<_>>())
    };
    if let Some(lowest) = bare.strip_prefix('^') {
        // Poetry: up to the next major version.
        let next = numbers(lowest)?.first()? + 1;
        return format!(">={lowest},<{next}").parse().ok();
    }
    if let Some(lowest) = bare.strip_prefix('~').filter(|rest| !rest.starts_with('=')) {
        // Poetry: up to the next minor version, or the next major one where no minor is given.
        let below = match numbers(lowest)?.as_slice() {
            [major] => format!("{}", major + 1),
            [major, minor, ..] => format!("{major}.{}", minor + 1),
            [] => return None,
        };
        return format!(">={lowest},<{below}").parse().ok();
    }
    match bare.parse::<u16>() {
        Ok(major) => format!("=={major}.*").parse().ok(),
        Err(_) => bare.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[track_caller]
    fn check(range: &str, allowed: &[&str], refused: &[&str]) {
        let wanted: PythonWanted = range.parse().unwrap();
        for minor in allowed {
            assert!(wanted.allows(minor.parse().unwrap()), "{range} should allow {minor}");
        }
        for minor in refused {
            assert!(!wanted.allows(minor.parse().unwrap()), "{range} should not allow {minor}");
        }
    }

    #[test]
    fn a_range_allows_a_minor_version_when_it_allows_one_of_its_releases() {
        check(">=3.12.4", &["3.12", "3.13"], &["3.11"]);
        check(">=3.11,<3.13", &["3.11", "3.12"], &["3.10", "3.13"]);
        check("~=3.11", &["3.11", "3.14"], &["3.10"]);
        check("==3.12.*", &["3.12"], &["3.1", "3.13"]);
        check("!=3.11.*,>=3.10", &["3.10", "3.12"], &["3.11"]);
    }

    #[test]
    fn a_version_alone_means_its_minor_version() {
        check("3.12", &["3.12"], &["3.11", "3.13"]);
        check("3.12.4", &["3.12"], &["3.11", "3.13"]);
        assert_eq!("3.12.4".parse::<PythonWanted>().unwrap().to_string(), "==3.12.*");
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for wrong in ["", "pypy3.10", "my-virtualenv", "three", ">=x"] {
            assert!(wrong.parse::<PythonWanted>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn spellings_of_other_tools_are_understood() {
        for (text, range) in [
            ("python-3.12.4", "==3.12.*"),
            ("cpython@3.12", "==3.12.*"),
            ("cpython-3.12.1", "==3.12.*"),
            ("python-3.12.x", "==3.12.*"),
            ("3", "==3.*"),
            ("^3.11", ">=3.11, <4"),
            ("~3.11", ">=3.11, <3.12"),
            ("~=3.11", "~=3.11"),
            (">=3.11,<3.14", ">=3.11, <3.14"),
        ] {
            assert_eq!(
                parse_loosely(text).map(|wanted| wanted.to_string()).as_deref(),
                Some(range),
                "{text}"
            );
        }
        for text in ["pypy3.10-7.3.12", "my-virtualenv", "3.13t", "^x"] {
            assert_eq!(parse_loosely(text), None, "{text}");
        }
    }
}
