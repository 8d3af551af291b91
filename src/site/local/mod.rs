//! The embedded web server: static files from `www/`, everything else over FastCGI to processes that it
//! starts as a web server does. For looking at a release before it goes out, and for tests.
//!
//! It speaks plain HTTP/1.1 and is meant for the loopback address: no TLS, no limits against hostile crowds.

mod body;
mod channel;
mod event;
mod exchange;
mod files;
mod head;
mod http;
mod output;
mod pages;
mod params;
mod processes;
mod range;
mod record;
mod server;
mod spawn;
#[cfg(windows)]
mod win32;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{Invocation, Place};
use crate::target::Target;

pub use event::{Event, Printable, Request};
pub use server::{Listening, Server, serve};

/// What is served, and how.
#[derive(Debug, Clone)]
pub struct Served {
    /// Nothing outside this folder is ever shown.
    pub www: PathBuf,
    /// As which target's the names of files below `www` are taken.
    pub target: Target,
    /// Whether files that carry a hash in their name may be cached for ever.
    pub hashed_static: bool,
    /// What is started for each process.
    pub bridge: Invocation,
    /// How many processes; each works on one request at a time.
    pub processes: usize,
    /// How many requests may wait for a process at once.
    pub queue: usize,
    /// How long a process may be silent at work before it is killed.
    pub patience: Duration,
    /// How long requests may take to finish when the server is stopped.
    pub grace: Duration,
}

impl Served {
    /// The release at `place`, with the limits that holdall sets in IIS.
    pub fn release(place: &Place, processes: usize) -> Served {
        Served {
            www: place.www(),
            target: place.manifest.target,
            hashed_static: place.manifest.site.hashed_static,
            bridge: super::bridge(place),
            processes,
            queue: 1000,
            patience: Duration::from_secs(300),
            grace: Duration::from_secs(10),
        }
    }
}

impl LocalError {
    /// Whether nothing was started yet.
    pub fn is_precondition(&self) -> bool {
        matches!(self, LocalError::Listen { .. })
    }
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum LocalError {
    #[error("cannot listen on `{address}`")]
    #[diagnostic(help(
        "another program may use this port: name another one with `--port`, or any free one with `--port 0`"
    ))]
    Listen { address: SocketAddr, source: io::Error },
    #[error("cannot make a place for the channels of the site's processes")]
    #[diagnostic(help("the folder for temporary files must be writable: `TMPDIR` names it"))]
    Channels(#[source] io::Error),
    #[error("cannot start a thread")]
    #[diagnostic(help("this machine is out of threads or memory: end other programs and try again"))]
    Threads(#[source] io::Error),
}
