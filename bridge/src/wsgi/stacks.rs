//! Where threads are, in Python's words.

use std::time::Duration;

use pyo3::prelude::*;

use super::application::traceback;
use crate::log;
use crate::watchdog::{Interpreter, Witness};

/// Asks the interpreter.
pub struct Stacks;

struct Held<'py>(Python<'py>);

impl Witness for Stacks {
    fn with_interpreter(&self, has_it: &mut dyn FnMut(), work: &mut dyn FnMut(&dyn Interpreter)) {
        // One that is about to end is left alone.
        Python::try_attach(|py| {
            has_it();
            work(&Held(py));
        });
    }
}

impl Interpreter for Held<'_> {
    fn stack(&self, thread: u64) -> String {
        stack(self.0, thread).unwrap_or_else(|error| format!("  it cannot be told: {error}"))
    }

    fn write_all_after(&self, time: Option<Duration>) {
        write_all_after(self.0, time);
    }
}

/// Python's number of this thread.
pub fn this_thread(py: Python<'_>) -> Option<u64> {
    py.import("_thread").and_then(|module| module.call_method0("get_ident")?.extract()).ok()
}

/// The lines that a traceback of the thread would have.
fn stack(py: Python<'_>, thread: u64) -> PyResult<String> {
    let frames = py.import("sys")?.call_method0("_current_frames")?;
    let frame = frames.get_item(thread)?;
    let lines: Vec<String> = py.import("traceback")?.call_method1("format_stack", (frame,))?.extract()?;
    Ok(lines.concat())
}

/// Systems know no end of time that is much later.
const LATEST: Duration = Duration::from_secs(30 * 86_400);

/// Sets `faulthandler`, a thread of which reads all stacks without asking for the interpreter: with somebody who holds it
/// and does not let go, there is no other way. Without a time it is stopped.
pub fn write_all_after(py: Python<'_>, time: Option<Duration>) {
    let set = py.import("faulthandler").and_then(|module| match time {
        // Once, to standard error, which is the log, and without ending the process.
        Some(time) => {
            module.call_method1("dump_traceback_later", (time.min(LATEST).as_secs_f64(), false, 2, false))
        }
        None => module.call_method0("cancel_dump_traceback_later"),
    });
    if let Err(error) = set {
        let said = format!("stacks cannot be had where the interpreter is held\n{}", traceback(py, &error));
        py.detach(|| log::line(&said));
    }
}
