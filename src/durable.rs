//! Writing so that a power cut leaves the old or the new, and never a half of either.
//!
//! Whatever a server must find again after it lost its power is written through a [`Disk`]: releases and their marks,
//! state, journals. A disk can be watched. Its [`Witness`] hears of every step before it is taken and may refuse it,
//! so that a test can write down what is done and replay every beginning of it, or play a disk that is full and a file
//! that somebody holds. Reading needs none of this.
//!
//! What is promised, by system:
//!
//! - Linux: `fsync` of a file makes its content durable, `fsync` of a folder the names in it, and one `syncfs` all of a
//!   tree (since Linux 5.8 it also reports what could not be written).
//! - Windows: `FlushFileBuffers` makes a file's content durable. Folders cannot be synced there: NTFS keeps names in a
//!   journal of its own, in order, and flushing a file after it was renamed takes the journal with it. So a name that was
//!   removed may come back after a power cut, but a rename that was made here does not get lost. For a tree the whole
//!   volume is flushed, which an administrator may; for anybody else each file is.

#[cfg(test)]
pub(crate) mod power_cut;
mod sync;
#[cfg(windows)]
mod win32;

use std::io::{self, Read as _, Seek as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::held;

/// Where durable things are written to: the file system, and perhaps somebody who watches.
#[derive(Clone, Default)]
pub struct Disk {
    witness: Option<Arc<dyn Witness>>,
}

/// Hears of each step before it is taken. Whatever error it returns is what the step fails with.
pub trait Witness: Send + Sync {
    fn before(&self, step: Step<'_>) -> io::Result<()>;
}

/// What is done to the file system, one call to the system each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    CreateFolder(&'a Path),
    /// A new file without content.
    CreateFile(&'a Path),
    /// Bytes at the end of a file.
    Write {
        path: &'a Path,
        bytes: &'a [u8],
    },
    /// Over what is there.
    Rename {
        from: &'a Path,
        to: &'a Path,
    },
    RemoveFile(&'a Path),
    RemoveFolder(&'a Path),
    /// What was written to a file is durable.
    SyncFile(&'a Path),
    /// The names in a folder are.
    SyncFolder(&'a Path),
    /// All below a folder is, names and contents.
    SyncTree(&'a Path),
}

/// Who may read or run a new file, where that is said by a mode: Windows goes by the rights of the folder, and by the
/// file's extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Plain,
    Program,
    /// For its owner alone.
    Private,
}

impl Disk {
    /// One whose steps `witness` hears of.
    pub fn watched(witness: Arc<dyn Witness>) -> Disk {
        Disk { witness: Some(witness) }
    }

    /// Puts a file with this content in the place of `path`, whole and durable, or leaves what is there.
    ///
    /// It is written beside under a fixed name, so that what a killed run leaves there is overwritten by the next and
    /// never piles up. Hence two must not do it at once: whoever writes for a site holds the site's lock.
    pub fn replace(&self, path: &Path, mode: Mode, bytes: &[u8]) -> io::Result<()> {
        self.put(path, bytes, |part| create_new(part, mode))
    }

    /// The same for a file with `rights` of its own, in the words of Windows; elsewhere those of its mode are all.
    pub fn replace_guarded(&self, path: &Path, rights: &str, bytes: &[u8]) -> io::Result<()> {
        self.put(path, bytes, |part| create_guarded(part, rights))
    }

    fn put(
        &self,
        path: &Path,
        bytes: &[u8],
        create: impl Fn(&Path) -> io::Result<fs_err::File>,
    ) -> io::Result<()> {
        let part = unfinished(path);
        // A scanner that looks at what a killed run has left is waited for.
        let is_held = |removed: &io::Result<()>| removed.as_ref().is_err_and(held::is_held);
        gone(held::again(|| self.remove_file(&part), is_held))?;
        let written = self.step(Step::CreateFile(&part)).and_then(|()| {
            let mut file = NewFile { disk: self, file: create(&part)? };
            file.write_all(bytes)?;
            file.sync()
        });
        if let Err(error) = written.and_then(|()| self.rename(&part, path)) {
            // If it cannot be removed now, the next one does it.
            let _ = self.remove_file(&part);
            return Err(error);
        }
        self.sync_folder(parent(path))
    }

    /// Adds a line to a file, which is made if it is missing, and makes it durable.
    ///
    /// What a power cut left of the line before stays alone on its own: whoever reads skips what is no whole line.
    pub fn append(&self, path: &Path, mode: Mode, line: &str) -> io::Result<()> {
        if line.contains('\n') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a line of a journal has no line break"));
        }
        let mut options = fs_err::OpenOptions::new();
        let (mut file, torn) = match held::open(options.read(true).append(true), path) {
            Ok(mut file) => {
                let torn = ends_within_a_line(&mut file)?;
                (NewFile { disk: self, file }, torn)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => (self.create(path, mode)?, false),
            Err(error) => return Err(error),
        };
        // In one piece, so that no other program's line comes between.
        file.write_all(format!("{}{line}\n", if torn { "\n" } else { "" }).as_bytes())?;
        file.sync()?;
        // Not only when it was made just now: the run that made it may have been killed before this.
        self.sync_folder(parent(path))
    }

    /// Makes a file that was not there. Neither its name nor its content is durable yet.
    pub fn create(&self, path: &Path, mode: Mode) -> io::Result<NewFile<'_>> {
        self.step(Step::CreateFile(path))?;
        Ok(NewFile { disk: self, file: create_new(path, mode)? })
    }

    /// Makes a folder that was not there; not durable yet.
    pub fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.step(Step::CreateFolder(path))?;
        fs_err::create_dir(path)
    }

    /// The same for a folder with `rights` of its own from its first moment, in the words of Windows, which hands them down
    /// to all that is made in it; elsewhere it has the usual ones.
    pub fn create_guarded_folder(&self, path: &Path, rights: &str) -> io::Result<()> {
        #[cfg(windows)]
        {
            self.step(Step::CreateFolder(path))?;
            crate::private::create_folder_with(path, rights)
        }
        #[cfg(not(windows))]
        {
            let _ = rights;
            self.create_folder(path)
        }
    }

    /// Makes a folder and all above it that are missing, durable.
    pub fn create_folders(&self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        let above = parent(path);
        self.create_folders(above)?;
        match self.create_folder(path) {
            // Somebody else was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            made => made?,
        }
        self.sync_folder(above)
    }

    /// Renames, over what is there. With [`Disk::sync_folder`] after it, durable.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(Step::Rename { from, to })?;
        held::replace(from, to)?;
        if cfg!(windows) {
            // The standard library cannot ask for a rename that is written through; a flush after it is as good.
            held::open(fs_err::OpenOptions::new().write(true), to)?.sync_all()?;
        }
        Ok(())
    }

    /// Removes a file or a link, read-only or not. It is tried once: whether to wait for one that is held is up to the
    /// caller.
    pub fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.step(Step::RemoveFile(path))?;
        writable_then(path, || std::fs::remove_file(path))
    }

    /// Removes a folder that is empty. It is tried once.
    pub fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.step(Step::RemoveFolder(path))?;
        writable_then(path, || std::fs::remove_dir(path))
    }

    /// Sets the time at which a file was last written to; nobody relies on it after a power cut.
    pub fn set_modified(&self, path: &Path, time: SystemTime) -> io::Result<()> {
        let mut options = fs_err::OpenOptions::new();
        // Whoever owns a file may do this, also when it is read-only.
        #[cfg(not(windows))]
        options.read(true);
        #[cfg(windows)]
        fs_err::os::windows::fs::OpenOptionsExt::access_mode(
            &mut options,
            windows_sys::Win32::Storage::FileSystem::FILE_WRITE_ATTRIBUTES,
        );
        options.open(path)?.file().set_modified(time)
    }

    /// Makes the names in a folder durable. Does nothing on Windows, where that cannot be had.
    pub fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.step(Step::SyncFolder(path))?;
        sync::folder(path)
    }

    /// Makes all below a folder durable, at once: ten thousand files one by one would take minutes on a disk that
    /// turns.
    pub fn sync_tree(&self, path: &Path) -> io::Result<()> {
        self.step(Step::SyncTree(path))?;
        sync::tree(path)
    }

    fn step(&self, step: Step<'_>) -> io::Result<()> {
        self.witness.as_ref().map_or(Ok(()), |witness| witness.before(step))
    }
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.witness.is_some() { "Disk(watched)" } else { "Disk" })
    }
}

