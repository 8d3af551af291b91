//! Of the services that a site has, or is to have.

use super::super::services::{ID, Seen, Services};
use super::super::{Finding, Level, Machine, Subject};
use crate::manifest::SiteName;
use crate::service::standing::Doing;
use crate::service::{Found, Registration, State};

/// One that was started again so often, and the last time no longer ago than this, in seconds, does not stay up.
const OFTEN: u32 = 3;
const LATELY: u64 = 300;

/// What is wrong with one.
struct Trouble {
    level: Level,
    says: String,
    remedy: String,
}

impl Trouble {
    fn warning(says: String, remedy: String) -> Option<Trouble> {
        Some(Trouble { level: Level::Warning, says, remedy })
    }

    fn problem(says: String, remedy: String) -> Option<Trouble> {
        Some(Trouble { level: Level::Problem, says, remedy })
    }
}

pub(super) fn examine(machine: &Machine, subject: &Subject<'_>) -> Option<Finding> {
    let site = subject.site.as_ref()?;
    let name = &site.settings.name;
    let now = machine.clock.as_ref().map(|clock| clock.now);
    match site.services? {
        Services::Silent(finding) => Some(finding.clone()),
        Services::Nowhere(wanted) if wanted.is_empty() => None,
        Services::Nowhere(wanted) => {
            let names: Vec<&str> = wanted.iter().map(|one| &*one.file).collect();
            Some(Finding::warning(
                ID,
                format!("nothing on this machine runs services: {} will not be run", names.join(", ")),
                format!(
                    "run each by whatever starts programs here, as `holdall service run {name} NAME` does"
                ),
            ))
        }
        Services::Serving { seen, left } if seen.is_empty() && left.is_empty() => None,
        Services::Serving { seen, left } => {
            let look = |seen| foreign(seen).or_else(|| amiss(seen, name)).or_else(|| down(seen, name, now));
            let troubles = seen.iter().filter_map(look).chain(left.iter().map(|one| unwanted(one, name)));
            Some(said(troubles.collect(), "all its services are as they should be"))
        }
        Services::Coming(seen) if seen.is_empty() => None,
        Services::Coming(seen) => Some(said(
            seen.iter().filter_map(foreign).collect(),
            "no service of somebody else's has the name of one of its own",
        )),
    }
}

/// One finding of all.
fn said(troubles: Vec<Trouble>, well: &str) -> Finding {
    let Some(level) = troubles.iter().map(|trouble| trouble.level).max() else {
        return Finding::ok(ID, well);
    };
    let mut remedies: Vec<&str> = troubles.iter().map(|trouble| &*trouble.remedy).collect();
    remedies.dedup();
    let says: Vec<&str> = troubles.iter().map(|trouble| &*trouble.says).collect();
    Finding { remedy: Some(remedies.join("; ")), ..Finding::new(ID, level, says.join(", and ")) }
}

/// The settings have changed since, and nobody has applied them.
fn unwanted(one: &Registration, site: &SiteName) -> Trouble {
    Trouble {
        level: Level::Warning,
        says: format!("the service {} is registered, and the settings want it no more", one.file),
        remedy: format!("`holdall apply {site}` sets that right"),
    }
}

/// Somebody else's: it is in the way.
fn foreign(seen: &Seen) -> Option<Trouble> {
    let (name, found) = (&seen.wanted.name, seen.found.as_ref()?);
    if seen.wanted.is_ours(&found.line) {
        return None;
    }
    Trouble::problem(
        format!("the service {name} is not of this site: it runs `{}`", found.line),
        format!(
            "remove it, if it is of no use any more: `sc.exe delete {name}`; else name the service otherwise"
        ),
    )
}

/// The service manager has it otherwise than it should.
fn amiss(seen: &Seen, site: &SiteName) -> Option<Trouble> {
    let wanted = &seen.wanted;
    let (name, service) = (&wanted.name, &wanted.file);
    let remedy = format!("`holdall apply {site}` sets that right");
    let Some(found) = &seen.found else {
        return Trouble::problem(format!("the service {service} is missing: there is no {name}"), remedy);
    };
    if !wanted.is(found) {
        let says = match release_of(found) {
            Some(other) if other != wanted.release.as_str() => {
                format!("the service {service} is registered for {other}, and {} serves", wanted.release)
            }
            _ => format!("somebody has changed the service {service}"),
        };
        return Trouble::problem(says, remedy);
    }
    match &wanted.schedule {
        Some(schedule) if !found.task => {
            Trouble::problem(format!("nothing starts the service {service} {schedule}"), remedy)
        }
        _ => None,
    }
}

