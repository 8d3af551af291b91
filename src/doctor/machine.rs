//! What is read of the machine, as a value. Reading changes nothing but for one file that is gone at once, by which the
//! clock is compared.
//!
//! What could not be read is `None`: unknown, and not wrong.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(any(target_os = "linux", windows)))]
mod other;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod win32;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(any(target_os = "linux", windows)))]
use other as system;
#[cfg(windows)]
use windows as system;

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::configuration;

/// What is known of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    /// Whether it runs Windows: what concerns that alone is not examined elsewhere.
    pub is_windows: bool,
    /// `Windows Server 2022, build 20348`
    pub release: Option<String>,
    /// Whether this program runs with an administrator's rights.
    pub elevated: Option<bool>,
    /// Whether this program is a 32-bit one on a 64-bit Windows.
    pub diverted: bool,
    pub clock: Option<Clock>,
    /// Bytes that are free where the sites lie.
    pub free: Option<u64>,
    /// And where temporary files do.
    pub free_for_temporary: Option<u64>,
    /// Whether programs that ask for it may use paths of more than 259 characters.
    pub long_paths: Option<bool>,
    /// Whether Windows itself has the runtime library of Visual C++.
    pub vc_runtime: Option<bool>,
    pub antivirus: Option<Antivirus>,
    pub app_locker: Option<AppLocker>,
    pub code_integrity: Option<CodeIntegrity>,
    /// The folder of the configuration that IIS shares with other servers.
    pub shared_configuration: Option<String>,
    /// Who listens on the ports that were asked for.
    pub listening: Vec<Listening>,
    /// The addresses at which http.sys listens, if not at all.
    pub listen_list: Vec<IpAddr>,
    /// The rights on the folder of the site, or of all sites, in the words of Windows.
    pub rights: Option<(PathBuf, String)>,
    /// Files that Windows holds for strange because they came from elsewhere.
    pub blocked: Vec<PathBuf>,
}

/// What the time is, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    pub now: u64,
    /// By whoever keeps the files of the sites.
    pub of_files: Option<u64>,
    /// Whether Windows sets it by another clock.
    pub synchronized: Option<bool>,
}

/// A program that listens on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    pub at: SocketAddr,
    pub process: Option<u32>,
    pub program: Option<String>,
}

/// Microsoft Defender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Antivirus {
    /// Whether files are looked at when they are written and read.
    pub watches: bool,
    /// The folders that it leaves alone, if that may be read.
    pub exclusions: Option<Vec<String>>,
}

/// The rules about which programs may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppLocker {
    /// Whether the service that sees to them can run.
    pub may_run: bool,
    /// What they are enforced for: `Exe`, `Dll`.
    pub enforced: Vec<String>,
}

/// Whether Windows runs only programs that a policy names (WDAC).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeIntegrity {
    Off,
    /// What would be refused is written down.
    Audited,
    Enforced,
}

/// What is to be read beside the machine itself.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// The folder of all sites, and that of the site, which need not be there.
    pub root: &'a Path,
    pub site: Option<&'a Path>,
    /// What may have come from elsewhere.
    pub brought: Option<&'a Path>,
    /// Ports at which a site is to answer.
    pub ports: &'a [u16],
    /// The appcmd that is run, if any is.
    pub appcmd: Option<&'a Path>,
}

impl Machine {
    /// Reads everything.
    pub fn read(wanted: &Wanted<'_>) -> Machine {
        // What lies above is not for us to judge.
        let folder = wanted.site.into_iter().chain([wanted.root]).find(|folder| folder.is_dir());
        Machine {
            clock: Some(clock(wanted.root)),
            free_for_temporary: free(&std::env::temp_dir()),
            ..system::read(folder, Machine::for_deploy(wanted))
        }
    }

    /// Reads what a deploy depends on: that takes no longer than a moment.
    pub fn for_deploy(wanted: &Wanted<'_>) -> Machine {
        let configuration = wanted.appcmd.map(configuration::beside);
        Machine {
            is_windows: cfg!(windows),
            diverted: is_diverted(),
            free: free(wanted.site.unwrap_or(wanted.root)),
            shared_configuration: configuration.and_then(|file| configuration::shared(&file).ok().flatten()),
            listening: system::listening(wanted.ports),
            listen_list: system::listen_list(),
            blocked: wanted.brought.map(blocked).unwrap_or_default(),
            ..Machine::default()
        }
    }

