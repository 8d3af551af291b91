//! What `inspect` and `verify` look at: a bundle, or the folder that one was expanded into.

use std::path::Path;

use crate::Error;
use crate::archive::Bundle;
use crate::digest::Sha256;
use crate::manifest::Manifest;
use crate::release::Release;

/// A bundle or a release, whichever a path names.
pub enum Opened {
    Bundle(Bundle),
    Release(Release),
}

impl Opened {
    pub fn open(path: &Path) -> Result<Opened, Error> {
        if path.is_dir() {
            return Ok(Opened::Release(Release::open(path)?));
        }
        Ok(Opened::Bundle(Bundle::open(path)?))
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
