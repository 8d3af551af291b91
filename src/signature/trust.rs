//! Whose signatures count.

use std::path::Path;

use super::{KeyId, PublicKey, Signature, SignatureError, SignatureFlaw, comment};
use crate::manifest::Manifest;

/// Public keys, any of which will do. Without any, no signature is asked for.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    keys: Vec<PublicKey>,
}

/// That a manifest's bytes carry a signature that counts; what bundle it is for has still to be compared.
#[must_use]
pub struct Vouched {
    key: KeyId,
    comment: String,
}

impl Trust {
    pub fn new(keys: Vec<PublicKey>) -> Trust {
        Trust { keys }
    }

    /// Whether a signature is asked for.
    pub fn is_asked(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Checks the signature of a manifest before anything in it is believed. `path` is what is named in errors.
    pub fn check(
        &self,
        path: &Path,
        manifest: &[u8],
        signature: Option<&[u8]>,
    ) -> Result<Option<Vouched>, SignatureError> {
        if !self.is_asked() {
            return Ok(None);
        }
        let signature = signature.ok_or_else(|| SignatureError::Unsigned { path: path.to_owned() })?;
        let vouched = self.vouched(manifest, signature);
        vouched.map(Some).map_err(|source| SignatureError::Refused { path: path.to_owned(), source })
    }

    /// Checks a signature over any bytes.
    fn vouched(&self, bytes: &[u8], signature: &[u8]) -> Result<Vouched, SignatureFlaw> {
        let signature = Signature::parse(signature)?;
        let mut named = self.keys.iter().filter(|key| key.id == signature.key).peekable();
        if named.peek().is_none() {
            let trusted = self.keys.iter().map(|key| key.id).collect();
            return Err(SignatureFlaw::OtherKey { found: signature.key, trusted });
        }
        // Ids are chosen freely, so that two keys may share one.
        if !named.any(|key| key.inner.verify(bytes, &signature.inner, false).is_ok()) {
            return Err(SignatureFlaw::Forged { key: signature.key });
        }
        Ok(Vouched { key: signature.key, comment: signature.comment().to_owned() })
    }
}

impl Vouched {
    /// Compares the comment with the bundle; returns the key that vouches for it.
    pub fn matched(self, path: &Path, manifest: &Manifest) -> Result<KeyId, SignatureError> {
        let expected = comment(manifest);
        if self.comment != expected {
            let source = SignatureFlaw::OtherBundle { found: self.comment, expected };
            return Err(SignatureError::Refused { path: path.to_owned(), source });
        }
        Ok(self.key)
    }
}
