//! A journal's lines, read into what matters now.

use std::collections::{BTreeMap, BTreeSet};

use crate::release::ReleaseId;

use super::{End, Event, Fact, Line, RunId, Step, Work, render};

/// What a journal tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The run that was left without an end.
    pub unfinished: Option<Unfinished>,
    /// The last run with one.
    pub last: Option<Closed>,
    pub pending: Pending,
    /// Lines that say nothing: what a power cut left of one, or what somebody has changed by hand.
    pub unread: usize,
}

/// A run that nobody has ended: its process was killed, or the machine went down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    pub id: RunId,
    pub work: Work,
    /// The release that served when it began.
    pub from: Option<ReleaseId>,
    /// The one that is to serve.
    pub to: ReleaseId,
    /// To which a rollback went before it.
    pub before: Option<ReleaseId>,
    /// Seconds since 1970.
    pub since: u64,
    pub steps: BTreeMap<Step, Stand>,
    /// The name of a staging site that was to be made.
    pub staging: Option<String>,
    /// Processes of `to` that were warmed up.
    pub processes: BTreeSet<u32>,
}

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    Begun,
    Done,
    Undoing,
    Undone,
}

/// A run that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    pub id: RunId,
    pub work: Work,
    pub from: Option<ReleaseId>,
    pub to: ReleaseId,
    pub end: End,
    /// Seconds since 1970.
    pub at: u64,
}

/// What is left for later commands, though every run has ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pending {
    /// Releases to be retired, and when, in seconds since 1970.
    pub retiring: BTreeMap<ReleaseId, u64>,
    /// Releases that are being pruned: how many files are held, and the names of some.
    pub held: BTreeMap<ReleaseId, (usize, Vec<String>)>,
}

impl History {
    /// Reads all lines that are whole.
    pub(super) fn of(bytes: &[u8]) -> History {
        let mut history = History::default();
        for line in lines(bytes) {
            match line {
                Some((_, line)) => history.take(line),
                None => history.unread += 1,
            }
        }
        history
    }

    fn take(&mut self, line: Line) {
        let Line { run, at, event } = line;
        if let Event::Begun { facts, .. } | Event::Done { facts, .. } | Event::Noted { facts } = &event {
            facts.iter().for_each(|fact| self.pending.take(fact));
        }
        match (event, run) {
            (Event::Opened { work, from, to, before }, Some(id)) => {
                self.unfinished = Some(Unfinished {
                    id,
                    work,
                    from,
                    to,
                    before,
                    since: at,
                    steps: BTreeMap::new(),
                    staging: None,
                    processes: BTreeSet::new(),
                });
            }
            (Event::Closed { end }, Some(run)) => {
                if let Some(Unfinished { id, work, from, to, .. }) =
                    self.unfinished.take_if(|unfinished| unfinished.id == run)
                {
                    self.last = Some(Closed { id, work, from, to, end, at });
                }
            }
            (event, Some(run)) => {
                if let Some(unfinished) = self.unfinished.as_mut().filter(|unfinished| unfinished.id == run) {
                    unfinished.take(event);
                }
            }
            (_, None) => {}
        }
    }
}

impl Unfinished {
    fn take(&mut self, event: Event) {
        let (step, stand, facts) = match event {
            Event::Begun { step, facts } => (step, Stand::Begun, facts),
            Event::Done { step, facts } => (step, Stand::Done, facts),
            Event::Undoing { step } => (step, Stand::Undoing, Vec::new()),
            Event::Undone { step } => (step, Stand::Undone, Vec::new()),
            Event::Opened { .. } | Event::Closed { .. } | Event::Noted { .. } => return,
        };
        self.steps.insert(step, stand);
        for fact in facts {
            match fact {
                Fact::Staging { site, .. } => self.staging = Some(site),
                Fact::Processes(processes) => self.processes.extend(processes),
                Fact::Retiring { .. } | Fact::Retired { .. } | Fact::Held { .. } | Fact::Pruned { .. } => {}
            }
        }
    }

    /// Whether the run has turned round: it takes back what it did.
    pub fn is_on_its_way_back(&self) -> bool {
        self.steps.values().any(|stand| matches!(stand, Stand::Undoing | Stand::Undone))
    }

    pub fn is_done(&self, step: Step) -> bool {
        self.steps.get(&step) == Some(&Stand::Done)
    }
}

impl Pending {
    fn take(&mut self, fact: &Fact) {
        match fact {
            Fact::Retiring { release, at } => {
                self.retiring.insert(release.clone(), *at);
            }
            Fact::Retired { release } => {
                self.retiring.remove(release);
            }
            Fact::Held { release, count, named } => {
                self.held.insert(release.clone(), (*count, named.clone()));
            }
            Fact::Pruned { release } => {
                self.retiring.remove(release);
                self.held.remove(release);
            }
            Fact::Staging { .. } | Fact::Processes(_) => {}
        }
    }

    fn facts(self) -> Vec<Fact> {
        let retiring = self.retiring.into_iter().map(|(release, at)| Fact::Retiring { release, at });
        let held =
            self.held.into_iter().map(|(release, (count, named))| Fact::Held { release, count, named });
        retiring.chain(held).collect()
    }
}

/// What a new journal begins with: the last run as it stands, and what was pending before it.
pub(super) fn carried_over(bytes: &[u8], now: u64) -> Vec<u8> {
    let lines: Vec<(&[u8], Line)> = lines(bytes).flatten().collect();
    let last = lines.iter().rposition(|(_, line)| matches!(line.event, Event::Opened { .. }));
    let (before, after) = lines.split_at(last.unwrap_or(lines.len()));
    let mut history = History::default();
    before.iter().for_each(|(_, line)| history.take(line.clone()));
    let facts = history.pending.facts();
    let mut text = Vec::new();
    if !facts.is_empty() {
        text.extend(render(&Line { run: None, at: now, event: Event::Noted { facts } }).into_bytes());
        text.push(b'\n');
    }
    for (raw, _) in after {
        text.extend_from_slice(raw);
        text.push(b'\n');
    }
    text
}

/// The lines, and `None` for each that is none: half a line, or zeros that a file system left for what it lost.
fn lines(bytes: &[u8]) -> impl Iterator<Item = Option<(&[u8], Line)>> {
    let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).ok().map(|read| (line, read)))
}
