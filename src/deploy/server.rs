//! The web server, as a deploy sees it: it is asked how it stands, told what is wanted, and told to take that back.
//!
//! Values in, values out. What is to be done is planned elsewhere, from what was read here; this is the only place of a
//! deploy that changes a web server. IIS is the only one.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::Part;
use crate::clock::{Clock, Span};
use crate::logs::{Logs, Of};
use crate::service::Manager;
use crate::site::iis::actual::{Actual, Answer, Scope};
use crate::site::iis::appcmd::{Command, Object, Verb};
use crate::site::iis::run::{self, IisError, Runner};
use crate::site::iis::sni;
use crate::site::iis::wanted::{Password, Spot};
use crate::site::iis::xml::{decoded, restored};
use crate::site::iis::{Appcmd, Call, Change, IisLock, IisPlan};

/// How many times a plan is made anew because others have changed the server meanwhile.
const ATTEMPTS: usize = 5;

/// A web server of this machine. With it comes the clock of the run, as most of what a run waits for is here.
#[derive(Debug)]
pub struct Server {
    appcmd: Appcmd,
    /// Of the account that the pool is to run under, if somebody was asked for it.
    pub(super) password: Option<Password>,
    /// What runs the background commands of sites on this machine.
    pub services: Manager,
    pub(super) clock: Arc<Clock<Part>>,
}

/// An appcmd whose answers name the folder of a site as it is, whatever encoding they come in.
struct Restoring<'a> {
    appcmd: &'a mut Appcmd,
    folder: &'a str,
}

impl Restoring<'_> {
    fn restored(&self, answer: Answer) -> Answer {
        if self.folder.is_ascii() {
            return answer;
        }
        Answer { printed: restored(&decoded(&answer.printed), self.folder).into_bytes(), ..answer }
    }
}

impl Runner for Restoring<'_> {
    fn run(&mut self, command: &Call) -> io::Result<Answer> {
        self.appcmd.run(command).map(|answer| self.restored(answer))
    }

    fn ask(&mut self, commands: &[Call]) -> io::Result<Vec<Answer>> {
        let answers = self.appcmd.ask(commands)?;
        Ok(answers.into_iter().map(|answer| self.restored(answer)).collect())
    }
}

/// What was done, to be taken back if need be, and what holds since then.
#[derive(Debug, Default)]
#[must_use]
pub struct Done {
    pub changes: Vec<Change>,
    pub plan: IisPlan,
}

impl Server {
    pub fn iis(appcmd: Appcmd) -> Server {
        Server { appcmd, password: None, services: Manager::of_machine(), clock: Arc::new(Clock::start()) }
    }

    /// Has it know the password of the account that the pool is to run under.
    pub fn give_password(&mut self, password: Password) {
        self.password = Some(password);
    }

    /// The appcmd that is run.
    pub fn program(&self) -> &Path {
        self.appcmd.program()
    }

    /// What concerns no site. Changes nothing.
    pub fn look(&mut self) -> Result<Actual, IisError> {
        let program = self.appcmd.program().to_owned();
        let actual =
            self.clock.time(Part::Server, || run::read(&mut self.appcmd, &program, &Scope::default()))?;
        Ok(Actual { sni: sni::known(&program), ..actual })
    }

    /// What the run has done so far, and when.
    pub fn spans(&self) -> Vec<Span<Part>> {
        self.clock.spans()
    }

    /// All that concerns the site at `spot`. Changes nothing.
    pub fn survey(&mut self, spot: &Spot) -> Result<Actual, IisError> {
        let program = self.appcmd.program().to_owned();
        let mut restoring = Restoring { appcmd: &mut self.appcmd, folder: &spot.home };
        let read = || run::read(&mut restoring, &program, &spot.scope());
        let actual = self.clock.time(Part::Server, read)?;
        Ok(Actual { sni: sni::known(&program), ..actual })
    }

