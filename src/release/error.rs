//! Every way in which a bundle does not become a release, or a folder is none, each with what to do about it.

use std::io;
use std::path::PathBuf;

use super::mark::MarkError;
use crate::archive::ArchiveError;
use crate::layer::index::IndexError;
use crate::manifest::{MANIFEST, ManifestError};
use crate::signature::SignatureError;

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
    #[error("the mark `{}` is not accepted", path.display())]
    #[diagnostic(help(
        "the release counts as incomplete: deploy its bundle again, or another, and this one can be removed"
    ))]
    Mark {
        path: PathBuf,
        #[source]
        #[diagnostic_source]
        source: MarkError,
    },
}

impl ReleaseError {
    /// Whether the place was not fit and nothing was written.
    pub fn is_precondition(&self) -> bool {
        use ReleaseError::*;
        matches!(self, NotEmpty { .. } | NotAFolder { .. } | PathTooLong { .. } | Names { .. })
    }
}
