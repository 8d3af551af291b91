//! A log file that does not grow for ever, whoever else writes to it: when it is large it is renamed, by one of those who
//! write, and all of them go on in a new one under the old name.
//!
//! On Windows a file that is open can be renamed if all who opened it allow that, as Rust's own `File` does. Where somebody
//! does not, such as an editor, the file grows on, and it is tried again later.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::log::{self, LogError};

/// How often it is looked how large the file is, and whether it is still there.
const GLANCE: Duration = Duration::from_secs(1);

/// How long it is left alone where it could not be renamed.
const LATER: Duration = Duration::from_secs(60);

/// Where a log is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogPlace {
    /// One file for all processes.
    File(PathBuf),
    /// A file for each process: `fcgi_YYMMDD_HHMMSS_PID.log`.
    Folder(PathBuf),
}

/// From when on a log goes on in a new file, and how many of the full ones stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    pub bytes: u64,
    pub keep: usize,
}

/// A log file that is being written.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    file: File,
    limit: Option<Limit>,
    next: Instant,
}

impl LogPlace {
    /// The file of this process, whose name is made now.
    fn path(&self, now: Timestamp) -> PathBuf {
        match self {
            LogPlace::File(path) => path.clone(),
            LogPlace::Folder(folder) => {
                let name = now.strftime("fcgi_%y%m%d_%H%M%S").to_string();
                folder.join(format!("{name}_{}.log", std::process::id()))
            }
        }
    }
}

