//! Copies of databases that were made before migrations: as many stay as releases do, the newest.
//!
//! They are all that brings back what a migration has changed, so nothing goes but what is surely such a copy: a
//! folder with a release's name, which holds SQLite databases alone.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use walkdir::WalkDir;

use super::Survey;
use super::hooks::is_sqlite;
use crate::durable::Disk;
use crate::held;
use crate::release::ReleaseId;
use crate::release::prune::PrunePlan;

/// Copies that were made together, before one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copies {
    /// The release that migrated what was copied.
    pub release: ReleaseId,
    pub folder: PathBuf,
    made: SystemTime,
}

/// The folder of all copies, below what a site's project writes to.
pub fn folder(shared: &Path) -> PathBuf {
    shared.join("backups")
}

/// Those of a site that go when these releases do: the newest `keep` stay, and those of every release that does.
pub fn superseded(survey: &Survey, releases: &PrunePlan, keep: usize) -> Vec<Copies> {
    let gone = |id: &ReleaseId| releases.removals.iter().any(|removal| removal.id == *id);
    let ids = survey.all_complete().map(|complete| &complete.id);
    let stay: Vec<&ReleaseId> = ids.filter(|id| !gone(id)).collect();
    older(&survey.home.shared(), keep, &stay)
}

/// Those below `shared` that are neither among the newest nor of these releases. What cannot be read stays, too.
fn older(shared: &Path, keep: usize, stay: &[&ReleaseId]) -> Vec<Copies> {
    let entries = fs_err::read_dir(folder(shared)).into_iter().flatten().flatten();
    let mut found: Vec<Copies> = entries.filter_map(|entry| copies(&entry.path())).collect();
    found.sort_by_key(|copies| std::cmp::Reverse((copies.made, copies.release.clone())));
    found.into_iter().skip(keep).filter(|copies| !stay.contains(&&copies.release)).collect()
}

/// What lies in a folder, if that is copies of databases and nothing else.
fn copies(folder: &Path) -> Option<Copies> {
    let release = ReleaseId::parse(folder.file_name()?.to_str()?).ok()?;
    // Nothing is left of some whose removal was cut short.
    let mut made = SystemTime::UNIX_EPOCH;
    for entry in WalkDir::new(folder) {
        let entry = entry.ok()?;
        if entry.file_type().is_dir() {
            continue;
        }
        if !entry.file_type().is_file() || !is_sqlite(entry.path()).ok()? {
            return None;
        }
        made = made.max(entry.metadata().ok()?.modified().ok()?);
    }
    Some(Copies { release, folder: folder.to_owned(), made })
}

impl Copies {
    /// Removes them. What somebody holds stays for the next time.
    pub fn remove(&self, disk: &Disk) -> io::Result<()> {
        held::remove_dir_all(&self.folder)?;
        self.folder.parent().map_or(Ok(()), |above| disk.sync_folder(above))
    }
}

impl fmt::Display for Copies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the copies of databases that were made before {}", self.release)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SQLITE: &[u8] = b"SQLite format 3\0 and more";

    fn write(path: PathBuf, bytes: &[u8], seconds: u64) {
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, bytes).unwrap();
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
    }

    #[test]
    fn the_newest_copies_stay_and_whatever_is_not_surely_one() {
        let shared = tempfile::tempdir().unwrap();
        let within = |path: &str| folder(shared.path()).join(path);
        write(within("2.0-00000002/databases/a.db"), SQLITE, 300);
        write(within("1.0-00000001/databases/a.db"), SQLITE, 100);
        write(within("1.0-00000001/b.db"), SQLITE, 101);
        // Made again later than its version says.
        write(within("1.1-00000003/a.db"), SQLITE, 400);
        write(within("0.9-00000004/a.db"), SQLITE, 50);
        write(within("0.8-00000005/a.db"), SQLITE, 40);
        write(within("0.8-00000005/why.txt"), b"the last one before the move", 40);
        write(within("by-hand/a.db"), SQLITE, 30);
        fs_err::create_dir_all(within("0.7-00000006")).unwrap();
        let gone = |keep, stay: &[&ReleaseId]| -> Vec<String> {
            let older = older(shared.path(), keep, stay);
            older.iter().map(|copies| copies.release.to_string()).collect()
        };
        assert_eq!(gone(2, &[]), ["1.0-00000001", "0.9-00000004", "0.7-00000006"]);
        let first = ReleaseId::parse("1.0-00000001").unwrap();
        assert_eq!(gone(1, &[&first]), ["2.0-00000002", "0.9-00000004", "0.7-00000006"]);
        assert!(gone(5, &[]).is_empty());
        for copies in older(shared.path(), 2, &[]) {
            copies.remove(&Disk::default()).unwrap();
        }
        assert!(!within("1.0-00000001").exists() && within("2.0-00000002/databases/a.db").exists());
    }

    #[test]
    fn a_site_without_copies_has_none_to_remove() {
        let shared = tempfile::tempdir().unwrap();
        assert!(older(shared.path(), 0, &[]).is_empty());
    }
}
