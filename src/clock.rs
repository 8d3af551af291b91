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

/// A part that is being worked on.
#[derive(Debug)]
pub struct Begun<'a, Part> {
    clock: &'a Clock<Part>,
    /// Taken when this goes.
    part: Option<Part>,
    from: Duration,
}

impl<Part> Clock<Part> {
    pub fn start() -> Clock<Part> {
        Clock { began: Instant::now(), spans: Mutex::default() }
    }

    /// Runs some of a part.
    pub fn time<T>(&self, part: Part, work: impl FnOnce() -> T) -> T {
        let _begun = self.begin(part);
        work()
    }

    /// Begins some of a part, which lasts until what is returned goes.
    pub fn begin(&self, part: Part) -> Begun<'_, Part> {
        Begun { clock: self, part: Some(part), from: self.began.elapsed() }
    }

    /// What was measured so far, in the order in which it ended.
    pub fn spans(&self) -> Vec<Span<Part>>
    where
        Part: Clone,
    {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<Part> Drop for Begun<'_, Part> {
    fn drop(&mut self) {
        let Begun { clock, part, from } = self;
        let span = part.take().map(|part| Span { part, from: *from, to: clock.began.elapsed() });
        clock.spans.lock().unwrap_or_else(PoisonError::into_inner).extend(span);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_within_another_ends_first_and_lies_within_it() {
        let clock = Clock::start();
        assert_eq!(clock.time("whole", || clock.time("part", || 42)), 42);
        let begun = clock.begin("rest");
        assert_eq!(clock.spans().len(), 2);
        drop(begun);
        let spans = clock.spans();
        let [part, whole, rest] = &*spans else { panic!("{spans:?}") };
        assert_eq!((part.part, whole.part, rest.part), ("part", "whole", "rest"));
        let order = [whole.from, part.from, part.to, whole.to, rest.from, rest.to];
        assert!(order.is_sorted(), "{spans:?}");
    }
}
