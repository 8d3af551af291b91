//! A stream that is listened to: which records pass, and when. Only if somebody asked for that; else there is no such
//! stream, and nobody pays for it. Of what records carry nothing is told: it holds secrets.

use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Interest, Readiness, Stream};
use crate::log;
use crate::protocol::{HEADER_LEN, Header, Kind};

static ACCESS: AtomicBool = AtomicBool::new(false);
static TRACE: AtomicBool = AtomicBool::new(false);
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// What connections that come from now on are observed for.
pub fn observe(access: bool, trace: bool) {
    ACCESS.store(access, Ordering::Relaxed);
    TRACE.store(trace, Ordering::Relaxed);
}

/// Whether each request is told of.
pub fn is_access_told() -> bool {
    ACCESS.load(Ordering::Relaxed)
}

/// The stream itself, unless it is to be observed.
pub fn observed(stream: Box<dyn Stream>) -> Box<dyn Stream> {
    let (access, trace) = (is_access_told(), TRACE.load(Ordering::Relaxed));
    if !access && !trace {
        return stream;
    }
    Box::new(Observed {
        stream,
        number: NUMBER.fetch_add(1, Ordering::Relaxed) + 1,
        trace,
        incoming: Records::default(),
        outgoing: Records::default(),
        begun: Vec::new(),
        writing: Duration::ZERO,
    })
}

/// The times of a request that its stream knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passed {
    /// When its first record was read.
    pub begun: Option<Instant>,
    /// What writing has taken since the request before.
    pub writing: Duration,
}

struct Observed {
    stream: Box<dyn Stream>,
    number: u64,
    trace: bool,
    incoming: Records,
    outgoing: Records,
    /// Requests by their numbers, and when they began.
    begun: Vec<(u16, Instant)>,
    writing: Duration,
}

/// Where records begin in bytes that come in pieces.
#[derive(Default)]
struct Records {
    head: Vec<u8>,
    /// Bytes of the record that are still to come.
    left: usize,
    /// What comes is no FastCGI.
    lost: bool,
}

impl Records {
    fn pass(&mut self, mut bytes: &[u8], mut each: impl FnMut(Header)) {
        while !bytes.is_empty() && !self.lost {
            let skipped = self.left.min(bytes.len());
            self.left -= skipped;
            bytes = &bytes[skipped..];
            let taken = (HEADER_LEN - self.head.len()).min(bytes.len());
            self.head.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if let Ok(head) = <[u8; HEADER_LEN]>::try_from(&self.head[..]) {
                let header = Header::decode(head);
                self.head.clear();
                self.left = usize::from(header.length) + usize::from(header.padding);
                self.lost = header.version != 1;
                each(header);
            }
        }
    }
}

impl Observed {
    fn trace(&self, direction: &str, headers: &[Header]) {
        for header in headers.iter().filter(|_| self.trace) {
            log::line(&format!("connection {} {direction} {}", self.number, told(header)));
        }
    }
}

/// A record without what it carries.
fn told(header: &Header) -> String {
    let name = match header.kind {
        _ if header.version != 1 => return format!("no record: version {}", header.version),
        Kind::BeginRequest => "BEGIN_REQUEST",
        Kind::AbortRequest => "ABORT_REQUEST",
        Kind::EndRequest => "END_REQUEST",
        Kind::Params => "PARAMS",
        Kind::Stdin => "STDIN",
        Kind::Stdout => "STDOUT",
        Kind::Stderr => "STDERR",
        Kind::Data => "DATA",
        Kind::GetValues => "GET_VALUES",
        Kind::GetValuesResult => "GET_VALUES_RESULT",
        Kind::UnknownType => "UNKNOWN_TYPE",
        Kind::Other(byte) => return format!("type {byte}, request {}, {} bytes", header.id, header.length),
    };
    format!("{name}, request {}, {} bytes", header.id, header.length)
}

impl Stream for Observed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(into)?;
        let mut headers = Vec::new();
        self.incoming.pass(&into[..read], |header| headers.push(header));
        for header in headers.iter().filter(|header| header.kind == Kind::BeginRequest) {
            self.begun.retain(|(id, _)| *id != header.id);
            self.begun.push((header.id, Instant::now()));
        }
        self.trace("<", &headers);
        Ok(read)
    }

    fn write(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let begun = Instant::now();
        let written = self.stream.write(pieces);
        self.writing += begun.elapsed();
        let (mut left, mut headers) = (*written.as_ref().unwrap_or(&0), Vec::new());
        for piece in pieces {
            let sent = left.min(piece.len());
            self.outgoing.pass(&piece[..sent], |header| headers.push(header));
            left -= sent;
        }
        self.trace(">", &headers);
        written
    }

    fn wait(&mut self, interest: Interest, timeout: Duration) -> io::Result<Readiness> {
        let begun = Instant::now();
        let ready = self.stream.wait(interest, timeout);
        if interest != Interest::Read {
            self.writing += begun.elapsed();
        }
        ready
    }

    fn end_output(&mut self) {
        self.stream.end_output();
    }

    fn is_half_duplex(&self) -> bool {
        self.stream.is_half_duplex()
    }

    fn socket(&self) -> Option<&socket2::Socket> {
        self.stream.socket()
    }

    fn passed(&mut self, id: u16) -> Passed {
        let at = self.begun.iter().position(|(found, _)| *found == id);
        // Those before it were refused, or are over.
        let begun = at.and_then(|at| self.begun.drain(..=at).next_back()).map(|(_, begun)| begun);
        Passed { begun, writing: std::mem::take(&mut self.writing) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::protocol::encode;

    #[test]
    fn records_are_told_apart_wherever_the_bytes_are_cut() {
        let mut bytes = encode::request(7, true, &[("NAME", "hidden")], b"body");
        bytes.extend(encode::request(8, true, &[], b""));
        let names = |cut: usize| {
            let (mut records, mut names) = (Records::default(), Vec::new());
            for piece in [&bytes[..cut], &bytes[cut..]] {
                records.pass(piece, |header| names.push(told(&header)));
            }
            names
        };
        let whole = names(0);
        assert_eq!(whole[..2], ["BEGIN_REQUEST, request 7, 8 bytes", "PARAMS, request 7, 12 bytes"]);
        assert!(whole.contains(&"STDIN, request 7, 4 bytes".to_owned()), "{whole:?}");
        for cut in 0..bytes.len() {
            assert_eq!(names(cut), whole, "cut at {cut}");
        }
    }

    #[test]
    fn after_what_is_no_record_nothing_is_taken_for_one() {
        let (mut records, mut seen) = (Records::default(), Vec::new());
        records.pass(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", |header| seen.push(told(&header)));
        assert_eq!(seen, ["no record: version 71"]);
    }
}
