//! What administrators are to hear of a service without reading its log: that it has crashed, or is down.
//!
//! What crashes is started again and again, and what a schedule runs may fail each time: of one service, one crash a minute
//! is told, and once an hour that it is down.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::events::{self, Event};
use crate::manifest::SiteName;

/// One that has ended so often in a row, each time soon after it was started, is down.
const DOWN: u32 = 5;

/// Of a service no more than one event of a kind is told in such a time.
const PAUSE: Duration = Duration::from_secs(60);
const PAUSE_WHEN_DOWN: Duration = Duration::from_secs(3600);

/// Tells of one instance of a service.
#[derive(Debug, Clone)]
pub struct Alarm {
    pub site: SiteName,
    /// The service, with the number of a further instance.
    pub service: String,
    /// Where what it has printed is kept: no event repeats that.
    pub log: PathBuf,
    /// Where it is kept when something was told last; this user may write there.
    pub folder: PathBuf,
}

impl Alarm {
    /// That of the instance of this name, in the site's own data.
    pub fn of(site: SiteName, shared: &Path, file: &str) -> Alarm {
        let log = super::manager::log_of(shared, file);
        Alarm { site, service: file.to_owned(), log, folder: shared.join("services") }
    }

    /// It has ended with this code, so many times in a row, and is started again.
    pub fn ended(&self, code: i32, words: &str, in_a_row: u32) {
        if in_a_row >= DOWN {
            self.down(&format!("has ended {in_a_row} times in a row, and the last time {words}"));
        } else if code != 0 {
            self.crashed(words);
        }
    }

    /// It has ended as it should not.
    pub fn crashed(&self, words: &str) {
        let (site, service, log) = (self.site.clone(), self.service.clone(), self.log.clone());
        self.tell(&Event::ServiceCrashed { site, service, words: words.to_owned(), log }, PAUSE);
    }

    /// Nothing comes of it until somebody sees to it.
    pub fn down(&self, words: &str) {
        let (site, service, log) = (self.site.clone(), self.service.clone(), self.log.clone());
        self.tell(&Event::ServiceDown { site, service, words: words.to_owned(), log }, PAUSE_WHEN_DOWN);
    }

    fn tell(&self, event: &Event, pause: Duration) {
        let stamp = self.folder.join(format!("{}.event-{}", self.service, event.id()));
        if is_due(&stamp, pause, SystemTime::now()) {
            events::report(event);
        }
    }
}

/// Whether nothing of the kind was told for a while; from now on it was. Where that cannot be written down nothing is told:
/// too little is better than too much.
fn is_due(stamp: &Path, pause: Duration, now: SystemTime) -> bool {
    let last = fs_err::metadata(stamp).and_then(|metadata| metadata.modified());
    // One from the future is none: somebody has set the clock.
    let is_new = last.is_ok_and(|last| now.duration_since(last).is_ok_and(|since| since < pause));
    let folder = stamp.parent().unwrap_or(Path::new("."));
    !is_new && fs_err::create_dir_all(folder).is_ok() && fs_err::write(stamp, "").is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_service_that_crashes_again_and_again_one_event_of_a_kind_is_told_in_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let alarm = Alarm::of(SiteName::parse("shop").unwrap(), folder.path(), "worker-2");
        let told = |id: u32| alarm.folder.join(format!("worker-2.event-{id}")).exists();
        alarm.ended(0, "ended with 0", 1);
        assert!(!told(20) && !told(21), "one that ends well now and then does what it is to do");
        alarm.ended(3, "ended with 3", DOWN - 1);
        assert!(told(20) && !told(21));
        alarm.ended(0, "ended with 0", DOWN);
        assert!(told(21));
        let (stamp, now) = (alarm.folder.join("worker-2.event-20"), SystemTime::now());
        assert!(!is_due(&stamp, PAUSE, now + Duration::from_secs(30)));
        assert!(is_due(&stamp, PAUSE, now + Duration::from_secs(120)));
        assert!(!is_due(&stamp.join("below a file"), PAUSE, now), "where nothing can be written");
    }
}
