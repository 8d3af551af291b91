//! One FastCGI process: started with its end of a channel as standard input, connected to, asked to end, ended.
//!
//! The channel is what differs between systems: a named pipe on Windows, as IIS has it; elsewhere a listening unix
//! socket. No process outlives this program, in whatever way it ends.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod win32;
#[cfg(windows)]
mod windows;

use std::path::PathBuf;
use std::time::Duration;

#[cfg(unix)]
pub use unix::{Process, Reader, Writer};
#[cfg(windows)]
pub use windows::{Process, Reader, Writer};

/// What is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    pub program: PathBuf,
    pub words: Words,
    /// Where its standard output and error go. IIS has neither, and on Windows neither has it.
    #[cfg(not(windows))]
    pub output: PathBuf,
    /// Set beside the variables of this program, as IIS sets them beside those of its worker.
    pub environment: Vec<(String, String)>,
    /// How a process is to be told to end, if it is told: IIS terminates it without a word when
    /// `signalBeforeTerminateSeconds` is 0.
    pub notice: Option<Duration>,
    /// Which forms of the channel the switches of the lab ask for.
    pub channel: Channel,
}

/// What follows the program. Windows hands a line to a program, which takes it apart itself.
#[cfg(windows)]
pub type Words = String;

/// What follows the program, taken apart.
#[cfg(not(windows))]
pub type Words = Vec<String>;

/// What no public source says of IIS's pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channel {
    /// Whether the process gets the server end of the pipe.
    pub is_server_end: bool,
    pub is_overlapped: bool,
    /// Whether somebody is connected before the process starts.
    pub is_connected: bool,
}

impl Process {
    /// Has the process end: told first, if it is to be, then without being asked. Returns when it is gone.
    pub async fn terminate(self, notice: Option<Duration>) {
        if let Some(notice) = notice {
            self.tell_to_end();
            // Whether it went by itself makes no difference to what follows.
            let _ = tokio::time::timeout(notice, self.ended()).await;
        }
        self.kill();
        self.ended().await;
    }
}
