//! A job object, which ends all that is in it when this process ends, however it does; and Ctrl-Break, by which a process
//! without a window is asked to end.

use std::io;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};
use std::os::windows::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus};
use std::ptr::null;

use windows_sys::Win32::System::Console::{AllocConsole, CTRL_BREAK_EVENT, GenerateConsoleCtrlEvent};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation, SetInformationJobObject,
    TerminateJobObject,
};
use windows_sys::Win32::System::Threading::CREATE_NEW_PROCESS_GROUP;

/// A process and its job.
#[derive(Debug)]
pub struct Tree {
    child: Child,
    job: OwnedHandle,
}

/// Ctrl-Break goes through a console, and a service has none until it asks for one. Who has one keeps it.
pub fn prepare() {
    // SAFETY: it takes nothing. That there is a console already is the only way in which it fails here.
    unsafe { AllocConsole() };
}

impl Tree {
    pub fn spawn(command: &mut Command) -> io::Result<Tree> {
        let job = job()?;
        // A group of its own: else Ctrl-Break would come back to this process.
        let mut child = command.creation_flags(CREATE_NEW_PROCESS_GROUP).spawn()?;
        // SAFETY: both handles are open while this lasts.
        match unsafe { AssignProcessToJobObject(job.as_raw_handle(), child.as_raw_handle()) } {
            0 => {
                let error = io::Error::last_os_error();
                let _ = child.kill();
                Err(error)
            }
            _ => Ok(Tree { child, job }),
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Asks it to end. One that is deaf to it is killed when its time is up.
    pub fn ask(&self) {
        // SAFETY: it takes no memory; the number is that of a group which `spawn` has made.
        unsafe { GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, self.child.id()) };
    }

    /// Ends all that is left in the job.
    pub fn kill(&mut self) {
        // SAFETY: the handle is a job's, and open. A job whose processes are gone has nothing to end.
        unsafe { TerminateJobObject(self.job.as_raw_handle(), 1) };
        let _ = self.child.wait();
    }
}

fn job() -> io::Result<OwnedHandle> {
    // SAFETY: there is nothing to point to.
    let job = unsafe { CreateJobObjectW(null(), null()) };
    if job.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle is new, and nobody else's.
    let job = unsafe { OwnedHandle::from_raw_handle(job) };
    let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    // SAFETY: pointer and length are those of a structure that lives through the call.
    let limited = unsafe {
        SetInformationJobObject(
            job.as_raw_handle(),
            JobObjectExtendedLimitInformation,
            (&raw const limits).cast(),
            size_of_val(&limits) as u32,
        )
    };
    if limited == 0 { Err(io::Error::last_os_error()) } else { Ok(job) }
}
