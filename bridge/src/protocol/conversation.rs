//! What a web server says on one connection, step by step.
//!
//! A [`Conversation`] holds the position within the record being received and the request it belongs to. It
//! keeps parameters (up to a limit) and never a body: body bytes are lent out of the caller's buffer. It never
//! writes: what must be answered at protocol level leaves as [`Event::Reply`].

use super::encode;
use super::params::{Params, ParamsError};
use super::record::{HEADER_LEN, Header, KEEP_CONN, Kind, ProtocolStatus, RESPONDER, VERSION};

/// The most bytes of parameters one request may have.
pub const MAX_PARAMS: usize = 1 << 20;

/// The most bytes kept between two requests for the parameters of the next.
const MAX_IDLE: usize = 16 * 1024;

/// A request whose parameters are complete. Its body may still be on the way.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    pub id: u16,
    /// The connection is wanted for further requests.
    pub keep: bool,
    pub params: Params,
}

/// What the bytes meant.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A request may be answered now.
    Request(Request),
    /// The next bytes of its body.
    Body(&'a [u8]),
    /// Its body is complete.
    BodyEnd,
    /// The web server no longer wants the answer; the request still needs its END_REQUEST.
    Abort,
    /// Bytes that are due to the web server now.
    Reply(Vec<u8>),
    /// The connection is over once every reply is sent.
    Close,
}

/// One step: how many bytes it used up, and what they meant. Without an event all of it was used that can be;
/// what is left over is the beginning of something and belongs in front of the next bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Step<'a> {
    pub used: usize,
    pub event: Option<Event<'a>>,
}

/// Bytes that are no FastCGI; the connection can only be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("record of FastCGI version {0}, only version 1 exists")]
    Version(u8),
    #[error("BEGIN_REQUEST of {0} bytes instead of 8")]
    BeginLength(u16),
    #[error("request {0} begins a second time before its end")]
    BeginsTwice(u16),
    #[error("parameters after their end")]
    ParamsAfterEnd,
    #[error("body before the end of the parameters")]
    BodyBeforeParams,
    #[error("more than {MAX_PARAMS} bytes of parameters")]
    TooManyParams,
    #[error(transparent)]
    Params(#[from] ParamsError),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Params,
    Body,
    BodyDone,
}

#[derive(Debug, Clone, Copy)]
struct Active {
    id: u16,
    keep: bool,
    stage: Stage,
}

/// What is done with the content of the record being received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// Collected until the record is complete, then acted on.
    Collect,
    Params,
    Body,
    Skip,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    header: Header,
    content: Content,
    left: usize,
    padding: usize,
}

/// The state of one connection's input.
#[derive(Debug, Default)]
pub struct Conversation {
    open: Option<Open>,
    active: Option<Active>,
    collected: Vec<u8>,
    params: Vec<u8>,
    closing: bool,
}

