//! `--check`: the project imported and asked once, in this process, by the same code that serves.

use std::io::Write;
use std::time::Instant;

use miette::Diagnostic;
use pyo3::exceptions::PyModuleNotFoundError;
use pyo3::prelude::*;
use serde::Serialize;

use super::application::{load, summary, traceback};
use super::environ::Template;
use super::handler::{Handler, Told};
use super::module::{DONE, FAILED};
use super::process::{prepare, python_version};
use crate::cli::Format;
use crate::connection::{Connection, Progress};
use crate::exchange::Exchange;
#[cfg(windows)]
use crate::log;
use crate::protocol::encode;
use crate::settings::{Question, Settings};
use crate::transports::Memory;

/// Lines of a traceback that a report quotes: its end says what happened, and where in the project.
const TRACEBACK: usize = 30;

/// What a check found. The JSON form is this, key by key.
#[derive(Debug, Default, Serialize)]
struct Report {
    ok: bool,
    application: Option<String>,
    python: String,
    import_seconds: Option<f64>,
    first_answer_seconds: Option<f64>,
    second_answer_seconds: Option<f64>,
    status: Option<String>,
    problems: Vec<Problem>,
}

#[derive(Debug, Serialize)]
struct Problem {
    problem: String,
    help: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceback: Option<String>,
}

impl Problem {
    fn new(problem: impl Into<String>, help: impl Into<String>) -> Problem {
        Problem { problem: problem.into(), help: help.into(), traceback: None }
    }

    fn quoting(self, traceback: Option<String>) -> Problem {
        Problem { traceback: traceback.as_deref().map(shortened), ..self }
    }
}

/// The first line, which says that it is a traceback, and the end.
fn shortened(traceback: &str) -> String {
    let lines: Vec<&str> = traceback.lines().collect();
    match lines.len().checked_sub(TRACEBACK + 1) {
        None | Some(0) => traceback.to_owned(),
        Some(left_out) => {
            format!("{}\n  … {left_out} lines\n{}\n", lines[0], lines[left_out + 1..].join("\n"))
        }
    }
}

/// Checks, reports, and returns the exit code.
pub fn check(py: Python<'_>, settings: &Settings, format: Format) -> u8 {
    // The report is all that standard output gets; what the application prints goes to standard error.
    #[cfg(unix)]
    let mut output: Box<dyn Write> =
        match crate::transports::fill_gaps().and_then(|()| crate::transports::shield(None)) {
            Ok(output) => Box::new(std::fs::File::from(output)),
            Err(error) => return super::module::refuse(&error),
        };
    #[cfg(windows)]
    let mut output: Box<dyn Write> = match super::streams::take_output(py) {
        Ok(Some(output)) => Box::new(output),
        Ok(None) => Box::new(std::io::sink()),
        Err(error) => {
            log::line(&format!("cannot set up the standard streams\n{}", traceback(py, &error)));
            return FAILED;
        }
    };
    let report = inspect(py, settings);
    let text = match format {
        Format::Json => as_json(&report),
        Format::Text => as_text(&report),
    };
    let told = output.write_all(text.as_bytes()).and_then(|()| output.flush());
    if report.ok && told.is_ok() { DONE } else { FAILED }
}

/// The report of a check that cannot be made, for whoever reads JSON.
pub fn refused(error: &dyn Diagnostic) -> String {
    let help = error.help().map(|help| help.to_string()).unwrap_or_default();
    let problems = vec![Problem::new(error.to_string(), help)];
    as_json(&Report { python: python_version(), problems, ..Report::default() })
}

fn inspect(py: Python<'_>, settings: &Settings) -> Report {
    let mut report =
        Report { application: Some(settings.app.clone()), python: python_version(), ..Report::default() };
    let begun = Instant::now();
    let loaded = prepare(py, settings).and_then(|()| load(py, &settings.app));
    let handler = loaded.and_then(|application| {
        let template =
            Template::new(py, settings.threads > 1, settings.processes > 1, settings.proxies.clone())?;
        Ok(Handler {
            application: application.unbind(),
            template,
            probes: None,
            maintenance: None,
            events: None,
        })
    });
    match handler {
        Ok(handler) => {
            report.import_seconds = Some(begun.elapsed().as_secs_f64());
            ask_twice(py, &handler, &settings.check, &mut report);
        }
        Err(error) => report.problems.push(import_problem(py, &error)),
    }
    report.ok = report.problems.is_empty();
    report
}

