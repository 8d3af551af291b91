//! Named pipes as IIS has them: the process gets the server end as its standard input, and for each connection
//! the client end is opened by name.

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::os::windows::io::OwnedHandle;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeClient};

use crate::site::local::win32;

/// What a process gets: the server end for its standard input, and the name under which it is reached.
pub struct Channel {
    pub pipe: OwnedHandle,
    pub name: String,
}

/// The names of all pipes of one server.
pub struct Channels {
    prefix: String,
}

/// The pipe of one process.
pub struct Address(String);

impl Channels {
    pub fn new() -> io::Result<Channels> {
        // Two servers of one program must not meet; nothing depends on the name being a secret.
        let random = RandomState::new().hash_one(std::process::id());
        Ok(Channels { prefix: format!(r"\\.\pipe\holdall-{}-{random:016x}", std::process::id()) })
    }

    /// Makes the pipe of one process. Connecting works from now on; the answer comes once the process is up.
    pub fn open(&self, number: u64) -> io::Result<(Address, Channel)> {
        let name = format!("{}-{number}", self.prefix);
        let pipe = win32::pipe_server(&name)?;
        Ok((Address(name.clone()), Channel { pipe, name }))
    }
}

impl Address {
    /// Fails while the process has not let go of the connection before.
    pub async fn connect(&self) -> io::Result<(Reader, Writer)> {
        let pipe = Arc::new(ClientOptions::new().open(&self.0)?);
        Ok((Reader(pipe.clone()), Writer(pipe)))
    }
}

/// The half of a connection that is read. Overlapped, the two halves do not wait for each other.
pub struct Reader(Arc<NamedPipeClient>);

/// The half of a connection that is written.
pub struct Writer(Arc<NamedPipeClient>);

impl Reader {
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(context))?;
            match self.0.try_read(buffer.initialize_unfilled()) {
                Ok(read) => {
                    buffer.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Writer {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(context))?;
            match self.0.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A pipe has one end for both directions: it closes with its last half.
        Poll::Ready(Ok(()))
    }
}
