//! One request and its answer on one connection to a FastCGI process, both streamed in bounded memory.

use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{mpsc, oneshot};

use super::body::Piece;
use super::channel::{Connection, Reader, Writer};
use super::event::{Event, Listener};
use super::head::{BadHead, Collector, Head};
use super::processes::{Back, Lease};
use super::record::{self, Record, Records};

/// A request as it goes to a process.
pub struct Exchange<B> {
    /// The records that begin it.
    pub begin: Bytes,
    pub body: Option<B>,
    /// The answer to a HEAD request has no body, whatever the application sends.
    pub is_head: bool,
    /// How long the process may be silent.
    pub patience: Duration,
    pub listener: Listener,
}

/// The head of an answer, and its body as it comes; none when it has none.
pub type Answer = (Head, Option<mpsc::Receiver<Piece>>);

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("it ended, or closed the connection, before it answered")]
    Ended,
    #[error("it sent nothing for {0} s")]
    Silent(u64),
    #[error("it refused the request (FastCGI protocol status {0})")]
    Refused(u8),
    #[error("it gave up the answer (application status {0})")]
    GaveUp(u32),
    #[error("what it sends is not FastCGI")]
    NotFastCgi,
    #[error(transparent)]
    Head(#[from] BadHead),
}

/// How an exchange ended, if it did not fail.
enum Ending {
    Complete,
    /// The client left.
    Gone,
}

impl<B> Exchange<B>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
{
    /// Sends the request to the leased process and its answer to `answer`, then gives the process back.
    ///
    /// Runs to its end even if the client leaves: the process is told, and is lent again when it is free.
    pub async fn run(self, lease: Lease, answer: oneshot::Sender<Result<Answer, Failure>>) {
        let process = lease.process;
        let (mut connection, back) = lease.take();
        let mut sink = Sink::Head { answer, collector: Collector::default(), is_head: self.is_head };
        let (patience, listener) = (self.patience, self.listener.clone());
        let errors = |bytes: &Bytes| {
            for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let line = String::from_utf8_lossy(line).trim_end().to_owned();
                listener(Event::Output { process, line });
            }
        };
        let uploaded = AtomicBool::new(false);
        let ending = {
            let Connection { records, writer } = &mut connection;
            let mut upload = pin!(upload(writer, self.begin, self.body));
            let mut download = pin!(download(records, &mut sink, &uploaded, patience, &errors));
            let mut is_open = true;
            loop {
                tokio::select! {
                    ending = &mut download => break ending,
                    sent = &mut upload, if is_open => {
                        is_open = false;
                        match sent {
                            Ok(()) => uploaded.store(true, Ordering::Relaxed),
                            Err(Unsent::ClientGone) => break Ok(Ending::Gone),
                            // It may have answered without reading on: the answer decides.
                            Err(Unsent::ProcessGone) => {}
                        }
                    }
                }
            }
        };
        // A request that was cut off in the middle leaves the connection out of step.
        let in_step = uploaded.into_inner();
        match ending {
            Ok(Ending::Complete) if in_step => back.give(Back::Kept(connection)),
            Ok(Ending::Complete) => back.give(Back::Lost),
            Ok(Ending::Gone) if in_step => back.give(abort(connection, patience, &errors).await),
            Ok(Ending::Gone) => back.give(Back::Lost),
            Err(failure) => {
                if failure != Failure::Ended {
                    listener(Event::Fault { process, what: failure.to_string() });
                }
                let stuck = matches!(failure, Failure::Silent(_));
                let kept = in_step && matches!(failure, Failure::GaveUp(_) | Failure::Refused(_));
                sink.fail(failure);
                back.give(match (stuck, kept) {
                    (true, _) => Back::Stuck,
                    (_, true) => Back::Kept(connection),
                    _ => Back::Lost,
                });
            }
        }
    }
}

enum Unsent {
    ClientGone,
    ProcessGone,
}

impl From<io::Error> for Unsent {
    fn from(_: io::Error) -> Unsent {
        Unsent::ProcessGone
    }
}

async fn upload<B>(writer: &mut Writer, begin: Bytes, body: Option<B>) -> Result<(), Unsent>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
{
    let Some(mut body) = body else {
        let end = record::input(0);
        let mut all = begin.chain(&end[..]);
        return Ok(writer.write_all_buf(&mut all).await?);
    };
    writer.write_all(&begin).await?;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Unsent::ClientGone)?;
        // Trailers have no place in CGI.
        let Ok(data) = frame.into_data() else { continue };
        for piece in data.chunks(record::LONGEST) {
            let length = u16::try_from(piece.len()).expect("cut to what a record holds");
            let head = record::input(length);
            writer.write_all_buf(&mut head.chain(piece)).await?;
        }
    }
    Ok(writer.write_all(&record::input(0)).await?)
}

