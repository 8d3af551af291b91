//! The lock of a site: one command at a time changes it. Who holds it stands beside it, for whoever has to wait.
//!
//! The lock is the system's own, so it goes with the process that holds it, however that ends. Nobody has to guess from
//! a process number whether the holder is still there, and nobody has to remove a file by hand. What the holder wrote
//! stays behind when it was killed: then the next one knows that there may be something to finish.

use std::fmt;
use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::durable::{Disk, Mode, gone};
use crate::held;

/// The file that is locked. It is empty and stays: were it removed, two could lock two files of the same name.
const LOCK: &str = "lock";

/// Who holds it. A file of its own, since what is locked on Windows cannot be read by others.
const HOLDER: &str = "lock.json";

/// How long a lock is waited for in any case: whoever only looks holds it for an instant, and a new holder has to
/// write down who it is.
const MOMENT: Duration = Duration::from_secs(1);

/// How often somebody who waits tries.
const PAUSE: Duration = Duration::from_millis(50);

/// Whoever holds a lock, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The user, as the system calls it.
    pub who: String,
    pub host: String,
    pub process: u32,
    /// Seconds since 1970.
    pub since: u64,
    /// As it could be typed: `deploy 2.4-1f0c9a22`.
    pub doing: String,
}

/// What to do if another holds the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfHeld {
    Wait,
    Refuse,
}

/// While this lives nobody else changes the site.
#[derive(Debug)]
#[must_use]
pub struct Lock {
    folder: PathBuf,
    /// Locked for as long as it is open.
    _file: std::fs::File,
    left: Option<Holder>,
}

/// Why a site cannot be locked.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum LockError {
    #[error("`{}` is being changed by {}", folder.display(), told(holder.as_ref()))]
    #[diagnostic(help(
        "wait until that is done: `--wait` does. If it hangs, end that process; nothing has to be removed"
    ))]
    Held { folder: PathBuf, holder: Option<Holder> },

    #[error("cannot lock `{}`", folder.display())]
    #[diagnostic(help(
        "check that you may write to this folder, that the disk is not full, and that it lies on a local disk: \
         some network shares know no locks"
    ))]
    Unusable { folder: PathBuf, source: io::Error },
}

fn told(holder: Option<&Holder>) -> String {
    holder.map_or_else(|| "another command, which has not said what it is".to_owned(), Holder::to_string)
}

impl Lock {
    /// Locks the site in `folder`, which is there, for `doing`.
    ///
    /// `waiting` is called once for each holder that is waited for.
    pub fn take(
        folder: &Path,
        doing: &str,
        if_held: IfHeld,
        mut waiting: impl FnMut(Option<&Holder>),
    ) -> Result<Lock, LockError> {
        let unusable = |source| LockError::Unusable { folder: folder.to_owned(), source };
        let mut file = open(folder).map_err(unusable)?;
        let begun = Instant::now();
        let mut told = None;
        loop {
            match file.try_lock() {
                // The site was removed by whoever held it: this is no lock any more.
                Ok(()) if !folder.join(LOCK).exists() => file = open(folder).map_err(unusable)?,
                Ok(()) => break,
                Err(TryLockError::Error(source)) => return Err(unusable(source)),
                Err(TryLockError::WouldBlock) if begun.elapsed() < MOMENT => {}
                Err(TryLockError::WouldBlock) => {
                    let holder = read(folder);
                    if if_held == IfHeld::Refuse {
                        return Err(LockError::Held { folder: folder.to_owned(), holder });
                    }
                    // The next one may come before us. One that is leaving has taken its name away already.
                    if told.as_ref() != Some(&holder) && (holder.is_some() || told.is_none()) {
                        waiting(holder.as_ref());
                        told = Some(holder);
                    }
                }
            }
            std::thread::sleep(PAUSE);
        }
        let left = read(folder);
        let holder =
            serde_json::to_vec(&Holder::this(doing)).expect("text and numbers can be written as JSON");
        Disk::default().replace(&folder.join(HOLDER), Mode::Plain, &holder).map_err(unusable)?;
        Ok(Lock { folder: folder.to_owned(), _file: file, left })
    }

