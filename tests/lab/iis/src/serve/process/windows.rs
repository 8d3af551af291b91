//! Processes with a named pipe as standard input and nothing as output, as IIS starts them, told to end by the event of
//! `_FCGI_SHUTDOWN_EVENT_`, in a job that ends with this program. The parts are those of the lab's play of IIS's
//! process manager for the bridge alone.

use std::ffi::OsStr;
use std::io;
use std::os::windows::ffi::OsStrExt as _;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, IntoRawHandle as _, OwnedHandle};
use std::pin::Pin;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeClient, NamedPipeServer};
use tokio::sync::watch;
use windows_sys::Win32::Foundation::{
    ERROR_PIPE_BUSY, GENERIC_READ, GENERIC_WRITE, HANDLE, HANDLE_FLAG_INHERIT, INVALID_HANDLE_VALUE,
    SetHandleInformation, TRUE, WAIT_OBJECT_0,
};
use windows_sys::Win32::Storage::FileSystem::{
    CreateFileW, FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, OPEN_EXISTING, PIPE_ACCESS_DUPLEX,
};
use windows_sys::Win32::System::JobObjects::{
    CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE, JOBOBJECT_EXTENDED_LIMIT_INFORMATION,
    JobObjectExtendedLimitInformation, SetInformationJobObject, TerminateJobObject,
};
use windows_sys::Win32::System::Pipes::{
    CreateNamedPipeW, PIPE_READMODE_BYTE, PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_BYTE, PIPE_WAIT,
};
use windows_sys::Win32::System::Threading::{
    CREATE_UNICODE_ENVIRONMENT, CreateEventW, CreateProcessW, DETACHED_PROCESS,
    DeleteProcThreadAttributeList, EXTENDED_STARTUPINFO_PRESENT, GetExitCodeProcess, INFINITE,
    InitializeProcThreadAttributeList, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, PROC_THREAD_ATTRIBUTE_JOB_LIST,
    PROCESS_INFORMATION, STARTF_USESTDHANDLES, STARTUPINFOEXW, SetEvent, UpdateProcThreadAttribute,
    WaitForSingleObject,
};

use super::Launch;

