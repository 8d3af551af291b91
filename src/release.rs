//! A bundle expanded into a folder of its own: made whole or not at all, opened and verified again later.
//!
//! Never writes outside of the folder it was given, and never into one that holds something already.

mod expand;
mod slot;
mod verify;

use std::io;
use std::path::{Path, PathBuf};

pub use expand::{check_fits, expand};
pub use slot::Slot;
pub use verify::verify;

use crate::archive::{self, ArchiveError};
use crate::digest::Sha256;
use crate::layer::{Index, index::IndexError};
use crate::manifest::{MANIFEST, Manifest, ManifestError};
use crate::signature::{KeyId, SignatureError, Trust};

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

/// Why a bundle cannot become a release, or a folder is none.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ReleaseError {
    #[error("`{}` is not empty", folder.display())]
    #[diagnostic(help(
        "a bundle is expanded into a folder of its own: name one that is empty or does not exist"
    ))]
    NotEmpty { folder: PathBuf },
    #[error("`{}` is not a folder", folder.display())]
    #[diagnostic(help("name a folder that is empty or does not exist"))]
    NotAFolder { folder: PathBuf },
    #[error(
        "below `{}` the path of `{path}` would have {length} characters, and Windows takes {limit}",
        folder.display()
    )]
    #[diagnostic(help(
        "expand into a folder whose path is at least {} characters shorter (`--root` names one)",
        length - limit
    ))]
    PathTooLong { folder: PathBuf, path: String, length: usize, limit: usize },
    #[error("the bundle is for {target}, and this system cannot hold all of its names")]
    #[diagnostic(help("expand it on {target}"))]
    Names {
        target: crate::target::Target,
        #[source]
        #[diagnostic_source]
        source: crate::entry::EntryPathError,
    },
    #[error("cannot write `{}`", path.display())]
    #[diagnostic(help(
        "check that the disk has room and that you may write there; what was expanded is removed again"
    ))]
    Unwritable { path: PathBuf, source: io::Error },
    #[error("cannot read `{}`", path.display())]
    #[diagnostic(help("check that it is there and that you may read it"))]
    Unreadable { path: PathBuf, source: io::Error },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Archive(#[from] ArchiveError),
    #[error("`{}` is not an expanded bundle: it has no `{MANIFEST}`", folder.display())]
    #[diagnostic(help("name a bundle, or the folder that one was expanded into"))]
    NotARelease { folder: PathBuf },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Signature(#[from] SignatureError),
    #[error("the signature `{}` is larger than one can be", path.display())]
    #[diagnostic(help("the folder was changed after the bundle was expanded: expand it again"))]
    SignatureTooLarge { path: PathBuf },
    #[error("the manifest `{}` is not accepted", path.display())]
    Manifest {
        path: PathBuf,
        #[source]
        #[diagnostic_source]
        source: ManifestError,
    },
    #[error("`{}` is not the index that the manifest names", path.display())]
    #[diagnostic(help("the folder was changed after the bundle was expanded: expand it again"))]
    IndexDiffers { path: PathBuf },
    #[error("the index `{}` cannot be used", path.display())]
    #[diagnostic(help("the bundle was not made by holdall: make it again"))]
    Index {
        path: PathBuf,
        #[source]
        source: IndexError,
    },
}

impl ReleaseError {
    /// Whether the place was not fit and nothing was written.
    pub fn is_precondition(&self) -> bool {
        use ReleaseError::*;
        matches!(self, NotEmpty { .. } | NotAFolder { .. } | PathTooLong { .. } | Names { .. })
    }
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
        let mut indexes = Vec::with_capacity(manifest.layers.len());
        for layer in &manifest.layers {
            let path = folder.join(Index::name(&layer.digest));
            let bytes = match read_up_to(&path, layer.index.size) {
                Ok(bytes) if Sha256::of(&bytes) == layer.index.digest => bytes,
                Ok(_) => return Err(ReleaseError::IndexDiffers { path }),
                Err(source) => return Err(ReleaseError::Unreadable { path, source }),
            };
            let index = Index::parse(&bytes, manifest.target)
                .map_err(|source| ReleaseError::Index { path, source })?;
            indexes.push(index);
        }
        let (root, identity) = (folder.to_owned(), Sha256::of(&bytes));
        Ok(Release { root, manifest, identity, signature, vouched, indexes })
    }
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
fn read_up_to(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::Read::read_to_end(
        &mut io::Read::take(fs_err::File::open(path)?, limit.saturating_add(1)),
        &mut bytes,
    )?;
    Ok(bytes)
}
