//! What is made of an input, whoever has thought of it: two functions that panic when the bridge does wrong by it.

use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdall_bridge::connection::{Connection, Progress};
use holdall_bridge::exchange::{Disposition, Exchange};
use holdall_bridge::head::Head;
use holdall_bridge::protocol::{Conversation, Event, Fault, HEADER_LEN, Header, Kind, Params};
use holdall_bridge::reply::Reply;
use holdall_bridge::transports::{Interest, Readiness, Stream};

/// Reads the input (after a byte that says in which pieces) as records. Where it is cut must make no difference.
pub fn records(input: &[u8]) {
    let Some((size, bytes)) = input.split_first() else { return };
    let whole = seen([bytes]);
    assert_eq!(seen(bytes.chunks(1 + usize::from(*size))), whole, "in pieces");
    assert_eq!(seen(bytes.chunks(1)), whole, "byte by byte");
}

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// What records meant, and what ended them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    requests: Vec<(u16, bool, Pairs)>,
    body: Vec<u8>,
    replies: Vec<u8>,
    ends: Vec<&'static str>,
    fault: Option<Fault>,
}

fn seen<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Seen {
    let mut conversation = Conversation::default();
    let (mut seen, mut held) = (Seen::default(), Vec::new());
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            let step = match conversation.advance(&held, 7) {
                Ok(step) => step,
                Err(fault) => {
                    seen.fault = Some(fault);
                    return seen;
                }
            };
            let (used, more) = (step.used, step.event.is_some());
            match step.event {
                None => {}
                Some(Event::Request(request)) => {
                    let pairs = request.params.pairs().map(|(name, value)| (name.to_vec(), value.to_vec()));
                    seen.requests.push((request.id, request.keep, pairs.collect()));
                    conversation.recycle(request.params);
                }
                Some(Event::Body(bytes)) => seen.body.extend_from_slice(bytes),
                Some(Event::Reply(bytes)) => seen.replies.extend(bytes),
                Some(Event::BodyEnd) => {
                    seen.ends.push("body");
                    conversation.finish();
                }
                Some(Event::Abort) => {
                    seen.ends.push("abort");
                    conversation.finish();
                }
                Some(Event::Close) => seen.ends.push("close"),
            }
            held.drain(..used);
            if !more {
                break;
            }
        }
    }
    seen
}

/// Serves the input as one connection, from its first request to its end. Its first three bytes say how the application
/// and the web server go about it, the others are what the web server sends.
pub fn connection(input: &[u8]) {
    let Some(([ways, pieces, room], bytes)) = input.split_first_chunk::<3>() else { return };
    let ways = Ways(*ways);
    let output = Arc::default();
    let stream = Peer {
        input: bytes.to_vec(),
        at: 0,
        piece: 1 + usize::from(*pieces),
        room: 1 + usize::from(*room),
        ways,
        waits: false,
        output: Arc::clone(&output),
    };
    let mut connection = Connection::new(Box::new(stream));
    let (mut whole, mut cut) = (0, false);
    // Every second look brings a byte at least, until the end is seen.
    let mut looks = 2 * bytes.len() + 16;
    let mut progress = connection.receive();
    loop {
        match progress {
            Progress::Waiting if looks == 0 => {
                assert!(ways.falls_silent(), "the end of the connection is overlooked");
                break;
            }
            Progress::Waiting => {
                looks -= 1;
                progress = connection.receive();
            }
            Progress::Request(request) => {
                let mut exchange = Exchange::new(connection, request);
                whole += usize::from(answer(&mut exchange, ways));
                let (given_back, disposition) = exchange.finish().expect("it is given back once");
                connection = given_back;
                cut = disposition == Disposition::Close;
                if disposition != Disposition::Keep {
                    break;
                }
                progress = connection.proceed();
            }
            Progress::Closing | Progress::Gone | Progress::Fault(_) => break,
        }
    }
    let output = output.lock().expect("nobody has panicked with it");
    let ends = count_ends(&output, cut);
    assert!(ends >= whole, "{whole} whole answers, and {ends} END_REQUEST");
}

/// How an application answers, and what kind of web server asks.
#[derive(Clone, Copy)]
struct Ways(u8);

impl Ways {
    fn reads_lines(self) -> bool {
        self.0 & 1 != 0
    }

    fn reads(self) -> bool {
        self.0 & 2 != 0
    }

    fn begins_early(self) -> bool {
        self.0 & 4 != 0
    }

    fn gives_up(self) -> bool {
        self.0 & 8 != 0
    }

    fn answers_at_length(self) -> bool {
        self.0 & 16 != 0
    }

    fn is_half_duplex(self) -> bool {
        self.0 & 32 != 0
    }

    /// At the end of its bytes the web server neither goes on nor away.
    fn falls_silent(self) -> bool {
        self.0 & 64 != 0
    }

    fn knows_its_length(self) -> bool {
        self.0 & 128 != 0
    }
}

