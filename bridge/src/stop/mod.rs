//! Being told to stop: by a signal, by the end of the process that started this one, or by the event that a web server
//! on Windows sets.
//!
//! A thread of its own waits for it, so that neither a busy nor a blocked interpreter is in the way, and keeps
//! the second deadline: a process that does not get through its requests and its finalisation leaves anyway.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::{SOFT, drain, signals, watch};
#[cfg(windows)]
pub use windows::{VARIABLE, watch};

/// Ends this process at once, without its finalisation.
pub fn leave(code: u8) -> ! {
    #[cfg(unix)]
    signal_hook::low_level::exit(code.into());
    #[cfg(windows)]
    crate::win32::leave(code)
}
