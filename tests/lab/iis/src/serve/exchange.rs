//! One request on one process: parameters and body there, the answer back, with the limits that IIS keeps.

use std::io;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::oneshot;

use super::lease::{Connection, Lease};
use super::model::StderrMode;
use super::process::Writer;
use super::record::{self, Record};
use super::sink::{Answer, Failure, Sink};

/// A request on its way.
pub struct Exchange<B> {
    /// BEGIN_REQUEST and the parameters.
    pub begin: Vec<u8>,
    pub body: B,
    /// How long the process may say nothing.
    pub activity_timeout: Duration,
    /// How long all of it may take.
    pub request_timeout: Duration,
    pub stderr_mode: StderrMode,
    /// How many bytes of the answer are held back before the client gets the first one.
    pub buffer: usize,
    pub hang_up: HangUp,
}

/// What the process sees of a client that leaves; no public source says what IIS does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HangUp {
    #[default]
    AbortRecord,
    PipeClosed,
    ProcessEnded,
    Nothing,
}

enum Ending {
    Complete,
    ClientGone,
}

/// What becomes of the process.
enum Fate {
    Kept,
    Reconnected,
    Ended,
    Failed(&'static str),
}

impl<B> Exchange<B>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
{
    /// Runs to its end even if the client leaves, and gives the process back.
    pub async fn run(
        self,
        (lease, mut connection): (Lease, Connection),
        answer: oneshot::Sender<Result<Answer, Failure>>,
    ) {
        let (activity_timeout, hang_up) = (self.activity_timeout, self.hang_up);
        let mut sink = Sink::new(answer);
        let (ending, is_in_step) = self.speak(&mut connection, &mut sink).await;
        let fate = match ending {
            Ok(Ending::Complete) => {
                if is_in_step {
                    Fate::Kept
                } else {
                    Fate::Reconnected
                }
            }
            Ok(Ending::ClientGone) => match hang_up {
                HangUp::AbortRecord => abort(&mut connection, activity_timeout).await,
                HangUp::PipeClosed => Fate::Reconnected,
                HangUp::ProcessEnded | HangUp::Nothing => Fate::Ended,
            },
            Err(failure) => {
                let fate = match &failure {
                    Failure::Exited(_) => Fate::Failed("by itself"),
                    Failure::Silent => Fate::Failed("activityTimeout"),
                    Failure::TooLong => Fate::Failed("requestTimeout"),
                    Failure::Terminated => Fate::Failed("stderrMode"),
                    Failure::NoAnswer(_) => Fate::Failed("no FastCGI"),
                    _ if is_in_step => Fate::Kept,
                    _ => Fate::Reconnected,
                };
                let failure = match failure {
                    // It is told how, if the process is gone by now.
                    Failure::Exited(how) => {
                        let ended = tokio::time::timeout(Duration::from_secs(1), lease.ended()).await;
                        Failure::Exited(ended.unwrap_or(how))
                    }
                    failure => failure,
                };
                sink.fail(failure).await;
                fate
            }
        };
        match fate {
            Fate::Kept => lease.give_back(Some(connection)),
            Fate::Reconnected => {
                drop(connection);
                lease.give_back(None);
            }
            Fate::Ended => drop(lease),
            Fate::Failed(why) => lease.give_up(why),
        }
    }

