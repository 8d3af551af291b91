//! What has to change so that the services are those that are wanted. Pure: from what is wanted, what was last registered,
//! and what there is.
//!
//! The way back is the same question with another answer wanted: whatever half of a change was done when a command failed
//! or was killed, what there is tells.

use std::collections::BTreeMap;
use std::fmt;

use super::{Registration, Schedule, ServiceError};

/// What the system has, by name.
pub type Actual = BTreeMap<String, Found>;

/// A service that there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it runs.
    pub line: String,
    pub account: String,
    pub display: String,
    /// `auto` or `demand`, else what Windows calls it.
    pub start: String,
    pub state: State,
    /// The supervisor's process.
    pub process: Option<u32>,
    /// Whether a task starts it.
    pub task: bool,
}

/// What a service is doing, as the system sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Stopped,
    Starting,
    Running,
    Stopping,
}

/// One thing to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceChange {
    /// Nothing starts it any more by itself.
    Unschedule {
        name: String,
    },
    /// It is stopped, and waited for.
    Stop {
        name: String,
        timeout: u32,
    },
    Delete {
        name: String,
    },
    Create(Registration),
    Configure(Registration),
    Start {
        name: String,
    },
    Schedule {
        name: String,
        schedule: Schedule,
    },
}

/// What is to be done, in order: no service of one release runs beside one of another.
pub fn plan(
    wanted: &[Registration],
    last: &[Registration],
    actual: &Actual,
) -> Result<Vec<ServiceChange>, ServiceError> {
    let (mut stops, mut changes, mut starts) = (Vec::new(), Vec::new(), Vec::new());
    let known = |name: &str| last.iter().find(|last| last.name == name);
    let is_wanted = |name: &str| wanted.iter().any(|wanted| wanted.name == name);
    for gone in last.iter().filter(|last| !is_wanted(&last.name)) {
        let name = gone.name.clone();
        let Some(found) = actual.get(&name).filter(|found| gone.is_ours(&found.line)) else { continue };
        if found.task {
            stops.push(ServiceChange::Unschedule { name: name.clone() });
        }
        if found.state != State::Stopped {
            stops.push(ServiceChange::Stop { name: name.clone(), timeout: gone.stop_timeout });
        }
        changes.push(ServiceChange::Delete { name });
    }
    for one in wanted {
        let name = one.name.clone();
        let before = known(&name);
        let found = actual.get(&name);
        let mut runs = false;
        match found {
            None => changes.push(ServiceChange::Create(one.clone())),
            Some(found) if !one.is_ours(&found.line) => {
                return Err(ServiceError::Foreign { name, line: found.line.clone() });
            }
            Some(found) if one.is(found) => runs = found.state != State::Stopped,
            Some(found) => {
                if found.state != State::Stopped {
                    let timeout = before.map_or(one.stop_timeout, |before| before.stop_timeout);
                    stops.push(ServiceChange::Stop { name: name.clone(), timeout });
                }
                changes.push(ServiceChange::Configure(one.clone()));
            }
        }
        // One that is to end by itself, and has, stays so.
        let has_ended = found.is_some_and(|found| one.is(found)) && !one.lasting;
        if one.is_permanent() && !runs && !has_ended {
            starts.push(ServiceChange::Start { name: name.clone() });
        }
        let has_task = found.is_some_and(|found| found.task);
        match &one.schedule {
            Some(schedule) => {
                let is_same = before.is_some_and(|before| before.schedule.as_ref() == Some(schedule));
                if !has_task || !is_same {
                    starts.push(ServiceChange::Schedule { name, schedule: schedule.clone() });
                }
            }
            None if has_task => stops.insert(0, ServiceChange::Unschedule { name }),
            None => {}
        }
    }
    stops.append(&mut changes);
    stops.append(&mut starts);
    Ok(stops)
}

impl Registration {
    /// Whether that is what the system has. Windows tells accounts and paths in whatever case they were written.
    pub fn is(&self, found: &Found) -> bool {
        let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
        found.line == self.line()
            && same(&found.account, &self.account)
            && found.display == self.display
            && same(&found.start, self.start())
    }
}

