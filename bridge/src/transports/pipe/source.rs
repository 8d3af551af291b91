//! Requests from the one pipe of a process, one after the other.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use windows_sys::Win32::Foundation::{ERROR_NO_DATA, ERROR_PIPE_CONNECTED, ERROR_PIPE_LISTENING};

use super::guard::Guard;
use super::stream::PipeStream;
use crate::connection::{Connection, Progress};
use crate::exchange::{Disposition, Exchange};
use crate::log;
use crate::loss::PATIENCE;
use crate::transports::{Interest, Source};
use crate::win32::PipeEnd;

/// How long a request that has begun to arrive may take to be complete when the process is told to stop.
const LAST_WORD: Duration = Duration::from_secs(5);

/// How long a process that is told to stop looks whether a client has come in the meantime.
const GLANCE: Duration = Duration::from_millis(1);

/// Why there is no pipe to serve.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum PipeError {
    #[error("standard input is no named pipe that goes both ways")]
    #[diagnostic(help(
        "start the bridge from a web server that hands it one: IIS does, to what is registered under `fastCgi` \
         with the protocol NamedPipe; `--check` tries the application without a web server"
    ))]
    NoPipe,

    #[error("cannot use the named pipe on standard input: {0}")]
    #[diagnostic(help("start the bridge anew; if this comes back, restart the application pool"))]
    Unusable(#[from] io::Error),
}

/// The pipe of this process, and whoever is connected to it.
pub struct Pipe {
    shared: Arc<Shared>,
    description: String,
    /// Nobody can connect any more, and that is nobody's wish.
    has_failed: AtomicBool,
}

/// What the source and the stream it hands out have in common.
pub(super) struct Shared {
    pub(super) guard: Arc<Guard>,
    place: Mutex<Place>,
    is_server_end: bool,
}

/// Where the pipe is.
enum Place {
    /// Here, with nobody connected.
    Free(PipeEnd),
    /// Here, with a client that wants to ask again.
    Kept(Connection),
    /// With a request.
    Lent,
    /// Nobody can connect any more.
    Closed,
}

impl Pipe {
    /// The pipe that is this process's standard input.
    pub fn from_standard_input() -> Result<Pipe, PipeError> {
        let mut end = PipeEnd::of_standard_input()?.ok_or(PipeError::NoPipe)?;
        // A client's end may refuse; what is wrong with a server's shows when it is listened to.
        let _ = end.set_waiting_bytes();
        let is_server_end = end.is_server_end();
        let description = format!(
            "a named pipe ({} end, {})",
            if is_server_end { "server" } else { "client" },
            if end.is_synchronous() { "synchronous" } else { "overlapped" }
        );
        let guard = Guard::start(end.canceller())?;
        // At a client's end the other side is there from the start.
        let place = Mutex::new(Place::Lent);
        let shared = Arc::new(Shared { guard, place, is_server_end });
        let free = match is_server_end {
            true => Place::Free(end),
            false => Place::Kept(connection(end, &shared)),
        };
        *shared.place() = free;
        Ok(Pipe { shared, description, has_failed: AtomicBool::new(false) })
    }

