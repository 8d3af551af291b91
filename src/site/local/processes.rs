//! The FastCGI processes of a site: started, kept, replaced, and lent to one request at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::channel::{Address, Channels, Connection};
use super::event::{Event, Listener};
use super::output::Output;
use super::spawn::{Process, Spawner};
use super::{LocalError, Served};

/// A process that lived this long did not end because of how it was started.
const LONG_LIFE: Duration = Duration::from_secs(10);

/// How long a process that was asked to end may take.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The processes of a site. Dropping it kills them.
pub struct Processes {
    free: Mutex<mpsc::UnboundedReceiver<Lease>>,
    states: watch::Receiver<Vec<State>>,
    waiting: AtomicUsize,
    queue: usize,
    slots: Mutex<JoinSet<()>>,
    stop: watch::Sender<bool>,
}

/// What is known of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Starting,
    Ready,
    /// It ended before it could serve, and is to be started again.
    Failing,
}

/// One process, lent to one request.
pub struct Lease {
    pub connection: Connection,
    pub process: u32,
    back: oneshot::Sender<Back>,
}

/// In what condition a process comes back.
pub enum Back {
    /// With its connection, ready for the next request.
    Kept(Connection),
    /// Its connection is of no more use; it may still be at work.
    Lost,
    /// It does not answer any more.
    Stuck,
}

/// Why no process can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoProcess {
    /// As many requests wait as may.
    Busy,
    /// No process starts.
    NotStarting,
    /// The server is being stopped.
    Stopping,
}

impl Processes {
    /// Starts the processes. They are not ready yet; see [`Processes::settled`].
    pub fn start(served: &Arc<Served>, listener: &Listener) -> Result<Processes, LocalError> {
        let spawner = Spawner::start().map_err(LocalError::Threads)?;
        let channels = Arc::new(Channels::new().map_err(LocalError::Channels)?);
        let (states, _) = watch::channel(vec![State::Starting; served.processes.max(1)]);
        let states = Arc::new(states);
        let (stop, stopping) = watch::channel(false);
        let (offers, free) = mpsc::unbounded_channel();
        let mut slots = JoinSet::new();
        for number in 0..served.processes.max(1) {
            let slot = Slot {
                number,
                served: served.clone(),
                listener: listener.clone(),
                spawner: spawner.clone(),
                channels: channels.clone(),
                states: states.clone(),
                stopping: stopping.clone(),
                offers: offers.clone(),
            };
            slots.spawn(slot.keep());
        }
        Ok(Processes {
            free: Mutex::new(free),
            states: states.subscribe(),
            waiting: AtomicUsize::new(0),
            queue: served.queue,
            slots: Mutex::new(slots),
            stop,
        })
    }

    /// Waits until a process is ready, or one did not start.
    pub async fn settled(&self) {
        let settled = |states: &Vec<State>| states.iter().any(|state| *state != State::Starting);
        // The slots keep the sender; they only go when the server stops.
        drop(self.states.clone().wait_for(settled).await);
    }

    /// Waits for a free process; those who wait are served in order.
    pub async fn lease(&self) -> Result<Lease, NoProcess> {
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _leaves = Leaves(&self.waiting);
        if waiting >= self.queue {
            return Err(NoProcess::Busy);
        }
        let failing =
            |states: &Vec<State>| states.contains(&State::Failing) && !states.contains(&State::Ready);
        let mut states = self.states.clone();
        tokio::select! {
            biased;
            lease = self.next() => lease.ok_or(NoProcess::Stopping),
            known = states.wait_for(failing) => {
                Err(if known.is_ok() { NoProcess::NotStarting } else { NoProcess::Stopping })
            }
        }
    }

    /// The next process that is still there. The lock hands waiting requests on in the order they came.
    async fn next(&self) -> Option<Lease> {
        let mut free = self.free.lock().await;
        loop {
            let lease = free.recv().await?;
            if lease.back.is_closed() {
                continue;
            }
            if lease.connection.is_quiet() {
                return Some(lease);
            }
            lease.give_back(Back::Lost);
        }
    }

    /// Ends all processes; those at work get a moment.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let mut slots = self.slots.lock().await;
        while slots.join_next().await.is_some() {}
    }
}

impl Lease {
    /// Takes the connection out, to be given back by [`Return`].
    pub fn take(self) -> (Connection, Return) {
        (self.connection, Return(self.back))
    }

    fn give_back(self, back: Back) {
        Return(self.back).give(back);
    }
}

/// The way back of a leased process. Dropped, it says that the connection is lost.
pub struct Return(oneshot::Sender<Back>);

impl Return {
    pub fn give(self, back: Back) {
        // A process that ended meanwhile is not missed by anyone.
        let _ = self.0.send(back);
    }
}

struct Leaves<'a>(&'a AtomicUsize);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Keeps one process running.
struct Slot {
    number: usize,
    served: Arc<Served>,
    listener: Listener,
    spawner: Spawner,
    channels: Arc<Channels>,
    states: Arc<watch::Sender<Vec<State>>>,
    stopping: watch::Receiver<bool>,
    offers: mpsc::UnboundedSender<Lease>,
}

