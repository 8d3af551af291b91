//! Waiting until the disk has what was written.

use std::io;
use std::path::Path;

/// The names in a folder.
pub fn folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        fs_err::File::open(path)?.sync_all()?;
    }
    Ok(())
}

/// All below a folder: one call for the whole file system, as each file's own would wait for the disk again.
#[cfg(target_os = "linux")]
pub fn tree(path: &Path) -> io::Result<()> {
    use std::os::fd::AsRawFd as _;
    let folder = fs_err::File::open(path)?;
    // SAFETY: a system call without memory, on a descriptor that is open until it returns.
    match unsafe { libc::syncfs(folder.as_raw_fd()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// All below a folder: the volume if this account may flush it, and each file otherwise.
#[cfg(windows)]
pub fn tree(path: &Path) -> io::Result<()> {
    super::win32::flush_volume(path).or_else(|_| each_file(path))
}

#[cfg(not(any(target_os = "linux", windows)))]
pub fn tree(path: &Path) -> io::Result<()> {
    each_file(path)
}

/// Several at once: most of the time is spent waiting.
#[cfg(any(test, not(target_os = "linux")))]
pub(super) fn each_file(path: &Path) -> io::Result<()> {
    use crate::held;
    use rayon::prelude::*;
    use walkdir::WalkDir;
    let entries = WalkDir::new(path).into_iter().collect::<Result<Vec<_>, _>>()?;
    entries.par_iter().try_for_each(|entry| match entry.file_type() {
        kind if kind.is_dir() => folder(entry.path()),
        kind if kind.is_file() => {
            held::open(fs_err::OpenOptions::new().write(true), entry.path())?.sync_all()
        }
        _ => Ok(()),
    })
}
