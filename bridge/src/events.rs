//! What administrators are to hear of without reading the log: that the application does not start, and that requests are
//! slow. On Windows they find it in the system's event log; elsewhere it stands in the log alone.
//!
//! Processes that cannot start are started again and again, and where one request is slow many are: of each kind one a
//! minute is reported, by all processes together.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Of a kind, no more than one in this time is reported.
const PAUSE: Duration = Duration::from_secs(60);

/// How events are reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Events {
    /// Under which name they stand in the event log.
    pub source: String,
    /// What is named in front of each.
    pub name: String,
    /// From when on a request is slow.
    pub slow: Duration,
    /// Where it is kept when something was reported last; this user may write there.
    pub folder: PathBuf,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// The application, and why it cannot be imported.
    StartFailed { app: &'a str, summary: &'a str },
    /// What was asked, without its query.
    Slow { question: &'a str, took: Duration },
    /// The same of what is not answered yet: the process may be ended before it is.
    Hangs { question: &'a str, so_far: Duration },
}

impl Event<'_> {
    /// The number by which people look for it.
    pub fn id(&self) -> u32 {
        match self {
            Event::StartFailed { .. } => 100,
            Event::Slow { .. } | Event::Hangs { .. } => 101,
        }
    }

    pub fn is_error(&self) -> bool {
        matches!(self, Event::StartFailed { .. })
    }

    fn text(&self, name: &str) -> String {
        match self {
            Event::StartFailed { app, summary } => {
                // Of an error's own words, which may hold anything, its kind is told.
                let kind = summary.split(':').next().unwrap_or_default();
                format!("{name}: `{app}` cannot be imported ({kind}); the log of the bridge says why")
            }
            Event::Slow { question, took } => {
                format!("{name}: {question} took {:.0} s", took.as_secs_f64())
            }
            Event::Hangs { question, so_far } => format!(
                "{name}: {question} has lasted {:.0} s and is not answered; the log of the bridge says where it is",
                so_far.as_secs_f64()
            ),
        }
    }
}

impl Events {
    /// Reports an event, unless one of its kind just was.
    pub fn report(&self, event: &Event<'_>) {
        if !is_due(&self.folder, event.id(), SystemTime::now()) {
            return;
        }
        let text = event.text(&self.name);
        #[cfg(windows)]
        let _ = crate::win32::report_event(&self.source, event.is_error(), event.id(), &text);
        #[cfg(not(windows))]
        drop(text);
    }
}

/// Whether nothing of the kind was reported for a while; from now on it was. Where that cannot be written down, nothing is
/// reported: too little is better than too much.
fn is_due(folder: &Path, id: u32, now: SystemTime) -> bool {
    let stamp = folder.join(format!(".event-{id}"));
    let last = fs_err::metadata(&stamp).and_then(|metadata| metadata.modified());
    // One from the future is none: somebody has set the clock.
    let is_new = last.is_ok_and(|last| now.duration_since(last).is_ok_and(|since| since < PAUSE));
    !is_new && fs_err::write(&stamp, "").is_ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn of_what_happens_again_and_again_one_a_minute_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        assert!(is_due(folder.path(), 100, now));
        assert!(!is_due(folder.path(), 100, now + Duration::from_secs(30)));
        assert!(is_due(folder.path(), 101, now), "of another kind");
        assert!(is_due(folder.path(), 100, now + Duration::from_secs(120)));
        assert!(!is_due(&folder.path().join("gone"), 100, now));
    }

    #[test]
    fn an_event_repeats_nothing_that_the_application_has_said() {
        let event = Event::StartFailed { app: "shop.wsgi:application", summary: "KeyError: 'password=x'" };
        let text = event.text("shop");
        assert_eq!(
            text,
            "shop: `shop.wsgi:application` cannot be imported (KeyError); the log of the bridge says why"
        );
        let slow = Event::Slow { question: "GET /report", took: Duration::from_millis(31_400) };
        assert_eq!((slow.text("shop").as_str(), slow.id()), ("shop: GET /report took 31 s", 101));
        let hangs = Event::Hangs { question: "GET /report", so_far: Duration::from_secs(290) };
        assert!(hangs.text("shop").starts_with("shop: GET /report has lasted 290 s and is not answered"));
        assert_eq!(hangs.id(), slow.id(), "both together are one a minute");
    }
}
