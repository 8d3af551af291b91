//! One connection between requests: its stream, what has been read of it, and the conversation so far.

use std::io::{self, IoSlice};

use crate::protocol::{Conversation, Event, Fault, Request, Step};
use crate::transports::{Stream, observed};

/// Bytes read from a stream at once.
const BUFFER: usize = 64 * 1024;

/// A connection and everything known of it.
pub struct Connection {
    pub(crate) stream: Box<dyn Stream>,
    pub(crate) conversation: Conversation,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

/// What a connection is ready for.
#[derive(Debug)]
pub enum Progress {
    /// More must arrive first.
    Waiting,
    /// A request may be answered.
    Request(Request),
    /// Everything due was said, and the peer did not want the connection kept.
    Closing,
    /// The peer is gone.
    Gone,
    /// What arrived is no FastCGI.
    Fault(Fault),
}

impl Connection {
    pub fn new(stream: Box<dyn Stream>) -> Connection {
        let stream = observed(stream);
        Connection { stream, conversation: Conversation::default(), buffer: Vec::new(), start: 0, end: 0 }
    }

    /// Looks at what was read before: requests may stand in the buffer already.
    pub fn proceed(&mut self) -> Progress {
        loop {
            let Step { used, event } = match self.conversation.advance(&self.buffer[self.start..self.end], 0)
            {
                Ok(step) => step,
                Err(fault) => return Progress::Fault(fault),
            };
            let after = match event {
                None => {
                    self.start += used;
                    return Progress::Waiting;
                }
                Some(Event::Request(request)) => {
                    self.start += used;
                    return Progress::Request(request);
                }
                // A peer that has no room for some bytes of reply never reads; it is not waited for.
                Some(Event::Reply(reply)) => match self.stream.write(&[IoSlice::new(&reply)]) {
                    Ok(sent) if sent == reply.len() => None,
                    _ => Some(Progress::Gone),
                },
                Some(Event::Close) => Some(Progress::Closing),
                Some(Event::Body(_) | Event::BodyEnd | Event::Abort) => None,
            };
            self.start += used;
            if let Some(after) = after {
                return after;
            }
        }
    }

    /// Reads once from a stream that has something, then looks at it.
    pub fn receive(&mut self) -> Progress {
        match self.read() {
            Ok(0) => Progress::Gone,
            Ok(_) => self.proceed(),
            Err(error) if is_temporary(&error) => Progress::Waiting,
            Err(_) => Progress::Gone,
        }
    }

    /// Drops input after the last answer. `false` when the peer has closed its side.
    pub fn discard(&mut self) -> bool {
        self.start = 0;
        self.end = 0;
        match self.read() {
            Ok(0) => false,
            Ok(_) => true,
            Err(error) => is_temporary(&error),
        }
    }

    /// Whether bytes were read that nobody has looked at.
    pub fn has_unread(&self) -> bool {
        self.start < self.end
    }

    /// Whether nothing of a request has arrived.
    pub fn is_idle(&self) -> bool {
        self.conversation.is_idle() && !self.has_unread()
    }

    /// One read into the buffer. Without room for more it reports `WouldBlock`.
    pub(crate) fn read(&mut self) -> io::Result<usize> {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.is_empty() {
            self.buffer = vec![0; BUFFER];
        }
        if self.end == self.buffer.len() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let read = self.stream.read(&mut self.buffer[self.end..])?;
        self.end += read;
        Ok(read)
    }

    /// One step of the conversation over what is in the buffer; `sink` is lent the event.
    pub(crate) fn step<T>(
        &mut self,
        body_limit: usize,
        sink: impl FnOnce(Option<Event<'_>>) -> T,
    ) -> Result<T, Fault> {
        let Step { used, event } =
            self.conversation.advance(&self.buffer[self.start..self.end], body_limit)?;
        let result = sink(event);
        self.start += used;
        Ok(result)
    }
}

/// An error that says "again" and nothing about the connection.
pub(crate) fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