    /// Looks again who listens, until `is_free` or a moment has passed: what was ended just now may still hold a port.
    pub fn wait_for_ports(&mut self, ports: &[u16], is_free: impl Fn(&Machine) -> bool) {
        const MOMENT: Duration = Duration::from_secs(3);
        let mut waited = Duration::ZERO;
        while !is_free(self) && waited < MOMENT {
            let pause = Duration::from_millis(100);
            std::thread::sleep(pause);
            waited += pause;
            self.listening = system::listening(ports);
        }
    }
}

/// Whether this is a 32-bit program on a 64-bit Windows: under the names of Windows' own folders such a one is shown
/// others, and with them another configuration of IIS.
pub fn is_diverted() -> bool {
    cfg!(all(windows, target_pointer_width = "32")) && std::env::var_os("PROCESSOR_ARCHITEW6432").is_some()
}

fn seconds(time: SystemTime) -> Option<u64> {
    time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

/// The root may lie on another machine, which has a clock of its own.
fn clock(root: &Path) -> Clock {
    let of_files = || {
        let file = tempfile::Builder::new().prefix(".holdall-clock-").tempfile_in(root).ok()?;
        // A file system sets the time of what is written, and not always that of what is made.
        std::io::Write::write_all(&mut file.as_file(), b"now").ok()?;
        seconds(file.as_file().metadata().ok()?.modified().ok()?)
    };
    let of_files = of_files();
    let now = seconds(SystemTime::now()).unwrap_or(0);
    Clock { now, of_files, synchronized: system::synchronized() }
}

/// The bytes that are free at a path, which need not be there yet.
fn free(path: &Path) -> Option<u64> {
    let there = path.ancestors().find(|above| above.exists())?;
    #[cfg(unix)]
    return unix::free(there).ok();
    #[cfg(windows)]
    return win32::free(there).ok();
}

/// Where Windows writes down that a file came from elsewhere: a stream beside its content. Copied to where there are no
/// streams it becomes a file of this name.
pub(super) fn zone(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(":Zone.Identifier");
    name.into()
}

/// What lies at this path and came from elsewhere: a bundle, or the programs in a folder.
fn blocked(path: &Path) -> Vec<PathBuf> {
    if path.is_dir() {
        return blocked_below(path);
    }
    Some(path.to_owned()).filter(|path| is_blocked(path)).into_iter().collect()
}

/// The programs and libraries below a folder that came from elsewhere: of what else lies there Windows asks nobody.
pub fn blocked_below(folder: &Path) -> Vec<PathBuf> {
    const ASKED_FOR: [&str; 6] = ["exe", "dll", "pyd", "cmd", "bat", "ps1"];
    let entries = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().flatten();
    let paths = entries.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path);
    let is_program = |path: &PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|found| ASKED_FOR.iter().any(|known| found.eq_ignore_ascii_case(known)))
    };
    paths.filter(is_program).filter(|path| is_blocked(path)).collect()
}

/// What is on this machine alone says 0, and what is trusted 1 or 2.
fn is_blocked(path: &Path) -> bool {
    let Ok(text) = std::fs::read(zone(path)) else { return false };
    let text = String::from_utf8_lossy(&text).into_owned();
    let zone = text.lines().find_map(|line| line.trim().strip_prefix("ZoneId="));
    zone.and_then(|zone| zone.trim().parse::<u32>().ok()).is_some_and(|zone| zone >= 3)
}

/// What `w32tm /query /status` says of the clock in its first line, in any language: the leap indicator of NTP, of which 3
/// means that no other clock was ever heard. It stands behind the colon, with what it means in brackets; an error has digits
/// elsewhere.
#[cfg(any(windows, test))]
fn is_synchronized(printed: &str) -> Option<bool> {
    let first = printed.lines().find(|line| !line.trim().is_empty())?;
    let indicator = first.split(':').skip(1).find_map(|said| {
        // Before it French has a blank that does not break, which counts as white space.
        let said = said.trim();
        let digit = said.chars().next().filter(|digit| ('0'..='3').contains(digit))?;
        let rest = said[1..].trim_start();
        (rest.is_empty() || rest.starts_with('(')).then_some(digit)
    })?;
    Some(indicator != '3')
}

