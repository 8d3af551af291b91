//! `journal.jsonl`: what is done to a site, a line for each step that begins and ends, durable before it goes on.
//!
//! A command that is killed leaves a run without an end. The next one reads how far it got ([`History`]), looks how
//! things are ([`Actual`]), and [`recover()`] says what is to be done: without effects, so that every moment at which
//! a power cut may come can be tried.
//!
//! Two rules make that work. What a step makes outside of the release's folder is written down before it is made.
//! And nothing here is believed that can be seen: which release serves is what the web server says, not the journal.
//! No line holds a value of the environment, a token or a password.

mod history;
mod recover;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::durable::{Disk, Mode};
use crate::release::ReleaseId;

pub use history::{Closed, History, Pending, Stand, Unfinished};
pub use recover::{Actual, Recovery, Standing, recover};

/// The journal's name in the site's folder, and that of what was in it before.
const JOURNAL: &str = "journal.jsonl";
const EARLIER: &str = "journal.1.jsonl";

/// From this size on the next run begins a new journal: some hundred deploys.
const LONG: u64 = 256 * 1024;

/// How many held files are named; the rest is counted.
const NAMED: usize = 20;

/// The steps of a deploy, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    Lock,
    Preflight,
    Plan,
    Fetch,
    Expand,
    /// The server's files are made, and the release is marked complete.
    Complete,
    HooksBefore,
    SelfCheck,
    /// The release's FastCGI application.
    Register,
    /// The staging site: warmed up and probed.
    Stage,
    Switch,
    /// The real bindings.
    Probe,
    Services,
    HooksAfter,
    /// The release before is drained, old ones are pruned.
    Retire,
}

/// One run of a command that changes which release serves: when it began, and eight digits by chance.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

/// What a run is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    Deploy,
    Rollback,
    /// The settings alone are brought to what is wanted.
    Apply,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The release serves.
    Done,
    /// The release before still serves: nothing was switched.
    Failed,
    /// It serves again.
    RolledBack,
    /// It should, and does not.
    RollbackFailed,
}

/// What a step has made or found, for whoever has to finish or to clean up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// A staging site is about to be made.
    Staging {
        site: String,
        port: u16,
    },
    /// Processes of the new release that were warmed up.
    Processes(BTreeSet<u32>),
    /// The release is to be retired at this time, in seconds since 1970, unless it serves again by then.
    Retiring {
        release: ReleaseId,
        at: u64,
    },
    Retired {
        release: ReleaseId,
    },
    /// Files of a release that is being pruned could not be removed. Some of them are named.
    Held {
        release: ReleaseId,
        count: usize,
        named: Vec<String>,
    },
    /// The release is gone, or there is another reason to think no more of what was held.
    Pruned {
        release: ReleaseId,
    },
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Event {
    Opened {
        work: Work,
        from: Option<ReleaseId>,
        to: ReleaseId,
        /// To which a rollback went until then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<ReleaseId>,
    },
    Begun {
        step: Step,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        facts: Vec<Fact>,
    },
    Done {
        step: Step,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        facts: Vec<Fact>,
    },
    Undoing {
        step: Step,
    },
    Undone {
        step: Step,
    },
    Closed {
        end: End,
    },
    /// Something that a later command has done, or that is carried over from an earlier journal.
    Noted {
        facts: Vec<Fact>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run: Option<RunId>,
    /// Seconds since 1970.
    at: u64,
    #[serde(flatten)]
    event: Event,
}

/// Why a journal cannot be kept.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum JournalError {
    #[error("cannot read the journal `{}`", path.display())]
    #[diagnostic(help("check that you may read it, then run the same command again"))]
    Unreadable { path: PathBuf, source: io::Error },

    #[error("cannot write the journal `{}`", path.display())]
    #[diagnostic(help(
        "check that you may write there and that the disk is not full, then run the same command again: \
         it finishes what was begun"
    ))]
    Unwritable { path: PathBuf, source: io::Error },
}

/// The journal of a site. Only whoever holds the site's lock writes to it.
#[derive(Debug, Clone)]
pub struct Journal {
    path: PathBuf,
    disk: Disk,
}

/// A run that is being written down.
#[derive(Debug)]
pub struct Run<'a> {
    journal: &'a Journal,
    id: RunId,
}

impl Journal {
    /// That of the site in `folder`, whether or not it is there.
    pub fn of(folder: &Path, disk: Disk) -> Journal {
        Journal { path: folder.join(JOURNAL), disk }
    }

