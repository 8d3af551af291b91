//! Logs of a site that nobody has written to for long, or of which there is too much, and those that are too large.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use super::Logs;

/// From this size on the log of the bridge begins anew with the next release.
const LARGE: u64 = 10_000_000;

/// What is to go.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outdated {
    /// Nobody needs them any more.
    pub files: Vec<PathBuf>,
    /// A log that goes on under this name, and where it lies from then on.
    pub moved: Option<(PathBuf, PathBuf)>,
}

/// What is too old, or too much, of the logs below `shared`: of all together so many bytes stay, the newest. IIS keeps its
/// own, as its administrators say.
pub fn outdated(shared: &Path, days: u32, bytes: u64, now: SystemTime) -> io::Result<Outdated> {
    let mut files = Vec::new();
    for logs in Logs::of_site(shared) {
        files.extend(logs.files()?);
    }
    files.sort();
    files.reverse();
    let current = shared.join("logs").join("bridge.log");
    let (mut outdated, mut kept) = (Outdated::default(), 0_u64);
    let oldest = now.checked_sub(Duration::from_secs(u64::from(days) * 24 * 60 * 60));
    for (modified, path) in files {
        let size = fs_err::metadata(&path).map_or(0, |metadata| metadata.len());
        if path == current {
            if size >= LARGE {
                let stamp = Timestamp::try_from(now).unwrap_or(Timestamp::UNIX_EPOCH);
                let name = format!("bridge-{}.log", stamp.strftime("%Y%m%dT%H%M%SZ"));
                outdated.moved = Some((path.clone(), path.with_file_name(name)));
            }
            kept += size;
            continue;
        }
        kept += size;
        if oldest.is_some_and(|oldest| modified < oldest) || kept > bytes {
            outdated.files.push(path);
        }
    }
    Ok(outdated)
}

impl Outdated {
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.moved.is_none()
    }

    /// Removes it, as far as nobody holds it. Returns how many files are gone.
    pub fn remove(&self) -> usize {
        if let Some((from, to)) = &self.moved {
            // Processes that have it open write on in it under its new name; if that cannot be, it stays.
            let _ = fs_err::rename(from, to);
        }
        self.files.iter().filter(|path| fs_err::remove_file(path).is_ok()).count()
    }
}
