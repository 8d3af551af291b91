//! The one-time token by which the bridge of a release tells a probe from a visitor's request.
//!
//! It lies in the release's run folder, where administrators write and the site's processes read. Where processes
//! meet that are being warmed up they must write, and they may do so below `shared/tmp` anyway.

use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::HeaderValue;
use serde::Serialize;

use crate::cache::write_whole;
use crate::held;
use crate::site::{Place, bridge_toml};

/// How folders begin in which processes meet.
const MEETING: &str = "probe-";

/// How many processes are to be warmed up at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Warm {
    pub processes: usize,
    /// How long one waits for the others; the bridge allows 60 s at most.
    pub wait: Duration,
}

/// Leave to probe one release. It ends when this is dropped; by itself a little later, if nothing is left to drop it.
///
/// For another round of warming up another one is needed: who has met once does not wait again.
#[derive(Debug)]
#[must_use]
pub struct Pass {
    token: Token,
    file: PathBuf,
    meeting: Option<(Warm, PathBuf)>,
}

/// Shown to the bridge and to nobody else.
struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// The file, as the bridge reads it.
#[derive(Serialize)]
struct File<'a> {
    token: &'a str,
    expires: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    warm: Option<Meeting<'a>>,
}

#[derive(Serialize)]
struct Meeting<'a> {
    processes: usize,
    wait: u64,
    folder: &'a str,
}

impl Pass {
    /// Makes one that is good for `life`, in place of any other for this release.
    pub fn issue(place: &Place, warm: Option<Warm>, life: Duration) -> io::Result<Pass> {
        let token = Token(random::<32>()?);
        let file = bridge_toml::probe_toml(place);
        let meeting = match warm {
            Some(warm) => {
                let folder = place.tmp().join(format!("{MEETING}{}", random::<8>()?));
                fs_err::create_dir_all(&folder)?;
                Some((warm, folder))
            }
            None => None,
        };
        // From here on what was made goes again, whatever fails.
        let pass = Pass { token, file, meeting };
        let text = pass.text(SystemTime::now() + life)?;
        write_whole(&pass.file, |file| file.write_all(text.as_bytes()))?;
        Ok(pass)
    }

    fn text(&self, until: SystemTime) -> io::Result<String> {
        let expires = until.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let warm = match &self.meeting {
            Some((warm, folder)) => {
                let folder = folder.to_str().ok_or(io::ErrorKind::InvalidFilename)?;
                Some(Meeting { processes: warm.processes, wait: warm.wait.as_secs(), folder })
            }
            None => None,
        };
        let file = File { token: &self.token.0, expires, warm };
        Ok(toml::to_string(&file).expect("strings, numbers and a table of them can be written as TOML"))
    }

    /// What a request shows, if visitors come by HTTPS or not; and if it is to be held.
    pub(super) fn header(&self, https: bool, warm: bool) -> HeaderValue {
        let scheme = if https { "https" } else { "http" };
        let value = format!("{};scheme={scheme}{}", self.token.0, if warm { ";warm" } else { "" });
        let mut value = HeaderValue::try_from(value).expect("letters, digits and `;=` are fit for a header");
        value.set_sensitive(true);
        value
    }

    /// How many processes it is to warm up.
    pub(super) fn processes(&self) -> usize {
        self.meeting.as_ref().map_or(0, |(warm, _)| warm.processes)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        // What cannot be removed now is of no use to anybody later, and `sweep` finds it.
        let _ = held::remove_file(&self.file);
        if let Some((_, folder)) = &self.meeting {
            let _ = held::remove_dir_all(folder);
        }
    }
}

/// What a run that was killed has left below a site's folder: tokens of all releases, and folders in which processes met.
pub fn left_over(site: &Path) -> io::Result<Vec<PathBuf>> {
    let runs = children(&site.join("run"))?.into_iter().map(|run| run.join(bridge_toml::PROBE));
    let mut left: Vec<PathBuf> = runs.filter(|file| file.is_file()).collect();
    left.extend(children(&site.join("shared").join("tmp"))?.into_iter().filter(|folder| {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        // A project keeps files of its own here, and may call them anything.
        let digits = name.strip_prefix(MEETING).filter(|digits| digits.len() == 16);
        digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    }));
    Ok(left)
}

/// Removes that, and returns what it was.
///
/// To be called by whoever holds the site's lock, so that no pass in use is lost.
pub fn sweep(site: &Path) -> io::Result<Vec<PathBuf>> {
    let left = left_over(site)?;
    for path in &left {
        if path.is_dir() { held::remove_dir_all(path)? } else { held::remove_file(path)? }
    }
    Ok(left)
}

fn children(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs_err::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn random<const BYTES: usize>() -> io::Result<String> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::Disk;
    use crate::site::place::tests::guestbook;

    const WARM: Warm = Warm { processes: 4, wait: Duration::from_secs(20) };

    fn place() -> (tempfile::TempDir, Place) {
        let root = tempfile::tempdir().unwrap();
        let place = guestbook(root.path());
        place.make_folders(&Disk::default()).unwrap();
        (root, place)
    }

    #[test]
    fn a_pass_is_written_for_the_bridge_and_goes_when_it_is_dropped() {
        let (_root, place) = place();
        let pass = Pass::issue(&place, Some(WARM), Duration::from_secs(60)).unwrap();
        let read: toml::Table =
            fs_err::read_to_string(bridge_toml::probe_toml(&place)).unwrap().parse().unwrap();
        let token = read["token"].as_str().unwrap();
        assert_eq!(token.len(), 64);
        assert_eq!(read["warm"]["processes"].as_integer(), Some(4));
        assert_eq!(read["warm"]["wait"].as_integer(), Some(20));
        let folder = PathBuf::from(read["warm"]["folder"].as_str().unwrap());
        assert!(folder.is_dir() && folder.starts_with(place.tmp()));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert!((now + 50..=now + 60).contains(&read["expires"].as_integer().unwrap().cast_unsigned()));
        assert_eq!(pass.header(true, true), format!("{token};scheme=https;warm"));
        assert_eq!(pass.header(false, false), format!("{token};scheme=http"));
        assert!(!format!("{pass:?}").contains(token), "no log shows it");
        fs_err::write(folder.join("4711"), "").unwrap();
        drop(pass);
        assert!(!folder.exists() && !bridge_toml::probe_toml(&place).exists());
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_can_read_a_token() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_root, place) = place();
        let _pass = Pass::issue(&place, None, Duration::from_secs(60)).unwrap();
        assert_eq!(
            fs_err::metadata(bridge_toml::probe_toml(&place)).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn what_a_killed_run_has_left_is_swept_away_and_nothing_else() {
        let (_root, place) = place();
        std::mem::forget(Pass::issue(&place, Some(WARM), Duration::from_secs(60)).unwrap());
        let (others, near) = (place.tmp().join("upload"), place.tmp().join("probe-results"));
        fs_err::create_dir_all(&near).unwrap();
        fs_err::write(&others, "").unwrap();
        let gone = sweep(&place.site).unwrap();
        assert_eq!(gone.len(), 2, "{gone:?}");
        assert!(gone.iter().all(|path| !path.exists()) && others.exists() && near.exists());
        assert!(sweep(&place.site).unwrap().is_empty());
        assert!(sweep(&place.site.join("nowhere")).unwrap().is_empty());
    }
}
