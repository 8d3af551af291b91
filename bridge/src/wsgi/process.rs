//! This process as the application shall find it: environment, import path, standard streams.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::settings::Settings;

/// Sets what must be set before anything of the project is imported.
pub fn prepare(py: Python<'_>, settings: &Settings) -> PyResult<()> {
    let environ = py.import("os")?.getattr("environ")?;
    for (name, value) in &settings.environment {
        environ.set_item(name, value)?;
    }
    let path = py.import("sys")?.getattr("path")?;
    for (place, folder) in settings.pythonpath.iter().enumerate() {
        path.call_method1("insert", (place, folder.as_os_str()))?;
    }
    restore_streams(py)
}

/// Takes Ctrl-C away from Python, whose handler would run as well as the bridge's and raise KeyboardInterrupt
/// in the middle of leaving.
#[cfg(unix)]
pub fn take_interrupt(py: Python<'_>) -> PyResult<()> {
    let signal = py.import("signal")?;
    signal.call_method1("signal", (signal.getattr("SIGINT")?, signal.getattr("SIG_IGN")?))?;
    Ok(())
}

/// Python has no stream objects for descriptors that were closed when it started, and those that it made then are of no
/// use for what the descriptors stand for now: one for a console on Windows, one for `/dev/null`, which takes every
/// seek, where there is a pipe. The new ones pass on each line as it ends: a `print()` shows in the log when it happens,
/// not when the process ends.
fn restore_streams(py: Python<'_>) -> PyResult<()> {
    let sys = py.import("sys")?;
    let open = py.import("io")?.getattr("open")?;
    let before = sys.getattr("stderr")?;
    for (descriptor, name, mode) in [(0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")] {
        let options = PyDict::new(py);
        let own = format!("__{name}__");
        let there = sys.getattr(name)?;
        // A site's own start-up code may have put something else there, which is then its own affair.
        if cfg!(windows) || there.is_none() || there.is(sys.getattr(own.as_str())?) {
            if let Some(flush) = there.getattr_opt("flush")? {
                // What was printed before goes where it can; if that is nowhere, it is no reason to stop.
                let _ = flush.call0();
            }
            options.set_item("encoding", "utf-8")?;
            options.set_item("closefd", false)?;
            options.set_item("errors", "backslashreplace")?;
            let stream = open.call((descriptor, mode), Some(&options))?;
            sys.setattr(own.as_str(), &stream)?;
            sys.setattr(name, stream)?;
        }
        if mode == "w" {
            let options = PyDict::new(py);
            options.set_item("line_buffering", true)?;
            options.set_item("errors", "backslashreplace")?;
            if let Some(reconfigure) = sys.getattr(name)?.getattr_opt("reconfigure")? {
                reconfigure.call((), Some(&options))?;
            }
        }
    }
    restore_handlers(py, &before, &sys.getattr("stderr")?)
}

/// A project that was set up before its streams were there, as by `manage.py`, has handlers of `logging` that write to what
/// was in their place, and to nothing where nothing was.
fn restore_handlers(py: Python<'_>, before: &Bound<'_, PyAny>, now: &Bound<'_, PyAny>) -> PyResult<()> {
    let modules = py.import("sys")?.getattr("modules")?;
    if before.is(now) || !modules.contains("logging")? {
        return Ok(());
    }
    let logging = py.import("logging")?;
    let kind = logging.getattr("StreamHandler")?;
    for reference in logging.getattr("_handlerList")?.try_iter()? {
        let handler = reference?.call0()?;
        if handler.is_instance(&kind)? {
            let stream = handler.getattr("stream")?;
            if stream.is_none() || stream.is(before) {
                handler.setattr("stream", now)?;
            }
        }
    }
    Ok(())
}

/// `3.13.1` of this interpreter.
pub fn python_version() -> String {
    Python::version_str().split_whitespace().next().unwrap_or_default().to_owned()
}
