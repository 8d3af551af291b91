//! What the Rust libraries do not offer of Windows: a pipe that can be given away as standard input, an event, a job,
//! and starting a process that inherits exactly what it is meant to. All unsafe code for Windows is here.
//!
//! Decides nothing: which process gets what, and when it ends, is said elsewhere.

use std::ffi::OsStr;
use std::io;
use std::os::windows::ffi::OsStrExt as _;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};
use std::process::Command;
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{
    HANDLE, HANDLE_FLAG_INHERIT, INVALID_HANDLE_VALUE, LocalFree, SetHandleInformation, TRUE, WAIT_OBJECT_0,
};
use windows_sys::Win32::Security::Authorization::{
    ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{PSECURITY_DESCRIPTOR, SECURITY_ATTRIBUTES};
use windows_sys::Win32::Storage::FileSystem::{FILE_FLAG_FIRST_PIPE_INSTANCE, PIPE_ACCESS_DUPLEX};
use windows_sys::Win32::System::JobObjects::{
    CreateJobObjectW, JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation, SetInformationJobObject,
    TerminateJobObject,
};
use windows_sys::Win32::System::Pipes::{
    CreateNamedPipeW, PIPE_READMODE_BYTE, PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_BYTE, PIPE_WAIT,
};
use windows_sys::Win32::System::Threading::{
    CREATE_NO_WINDOW, CREATE_UNICODE_ENVIRONMENT, CreateEventW, CreateProcessW,
    DeleteProcThreadAttributeList, EXTENDED_STARTUPINFO_PRESENT, GetExitCodeProcess, INFINITE,
    InitializeProcThreadAttributeList, LPPROC_THREAD_ATTRIBUTE_LIST, PROC_THREAD_ATTRIBUTE_HANDLE_LIST,
    PROC_THREAD_ATTRIBUTE_JOB_LIST, PROCESS_INFORMATION, STARTF_USESTDHANDLES, STARTUPINFOEXW, SetEvent,
    UpdateProcThreadAttribute, WaitForSingleObject,
};

/// Bytes that a pipe holds in each direction, as other process managers have it.
const BUFFER: u32 = 8192;

/// Who may open the pipe: this account, and the system. By default everybody on the machine could read from it.
const OURS_ALONE: &str = "D:P(A;;GA;;;OW)(A;;GA;;;SY)";

/// The server end of a new duplex byte pipe, for synchronous use: that is what responders expect of IIS.
pub fn pipe_server(name: &str) -> io::Result<OwnedHandle> {
    let descriptor = Descriptor::parse(OURS_ALONE)?;
    let attributes = SECURITY_ATTRIBUTES {
        nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
        lpSecurityDescriptor: descriptor.0,
        bInheritHandle: 0,
    };
    let name = wide(name.as_ref())?;
    // SAFETY: name and attributes live through the call, and the name ends in NUL.
    let handle = unsafe {
        CreateNamedPipeW(
            name.as_ptr(),
            PIPE_ACCESS_DUPLEX | FILE_FLAG_FIRST_PIPE_INSTANCE,
            PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS,
            1,
            BUFFER,
            BUFFER,
            0,
            &attributes,
        )
    };
    if handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle is new and nobody else's.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// Rights in the form that Windows keeps in memory.
struct Descriptor(PSECURITY_DESCRIPTOR);

impl Descriptor {
    fn parse(text: &str) -> io::Result<Descriptor> {
        let text = wide(text.as_ref())?;
        let mut descriptor = null_mut();
        // SAFETY: the text ends in NUL; what the call allocates is freed when this is dropped.
        succeeded(unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &mut descriptor,
                null_mut(),
            )
        })?;
        Ok(Descriptor(descriptor))
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: allocated by the call above, and freed once.
        unsafe { LocalFree(self.0) };
    }
}

/// An event that stays set once it is.
pub struct Event(OwnedHandle);

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
        unsafe { SetEvent(self.0.as_raw_handle()) };
    }
}

/// A group of processes that ends when the job is dropped, or when this program ends, in whatever way.
pub struct Job(OwnedHandle);

impl Job {
    pub fn new() -> io::Result<Job> {
        // SAFETY: there is nothing to point to.
        let job = new_handle(unsafe { CreateJobObjectW(null(), null()) })?;
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        // A process that crashes shall end, not ask a person whether to send a report.
        limits.BasicLimitInformation.LimitFlags =
            JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION;
        // SAFETY: pointer and length are those of a structure that lives through the call.
        succeeded(unsafe {
            SetInformationJobObject(
                job.as_raw_handle(),
                JobObjectExtendedLimitInformation,
                (&raw const limits).cast(),
                size_of_val(&limits) as u32,
            )
        })?;
        Ok(Job(job))
    }

