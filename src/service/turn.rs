//! The services that a site has: how they stand, and turned on and off. It takes no web server.

use std::path::PathBuf;

use serde::Serialize;

use super::standing::{self, Doing};
use super::{Found, Manager, Registration, ServiceChange, ServiceError, Standing, State};
use crate::release::ReleaseId;

/// The services of a site, and what runs them.
#[derive(Debug)]
pub struct Registered {
    pub manager: Manager,
    pub services: Vec<Registration>,
    /// The site's own data.
    pub shared: PathBuf,
}

/// Which way services are turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    On,
    Off,
    Again,
}

/// How a service stands.
#[derive(Debug, Serialize)]
pub struct ServiceStatus {
    /// As the system knows it.
    pub name: String,
    /// As the project calls it, and further instances with a number.
    pub service: String,
    /// `missing` where the system has none of this name.
    pub state: &'static str,
    /// The process of the command, or that of its supervisor.
    pub pid: Option<u32>,
    pub release: ReleaseId,
    pub account: String,
    pub schedule: Option<String>,
    /// How often the command was started again since the service was.
    pub restarts: u32,
    /// How the command ended the last time, if it has.
    pub ended: Option<String>,
}

impl Registered {
    /// Turns those of these names; without a name all that run all the time. Returns which it has touched.
    pub fn turn(&self, names: &[String], turn: Turn) -> Result<Vec<String>, ServiceError> {
        let chosen = self.chosen(names)?;
        let actual = self.manager.find(chosen.iter().map(|one| &*one.name))?;
        let (mut done, mut started) = (Vec::new(), Vec::new());
        for one in chosen {
            let Some(found) = actual.get(&one.name) else { continue };
            let runs = found.state != State::Stopped;
            if runs && turn != Turn::On {
                let (name, timeout) = (one.name.clone(), one.stop_timeout);
                self.manager.perform(&ServiceChange::Stop { name, timeout })?;
                done.push(one.file.clone());
            }
            // What a schedule starts is started beside it by name alone.
            let is_meant = one.is_permanent() || (turn == Turn::On && !names.is_empty());
            if is_meant && turn != Turn::Off && (!runs || turn == Turn::Again) {
                self.manager.perform(&ServiceChange::Start { name: one.name.clone() })?;
                done.push(one.file.clone());
                started.extend(one.is_permanent().then_some(one));
            }
        }
        done.dedup();
        self.manager.settle(&started, &self.shared)?;
        Ok(done)
    }

    /// Those that somebody has named, by the name of the project or that of the system.
    fn chosen(&self, names: &[String]) -> Result<Vec<&Registration>, ServiceError> {
        let of = |one: &Registration, name: &str| {
            let further = one.file.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
            one.file == name || one.name == name || further.is_some_and(|rest| rest.parse::<u32>().is_ok())
        };
        if let Some(name) = names.iter().find(|name| !self.services.iter().any(|one| of(one, name))) {
            let known = self.services.iter().map(|one| one.file.clone()).collect();
            return Err(ServiceError::NotRegistered { name: name.clone(), known });
        }
        let is_chosen = |one: &&Registration| names.is_empty() || names.iter().any(|name| of(one, name));
        Ok(self.services.iter().filter(is_chosen).collect())
    }

    pub fn status(&self) -> Result<Vec<ServiceStatus>, ServiceError> {
        let actual = self.manager.find(self.services.iter().map(|one| &*one.name))?;
        Ok(self.services.iter().map(|one| self.status_of(one, actual.get(&one.name))).collect())
    }

    fn status_of(&self, one: &Registration, found: Option<&Found>) -> ServiceStatus {
        let told = Standing::read(&standing::path(&self.shared, &one.file));
        // What an earlier supervisor has said says nothing of this one.
        let runs = told.as_ref().filter(|told| {
            found.is_some_and(|found| found.process == Some(told.supervisor) && told.release == one.release)
        });
        let supervisor = found.and_then(|found| found.process);
        let (state, pid) = match (found.map(|found| found.state), runs.map(|told| &told.doing)) {
            (None, _) => ("missing", None),
            (Some(State::Stopped), _) => ("stopped", None),
            (Some(State::Starting), _) => ("starting", supervisor),
            (Some(State::Stopping), _) => ("stopping", supervisor),
            (Some(State::Running), Some(Doing::Running { process, .. })) => ("running", Some(*process)),
            (Some(State::Running), Some(Doing::Waiting { .. })) => ("crashed", supervisor),
            (Some(State::Running), _) => ("running", supervisor),
        };
        let ended = told.as_ref().and_then(|told| match &told.doing {
            Doing::Waiting { ended } | Doing::Ended { ended, .. } => Some(ended.clone()),
            Doing::Running { .. } => None,
        });
        ServiceStatus {
            name: one.name.clone(),
            service: one.file.clone(),
            state,
            pid,
            release: one.release.clone(),
            account: one.account.clone(),
            schedule: one.schedule.as_ref().map(ToString::to_string),
            restarts: runs.map_or(0, |told| told.restarts),
            ended,
        }
    }
}
