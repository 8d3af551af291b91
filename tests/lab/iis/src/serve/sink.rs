//! What has been heard of an answer, and where it goes: held back up to the handler's `responseBufferLimit`, then passed on
//! as fast as the client takes it.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::sync::{mpsc, oneshot};

use super::head::{self, Head};

/// The head, and the rest as it comes. An error cuts it short.
pub type Answer = (Head, Body);

/// The body of an answer.
pub enum Body {
    Whole(Bytes),
    Stream(mpsc::Receiver<io::Result<Bytes>>),
}

/// Why there is no answer, or no whole one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("the FastCGI process exited unexpectedly: {0}")]
    Exited(String),
    #[error("the FastCGI process exceeded its configured activity timeout (0x80070102)")]
    Silent,
    #[error("the FastCGI process exceeded its configured request timeout (0x80070102)")]
    TooLong,
    #[error("the FastCGI process refused the request with status {0}")]
    Refused(u8),
    #[error("the FastCGI process gave the request up with status {0}")]
    GaveUp(u32),
    #[error("the FastCGI process gave no answer: {0}")]
    NoAnswer(String),
    /// What the process wrote on FCGI_STDERR, shown to the client.
    #[error("{0}")]
    Said(String),
    #[error("the FastCGI process wrote to its standard error")]
    SaidSomething,
    #[error("the FastCGI process wrote to its standard error and was terminated")]
    Terminated,
}

/// Where the answer goes.
pub struct Sink {
    /// Who waits for the head, until it is sent.
    answer: Option<oneshot::Sender<Result<Answer, Failure>>>,
    /// The head, as long as the client has not got it.
    head: Option<Head>,
    /// What is held back: before the head is whole, all that was said; then of the body.
    held: BytesMut,
    stream: Option<mpsc::Sender<io::Result<Bytes>>>,
}

impl Sink {
    pub fn new(answer: oneshot::Sender<Result<Answer, Failure>>) -> Sink {
        Sink { answer: Some(answer), head: None, held: BytesMut::new(), stream: None }
    }

    pub async fn push(&mut self, bytes: &[u8], buffer: usize) -> Result<(), String> {
        if let Some(stream) = &self.stream {
            if !bytes.is_empty() {
                // A client that has left is noticed elsewhere.
                drop(stream.send(Ok(Bytes::copy_from_slice(bytes))).await);
            }
            return Ok(());
        }
        self.held.extend_from_slice(bytes);
        if self.head.is_none() {
            let Some((head, rest)) = head::take(&mut self.held)? else { return Ok(()) };
            (self.head, self.held) = (Some(head), rest.into());
        }
        if self.held.len() < buffer {
            return Ok(());
        }
        if let (Some(head), Some(answer)) = (self.head.take(), self.answer.take()) {
            let (sender, receiver) = mpsc::channel(2);
            if !self.held.is_empty() {
                drop(sender.try_send(Ok(self.held.split().freeze())));
            }
            drop(answer.send(Ok((head, Body::Stream(receiver)))));
            self.stream = Some(sender);
        }
        Ok(())
    }

    pub fn end(&mut self) -> Result<(), String> {
        if self.stream.take().is_some() {
            return Ok(());
        }
        let head = self.head.take().ok_or("it ends before its head does")?;
        if let Some(answer) = self.answer.take() {
            drop(answer.send(Ok((head, Body::Whole(self.held.split().freeze())))));
        }
        Ok(())
    }

    pub async fn fail(self, failure: Failure) {
        if let Some(answer) = self.answer {
            drop(answer.send(Err(failure)));
        } else if let Some(stream) = self.stream {
            // The client must not take what it has for the whole.
            drop(stream.send(Err(io::ErrorKind::UnexpectedEof.into())).await);
        }
    }

    /// Resolves when the client has left.
    pub async fn client_gone(&mut self) {
        match (&mut self.answer, &self.stream) {
            (Some(answer), _) => answer.closed().await,
            (_, Some(stream)) => stream.closed().await,
            _ => std::future::pending().await,
        }
    }
}
