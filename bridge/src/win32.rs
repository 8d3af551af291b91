//! What the Rust libraries do not offer of Windows: one end of a named pipe as a process finds it, the event that tells
//! it to stop, its standard handles. All unsafe code of the bridge is here.
//!
//! Decides nothing: every function is one question or one operation.

use std::fs::File;
use std::io;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle, RawHandle};
use std::ptr::{null, null_mut};
use std::sync::{Arc, Weak};

use windows_sys::Wdk::Storage::FileSystem::{
    FILE_ACCESS_INFORMATION, FILE_MODE_INFORMATION, FILE_SYNCHRONOUS_IO_ALERT, FILE_SYNCHRONOUS_IO_NONALERT,
    FileAccessInformation, FileModeInformation, NtQueryInformationFile,
};
use windows_sys::Win32::Foundation::{
    CloseHandle, DUPLICATE_SAME_ACCESS, DuplicateHandle, ERROR_IO_PENDING, HANDLE, HANDLE_FLAG_INHERIT,
    HANDLE_FLAG_PROTECT_FROM_CLOSE, INVALID_HANDLE_VALUE, SetHandleInformation, TRUE, WAIT_OBJECT_0,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_READ_DATA, FILE_WRITE_DATA, FlushFileBuffers, ReadFile, WriteFile,
};
use windows_sys::Win32::System::Console::{
    GetStdHandle, STD_ERROR_HANDLE, STD_HANDLE, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, SetStdHandle,
};
use windows_sys::Win32::System::EventLog::{
    DeregisterEventSource, EVENTLOG_ERROR_TYPE, EVENTLOG_WARNING_TYPE, RegisterEventSourceW, ReportEventW,
};
use windows_sys::Win32::System::IO::{
    CancelIoEx, CancelSynchronousIo, GetOverlappedResult, IO_STATUS_BLOCK, OVERLAPPED,
};
use windows_sys::Win32::System::Pipes::{
    ConnectNamedPipe, DisconnectNamedPipe, GetNamedPipeInfo, PIPE_READMODE_BYTE, PIPE_SERVER_END, PIPE_WAIT,
    PeekNamedPipe, SetNamedPipeHandleState,
};
use windows_sys::Win32::System::Threading::{
    CreateEventW, GetCurrentProcess, GetCurrentThreadId, INFINITE, OpenThread, THREAD_TERMINATE,
    TerminateProcess, WaitForSingleObject,
};

/// One end of a duplex pipe. It does one thing at a time: whatever touches the pipe takes it exclusively and has
/// ended when it returns.
pub struct PipeEnd {
    handle: Arc<OwnedHandle>,
    /// Set by Windows when an operation on an overlapped handle has ended.
    done: OwnedHandle,
}

/// Ends the operation that a thread waits for, from another thread. It does not keep the pipe open.
pub struct Canceller(Weak<OwnedHandle>);

/// A thread as Windows numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadNumber(u32);

impl PipeEnd {
    /// The standard input, if it is one end of a duplex pipe, under a handle of its own that no child inherits.
    /// The standard handle stays as it is.
    pub fn of_standard_input() -> io::Result<Option<PipeEnd>> {
        // SAFETY: the call takes a number.
        let standard = unsafe { GetStdHandle(STD_INPUT_HANDLE) };
        if standard.is_null() || standard == INVALID_HANDLE_VALUE {
            return Ok(None);
        }
        // What cannot be copied is no handle.
        let handle = duplicate(standard).ok();
        let Some(handle) = handle.filter(|handle| flags(handle).is_some() && is_duplex(handle)) else {
            return Ok(None);
        };
        // SAFETY: there is nothing to point to; a manual-reset event, not set.
        let done = new_handle(unsafe { CreateEventW(null(), TRUE, 0, null()) })?;
        Ok(Some(PipeEnd { handle: Arc::new(handle), done }))
    }

    /// Whether this is the end that clients connect to.
    pub fn is_server_end(&self) -> bool {
        flags(&self.handle).is_some_and(|flags| flags & PIPE_SERVER_END != 0)
    }

