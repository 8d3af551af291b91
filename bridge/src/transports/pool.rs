//! Many connections and few workers: a worker gets a connection only when a request is complete on it.
//!
//! One worker at a time polls the listening socket together with every waiting connection, so an idle kept
//! connection, or one that dawdles over its parameters, costs nobody a worker. The others wait for what the
//! poll brings. With a single worker there is no handing over, and one poll, one read and one write a request.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};

use super::socket::{Listener, SocketStream};
use super::waiting::{Standing, Waiting, make_room, sort};
use super::{Source, Stream};
use crate::connection::{Connection, Progress};
use crate::exchange::{Disposition, Exchange};
use crate::log;
use crate::protocol::Request;

/// Connections held at most; beyond it newcomers wait, unless one of those held can be closed.
const MAX_CONNECTIONS: usize = 512;

/// How often the log hears that no more files may be opened.
const COMPLAINT: Duration = Duration::from_secs(60);

/// A source of requests on a listening socket.
pub struct Pool {
    listener: Listener,
    /// Other processes, started by the same parent, accept what this one leaves.
    has_siblings: bool,
    wake_read: OwnedFd,
    wake_write: OwnedFd,
    state: Mutex<State>,
    changed: Condvar,
    /// The last newcomer was left to sibling processes.
    left_one: AtomicBool,
    complained: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct State {
    waiting: Vec<Waiting>,
    ready: VecDeque<(Connection, Request)>,
    polling: bool,
    /// Workers that wait for what the poll brings. A call to the system that wakes nobody is saved.
    idle: usize,
    stopping: bool,
    /// Those whom the system had connected when it was time to stop were taken in.
    took_queue: bool,
}

impl State {
    /// The last look at waiting connections: what has arrived on them is served, and then they are closed, but for those
    /// that were just made. Their peers are about to ask, and would take a closed connection for a failure.
    fn sweep(&mut self) {
        let now = Instant::now();
        for mut entry in std::mem::take(&mut self.waiting) {
            if matches!(entry.standing, Standing::Lingering { .. }) {
                continue;
            }
            match entry.connection.receive() {
                Progress::Request(request) => self.ready.push_back((entry.connection, request)),
                Progress::Waiting if entry.is_awaited_until().is_some_and(|until| until > now) => {
                    self.waiting.push(entry);
                }
                _ => {}
            }
        }
    }
}

impl Pool {
    /// Serves what arrives at `listener`; with `siblings`, what this process does not accept is for them.
    pub fn new(listener: Listener, siblings: bool) -> io::Result<Pool> {
        // A poll may report a connection that a sibling process accepts first; accepting must not wait then.
        listener.socket.set_nonblocking(true)?;
        let (wake_read, wake_write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Pool {
            listener,
            has_siblings: siblings,
            wake_read,
            wake_write,
            state: Mutex::default(),
            changed: Condvar::new(),
            left_one: AtomicBool::new(false),
            complained: Mutex::default(),
        })
    }

    pub fn address(&self) -> String {
        self.listener.address()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        // A full pipe wakes as well.
        let _ = rustix::io::write(&self.wake_write, b"!");
    }

    /// Waits for something to happen on `waiting` or the listener, and sorts out what did.
    fn poll(&self, waiting: &mut Vec<Waiting>, ready: &mut VecDeque<(Connection, Request)>) {
        let now = Instant::now();
        // With every place taken by those who are about to ask, newcomers wait in the system's queue.
        let room_at = match waiting.len() {
            0..MAX_CONNECTIONS => None,
            _ => waiting.iter().map(Waiting::yields_at).min().filter(|at| *at > now),
        };
        let newcomers = if room_at.is_some() { PollFlags::empty() } else { PollFlags::IN };
        let mut fds = Vec::with_capacity(waiting.len() + 2);
        fds.push(PollFd::from_borrowed_fd(self.wake_read.as_fd(), PollFlags::IN));
        fds.push(PollFd::from_borrowed_fd(self.listener.socket.as_fd(), newcomers));
        for entry in waiting.iter() {
            let socket = entry.connection.stream.socket().expect("a pool holds connections on sockets only");
            fds.push(PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN));
        }
        let limit = waiting
            .iter()
            .filter_map(|entry| match entry.standing {
                Standing::Lingering { until } => Some(until),
                Standing::Expected | Standing::Kept => None,
            })
            .chain(room_at)
            .min()
            .and_then(|until| Timespec::try_from(until.saturating_duration_since(now)).ok());
        if let Err(error) = poll(&mut fds, limit.as_ref())
            && error != rustix::io::Errno::INTR
        {
            log::line(&format!("cannot wait for connections: {error}"));
            std::thread::sleep(Duration::from_millis(100));
            return;
        }
        let happened: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        if happened[0] {
            let _ = rustix::io::read(&self.wake_read, &mut [0; 64]);
        }
        let now = Instant::now();
        let mut happened_there = happened[2..].iter();
        for mut entry in std::mem::take(waiting) {
            let happened = *happened_there.next().expect("one answer a connection");
            match entry.standing {
                Standing::Lingering { until } => {
                    if until > now && (!happened || entry.connection.discard()) {
                        waiting.push(entry);
                    }
                }
                Standing::Expected | Standing::Kept if happened => {
                    let progress = entry.connection.receive();
                    sort(entry.connection, progress, Standing::Expected, waiting, ready);
                }
                Standing::Expected | Standing::Kept => waiting.push(entry),
            }
        }
        if happened[1] {
            // A worker that has something to do leaves the newcomer to a sibling process that has not. Twice in
            // a row it does not: with every sibling busy, newcomers must get in between kept connections.
            let busy = !ready.is_empty();
            let leave = busy && !self.left_one.load(Ordering::Relaxed);
            self.left_one.store(leave, Ordering::Relaxed);
            if !leave {
                self.accept(waiting);
            }
        }
    }

