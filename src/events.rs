//! What an administrator finds in the event log of Windows: how deploys, rollbacks and removals ended, and that a service
//! has crashed. Elsewhere there is no such log.
//!
//! That something cannot be written there never fails a command, and no event holds a value of the environment or what a
//! hook or a service has printed: logs of events are collected by others.

#[cfg(windows)]
mod win32;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use crate::manifest::SiteName;
use crate::release::ReleaseId;

/// The name under which events stand in the log "Application".
pub const SOURCE: &str = "holdall";

/// The variable that names a file which gets every event, a line of JSON each, beside the log of Windows.
pub const FILE_VARIABLE: &str = "HOLDALL_EVENTS";

/// What Windows takes for a text is a little longer.
const LONGEST: usize = 30_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    Information,
    Warning,
    Error,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Nothing was changed.
    Refused,
    /// All is as it was before.
    TakenBack,
    /// Not all could be taken back.
    NotTakenBack,
    /// It did what it was to do, but not all that follows.
    InPart,
}

/// Something that happened to a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Deployed {
        site: SiteName,
        release: ReleaseId,
        from: Option<ReleaseId>,
    },
    RolledBack {
        site: SiteName,
        release: ReleaseId,
        from: Option<ReleaseId>,
    },
    Removed {
        site: SiteName,
        with_data: bool,
    },
    Closed {
        site: SiteName,
    },
    Opened {
        site: SiteName,
    },
    /// A command that failed: `deploy`, what it said, and why.
    Failed {
        site: SiteName,
        doing: &'static str,
        ending: Ending,
        words: Vec<String>,
    },
    /// A service has ended as it should not; its log says why.
    ServiceCrashed {
        site: SiteName,
        service: String,
        /// How: `ended with 3`.
        words: String,
        log: PathBuf,
    },
    /// The same of one that nothing comes of until somebody sees to it.
    ServiceDown {
        site: SiteName,
        service: String,
        words: String,
        log: PathBuf,
    },
}

impl Event {
    /// The number by which people look for events, and programs watch for them: it never changes. The message file that is
    /// named for the source knows those up to 1000.
    pub fn id(&self) -> u32 {
        match self {
            Event::Deployed { .. } => 1,
            Event::RolledBack { .. } => 2,
            Event::Removed { .. } => 3,
            Event::Closed { .. } => 4,
            Event::Opened { .. } => 5,
            Event::Failed { ending: Ending::Refused, .. } => 10,
            Event::Failed { ending: Ending::TakenBack, .. } => 11,
            Event::Failed { ending: Ending::NotTakenBack, .. } => 12,
            Event::Failed { ending: Ending::InPart, .. } => 13,
            Event::ServiceCrashed { .. } => 20,
            Event::ServiceDown { .. } => 21,
        }
    }

    pub fn level(&self) -> Level {
        match self {
            Event::Failed { ending: Ending::TakenBack | Ending::NotTakenBack, .. }
            | Event::ServiceDown { .. } => Level::Error,
            Event::Failed { .. } | Event::ServiceCrashed { .. } => Level::Warning,
            _ => Level::Information,
        }
    }

    /// The site comes first, so that events of many can be told apart.
    pub fn text(&self) -> String {
        let serves = |site, release, from: &Option<ReleaseId>| match from {
            Some(from) if from != release => format!("{site}: {release} serves, and {from} before it"),
            _ => format!("{site}: {release} serves"),
        };
        match self {
            Event::Deployed { site, release, from } => format!("{} (deploy)", serves(site, release, from)),
            Event::RolledBack { site, release, from } => {
                format!("{} (rollback)", serves(site, release, from))
            }
            Event::Removed { site, with_data: true } => format!("{site}: removed, with all that it had"),
            Event::Removed { site, with_data: false } => format!("{site}: removed; what it wrote stays"),
            Event::Closed { site } => format!("{site}: closed to visitors for maintenance"),
            Event::Opened { site } => format!("{site}: open to visitors again"),
            Event::Failed { site, doing, words, .. } => {
                // Of what others have said, which comes in many lines, none is repeated.
                let first = |words: &String| {
                    without_queries(words.lines().next().unwrap_or_default().trim_end_matches(':'))
                };
                let words: Vec<String> = words.iter().map(first).collect();
                format!("{site}: {doing} failed: {}", words.join(": "))
            }
            Event::ServiceCrashed { site, service, words, log } => {
                format!("{site}: the service {service} {words}; `{}` says why", log.display())
            }
            Event::ServiceDown { site, service, words, log } => {
                format!("{site}: the service {service} is down: it {words}; `{}` says why", log.display())
            }
        }
    }
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    id: u32,
    level: Level,
    text: &'a str,
}

