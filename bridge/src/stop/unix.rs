//! Stopping on Unix: by a signal, or because nobody holds the other end of a pipe any more.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};

use super::leave;
use crate::log;
use crate::transports::Source;

/// Signals that mean "finish, then leave".
pub const SOFT: [i32; 3] = [SIGTERM, SIGINT, SIGUSR1];

/// A socket that has a byte to read for every one of `signals` that arrives.
pub fn signals(signals: &[i32]) -> io::Result<UnixStream> {
    let (read, write) = UnixStream::pair()?;
    read.set_nonblocking(true)?;
    for signal in signals {
        signal_hook::low_level::pipe::register(*signal, write.try_clone()?)?;
    }
    Ok(read)
}

/// Stops `source` when a soft signal arrives, or when nobody holds the other end of `lifeline` any more.
/// What then takes longer than `grace` ends the process at once, and so does a second signal; not in a worker,
/// though, which hears of one Ctrl-C twice: from the terminal and from its parent.
pub fn watch(source: Arc<dyn Source>, lifeline: Option<OwnedFd>, grace: Duration) -> io::Result<()> {
    let mut signals = signals(&SOFT)?;
    std::thread::Builder::new().name("holdall-bridge-stop".to_owned()).spawn(move || {
        wait(&signals, lifeline.as_ref(), None);
        drain(&mut signals);
        log::line_unless_stuck("stopping: requests in flight are finished");
        source.stop();
        let deadline = Instant::now() + grace;
        while Instant::now() < deadline {
            wait(&signals, None, Some(deadline));
            if drain(&mut signals) && lifeline.is_none() {
                log::line_unless_stuck("told to stop a second time: leaving at once");
                leave(1);
            }
        }
        log::line_unless_stuck(&format!("not done within {} s: leaving at once", grace.as_secs()));
        leave(1);
    })?;
    Ok(())
}

/// Waits until a signal came, the lifeline broke, or `until`.
fn wait(signals: &UnixStream, lifeline: Option<&OwnedFd>, until: Option<Instant>) {
    let mut fds = vec![PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN)];
    // A pipe whose reader is gone reports an error to its writer without being asked for one.
    fds.extend(lifeline.map(|fd| PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::empty())));
    loop {
        let limit =
            until.and_then(|until| Timespec::try_from(until.saturating_duration_since(Instant::now())).ok());
        match poll(&mut fds, limit.as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            _ => return,
        }
    }
}

/// Takes what signals left behind; says whether there was anything.
pub fn drain(signals: &mut UnixStream) -> bool {
    matches!(signals.read(&mut [0; 64]), Ok(1..))
}
