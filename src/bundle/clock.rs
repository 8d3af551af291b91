//! Measures how long the stages of a run take.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::progress::Stage;

/// Measures the stages, some of which run at the same time.
#[derive(Default)]
pub struct Clock {
    took: Mutex<Vec<(Stage, Duration)>>,
}

impl Clock {
    /// Runs one part of a stage; parts of one stage add up.
    pub fn time<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let done = work();
        let took = started.elapsed();
        let mut all = self.took.lock().unwrap_or_else(PoisonError::into_inner);
        match all.iter_mut().find(|(known, _)| *known == stage) {
            Some((_, sum)) => *sum += took,
            None => all.push((stage, took)),
        }
        done
    }

    /// How long each stage took, in the order in which they first ended.
    pub fn took(self) -> Vec<(Stage, Duration)> {
        self.took.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
