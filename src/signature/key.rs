//! Public keys: a line of base64, on its own or in a file below a comment.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::secret;
use super::{KeyError, KeyId, PLAIN, UNTRUSTED};

/// Length of a public key: algorithm, id, key.
const LENGTH: usize = 42;

/// More than a key with its comment takes.
const FILE_LIMIT: u64 = 16 << 10;

/// A key that signatures are checked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    pub id: KeyId,
    pub(super) inner: minisign_verify::PublicKey,
    line: String,
}

impl PublicKey {
    /// Takes what a person gives: the line itself, or the name of a file that holds it.
    pub fn find(given: &str) -> Result<PublicKey, KeyError> {
        if let Some(key) = PublicKey::of_line(given) {
            return Ok(key);
        }
        if secret::is_secret(given.trim()) {
            // It is not repeated: what is printed ends in logs.
            return Err(KeyError::SecretForPublic { given: "what was given".to_owned() });
        }
        let path = PathBuf::from(given);
        let text = read_text(&path).map_err(|source| match source.kind() {
            io::ErrorKind::InvalidData => {
                KeyError::NotAPublicKey { path: path.clone(), what: "it is not text in UTF-8" }
            }
            _ => KeyError::NoSuchPublicKey { given: given.to_owned(), source },
        })?;
        let line = key_line(&text)
            .ok_or(KeyError::NotAPublicKey { path: path.clone(), what: "it has not one line of a key" })?;
        PublicKey::of_line(line).ok_or_else(|| match secret::is_secret(line) {
            true => KeyError::SecretForPublic { given: format!("`{given}`") },
            false => KeyError::NotAPublicKey { path, what: "its line is not that of a key" },
        })
    }

    /// The key of a line of base64.
    pub fn of_line(line: &str) -> Option<PublicKey> {
        let line = line.trim();
        let bytes: [u8; LENGTH] = STANDARD.decode(line).ok()?.try_into().ok()?;
        let inner = minisign_verify::PublicKey::from_base64(line).ok()?;
        let id = bytes[2..10].try_into().map(KeyId).ok()?;
        (bytes[..2] == PLAIN).then(|| PublicKey { id, inner, line: line.to_owned() })
    }

    /// A key from its parts.
    pub(super) fn of_parts(id: KeyId, key: &[u8; 32]) -> Option<PublicKey> {
        PublicKey::of_line(&STANDARD.encode([&PLAIN[..], &id.0, key].concat()))
    }

    /// The line that names it, without its comment.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// What minisign would write into its file.
    pub(super) fn file(&self) -> String {
        format!("{UNTRUSTED}minisign public key {}\n{}\n", self.id, self.line)
    }
}

/// The text of a key's file.
pub(super) fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs_err::File::open(path)?.take(FILE_LIMIT).read_to_string(&mut text)?;
    Ok(text)
}

/// The one line in a key's file that is not a comment.
pub(super) fn key_line(text: &str) -> Option<&str> {
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with(UNTRUSTED.trim_end()));
    lines.next().filter(|_| lines.next().is_none())
}
