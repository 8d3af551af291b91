//! One request and its answer, shared by the objects that the application holds.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use pyo3::prelude::*;

use crate::exchange::Exchange;
use crate::reply::Reply;

/// What `wsgi.input`, `start_response` and the handler work on.
pub struct Talk {
    pub exchange: Exchange,
    pub reply: Reply,
}

/// A shared [`Talk`].
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Talk>>);

impl Shared {
    pub fn new(exchange: Exchange, reply: Reply) -> Shared {
        Shared(Arc::new(Mutex::new(Talk { exchange, reply })))
    }

    /// For what may wait on the network: other threads run Python meanwhile.
    pub fn detached<T: Send>(&self, py: Python<'_>, work: impl FnOnce(&mut Talk) -> T + Send) -> T {
        py.detach(|| work(&mut self.lock()))
    }

    /// For what is done in no time. Only if another thread is at work on the same request is the interpreter
    /// let go, since that thread will want it before it lets go of the request.
    pub fn briefly<T: Send>(&self, py: Python<'_>, work: impl FnOnce(&mut Talk) -> T + Send) -> T {
        match self.0.try_lock() {
            Ok(mut talk) => work(&mut talk),
            Err(TryLockError::Poisoned(poisoned)) => work(&mut poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => self.detached(py, work),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Talk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