    /// Removes the folder with all that is in it, and lets go: until nothing but the lock itself is left, nobody else
    /// changes the site.
    pub fn remove_folder(self) -> io::Result<()> {
        for entry in fs_err::read_dir(&self.folder)? {
            let entry = entry?;
            let path = entry.path();
            match entry.file_type()?.is_dir() {
                true => held::remove_dir_all(&path)?,
                false if [LOCK, HOLDER].iter().any(|name| entry.file_name() == *name) => {}
                false => held::remove_file(&path)?,
            }
        }
        let folder = self.folder.clone();
        // Whoever waits for it has it open, and finds it gone. On Windows it goes when the last of them has closed it.
        gone(held::remove_file(&folder.join(LOCK)))?;
        drop(self);
        match held::again(|| std::fs::remove_dir(&folder), |done| done.as_ref().is_err_and(held::is_held)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            // Somebody has begun to make the site anew since.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
            done => done,
        }
    }

    /// Who held the lock last, if it is gone without having let go: killed, or the machine went down. The journal
    /// tells what it has left behind.
    pub fn taken_over_from(&self) -> Option<&Holder> {
        self.left.as_ref()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Before the file closes: afterwards it could be the next one's. If it stays, the next one takes over, which
        // is no harm.
        let _ = held::remove_file(&self.folder.join(HOLDER));
    }
}

/// Who changes the site in `folder` now; nobody, if nobody has ever.
pub fn holder(folder: &Path) -> Option<Holder> {
    let lock = std::fs::File::open(folder.join(LOCK)).ok()?;
    matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)).then(|| read(folder)).flatten()
}

fn open(folder: &Path) -> io::Result<std::fs::File> {
    let path = folder.join(LOCK);
    let file = fs_err::File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    Ok(file.into_parts().0)
}

/// What cannot be read says nothing: the lock itself is what counts.
fn read(folder: &Path) -> Option<Holder> {
    serde_json::from_slice(&std::fs::read(folder.join(HOLDER)).ok()?).ok()
}

impl Holder {
    /// This process.
    fn this(doing: &str) -> Holder {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Holder { who: user(), host: host(), process: std::process::id(), since, doing: doing.to_owned() }
    }
}

/// `ann on WEB1 (`deploy 2.4-1f0c9a22`, process 4711, since Mon, 23 Nov 2026 06:13:15 GMT)`
impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A file that somebody has changed may hold any number, and not each is a time.
        let since = Duration::from_secs(self.since.min(LAST_SECOND));
        let since = httpdate::fmt_http_date(UNIX_EPOCH + since);
        let Holder { who, host, process, doing, .. } = self;
        write!(f, "{who} on {host} (`{doing}`, process {process}, since {since})")
    }
}

/// Of the year 9999, behind which dates cannot be written.
const LAST_SECOND: u64 = 253_402_300_799;

fn user() -> String {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    match (variable("USERDOMAIN"), variable("USERNAME")) {
        (Some(domain), Some(name)) if cfg!(windows) => format!("{domain}\\{name}"),
        (_, Some(name)) if cfg!(windows) => name,
        _ => variable("LOGNAME").or_else(|| variable("USER")).unwrap_or_else(|| "somebody".to_owned()),
    }
}

#[cfg(windows)]
fn host() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_else(|_| "this machine".to_owned())
}

