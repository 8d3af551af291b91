//! Who uses the cache at the moment: every run holds the lock together with the others, whoever removes things holds
//! it alone.
//!
//! A file system without locks (some network shares) lets everybody in; what is removed there has to be old.

use std::fs::{File, TryLockError};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Cache, CacheError, survey, write_whole};
use crate::held;

/// The file that is locked. Nothing is ever written to it.
const LOCK: &str = ".lock";

/// See <https://bford.info/cachedir/>: backups look at the first 43 bytes alone.
pub(super) const TAG: &str = "CACHEDIR.TAG";
const SIGNATURE: &str = "Signature: 8a477f597d28d172789f06886806bc55";
const OURS: &str = "# This folder is the cache of holdall.";
const MORE: &str = "\
# Backups leave it out: holdall makes all of it again.
# What the first line means: https://bford.info/cachedir/";

/// How long a lock is waited for without a word: a run that begins holds it alone for a moment.
const MOMENT: Duration = Duration::from_secs(1);

/// While this lives nothing is removed from the cache.
#[derive(Debug)]
#[must_use]
pub struct InUse {
    _lock: Option<File>,
}

/// While this lives no other run uses the cache, as far as its file system can tell.
#[derive(Debug)]
#[must_use]
pub struct Alone {
    lock: Option<File>,
}

impl Alone {
    /// Whether this is certain.
    pub fn is_sure(&self) -> bool {
        self.lock.is_some()
    }
}

impl Cache {
    /// Begins to use the cache, made if missing, and removes what runs that were killed have left there.
    ///
    /// Waits while somebody prunes it; `waiting` is called once if that takes longer than a moment.
    pub fn enter(&self, waiting: impl FnOnce()) -> io::Result<InUse> {
        fs_err::create_dir_all(self.root())?;
        let mut lock = self.lock()?;
        match lock.try_lock() {
            Ok(()) => {
                survey::sweep(self);
                self.mark()?;
                // Closing the file lets go of it. Asking Windows to do so asks twice, and Wine takes the second for an
                // error.
                lock = self.lock()?;
            }
            // Whoever holds it alone does the same.
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(_)) => {
                self.mark()?;
                return Ok(InUse { _lock: None });
            }
        }
        wait(|| lock.try_lock_shared(), || lock.lock_shared(), waiting)?;
        Ok(InUse { _lock: Some(lock) })
    }

    /// Waits until no run uses the cache, and lets none begin. `waiting` is called as in [`Cache::enter`].
    pub fn alone(&self, waiting: impl FnOnce()) -> io::Result<Alone> {
        let lock = self.lock()?;
        match wait(|| lock.try_lock(), || lock.lock(), waiting) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Ok(Alone { lock: None }),
            done => done.map(|()| Alone { lock: Some(lock) }),
        }
    }

    /// Whether some run uses the cache now. Where nobody can tell, none does.
    pub fn is_busy(&self) -> bool {
        let lock = File::open(self.root().join(LOCK));
        lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
    }

    /// Fails unless the folder is the cache's alone, so that all in it may be listed and removed. One that is not there
    /// or empty can only become that.
    pub fn check_ours(&self) -> Result<(), CacheError> {
        let root = || self.root().to_owned();
        let is_ours = match std::fs::read_to_string(self.root().join(TAG)) {
            Ok(tag) => Ok(tag.starts_with(SIGNATURE) && tag.contains(OURS)),
            Err(_) if !self.root().exists() => Ok(true),
            Err(_) => holds_a_cache_alone(self.root()),
        };
        match is_ours.map_err(|source| CacheError::Unreadable { root: root(), source })? {
            true => Ok(()),
            false => Err(CacheError::NotOurs { root: root() }),
        }
    }

    fn lock(&self) -> io::Result<File> {
        let path = self.root().join(LOCK);
        let lock = fs_err::File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        Ok(lock.into_parts().0)
    }

    /// Says that the folder is a cache, unless somebody keeps other things there.
    fn mark(&self) -> io::Result<()> {
        let root = self.root();
        if root.join(TAG).exists() || !holds_a_cache_alone(root)? {
            return Ok(());
        }
        write_whole(&root.join(TAG), |file| {
            file.write_all(format!("{SIGNATURE}\n{OURS}\n{MORE}\n").as_bytes())
        })
    }
}

/// Whether a folder is empty or has nothing but what a cache has.
fn holds_a_cache_alone(root: &Path) -> io::Result<bool> {
    for entry in fs_err::read_dir(root)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        if name != LOCK && !survey::is_part(&name) && !survey::KINDS.contains(&&*name) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn wait(
    mut attempt: impl FnMut() -> Result<(), TryLockError>,
    patiently: impl FnOnce() -> io::Result<()>,
    waiting: impl FnOnce(),
) -> io::Result<()> {
    let begun = Instant::now();
    loop {
        match attempt() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if begun.elapsed() < MOMENT => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => break,
        }
    }
    waiting();
    patiently()
}

/// Removes a file or a folder, which is not there half-removed at any time.
///
/// A folder first gets a name that says that it is not whole: a run that is killed here leaves no half folder under
/// a name that somebody trusts.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let found = match fs_err::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.is_dir() {
        return held::remove_file(path);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if survey::is_part(&name) {
        return held::remove_dir_all(path);
    }
    let going = path.with_file_name(format!("{}{name}", super::PART));
    held::remove_dir_all(&going)?;
    held::rename(path, &going)?;
    held::remove_dir_all(&going)
}
