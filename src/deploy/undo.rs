//! The way back: what a run has done so far, and how each of it is taken back, the last first.

use std::path::{Path, PathBuf};

use super::journal::{Journal, Run, Step};
use super::{Fault, Hands, Survey, make, retire, show, visits};
use crate::durable::{Mode, gone};
use crate::release::ReleaseId;
use crate::site::iis::{Change, plan as iis};
use crate::site::state::State;
use crate::site::{HomeError, Place, bridge_toml};
use std::collections::BTreeSet;

/// What was begun, in the order of the steps. What is begun may be done in part.
#[derive(Debug)]
pub struct Undo {
    state: State,
    /// The release that is made, and its folder.
    made: Option<(ReleaseId, PathBuf)>,
    /// What stood in `site.toml`, if anything did.
    settings: Option<Option<Vec<u8>>>,
    /// What the bridge was told, if it was told anything.
    told: Option<(Place, Option<Vec<u8>>)>,
    registered: Option<(Place, Vec<Change>)>,
    staged: bool,
    switched: Option<Vec<Change>>,
}

impl Undo {
    pub fn new(survey: &Survey) -> Undo {
        let state = survey.state.clone();
        Undo {
            state,
            made: None,
            settings: None,
            told: None,
            registered: None,
            staged: false,
            switched: None,
        }
    }

    pub fn makes(&mut self, release: &ReleaseId, folder: &Path) {
        self.made = Some((release.clone(), folder.to_owned()));
    }

    pub fn writes_settings(&mut self, survey: &Survey) {
        self.settings = Some(fs_err::read(survey.home.site_toml()).ok());
    }

    pub fn tells(&mut self, place: &Place) {
        self.told = Some((place.clone(), fs_err::read(place.bridge_toml()).ok()));
    }

    pub fn registers(&mut self, place: &Place) {
        self.registered = Some((place.clone(), Vec::new()));
    }

    pub fn registered(&mut self, changes: Vec<Change>) {
        self.registered.iter_mut().for_each(|(_, known)| known.extend(changes.iter().cloned()));
    }

    pub fn stages(&mut self) {
        self.staged = true;
    }

    pub fn switches(&mut self) {
        self.switched = Some(Vec::new());
    }

    pub fn switched(&mut self, changes: Vec<Change>) {
        self.switched = Some(changes);
    }

    pub fn has_switched(&self) -> bool {
        self.switched.is_some()
    }
}

/// Takes all back, as far as it goes; the first thing that cannot be is the error.
///
/// What visitors or the staging site may still be sent to stays whole: unless the way back to the release before is gone
/// to its end, the rest is left to the next command.
pub fn take_back(undo: Undo, survey: &Survey, run: &Run<'_>, hands: &mut Hands<'_>) -> Result<(), Fault> {
    let Undo { state, made, settings, told, registered, staged, switched } = undo;
    let mut back = Back { run, first: None };
    if let Some(changes) = switched {
        back.step(Step::Switch, || switch_back(survey, &state, &changes, hands));
    }
    if staged {
        let spot = &survey.spot;
        back.step(Step::Stage, || {
            let unstaged = hands.server.apply(spot, |actual| iis::unstage(spot, actual, &state.applied))?;
            drop(unstaged);
            Ok(())
        });
    }
    if let Some(fault) = back.first {
        return Err(fault);
    }
    if let Some((place, changes)) = registered {
        back.step(Step::Register, || unregister(survey, &state, &place, &changes, made.is_some(), hands));
    }
    if let Some((place, before)) = told {
        back.tried(|| tell_again(survey, &place, before.as_deref()));
    }
    if let Some((release, folder)) = made {
        let progress = hands.listener.progress();
        // What its processes still hold goes with the next command.
        back.step(Step::Complete, || {
            let facts = retire::facts(&make::removed(survey, &release, &folder, progress));
            Ok(Journal::of(&survey.home.folder, survey.home.disk.clone()).note(facts)?)
        });
    }
    if let Some(before) = settings {
        back.tried(|| put_back(survey, &survey.home.site_toml(), Mode::Plain, before.as_deref()));
    }
    back.tried(|| Ok(survey.home.write_state(&state)?));
    back.first.map_or(Ok(()), Err)
}

