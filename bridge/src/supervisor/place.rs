//! One of the places for workers: somebody there, somebody who will follow, or somebody due.

use std::io;
use std::time::{Duration, Instant};

use super::worker::Worker;
use crate::log;

/// The longest pause before a new attempt.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

pub struct Place {
    worker: Option<Worker>,
    /// Started while the worker goes on, and takes its place once it is ready.
    successor: Option<Worker>,
    /// The worker is to be replaced.
    renewed: bool,
    /// No new attempt before.
    due: Instant,
    pause: Duration,
}

/// A worker whose place is empty now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// It had served, or could have.
    Served,
    NeverReady,
}

impl Place {
    pub fn empty() -> Place {
        Place { worker: None, successor: None, renewed: false, due: Instant::now(), pause: Duration::ZERO }
    }

    pub fn serves(&self) -> bool {
        self.worker.as_ref().is_some_and(|worker| worker.ready)
    }

    pub fn has_successor(&self) -> bool {
        self.successor.is_some()
    }

    /// Nobody is there, and it is time to start somebody.
    pub fn is_due(&self) -> bool {
        self.worker.is_none() && self.due <= Instant::now()
    }

    /// The worker serves and is to be followed by another, and it is time to start that one.
    pub fn is_to_be_renewed(&self) -> bool {
        self.renewed && self.serves() && self.successor.is_none() && self.due <= Instant::now()
    }

    /// When somebody is to be started here, if that is known; where another's successor is `awaited`, its word is.
    pub fn next_start(&self, awaited: bool) -> Option<Instant> {
        let renewal = self.renewed && self.serves() && self.successor.is_none() && !awaited;
        (self.worker.is_none() || renewal).then_some(self.due)
    }

    pub fn workers(&self) -> impl Iterator<Item = &Worker> {
        self.worker.iter().chain(&self.successor)
    }

    pub fn into_workers(self) -> impl Iterator<Item = Worker> {
        self.worker.into_iter().chain(self.successor)
    }

    /// Fills an empty place, or starts the successor of who is there.
    pub fn start(&mut self, start: impl FnOnce() -> io::Result<Worker>) {
        match start() {
            Ok(worker) if self.worker.is_none() => self.worker = Some(worker),
            Ok(worker) => self.successor = Some(worker),
            Err(error) => {
                log::line(&format!("cannot start a worker: {error}"));
                self.rest();
            }
        }
    }

    pub fn renew(&mut self) {
        self.renewed |= self.worker.is_some();
        // One that is on its way may have read what was before.
        if let Some(mut successor) = self.successor.take() {
            successor.kill();
        }
        (self.due, self.pause) = (Instant::now(), Duration::ZERO);
    }

    /// Renews a worker of more than `most` bytes.
    pub fn renew_above(&mut self, most: u64) {
        let Some(worker) = self.worker.as_ref().filter(|worker| worker.ready && !self.renewed) else {
            return;
        };
        if let Some(memory) = worker.memory().filter(|memory| *memory > most) {
            let number = worker.id();
            log::line(&format!("worker {number} takes {} MB of memory and is replaced", memory / 1_000_000));
            self.renewed = true;
        }
    }

    /// Hears what workers have said, and finds out who is gone.
    pub fn listen(&mut self) -> io::Result<Option<Loss>> {
        if let Some(successor) = &mut self.successor {
            successor.listen();
            if let Some(status) = successor.ended()? {
                log::line(&format!("worker {} is gone: {status}; the one before it stays", successor.id()));
                self.successor = None;
                self.rest();
            }
        }
        let Some(worker) = &mut self.worker else { return Ok(None) };
        worker.listen();
        if worker.full && !self.renewed {
            log::line(&format!("worker {} has answered its requests and is replaced", worker.id()));
            self.renewed = true;
        }
        let Some(status) = worker.ended()? else { return Ok(None) };
        log::line(&format!("worker {} is gone: {status}", worker.id()));
        let (ready, short) = (worker.ready, worker.was_short_lived());
        self.worker = self.successor.take();
        self.renewed = false;
        if short {
            self.rest();
        } else {
            (self.due, self.pause) = (Instant::now(), Duration::ZERO);
        }
        Ok(Some(if ready { Loss::Served } else { Loss::NeverReady }))
    }

    /// The worker whose successor is ready and has taken its place.
    pub fn relieved(&mut self) -> Option<Worker> {
        let successor = self.successor.take_if(|successor| successor.ready)?;
        let relieved = self.worker.replace(successor);
        self.renewed = false;
        // A limit that a fresh worker is beyond already must not have one started after the other.
        if relieved.as_ref().is_some_and(Worker::was_short_lived) {
            self.rest();
        } else {
            (self.due, self.pause) = (Instant::now(), Duration::ZERO);
        }
        relieved
    }

    /// The pause before the next attempt doubles each time.
    fn rest(&mut self) {
        self.pause = (self.pause * 2).clamp(Duration::from_secs(1), LONGEST_PAUSE);
        self.due = Instant::now() + self.pause;
    }
}
