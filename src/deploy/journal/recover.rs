//! What is to be done after a command was killed: from what the journal tells and how things are, without effects.

use std::collections::{BTreeMap, BTreeSet};

use crate::release::ReleaseId;

use super::{End, History, Pending, RunId, Stand, Step, Unfinished, Work};

/// How things are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actual {
    /// The releases of the site.
    pub releases: BTreeMap<ReleaseId, Standing>,
    /// Those that Holdall never removes, since they were deployed where they lay.
    pub adopted: BTreeSet<ReleaseId>,
    /// The one that the switch points at.
    pub active: Option<ReleaseId>,
    /// Staging sites of this site that exist.
    pub staging: BTreeSet<String>,
    /// Releases with a FastCGI application.
    pub registered: BTreeSet<ReleaseId>,
    /// Releases of which there is what they were told, whether or not they are there.
    pub told: BTreeSet<ReleaseId>,
    /// There is leave to probe that nobody has taken back.
    pub has_passes: bool,
}

/// How a release stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Complete,
    /// It has no mark: it was being made.
    Incomplete,
    /// It was being removed.
    Pruning,
    /// Its mark does not hold: somebody has to look.
    Damaged,
}

/// One thing to do, to be done in the order in which they come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovery {
    /// Take back leave to probe.
    WithdrawPasses,
    RemoveStaging {
        site: String,
    },
    /// The switch points at a release that is not whole, and there is none that could take its place: somebody has to
    /// deploy one.
    NothingToServe {
        active: ReleaseId,
    },
    /// Point the switch at this release again, which served before.
    SwitchBack {
        to: ReleaseId,
    },
    /// The release serves, and nobody has seen it do so: probe the real bindings, and go back if it is not well. Then
    /// what follows does not hold any more, and has to be asked for again.
    ProbeAgain {
        release: ReleaseId,
        back_to: Option<ReleaseId>,
    },
    /// Register the FastCGI application of the release that serves.
    Register {
        release: ReleaseId,
    },
    /// Have the services run from this release, which serves.
    MoveServices {
        release: ReleaseId,
    },
    /// Run the hooks after a deploy; `begun` says that some of them may have run.
    RunHooksAfter {
        release: ReleaseId,
        begun: bool,
    },
    /// Hooks before the switch to this release were cut short, and it does not serve. What they have done, such as
    /// half of the migrations, stays: say so.
    TellOfHooks {
        release: ReleaseId,
    },
    /// End the processes of a release that does not serve any more: not before this time (seconds since 1970) or, if
    /// none is given, once it has been drained from now on.
    Retire {
        release: ReleaseId,
        not_before: Option<u64>,
    },
    /// A release that was to be retired serves again, or is gone: think no more of it.
    ForgetRetiring {
        release: ReleaseId,
    },
    /// Remove the FastCGI application of a release that is not there any more.
    Unregister {
        release: ReleaseId,
    },
    /// Remove what a release was told that is not there any more: it may hold secrets.
    ForgetTold {
        release: ReleaseId,
    },
    /// Remove what there is of a release that was never complete, unless it is made now.
    RemoveLeftover {
        release: ReleaseId,
    },
    /// Go on removing a release.
    FinishPruning {
        release: ReleaseId,
    },
    /// Files were held of a release that is gone since: think no more of them.
    ForgetHeld {
        release: ReleaseId,
    },
    /// Write down the end of the run. If probing or the way back fails, it is another.
    Close {
        run: RunId,
        end: End,
    },
}

/// What is to be done. Done again after all of it was done, it is nothing; what is due later stays.
pub fn recover(history: &History, actual: &Actual) -> Vec<Recovery> {
    let mut todo = Vec::new();
    if actual.has_passes {
        todo.push(Recovery::WithdrawPasses);
    }
    todo.extend(actual.staging.iter().map(|site| Recovery::RemoveStaging { site: site.clone() }));
    let unfinished = history.unfinished.as_ref();
    let serving = serving(unfinished, actual, &mut todo);
    todo.extend(
        serving
            .iter()
            .filter(|release| !actual.registered.contains(*release))
            .map(|release| Recovery::Register { release: release.clone() }),
    );
    if let Some(run) = unfinished {
        finish(run, &history.pending, serving.as_ref(), &mut todo);
    }
    todo.extend(pending(history, actual, serving.as_ref(), &todo));
    clean_up(actual, serving.as_ref(), &mut todo);
    if let Some(run) = unfinished {
        let goes_back = todo.iter().any(|said| matches!(said, Recovery::SwitchBack { .. }));
        let went_back = matches!(run.steps.get(&Step::Switch), Some(Stand::Undoing | Stand::Undone));
        let end = match serving.as_ref() {
            Some(serving) if *serving == run.to => End::Done,
            Some(_) if goes_back || went_back => End::RolledBack,
            _ => End::Failed,
        };
        todo.push(Recovery::Close { run: run.id.clone(), end });
    }
    todo
}

