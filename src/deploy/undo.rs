//! The way back: what a run has done so far, and how each of it is taken back, the last first.

use std::io;
use std::path::{Path, PathBuf};

use super::journal::{Journal, Run, Step};
use super::{Fault, Hands, Survey, make, retire, services, show, visits};
use crate::durable::{Mode, gone};
use crate::held;
use crate::progress::Notice;
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
    moved: bool,
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
            moved: false,
        }
    }

    pub fn makes(&mut self, release: &ReleaseId, folder: &Path) {
        self.made = Some((release.clone(), folder.to_owned()));
    }

    pub fn writes_settings(&mut self, survey: &Survey) -> Result<(), Fault> {
        self.settings = Some(content(&survey.home.site_toml())?);
        Ok(())
    }

    pub fn tells(&mut self, place: &Place) -> Result<(), Fault> {
        self.told = Some((place.clone(), content(&place.bridge_toml())?));
        Ok(())
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

    pub fn moves_services(&mut self) {
        self.moved = true;
    }

    pub fn has_switched(&self) -> bool {
        self.switched.is_some()
    }
}

/// What is to be put back; `None` where there is nothing yet.
fn content(path: &Path) -> Result<Option<Vec<u8>>, Fault> {
    match fs_err::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(HomeError::Unreadable { path: path.to_owned(), source }.into()),
    }
}

/// Takes all back, as far as it goes; the first thing that cannot be is the error.
///
/// What visitors or the staging site may still be sent to stays whole: unless the way back to the release before is gone
/// to its end, the rest is left to the next command.
pub fn take_back(undo: Undo, survey: &Survey, run: &Run<'_>, hands: &mut Hands<'_>) -> Result<(), Fault> {
    let Undo { state, made, settings, told, registered, staged, switched, moved } = undo;
    let mut back = Back { run, first: None };
    let has_switched = switched.is_some();
    if moved {
        back.step(Step::Services, || services_back(survey));
    }
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
    let is_clear = back.first.is_none();
    if let Some((place, changes)) = registered.filter(|_| is_clear) {
        back.step(Step::Register, || unregister(survey, &state, &place, &changes, made.is_some(), hands));
    }
    // A release that visitors may still be sent to goes on knowing what it was told.
    let told = told.filter(|(place, _)| is_clear || survey.active.as_ref() == Some(&place.id));
    if let Some((place, before)) = told {
        back.tried(|| tell_again(survey, &place, before.as_deref()));
    }
    // Whatever became of it, what serves is not removed.
    let made = made.filter(|(release, _)| is_clear && survey.active.as_ref() != Some(release));
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
    if is_clear {
        back.tried(|| Ok(survey.home.write_state(&state)?));
    }
    if has_switched && is_clear {
        look_again(survey, hands);
    }
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

/// The services are as they were: those of the release before, however far the others had come.
fn services_back(survey: &Survey) -> Result<(), Fault> {
    let mut known = survey.home.state()?;
    let before = survey.active.as_ref().and_then(|active| survey.complete(active));
    let folder = before.map_or_else(|| survey.home.folder.clone(), |before| before.root().to_owned());
    services::go_over(survey, &mut known, &survey.state.services, &folder).map(drop)
}

/// The release before is switched to again, whatever a command that failed has done.
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
    Ok(taken?)
}

/// Waits until the release before answers again, by the settings that it was deployed with. That it does not is nothing
/// that the way back could mend: it is told.
fn look_again(survey: &Survey, hands: &mut Hands<'_>) {
    let Some(before) = survey.active.as_ref().and_then(|active| survey.complete(active)) else { return };
    let settings = survey.home.settings().ok().flatten();
    let settings = settings.as_ref().unwrap_or(&survey.settings);
    let place = survey.place_of(before);
    let questions = visits::of_release(settings, &survey.spot, &before.release);
    // Other addresses may have been wanted of the release that is not in service.
    let addresses = visits::served(&survey.spot, &survey.iis);
    let iis = &survey.iis;
    let shown =
        show::Shown { settings, iis, place: &place, addresses: &addresses, questions: &questions, warm: 1 };
    if let Err(fault) = shown.real(&BTreeSet::new(), &[], &mut |notice| hands.listener.notice(notice)) {
        hands.listener.notice(Notice {
            what: format!("{} has the site again, and does not answer well: {fault}", before.id),
            help: "look at the site in IIS: it may have been stopped, or its pool".to_owned(),
        });
    }
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
    if is_new {
        // That processes end with their registration is nothing that IIS promises. Of those that never began there is
        // nothing to end.
        let _ = bridge_toml::retire(place, &survey.home.disk);
    }
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
        bridge_toml::retire(place, &survey.home.disk).map_err(unwritable)?;
    } else if survey.complete(&place.id).is_none() {
        // What is still held, such as a log, goes with the next command.
        let _ = held::remove_dir_all(&place.run());
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
