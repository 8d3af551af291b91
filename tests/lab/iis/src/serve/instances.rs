//! The processes of one FastCGI application in one worker: started as requests ask for them, each lent to one request
//! at a time, ended when they are idle, worn out, outdated or of no more use.
//!
//! The limits are those of the schema of IIS: `maxInstances`, `queueLength`, `idleTimeout`, `instanceMaxRequests`,
//! `rapidFailsPerMinute`, `monitorChangesTo`.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::oneshot;

use super::journal::{Event, Journal};
use super::lease::{Connection, Instance, Lease};
use super::model::Application;
use super::process::{Launch, Process};

/// How often idle processes and the watched file are looked at.
const ROUND: Duration = Duration::from_millis(50);

const MINUTE: Duration = Duration::from_secs(60);

/// The processes of an application.
pub struct Instances {
    state: Mutex<State>,
    journal: Arc<Journal>,
}

struct State {
    application: Application,
    launch: Launch,
    /// Processes of another generation are outdated: they are not lent again.
    generation: u64,
    idle: Vec<Instance>,
    /// How many processes of this generation there are, those being started included.
    total: usize,
    waiting: VecDeque<oneshot::Sender<Turn>>,
    /// When processes ended that should not have.
    fails: VecDeque<Instant>,
    /// The worker is on its way out: what is not at work ends.
    is_draining: bool,
    watched: Option<Stamp>,
}

/// The right to one of the processes that an application may have.
pub struct Place {
    of: Weak<Instances>,
    generation: u64,
}

/// What somebody who waited gets.
enum Turn {
    Ready(Instance),
    Start(Place),
}

/// Why there is no process.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoProcess {
    #[error("the queue of the FastCGI application is full")]
    QueueFull,
    #[error("the FastCGI application failed too often within a minute")]
    RapidFail,
    #[error("no process was free in time")]
    TimedOut,
    #[error("the FastCGI process cannot be started: {0}")]
    NotStarting(String),
}

impl Instances {
    /// No process yet; the first request starts one. Must be called inside a runtime.
    pub fn new(application: Application, launch: Launch, journal: Arc<Journal>) -> Arc<Instances> {
        let state = State {
            watched: stamp(&application),
            application,
            launch,
            generation: 0,
            idle: Vec::new(),
            total: 0,
            waiting: VecDeque::new(),
            fails: VecDeque::new(),
            is_draining: false,
        };
        let instances = Arc::new(Instances { state: Mutex::new(state), journal });
        tokio::spawn(look_after(Arc::downgrade(&instances)));
        instances
    }

    /// A process for one request, and the connection to it; those who wait are served in order.
    pub async fn lease(self: &Arc<Self>) -> Result<(Lease, Connection), NoProcess> {
        // One that has just ended is not this request's fault: then there is another one.
        let mut tries = 2;
        loop {
            let mut lease = self.next().await?;
            tries -= 1;
            match lease.connect().await {
                Ok(connection) => return Ok((lease, connection)),
                Err(error) => {
                    lease.give_up("no connection");
                    if tries == 0 {
                        return Err(NoProcess::NotStarting(error.to_string()));
                    }
                }
            }
        }
    }

    async fn next(self: &Arc<Self>) -> Result<Lease, NoProcess> {
        self.notice_changes();
        let (mut turn, patience) = {
            let mut state = self.state();
            let patience = state.application.request_timeout;
            if state.is_rapid_failing() {
                return Err(NoProcess::RapidFail);
            }
            let turn = if let Some(instance) = state.next_idle() {
                Ok(Turn::Ready(instance))
            } else if let Some(place) = state.place(self) {
                Ok(Turn::Start(place))
            } else if state.waiting.len() >= state.application.queue_length {
                return Err(NoProcess::QueueFull);
            } else {
                let (sender, receiver) = oneshot::channel();
                state.waiting.push_back(sender);
                Err(receiver)
            };
            (turn, patience)
        };
        if let Err(waiting) = &mut turn {
            let handed = tokio::time::timeout(patience, waiting).await;
            turn = Ok(handed.ok().and_then(Result::ok).ok_or(NoProcess::TimedOut)?);
        }
        let instance = match turn {
            Ok(Turn::Ready(instance)) => instance,
            Ok(Turn::Start(place)) => self.start(place).await?,
            Err(_) => return Err(NoProcess::TimedOut),
        };
        Ok(Lease { instance: Some(instance), of: Arc::clone(self) })
    }

    async fn start(&self, place: Place) -> Result<Instance, NoProcess> {
        let launch = self.state().launch.clone();
        match Process::start(&launch).await {
            Ok(process) => {
                self.journal.tell(Event::Started {
                    process: process.id(),
                    program: &launch.program.to_string_lossy(),
                });
                let (connection, idle_since, notice) = (None, Instant::now(), launch.notice);
                Ok(Instance { process, connection, requests: 0, idle_since, place, notice })
            }
            Err(error) => {
                self.count_fail();
                Err(NoProcess::NotStarting(format!("`{}`: {error}", launch.program.display())))
            }
        }
    }

    /// All processes end: the idle ones now, those at work after their request. New ones are started from what
    /// `launch` says.
    pub fn restart(self: &Arc<Self>, application: Application, launch: Launch) {
        let mut state = self.state();
        state.watched = stamp(&application);
        (state.application, state.launch) = (application, launch);
        drop(state);
        self.outdate();
    }