#[cfg(unix)]
fn host() -> String {
    let mut name = [0_u8; 256];
    // SAFETY: the system writes at most so many bytes as it is told there are.
    let done = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len()) };
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    match done {
        0 if end > 0 => String::from_utf8_lossy(&name[..end]).into_owned(),
        _ => "this machine".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(folder: &Path, doing: &str) -> Result<Lock, LockError> {
        Lock::take(folder, doing, IfHeld::Refuse, |_| panic!("it is not to wait"))
    }

    #[test]
    fn a_second_command_is_refused_and_told_who_holds_the_site() {
        let site = tempfile::tempdir().unwrap();
        assert_eq!(holder(site.path()), None);
        let first = take(site.path(), "deploy 2.4-1f0c9a22").unwrap();
        assert_eq!(first.taken_over_from(), None);
        let told = take(site.path(), "rollback").unwrap_err().to_string();
        let process = std::process::id();
        assert!(told.contains(&format!("(`deploy 2.4-1f0c9a22`, process {process}, since ")), "{told}");
        assert_eq!(holder(site.path()).unwrap().doing, "deploy 2.4-1f0c9a22");
        drop(first);
        assert_eq!(holder(site.path()), None);
        assert_eq!(take(site.path(), "rollback").unwrap().taken_over_from(), None);
    }

    #[test]
    fn a_holder_that_has_not_said_who_it_is_is_a_holder_all_the_same() {
        let site = tempfile::tempdir().unwrap();
        let _first = take(site.path(), "deploy").unwrap();
        fs_err::write(site.path().join(HOLDER), "{\"who\":").unwrap();
        let told = take(site.path(), "rollback").unwrap_err().to_string();
        assert!(
            told.ends_with("is being changed by another command, which has not said what it is"),
            "{told}"
        );
    }

    #[test]
    fn the_lock_of_a_holder_that_is_gone_is_taken_over() {
        let site = tempfile::tempdir().unwrap();
        let gone = Holder { since: u64::MAX, ..Holder::this("deploy 2.4-1f0c9a22") };
        fs_err::write(site.path().join(HOLDER), serde_json::to_vec(&gone).unwrap()).unwrap();
        assert_eq!(holder(site.path()), None, "nobody holds it");
        let lock = take(site.path(), "rollback").unwrap();
        assert_eq!(lock.taken_over_from(), Some(&gone));
        assert!(gone.to_string().contains("9999"), "{gone}");
        drop(lock);
        assert_eq!(take(site.path(), "status").unwrap().taken_over_from(), None);
    }

    #[test]
    fn a_command_that_waits_has_the_lock_after_the_one_before() {
        let site = tempfile::tempdir().unwrap();
        let first = take(site.path(), "deploy").unwrap();
        let (said, heard) = std::sync::mpsc::channel();
        let folder = site.path().to_owned();
        let waiting = std::thread::spawn(move || {
            Lock::take(&folder, "rollback", IfHeld::Wait, |holder| {
                said.send(holder.unwrap().doing.clone()).unwrap()
            })
        });
        assert_eq!(heard.recv().unwrap(), "deploy");
        assert!(!waiting.is_finished());
        drop(first);
        let second = waiting.join().unwrap().unwrap();
        assert_eq!(holder(site.path()).unwrap().doing, "rollback");
        assert!(heard.try_recv().is_err(), "it is said once for each holder");
        drop(second);
    }

    #[test]
    fn a_site_is_removed_under_its_lock_and_whoever_waits_finds_it_gone() {
        let root = tempfile::tempdir().unwrap();
        let site = root.path().join("shop");
        fs_err::create_dir_all(site.join("shared/media")).unwrap();
        fs_err::write(site.join("site.toml"), "name = 'shop'").unwrap();
        let lock = take(&site, "remove").unwrap();
        let (said, heard) = std::sync::mpsc::channel();
        let folder = site.clone();
        let waiting = std::thread::spawn(move || {
            Lock::take(&folder, "deploy", IfHeld::Wait, |_| said.send(()).unwrap()).map(drop)
        });
        heard.recv().unwrap();
        lock.remove_folder().unwrap();
        assert!(!site.exists());
        let refused = waiting.join().unwrap();
        assert!(matches!(refused, Err(LockError::Unusable { .. })), "{refused:?}");
        assert!(!site.exists());
    }

    #[test]
    fn a_site_that_is_not_there_cannot_be_locked() {
        let site = tempfile::tempdir().unwrap();
        assert!(matches!(take(&site.path().join("gone"), "deploy"), Err(LockError::Unusable { .. })));
        assert_eq!(holder(&site.path().join("gone")), None);
    }
}
