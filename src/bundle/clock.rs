//! Measures when the stages of a run are worked on.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::progress::Stage;

/// Measures the stages, some of which run at the same time.
pub(super) struct Clock {
    began: Instant,
    spans: Mutex<Vec<Span>>,
}

/// A time in which a stage was worked on, since the beginning of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub stage: Stage,
    pub from: Duration,
    pub to: Duration,
}

impl Clock {
    pub fn start() -> Clock {
        Clock { began: Instant::now(), spans: Mutex::default() }
    }

    /// Runs one part of a stage.
    pub fn time<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let from = self.began.elapsed();
        let done = work();
        let span = Span { stage, from, to: self.began.elapsed() };
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).push(span);
        done
    }

    /// In the order in which they ended.
    pub fn spans(self) -> Vec<Span> {
        self.spans.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
