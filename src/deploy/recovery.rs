//! Finishes, or takes back, what a command that was killed has left. What is to be done was decided by
//! [`recover`](super::journal::recover()); here it is done.

use super::journal::{End, Fact, Journal, Recovery, Step, Unfinished};
use super::{DeployError, Fault, Hands, Survey, hooks, now, retire, services, show, visits};
use crate::durable::gone;
use crate::held;
use crate::progress::Notice;
use crate::release::{ReleaseId, State as ReleaseState, prune};
use crate::site::iis::plan;
use crate::site::place::BRIDGE_TOML;
use crate::site::probe::sweep;
use crate::site::{Home, SiteSettings, secrets};
use std::collections::BTreeSet;

/// How many times it is looked anew, at most: probing again may turn the way round once.
const ROUNDS: usize = 4;

/// Does all that is due, but what the release `making` is going to use, and says how the site stands then. Whoever calls
/// holds the site's lock, so that this stays true.
pub fn finish(
    home: &Home,
    settings: &SiteSettings,
    making: Option<&ReleaseId>,
    hands: &mut Hands<'_>,
) -> Result<Survey, DeployError> {
    let failed = |fault: Fault| DeployError::Recovery(fault.into());
    for _ in 0..ROUNDS {
        let survey = Survey::of(home, settings, &mut hands.server)?;
        let todo = survey.recovery(making);
        if todo.is_empty() {
            // One that was killed has left it closed: whoever calls holds the lock, so that none is under way.
            home.open_after_deploy()?;
            return Ok(survey);
        }
        let mut rounded = false;
        for item in &todo {
            if !is_done(&survey, item, hands).map_err(failed)? {
                rounded = true;
                break;
            }
        }
        if !rounded {
            break;
        }
    }
    home.open_after_deploy()?;
    Survey::of(home, settings, &mut hands.server)
}

/// Does one thing. `false` says that what follows has to be decided anew.
fn is_done(survey: &Survey, item: &Recovery, hands: &mut Hands<'_>) -> Result<bool, Fault> {
    let home = &survey.home;
    let journal = Journal::of(&home.folder, home.disk.clone());
    let mut state = home.state()?;
    let spot = &survey.spot;
    match item {
        Recovery::WithdrawPasses => {
            let unwritable = |source| Fault::Unwritable { path: home.folder.clone(), source };
            sweep(&home.folder).map_err(unwritable)?;
        }
        Recovery::RemoveStaging { .. } => {
            drop(hands.server.apply(spot, |actual| plan::unstage(spot, actual, &state.applied))?);
        }
        Recovery::NothingToServe { active } => hands.listener.notice(Notice {
            what: format!("{active}, which the site is to serve, is not whole"),
            help: "a deploy that succeeds takes its place".to_owned(),
        }),
        Recovery::SwitchBack { to } => {
            if let Some(run) = unfinished(survey) {
                journal.resume(run).undoing(Step::Switch)?;
            }
            switch(survey, to, hands)?;
            if let Some(run) = unfinished(survey) {
                journal.resume(run).undone(Step::Switch)?;
            }
        }
        Recovery::ProbeAgain { release, back_to } => {
            return probe_again(survey, &journal, release, back_to.as_ref(), hands);
        }
        Recovery::Register { release } => {
            let Some(complete) = survey.complete(release) else { return Ok(true) };
            let place = survey.place_of(complete);
            let wanted = survey.wanted(&place)?;
            let done = hands
                .server
                .apply(spot, |actual| plan::prepare(&wanted, actual, &state.applied, false))?;
            state.applied = done.plan.applied;
            home.write_state(&state)?;
        }
        Recovery::MoveServices { release } => services::recover(survey, &mut state, release, hands)?,
        Recovery::RunHooksAfter { release, .. } => hooks_after(survey, release, hands),
        Recovery::TellOfHooks { release } => hands.listener.notice(Notice {
            what: format!("hooks before the switch to {release} were cut short"),
            help: "what they had done, such as half of the migrations, stays: they run again with the next deploy"
                .to_owned(),
        }),
        Recovery::Retire { release, not_before } => {
            let at = not_before.unwrap_or_else(|| now() + u64::from(survey.settings.drain()));
            if at > now() {
                journal.note(vec![Fact::Retiring { release: release.clone(), at }])?;
            } else {
                retire::end_processes(survey, release)?;
                journal.note(vec![Fact::Retired { release: release.clone() }])?;
            }
        }
        Recovery::ForgetRetiring { release } => {
            journal.note(vec![Fact::Retired { release: release.clone() }])?;
        }
        Recovery::Unregister { release } => {
            let folder = survey.releases.folder().join(release).to_string_lossy().into_owned();
            let done = hands
                .server
                .apply(spot, |actual| plan::unregister(release.as_str(), &folder, actual, &state.applied))?;
            state.applied = done.plan.applied;
            home.write_state(&state)?;
        }
        Recovery::ForgetTold { release } => {
            // Its secrets first. What is held of the rest goes with a later command: it is in nobody's way.
            let run = survey.releases.run(release);
            let _ = gone(home.disk.remove_file(&run.join(BRIDGE_TOML))).and_then(|()| held::remove_dir_all(&run));
        }
        Recovery::RemoveLeftover { release } | Recovery::FinishPruning { release } => {
            let whole = prune::plan(
                &survey.releases,
                &survey.found,
                prune::Kept { active: survey.active.as_ref(), before: None, count: usize::MAX },
            );
            let removals = whole.removals.into_iter().filter(|removal| removal.id == *release).collect();
            let one = prune::PrunePlan { removals, left: Vec::new() };
            retire::prune(survey, &mut state, one, &journal, hands)?;
        }
        Recovery::ForgetHeld { release } => {
            journal.note(vec![Fact::Pruned { release: release.clone() }])?;
        }
        Recovery::Close { end, .. } => close(survey, &journal, *end)?,
    }
    Ok(true)
}

