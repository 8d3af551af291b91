//! Static files of the release before that the new one lacks: a page that somebody opened before the switch still asks
//! for them.
//!
//! Only names that carry a hash are carried over, since no other release can mean something else by them. They are those
//! that the old release's `staticfiles.json` names, which Django's manifest storage and whitenoise's both write.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use serde::Deserialize;

use super::{Complete, Origin, Release, ReleaseId};
use crate::digest::Sha256;
use crate::entry::EntryPath;
use crate::layer::IndexedFile;

/// The release that serves now, and for how many releases its files are kept.
#[derive(Debug, Clone, Copy)]
pub struct CarryOver<'a> {
    pub from: &'a Complete,
    /// What is older is dropped; 0 carries nothing over.
    pub retention: u32,
}

/// A file to be carried over.
#[derive(Debug, Clone)]
pub(super) struct Carried {
    pub path: EntryPath,
    pub size: u64,
    pub sha256: Sha256,
    /// Where it lies.
    pub disk: PathBuf,
    pub origin: Origin,
}

/// What is to be carried over into `release`, sorted by path. Whether the files are still what they were is not known
/// yet.
pub(super) fn plan(release: &Release, carry_over: CarryOver<'_>) -> Vec<Carried> {
    let CarryOver { from: previous, retention } = carry_over;
    let there: HashSet<&str> = release.files().map(|file| file.path.as_str()).collect();
    let carried = |path: &EntryPath, size, sha256, from: &ReleaseId, age: u32| Carried {
        path: path.clone(),
        size,
        sha256,
        disk: path.below(previous.root()),
        origin: Origin::CarriedOver { from: from.clone(), age },
    };
    let own = hashed(previous).into_iter();
    let own = own.map(|file| carried(&file.path, file.size, file.sha256, &previous.id, 1));
    let older = previous.mark.made.iter().filter_map(|file| match &file.origin {
        Origin::CarriedOver { from, age } => {
            Some(carried(&file.path, file.size, file.sha256, from, age.saturating_add(1)))
        }
        Origin::Bytecode | Origin::WebConfig => None,
    });
    let is_wanted = |file: &Carried| {
        let Origin::CarriedOver { age, .. } = &file.origin else { return false };
        *age <= retention && file.path.as_str().starts_with("www/") && !there.contains(file.path.as_str())
    };
    let mut carried: Vec<Carried> = own.chain(older).filter(is_wanted).collect();
    carried.sort_by(|one, other| one.path.cmp(&other.path));
    carried
}

/// The static files of a release whose names carry a hash, and what was packed beside them.
fn hashed(complete: &Complete) -> Vec<&IndexedFile> {
    let release = &complete.release;
    let Some(root) = &release.manifest.site.static_root else { return Vec::new() };
    let names = hashed_names(complete, root).unwrap_or_default();
    let is_hashed = |file: &&IndexedFile| {
        let name = file.path.as_str().strip_prefix(root.as_str()).and_then(|name| name.strip_prefix('/'));
        // whitenoise writes these beside each file that becomes smaller by it.
        let original =
            |name: &str| name.strip_suffix(".gz").or_else(|| name.strip_suffix(".br")).map(str::to_owned);
        name.is_some_and(|name| {
            names.contains(name) || original(name).is_some_and(|original| names.contains(&original))
        })
    };
    release.files().filter(is_hashed).collect()
}

/// The names that the storage has made, below the folder of the static files; `None` if it wrote none down.
fn hashed_names(complete: &Complete, root: &str) -> Option<HashSet<String>> {
    /// <https://docs.djangoproject.com/en/stable/ref/contrib/staticfiles/#manifeststaticfilesstorage>
    #[derive(Deserialize)]
    struct StaticFiles {
        paths: BTreeMap<String, String>,
    }
    let name = format!("{root}/staticfiles.json");
    let file = complete.release.files().find(|file| file.path.as_str() == name)?;
    let bytes = super::read_up_to(&file.path.below(complete.root()), file.size).ok()?;
    // As it was bundled, or it names whatever somebody likes.
    if Sha256::of(&bytes) != file.sha256 {
        return None;
    }
    let StaticFiles { paths } = serde_json::from_slice(&bytes).ok()?;
    Some(paths.into_iter().filter(|(name, hashed)| name != hashed).map(|(_, hashed)| hashed).collect())
}