/// The addresses in what `netsh http show iplisten` prints, in any language: one a line.
#[cfg(any(windows, test))]
fn addresses(printed: &str) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = printed.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_among_the_words_of_any_language() {
        let printed = "\r\nIP-Adressen in der IP-Überwachungsliste:\r\n-------------\r\n\r\n    192.0.2.6\r\n    ::1\r\n\r\n";
        let expected: [IpAddr; 2] = ["192.0.2.6".parse().unwrap(), "::1".parse().unwrap()];
        assert_eq!(addresses(printed), expected);
        assert!(addresses("IP addresses present in the IP listen list:\r\n----\r\n").is_empty());
    }

    #[test]
    fn whether_a_clock_is_set_by_another_is_read_in_any_language() {
        let check = |first: &str, expected| {
            let printed = format!("{first}\r\nStratum: 4 (x)\r\nPrecision: -23 (119.209ns)\r\n");
            assert_eq!(is_synchronized(&printed), expected, "{first}");
        };
        check("Leap Indicator: 0(no warning)", Some(true));
        check("Leap Indicator: 3(not synchronized)", Some(false));
        check("\r\nIndicateur de d\u{fffd}rive\u{a0}: 3(non synchronis\u{fffd})", Some(false));
        check("Sprungindikator: 1(letzte Minute hat 61 Sekunden)", Some(true));
        check("Leap Indicator:\u{a0}0", Some(true));
        check("The following error occurred: The service has not been started. (0x80070426)", None);
        check("Fehler: 0x80070426", None);
        check("Leap Indicator: 30", None);
        assert_eq!(is_synchronized(""), None);
        assert_eq!(is_synchronized("The following error occurred: Access is denied."), None);
    }

    #[test]
    fn what_came_from_elsewhere_is_known_by_its_zone() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (name, zone_id) in [
            ("python.exe", Some(3)),
            ("a.PYD", Some(4)),
            ("own.dll", Some(0)),
            ("plain.exe", None),
            ("page.html", Some(3)),
        ] {
            fs_err::write(path(name), "x").unwrap();
            if let Some(id) = zone_id {
                std::fs::write(zone(&path(name)), format!("[ZoneTransfer]\r\nZoneId={id}\r\n")).unwrap();
            }
        }
        assert_eq!(blocked(folder.path()), [path("a.PYD"), path("python.exe")]);
        assert_eq!(
            blocked(&path("page.html")),
            [path("page.html")],
            "a bundle is looked at whatever its name"
        );
        assert!(blocked(&path("none.zip")).is_empty());
    }

    #[test]
    fn the_clock_is_that_of_the_files_where_they_lie_here() {
        let folder = tempfile::tempdir().unwrap();
        let Clock { now, of_files, .. } = clock(folder.path());
        assert!(of_files.unwrap().abs_diff(now) < 60);
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 0, "nothing stays");
        assert_eq!(clock(&folder.path().join("none")).of_files, None);
    }

    #[test]
    fn there_is_room_where_a_folder_is_yet_to_be_made() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free(&folder.path().join("not/yet")).unwrap() > 0);
    }

    #[cfg(any(target_os = "linux", windows))]
    #[test]
    fn whoever_listens_is_found_with_the_name_of_its_program() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let found = system::listening(&[at.port()]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].at, found[0].process), (at, Some(std::process::id())));
        assert!(found[0].program.as_ref().is_some_and(|program| !program.is_empty()), "{found:?}");
        drop(listener);
        // A process that is being started has a copy of all handles for a moment.
        let mut machine = Machine { listening: found, ..Machine::default() };
        machine.wait_for_ports(&[at.port()], |machine| machine.listening.is_empty());
        assert_eq!(machine.listening, []);
    }
}
