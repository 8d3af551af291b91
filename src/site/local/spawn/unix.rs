//! Processes in a group of their own, asked to end by SIGTERM.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::sync::oneshot;

use super::Stream;
use crate::site::Invocation;
use crate::site::local::channel::Channel;

/// A thread that starts processes.
///
/// Linux ends a child when the *thread* that started it ends, so this thread must live as long as the
/// processes may; it ends when the last `Spawner` is dropped.
#[derive(Clone)]
pub struct Spawner {
    orders: std::sync::mpsc::Sender<Order>,
}

struct Order {
    command: Command,
    started: oneshot::Sender<io::Result<Child>>,
}

/// One process. Dropping it kills it.
pub struct Process {
    child: Child,
    id: u32,
}

impl Spawner {
    /// Starts the thread. Must be called inside a tokio runtime.
    pub fn start() -> io::Result<Spawner> {
        let (orders, taken) = std::sync::mpsc::channel::<Order>();
        let runtime = tokio::runtime::Handle::current();
        std::thread::Builder::new().name("holdall-spawner".to_owned()).spawn(move || {
            let _inside = runtime.enter();
            for Order { mut command, started } in taken {
                // Who asked may have left; the child is then dropped, and with it killed.
                let _ = started.send(command.spawn());
            }
        })?;
        Ok(Spawner { orders })
    }

    /// Starts `invocation` with `channel` as its standard input; what it writes can be read from the process.
    pub async fn spawn(&self, invocation: &Invocation, channel: Channel) -> io::Result<Process> {
        let mut command = Command::from(invocation.command());
        command.stdin(channel).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        tie_to_us(&mut command);
        let (started, child) = oneshot::channel();
        let gone = || io::Error::other("the thread that starts processes is gone");
        self.orders.send(Order { command, started }).map_err(|_| gone())?;
        let child = child.await.map_err(|_| gone())??;
        let id = child.id().expect("nobody has waited for it yet");
        Ok(Process { child, id })
    }
}

impl Process {
    pub fn id(&self) -> u32 {
        self.id
    }

    /// What it writes. There is something the first time only.
    pub fn streams(&mut self) -> Vec<Stream> {
        let output = self.child.stdout.take().map(|stream| Box::new(stream) as Stream);
        let errors = self.child.stderr.take().map(|stream| Box::new(stream) as Stream);
        output.into_iter().chain(errors).collect()
    }

    /// Resolves when it has ended; again and again then.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Asks the process to end, and ends it if it has not after `patience`; its own children go with it.
    pub async fn terminate(&mut self, patience: Duration) {
        if self.child.id().is_none() {
            return;
        }
        self.signal(Reach::Process);
        if tokio::time::timeout(patience, self.child.wait()).await.is_err() {
            self.kill().await;
        }
        self.sweep();
    }

    /// Ends the process at once, and its own children with it.
    pub async fn kill(&mut self) {
        // It can only fail for a process that has ended.
        let _ = self.child.start_kill();
        let _ = self.child.wait().await;
        self.sweep();
    }

    /// Ends what a process left behind when it ended by itself.
    pub fn sweep(&self) {
        self.signal(Reach::Group);
    }

    fn signal(&self, reach: Reach) {
        let Ok(process) = libc::pid_t::try_from(self.id) else { return };
        // SAFETY: kill touches no memory. A process or group that is gone makes it fail, which is as good.
        unsafe {
            match reach {
                Reach::Process => libc::kill(process, libc::SIGTERM),
                Reach::Group => libc::kill(-process, libc::SIGKILL),
            };
        }
    }
}

#[derive(Clone, Copy)]
enum Reach {
    /// SIGTERM to the process.
    Process,
    /// SIGKILL to all that is left of its group.
    Group,
}

/// Puts the process in a group of its own, so that Ctrl-C in a terminal reaches this program alone, which
/// then lets requests finish; and has the system kill it when this program is killed.
fn tie_to_us(command: &mut Command) {
    command.process_group(0);
    #[cfg(target_os = "linux")]
    {
        let us = std::process::id();
        let tie = move || {
            // SAFETY: prctl with PR_SET_PDEATHSIG takes an integer and touches no memory.
            if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } != 0 {
                return Err(io::Error::last_os_error());
            }
            // We may have died before the system was asked to watch.
            if u32::try_from(unsafe { libc::getppid() }) != Ok(us) {
                return Err(io::ErrorKind::NotConnected.into());
            }
            Ok(())
        };
        // SAFETY: between fork and exec the closure makes two system calls and allocates nothing.
        unsafe { command.pre_exec(tie) };
    }
}
