//! The name of a release on a server: `2.4-1f0c9a22`, the bundle's version and the first eight digits of its identity.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::manifest::Version;

/// The name of a release: of its folders, and of what is registered for it.
///
/// Eight digits are for people. Whether a release is of a certain bundle is told by its whole identity, which its mark
/// holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReleaseId(String);

/// A text that names no release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("`{}` does not name a release: a version and the eight first digits of an identity were expected, as in `2.4-1f0c9a22`", .0.escape_debug())]
pub struct NotAReleaseId(String);

/// How many digits of the identity there are.
const DIGITS: usize = 8;

impl ReleaseId {
    /// That of a bundle.
    pub fn new(version: &Version, identity: &Sha256) -> ReleaseId {
        ReleaseId(format!("{version}-{}", identity.short()))
    }

    pub fn parse(text: &str) -> Result<ReleaseId, NotAReleaseId> {
        let wrong = || NotAReleaseId(text.to_owned());
        let (version, digits) = text.rsplit_once('-').ok_or_else(wrong)?;
        let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if digits.len() != DIGITS || !digits.bytes().all(is_digit) {
            return Err(wrong());
        }
        // Not brought into form as a version that a person types is: this is a name that was written by Holdall.
        Version::try_from(version.to_owned()).map_err(|_| wrong())?;
        Ok(ReleaseId(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<std::path::Path> for ReleaseId {
    fn as_ref(&self) -> &std::path::Path {
        self.0.as_ref()
    }
}

impl TryFrom<String> for ReleaseId {
    type Error = NotAReleaseId;

    fn try_from(text: String) -> Result<ReleaseId, NotAReleaseId> {
        ReleaseId::parse(&text)
    }
}

impl From<ReleaseId> for String {
    fn from(id: ReleaseId) -> String {
        id.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_name_of_a_release_is_its_version_and_the_beginning_of_its_identity() {
        let identity = "0123abcd".repeat(8).parse().unwrap();
        for version in ["2.4", "2.4-rc1-dirty.0a1b2c3d", "a"] {
            let id = ReleaseId::new(&Version::parse(version).unwrap(), &identity);
            assert_eq!(id.as_str(), format!("{version}-0123abcd"));
            assert_eq!(ReleaseId::parse(id.as_str()).unwrap(), id);
        }
    }

    #[test]
    fn nothing_else_names_a_release() {
        let long = format!("{}-0123abcd", "1".repeat(33));
        for wrong in
            ["", "2.4", "-0123abcd", "2.4-0123ABCD", "2.4-0123abc", "../2-0123abcd", "2+4-0123abcd", &long]
        {
            assert!(ReleaseId::parse(wrong).is_err(), "{wrong}");
        }
    }
}
