//! A lock between processes that lasts as long as a value.

use std::fs::TryLockError;
use std::path::Path;

/// A file that nobody else holds.
pub struct Hold {
    file: fs_err::File,
}

impl Hold {
    /// Waits until nobody holds it.
    pub fn wait(path: &Path) -> std::io::Result<Hold> {
        let file = open(path)?;
        file.file().lock()?;
        Ok(Hold { file })
    }

    /// None when somebody holds it.
    pub fn at_once(path: &Path) -> std::io::Result<Option<Hold>> {
        let file = open(path)?;
        match file.file().try_lock() {
            Ok(()) => Ok(Some(Hold { file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // Closing the file isn't enough: a process that is being started has a copy of the handle for a moment.
        let _ = self.file.file().unlock();
    }
}

fn open(path: &Path) -> std::io::Result<fs_err::File> {
    fs_err::OpenOptions::new().create(true).truncate(false).write(true).open(path)
}
