//! What is made on the server, and the mark that says that all is there.
//!
//! ```text
//! expand_unmarked   the bundle's files          (or `adopt`: they lie there already)
//! complete          bytecode, carried-over static files, the caller's files; all of it durable; then the mark
//! ```
//!
//! A run that ends anywhere before its last step leaves what counts as incomplete.

use std::io::{self, Write as _};
use std::path::Path;
use std::time::SystemTime;

use rayon::prelude::*;
use walkdir::WalkDir;

use super::carry::{self, Carried, CarryOver};
use super::compile::{self, Module};
use super::expand::fill;
use super::{
    Complete, MARK, MadeFile, Mark, Origin, PRUNING, Release, ReleaseError, Reuse, Slot, mark, reuse, verify,
};
use crate::archive::Bundle;
use crate::digest::Sha256;
use crate::durable::{Disk, Mode};
use crate::entry::{self, EntryPath, EntryPathError};
use crate::progress::{Notice, Progress};

/// A release with all of its bundle's files, and no mark. One that was expanded goes when this is dropped.
#[derive(Debug)]
pub struct Unmarked {
    pub(super) release: Release,
    /// Where it was expanded to; one that was adopted has none.
    pub(super) slot: Option<Slot>,
    pub(super) disk: Disk,
}

/// What a server adds to a release.
#[derive(Debug, Default)]
pub struct Making<'a> {
    /// The caller's own files.
    pub files: Vec<Handed>,
    pub carry_over: Option<CarryOver<'a>>,
}

/// A file as the caller has rendered it.
#[derive(Debug, Clone)]
pub struct Handed {
    pub path: EntryPath,
    pub bytes: Vec<u8>,
    pub origin: Origin,
}

/// A release that was completed just now.
#[derive(Debug)]
pub struct Completed {
    pub complete: Complete,
    pub notices: Vec<Notice>,
}

/// What is going to be made; of bytecode and of what is carried over some may turn out not to be.
pub(super) struct Plan<'a> {
    modules: Vec<Module<'a>>,
    carried: Vec<Carried>,
    handed: &'a [Handed],
}

/// Expands the bundle; what an earlier release has, or a killed deploy left, is not unpacked again. If that fails, the
/// slot is empty again.
pub fn expand_unmarked(
    bundle: &Bundle,
    mut slot: Slot,
    reuse: &Reuse<'_>,
    progress: &dyn Progress,
) -> Result<Unmarked, ReleaseError> {
    let release = fill(bundle, &mut slot, reuse, progress)?;
    let disk = slot.disk().clone();
    Ok(Unmarked { release, slot: Some(slot), disk })
}

impl Unmarked {
    pub fn release(&self) -> &Release {
        &self.release
    }
}

/// Makes the server's files and then the mark, dated `at`. If that fails, what was made goes again, and so does all of a
/// release that was expanded.
pub fn complete(
    unmarked: Unmarked,
    making: &Making<'_>,
    at: SystemTime,
    progress: &dyn Progress,
) -> Result<Completed, ReleaseError> {
    let Unmarked { release, slot, disk } = unmarked;
    let plan = plan(&release, making)?;
    let mut notices = Vec::new();
    let done = make(&release, &plan, &disk, progress, &mut notices)
        .and_then(|made| set_mark(&release, made, at, &disk, slot.is_some()));
    // Without a slot the folder stays, and goes back to what it was: never with a mark and without a file of it.
    if done.is_err() && slot.is_none() && mark::take(&release.root, &disk).is_ok() {
        // What cannot be removed is made anew when the folder is adopted the next time.
        plan.paths().iter().for_each(|path| drop(disk.remove_file(&path.below(&release.root))));
        let _ = disk.remove_file(&release.root.join(PRUNING));
    }
    let mark = done?;
    drop(plan);
    slot.map(Slot::filled);
    Ok(Completed { complete: Complete::new(release, mark)?, notices })
}

/// Decides what is made. The caller's files have their place; what would be carried over gives way.
pub(super) fn plan<'a>(release: &'a Release, making: &'a Making<'_>) -> Result<Plan<'a>, ReleaseError> {
    let handed = making.files.as_slice();
    if let Some(file) = handed.iter().find(|file| mark::is_reserved(&file.path)) {
        return Err(ReleaseError::Reserved { path: file.path.clone() });
    }
    let carried = making.carry_over.map(|carry_over| carry::plan(release, carry_over)).unwrap_or_default();
    let mut plan = Plan { modules: compile::plan(release), carried, handed };
    loop {
        let bundled = release.files().map(|file| &file.path);
        let planned = plan.paths();
        let Err(source) = entry::check_set(bundled.chain(&planned), release.manifest.target) else {
            return Ok(plan);
        };
        let (one, other) = match &source {
            EntryPathError::SameOnWindows { first, second } => (first, second),
            EntryPathError::FileAndFolder { file, below } => (file, below),
            EntryPathError::Duplicate(path) => (path, path),
            _ => return Err(ReleaseError::Clash { source }),
        };
        let before = plan.carried.len();
        plan.carried.retain(|carried| carried.path != *one && carried.path != *other);
        if plan.carried.len() == before {
            return Err(ReleaseError::Clash { source });
        }
    }
}

