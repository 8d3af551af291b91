//! Application pools: each has a worker, which has the processes of the FastCGI applications that its sites use. A
//! recycle is overlapped: new requests go to a new worker with processes of its own, the old one finishes what it has.
//!
//! A worker is no process here. It has a number all the same, which is noted beside the configuration for `list wp`.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::change::Change;
use super::instances::Instances;
use super::journal::{Event, Journal};
use super::model::{Application, Model, Pool};
use super::process::{Channel, Launch};
use crate::runtime::Runtime;

/// What the processes print, beside the configuration.
#[cfg(not(windows))]
const OUTPUT: &str = "processes.txt";

/// All workers.
pub struct Workers {
    current: Mutex<BTreeMap<String, Worker>>,
    journal: Arc<Journal>,
    runtime: PathBuf,
}

/// The worker of one pool, as it is now.
struct Worker {
    number: u32,
    instances: HashMap<Key, Arc<Instances>>,
}

/// Whose processes they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    /// The site, where sites of a pool don't share processes.
    site: Option<u32>,
    full_path: String,
    arguments: String,
}

impl Key {
    fn is_of(&self, application: &Application) -> bool {
        self.full_path == application.full_path && self.arguments == application.arguments
    }
}

impl Workers {
    pub fn new(journal: Arc<Journal>, runtime: PathBuf) -> Workers {
        Workers { current: Mutex::default(), journal, runtime }
    }

    /// The processes of an application in a pool's worker of now; `site` if it has processes of its own.
    pub fn instances(
        &self,
        (name, pool): (&str, &Pool),
        site: Option<u32>,
        application: &Application,
        channel: Channel,
    ) -> Arc<Instances> {
        let key =
            Key { site, full_path: application.full_path.clone(), arguments: application.arguments.clone() };
        let mut current = self.current();
        let worker = current.entry(name.to_owned()).or_insert_with(|| self.worker(pool));
        let new = || {
            Instances::new(
                application.clone(),
                self.launch(pool, application, channel),
                Arc::clone(&self.journal),
            )
        };
        Arc::clone(worker.instances.entry(key).or_insert_with(new))
    }

    fn worker(&self, pool: &Pool) -> Worker {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = std::process::id() + COUNT.fetch_add(1, Ordering::Relaxed);
        // Only `list wp` looks for it, and says nothing of one that could not be noted.
        let _ = Runtime::change(&self.runtime, |runtime| runtime.workers.insert(number, pool.name.clone()));
        Worker { number, instances: HashMap::new() }
    }

    /// Does to the processes what a change of the configuration means for them.
    pub fn take_up(&self, change: &Change, model: &Model, channel: Channel) {
        match change {
            Change::Recycle { pool, why } => self.recycle(pool, why),
            Change::Restart(application) => self.each(model, application, |instances, pool| {
                instances.restart(application.clone(), self.launch(pool, application, channel));
            }),
            Change::Update(application) => self.each(model, application, |instances, pool| {
                instances.update(application.clone(), self.launch(pool, application, channel));
            }),
            Change::Remove(application) => {
                for worker in self.current().values_mut() {
                    let removed = worker.instances.extract_if(|key, _| key.is_of(application));
                    removed.for_each(|(_, instances)| instances.drain());
                }
            }
            Change::Break { .. } => {}
        }
    }

    /// The pool's new requests go to a new worker.
    fn recycle(&self, pool: &str, why: &str) {
        let Some(old) = self.current().remove(pool) else { return };
        self.journal.tell(Event::Recycled { pool, why });
        self.leave(old);
    }

    fn leave(&self, old: Worker) {
        old.instances.values().for_each(|instances| instances.drain());
        let _ = Runtime::change(&self.runtime, |runtime| runtime.workers.remove(&old.number));
    }

    fn each(&self, model: &Model, application: &Application, act: impl Fn(&Arc<Instances>, &Pool)) {
        for (name, worker) in self.current().iter() {
            let Some(pool) = model.pools.get(name) else { continue };
            let of = worker.instances.iter().filter(|(key, _)| key.is_of(application));
            of.for_each(|(_, instances)| act(instances, pool));
        }
    }

    /// Ends all processes; those at work get a moment.
    pub async fn stop(&self, patience: Duration) {
        let workers = std::mem::take(&mut *self.current());
        workers.into_values().for_each(|worker| self.leave(worker));
        self.journal.all_left(patience).await;
    }

    fn launch(&self, pool: &Pool, application: &Application, channel: Channel) -> Launch {
        let mut environment = vec![("APP_POOL_ID".to_owned(), pool.name.clone())];
        environment.extend(pool.environment.iter().chain(&application.environment).cloned());
        let notice = application.signal_before_terminate;
        Launch {
            program: application.program.clone(),
            words: application.words.clone(),
            #[cfg(not(windows))]
            output: self.runtime.with_file_name(OUTPUT),
            environment,
            notice: (notice > Duration::ZERO).then_some(notice),
            channel,
        }
    }

    fn current(&self) -> MutexGuard<'_, BTreeMap<String, Worker>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
