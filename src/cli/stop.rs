//! Ctrl-C and its like, heard from the first moment, so that nothing half-made stays behind.

use std::io;

use tokio::sync::watch;

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
            // As a shell would say of a program that Ctrl-C ended.
            std::process::exit(130);
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

/// From now on Ctrl-C ends this program at once, with all that it has begun: what it was making is not there.
pub fn ends_everything() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut signals = {
        let _inside = runtime.enter();
        Signals::listen()?
    };
    std::thread::spawn(move || {
        runtime.block_on(signals.next());
        crate::interrupt::end();
        // As a shell would say of a program that Ctrl-C ended.
        std::process::exit(130);
    });
    Ok(())
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
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn listen() -> io::Result<Signals> {
        tokio::signal::windows::ctrl_c().map(Signals)
    }

    async fn next(&mut self) {
        self.0.recv().await;
    }
}
