//! The steps of a deploy and of a rollback, in their order. Each is written down before it begins and once it is done, so
//! that whoever comes after a crash knows.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use super::journal::{End, Fact, Journal, Run, Step};
use super::plan::Make;
use super::undo::{Undo, take_back};
use super::{
    DeployError, DeployPlan, Fault, Hands, Outcome, Source, StepFault, Survey, check, hooks, make, now,
    retire, show,
};
use crate::progress::Notice;
use crate::release::{self, Complete, ReleaseId};
use crate::site::iis::{Wanted, plan as iis};
use crate::site::state::State;
use crate::site::{BridgeToml, Place};

/// Does what was planned. What fails up to the probe after the switch is taken back.
pub fn carry_out(
    plan: DeployPlan,
    survey: &Survey,
    source: Option<Source>,
    hands: &mut Hands<'_>,
) -> Result<Outcome, DeployError> {
    let (release, from) = (plan.release.clone(), plan.from.clone());
    plan.notices.iter().for_each(|notice| hands.listener.notice(notice.clone()));
    if plan.is_empty() {
        return Ok(Outcome { release, from, changed: false, retires: None });
    }
    let journal = Journal::of(&survey.home.folder, survey.home.disk.clone());
    let run = journal.open(plan.work, from.as_ref(), &release)?;
    let mut undo = Undo::new(survey);
    let mut state = survey.state.clone();
    let after = |fault: Fault| DeployError::After { release: release.clone(), fault: fault.into() };
    match into_service(&plan, survey, source, &run, &mut state, &mut undo, hands) {
        Ok(serving) => {
            let followed = after_the_switch(&plan, survey, &serving, &run, &journal, &mut state, hands);
            // Hooks that fail are told; that the release serves is a fact all the same.
            followed.and_then(|(failed, retires)| {
                run.close(End::Done)?;
                failed.map_or(Ok(retires), Err)
            })
        }
        .map_err(after)
        .map(|retires| Outcome {
            release: release.clone(),
            from: plan.from.clone(),
            changed: true,
            retires,
        }),
        Err(fault) => {
            let end = if undo.has_switched() { End::RolledBack } else { End::Failed };
            match take_back(undo, survey, &run, hands) {
                Ok(()) => {
                    // Without this line the next command finds nothing to do, and writes it.
                    let _ = run.close(end);
                    Err(DeployError::RolledBack { release, serving: from, fault: fault.into() })
                }
                // The run stays open: the next command goes on with the way back.
                Err(undo) => {
                    let (undo, fault) = (undo.into(), fault.into());
                    Err(DeployError::NotRolledBack { release, undo, fault })
                }
            }
        }
    }
}

/// The release that serves now.
struct Serving {
    place: Place,
    given: BTreeMap<String, String>,
}

