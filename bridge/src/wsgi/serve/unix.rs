//! Serving on Unix: at a socket of our own or one that was handed over, with one process or several.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;

use crate::log_file::LogFile;
use crate::renewal::Counted;
use crate::settings::Settings;
use crate::supervisor::{self, Program};
use crate::transports::{Address, Listener, Pool, Source, fill_gaps, inherited_listener, shield};
use crate::wsgi::application::traceback;
use crate::wsgi::module::{DONE, FAILED, refuse};
use crate::wsgi::process::take_interrupt;
use crate::{log, stop};

/// A limit that nobody could watch.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`max_memory` is set, and only Linux tells how much memory a process takes")]
#[diagnostic(help("leave it out, and say with `max_requests` how long a process serves"))]
struct Unmeasured;

/// Serves until told to stop; the result is the exit code.
pub fn serve(py: Python<'_>, settings: &Settings, worker: bool) -> u8 {
    if cfg!(not(target_os = "linux")) && settings.renewal.memory.is_some() {
        return refuse(&Unmeasured);
    }
    if let Err(error) = fill_gaps() {
        return refuse(&error);
    }
    let listener = match listener(settings, worker) {
        Ok(listener) => listener,
        Err(code) => return code,
    };
    let log_file = match super::open_log(settings) {
        Ok(log_file) => log_file,
        Err(error) => return refuse(&error),
    };
    let output = match shield(log_file.as_ref()) {
        Ok(output) => output,
        Err(error) => return refuse(&error),
    };
    let done = take_interrupt(py).and_then(|()| {
        if (settings.processes > 1 || settings.renewal.is_wanted()) && !worker {
            return supervise(py, settings, log_file, &listener);
        }
        // A server that hands over its socket may have started others like this process.
        let siblings = worker || settings.listen.is_none();
        serve_alone(py, settings, log_file, listener, siblings, worker.then_some(output))
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
fn supervise(
    py: Python<'_>,
    settings: &Settings,
    log_file: Option<LogFile>,
    listener: &Listener,
) -> PyResult<u8> {
    let sys = py.import("sys")?;
    // The interpreter's own options (-I, -B, -X utf8) stand between its name and this module's arguments.
    // All of it but the name is given to the workers.
    let whole: Vec<OsString> = sys.getattr("orig_argv")?.extract()?;
    let program = Program {
        executable: sys.getattr("executable")?.extract()?,
        arguments: whole.into_iter().skip(1).collect(),
    };
    let grace = Duration::from_secs(u64::from(settings.grace));
    let clean = py.detach(|| {
        supervisor::supervise(&program, settings.processes, &settings.renewal, listener, grace, log_file)
    })?;
    Ok(if clean { DONE } else { FAILED })
}

fn serve_alone(
    py: Python<'_>,
    settings: &Settings,
    log_file: Option<LogFile>,
    mut listener: Listener,
    siblings: bool,
    parent: Option<OwnedFd>,
) -> PyResult<u8> {
    // The pool lives as long as the thread that may stop it; the socket's file only as long as this call.
    let _file = listener.file.take();
    let pool = Pool::new(listener)?;
    let address = pool.address();
    let mut source: Arc<dyn Source> = Arc::new(pool);
    if let (Some(requests), Some(parent)) = (settings.renewal.requests, &parent) {
        let parent = parent.try_clone()?;
        let say = move || {
            // The parent that does not hear it is gone, and this process goes, too.
            let _ = rustix::io::write(&parent, supervisor::FULL);
        };
        source = Arc::new(Counted::new(source, requests.chosen(), say));
    }
    let lifeline = parent.as_ref().map(OwnedFd::try_clone).transpose()?;
    let grace = Duration::from_secs(u64::from(settings.grace));
    stop::watch(Arc::clone(&source), lifeline, grace)?;
    super::work(py, settings, log_file, &source, &address, siblings, || {
        if let Some(parent) = &parent {
            // A parent that is gone is found out by the lifeline.
            let _ = rustix::io::write(parent, supervisor::READY);
        }
    })
}
