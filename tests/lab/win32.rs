//! Windows, as far as a process manager needs it: pipes with either end overlapped or not, processes with exactly the
//! handles they are given, and nothing that waits without limit. All unsafe code of the lab is here.

use std::ffi::OsStr;
use std::io;
use std::os::windows::ffi::OsStrExt as _;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};
use std::ptr::{null, null_mut};
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{
    ERROR_BROKEN_PIPE, ERROR_IO_PENDING, ERROR_PIPE_BUSY, ERROR_PIPE_CONNECTED, ERROR_PIPE_NOT_CONNECTED,
    GENERIC_READ, GENERIC_WRITE, HANDLE, HANDLE_FLAG_INHERIT, INVALID_HANDLE_VALUE, SetHandleInformation,
    TRUE, WAIT_OBJECT_0,
};
use windows_sys::Win32::Storage::FileSystem::{
    CreateFileW, FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, OPEN_EXISTING, PIPE_ACCESS_DUPLEX,
    ReadFile, WriteFile,
};
use windows_sys::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};
use windows_sys::Win32::System::JobObjects::{
    CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE, JOBOBJECT_EXTENDED_LIMIT_INFORMATION,
    JobObjectExtendedLimitInformation, SetInformationJobObject, TerminateJobObject,
};
use windows_sys::Win32::System::Pipes::{
    ConnectNamedPipe, CreateNamedPipeW, CreatePipe, DisconnectNamedPipe, PIPE_NOWAIT, PIPE_READMODE_BYTE,
    PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_BYTE, PIPE_WAIT,
};
use windows_sys::Win32::System::Threading::{
    CREATE_UNICODE_ENVIRONMENT, CreateEventW, CreateProcessW, DETACHED_PROCESS,
    DeleteProcThreadAttributeList, EXTENDED_STARTUPINFO_PRESENT, GetExitCodeProcess,
    InitializeProcThreadAttributeList, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, PROC_THREAD_ATTRIBUTE_JOB_LIST,
    PROCESS_INFORMATION, STARTF_USESTDHANDLES, STARTUPINFOEXW, SetEvent, UpdateProcThreadAttribute,
    WaitForSingleObject,
};

/// How a pipe's handle does its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Overlapped,
    Synchronous,
    /// PIPE_NOWAIT: calls answer at once, an old mode that nobody should use. Only a server end is made like this.
    NoWait,
}

impl Kind {
    fn flag(self) -> u32 {
        match self {
            Kind::Overlapped => FILE_FLAG_OVERLAPPED,
            Kind::Synchronous | Kind::NoWait => 0,
        }
    }
}

/// The server end of a new pipe that holds `buffer` bytes in each direction.
pub fn create_pipe(name: &str, kind: Kind, buffer: u32) -> io::Result<OwnedHandle> {
    let name = wide(name);
    let wait = if kind == Kind::NoWait { PIPE_NOWAIT } else { PIPE_WAIT };
    // SAFETY: the name ends in NUL and lives through the call.
    new_handle(unsafe {
        CreateNamedPipeW(
            name.as_ptr(),
            PIPE_ACCESS_DUPLEX | FILE_FLAG_FIRST_PIPE_INSTANCE | kind.flag(),
            PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_REJECT_REMOTE_CLIENTS | wait,
            1,
            buffer,
            buffer,
            0,
            null(),
        )
    })
}

/// The client end of a pipe. As long as the server end is busy with another client this one waits.
pub fn open_pipe(name: &str, kind: Kind, until: Instant) -> io::Result<OwnedHandle> {
    loop {
        match open(name, kind.flag()) {
            Err(error) if is(&error, ERROR_PIPE_BUSY) && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(1));
            }
            opened => return opened,
        }
    }
}

/// A handle on an existing file, pipe or device.
pub fn open(name: &str, flags: u32) -> io::Result<OwnedHandle> {
    let name = wide(name);
    let access = GENERIC_READ | GENERIC_WRITE;
    // SAFETY: the name ends in NUL and lives through the call.
    new_handle(unsafe { CreateFileW(name.as_ptr(), access, 0, null(), OPEN_EXISTING, flags, null_mut()) })
}