    /// Whether Windows lets only one operation at a time into the file object, which then blocks all others, also
    /// through copies of the handle.
    pub fn is_synchronous(&self) -> bool {
        let mut mode = FILE_MODE_INFORMATION::default();
        let known = query(&self.handle, FileModeInformation, &mut mode);
        // One that does not say is treated with the greater care.
        !known || mode.Mode & (FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT) != 0
    }

    /// Makes reads and connections wait, and bytes come as bytes. A client's end may refuse, and is so already.
    pub fn set_waiting_bytes(&mut self) -> io::Result<()> {
        let mode = PIPE_READMODE_BYTE | PIPE_WAIT;
        // SAFETY: the handle is open, and the mode lives through the call.
        succeeded(unsafe { SetNamedPipeHandleState(self.handle.as_raw_handle(), &mode, null(), null()) })
    }

    /// Waits for a client. `ERROR_PIPE_CONNECTED` says that there is one.
    pub fn connect(&mut self) -> io::Result<()> {
        // SAFETY: one call is given what there is.
        unsafe { self.operate(|handle, _, overlapped| ConnectNamedPipe(handle, overlapped)) }.map(drop)
    }

    /// Turns the client away; what it has not read is lost.
    pub fn disconnect(&mut self) {
        // SAFETY: the handle is open. Without a client there is nothing to do.
        unsafe { DisconnectNamedPipe(self.handle.as_raw_handle()) };
    }

    /// Waits until the other end has read everything.
    pub fn flush(&mut self) -> io::Result<()> {
        // SAFETY: the handle is open.
        succeeded(unsafe { FlushFileBuffers(self.handle.as_raw_handle()) })
    }

    /// How many bytes can be read without waiting.
    pub fn available(&mut self) -> io::Result<usize> {
        let mut count = 0;
        // SAFETY: the handle is open; the count is written to a place of its size.
        succeeded(unsafe {
            PeekNamedPipe(self.handle.as_raw_handle(), null_mut(), 0, null_mut(), &mut count, null_mut())
        })?;
        Ok(count as usize)
    }

    /// Waits until something is there, and takes it.
    pub fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = u32::try_from(into.len()).unwrap_or(u32::MAX);
        // SAFETY: one call is given what there is, and the buffer is lent for as long as it runs.
        unsafe {
            self.operate(|handle, count, overlapped| {
                ReadFile(handle, into.as_mut_ptr(), length, count, overlapped)
            })
        }
    }

    /// Waits until the pipe has taken all of it.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        // SAFETY: one call is given what there is, and the bytes are lent for as long as it runs.
        unsafe {
            self.operate(|handle, count, overlapped| {
                WriteFile(handle, bytes.as_ptr(), length, count, overlapped)
            })
        }
    }

    pub fn canceller(&self) -> Canceller {
        Canceller(Arc::downgrade(&self.handle))
    }

    /// Starts an operation and waits for its end; returns how many bytes it moved.
    ///
    /// Nobody tells a process whether its pipe was opened for overlapped use. A call that is given an `OVERLAPPED`
    /// with an event is right for both kinds: the one returns at its end, the other says that the end is to be
    /// waited for. Without one, an overlapped handle reports an end that was another operation's.
    ///
    /// # Safety
    ///
    /// `start` hands the handle, the count and the structure to one call that begins an operation, and nothing else;
    /// what else that call points to lives until this returns.
    unsafe fn operate(
        &mut self,
        start: impl FnOnce(HANDLE, *mut u32, *mut OVERLAPPED) -> i32,
    ) -> io::Result<usize> {
        let handle = self.handle.as_raw_handle();
        // The lowest bit keeps the end of the operation from a completion port, should the web server have tied the
        // pipe to one of its own: https://learn.microsoft.com/windows/win32/api/ioapiset/nf-ioapiset-getqueuedcompletionstatus
        let event = self.done.as_raw_handle().map_addr(|address| address | 1);
        let mut overlapped = OVERLAPPED { hEvent: event, ..OVERLAPPED::default() };
        let overlapped = &raw mut overlapped;
        let mut count = 0;
        if start(handle, &mut count, overlapped) != 0 {
            return Ok(count as usize);
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(ERROR_IO_PENDING as i32) {
            return Err(error);
        }
        // SAFETY: the structure is that of the operation just started on this handle. The call returns when it has
        // ended, also when it was cancelled, so nothing points to the structure or a buffer afterwards.
        succeeded(unsafe { GetOverlappedResult(handle, overlapped, &mut count, TRUE) })?;
        Ok(count as usize)
    }
}

