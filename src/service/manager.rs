//! The service manager of a machine: asked how services stand, told what is to change. The only place that changes it.
//!
//! That of Windows, or the program that HOLDALL_SERVICES names, which is spoken to much as `sc.exe` is.

#[cfg(windows)]
mod windows;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::log::last_lines;
use super::standing::{self, Doing};
use super::{Actual, Found, Registration, ServiceChange, ServiceError, Standing, State};
use crate::interrupt;

/// The variable that names a program in the service manager's place.
pub const VARIABLE: &str = "HOLDALL_SERVICES";

/// How the program says that there is no such service: as much as is left of Windows' own 1060 elsewhere.
const NO_SUCH_SERVICE: [i32; 2] = [1060, 1060 & 0xff];

/// How long the system may take for its own part.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a service has to stay up until it is believed to be well.
const SETTLED: Duration = Duration::from_secs(2);

const TURN: Duration = Duration::from_millis(50);

/// A service manager.
#[derive(Debug, Clone)]
pub enum Manager {
    Program(PathBuf),
    #[cfg(windows)]
    Windows,
    /// This machine has none that Holdall knows.
    None,
}

impl Manager {
    /// That of this machine, or the one that is to be asked in its place.
    pub fn of_machine() -> Manager {
        match std::env::var_os(VARIABLE).filter(|program| !program.is_empty()) {
            Some(program) => Manager::Program(program.into()),
            #[cfg(windows)]
            None => Manager::Windows,
            #[cfg(not(windows))]
            None => Manager::None,
        }
    }

    /// Whether services can be run at all.
    pub fn is_there(&self) -> bool {
        !matches!(self, Manager::None)
    }

    /// How the services of these names stand.
    pub fn find<'a>(&self, names: impl Iterator<Item = &'a str>) -> Result<Actual, ServiceError> {
        let mut actual = Actual::new();
        for name in names {
            if !actual.contains_key(name)
                && let Some(found) = self.query(name)?
            {
                actual.insert(name.to_owned(), found);
            }
        }
        Ok(actual)
    }

    pub fn query(&self, name: &str) -> Result<Option<Found>, ServiceError> {
        match self {
            Manager::Program(program) => asked(program, name),
            #[cfg(windows)]
            Manager::Windows => windows::query(name),
            Manager::None => Ok(None),
        }
    }

    /// What the service of this name is doing.
    fn state(&self, name: &str) -> Result<Option<State>, ServiceError> {
        match self {
            #[cfg(windows)]
            Manager::Windows => windows::state(name),
            _ => Ok(self.query(name)?.map(|found| found.state)),
        }
    }

    /// Does one thing. What is stopped has stopped afterwards, and what is started runs.
    pub fn perform(&self, change: &ServiceChange) -> Result<(), ServiceError> {
        match self {
            Manager::Program(program) => {
                for args in spoken(change) {
                    told(program, &args)?;
                }
            }
            #[cfg(windows)]
            Manager::Windows => windows::perform(change)?,
            Manager::None => {}
        }
        match change {
            ServiceChange::Stop { name, timeout } => {
                let limit = Duration::from_secs((*timeout).into()) + PATIENCE;
                self.wait(name, "stopped", limit, |state| state == State::Stopped)
            }
            // One that has ended by then is looked at later.
            ServiceChange::Start { name } => {
                self.wait(name, "started", PATIENCE, |state| state != State::Starting)
            }
            _ => Ok(()),
        }
    }

    fn wait(
        &self,
        name: &str,
        what: &'static str,
        limit: Duration,
        holds: impl Fn(State) -> bool,
    ) -> Result<(), ServiceError> {
        let until = Instant::now() + limit;
        while !self.state(name)?.is_none_or(&holds) {
            if Instant::now() >= until {
                return Err(ServiceError::Overdue { name: name.to_owned(), what, seconds: limit.as_secs() });
            }
            std::thread::sleep(TURN);
        }
        Ok(())
    }

    /// Waits until these services have stayed up for a moment. Fails with the first that has not.
    pub fn settle(&self, started: &[&Registration], shared: &Path) -> Result<(), ServiceError> {
        if started.is_empty() {
            return Ok(());
        }
        let until = Instant::now() + SETTLED;
        let latest = Instant::now() + PATIENCE;
        loop {
            let mut all_up = true;
            for service in started {
                all_up &= is_up(self, service, shared)?;
            }
            let now = Instant::now();
            if (all_up && now >= until) || now >= latest {
                return Ok(());
            }
            std::thread::sleep(TURN);
        }
    }
}

