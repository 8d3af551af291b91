//! A folder that a release may be made in: nobody else's files are there, so none can be overwritten.

use std::io;
use std::path::{Path, PathBuf};

use super::tree::{self, Held};
use super::{MARK, ReleaseError, mark};
use crate::durable::{Disk, Mode, NewFile};
use crate::held;

/// A place for one release. Once begun it is filled, or becomes again what it was.
#[derive(Debug)]
pub struct Slot {
    root: PathBuf,
    disk: Disk,
    /// Whether the folder itself is somebody else's.
    existed: bool,
    /// Whether something may lie in it that an earlier run has left.
    leftovers: bool,
    /// A folder in it with rights of its own.
    guarded: Option<(PathBuf, String)>,
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
        Ok(Slot { root, disk: Disk::default(), existed, leftovers: false, guarded: None, begun: false })
    }

    /// Takes the folder of a release that is not complete, with what an earlier run has left in it. Nothing is written
    /// yet.
    pub(super) fn of_release(root: PathBuf, disk: Disk) -> Result<Slot, ReleaseError> {
        match fs_err::symlink_metadata(&root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(ReleaseError::Unreadable { path: root, source }),
            Ok(metadata) if metadata.is_symlink() => return Err(ReleaseError::Link { path: root }),
            Ok(metadata) if !metadata.is_dir() => return Err(ReleaseError::NotAFolder { folder: root }),
            Ok(_) => {}
        }
        Ok(Slot { root, disk, existed: false, leftovers: true, guarded: None, begun: false })
    }

    /// The folder of this name in it is to have `rights` of its own, in the words of Windows, before anything lies there.
    #[must_use]
    pub fn guard(mut self, folder: &str, rights: String) -> Slot {
        self.guarded = Some((self.root.join(folder), rights));
        self
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn may_have_leftovers(&self) -> bool {
        self.leftovers
    }

    pub(super) fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Makes the folder. From here on what lies in it is ours to remove.
    pub(super) fn begin(&mut self) -> Result<(), ReleaseError> {
        self.make_folder().map_err(|source| ReleaseError::Unwritable { path: self.root.clone(), source })?;
        self.begun = true;
        Ok(())
    }

    fn make_folder(&self) -> io::Result<()> {
        let there = || fs_err::symlink_metadata(&self.root).is_ok_and(|metadata| metadata.is_dir());
        if (self.existed || self.leftovers) && there() {
            return Ok(());
        }
        if let Some(parent) = self.root.parent() {
            self.disk.create_folders(parent)?;
        }
        self.disk.create_folder(&self.root)
    }

    /// Makes the folder that was to have rights of its own.
    pub(super) fn make_guarded(&self) -> Result<(), ReleaseError> {
        let Some((path, rights)) = &self.guarded else { return Ok(()) };
        match self.disk.create_guarded_folder(path, rights) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made.map_err(|source| ReleaseError::Unwritable { path: path.clone(), source }),
        }
    }

    /// The release is complete: the folder stays.
    pub(super) fn filled(mut self) -> PathBuf {
        self.begun = false;
        std::mem::take(&mut self.root)
    }

    /// Removes all but what `keep` wants. What stood here is no release from the first step on.
    pub(super) fn clear(&self, keep: impl Fn(&Path) -> bool) -> Result<(), ReleaseError> {
        mark::take(&self.root, &self.disk)
            .map_err(|source| ReleaseError::Remains { path: self.root.join(MARK), source })?;
        let left = held::again(
            || tree::clear(&self.disk, &self.root, &keep),
            |left| left.iter().any(|left| held::is_held(&left.source)),
        );
        match left.into_iter().next() {
            Some(Held { path, source }) => Err(ReleaseError::Remains { path, source }),
            None => Ok(()),
        }
    }

    /// A new file in it.
    pub(super) fn create(&self, path: &Path, executable: bool) -> io::Result<NewFile<'_>> {
        self.disk.create(path, if executable { Mode::Program } else { Mode::Plain })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.begun {
            // What cannot be removed is left over but never taken for a release: its manifest, and then its mark, are
            // written last.
            let cleared = self.clear(|_| false);
            if cleared.is_ok() && !self.existed {
                let _ = self.disk.remove_folder(&self.root);
            }
        }
    }
}
