//! Compares a folder with what should lie in it: the files of the bundle's indexes, and those that the mark names. What
//! is in neither is extra: bytecode that Python wrote is no exception.

use std::collections::HashSet;
use std::fs::Metadata;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use rayon::prelude::*;

use super::{Complete, MARK, MadeFile, Mark, Release, ReleaseError};
use crate::archive::{Aspect, Difference, SIGNATURE};
use crate::digest::Sha256;
use crate::entry::EntryPath;
use crate::layer::{Index, index};
use crate::manifest::MANIFEST;
use crate::progress::{Progress, Running, Silent, Stage, Unit};

/// The settings of a site, which an administrator may lay beside a bundle that was unpacked. Nothing in a release reads
/// them.
pub const SITE_TOML: &str = "site.toml";

/// Reads every file of a release; returns what differs, sorted. Its mark is read if it has one, and counts as any file
/// does.
pub fn verify(release: &Release, progress: &dyn Progress) -> Result<Vec<Difference>, ReleaseError> {
    let mark = Mark::read(&release.root, release.manifest.target);
    let complete = mark.and_then(|mark| mark.map(|mark| Complete::new(release.clone(), mark)).transpose());
    let (made, wrong) = match complete {
        Ok(complete) => (complete.map(|complete| complete.mark.made).unwrap_or_default(), None),
        Err(ReleaseError::Mark { .. }) => {
            (Vec::new(), Some(Difference::Differs { path: MARK.to_owned(), what: Aspect::Content }))
        }
        Err(error) => return Err(error),
    };
    let mut differences = differences(release, &made, &[], Depth::Contents, progress)?;
    differences.extend(wrong);
    differences.sort();
    Ok(differences)
}

/// What has changed in a release since it was completed, by a look at names, sizes and times; only files that were
/// touched since then are read.
///
/// A change of content goes unseen if the file kept its size, and its time was set back: on Linux that takes a clock
/// that was set back, as the time at which a file's properties changed counts, too; on Windows any program can do it.
/// Damage to the disk shows in no time. [`verify()`] sees all of it.
pub fn drift(complete: &Complete) -> Result<Vec<Difference>, ReleaseError> {
    let Complete { release, mark, .. } = complete;
    differences(release, &mark.made, &[], Depth::TouchedSince(mark.touched), &Silent)
}

/// How closely a file is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) enum Depth {
    Contents,
    /// Only if it was touched at this time, in nanoseconds since 1970, or later.
    TouchedSince(u64),
}

/// A file as it should be.
struct Expected<'a> {
    path: &'a EntryPath,
    size: u64,
    sha256: Sha256,
    #[cfg_attr(windows, allow(dead_code, reason = "Windows goes by a file's name"))]
    executable: bool,
}

/// What differs, sorted. Files of `tolerated` may be there or not.
pub(super) fn differences(
    release: &Release,
    made: &[MadeFile],
    tolerated: &[EntryPath],
    depth: Depth,
    progress: &dyn Progress,
) -> Result<Vec<Difference>, ReleaseError> {
    let bundled = release.files().map(|file| Expected {
        path: &file.path,
        size: file.size,
        sha256: file.sha256,
        executable: file.executable,
    });
    let made = made.iter().map(|file| Expected {
        path: &file.path,
        size: file.size,
        sha256: file.sha256,
        executable: false,
    });
    let files: Vec<Expected<'_>> = bundled.chain(made).collect();
    let total = files.iter().fold(0, |sum: u64, file| sum.saturating_add(file.size));
    let running = Running::begin(progress, Stage::Verify, total, Unit::Bytes);
    let compared = || {
        let compared = files.par_iter().map(|file| {
            let difference = compare(file, &release.root, depth);
            running.advance(file.size);
            difference
        });
        compared.filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()
    };
    let known: Vec<&EntryPath> = files.iter().map(|file| file.path).chain(tolerated).collect();
    let (compared, strangers) = rayon::join(compared, || strangers(release, &known));
    let mut differences = compared?;
    differences.extend(strangers?);
    differences.sort();
    Ok(differences)
}

