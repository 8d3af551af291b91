//! Bodies and answers over a connection without a peer.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::connection::Progress;
use crate::head::Head;
use crate::reply::{Reply, ReplyError};
use crate::transports::{Memory, Readiness, Stream};

fn exchange(input: Vec<u8>) -> (Exchange, Arc<Mutex<Vec<u8>>>) {
    let (stream, output) = Memory::new(input);
    let mut connection = Connection::new(Box::new(stream));
    let Progress::Request(request) = connection.receive() else { panic!("a request") };
    (Exchange::new(connection, request), output)
}

fn with_body(length: &str, body: &[u8]) -> (Exchange, Arc<Mutex<Vec<u8>>>) {
    exchange(encode::request(1, true, &[("CONTENT_LENGTH", length)], body))
}

/// The records of an output: type and content.
fn records(output: &Mutex<Vec<u8>>) -> Vec<(Kind, Vec<u8>)> {
    let output = output.lock().unwrap();
    let mut rest = &output[..];
    let mut records = Vec::new();
    while let Some((head, after)) = rest.split_first_chunk::<HEADER_LEN>() {
        let header = Header::decode(*head);
        let (content, after) = after.split_at(usize::from(header.length));
        records.push((header.kind, content.to_vec()));
        rest = &after[usize::from(header.padding)..];
    }
    records
}

