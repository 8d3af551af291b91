//! One request being answered: its body on the way in, its answer on the way out, both in bounded memory.
//!
//! Input is read when the application asks for it, before the first piece of an answer that is not its last, and
//! while output waits for a peer that sends before it reads, so that neither side waits for the other for ever.

use std::io::{self, IoSlice};
use std::time::Duration;

use crate::backlog::Backlog;
use crate::connection::{Connection, is_temporary};
use crate::loss::{BodyError, PATIENCE, Unwanted};
use crate::protocol::{
    Event, HEADER_LEN, Header, Kind, MAX_CONTENT, Params, ProtocolStatus, Request, encode,
};
use crate::transports::{Interest, Passed};

/// Answers up to this size are put together in one buffer; larger ones are sent from where they are.
const SMALL: usize = 32 * 1024;

/// Records handed to one write at most (two pieces each, below the 1024 that systems allow).
const BATCH: usize = 128;

/// Room made for a piece of body before it is there.
const AT_ONCE: usize = 64 * 1024;

/// How long the end of a stream may be awaited whose announced bytes are all there.
const A_MOMENT: Duration = Duration::from_secs(1);

/// A record of version 0, which does not exist. In front of the end of a connection it says that the answer is
/// cut: nginx without `fastcgi_keep_conn` takes a plain end for the end of a whole answer.
const CUT: [u8; HEADER_LEN] = [0; HEADER_LEN];

/// What becomes of the connection after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// The peer wants it for further requests.
    Keep,
    /// Closed after the peer was given time to read; it may still be sending.
    Linger,
    Close,
}

/// A request and its connection.
pub struct Exchange {
    connection: Option<Connection>,
    id: u16,
    keep: bool,
    params: Params,
    /// Body bytes received and not yet asked for.
    ahead: Backlog,
    /// The application has returned and its last piece is being sent: nobody will ask for the rest of the body.
    unread: bool,
    /// What the announced length still allows; without one the end of the stream counts.
    announced: Option<u64>,
    ended: bool,
    aborted: bool,
    failed: Option<BodyError>,
    /// The stream is out of step or dead: nothing more can be sent.
    broken: Option<Unwanted>,
    /// Part of the answer has been sent.
    streaming: bool,
    /// All of it has, with its end.
    complete: bool,
    replies: Vec<u8>,
    scratch: Vec<u8>,
}

/// Room for a part of the body.
struct Piece<'a> {
    bytes: &'a mut [u8],
    filled: usize,
}

impl Piece<'_> {
    fn room(&self) -> usize {
        self.bytes.len() - self.filled
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.filled..][..bytes.len()].copy_from_slice(bytes);
        self.filled += bytes.len();
    }
}

impl Exchange {
    pub fn new(connection: Connection, request: Request) -> Exchange {
        let announced = announced_length(&request.params);
        Exchange {
            connection: Some(connection),
            id: request.id,
            keep: request.keep,
            params: request.params,
            ahead: Backlog::default(),
            unread: false,
            announced,
            ended: announced == Some(0),
            aborted: false,
            failed: None,
            broken: None,
            streaming: false,
            complete: false,
            replies: Vec::new(),
            scratch: Vec::new(),
        }
    }

    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The times of the request, if its connection is observed.
    pub fn passed(&mut self) -> Passed {
        self.connection.as_mut().map(|connection| connection.stream.passed(self.id)).unwrap_or_default()
    }

    /// Takes the parameters out for a while, so that they can be read without holding the exchange.
    pub fn lend_params(&mut self) -> Params {
        std::mem::take(&mut self.params)
    }

    /// Puts them back.
    pub fn return_params(&mut self, params: Params) {
        self.params = params;
    }

    /// Exactly `size` bytes of the body, fewer only at its end; all of it without a size.
    pub fn read(&mut self, size: Option<usize>) -> Result<Vec<u8>, BodyError> {
        let wanted = size.unwrap_or(usize::MAX);
        let mut bytes = Vec::new();
        loop {
            let before = bytes.len();
            let room = AT_ONCE.min(wanted - before);
            bytes.resize(before + room, 0);
            let read = self.read_into(&mut bytes[before..])?;
            bytes.truncate(before + read);
            if read < room || bytes.len() == wanted {
                return Ok(bytes);
            }
        }
    }

