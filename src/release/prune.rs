//! Old releases go: first planned, which ones and why, then removed as far as they can be.
//!
//! A release loses its mark before anything else of it, so that there is no moment in which half of one looks whole.
//! What somebody holds stays for the next time, and the release is known by what its mark has become.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::complete::is_absent;
use super::tree::{self, Held};
use super::{Found, MARK, PRUNING, ReleaseId, Releases, State, mark};
use crate::durable::{Disk, gone};
use crate::progress::{Progress, Running, Stage, Unit};

/// How long to wait before what was refused is tried once more.
const MOMENT: Duration = Duration::from_millis(300);

/// Which releases stay.
#[derive(Debug, Clone, Copy)]
pub struct Kept<'a> {
    /// The one that serves.
    pub active: Option<&'a ReleaseId>,
    /// The one before, to which a rollback goes.
    pub before: Option<&'a ReleaseId>,
    /// How many in all, the newest; those two always do.
    pub count: usize,
}

/// What is going to be removed, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrunePlan {
    pub removals: Vec<Removal>,
    /// What looks broken, but is for a person to look at.
    pub left: Vec<PathBuf>,
}

/// A release that is going to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    pub id: ReleaseId,
    /// The release.
    pub folder: PathBuf,
    /// What could change while it lived, unless one that was adopted under the same name has it.
    pub run: Option<PathBuf>,
    pub why: Why,
}

/// Why a release goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// There are newer ones.
    Old,
    /// It was never completed.
    Incomplete,
    /// Its mark does not hold.
    Damaged,
    /// It was to go before, and not all of it could.
    HalfRemoved,
}

/// What has become of a plan.
#[derive(Debug, Default)]
pub struct Pruned {
    pub removed: Vec<ReleaseId>,
    /// What could not be removed, release by release, to be tried again by the next command.
    pub held: Vec<(ReleaseId, Vec<Held>)>,
}

/// Decides what goes of what was found. An adopted release never does, and neither does what serves or served before.
pub fn plan(releases: &Releases, found: &[Found], kept: Kept<'_>) -> PrunePlan {
    let is_kept = |found: &&Found| [kept.active, kept.before].contains(&Some(&found.id));
    let ours = || found.iter().filter(|found| !found.adopted);
    let mut complete: Vec<_> = ours()
        .filter_map(|found| match &found.state {
            State::Complete(complete) => Some((is_kept(&found), complete.mark.completed, &found.id)),
            _ => None,
        })
        .collect();
    // Those that stay anyway, then the newest.
    complete.sort_by(|one, other| other.cmp(one));
    let old: Vec<&ReleaseId> = complete.into_iter().skip(kept.count).map(|(_, _, id)| id).collect();
    let mut plan = PrunePlan { removals: Vec::new(), left: Vec::new() };
    for found in ours().filter(|found| !is_kept(found)) {
        let why = match &found.state {
            State::Complete(_) if old.contains(&&found.id) => Why::Old,
            State::Complete(_) => continue,
            State::Incomplete => Why::Incomplete,
            State::Pruning => Why::HalfRemoved,
            State::Damaged(error) if error.is_damage() => Why::Damaged,
            State::Damaged(_) => {
                plan.left.push(found.folder.clone());
                continue;
            }
        };
        let (id, folder) = (found.id.clone(), found.folder.clone());
        let is_shared = releases.adopted().iter().any(|adopted| adopted.id == id);
        let run = (!is_shared).then(|| releases.run(&id));
        plan.removals.push(Removal { id, folder, run, why });
    }
    plan
}

/// Removes what was planned, as far as it goes. Never fails: what is held is told.
pub fn carry_out(plan: PrunePlan, disk: &Disk, progress: &dyn Progress) -> Pruned {
    let running = Running::begin(progress, Stage::Prune, plan.removals.len() as u64, Unit::Steps);
    let mut pruned = Pruned::default();
    for removal in plan.removals {
        let held = remove(&removal, disk);
        match held.is_empty() {
            true => pruned.removed.push(removal.id),
            false => pruned.held.push((removal.id, held)),
        }
        running.advance(1);
    }
    pruned
}

fn remove(removal: &Removal, disk: &Disk) -> Vec<Held> {
    let Removal { folder, run, .. } = removal;
    if let Err(source) = mark::take(folder, disk) {
        return vec![Held { path: folder.join(MARK), source }];
    }
    let pruning = folder.join(PRUNING);
    let clear = || {
        let mut held = tree::clear(disk, folder, |path| path == pruning);
        if let Some(run) = run {
            held.extend(remove_all(run, &[], disk));
        }
        held
    };
    let mut held = clear();
    if cfg!(windows) && !held.is_empty() {
        // A folder is not empty there until whoever looks at a file that was in it, as scanners do, has closed it.
        std::thread::sleep(MOMENT);
        held = clear();
    }
    if held.is_empty() {
        // By then only what says that the release was to go is left of it.
        held = remove_all(folder, &[&pruning], disk);
    }
    held
}

/// Removes a folder with all that is in it, `last` after all else.
fn remove_all(folder: &Path, last: &[&Path], disk: &Disk) -> Vec<Held> {
    match fs_err::symlink_metadata(folder) {
        Err(error) if is_absent(&error) => return Vec::new(),
        _ => {}
    }
    let held = tree::clear(disk, folder, |path| last.contains(&path));
    if !held.is_empty() {
        return held;
    }
    let removed = last
        .iter()
        .try_for_each(|path| gone(disk.remove_file(path)))
        .and_then(|()| gone(disk.remove_folder(folder)))
        .and_then(|()| folder.parent().map_or(Ok(()), |above| disk.sync_folder(above)));
    removed.err().map(|source| Held { path: folder.to_owned(), source }).into_iter().collect()
}

impl fmt::Display for PrunePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.removals
            .iter()
            .try_for_each(|removal| writeln!(f, "remove {} ({})", removal.id, removal.why))?;
        self.left
            .iter()
            .try_for_each(|folder| writeln!(f, "leave `{}`, which cannot be read", folder.display()))
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Why::Old => "older than those that are kept",
            Why::Incomplete => "never completed",
            Why::Damaged => "its mark does not hold",
            Why::HalfRemoved => "half of it is removed already",
        })
    }
}