    /// Ends all that is in it.
    pub fn terminate(&self) {
        // SAFETY: the handle is a job's, and open. A job whose processes are gone has nothing to end.
        unsafe { TerminateJobObject(self.0.as_raw_handle(), 1) };
    }
}

/// Starts the program of `command` with its arguments, folder and environment, in `job`. It inherits the three
/// standard handles and `event`, and nothing else, whatever this program has open. Returns process and id.
///
/// The environment of `command` is taken for the whole: its variables are all there will be.
pub fn start(
    command: &Command,
    standard: [&OwnedHandle; 3],
    event: &Event,
    job: &Job,
) -> io::Result<(OwnedHandle, u32)> {
    let program = wide(command.get_program())?;
    let mut line = command_line(command)?;
    let environment = environment(command)?;
    let folder = command.get_current_dir().map(|folder| wide(folder.as_os_str())).transpose()?;

    let [input, output, errors] = standard.map(|handle| handle.as_raw_handle());
    let inherited: [HANDLE; 4] = [input, output, errors, event.0.as_raw_handle()];
    let jobs: [HANDLE; 1] = [job.0.as_raw_handle()];
    let mut attributes = Attributes::new(2)?;
    attributes.set(PROC_THREAD_ATTRIBUTE_HANDLE_LIST, &inherited)?;
    attributes.set(PROC_THREAD_ATTRIBUTE_JOB_LIST, &jobs)?;

    let mut startup = STARTUPINFOEXW::default();
    startup.StartupInfo.cb = size_of::<STARTUPINFOEXW>() as u32;
    startup.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
    startup.StartupInfo.hStdInput = input;
    startup.StartupInfo.hStdOutput = output;
    startup.StartupInfo.hStdError = errors;
    startup.lpAttributeList = attributes.as_ptr();

    let _inheritable = inherited.map(Inheritable::make);
    let mut started = PROCESS_INFORMATION::default();
    // No window, but a console of its own: Ctrl-C in ours reaches this program alone, which then lets requests
    // finish, and programs that the process starts open no windows.
    let flags = CREATE_NO_WINDOW | CREATE_UNICODE_ENVIRONMENT | EXTENDED_STARTUPINFO_PRESENT;
    // SAFETY: all texts end in NUL, the environment in two; the command line may be written to; the lists behind
    // the attributes live to the end of this function; and the structure is an extended one, as the flag says.
    succeeded(unsafe {
        CreateProcessW(
            program.as_ptr(),
            line.as_mut_ptr(),
            null(),
            null(),
            TRUE,
            flags,
            environment.as_ptr().cast(),
            folder.as_ref().map_or(null(), |folder| folder.as_ptr()),
            &startup.StartupInfo,
            &mut started,
        )
    })?;
    // SAFETY: both handles are new and nobody else's.
    let (process, _thread) = unsafe {
        (OwnedHandle::from_raw_handle(started.hProcess), OwnedHandle::from_raw_handle(started.hThread))
    };
    Ok((process, started.dwProcessId))
}

/// Waits for the end of a process; returns its exit code.
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

/// A handle that may be inherited as long as this lives: other processes that are started meanwhile, without a
/// list of what they inherit, would get it too.
struct Inheritable(HANDLE);

impl Inheritable {
    fn make(handle: HANDLE) -> Inheritable {
        // SAFETY: the caller's handle is open. If it fails, starting the process does.
        unsafe { SetHandleInformation(handle, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) };
        Inheritable(handle)
    }
}

impl Drop for Inheritable {
    fn drop(&mut self) {
        // SAFETY: made from a handle whose owner outlives this.
        unsafe { SetHandleInformation(self.0, HANDLE_FLAG_INHERIT, 0) };
    }
}

/// What a process is started with beside what `STARTUPINFO` says.
struct Attributes(Vec<usize>);

impl Attributes {
    fn new(count: u32) -> io::Result<Attributes> {
        let mut size = 0;
        // SAFETY: without a list the call only tells the size that one takes, and fails to say so.
        unsafe { InitializeProcThreadAttributeList(null_mut(), count, 0, &mut size) };
        // Words, not bytes, so that it is aligned.
        let mut list = vec![0_usize; size.div_ceil(size_of::<usize>())];
        // SAFETY: the list has the size that was asked for; it is deleted when this is dropped.
        succeeded(unsafe {
            InitializeProcThreadAttributeList(list.as_mut_ptr().cast(), count, 0, &mut size)
        })?;
        Ok(Attributes(list))
    }

