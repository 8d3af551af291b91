//! What the stories ask of the system itself, told for each system: the channel that a responder is handed, and
//! whether processes and channels are still there.

#[cfg(unix)]
pub use unix::*;
#[cfg(windows)]
pub use windows::*;

#[cfg(unix)]
mod unix {
    use std::io;
    use std::os::fd::FromRawFd as _;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::Path;
    use std::process::{Child, Command};

    use crate::harness::signal;

    pub type Stream = UnixStream;

    /// The end of the channel that a responder is handed.
    pub struct Listener(UnixListener);

    impl Listener {
        pub fn given() -> Listener {
            // SAFETY: the web server hands the socket over as descriptor 0, and nothing else reads from it.
            Listener(unsafe { UnixListener::from_raw_fd(0) })
        }

        pub fn accept(&self) -> io::Result<Stream> {
            Ok(self.0.accept()?.0)
        }

        /// Where the web server reaches it.
        pub fn address(&self) -> String {
            self.0.local_addr().unwrap().as_pathname().unwrap().display().to_string()
        }
    }

    /// A program that is started so that [`interrupt`] reaches it alone.
    pub fn apart(_: &mut Command) {}

    /// Ctrl-C, as a terminal sends it. Returns whether it can be sent.
    pub fn interrupt(child: &mut Child) -> bool {
        signal(child.id(), "INT");
        true
    }

    /// As the system asks a service.
    pub fn ask_to_end(child: &mut Child) {
        signal(child.id(), "TERM");
    }

    /// SIGTERM ends a responder by itself.
    pub fn when_asked_to_end(_: impl FnOnce() + Send + 'static) {}

    pub fn is_alive(process: &str) -> bool {
        // One that is dead and not yet waited for is not alive.
        let status = std::fs::read_to_string(Path::new("/proc").join(process).join("stat"));
        status.is_ok_and(|status| !status.contains(") Z "))
    }

    /// Ends a process without a word.
    pub fn end(process: &str) {
        signal(process, "KILL");
    }

    pub fn channel_exists(address: &str) -> bool {
        Path::new(address).exists()
    }

    /// Whether anything is left of where a channel was, once its server is gone.
    pub fn leaves_traces(address: &str) -> bool {
        Path::new(address).parent().unwrap().exists()
    }

    /// Removes what a server that was killed could not remove.
    pub fn clean(address: &str) {
        std::fs::remove_dir_all(Path::new(address).parent().unwrap()).unwrap();
    }
}

#[cfg(windows)]
mod windows {
    use std::fs::File;
    use std::io::{self, Read, Write};
    use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle, RawHandle};
    use std::os::windows::process::CommandExt as _;
    use std::process::{Child, Command};

    use windows_sys::Win32::Foundation::{
        ERROR_FILE_NOT_FOUND, ERROR_PIPE_CONNECTED, WAIT_OBJECT_0, WAIT_TIMEOUT,
    };
    use windows_sys::Win32::System::Console::{CTRL_BREAK_EVENT, GenerateConsoleCtrlEvent};
    use windows_sys::Win32::System::Pipes::{ConnectNamedPipe, DisconnectNamedPipe, WaitNamedPipeW};
    use windows_sys::Win32::System::Threading::{
        CREATE_NEW_PROCESS_GROUP, INFINITE, OpenProcess, PROCESS_SYNCHRONIZE, PROCESS_TERMINATE,
        TerminateProcess, WaitForSingleObject,
    };

    /// The end of the channel that a responder is handed: the server end of a pipe, as IIS does it.
    pub struct Listener(File);

    /// One connection. Dropped, it makes room for the next.
    pub struct Stream(File);

    impl Listener {
        pub fn given() -> Listener {
            // SAFETY: the web server hands the pipe over as standard input, and nothing else reads from it.
            Listener(unsafe { File::from_raw_handle(io::stdin().as_raw_handle()) })
        }

