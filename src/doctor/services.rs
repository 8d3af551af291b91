//! How the services of a site stand beside how they should: what the service manager has, and what each has said of itself.

use std::path::Path;

use super::Finding;
use crate::service::{Found, Manager, Registration, Standing, standing};

pub(super) const ID: &str = "site.services";

/// What there is of the services that a site has, or is to have.
#[derive(Debug)]
pub enum Services {
    /// There is nothing on this machine that could run these.
    Nowhere(Vec<Registration>),
    /// The service manager did not answer, for this reason.
    Silent(Finding),
    /// Those of the release that serves, and those that the settings want no more and the system has all the same.
    Serving { seen: Vec<Seen>, left: Vec<Registration> },
    /// Those of a release that is yet to be deployed: none of them need be there.
    Coming(Vec<Seen>),
}

/// A service, and what there is of it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub wanted: Registration,
    pub found: Option<Found>,
    /// What its supervisor has last written down, if that is of the release that is wanted.
    pub told: Option<Standing>,
}

impl Services {
    /// Asks how these stand, and what there is of those that were registered `last`. `serve` says whether the release of those
    /// that are wanted does.
    pub fn ask(
        manager: &Manager,
        wanted: Vec<Registration>,
        last: &[Registration],
        shared: &Path,
        serve: bool,
    ) -> Services {
        if !manager.is_there() {
            return Services::Nowhere(wanted);
        }
        let is_wanted = |one: &Registration| wanted.iter().any(|wanted| wanted.name == one.name);
        let left: Vec<&Registration> = last.iter().filter(|one| serve && !is_wanted(one)).collect();
        let names = wanted.iter().chain(left.iter().copied()).map(|one| one.name.as_str());
        let mut actual = match manager.find(names) {
            Ok(actual) => actual,
            Err(error) => return Services::Silent(Finding::of_error(ID, &error)),
        };
        let is_there =
            |one: &Registration| actual.get(&one.name).is_some_and(|found| one.is_ours(&found.line));
        let left = left.into_iter().filter(|one| is_there(one)).cloned().collect();
        let see = |wanted: Registration| {
            let told = Standing::read(&standing::path(shared, &wanted.file));
            let told = told.filter(|told| told.release == wanted.release);
            Seen { found: actual.remove(&wanted.name), told, wanted }
        };
        let seen = wanted.into_iter().map(see).collect();
        if serve { Services::Serving { seen, left } } else { Services::Coming(seen) }
    }
}
