//! What lies in the cache: each thing with its size and when it was last used, and what is no thing but a leftover.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rayon::prelude::*;
use walkdir::WalkDir;

use super::lock::remove;
use super::{
    ANSWERS, BLOCKS, BUILT, Cache, CacheError, ENVIRONMENTS, LAYERS, MENTIONS, PART, RUNS, TOOLS, WHEELS,
};

/// The kinds that there were before caches were marked: a folder with nothing else is one.
pub(super) const KINDS: [&str; 9] =
    [LAYERS, BLOCKS, WHEELS, MENTIONS, ANSWERS, BUILT, TOOLS, ENVIRONMENTS, RUNS];

/// What is kept or removed as one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Thing {
    /// The folder of the cache that it lies in.
    pub kind: String,
    /// Its name in that folder.
    pub name: String,
    pub state: State,
    /// Sum of the sizes of its files.
    pub size: u64,
    /// The newest time in it.
    pub used: SystemTime,
    /// Its files and folders, in the order in which they have to go.
    pub(super) paths: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    Whole,
    /// Something of it is missing: nobody uses it.
    Half,
    /// It belongs to a run. If none is running, one that was killed has left it.
    Passing,
}

impl Thing {
    /// The file or folder that it is named by.
    pub fn path(&self) -> &Path {
        &self.paths[0]
    }
}

/// All that lies in the cache, sorted.
#[derive(Debug, Clone)]
pub struct Contents {
    pub root: PathBuf,
    pub things: Vec<Thing>,
}

/// Whether something of this name is being written, or was when its run ended.
pub(super) fn is_part(name: &str) -> bool {
    // The second is how nameless files are called for a moment, where the system has none without a name.
    name.starts_with(PART) || name.starts_with(".tmp")
}

impl Contents {
    /// Looks at every file. What vanishes meanwhile is not there.
    pub fn survey(cache: &Cache) -> Result<Contents, CacheError> {
        let root = cache.root();
        let unreadable = |source| CacheError::Unreadable { root: root.to_owned(), source };
        let mut things = Vec::new();
        for kind in kinds(root).map_err(unreadable)? {
            things.extend(things_of(&root.join(&kind), &kind.to_string_lossy()).map_err(unreadable)?);
        }
        things.par_iter_mut().for_each(measure);
        things.sort();
        Ok(Contents { root: root.to_owned(), things })
    }
}

/// Removes what runs left that are over; the caller holds the cache alone. What cannot be removed stays.
pub(super) fn sweep(cache: &Cache) {
    let root = cache.root();
    let kinds = kinds(root).unwrap_or_default();
    let things = kinds.iter().flat_map(|kind| things_of(&root.join(kind), &kind.to_string_lossy()));
    for thing in things.flatten().filter(|thing| thing.state == State::Passing) {
        thing.paths.iter().for_each(|path| drop(remove(path)));
    }
    for (path, _) in entries(root).unwrap_or_default().into_values().filter(|(path, is_folder)| {
        !is_folder && path.file_name().is_some_and(|name| is_part(&name.to_string_lossy()))
    }) {
        drop(remove(&path));
    }
}

/// The folders of the cache. One that is a link leads to what belongs to another cache, whose lock is another.
fn kinds(root: &Path) -> io::Result<Vec<OsString>> {
    let folders = entries(root)?.into_iter().filter(|(_, (_, is_folder))| *is_folder);
    Ok(folders.map(|(name, _)| name).filter(|name| !name.to_string_lossy().starts_with('.')).collect())
}

/// What is in a folder, by name, and whether it is a folder itself. None at all where there is no folder.
fn entries(folder: &Path) -> io::Result<BTreeMap<OsString, (PathBuf, bool)>> {
    let found = match fs_err::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        found => found?,
    };
    let entry = |entry: io::Result<fs_err::DirEntry>| {
        let entry = entry?;
        Ok((entry.file_name(), (entry.path(), entry.file_type()?.is_dir())))
    };
    found.map(entry).collect()
}

fn things_of(folder: &Path, kind: &str) -> io::Result<Vec<Thing>> {
    let thing = |name: &str, state, paths: Vec<PathBuf>| Thing {
        kind: kind.to_owned(),
        name: name.to_owned(),
        state,
        size: 0,
        used: SystemTime::UNIX_EPOCH,
        paths,
    };
    let mut things = Vec::new();
    let mut rest = entries(folder)?;
    while let Some((name, (path, is_folder))) = rest.pop_first() {
        let name = name.to_string_lossy();
        if kind == RUNS || is_part(&name) {
            things.push(thing(&name, State::Passing, vec![path]));
        } else if let (LAYERS, Some(stem)) = (kind, name.strip_suffix(".sha256")) {
            // The zip goes first: a seal alone is no layer to anybody.
            let zip = format!("{stem}.zip");
            things.push(match rest.remove(OsStr::new(&zip)) {
                Some((found, _)) => thing(&zip, State::Whole, vec![found, path]),
                None => thing(&name, State::Half, vec![path]),
            });
        } else if kind == LAYERS && name.ends_with(".zip") {
            // Its seal would have come before it.
            things.push(thing(&name, State::Half, vec![path]));
        } else if kind == WHEELS && is_folder {
            let inside = entries(&path)?;
            let (parts, wheels): (Vec<_>, Vec<_>) =
                inside.into_iter().partition(|(name, _)| is_part(&name.to_string_lossy()));
            if !wheels.is_empty() {
                things.push(thing(&name, State::Whole, vec![path.clone()]));
                things.extend(parts.into_iter().map(|(part, (path, _))| {
                    thing(&format!("{name}/{}", part.to_string_lossy()), State::Passing, vec![path])
                }));
            } else {
                things.push(thing(&name, State::Passing, vec![path]));
            }
        } else {
            things.push(thing(&name, State::Whole, vec![path]));
        }
    }
    Ok(things)
}

fn measure(thing: &mut Thing) {
    for path in &thing.paths {
        let found = WalkDir::new(path).follow_root_links(false).into_iter().flatten();
        for found in found.filter_map(|entry| entry.metadata().ok()) {
            if !found.is_dir() {
                thing.size += found.len();
            }
            // The time of a link is that of its making, and nobody sets it.
            if !found.is_symlink() {
                thing.used = thing.used.max(found.modified().unwrap_or(SystemTime::UNIX_EPOCH));
            }
        }
    }
}