impl LogFile {
    /// Opens it to be appended to, and makes the folder of logs if it is not there.
    pub fn open(place: &LogPlace, limit: Option<Limit>) -> Result<LogFile, LogError> {
        // The application may go to another folder.
        let path = place.path(Timestamp::now());
        let path = std::path::absolute(&path).map_err(|source| LogError::new(&path, source))?;
        if let LogPlace::Folder(folder) = place {
            fs_err::create_dir_all(folder).map_err(|source| LogError::new(folder, source))?;
        }
        let file = log::open(&path)?;
        Ok(LogFile { path, file, limit, next: Instant::now() + GLANCE })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file once more, for the standard streams.
    pub fn copy(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Whether it is time to [renew](LogFile::renew) it.
    pub fn is_due(&self) -> bool {
        Instant::now() >= self.next
    }

    /// The file to go on in, if that is another from now on: the old one is full, or somebody has moved it away.
    pub fn renew(&mut self) -> Option<File> {
        self.next = Instant::now() + GLANCE;
        if self.is_ours().ok()? {
            let limit = self.limit?;
            if self.file.metadata().ok()?.len() < limit.bytes {
                return None;
            }
            match self.rotate(limit) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(_) => {
                    self.next = Instant::now() + LATER;
                    return None;
                }
            }
        }
        let file = log::open(&self.path).ok()?;
        let copy = file.try_clone().ok()?;
        self.file = file;
        Some(copy)
    }

    /// Whether the file under the name is the one that is open.
    fn is_ours(&self) -> io::Result<bool> {
        let ours = same_file::Handle::from_file(self.file.try_clone()?)?;
        match same_file::Handle::from_path(&self.path) {
            Ok(found) => Ok(found == ours),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Moves the full file away, and says whether it is gone. Of several processes one does it: the others find it gone, or
    /// look again.
    fn rotate(&self, limit: Limit) -> io::Result<bool> {
        let mut name = std::ffi::OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push(".lock");
        let lock = self.path.with_file_name(name);
        // Windows locks no file that was opened to be appended to alone.
        let mut options = fs_err::OpenOptions::new();
        let lock = options.create(true).write(true).truncate(false).open(lock)?.into_parts().0;
        match lock.try_lock() {
            Ok(()) => {}
            // Requests are not to wait for whoever has it.
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        if !self.is_ours()? {
            return Ok(true);
        }
        fs_err::rename(&self.path, self.free_name(Timestamp::now()))?;
        // It is moved, whatever becomes of older ones.
        for old in self.full().unwrap_or_default().iter().rev().skip(limit.keep) {
            // Somebody may read it; the next time is early enough.
            let _ = fs_err::remove_file(old);
        }
        Ok(true)
    }

    /// `bridge-20261123T211000.250Z.log`, or a later one: names sort by time.
    fn free_name(&self, now: Timestamp) -> PathBuf {
        let (begin, end) = self.frame();
        let mut at = now;
        loop {
            let name = format!("{begin}{}{end}", at.strftime("%Y%m%dT%H%M%S.%3fZ"));
            let path = self.path.with_file_name(name);
            if !path.exists() {
                return path;
            }
            at += jiff::SignedDuration::from_millis(1);
        }
    }

    /// What the names of full files begin and end with.
    fn frame(&self) -> (String, String) {
        let part = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let end = self.path.extension().map_or_else(String::new, |end| format!(".{}", part(Some(end))));
        (format!("{}-", part(self.path.file_stem())), end)
    }

    /// The full files, the oldest first.
    fn full(&self) -> io::Result<Vec<PathBuf>> {
        let (begin, end) = self.frame();
        let mut full = Vec::new();
        for entry in fs_err::read_dir(self.path.parent().unwrap_or(Path::new("")))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let stamp = name.strip_prefix(&begin).and_then(|rest| rest.strip_suffix(&end));
            if stamp.is_some_and(is_stamp) {
                full.push(path);
            }
        }
        full.sort();
        Ok(full)
    }
}

/// `20261123T211000.250Z`, or without the milliseconds.
fn is_stamp(text: &str) -> bool {
    let shape: String =
        text.chars().map(|character| if character.is_ascii_digit() { '0' } else { character }).collect();
    matches!(&*shape, "00000000T000000.000Z" | "00000000T000000Z")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write as _;

    const LIMIT: Limit = Limit { bytes: 10, keep: 2 };

    fn open(folder: &Path) -> LogFile {
        LogFile::open(&LogPlace::File(folder.join("bridge.log")), Some(LIMIT)).unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs_err::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<_> = fs_err::read_dir(folder).unwrap().map(name).collect();
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        names
    }

    #[test]
    fn a_full_log_is_moved_away_once_and_all_who_write_go_on_in_the_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let (mut one, mut other) = (open(folder.path()), open(folder.path()));
        one.file.write_all(b"012345").unwrap();
        assert!(one.renew().is_none(), "it is not full");
        other.file.write_all(b"6789").unwrap();
        let mut renewed = one.renew().unwrap();
        renewed.write_all(b"new").unwrap();
        other.renew().unwrap().write_all(b"er").unwrap();
        assert!(other.renew().is_none() && one.renew().is_none());
        let names = names(folder.path());
        assert_eq!(names.len(), 2, "{names:?}");
        assert_eq!(fs_err::read_to_string(folder.path().join(&names[0])).unwrap(), "0123456789");
        assert_eq!(fs_err::read_to_string(folder.path().join("bridge.log")).unwrap(), "newer");
    }

    #[test]
    fn only_so_many_full_logs_stay_and_nothing_else_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        for other in ["bridge-notes.log", "bridge-20261123T211000Z.txt", "other-20261123T211000Z.log"] {
            fs_err::write(folder.path().join(other), "").unwrap();
        }
        fs_err::write(folder.path().join("bridge-19990101T000000Z.log"), "").unwrap();
        let mut log = open(folder.path());
        for _ in 0..4 {
            log.file.write_all(b"0123456789").unwrap();
            log.renew().unwrap();
        }
        let names = names(folder.path());
        assert_eq!(names.len(), 3 + 2 + 1, "{names:?}");
        assert!(!names.contains(&"bridge-19990101T000000Z.log".to_owned()));
    }

    #[test]
    fn a_log_that_somebody_has_moved_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let place = LogPlace::File(folder.path().join("bridge.log"));
        let mut log = LogFile::open(&place, None).unwrap();
        assert!(log.renew().is_none());
        fs_err::rename(folder.path().join("bridge.log"), folder.path().join("old")).unwrap();
        log.renew().unwrap().write_all(b"x").unwrap();
        assert_eq!(fs_err::read_to_string(folder.path().join("bridge.log")).unwrap(), "x");
    }

    #[test]
    fn a_log_beside_nothing_is_the_one_of_the_folder_of_that_time() {
        let log = LogFile::open(&LogPlace::File("target-of-a-test.log".into()), None).unwrap();
        let path = log.path().to_owned();
        fs_err::remove_file(&path).unwrap();
        assert!(path.is_absolute(), "{}", path.display());
    }

    #[test]
    fn while_somebody_else_moves_it_nobody_waits() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = open(folder.path());
        log.file.write_all(b"0123456789").unwrap();
        let lock = fs_err::File::create(folder.path().join(".bridge.log.lock")).unwrap();
        lock.file().lock().unwrap();
        assert!(log.renew().is_none());
        lock.file().unlock().unwrap();
        assert!(log.renew().is_some());
    }

    #[test]
    fn in_a_folder_each_process_has_a_file_of_its_own() {
        let at: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let path = LogPlace::Folder("logs".into()).path(at);
        assert_eq!(path, Path::new("logs").join(format!("fcgi_260102_030405_{}.log", std::process::id())));
    }
}