/// How the life of one process went.
enum Life {
    Stopped,
    Ended { how: String, was_ready: bool },
}

impl Slot {
    async fn keep(self) {
        // One process finds out whether the project starts at all; the others needn't fail with it.
        if self.number > 0 {
            let mut states = self.states.subscribe();
            let first_is_ready = async { drop(states.wait_for(|states| states[0] == State::Ready).await) };
            tokio::select! {
                () = first_is_ready => {}
                () = stopped(&self.stopping) => return,
            }
        }
        let mut generation = self.number as u64;
        let mut short_lives = 0;
        while !*self.stopping.borrow() {
            let started = Instant::now();
            if let Life::Stopped = self.one_life(generation).await {
                return;
            }
            generation += self.served.processes.max(1) as u64;
            short_lives = if started.elapsed() < LONG_LIFE { short_lives + 1 } else { 0 };
            let pause = Duration::from_millis(50 << short_lives.min(7));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stopped(&self.stopping) => {}
            }
        }
    }

    fn is(&self, state: State) {
        self.states.send_if_modified(|states| {
            let changed = states[self.number] != state;
            states[self.number] = state;
            changed
        });
    }

    /// Starts a process, lends it out again and again, and sees it end.
    async fn one_life(&self, generation: u64) -> Life {
        let started = match self.channels.open(generation) {
            Ok((address, channel)) => {
                self.spawner.spawn(&self.served.bridge, channel).await.map(|process| (address, process))
            }
            Err(error) => Err(error),
        };
        let (address, mut process) = match started {
            Ok(started) => started,
            Err(error) => {
                let how = format!("`{}`: {error}", self.served.bridge.program.display());
                // Told first: whoever is answered that the site does not start can read why.
                (self.listener)(Event::NotStarting { process: 0, how: how.clone(), output: Vec::new() });
                self.is(State::Failing);
                return Life::Ended { how, was_ready: false };
            }
        };
        let output = Output::read(process.streams(), process.id(), self.listener.clone());
        let life = self.lend(&address, &mut process, &output).await;
        process.sweep();
        // Read to its end in any case: what a process says when it is asked to end is told as well.
        let output = output.rest().await;
        if let Life::Ended { how, was_ready } = &life {
            let (process, how) = (process.id(), how.clone());
            if *was_ready {
                (self.listener)(Event::Ended { process, how });
                self.is(State::Starting);
            } else {
                (self.listener)(Event::NotStarting { process, how, output });
                self.is(State::Failing);
            }
        }
        life
    }

    async fn lend(&self, address: &Address, process: &mut Process, output: &Output) -> Life {
        let mut was_ready = false;
        let mut kept = None;
        loop {
            let connection = match kept.take() {
                Some(connection) => connection,
                None => tokio::select! {
                    connection = connect(address) => connection,
                    how = wait(process) => return Life::Ended { how, was_ready },
                    () = stopped(&self.stopping) => {
                        // One that has not begun to serve has nothing to finish, and may be busy importing.
                        let patience = if was_ready { LAST_WORDS } else { Duration::ZERO };
                        process.terminate(patience).await;
                        return Life::Stopped;
                    }
                    () = tokio::time::sleep(self.served.patience) => {
                        return self.put_down(process, was_ready).await;
                    }
                },
            };
            if !was_ready {
                was_ready = true;
                output.flow();
                self.is(State::Ready);
            }
            let (back, returned) = oneshot::channel();
            if self.offers.send(Lease { connection, process: process.id(), back }).is_err() {
                process.terminate(LAST_WORDS).await;
                return Life::Stopped;
            }
            tokio::select! {
                returned = returned => match returned {
                    Ok(Back::Kept(connection)) => kept = Some(connection),
                    Ok(Back::Lost) | Err(_) => {}
                    Ok(Back::Stuck) => return self.put_down(process, was_ready).await,
                },
                how = wait(process) => return Life::Ended { how, was_ready },
                () = stopped(&self.stopping) => {
                    process.terminate(LAST_WORDS).await;
                    return Life::Stopped;
                }
            }
        }
    }

    async fn put_down(&self, process: &mut Process, was_ready: bool) -> Life {
        process.kill().await;
        let how = format!("killed: it was silent for {} s", self.served.patience.as_secs());
        Life::Ended { how, was_ready }
    }
}

/// Tries until it works: a process that closes a connection may take the next one, and one that is gone is
/// noticed elsewhere.
async fn connect(address: &Address) -> Connection {
    loop {
        if let Ok(connection) = Connection::ready(address).await {
            return connection;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Resolves when the server is being stopped, or gone.
async fn stopped(stopping: &watch::Receiver<bool>) {
    drop(stopping.clone().wait_for(|stopping| *stopping).await);
}

async fn wait(process: &mut Process) -> String {
    match process.wait().await {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}
