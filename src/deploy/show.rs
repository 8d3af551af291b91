//! A release shows itself: on a site of its own before anybody sees it, and then at the addresses of the real one.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use super::{Fault, visits};
use crate::progress::Notice;
use crate::site::iis::Actual;
use crate::site::probe::{Address, Expected, Pass, Question, Visitor, Warm, wait_until, warm};
use crate::site::settings::Thumbprint;
use crate::site::{Place, SiteSettings};

/// How many times in a row every answer has to be right.
const TIMES: usize = 3;

/// How long a change may take until it counts, and processes to start.
const LIMIT: Duration = Duration::from_secs(60);

/// How long a process waits for the others while they are warmed up.
const MEETING: Duration = Duration::from_secs(50);

/// How long leave to probe lasts if nobody lives to take it back.
const PASS: Duration = Duration::from_secs(15 * 60);

/// A port of this machine that nobody listens on.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// One release, as it is asked.
pub struct Shown<'a> {
    pub settings: &'a SiteSettings,
    /// The web server, as it was surveyed.
    pub iis: &'a Actual,
    pub place: &'a Place,
    /// Where visitors find the site.
    pub addresses: &'a [Address],
    pub questions: &'a [Question],
    /// How many processes are to be warm.
    pub warm: usize,
}

/// The certificates that are to be seen at the addresses of the real site, where that is known.
pub type Certificates = [(Address, Thumbprint)];

impl Shown<'_> {
    /// Asks the staging site, and warms all processes up. Returns their numbers.
    pub fn staged(&self, port: u16, notice: &mut dyn FnMut(Notice)) -> Result<BTreeSet<u32>, Fault> {
        let https = visits::visited(self.addresses).https;
        self.warmed(&visits::staged(self.addresses, port), https, notice)
    }

    /// Asks every address of the real site. A process that is not among the `warmed` ones means that the processes that
    /// were warmed up are not those that serve: then they are warmed up here.
    pub fn real(
        &self,
        warmed: &BTreeSet<u32>,
        certificates: &Certificates,
        notice: &mut dyn FnMut(Notice),
    ) -> Result<BTreeSet<u32>, Fault> {
        let mut processes = BTreeSet::new();
        let pass = self.pass(None)?;
        for address in self.addresses {
            let visitor = self.visitor(address, self.patience())?;
            let seen = certificates.iter().find(|(seen, _)| seen == address);
            let certificate = seen.map(|(_, thumbprint)| thumbprint.as_str().to_owned());
            let expected = Expected { certificate, ..self.expected() };
            processes.extend(self.ask(&visitor.with_pass(&pass, address.https), &expected)?);
        }
        drop(pass);
        match self.addresses.first() {
            Some(first) if !warmed.is_empty() && !processes.is_subset(warmed) => {
                notice(Notice {
                    what: "the processes that were warmed up are not those that serve".to_owned(),
                    help:
                        "others were warmed up after the switch; the first visitors may have waited for them"
                            .to_owned(),
                });
                self.warmed(first, first.https, notice)
            }
            _ => Ok(processes),
        }
    }

    fn warmed(
        &self,
        address: &Address,
        https: bool,
        notice: &mut dyn FnMut(Notice),
    ) -> Result<BTreeSet<u32>, Fault> {
        let pass = self.pass(Some(Warm { processes: self.warm, wait: MEETING }))?;
        let visitor = self.visitor(address, self.patience())?;
        let mut processes = self.ask(&visitor.with_pass(&pass, https), &self.expected())?;
        let page = self.questions.iter().find_map(|question| match question {
            Question::Page(path) => Some(path.as_str()),
            Question::File(_) => None,
        });
        let expected = self.expected();
        // Whoever is held until all processes are there is answered later by as much.
        let visitor = self.visitor(address, self.patience() + MEETING)?.with_pass(&pass, https);
        let warmed = warm(&visitor, page.unwrap_or("/"), &expected, &pass);
        if let Some(trouble) = warmed.troubles.into_iter().next() {
            return Err(trouble.into());
        }
        if warmed.processes.len() < self.warm {
            let (met, wanted) = (warmed.processes.len(), self.warm);
            notice(Notice {
                what: format!("only {met} of {wanted} processes came up in {} s", MEETING.as_secs()),
                help: "the server may be short of memory or processors, or the project starts slowly: `warm` under \
                       `[probe]` in site.toml says how many are to be warm"
                    .to_owned(),
            });
        }
        processes.extend(warmed.processes);
        Ok(processes)
    }

    fn ask(&self, visitor: &Visitor, expected: &Expected) -> Result<BTreeSet<u32>, Fault> {
        let waited = wait_until(visitor, self.questions, expected, TIMES, LIMIT, |_| ())?;
        Ok(waited.processes)
    }

    fn visitor(&self, address: &Address, patience: Duration) -> Result<Visitor, Fault> {
        Ok(Visitor::at(address.clone(), patience)?)
    }

    /// How long one answer may take.
    fn patience(&self) -> Duration {
        Duration::from_secs(self.settings.probe.timeout.into())
    }

    fn pass(&self, warm: Option<Warm>) -> Result<Pass, Fault> {
        let unwritable = |source| Fault::Unwritable { path: self.place.run(), source };
        Pass::issue(self.place, warm, PASS).map_err(unwritable)
    }

    fn expected(&self) -> Expected {
        visits::expected(self.settings, self.iis, self.addresses, &self.place.id)
    }
}