/// The way back: each step is tried, whatever became of the others.
struct Back<'a> {
    run: &'a Run<'a>,
    /// What failed first.
    first: Option<Fault>,
}

impl Back<'_> {
    fn step(&mut self, step: Step, done: impl FnOnce() -> Result<(), Fault>) {
        // What cannot be written down is done all the same: the next command sees how things are.
        let _ = self.run.undoing(step);
        if self.tried(done) {
            let _ = self.run.undone(step);
        }
    }

    fn tried(&mut self, done: impl FnOnce() -> Result<(), Fault>) -> bool {
        match done() {
            Ok(()) => true,
            Err(fault) => {
                self.first.get_or_insert(fault);
                false
            }
        }
    }
}

/// The release before is switched to again, whatever a command that failed has done, and waited for.
fn switch_back(
    survey: &Survey,
    state: &State,
    changes: &[Change],
    hands: &mut Hands<'_>,
) -> Result<(), Fault> {
    let spot = &survey.spot;
    let taken = hands.server.take_back(changes);
    let Some(before) = survey.active.as_ref().and_then(|active| survey.complete(active)) else {
        let was_there = survey.iis.app(&spot.site, &spot.app).is_some();
        if !was_there {
            // It is the first release: nothing of the site was there.
            drop(hands.server.apply(spot, |actual| iis::remove(spot, actual, &state.applied, &[]))?);
        }
        return Ok(taken?);
    };
    let place = survey.place_of(before);
    let wanted = survey.wanted(&place)?;
    let switched = hands.server.apply(spot, |actual| iis::switch(&wanted, actual, &state.applied, true))?;
    drop(switched);
    taken?;
    let questions = visits::of_release(&survey.settings, spot, &before.release);
    // Other addresses may have been wanted of the release that is not in service.
    let addresses = visits::served(spot, &survey.iis);
    let shown = show::Shown { survey, place: &place, addresses: &addresses, questions: &questions, warm: 1 };
    shown.real(&BTreeSet::new(), &mut |notice| hands.listener.notice(notice))?;
    Ok(())
}

/// What was registered goes. A command that failed may have had its effect all the same, so it is looked at once more.
fn unregister(
    survey: &Survey,
    state: &State,
    place: &Place,
    changes: &[Change],
    is_new: bool,
    hands: &mut Hands<'_>,
) -> Result<(), Fault> {
    let taken = hands.server.take_back(changes);
    if is_new {
        let folder = place.release.to_string_lossy().into_owned();
        let unregister = |actual: &_| iis::unregister(place.id.as_str(), &folder, actual, &state.applied);
        drop(hands.server.apply(&survey.spot, unregister)?);
    }
    Ok(taken?)
}

/// The bridge is told what it was told before; processes that know better already end.
fn tell_again(survey: &Survey, place: &Place, before: Option<&[u8]>) -> Result<(), Fault> {
    put_back(survey, &place.bridge_toml(), Mode::Private, before)?;
    if before.is_some() {
        let unwritable = |source| Fault::Unwritable { path: place.run(), source };
        bridge_toml::retire(place).map_err(unwritable)?;
    }
    Ok(())
}

fn put_back(survey: &Survey, path: &Path, mode: Mode, before: Option<&[u8]>) -> Result<(), Fault> {
    let disk = &survey.home.disk;
    let done = match before {
        Some(bytes) => disk.replace(path, mode, bytes),
        None => gone(disk.remove_file(path)),
    };
    let unwritable = |source| Fault::Home(HomeError::Unwritable { path: path.to_owned(), source });
    done.map_err(unwritable)
}