#[track_caller]
fn check_reads(length: &str, body: &[u8], sizes: &[Option<usize>], expected: &[Result<&[u8], BodyError>]) {
    let (mut exchange, _) = with_body(length, body);
    let found: Vec<_> = sizes.iter().map(|size| exchange.read(*size)).collect();
    let found: Vec<_> = found.iter().map(|read| read.as_deref().map_err(|error| *error)).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_body_is_read_up_to_its_announced_length() {
    check_reads("6", b"abcdef", &[Some(4), Some(4), None], &[Ok(b"abcd"), Ok(b"ef"), Ok(b"")]);
    check_reads("6", b"abcdefgh", &[None, None], &[Ok(b"abcdef"), Ok(b"")]);
    check_reads("0", b"abc", &[None], &[Ok(b"")]);
    check_reads("6", b"abc", &[Some(2), Some(2)], &[Ok(b"ab"), Err(BodyError::Short)]);
    check_reads(
        "99999999999999999999999",
        b"abc",
        &[None, None],
        &[Err(BodyError::Short), Err(BodyError::Short)],
    );
}

#[test]
fn a_body_of_unknown_length_is_read_to_its_end() {
    for length in ["", "-1", "+3", "3x"] {
        check_reads(length, b"abc", &[Some(0), None, None], &[Ok(b""), Ok(b"abc"), Ok(b"")]);
    }
}

#[test]
fn a_connection_that_ends_inside_the_body_is_an_error() {
    let mut input = encode::request(1, false, &[("CONTENT_LENGTH", "")], b"abcdef");
    input.truncate(input.len() - 10);
    let (mut exchange, _) = exchange(input);
    assert_eq!(exchange.read(Some(2)), Ok(b"ab".to_vec()));
    assert_eq!(exchange.read(None), Err(BodyError::Gone));
    let gone = Unwanted::Input(BodyError::Gone);
    assert_eq!(exchange.send(b"Status: 200\r\n\r\n", b"", true), Err(gone));
    assert_eq!(exchange.loss(), Some(gone));
}

#[test]
fn lines_are_cut_at_their_end_or_at_the_limit() {
    let (mut exchange, _) = with_body("14", b"one\n\ntwo\nthree");
    let read: Vec<_> = [None, Some(9), Some(2), Some(0), None, None, None]
        .map(|limit| exchange.read_line(limit).unwrap())
        .into();
    let lines: Vec<&[u8]> = read.iter().map(Vec::as_slice).collect();
    assert_eq!(lines, [&b"one\n"[..], b"\n", b"tw", b"", b"o\n", b"three", b""]);
}

#[track_caller]
fn check_answer(body: &[u8]) {
    let (mut exchange, output) = with_body("", b"");
    let mut reply = Reply::new(false);
    reply.set_head(Head::new("200 OK").unwrap());
    reply.send_last(&mut exchange, body).unwrap();
    let records = records(&output);
    let (end, streams) = records.split_last().unwrap();
    let (last, pieces) = streams.split_last().unwrap();
    assert_eq!(end, &(Kind::EndRequest, vec![0; 8]));
    assert_eq!(last, &(Kind::Stdout, Vec::new()));
    assert!(pieces.iter().all(|(kind, piece)| *kind == Kind::Stdout && !piece.is_empty()));
    let stdout = pieces.iter().flat_map(|(_, piece)| piece.clone()).collect::<Vec<_>>();
    let head = format!("Status: 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    assert!(stdout == [head.as_bytes(), body].concat(), "{} bytes", stdout.len());
}

#[test]
fn an_answer_of_any_size_is_one_stream_with_one_end() {
    for size in
        [0, 1, SMALL - 100, SMALL, MAX_CONTENT, MAX_CONTENT + 1, MAX_CONTENT * BATCH, MAX_CONTENT * BATCH + 1]
    {
        check_answer(&vec![b'x'; size]);
    }
}

#[test]
fn a_body_before_the_head_is_the_applications_mistake() {
    let (mut exchange, output) = with_body("", b"");
    assert_eq!(Reply::new(false).send(&mut exchange, b"x"), Err(ReplyError::NoHead));
    assert!(output.lock().unwrap().is_empty());
}

#[test]
fn a_finished_request_gives_its_connection_back_once() {
    let (mut exchange, _) = with_body("3", b"abc");
    exchange.send(b"Status: 200\r\n\r\n", b"", true).unwrap();
    let (_, disposition) = exchange.finish().unwrap();
    assert_eq!(disposition, Disposition::Keep);
    assert!(exchange.finish().is_none());
    assert_eq!(exchange.read(None), Err(BodyError::Over));
    assert_eq!(exchange.send(b"", b"late", false), Err(Unwanted::Complete));
    assert_eq!(exchange.loss(), None);
}

#[test]
fn a_request_that_is_given_up_breaks_its_connection() {
    let (mut exchange, output) = with_body("", b"");
    exchange.send(b"Status: 200\r\n\r\n", b"half", false).unwrap();
    exchange.give_up();
    assert_eq!(exchange.finish().unwrap().1, Disposition::Close);
    let records = records(&output);
    let (cut, pieces) = records.split_last().unwrap();
    assert_eq!(cut, &(Kind::Other(0), Vec::new()), "a record that says that something is wrong");
    assert!(pieces.iter().all(|(kind, piece)| *kind == Kind::Stdout && !piece.is_empty()));
}

/// Sends `pieces` as an answer of `headers`; gives the last result, what arrived, and how it ended.
fn answer_of(
    headers: &[(&str, &str)],
    cut: bool,
    pieces: &[&[u8]],
) -> (Result<(), ReplyError>, String, usize) {
    let (mut exchange, output) = with_body("", b"");
    let mut reply = Reply::new(false);
    let mut head = Head::new("200 OK").unwrap();
    headers.iter().for_each(|(name, value)| head.push(name, value).unwrap());
    reply.set_head(head);
    if cut {
        reply.cut_at_length();
    }
    let sent = pieces.iter().try_for_each(|piece| reply.send(&mut exchange, piece));
    let sent = sent.and_then(|()| reply.end(&mut exchange));
    let records = records(&output);
    let text: Vec<u8> =
        records.iter().filter(|(kind, _)| *kind == Kind::Stdout).flat_map(|r| r.1.clone()).collect();
    let text = String::from_utf8(text).unwrap();
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    (sent, body, records.iter().filter(|(kind, _)| *kind == Kind::EndRequest).count())
}

#[test]
fn a_content_length_is_kept_or_the_answer_has_no_end() {
    let four = [("Content-Length", "4")];
    assert_eq!(answer_of(&four, false, &[b"12", b"34"]), (Ok(()), "1234".to_owned(), 1));
    let long = Err(ReplyError::TooLong(4));
    assert_eq!(answer_of(&four, false, &[b"12", b"345"]), (long.clone(), "1234".to_owned(), 1));
    assert_eq!(answer_of(&four, false, &[b"1234", b"5"]), (long, "1234".to_owned(), 1));
    let short = |written| Err(ReplyError::TooShort { written, length: 4 });
    assert_eq!(answer_of(&four, false, &[b"123"]), (short(3), "123".to_owned(), 0));
    assert_eq!(answer_of(&four, false, &[]), (short(0), String::new(), 0));
    let none = [("Content-Length", "0")];
    assert_eq!(answer_of(&none, false, &[b"1"]), (Err(ReplyError::TooLong(0)), String::new(), 1));
}

#[test]
fn the_end_comes_along_with_the_last_byte_that_was_announced() {
    let (mut exchange, output) = with_body("5", b"later");
    let mut reply = Reply::new(false);
    let mut head = Head::new("200 OK").unwrap();
    head.push("Content-Length", "4").unwrap();
    reply.set_head(head);
    reply.send(&mut exchange, b"1234").unwrap();
    assert_eq!(records(&output).last().unwrap().0, Kind::EndRequest);
    assert_eq!(exchange.read(None), Ok(b"later".to_vec()), "the application goes on");
    reply.end(&mut exchange).unwrap();
    assert_eq!(records(&output).iter().filter(|(kind, _)| *kind == Kind::EndRequest).count(), 1);
    assert_eq!(exchange.finish().unwrap().1, Disposition::Keep);
}

#[test]
fn a_file_ends_at_the_content_length() {
    let four = [("Content-Length", "4")];
    assert_eq!(answer_of(&four, true, &[b"123456"]), (Ok(()), "1234".to_owned(), 1));
    assert_eq!(answer_of(&four, true, &[b"1234"]), (Ok(()), "1234".to_owned(), 1));
}

#[test]
fn a_file_that_the_web_server_sends_itself_may_have_its_length_announced() {
    for name in ["X-Accel-Redirect", "X-Sendfile", "x-lighttpd-send-file"] {
        let headers = [(name, "/files/a"), ("Content-Length", "1000")];
        assert_eq!(answer_of(&headers, false, &[]), (Ok(()), String::new(), 1));
    }
}

/// A peer that sends no more of the body once it has seen a byte of the answer, as nginx does.
struct Turning {
    input: Vec<u8>,
    at: usize,
    turned: bool,
}

impl Stream for Turning {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let rest = if self.turned { &[][..] } else { &self.input[self.at..] };
        let taken = rest.len().min(into.len()).min(1_000);
        into[..taken].copy_from_slice(&rest[..taken]);
        self.at += taken;
        Ok(taken)
    }

    fn write(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.turned = true;
        Ok(pieces.iter().map(|piece| piece.len()).sum())
    }

    fn wait(&mut self, _: Interest, _: Duration) -> io::Result<Readiness> {
        Ok(Readiness { readable: true, writable: true })
    }
}

#[test]
fn a_body_can_be_read_after_the_beginning_of_the_answer() {
    for length in ["500000", ""] {
        let body: Vec<u8> = (0..500_000u32).map(|n| (n % 251) as u8).collect();
        let input = encode::request(1, false, &[("CONTENT_LENGTH", length)], &body);
        let mut connection = Connection::new(Box::new(Turning { input, at: 0, turned: false }));
        let Progress::Request(request) = connection.receive() else { panic!("a request") };
        let mut exchange = Exchange::new(connection, request);
        let mut read = exchange.read(Some(1_000)).unwrap();
        exchange.send(b"Status: 200\r\n\r\n", b"begun", false).unwrap();
        read.extend(exchange.read(None).unwrap());
        assert!(read == body, "{} bytes", read.len());
    }
}

/// A stream whose bytes go one way at a time: it gives its input piece by piece, and takes nothing before it is through.
struct OneWay {
    input: Vec<Vec<u8>>,
    output: Arc<Mutex<Vec<u8>>>,
}

impl Stream for OneWay {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let piece = self.input.remove(0);
        into[..piece.len()].copy_from_slice(&piece);
        Ok(piece.len())
    }

    fn write(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        assert!(self.input.is_empty(), "the peer is still sending, and would wait for ever");
        pieces.iter().for_each(|piece| self.output.lock().unwrap().extend_from_slice(piece));
        Ok(pieces.iter().map(|piece| piece.len()).sum())
    }

    fn wait(&mut self, _: Interest, _: Duration) -> io::Result<Readiness> {
        Err(io::ErrorKind::TimedOut.into())
    }

    fn is_half_duplex(&self) -> bool {
        true
    }
}

