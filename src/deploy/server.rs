//! The web server, as a deploy sees it: it is asked how it stands, told what is wanted, and told to take that back.
//!
//! Values in, values out. What is to be done is planned elsewhere, from what was read here; this is the only place of a
//! deploy that changes a web server. IIS is the only one.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::Part;
use crate::clock::{Clock, Span};
use crate::site::iis::actual::{Actual, Answer};
use crate::site::iis::run::{self, IisError, Runner};
use crate::site::iis::wanted::Spot;
use crate::site::iis::xml::{decoded, restored};
use crate::site::iis::{Appcmd, Call, Change, IisLock, IisPlan};

/// How many times a plan is made anew because others have changed the server meanwhile.
const ATTEMPTS: usize = 5;

/// A web server of this machine. With it comes the clock of the run, as most of what a run waits for is here.
#[derive(Debug)]
pub struct Server {
    appcmd: Appcmd,
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
        Server { appcmd, clock: Arc::new(Clock::start()) }
    }

    /// The appcmd that is run.
    pub fn program(&self) -> &Path {
        self.appcmd.program()
    }

    /// What concerns no site. Changes nothing.
    pub fn look(&mut self) -> Result<Actual, IisError> {
        let program = self.appcmd.program().to_owned();
        self.clock.time(Part::Server, || run::read(&mut self.appcmd, &program, &[], &[], &[]))
    }

    /// What the run has done so far, and when.
    pub fn spans(&self) -> Vec<Span<Part>> {
        self.clock.spans()
    }

    /// All that concerns the site at `spot`. Changes nothing.
    pub fn survey(&mut self, spot: &Spot) -> Result<Actual, IisError> {
        let program = self.appcmd.program().to_owned();
        let mut restoring = Restoring { appcmd: &mut self.appcmd, folder: &spot.home };
        let read = || run::read(&mut restoring, &program, &spot.sites(), &spot.locations(), &spot.endpoints);
        self.clock.time(Part::Server, read)
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
