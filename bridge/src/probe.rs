//! Probes: requests of whoever puts a release into service, told from visitors' by a token.
//!
//! A probe may come by another way than visitors do, so it says by which scheme they come. And it may ask to be held
//! until several processes hold one: a process that answers one request at a time and holds one makes the web server
//! start the next, so that as many requests at once reach as many processes, and all of them are warm. (At a socket
//! that processes share, one of them may hold a second connection meanwhile: there the wait may be in vain.)
//!
//! What a probe must show and do stands in a file that is read when a request carries the header, and at no other
//! time: whoever probes writes it, and removes it afterwards. Nothing here makes a folder or removes a file.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use subtle::ConstantTimeEq as _;

use crate::log;
use crate::protocol::Params;

/// The header, as web servers name it among the parameters: `X-Holdall-Probe: TOKEN[;scheme=https][;warm]`.
pub const PARAMETER: &[u8] = b"HTTP_X_HOLDALL_PROBE";

/// The header of an answer to a probe that names the process.
pub const PROCESS: &str = "X-Holdall-Process";

/// A shorter token could be guessed.
const SHORTEST_TOKEN: usize = 32;

/// How long a request is held at most, whatever the file says: web servers take a process for hung that is silent
/// for longer.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How often a held request looks who is there.
const GLANCE: Duration = Duration::from_millis(20);

/// Where the file of probes is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probes {
    pub file: PathBuf,
}

/// What a probe may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// How visitors come, if the probe says so.
    pub https: Option<bool>,
    /// Hold the request so.
    pub meeting: Option<Meeting>,
}

/// Where processes that hold a request find each other.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meeting {
    /// How many there shall be.
    processes: usize,
    /// How many seconds each waits for the others.
    wait: u64,
    /// A folder in which each leaves a file with the number of its process for a name.
    folder: PathBuf,
}

/// The file of probes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    token: String,
    /// Seconds since 1970: a token that nobody took back ends by itself.
    expires: u64,
    warm: Option<Meeting>,
}

impl Probes {
    /// What the request may ask for, if it shows the token. Files are read only for one that carries the header.
    pub fn admit(&self, params: &Params) -> Option<Probe> {
        let shown = params.value(PARAMETER)?;
        match read(&self.file) {
            Ok(file) => file.and_then(|file| admit(file, shown, now())),
            // The message would quote the file, and the token with it.
            Err(_) => {
                log::line(&format!("`{}` is no file of probes that can be read", self.file.display()));
                None
            }
        }
    }
}

/// The file, unless there is none: then nobody probes.
fn read(path: &Path) -> io::Result<Option<File>> {
    let text = match fs_err::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut file: File = toml::from_str(&text).map_err(|_| io::ErrorKind::InvalidData)?;
    if let (Some(meeting), Some(folder)) = (&mut file.warm, path.parent()) {
        meeting.folder = folder.join(&meeting.folder);
    }
    Ok(Some(file))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(u64::MAX, |since| since.as_secs())
}

fn admit(file: File, shown: &[u8], now: u64) -> Option<Probe> {
    let mut parts = shown.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let token = parts.next().unwrap_or_default();
    // How much of a wrong token is right must not show in the time it takes to refuse it.
    let is_right: bool = token.ct_eq(file.token.as_bytes()).into();
    if !is_right || file.token.len() < SHORTEST_TOKEN || file.expires <= now {
        return None;
    }
    let mut probe = Probe { https: None, meeting: None };
    for part in parts {
        match part {
            b"scheme=https" => probe.https = Some(true),
            b"scheme=http" => probe.https = Some(false),
            b"warm" => probe.meeting.clone_from(&file.warm),
            // What a newer one may ask for is no reason to take it for a visitor's.
            _ => {}
        }
    }
    Some(probe)
}

impl Meeting {
    /// Waits until as many processes as there shall be have come here, or for as long as it is allowed.
    pub fn hold(&self) {
        let deadline = Instant::now() + Duration::from_secs(self.wait).min(LONGEST_WAIT);
        match self.wait_until(deadline) {
            Ok(true) => {}
            Ok(false) => log::line(&format!("a probe has waited in vain for {} processes", self.processes)),
            // A folder that is gone means that whoever probed has left. Nobody else is kept waiting for it.
            Err(error) => log::line(&format!("a probe cannot wait for other processes: {error}")),
        }
    }

