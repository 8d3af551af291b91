//! When a process has served long enough and makes room for a fresh one: an application that loses memory, or code that has
//! changed. Who replaces it is the parent's affair; here is what both go by.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use crate::connection::Connection;
use crate::exchange::{Disposition, Exchange};
use crate::transports::Source;

/// What ends the service of a process; nothing does by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Renewal {
    pub requests: Option<Requests>,
    /// Bytes in memory.
    pub memory: Option<u64>,
    /// A file: whoever changes its time wants fresh processes.
    pub file: Option<PathBuf>,
}

/// A number of requests, and up to how many more by chance, so that processes do not all leave together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requests {
    pub most: u32,
    pub jitter: u32,
}

impl Renewal {
    pub fn is_wanted(&self) -> bool {
        self.requests.is_some() || self.is_looked_for()
    }

    /// There is something that the parent has to look at from time to time.
    pub fn is_looked_for(&self) -> bool {
        self.memory.is_some() || self.file.is_some()
    }

    /// When the file was changed last; `None` if there is none.
    pub fn touched(&self) -> Option<SystemTime> {
        fs_err::metadata(self.file.as_ref()?).and_then(|metadata| metadata.modified()).ok()
    }
}

impl Requests {
    /// How many it shall be for this process.
    pub fn chosen(self) -> u64 {
        // Keys of maps are chosen by chance, by the system's own source.
        let chance = RandomState::new().build_hasher().finish();
        u64::from(self.most) + chance % (u64::from(self.jitter) + 1)
    }
}

/// A source that calls `when_full` once `left` requests were taken from it, and goes on.
pub struct Counted {
    pub source: Arc<dyn Source>,
    left: AtomicU64,
    when_full: Box<dyn Fn() + Send + Sync>,
}

impl Counted {
    pub fn new(source: Arc<dyn Source>, left: u64, when_full: impl Fn() + Send + Sync + 'static) -> Counted {
        Counted { source, left: AtomicU64::new(left), when_full: Box::new(when_full) }
    }
}

impl Source for Counted {
    fn take(&self) -> Option<Exchange> {
        let exchange = self.source.take()?;
        // Wrapping below nothing takes longer than any process lives.
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            (self.when_full)();
        }
        Some(exchange)
    }

    fn give_back(&self, connection: Connection, disposition: Disposition) {
        self.source.give_back(connection, disposition);
    }

    fn stop(&self) {
        self.source.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_leave_after_different_numbers_of_requests() {
        let requests = Requests { most: 100, jitter: 50 };
        let chosen: std::collections::BTreeSet<u64> = (0..200).map(|_| requests.chosen()).collect();
        assert!(chosen.len() > 20 && chosen.iter().all(|count| (100..=150).contains(count)), "{chosen:?}");
        assert_eq!(Requests { most: 7, jitter: 0 }.chosen(), 7);
    }
}