/// Bytes that a pipe holds in each direction, as other process managers have it.
const BUFFER: u32 = 8192;

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
        let theirs_is_overlapped = if channel.is_overlapped { FILE_FLAG_OVERLAPPED } else { 0 };
        let (theirs, first) = if channel.is_server_end {
            let theirs = create_pipe(&pipe, theirs_is_overlapped)?;
            let first = channel.is_connected.then(|| ClientOptions::new().open(&pipe)).transpose()?;
            (theirs, first.map(Pipe::Client))
        } else {
            let ours = create_pipe(&pipe, FILE_FLAG_OVERLAPPED)?;
            // SAFETY: the handle is a pipe's server end, overlapped, and given away here.
            let ours = unsafe { NamedPipeServer::from_raw_handle(ours.into_raw_handle()) }?;
            let theirs = open(&pipe, theirs_is_overlapped)?;
            (theirs, Some(Pipe::Server(ours)))
        };
        let shutdown = event()?;
        let job = job()?;
        let mut environment = launch.environment.clone();
        environment.push(("_FCGI_X_PIPE_".to_owned(), pipe.clone()));
        if launch.notice.is_some() {
            let number = shutdown.as_raw_handle() as usize;
            environment.push(("_FCGI_SHUTDOWN_EVENT_".to_owned(), number.to_string()));
        }
        let (process, id) = start(launch, &environment, &theirs, &shutdown, &job)?;
        // Our copy of its end closes here, so that the pipe ends with the process.
        drop(theirs);
        let (tell_end, ended) = watch::channel(None);
        std::thread::Builder::new().name("process".to_owned()).spawn(move || {
            let mut code = 0;
            // SAFETY: the handle is a process's, and open; the code is written to a place of its size.
            let has_ended = unsafe {
                WaitForSingleObject(process.as_raw_handle(), INFINITE) == WAIT_OBJECT_0
                    && GetExitCodeProcess(process.as_raw_handle(), &mut code) != 0
            };
            let how = if has_ended { format!("exit code {code}") } else { "in an unknown way".to_owned() };
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
                    if error.raw_os_error() == Some(ERROR_PIPE_BUSY as i32)
                        && tokio::time::Instant::now() < until =>
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
        // SAFETY: the handle is an event's, and open.
        unsafe { SetEvent(self.shutdown.as_raw_handle()) };
    }

    /// Ends it and all that it started.
    pub fn kill(&self) {
        // SAFETY: the handle is a job's, and open. A job whose processes are gone has nothing to end.
        unsafe { TerminateJobObject(self.job.as_raw_handle(), 1) };
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

/// The server end of a new duplex byte pipe.
fn create_pipe(name: &str, flags: u32) -> io::Result<OwnedHandle> {
    let name = wide(name);
    // SAFETY: the name ends in NUL and lives through the call.
    new_handle(unsafe {
        CreateNamedPipeW(
            name.as_ptr(),
            PIPE_ACCESS_DUPLEX | FILE_FLAG_FIRST_PIPE_INSTANCE | flags,
            PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_REJECT_REMOTE_CLIENTS | PIPE_WAIT,
            1,
            BUFFER,
            BUFFER,
            0,
            null(),
        )
    })
}

/// The client end of a pipe.
fn open(name: &str, flags: u32) -> io::Result<OwnedHandle> {
    let name = wide(name);
    let access = GENERIC_READ | GENERIC_WRITE;
    // SAFETY: the name ends in NUL and lives through the call.
    new_handle(unsafe { CreateFileW(name.as_ptr(), access, 0, null(), OPEN_EXISTING, flags, null_mut()) })
}

/// An event that stays set once it is.
fn event() -> io::Result<OwnedHandle> {
    // SAFETY: there is nothing to point to; a manual-reset event, not set.
    new_handle(unsafe { CreateEventW(null(), TRUE, 0, null()) })
}

/// A job that ends with its last handle: with this program, in whatever way it ends.
fn job() -> io::Result<OwnedHandle> {
    // SAFETY: there is nothing to point to.
    let job = new_handle(unsafe { CreateJobObjectW(null(), null()) })?;
    let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    // SAFETY: pointer and length are those of a structure that lives through the call.
    succeeded(unsafe {
        SetInformationJobObject(
            job.as_raw_handle(),
            JobObjectExtendedLimitInformation,
            (&raw const limits).cast(),
            size_of_val(&limits) as u32,
        )
    })?;
    Ok(job)
}

/// Starts the program with `input` as its standard input and INVALID_HANDLE_VALUE as the other two, as IIS does. It
/// inherits `input` and `shutdown` and nothing else.
fn start(
    launch: &Launch,
    environment: &[(String, String)],
    input: &OwnedHandle,
    shutdown: &OwnedHandle,
    job: &OwnedHandle,
) -> io::Result<(OwnedHandle, u32)> {
    let program = wide(launch.program.as_os_str());
    // The arguments are a command line already; a file name has no quotation marks.
    let mut line = wide(format!("\"{}\" {}", launch.program.display(), launch.words));
    let environment = block(environment);
    let inherited: [HANDLE; 2] = [input.as_raw_handle(), shutdown.as_raw_handle()];
    for handle in inherited {
        // Other processes are started in the meantime; each of them inherits its own list and nothing else.
        // SAFETY: the handle is open.
        succeeded(unsafe { SetHandleInformation(handle, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) })?;
    }
    let jobs: [HANDLE; 1] = [job.as_raw_handle()];
    let mut list = [0_usize; 64];
    let mut size = size_of_val(&list);
    let list = list.as_mut_ptr().cast();
    let mut startup = STARTUPINFOEXW::default();
    startup.StartupInfo.cb = size_of::<STARTUPINFOEXW>() as u32;
    startup.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
    startup.StartupInfo.hStdInput = input.as_raw_handle();
    startup.StartupInfo.hStdOutput = INVALID_HANDLE_VALUE;
    startup.StartupInfo.hStdError = INVALID_HANDLE_VALUE;
    startup.lpAttributeList = list;
    let mut started = PROCESS_INFORMATION::default();
    // Without a console: Wine's program behind one inherits what the process does, and would hold the pipe.
    let flags = DETACHED_PROCESS | CREATE_UNICODE_ENVIRONMENT | EXTENDED_STARTUPINFO_PRESENT;
    // SAFETY: all texts end in NUL, the environment in two; the list has room for two attributes, and what they
    // point to lives to the end of this function; the structure is an extended one, as the flag says.
    unsafe {
        succeeded(InitializeProcThreadAttributeList(list, 2, 0, &mut size))?;
        let set = |attribute: u32, handles: &[HANDLE]| {
            let (first, length) = (handles.as_ptr().cast(), size_of_val(handles));
            succeeded(UpdateProcThreadAttribute(
                list,
                0,
                attribute as usize,
                first,
                length,
                null_mut(),
                null(),
            ))
        };
        set(PROC_THREAD_ATTRIBUTE_HANDLE_LIST, &inherited)?;
        set(PROC_THREAD_ATTRIBUTE_JOB_LIST, &jobs)?;
        let done = succeeded(CreateProcessW(
            program.as_ptr(),
            line.as_mut_ptr(),
            null(),
            null(),
            TRUE,
            flags,
            environment.as_ptr().cast(),
            null(),
            &startup.StartupInfo,
            &mut started,
        ));
        DeleteProcThreadAttributeList(list);
        done?;
    }
    drop(new_handle(started.hThread)?);
    Ok((new_handle(started.hProcess)?, started.dwProcessId))
}

/// The variables of this program with `more` over them, each ended by NUL, and one NUL at the end.
fn block(more: &[(String, String)]) -> Vec<u16> {
    let is_ours = |name: &OsStr| more.iter().any(|(own, _)| name.eq_ignore_ascii_case(own));
    let mut block = Vec::new();
    for (name, value) in std::env::vars_os().filter(|(name, _)| !is_ours(name)) {
        block.extend(name.encode_wide().chain([u16::from(b'=')]).chain(wide(value)));
    }
    for (name, value) in more {
        block.extend(wide(format!("{name}={value}")));
    }
    block.push(0);
    block
}

fn new_handle(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle is new and nobody else's.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

fn succeeded(result: i32) -> io::Result<()> {
    if result == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn wide(text: impl AsRef<OsStr>) -> Vec<u16> {
    text.as_ref().encode_wide().chain([0]).collect()
}
