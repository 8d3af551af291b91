//! The configuration that counts now. It is looked at with every request, so that a change counts as soon as the command
//! that made it has returned; or some time later, if the lab is told so.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::broadcast;

use super::behaviour::Behaviour;
use super::change::{Change, changes};
use super::journal::{Event, Journal};
use super::model::{Folder, Model, Site};
use super::server::JOURNAL;
use super::settings::{Refusal, Settings};
use super::workers::Workers;
use super::{effective, read};
use crate::certificates::Shown;
use crate::config::Config;
use crate::lab::{Lab, LabError, Paths};
use crate::runtime::Runtime;

/// The server's knowledge, and what runs by it.
pub struct Current {
    lab: Lab,
    pub workers: Workers,
    pub journal: Arc<Journal>,
    /// Sites whose requests are broken off.
    pub breaks: broadcast::Sender<u32>,
    known: Mutex<Known>,
}

/// What was read last.
struct Known {
    config: Result<Arc<Config>, String>,
    snapshot: Result<Arc<Snapshot>, String>,
    /// What runs now is by this one, also while a later one cannot be read.
    taken_up: Option<Arc<Snapshot>>,
    /// The configuration as it was then, and what stands beside it.
    config_stamp: Stamp,
    beside_stamp: [Stamp; 2],
    /// When a change that has been seen counts.
    due: Option<Instant>,
}

/// A configuration that was read whole.
pub struct Snapshot {
    pub model: Model,
    pub behaviour: Behaviour,
    pub paths: Paths,
    config: Arc<Config>,
}

/// Why there is nothing to serve.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum OpenError {
    #[error("no `applicationHost.config` in `{}`", .0.display())]
    #[diagnostic(help("name the folder that the lab's appcmd writes to with `--config`"))]
    NoConfig(PathBuf),
    #[error("the lab is not set up right")]
    #[diagnostic(help("correct its `lab.toml`, or remove it to have the first answer of each switch"))]
    Lab(#[source] LabError),
    #[error("cannot write the journal")]
    #[diagnostic(help("the folder of the configuration has to be writable"))]
    Journal(#[source] io::Error),
    #[error("cannot start a thread")]
    #[diagnostic(help("this machine is out of threads or memory: end other programs and try again"))]
    Threads(#[source] io::Error),
}

/// By what a file shows that it has changed: one that is replaced is another file.
type Stamp = Option<(SystemTime, u64, u64)>;

impl Current {
    pub fn open(folder: &Path) -> Result<Current, OpenError> {
        let lab = Lab::open(folder).map_err(OpenError::Lab)?;
        Behaviour::of(&lab.settings).map_err(|error| {
            OpenError::Lab(LabError::Wrong { path: folder.join("lab.toml"), source: Box::new(error) })
        })?;
        if !lab.config().is_file() {
            return Err(OpenError::NoConfig(folder.to_owned()));
        }
        let journal = Arc::new(Journal::create(&folder.join(JOURNAL)).map_err(OpenError::Journal)?);
        let nothing = "nothing has been read yet";
        let known = Known {
            config: Err(nothing.to_owned()),
            snapshot: Err(nothing.to_owned()),
            taken_up: None,
            config_stamp: None,
            beside_stamp: [None; 2],
            due: None,
        };
        let (breaks, _) = broadcast::channel(16);
        let workers = Workers::new(Arc::clone(&journal), lab.runtime());
        Ok(Current { lab, workers, journal, breaks, known: Mutex::new(known) })
    }

    /// Whether a port is one for HTTPS.
    pub fn is_https(&self, port: u16) -> bool {
        let Ok(snapshot) = self.look() else { return false };
        let sites = snapshot.model.sites.iter().filter(|site| site.is_started);
        sites.flat_map(|site| &site.bindings).any(|binding| binding.port == port && binding.https)
    }

    /// The certificate for whoever comes to an address.
    pub fn shown(&self, local: std::net::SocketAddr) -> Shown {
        Shown { lab: self.lab.clone(), local }
    }

    /// What counts now, and has been taken up.
    pub fn look(&self) -> Result<Arc<Snapshot>, String> {
        let mut known = self.known();
        let config_stamp = stamp(&self.lab.config());
        let beside_stamp = [stamp(&self.lab.runtime()), stamp(&self.lab.folder.join("lab.toml"))];
        let now = Instant::now();
        if known.due.is_none() && config_stamp != known.config_stamp {
            let delay = known.snapshot.as_ref().map_or(Duration::ZERO, |before| before.behaviour.delay);
            known.due = Some(now + delay);
        }
        let is_due = known.due.is_some_and(|due| due <= now);
        if !is_due && beside_stamp == known.beside_stamp {
            return known.snapshot.clone();
        }
        // Stamped before it is read: a change in between is seen the next time.
        if is_due {
            known.due = None;
            known.config_stamp = config_stamp;
            let loaded = Config::load(&self.lab.config());
            known.config = loaded.map(Arc::new).map_err(|error| error.to_string());
        }
        known.beside_stamp = beside_stamp;
        match self.read(known.config.clone()) {
            Ok(snapshot) => self.take_up(&mut known, Arc::new(snapshot)),
            Err(why) => {
                self.journal.tell(Event::Misconfigured { why: &why });
                known.snapshot = Err(why);
            }
        }
        known.snapshot.clone()
    }

    fn read(&self, config: Result<Arc<Config>, String>) -> Result<Snapshot, String> {
        let config = config?;
        let lab = Lab::open(&self.lab.folder).map_err(|error| error.to_string())?;
        let behaviour = Behaviour::of(&lab.settings).map_err(|error| error.to_string())?;
        let runtime = Runtime::load(&lab.runtime()).map_err(|error| error.to_string())?;
        let paths = lab.settings.paths;
        Ok(Snapshot { model: read::model(&config, &runtime, &paths), behaviour, paths, config })
    }

    /// Does what the change means for what runs.
    fn take_up(&self, known: &mut Known, snapshot: Arc<Snapshot>) {
        let nothing = Model::default();
        let before = known.taken_up.as_ref().map_or(&nothing, |before| &before.model);
        // The web server itself notes its workers beside the configuration: most often nothing has changed.
        let is_changed = *before != snapshot.model;
        for change in changes(before, &snapshot.model, snapshot.behaviour.reactions) {
            self.workers.take_up(&change, &snapshot.model, snapshot.behaviour.channel);
            if let Change::Break { site } = change {
                // Without a connection there is nothing to break.
                let _ = self.breaks.send(site);
            }
        }
        known.taken_up = Some(Arc::clone(&snapshot));
        known.snapshot = Ok(snapshot);
        if is_changed {
            self.journal.tell(Event::Configured);
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Snapshot {
    /// What the configuration says of the path `rest` below a folder.
    pub fn settings(&self, site: &Site, folder: &Folder, rest: &str) -> Result<Settings, Refusal> {
        effective::settings(&self.config, site, folder, rest, self.behaviour.remove_absent, &self.paths)
    }
}

fn stamp(file: &Path) -> Stamp {
    let data = fs_err::metadata(file).ok()?;
    #[cfg(unix)]
    let number = std::os::unix::fs::MetadataExt::ino(&data);
    #[cfg(windows)]
    let number = std::os::windows::fs::MetadataExt::creation_time(&data);
    Some((data.modified().ok()?, data.len(), number))
}
