//! How a site stands, for people and scripts: a value made of a survey.

use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use serde::Serialize;

use super::{DeployError, Survey, services};
use crate::archive::Difference;
use crate::manifest::SiteName;
use crate::release::{ReleaseId, State};
use crate::service::{Registration, ServiceStatus};
use crate::site::Maintenance;
use crate::site::iis::Drift;
use crate::site::iis::actual::{Pool, Site};
use crate::site::lock;

/// What there is to say of a site.
#[derive(Debug, Serialize)]
pub struct Status {
    pub site: SiteName,
    pub folder: PathBuf,
    /// The addresses at which it answers.
    pub addresses: Vec<String>,
    pub active: Option<ReleaseId>,
    /// Where a rollback goes.
    pub before: Option<ReleaseId>,
    /// Whether the web server runs the site.
    pub started: bool,
    /// How the site is closed to visitors, if it is.
    pub maintenance: Option<Maintenance>,
    /// Who changes it at this moment.
    pub changed_by: Option<String>,
    /// What an earlier command has left, which the next one does first.
    pub unfinished: Vec<String>,
    /// What has changed in the release that serves since it was made, and in what is said of uploads.
    pub drift: Vec<Difference>,
    /// What somebody else has changed in IIS of what Holdall sets there.
    pub iis_drift: Vec<Drift>,
    pub releases: Vec<ReleaseStatus>,
    pub services: Vec<ServiceStatus>,
    /// Those of them that the settings want no more.
    pub unwanted_services: Vec<String>,
}

/// A release, or what is left of one.
#[derive(Debug, Serialize)]
pub struct ReleaseStatus {
    pub id: ReleaseId,
    pub folder: PathBuf,
    pub state: &'static str,
    /// When it was completed, in seconds since 1970.
    pub completed: Option<u64>,
    pub adopted: bool,
    pub active: bool,
    /// When its processes are to end, in seconds since 1970.
    pub retires: Option<u64>,
    /// How many of its files could not be removed yet.
    pub held: usize,
}

impl Status {
    pub fn of(survey: &Survey) -> Result<Status, DeployError> {
        let site = survey.iis.site(&survey.spot.site);
        let is_pool_stopped = survey.iis.pool(&survey.spot.pool).is_some_and(Pool::is_stopped);
        Ok(Status {
            site: survey.home.name.clone(),
            folder: survey.home.folder.clone(),
            addresses: survey.addresses().iter().map(ToString::to_string).collect(),
            active: survey.active.clone(),
            before: survey.before().cloned(),
            started: site.is_some_and(Site::is_started) && !is_pool_stopped,
            maintenance: survey.home.maintenance()?,
            changed_by: lock::holder(&survey.home.folder).map(|holder| holder.to_string()),
            unfinished: survey.recovery(None).iter().map(ToString::to_string).collect(),
            drift: super::drift(survey)?,
            iis_drift: survey.iis_drift()?,
            releases: ReleaseStatus::all(survey),
            services: survey.services().status()?,
            unwanted_services: unwanted(survey)?,
        })
    }
}

/// The services that `holdall apply` would take away.
fn unwanted(survey: &Survey) -> Result<Vec<String>, DeployError> {
    let active = survey.active.as_ref().and_then(|active| survey.complete(active));
    let Some(active) = active else { return Ok(Vec::new()) };
    let wanted = services::wanted(survey, &survey.place_of(active));
    let is_left = |one: &&Registration| wanted.iter().all(|wanted| wanted.name != one.name);
    let left: Vec<&Registration> = survey.state.services.iter().filter(is_left).collect();
    let found = survey.manager.find(left.iter().map(|one| one.name.as_str()))?;
    let is_there = |one: &&Registration| found.get(&one.name).is_some_and(|found| one.is_ours(&found.line));
    Ok(left.into_iter().filter(is_there).map(|one| one.file.clone()).collect())
}

impl ReleaseStatus {
    /// All of a site, the newest first.
    pub fn all(survey: &Survey) -> Vec<ReleaseStatus> {
        let pending = &survey.history.pending;
        let mut all: Vec<ReleaseStatus> = survey
            .found
            .iter()
            .map(|found| {
                let (state, completed) = match &found.state {
                    State::Complete(complete) => {
                        let since = complete.mark.completed.duration_since(UNIX_EPOCH);
                        ("complete", since.ok().map(|since| since.as_secs()))
                    }
                    State::Incomplete => ("incomplete", None),
                    State::Pruning => ("pruning", None),
                    State::Damaged(_) => ("damaged", None),
                };
                ReleaseStatus {
                    id: found.id.clone(),
                    folder: found.folder.clone(),
                    state,
                    completed,
                    adopted: found.adopted,
                    active: survey.active.as_ref() == Some(&found.id),
                    retires: pending.retiring.get(&found.id).copied(),
                    held: pending.held.get(&found.id).map_or(0, |(count, _)| *count),
                }
            })
            .collect();
        all.sort_by(|one, other| (other.completed, &other.id).cmp(&(one.completed, &one.id)));
        all
    }
}