    /// New limits, for processes that go on.
    pub fn update(&self, application: Application, launch: Launch) {
        let mut state = self.state();
        (state.application, state.launch) = (application, launch);
    }

    /// What is idle ends; what is at work, or asked for by somebody who waits, finishes first.
    pub fn drain(&self) {
        let mut state = self.state();
        state.is_draining = true;
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        idle.into_iter().for_each(|instance| self.retire(instance, "drained"));
    }

    fn outdate(self: &Arc<Self>) {
        let (idle, turns) = {
            let mut state = self.state();
            state.generation += 1;
            state.total = 0;
            state.fails.clear();
            let idle = std::mem::take(&mut state.idle);
            let mut turns = Vec::new();
            while !state.waiting.is_empty() {
                let Some(place) = state.place(self) else { break };
                turns.extend(state.waiting.pop_front().map(|waiting| (waiting, place)));
            }
            (idle, turns)
        };
        // Who has left meanwhile gives the place back by dropping it.
        turns.into_iter().for_each(|(waiting, place)| drop(waiting.send(Turn::Start(place))));
        idle.into_iter().for_each(|instance| self.retire(instance, "restarted"));
    }

    /// Ends a process that is at work on nothing.
    pub fn retire(&self, instance: Instance, why: &'static str) {
        let Instance { process, connection, place, notice, .. } = instance;
        let journal = Arc::clone(&self.journal);
        // Its place is free for another one from now on.
        drop(place);
        let leaving = journal.leaving();
        tokio::spawn(async move {
            let id = process.id();
            // Telling comes first: a closed connection says the same less clearly.
            process.terminate(notice).await;
            drop(connection);
            journal.tell(Event::Ended { process: id, why });
            drop(leaving);
        });
    }

    /// Takes a process back that is free again.
    pub fn take_back(&self, mut instance: Instance) {
        loop {
            let mut state = self.state();
            let why = if instance.place.generation != state.generation {
                "restarted"
            } else if instance.requests >= state.application.instance_max_requests {
                "instanceMaxRequests"
            } else if let Some(waiting) = state.waiting.pop_front() {
                drop(state);
                match waiting.send(Turn::Ready(instance)) {
                    Ok(()) => return,
                    Err(Turn::Ready(back)) => instance = back,
                    Err(Turn::Start(_)) => return,
                }
                continue;
            } else if state.is_draining {
                "drained"
            } else {
                instance.idle_since = Instant::now();
                state.idle.push(instance);
                return;
            };
            drop(state);
            return self.retire(instance, why);
        }
    }

    pub fn count_fail(&self) {
        self.state().fails.push_back(Instant::now());
    }

    /// Restarts if the watched file is not what it was.
    fn notice_changes(self: &Arc<Self>) {
        let has_changed = {
            let mut state = self.state();
            let found = stamp(&state.application);
            std::mem::replace(&mut state.watched, found) != found
        };
        if has_changed {
            self.outdate();
        }
    }

    fn end_idle(&self) {
        let mut state = self.state();
        let timeout = state.application.idle_timeout;
        let is_over = |instance: &mut Instance| instance.idle_since.elapsed() >= timeout;
        let over: Vec<_> = state.idle.extract_if(.., is_over).collect();
        let lost: Vec<_> = state.idle.extract_if(.., |instance| instance.process.has_ended()).collect();
        drop(state);
        over.into_iter().for_each(|instance| self.retire(instance, "idleTimeout"));
        for instance in lost {
            self.count_fail();
            self.retire(instance, "by itself");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The process that was used last: so those that are not needed become idle for long enough to end.
    fn next_idle(&mut self) -> Option<Instance> {
        let at = self.idle.iter().rposition(|instance| !instance.process.has_ended())?;
        Some(self.idle.remove(at))
    }

    fn place(&mut self, of: &Arc<Instances>) -> Option<Place> {
        (self.total < self.application.max_instances).then(|| {
            self.total += 1;
            Place { of: Arc::downgrade(of), generation: self.generation }
        })
    }

    /// Once the limit is exceeded nothing is started until fewer have failed within the last minute.
    fn is_rapid_failing(&mut self) -> bool {
        self.fails.retain(|at| at.elapsed() < MINUTE);
        self.application.rapid_fails > 0 && self.fails.len() > self.application.rapid_fails
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(of) = self.of.upgrade() else { return };
        let mut state = of.state();
        if self.generation != state.generation {
            return;
        }
        state.total -= 1;
        let waiting = state.waiting.pop_front();
        if let Some((waiting, place)) = waiting.and_then(|waiting| Some((waiting, state.place(&of)?))) {
            drop(state);
            // If nobody waits there any more, dropping the place offers it to the next one.
            drop(waiting.send(Turn::Start(place)));
        }
    }
}

async fn look_after(instances: Weak<Instances>) {
    loop {
        tokio::time::sleep(ROUND).await;
        let Some(instances) = instances.upgrade() else { return };
        instances.notice_changes();
        instances.end_idle();
    }
}

/// By what a file shows that it has changed; a missing one has no time.
type Stamp = Option<(SystemTime, u64)>;

fn stamp(application: &Application) -> Option<Stamp> {
    let file = application.monitor_changes_to.as_ref()?;
    // A relative path is meant from the folder of the program.
    let folder = application.program.parent().unwrap_or(Path::new(""));
    let found = fs_err::metadata(folder.join(file)).ok();
    Some(found.and_then(|found| Some((found.modified().ok()?, found.len()))))
}
