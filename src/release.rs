//! A bundle expanded into a folder of its own: made whole or not at all, opened and verified again later.
//!
//! Never writes outside of the folder it was given, and never into one that holds something already.

mod adopt;
mod carry;
mod compile;
mod complete;
mod error;
mod expand;
mod id;
mod leftover;
mod make;
mod mark;
pub mod prune;
mod releases;
mod reuse;
mod slot;
mod tree;
mod verify;

use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

pub use adopt::{Adoption, adopt, check_arrived};
pub use carry::CarryOver;
pub use complete::Complete;
pub use error::ReleaseError;
pub use expand::{WINDOWS_LIMIT, check_fits, expand, length_below};
pub use id::{NotAReleaseId, ReleaseId};
pub use make::{Completed, Handed, Making, Unmarked, complete, expand_unmarked};
pub use mark::{MARK, MadeFile, Mark, MarkError, Origin, PRUNING};
pub use releases::{Adopted, Found, Releases, Reserved, State};
pub use reuse::Reuse;
pub use slot::Slot;
pub use tree::Held;
pub use verify::{SITE_TOML, drift, verify};

use crate::archive;
use crate::digest::Sha256;
use crate::layer::{Index, IndexedFile};
use crate::manifest::{MANIFEST, Manifest};
use crate::signature::{KeyId, Trust};

/// A bundle in a folder, complete.
#[derive(Debug, Clone)]
pub struct Release {
    pub root: PathBuf,
    pub manifest: Manifest,
    /// SHA-256 of `holdall.json`, as for the bundle it came from.
    pub identity: Sha256,
    /// The signature's bytes, if there is one: anything, unless a key vouches for them.
    pub signature: Option<Vec<u8>>,
    /// The key whose signature was asked for and found.
    pub vouched: Option<KeyId>,
    /// Of the manifest's layers, in their order.
    pub indexes: Vec<Index>,
}

impl Release {
    /// Opens a folder that a bundle was expanded into. Its indexes are those that the manifest names; its files
    /// are not read ([`verify()`] does that).
    pub fn open(folder: &Path) -> Result<Release, ReleaseError> {
        Release::open_trusted(folder, &Trust::default())
    }

    /// As [`Release::open`], if `trust` takes the signature that lies in the folder.
    pub fn open_trusted(folder: &Path, trust: &Trust) -> Result<Release, ReleaseError> {
        let path = folder.join(MANIFEST);
        let bytes = match read_up_to(&path, archive::MANIFEST_LIMIT) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ReleaseError::NotARelease { folder: folder.to_owned() });
            }
            read => read.map_err(|source| ReleaseError::Unreadable { path: path.clone(), source })?,
        };
        let signature = read_signature(folder)?;
        let vouched = trust.check(folder, &bytes, signature.as_deref())?;
        let manifest = Manifest::parse(&bytes).map_err(|source| ReleaseError::Manifest { path, source })?;
        let vouched = vouched.map(|vouched| vouched.matched(folder, &manifest)).transpose()?;
        archive::check_indexes(folder, &manifest)?;
        let indexes = manifest.layers.par_iter().map(|layer| {
            let path = folder.join(Index::name(&layer.digest));
            let bytes = match read_up_to(&path, layer.index.size) {
                Ok(bytes) if Sha256::of(&bytes) == layer.index.digest => bytes,
                Ok(_) => return Err(ReleaseError::IndexDiffers { path }),
                Err(source) => return Err(ReleaseError::Unreadable { path, source }),
            };
            Index::parse(&bytes, manifest.target).map_err(|source| ReleaseError::Index { path, source })
        });
        let indexes = indexes.collect::<Result<_, _>>()?;
        let (root, identity) = (folder.to_owned(), Sha256::of(&bytes));
        Ok(Release { root, manifest, identity, signature, vouched, indexes })
    }

    /// The files of the bundle, layer by layer.
    pub fn files(&self) -> impl Iterator<Item = &IndexedFile> {
        self.indexes.iter().flat_map(|index| &index.files)
    }
}

/// How bundles name what lies at `path` below `root`; `None` for a name that no bundle can have.
fn relative(root: &Path, path: &Path) -> Option<String> {
    let parts = path.strip_prefix(root).ok()?.iter().map(|part| part.to_str());
    Some(parts.collect::<Option<Vec<_>>>()?.join("/"))
}

/// The bytes of the signature, if there is one.
fn read_signature(folder: &Path) -> Result<Option<Vec<u8>>, ReleaseError> {
    let path = folder.join(archive::SIGNATURE);
    match read_up_to(&path, archive::SIGNATURE_LIMIT) {
        Ok(bytes) if bytes.len() as u64 > archive::SIGNATURE_LIMIT => {
            Err(ReleaseError::SignatureTooLarge { path })
        }
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ReleaseError::Unreadable { path, source }),
    }
}

/// Reads a file whose first `limit` bytes are enough to tell what it is.
///
/// Whoever gives a folder away may have put a pipe or a device into it under any name: nobody waits for those.
fn read_up_to(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut options = fs_err::OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    fs_err::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, limit.saturating_add(1)), &mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
