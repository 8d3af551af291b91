//! A release that bears its mark. There is no other way to have one than to find it in a folder or to complete it.

use std::path::Path;

use super::mark::MarkError;
use super::{MARK, Mark, Release, ReleaseError, ReleaseId};
use crate::entry;

/// A release with its mark: all of it lies in its folder, and nothing there changes any more.
#[derive(Debug, Clone)]
pub struct Complete {
    pub id: ReleaseId,
    pub release: Release,
    pub mark: Mark,
}

impl Complete {
    /// The release in a folder; `None` if there is no mark. Its files are not read, but manifest, indexes and mark
    /// agree.
    pub fn open(folder: &Path) -> Result<Option<Complete>, ReleaseError> {
        // Looked at first, since without a mark nothing here has to be right.
        match fs_err::symlink_metadata(folder.join(MARK)) {
            Err(error) if is_absent(&error) => return Ok(None),
            _ => {}
        }
        let release = Release::open(folder)?;
        let Some(mark) = Mark::read(folder, release.manifest.target)? else { return Ok(None) };
        Complete::new(release, mark).map(Some)
    }

    pub(super) fn new(release: Release, mark: Mark) -> Result<Complete, ReleaseError> {
        let refused = |source| ReleaseError::Mark { path: release.root.join(MARK), source };
        if mark.identity != release.identity {
            let (found, expected) = (mark.identity, release.identity);
            return Err(refused(MarkError::OtherIdentity { found, expected }));
        }
        let indexed = release.indexes.iter().flat_map(|index| &index.files).map(|file| &file.path);
        let all = indexed.chain(mark.made.iter().map(|file| &file.path));
        entry::check_set(all, release.manifest.target).map_err(|source| refused(source.into()))?;
        let id = ReleaseId::new(&release.manifest.version, &release.identity);
        Ok(Complete { id, release, mark })
    }

    /// The folder of the release.
    pub fn root(&self) -> &Path {
        &self.release.root
    }
}

/// Whether there is nothing of a name, or no folder that it could lie in.
pub(super) fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}
