//! The services of a site go over to a release: what runs of another release ends, then this one's begin.
//!
//! What there is counts, not what was written down: the same function moves them on, back, and out of the way.

use std::path::Path;

use super::{Fault, Hands, Survey};
use crate::progress::Notice;
use crate::release::ReleaseId;
use crate::service::rights::{self, Leave};
use crate::service::{Actual, Registration, ServiceChange, ServiceError, plan};
use crate::site::Place;
use crate::site::state::State;

/// The services of the release at `place`, if they can be run on this machine.
pub fn wanted(survey: &Survey, place: &Place) -> Vec<Registration> {
    match survey.manager.is_there() {
        true => Registration::all(&survey.settings, place),
        false => Vec::new(),
    }
}

/// What has to change so that these are the site's services.
pub fn changes(survey: &Survey, wanted: &[Registration]) -> Result<Vec<ServiceChange>, ServiceError> {
    let last = &survey.state.services;
    plan::plan(wanted, last, &actual(survey, wanted, last)?)
}

/// The same of a release that is there.
pub fn changes_for(survey: &Survey, release: &ReleaseId) -> Result<Vec<ServiceChange>, ServiceError> {
    let Some(complete) = survey.complete(release) else { return Ok(Vec::new()) };
    changes(survey, &wanted(survey, &survey.place_of(complete)))
}

/// What accounts are to be allowed that are new to the site.
pub fn leaves(survey: &Survey, changes: &[ServiceChange], release: &Path) -> Vec<Leave> {
    let last = |one: &Registration| survey.state.services.iter().find(|last| last.name == one.name);
    let mut leaves = Vec::new();
    for change in changes {
        let is_new = |one: &Registration| last(one).is_none_or(|last| last.account != one.account);
        match change {
            ServiceChange::Create(one) => leaves.extend(rights::of(one, &survey.home, release)),
            ServiceChange::Configure(one) if is_new(one) => {
                leaves.extend(rights::of(one, &survey.home, release));
            }
            _ => {}
        }
    }
    leaves
}

/// Does all that has to change. Returns those that were started.
pub fn go_over(
    survey: &Survey,
    state: &mut State,
    wanted: &[Registration],
    release: &Path,
) -> Result<Vec<Registration>, Fault> {
    let actual = actual(survey, wanted, &state.services)?;
    let changes = plan::plan(wanted, &state.services, &actual)?;
    if changes.is_empty() && state.services == wanted {
        return Ok(Vec::new());
    }
    for leave in leaves(survey, &changes, release) {
        leave.give().map_err(ServiceError::from)?;
    }
    // Known before it is made, so that whoever comes after a crash finds it.
    state.services = begun(wanted, &state.services);
    survey.home.write_state(state)?;
    for change in &changes {
        survey.manager.perform(change)?;
    }
    state.services = wanted.to_vec();
    survey.home.write_state(state)?;
    let is_started = |one: &&Registration| {
        changes.iter().any(|change| matches!(change, ServiceChange::Start { name } if *name == one.name))
    };
    Ok(wanted.iter().filter(is_started).cloned().collect())
}

/// The same for the release that a killed command has left in service. One that does not stay up is told.
pub fn recover(
    survey: &Survey,
    state: &mut State,
    release: &ReleaseId,
    hands: &Hands<'_>,
) -> Result<(), Fault> {
    let Some(complete) = survey.complete(release) else { return Ok(()) };
    let place = survey.place_of(complete);
    let started = go_over(survey, state, &wanted(survey, &place), &place.release)?;
    let started: Vec<&Registration> = started.iter().collect();
    if let Err(error) = survey.manager.settle(&started, &survey.home.shared()) {
        hands.listener.notice(Notice {
            what: error.to_string(),
            help: "it is started again and again; correct what is wrong, or go back to another release"
                .to_owned(),
        });
    }
    Ok(())
}

/// What there is of these.
fn actual(survey: &Survey, wanted: &[Registration], last: &[Registration]) -> Result<Actual, ServiceError> {
    survey.manager.find(wanted.iter().chain(last).map(|one| one.name.as_str()))
}

/// What may be there once it has begun. Which task is there nobody knows: none is said to be.
fn begun(wanted: &[Registration], last: &[Registration]) -> Vec<Registration> {
    let before = |one: &Registration| last.iter().find(|last| last.name == one.name);
    let unsure = wanted.iter().map(|one| {
        let is_same = before(one).is_some_and(|last| last.schedule == one.schedule);
        Registration { schedule: one.schedule.clone().filter(|_| is_same), ..one.clone() }
    });
    let gone = last.iter().filter(|last| !wanted.iter().any(|one| one.name == last.name));
    unsure.chain(gone.cloned()).collect()
}