    /// Where the logs of the site at `spot` lie that the web server and Windows write. None, if there is no such site.
    pub fn logs(&mut self, spot: &Spot) -> Result<Vec<Logs>, IisError> {
        let ask = |name| Command::new(Verb::List, Object::Site, Some(&spot.site)).property("text", name);
        let program = self.appcmd.program().to_owned();
        let answers = self.appcmd.ask(&["id", "logFile.directory"].map(|name| Call::from(ask(name))));
        let answers = answers.map_err(|source| IisError::NoProgram { program, source })?;
        let said = |answer: &Answer| {
            let text = decoded(&answer.printed).trim().to_owned();
            Some(text).filter(|text| answer.code == 0 && !text.is_empty())
        };
        let [id, directory] = &answers[..] else { return Ok(Vec::new()) };
        let (Some(id), Some(directory)) = (said(id), said(directory)) else { return Ok(Vec::new()) };
        let of = if spot.is_below() { Of::Below(spot.app.clone()) } else { Of::All };
        let windows = std::env::var_os("SystemRoot").unwrap_or_else(|| "C:\\Windows".into());
        Ok(vec![
            Logs::of_iis(Path::new(&expanded(&directory)), &id, of),
            Logs::of_http(Path::new(&windows), &id, &spot.pool),
        ])
    }

    /// Carries out what `plan` makes of the server as it is now. Nobody else of ours changes it meanwhile; when somebody
    /// does all the same, it is read and planned again. If it fails, all that was done is taken back.
    pub fn apply(&mut self, spot: &Spot, plan: impl Fn(&Actual) -> IisPlan) -> Result<Done, IisError> {
        let program = self.appcmd.program().to_owned();
        let _lock = IisLock::take(&program, || ())?;
        let mut done = Done::default();
        for attempt in 1.. {
            let actual = match self.survey(spot) {
                Ok(actual) => actual,
                Err(error) => return Err(self.given_up(error, done.changes)),
            };
            let planned = plan(&actual);
            let perform = || run::perform(&mut self.appcmd, &program, &planned.changes);
            match self.clock.time(Part::Server, perform) {
                Ok(()) => {
                    done.changes.extend(planned.changes.iter().cloned());
                    done.plan = planned;
                    break;
                }
                Err(IisError::Changed(mut stopped)) => {
                    done.changes.append(&mut stopped.done);
                    if attempt >= ATTEMPTS {
                        return Err(self.given_up(IisError::Changed(stopped), done.changes));
                    }
                }
                Err(error) => return Err(self.given_up(error, done.changes)),
            }
        }
        Ok(done)
    }

    /// Takes back what was done, the last first. Fails with what could not be.
    pub fn take_back(&mut self, changes: &[Change]) -> Result<(), IisError> {
        let program = self.appcmd.program().to_owned();
        let _lock = IisLock::take(&program, || ())?;
        match run::take_back(&mut self.appcmd, changes) {
            Ok(()) => Ok(()),
            Err(left) => Err(IisError::Stays { left }),
        }
    }

    /// After `error`: what earlier attempts had done goes, too.
    fn given_up(&mut self, error: IisError, changes: Vec<Change>) -> IisError {
        if changes.is_empty() {
            return error;
        }
        match (run::take_back(&mut self.appcmd, &changes), error) {
            (Ok(()), error) => error,
            (
                Err(left),
                IisError::NotTakenBack(mut stopped)
                | IisError::Changed(mut stopped)
                | IisError::Failed(mut stopped),
            ) => {
                stopped.left.extend(left);
                IisError::NotTakenBack(stopped)
            }
            (Err(left), _) => IisError::Stays { left },
        }
    }
}

/// A path of the configuration of IIS, in which variables of the machine stand between percent signs.
fn expanded(path: &str) -> String {
    let mut parts = path.split('%');
    let mut whole = parts.next().unwrap_or_default().to_owned();
    while let Some(name) = parts.next() {
        match (std::env::var(name), parts.next()) {
            (Ok(value), Some(rest)) => whole = whole + &value + rest,
            (Err(_), Some(rest)) => whole = format!("{whole}%{name}%{rest}"),
            (_, None) => whole = format!("{whole}%{name}"),
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_the_machine_stand_between_percent_signs() {
        let path = std::env::var("PATH").unwrap();
        assert_eq!(expanded("%PATH%\\logs"), format!("{path}\\logs"));
        assert_eq!(expanded("D:\\logs"), "D:\\logs");
        assert_eq!(expanded("D:\\50%\\%NO_SUCH_VARIABLE%"), "D:\\50%\\%NO_SUCH_VARIABLE%");
    }
}