fn one_way(body: &[u8]) -> (Exchange, Arc<Mutex<Vec<u8>>>) {
    one_way_announcing(&body.len().to_string(), body)
}

fn one_way_announcing(length: &str, body: &[u8]) -> (Exchange, Arc<Mutex<Vec<u8>>>) {
    let input = encode::request(1, true, &[("CONTENT_LENGTH", length)], body);
    one_way_of(input.chunks(1000).map(<[u8]>::to_vec).collect())
}

fn one_way_of(input: Vec<Vec<u8>>) -> (Exchange, Arc<Mutex<Vec<u8>>>) {
    let output = Arc::default();
    let stream = OneWay { input, output: Arc::clone(&output) };
    let mut connection = Connection::new(Box::new(stream));
    let Progress::Request(request) = connection.receive() else { panic!("a request") };
    (Exchange::new(connection, request), output)
}

#[test]
fn where_bytes_go_one_way_at_a_time_no_answer_begins_before_the_body_has_ended() {
    // Nobody has asked for the body, and nobody will.
    let (mut exchange, output) = one_way(&[b'b'; 200_000]);
    exchange.leave_body();
    exchange.send(b"Status: 200\r\n\r\n", b"whole", true).unwrap();
    assert!(exchange.ahead.front().is_empty(), "and none of it is kept");
    assert!(!output.lock().unwrap().is_empty());
    // The application answers first and reads then.
    let (mut exchange, _) = one_way(&[b'b'; 200_000]);
    exchange.send(b"Status: 200\r\n\r\n", b"first", false).unwrap();
    assert_eq!(exchange.read(None).unwrap().len(), 200_000);
    // More comes than was announced.
    let (mut exchange, _) = one_way_announcing("10", &[b'b'; 200_000]);
    assert_eq!(exchange.read(None).unwrap().len(), 10);
    exchange.send(b"Status: 200\r\n\r\n", b"answer", true).unwrap();
    assert_eq!(exchange.finish().unwrap().1, Disposition::Keep);
}

