//! Measures how long the stages of a run take.

use std::time::{Duration, Instant};

use crate::progress::Stage;

/// Measures the stages.
#[derive(Default)]
pub struct Clock {
    /// In the order in which the stages first ended.
    pub took: Vec<(Stage, Duration)>,
}

impl Clock {
    /// Runs one part of a stage; parts of one stage add up.
    pub fn time<T>(&mut self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let done = work();
        let took = started.elapsed();
        match self.took.iter_mut().find(|(known, _)| *known == stage) {
            Some((_, sum)) => *sum += took,
            None => self.took.push((stage, took)),
        }
        done
    }
}