    /// How many bytes a read of `size` will give, where that is known and they are so few that room may be made for them
    /// before they are there.
    pub fn foreseen(&self, size: Option<usize>) -> Option<usize> {
        let left = self.announced?.saturating_add(self.ahead.remaining());
        let count = size.unwrap_or(usize::MAX).min(usize::try_from(left).unwrap_or(usize::MAX));
        (count <= AT_ONCE && self.failed.is_none()).then_some(count)
    }

    /// Fills `into` with the next bytes of the body, and says how many there were: fewer only at its end.
    pub fn read_into(&mut self, into: &mut [u8]) -> Result<usize, BodyError> {
        let mut piece = Piece { bytes: into, filled: 0 };
        while piece.room() > 0 {
            let there = self.ahead.front();
            let taken = there.len().min(piece.room());
            piece.push(&there[..taken]);
            if taken > 0 {
                self.consume(taken)?;
            } else if let Some(error) = self.failed {
                return Err(error);
            } else if self.ended {
                break;
            } else {
                // Straight from what was received: a large body is not to go by way of what was kept of it.
                self.receive_into(&mut piece);
            }
        }
        Ok(piece.filled)
    }

    /// One line with its end, cut at `limit` bytes.
    pub fn read_line(&mut self, limit: Option<usize>) -> Result<Vec<u8>, BodyError> {
        let limit = limit.unwrap_or(usize::MAX);
        let mut line = Vec::new();
        while line.len() < limit {
            let there = self.ahead.front();
            let there = &there[..there.len().min(limit - line.len())];
            let taken = there.iter().position(|byte| *byte == b'\n').map_or(there.len(), |at| at + 1);
            line.extend_from_slice(&there[..taken]);
            self.consume(taken)?;
            if line.ends_with(b"\n") || (line.len() < limit && !self.fill()?) {
                break;
            }
        }
        Ok(line)
    }

    /// Nobody will ask for the rest of the body any more.
    pub fn leave_body(&mut self) {
        self.unread = true;
    }

    /// Sends a piece of the answer: `head` (or nothing) and `body` as one stream. With `last` the end of the
    /// stream and of the request go with it.
    pub fn send(&mut self, head: &[u8], body: &[u8], last: bool) -> Result<(), Unwanted> {
        if self.streaming {
            self.notice_abort();
        }
        // Where bytes go one way at a time, even a body that nobody wants is taken in before the answer.
        if self.unwanted().is_none() && !self.streaming && (!self.unread || self.is_half_duplex()) {
            self.spool();
        }
        if let Some(unwanted) = self.unwanted() {
            return Err(unwanted);
        }
        self.streaming = true;
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch.append(&mut self.replies);
        let sent = if head.len() + body.len() <= SMALL {
            push_record(&mut scratch, self.id, head, body);
            if last {
                push_end(&mut scratch, self.id);
            }
            self.write_all(&mut [IoSlice::new(&scratch)])
        } else {
            if !head.is_empty() {
                encode::stream(&mut scratch, Kind::Stdout, self.id, head);
            }
            self.send_large(&mut scratch, body, last)
        };
        self.scratch = scratch;
        self.complete |= last && sent.is_ok();
        sent
    }

    /// Why nothing more of the answer can be sent, if that is so.
    fn unwanted(&self) -> Option<Unwanted> {
        match self.broken {
            Some(broken) => Some(broken),
            None if self.aborted => Some(Unwanted::Aborted),
            None if self.complete || self.connection.is_none() => Some(Unwanted::Complete),
            None => None,
        }
    }

    /// How the request was lost through no fault of the application.
    pub fn loss(&self) -> Option<Unwanted> {
        match self.failed {
            // It stays away from this body only, but what the application then raises is no news of its own.
            Some(silent @ BodyError::Silent) => Some(Unwanted::Input(silent)),
            _ => self.unwanted().filter(|unwanted| *unwanted != Unwanted::Complete),
        }
    }

