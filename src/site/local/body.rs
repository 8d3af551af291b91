//! Bodies of answers: whole, or streamed piece by piece with back-pressure.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::sync::mpsc;

use super::event::{Event, Listener, Request};

/// One piece of a streamed body. A stream that stops without its `End` was cut short.
#[derive(Debug)]
pub enum Piece {
    Data(Bytes),
    End,
}

/// A body on its way to the client.
pub struct Body {
    content: Content,
    ticket: Option<Ticket>,
}

enum Content {
    Whole(Option<Bytes>),
    Stream { pieces: mpsc::Receiver<Piece>, left: Option<u64>, ended: bool },
}

impl Body {
    pub fn empty() -> Body {
        Body::whole(Bytes::new())
    }

    pub fn whole(bytes: impl Into<Bytes>) -> Body {
        Body {
            content: Content::Whole(Some(bytes.into()).filter(|bytes: &Bytes| !bytes.is_empty())),
            ticket: None,
        }
    }

    /// What comes through `pieces`; `length` if it is known.
    pub fn stream(pieces: mpsc::Receiver<Piece>, length: Option<u64>) -> Body {
        Body { content: Content::Stream { pieces, left: length, ended: false }, ticket: None }
    }

    /// Counts this body for `ticket`, which is handed in when the body is gone.
    pub fn counted(self, ticket: Ticket) -> Body {
        Body { ticket: Some(ticket), ..self }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let body = self.get_mut();
        let bytes = match &mut body.content {
            Content::Whole(bytes) => bytes.take(),
            Content::Stream { ended: true, .. } => None,
            Content::Stream { pieces, left, ended } => match ready!(pieces.poll_recv(context)) {
                Some(Piece::Data(bytes)) => {
                    *left = left.map(|left| left.saturating_sub(bytes.len() as u64));
                    Some(bytes)
                }
                Some(Piece::End) => {
                    *ended = true;
                    None
                }
                // The client must not take what it has for the whole.
                None => return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into()))),
            },
        };
        if let (Some(ticket), Some(bytes)) = (&mut body.ticket, &bytes) {
            ticket.bytes += bytes.len() as u64;
        }
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(bytes) => bytes.is_none(),
            Content::Stream { ended, .. } => *ended,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Content::Stream { left: Some(left), .. } => SizeHint::with_exact(*left),
            Content::Stream { .. } => SizeHint::default(),
        }
    }
}

/// Accompanies one request and tells of it when dropped, however it ended.
pub struct Ticket {
    listener: Listener,
    method: String,
    path: String,
    pub status: Option<u16>,
    bytes: u64,
    started: Instant,
}

impl Ticket {
    pub fn new<B>(listener: &Listener, request: &hyper::Request<B>) -> Ticket {
        Ticket {
            listener: listener.clone(),
            method: request.method().to_string(),
            path: request.uri().path_and_query().map_or("/", |target| target.as_str()).to_owned(),
            status: None,
            bytes: 0,
            started: Instant::now(),
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        (self.listener)(Event::Request(Request {
            method: std::mem::take(&mut self.method),
            path: std::mem::take(&mut self.path),
            status: self.status,
            bytes: self.bytes,
            elapsed: self.started.elapsed(),
        }));
    }
}
