//! The answer of an application: its head goes out with the first piece of body, and what is known of the body's
//! length is held against what comes.

use crate::exchange::Exchange;
use crate::head::Head;
use crate::loss::Unwanted;
use crate::probe::PROCESS;

/// Why a piece of an answer did not go out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    #[error("the application gave a body before it called start_response")]
    NoHead,
    #[error("the application gave more than the {0} bytes of its Content-Length")]
    TooLong(u64),
    #[error("the application gave {written} of the {length} bytes of its Content-Length")]
    TooShort { written: u64, length: u64 },
    #[error(transparent)]
    Unwanted(#[from] Unwanted),
}

/// How far an answer has got.
#[derive(Debug, Default)]
pub struct Reply {
    head: Option<Head>,
    sent: bool,
    ended: bool,
    written: u64,
    /// The question was HEAD.
    head_only: bool,
    /// What comes after the Content-Length is left out, and nobody's mistake.
    cut_at_length: bool,
    /// The answer says which process gave it.
    names_process: bool,
}

impl Reply {
    pub fn new(head_only: bool) -> Reply {
        Reply { head_only, ..Reply::default() }
    }

    /// Whether the headers have left, so that no others can.
    pub fn is_sent(&self) -> bool {
        self.sent
    }

    /// Whether there is a head, sent or not.
    pub fn has_head(&self) -> bool {
        self.head.is_some()
    }

    /// Bytes of the body that have been handed over so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    pub fn status_line(&self) -> Option<String> {
        self.head.as_ref().map(Head::status_line)
    }

    /// Sets or replaces the head. Only possible until it is sent.
    pub fn set_head(&mut self, mut head: Head) {
        if self.names_process {
            head.push(PROCESS, &std::process::id().to_string()).expect("digits are a fit value");
        }
        self.head = Some(head);
    }

    /// Adds to every head that is set from here on which process answers.
    pub fn name_process(&mut self) {
        self.names_process = true;
    }

    /// Whether it does, as the answer is one to a probe.
    pub fn names_process(&self) -> bool {
        self.names_process
    }

    /// Lets the answer end at its Content-Length, as PEP 3333 has it for `wsgi.file_wrapper`.
    pub fn cut_at_length(&mut self) {
        self.cut_at_length = true;
    }

    /// Whether a further piece would be for nobody: its application need not make it.
    pub fn is_satisfied(&self) -> bool {
        self.ended && (self.cut_at_length || self.head.as_ref().is_some_and(|head| self.is_bodiless(head)))
    }

    /// Sends a piece of body, the head in front of the first one. Empty pieces wait for one that is not.
    pub fn send(&mut self, exchange: &mut Exchange, body: &[u8]) -> Result<(), ReplyError> {
        if body.is_empty() {
            return if self.head.is_some() { Ok(()) } else { Err(ReplyError::NoHead) };
        }
        self.pass(exchange, body, false)
    }

    /// Sends the only or the last piece, which may be empty, and ends the request. An answer that was given
    /// whole gets its length, if it has none.
    pub fn send_last(&mut self, exchange: &mut Exchange, body: &[u8]) -> Result<(), ReplyError> {
        let length = body.len().to_string();
        if let Some(head) = &mut self.head
            && !self.sent
            && !self.head_only
            && head.length.is_none()
            && !head.is_bodiless()
        {
            head.push("Content-Length", &length).expect("digits are a fit value");
        }
        self.pass(exchange, body, true)
    }

    /// Ends a request whose pieces have all been sent.
    pub fn end(&mut self, exchange: &mut Exchange) -> Result<(), ReplyError> {
        if self.ended { Ok(()) } else { self.pass(exchange, b"", true) }
    }

    fn is_bodiless(&self, head: &Head) -> bool {
        self.head_only || head.is_bodiless()
    }

    fn pass(&mut self, exchange: &mut Exchange, body: &[u8], last: bool) -> Result<(), ReplyError> {
        let head = self.head.as_ref().ok_or(ReplyError::NoHead)?;
        let (bodiless, length) = (self.is_bodiless(head), head.length);
        if last {
            exchange.leave_body();
        }
        let allowed = match length {
            _ if bodiless => 0,
            Some(length) => length - self.written.min(length),
            None => u64::MAX,
        };
        let fitting = usize::try_from(allowed).unwrap_or(usize::MAX).min(body.len());
        let written = self.written + fitting as u64;
        let short = match length {
            Some(length) if last && written < length && !bodiless && !head.elsewhere => {
                Some(ReplyError::TooShort { written, length })
            }
            _ => None,
        };
        if let (Some(short), false) = (&short, self.sent) {
            // Nothing has left, so the visitor can still be told.
            return Err(short.clone());
        }
        let mut front = Vec::new();
        if !self.sent {
            front.extend_from_slice(&head.bytes);
            front.extend_from_slice(b"\r\n");
        }
        let too_long = fitting < body.len() && !bodiless;
        if !self.ended {
            // With all that was announced the visitor has a whole answer, whatever the application still says. nginx
            // closes a connection on which the end does not come along with it.
            self.ended = match length {
                _ if bodiless => true,
                Some(length) => written == length || (last && short.is_none()),
                None => last,
            };
            self.sent = true;
            self.written = written;
            exchange.send(&front, &body[..fitting], self.ended)?;
        }
        match (short, length) {
            // PEP 3333: the connection is closed, so that the visitor learns of it, and the mistake is reported.
            (Some(short), _) => Err(short),
            (None, Some(length)) if too_long && !self.cut_at_length => Err(ReplyError::TooLong(length)),
            _ => Ok(()),
        }
    }
}
