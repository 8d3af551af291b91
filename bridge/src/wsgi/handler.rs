//! One request through the application: environment in, answer out, `close()` in every case.

use std::time::{Duration, Instant};

use pyo3::exceptions::{PyConnectionError, PyTimeoutError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};

use super::application::{summary, traceback};
use super::environ::Template;
use super::file_wrapper::FileWrapper;
use super::input::Input;
use super::start_response::{StartResponse, type_name};
use super::talk::{Shared, Talk};
use crate::connection::Connection;
use crate::events::{Event, Events};
use crate::exchange::{Disposition, Exchange};
use crate::head::Head;
use crate::log;
use crate::loss::Unwanted;
use crate::maintenance::{Closed, Maintenance};
use crate::probe::Probes;
use crate::protocol::Params;
use crate::reply::{Reply, ReplyError};
use crate::transports::is_access_told;

/// A list of pieces up to this size is put together before it is sent.
const JOINED: usize = 1 << 20;

/// An application and what its requests have in common.
pub struct Handler {
    pub application: Py<PyAny>,
    pub template: Template,
    /// Where probes get their rights from, if there may be any.
    pub probes: Option<Probes>,
    /// Where it is said that the site is closed, if it may be.
    pub maintenance: Option<Maintenance>,
    /// Who hears of slow requests.
    pub events: Option<Events>,
}

/// What came of a request.
pub struct Answered {
    /// The connection, unless it is gone.
    pub connection: Option<(Connection, Disposition)>,
    /// The application's status.
    pub status: Option<String>,
    /// What the application or its answer failed with.
    pub failure: Option<Told>,
}

/// A failure as people are told of it.
pub struct Told {
    /// In one line.
    pub summary: String,
    /// Where it came from, if the application raised it.
    pub traceback: Option<String>,
}

/// Why an answer is not complete.
enum Failure {
    /// The application raised it.
    Python(PyErr),
    /// The application broke a rule, or nobody listens any more.
    Reply(ReplyError),
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Failure {
        Failure::Python(error)
    }
}

impl From<ReplyError> for Failure {
    fn from(error: ReplyError) -> Failure {
        Failure::Reply(error)
    }
}

impl Handler {
    /// Answers one request, whatever the application does.
    pub fn answer(&self, py: Python<'_>, exchange: Exchange) -> Answered {
        let head_only = exchange.params().value(b"REQUEST_METHOD") == Some(b"HEAD");
        let (begun, shared) = (Instant::now(), Shared::new(exchange, Reply::new(head_only)));
        let mut failure = None;
        if let Err(error) = self.run(py, &shared) {
            failure = recover(py, &shared, error);
        }
        self.tell_of_slowness(py, &shared, begun.elapsed());
        let (connection, status) = shared.detached(py, |talk| {
            let access = is_access_told().then(|| access(talk, begun));
            let done = (talk.exchange.finish(), talk.reply.status_line());
            access.iter().for_each(|access| log::line(access));
            done
        });
        Answered { connection, status, failure }
    }

    /// Probes wait for each other, and so are no measure.
    fn tell_of_slowness(&self, py: Python<'_>, shared: &Shared, took: Duration) {
        let Some(events) = self.events.as_ref().filter(|events| took >= events.slow) else { return };
        if shared.briefly(py, |talk| talk.reply.names_process()) {
            return;
        }
        let question = shared.briefly(py, |talk| question(&talk.exchange));
        py.detach(|| {
            events.report(&Event::Slow { question: &question, took });
            // Whoever reads this line finds the event, too.
            log::line(&format!("{question} took {:.1} s", took.as_secs_f64()));
        });
    }

