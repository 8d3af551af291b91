//! A process group: who leaves it by itself is on its own.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, ExitStatus};

/// A process and its group.
#[derive(Debug)]
pub struct Tree {
    child: Child,
    group: libc::pid_t,
}

/// What has to be so before anything can be asked to end.
pub fn prepare() {}

impl Tree {
    pub fn spawn(command: &mut Command) -> io::Result<Tree> {
        let child = command.process_group(0).spawn()?;
        let group = libc::pid_t::try_from(child.id()).map_err(io::Error::other)?;
        Ok(Tree { child, group })
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

    /// Asks the process to end: it alone, since those that it has started are its own business until then.
    pub fn ask(&self) {
        // SAFETY: a system call without memory; nobody has waited for the process yet, so the number is still its own.
        unsafe { libc::kill(self.group, libc::SIGTERM) };
    }

    /// Ends all that is left of the group.
    pub fn kill(&mut self) {
        // SAFETY: a system call without memory; the group is one that `spawn` made.
        unsafe { libc::kill(-self.group, libc::SIGKILL) };
        let _ = self.child.wait();
    }
}
