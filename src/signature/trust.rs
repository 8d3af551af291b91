//! Whose signatures count.

use std::path::{Path, PathBuf};

use super::{KeyId, PublicKey, Signature, SignatureError, SignatureFlaw, comment};
use crate::manifest::Manifest;

/// What is asked of a signature. All of it counts; without anything, no signature is asked for.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    demands: Vec<Demand>,
}

/// Public keys, any of which will do.
#[derive(Debug, Clone)]
struct Demand {
    /// The file that asks; nobody's but the command line's, if none does.
    by: Option<PathBuf>,
    keys: Vec<PublicKey>,
}

/// That a manifest's bytes carry a signature that counts; what bundle it is for has still to be compared.
#[must_use]
pub struct Vouched {
    key: KeyId,
    comment: String,
}

impl Trust {
    /// One of these keys is asked for, if there are any.
    pub fn new(keys: Vec<PublicKey>) -> Trust {
        let demand = (!keys.is_empty()).then_some(Demand { by: None, keys });
        Trust { demands: demand.into_iter().collect() }
    }

    /// Beside what was asked for, a file asks for one of its keys. Without any it takes no signature at all.
    #[must_use]
    pub fn and(mut self, by: &Path, keys: Vec<PublicKey>) -> Trust {
        // First: what the administrators of a machine say stands above all.
        self.demands.insert(0, Demand { by: Some(by.to_owned()), keys });
        self
    }

    /// Whether a signature is asked for.
    pub fn is_asked(&self) -> bool {
        !self.demands.is_empty()
    }

    /// Checks the signature of a manifest before anything in it is believed. `path` is what is named in errors.
    pub fn check(
        &self,
        path: &Path,
        manifest: &[u8],
        signature: Option<&[u8]>,
    ) -> Result<Option<Vouched>, SignatureError> {
        let mut vouched = None;
        for demand in &self.demands {
            let unsigned = || SignatureError::Unsigned { path: path.to_owned(), by: demand.by.clone() };
            let checked = demand.vouched(manifest, signature.ok_or_else(unsigned)?);
            let refused = |source| SignatureError::Refused { path: path.to_owned(), source };
            vouched = Some(checked.map_err(refused)?);
        }
        Ok(vouched)
    }
}

impl Demand {
    /// Checks a signature over any bytes.
    fn vouched(&self, bytes: &[u8], signature: &[u8]) -> Result<Vouched, SignatureFlaw> {
        let signature = Signature::parse(signature)?;
        let mut named = self.keys.iter().filter(|key| key.id == signature.key).peekable();
        if named.peek().is_none() {
            let trusted = self.keys.iter().map(|key| key.id).collect();
            return Err(SignatureFlaw::OtherKey { found: signature.key, trusted, by: self.by.clone() });
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
