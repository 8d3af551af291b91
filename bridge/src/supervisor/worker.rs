//! One worker as its parent sees it: a child, what it has said, and how much memory it takes.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::Program;
use crate::transports::Listener;

/// What a worker writes when it can answer requests.
pub const READY: &[u8] = b"ready\n";

/// What a worker writes when it has answered as many requests as it may.
pub const FULL: &[u8] = b"full\n";

/// A worker that lived shorter than this is not simply started again.
const SHORT_LIFE: Duration = Duration::from_secs(5);

pub struct Worker {
    child: Child,
    pub output: ChildStdout,
    since: Instant,
    pub ready: bool,
    /// It has answered as many requests as it may.
    pub full: bool,
    /// The output has ended, so there is nothing to poll; the process is about to be gone.
    pub silent: bool,
}

impl Worker {
    pub fn start(program: &Program, listener: &Listener) -> io::Result<Worker> {
        let socket = OwnedFd::from(listener.socket.try_clone()?);
        let mut child = Command::new(&program.executable)
            .args(&program.arguments)
            .arg("--worker")
            .stdin(Stdio::from(socket))
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().expect("it was asked for");
        rustix::io::ioctl_fionbio(&output, true)?;
        Ok(Worker { child, output, since: Instant::now(), ready: false, full: false, silent: false })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// It was gone too soon for the same thing to be tried again at once.
    pub fn was_short_lived(&self) -> bool {
        !self.ready || self.since.elapsed() < SHORT_LIFE
    }

    /// Takes in what it has said.
    pub fn listen(&mut self) {
        let mut heard = [0; 64];
        match self.output.read(&mut heard) {
            Ok(0) => self.silent = true,
            Ok(read) => {
                for line in heard[..read].split_inclusive(|byte| *byte == b'\n') {
                    self.ready |= line.ends_with(READY);
                    self.full |= line.ends_with(FULL);
                }
            }
            Err(_) => {}
        }
    }

    /// How it ended, if it has; what it said before is heard.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        if status.is_some() {
            // It may say that it is ready and die before anybody has listened.
            self.listen();
        }
        Ok(status)
    }

    pub fn is_gone(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Tells it to finish its requests and leave.
    pub fn tell_to_stop(&self) {
        // Not waited for yet, so the number is still this child's.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    pub fn kill(&mut self) {
        // It is gone already, or goes now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Bytes that it has in memory, files that are mapped there included; `None` where the system does not say.
    pub fn memory(&self) -> Option<u64> {
        let text = fs_err::read_to_string(format!("/proc/{}/statm", self.child.id())).ok()?;
        let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
        Some(pages * rustix::param::page_size() as u64)
    }
}
