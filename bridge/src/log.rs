//! The log: standard error, which [`crate::transports::shield`] has pointed at a file if there is one.
//!
//! Each entry leaves in one write, so that several processes can share a file.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// Why there can be no log.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("cannot write the log `{}`: {source}", path.display())]
#[diagnostic(help("check the key `path` under `[log]`, and that this user may write there"))]
pub struct LogError {
    path: PathBuf,
    source: io::Error,
}

impl LogError {
    pub(crate) fn new(path: &Path, source: io::Error) -> LogError {
        LogError { path: path.to_owned(), source }
    }
}

/// Held by all who write, or by the one who points standard error at another file: on Windows its handle is another for a moment.
#[cfg(windows)]
static MOVING: std::sync::RwLock<()> = std::sync::RwLock::new(());

/// Nobody writes a line meanwhile.
#[cfg(windows)]
pub fn while_nobody_writes<T>(work: impl FnOnce() -> T) -> T {
    let _alone = MOVING.write().unwrap_or_else(std::sync::PoisonError::into_inner);
    work()
}

/// A log file, to be appended to.
pub fn open(path: &Path) -> Result<File, LogError> {
    let opened = fs_err::OpenOptions::new().create(true).append(true).open(path);
    Ok(opened.map_err(|source| LogError::new(path, source))?.into_parts().0)
}

/// Writes one line with the time and the process in front.
pub fn line(text: &str) {
    line_in(io::stderr(), text);
}

/// The same, in a log that nothing has been pointed at yet.
pub fn line_in(mut log: impl Write, text: &str) {
    let line = format!("{} [{}] {}\n", now(), std::process::id(), text.trim_end());
    #[cfg(windows)]
    let _still = MOVING.read().unwrap_or_else(std::sync::PoisonError::into_inner);
    // There is no other place to complain in.
    let _ = log.write_all(line.as_bytes());
}

/// The same for those who may not wait: if nobody takes what the log says, this is not said.
#[cfg(unix)]
pub fn line_unless_stuck(text: &str) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let error = io::stderr();
    let mut fds = [PollFd::new(&error, PollFlags::OUT)];
    if matches!(poll(&mut fds, Some(&Timespec::default())), Ok(1)) {
        line(text);
    }
}

/// The same for those who may not wait: if nobody takes what the log says within a moment, it is said too late.
#[cfg(windows)]
pub fn line_unless_stuck(text: &str) {
    let (said, heard) = std::sync::mpsc::channel();
    let text = text.to_owned();
    let speaking = std::thread::Builder::new().spawn(move || {
        line(&text);
        said.send(())
    });
    if speaking.is_ok() {
        let _ = heard.recv_timeout(std::time::Duration::from_millis(200));
    }
}

/// UTC to the millisecond, as the logs of IIS are.
fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sort_as_text() {
        let time = now();
        assert_eq!(time.len(), "2026-01-02T03:04:05.678Z".len());
        assert!(time.ends_with('Z') && time.as_bytes()[10] == b'T', "{time}");
    }
}
