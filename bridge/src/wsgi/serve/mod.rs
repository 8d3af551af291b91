//! Serving: from the settings to workers that answer requests until they are told to stop.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};

use super::application::{load, summary, traceback};
use super::environ::Template;
use super::handler::Handler;
use super::module::{DONE, FAILED};
use super::process::{prepare, python_version};
use super::recipe::{Recipe, recipe};
use super::stacks::{self, Stacks};
use crate::events::Event;
use crate::exchange::Exchange;
use crate::log;
use crate::log::LogError;
use crate::log_file::{LogFile, LogPlace};
use crate::settings::Settings;
use crate::transports::{Source, observe};
use crate::watchdog::{Desk, Watchdog};

#[cfg(unix)]
pub use unix::serve;
#[cfg(windows)]
pub use windows::serve;

/// What all threads that serve have in common.
struct Service {
    handler: Handler,
    watchdog: Option<Watchdog>,
    log_file: Option<Mutex<LogFile>>,
}

impl Service {
    /// Goes on in a new log where the old one is full or gone: a look once a second, by one of the threads.
    fn renew_log(&self, py: Python<'_>) {
        let Some(Ok(mut log_file)) = self.log_file.as_ref().map(Mutex::try_lock) else { return };
        let log_file = &mut *log_file;
        if log_file.is_due()
            && let Some(file) = py.detach(|| log_file.renew())
            && let Err(error) = go_on_in(py, file)
        {
            log::line(&format!("the log cannot go on in a new file: {error}"));
        }
    }
}

/// The log that the settings name.
fn open_log(settings: &Settings) -> Result<Option<LogFile>, LogError> {
    let log = &settings.log;
    log.place.as_ref().map(|place| LogFile::open(place, log.limit)).transpose()
}

/// Points standard output and errors at another log.
fn go_on_in(py: Python<'_>, file: File) -> PyResult<()> {
    #[cfg(unix)]
    return Ok(py.detach(|| crate::transports::go_on_in(&file))?);
    #[cfg(windows)]
    return super::streams::go_on_in(py, file);
}

/// What the project's own settings say of the log counts where the bridge's say nothing.
fn heed_recipe(py: Python<'_>, settings: &Settings, log_file: Option<LogFile>) -> Option<LogFile> {
    let recipe = recipe(py).unwrap_or_else(|error| {
        log::line(&format!("FCGI_LOG and FCGI_DEBUG cannot be read\n{}", traceback(py, &error)));
        Recipe::default()
    });
    let trace = settings.log.trace.unwrap_or(recipe.debug);
    observe(settings.log.access || trace, trace);
    if log_file.is_some() {
        return log_file;
    }
    let opened = LogFile::open(&LogPlace::Folder(recipe.folder?), settings.log.limit);
    let opened = opened.map_err(|error| error.to_string()).and_then(|opened| {
        log::line(&format!("the log goes on in `{}`", opened.path().display()));
        let file = opened.copy().map_err(|error| error.to_string())?;
        go_on_in(py, file).map_err(|error| error.to_string())?;
        Ok(opened)
    });
    opened.inspect_err(|error| log::line(&format!("FCGI_LOG: {error}"))).ok()
}

/// Imports the application and answers the requests of `source` until it has no more.
///
/// `siblings` says that other processes may answer requests for the same site; `when_ready` is called once the
/// application is imported.
fn work(
    py: Python<'_>,
    settings: &Settings,
    log_file: Option<LogFile>,
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
    let handler = Handler { application, template, probes, maintenance, events };
    let log_file = heed_recipe(py, settings, log_file);
    log::line(&format!(
        "ready: {} at {address}, threads: {}, Python {}, imported in {:.3} s",
        settings.app,
        settings.threads,
        python_version(),
        begun.elapsed().as_secs_f64()
    ));
    let slow = settings.slow;
    let watchdog = slow.map(|slow| Watchdog::start(slow, settings.events.clone(), Stacks)).transpose()?;
    let service = Arc::new(Service { handler, watchdog, log_file: log_file.map(Mutex::new) });
    when_ready();

    let mut helpers = Vec::new();
    for number in 1..settings.threads {
        // Those that did start would wait for requests, and the process for them, for ever.
        let helper = start_thread(py, number, &service, source);
        helpers.push(helper.inspect_err(|_| source.stop())?);
    }
    answer_requests(py, &service, &**source);
    for helper in helpers {
        helper.call_method0("join")?;
    }
    // Before the interpreter ends, which must not find anybody who wants it.
    if let Some(watchdog) = &service.watchdog {
        py.detach(|| watchdog.stop());
        stacks::write_all_after(py, None);
    }
    log::line("stopped");
    // What the application left unsaid is said now, through the interpreter's ordinary finalisation.
    Ok(DONE)
}

/// A thread that Python knows by name, so that it shows in the application's logs and stacks.
fn start_thread<'py>(
    py: Python<'py>,
    number: u16,
    service: &Arc<Service>,
    source: &Arc<dyn Source>,
) -> PyResult<Bound<'py, PyAny>> {
    let (service, source) = (Arc::clone(service), Arc::clone(source));
    let target = move |arguments: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
        answer_requests(arguments.py(), &service, &*source);
    };
    let options = PyDict::new(py);
    options.set_item("target", PyCFunction::new_closure(py, None, None, target)?)?;
    options.set_item("name", format!("holdall-bridge-{number}"))?;
    let thread = py.import("threading")?.call_method("Thread", (), Some(&options))?;
    thread.call_method0("start")?;
    Ok(thread)
}

fn answer_requests(py: Python<'_>, service: &Service, source: &dyn Source) {
    let (handler, watchdog) = (&service.handler, service.watchdog.as_ref());
    let desk = watchdog.and_then(|watchdog| stacks::this_thread(py).map(|thread| watchdog.desk(thread)));
    while let Some(exchange) = py.detach(|| source.take()) {
        service.renew_log(py);
        if let Some(desk) = &desk {
            begin(py, desk, &exchange);
        }
        match catch_unwind(AssertUnwindSafe(|| handler.answer(py, exchange).connection)) {
            Ok(Some((connection, disposition))) => py.detach(|| source.give_back(connection, disposition)),
            Ok(None) => {}
            // The panic has printed itself to the log; its connection is closed with what it held.
            Err(_) => log::line("a fault of the bridge ended a request"),
        }
        if let Some(desk) = &desk {
            end(py, desk, handler);
        }
    }
}

/// Has the request looked after. Here the interpreter is at hand, so that its own watchdog can be set before the application
/// has it.
fn begin(py: Python<'_>, desk: &Desk, exchange: &Exchange) {
    if let Some(time) = desk.begin(exchange.params()) {
        stacks::write_all_after(py, Some(time));
        desk.wake();
    }
}

/// Tells of the end of a request whose stack was told. For those who hear of slow requests the handler has.
fn end(py: Python<'_>, desk: &Desk, handler: &Handler) {
    if let Some((question, took)) = desk.end()
        && handler.events.as_ref().is_none_or(|events| took < events.slow)
    {
        py.detach(|| log::line(&format!("{question} took {:.1} s", took.as_secs_f64())));
    }
}
