//! Everything that can be wrong with an archive, each with what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::entry::EntryPathError;
use crate::layer::index::IndexError;
use crate::manifest::{FORMAT, ManifestError};
use crate::signature::SignatureError;
use crate::target::Target;

/// Why an archive cannot be written, or is not accepted as a bundle.
///
/// Names that come from an archive are shown with control characters escaped.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ArchiveError {
    #[error("cannot read `{}`", file.display())]
    #[diagnostic(help("check the name and that you may read it"))]
    Unreadable { file: PathBuf, source: io::Error },
    #[error("cannot write the bundle `{}`", file.display())]
    #[diagnostic(help("check that the disk has room and that you may write there; nothing was left behind"))]
    Unwritable { file: PathBuf, source: io::Error },
    #[error("the layer `{layer}` changed while it was copied from `{}`", file.display())]
    #[diagnostic(help("something else writes there: let it finish, then run the same command again"))]
    LayerChanged { layer: String, file: PathBuf },
    #[error("the layer `{layer}` was made for {found}, the bundle is for {wanted}")]
    #[diagnostic(help("make the layer again for the bundle's target"))]
    OtherTarget { layer: String, found: Target, wanted: Target },

    #[error("`{}` is not a zip", file.display())]
    #[diagnostic(help("name a bundle: a file that `holdall bundle` made"))]
    NotAZip { file: PathBuf },
    #[error("`{}` is not a bundle: its first entry is not `holdall.json`", file.display())]
    #[diagnostic(help(
        "name a file that `holdall bundle` made; a zip packed anew by another program is not one"
    ))]
    NotABundle { file: PathBuf },
    #[error("`{}` is cut off: its end is missing", file.display())]
    #[diagnostic(help("the copy or download did not finish: fetch it again"))]
    Truncated { file: PathBuf },
    #[error("`{}` has something after its end", file.display())]
    #[diagnostic(help("a bundle ends with its central directory: fetch or make it again"))]
    TrailingJunk { file: PathBuf },
    #[error("`{}` has {bytes} bytes before its first entry", file.display())]
    #[diagnostic(help("a bundle begins with its manifest: fetch or make it again"))]
    LeadingJunk { file: PathBuf, bytes: u64 },
    #[error("the central directory of `{}` is damaged: {what}", file.display())]
    #[diagnostic(help("fetch or make the bundle again"))]
    Directory { file: PathBuf, what: &'static str },
    #[error("`{}`: {what} would take {size} bytes, more than the {limit} that a bundle may use", file.display())]
    #[diagnostic(help("this is no bundle of holdall's: do not use it"))]
    TooLarge { file: PathBuf, what: &'static str, size: u64, limit: u64 },

    #[error(transparent)]
    #[diagnostic(transparent)]
    Signature(#[from] SignatureError),
    #[error("the manifest of `{}` is not accepted", file.display())]
    Manifest {
        file: PathBuf,
        #[source]
        #[diagnostic_source]
        source: ManifestError,
    },
    #[error("the index of the layer `{layer}` in `{}` is not the one that the manifest names: {what}", file.display())]
    #[diagnostic(help("the bundle is damaged or was tampered with: fetch or make it again"))]
    IndexDiffers { file: PathBuf, layer: String, what: &'static str },
    #[error("the index of the layer `{layer}` in `{}` cannot be used", file.display())]
    #[diagnostic(help(
        "no holdall of format {FORMAT} writes such an index: the archive is broken or hostile, do not use it"
    ))]
    Index {
        file: PathBuf,
        layer: String,
        #[source]
        source: IndexError,
    },
    #[error("`{}` says of the layer `{layer}` in its manifest what its index contradicts: {what}", file.display())]
    #[diagnostic(help("the bundle is damaged or was tampered with: fetch or make it again"))]
    LayerDiffers { file: PathBuf, layer: String, what: &'static str },

    #[error("`{}` in `{}` stands in no index", entry.escape_debug(), file.display())]
    #[diagnostic(help("the bundle was changed after it was made: fetch or make it again"))]
    NotIndexed { file: PathBuf, entry: String },
    #[error("`{}` is missing from `{}`, though an index lists it", entry.escape_debug(), file.display())]
    #[diagnostic(help("the bundle was changed after it was made: fetch or make it again"))]
    Missing { file: PathBuf, entry: String },
    #[error("`{}` occurs twice in `{}`", entry.escape_debug(), file.display())]
    #[diagnostic(help("an archive with two files of one name is broken or hostile: do not use it"))]
    Duplicate { file: PathBuf, entry: String },
    #[error("`{}` in `{}` overlaps what stands before it", entry.escape_debug(), file.display())]
    #[diagnostic(help("an archive whose entries share bytes is broken or hostile: do not use it"))]
    Overlap { file: PathBuf, entry: String },
    #[error("there are bytes that belong to nothing before `{}` in `{}`", entry.escape_debug(), file.display())]
    #[diagnostic(help("a bundle has no gaps: fetch or make it again"))]
    Gap { file: PathBuf, entry: String },
    #[error("`{}` in `{}` is described differently at its place and in the central directory", entry.escape_debug(), file.display())]
    #[diagnostic(help("two programs would read two different archives: do not use it"))]
    HeadersDiffer { file: PathBuf, entry: String },
    #[error("`{}` in `{}` is encrypted", entry.escape_debug(), file.display())]
    #[diagnostic(help("bundles are never encrypted: name a file that `holdall bundle` made"))]
    Encrypted { file: PathBuf, entry: String },
    #[error("`{}` in `{}` keeps its sizes in a data descriptor", entry.escape_debug(), file.display())]
    #[diagnostic(help("bundles say sizes before data: name a file that `holdall bundle` made"))]
    DataDescriptor { file: PathBuf, entry: String },
    #[error("`{}` in `{}` is packed by method {method}; bundles use 0 (stored) and 8 (deflate)", entry.escape_debug(), file.display())]
    #[diagnostic(help("name a file that `holdall bundle` made"))]
    Method { file: PathBuf, entry: String, method: u16 },
    #[error("`{}` in `{}` is a link", entry.escape_debug(), file.display())]
    #[diagnostic(help("bundles hold regular files only: name a file that `holdall bundle` made"))]
    Link { file: PathBuf, entry: String },
    #[error("`{}` in `{}` is not named in UTF-8", entry.escape_debug(), file.display())]
    #[diagnostic(help("name a file that `holdall bundle` made"))]
    NotUnicode { file: PathBuf, entry: String },
    #[error("the record of `{}` in `{}` is not as the bundle format fixes it", entry.escape_debug(), file.display())]
    #[diagnostic(help(
        "name a file that `holdall bundle` made; a zip packed anew by another program is not a bundle"
    ))]
    NotByRule { file: PathBuf, entry: String },
    #[error("`{}` in `{}` has {found} bytes, its index says {expected}", entry.escape_debug(), file.display())]
    #[diagnostic(help("the bundle is damaged or was tampered with: fetch or make it again"))]
    SizeDiffers { file: PathBuf, entry: String, found: u64, expected: u64 },
    #[error("`{}` in `{}` claims {size} bytes from {packed}: deflate cannot do that", entry.escape_debug(), file.display())]
    #[diagnostic(help("the archive would fill memory or disk: do not use it"))]
    Bomb { file: PathBuf, entry: String, size: u64, packed: u64 },
    #[error("`{}` in `{}` does not agree with its index: {what}", entry.escape_debug(), file.display())]
    #[diagnostic(help("the bundle is damaged or was tampered with: fetch or make it again"))]
    EntryDiffers { file: PathBuf, entry: String, what: &'static str },
    #[error("the content of `{}` in `{}` is damaged", entry.escape_debug(), file.display())]
    #[diagnostic(help("fetch or make the bundle again"))]
    Content { file: PathBuf, entry: String },
    #[error("`{}` cannot stand in the bundle `{}`: the name is kept for holdall's own files", entry.escape_debug(), file.display())]
    #[diagnostic(help("rename or exclude it"))]
    Reserved { file: PathBuf, entry: String },
    #[error("the files in `{}` cannot stand beside each other", file.display())]
    #[diagnostic(help("no holdall makes such a bundle: the archive is broken or hostile, do not use it"))]
    Clash {
        file: PathBuf,
        #[source]
        #[diagnostic_source]
        source: EntryPathError,
    },
    #[error("the names in `{}` are not accepted", file.display())]
    Names {
        file: PathBuf,
        #[source]
        #[diagnostic_source]
        source: EntryPathError,
    },
}

impl ArchiveError {
    pub(crate) fn not_a_bundle(file: &Path) -> ArchiveError {
        ArchiveError::NotABundle { file: file.to_owned() }
    }

    /// Wraps what reading `file` failed with.
    pub(crate) fn unreadable(file: &Path) -> impl Fn(io::Error) -> ArchiveError + '_ {
        |source| match source.kind() {
            io::ErrorKind::UnexpectedEof => ArchiveError::Truncated { file: file.to_owned() },
            _ => ArchiveError::Unreadable { file: file.to_owned(), source },
        }
    }
}
