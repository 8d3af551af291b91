//! What a process writes to its standard output and error, line by line.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::task::JoinSet;

use super::event::{Event, Listener};
use super::spawn::Stream;

/// A longer line is told in parts.
const LONGEST_LINE: u64 = 8 * 1024;

/// Lines kept while nobody knows yet whether the process starts.
const KEPT: usize = 40;

/// Reads what one process writes. Until the process serves, lines are kept back: if it never does, they
/// are the reason.
pub struct Output {
    lines: Arc<Lines>,
    readers: JoinSet<()>,
}

struct Lines {
    process: u32,
    listener: Listener,
    /// `None` once lines are told as they come.
    kept: Mutex<Option<VecDeque<String>>>,
}

impl Output {
    pub fn read(streams: Vec<Stream>, process: u32, listener: Listener) -> Output {
        let lines = Arc::new(Lines { process, listener, kept: Mutex::new(Some(VecDeque::new())) });
        let mut readers = JoinSet::new();
        for stream in streams {
            readers.spawn(read(stream, lines.clone()));
        }
        Output { lines, readers }
    }

    /// The process serves: what it wrote, and what it will write, is told.
    pub fn flow(&self) {
        let kept = self.lines.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        kept.into_iter().flatten().for_each(|line| self.lines.tell(line));
    }

    /// The last lines of a process that has ended, if they were kept back.
    pub async fn rest(mut self) -> Vec<String> {
        // Somebody else may hold the other end of the pipe open: a child of the process that got away.
        let all_read = async { while self.readers.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(Duration::from_secs(1), all_read).await;
        let kept = self.lines.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        kept.into_iter().flatten().collect()
    }
}

impl Lines {
    fn push(&self, line: String) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *kept {
            Some(lines) => {
                if lines.len() == KEPT {
                    lines.pop_front();
                }
                lines.push_back(line);
            }
            None => {
                drop(kept);
                self.tell(line);
            }
        }
    }

    fn tell(&self, line: String) {
        (self.listener)(Event::Output { process: self.process, line });
    }
}

async fn read(stream: impl AsyncRead + Unpin, lines: Arc<Lines>) {
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    while matches!((&mut stream).take(LONGEST_LINE).read_until(b'\n', &mut line).await, Ok(1..)) {
        lines.push(String::from_utf8_lossy(&line).trim_end().to_owned());
        line.clear();
    }
}