/// It is registered as it should be, and does not run, or not for long.
fn down(seen: &Seen, site: &SiteName, now: Option<u64>) -> Option<Trouble> {
    let (wanted, service) = (&seen.wanted, &seen.wanted.file);
    let logs = format!("`holdall logs {site} --source services` shows why");
    let told = seen.told.as_ref();
    let runs = seen.found.as_ref().is_some_and(|found| found.state != State::Stopped);
    match (runs, told.map(|told| &told.doing)) {
        (true, Some(Doing::Waiting { ended })) => Trouble::problem(
            format!("the service {service} does not stay up: it {ended}, and is started again in a while"),
            logs,
        ),
        (true, Some(Doing::Running { since, .. })) => {
            let restarts = told.map_or(0, |told| told.restarts);
            let is_new = now.is_some_and(|now| now.saturating_sub(*since) < LATELY);
            if restarts < OFTEN || !is_new {
                return None;
            }
            let says = format!(
                "the service {service} was started again {restarts} times, and the last time just now"
            );
            Trouble::warning(says, logs)
        }
        (true, _) => None,
        (false, Some(Doing::Ended { ended, well: false })) if wanted.schedule.is_some() => {
            Trouble::warning(format!("the last run of the service {service} {ended}"), logs)
        }
        (false, Some(Doing::Ended { ended, well: false } | Doing::Waiting { ended })) => Trouble::problem(
            format!("the service {service} is not running: it {ended}"),
            format!("{logs}; `holdall service start {site} {service}`"),
        ),
        (false, _) if wanted.schedule.is_some() => None,
        // It was to end by itself, and has.
        (false, Some(Doing::Ended { well: true, .. })) if !wanted.lasting => None,
        (false, _) => Trouble::warning(
            format!("the service {service} is not running"),
            format!("`holdall service start {site} {service}`"),
        ),
    }
}

