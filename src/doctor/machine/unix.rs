//! What the Rust libraries do not offer of Unix: the room on a disk.

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// The bytes that this user may still write where `path` is.
pub fn free(path: &Path) -> io::Result<u64> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut found = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends in NUL, and the call fills the structure.
    if unsafe { libc::statvfs(path.as_ptr(), found.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has succeeded.
    let found = unsafe { found.assume_init() };
    #[allow(clippy::useless_conversion)] // They have other widths on other systems.
    Ok(u64::from(found.f_bavail).saturating_mul(u64::from(found.f_frsize)))
}