    fn run(&self, py: Python<'_>, shared: &Shared) -> Result<(), Failure> {
        let input = Bound::new(py, Input::new(shared.clone()))?;
        let start_response = Bound::new(py, StartResponse::new(shared.clone()))?;
        // The parameters are lent out for the time it takes to make a dictionary of them.
        let params = shared.briefly(py, |talk| talk.exchange.lend_params());
        let environ = self.template.environ(py, &params, input).and_then(|environ| {
            let probes = match &self.probes {
                Some(probes) => probe(py, probes, shared, &params, &environ)?,
                None => false,
            };
            // Whoever puts a release into service sees it while visitors do not.
            let closed = match self.maintenance.as_ref().filter(|_| !probes) {
                Some(maintenance) => {
                    // Whom proxies that are trusted have told of stands there already.
                    let visitor: Option<Bound<'_, PyAny>> = environ.get_item(intern!(py, "REMOTE_ADDR"))?;
                    let visitor: Option<String> = visitor.map(|visitor| visitor.extract()).transpose()?;
                    py.detach(|| maintenance.closed(visitor.as_deref().unwrap_or_default()))
                }
                None => None,
            };
            Ok((environ, closed))
        });
        shared.briefly(py, |talk| talk.exchange.return_params(params));
        let (environ, closed) = environ?;
        if let Some(closed) = closed {
            return turn_away(py, shared, &closed);
        }
        let result = self.application.bind(py).call1((environ, start_response))?;
        let sent = send(py, shared, &result);
        if let Err(error) = close(&result) {
            log::line(&format!("close() of an answer failed\n{}", traceback(py, &error)));
        }
        sent
    }
}

/// Answers a visitor to whom the site is closed.
fn turn_away(py: Python<'_>, shared: &Shared, closed: &Closed) -> Result<(), Failure> {
    let sent = shared.detached(py, |talk| {
        talk.reply.set_head(closed.head());
        talk.reply.send_last(&mut talk.exchange, closed.page().as_bytes())
    });
    Ok(sent?)
}

/// Gives a probe what it may ask for, and says whether it is one. The application never sees the header, whoever sent it.
fn probe(
    py: Python<'_>,
    probes: &Probes,
    shared: &Shared,
    params: &Params,
    environ: &Bound<'_, PyDict>,
) -> PyResult<bool> {
    let header = intern!(py, "HTTP_X_HOLDALL_PROBE");
    if !environ.contains(header)? {
        return Ok(false);
    }
    environ.del_item(header)?;
    let Some(probe) = py.detach(|| probes.admit(params)) else { return Ok(false) };
    shared.briefly(py, |talk| talk.reply.name_process());
    if let Some(https) = probe.https {
        environ.set_item("wsgi.url_scheme", if https { "https" } else { "http" })?;
        environ.set_item("HTTPS", if https { "on" } else { "off" })?;
    }
    if let Some(meeting) = probe.meeting {
        py.detach(|| meeting.hold());
    }
    Ok(true)
}

/// Sends what the application returned.
fn send(py: Python<'_>, shared: &Shared, result: &Bound<'_, PyAny>) -> Result<(), Failure> {
    if let Some(pieces) = whole(result)? {
        return send_whole(py, shared, &pieces);
    }
    if result.is_exact_instance_of::<FileWrapper>() {
        shared.briefly(py, |talk| talk.reply.cut_at_length());
    }
    for piece in result.try_iter()? {
        let piece = bytes(&piece?)?;
        let content = piece.as_bytes();
        let satisfied = shared.detached(py, |talk| {
            talk.reply.send(&mut talk.exchange, content)?;
            Ok::<_, ReplyError>(talk.reply.is_satisfied())
        })?;
        if satisfied {
            break;
        }
    }
    Ok(shared.detached(py, |talk| talk.reply.end(&mut talk.exchange))?)
}

/// All pieces at once, if the answer is a list or a tuple.
fn whole<'py>(result: &Bound<'py, PyAny>) -> PyResult<Option<Vec<Bound<'py, PyBytes>>>> {
    if let Ok(list) = result.cast_exact::<PyList>() {
        list.iter().map(|piece| bytes(&piece)).collect::<PyResult<_>>().map(Some)
    } else if let Ok(tuple) = result.cast_exact::<PyTuple>() {
        tuple.iter().map(|piece| bytes(&piece)).collect::<PyResult<_>>().map(Some)
    } else {
        Ok(None)
    }
}

