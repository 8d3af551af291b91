//! Requests that last too long, noticed while they last: a web server kills a process that does not answer, and what it was
//! at is lost with it.
//!
//! One thread looks after all that serve. It sleeps while nothing is in flight, and while something is it wakes once in the
//! time that a request may take: a request costs a look at the clock and a note of its parameters. Nothing here knows
//! Python; a [`Witness`] says where a thread is.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use crate::events::{Event, Events};
use crate::gateway::question;
use crate::log;
use crate::probe;
use crate::protocol::Params;

/// How long the interpreter is waited for before the log hears that it is not to be had.
const HELD: Duration = Duration::from_secs(2);

/// How long after a request has become slow the interpreter's own watchdog speaks, which needs no interpreter. Later than
/// [`HELD`], so that the reason stands above the stacks.
pub const LAST_RESORT: Duration = Duration::from_secs(3);

/// Larger buffers are not kept for the next request.
const MAX_KEPT: usize = 16 * 1024;

/// Who can say where a thread is, and have it said where nobody can ask.
pub trait Witness: Send + Sync + 'static {
    /// Waits for the interpreter, calls `has_it`, and then `work`, which may ask `stack`.
    fn with_interpreter(&self, has_it: &mut dyn FnMut(), work: &mut dyn FnMut(&dyn Interpreter));
}

/// The interpreter, while it is held.
pub trait Interpreter {
    /// Where a thread is, the most recent call last.
    fn stack(&self, thread: u64) -> String;

    /// Has the stacks of all threads written to the log after this time, whoever holds the interpreter then; nothing, if
    /// there is no time.
    fn write_all_after(&self, time: Option<Duration>);
}

/// Looks after requests.
pub struct Watchdog {
    state: Arc<State>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct State {
    slow: Duration,
    events: Option<Events>,
    base: Instant,
    desks: Mutex<Vec<Arc<Desk>>>,
    asleep: AtomicBool,
    stopping: AtomicBool,
    thread: OnceLock<Thread>,
}

/// Where one thread serves.
pub struct Desk {
    state: Arc<State>,
    /// The interpreter's number for the thread.
    thread: u64,
    /// Nanoseconds from [`State::base`] to the beginning of the request; 0 between requests.
    since: AtomicU64,
    /// The same of the request that was last told of.
    told: AtomicU64,
    /// The parameters of the request as they were sent. What was asked is only found out when somebody wants to know.
    params: Mutex<Vec<u8>>,
}

/// A request that has lasted too long.
struct Overdue {
    desk: Arc<Desk>,
    since: u64,
    question: String,
    so_far: Duration,
}

impl Watchdog {
    /// Looks after requests that last longer than `slow`.
    pub fn start(slow: Duration, events: Option<Events>, witness: impl Witness) -> std::io::Result<Watchdog> {
        let state = Arc::new(State {
            slow,
            events,
            base: Instant::now(),
            desks: Mutex::default(),
            // Its thread is about to look.
            asleep: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            thread: OnceLock::new(),
        });
        let shared = Arc::clone(&state);
        let thread =
            std::thread::Builder::new().name("holdall-bridge-watchdog".to_owned()).spawn(move || {
                let witness = Arc::new(witness);
                while !shared.is_stopping() {
                    if !shared.sleep() && !shared.is_stopping() {
                        shared.tell(&witness, Vec::new());
                    }
                    shared.look_after(&witness);
                }
            })?;
        state.thread.get_or_init(|| thread.thread().clone());
        Ok(Watchdog { state, thread: Mutex::new(Some(thread)) })
    }

    /// A place for a thread that serves.
    pub fn desk(&self, thread: u64) -> Arc<Desk> {
        let (since, told) = (AtomicU64::new(0), AtomicU64::new(0));
        let state = Arc::clone(&self.state);
        let desk = Arc::new(Desk { state, thread, since, told, params: Mutex::default() });
        self.state.desks().push(Arc::clone(&desk));
        desk
    }

