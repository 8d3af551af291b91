//! Serving on Windows: at the named pipe that the web server hands over as standard input, one request at a time. How
//! many processes there are is the web server's affair.

use std::sync::Arc;
use std::time::Duration;

use miette::Diagnostic;
use pyo3::prelude::*;

use crate::settings::Settings;
use crate::transports::{Pipe, Source, observe};
use crate::wsgi::application::traceback;
use crate::wsgi::module::{FAILED, complaint, refuse};
use crate::wsgi::streams::shield;
use crate::{log, stop};

/// Settings that mean nothing at a pipe.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum NotHere {
    #[error("there is no listening at `{0}` on Windows")]
    #[diagnostic(help(
        "leave `listen` out: the web server hands over a named pipe as standard input, as IIS does"
    ))]
    Listen(String),

    #[error("`processes` is {0}, and on Windows the web server starts the processes")]
    #[diagnostic(help("leave it out, and say how many there shall be in IIS: `maxInstances`"))]
    Processes(u16),

    #[error("`threads` is {0}, and a named pipe carries one request at a time")]
    #[diagnostic(help("leave it out, and have IIS start more processes: `maxInstances`"))]
    Threads(u16),

    #[error("`{0}` is set, and on Windows the web server replaces its processes")]
    #[diagnostic(help("leave it out, and set in IIS what you want instead: `{1}`"))]
    Renewal(&'static str, &'static str),
}

/// Serves until told to stop, or until the web server closes the pipe; the result is the exit code.
pub fn serve(py: Python<'_>, settings: &Settings, _worker: bool) -> u8 {
    let log_file = match super::open_log(settings) {
        Ok(log_file) => log_file,
        Err(error) => return refuse(&error),
    };
    let file = log_file.as_ref().and_then(|log_file| log_file.copy().ok());
    // IIS gives its processes no place to complain in but this one.
    let refuse = |problem: &dyn Diagnostic| {
        if let Some(file) = &file {
            log::line_in(file, &complaint(problem));
        }
        refuse(problem)
    };
    if let Some(problem) = not_here(settings) {
        return refuse(&problem);
    }
    // At a client's end of the pipe the connection is there from the start.
    let trace = settings.log.trace.unwrap_or(false);
    observe(settings.log.access || trace, trace);
    let pipe = match Pipe::from_standard_input() {
        Ok(pipe) => Arc::new(pipe),
        Err(error) => return refuse(&error),
    };
    let done = shield(py, file).and_then(|()| {
        let address = pipe.description().to_owned();
        let source: Arc<dyn Source> = Arc::clone(&pipe) as Arc<dyn Source>;
        stop::watch(Arc::clone(&source), Duration::from_secs(settings.grace.into()))?;
        // A program that the application starts has no part in this event, and its number may mean another thing there.
        py.import("os")?.getattr("environ")?.call_method1("pop", (stop::VARIABLE, py.None()))?;
        let code = super::work(py, settings, log_file, &source, &address, true, || {})?;
        Ok(if pipe.has_failed() { FAILED } else { code })
    });
    done.unwrap_or_else(|error| {
        log::line(&format!("the bridge cannot go on\n{}", traceback(py, &error)));
        FAILED
    })
}

fn not_here(settings: &Settings) -> Option<NotHere> {
    match settings {
        Settings { listen: Some(address), .. } => Some(NotHere::Listen(address.clone())),
        Settings { processes: 2.., .. } => Some(NotHere::Processes(settings.processes)),
        Settings { threads: 2.., .. } => Some(NotHere::Threads(settings.threads)),
        Settings { renewal, .. } => {
            // IIS takes a process that leaves by itself for one that has failed.
            let wanted = [
                (renewal.requests.is_some(), "max_requests", "instanceMaxRequests"),
                (renewal.memory.is_some(), "max_memory", "recycling.periodicRestart.privateMemory"),
                (renewal.file.is_some(), "reload", "monitorChangesTo"),
            ];
            let (_, ours, theirs) = wanted.into_iter().find(|(is_set, ..)| *is_set)?;
            Some(NotHere::Renewal(ours, theirs))
        }
    }
}