async fn download(
    records: &mut Records<Reader>,
    sink: &mut Sink,
    uploaded: &AtomicBool,
    patience: Duration,
    errors: &(impl Fn(&Bytes) + Sync),
) -> Result<Ending, Failure> {
    loop {
        let record = tokio::select! {
            biased;
            record = records.next() => record,
            () = sink.closed() => return Ok(Ending::Gone),
            () = tokio::time::sleep(patience) => {
                // While the client sends, it is the client that takes its time.
                if uploaded.load(Ordering::Relaxed) {
                    return Err(Failure::Silent(patience.as_secs()));
                }
                continue;
            }
        };
        match record {
            Ok(Some(Record::Output(bytes))) if bytes.is_empty() => {}
            Ok(Some(Record::Output(bytes))) => {
                if sink.push(bytes).await?.is_none() {
                    return Ok(Ending::Gone);
                }
            }
            Ok(Some(Record::Error(bytes))) => errors(&bytes),
            Ok(Some(Record::End { protocol_status: refused @ 1.., .. })) => {
                return Err(Failure::Refused(refused));
            }
            Ok(Some(Record::End { status, .. })) => return sink.end(status).await.map(|()| Ending::Complete),
            Ok(Some(Record::Pong)) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(Failure::NotFastCgi),
            Ok(None) | Err(_) => return Err(Failure::Ended),
        }
    }
}

/// Has the process give up a request whose client left, and waits until it has.
async fn abort(mut connection: Connection, patience: Duration, errors: &(impl Fn(&Bytes) + Sync)) -> Back {
    if connection.writer.write_all(&record::abort()).await.is_err() {
        return Back::Lost;
    }
    loop {
        match tokio::time::timeout(patience, connection.records.next()).await {
            Ok(Ok(Some(Record::End { .. }))) => return Back::Kept(connection),
            Ok(Ok(Some(Record::Error(bytes)))) => errors(&bytes),
            Ok(Ok(Some(_))) => {}
            Ok(Ok(None) | Err(_)) => return Back::Lost,
            Err(_) => return Back::Stuck,
        }
    }
}

/// Where the answer goes.
enum Sink {
    Head {
        answer: oneshot::Sender<Result<Answer, Failure>>,
        collector: Collector,
        is_head: bool,
    },
    Body(mpsc::Sender<Piece>),
    /// The client has all it gets.
    Discard,
}

impl Sink {
    /// Passes bytes on, as fast as the client takes them; `None` when it has left.
    async fn push(&mut self, bytes: Bytes) -> Result<Option<()>, Failure> {
        match self {
            Sink::Head { collector, is_head, .. } => {
                let Some((head, rest)) = collector.push(&bytes)? else { return Ok(Some(())) };
                let no_body = matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
                let (next, pieces) = if *is_head || no_body {
                    (Sink::Discard, None)
                } else {
                    let (sender, pieces) = mpsc::channel(2);
                    if !rest.is_empty() {
                        sender.try_send(Piece::Data(rest)).expect("the channel is new and its receiver here");
                    }
                    (Sink::Body(sender), Some(pieces))
                };
                let Sink::Head { answer, .. } = std::mem::replace(self, next) else { return Ok(None) };
                Ok(answer.send(Ok((head, pieces))).ok())
            }
            Sink::Body(sender) => Ok(sender.send(Piece::Data(bytes)).await.ok()),
            Sink::Discard => Ok(Some(())),
        }
    }

    /// Resolves when the client has left.
    async fn closed(&mut self) {
        match self {
            Sink::Head { answer, .. } => answer.closed().await,
            Sink::Body(sender) => sender.closed().await,
            Sink::Discard => std::future::pending().await,
        }
    }

    /// The process says that the answer is over.
    async fn end(&mut self, status: u32) -> Result<(), Failure> {
        match self {
            Sink::Head { .. } => Err(BadHead::Unfinished.into()),
            Sink::Body(_) if status != 0 => Err(Failure::GaveUp(status)),
            Sink::Body(sender) => {
                // If the client left just now, it is over all the same.
                let _ = sender.send(Piece::End).await;
                Ok(())
            }
            Sink::Discard => Ok(()),
        }
    }

    /// Tells the client of a failure: by its answer, or by cutting it off.
    fn fail(self, failure: Failure) {
        if let Sink::Head { answer, .. } = self {
            // The client may have left, too.
            let _ = answer.send(Err(failure));
        }
    }
}