/// Whether the command of a service runs. One that has crashed is an error.
fn is_up(manager: &Manager, service: &Registration, shared: &Path) -> Result<bool, ServiceError> {
    let log = log(shared, service);
    let crashes = |ended: String| ServiceError::Crashes {
        name: service.name.clone(),
        ended,
        said: last_lines(&log),
        log: log.clone(),
    };
    let is_there = manager.state(&service.name)?.is_some_and(|state| state != State::Stopped);
    let told = Standing::read(&standing::path(shared, &service.file));
    // What an earlier supervisor has said says nothing of this one.
    let told = told.filter(|told| told.release == service.release);
    match told.map(|told| (told.restarts, told.doing)) {
        Some((0, Doing::Running { .. })) if is_there => Ok(true),
        Some((_, Doing::Ended { well: true, .. })) if !service.lasting => Ok(true),
        Some((_, Doing::Waiting { ended } | Doing::Ended { ended, well: false })) => Err(crashes(ended)),
        _ if !is_there && service.lasting => Err(crashes("is not there any more".to_owned())),
        Some((1.., _)) => Err(crashes("was started again".to_owned())),
        _ => Ok(false),
    }
}

/// The log of a service.
pub fn log(shared: &Path, service: &Registration) -> PathBuf {
    log_of(shared, &service.file)
}

/// The same by the name of its file.
pub fn log_of(shared: &Path, file: &str) -> PathBuf {
    shared.join("logs").join("services").join(format!("{file}.log"))
}

/// What the program is told for one change.
fn spoken(change: &ServiceChange) -> Vec<Vec<String>> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let registered = |verb: &str, one: &Registration| {
        let line = one.line();
        let [start, account, display] = [one.start(), &one.account, &one.display];
        vec![
            words(&[
                verb,
                &one.name,
                "binPath=",
                &line,
                "start=",
                start,
                "obj=",
                account,
                "DisplayName=",
                display,
            ]),
            words(&["description", &one.name, &one.description]),
        ]
    };
    match change {
        ServiceChange::Unschedule { name } => vec![words(&["unschedule", name])],
        ServiceChange::Stop { name, .. } => vec![words(&["stop", name])],
        ServiceChange::Delete { name } => vec![words(&["delete", name])],
        ServiceChange::Create(one) => registered("create", one),
        ServiceChange::Configure(one) => registered("config", one),
        ServiceChange::Start { name } => vec![words(&["start", name])],
        ServiceChange::Schedule { name, schedule } => {
            vec![words(&["schedule", name]).into_iter().chain(schedule.args()).collect()]
        }
    }
}

fn run<S: AsRef<OsStr>>(program: &Path, args: &[S]) -> Result<std::process::Output, ServiceError> {
    interrupt::output(Command::new(program).args(args))
        .map_err(|source| ServiceError::Unstarted { program: program.display().to_string(), source })
}

fn said(output: &std::process::Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    said.trim().to_owned()
}

fn told(program: &Path, args: &[String]) -> Result<(), ServiceError> {
    let output = run(program, args)?;
    match output.status.success() {
        true => Ok(()),
        false => Err(ServiceError::Refused { command: args.join(" "), said: said(&output) }),
    }
}

/// Asks the program. Its answer is one line of JSON.
fn asked(program: &Path, name: &str) -> Result<Option<Found>, ServiceError> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        bin_path: String,
        obj: String,
        display_name: String,
        start: String,
        state: String,
        pid: Option<u32>,
        task: bool,
    }
    let output = run(program, &["query", name])?;
    if output.status.code().is_some_and(|code| NO_SUCH_SERVICE.contains(&code)) {
        return Ok(None);
    }
    let command = format!("query {name}");
    if !output.status.success() {
        return Err(ServiceError::Refused { command, said: said(&output) });
    }
    let unread = || ServiceError::Answer { command: command.clone(), said: said(&output) };
    let answer: Answer = serde_json::from_slice(&output.stdout).map_err(|_| unread())?;
    let state = match answer.state.as_str() {
        "STOPPED" => State::Stopped,
        "START_PENDING" => State::Starting,
        "RUNNING" => State::Running,
        "STOP_PENDING" => State::Stopping,
        _ => return Err(unread()),
    };
    Ok(Some(Found {
        line: answer.bin_path,
        account: answer.obj,
        display: answer.display_name,
        start: answer.start,
        state,
        process: answer.pid,
        task: answer.task,
    }))
}