    fn wait_until(&self, deadline: Instant) -> io::Result<bool> {
        // The file stays: who has been here counts as having come, else the first to leave would keep the others.
        fs_err::write(self.folder.join(std::process::id().to_string()), "")?;
        loop {
            if self.present()? >= self.processes {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            std::thread::sleep(GLANCE);
        }
    }

    fn present(&self) -> io::Result<usize> {
        let mut numbers = HashSet::new();
        for entry in fs_err::read_dir(&self.folder)? {
            numbers.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
        }
        Ok(numbers.len())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::protocol::encode;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn file(warm: Option<Meeting>) -> File {
        File { token: TOKEN.to_owned(), expires: 1000, warm }
    }

    fn meeting(folder: &Path, processes: usize, wait: u64) -> Meeting {
        Meeting { processes, wait, folder: folder.to_owned() }
    }

    #[track_caller]
    fn check(shown: &str, expected: Option<Probe>) {
        assert_eq!(admit(file(None), shown.as_bytes(), 999), expected, "{shown}");
    }

    #[test]
    fn only_the_whole_token_is_admitted() {
        let plain = Probe { https: None, meeting: None };
        check(TOKEN, Some(plain.clone()));
        check(&format!(" {TOKEN} ; later"), Some(plain.clone()));
        check(&format!("{TOKEN};scheme=https"), Some(Probe { https: Some(true), ..plain.clone() }));
        check(&format!("{TOKEN}; scheme=http"), Some(Probe { https: Some(false), ..plain.clone() }));
        // Nobody says where to meet.
        check(&format!("{TOKEN};warm"), Some(plain));
        check("", None);
        check(&TOKEN[1..], None);
        check(&format!("{TOKEN}0"), None);
        check(&format!("{TOKEN}, {TOKEN}"), None);
        check(&TOKEN.to_uppercase(), None);
    }

    #[test]
    fn a_token_that_has_run_out_or_could_be_guessed_admits_nobody() {
        assert_eq!(admit(file(None), TOKEN.as_bytes(), 1000), None);
        for token in ["", "short"] {
            let file = File { token: token.to_owned(), ..file(None) };
            assert_eq!(admit(file, token.as_bytes(), 0), None);
        }
    }

    fn params(pairs: &[(&str, &str)]) -> Params {
        let mut bytes = Vec::new();
        pairs.iter().for_each(|(name, value)| encode::pair(&mut bytes, name.as_bytes(), value.as_bytes()));
        Params::parse(bytes).unwrap()
    }

    #[test]
    fn the_file_is_read_each_time_that_a_request_has_the_header() {
        let folder = tempfile::tempdir().unwrap();
        let probes = Probes { file: folder.path().join("probe.toml") };
        let with = |token: &str| params(&[("HTTP_X_HOLDALL_PROBE", token)]);
        assert_eq!(probes.admit(&with(TOKEN)), None, "there is no file, so nobody probes");
        for token in [TOKEN, "fedcba9876543210fedcba9876543210"] {
            fs_err::write(&probes.file, format!("token = '{token}'\nexpires = 99999999999\n")).unwrap();
            assert!(probes.admit(&with(token)).is_some());
            assert!(probes.admit(&with("x")).is_none() && probes.admit(&params(&[])).is_none());
        }
        let warm = "[warm]\nprocesses = 2\nwait = 3\nfolder = 'here'\n";
        fs_err::write(&probes.file, format!("token = '{TOKEN}'\nexpires = 99999999999\n{warm}")).unwrap();
        let probe = probes.admit(&with(&format!("{TOKEN};warm"))).unwrap();
        assert_eq!(probe.meeting, Some(meeting(&folder.path().join("here"), 2, 3)));
        fs_err::write(&probes.file, "token = 1").unwrap();
        assert_eq!(probes.admit(&with(TOKEN)), None);
    }

    #[test]
    fn a_probe_is_held_until_the_others_have_come() {
        let folder = tempfile::tempdir().unwrap();
        let meeting = meeting(folder.path(), 3, 30);
        let probe = admit(file(Some(meeting.clone())), format!("{TOKEN};warm").as_bytes(), 0).unwrap();
        assert_eq!(probe.meeting.as_ref(), Some(&meeting));
        let held = std::thread::spawn(move || meeting.hold());
        // What no process is called does not count.
        for name in ["1", "note", "00001", "-2"] {
            fs_err::write(folder.path().join(name), "").unwrap();
        }
        std::thread::sleep(GLANCE * 5);
        assert!(!held.is_finished());
        fs_err::write(folder.path().join("2"), "").unwrap();
        held.join().unwrap();
    }

    #[test]
    fn a_probe_is_held_no_longer_than_it_may_be_and_not_at_all_where_nobody_meets() {
        let folder = tempfile::tempdir().unwrap();
        let soon = Instant::now() + GLANCE;
        assert!(!meeting(folder.path(), 2, 0).wait_until(soon).unwrap());
        assert!(meeting(folder.path(), 1, 0).wait_until(soon).unwrap());
        let begun = Instant::now();
        meeting(&folder.path().join("gone"), 2, 30).hold();
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}