impl Plan<'_> {
    /// Where files are going to be, or may be.
    pub(super) fn paths(&self) -> Vec<EntryPath> {
        let modules = self.modules.iter().map(|module| &module.place);
        let carried = self.carried.iter().map(|carried| &carried.path);
        modules.chain(carried).chain(self.handed.iter().map(|file| &file.path)).cloned().collect()
    }
}

/// Makes the files, sorted by path.
fn make(
    release: &Release,
    plan: &Plan<'_>,
    disk: &Disk,
    progress: &dyn Progress,
    notices: &mut Vec<Notice>,
) -> Result<Vec<MadeFile>, ReleaseError> {
    let root = &release.root;
    let paths = plan.paths();
    make_folders(disk, root, &paths)?;
    let mut made = Vec::with_capacity(paths.len());
    compile::compile(release, &plan.modules, progress, |compiled| {
        let written = compiled
            .par_iter()
            .map(|bytecode| write(disk, root, &bytecode.path, &bytecode.bytes, Origin::Bytecode));
        made.extend(written.collect::<Result<Vec<_>, _>>()?);
        Ok(())
    })?;
    let copied = plan.carried.par_iter().map(|carried| carry_over(disk, root, carried));
    let copied: Vec<Option<MadeFile>> = copied.collect::<Result<_, _>>()?;
    let lost = plan.carried.iter().zip(&copied).filter(|(_, copied)| copied.is_none());
    notices.extend(lost.map(|(Carried { path, .. }, _)| Notice {
        what: format!("`{path}` of the release before is not what was bundled, and is not carried over"),
        help: "a page that is open in a browser may lack it until it is loaded again".to_owned(),
    }));
    made.extend(copied.into_iter().flatten());
    for Handed { path, bytes, origin } in plan.handed {
        made.push(write(disk, root, path, bytes, origin.clone())?);
    }
    made.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(made)
}

/// Makes what the files lie in. Beside them lie files of the bundle, whose folders are there.
fn make_folders(disk: &Disk, root: &Path, files: &[EntryPath]) -> Result<(), ReleaseError> {
    let folders: std::collections::BTreeSet<&str> = files.iter().flat_map(EntryPath::folders).collect();
    for folder in folders {
        let path = folder.split('/').fold(root.to_owned(), |path, part| path.join(part));
        let made = match disk.create_folder(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs_err::symlink_metadata(&path).and_then(|metadata| match metadata.is_dir() {
                    true => Ok(()),
                    // Nothing is written through a link.
                    false => Err(error),
                })
            }
            made => made,
        };
        made.map_err(|source| ReleaseError::Unwritable { path, source })?;
    }
    Ok(())
}

fn write(
    disk: &Disk,
    root: &Path,
    path: &EntryPath,
    bytes: &[u8],
    origin: Origin,
) -> Result<MadeFile, ReleaseError> {
    let place = path.below(root);
    disk.create(&place, Mode::Plain)
        .and_then(|mut file| file.write_all(bytes))
        .map_err(|source| ReleaseError::Unwritable { path: place, source })?;
    Ok(MadeFile { path: path.clone(), size: bytes.len() as u64, sha256: Sha256::of(bytes), origin })
}

fn carry_over(disk: &Disk, root: &Path, carried: &Carried) -> Result<Option<MadeFile>, ReleaseError> {
    let Carried { path, size, sha256, disk: from, origin } = carried;
    let place = path.below(root);
    let copied = reuse::copy(from, *size, *sha256, || disk.create(&place, Mode::Plain));
    // It is the same file to browsers, so it keeps its time.
    let copied = copied.and_then(|copied| copied.map(reuse::Copied::keep).transpose());
    let copied = copied.map_err(|source| ReleaseError::Unwritable { path: place, source })?;
    let (path, origin) = (path.clone(), origin.clone());
    Ok(copied.map(|()| MadeFile { path, size: *size, sha256: *sha256, origin }))
}

/// Has the disk keep everything, and only then writes the mark.
fn set_mark(
    release: &Release,
    made: Vec<MadeFile>,
    at: SystemTime,
    disk: &Disk,
    is_expanded: bool,
) -> Result<Mark, ReleaseError> {
    let root = &release.root;
    let sync = || {
        disk.sync_tree(root).and_then(|()| match root.parent() {
            Some(above) if is_expanded => disk.sync_folder(above),
            _ => Ok(()),
        })
    };
    // Waiting for the disk touches nothing.
    let (synced, touched) = rayon::join(sync, || touched(root));
    synced.map_err(|source| ReleaseError::Unwritable { path: root.clone(), source })?;
    let mark = Mark { identity: release.identity, completed: at, touched: touched?, made };
    let path = root.join(MARK);
    disk.replace(&path, Mode::Plain, &mark.to_bytes())
        .map_err(|source| ReleaseError::Unwritable { path, source })?;
    Ok(mark)
}

/// The last time at which any file below `root` was touched.
fn touched(root: &Path) -> Result<u64, ReleaseError> {
    let mut last = 0;
    for entry in WalkDir::new(root) {
        let metadata = entry.and_then(|entry| Ok((entry.metadata()?, entry)));
        let (metadata, entry) = metadata.map_err(|error| ReleaseError::Unreadable {
            path: error.path().unwrap_or(root).to_owned(),
            source: error.into(),
        })?;
        if entry.file_type().is_file() {
            last = last.max(verify::touched(&metadata));
        }
    }
    Ok(last)
}
