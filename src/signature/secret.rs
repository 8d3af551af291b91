//! Secret keys: made, read and used for signing.
//!
//! minisign's own library makes and opens them, but adds noise to its signatures; here the same key signs the same bytes
//! the same way each time, as the program minisign does, so that a bundle can be made again byte for byte.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use blake2::{Blake2b512, Digest as _};
use ring::signature::Ed25519KeyPair;

use super::key::{key_line, read_text};
use super::{KeyError, KeyId, PLAIN, PREHASHED, PublicKey, UNTRUSTED};

/// Length of a secret key. It holds, in this order: algorithm, how the password is stretched, how the checksum is
/// made (2 bytes each), salt (32), two costs (8 each); then, encrypted: id (8), seed (32), public key (32), checksum (32).
const LENGTH: usize = 158;
const STRETCHED: [u8; 2] = *b"Sc";
const WITHOUT_PASSWORD: [u8; 2] = [0, 0];
const CHECKSUM: [u8; 2] = *b"B2";
const ID: std::ops::Range<usize> = 54..62;
const SEED: std::ops::Range<usize> = 62..94;
const PUBLIC: std::ops::Range<usize> = 94..126;

/// What stands first in a signature; nothing depends on it.
const SIGNATURE_COMMENT: &str = "signature of holdall.json in a bundle of holdall";

/// A new secret key, in the form in which it is kept.
pub struct Secret {
    pub public: PublicKey,
    /// Whether a password protects it.
    pub protected: bool,
    pub(super) file: String,
}

impl Secret {
    /// Makes a key, protected by `password` if there is one. That takes a moment, so that guessing takes long.
    pub fn make(password: Option<String>) -> Result<Secret, KeyError> {
        let protected = password.is_some();
        let pair = match password {
            Some(password) => minisign::KeyPair::generate_encrypted_keypair(Some(password)),
            None => minisign::KeyPair::generate_unencrypted_keypair(),
        };
        let pair = pair.map_err(|_| KeyError::Random)?;
        let public = PublicKey::of_line(&pair.pk.to_base64()).expect("a key that was just made is one");
        // minisign itself writes these words for both.
        let file = pair.sk.to_box(Some("minisign encrypted secret key")).map_err(|_| KeyError::Random)?;
        Ok(Secret { public, protected, file: file.into_string() })
    }
}

/// A secret key, open, that signs. What it holds is never shown.
pub struct Signer {
    public: PublicKey,
    pair: Ed25519KeyPair,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.public.id)
    }
}

impl Signer {
    /// Reads a secret key; `password` is asked only if one protects it.
    pub fn open(
        path: &Path,
        password: impl FnOnce() -> Result<String, KeyError>,
    ) -> Result<Signer, KeyError> {
        let wrong = |what| KeyError::NotASecretKey { path: path.to_owned(), what };
        let text = read_text(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::InvalidData => wrong("it is not text in UTF-8"),
            _ => KeyError::Unreadable { path: path.to_owned(), source },
        })?;
        let line = key_line(&text).ok_or_else(|| wrong("it has not one line of a key"))?;
        if PublicKey::of_line(line).is_some() {
            return Err(KeyError::PublicForSecret { path: path.to_owned() });
        }
        let bytes = decode(line).ok_or_else(|| wrong("its line is not that of a key"))?;
        if bytes[4..6] != CHECKSUM {
            return Err(wrong("it is of a kind that minisign 0.11 does not make"));
        }
        let bytes = match [bytes[2], bytes[3]] {
            WITHOUT_PASSWORD => bytes,
            STRETCHED => opened(path, line, password()?)?,
            _ => return Err(wrong("it is of a kind that minisign 0.11 does not make")),
        };
        let damaged = || KeyError::DamagedSecretKey { path: path.to_owned() };
        let public: &[u8; 32] = bytes[PUBLIC].try_into().map_err(|_| damaged())?;
        let id = bytes[ID].try_into().map(KeyId).map_err(|_| damaged())?;
        // Without a password minisign writes no checksum: that both halves belong together is what can be told.
        let pair = Ed25519KeyPair::from_seed_and_public_key(&bytes[SEED], public).map_err(|_| damaged())?;
        Ok(Signer { public: PublicKey::of_parts(id, public).ok_or_else(damaged)?, pair })
    }

    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs `bytes` for what `comment` says: the same bytes and comment give the same signature.
    pub fn sign(&self, bytes: &[u8], comment: &str) -> Vec<u8> {
        let signature = self.pair.sign(&Blake2b512::digest(bytes));
        let named = [&PREHASHED[..], &self.public.id.0, signature.as_ref()].concat();
        let all = self.pair.sign(&[signature.as_ref(), comment.as_bytes()].concat());
        let (named, all) = (STANDARD.encode(named), STANDARD.encode(all));
        format!("{UNTRUSTED}{SIGNATURE_COMMENT}\n{named}\ntrusted comment: {comment}\n{all}\n").into_bytes()
    }
}

/// Whether a line of base64 is that of a secret key.
pub(super) fn is_secret(line: &str) -> bool {
    decode(line).is_some()
}

fn decode(line: &str) -> Option<[u8; LENGTH]> {
    let bytes: [u8; LENGTH] = STANDARD.decode(line).ok()?.try_into().ok()?;
    (bytes[..2] == PLAIN).then_some(bytes)
}

/// The key that `password` opens.
fn opened(path: &Path, line: &str, password: String) -> Result<[u8; LENGTH], KeyError> {
    let kept = minisign::SecretKeyBox::from(format!("{UNTRUSTED}\n{line}\n"));
    let key = kept.into_secret_key(Some(password)).map_err(|error| match error.kind() {
        minisign::ErrorKind::Verify => KeyError::WrongPassword { path: path.to_owned() },
        // It asks for more work or memory than any program takes.
        _ => KeyError::DamagedSecretKey { path: path.to_owned() },
    })?;
    key.to_bytes().try_into().map_err(|_| KeyError::DamagedSecretKey { path: path.to_owned() })
}