    /// Ends it, and waits for its end. The interpreter must not be held meanwhile.
    pub fn stop(&self) {
        self.state.stopping.store(true, Ordering::SeqCst);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            thread.thread().unpark();
            // A panic has printed itself.
            let _ = thread.join();
        }
    }
}

impl Desk {
    /// A request begins. What it returns is given to [`Desk::wake`], if there is something: nobody is looking, and the
    /// interpreter's own watchdog is to speak after this time.
    pub fn begin(&self, params: &Params) -> Option<Duration> {
        {
            let mut noted = self.params.lock().unwrap_or_else(PoisonError::into_inner);
            noted.clear();
            noted.shrink_to(MAX_KEPT);
            noted.extend_from_slice(params.as_bytes());
        }
        self.since.store(self.state.now(), Ordering::SeqCst);
        self.state.asleep.load(Ordering::SeqCst).then(|| self.state.slow + LAST_RESORT)
    }

    /// Has somebody look after the request that has begun.
    pub fn wake(&self) {
        self.state.asleep.store(false, Ordering::SeqCst);
        if let Some(thread) = self.state.thread.get() {
            thread.unpark();
        }
    }

    /// The request ends. How long it has taken, and what was asked, if it was told of.
    pub fn end(&self) -> Option<(String, Duration)> {
        let since = self.since.swap(0, Ordering::SeqCst);
        if since == 0 || self.told.load(Ordering::SeqCst) != since {
            return None;
        }
        let params = self.params();
        (!is_probe(&params)).then(|| (question(&params), self.state.since(since)))
    }

    fn params(&self) -> Params {
        let noted = self.params.lock().unwrap_or_else(PoisonError::into_inner);
        Params::parse(noted.clone()).unwrap_or_default()
    }
}

impl State {
    fn now(&self) -> u64 {
        // 0 says that there is nothing.
        u64::try_from(self.base.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1)
    }

    fn since(&self, since: u64) -> Duration {
        self.base.elapsed().saturating_sub(Duration::from_nanos(since))
    }

    fn desks(&self) -> MutexGuard<'_, Vec<Arc<Desk>>> {
        self.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// The beginning of the oldest request in flight.
    fn oldest(&self) -> Option<u64> {
        let since = |desk: &Arc<Desk>| desk.since.load(Ordering::SeqCst);
        self.desks().iter().map(since).filter(|since| *since != 0).min()
    }

    /// The beginning of the oldest one of which nobody was told.
    fn oldest_untold(&self) -> Option<u64> {
        let untold = |desk: &Arc<Desk>| {
            let since = desk.since.load(Ordering::SeqCst);
            (since != 0 && since != desk.told.load(Ordering::SeqCst)).then_some(since)
        };
        self.desks().iter().filter_map(untold).min()
    }

