//! Measures when the parts of a run are worked on.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Measures parts of a run, some of which lie within others or run at the same time.
#[derive(Debug)]
pub struct Clock<Part> {
    began: Instant,
    spans: Mutex<Vec<Span<Part>>>,
}

/// A time in which a part was worked on, since the beginning of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span<Part> {
    pub part: Part,
    pub from: Duration,
    pub to: Duration,
}

impl<Part> Clock<Part> {
    pub fn start() -> Clock<Part> {
        Clock { began: Instant::now(), spans: Mutex::default() }
    }

    /// Runs some of a part.
    pub fn time<T>(&self, part: Part, work: impl FnOnce() -> T) -> T {
        let from = self.began.elapsed();
        let done = work();
        let span = Span { part, from, to: self.began.elapsed() };
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).push(span);
        done
    }

    /// What was measured so far, in the order in which it ended.
    pub fn spans(&self) -> Vec<Span<Part>>
    where
        Part: Clone,
    {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
