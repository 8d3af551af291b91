//! Where wheels come from beside the package index: folders that people keep them in.

use std::ffi::OsString;
use std::path::PathBuf;

use super::download::is_cached;
use super::lock::{LockedWheel, Origin};
use crate::cache::Cache;
use crate::digest::Sha256;

/// Where wheels may come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Supply {
    /// Folders of wheels (`--find-links`), absolute.
    pub folders: Vec<PathBuf>,
    /// Whether the index is never asked (`--offline`).
    pub offline: bool,
}

impl Supply {
    /// What uv is told of it.
    pub(super) fn options(&self) -> Vec<OsString> {
        let mut options: Vec<OsString> = Vec::new();
        for folder in &self.folders {
            options.extend(["--find-links".into(), folder.clone().into()]);
        }
        if self.offline {
            options.extend(["--no-index".into(), "--offline".into()]);
        }
        options
    }

    /// Takes the wheels that lie in the folders from there: the index need not be asked for them.
    pub(super) fn prefer(&self, wheels: &mut [LockedWheel], cache: &Cache) {
        for wheel in wheels.iter_mut() {
            let there = match &wheel.origin {
                Origin::Path(path) | Origin::Project(path) => path.is_file(),
                Origin::Url(_) => false,
            };
            if there || is_cached(wheel, cache) {
                continue;
            }
            let files = self.folders.iter().map(|folder| folder.join(&wheel.file_name));
            let same = |file: &PathBuf| Sha256::of_file(file).is_ok_and(|found| found == wheel.sha256);
            if let Some(file) = files.filter(|file| file.is_file()).find(same) {
                wheel.origin = Origin::Path(file);
            }
        }
    }
}
