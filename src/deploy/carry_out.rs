//! The steps of a deploy and of a rollback, in their order. Each is written down before it begins and once it is done, so
//! that whoever comes after a crash knows.

use std::collections::{BTreeMap, BTreeSet};

use super::hooks::HookError;
use super::journal::{End, Fact, Journal, Run, Step};
use super::plan::Make;
use super::undo::{Undo, take_back};
use super::{
    DeployError, DeployPlan, Fault, Hands, Outcome, Part, Source, StepFault, Survey, check, hooks, make, now,
    retire, services, show, visits,
};
use crate::progress::Notice;
use crate::release::{self, Complete, ReleaseId};
use crate::site::iis::{Drift, Wanted, plan as iis};
use crate::site::maintenance::By;
use crate::site::state::State;
use crate::site::{BridgeToml, Maintenance, Place, bridge_toml};

/// Does what was planned. What fails up to the probe after the switch is taken back.
pub fn carry_out(
    plan: DeployPlan,
    survey: &Survey,
    source: Option<Source>,
    hands: &mut Hands<'_>,
) -> Result<Outcome, DeployError> {
    let (release, from) = (plan.release.clone(), plan.from.clone());
    let notices = plan.notices.iter().cloned().chain(plan.iis.drift.iter().map(changed_by_others));
    notices.for_each(|notice| hands.listener.notice(notice));
    if plan.is_empty() {
        return Ok(Outcome { release, from, changed: false, retires: None });
    }
    let journal = Journal::of(&survey.home.folder, survey.home.disk.clone());
    let run = journal.open(plan.work, from.as_ref(), &release, survey.state.previous.as_ref())?;
    let (state, undo) = (survey.state.clone(), Undo::new(survey));
    let mut running = Running { plan: &plan, survey, journal: &journal, run: &run, state, undo, hands };
    match running.serve(source) {
        Ok(serving) => {
            running.open();
            let followed = running.after_the_switch(&serving).and_then(|(retires, failed)| {
                run.close(End::Done)
                    .map_err(|error| StepFault { step: Step::Retire, fault: Fault::from(error).into() })?;
                // Hooks that fail are told; that the release serves is a fact all the same.
                failed.map_or(Ok(retires), Err)
            });
            match followed {
                Ok(retires) => Ok(Outcome { release, from, changed: true, retires }),
                Err(fault) => Err(DeployError::After { release, fault: fault.into() }),
            }
        }
        Err(fault) => {
            let (undo, hands) = (running.undo, running.hands);
            let end = if undo.has_switched() { End::RolledBack } else { End::Failed };
            match take_back(undo, survey, &run, hands) {
                Ok(()) => {
                    open(survey, hands);
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

/// A run, and what its steps work with.
struct Running<'a, 'h> {
    plan: &'a DeployPlan,
    survey: &'a Survey,
    journal: &'a Journal,
    run: &'a Run<'a>,
    state: State,
    undo: Undo,
    hands: &'a mut Hands<'h>,
}

/// The release that is brought into service, and the variables that it is given.
struct Serving {
    place: Place,
    given: BTreeMap<String, String>,
}

impl Running<'_, '_> {
    /// All that can be taken back.
    fn serve(&mut self, source: Option<Source>) -> Result<Serving, StepFault> {
        let complete = self.made(source)?;
        let survey = self.survey;
        let place = survey.place_of(&complete);
        let in_vain = |step, fault: Fault| StepFault { step, fault: fault.into() };
        let (given, told) = survey.told(&place).map_err(|error| in_vain(Step::Complete, error.into()))?;
        let wanted = survey.wanted(&place).map_err(|error| in_vain(Step::Register, error.into()))?;
        self.tell(&place, &told).map_err(|fault| in_vain(Step::Complete, fault))?;
        let serving = Serving { place, given };
        let (place, switches) = (&serving.place, self.plan.switches());

        if self.plan.closes {
            let closed = survey.home.close(&Maintenance::begin(By::Deploy));
            closed.map_err(|error| in_vain(Step::HooksBefore, error.into()))?;
        }
        if switches && !self.plan.before.is_empty() {
            self.step(Step::HooksBefore, Vec::new(), |running| running.before_hooks(&serving))?;
        }
        if switches || self.plan.tells {
            self.step(Step::SelfCheck, Vec::new(), |_| {
                Ok(check::ask(place, survey.settings.start_limit())?)
            })?;
        }
        self.step(Step::Register, Vec::new(), |running| running.register(&wanted, place))?;
        let addresses = survey.addresses();
        let (questions, warm) = (&self.plan.questions, self.plan.warm as usize);
        let shown = show::Shown {
            settings: &survey.settings,
            iis: &survey.iis,
            place,
            addresses: &addresses,
            questions,
            warm,
        };
        let warmed = match switches {
            true => self.stage(&wanted, &shown)?,
            false => BTreeSet::new(),
        };
        self.step(Step::Switch, Vec::new(), |running| running.switch(&wanted))?;
        self.step(Step::Probe, Vec::new(), |running| {
            let listener = running.hands.listener;
            let certificates = visits::certificates(&wanted, &running.plan.iis.drift);
            shown.real(&warmed, &certificates, &mut |notice| listener.notice(notice)).map(drop)
        })?;
        if !self.plan.services.is_empty() {
            self.step(Step::Services, Vec::new(), |running| running.move_services(place))?;
        }
        Ok(serving)
    }

    /// Visitors are let in again.
    fn open(&mut self) {
        open(self.survey, self.hands);
    }

    /// One step: begun, done, and both written down.
    fn step<T>(
        &mut self,
        step: Step,
        facts: Vec<Fact>,
        work: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, StepFault> {
        self.step_with_facts(step, facts, |running| Ok((work(running)?, Vec::new())))
    }

    /// One that finds out what others have to know.
    fn step_with_facts<T>(
        &mut self,
        step: Step,
        facts: Vec<Fact>,
        work: impl FnOnce(&mut Self) -> Result<(T, Vec<Fact>), Fault>,
    ) -> Result<T, StepFault> {
        let at = |fault: Fault| StepFault { step, fault: fault.into() };
        self.hands.listener.step(step);
        self.run.begin(step, facts).map_err(|error| at(error.into()))?;
        let clock = self.hands.server.clock.clone();
        let (value, facts) = clock.time(Part::Step(step), || work(self)).map_err(at)?;
        self.run.done(step, facts).map_err(|error| at(error.into()))?;
        Ok(value)
    }

    /// The release, complete: there already, expanded now, or adopted.
    fn made(&mut self, source: Option<Source>) -> Result<Complete, StepFault> {
        let (plan, survey) = (self.plan, self.survey);
        let (Some(source), true) = (source, plan.make != Make::Nothing) else {
            let gone = || Fault::Gone { release: plan.release.clone() };
            let there = survey.complete(&plan.release).cloned().ok_or_else(gone);
            return there.map_err(|fault| StepFault { step: Step::Complete, fault: fault.into() });
        };
        let (trust, progress) = (self.hands.trust, self.hands.listener.progress());
        let laid = self.step(Step::Expand, Vec::new(), |running| {
            match &plan.make {
                // Known as adopted before it is changed, so that nobody ever removes it.
                Make::Adopt { folder, .. } => {
                    running.state.adopted.insert(plan.release.clone(), folder.clone());
                    survey.home.write_state(&running.state)?;
                }
                Make::Expand { folder, .. } => running.undo.makes(&plan.release, folder),
                Make::Nothing => {}
            }
            make::lay(survey, source, &plan.make, trust, progress)
        })?;
        let (complete, notices) =
            self.step(Step::Complete, Vec::new(), |_| make::complete(laid, progress))?;
        notices.into_iter().for_each(|notice| self.hands.listener.notice(notice));
        Ok(complete)
    }

    /// Settings are written down, and the bridge is told.
    fn tell(&mut self, place: &Place, told: &BridgeToml) -> Result<(), Fault> {
        let home = &self.survey.home;
        if let Some(text) = &self.plan.settings {
            self.undo.writes_settings(self.survey)?;
            home.write_settings(text)?;
        }
        // Before IIS is told of the folder. It stays when the rest is taken back: there is no folder of uploads that
        // should say something else.
        if let Some(media) = &self.plan.media {
            let unwritable = |source| Fault::Unwritable { path: media.path.clone(), source };
            media.write(&home.disk).map_err(unwritable)?;
        }
        if !home.is_told(place, told) {
            self.undo.tells(place)?;
            home.tell(place, told)?;
            // Processes that know better than that may be there from the last time. Those that serve stay until the
            // project was seen to start with what it is told now.
            if self.plan.switches() {
                self.has_processes_end(place)?;
            }
        }
        Ok(())
    }

    fn has_processes_end(&self, place: &Place) -> Result<(), Fault> {
        bridge_toml::retire(place, &self.survey.home.disk)
            .map_err(|source| Fault::Unwritable { path: place.run(), source })
    }

    /// Databases are copied before something changes them that has not been there before.
    fn before_hooks(&mut self, Serving { place, given }: &Serving) -> Result<(), Fault> {
        let hooks = &self.survey.settings.hooks;
        let limit = hooks.limit();
        if self.survey.migrates() {
            let unapplied = hooks::unapplied(place, given, limit)?;
            if !unapplied.is_empty() {
                let copies = hooks::copy_databases(place, given, &self.survey.home.disk, limit)?;
                for hook in &hooks.backup {
                    hooks::hook(hook, "backup", place, given, limit)?;
                }
                self.hands.listener.notice(told_of_migrations(&unapplied, copies.as_deref()));
            }
        }
        for hook in &hooks.before {
            hooks::hook(hook, "before", place, given, limit)?;
        }
        Ok(())
    }

    fn register(&mut self, wanted: &Wanted, place: &Place) -> Result<(), Fault> {
        self.undo.registers(place);
        let (applied, take_over) = (&self.state.applied, self.plan.take_over);
        let done = self
            .hands
            .server
            .apply(&wanted.spot, |actual| iis::prepare(wanted, actual, applied, take_over))?;
        self.undo.registered(done.changes);
        self.state.applied = done.plan.applied;
        Ok(self.survey.home.write_state(&self.state)?)
    }

    /// The staging site is made, asked, warmed up, and goes again. Returns the processes that are warm.
    fn stage(&mut self, wanted: &Wanted, shown: &show::Shown<'_>) -> Result<BTreeSet<u32>, StepFault> {
        let spot = &wanted.spot;
        let port = show::free_port().map_err(|source| {
            let fault = Fault::Unwritable { path: "127.0.0.1".into(), source };
            StepFault { step: Step::Stage, fault: fault.into() }
        })?;
        let staging = Fact::Staging { site: spot.staging(), port };
        self.step_with_facts(Step::Stage, vec![staging], |running| {
            running.undo.stages();
            let (server, applied) = (&mut running.hands.server, &running.state.applied);
            let _ = server.apply(spot, |actual| iis::stage(wanted, actual, applied, port))?;
            let listener = running.hands.listener;
            let warmed = shown.staged(port, &mut |notice| listener.notice(notice))?;
            let _ = running.hands.server.apply(spot, |actual| iis::unstage(spot, actual, applied))?;
            Ok((warmed.clone(), vec![Fact::Processes(warmed)]))
        })
    }

    fn switch(&mut self, wanted: &Wanted) -> Result<(), Fault> {
        self.undo.switches();
        let (applied, take_over) = (&self.state.applied, self.plan.take_over);
        let done = self.hands.server.apply(&wanted.spot, |actual| {
            let settled = iis::settle(wanted, actual, applied, take_over);
            let switched = iis::switch(wanted, actual, &settled.applied, take_over);
            settled.then(switched)
        })?;
        self.undo.switched(done.changes);
        self.state.applied = done.plan.applied;
        self.state.activate(&self.plan.release);
        self.survey.home.write_state(&self.state)?;
        if !self.plan.switches() && self.plan.tells {
            retire::end_processes(self.survey, &self.plan.release)?;
        }
        Ok(())
    }

    fn move_services(&mut self, place: &Place) -> Result<(), Fault> {
        self.undo.moves_services();
        let survey = self.survey;
        let wanted = services::wanted(survey, place);
        let started = services::go_over(survey, &mut self.state, &wanted, &place.release)?;
        let started: Vec<_> = started.iter().collect();
        Ok(survey.manager.settle(&started, &place.shared())?)
    }

    /// The release serves. Returns when the one before is to end, in seconds since 1970, if that is still to come; and what
    /// failed and is no reason to stop.
    fn after_the_switch(&mut self, serving: &Serving) -> Result<(Option<u64>, Option<StepFault>), StepFault> {
        let (plan, survey) = (self.plan, self.survey);
        let failed = match plan.switches() && !plan.after.is_empty() {
            true => self.step(Step::HooksAfter, Vec::new(), |_| Ok(after_hooks(survey, serving)))?,
            false => None,
        };
        let before = plan.from.as_ref().filter(|_| plan.switches());
        let at = now() + u64::from(plan.drain);
        let facts = before.map(|release| Fact::Retiring { release: release.clone(), at });
        let retires = self.step_with_facts(Step::Retire, facts.into_iter().collect(), |running| {
            let told = match before {
                Some(before) if plan.drain == 0 => {
                    retire::end_processes(survey, before)?;
                    (None, vec![Fact::Retired { release: before.clone() }])
                }
                before => (before.map(|_| at), Vec::new()),
            };
            running.prune(before)?;
            Ok(told)
        })?;
        let failed =
            failed.map(|error| StepFault { step: Step::HooksAfter, fault: Fault::from(error).into() });
        Ok((retires, failed))
    }

    /// Removes old releases, but not `before`, to which a rollback goes.
    fn prune(&mut self, before: Option<&ReleaseId>) -> Result<(), Fault> {
        let survey = self.survey;
        let kept = release::prune::Kept {
            active: Some(&self.plan.release),
            before: before.or_else(|| survey.before()),
            count: survey.settings.releases.keep as usize,
        };
        let found = survey.releases.find()?;
        let mut prune = release::prune::plan(&survey.releases, &found, kept);
        prune.removals.retain(|removal| !survey.is_draining(&removal.id));
        match retire::prune(survey, &mut self.state, prune, self.journal, self.hands) {
            Err(fault @ Fault::Iis(_)) => {
                self.hands.listener.notice(Notice {
                    what: format!("old releases stay for now: {fault}"),
                    help: "the next command tries again".to_owned(),
                });
                Ok(())
            }
            pruned => {
                let _ = retire::prune_copies(survey, &self.plan.prune.copies, self.hands);
                self.plan.prune.logs.remove();
                pruned.map(drop)
            }
        }
    }
}

/// Lets visitors in again whom a deploy has kept out. That the release serves well does not hang on it.
fn open(survey: &Survey, hands: &Hands<'_>) {
    if let Err(error) = survey.home.open_after_deploy() {
        let name = &survey.home.name;
        hands.listener.notice(Notice {
            what: format!("the site is still closed to visitors: {error}"),
            help: format!("open it by `holdall maintenance off {name}`"),
        });
    }
}

/// That a setting of IIS stays as somebody else has set it.
fn changed_by_others(drift: &Drift) -> Notice {
    Notice {
        what: format!("somebody has changed IIS: {}", drift.fact()),
        help: match drift.stays {
            true => "a newer certificate is not replaced by an older one: name it in site.toml, or its subject".to_owned(),
            false => "it is left alone: `holdall deploy` with `--take-over` sets it back; write what is right into \
                      site.toml"
                .to_owned(),
        },
    }
}

/// Runs each, whatever becomes of the others. Returns what failed first.
fn after_hooks(survey: &Survey, Serving { place, given }: &Serving) -> Option<HookError> {
    let hooks = &survey.settings.hooks;
    let run = |hook| hooks::hook(hook, "after", place, given, hooks.limit()).err();
    // All are run before the first that failed is looked for.
    let failed: Vec<HookError> = hooks.after.iter().filter_map(run).collect();
    failed.into_iter().next()
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
