//! What the Rust libraries do not offer of Windows: which volume a folder lies on, so that it can be flushed.

use std::ffi::OsString;
use std::io;
use std::os::windows::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

use windows_sys::Win32::Storage::FileSystem::{GetVolumeNameForVolumeMountPointW, GetVolumePathNameW};

/// Longest name that a mount point or a volume may have here, final NUL included: that of a long path.
const LONGEST: usize = 32768;

/// Writes all that Windows still holds in memory for the volume below `path`. It takes the rights of an administrator.
///
/// <https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-flushfilebuffers>
pub fn flush_volume(path: &Path) -> io::Result<()> {
    let mount = asked(path.as_os_str().encode_wide(), |path, answer| {
        // SAFETY: the path ends in NUL, and the buffer has the length that is given; both live through the call.
        unsafe { GetVolumePathNameW(path.as_ptr(), answer.as_mut_ptr(), answer.len() as u32) }
    })?;
    let volume = asked(mount.into_iter(), |mount, answer| {
        // SAFETY: as above; a mount point's name ends in a backslash, as it comes from the call above.
        unsafe { GetVolumeNameForVolumeMountPointW(mount.as_ptr(), answer.as_mut_ptr(), answer.len() as u32) }
    })?;
    // `\\?\Volume{…}\` is the root folder of the volume, and without the backslash the volume itself.
    let volume = OsString::from_wide(volume.strip_suffix(&[u16::from(b'\\')]).unwrap_or(&volume));
    std::fs::OpenOptions::new().write(true).open(volume)?.sync_all()
}

/// Calls what answers a name with a name, both ended by NUL.
fn asked(
    name: impl Iterator<Item = u16>,
    call: impl FnOnce(&[u16], &mut [u16]) -> i32,
) -> io::Result<Vec<u16>> {
    let name: Vec<u16> = name.chain([0]).collect();
    let mut answer = vec![0; LONGEST];
    if call(&name, &mut answer) == 0 {
        return Err(io::Error::last_os_error());
    }
    answer.truncate(answer.iter().position(|unit| *unit == 0).unwrap_or(0));
    Ok(answer)
}
