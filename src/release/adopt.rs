//! A bundle that somebody has unpacked or copied into a folder becomes a release where it lies.

use std::path::Path;
use std::time::SystemTime;

use rayon::prelude::*;

use super::make::{self, Making};
use super::reuse::is_served;
use super::verify::{self, Depth};
use super::{Complete, MARK, PRUNING, Release, ReleaseError, Unmarked};
use crate::archive::{Aspect, Difference};
use crate::digest::Sha256;
use crate::durable::{Disk, gone, unfinished};
use crate::entry::EntryPath;
use crate::progress::Progress;
use crate::signature::Trust;

/// What a folder is that was to be adopted.
#[derive(Debug)]
pub enum Adoption {
    /// A release with its mark: nothing is to be done.
    Complete(Box<Complete>),
    /// All of a bundle's files; [`super::complete`] makes the rest.
    Unmarked(Box<Unmarked>),
}

/// Takes a folder with all files of a bundle, each as it was bundled, and none beside them. Nothing else of it is
/// changed than the times of what is served, which become `at`: in a bundle they are constant, and browsers ask by them
/// whether something is new.
///
/// What an adoption that was killed has made is removed; it is told from strangers' files by its place.
pub fn adopt(
    folder: &Path,
    trust: &Trust,
    making: &Making<'_>,
    at: SystemTime,
    disk: &Disk,
    progress: &dyn Progress,
) -> Result<Adoption, ReleaseError> {
    let unreadable = |source| ReleaseError::Unreadable { path: folder.to_owned(), source };
    let root = std::path::absolute(folder).map_err(unreadable)?;
    let release = Release::open_trusted(&root, trust)?;
    if let Some(complete) = Complete::open(&root)? {
        unchanged(&root, &super::verify(&release, progress)?)?;
        let is_made = |file: &&make::Handed| {
            let sha256 = Sha256::of(&file.bytes);
            complete.mark.made.iter().any(|made| made.path == file.path && made.sha256 == sha256)
        };
        // Another site may serve this folder: nothing in it is changed.
        return match making.files.iter().find(|file| !is_made(file)) {
            Some(file) => Err(ReleaseError::MadeElsewhere { path: file.path.below(&root) }),
            None => Ok(Adoption::Complete(Box::new(complete))),
        };
    }
    let mut own = make::plan(&release, making)?.paths();
    for part in [unfinished(Path::new(MARK)), PRUNING.into()] {
        own.extend(EntryPath::from_relative(&part, release.manifest.target));
    }
    unchanged(&root, &verify::differences(&release, &[], &own, Depth::Contents, progress)?)?;
    for path in own.iter().map(|path| path.below(&root)) {
        gone(disk.remove_file(&path)).map_err(|source| ReleaseError::Remains { path, source })?;
    }
    let served: Vec<_> = release.files().filter(|file| is_served(file)).collect();
    served.par_iter().try_for_each(|file| {
        let path = file.path.below(&root);
        disk.set_modified(&path, at).map_err(|source| ReleaseError::Unwritable { path, source })
    })?;
    Ok(Adoption::Unmarked(Box::new(Unmarked { release, slot: None, disk: disk.clone() })))
}

fn unchanged(root: &Path, differences: &[Difference]) -> Result<(), ReleaseError> {
    ReleaseError::changed(root, differences).map_or(Ok(()), Err)
}

/// Refuses a folder that has not all files of its bundle, as far as can be seen without reading them: a copy that was
/// cut short is known before anything is begun. One with its mark is looked at by whoever knows what serves.
pub fn check_arrived(release: &Release) -> Result<(), ReleaseError> {
    if release.root.join(MARK).exists() {
        return Ok(());
    }
    let files: Vec<_> = release.files().collect();
    let lacking = files.par_iter().filter_map(|file| {
        let path = file.path.to_string();
        match fs_err::symlink_metadata(file.path.below(&release.root)) {
            Err(_) => Some(Difference::Missing { path }),
            Ok(metadata) if !metadata.is_file() => Some(Difference::Differs { path, what: Aspect::Type }),
            Ok(metadata) if metadata.len() != file.size => {
                Some(Difference::Differs { path, what: Aspect::Content })
            }
            Ok(_) => None,
        }
    });
    let mut lacking: Vec<_> = lacking.collect();
    lacking.sort();
    unchanged(&release.root, &lacking)
}
