//! Windows, as far as a process manager needs it: pipes with either end overlapped or not, an event, a job, and processes
//! with exactly the handles they are given. Apart from giving a pipe to the runtime, all unsafe code is here.

use std::ffi::OsStr;
use std::io;
use std::os::windows::ffi::OsStrExt as _;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{
    GENERIC_READ, GENERIC_WRITE, HANDLE, HANDLE_FLAG_INHERIT, INVALID_HANDLE_VALUE, SetHandleInformation,
    TRUE, WAIT_OBJECT_0,
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

/// How a pipe's handle does its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Overlapped,
    Synchronous,
}

impl Kind {
    fn flag(self) -> u32 {
        match self {
            Kind::Overlapped => FILE_FLAG_OVERLAPPED,
            Kind::Synchronous => 0,
        }
    }
}

/// The server end of a new duplex byte pipe.
pub fn create_pipe(name: &str, kind: Kind) -> io::Result<OwnedHandle> {
    let name = wide(name);
    // SAFETY: the name ends in NUL and lives through the call.
    new_handle(unsafe {
        CreateNamedPipeW(
            name.as_ptr(),
            PIPE_ACCESS_DUPLEX | FILE_FLAG_FIRST_PIPE_INSTANCE | kind.flag(),
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
pub fn open_pipe(name: &str, kind: Kind) -> io::Result<OwnedHandle> {
    let name = wide(name);
    let access = GENERIC_READ | GENERIC_WRITE;
    // SAFETY: the name ends in NUL and lives through the call.
    new_handle(unsafe {
        CreateFileW(name.as_ptr(), access, 0, null(), OPEN_EXISTING, kind.flag(), null_mut())
    })
}

/// An event that stays set once it is.
pub fn event() -> io::Result<OwnedHandle> {
    // SAFETY: there is nothing to point to; a manual-reset event, not set.
    new_handle(unsafe { CreateEventW(null(), TRUE, 0, null()) })
}

pub fn set(event: &OwnedHandle) {
    // SAFETY: the handle is an event's, and open.
    unsafe { SetEvent(event.as_raw_handle()) };
}

/// A job that ends with its last handle: with this program, in whatever way it ends.
pub fn job() -> io::Result<OwnedHandle> {
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

/// Ends all that is in a job.
pub fn terminate(job: &OwnedHandle) {
    // SAFETY: the handle is a job's, and open. A job whose processes are gone has nothing to end.
    unsafe { TerminateJobObject(job.as_raw_handle(), 1) };
}

/// Waits for the end of a process; its exit code.
pub fn wait(process: &OwnedHandle) -> io::Result<u32> {
    let mut code = 0;
    // SAFETY: the handle is a process's, and open; the code is written to a place of its size.
    unsafe {
        if WaitForSingleObject(process.as_raw_handle(), INFINITE) != WAIT_OBJECT_0 {
            return Err(io::Error::last_os_error());
        }
        succeeded(GetExitCodeProcess(process.as_raw_handle(), &mut code))?;
    }
    Ok(code)
}

/// Starts the program with `input` as its standard input and INVALID_HANDLE_VALUE as the other two, as IIS does. It
/// inherits `input` and `shutdown` and nothing else.
pub fn start(
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