    /// The list only points to `handles`: they must live until the process is started.
    fn set(&mut self, attribute: u32, handles: &[HANDLE]) -> io::Result<()> {
        // SAFETY: pointer and length are those of the slice.
        succeeded(unsafe {
            UpdateProcThreadAttribute(
                self.as_ptr(),
                0,
                attribute as usize,
                handles.as_ptr().cast(),
                size_of_val(handles),
                null_mut(),
                null(),
            )
        })
    }

    fn as_ptr(&mut self) -> LPPROC_THREAD_ATTRIBUTE_LIST {
        self.0.as_mut_ptr().cast()
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: the list was initialised, and is deleted once.
        unsafe { DeleteProcThreadAttributeList(self.as_ptr()) };
    }
}

fn new_handle(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle is new and nobody else's.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

fn succeeded(result: i32) -> io::Result<()> {
    if result == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A text in UTF-16 that ends in NUL.
fn wide(text: &OsStr) -> io::Result<Vec<u16>> {
    let mut wide = units(text)?;
    wide.push(0);
    Ok(wide)
}

fn units(text: &OsStr) -> io::Result<Vec<u16>> {
    let units: Vec<u16> = text.encode_wide().collect();
    if units.contains(&0) {
        let message = format!("`{}` has a NUL inside", text.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    Ok(units)
}

/// The program and its arguments on one line, which the program takes apart again by the rules of Microsoft's C
/// library: <https://learn.microsoft.com/cpp/c-language/parsing-c-command-line-arguments>
fn command_line(command: &Command) -> io::Result<Vec<u16>> {
    // For the first word only, backslashes mean themselves; a file name has no quotation marks.
    let mut line = vec![u16::from(b'"')];
    line.extend(units(command.get_program())?);
    line.push(u16::from(b'"'));
    for argument in command.get_args() {
        line.push(u16::from(b' '));
        put_argument(&mut line, &units(argument)?);
    }
    line.push(0);
    Ok(line)
}

fn put_argument(line: &mut Vec<u16>, argument: &[u16]) {
    const QUOTE: u16 = b'"' as u16;
    const BACKSLASH: u16 = b'\\' as u16;
    line.push(QUOTE);
    let mut backslashes = 0;
    for &unit in argument {
        match unit {
            BACKSLASH => backslashes += 1,
            // Backslashes before a quotation mark count double, and one more keeps the mark.
            QUOTE => {
                line.extend(std::iter::repeat_n(BACKSLASH, backslashes + 1));
                backslashes = 0;
            }
            _ => backslashes = 0,
        }
        line.push(unit);
    }
    line.extend(std::iter::repeat_n(BACKSLASH, backslashes));
    line.push(QUOTE);
}

/// `NAME=VALUE`, each ended by NUL, and one NUL more, in the order of the names without regard to case, in which
/// Windows wants them and [`Command`] has them.
fn environment(command: &Command) -> io::Result<Vec<u16>> {
    let mut block = Vec::new();
    for (name, value) in command.get_envs() {
        let Some(value) = value else { continue };
        block.extend(units(name)?);
        block.push(u16::from(b'='));
        block.extend(units(value)?);
        block.push(0);
    }
    if block.is_empty() {
        block.push(0);
    }
    block.push(0);
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(arguments: &[&str], line: &str) {
        let mut command = Command::new(r"C:\hold all\python.exe");
        let written = command_line(command.args(arguments)).unwrap();
        assert_eq!(String::from_utf16(&written).unwrap(), format!("\"C:\\hold all\\python.exe\"{line}\0"));
    }

    #[test]
    fn arguments_are_quoted_so_that_they_arrive_as_they_are() {
        check(&["-s", "ü b"], r#" "-s" "ü b""#);
        check(&["", r"C:\a b\"], r#" "" "C:\a b\\""#);
        check(&[r#"say "hi""#, r#"a\"b\\c"#], r#" "say \"hi\"" "a\\\"b\\c""#);
    }

    #[test]
    fn the_environment_is_what_the_command_says_and_in_order() {
        let mut command = Command::new("x");
        command.env_clear().env("Path", "p").env("_Z", "ü").env("alpha", "").env_remove("GONE");
        let block = String::from_utf16(&environment(&command).unwrap()).unwrap();
        assert_eq!(block, "alpha=\0Path=p\0_Z=ü\0\0");
        assert_eq!(environment(Command::new("x").env_clear()).unwrap(), [0, 0]);
        assert!(environment(Command::new("x").env("A", "b\0c")).is_err());
    }
}