/// Which release will serve once the beginning of `todo` is done, whatever a probe then says.
fn serving(run: Option<&Unfinished>, actual: &Actual, todo: &mut Vec<Recovery>) -> Option<ReleaseId> {
    let active = actual.active.clone()?;
    let before = run.and_then(|run| run.from.clone());
    let before = before.filter(|before| *before != active && actual.is_complete(before));
    if !actual.is_complete(&active) {
        // The promise is a whole release at every instant, so this takes a hand from outside. The new one may be whole.
        let whole = before.or_else(|| run.map(|run| run.to.clone()).filter(|to| actual.is_complete(to)));
        match &whole {
            Some(to) => todo.push(Recovery::SwitchBack { to: to.clone() }),
            None => todo.push(Recovery::NothingToServe { active }),
        }
        return whole;
    }
    let Some(run) = run.filter(|run| run.to == active) else { return Some(active) };
    match before {
        Some(before) if run.is_on_its_way_back() => {
            todo.push(Recovery::SwitchBack { to: before.clone() });
            Some(before)
        }
        // With nowhere to go back to it is the best there is.
        before => {
            let was_switched = run.from.as_ref() != Some(&run.to) || run.steps.contains_key(&Step::Switch);
            if was_switched && !run.is_done(Step::Probe) {
                todo.push(Recovery::ProbeAgain { release: active.clone(), back_to: before });
            }
            Some(active)
        }
    }
}

/// What the run has yet to do, or to take back, apart from the switch.
fn finish(run: &Unfinished, pending: &Pending, serving: Option<&ReleaseId>, todo: &mut Vec<Recovery>) {
    let Some(serving) = serving else { return };
    let stand = |step| run.steps.get(&step).copied();
    if *serving != run.to {
        if stand(Step::HooksBefore) == Some(Stand::Begun) {
            todo.push(Recovery::TellOfHooks { release: run.to.clone() });
        }
        if !matches!(stand(Step::Services), None | Some(Stand::Undone)) {
            todo.push(Recovery::MoveServices { release: serving.clone() });
        }
        return;
    }
    if !run.steps.contains_key(&Step::Switch) && run.from.as_ref() == Some(serving) {
        // The same release again, and nothing was switched yet.
        return;
    }
    if !run.is_done(Step::Services) {
        todo.push(Recovery::MoveServices { release: serving.clone() });
    }
    // Going back runs none, nor does telling a release something new.
    if run.work == Work::Deploy && run.from.as_ref() != Some(serving) && !run.is_done(Step::HooksAfter) {
        let begun = stand(Step::HooksAfter).is_some();
        todo.push(Recovery::RunHooksAfter { release: serving.clone(), begun });
    }
    let before = run.from.as_ref().filter(|before| *before != serving && !run.is_done(Step::Retire));
    todo.extend(before.map(|release| {
        let not_before = pending.retiring.get(release).copied();
        Recovery::Retire { release: release.clone(), not_before }
    }));
}

/// What earlier runs have left for later.
fn pending(
    history: &History,
    actual: &Actual,
    serving: Option<&ReleaseId>,
    todo: &[Recovery],
) -> Vec<Recovery> {
    let is_there = |release: &ReleaseId| actual.releases.contains_key(release);
    let is_said = |release: &ReleaseId| {
        todo.iter().any(|said| matches!(said, Recovery::Retire { release: known, .. } if known == release))
    };
    let retiring = history.pending.retiring.iter().filter_map(|(release, at)| {
        let release = release.clone();
        match () {
            () if Some(&release) == serving || !is_there(&release) => {
                Some(Recovery::ForgetRetiring { release })
            }
            () if is_said(&release) => None,
            () => Some(Recovery::Retire { release, not_before: Some(*at) }),
        }
    });
    let held = history.pending.held.keys().filter(|release| !is_there(release));
    retiring.chain(held.map(|release| Recovery::ForgetHeld { release: release.clone() })).collect()
}

/// What is of no use to anybody, whoever has left it.
fn clean_up(actual: &Actual, serving: Option<&ReleaseId>, todo: &mut Vec<Recovery>) {
    // As long as the switch points there it must not go, in whatever state it is.
    let is_free = |release: &ReleaseId| actual.active.as_ref() != Some(release) && serving != Some(release);
    let is_gone = |release: &ReleaseId| {
        matches!(actual.releases.get(release), None | Some(Standing::Incomplete | Standing::Pruning))
    };
    for release in actual.registered.iter().filter(|release| is_free(release) && is_gone(release)) {
        todo.push(Recovery::Unregister { release: release.clone() });
    }
    let untold =
        actual.told.iter().filter(|release| is_free(release) && !actual.releases.contains_key(*release));
    todo.extend(untold.map(|release| Recovery::ForgetTold { release: release.clone() }));
    for (release, standing) in actual.releases.iter().filter(|(release, _)| is_free(release)) {
        let release = release.clone();
        match standing {
            _ if actual.adopted.contains(&release) => {}
            Standing::Incomplete => todo.push(Recovery::RemoveLeftover { release }),
            Standing::Pruning => todo.push(Recovery::FinishPruning { release }),
            Standing::Complete | Standing::Damaged => {}
        }
    }
}

impl Actual {
    pub(super) fn is_complete(&self, release: &ReleaseId) -> bool {
        self.releases.get(release) == Some(&Standing::Complete)
    }
}