impl Canceller {
    /// For another kind of pipe.
    #[cfg(test)]
    pub fn of(handle: &Arc<OwnedHandle>) -> Canceller {
        Canceller(Arc::downgrade(handle))
    }

    /// Ends what `thread` waits for, if it waits for this pipe: the wait then fails with `ERROR_OPERATION_ABORTED`.
    ///
    /// A thread that is not there yet is not stopped later: ask again until it is back.
    pub fn cancel(&self, thread: ThreadNumber) {
        // The first call is for overlapped handles, the second for synchronous ones, whose wait belongs to the
        // thread. Each finds nothing to do on the other kind.
        if let Some(pipe) = self.0.upgrade() {
            // SAFETY: the handle is open; without a structure every operation on it is meant.
            unsafe { CancelIoEx(pipe.as_raw_handle(), null()) };
        }
        // SAFETY: the call takes numbers.
        if let Ok(thread) = new_handle(unsafe { OpenThread(THREAD_TERMINATE, 0, thread.0) }) {
            // SAFETY: the handle is a thread's, and open.
            unsafe { CancelSynchronousIo(thread.as_raw_handle()) };
        }
    }
}

impl ThreadNumber {
    pub fn of_this_thread() -> ThreadNumber {
        // SAFETY: the call takes nothing.
        ThreadNumber(unsafe { GetCurrentThreadId() })
    }
}

/// An event that another process sets.
pub struct Event(OwnedHandle);

impl Event {
    /// The event that this process inherited under a number; `None` if there is nothing under it. Children do not
    /// inherit it any more.
    pub fn inherited(number: &str) -> Option<Event> {
        let handle = number.trim().parse::<usize>().ok().filter(|number| *number > 0)? as RawHandle;
        // SAFETY: a handle that is none makes the call fail; else it was given to this process, to be its own.
        unsafe {
            let is_one = SetHandleInformation(handle, HANDLE_FLAG_INHERIT, 0) != 0;
            is_one.then(|| Event(OwnedHandle::from_raw_handle(handle)))
        }
    }

    /// Waits until it is set; `false` if that cannot be waited for.
    pub fn wait(&self) -> bool {
        // SAFETY: the handle is open.
        unsafe { WaitForSingleObject(self.0.as_raw_handle(), INFINITE) == WAIT_OBJECT_0 }
    }
}

/// The three standard streams, by their numbers in C and in Python.
pub const STANDARD: [(i32, STD_HANDLE); 3] =
    [(0, STD_INPUT_HANDLE), (1, STD_OUTPUT_HANDLE), (2, STD_ERROR_HANDLE)];

/// Makes `handle` a standard handle. It must stay open as long as the process runs, or until the next call.
pub fn set_standard_handle(which: STD_HANDLE, handle: RawHandle) -> io::Result<()> {
    // SAFETY: nothing is read or written; what is no handle fails where it is used.
    succeeded(unsafe { SetStdHandle(which, handle) })
}

/// Closes a handle that several owners believe to be theirs, once `work` has made each of them close it: closed for
/// one of them, its number would go to something new, which the next would close.
///
/// Nobody may use the handle afterwards.
pub fn close_once<T>(handle: RawHandle, work: impl FnOnce() -> T) -> T {
    let protect = HANDLE_FLAG_PROTECT_FROM_CLOSE;
    // SAFETY: nothing is read or written; what is no handle makes the call fail.
    unsafe { SetHandleInformation(handle, protect, protect) };
    let result = work();
    // SAFETY: closing the handle has failed so far, so its number is still its own.
    unsafe {
        SetHandleInformation(handle, protect, 0);
        CloseHandle(handle);
    }
    result
}

