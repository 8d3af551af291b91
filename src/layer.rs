//! Layers: content-addressed zips, compressed once, whose blocks are copied into bundles as they are.
//!
//! A layer is a zip of its own: its index, its files sorted by path, the central directory. It lies in the
//! cache under a key made of everything that shaped it, or in a folder of the run when nothing will ask for
//! it again. This module knows neither what the files mean nor where they came from; it only sees which glibc the
//! programs among them ask for, since it has them all at hand.

mod build;
mod cached;
mod earlier;
pub mod index;
mod kept;
mod pack;

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

pub use build::{build_cached, build_in};
pub use cached::{Found, Key, damage, find};
pub use earlier::{Earlier, keep};
pub use index::{Index, IndexedFile};
pub use kept::Kept;
pub(crate) use pack::inflate;
pub use pack::total_size;

use crate::archive::records::Record;
use crate::digest::Sha256;
use crate::elf::Glibc;
use crate::entry::{EntryPath, EntryPathError};
use crate::manifest::{IndexEntry, LayerKind};
use crate::target::Target;

/// One file that goes into a layer.
#[derive(Debug, Clone)]
pub struct Source {
    pub path: EntryPath,
    pub content: Content,
    /// Whether the file is a program: mode 0755 instead of 0644.
    pub executable: bool,
}

/// Where the bytes of a file come from.
#[derive(Debug, Clone)]
pub enum Content {
    Bytes(Vec<u8>),
    File(PathBuf),
    /// Deflated already, in another zip.
    Kept(Kept),
}

impl Content {
    /// All of the bytes.
    pub fn read(&self) -> io::Result<Cow<'_, [u8]>> {
        Ok(match self {
            Content::Bytes(bytes) => Cow::Borrowed(bytes),
            Content::File(path) => Cow::Owned(fs_err::read(path)?),
            Content::Kept(kept) => Cow::Owned(kept.content()?),
        })
    }

    /// Of all of the bytes.
    pub fn sha256(&self) -> io::Result<Sha256> {
        match self {
            Content::Bytes(bytes) => Ok(Sha256::of(bytes)),
            Content::File(path) => Sha256::of_file(path),
            Content::Kept(kept) => Ok(kept.sha256),
        }
    }
}

/// A layer on disk, ready to be copied into a bundle.
#[derive(Debug, Clone)]
pub struct Layer {
    pub kind: LayerKind,
    pub name: String,
    pub target: Target,
    /// SHA-256 of the entries' bytes, followed by the index's data.
    pub digest: Sha256,
    pub index: Index,
    /// The highest glibc version that any of its files asks for (Linux).
    pub glibc: Option<Glibc>,
    /// The zip; its block is what precedes the central directory.
    pub(crate) file: PathBuf,
    pub(crate) index_entry: IndexEntry,
    /// The index's record first, then one for each file of the index, in the same order.
    pub(crate) records: Vec<Record>,
}

impl Layer {
    /// Length of the block that goes into a bundle.
    pub fn length(&self) -> u64 {
        self.records.last().map_or(0, Record::end)
    }

    /// Sum of the files' sizes.
    pub fn size(&self) -> u64 {
        self.index.size()
    }
}

impl LayerError {
    /// A file that was chosen cannot be read any more.
    pub fn unreadable(path: &Path, source: io::Error) -> LayerError {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => LayerError::Vanished { path },
            _ => LayerError::Unreadable { path, source },
        }
    }
}

/// Why a layer cannot be made.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum LayerError {
    #[error("`{}` vanished while it was being bundled", path.display())]
    #[diagnostic(help(
        "another program, or the project's own code when its settings are loaded, deletes or moves files there: let it finish and bundle again, or leave the file out with `[files] exclude` in holdall.toml"
    ))]
    Vanished { path: PathBuf },
    #[error("`{}` changed while it was being bundled", path.display())]
    #[diagnostic(help("something else writes there: let it finish, then run the same command again"))]
    Changed { path: PathBuf },
    #[error("`{}` is not a regular file", path.display())]
    #[diagnostic(help("only files can be bundled: exclude it"))]
    NotAFile { path: PathBuf },
    #[error("cannot read `{}`", path.display())]
    #[diagnostic(help("check that you may read it, then run the same command again"))]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("the files of the layer `{layer}` cannot stand beside each other")]
    Names {
        layer: String,
        #[source]
        #[diagnostic_source]
        source: EntryPathError,
    },
    #[error("cannot write the layer `{layer}`")]
    #[diagnostic(help("check that the disk has room and that you may write there"))]
    Unwritable { layer: String, source: io::Error },
}