/// Plays the application; says whether its answer went out whole.
fn answer(exchange: &mut Exchange, ways: Ways) -> bool {
    let announced = exchange.params().value(b"CONTENT_LENGTH").and_then(digits);
    // What is made of parameters may not fall over any of them either.
    let params: Params = exchange.lend_params();
    let _ = holdall_bridge::gateway::gateway(&params);
    exchange.return_params(params);
    let body = vec![b'x'; if ways.answers_at_length() { 40_000 } else { 40 }];
    let mut reply = Reply::new(false);
    let mut head = Head::new("200 OK").expect("a fit status");
    if ways.knows_its_length() {
        head.push("Content-Length", &(2 * body.len()).to_string()).expect("a fit header");
    }
    reply.set_head(head);
    if ways.begins_early() && reply.send(exchange, &body).is_err() {
        exchange.give_up();
        return false;
    }
    if ways.reads() {
        let read = read(exchange, ways.reads_lines());
        assert!(
            announced.is_none_or(|announced| read <= announced),
            "{read} bytes of body, not {announced:?}"
        );
    }
    if ways.gives_up() {
        exchange.give_up();
        return false;
    }
    let sent = match ways.begins_early() {
        true => reply.send(exchange, &body).and_then(|()| reply.end(exchange)),
        false => reply.send_last(exchange, &body),
    };
    if sent.is_err() {
        exchange.give_up();
    }
    sent.is_ok()
}

fn digits(value: &[u8]) -> Option<u64> {
    let plain = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| plain)?.parse().ok()
}

/// Reads all there is, and says how much that was.
fn read(exchange: &mut Exchange, lines: bool) -> u64 {
    let mut total = 0;
    loop {
        let read = if lines { exchange.read_line(Some(100)) } else { exchange.read(Some(1000)) };
        match read {
            Ok(bytes) if bytes.is_empty() => {
                assert_eq!(exchange.read(None).as_deref(), Ok(&[][..]), "the end is the end");
                return total;
            }
            Ok(bytes) => {
                assert!(!lines || !bytes[..bytes.len() - 1].contains(&b'\n'), "one line");
                total += bytes.len() as u64;
            }
            Err(error) => {
                assert_eq!(exchange.read(None), Err(error), "an error stays");
                return total;
            }
        }
    }
}

/// A web server that has its words ready, gives and takes them in small pieces, and has its partner wait in between.
struct Peer {
    input: Vec<u8>,
    at: usize,
    piece: usize,
    room: usize,
    ways: Ways,
    waits: bool,
    output: Arc<Mutex<Vec<u8>>>,
}

impl Peer {
    fn pause(&mut self) -> io::Result<()> {
        self.waits = !self.waits;
        if self.waits { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
    }
}

impl Stream for Peer {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let rest = &self.input[self.at..];
        let taken = rest.len().min(into.len()).min(self.piece);
        if taken == 0 && self.ways.falls_silent() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        into[..taken].copy_from_slice(&rest[..taken]);
        self.pause()?;
        self.at += taken;
        Ok(taken)
    }

    fn write(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        // Replies within a request head are given up where there is no room for them at once.
        let taken = if length <= 300 { length } else { length.min(self.room * 100) };
        let mut output = self.output.lock().expect("nobody has panicked with it");
        let wanted = output.len() + taken;
        for piece in pieces {
            let left = wanted - output.len();
            output.extend_from_slice(&piece[..piece.len().min(left)]);
        }
        Ok(taken)
    }

    fn wait(&mut self, interest: Interest, _: Duration) -> io::Result<Readiness> {
        if self.at == self.input.len() && self.ways.falls_silent() && interest == Interest::Read {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(Readiness { readable: true, writable: true })
    }

    fn is_half_duplex(&self) -> bool {
        self.ways.is_half_duplex()
    }
}

/// Reads what the bridge has said: whole records of the kinds that a responder sends, and no stream that goes on after
/// its end. A cut may follow the last of them.
fn count_ends(output: &[u8], cut: bool) -> usize {
    let (mut rest, mut ends, mut over) = (output, 0, false);
    while let Some((head, after)) = rest.split_first_chunk::<HEADER_LEN>() {
        if *head == [0; HEADER_LEN] {
            assert!(cut && after.is_empty(), "a cut is the last word");
            return ends;
        }
        let header = Header::decode(*head);
        assert_eq!(header.version, 1, "{header:?}");
        match header.kind {
            Kind::Stdout => {
                assert!(!over, "a stream goes on after its end");
                over = header.length == 0;
            }
            Kind::EndRequest => (ends, over) = (ends + 1, false),
            Kind::GetValuesResult | Kind::UnknownType => {}
            other => panic!("a responder sends no {other:?}"),
        }
        rest = after
            .get(usize::from(header.length) + usize::from(header.padding)..)
            .expect("a record is sent whole, since its connection goes on");
    }
    assert!(rest.is_empty(), "half a header");
    ends
}
