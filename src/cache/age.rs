//! When something in the cache was last used: the newest time in it. File systems are often set not to note when a
//! file is read, so whoever uses something says so itself.

use std::path::Path;
use std::time::{Duration, SystemTime};

/// Within so much time it is not said again.
const GRAIN: Duration = Duration::from_secs(60 * 60);

/// Notes that a file or a folder of the cache is used now, by giving it the time. As well as can be: a cache that
/// cannot be written to is used all the same.
pub fn used(path: &Path) {
    let now = SystemTime::now();
    let noted = std::fs::metadata(path).and_then(|found| found.modified());
    if noted.is_ok_and(|noted| now.duration_since(noted).is_ok_and(|age| age > GRAIN)) {
        let _ = for_its_times(path).and_then(|file| file.set_modified(now));
    }
}

/// Opens a file or a folder to change its times alone, which disturbs nobody who reads or runs it.
fn for_its_times(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::File::options();
    #[cfg(windows)]
    {
        use std::os::windows::fs::OpenOptionsExt as _;
        use windows_sys::Win32::Storage::FileSystem::{FILE_FLAG_BACKUP_SEMANTICS, FILE_WRITE_ATTRIBUTES};
        // Without the flag Windows opens no folder.
        options.access_mode(FILE_WRITE_ATTRIBUTES).custom_flags(FILE_FLAG_BACKUP_SEMANTICS);
    }
    #[cfg(not(windows))]
    options.read(true);
    options.open(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_used_gets_the_time_of_it_unless_that_was_just_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs_err::write(&file, "").unwrap();
        for path in [folder.path(), &file] {
            let age = |path: &Path| {
                std::fs::metadata(path).unwrap().modified().unwrap().elapsed().unwrap_or_default()
            };
            let set = |age| for_its_times(path).unwrap().set_modified(SystemTime::now() - age).unwrap();
            set(GRAIN * 48);
            used(path);
            assert!(age(path) < GRAIN);
            set(GRAIN / 2);
            used(path);
            assert!(age(path) >= GRAIN / 2);
        }
        used(&folder.path().join("none"));
    }
}
