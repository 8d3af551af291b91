//! A folder that a release may be made in: nothing is there yet, so nothing can be overwritten.

use std::io;
use std::path::{Path, PathBuf};

use super::ReleaseError;
use crate::held;

/// An empty place for one release. Once begun it is filled, or becomes again what it was.
#[derive(Debug)]
pub struct Slot {
    root: PathBuf,
    /// Whether the folder itself was there before.
    existed: bool,
    begun: bool,
}

impl Slot {
    /// Takes a folder that is empty or does not exist. Nothing is written yet.
    pub fn empty(folder: &Path) -> Result<Slot, ReleaseError> {
        let unreadable = |source| ReleaseError::Unreadable { path: folder.to_owned(), source };
        // Absolute, so that a long path stays within reach on Windows, whatever becomes the current folder.
        let root = std::path::absolute(folder).map_err(unreadable)?;
        let existed = match fs_err::read_dir(&root) {
            Ok(mut entries) => match entries.next() {
                None => true,
                Some(Ok(_)) => return Err(ReleaseError::NotEmpty { folder: folder.to_owned() }),
                Some(Err(source)) => return Err(unreadable(source)),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            // Windows has more than one way to say so.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory || root.is_file() => {
                return Err(ReleaseError::NotAFolder { folder: folder.to_owned() });
            }
            Err(source) => return Err(unreadable(source)),
        };
        Ok(Slot { root, existed, begun: false })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes the folder. From here on what lies in it is ours to remove.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        if !self.existed {
            if let Some(parent) = self.root.parent() {
                fs_err::create_dir_all(parent)?;
            }
            fs_err::create_dir(&self.root)?;
        }
        self.begun = true;
        Ok(())
    }

    /// The release is complete: the folder stays.
    pub(super) fn filled(mut self) -> PathBuf {
        self.begun = false;
        std::mem::take(&mut self.root)
    }

    fn clear(&self) -> io::Result<()> {
        if !self.existed {
            return held::remove_dir_all(&self.root);
        }
        for entry in fs_err::read_dir(&self.root)? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => held::remove_dir_all(&entry.path())?,
                false => held::remove_file(&entry.path())?,
            }
        }
        Ok(())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.begun {
            // What cannot be removed is left over but never taken for a release: its manifest is written last.
            let _ = self.clear();
        }
    }
}
