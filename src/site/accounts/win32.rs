//! What the Rust libraries do not offer of Windows: the accounts that it knows.

use std::io;
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{ERROR_INSUFFICIENT_BUFFER, ERROR_NONE_MAPPED};
use windows_sys::Win32::Security::LookupAccountNameW;

/// Whether the machine, its domain or one that this trusts has an account of this name. An error says that one of them gave
/// no answer.
pub fn is_there(name: &str) -> io::Result<bool> {
    let name: Vec<u16> = name.encode_utf16().chain([0]).collect();
    let (mut sid, mut domain, mut kind) = (0, 0, 0);
    // SAFETY: the name ends in NUL and lives through the call; without room it only tells how much is needed.
    let done = unsafe {
        LookupAccountNameW(null(), name.as_ptr(), null_mut(), &mut sid, null_mut(), &mut domain, &mut kind)
    };
    let error = io::Error::last_os_error();
    match error.raw_os_error().map(|code| code as u32) {
        // There is something to write down, so it was found.
        _ if done != 0 => Ok(true),
        Some(ERROR_INSUFFICIENT_BUFFER) => Ok(true),
        Some(ERROR_NONE_MAPPED) => Ok(false),
        _ => Err(error),
    }
}
