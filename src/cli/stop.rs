//! Ctrl-C and its like, heard from the first moment, so that nothing half-made stays behind.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use super::Output;
use crate::interrupt;

/// As a shell would say of a program that Ctrl-C ended.
pub const CODE: u8 = 130;

/// Knows whether the person, or the system, wants this program to end.
pub struct Stop {
    asked: watch::Receiver<bool>,
}

impl Stop {
    /// Listens from now on. The first signal asks; the second ends this program at once.
    pub fn listen(runtime: &tokio::runtime::Runtime) -> io::Result<Stop> {
        let _inside = runtime.enter();
        let mut signals = Signals::listen()?;
        let (ask, asked) = watch::channel(false);
        runtime.spawn(async move {
            signals.next().await;
            ask.send_replace(true);
            signals.next().await;
            interrupt::end();
            std::process::exit(CODE.into());
        });
        Ok(Stop { asked })
    }

    pub fn is_asked(&self) -> bool {
        *self.asked.borrow()
    }

    /// Resolves once this program is to end.
    pub async fn asked(mut self) {
        drop(self.asked.wait_for(|asked| *asked).await);
    }
}

/// While this lives, Ctrl-C ends this program at once with all that it has begun: what it was making is not there.
#[must_use]
pub struct Ending {
    over: Arc<AtomicBool>,
}

impl Ending {
    /// For a command whose work is there as a whole or not at all.
    pub fn listen(output: &Output) -> io::Result<Ending> {
        Ending::listen_and_say(output, "stopped; nothing was left behind")
    }

    /// For one that looks at a machine, and may be changing it.
    pub fn listen_for_doctor(output: &Output) -> io::Result<Ending> {
        Ending::listen_and_say(output, "stopped; `holdall doctor` says how things stand now")
    }

    /// For one that changes a site: what it has begun is written down.
    pub fn listen_for_site(output: &Output) -> io::Result<Ending> {
        Ending::listen_and_say(output, "stopped; the next command finishes or takes back what was begun")
    }

    fn listen_and_say(output: &Output, words: &'static str) -> io::Result<Ending> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let mut signals = {
            let _inside = runtime.enter();
            Signals::listen()?
        };
        let over = Arc::new(AtomicBool::new(false));
        let ending = Ending { over: Arc::clone(&over) };
        let output = *output;
        std::thread::spawn(move || {
            runtime.block_on(signals.next());
            if over.load(Ordering::SeqCst) {
                return;
            }
            interrupt::end();
            output.stopped(words);
            std::process::exit(CODE.into());
        });
        Ok(ending)
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
    }
}

#[cfg(unix)]
struct Signals([tokio::signal::unix::Signal; 3]);

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        let [interrupt, terminate, hangup] =
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
        Ok(Signals([interrupt?, terminate?, hangup?]))
    }

    async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

#[cfg(windows)]
struct Signals {
    interrupt: tokio::signal::windows::CtrlC,
    /// Ctrl-Break, which a program gets that was started in a group of its own: nobody can send it Ctrl-C.
    stop: tokio::signal::windows::CtrlBreak,
    /// The window is closed; Windows leaves a few seconds.
    close: tokio::signal::windows::CtrlClose,
    shutdown: tokio::signal::windows::CtrlShutdown,
}

#[cfg(windows)]
impl Signals {
    fn listen() -> io::Result<Signals> {
        use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown};
        Ok(Signals {
            interrupt: ctrl_c()?,
            stop: ctrl_break()?,
            close: ctrl_close()?,
            shutdown: ctrl_shutdown()?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.stop.recv() => {}
            _ = self.close.recv() => {}
            _ = self.shutdown.recv() => {}
        }
    }
}