/// Both ends of a pipe without a name, to read from and to write to.
pub fn anonymous_pipe() -> io::Result<(OwnedHandle, OwnedHandle)> {
    let (mut read, mut write) = (null_mut(), null_mut());
    // SAFETY: the call fills both places with handles that are new and nobody else's.
    succeeded(unsafe { CreatePipe(&mut read, &mut write, null(), 0) })?;
    Ok((new_handle(read)?, new_handle(write)?))
}

/// The manager's own end of a pipe: overlapped, so that nothing on it takes longer than it may.
pub struct Wire(OwnedHandle);

impl Wire {
    pub fn new(handle: OwnedHandle) -> Wire {
        Wire(handle)
    }

    /// Waits until somebody has opened the other end.
    pub fn connect(&self, until: Instant) -> io::Result<()> {
        // SAFETY: the structure lives until the operation is over.
        match self.perform(until, |pipe, overlapped| unsafe { ConnectNamedPipe(pipe, overlapped) }) {
            Err(error) if is(&error, ERROR_PIPE_CONNECTED) => Ok(()),
            done => done.map(drop),
        }
    }

    /// Throws the other end out; what it has not read is lost.
    pub fn disconnect(&self) {
        // SAFETY: the handle is a pipe's, and open.
        unsafe { DisconnectNamedPipe(self.0.as_raw_handle()) };
    }

    /// Takes what is there; 0 when the other end is gone.
    pub fn read(&self, into: &mut [u8], until: Instant) -> io::Result<usize> {
        let read = self.perform(until, |pipe, overlapped| {
            // SAFETY: buffer and structure live until the operation is over.
            unsafe { ReadFile(pipe, into.as_mut_ptr(), into.len() as u32, null_mut(), overlapped) }
        });
        match read {
            Err(error) if is(&error, ERROR_BROKEN_PIPE) || is(&error, ERROR_PIPE_NOT_CONNECTED) => Ok(0),
            read => read,
        }
    }

    pub fn write(&self, bytes: &[u8], until: Instant) -> io::Result<usize> {
        self.perform(until, |pipe, overlapped| {
            // SAFETY: buffer and structure live until the operation is over.
            unsafe { WriteFile(pipe, bytes.as_ptr(), bytes.len() as u32, null_mut(), overlapped) }
        })
    }

    /// Starts an operation and waits for its end; `until` then it is called off.
    fn perform(
        &self,
        until: Instant,
        start: impl FnOnce(HANDLE, *mut OVERLAPPED) -> i32,
    ) -> io::Result<usize> {
        let event = Event::new()?;
        let mut overlapped = OVERLAPPED { hEvent: event.0.as_raw_handle(), ..Default::default() };
        let pipe = self.0.as_raw_handle();
        if start(pipe, &mut overlapped) == 0 {
            let error = io::Error::last_os_error();
            if !is(&error, ERROR_IO_PENDING) {
                return Err(error);
            }
        }
        let in_time = wait(&event.0, until);
        let mut count = 0;
        // SAFETY: all handles are open. The last call waits until the system has let go of the structure.
        let done = unsafe {
            if !in_time {
                CancelIoEx(pipe, &overlapped);
            }
            succeeded(GetOverlappedResult(pipe, &overlapped, &mut count, TRUE))
        };
        match done {
            Ok(()) => Ok(count as usize),
            Err(_) if !in_time => Err(io::ErrorKind::TimedOut.into()),
            Err(error) => Err(error),
        }
    }
}

/// An event that stays set once it is.
pub struct Event(pub OwnedHandle);

impl Event {
    pub fn new() -> io::Result<Event> {
        // SAFETY: there is nothing to point to; a manual-reset event, not set.
        new_handle(unsafe { CreateEventW(null(), TRUE, 0, null()) }).map(Event)
    }

