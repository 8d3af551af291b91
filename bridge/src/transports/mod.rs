//! Where bytes come from and go to. A transport knows no FastCGI beyond handing out connections on which a
//! request is complete, and no Python at all.

#[cfg(unix)]
mod descriptor;
mod memory;
mod observed;
#[cfg(windows)]
mod pipe;
#[cfg(unix)]
mod pool;
#[cfg(unix)]
mod socket;
#[cfg(unix)]
mod waiting;

use std::io::{self, IoSlice};
use std::time::Duration;

#[cfg(unix)]
pub use descriptor::{DescriptorError, fill_gaps, go_on_in, inherited_listener, shield};
pub use memory::Memory;
pub use observed::{Passed, is_access_told, observe, observed};
#[cfg(windows)]
pub use pipe::{Pipe, PipeError};
#[cfg(unix)]
pub use pool::Pool;
#[cfg(unix)]
pub use socket::{Address, AddressError, ListenError, Listener, SocketStream};

use crate::connection::Connection;
use crate::exchange::{Disposition, Exchange};

/// One connection's bytes. Reads never wait, nor do writes unless the stream is half duplex; [`Stream::wait`] does.
pub trait Stream: Send {
    /// Takes what is there: 0 at the end, `WouldBlock` if nothing is.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize>;

    /// Sends as much as goes now, `WouldBlock` if nothing does.
    fn write(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Waits until one of the wanted things can be done, `TimedOut` if that takes too long.
    fn wait(&mut self, interest: Interest, timeout: Duration) -> io::Result<Readiness>;

    /// Says that no more output follows, so that unread input does not cost the peer the end of the answer.
    fn end_output(&mut self) {}

    /// Bytes go one way at a time, and a write waits until they are taken: nothing may be sent to a peer that may
    /// still be sending. The peer knows one process behind the stream and takes its end for the end of the process.
    fn is_half_duplex(&self) -> bool {
        false
    }

    /// The times of a request, from a stream that is [observed].
    fn passed(&mut self, _id: u16) -> Passed {
        Passed::default()
    }

    /// The socket below, for a poll over many connections.
    fn socket(&self) -> Option<&socket2::Socket> {
        None
    }
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    Read,
    Write,
    Either,
}

/// What can be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readiness {
    pub readable: bool,
    pub writable: bool,
}

/// Where workers get requests. Several threads may ask one source at the same time.
pub trait Source: Send + Sync {
    /// Waits for a request whose parameters are complete; `None` when it is time to leave.
    fn take(&self) -> Option<Exchange>;

    /// Takes a connection back after its request.
    fn give_back(&self, connection: Connection, disposition: Disposition);

    /// Makes every present and future [`Source::take`] return `None` once what has arrived is served.
    fn stop(&self);
}
