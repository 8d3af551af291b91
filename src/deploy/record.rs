//! What is run around a switch says something, and nobody may be there to read it: it is kept, in a file for each run, below
//! `shared/logs/hooks`, whatever came of it.
//!
//! A file that cannot be written is no reason to fail: then what was said is shown, if there is somebody to show it to.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use crate::release::ReleaseId;
use crate::site::Place;

/// Where a run is written down.
#[derive(Debug, Clone)]
pub struct Record<'a> {
    place: &'a Place,
    /// What part of a deploy it is: `before`, `self-check`.
    step: &'a str,
    begun: Timestamp,
}

/// The folder of all records, below what a site's project writes to.
pub fn folder(shared: &Path) -> PathBuf {
    shared.join("logs").join("hooks")
}

/// Whether a file is called as records are: `TIME-RELEASE-STEP.log`.
pub fn is_record(name: &str) -> bool {
    let time = name.get(..20).is_some_and(|time| {
        time.bytes().enumerate().all(|(at, byte)| match at {
            8 => byte == b'T',
            15 => byte == b'.',
            19 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        })
    });
    time && name[20..].starts_with('-') && name.ends_with(".log")
}

impl<'a> Record<'a> {
    /// One that begins now.
    pub fn begin(place: &'a Place, step: &'a str) -> Record<'a> {
        Record { place, step, begun: Timestamp::now() }
    }

    /// Writes down what was run, what it said and how it ended. Returns the file, if there is one.
    pub fn keep(&self, what: &str, stdout: &[u8], stderr: &[u8], end: &str) -> Option<PathBuf> {
        let text = text(self.begun, what, [stdout, stderr], end, Timestamp::now());
        let folder = folder(&self.place.shared());
        fs_err::create_dir_all(&folder).ok()?;
        let path = folder.join(name(self.begun, &self.place.id, self.step));
        // Never over what is there: the project may write in this folder, and so put something of its own in the way.
        let mut file = fs_err::OpenOptions::new().write(true).create_new(true).open(&path).ok()?;
        file.write_all(text.as_bytes()).ok()?;
        Some(path)
    }
}

/// Sorted by time, fit for Windows.
fn name(begun: Timestamp, release: &ReleaseId, step: &str) -> String {
    format!("{}-{release}-{step}.log", begun.strftime("%Y%m%dT%H%M%S.%3fZ"))
}

/// UTC to the millisecond, as the bridge and IIS write it.
fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

fn text(begun: Timestamp, what: &str, said: [&[u8]; 2], end: &str, ended: Timestamp) -> String {
    let took = ended.duration_since(begun);
    let took = Duration::try_from(took).unwrap_or_default().as_secs_f64();
    let mut text = format!("{} run {what}\n", time(begun));
    for said in said.map(String::from_utf8_lossy) {
        said.lines().for_each(|line| {
            let _ = writeln!(text, "{line}");
        });
    }
    let _ = writeln!(text, "{} {end} after {took:.1} s", time(ended));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::place::tests::guestbook;

    #[test]
    fn a_record_says_what_was_run_what_it_said_and_how_it_ended() {
        let begun: Timestamp = "2026-11-23T10:00:00.250Z".parse().unwrap();
        let ended = "2026-11-23T10:00:02Z".parse().unwrap();
        let said = text(begun, "`manage.py migrate`", [b"one\r\ntwo", b"careful\n"], "ended with 0", ended);
        assert_eq!(
            said,
            "2026-11-23T10:00:00.250Z run `manage.py migrate`\none\ntwo\ncareful\n\
             2026-11-23T10:00:02.000Z ended with 0 after 1.8 s\n"
        );
        let release = ReleaseId::parse("1.0-0123abcd").unwrap();
        let name = name(begun, &release, "before");
        assert_eq!(name, "20261123T100000.250Z-1.0-0123abcd-before.log");
        assert!(is_record(&name));
        for other in ["bridge.log", "20261123T100000.250Z-1.0.txt", "20261123-1.0-before.log", ""] {
            assert!(!is_record(other), "{other}");
        }
    }

    #[test]
    fn what_somebody_has_put_in_the_way_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let place = guestbook(root.path());
        let record = Record::begin(&place, "before");
        let path = record.keep("`x`", b"first", b"", "ended with 0").unwrap();
        assert_eq!(record.keep("`x`", b"second", b"", "ended with 0"), None);
        assert!(fs_err::read_to_string(path).unwrap().contains("first"));
    }
}