/// The release that a registered command is of.
fn release_of(found: &Found) -> Option<&str> {
    let (_, rest) = found.line.split_once(" --release ")?;
    rest.split(' ').next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::ReleaseId;
    use crate::service::{Schedule, Standing};

    const NOW: u64 = 1_800_000_000;

    fn registered(file: &str, schedule: Option<&str>) -> Registration {
        let words = ["C:\\h\\holdall.exe", "service", "run", "shop", file, "--release", "2.0-0123abcd"];
        Registration {
            name: format!("holdall-shop-{file}"),
            display: format!("shop: {file}"),
            description: String::new(),
            command: words.map(str::to_owned).into(),
            account: format!("NT SERVICE\\holdall-shop-{file}"),
            schedule: schedule.map(|text| Schedule::parse(text).unwrap()),
            lasting: schedule.is_none(),
            stop_timeout: 30,
            release: ReleaseId::parse("2.0-0123abcd").unwrap(),
            file: file.to_owned(),
        }
    }

    fn well(wanted: Registration) -> Seen {
        let found = Found {
            line: wanted.line(),
            account: wanted.account.to_uppercase(),
            display: wanted.display.clone(),
            start: wanted.start().to_owned(),
            state: if wanted.schedule.is_none() { State::Running } else { State::Stopped },
            process: Some(7),
            task: wanted.schedule.is_some(),
        };
        let doing = match &wanted.schedule {
            None => Doing::Running { process: 8, since: NOW - 1000 },
            Some(_) => Doing::Ended { ended: "ended with 0".to_owned(), well: true },
        };
        let told = Standing { release: wanted.release.clone(), supervisor: 7, doing, restarts: 0 };
        Seen { wanted, found: Some(found), told: Some(told) }
    }

    fn all() -> Vec<Seen> {
        vec![well(registered("worker", None)), well(registered("report", Some("daily 03:00")))]
    }

    /// What comes of a change to the worker and the report.
    #[track_caller]
    fn check(change: impl FnOnce(&mut Seen, &mut Seen), level: Level, words: &[&str]) {
        let mut seen = all();
        let [worker, report] = &mut seen[..] else { unreachable!() };
        change(worker, report);
        let site = SiteName::parse("shop").unwrap();
        let look =
            |seen| foreign(seen).or_else(|| amiss(seen, &site)).or_else(|| down(seen, &site, Some(NOW)));
        let finding = said(seen.iter().filter_map(look).collect(), "well");
        let text = format!("{}\n{}", finding.says, finding.remedy.clone().unwrap_or_default());
        assert!(finding.level == level && words.iter().all(|word| text.contains(word)), "{finding:#?}");
    }

    fn told(seen: &mut Seen, doing: Doing) {
        seen.told.as_mut().unwrap().doing = doing;
    }

    fn ended(well: bool) -> Doing {
        Doing::Ended { ended: "ended with 3".to_owned(), well }
    }

    fn state(seen: &mut Seen, state: State) {
        seen.found.as_mut().unwrap().state = state;
    }

    #[test]
    fn services_that_run_or_wait_for_their_hour_are_well() {
        check(|_, _| {}, Level::Ok, &["well"]);
        // One that is new has said nothing yet, and what one of another release has said says nothing.
        check(|worker, report| (worker.told, report.told) = (None, None), Level::Ok, &[]);
        let quiet = |worker: &mut Seen, _: &mut Seen| worker.told.as_mut().unwrap().restarts = 50;
        check(quiet, Level::Ok, &[]);
        let once = |worker: &mut Seen, _: &mut Seen| {
            worker.wanted.lasting = false;
            state(worker, State::Stopped);
            told(worker, ended(true));
        };
        check(once, Level::Ok, &[]);
    }

    #[test]
    fn what_the_service_manager_has_otherwise_is_a_problem() {
        let apply = "`holdall apply shop`";
        check(|worker, _| worker.found = None, Level::Problem, &["worker is missing", apply]);
        let other = |worker: &mut Seen, _: &mut Seen| {
            let found = worker.found.as_mut().unwrap();
            found.line = found.line.replace("2.0-0123abcd", "1.0-89abcdef");
        };
        check(other, Level::Problem, &["registered for 1.0-89abcdef, and 2.0-0123abcd serves", apply]);
        let account = |worker: &mut Seen, _: &mut Seen| {
            worker.found.as_mut().unwrap().account = "LocalSystem".to_owned();
        };
        check(account, Level::Problem, &["somebody has changed the service worker", apply]);
        let untimely = |_: &mut Seen, report: &mut Seen| report.found.as_mut().unwrap().task = false;
        check(untimely, Level::Problem, &["nothing starts the service report daily 03:00", apply]);
        let theirs = |worker: &mut Seen, _: &mut Seen| {
            worker.found.as_mut().unwrap().line = "C:\\tools\\nssm.exe".to_owned();
        };
        check(theirs, Level::Problem, &["not of this site", "nssm.exe", "sc.exe delete holdall-shop-worker"]);
    }

    #[test]
    fn one_that_is_there_and_wanted_no_more_is_told() {
        let site = SiteName::parse("shop").unwrap();
        let left = [registered("worker", None), registered("report", Some("daily 03:00"))];
        let finding = said(left.iter().map(|one| unwanted(one, &site)).collect(), "well");
        assert_eq!(finding.level, Level::Warning);
        assert!(finding.says.contains("the service worker is registered, and"), "{finding:#?}");
        assert_eq!(finding.remedy.as_deref(), Some("`holdall apply shop` sets that right"), "said once");
    }

    #[test]
    fn one_that_does_not_run_or_not_for_long_is_told_with_its_log() {
        let (logs, start) = ("holdall logs shop --source services", "holdall service start shop worker");
        check(|worker, _| state(worker, State::Stopped), Level::Warning, &["worker is not running", start]);
        let crashed = |worker: &mut Seen, _: &mut Seen| {
            state(worker, State::Stopped);
            told(worker, ended(false));
        };
        check(crashed, Level::Problem, &["is not running: it ended with 3", logs, start]);
        let waits = |worker: &mut Seen, _: &mut Seen| {
            told(worker, Doing::Waiting { ended: "ended with 3".to_owned() });
        };
        check(waits, Level::Problem, &["does not stay up: it ended with 3", logs]);
        let again = |worker: &mut Seen, _: &mut Seen| {
            told(worker, Doing::Running { process: 8, since: NOW - 10 });
            worker.told.as_mut().unwrap().restarts = OFTEN;
        };
        check(again, Level::Warning, &["started again 3 times", logs]);
        check(
            |_, report| told(report, ended(false)),
            Level::Warning,
            &["last run of the service report", logs],
        );
        let both = |worker: &mut Seen, report: &mut Seen| {
            state(worker, State::Stopped);
            report.found = None;
        };
        check(both, Level::Problem, &["worker is not running, and the service report is missing", start]);
    }
}
