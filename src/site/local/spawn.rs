//! Starting processes so that none outlives this one, however this one ends.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::sync::oneshot;

use crate::site::Invocation;

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

    /// Starts `invocation` with `channel` as its standard input; what it writes can be read from the child.
    pub async fn spawn(&self, invocation: &Invocation, channel: Stdio) -> io::Result<Child> {
        let mut command = Command::from(invocation.command());
        command.stdin(channel).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        tie_to_us(&mut command);
        let (started, child) = oneshot::channel();
        let gone = || io::Error::other("the thread that starts processes is gone");
        self.orders.send(Order { command, started }).map_err(|_| gone())?;
        child.await.map_err(|_| gone())?
    }
}

/// Puts the process in a group of its own, so that Ctrl-C in a terminal reaches this program alone, which
/// then lets requests finish; and has the system kill it when this program is killed.
#[cfg(unix)]
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

#[cfg(not(unix))]
fn tie_to_us(_: &mut Command) {}

/// Asks the process to end, and ends it if it has not after `patience`; its own children go with it.
pub async fn terminate(child: &mut Child, patience: Duration) {
    let Some(process) = child.id() else { return };
    signal(process, Reach::Process);
    if tokio::time::timeout(patience, child.wait()).await.is_err() {
        kill(child).await;
    }
    signal(process, Reach::Group);
}

/// Ends the process at once, and its own children with it.
pub async fn kill(child: &mut Child) -> Option<ExitStatus> {
    let process = child.id();
    // It can only fail for a process that has ended.
    let _ = child.start_kill();
    let status = child.wait().await.ok();
    if let Some(process) = process {
        signal(process, Reach::Group);
    }
    status
}

/// Ends what a process left behind when it ended by itself.
pub fn sweep(process: u32) {
    signal(process, Reach::Group);
}

#[derive(Clone, Copy)]
enum Reach {
    /// SIGTERM to the process.
    Process,
    /// SIGKILL to all that is left of its group.
    Group,
}

#[cfg(unix)]
fn signal(process: u32, reach: Reach) {
    let Ok(process) = libc::pid_t::try_from(process) else { return };
    // SAFETY: kill touches no memory. A process or group that is gone makes it fail, which is as good.
    unsafe {
        match reach {
            Reach::Process => libc::kill(process, libc::SIGTERM),
            Reach::Group => libc::kill(-process, libc::SIGKILL),
        };
    }
}

#[cfg(not(unix))]
fn signal(_: u32, _: Reach) {}
