//! A process with all that it starts: asked to end, and ended.

#[cfg(unix)]
#[path = "tree/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "tree/win32.rs"]
mod system;

pub use system::{Tree, prepare};