    /// Which kind of pipe it is, in words.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Whether requests ended because the pipe did not work any more.
    pub fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    /// A connection, once somebody is there; `None` when it is time to leave.
    fn connection(&self) -> Option<Connection> {
        let place = std::mem::replace(&mut *self.shared.place(), Place::Lent);
        let mut end = match place {
            Place::Kept(connection) => return Some(connection),
            Place::Free(end) => end,
            Place::Lent | Place::Closed => return None,
        };
        match self.listen(&mut end) {
            Ok(()) => Some(connection(end, &self.shared)),
            Err(error) => {
                if !matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::TimedOut) {
                    log::line(&format!("nobody can connect to the named pipe any more: {error}"));
                    self.has_failed.store(true, Ordering::Relaxed);
                }
                None
            }
        }
    }

    /// Waits for a client.
    fn listen(&self, end: &mut PipeEnd) -> io::Result<()> {
        let guard = &self.shared.guard;
        loop {
            let connected = match guard.is_stopping() {
                true => guard.during(Some(GLANCE), || end.connect()),
                false => guard.while_idle(|| guard.during(None, || end.connect())),
            };
            let Err(error) = connected else { return Ok(()) };
            match error.raw_os_error().map(i32::cast_unsigned) {
                Some(ERROR_PIPE_CONNECTED) => return Ok(()),
                // A client came and went, and the pipe must be freed of it.
                Some(ERROR_NO_DATA) => end.disconnect(),
                // The pipe was made not to wait, and something has made it so again.
                Some(ERROR_PIPE_LISTENING) => end.set_waiting_bytes()?,
                // Told to stop while waiting: a last look.
                _ if error.kind() == io::ErrorKind::Interrupted => {}
                _ => return Err(error),
            }
        }
    }

    /// Waits for more on a connection; `None` when it is time to leave. `is_new` says that it came when it was time
    /// already, and that nothing has been heard of it.
    fn more(&self, connection: &mut Connection, is_new: bool) -> Option<Progress> {
        let guard = &self.shared.guard;
        let stopping = guard.is_stopping();
        let patience = match (stopping, connection.is_idle() && !is_new) {
            (false, true) => Duration::MAX,
            (false, false) => PATIENCE,
            (true, false) => LAST_WORD,
            (true, true) => Duration::ZERO,
        };
        let waited = match stopping {
            false => guard.while_idle(|| connection.stream.wait(Interest::Read, patience)),
            true => connection.stream.wait(Interest::Read, patience),
        };
        match waited.map_err(|error| error.kind()) {
            Ok(_) => Some(connection.receive()),
            // Told to stop: what has begun to arrive is still waited for, for a while.
            Err(io::ErrorKind::Interrupted) => Some(Progress::Waiting),
            Err(io::ErrorKind::TimedOut) if stopping => None,
            Err(io::ErrorKind::TimedOut) => {
                log::line("a connection is closed: half a request, and nothing more of it");
                Some(Progress::Gone)
            }
            Err(_) => Some(Progress::Gone),
        }
    }
}

impl Source for Pipe {
    fn take(&self) -> Option<Exchange> {
        loop {
            let mut connection = self.connection()?;
            let mut progress = connection.proceed();
            // Whoever came just now, when it is time to leave, has not had the time to say anything.
            let mut is_new = self.shared.guard.is_stopping();
            while matches!(progress, Progress::Waiting) {
                match self.more(&mut connection, is_new) {
                    Some(next) => (progress, is_new) = (next, false),
                    None => {
                        connection.stream.end_output();
                        return None;
                    }
                }
            }
            match progress {
                Progress::Request(request) => return Some(Exchange::new(connection, request)),
                Progress::Closing => connection.stream.end_output(),
                Progress::Fault(fault) => log::line(&format!("a connection is closed: {fault}")),
                Progress::Gone | Progress::Waiting => {}
            }
        }
    }

    fn give_back(&self, mut connection: Connection, disposition: Disposition) {
        // A process that leaves serves what it has read, and not what a peer sends for as long as it is answered.
        let is_last = self.shared.guard.is_stopping() && !connection.has_unread();
        match disposition {
            Disposition::Keep if !is_last => *self.shared.place() = Place::Kept(connection),
            _ => {
                connection.stream.end_output();
                drop(connection);
                if is_last {
                    *self.shared.place() = Place::Closed;
                }
            }
        }
    }

    fn stop(&self) {
        self.shared.guard.stop();
    }
}

impl Shared {
    /// Turns the client away. At a server's end another may come then; a client's end is of no more use.
    pub(super) fn take_back(&self, mut end: PipeEnd) {
        let place = if self.is_server_end {
            // There is no error that anybody could do something about.
            let _ = self.guard.during(None, || {
                end.disconnect();
                Ok(())
            });
            Place::Free(end)
        } else {
            Place::Closed
        };
        *self.place() = place;
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connection(end: PipeEnd, shared: &Arc<Shared>) -> Connection {
    Connection::new(Box::new(PipeStream::new(end, Arc::clone(shared))))
}