    /// Until something is in flight. A request that begins either sees that nobody looks, and wakes this thread, or has begun
    /// before and is seen here. Whether it was woken: who does that has seen to the interpreter's own watchdog.
    fn sleep(&self) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        while self.asleep.load(Ordering::SeqCst) && self.oldest().is_none() && !self.is_stopping() {
            std::thread::park();
        }
        !self.asleep.swap(false, Ordering::SeqCst)
    }

    /// In which time somebody is to look again, if anything is in flight. Of requests that were told of, the end is waited for.
    fn due(&self) -> Option<Duration> {
        let untold = self.oldest_untold().map(|since| self.slow.saturating_sub(self.since(since)));
        untold.or_else(|| self.oldest().map(|_| self.slow))
    }

    /// As long as something is in flight.
    fn look_after(&self, witness: &Arc<impl Witness>) {
        loop {
            let until = Instant::now() + self.due().unwrap_or(self.slow);
            while !self.is_stopping() && Instant::now() < until {
                std::thread::park_timeout(until.saturating_duration_since(Instant::now()));
            }
            if self.is_stopping() {
                return;
            }
            let busy = self.oldest().is_some();
            let overdue = self.overdue();
            // Who watches the server is told first: for that nobody is needed.
            for request in &overdue {
                if let Some(events) = &self.events {
                    events.report(&Event::Hangs { question: &request.question, so_far: request.so_far });
                }
            }
            self.tell(witness, overdue);
            if !busy {
                return;
            }
        }
    }

    /// Requests that have become too slow; from now on they were told of.
    fn overdue(&self) -> Vec<Overdue> {
        let mut overdue = Vec::new();
        for desk in self.desks().iter() {
            let since = desk.since.load(Ordering::SeqCst);
            let so_far = self.since(since);
            if since == 0 || since == desk.told.load(Ordering::SeqCst) || so_far < self.slow {
                continue;
            }
            let params = desk.params();
            // It may have ended, and another begun, while its parameters were read.
            if desk.since.load(Ordering::SeqCst) != since {
                continue;
            }
            desk.told.store(since, Ordering::SeqCst);
            if !is_probe(&params) {
                overdue.push(Overdue { desk: Arc::clone(desk), since, question: question(&params), so_far });
            }
        }
        overdue
    }

    /// Writes where those requests are, and sees to what happens if that cannot be known the next time.
    fn tell(&self, witness: &Arc<impl Witness>, overdue: Vec<Overdue>) {
        // Never before this thread looks again: who reads stacks without the interpreter does it for the worst case alone.
        let next = self.due().map(|due| due.max(Duration::from_secs(1)) + LAST_RESORT);
        let held: Vec<String> = overdue
            .iter()
            .map(|request| format!("{}, {:.1} s so far", request.question, request.so_far.as_secs_f64()))
            .collect();
        let (has, hears) = std::sync::mpsc::channel();
        let witness = Arc::clone(witness);
        let asking = std::thread::Builder::new().name("holdall-bridge-stacks".to_owned()).spawn(move || {
            let mut has_it = || {
                // Whoever waited has said so and waits for the end of this thread now.
                let _ = has.send(());
            };
            let mut told = Vec::new();
            witness.with_interpreter(&mut has_it, &mut |interpreter| {
                interpreter.write_all_after(next);
                for request in &overdue {
                    // Waiting for the interpreter may have taken until its end, which is told where it ends.
                    if request.desk.since.load(Ordering::SeqCst) == request.since {
                        let stack = interpreter.stack(request.desk.thread);
                        let so_far = request.desk.state.since(request.since).as_secs_f64();
                        let question = &request.question;
                        told.push(format!(
                            "{question} has lasted {so_far:.1} s and is not done. It is here:\n{stack}"
                        ));
                    }
                }
            });
            // Without the interpreter: who moves the log wants it, and is waited for.
            told.iter().for_each(|line| log::line(line));
        });
        let Ok(asking) = asking else { return };
        if hears.recv_timeout(HELD) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let held = if held.is_empty() { "none is slow yet".to_owned() } else { held.join("; ") };
            log::line(&format!(
                "no Python has run for {} s: something holds the interpreter and does not let go of it (an extension \
                 module, a regular expression). Requests: {held}. The stacks of all threads follow, the most recent call first",
                HELD.as_secs()
            ));
        }
        // Nothing else can be told until then. A panic has printed itself.
        let _ = asking.join();
    }
}

