//! The log: standard error, which [`crate::transports::shield`] has pointed at a file if there is one.
//!
//! Each entry leaves in one write, so that several processes can share a file.

use std::io::Write;

use jiff::Timestamp;

/// Writes one line with the time and the process in front.
pub fn line(text: &str) {
    let line = format!("{} [{}] {}\n", now(), std::process::id(), text.trim_end());
    // There is no other place to complain in.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// The same for those who may not wait: if nobody takes what the log says, this is not said.
#[cfg(unix)]
pub fn line_unless_stuck(text: &str) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let error = std::io::stderr();
    let mut fds = [PollFd::new(&error, PollFlags::OUT)];
    if matches!(poll(&mut fds, Some(&Timespec::default())), Ok(1)) {
        line(text);
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
