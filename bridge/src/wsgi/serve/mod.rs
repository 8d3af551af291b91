//! Serving: from the settings to workers that answer requests until they are told to stop.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};

use super::application::{load, summary, traceback};
use super::environ::Template;
use super::handler::Handler;
use super::module::{DONE, FAILED};
use super::process::{prepare, python_version};
use crate::events::Event;
use crate::log;
use crate::settings::Settings;
use crate::transports::Source;

#[cfg(unix)]
pub use unix::serve;
#[cfg(windows)]
pub use windows::serve;

/// Imports the application and answers the requests of `source` until it has no more.
///
/// `siblings` says that other processes may answer requests for the same site; `when_ready` is called once the
/// application is imported.
fn work(
    py: Python<'_>,
    settings: &Settings,
    source: &Arc<dyn Source>,
    address: &str,
    siblings: bool,
    when_ready: impl FnOnce(),
) -> PyResult<u8> {
    prepare(py, settings)?;
    let begun = Instant::now();
    let application = match load(py, &settings.app) {
        Ok(application) => application.unbind(),
        Err(error) => {
            log::line(&format!("`{}` cannot be imported\n{}", settings.app, traceback(py, &error)));
            if let Some(events) = &settings.events {
                let summary = summary(py, &error);
                events.report(&Event::StartFailed { app: &settings.app, summary: &summary });
            }
            return Ok(FAILED);
        }
    };
    let template = Template::new(py, settings.threads > 1, siblings, settings.proxies.clone())?;
    let (probes, maintenance) = (settings.probe.clone(), settings.maintenance.clone());
    let events = settings.events.clone();
    let handler = Arc::new(Handler { application, template, probes, maintenance, events });
    log::line(&format!(
        "ready: {} at {address}, threads: {}, Python {}, imported in {:.3} s",
        settings.app,
        settings.threads,
        python_version(),
        begun.elapsed().as_secs_f64()
    ));
    when_ready();

    let mut helpers = Vec::new();
    for number in 1..settings.threads {
        // Those that did start would wait for requests, and the process for them, for ever.
        helpers.push(start_thread(py, number, &handler, source).inspect_err(|_| source.stop())?);
    }
    answer_requests(py, &handler, &**source);
    for helper in helpers {
        helper.call_method0("join")?;
    }
    log::line("stopped");
    // What the application left unsaid is said now, through the interpreter's ordinary finalisation.
    Ok(DONE)
}

/// A thread that Python knows by name, so that it shows in the application's logs and stacks.
fn start_thread<'py>(
    py: Python<'py>,
    number: u16,
    handler: &Arc<Handler>,
    source: &Arc<dyn Source>,
) -> PyResult<Bound<'py, PyAny>> {
    let (handler, source) = (Arc::clone(handler), Arc::clone(source));
    let target = move |arguments: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
        answer_requests(arguments.py(), &handler, &*source);
    };
    let options = PyDict::new(py);
    options.set_item("target", PyCFunction::new_closure(py, None, None, target)?)?;
    options.set_item("name", format!("holdall-bridge-{number}"))?;
    let thread = py.import("threading")?.call_method("Thread", (), Some(&options))?;
    thread.call_method0("start")?;
    Ok(thread)
}

fn answer_requests(py: Python<'_>, handler: &Handler, source: &dyn Source) {
    let mut answered = None;
    // The interpreter is let go once between two requests.
    while let Some(exchange) = py.detach(|| {
        if let Some((connection, disposition)) = answered.take() {
            source.give_back(connection, disposition);
        }
        source.take()
    }) {
        match catch_unwind(AssertUnwindSafe(|| handler.answer(py, exchange).connection)) {
            Ok(connection) => answered = connection,
            // The panic has printed itself to the log; its connection is closed with what it held.
            Err(_) => log::line("a fault of the bridge ended a request"),
        }
    }
}
