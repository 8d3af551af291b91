//! The releases of a site on this server: which there are, and in what state.
//!
//! Reads only; what is to become a release gets a [`Slot`]. Whoever calls holds the site's lock.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::complete::is_absent;
use super::{Complete, MARK, PRUNING, ReleaseError, ReleaseId, Slot};
use crate::archive::Bundle;
use crate::durable::Disk;

/// `<root>/<site>/releases`, and the releases that lie elsewhere.
#[derive(Debug, Clone)]
pub struct Releases {
    site: PathBuf,
    adopted: Vec<Adopted>,
    disk: Disk,
}

/// A release that was deployed where it lay. It is recorded by its path, and never deleted by Holdall.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adopted {
    pub id: ReleaseId,
    pub folder: PathBuf,
}

/// A release, or what is left of one.
#[derive(Debug)]
pub struct Found {
    pub id: ReleaseId,
    pub folder: PathBuf,
    pub adopted: bool,
    pub state: State,
}

/// How much of a release there is.
#[derive(Debug)]
pub enum State {
    Complete(Box<Complete>),
    /// No mark: it is being made, or was when its deploy was killed.
    Incomplete,
    /// It was to be removed, and not all of it could be.
    Pruning,
    /// There is a mark, or should be one, and it does not hold.
    Damaged(ReleaseError),
}

/// Where a bundle becomes a release.
#[derive(Debug)]
pub enum Reserved {
    /// It has become one already.
    Complete(Box<Complete>),
    Slot(Slot),
}

impl Releases {
    /// Those of the site whose folder is `site`, and of `adopted`. Neither folder has to be there.
    pub fn open(site: &Path, adopted: Vec<Adopted>, disk: Disk) -> Result<Releases, ReleaseError> {
        let absolute = std::path::absolute(site);
        let site = absolute.map_err(|source| ReleaseError::Unreadable { path: site.to_owned(), source })?;
        let releases = Releases { site, adopted, disk };
        let path = releases.folder();
        // Where the site's folder lies is the administrator's business; below it links lead nowhere good.
        if fs_err::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink()) {
            return Err(ReleaseError::Link { path });
        }
        Ok(releases)
    }

    /// The folder in which releases are made.
    pub fn folder(&self) -> PathBuf {
        self.site.join("releases")
    }

    /// Where what may change while a release lives is kept: `run/<id>`.
    pub fn run(&self, id: &ReleaseId) -> PathBuf {
        self.site.join("run").join(id)
    }

    /// The releases of which there is such a folder, whether or not they are there.
    pub fn told(&self) -> BTreeSet<ReleaseId> {
        let runs = std::fs::read_dir(self.site.join("run")).into_iter().flatten().flatten();
        runs.filter_map(|run| ReleaseId::parse(run.file_name().to_str()?).ok()).collect()
    }

    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    pub fn adopted(&self) -> &[Adopted] {
        &self.adopted
    }

    /// All that there are, by name. What is not named as a release is nobody's business here.
    pub fn find(&self) -> Result<Vec<Found>, ReleaseError> {
        let folder = self.folder();
        let unreadable = |source| ReleaseError::Unreadable { path: folder.clone(), source };
        let entries = match fs_err::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            entries => Some(entries.map_err(unreadable)?),
        };
        let mut ids = Vec::new();
        for entry in entries.into_iter().flatten() {
            let name = entry.map_err(unreadable)?.file_name();
            ids.extend(name.to_str().and_then(|name| ReleaseId::parse(name).ok()));
        }
        let made = ids.into_par_iter().map(|id| self.examine(id));
        let mut found: Vec<Found> = self.adopted.par_iter().map(Found::adopted).chain(made).collect();
        found.sort_by(|one, other| (&one.id, one.adopted).cmp(&(&other.id, other.adopted)));
        Ok(found)
    }

    /// The complete release of this name; `None` if there is none. One whose mark does not hold is an error.
    pub fn complete(&self, id: &ReleaseId) -> Result<Option<Complete>, ReleaseError> {
        let adopted = self.adopted.iter().filter(|adopted| adopted.id == *id).map(Found::adopted);
        let mut states = adopted.chain([self.examine(id.clone())]).map(|found| found.state);
        states
            .find_map(|state| match state {
                State::Complete(complete) => Some(Ok(*complete)),
                State::Damaged(error) => Some(Err(error)),
                State::Incomplete | State::Pruning => None,
            })
            .transpose()
    }

    /// A place for the release of `bundle`: the folder of its name, with what a deploy that was killed has left there.
    /// A release among `live` is never touched, whatever became of it.
    pub fn reserve(&self, bundle: &Bundle, live: &[&ReleaseId]) -> Result<Reserved, ReleaseError> {
        let id = ReleaseId::new(&bundle.manifest().version, &bundle.identity());
        let adopted = self.adopted.iter().filter(|adopted| adopted.id == id).map(Found::adopted);
        for Found { folder, state, .. } in adopted.chain([self.examine(id.clone())]) {
            match state {
                State::Complete(complete) if complete.release.identity == bundle.identity() => {
                    return Ok(Reserved::Complete(complete));
                }
                State::Complete(_) => return Err(ReleaseError::Taken { folder }),
                _ if live.contains(&&id) => return Err(ReleaseError::InUse { folder }),
                State::Damaged(error) if !error.is_damage() => return Err(error),
                State::Incomplete | State::Pruning | State::Damaged(_) => {}
            }
        }
        Slot::of_release(self.folder().join(&id), self.disk.clone()).map(Reserved::Slot)
    }

    fn examine(&self, id: ReleaseId) -> Found {
        let folder = self.folder().join(&id);
        let state = State::of(&id, &folder);
        Found { id, folder, adopted: false, state }
    }
}

impl Found {
    fn adopted(adopted: &Adopted) -> Found {
        let Adopted { id, folder } = adopted.clone();
        let state = State::of(&id, &folder);
        Found { id, folder, adopted: true, state }
    }
}

impl State {
    fn of(id: &ReleaseId, folder: &Path) -> State {
        match State::read(id, folder) {
            Ok(state) => state,
            Err(error) => State::Damaged(error),
        }
    }

    fn read(id: &ReleaseId, folder: &Path) -> Result<State, ReleaseError> {
        let there = |path: &Path| match fs_err::symlink_metadata(path) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(source) => Err(ReleaseError::Unreadable { path: path.to_owned(), source }),
        };
        match there(folder)? {
            Some(metadata) if metadata.is_symlink() => {
                return Err(ReleaseError::Link { path: folder.to_owned() });
            }
            Some(metadata) if !metadata.is_dir() => {
                return Err(ReleaseError::NotAFolder { folder: folder.to_owned() });
            }
            _ => {}
        }
        if there(&folder.join(MARK))?.is_none() {
            let pruning = there(&folder.join(PRUNING))?.is_some();
            return Ok(if pruning { State::Pruning } else { State::Incomplete });
        }
        match Complete::open(folder)? {
            Some(complete) if complete.id == *id => Ok(State::Complete(Box::new(complete))),
            Some(Complete { id: found, .. }) => {
                Err(ReleaseError::OtherRelease { folder: folder.to_owned(), found })
            }
            None => Ok(State::Incomplete),
        }
    }
}
