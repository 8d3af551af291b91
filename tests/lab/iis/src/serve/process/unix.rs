//! Processes with a listening unix socket as descriptor 0, told to end by SIGTERM.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fs_err::OpenOptions;
use tokio::net::UnixStream;
use tokio::sync::{oneshot, watch};

use super::Launch;

pub type Reader = tokio::net::unix::OwnedReadHalf;
pub type Writer = tokio::net::unix::OwnedWriteHalf;

/// A process. Dropping it kills it and all that it started.
pub struct Process {
    id: u32,
    socket: Socket,
    /// Set once the number may belong to another process.
    is_gone: Arc<Mutex<bool>>,
    ended: watch::Receiver<Option<String>>,
}

/// The socket's name in the file system, removed with it.
struct Socket(PathBuf);

impl Socket {
    fn next() -> Socket {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut folder = std::env::temp_dir();
        // An address has room for 108 bytes.
        if folder.as_os_str().len() > 60 {
            folder = "/tmp".into();
        }
        Socket(folder.join(format!("iis-{}-{number}", std::process::id())))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // A name that is left over does no harm.
        let _ = fs_err::remove_file(&self.0);
    }
}

impl Process {
    pub async fn start(launch: &Launch) -> io::Result<Process> {
        let socket = Socket::next();
        // What a killed server with this number left behind is nobody's any more.
        let _ = fs_err::remove_file(&socket.0);
        let listener = UnixListener::bind(&socket.0)?;
        let output = OpenOptions::new().create(true).append(true).open(&launch.output)?;
        let mut command = Command::new(&launch.program);
        command
            .args(&launch.words)
            .envs(launch.environment.iter().map(|(name, value)| (name, value)))
            // IIS's worker is at home in a folder of the system's.
            .current_dir("/")
            .stdin(OwnedFd::from(listener))
            .stdout(output.file().try_clone()?)
            .stderr(output.into_file())
            .process_group(0);
        tie_to_us(&mut command);
        let (tell_start, started) = oneshot::channel();
        let (tell_end, ended) = watch::channel(None);
        let is_gone = Arc::new(Mutex::new(false));
        let gone = Arc::clone(&is_gone);
        // Linux ends a child when the *thread* that started it ends: this one stays with it.
        std::thread::Builder::new().name("process".to_owned()).spawn(move || {
            let child = command.spawn();
            // Our copy of the socket closes here, so that the channel ends with the process.
            drop(command);
            match child {
                Ok(child) => {
                    // Nobody to tell: then the process is dropped, and killed, over there.
                    let _ = tell_start.send(Ok(child.id()));
                    let how = see_off(child, &gone);
                    tell_end.send_replace(Some(how));
                }
                Err(error) => drop(tell_start.send(Err(error))),
            }
        })?;
        let id = started.await.map_err(io::Error::other)??;
        Ok(Process { id, socket, is_gone, ended })
    }

    pub fn id(&self) -> u32 {
        self.id
    }

    pub async fn connect(&self) -> io::Result<(Reader, Writer)> {
        Ok(UnixStream::connect(&self.socket.0).await?.into_split())
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
        self.signal(|id| id, libc::SIGTERM);
    }

    /// Ends it and all that it started.
    pub fn kill(&self) {
        self.signal(|id| -id, libc::SIGKILL);
    }

    fn signal(&self, whom: impl FnOnce(libc::pid_t) -> libc::pid_t, signal: libc::c_int) {
        let is_gone = self.is_gone.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_gone {
            // SAFETY: kill touches no memory. The number is still this process's: nobody has waited for it.
            unsafe { libc::kill(whom(self.id as libc::pid_t), signal) };
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits for the end of the process, ends what it left behind, and only then lets the number go.
fn see_off(mut child: Child, gone: &Mutex<bool>) -> String {
    let id = child.id();
    // SAFETY: the structure is ours and of the right kind; all zeros is a value of it. WNOWAIT leaves the process
    // where it is, so that its number, and its group's, stays taken.
    unsafe {
        let mut state: libc::siginfo_t = std::mem::zeroed();
        while libc::waitid(libc::P_PID, id, &mut state, libc::WEXITED | libc::WNOWAIT) != 0
            && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
        {}
        libc::kill(-(id as libc::pid_t), libc::SIGKILL);
    }
    let mut gone = gone.lock().unwrap_or_else(PoisonError::into_inner);
    *gone = true;
    match child.wait() {
        Ok(status) => told(status),
        Err(error) => error.to_string(),
    }
}

fn told(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (_, Some(signal)) => format!("signal {signal}"),
        _ => status.to_string(),
    }
}

/// Has the system end the process when this program is gone.
fn tie_to_us(command: &mut Command) {
    #[cfg(target_os = "linux")]
    {
        let us = std::process::id();
        let tie = move || {
            // SAFETY: prctl takes an integer here and touches no memory; neither does getppid.
            unsafe {
                if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                    return Err(io::Error::last_os_error());
                }
                // We may have gone before the system was asked to watch.
                if libc::getppid() as u32 != us {
                    return Err(io::ErrorKind::NotConnected.into());
                }
            }
            Ok(())
        };
        // SAFETY: between fork and exec this makes two system calls and allocates nothing.
        unsafe { command.pre_exec(tie) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = command;
}