impl ServiceChange {
    /// What it is for.
    pub fn says(&self) -> String {
        match self {
            ServiceChange::Unschedule { name } => {
                format!("have no schedule start the service {name} any more")
            }
            ServiceChange::Stop { name, timeout } => {
                format!("stop the service {name}, which has {timeout} s for it")
            }
            ServiceChange::Delete { name } => format!("remove the service {name}"),
            ServiceChange::Create(one) => format!("make the service {}", one.name),
            ServiceChange::Configure(one) => {
                format!("have the service {} run from {}", one.name, one.release)
            }
            ServiceChange::Start { name } => format!("start the service {name}"),
            ServiceChange::Schedule { name, schedule } => format!("start the service {name} {schedule}"),
        }
    }
}

/// The line that an administrator would type.
impl fmt::Display for ServiceChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let registered = |f: &mut fmt::Formatter<'_>, verb: &str, one: &Registration| {
            // Within quotes a quote is written with a backslash before it.
            let line = one.line().replace('"', "\\\"");
            write!(
                f,
                "sc.exe {verb} {} binPath= \"{line}\" start= {} obj= \"{}\" DisplayName= \"{}\"",
                one.name,
                one.start(),
                one.account,
                one.display
            )
        };
        match self {
            ServiceChange::Unschedule { name } => write!(f, "schtasks.exe /Delete /F /TN \"{}\"", task(name)),
            ServiceChange::Stop { name, .. } => write!(f, "sc.exe stop {name}"),
            ServiceChange::Delete { name } => write!(f, "sc.exe delete {name}"),
            ServiceChange::Create(one) => registered(f, "create", one),
            ServiceChange::Configure(one) => registered(f, "config", one),
            ServiceChange::Start { name } => write!(f, "sc.exe start {name}"),
            ServiceChange::Schedule { name, schedule } => write!(
                f,
                "schtasks.exe /Create /F /TN \"{}\" /RU SYSTEM /TR \"sc.exe start {name}\" {}",
                task(name),
                schedule.args().join(" ")
            ),
        }
    }
}

