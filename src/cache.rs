//! The cache folder of one user: what was downloaded, built and compressed once.
//!
//! Only names and durable writing: what the files mean is the business of the stages that keep them here.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;

use crate::interrupt::Passing;

/// The cache folder.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache at `root`, made when first written to.
    pub fn at(root: impl Into<PathBuf>) -> Cache {
        Cache { root: root.into() }
    }

    /// HOLDALL_CACHE, else where the system keeps caches: `%LOCALAPPDATA%\holdall\cache`, `~/.cache/holdall`.
    pub fn of_user() -> io::Result<Cache> {
        if let Some(folder) = std::env::var_os("HOLDALL_CACHE").filter(|folder| !folder.is_empty()) {
            return Ok(Cache::at(folder));
        }
        let base = etcetera::choose_base_strategy().map_err(io::Error::other)?;
        let folder = if cfg!(windows) { "holdall\\cache" } else { "holdall" };
        Ok(Cache::at(base.cache_dir().join(folder)))
    }

    /// The folder of one kind of cached things (`layers`, `wheels`, `mentions`, `tools`, `environments`), made if missing.
    pub fn folder(&self, kind: &str) -> io::Result<PathBuf> {
        let folder = self.root.join(kind);
        fs_err::create_dir_all(&folder)?;
        Ok(folder)
    }

    pub fn root(&self) -> &Path {
        &self.root
    }
}

/// Writes a file so that its name either does not exist or holds all of it: a temporary file in the same
/// folder, synced, then renamed. Two writers of one name may race; either's whole file stays.
pub fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut tempfile::NamedTempFile) -> io::Result<()>,
) -> io::Result<()> {
    let folder = path.parent().expect("a cached file lies in a folder");
    let mut file = Passing::make(|| tempfile::Builder::new().prefix(".part-").tempfile_in(folder))?;
    write(&mut file)?;
    file.flush()?;
    file.as_file().sync_all()?;
    file.hand_over(|file| crate::held::persist(file, path))
}
