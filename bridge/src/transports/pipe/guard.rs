//! Waits on a pipe that must not last for ever: each is watched by a thread that ends it when its time is over, or when
//! the process is told to stop and the wait is for nothing but the next request.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::ERROR_OPERATION_ABORTED;

use crate::win32::{Canceller, ThreadNumber};

/// A wait that is to end may not have begun: it is ended again after this time, until its thread is back.
const AGAIN: Duration = Duration::from_millis(10);

/// Watches over the operations on one pipe, of which there is one at a time.
pub struct Guard {
    canceller: Canceller,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    pending: Option<Pending>,
    /// What is pending waits for the next request.
    idle: bool,
    stopping: bool,
    /// When the watching thread looks next; never, until somebody wakes it.
    looks_at: Option<Instant>,
}

/// An operation that has not ended.
struct Pending {
    thread: ThreadNumber,
    until: Option<Instant>,
    cut: Option<io::ErrorKind>,
}

/// What is pending, until this is dropped.
struct Running<'a>(&'a Guard);

impl Running<'_> {
    /// Why it was ended, if it was.
    fn end(self) -> Option<io::ErrorKind> {
        self.0.state().pending.as_ref().and_then(|pending| pending.cut)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.state().pending = None;
    }
}

impl Guard {
    /// Starts the thread that watches.
    pub fn start(canceller: Canceller) -> io::Result<Arc<Guard>> {
        let guard = Arc::new(Guard { canceller, state: Mutex::default(), changed: Condvar::new() });
        let watching = Arc::clone(&guard);
        let thread = std::thread::Builder::new().name("holdall-bridge-pipe".to_owned());
        thread.spawn(move || watching.watch())?;
        Ok(guard)
    }

    /// Runs one operation on the pipe, for `limit` at most: then it fails with `TimedOut`.
    ///
    /// # Panics
    ///
    /// If another operation is pending: on a synchronous handle the two would wait for each other.
    pub fn during<T>(
        &self,
        limit: Option<Duration>,
        operation: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let until = limit.map(|limit| Instant::now() + limit);
        let mut state = self.state();
        assert!(state.pending.is_none(), "one operation at a time on a pipe");
        if state.idle && state.stopping {
            return Err(io::ErrorKind::Interrupted.into());
        }
        state.pending = Some(Pending { thread: ThreadNumber::of_this_thread(), until, cut: None });
        // Most limits are alike, so that it seldom has to look earlier than it means to.
        if until.is_some_and(|until| state.looks_at.is_none_or(|looks_at| until < looks_at)) {
            self.changed.notify_all();
        }
        drop(state);
        let running = Running(self);
        let result = operation();
        match (result, running.end()) {
            (Err(error), Some(cut)) if error.raw_os_error() == Some(ERROR_OPERATION_ABORTED as i32) => {
                Err(cut.into())
            }
            (result, _) => result,
        }
    }

    /// Runs operations that wait for the next request: being told to stop ends them with `Interrupted`.
    pub fn while_idle<T>(&self, operations: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.state().idle = true;
        let result = operations();
        self.state().idle = false;
        result
    }

    pub fn stop(&self) {
        self.state().stopping = true;
        self.changed.notify_all();
    }

    pub fn is_stopping(&self) -> bool {
        self.state().stopping
    }

    fn watch(&self) {
        let mut state = self.state();
        loop {
            let now = Instant::now();
            let State { pending, idle, stopping, .. } = &mut *state;
            let unwanted = *idle && *stopping;
            let looks_at = pending.as_mut().and_then(|pending| {
                let late = pending.until.is_some_and(|until| until <= now);
                if !late && !unwanted {
                    return pending.until;
                }
                pending.cut = Some(if late { io::ErrorKind::TimedOut } else { io::ErrorKind::Interrupted });
                // The thread cannot begin anything else: at its end an operation waits for this lock.
                self.canceller.cancel(pending.thread);
                Some(now + AGAIN)
            });
            state.looks_at = looks_at;
            state = match looks_at {
                Some(at) => {
                    let time = at.saturating_duration_since(now);
                    self.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Read as _;
    use std::os::windows::io::OwnedHandle;

    use super::*;

    /// A pipe into which nobody writes, for synchronous use, and who watches over it.
    fn silent_pipe() -> (io::PipeReader, (io::PipeWriter, Arc<OwnedHandle>), Arc<Guard>) {
        let (reader, writer) = io::pipe().unwrap();
        let handle = Arc::new(OwnedHandle::from(reader.try_clone().unwrap()));
        let guard = Guard::start(Canceller::of(&handle)).unwrap();
        (reader, (writer, handle), guard)
    }

    #[test]
    fn a_wait_ends_when_its_time_is_over() {
        let (mut reader, _ends, guard) = silent_pipe();
        for _ in 0..3 {
            let limit = Some(Duration::from_millis(20));
            let read = guard.during(limit, || reader.read(&mut [0]));
            assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
        }
    }

    #[test]
    fn being_told_to_stop_ends_a_wait_for_the_next_request_and_no_other() {
        let (mut reader, (writer, _handle), guard) = silent_pipe();
        let stopping = Arc::clone(&guard);
        let thread = std::thread::spawn(move || stopping.stop());
        let idle = guard.while_idle(|| guard.during(None, || reader.read(&mut [0])));
        assert_eq!(idle.unwrap_err().kind(), io::ErrorKind::Interrupted);
        thread.join().unwrap();
        let limit = Some(Duration::from_millis(20));
        let busy = guard.during(limit, || reader.read(&mut [0]));
        assert_eq!(busy.unwrap_err().kind(), io::ErrorKind::TimedOut, "stopping does not end it");
        drop(writer);
        assert_eq!(guard.during(None, || reader.read(&mut [0])).unwrap(), 0);
    }

    #[test]
    #[should_panic(expected = "one operation at a time")]
    fn a_second_operation_beside_a_pending_one_is_refused() {
        let (_reader, _ends, guard) = silent_pipe();
        let _ = guard.during(None, || guard.during(None, || Ok(())));
    }
}