/// Writes an event down, where that can be done.
pub fn report(event: &Event) {
    let text = fit(&event.text());
    if let Some(file) = std::env::var_os(FILE_VARIABLE).filter(|file| !file.is_empty()) {
        let time = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
        append(Path::new(&file), &Line { time, id: event.id(), level: event.level(), text: &text });
    }
    #[cfg(windows)]
    let _ = win32::report(event.level(), event.id(), &text);
}

fn append(file: &Path, line: &Line<'_>) {
    let line = serde_json::to_string(line).expect("texts and numbers can be written as JSON");
    let file = fs_err::OpenOptions::new().append(true).create(true).open(file);
    let _ = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
}

/// Makes the source known to this machine, if this program may: without it, events are shown with an excuse before them.
pub fn register() {
    #[cfg(windows)]
    let _ = win32::register();
}

/// Forgets the source: no site is left that could report anything.
pub fn unregister() {
    #[cfg(windows)]
    let _ = win32::unregister();
}

/// A text whose addresses have no query strings: they may hold secrets.
fn without_queries(text: &str) -> String {
    let mut parts = text.split('?');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |whole, part| {
        let end = part.find(|c: char| c.is_whitespace() || c == '`').unwrap_or(part.len());
        // A question ends with what looks like the beginning of one.
        let mark = if end == 0 { "?" } else { "" };
        whole + mark + &part[end..]
    })
}

/// A text that Windows takes and shows as it is: `%1` would stand for something else.
fn fit(text: &str) -> String {
    let mut fit = String::with_capacity(text.len());
    let mut letters = text.chars().take(LONGEST).peekable();
    while let Some(letter) = letters.next() {
        fit.push(if letter == '\0' { ' ' } else { letter });
        if letter == '%' && letters.peek().is_some_and(char::is_ascii_digit) {
            fit.push(' ');
        }
    }
    fit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> SiteName {
        SiteName::parse("shop").unwrap()
    }

    #[test]
    fn an_event_names_its_site_and_has_a_number_of_its_own() {
        let [release, from] = ["2.0-0123abcd", "1.0-89abcdef"].map(|id| ReleaseId::parse(id).unwrap());
        let deployed = Event::Deployed { site: site(), release: release.clone(), from: Some(from) };
        assert_eq!(deployed.text(), "shop: 2.0-0123abcd serves, and 1.0-89abcdef before it (deploy)");
        assert_eq!((deployed.id(), deployed.level()), (1, Level::Information));
        let back = Event::RolledBack { site: site(), release: release.clone(), from: Some(release) };
        assert_eq!(back.text(), "shop: 2.0-0123abcd serves (rollback)");
        let failed = |ending| Event::Failed {
            site: site(),
            doing: "deploy",
            ending,
            words: vec!["why? `/a/?key=1` failed".to_owned(), "`x` ended with 1:\nSECRET=1".to_owned()],
        };
        let text = failed(Ending::TakenBack).text();
        assert_eq!(text, "shop: deploy failed: why? `/a/` failed: `x` ended with 1");
        let endings = [Ending::Refused, Ending::TakenBack, Ending::NotTakenBack, Ending::InPart];
        let told: Vec<_> = endings.map(|ending| (failed(ending).id(), failed(ending).level())).into();
        let (warning, error) = (Level::Warning, Level::Error);
        assert_eq!(told, [(10, warning), (11, error), (12, error), (13, warning)]);
        let (service, words, log) = ("worker".to_owned(), "ended with 3".to_owned(), PathBuf::from("w.log"));
        let crashed = Event::ServiceCrashed {
            site: site(),
            service: service.clone(),
            words: words.clone(),
            log: log.clone(),
        };
        assert_eq!(crashed.text(), "shop: the service worker ended with 3; `w.log` says why");
        let down = Event::ServiceDown { site: site(), service, words, log };
        assert_eq!(down.text(), "shop: the service worker is down: it ended with 3; `w.log` says why");
        let told = [(crashed.id(), crashed.level()), (down.id(), down.level())];
        assert_eq!(told, [(20, warning), (21, error)]);
    }

    #[test]
    fn a_text_is_shown_as_it_is_and_no_longer_than_windows_takes() {
        assert_eq!(fit("50 %, %1 and %TEMP%\0"), "50 %, % 1 and %TEMP% ");
        assert_eq!(fit(&"ü".repeat(LONGEST + 1)).chars().count(), LONGEST);
    }
}
