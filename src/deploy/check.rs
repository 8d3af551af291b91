//! The self-check of a release: the bridge imports the project and asks it once, in a process of its own, just as the site
//! will run it.

use std::time::Duration;

use serde::Deserialize;

use super::record::Record;
use crate::interrupt::{self, Within};
use crate::site::{self, Place};

/// What is wrong with a project that does not start.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{problem}{}", quoted(traceback.as_deref()))]
#[diagnostic(help("{help}"))]
pub struct Problem {
    pub problem: String,
    pub help: String,
    pub traceback: Option<String>,
}

/// What the bridge reports, as far as it is of interest.
#[derive(Deserialize)]
struct Report {
    ok: bool,
    problems: Vec<Reported>,
}

#[derive(Deserialize)]
struct Reported {
    problem: String,
    help: String,
    traceback: Option<String>,
}

/// Checks the release at `place`, whose bridge has been told what it needs. A process that needs longer than `limit` to say
/// a first word is one that IIS would end, too.
pub fn ask(place: &Place, limit: Duration) -> Result<(), Problem> {
    let mut invocation = site::bridge(place);
    invocation.args.extend(["--check", "--format", "json"].map(Into::into));
    let (record, what) = (Record::begin(place, "self-check"), invocation.to_string());
    let within = interrupt::output_within(&mut invocation.command(), limit).map_err(|error| Problem {
        problem: format!("cannot start `{invocation}`: {error}"),
        help: "the bundle is for another machine, or something keeps its programs from being run".to_owned(),
        traceback: None,
    })?;
    match within {
        Within::Ended(output) => {
            let log = record.keep(&what, &output.stdout, &output.stderr, &format!("{}", output.status));
            judge(&output.stdout, &output.stderr, output.status.success()).map_err(|problem| Problem {
                help: match log {
                    Some(log) => format!("{} (all that it said is in `{}`)", problem.help, log.display()),
                    None => problem.help,
                },
                ..problem
            })
        }
        Within::Overdue { stdout, stderr } => {
            record.keep(
                &what,
                &stdout,
                &stderr,
                &format!("had not ended after {} s: was ended", limit.as_secs()),
            );
            Err(Problem {
            problem: format!("`{invocation}` had not ended after {} s, and was ended", limit.as_secs()),
            help: "look for what its import or its first page waits for: a database or a host that does not answer. \
                   IIS would end such a process as well; if it needs longer, set `activityTimeout` in `[fastcgi]` of \
                   site.toml (seconds)"
                .to_owned(),
            traceback: words(&stderr),
            })
        }
    }
}

fn words(errors: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(errors);
    Some(text.trim_end().to_owned()).filter(|text| !text.is_empty())
}

fn judge(report: &[u8], errors: &[u8], succeeded: bool) -> Result<(), Problem> {
    match serde_json::from_slice::<Report>(report) {
        Ok(Report { ok: true, .. }) if succeeded => Ok(()),
        Ok(Report { problems, .. }) if !problems.is_empty() => {
            let Reported { problem, help, traceback } = problems.into_iter().next().expect("it has one");
            Err(Problem { problem, help, traceback })
        }
        _ => Err(Problem {
            problem: "the bridge ended without a report".to_owned(),
            help: "what it said stands above; the Windows event log may say more".to_owned(),
            traceback: words(errors),
        }),
    }
}

fn quoted(traceback: Option<&str>) -> String {
    traceback.map_or_else(String::new, |traceback| format!("\n{}", traceback.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_judged_by_what_it_says() {
        assert!(judge(b"{\"ok\": true, \"python\": \"3.12\", \"problems\": []}", b"", true).is_ok());
        let report =
            b"{\"ok\": false, \"problems\": [{\"problem\": \"it does not import\", \"help\": \"look\", \
            \"traceback\": \"Traceback\\nKeyError\\n\"}]}";
        let problem = judge(report, b"", false).unwrap_err();
        assert_eq!(problem.to_string(), "it does not import\nTraceback\nKeyError");
        for (report, succeeded) in [(&b""[..], true), (b"{\"ok\": true, \"problems\": []}", false)] {
            let problem = judge(report, b"Fatal Python error\n", succeeded).unwrap_err();
            assert_eq!(problem.to_string(), "the bridge ended without a report\nFatal Python error");
        }
    }
}
