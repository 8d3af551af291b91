//! What the Rust libraries do not offer of Windows: a lock of the whole machine, and the code page of the console.

use std::io;
use std::marker::PhantomData;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};
use std::ptr::{null, null_mut};
use std::time::Duration;

use windows_sys::Win32::Foundation::{WAIT_ABANDONED, WAIT_OBJECT_0, WAIT_TIMEOUT};
use windows_sys::Win32::Globalization::{CP_OEMCP, MultiByteToWideChar};
use windows_sys::Win32::System::Threading::{CreateMutexW, ReleaseMutex, WaitForSingleObject};

/// A named mutex, held by this thread.
pub struct Mutex {
    handle: OwnedHandle,
    /// Only the thread that has taken it can give it back.
    _thread: PhantomData<*const ()>,
}

impl Mutex {
    /// Takes it, unless somebody else holds it for all that time.
    pub fn take(name: &str, patience: Duration) -> io::Result<Option<Mutex>> {
        let name: Vec<u16> = name.encode_utf16().chain([0]).collect();
        // SAFETY: the name ends in NUL and lives through the call.
        let handle = unsafe { CreateMutexW(null(), 0, name.as_ptr()) };
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle is new and nobody else's.
        let handle = unsafe { OwnedHandle::from_raw_handle(handle) };
        let milliseconds = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX - 1);
        // SAFETY: the handle is open.
        match unsafe { WaitForSingleObject(handle.as_raw_handle(), milliseconds) } {
            // Whoever held it has ended without giving it back. What it left is read before anything is planned.
            WAIT_OBJECT_0 | WAIT_ABANDONED => Ok(Some(Mutex { handle, _thread: PhantomData })),
            WAIT_TIMEOUT => Ok(None),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl Drop for Mutex {
    fn drop(&mut self) {
        // SAFETY: the handle is open, and this is the thread that holds the mutex.
        unsafe { ReleaseMutex(self.handle.as_raw_handle()) };
    }
}

/// Text in the code page of consoles, letters that it does not have replaced.
pub fn of_console(bytes: &[u8]) -> String {
    let Ok(length) = i32::try_from(bytes.len()) else { return String::from_utf8_lossy(bytes).into_owned() };
    // SAFETY: pointer and length are those of the bytes; without room the call only counts.
    let needed = unsafe { MultiByteToWideChar(CP_OEMCP, 0, bytes.as_ptr(), length, null_mut(), 0) };
    let mut units = vec![0_u16; usize::try_from(needed).unwrap_or(0)];
    // SAFETY: as before, and the room is that of the vector.
    let written =
        unsafe { MultiByteToWideChar(CP_OEMCP, 0, bytes.as_ptr(), length, units.as_mut_ptr(), needed) };
    units.truncate(usize::try_from(written).unwrap_or(0));
    String::from_utf16_lossy(&units)
}
