//! Processes with a named pipe as standard input and nothing as output, as IIS starts them, told to end by the event of
//! `_FCGI_SHUTDOWN_EVENT_`, in a job that ends with this program. The parts are those of the lab's play of IIS's
//! process manager for the bridge alone.

use std::io;
use std::os::windows::io::{AsRawHandle as _, IntoRawHandle as _, OwnedHandle};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeClient, NamedPipeServer};
use tokio::sync::watch;

use super::Launch;
use super::win32::{self, Kind};

/// ERROR_PIPE_BUSY
const PIPE_BUSY: i32 = 231;

/// How long a pipe may be busy with the connection before.
const BUSY: Duration = Duration::from_secs(30);

/// A process. Dropping it ends it and all that it started: the job ends with its last handle.
pub struct Process {
    id: u32,
    job: OwnedHandle,
    shutdown: OwnedHandle,
    pipe: String,
    /// Connected from the start, or ours to listen on: for the first connection.
    first: Mutex<Option<Pipe>>,
    ended: watch::Receiver<Option<String>>,
}

/// Our end of a pipe.
enum Pipe {
    Client(NamedPipeClient),
    Server(NamedPipeServer),
}

impl Process {
    pub async fn start(launch: &Launch) -> io::Result<Process> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let pipe = format!(r"\\.\pipe\IISFCGI-lab-{}-{number}", std::process::id());
        let channel = launch.channel;
        let kind = if channel.is_overlapped { Kind::Overlapped } else { Kind::Synchronous };
        let (theirs, first) = if channel.is_server_end {
            let theirs = win32::create_pipe(&pipe, kind)?;
            let first = channel.is_connected.then(|| ClientOptions::new().open(&pipe)).transpose()?;
            (theirs, first.map(Pipe::Client))
        } else {
            let ours = win32::create_pipe(&pipe, Kind::Overlapped)?;
            // SAFETY: the handle is a pipe's server end, overlapped, and given away here.
            let ours = unsafe { NamedPipeServer::from_raw_handle(ours.into_raw_handle()) }?;
            let theirs = win32::open_pipe(&pipe, kind)?;
            (theirs, Some(Pipe::Server(ours)))
        };
        let shutdown = win32::event()?;
        let job = win32::job()?;
        let mut environment = launch.environment.clone();
        environment.push(("_FCGI_X_PIPE_".to_owned(), pipe.clone()));
        if launch.notice.is_some() {
            let number = shutdown.as_raw_handle() as usize;
            environment.push(("_FCGI_SHUTDOWN_EVENT_".to_owned(), number.to_string()));
        }
        let (process, id) = win32::start(launch, &environment, &theirs, &shutdown, &job)?;
        // Our copy of its end closes here, so that the pipe ends with the process.
        drop(theirs);
        let (tell_end, ended) = watch::channel(None);
        std::thread::Builder::new().name("process".to_owned()).spawn(move || {
            let code = win32::wait(&process);
            let how = code.map_or_else(|error| error.to_string(), |code| format!("exit code {code}"));
            tell_end.send_replace(Some(how));
        })?;
        Ok(Process { id, job, shutdown, pipe, first: Mutex::new(first), ended })
    }

    pub fn id(&self) -> u32 {
        self.id
    }

    pub async fn connect(&self) -> io::Result<(Reader, Writer)> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        let pipe = match first {
            Some(Pipe::Server(server)) => {
                server.connect().await?;
                Pipe::Server(server)
            }
            Some(client) => client,
            None => Pipe::Client(self.reopen().await?),
        };
        let pipe = Arc::new(pipe);
        Ok((Reader(Arc::clone(&pipe)), Writer(pipe)))
    }

    /// The process lets go of the connection before in its own time.
    async fn reopen(&self) -> io::Result<NamedPipeClient> {
        let until = tokio::time::Instant::now() + BUSY;
        loop {
            match ClientOptions::new().open(&self.pipe) {
                Err(error)
                    if error.raw_os_error() == Some(PIPE_BUSY) && tokio::time::Instant::now() < until =>
                {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                opened => return opened,
            }
        }
    }

    /// Resolves when the process has ended, with how.
    pub async fn ended(&self) -> String {
        let mut ended = self.ended.clone();
        let how = ended.wait_for(Option::is_some).await;
        how.ok().and_then(|how| how.clone()).unwrap_or_else(|| "in an unknown way".to_owned())
    }

    pub fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }

    pub fn tell_to_end(&self) {
        win32::set(&self.shutdown);
    }

    /// Ends it and all that it started.
    pub fn kill(&self) {
        win32::terminate(&self.job);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The half of a connection that is read. Overlapped, the two halves do not wait for each other.
pub struct Reader(Arc<Pipe>);

/// The half that is written.
pub struct Writer(Arc<Pipe>);

impl AsyncRead for Reader {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let into = buffer.initialize_unfilled();
            let read = match &*self.0 {
                Pipe::Client(pipe) => {
                    ready!(pipe.poll_read_ready(context))?;
                    pipe.try_read(into)
                }
                Pipe::Server(pipe) => {
                    ready!(pipe.poll_read_ready(context))?;
                    pipe.try_read(into)
                }
            };
            match read {
                Ok(read) => {
                    buffer.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The other end is gone.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Poll::Ready(Ok(())),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Writer {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let written = match &*self.0 {
                Pipe::Client(pipe) => {
                    ready!(pipe.poll_write_ready(context))?;
                    pipe.try_write(bytes)
                }
                Pipe::Server(pipe) => {
                    ready!(pipe.poll_write_ready(context))?;
                    pipe.try_write(bytes)
                }
            };
            match written {
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