impl Conversation {
    /// Takes from `bytes` up to the next event. At most `body_limit` bytes of body are handed out, so that a
    /// caller is never given more than it has room for.
    pub fn advance<'a>(&mut self, bytes: &'a [u8], body_limit: usize) -> Result<Step<'a>, Fault> {
        let mut used = 0;
        if self.closing {
            self.closing = false;
            return Ok(Step { used, event: Some(Event::Close) });
        }
        loop {
            let rest = &bytes[used..];
            let Some(open) = &mut self.open else {
                let Some(head) = rest.first_chunk::<HEADER_LEN>() else {
                    return Ok(Step { used, event: None });
                };
                let header = Header::decode(*head);
                if self.must_wait(header) {
                    return Ok(Step { used, event: None });
                }
                used += HEADER_LEN;
                self.enter(header)?;
                continue;
            };
            let there = open.left.min(rest.len());
            match open.content {
                Content::Body if open.left > 0 => {
                    let taken = there.min(body_limit);
                    if taken == 0 {
                        return Ok(Step { used, event: None });
                    }
                    open.left -= taken;
                    return Ok(Step { used: used + taken, event: Some(Event::Body(&rest[..taken])) });
                }
                Content::Collect => self.collected.extend_from_slice(&rest[..there]),
                Content::Params if self.params.len() + there > MAX_PARAMS => {
                    return Err(Fault::TooManyParams);
                }
                Content::Params => self.params.extend_from_slice(&rest[..there]),
                Content::Body | Content::Skip => {}
            }
            open.left -= there;
            used += there;
            if open.left > 0 {
                return Ok(Step { used, event: None });
            }
            let padding = open.padding.min(bytes.len() - used);
            open.padding -= padding;
            used += padding;
            if open.padding > 0 {
                return Ok(Step { used, event: None });
            }
            let open = *open;
            self.open = None;
            if let Some(event) = self.leave(open)? {
                return Ok(Step { used, event: Some(event) });
            }
        }
    }

    /// The request being answered has got its END_REQUEST. What still comes of it is ignored.
    pub fn finish(&mut self) {
        self.active = None;
        if let Some(open) = &mut self.open
            && open.content == Content::Body
        {
            open.content = Content::Skip;
        }
    }

    /// Whether the peer may still be sending the current request's body.
    pub fn body_is_open(&self) -> bool {
        self.active.is_some_and(|active| active.stage == Stage::Body)
    }

    /// Whether nothing has begun that is not over: neither a record nor a request.
    pub fn is_idle(&self) -> bool {
        self.open.is_none() && self.active.is_none()
    }

    /// Gives a buffer back that a [`Request`] was made of. A large one is not kept: connections may idle for long.
    pub fn recycle(&mut self, params: Params) {
        let mut bytes = params.into_bytes();
        if bytes.capacity() <= MAX_IDLE {
            bytes.clear();
            self.params = bytes;
        }
    }

    /// A request sent before the answer to a complete one is served after it, rather than refused: the bytes
    /// stay with the caller until [`Conversation::finish`].
    fn must_wait(&self, header: Header) -> bool {
        header.kind == Kind::BeginRequest
            && header.id != 0
            && self.active.is_some_and(|active| active.stage == Stage::BodyDone)
    }

    /// A header is complete: decide what becomes of the content.
    fn enter(&mut self, header: Header) -> Result<(), Fault> {
        if header.version != VERSION {
            return Err(Fault::Version(header.version));
        }
        let content = match (header.kind, self.active) {
            (Kind::GetValues, _) if header.id == 0 => Content::Collect,
            _ if header.id == 0 => Content::Skip,
            (Kind::BeginRequest, active) => {
                if header.length != 8 {
                    return Err(Fault::BeginLength(header.length));
                }
                if active.is_some_and(|active| active.id == header.id) {
                    return Err(Fault::BeginsTwice(header.id));
                }
                Content::Collect
            }
            (Kind::Params, Some(active)) if active.id == header.id => {
                if active.stage != Stage::Params {
                    return Err(Fault::ParamsAfterEnd);
                }
                Content::Params
            }
            (Kind::Stdin, Some(active)) if active.id == header.id => match active.stage {
                Stage::Params => return Err(Fault::BodyBeforeParams),
                Stage::Body => Content::Body,
                Stage::BodyDone => Content::Skip,
            },
            // DATA is for filters; records of finished or unknown requests arrive in good order too, after an
            // early answer. None of them means anything here.
            _ => Content::Skip,
        };
        self.collected.clear();
        self.open = Some(Open {
            header,
            content,
            left: usize::from(header.length),
            padding: usize::from(header.padding),
        });
        Ok(())
    }

    /// A record is complete: act on it.
    fn leave(&mut self, open: Open) -> Result<Option<Event<'static>>, Fault> {
        let Header { kind, id, length, .. } = open.header;
        match kind {
            Kind::GetValues if id == 0 => Ok(Some(Event::Reply(self.values()))),
            _ if id == 0 => {
                let mut reply = Vec::new();
                encode::unknown_type(&mut reply, kind.byte());
                Ok(Some(Event::Reply(reply)))
            }
            Kind::BeginRequest => Ok(self.begin(id)),
            Kind::AbortRequest => Ok(self.abort(id)),
            Kind::Params if open.content == Content::Params && length == 0 => {
                let params = Params::parse(std::mem::take(&mut self.params))?;
                let active =
                    self.active.as_mut().expect("parameters are only collected for an active request");
                active.stage = Stage::Body;
                Ok(Some(Event::Request(Request { id, keep: active.keep, params })))
            }
            Kind::Stdin if open.content == Content::Body && length == 0 => {
                let active = self.active.as_mut().expect("a body is only read for an active request");
                active.stage = Stage::BodyDone;
                Ok(Some(Event::BodyEnd))
            }
            _ => Ok(None),
        }
    }

    fn begin(&mut self, id: u16) -> Option<Event<'static>> {
        let role = u16::from_be_bytes([self.collected[0], self.collected[1]]);
        let keep = self.collected[2] & KEEP_CONN != 0;
        if self.active.is_some() {
            return Some(Event::Reply(refusal(id, ProtocolStatus::CannotMultiplex)));
        }
        if role != RESPONDER {
            self.closing = !keep;
            return Some(Event::Reply(refusal(id, ProtocolStatus::UnknownRole)));
        }
        self.params.clear();
        self.active = Some(Active { id, keep, stage: Stage::Params });
        None
    }

    fn abort(&mut self, id: u16) -> Option<Event<'static>> {
        let active = self.active.filter(|active| active.id == id)?;
        if active.stage == Stage::Params {
            // Nobody has heard of the request yet, so it ends here.
            self.active = None;
            self.closing = !active.keep;
            return Some(Event::Reply(refusal(id, ProtocolStatus::RequestComplete)));
        }
        Some(Event::Abort)
    }

    /// GET_VALUES_RESULT with those of the names asked for that exist. One request at a time is the truth, so
    /// multiplexing is 0 and the other two are 1 a connection.
    fn values(&self) -> Vec<u8> {
        let mut pairs = Vec::new();
        if let Ok(asked) = Params::parse(self.collected.clone()) {
            for (name, value) in
                [(&b"FCGI_MAX_CONNS"[..], &b"1"[..]), (b"FCGI_MAX_REQS", b"1"), (b"FCGI_MPXS_CONNS", b"0")]
            {
                if asked.value(name).is_some() {
                    encode::pair(&mut pairs, name, value);
                }
            }
        }
        let length = u16::try_from(pairs.len()).expect("three short pairs");
        let mut reply = Header::new(Kind::GetValuesResult, 0, length).encode().to_vec();
        reply.extend_from_slice(&pairs);
        reply
    }
}

fn refusal(id: u16, status: ProtocolStatus) -> Vec<u8> {
    let mut reply = Vec::new();
    encode::end_request(&mut reply, id, 0, status);
    reply
}

#[cfg(test)]
#[path = "conversation_tests.rs"]
mod tests;