    /// All that matters of what was written.
    pub fn read(&self) -> Result<History, JournalError> {
        Ok(History::of(&self.bytes()?))
    }

    /// Begins a run. What an earlier one left without an end is taken for finished from here on: recover first.
    pub fn open(
        &self,
        work: Work,
        from: Option<&ReleaseId>,
        to: &ReleaseId,
        before: Option<&ReleaseId>,
    ) -> Result<Run<'_>, JournalError> {
        self.begin_anew_if_long()?;
        let run = Run { journal: self, id: RunId::new().map_err(|source| self.unwritable(source))? };
        run.write(Event::Opened { work, from: from.cloned(), to: to.clone(), before: before.cloned() })?;
        Ok(run)
    }

    /// Goes on with a run that was left without an end.
    pub fn resume(&self, unfinished: &Unfinished) -> Run<'_> {
        Run { journal: self, id: unfinished.id.clone() }
    }

    /// Writes down what belongs to no run of its own: old releases that could be removed at last, for one.
    pub fn note(&self, facts: Vec<Fact>) -> Result<(), JournalError> {
        self.write(None, Event::Noted { facts })
    }

    fn write(&self, run: Option<RunId>, event: Event) -> Result<(), JournalError> {
        let line = render(&Line { run, at: now(), event });
        self.disk.append(&self.path, Mode::Plain, &line).map_err(|source| self.unwritable(source))
    }

    fn bytes(&self) -> Result<Vec<u8>, JournalError> {
        match fs_err::read(&self.path) {
            Ok(bytes) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(JournalError::Unreadable { path: self.path.clone(), source }),
        }
    }

    /// First the copy, then the new journal in one go: at every instant a journal is there that says all that is
    /// pending.
    fn begin_anew_if_long(&self) -> Result<(), JournalError> {
        let bytes = self.bytes()?;
        if (bytes.len() as u64) < LONG {
            return Ok(());
        }
        let anew = history::carried_over(&bytes, now());
        let earlier = self.path.with_file_name(EARLIER);
        self.disk
            .replace(&earlier, Mode::Plain, &bytes)
            .and_then(|()| self.disk.replace(&self.path, Mode::Plain, &anew))
            .map_err(|source| self.unwritable(source))
    }

    fn unwritable(&self, source: io::Error) -> JournalError {
        JournalError::Unwritable { path: self.path.clone(), source }
    }
}

impl Run<'_> {
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// Says that a step begins, and what it is about to make: before anything of it is done.
    pub fn begin(&self, step: Step, facts: Vec<Fact>) -> Result<(), JournalError> {
        self.write(Event::Begun { step, facts })
    }

    /// Says that a step is done, once that is durable.
    pub fn done(&self, step: Step, facts: Vec<Fact>) -> Result<(), JournalError> {
        self.write(Event::Done { step, facts })
    }

    /// Says that a step is about to be taken back. From here on there is only the way back.
    pub fn undoing(&self, step: Step) -> Result<(), JournalError> {
        self.write(Event::Undoing { step })
    }

    pub fn undone(&self, step: Step) -> Result<(), JournalError> {
        self.write(Event::Undone { step })
    }

    /// Says that nothing is left to be done, but what is pending for later commands.
    pub fn close(self, end: End) -> Result<(), JournalError> {
        self.write(Event::Closed { end })
    }

    fn write(&self, event: Event) -> Result<(), JournalError> {
        self.journal.write(Some(self.id.clone()), event)
    }
}

impl Fact {
    /// Files of a release that could not be removed.
    pub fn held<'a>(release: &ReleaseId, files: impl IntoIterator<Item = &'a Path>) -> Fact {
        let files: Vec<&Path> = files.into_iter().collect();
        let named = files.iter().take(NAMED).map(|file| file.to_string_lossy().into_owned()).collect();
        Fact::Held { release: release.clone(), count: files.len(), named }
    }
}

impl RunId {
    fn new() -> io::Result<RunId> {
        let mut digits = [0; 4];
        getrandom::fill(&mut digits).map_err(io::Error::other)?;
        Ok(RunId(format!("{}-{:08x}", now(), u32::from_be_bytes(digits))))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn render(line: &Line) -> String {
    serde_json::to_string(line).expect("text, numbers and lists of them can be written as JSON")
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