fn ask_twice(py: Python<'_>, handler: &Handler, question: &Question, report: &mut Report) {
    let begun = Instant::now();
    let (status, failure) = ask(py, handler, question);
    report.first_answer_seconds = Some(begun.elapsed().as_secs_f64());
    let begun = Instant::now();
    ask(py, handler, question);
    report.second_answer_seconds = Some(begun.elapsed().as_secs_f64());

    let number = status.as_deref().and_then(|status| status.get(..3)?.parse::<u16>().ok());
    report.status = status;
    match (failure, number) {
        (Some(Told { summary, traceback }), _) => {
            let problem = format!("the application failed at {}: {summary}", question.path);
            let help = "the traceback is the project's own: correct what it names, then check again";
            report.problems.push(Problem::new(problem, help).quoting(traceback));
        }
        (None, Some(400)) => report.problems.push(Problem::new(
            format!("a request for host `{}` is refused with status 400", question.host),
            format!(
                "add `{}` to the project's ALLOWED_HOSTS, or set `host` under `[check]` to a name that stands there",
                question.host
            ),
        )),
        (None, Some(500..)) => report.problems.push(Problem::new(
            format!("{} is answered with status {}", question.path, report.status.as_deref().unwrap_or_default()),
            "what the project logged stands on standard error; DEBUG shows more",
        )),
        (None, Some(_)) => {}
        (None, None) => report.problems.push(Problem::new(
            format!("{} is not answered", question.path),
            "an application must call start_response before it returns",
        )),
    }
}

/// One request through a connection without a peer.
fn ask(py: Python<'_>, handler: &Handler, question: &Question) -> (Option<String>, Option<Told>) {
    let (_, query) = question.path.split_once('?').unwrap_or_default();
    let port = if question.https { "443" } else { "80" };
    let host = question.host.split(':').next().unwrap_or_default();
    let mut params = vec![
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("REQUEST_METHOD", "GET"),
        ("SCRIPT_NAME", ""),
        // PATH_INFO is made of it: decoded, as a web server does it.
        ("QUERY_STRING", query),
        ("REQUEST_URI", &question.path),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_NAME", host),
        ("SERVER_PORT", port),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("HTTP_HOST", &question.host),
        ("CONTENT_LENGTH", ""),
    ];
    if question.https {
        params.push(("HTTPS", "on"));
    }
    let (stream, _) = Memory::new(encode::request(1, false, &params, b""));
    let mut connection = Connection::new(Box::new(stream));
    match connection.receive() {
        Progress::Request(request) => {
            let answered = handler.answer(py, Exchange::new(connection, request));
            (answered.status, answered.failure)
        }
        _ => {
            let summary = "the question is too long for a request".to_owned();
            (None, Some(Told { summary, traceback: None }))
        }
    }
}

fn import_problem(py: Python<'_>, error: &PyErr) -> Problem {
    let missing = error.is_instance_of::<PyModuleNotFoundError>(py).then(|| {
        let name = error.value(py).getattr("name").ok()?;
        name.extract::<String>().ok()
    });
    let help = match missing.flatten() {
        Some(name) => format!("install what provides `{name}`, or name its folder in `pythonpath`"),
        None => "the traceback is the project's own: correct what it names, then check again".to_owned(),
    };
    Problem::new(format!("the application cannot be imported: {}", summary(py, error)), help)
        .quoting(Some(traceback(py, error)))
}

fn as_json(report: &Report) -> String {
    serde_json::to_string_pretty(report).expect("a report is made of text and numbers") + "\n"
}

fn as_text(report: &Report) -> String {
    let seconds = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3} s"));
    let mut text = format!(
        "application    {}\npython         {}\nimport         {}\nfirst answer   {}\nsecond answer  {}\nstatus         {}\n",
        report.application.as_deref().unwrap_or("-"),
        report.python,
        seconds(report.import_seconds),
        seconds(report.first_answer_seconds),
        seconds(report.second_answer_seconds),
        report.status.as_deref().unwrap_or("-"),
    );
    for problem in &report.problems {
        text.push_str(&format!("problem        {}\n  help         {}\n", problem.problem, problem.help));
        for line in problem.traceback.iter().flat_map(|traceback| traceback.lines()) {
            text.push_str(&format!("  | {line}\n"));
        }
    }
    text.push_str(if report.ok { "fine\n" } else { "not fine\n" });
    text
}
