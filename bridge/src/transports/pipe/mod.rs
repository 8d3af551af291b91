//! The named pipe that IIS, and whoever starts processes as it does, hands over as standard input.
//!
//! Nobody says which end it is, whether it was opened for overlapped use, or whether a client is there already:
//! each of them works. On a handle for synchronous use Windows lets only one operation at a time into the file
//! object, so a read that waits would block every write. Here bytes go one way at a time on every kind of handle:
//! [`crate::win32::PipeEnd`] is taken exclusively for each operation, and [`guard::Guard`] insists on it.

mod guard;
mod source;
mod stream;

pub use source::{Pipe, PipeError};
