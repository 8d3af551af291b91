//! What `inspect` and `verify` look at: a bundle, or the folder that one was expanded into.

use std::path::Path;

use serde::Serialize;

use crate::Error;
use crate::archive::Bundle;
use crate::digest::Sha256;
use crate::manifest::Manifest;
use crate::release::Release;
use crate::signature::{KeyId, Signature, Trust};

/// A bundle or a release, whichever a path names.
pub enum Opened {
    Bundle(Bundle),
    Release(Release),
}

/// What is known of a signature.
#[derive(Serialize)]
pub struct Signed {
    /// The key that it names.
    pub key: Option<KeyId>,
    /// What it says that it is for.
    pub comment: Option<String>,
    /// Whether it was asked for, and is right.
    pub trusted: bool,
    /// Why it cannot be read.
    pub flaw: Option<String>,
}

impl Opened {
    /// Opens it if `trust` takes its signature.
    pub fn open(path: &Path, trust: &Trust) -> Result<Opened, Error> {
        if path.is_dir() {
            return Ok(Opened::Release(Release::open_trusted(path, trust)?));
        }
        Ok(Opened::Bundle(Bundle::open_trusted(path, trust)?))
    }

    /// What is known of its signature, if it has one.
    pub fn signed(&self) -> Option<Signed> {
        let (signature, vouched) = match self {
            Opened::Bundle(bundle) => (bundle.signature(), bundle.vouched()),
            Opened::Release(release) => (release.signature.as_deref(), release.vouched),
        };
        let trusted = vouched.is_some();
        Some(match Signature::parse(signature?) {
            Ok(signature) => {
                let comment = Some(signature.comment().to_owned());
                Signed { key: Some(signature.key), comment, trusted, flaw: None }
            }
            Err(flaw) => Signed { key: None, comment: None, trusted, flaw: Some(flaw.to_string()) },
        })
    }

    pub fn manifest(&self) -> &Manifest {
        match self {
            Opened::Bundle(bundle) => bundle.manifest(),
            Opened::Release(release) => &release.manifest,
        }
    }

    pub fn identity(&self) -> Sha256 {
        match self {
            Opened::Bundle(bundle) => bundle.identity(),
            Opened::Release(release) => release.identity,
        }
    }

    /// Number of files, without holdall's own.
    pub fn files(&self) -> u64 {
        self.manifest().layers.iter().map(|layer| layer.entries).sum()
    }
}
