//! Replaces a file whole, and only if it still is what its reader has seen.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ConfigError;
use crate::hold::Hold;

/// Where writers meet. It is a file of its own, as the other one is replaced.
pub(super) fn lock_file(path: &Path) -> PathBuf {
    path.with_extension("lock")
}

/// Puts `bytes` where `expected` is.
pub(super) fn replace(path: &Path, expected: &[u8], bytes: &[u8]) -> Result<(), ConfigError> {
    // IIS doesn't wait for another writer: the commit fails with a sharing violation.
    let held = Hold::at_once(&lock_file(path)).map_err(ConfigError::Unreadable)?;
    let _held = held.ok_or_else(|| ConfigError::InUse { path: path.to_owned() })?;
    if fs_err::read(path).map_err(ConfigError::Unreadable)? != expected {
        return Err(ConfigError::ChangedOnDisk { path: path.to_owned() });
    }
    write_whole(path, bytes).map_err(|error| in_use(path, error))
}

/// On Windows a file that somebody reads all the time can't be replaced.
fn in_use(path: &Path, error: std::io::Error) -> ConfigError {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied if cfg!(windows) => ConfigError::InUse { path: path.to_owned() },
        _ => ConfigError::Unreadable(error),
    }
}

/// Writes beside the file, then renames: a reader finds the old one or the new one.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    let mut file = file.into_temp_path();
    let mut tries = if cfg!(windows) { 200 } else { 1 };
    loop {
        tries -= 1;
        // The standard library's way: on most of Windows it also replaces a file that somebody reads. Where it does not,
        // the web server has it open for a moment, which the real one lets nobody notice.
        match fs_err::rename(&file, path) {
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied && tries > 0 => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error),
            Ok(()) => {
                file.disable_cleanup(true);
                return Ok(());
            }
        }
    }
}
