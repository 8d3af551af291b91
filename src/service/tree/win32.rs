//! A job, which ends all that is in it when this process ends, however it does; and Ctrl-Break, by which a process without a
//! window is asked to end.

use std::io;
use std::os::windows::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, ExitStatus};

use windows_sys::Win32::System::Console::{AllocConsole, CTRL_BREAK_EVENT, GenerateConsoleCtrlEvent};
use windows_sys::Win32::System::Threading::CREATE_NEW_PROCESS_GROUP;

use crate::interrupt::{Dropped, Job};

/// A process and its job.
#[derive(Debug)]
pub struct Tree {
    child: Child,
    job: Job,
}

/// Ctrl-Break goes through a console, and a service has none until it asks for one. Who has one keeps it.
pub fn prepare() {
    // SAFETY: it takes nothing. That there is a console already is the only way in which it fails here.
    unsafe { AllocConsole() };
}

impl Tree {
    pub fn spawn(command: &mut Command) -> io::Result<Tree> {
        // A group of its own: else Ctrl-Break would come back to this process.
        let mut child = command.creation_flags(CREATE_NEW_PROCESS_GROUP).spawn()?;
        match Job::of(&child, Dropped::End) {
            Ok(job) => Ok(Tree { child, job }),
            Err(error) => {
                let _ = child.kill();
                Err(error)
            }
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it reads, if that is a pipe and nobody has taken it.
    pub fn input(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
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
        self.job.end();
        let _ = self.child.wait();
    }
}
