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
    /// Those of the release that serves.
    Serving(Vec<Seen>),
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
    /// Asks how these stand. `serve` says whether their release does.
    pub fn ask(manager: &Manager, wanted: Vec<Registration>, shared: &Path, serve: bool) -> Services {
        if !manager.is_there() {
            return Services::Nowhere(wanted);
        }
        let mut actual = match manager.find(wanted.iter().map(|one| one.name.as_str())) {
            Ok(actual) => actual,
            Err(error) => return Services::Silent(Finding::of_error(ID, &error)),
        };
        let see = |wanted: Registration| {
            let told = Standing::read(&standing::path(shared, &wanted.file));
            let told = told.filter(|told| told.release == wanted.release);
            Seen { found: actual.remove(&wanted.name), told, wanted }
        };
        let seen = wanted.into_iter().map(see).collect();
        if serve { Services::Serving(seen) } else { Services::Coming(seen) }
    }
}
