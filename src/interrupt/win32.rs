//! What the Rust libraries do not offer of Windows: a program with all that it starts, ended at once.

use std::io;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};
use std::process::Child;
use std::ptr::null;

use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, TerminateJobObject,
};

/// A program and all that it has started since it was known to this. Dropping it ends nothing.
#[derive(Debug)]
pub struct Tree(OwnedHandle);

impl Tree {
    /// That of a program that was started just now.
    pub fn of(program: &Child) -> io::Result<Tree> {
        // SAFETY: there is nothing to point to.
        let job = unsafe { CreateJobObjectW(null(), null()) };
        if job.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle is new, and nobody else's.
        let job = unsafe { OwnedHandle::from_raw_handle(job) };
        // SAFETY: both handles are open while this lasts.
        match unsafe { AssignProcessToJobObject(job.as_raw_handle(), program.as_raw_handle()) } {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(Tree(job)),
        }
    }

    /// Ends all that is in it.
    pub fn end(&self) {
        // SAFETY: the handle is a job's, and open. A job whose processes are gone has nothing to end.
        unsafe { TerminateJobObject(self.0.as_raw_handle(), 1) };
    }
}