/// The task that starts a service: in a folder of its own, where people find all of them.
pub fn task(name: &str) -> String {
    format!("\\Holdall\\{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::ReleaseId;
    use crate::service::{Restart, Service, ServiceName};
    use crate::site::place::tests::guestbook;
    use crate::site::settings::ServiceSettings;
    use crate::site::{Place, SiteSettings};

    fn service(name: &str, schedule: Option<&str>) -> Service {
        Service {
            name: ServiceName::parse(name).unwrap(),
            command: vec!["manage.py".to_owned(), "work".to_owned()],
            instances: if schedule.is_some() { 1 } else { 2 },
            schedule: schedule.map(|text| Schedule::parse(text).unwrap()),
            restart: Restart::Always,
            stop_timeout: 30,
            environment: BTreeMap::new(),
        }
    }

    fn place(version: &str) -> Place {
        let mut place = guestbook("/srv/holdall".as_ref());
        place.id = ReleaseId::parse(&format!("{version}-0123abcd")).unwrap();
        place.release = place.site.join("releases").join(&place.id);
        place.manifest.site.services = vec![service("worker", None), service("report", Some("daily 03:00"))];
        place
    }

    fn settings() -> SiteSettings {
        SiteSettings::named(place("1.0").manifest.name)
    }

    fn wanted(version: &str) -> Vec<Registration> {
        Registration::all(&settings(), &place(version))
    }

    /// As if all of it had been done.
    fn there(registered: &[Registration]) -> Actual {
        let found = |one: &Registration| Found {
            line: one.line(),
            account: one.account.to_uppercase(),
            display: one.display.clone(),
            start: one.start().to_owned(),
            state: if one.is_permanent() { State::Running } else { State::Stopped },
            process: None,
            task: !one.is_permanent(),
        };
        registered.iter().map(|one| (one.name.clone(), found(one))).collect()
    }

    #[track_caller]
    fn check(wanted: &[Registration], last: &[Registration], actual: &Actual, expected: &[&str]) {
        let changes = plan(wanted, last, actual).unwrap();
        let short: Vec<String> = changes
            .iter()
            .map(|change| {
                let text = change.to_string();
                let text = text.split(" binPath= ").next().unwrap_or_default();
                text.replace("holdall-guestbook-", "").replace(".exe", "")
            })
            .collect();
        assert_eq!(short, expected);
    }

    #[test]
    fn services_are_made_moved_and_removed_and_old_ones_end_before_new_ones_begin() {
        let (one, two) = (wanted("1.0"), wanted("2.0"));
        let report = "schtasks /Create /F /TN \"\\Holdall\\report\" /RU SYSTEM /TR \"sc start report\" /SC DAILY /ST 03:00";
        check(
            &one,
            &[],
            &Actual::new(),
            &[
                "sc create worker",
                "sc create worker-2",
                "sc create report",
                "sc start worker",
                "sc start worker-2",
                report,
            ],
        );
        check(&one, &one, &there(&one), &[]);
        check(
            &two,
            &one,
            &there(&one),
            &[
                "sc stop worker",
                "sc stop worker-2",
                "sc config worker",
                "sc config worker-2",
                "sc config report",
                "sc start worker",
                "sc start worker-2",
            ],
        );
        check(
            &[],
            &two,
            &there(&two),
            &[
                "sc stop worker",
                "sc stop worker-2",
                "schtasks /Delete /F /TN \"\\Holdall\\report\"",
                "sc delete worker",
                "sc delete worker-2",
                "sc delete report",
            ],
        );
    }

    #[test]
    fn half_of_a_change_is_finished_or_taken_back() {
        let (one, two) = (wanted("1.0"), wanted("2.0"));
        let mut half = there(&one);
        half.get_mut("holdall-guestbook-worker").unwrap().state = State::Stopped;
        half.insert(two[1].name.clone(), there(&two)[&two[1].name].clone());
        check(
            &one,
            &two,
            &half,
            &["sc stop worker-2", "sc config worker-2", "sc start worker", "sc start worker-2"],
        );
    }

    #[test]
    fn what_administrators_say_of_a_service_counts() {
        let mut settings = settings();
        let one = ServiceSettings { instances: Some(1), ..ServiceSettings::default() };
        settings.services.insert("worker".to_owned(), one);
        let off = ServiceSettings { enabled: false, ..ServiceSettings::default() };
        settings.services.insert("report".to_owned(), off);
        let wanted_now = Registration::all(&settings, &place("1.0"));
        let before = wanted("1.0");
        check(
            &wanted_now,
            &before,
            &there(&before),
            &[
                "sc stop worker-2",
                "schtasks /Delete /F /TN \"\\Holdall\\report\"",
                "sc delete worker-2",
                "sc delete report",
            ],
        );
    }

    #[test]
    fn a_service_of_somebody_elses_is_left_alone() {
        let one = wanted("1.0");
        let mut theirs = there(&one);
        let line = "C:\\tools\\nssm.exe".to_owned();
        theirs.get_mut("holdall-guestbook-worker").unwrap().line.clone_from(&line);
        let refused = plan(&one, &[], &theirs).unwrap_err();
        assert!(matches!(refused, ServiceError::Foreign { line: found, .. } if found == line));
        assert!(!plan(&[], &one, &theirs).unwrap().iter().any(
            |change| matches!(change, ServiceChange::Delete { name } if name == "holdall-guestbook-worker")
        ));
    }

    #[test]
    fn one_that_has_ended_as_it_should_is_not_begun_again() {
        let mut one = wanted("1.0");
        one.iter_mut().for_each(|one| one.lasting = false);
        let mut ended = there(&one);
        ended.values_mut().for_each(|found| found.state = State::Stopped);
        check(&one, &one, &ended, &[]);
        one.iter_mut().for_each(|one| one.lasting = one.is_permanent());
        check(&one, &one, &ended, &["sc start worker", "sc start worker-2"]);
    }

    #[test]
    fn a_command_is_typed_as_an_administrator_would() {
        let mut place = place("1.0");
        place.manifest.target = crate::target::Target::WindowsX86_64;
        let one = &Registration::all(&settings(), &place)[1];
        let line = ServiceChange::Create(one.clone()).to_string().replace("releases\\", "releases/");
        let release =
            place.release.join("holdall.exe").display().to_string().replace("releases\\", "releases/");
        let root = place.site.parent().unwrap().display().to_string();
        assert_eq!(
            line,
            format!(
                "sc.exe create holdall-guestbook-worker-2 binPath= \"{release} service run guestbook worker --instance 2 \
                 --release 1.0-0123abcd --root {root}\" start= auto obj= \"NT SERVICE\\holdall-guestbook-worker-2\" \
                 DisplayName= \"guestbook: worker-2\""
            )
        );
    }
}
