//! What the Rust libraries do not offer of Windows: a program with all that it starts, ended at once.

use std::io;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};
use std::process::Child;
use std::ptr::null;

use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_BREAKAWAY_OK,
    JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE, JOBOBJECT_EXTENDED_LIMIT_INFORMATION,
    JobObjectExtendedLimitInformation, SetInformationJobObject, TerminateJobObject,
};

/// What becomes of the programs in a job when it is dropped, or when the process that made it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// They go on. Whichever of them starts something that is to outlive it says so, and would be refused otherwise.
    GoOn,
    /// They end, however that came.
    End,
}

/// A program and all that it has started since it was known to this.
#[derive(Debug)]
pub struct Job(OwnedHandle);

impl Job {
    /// That of a program that was started just now.
    pub fn of(program: &Child, dropped: Dropped) -> io::Result<Job> {
        // SAFETY: there is nothing to point to.
        let job = unsafe { CreateJobObjectW(null(), null()) };
        if job.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle is new, and nobody else's.
        let job = unsafe { OwnedHandle::from_raw_handle(job) };
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        limits.BasicLimitInformation.LimitFlags = match dropped {
            Dropped::GoOn => JOB_OBJECT_LIMIT_BREAKAWAY_OK,
            Dropped::End => JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
        };
        // SAFETY: pointer and length are those of a structure that lives through the call.
        let limited = unsafe {
            SetInformationJobObject(
                job.as_raw_handle(),
                JobObjectExtendedLimitInformation,
                (&raw const limits).cast(),
                size_of_val(&limits) as u32,
            )
        };
        if limited == 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: both handles are open while this lasts.
        match unsafe { AssignProcessToJobObject(job.as_raw_handle(), program.as_raw_handle()) } {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(Job(job)),
        }
    }

    /// Ends all that is in it.
    pub fn end(&self) {
        // SAFETY: the handle is a job's, and open. A job whose processes are gone has nothing to end.
        unsafe { TerminateJobObject(self.0.as_raw_handle(), 1) };
    }
}
