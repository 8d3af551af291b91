//! Signatures as minisign makes them, over the exact bytes of `holdall.json`: through the digests in it one signature
//! covers every byte of a bundle.
//!
//! Keys are told apart by their id, but only the key itself is trusted. Asks nobody for a password: who calls knows
//! where it comes from.

mod error;
mod files;
mod key;
mod secret;
mod trust;
mod trust_toml;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};

pub use error::{KeyError, SignatureError, SignatureFlaw};
pub use files::{KeyFiles, KeyPlace};
pub use key::PublicKey;
pub use secret::{Secret, Signer};
pub use trust::Trust;
pub use trust_toml::{TRUST_FILE_VARIABLE, TrustError, TrustFile, TrustedKey};

use crate::manifest::Manifest;

/// What minisign writes before a comment that anybody can change.
const UNTRUSTED: &str = "untrusted comment: ";

/// Ed25519 over the bytes themselves. minisign makes no such signatures any more; its keys still say it.
const PLAIN: [u8; 2] = *b"Ed";
/// Ed25519 over the BLAKE2b-512 of the bytes.
const PREHASHED: [u8; 2] = *b"ED";

/// What a signature says of the bundle that it is for; covered by the signature.
pub fn comment(manifest: &Manifest) -> String {
    format!("holdall {} {} {}", manifest.name, manifest.version, manifest.target)
}

/// The number by which people tell keys apart, as minisign writes it. Whoever makes a key chooses it: it proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId([u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", u64::from_le_bytes(self.0))
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A signature that can be read. Whether it is right, only [`Trust`] says.
#[derive(Clone)]
pub struct Signature {
    /// The key that it says it was made with.
    pub key: KeyId,
    inner: minisign_verify::Signature,
}

impl Signature {
    /// Takes what a `.minisig` file holds: four lines and nothing else.
    pub fn parse(bytes: &[u8]) -> Result<Signature, SignatureFlaw> {
        let text = std::str::from_utf8(bytes).map_err(|_| SignatureFlaw::Malformed("it is not UTF-8"))?;
        let lines: Vec<&str> = text.lines().collect();
        let [first, encoded, ..] = lines[..] else {
            return Err(SignatureFlaw::Malformed("it is cut off"));
        };
        if !first.starts_with(UNTRUSTED) {
            return Err(SignatureFlaw::Malformed("it does not begin as minisign's signatures do"));
        }
        if lines.len() != 4 {
            return Err(SignatureFlaw::Malformed(match lines.len() {
                0..4 => "it is cut off",
                _ => "something follows it",
            }));
        }
        let inner = minisign_verify::Signature::decode(text).map_err(|error| match error {
            minisign_verify::Error::UnsupportedAlgorithm => SignatureFlaw::Algorithm,
            _ => SignatureFlaw::Malformed("its lines are not those of a signature"),
        })?;
        let bytes = STANDARD.decode(encoded).unwrap_or_default();
        let (Some(algorithm), Some(key)) = (bytes.first_chunk::<2>(), bytes.get(2..10)) else {
            return Err(SignatureFlaw::Malformed("its lines are not those of a signature"));
        };
        if *algorithm != PREHASHED {
            return Err(SignatureFlaw::Algorithm);
        }
        let key = KeyId(key.try_into().expect("eight bytes were taken"));
        Ok(Signature { key, inner })
    }

    /// What it says that it is for.
    pub fn comment(&self) -> &str {
        self.inner.trusted_comment()
    }
}
