//! Serving: from the settings to workers that answer requests until they are told to stop.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};

use super::application::{load, traceback};
use super::environ::Template;
use super::handler::Handler;
use super::module::{DONE, FAILED, refuse};
use super::process::{prepare, python_version, take_interrupt};
use crate::settings::Settings;
use crate::supervisor::{self, Program};
use crate::transports::{Address, Listener, Pool, Source, fill_gaps, inherited_listener, shield};
use crate::{log, stop};

/// Serves until told to stop; the result is the exit code.
pub fn serve(py: Python<'_>, settings: &Settings, worker: bool) -> u8 {
    if let Err(error) = fill_gaps() {
        return refuse(&error);
    }
    let listener = match listener(settings, worker) {
        Ok(listener) => listener,
        Err(code) => return code,
    };
    let output = match shield(settings.log.as_deref()) {
        Ok(output) => output,
        Err(error) => return refuse(&error),
    };
    let done = take_interrupt(py).and_then(|()| {
        if settings.processes > 1 && !worker {
            return supervise(py, settings, &listener);
        }
        // A server that hands over its socket may have started others like this process.
        let siblings = worker || settings.listen.is_none();
        work(py, settings, listener, siblings, worker.then_some(output))
    });
    done.unwrap_or_else(|error| {
        log::line(&format!("the bridge cannot go on\n{}", traceback(py, &error)));
        FAILED
    })
}

fn listener(settings: &Settings, worker: bool) -> Result<Listener, u8> {
    match &settings.listen {
        Some(address) if !worker => {
            let address: Address = address.parse().map_err(|error| refuse(&error))?;
            Listener::bind(&address).map_err(|error| {
                refuse(&error);
                FAILED
            })
        }
        _ => inherited_listener().map_err(|error| refuse(&error)),
    }
}

/// Keeps workers running. This process imports nothing of the project.
fn supervise(py: Python<'_>, settings: &Settings, listener: &Listener) -> PyResult<u8> {
    let sys = py.import("sys")?;
    // The interpreter's own options (-I, -B, -X utf8) stand between its name and this module's arguments.
    // All of it but the name is given to the workers.
    let whole: Vec<OsString> = sys.getattr("orig_argv")?.extract()?;
    let program = Program {
        executable: sys.getattr("executable")?.extract()?,
        arguments: whole.into_iter().skip(1).collect(),
    };
    let grace = Duration::from_secs(u64::from(settings.grace));
    let clean = py.detach(|| supervisor::supervise(&program, settings.processes, listener, grace))?;
    Ok(if clean { DONE } else { FAILED })
}

fn work(
    py: Python<'_>,
    settings: &Settings,
    mut listener: Listener,
    siblings: bool,
    parent: Option<OwnedFd>,
) -> PyResult<u8> {
    // The pool lives as long as the thread that may stop it; the socket's file only as long as this call.
    let _file = listener.file.take();
    let pool = Arc::new(Pool::new(listener)?);
    let lifeline = parent.as_ref().map(OwnedFd::try_clone).transpose()?;
    let grace = Duration::from_secs(u64::from(settings.grace));
    stop::watch(Arc::clone(&pool) as Arc<dyn Source>, lifeline, grace)?;

    prepare(py, settings)?;
    let begun = Instant::now();
    let application = match load(py, &settings.app) {
        Ok(application) => application.unbind(),
        Err(error) => {
            log::line(&format!("`{}` cannot be imported\n{}", settings.app, traceback(py, &error)));
            return Ok(FAILED);
        }
    };
    let template = Template::new(py, settings.threads > 1, siblings)?;
    let handler = Arc::new(Handler { application, template });
    log::line(&format!(
        "ready: {} at {}, threads: {}, Python {}, imported in {:.3} s",
        settings.app,
        pool.address(),
        settings.threads,
        python_version(),
        begun.elapsed().as_secs_f64()
    ));
    if let Some(parent) = &parent {
        // A parent that is gone is found out by the lifeline.
        let _ = rustix::io::write(parent, supervisor::READY);
    }

    let mut helpers = Vec::new();
    for number in 1..settings.threads {
        // Those that did start would wait for requests, and the process for them, for ever.
        helpers.push(start_thread(py, number, &handler, &pool).inspect_err(|_| pool.stop())?);
    }
    answer_requests(py, &handler, &*pool);
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
    pool: &Arc<Pool>,
) -> PyResult<Bound<'py, PyAny>> {
    let (handler, pool) = (Arc::clone(handler), Arc::clone(pool));
    let target = move |arguments: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
        answer_requests(arguments.py(), &handler, &*pool);
    };
    let options = PyDict::new(py);
    options.set_item("target", PyCFunction::new_closure(py, None, None, target)?)?;
    options.set_item("name", format!("holdall-bridge-{number}"))?;
    let thread = py.import("threading")?.call_method("Thread", (), Some(&options))?;
    thread.call_method0("start")?;
    Ok(thread)
}

fn answer_requests(py: Python<'_>, handler: &Handler, source: &dyn Source) {
    while let Some(exchange) = py.detach(|| source.take()) {
        match catch_unwind(AssertUnwindSafe(|| handler.answer(py, exchange).connection)) {
            Ok(Some((connection, disposition))) => py.detach(|| source.give_back(connection, disposition)),
            Ok(None) => {}
            // The panic has printed itself to the log; its connection is closed with what it held.
            Err(_) => log::line("a fault of the bridge ended a request"),
        }
    }
}
