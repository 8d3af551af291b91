//! What happens, as lines of JSON in one file, for tests to read: requests with the process that answered, processes that
//! start and end, configurations taken up.

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fs_err::File;
use serde::Serialize;

/// Something that happened.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event<'a> {
    /// An address is listened on.
    Listening {
        port: u16,
    },
    /// A binding is not served, and why.
    NotServed {
        site: &'a str,
        why: String,
    },
    /// A new configuration counts from now on.
    Configured,
    /// The configuration cannot be read; requests fail until it can.
    Misconfigured {
        why: &'a str,
    },
    /// A pool's new requests go to a new worker.
    Recycled {
        pool: &'a str,
        why: &'a str,
    },
    Started {
        process: u32,
        program: &'a str,
    },
    Ended {
        process: u32,
        why: &'a str,
    },
    Request {
        /// `None` if no site has the host.
        site: Option<&'a str>,
        method: &'a str,
        path: &'a str,
        status: u16,
        substatus: u16,
        /// The process that answered, if one did.
        process: Option<u32>,
        /// What went wrong, if the server knows.
        why: Option<&'a str>,
    },
}

/// The file.
pub struct Journal {
    file: Mutex<File>,
    leaving: Arc<AtomicUsize>,
}

/// A process that is on its way out.
pub struct Leaving(Arc<AtomicUsize>);

impl Journal {
    pub fn create(path: &Path) -> std::io::Result<Journal> {
        Ok(Journal { file: Mutex::new(File::create(path)?), leaving: Arc::default() })
    }

    pub fn tell(&self, event: Event<'_>) {
        let mut line = serde_json::to_vec(&event).unwrap_or_default();
        line.push(b'\n');
        // A test that cannot read of something fails by itself.
        let _ = self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line);
    }

    /// Counts a process that has been told to end, until what this returns is dropped.
    pub fn leaving(&self) -> Leaving {
        self.leaving.fetch_add(1, Ordering::SeqCst);
        Leaving(Arc::clone(&self.leaving))
    }

    /// Waits until every process that was told to end has, or the time is over.
    pub async fn all_left(&self, patience: Duration) {
        let until = Instant::now() + patience;
        while self.leaving.load(Ordering::SeqCst) > 0 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