fn unfinished(survey: &Survey) -> Option<&Unfinished> {
    survey.history.unfinished.as_ref()
}

/// The run is over; what serves now is what is active.
fn close(survey: &Survey, journal: &Journal, end: End) -> Result<(), Fault> {
    let Some(run) = unfinished(survey) else { return Ok(()) };
    let mut state = survey.home.state()?;
    let serving = if end == End::Done { Some(&run.to) } else { run.from.as_ref() };
    let before = state.clone();
    serving.into_iter().for_each(|serving| state.activate(serving));
    // One that was adopted by this run, and is none after all, is nobody's release.
    state.adopted.retain(|id, _| {
        survey.found.iter().any(|found| {
            found.id == *id
                && (matches!(found.state, ReleaseState::Complete(_)) || Some(id) == survey.active.as_ref())
        })
    });
    if state != before {
        survey.home.write_state(&state)?;
    }
    journal.resume(run).close(end)?;
    Ok(())
}

/// Has the switch point at a release that is there.
fn switch(survey: &Survey, to: &ReleaseId, hands: &mut Hands<'_>) -> Result<(), Fault> {
    let complete = survey.complete(to).ok_or_else(|| Fault::Gone { release: to.clone() })?;
    let wanted = survey.wanted(&survey.place_of(complete))?;
    let mut state = survey.home.state()?;
    let done = hands.server.apply(&survey.spot, |actual| {
        let prepared = plan::prepare(&wanted, actual, &state.applied, false);
        let switched = plan::switch(&wanted, actual, &prepared.applied, true);
        prepared.then(switched)
    })?;
    state.applied = done.plan.applied;
    match unfinished(survey).filter(|run| run.from.as_ref() == Some(to)) {
        // As it was before the run, and not where the run wanted to go.
        Some(run) => {
            state.active = Some(to.clone());
            state.previous = run.before.clone().filter(|before| before != to);
        }
        None => state.activate(to),
    }
    Ok(survey.home.write_state(&state)?)
}

fn probe_again(
    survey: &Survey,
    journal: &Journal,
    release: &ReleaseId,
    back_to: Option<&ReleaseId>,
    hands: &mut Hands<'_>,
) -> Result<bool, Fault> {
    let Some(complete) = survey.complete(release) else { return Ok(true) };
    let place = survey.place_of(complete);
    let (_, told) = survey.told(&place)?;
    if !survey.home.is_told(&place, &told) {
        survey.home.tell(&place, &told)?;
        retire::end_processes(survey, release)?;
    }
    // A site that was only half made when its first deploy was killed cannot be asked.
    let (wanted, mut state) = (survey.wanted(&place)?, survey.home.state()?);
    let done = hands.server.apply(&survey.spot, |actual| {
        let prepared = plan::prepare(&wanted, actual, &state.applied, false);
        let settled = plan::settle(&wanted, actual, &prepared.applied, false);
        prepared.then(settled)
    })?;
    if !done.changes.is_empty() {
        state.applied = done.plan.applied;
        survey.home.write_state(&state)?;
    }
    let questions = visits::of_release(&survey.settings, &survey.spot, &complete.release);
    let addresses = survey.addresses();
    let (settings, iis) = (&survey.settings, &survey.iis);
    let shown =
        show::Shown { settings, iis, place: &place, addresses: &addresses, questions: &questions, warm: 1 };
    let asked = shown.real(&BTreeSet::new(), &[], &mut |notice| hands.listener.notice(notice));
    match (asked, back_to) {
        (Ok(_), _) => {
            if let Some(run) = unfinished(survey) {
                journal.resume(run).done(Step::Probe, Vec::new())?;
            }
            Ok(true)
        }
        (Err(fault), Some(_)) => {
            hands.listener.notice(Notice {
                what: format!("{release} does not serve well, so that the one before comes back: {fault}"),
                help: "deploy it again once that is mended".to_owned(),
            });
            // From here on there is only the way back, which the next round takes.
            if let Some(run) = unfinished(survey) {
                journal.resume(run).undoing(Step::Switch)?;
            }
            Ok(false)
        }
        (Err(fault), None) => {
            hands.listener.notice(Notice {
                what: format!("{release} does not serve well, and there is none before it: {fault}"),
                help: "a deploy that succeeds takes its place".to_owned(),
            });
            if let Some(run) = unfinished(survey) {
                journal.resume(run).done(Step::Probe, Vec::new())?;
            }
            Ok(true)
        }
    }
}

/// They may have run already, in part: hooks have to bear that. One that fails now has nobody to be reported to but here.
fn hooks_after(survey: &Survey, release: &ReleaseId, hands: &mut Hands<'_>) {
    let Some(complete) = survey.complete(release) else { return };
    let place = survey.place_of(complete);
    let Ok(given) = secrets::given(&survey.settings, &survey.secrets, &place.manifest) else { return };
    let wanted = &survey.settings.hooks;
    for hook in &wanted.after {
        if let Err(error) = hooks::hook(hook, "after", &place, &given, wanted.limit()) {
            hands.listener.notice(Notice {
                what: error.to_string(),
                help: "run it by hand: the command that should have run it was killed".to_owned(),
            });
        }
    }
}