        pub fn accept(&self) -> io::Result<Stream> {
            // SAFETY: the handle is a pipe's, and open; it is a synchronous one.
            let connected = unsafe { ConnectNamedPipe(self.0.as_raw_handle(), std::ptr::null_mut()) } != 0;
            let error = io::Error::last_os_error();
            if !connected && error.raw_os_error() != Some(ERROR_PIPE_CONNECTED as i32) {
                // The client that was there has left before it could be let in.
                unsafe { DisconnectNamedPipe(self.0.as_raw_handle()) };
                return Err(error);
            }
            Ok(Stream(self.0.try_clone()?))
        }

        /// Where the web server reaches it.
        pub fn address(&self) -> String {
            std::env::var("_FCGI_X_PIPE_").unwrap()
        }
    }

    impl Drop for Stream {
        fn drop(&mut self) {
            // SAFETY: the handle is the server end of a pipe, and open.
            unsafe { DisconnectNamedPipe(self.0.as_raw_handle()) };
        }
    }

    impl Read for Stream {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Write for Stream {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A program that is started so that [`interrupt`] reaches it alone.
    pub fn apart(command: &mut Command) {
        command.creation_flags(CREATE_NEW_PROCESS_GROUP);
    }

    /// Ctrl-Break: Ctrl-C can't be sent to one program alone.
    ///
    /// Returns whether it can be sent at all. Wine gives programs no console to send it through; there the program
    /// is just ended, and with it go its processes, but not its folder.
    pub fn interrupt(child: &mut Child) -> bool {
        // SAFETY: the call takes two numbers.
        let sent = unsafe { GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, child.id()) } != 0;
        if !sent {
            let error = io::Error::last_os_error();
            assert!(std::env::var_os("WINEPREFIX").is_some(), "{error}");
            child.kill().unwrap();
        }
        sent
    }

    /// Nothing asks a program without a console: it is ended, and with it what it has in jobs.
    pub fn ask_to_end(child: &mut Child) {
        child.kill().unwrap();
    }

    /// Waits for the event that says so, and ends after `last`.
    pub fn when_asked_to_end(last: impl FnOnce() + Send + 'static) {
        let event: usize = std::env::var("_FCGI_SHUTDOWN_EVENT_").unwrap().parse().unwrap();
        std::thread::spawn(move || {
            // SAFETY: this process inherited the event under this number.
            assert_eq!(unsafe { WaitForSingleObject(event as RawHandle, INFINITE) }, WAIT_OBJECT_0);
            last();
            std::process::exit(0);
        });
    }

    fn open(process: &str) -> Option<OwnedHandle> {
        // SAFETY: the handle is new and nobody else's.
        unsafe {
            let handle = OpenProcess(PROCESS_SYNCHRONIZE | PROCESS_TERMINATE, 0, process.parse().unwrap());
            (!handle.is_null()).then(|| OwnedHandle::from_raw_handle(handle))
        }
    }

    pub fn is_alive(process: &str) -> bool {
        // SAFETY: the handle is a process's, and open.
        open(process)
            .is_some_and(|process| unsafe { WaitForSingleObject(process.as_raw_handle(), 0) } == WAIT_TIMEOUT)
    }

    /// Ends a process without a word.
    pub fn end(process: &str) {
        let process = open(process).unwrap();
        // SAFETY: the handle is a process's, and open.
        assert_ne!(unsafe { TerminateProcess(process.as_raw_handle(), 9) }, 0);
    }

    pub fn channel_exists(address: &str) -> bool {
        let name: Vec<u16> = address.encode_utf16().chain([0]).collect();
        // SAFETY: the name ends in NUL.
        let waited = unsafe { WaitNamedPipeW(name.as_ptr(), 1) } != 0;
        waited || io::Error::last_os_error().raw_os_error() != Some(ERROR_FILE_NOT_FOUND as i32)
    }

    /// Whether anything is left of where a channel was, once its server is gone.
    pub fn leaves_traces(address: &str) -> bool {
        channel_exists(address)
    }

    /// A pipe goes with its last handle.
    pub fn clean(address: &str) {
        assert!(!channel_exists(address));
    }
}
