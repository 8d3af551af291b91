//! Descriptors 0, 1 and 2: taking the listening socket that a web server hands over as standard input, and
//! keeping the application's own standard streams away from it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, fcntl_dupfd_cloexec, fcntl_getfd};
use socket2::Socket;

use super::socket::Listener;
use crate::log_file::LogFile;

/// Why the standard streams cannot be used as wanted.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum DescriptorError {
    #[error("descriptor 0 is not a listening socket")]
    #[diagnostic(help(
        "start the bridge from a web server that hands it one (lighttpd, mod_fcgid, a spawner), or name an \
         address with `--listen unix:PATH` or `--listen tcp:HOST:PORT`"
    ))]
    NoListener,

    #[error("cannot set up the standard streams: {0}")]
    Streams(#[from] io::Error),
}

/// The listening socket at descriptor 0, moved to a descriptor that no child inherits.
pub fn inherited_listener() -> Result<Listener, DescriptorError> {
    let standard_input = rustix::stdio::stdin();
    if fcntl_getfd(standard_input).is_err() {
        return Err(DescriptorError::NoListener);
    }
    let moved = fcntl_dupfd_cloexec(standard_input, 3).map_err(io::Error::from)?;
    let socket = Socket::from(moved);
    match socket.is_listener() {
        Ok(true) => Ok(Listener::from_socket(socket)),
        _ => Err(DescriptorError::NoListener),
    }
}

/// Points descriptor 0 at nothing and 1 and 2 at the log (standard error when there is no file), so that
/// nothing the application prints or reads meets the transport. Returns what descriptor 1 was, for those who
/// have something to say there.
pub fn shield(log: Option<&LogFile>) -> Result<OwnedFd, DescriptorError> {
    let output = fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3).map_err(io::Error::from)?;
    rustix::stdio::dup2_stdin(nothing()?).map_err(io::Error::from)?;
    match log {
        Some(log) => go_on_in(&log.copy()?)?,
        None => rustix::stdio::dup2_stdout(rustix::stdio::stderr()).map_err(io::Error::from)?,
    }
    Ok(output)
}

/// Points descriptors 1 and 2 at a log.
pub fn go_on_in(log: &File) -> io::Result<()> {
    rustix::stdio::dup2_stderr(log.as_fd())?;
    rustix::stdio::dup2_stdout(log.as_fd())?;
    Ok(())
}

/// Points those of the three that are closed at nothing, before anything is opened: some spawners close 1 and 2,
/// the next socket would land there, and a `print()` in it.
pub fn fill_gaps() -> Result<(), DescriptorError> {
    let closed = |fd: BorrowedFd<'_>| fcntl_getfd(fd) == Err(Errno::BADF);
    if closed(rustix::stdio::stdin()) {
        rustix::stdio::dup2_stdin(nothing()?).map_err(io::Error::from)?;
    }
    if closed(rustix::stdio::stdout()) {
        rustix::stdio::dup2_stdout(nothing()?).map_err(io::Error::from)?;
    }
    if closed(rustix::stdio::stderr()) {
        rustix::stdio::dup2_stderr(nothing()?).map_err(io::Error::from)?;
    }
    Ok(())
}

/// `/dev/null` on a descriptor above the standard three.
fn nothing() -> io::Result<OwnedFd> {
    let opened = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    Ok(fcntl_dupfd_cloexec(&opened, 3)?)
}
