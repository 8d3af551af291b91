//! A CPython version, and where things lie in the one layout that all runtimes are shaped into.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::entry::EntryPath;

/// A full CPython version, `3.12.4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PythonVersion {
    pub minor: MinorVersion,
    pub patch: u16,
}

/// The part of a version on which packages depend, `3.12`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MinorVersion {
    pub major: u16,
    pub minor: u16,
}

impl MinorVersion {
    /// The oldest CPython that a bundle can carry: the bridge needs its stable ABI.
    pub const OLDEST: MinorVersion = MinorVersion { major: 3, minor: 10 };

    /// `312`, as in `python312.dll` and `cp312`.
    pub fn digits(self) -> String {
        format!("{}{}", self.major, self.minor)
    }
}

impl fmt::Display for MinorVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl fmt::Display for PythonVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.minor, self.patch)
    }
}

/// A text that is no version of CPython in the form wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a Python version like `3.12` or `3.12.4`")]
pub struct NotAVersion(String);

impl FromStr for MinorVersion {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<MinorVersion, NotAVersion> {
        let wrong = || NotAVersion(text.to_owned());
        let (major, minor) = text.split_once('.').ok_or_else(wrong)?;
        Ok(MinorVersion {
            major: major.parse().map_err(|_| wrong())?,
            minor: minor.parse().map_err(|_| wrong())?,
        })
    }
}

impl FromStr for PythonVersion {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<PythonVersion, NotAVersion> {
        let wrong = || NotAVersion(text.to_owned());
        let (minor, patch) = text.rsplit_once('.').ok_or_else(wrong)?;
        Ok(PythonVersion {
            minor: minor.parse().map_err(|_| wrong())?,
            patch: patch.parse().map_err(|_| wrong())?,
        })
    }
}

impl TryFrom<String> for MinorVersion {
    type Error = NotAVersion;

    fn try_from(text: String) -> Result<MinorVersion, NotAVersion> {
        text.parse()
    }
}

impl From<MinorVersion> for String {
    fn from(version: MinorVersion) -> String {
        version.to_string()
    }
}

impl TryFrom<String> for PythonVersion {
    type Error = NotAVersion;

    fn try_from(text: String) -> Result<PythonVersion, NotAVersion> {
        text.parse()
    }
}

impl From<PythonVersion> for String {
    fn from(version: PythonVersion) -> String {
        version.to_string()
    }
}

/// Where Python lies inside a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PythonLayout {
    pub version: PythonVersion,
    /// `python/python.exe`, `python/bin/python3.12`
    pub program: EntryPath,
    /// `python/Lib/site-packages`, `python/lib/python3.12/site-packages`
    pub site_packages: EntryPath,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared_by_their_numbers() {
        let version = "3.9.12".parse::<PythonVersion>().expect("a version");
        assert_eq!((version.minor.to_string(), version.to_string()), ("3.9".to_owned(), "3.9.12".to_owned()));
        assert!(version.minor < MinorVersion::OLDEST);
        for wrong in ["3", "3.", "3.12.1.2", "three.ten.1", ""] {
            assert!(wrong.parse::<PythonVersion>().is_err(), "{wrong}");
        }
    }
}