    /// Under this number a process that inherits the event finds it.
    pub fn number(&self) -> usize {
        self.0.as_raw_handle() as usize
    }

    pub fn set(&self) {
        // SAFETY: the handle is an event's, and open.
        assert_ne!(unsafe { SetEvent(self.0.as_raw_handle()) }, 0);
    }
}

/// A process and all that it starts. They end when this is dropped.
pub struct Process {
    process: OwnedHandle,
    job: OwnedHandle,
}

/// How to start one.
pub struct Start<'a> {
    pub program: &'a str,
    pub arguments: &'a [&'a str],
    /// Set beside the variables of this process.
    pub environment: &'a [(&'a str, String)],
    /// Input, output and errors; what is `None` is INVALID_HANDLE_VALUE, as IIS has it.
    pub standard: [Option<&'a OwnedHandle>; 3],
    /// What else is inherited.
    pub inherited: &'a [&'a OwnedHandle],
}

impl Process {
    pub fn start(start: &Start<'_>) -> io::Result<Process> {
        let job = job()?;
        let program = wide(start.program);
        let mut line = wide(&command_line(start.program, start.arguments));
        let environment = environment(start.environment);
        let mut inherited: Vec<HANDLE> = Vec::new();
        for handle in start.standard.into_iter().flatten().chain(start.inherited.iter().copied()) {
            let handle = handle.as_raw_handle();
            // No handle may be in the list twice.
            if !inherited.contains(&handle) {
                inherited.push(handle);
            }
            // Other tests start processes in the meantime; each of them inherits its own list and nothing else.
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
        let standard =
            start.standard.map(|handle| handle.map_or(INVALID_HANDLE_VALUE, |handle| handle.as_raw_handle()));
        [startup.StartupInfo.hStdInput, startup.StartupInfo.hStdOutput, startup.StartupInfo.hStdError] =
            standard;
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
        Ok(Process { process: new_handle(started.hProcess)?, job })
    }

    /// Waits for the end of the process itself; its exit code, or `None` if it has not ended until then.
    pub fn wait(&self, until: Instant) -> Option<u32> {
        let mut code = 0;
        // SAFETY: the handle is a process's, and open.
        (wait(&self.process, until)
            && unsafe { GetExitCodeProcess(self.process.as_raw_handle(), &mut code) } != 0)
            .then_some(code)
    }

    /// Ends the process and all that it started.
    pub fn kill(&self) {
        // SAFETY: the handle is a job's, and open.
        unsafe { TerminateJobObject(self.job.as_raw_handle(), 99) };
    }
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

/// Waits for an event or a process; whether it came in time.
fn wait(handle: &OwnedHandle, until: Instant) -> bool {
    let left = until.saturating_duration_since(Instant::now()).as_millis();
    // SAFETY: the handle is open.
    unsafe { WaitForSingleObject(handle.as_raw_handle(), left.try_into().unwrap_or(60_000)) == WAIT_OBJECT_0 }
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

fn is(error: &io::Error, code: u32) -> bool {
    error.raw_os_error() == Some(code as i32)
}

fn wide(text: impl AsRef<OsStr>) -> Vec<u16> {
    text.as_ref().encode_wide().chain([0]).collect()
}

/// None of the words here has a quotation mark or ends in a backslash.
fn command_line(program: &str, arguments: &[&str]) -> String {
    let words = [program].iter().chain(arguments).map(|word| format!("\"{word}\"")).collect::<Vec<_>>();
    words.join(" ")
}

fn environment(more: &[(&str, String)]) -> Vec<u16> {
    let mut block = Vec::new();
    for (name, value) in std::env::vars_os().filter(|(name, _)| !more.iter().any(|(own, _)| name == own)) {
        block.extend(name.encode_wide().chain([u16::from(b'=')]).chain(wide(value)));
    }
    for (name, value) in more {
        block.extend(OsStr::new(&format!("{name}={value}")).encode_wide().chain([0]));
    }
    block.push(0);
    block
}