    /// Takes in those whom the system has connected already: with this process gone they would be cut off.
    fn take_queue(&self, waiting: &mut Vec<Waiting>) {
        while waiting.len() < MAX_CONNECTIONS && self.accept(waiting) {}
    }

    /// One connection at a time: what is not taken here is there for sibling processes. Says whether there may be more.
    fn accept(&self, waiting: &mut Vec<Waiting>) -> bool {
        match self.listener.socket.accept() {
            Ok((socket, _)) => match SocketStream::new(socket) {
                Ok(stream) => {
                    let connection = Connection::new(Box::new(stream) as Box<dyn Stream>);
                    if waiting.len() >= MAX_CONNECTIONS {
                        make_room(waiting);
                    }
                    waiting.push(Waiting::new(connection, Standing::Expected));
                    true
                }
                Err(error) => {
                    log::line(&format!("cannot set up a connection: {error}"));
                    false
                }
            },
            Err(error) if matches!(error.raw_os_error(), Some(code) if is_out_of_files(code)) => {
                let mut complained = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
                if complained.is_none_or(|at| at.elapsed() > COMPLAINT) {
                    *complained = Some(Instant::now());
                    log::line("no more files may be opened (`ulimit -n` says how many): newcomers wait");
                }
                if !make_room(waiting) {
                    std::thread::sleep(Duration::from_millis(100));
                }
                false
            }
            // A sibling was faster, or the peer is gone again.
            Err(error) => error.kind() == io::ErrorKind::ConnectionAborted,
        }
    }
}

/// Waits until one of those that were just connected asks, or has had its time.
fn wait_for_newcomers(waiting: &[Waiting]) {
    let mut fds: Vec<PollFd<'_>> = waiting
        .iter()
        .filter_map(|entry| entry.connection.stream.socket())
        .map(|socket| PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN))
        .collect();
    let until = waiting.iter().filter_map(Waiting::is_awaited_until).min();
    let limit =
        until.and_then(|until| Timespec::try_from(until.saturating_duration_since(Instant::now())).ok());
    // Whatever ended it, all of them are looked at afterwards.
    let _ = poll(&mut fds, limit.as_ref());
}

impl Source for Pool {
    fn take(&self) -> Option<Exchange> {
        let mut state = self.state();
        loop {
            if let Some((connection, request)) = state.ready.pop_front() {
                if state.idle > 0 && (!state.ready.is_empty() || !state.polling) {
                    self.changed.notify_one();
                }
                return Some(Exchange::new(connection, request));
            }
            if state.stopping {
                if !self.has_siblings && !std::mem::replace(&mut state.took_queue, true) {
                    self.take_queue(&mut state.waiting);
                }
                state.sweep();
                if !state.ready.is_empty() {
                    continue;
                }
                self.changed.notify_all();
                if state.waiting.is_empty() {
                    return None;
                }
                // Nobody else looks after them: other workers find nothing, and leave.
                let waiting = std::mem::take(&mut state.waiting);
                drop(state);
                wait_for_newcomers(&waiting);
                state = self.state();
                state.waiting.extend(waiting);
                continue;
            }
            if state.polling {
                state.idle += 1;
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
                continue;
            }
            state.polling = true;
            let mut waiting = std::mem::take(&mut state.waiting);
            let mut ready = VecDeque::new();
            drop(state);
            self.poll(&mut waiting, &mut ready);
            state = self.state();
            state.polling = false;
            // Connections given back during the poll are the youngest.
            waiting.append(&mut state.waiting);
            state.waiting = waiting;
            state.ready.append(&mut ready);
        }
    }

    fn give_back(&self, mut connection: Connection, disposition: Disposition) {
        let mut state = self.state();
        let State { waiting, ready, stopping, .. } = &mut *state;
        match disposition {
            Disposition::Close => return,
            // No longer: its peer would send requests for as long as they are answered. One that it has sent while
            // this answer was ended is answered, though: a web server does not ask twice what may change something.
            Disposition::Keep if *stopping => {
                let progress = match connection.proceed() {
                    Progress::Waiting => connection.receive(),
                    progress => progress,
                };
                if let Progress::Request(request) = progress {
                    ready.push_back((connection, request));
                }
            }
            Disposition::Linger => waiting.push(Waiting::lingering(connection)),
            Disposition::Keep => {
                let progress = connection.proceed();
                let standing = if connection.has_unread() { Standing::Expected } else { Standing::Kept };
                sort(connection, progress, standing, waiting, ready);
            }
        }
        if state.polling {
            drop(state);
            self.wake();
            self.changed.notify_one();
        }
    }

    fn stop(&self) {
        self.state().stopping = true;
        self.wake();
        self.changed.notify_all();
    }
}

/// EMFILE and ENFILE, the same numbers on every Unix.
fn is_out_of_files(code: i32) -> bool {
    code == 24 || code == 23
}