/// The last time at which a file was touched, in nanoseconds since 1970, as far as the system tells: written to, and
/// on Unix also given other properties, which nobody can date back.
pub(super) fn touched(metadata: &Metadata) -> u64 {
    let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    let modified = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let modified = u64::try_from(modified).unwrap_or(u64::MAX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let changed = metadata.ctime().saturating_mul(1_000_000_000).saturating_add(metadata.ctime_nsec());
        modified.max(u64::try_from(changed).unwrap_or(0))
    }
    #[cfg(not(unix))]
    modified
}

fn compare(file: &Expected<'_>, root: &Path, depth: Depth) -> Result<Option<Difference>, ReleaseError> {
    let path = file.path.below(root);
    let name = || file.path.to_string();
    let unreadable = |source| ReleaseError::Unreadable { path: path.clone(), source };
    let metadata = match fs_err::symlink_metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Some(Difference::Missing { path: name() }));
        }
        Err(error) => return Err(unreadable(error)),
    };
    let differs = |what| Ok(Some(Difference::Differs { path: name(), what }));
    if !metadata.is_file() {
        return differs(Aspect::Type);
    }
    let read = match depth {
        Depth::Contents => true,
        Depth::TouchedSince(time) => touched(&metadata) >= time,
    };
    if metadata.len() != file.size || (read && Sha256::of_file(&path).map_err(unreadable)? != file.sha256) {
        return differs(Aspect::Content);
    }
    #[cfg(unix)]
    if (std::os::unix::fs::MetadataExt::mode(&metadata) & 0o111 != 0) != file.executable {
        return differs(Aspect::Executable);
    }
    Ok(None)
}

/// What may lie in a release, as bundles name it.
struct Known<'a> {
    files: HashSet<&'a str>,
    folders: HashSet<&'a str>,
    /// What makes it a release.
    own: HashSet<&'a str>,
}

/// What lies in the folder without being known.
fn strangers(release: &Release, known: &[&EntryPath]) -> Result<Vec<Difference>, ReleaseError> {
    let indexes: Vec<String> =
        release.manifest.layers.iter().map(|layer| Index::name(&layer.digest)).collect();
    let folders = known.iter().flat_map(|path| path.folders()).chain([index::FOLDER]);
    let known = Known {
        files: known.iter().map(|path| path.as_str()).collect(),
        folders: folders.collect(),
        own: indexes.iter().map(String::as_str).chain([MANIFEST, SIGNATURE, MARK, SITE_TOML]).collect(),
    };
    strangers_in("", &release.root, &known)
}

/// What is not known in one folder, which lies at `place`, and in the known ones that it holds: these are looked through at
/// the same time.
fn strangers_in(folder: &str, place: &Path, known: &Known<'_>) -> Result<Vec<Difference>, ReleaseError> {
    let unreadable = |source| ReleaseError::Unreadable { path: place.to_owned(), source };
    let (mut strangers, mut inside) = (Vec::new(), Vec::new());
    for entry in fs_err::read_dir(place).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let kind = entry.file_type().map_err(unreadable)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let path = if folder.is_empty() { name.into_owned() } else { format!("{folder}/{name}") };
        if known.folders.contains(path.as_str()) {
            match kind.is_dir() {
                true => inside.push((path, entry.path())),
                false => strangers.push(Difference::Differs { path, what: Aspect::Type }),
            }
        } else if known.own.contains(path.as_str()) {
            if !kind.is_file() {
                strangers.push(Difference::Differs { path, what: Aspect::Type });
            }
        } else if !known.files.contains(path.as_str()) {
            // One line says it; all that is inside is extra too.
            let path = if kind.is_dir() { format!("{path}/") } else { path };
            strangers.push(Difference::Extra { path });
        }
    }
    let inside = inside.par_iter().map(|(folder, place)| strangers_in(folder, place, known));
    strangers.extend(inside.collect::<Result<Vec<_>, _>>()?.into_iter().flatten());
    Ok(strangers)
}
