//! Whether what lies in the cache is what was put there. How that is told of each kind, those say who keep it.

use std::io;
use std::path::Path;

use rayon::prelude::*;

use super::lock::{Alone, remove};
use super::survey::State;
use super::{CacheError, Contents, Thing};
use crate::progress::{Progress, Running, Stage, Unit};

/// Looks at the file or folder of one thing; says in what way it is damaged, if it is.
pub type Check = fn(&Path) -> io::Result<Option<String>>;

/// Something that is not what was put there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    pub thing: Thing,
    /// In what way: `it is not what its seal says`.
    pub why: String,
}

/// Looks at everything of the kinds for which there is a check; returns how many things that were, and which are
/// damaged, sorted.
pub fn verify(
    contents: &Contents,
    checks: &[(&str, Check)],
    progress: &dyn Progress,
) -> (usize, Vec<Damaged>) {
    let check_of = |thing: &Thing| Some(checks.iter().find(|(kind, _)| *kind == thing.kind)?.1);
    let work: Vec<_> = contents
        .things
        .iter()
        .filter(|thing| thing.state != State::Passing)
        .filter_map(|thing| Some((thing, check_of(thing)?)))
        .collect();
    let size = work.iter().map(|(thing, _)| thing.size).sum();
    let running = Running::begin(progress, Stage::Verify, size, Unit::Bytes);
    let look = |(thing, check): &(&Thing, Check)| {
        let found = check(thing.path());
        running.advance(thing.size);
        let why = match found {
            Ok(found) => found?,
            // Whoever prunes or replaces it was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !thing.path().exists() => return None,
            Err(error) => format!("it cannot be read: {error}"),
        };
        Some(Damaged { thing: (*thing).clone(), why })
    };
    let damaged = work.par_iter().filter_map(look).collect();
    (work.len(), damaged)
}

impl Damaged {
    /// Removes it, so that it is made again.
    pub fn remove(&self, _alone: &Alone) -> Result<(), CacheError> {
        let removed = self.thing.paths.iter().try_for_each(|path| remove(path));
        removed.map_err(|source| CacheError::Remains { paths: vec![self.thing.path().to_owned()], source })
    }
}