/// A handle of one's own for what somebody else has open.
pub fn copy(handle: RawHandle) -> io::Result<File> {
    duplicate(handle).map(File::from)
}

/// A file's handle as a number, for who takes charge of it.
pub fn into_number(file: File) -> usize {
    use std::os::windows::io::IntoRawHandle as _;
    file.into_raw_handle() as usize
}

/// Ends this process at once. Nothing is finished first, so nothing can hang.
pub fn leave(code: u8) -> ! {
    // SAFETY: the pseudo handle of this process is always right.
    unsafe { TerminateProcess(GetCurrentProcess(), code.into()) };
    // Ending oneself does not fail and does not return.
    std::process::abort()
}

/// Another handle for the same thing, which no child inherits.
fn duplicate(handle: HANDLE) -> io::Result<OwnedHandle> {
    let mut copy = null_mut();
    // SAFETY: a handle that is none makes the call fail; the copy is written to a place of its size.
    succeeded(unsafe {
        let this = GetCurrentProcess();
        DuplicateHandle(this, handle, this, &mut copy, 0, 0, DUPLICATE_SAME_ACCESS)
    })?;
    // SAFETY: the handle is new and nobody else's.
    Ok(unsafe { OwnedHandle::from_raw_handle(copy) })
}

/// What a pipe says of itself; `None` if it is no pipe.
fn flags(handle: &OwnedHandle) -> Option<u32> {
    let mut flags = 0;
    // SAFETY: the handle is open; the flags are written to a place of their size.
    let is_pipe = unsafe {
        GetNamedPipeInfo(handle.as_raw_handle(), &mut flags, null_mut(), null_mut(), null_mut()) != 0
    };
    is_pipe.then_some(flags)
}

/// Whether a pipe goes both ways: those that a shell puts between two programs do not.
fn is_duplex(handle: &OwnedHandle) -> bool {
    let mut access = FILE_ACCESS_INFORMATION::default();
    let known = query(handle, FileAccessInformation, &mut access);
    let both = FILE_READ_DATA | FILE_WRITE_DATA;
    !known || access.AccessFlags & both == both
}

/// Asks for one of the structures that describe an open file; `false` if there is no answer.
fn query<T>(handle: &OwnedHandle, class: i32, into: &mut T) -> bool {
    let mut status = IO_STATUS_BLOCK::default();
    // SAFETY: pointer and length are those of a structure that lives through the call, as is the status.
    let result = unsafe {
        NtQueryInformationFile(
            handle.as_raw_handle(),
            &mut status,
            std::ptr::from_mut(into).cast(),
            size_of::<T>() as u32,
            class,
        )
    };
    result >= 0
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

/// Writes an error or a warning into the event log "Application".
pub fn report_event(source: &str, is_error: bool, id: u32, text: &str) -> io::Result<()> {
    let wide = |text: &str| text.encode_utf16().filter(|unit| *unit != 0).chain([0]).collect::<Vec<u16>>();
    // `%1` in a text would stand for something else.
    let (source, text) = (wide(source), wide(&text.replace('%', "% ")));
    // SAFETY: the name ends in NUL and lives through the call; none stands for this machine.
    let handle = unsafe { RegisterEventSourceW(null(), source.as_ptr()) };
    if handle.is_null() {
        return Err(io::Error::last_os_error());
    }
    let kind = if is_error { EVENTLOG_ERROR_TYPE } else { EVENTLOG_WARNING_TYPE };
    let texts = [text.as_ptr()];
    // SAFETY: the handle is open; there is one text, which ends in NUL and lives through the call.
    let reported = unsafe { ReportEventW(handle, kind, 0, id, null_mut(), 1, 0, texts.as_ptr(), null()) };
    let result = if reported == 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
    // SAFETY: the handle is open, and closed once.
    unsafe { DeregisterEventSource(handle) };
    result
}
