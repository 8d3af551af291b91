//! The cache folder of one user: what was downloaded, built and compressed once.
//!
//! Names, durable writing, who uses it at the moment, and what lies there: what the files mean is the business of the
//! stages that keep them here.
//!
//! ```text
//! CACHEDIR.TAG           tells backups to leave the folder out, and this program that it may prune it
//! .lock                  held shared by every run, alone by whoever removes
//! KIND/…                 layers, blocks, wheels, mentions, tools, environments, runs
//! KIND/.part-…           being written; a run that was killed leaves it, and the next one removes it
//! ```

mod age;
mod lock;
mod prune;
mod survey;
mod verify;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;

use crate::interrupt::Passing;

pub use age::used;
pub use lock::{Alone, InUse};
pub use prune::{PrunePlan, Pruned, Removal, Rules, Why};
pub use survey::{Contents, Thing};
pub use verify::{Check, Damaged, verify};

/// The folder of what lasts as long as a run.
pub const RUNS: &str = "runs";
/// The folder of layers: each a zip with its seal beside it.
pub const LAYERS: &str = "layers";
/// The folder of wheels, each in a folder named by its SHA-256.
pub const WHEELS: &str = "wheels";
/// The folder of the layers that earlier runs made of a project.
pub const BLOCKS: &str = "blocks";
/// The folder of what was found in wheels while pruning them.
pub const MENTIONS: &str = "mentions";
/// The folder of what uv answered, and can only answer again.
pub const ANSWERS: &str = "answers";
/// The folder of wheels that were built here.
pub const BUILT: &str = "built";
pub const TOOLS: &str = "tools";
pub const ENVIRONMENTS: &str = "environments";

/// How the names of what is being written begin.
const PART: &str = ".part-";

/// The cache folder.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// Why the cache cannot be looked at or tidied.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum CacheError {
    #[error("`{}` is not a folder that holdall made for its cache alone", root.display())]
    #[diagnostic(help(
        "other files lie there, so nothing in it is listed, checked or removed: set HOLDALL_CACHE to a folder of its own, or remove its folders there yourself (`layers`, `wheels`, `tools`, `environments` and so on)"
    ))]
    NotOurs { root: PathBuf },
    #[error("cannot read the cache folder `{}`", root.display())]
    #[diagnostic(help("check that you may read it, or set HOLDALL_CACHE"))]
    Unreadable { root: PathBuf, source: io::Error },
    #[error("cannot remove {}", remaining(paths))]
    #[diagnostic(help(
        "another program may hold it, or it belongs to somebody else: what else was to go is gone, so run the same command again later"
    ))]
    Remains { paths: Vec<PathBuf>, source: io::Error },
    /// Found by `verify`, which has told each.
    #[error("{}", damaged(*count, root))]
    #[diagnostic(help(
        "`holdall cache verify --fix` removes what is damaged, and the next bundle makes it again; if this comes back, check the disk"
    ))]
    Damaged { root: PathBuf, count: usize },
}

fn remaining(paths: &[PathBuf]) -> String {
    match paths {
        [path] => format!("`{}` from the cache", path.display()),
        [path, more @ ..] => format!("`{}` and {} more from the cache", path.display(), more.len()),
        [] => "anything".to_owned(),
    }
}

fn damaged(count: usize, root: &Path) -> String {
    let things = if count == 1 { "1 thing is damaged" } else { &format!("{count} things are damaged") };
    format!("{things} in the cache `{}`", root.display())
}

impl CacheError {
    pub fn is_precondition(&self) -> bool {
        matches!(self, CacheError::NotOurs { .. } | CacheError::Unreadable { .. })
    }
}

impl Cache {
    /// The cache at `root`, made when first written to.
    pub fn at(root: impl Into<PathBuf>) -> Cache {
        Cache { root: root.into() }
    }

    /// HOLDALL_CACHE, else where the system keeps caches: `%LOCALAPPDATA%\holdall\cache`, `~/.cache/holdall`.
    ///
    /// Always a whole path: other programs are told of what lies in it, and they are started elsewhere.
    pub fn of_user() -> io::Result<Cache> {
        if let Some(folder) = std::env::var_os("HOLDALL_CACHE").filter(|folder| !folder.is_empty()) {
            return Ok(Cache::at(std::path::absolute(folder)?));
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

    /// A folder for one run, read by nobody else. It goes when it is dropped; what a run that was killed has left goes
    /// when the next one begins.
    pub fn of_run(&self) -> io::Result<Passing<tempfile::TempDir>> {
        let folder = self.folder(RUNS)?;
        let mut builder = tempfile::Builder::new();
        builder.prefix("run-");
        // Requirements that another tool wrote may hold credentials.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        Passing::make(|| builder.tempdir_in(folder))
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
    let mut file = Passing::make(|| tempfile::Builder::new().prefix(PART).tempfile_in(folder))?;
    let written = write(&mut file).and_then(|()| file.flush()).and_then(|()| file.as_file().sync_all());
    written.map_err(|error| naming(path, error))?;
    file.hand_over(|file| crate::held::persist(file, path))
}

/// An error of the system, as it comes from a file that was opened, with the name of that file.
pub fn naming(path: &Path, error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(_) => {
            io::Error::new(error.kind(), format!("failed to write to file `{}`: {error}", path.display()))
        }
        None => error,
    }
}