    /// Ends a request whose answer is not complete and cannot be: END_REQUEST alone if the peer gave it up (section
    /// 5.4 of the FastCGI text), else the connection breaks off, so that nobody takes the part for the whole. Where
    /// that would be the end of the process, an END_REQUEST with a status of failure says it.
    pub fn give_up(&mut self) {
        if self.complete {
            return;
        }
        let half_duplex = self.is_half_duplex();
        match (self.unwanted(), &mut self.connection) {
            (Some(Unwanted::Aborted), Some(_)) => self.end_in_failure(),
            (None, Some(_)) if half_duplex => {
                self.leave_body();
                self.spool();
                self.end_in_failure();
                self.complete = true;
            }
            (None, Some(connection)) => {
                if self.streaming {
                    // A peer without room for it has the end of the connection.
                    let _ = connection.stream.write(&[IoSlice::new(&CUT)]);
                }
                self.broken = Some(Unwanted::Gone);
            }
            _ => {}
        }
    }

    fn end_in_failure(&mut self) {
        let mut end = std::mem::take(&mut self.replies);
        encode::end_request(&mut end, self.id, 1, ProtocolStatus::RequestComplete);
        // A failure is remembered in `broken`, and nothing else can be done about it.
        let _ = self.write_all(&mut [IoSlice::new(&end)]);
    }

