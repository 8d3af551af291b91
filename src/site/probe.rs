//! Asks a release over HTTP, as visitors will: which release answers, whether it is well, which processes it has.
//!
//! It connects to an address and says whom it wants, so that a host need not resolve, or resolves to something else.
//! Nothing of the machine's own settings plays a part: no proxy, no name service, no store of certificates. A
//! certificate is not checked for trust, which is the visitors' affair; it is named, and held against the one that is wanted.
//!
//! Only [`Pass`] writes anything. What an outcome means for a deploy is decided elsewhere.

mod answer;
mod pass;
mod trouble;
mod visitor;

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub use answer::{Answer, Certificate};
pub use pass::{Pass, Warm, left_over, sweep};
pub use trouble::Trouble;
pub use visitor::Visitor;

/// The header of an answer that names the release, and the one of a probe that names the process.
pub const RELEASE: &str = "X-Holdall-Release";
pub const PROCESS: &str = "X-Holdall-Process";

/// Where a site is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// What is connected to.
    pub at: SocketAddr,
    /// What stands in the Host header: a name or an address, with a port unless it is the scheme's own.
    pub host: String,
    pub https: bool,
}

/// One page or file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Answered by the project. A redirect is an answer, too: to the page where visitors log in, for one.
    Page(String),
    /// Answered by the web server from a file.
    File(String),
}

/// What a right answer looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The first eight hex digits of the release's identity, as [`RELEASE`] has them.
    pub release: String,
    /// Windows authentication is on, so nobody is let in who doesn't say who it is.
    pub windows_authentication: bool,
    /// The site can be had by HTTPS, so it may send there whoever comes without.
    pub has_https: bool,
    /// The certificate that is to be shown, as [`Certificate::thumbprint`] has it, if anybody knows.
    pub certificate: Option<String>,
    /// Statuses of pages that are as right as the usual ones.
    pub also: Vec<u16>,
}

/// What waiting for a release came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waited {
    pub took: Duration,
    /// How many times each question was asked, right and wrong answers alike.
    pub rounds: usize,
    /// The processes that gave the right answers, as far as a [`Pass`] made them say so.
    pub processes: BTreeSet<u32>,
}

/// What came of warming up.
#[derive(Debug)]
pub struct Warmed {
    /// The processes that answered, whatever they answered.
    pub processes: BTreeSet<u32>,
    /// Answers that are not right, and requests without one.
    pub troubles: Vec<Trouble>,
}

/// Asks all of `questions` again and again, until every answer was right `times` in a row.
///
/// IIS takes a change up later than it says that it is made, so answers of another release are waited out, as long as
/// `limit` allows; then the last trouble is the error. What the expected release itself answers wrongly, as many
/// times in a row, gets no better by waiting. Nor does silence, once a page of that release was right: then it is there
/// and its project runs, and each silent request keeps a process from visitors. Of such a row the first trouble is the
/// error: later pages may be silent because the first one still has the process. `watch` sees each trouble as it comes.
pub fn wait_until(
    visitor: &Visitor,
    questions: &[Question],
    expected: &Expected,
    times: usize,
    limit: Duration,
    mut watch: impl FnMut(&Trouble),
) -> Result<Waited, Trouble> {
    let begun = Instant::now();
    let (mut right, mut rounds) = (0, 0);
    let mut wrong = Vec::new();
    let mut processes = BTreeSet::new();
    let mut runs = false;
    let mut pause = Duration::from_millis(50);
    loop {
        rounds += 1;
        let round = questions.iter().try_for_each(|question| {
            let answer = visitor.ask(question)?;
            processes.extend(expected.judge(visitor.address(), question, &answer)?);
            // A file comes from the web server, and says nothing of processes that may still be starting.
            runs |= matches!(question, Question::Page(_));
            Ok(())
        });
        match round {
            Ok(()) => {
                right += 1;
                wrong.clear();
                if right >= times {
                    return Ok(Waited { took: begun.elapsed(), rounds, processes });
                }
            }
            Err(trouble) => {
                watch(&trouble);
                right = 0;
                let hangs = runs && matches!(trouble, Trouble::Hung { .. });
                match hangs || trouble.is_of(&expected.release) {
                    true => wrong.push(trouble.clone()),
                    false => wrong.clear(),
                }
                if wrong.len() >= times || begun.elapsed() >= limit {
                    return Err(wrong.into_iter().next().unwrap_or(trouble));
                }
                std::thread::sleep(pause.min(limit.saturating_sub(begun.elapsed())));
                pause = (pause * 2).min(Duration::from_millis(500));
            }
        }
    }
}

/// Asks `page` as often at once as `pass` says, each request held until as many processes have one.
pub fn warm(visitor: &Visitor, page: &str, expected: &Expected, pass: &Pass) -> Warmed {
    let visitor = visitor.clone().warming(pass);
    let page = Question::Page(page.to_owned());
    let answers: Vec<_> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..pass.processes()).map(|_| scope.spawn(|| visitor.ask(&page))).collect();
        asking.into_iter().map(|asked| asked.join().expect("asking does not panic")).collect()
    });
    let mut warmed = Warmed { processes: BTreeSet::new(), troubles: Vec::new() };
    for answer in answers {
        if let Ok(answer) = &answer {
            warmed.processes.extend(answer.process);
        }
        let judged = answer.and_then(|answer| expected.judge(visitor.address(), &page, &answer));
        warmed.troubles.extend(judged.err());
    }
    warmed
}

impl Question {
    pub fn path(&self) -> &str {
        match self {
            Question::Page(path) | Question::File(path) => path,
        }
    }
}

impl Address {
    pub(super) fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }

    /// The host without its port.
    pub(super) fn name(&self) -> &str {
        match self.host.rsplit_once(':') {
            // The colons of an IPv6 address stand in brackets.
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => &self.host,
        }
    }
}

/// `https://www.example.org (192.0.2.1:443)`
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{} ({})", self.scheme(), self.host, self.at)
    }
}

#[cfg(test)]
mod tests;