/// A file that is being written at its end. Unless it is synced, nothing of it is durable.
#[derive(Debug)]
pub struct NewFile<'a> {
    disk: &'a Disk,
    file: fs_err::File,
}

impl NewFile<'_> {
    /// Makes the content durable; the name is only with its folder.
    pub fn sync(self) -> io::Result<()> {
        self.disk.step(Step::SyncFile(self.file.path()))?;
        self.file.sync_all()
    }

    /// Removes it.
    pub fn discard(self) -> io::Result<()> {
        let path = self.file.path().to_owned();
        // Windows removes no file that is open, unless everybody who has it open allows that.
        drop(self.file);
        self.disk.remove_file(&path)
    }

    /// Sets the time at which it was last written to.
    pub fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.file.file().set_modified(time)
    }
}

impl Write for NewFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.disk.step(Step::Write { path: self.file.path(), bytes })?;
        // All of it, or what the witness heard would not be what was done.
        self.file.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The name under which a file is written before it takes its own.
pub fn unfinished(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".part");
    path.with_file_name(name)
}

/// Removing what is not there is as good as removing it.
pub fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// The folder that holds `path`.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn ends_within_a_line(file: &mut fs_err::File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(io::SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// Makes a file that was not there, with the mode that was asked for, whatever the umask.
fn create_new(path: &Path, mode: Mode) -> io::Result<fs_err::File> {
    let mut options = fs_err::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use fs_err::os::unix::fs::OpenOptionsExt as _;
        use std::os::unix::fs::PermissionsExt as _;
        let mode = match mode {
            Mode::Plain => 0o644,
            Mode::Program => 0o755,
            Mode::Private => 0o600,
        };
        let file = options.mode(mode).open(path)?;
        // Looking is cheaper than setting what is mostly right: only a narrow umask takes bits away.
        if file.metadata()?.permissions().mode() & 0o7777 != mode {
            file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        }
        Ok(file)
    }
    #[cfg(not(unix))]
    {
        let _ = mode;
        options.open(path)
    }
}

/// Makes a file that was not there, with rights of its own from its first moment.
fn create_guarded(path: &Path, rights: &str) -> io::Result<fs_err::File> {
    #[cfg(windows)]
    {
        Ok(fs_err::File::from_parts(crate::private::create_with(path, rights)?, path))
    }
    #[cfg(not(windows))]
    {
        let _ = rights;
        create_new(path, Mode::Plain)
    }
}

/// Windows removes nothing that is marked as read-only; the mark goes first, and the removal is tried again.
fn writable_then(path: &Path, remove: impl Fn() -> io::Result<()>) -> io::Result<()> {
    let removed = remove();
    #[cfg(windows)]
    if removed.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied) {
        let metadata = std::fs::symlink_metadata(path)?;
        let mut permissions = metadata.permissions();
        // Setting an attribute of a link would set it on what the link names.
        if permissions.readonly() && !metadata.is_symlink() {
            #[allow(
                clippy::permissions_set_readonly_false,
                reason = "here it is an attribute and gives no rights"
            )]
            permissions.set_readonly(false);
            std::fs::set_permissions(path, permissions)?;
            return remove();
        }
    }
    #[cfg(not(windows))]
    let _ = path;
    removed
}

#[cfg(test)]
mod tests;