    /// Returns how it ended, and whether all of the request has been sent: if not, the connection is out of step.
    async fn speak(self, connection: &mut Connection, sink: &mut Sink) -> (Result<Ending, Failure>, bool) {
        let Connection { records, writer } = connection;
        let deadline = Instant::now() + self.request_timeout;
        // Sending is activity, too.
        let active = Mutex::new(Instant::now());
        let mut upload = pin!(upload(writer, &self.begin, self.body, &active));
        let (mut is_uploading, mut is_in_step) = (true, false);
        let mut errors = Vec::new();
        loop {
            let silent = *active.lock().unwrap_or_else(PoisonError::into_inner) + self.activity_timeout;
            let said = tokio::select! {
                biased;
                said = records.next() => said,
                sent = &mut upload, if is_uploading => {
                    is_uploading = false;
                    match sent {
                        Ok(()) => is_in_step = true,
                        Err(Unsent::ClientGone) if self.hang_up != HangUp::Nothing => {
                            return (Ok(Ending::ClientGone), false);
                        }
                        // It may have answered without reading on: the answer decides.
                        Err(_) => {}
                    }
                    continue;
                }
                () = sink.client_gone(), if self.hang_up != HangUp::Nothing => {
                    return (Ok(Ending::ClientGone), is_in_step);
                }
                () = tokio::time::sleep_until(silent.min(deadline).into()) => {
                    match Instant::now() {
                        now if now >= deadline => return (Err(Failure::TooLong), is_in_step),
                        // Something was sent meanwhile.
                        _ if *active.lock().unwrap_or_else(PoisonError::into_inner) + self.activity_timeout > silent => continue,
                        _ => return (Err(Failure::Silent), is_in_step),
                    }
                }
            };
            *active.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            match said {
                Ok(Some(Record::Output(bytes))) => {
                    let passed =
                        tokio::time::timeout_at(deadline.into(), sink.push(&bytes, self.buffer)).await;
                    match passed {
                        Ok(Ok(())) => {}
                        Ok(Err(what)) => return (Err(Failure::NoAnswer(what)), is_in_step),
                        Err(_) => return (Err(Failure::TooLong), is_in_step),
                    }
                }
                Ok(Some(Record::Errors(_))) if self.stderr_mode == StderrMode::TerminateProcess => {
                    return (Err(Failure::Terminated), is_in_step);
                }
                Ok(Some(Record::Errors(bytes))) => errors.extend_from_slice(&bytes),
                Ok(Some(Record::End { protocol_status: status @ 1.., .. })) => {
                    return (Err(Failure::Refused(status)), is_in_step);
                }
                Ok(Some(Record::End { app_status: status @ 1.., .. })) => {
                    return (Err(Failure::GaveUp(status)), is_in_step);
                }
                Ok(Some(Record::End { .. })) => {
                    let ending = match self.stderr_mode {
                        StderrMode::ReturnStdErrIn500 if !errors.is_empty() => {
                            Err(Failure::Said(String::from_utf8_lossy(&errors).into_owned()))
                        }
                        StderrMode::ReturnGeneric500 if !errors.is_empty() => Err(Failure::SaidSomething),
                        _ => sink.end().map(|()| Ending::Complete).map_err(Failure::NoAnswer),
                    };
                    return (ending, is_in_step);
                }
                Ok(None) => return (Err(Failure::Exited("it closed the connection".to_owned())), is_in_step),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return (Err(Failure::NoAnswer(error.to_string())), is_in_step);
                }
                Err(error) => return (Err(Failure::Exited(error.to_string())), is_in_step),
            }
        }
    }
}

enum Unsent {
    ClientGone,
    ProcessGone,
}

async fn upload<B>(
    writer: &mut Writer,
    begin: &[u8],
    mut body: B,
    active: &Mutex<Instant>,
) -> Result<(), Unsent>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
{
    let gone = |_| Unsent::ProcessGone;
    writer.write_all(begin).await.map_err(gone)?;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Unsent::ClientGone)?;
        // Trailers have no place in CGI.
        let Ok(data) = frame.into_data() else { continue };
        for piece in data.chunks(record::PIECE) {
            writer.write_all(&record::input(piece)).await.map_err(gone)?;
            *active.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
    }
    writer.write_all(&record::input(b"")).await.map_err(gone)
}

/// Has the process give up a request whose client left, and waits until it has.
async fn abort(connection: &mut Connection, patience: Duration) -> Fate {
    if connection.writer.write_all(&record::abort()).await.is_err() {
        return Fate::Failed("by itself");
    }
    loop {
        match tokio::time::timeout(patience, connection.records.next()).await {
            Ok(Ok(Some(Record::End { .. }))) => return Fate::Kept,
            Ok(Ok(Some(_))) => {}
            Ok(Ok(None) | Err(_)) => return Fate::Failed("by itself"),
            Err(_) => return Fate::Failed("activityTimeout"),
        }
    }
}