#[test]
fn where_bytes_go_one_way_at_a_time_a_peer_that_forgets_the_end_of_its_stream_is_answered() {
    let mut input = encode::request(1, true, &[("CONTENT_LENGTH", "3")], b"abc");
    input.truncate(input.len() - HEADER_LEN);
    let (mut exchange, output) = one_way_of(vec![input]);
    assert_eq!(exchange.read(None).unwrap(), b"abc");
    exchange.send(b"Status: 200\r\n\r\n", b"answer", true).unwrap();
    assert_eq!(records(&output).last(), Some(&(Kind::EndRequest, vec![0; 8])));
}

#[test]
fn where_the_end_of_a_connection_is_the_end_of_a_process_a_cut_answer_ends_with_a_status() {
    let (mut exchange, output) = one_way(&[b'b'; 5000]);
    exchange.send(b"Status: 200\r\n\r\n", b"part", false).unwrap();
    exchange.give_up();
    assert_eq!(exchange.send(b"", b"late", true), Err(Unwanted::Complete));
    assert_eq!(exchange.finish().unwrap().1, Disposition::Keep);
    let records = records(&output);
    assert_eq!(records.last(), Some(&(Kind::EndRequest, vec![0, 0, 0, 1, 0, 0, 0, 0])));
    assert!(
        records[..records.len() - 1].iter().all(|(kind, piece)| *kind == Kind::Stdout && !piece.is_empty())
    );
    // Nothing of an answer was there yet: the body is taken in all the same.
    let (mut exchange, _) = one_way(&[b'b'; 5000]);
    exchange.give_up();
    assert_eq!(exchange.finish().unwrap().1, Disposition::Keep);
}
