//! Starting processes so that none outlives this one, however this one ends, and ending them: asked first, as
//! a web server asks, then without being asked.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use tokio::io::AsyncRead;

#[cfg(unix)]
pub use unix::{Process, Spawner};
#[cfg(windows)]
pub use windows::{Process, Spawner};

/// What a process writes to its standard output, or error.
pub type Stream = Box<dyn AsyncRead + Send + Unpin>;
