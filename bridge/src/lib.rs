//! The bridge: a FastCGI responder for WSGI applications.
//!
//! It splits at Python. Below are bytes in and values out: [`protocol`] understands records, [`transports`] carry
//! them, [`connection`], [`exchange`] and [`backlog`] hold one peer and one request. Above, behind the feature `python`, the
//! WSGI side turns a request into a call. Nothing here knows of Holdall or of any framework.

pub mod cli;
pub mod settings;

pub mod backlog;
pub mod connection;
pub mod events;
pub mod exchange;
pub mod forwarded;
pub mod gateway;
pub mod head;
pub mod log;
pub mod log_file;
pub mod loss;
pub mod maintenance;
pub mod probe;
pub mod protocol;
pub mod renewal;
pub mod reply;
pub mod stop;
#[cfg(unix)]
pub mod supervisor;
pub mod transports;
pub mod watchdog;
#[cfg(windows)]
pub mod win32;

// The unit tests leave Python out: a test program that loads no interpreter needs none to link against.
#[cfg(all(feature = "python", not(test)))]
mod wsgi;
