//! Releases that do not serve any more: their processes end, and the oldest go.

use std::time::Duration;

use super::journal::{Fact, Journal};
use super::{Copies, Fault, HeldFile, Survey, now};
use crate::progress::Notice;
use crate::release::prune::{self, PrunePlan, Pruned};
use crate::release::{Held, ReleaseId};
use crate::site::bridge_toml;
use crate::site::iis::plan;
use crate::site::state::State;

use super::Hands;

/// How long one turn of waiting takes.
const TURN: Duration = Duration::from_millis(500);

/// Waits until a release may be retired, or there is no need to wait any more.
pub fn wait_until(at: u64, is_over: impl Fn() -> bool) {
    while now() < at && !is_over() {
        std::thread::sleep(TURN);
    }
}

/// Has the processes of a release end as soon as they are idle.
pub fn end_processes(survey: &Survey, release: &ReleaseId) -> Result<(), Fault> {
    let run = survey.releases.run(release);
    // Of one that is gone there is nothing left to end: its processes ended with its registration. One that is damaged
    // may have some.
    if !survey.found.iter().any(|found| found.id == *release) || !run.exists() {
        return Ok(());
    }
    bridge_toml::retire_in(&run, &survey.home.disk).map_err(|source| Fault::Unwritable { path: run, source })
}

/// Removes releases, each with its FastCGI application first: else IIS would go on naming a program that is gone. What is
/// held is written down, and is no failure.
pub fn prune(
    survey: &Survey,
    state: &mut State,
    removals: PrunePlan,
    journal: &Journal,
    hands: &mut Hands<'_>,
) -> Result<Vec<Fact>, Fault> {
    for removal in &removals.removals {
        let folder = removal.folder.to_string_lossy().into_owned();
        let applied = state.applied.clone();
        let unregister = |actual: &_| plan::unregister(removal.id.as_str(), &folder, actual, &applied);
        state.applied = hands.server.apply(&survey.spot, unregister)?.plan.applied;
        survey.home.write_state(state)?;
    }
    let pruned = prune::carry_out(removals, survey.releases.disk(), hands.listener.progress());
    let facts = facts(&pruned);
    if !facts.is_empty() {
        journal.note(facts.clone())?;
    }
    Ok(facts)
}

/// Removes copies of databases. Returns whose are gone; what is held goes another time, and is no failure.
pub fn prune_copies(survey: &Survey, copies: &[Copies], hands: &Hands<'_>) -> Vec<ReleaseId> {
    let mut gone = Vec::new();
    for one in copies {
        match one.remove(&survey.home.disk) {
            Ok(()) => gone.push(one.release.clone()),
            Err(error) => hands.listener.notice(Notice {
                what: format!("{one} stay for now: {error}"),
                help: "the next command that prunes tries again".to_owned(),
            }),
        }
    }
    gone
}

/// What is to be written down of a pruning.
pub fn facts(pruned: &Pruned) -> Vec<Fact> {
    let gone = pruned.removed.iter().map(|release| Fact::Pruned { release: release.clone() });
    let held = pruned.held.iter();
    let held = held.map(|(release, held)| Fact::held(release, held.iter().map(|held| &*held.path)));
    gone.chain(held).collect()
}

/// Nothing of it may be left.
pub fn all_gone(pruned: Pruned) -> Result<(), Fault> {
    let files: Vec<HeldFile> = pruned
        .held
        .into_iter()
        .flat_map(|(_, held)| held)
        .map(|Held { path, .. }| HeldFile { path })
        .collect();
    if files.is_empty() { Ok(()) } else { Err(Fault::Held(files)) }
}
