//! Every way in which a bundle does not become a release, or a folder is none, each with what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use super::mark::MarkError;
use super::{MARK, ReleaseId};
use crate::archive::{ArchiveError, Difference};
use crate::bytecode::BytecodeError;
use crate::entry::{EntryPath, EntryPathError};
use crate::error::differing;
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
        source: EntryPathError,
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
    #[error("`{}` is a link", path.display())]
    #[diagnostic(help("a release is a folder of its own: remove the link"))]
    Link { path: PathBuf },
    #[error("`{path}` cannot stand in a release: the name is kept for what is made on the server")]
    #[diagnostic(help("no project needs such a file: leave it out, and make the bundle again"))]
    Reserved { path: EntryPath },
    #[error("cannot remove `{}`, which is left of an earlier deploy", path.display())]
    #[diagnostic(help("end what uses it, then run the same command again"))]
    Remains { path: PathBuf, source: io::Error },
    #[error("`{}` is in use, and not complete any more", folder.display())]
    #[diagnostic(help(
        "nothing in it is changed while it serves: roll back, or deploy a bundle of another version; then deploy this one again"
    ))]
    InUse { folder: PathBuf },
    #[error("`{}` holds the release {found}", folder.display())]
    #[diagnostic(help("a release is found by the name of its folder: give it back its name, or remove it"))]
    OtherRelease { folder: PathBuf, found: ReleaseId },
    #[error("`{}` holds another bundle whose identity begins alike", folder.display())]
    #[diagnostic(help("give the bundle another version, or remove that release first"))]
    Taken { folder: PathBuf },
    #[error("`{}` is not what was bundled: {}, {first}", folder.display(), differing(*count))]
    #[diagnostic(help("`holdall verify` with this folder names each file: copy the folder again"))]
    Changed { folder: PathBuf, count: usize, first: String },
    #[error("`{}` was made for another site", path.display())]
    #[diagnostic(help(
        "the folder was copied from where it was deployed before: remove `{MARK}` and this file, then run the same command again"
    ))]
    MadeElsewhere { path: PathBuf },
    #[error("what is made on the server cannot stand beside the files of the bundle")]
    Clash {
        #[source]
        #[diagnostic_source]
        source: EntryPathError,
    },
    #[error("the Python of the release does not run: `{}`", program.display())]
    #[diagnostic(help("the bundle is for another machine, or something keeps its programs from being run"))]
    Python {
        program: PathBuf,
        #[source]
        source: BytecodeError,
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
    /// That a folder differs so from its bundle, if it does.
    pub(crate) fn changed(folder: &Path, differences: &[Difference]) -> Option<ReleaseError> {
        let first = differences.first()?.said();
        Some(ReleaseError::Changed { folder: folder.to_owned(), count: differences.len(), first })
    }

    /// Whether the place was not fit and nothing was written.
    pub fn is_precondition(&self) -> bool {
        use ReleaseError::*;
        matches!(
            self,
            NotEmpty { .. }
                | NotAFolder { .. }
                | PathTooLong { .. }
                | Names { .. }
                | Link { .. }
                | Reserved { .. }
                | InUse { .. }
                | OtherRelease { .. }
                | Taken { .. }
                | Changed { .. }
                | MadeElsewhere { .. }
                | Clash { .. }
        )
    }

    /// Whether a release is broken for good. What cannot be looked at now may be whole, and what a newer holdall made is
    /// not for this one to judge.
    pub fn is_damage(&self) -> bool {
        use ReleaseError::*;
        match self {
            Manifest { source, .. } => !matches!(source, ManifestError::UnknownFormat { .. }),
            Mark { source, .. } => !matches!(source, MarkError::UnknownFormat { .. }),
            Unreadable { source, .. } => source.kind() == io::ErrorKind::NotFound,
            NotARelease { .. } | SignatureTooLarge { .. } | IndexDiffers { .. } | Index { .. } => true,
            _ => false,
        }
    }
}