    fn is_half_duplex(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.stream.is_half_duplex())
    }

    /// Takes the connection out: whoever still holds the exchange finds it over.
    pub fn finish(&mut self) -> Option<(Connection, Disposition)> {
        // The end of the body usually stands in the buffer already.
        self.leave_body();
        self.absorb(usize::MAX);
        let mut connection = self.connection.take()?;
        self.failed = Some(BodyError::Over);
        let unread = connection.conversation.body_is_open() || connection.has_unread();
        connection.conversation.finish();
        connection.conversation.recycle(std::mem::take(&mut self.params));
        let disposition = match (self.broken.is_some(), self.keep) {
            (true, _) => Disposition::Close,
            (false, true) => Disposition::Keep,
            (false, false) if unread => Disposition::Linger,
            (false, false) => Disposition::Close,
        };
        Some((connection, disposition))
    }

    /// Waits until there is more body. `false` at its end.
    fn fill(&mut self) -> Result<bool, BodyError> {
        loop {
            if !self.ahead.front().is_empty() {
                return Ok(true);
            }
            if let Some(error) = self.failed {
                return Err(error);
            }
            if self.ended {
                return Ok(false);
            }
            self.receive(self.ahead.room());
        }
    }

    /// Takes in what is left of the body. nginx sends no more of it once it has seen the beginning of an answer, and
    /// an application that reads on would wait for ever.
    fn spool(&mut self) {
        while !self.ended && self.failed.is_none() && !self.aborted {
            self.receive(usize::MAX);
        }
        if self.is_half_duplex() {
            self.drain();
        }
    }

    /// Takes in what comes after the announced body, or after one that is lost, up to the end of its stream: a peer
    /// that is still sending takes nothing. One that forgets that end is not waited for long.
    fn drain(&mut self) {
        // One that has been waited for in vain has used up its time.
        let silent = self.failed == Some(BodyError::Silent);
        let patience = if self.ended || silent { A_MOMENT } else { PATIENCE };
        loop {
            self.absorb(usize::MAX);
            self.flush_replies();
            let connection = self.connection.as_ref().filter(|_| self.broken.is_none() && !self.aborted);
            let is_open = connection.is_some_and(|connection| connection.conversation.body_is_open());
            match is_open.then(|| self.hear(patience)) {
                Some(Ok(())) => {}
                Some(Err(BodyError::Silent)) | None => return,
                Some(Err(error)) => return self.fail(error),
            }
        }
    }

    /// Moves up to `limit` bytes of body to `ahead`: from the buffer or, if it has none, from the peer.
    fn receive(&mut self, limit: usize) {
        let before = self.ahead.front().len();
        self.absorb(limit);
        self.flush_replies();
        if self.ahead.front().len() == before {
            self.await_more();
        }
    }

    /// The same, into `piece`. Nothing may be `ahead`.
    fn receive_into(&mut self, piece: &mut Piece<'_>) {
        let before = piece.filled;
        self.absorb_into(piece.room(), Some(piece));
        self.flush_replies();
        if piece.filled == before {
            self.await_more();
        }
    }

    /// Hears the peer, unless there is nothing more to come.
    fn await_more(&mut self) {
        if !self.ended
            && self.failed.is_none()
            && let Err(error) = self.hear(PATIENCE)
        {
            self.fail(error);
        }
    }

    /// Reads once from the peer, or waits until that can be done.
    fn hear(&mut self, patience: Duration) -> Result<(), BodyError> {
        let connection = self.connection.as_mut().ok_or(BodyError::Over)?;
        match connection.read() {
            Ok(0) => Err(BodyError::Gone),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                match connection.stream.wait(Interest::Read, patience) {
                    Ok(_) => Ok(()),
                    Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(BodyError::Silent),
                    Err(_) => Err(BodyError::Gone),
                }
            }
            Err(_) => Err(BodyError::Gone),
        }
    }

    fn consume(&mut self, count: usize) -> Result<(), BodyError> {
        self.ahead.consume(count).map_err(|error| {
            crate::log::line(&format!("a request body kept in a temporary file cannot be read: {error}"));
            BodyError::Lost
        })
    }

    /// Moves up to `limit` body bytes from the connection's buffer to `ahead`.
    fn absorb(&mut self, limit: usize) {
        self.absorb_into(limit, None);
    }

    /// The same, into `piece` if there is one.
    fn absorb_into(&mut self, limit: usize, mut piece: Option<&mut Piece<'_>>) {
        let Some(connection) = &mut self.connection else { return };
        let mut room = limit;
        loop {
            let (ahead, announced, ended) = (&mut self.ahead, &mut self.announced, &mut self.ended);
            let (failed, aborted, replies) = (&mut self.failed, &mut self.aborted, &mut self.replies);
            let unread = self.unread;
            let piece = piece.as_deref_mut();
            let more = connection.step(room, |event| {
                match event {
                    None => return false,
                    // Beyond the announced length bytes are received to stay in step, and nobody gets them.
                    Some(Event::Body(_)) if *ended || unread || failed.is_some() => {}
                    Some(Event::Body(bytes)) => {
                        room -= bytes.len();
                        let allowed = announced.map_or(bytes.len(), |left| {
                            usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len())
                        });
                        let kept = match piece {
                            Some(piece) => {
                                piece.push(&bytes[..allowed]);
                                Ok(())
                            }
                            None => ahead.push(&bytes[..allowed]),
                        };
                        if let Err(error) = kept {
                            crate::log::line(&format!(
                                "a request body cannot be kept in a temporary file: {error}"
                            ));
                            *failed = Some(BodyError::Lost);
                        }
                        if let Some(left) = announced {
                            *left -= allowed as u64;
                            *ended = *left == 0;
                        }
                    }
                    Some(Event::BodyEnd) => {
                        if announced.is_some_and(|left| left > 0) {
                            failed.get_or_insert(BodyError::Short);
                        }
                        *ended = true;
                    }
                    Some(Event::Abort) => {
                        *aborted = true;
                        failed.get_or_insert(BodyError::Aborted);
                    }
                    Some(Event::Reply(reply)) => replies.extend_from_slice(&reply),
                    Some(Event::Request(_) | Event::Close) => {}
                }
                true
            });
            match more {
                Ok(true) => {}
                Ok(false) => return,
                Err(fault) => {
                    let error = *self.failed.get_or_insert(BodyError::Fault(fault));
                    self.broken.get_or_insert(Unwanted::Input(error));
                    return;
                }
            }
        }
    }

    /// Between two pieces of a streamed answer: has the peer given it up?
    fn notice_abort(&mut self) {
        if let Some(connection) = &mut self.connection
            && let Ok(1..) = connection.read()
        {
            self.absorb(self.ahead.room());
        }
    }

    fn fail(&mut self, error: BodyError) {
        self.failed = Some(error);
        // A silent peer may still want the answer, but nothing it sends later can be trusted to be a beginning.
        self.keep &= error != BodyError::Silent;
        if error == BodyError::Gone {
            self.broken.get_or_insert(Unwanted::Input(error));
        }
    }

    fn flush_replies(&mut self) {
        if !self.replies.is_empty() && self.broken.is_none() {
            let replies = std::mem::take(&mut self.replies);
            // A failure is remembered in `broken`.
            let _ = self.write_all(&mut [IoSlice::new(&replies)]);
        }
    }

    /// Records of `body` without copying it: headers from a small buffer, content from where it is.
    fn send_large(&mut self, prefix: &mut Vec<u8>, body: &[u8], last: bool) -> Result<(), Unwanted> {
        if body.is_empty() {
            if last {
                push_end(prefix, self.id);
            }
            return self.write_all(&mut [IoSlice::new(prefix)]);
        }
        let mut batches = body.chunks(MAX_CONTENT * BATCH).peekable();
        while let Some(batch) = batches.next() {
            let headers: Vec<[u8; HEADER_LEN]> = batch
                .chunks(MAX_CONTENT)
                .map(|piece| {
                    let length = u16::try_from(piece.len()).expect("a piece is at most MAX_CONTENT long");
                    Header::new(Kind::Stdout, self.id, length).encode()
                })
                .collect();
            let mut end = Vec::new();
            if last && batches.peek().is_none() {
                push_end(&mut end, self.id);
            }
            let mut pieces = vec![IoSlice::new(prefix)];
            for (header, piece) in headers.iter().zip(batch.chunks(MAX_CONTENT)) {
                pieces.extend([IoSlice::new(header), IoSlice::new(piece)]);
            }
            pieces.push(IoSlice::new(&end));
            self.write_all(&mut pieces)?;
            drop(pieces);
            prefix.clear();
        }
        Ok(())
    }

    fn write_all(&mut self, mut pieces: &mut [IoSlice<'_>]) -> Result<(), Unwanted> {
        IoSlice::advance_slices(&mut pieces, 0);
        while !pieces.is_empty() {
            let Some(connection) = &mut self.connection else { return Err(Unwanted::Complete) };
            match connection.stream.write(pieces) {
                Ok(sent) if sent > 0 => IoSlice::advance_slices(&mut pieces, sent),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait_for_room()?,
                // The stream itself gave up waiting; a system that did would say so by a code of its own.
                Err(error) if error.kind() == io::ErrorKind::TimedOut && error.raw_os_error().is_none() => {
                    return Err(*self.broken.get_or_insert(Unwanted::Silent));
                }
                _ => return Err(*self.broken.get_or_insert(Unwanted::Gone)),
            }
        }
        Ok(())
    }

    /// The peer's buffer is full. It may be full because the peer is still sending: then its bytes are taken in
    /// the meantime, all of them if need be.
    fn wait_for_room(&mut self) -> Result<(), Unwanted> {
        let Some(connection) = &mut self.connection else { return Err(Unwanted::Complete) };
        // Bytes of a body that is lost must be taken as well; a peer that closed its sending half has none left.
        let more = connection.conversation.body_is_open() && self.failed != Some(BodyError::Gone);
        let interest = if more { Interest::Either } else { Interest::Write };
        match connection.stream.wait(interest, PATIENCE) {
            Ok(ready) if ready.readable && more => {
                match connection.read() {
                    Ok(0) => self.failed = Some(BodyError::Gone),
                    Ok(_) => self.absorb(usize::MAX),
                    Err(error) if is_temporary(&error) => self.absorb(usize::MAX),
                    Err(_) => self.fail(BodyError::Gone),
                }
                self.broken.map_or(Ok(()), Err)
            }
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                Err(*self.broken.get_or_insert(Unwanted::Silent))
            }
            Err(_) => Err(*self.broken.get_or_insert(Unwanted::Gone)),
        }
    }
}

/// The length the web server announced. Anything but digits means that it does not know: the stream's end counts.
pub fn announced_length(params: &Params) -> Option<u64> {
    let digits = params.value(b"CONTENT_LENGTH")?;
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // More digits than fit is more than anybody sends: the body will be found too short.
    Some(std::str::from_utf8(digits).ok()?.parse().unwrap_or(u64::MAX))
}

fn push_record(out: &mut Vec<u8>, id: u16, head: &[u8], body: &[u8]) {
    // An empty record would end the stream.
    if let Some(length) = u16::try_from(head.len() + body.len()).ok().filter(|length| *length > 0) {
        out.extend_from_slice(&Header::new(Kind::Stdout, id, length).encode());
        out.extend_from_slice(head);
        out.extend_from_slice(body);
    }
}

fn push_end(out: &mut Vec<u8>, id: u16) {
    encode::end_stream(out, Kind::Stdout, id);
    encode::end_request(out, id, 0, ProtocolStatus::RequestComplete);
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