/// One step: begun, done, and both written down.
fn step<T>(
    run: &Run<'_>,
    hands: &mut Hands<'_>,
    step: Step,
    facts: Vec<Fact>,
    work: impl FnOnce(&mut Hands<'_>) -> Result<(T, Vec<Fact>), Fault>,
) -> Result<T, StepFault> {
    let at = |fault: Fault| StepFault { step, fault: fault.into() };
    hands.listener.step(step);
    run.begin(step, facts).map_err(|error| at(error.into()))?;
    let (value, facts) = work(hands).map_err(at)?;
    run.done(step, facts).map_err(|error| at(error.into()))?;
    Ok(value)
}

fn into_service(
    plan: &DeployPlan,
    survey: &Survey,
    source: Option<Source>,
    run: &Run<'_>,
    state: &mut State,
    undo: &mut Undo,
    hands: &mut Hands<'_>,
) -> Result<Serving, StepFault> {
    let complete = made(plan, survey, source, run, state, undo, hands)?;
    let place = survey.place_of(&complete);
    let at = |step| move |fault: Fault| StepFault { step, fault: fault.into() };
    let (given, told) = survey.told(&place).map_err(|error| at(Step::Complete)(error.into()))?;
    tell(plan, survey, &place, &told, undo).map_err(at(Step::Complete))?;
    let wanted = survey.wanted(&place).map_err(|error| at(Step::Register)(error.into()))?;

    if plan.switches() && !plan.before.is_empty() {
        step(run, hands, Step::HooksBefore, Vec::new(), |hands| {
            hooks_before(survey, &place, &given, hands).map(|()| ((), Vec::new()))
        })?;
    }
    if plan.switches() || plan.tells {
        step(run, hands, Step::SelfCheck, Vec::new(), |_| {
            check::ask(&place)?;
            Ok(((), Vec::new()))
        })?;
    }
    step(run, hands, Step::Register, Vec::new(), |hands| {
        undo.registers(&place);
        let done = hands
            .server
            .apply(&survey.spot, |actual| iis::prepare(&wanted, actual, &state.applied, plan.take_over))?;
        undo.registered(done.changes);
        state.applied = done.plan.applied;
        survey.home.write_state(state)?;
        Ok(((), Vec::new()))
    })?;
    let addresses = survey.addresses();
    let (questions, warm) = (&plan.questions, plan.warm as usize);
    let shown = show::Shown { survey, place: &place, addresses: &addresses, questions, warm };
    let mut warmed = BTreeSet::new();
    if plan.switches() {
        let unbound = |source| Fault::Unwritable { path: "127.0.0.1".into(), source };
        let port = show::free_port().map_err(|error| at(Step::Stage)(unbound(error)))?;
        let staging = Fact::Staging { site: survey.spot.staging(), port };
        warmed = step(run, hands, Step::Stage, vec![staging], |hands| {
            undo.stages();
            stage(survey, &shown, &wanted, state, port, hands)
        })?;
    }
    step(run, hands, Step::Switch, Vec::new(), |hands| {
        undo.switches();
        let done = hands.server.apply(&survey.spot, |actual| {
            let settled = iis::settle(&wanted, actual, &state.applied, plan.take_over);
            let switched = iis::switch(&wanted, actual, &settled.applied, plan.take_over);
            settled.then(switched)
        })?;
        undo.switched(done.changes);
        state.applied = done.plan.applied;
        state.activate(&plan.release);
        survey.home.write_state(state)?;
        if !plan.switches() && plan.tells {
            retire::end_processes(survey, &plan.release)?;
        }
        Ok(((), Vec::new()))
    })?;
    step(run, hands, Step::Probe, Vec::new(), |hands| {
        shown.real(&warmed, &mut |notice| hands.listener.notice(notice))?;
        Ok(((), Vec::new()))
    })?;
    Ok(Serving { place, given })
}

/// The release, complete: there already, expanded now, or adopted.
fn made(
    plan: &DeployPlan,
    survey: &Survey,
    source: Option<Source>,
    run: &Run<'_>,
    state: &mut State,
    undo: &mut Undo,
    hands: &mut Hands<'_>,
) -> Result<Complete, StepFault> {
    let (Some(source), true) = (source, plan.make != Make::Nothing) else {
        let gone = || Fault::Gone { release: plan.release.clone() };
        let there = survey.complete(&plan.release).cloned().ok_or_else(gone);
        return there.map_err(|fault| StepFault { step: Step::Complete, fault: fault.into() });
    };
    let (trust, listener) = (hands.trust, hands.listener);
    let at = Cell::new(Step::Expand);
    let begin = |step| {
        at.set(step);
        listener.step(step);
        run.begin(step, Vec::new())
    };
    let work = || {
        begin(Step::Expand)?;
        match &plan.make {
            // Known as adopted before it is changed, so that nobody ever removes it.
            Make::Adopt { folder, .. } => {
                state.adopted.insert(plan.release.clone(), folder.clone());
                survey.home.write_state(state)?;
            }
            Make::Expand { folder, .. } => undo.makes(&plan.release, folder),
            Make::Nothing => {}
        }
        let marking = || {
            run.done(Step::Expand, Vec::new())?;
            Ok(begin(Step::Complete)?)
        };
        let made = make::make(survey, source, &plan.make, trust, listener.progress(), marking)?;
        run.done(Step::Complete, Vec::new())?;
        Ok(made)
    };
    let (complete, notices) =
        work().map_err(|fault: Fault| StepFault { step: at.get(), fault: fault.into() })?;
    notices.into_iter().for_each(|notice| listener.notice(notice));
    Ok(complete)
}

/// Settings are written down, and the bridge is told.
fn tell(
    plan: &DeployPlan,
    survey: &Survey,
    place: &Place,
    told: &BridgeToml,
    undo: &mut Undo,
) -> Result<(), Fault> {
    if let Some(text) = &plan.settings {
        undo.writes_settings(survey);
        survey.home.write_settings(text)?;
    }
    // Before IIS is told of the folder. It stays when the rest is taken back: there is no folder of uploads that should say
    // something else.
    if let Some(media) = &plan.media {
        let unwritable = |source| Fault::Unwritable { path: media.path.clone(), source };
        media.write(&survey.home.disk).map_err(unwritable)?;
    }
    if !survey.home.is_told(place, told) {
        undo.tells(place);
        survey.home.tell(place, told)?;
    }
    Ok(())
}

/// Databases are copied before something changes them that has not been there before.
fn hooks_before(
    survey: &Survey,
    place: &Place,
    given: &BTreeMap<String, String>,
    hands: &mut Hands<'_>,
) -> Result<(), Fault> {
    let hooks = &survey.settings.hooks;
    if survey.migrates() {
        let unapplied = hooks::unapplied(place, given)?;
        if !unapplied.is_empty() {
            let copies = hooks::copy_databases(place, given)?;
            for hook in &hooks.backup {
                hooks::hook(hook, place, given)?;
            }
            hands.listener.notice(told_of_migrations(&unapplied, copies.as_deref()));
        }
    }
    for hook in &hooks.before {
        hooks::hook(hook, place, given)?;
    }
    Ok(())
}

fn told_of_migrations(unapplied: &[String], copies: Option<&std::path::Path>) -> Notice {
    let what = match unapplied {
        [one] => format!("the database has not seen the migration {one}"),
        all => {
            format!("the database has not seen {} migrations, the last is {}", all.len(), all[all.len() - 1])
        }
    };
    let help = match copies {
        Some(folder) => format!("a copy of each SQLite database lies in `{}`", folder.display()),
        None => "there is no SQLite database of the site's own to copy; `[hooks] backup` in site.toml saves others"
            .to_owned(),
    };
    Notice { what, help }
}

/// The staging site is made, asked, warmed up, and goes again.
fn stage(
    survey: &Survey,
    shown: &show::Shown<'_>,
    wanted: &Wanted,
    state: &State,
    port: u16,
    hands: &mut Hands<'_>,
) -> Result<(BTreeSet<u32>, Vec<Fact>), Fault> {
    let (spot, applied) = (&survey.spot, &state.applied);
    let _ = hands.server.apply(spot, |actual| iis::stage(wanted, actual, applied, port))?;
    let listener = hands.listener;
    let warmed = shown.staged(port, &mut |notice| listener.notice(notice))?;
    let _ = hands.server.apply(spot, |actual| iis::unstage(spot, actual, applied))?;
    let facts = vec![Fact::Processes(warmed.clone())];
    Ok((warmed, facts))
}

/// The release serves. Returns what failed and is no reason to go back, and when the release before is to be retired, if
/// that is still to come.
fn after_the_switch(
    plan: &DeployPlan,
    survey: &Survey,
    serving: &Serving,
    run: &Run<'_>,
    journal: &Journal,
    state: &mut State,
    hands: &mut Hands<'_>,
) -> Result<(Option<Fault>, Option<u64>), Fault> {
    let mut failed = None;
    if plan.switches() && !plan.after.is_empty() {
        hands.listener.step(Step::HooksAfter);
        run.begin(Step::HooksAfter, Vec::new())?;
        for hook in &survey.settings.hooks.after {
            if let Err(error) = hooks::hook(hook, &serving.place, &serving.given) {
                failed.get_or_insert(Fault::from(error));
            }
        }
        run.done(Step::HooksAfter, Vec::new())?;
    }
    let before: Option<&ReleaseId> = plan.from.as_ref().filter(|_| plan.switches());
    let at = now() + u64::from(plan.drain);
    let facts = before.map(|release| Fact::Retiring { release: release.clone(), at }).into_iter().collect();
    hands.listener.step(Step::Retire);
    run.begin(Step::Retire, facts)?;
    let (mut facts, mut retires) = (Vec::new(), None);
    match before {
        Some(before) if plan.drain == 0 => {
            retire::end_processes(survey, before)?;
            facts.push(Fact::Retired { release: before.clone() });
        }
        Some(_) => retires = Some(at),
        None => {}
    }
    let kept = release::prune::Kept {
        active: Some(&plan.release),
        before: before.or_else(|| survey.before()),
        count: survey.settings.releases.keep as usize,
    };
    let found = survey.releases.find()?;
    let mut prune = release::prune::plan(&survey.releases, &found, kept);
    prune.removals.retain(|removal| !survey.is_draining(&removal.id));
    retire::prune(survey, state, prune, journal, hands)?;
    run.done(Step::Retire, facts)?;
    Ok((failed, retires))
}
