//! Which Python a project wants, and the places where it says so.

use std::fmt;
use std::str::FromStr;

use pep440_rs::{Version, VersionSpecifiers};
use serde::Serialize;

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
}