fn send_whole(py: Python<'_>, shared: &Shared, pieces: &[Bound<'_, PyBytes>]) -> Result<(), Failure> {
    let contents: Vec<&[u8]> = pieces.iter().map(|piece| piece.as_bytes()).collect();
    shared.detached(py, |talk| match &contents[..] {
        [] => talk.reply.send_last(&mut talk.exchange, b""),
        [one] => talk.reply.send_last(&mut talk.exchange, one),
        many if many.iter().map(|piece| piece.len()).sum::<usize>() <= JOINED => {
            talk.reply.send_last(&mut talk.exchange, &many.concat())
        }
        many => {
            many.iter().try_for_each(|piece| talk.reply.send(&mut talk.exchange, piece))?;
            talk.reply.end(&mut talk.exchange)
        }
    })?;
    Ok(())
}

fn bytes<'py>(piece: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    piece.cast::<PyBytes>().cloned().map_err(|_| {
        PyTypeError::new_err(format!(
            "the application gave {} where a WSGI answer is made of bytes",
            type_name(piece)
        ))
    })
}

fn close(result: &Bound<'_, PyAny>) -> PyResult<()> {
    if let Some(close) = result.getattr_opt("close")? {
        close.call0()?;
    }
    Ok(())
}

/// Logs what went wrong, and answers with a plain 500 if nothing has been sent yet.
fn recover(py: Python<'_>, shared: &Shared, failure: Failure) -> Option<Told> {
    let (question, loss) = shared.briefly(py, |talk| (question(&talk.exchange), talk.exchange.loss()));
    let (told, said) = match (failure, loss) {
        // Visitors who leave are no failure of anybody's: one line, no traceback, nobody to answer.
        (Failure::Reply(ReplyError::Unwanted(loss)), _) => return leave(py, shared, &question, loss),
        (Failure::Python(error), Some(loss)) if is_about_connections(py, &error) => {
            return leave(py, shared, &question, loss);
        }
        (Failure::Reply(error), _) => {
            (Told { summary: error.to_string(), traceback: None }, format!("{question}: {error}"))
        }
        (Failure::Python(error), _) => {
            let traceback = traceback(py, &error);
            let said = format!("{question}: the application failed\n{traceback}");
            (Told { summary: summary(py, &error), traceback: Some(traceback) }, said)
        }
    };
    shared.detached(py, |talk| {
        log::line(&said);
        if talk.reply.is_sent() {
            talk.exchange.give_up();
            return;
        }
        let mut head = Head::new("500 Internal Server Error").expect("a fit status");
        head.push("Content-Type", "text/plain; charset=utf-8").expect("a fit header");
        talk.reply.set_head(head);
        if talk.reply.send_last(&mut talk.exchange, b"Internal Server Error\n").is_err() {
            talk.exchange.give_up();
        }
    });
    Some(told)
}

fn leave(py: Python<'_>, shared: &Shared, question: &str, loss: Unwanted) -> Option<Told> {
    shared.detached(py, |talk| {
        log::line(&format!("{question}: {loss}"));
        talk.exchange.give_up();
    });
    None
}

/// What `wsgi.input` and `write` raise when the web server is gone.
fn is_about_connections(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PyConnectionError>(py) || error.is_instance_of::<PyTimeoutError>(py)
}

/// What became of a request, and how long it took: from its first record to the call of the application, there (its body is
/// awaited there as well), and until the web server has taken the answer.
fn access(talk: &mut Talk, called: Instant) -> String {
    let passed = talk.exchange.passed();
    let queue = passed.begun.map_or(Duration::ZERO, |begun| called.saturating_duration_since(begun));
    let application = called.elapsed().saturating_sub(passed.writing);
    let [queue, application, write] =
        [queue, application, passed.writing].map(|time| time.as_secs_f64() * 1000.0);
    let status = talk.reply.status_line().unwrap_or_default();
    format!(
        "{} {} {} bytes, queue {queue:.1} ms, application {application:.1} ms, write {write:.1} ms",
        question(&talk.exchange),
        status.split(' ').next().filter(|number| !number.is_empty()).unwrap_or("-"),
        talk.reply.written()
    )
}

fn question(exchange: &Exchange) -> String {
    crate::gateway::question(exchange.params())
}