/// Probes wait for each other, and so are no measure.
fn is_probe(params: &Params) -> bool {
    params.value(probe::PARAMETER).is_some()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::protocol::encode;

    /// Says when it is asked, and for what.
    struct Heard(Arc<Mutex<std::sync::mpsc::Sender<String>>>);

    impl Witness for Heard {
        fn with_interpreter(&self, has_it: &mut dyn FnMut(), work: &mut dyn FnMut(&dyn Interpreter)) {
            has_it();
            work(self);
        }
    }

    impl Interpreter for Heard {
        fn stack(&self, thread: u64) -> String {
            self.0.lock().unwrap().send(format!("stack of {thread}")).unwrap();
            String::new()
        }

        fn write_all_after(&self, time: Option<Duration>) {
            let said = if time.is_some() { "armed" } else { "disarmed" };
            self.0.lock().unwrap().send(said.to_owned()).unwrap();
        }
    }

    fn params(pairs: &[(&str, &str)]) -> Params {
        let mut bytes = Vec::new();
        pairs.iter().for_each(|(name, value)| encode::pair(&mut bytes, name.as_bytes(), value.as_bytes()));
        Params::parse(bytes).unwrap()
    }

    fn watch(slow: Duration) -> (Watchdog, std::sync::mpsc::Receiver<String>) {
        let (says, heard) = std::sync::mpsc::channel();
        let watchdog = Watchdog::start(slow, None, Heard(Arc::new(Mutex::new(says)))).unwrap();
        while !watchdog.state.asleep.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        (watchdog, heard)
    }

    const A_WHILE: Duration = Duration::from_secs(20);

    #[test]
    fn of_a_request_that_lasts_too_long_the_stack_is_asked_for_once_and_its_end_is_told() {
        let (watchdog, heard) = watch(Duration::from_millis(20));
        let desk = watchdog.desk(7);
        assert!(desk.begin(&params(&[("REQUEST_METHOD", "GET"), ("PATH_INFO", "/x")])).is_some());
        desk.wake();
        assert_eq!(heard.recv_timeout(A_WHILE).unwrap(), "armed");
        assert_eq!(heard.recv_timeout(A_WHILE).unwrap(), "stack of 7");
        assert_eq!(heard.recv_timeout(A_WHILE).unwrap(), "armed", "it lasts, and is not told again");
        let (question, took) = desk.end().unwrap();
        assert_eq!(question, "GET /x");
        assert!(took >= Duration::from_millis(20));
        assert_eq!(heard.iter().find(|said| said != "armed").unwrap(), "disarmed");
        watchdog.stop();
        assert!(heard.try_recv().is_err());
    }

    #[test]
    fn who_needs_no_interpreter_speaks_only_when_this_watchdog_could_not() {
        struct Armed(std::sync::mpsc::Sender<Option<Duration>>);
        impl Witness for Mutex<Armed> {
            fn with_interpreter(&self, _: &mut dyn FnMut(), work: &mut dyn FnMut(&dyn Interpreter)) {
                work(&*self.lock().unwrap());
            }
        }
        impl Interpreter for Armed {
            fn stack(&self, _: u64) -> String {
                String::new()
            }

            fn write_all_after(&self, time: Option<Duration>) {
                self.0.send(time).unwrap();
            }
        }
        let (says, heard) = std::sync::mpsc::channel();
        let slow = Duration::from_millis(1500);
        let watchdog = Watchdog::start(slow, None, Mutex::new(Armed(says))).unwrap();
        let desk = watchdog.desk(7);
        desk.begin(&params(&[]));
        desk.wake();
        // When the request was told of, and when it still lasts a while later.
        let armed: Vec<_> = heard.iter().take(3).collect();
        let soonest = slow + LAST_RESORT - Duration::from_millis(300);
        assert!(armed.iter().all(|time| time.is_some_and(|time| time > soonest)), "{armed:?}");
        desk.end();
        watchdog.stop();
    }

    #[test]
    fn while_somebody_looks_the_next_request_wakes_nobody_and_quick_ones_are_not_told() {
        let (watchdog, heard) = watch(Duration::from_secs(1000));
        let desk = watchdog.desk(7);
        assert!(desk.begin(&params(&[])).is_some());
        desk.wake();
        assert_eq!(desk.end(), None);
        assert_eq!(desk.begin(&params(&[])), None);
        assert_eq!(desk.end(), None);
        watchdog.stop();
        assert!(heard.try_recv().is_err());
    }

    #[test]
    fn probes_wait_for_each_other_and_are_not_told() {
        let (watchdog, heard) = watch(Duration::from_millis(1));
        let desk = watchdog.desk(7);
        desk.begin(&params(&[("HTTP_X_HOLDALL_PROBE", "any")]));
        desk.wake();
        for _ in 0..3 {
            assert_eq!(heard.recv_timeout(A_WHILE).unwrap(), "armed");
        }
        assert_eq!(desk.end(), None);
        watchdog.stop();
    }
}
