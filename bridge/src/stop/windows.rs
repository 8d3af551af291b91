//! Stopping on Windows, where the web server sets an event whose number stands in the environment. Without one (IIS has
//! `signalBeforeTerminateSeconds` at 0 by default) the process is ended from outside, and there is nothing to wait for.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::leave;
use crate::log;
use crate::transports::Source;
use crate::win32::Event;

/// The variable that names the event.
pub const VARIABLE: &str = "_FCGI_SHUTDOWN_EVENT_";

/// Stops `source` when the event is set. What then takes longer than `grace` ends the process at once.
pub fn watch(source: Arc<dyn Source>, grace: Duration) -> io::Result<()> {
    let Ok(number) = std::env::var(VARIABLE) else { return Ok(()) };
    let Some(event) = Event::inherited(&number) else {
        log::line(&format!("`{VARIABLE}` is {number}, and there is no event under that number"));
        return Ok(());
    };
    std::thread::Builder::new().name("holdall-bridge-stop".to_owned()).spawn(move || {
        if !event.wait() {
            return;
        }
        log::line_unless_stuck("stopping: requests in flight are finished");
        source.stop();
        std::thread::sleep(grace);
        log::line_unless_stuck(&format!("not done within {} s: leaving at once", grace.as_secs()));
        leave(1)
    })?;
    Ok(())
}
