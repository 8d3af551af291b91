//! The state machine, fed in pieces of every size.
#![allow(clippy::unwrap_used)]

use super::*;

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// What happened, in a form that does not depend on how the bytes were cut.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    requests: Vec<(u16, bool, Pairs)>,
    body: Vec<u8>,
    other: Vec<String>,
}

/// Feeds `pieces` one after the other as a connection would, finishing each request at its body's end.
fn feed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Seen, Fault> {
    let mut conversation = Conversation::default();
    let mut seen = Seen::default();
    let mut held = Vec::new();
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            let step = conversation.advance(&held, 5)?;
            let used = step.used;
            let mut finished = false;
            let more = step.event.is_some();
            match step.event {
                None => {}
                Some(Event::Request(request)) => {
                    let pairs = request.params.pairs().map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
                    seen.requests.push((request.id, request.keep, pairs));
                }
                Some(Event::Body(bytes)) => {
                    assert!(bytes.len() <= 5, "more body than asked for");
                    seen.body.extend_from_slice(bytes);
                }
                Some(Event::BodyEnd) => {
                    seen.other.push("end".to_owned());
                    finished = true;
                }
                Some(Event::Abort) => {
                    seen.other.push("abort".to_owned());
                    finished = true;
                }
                Some(Event::Reply(bytes)) => seen.other.push(format!("reply {bytes:?}")),
                Some(Event::Close) => seen.other.push("close".to_owned()),
            }
            if finished {
                conversation.finish();
            }
            held.drain(..used);
            if !more {
                break;
            }
        }
    }
    Ok(seen)
}

fn record(kind: u8, id: u16, content: &[u8], padding: u8) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap();
    let mut bytes = Header { version: 1, kind: Kind::from_byte(kind), id, length, padding }.encode().to_vec();
    bytes.extend_from_slice(content);
    bytes.extend(std::iter::repeat_n(0xaa, usize::from(padding)));
    bytes
}

fn begin(id: u16, role: u8, flags: u8) -> Vec<u8> {
    record(1, id, &[0, role, flags, 0, 0, 0, 0, 0], 0)
}

/// Everything that may stand on a connection, once.
fn busy_stream() -> Vec<u8> {
    [
        record(9, 0, b"\x0f\x00FCGI_MPXS_CONNS\x03\x00ODD", 3),
        begin(1, 1, 1),
        record(4, 1, b"\x01", 255),
        record(4, 1, b"\x80\x00\x00\x02", 0),
        record(77, 0, b"what", 1),
        record(4, 1, b"abc", 1),
        begin(2, 1, 0),
        record(4, 2, b"ignored", 0),
        record(4, 1, b"", 0),
        record(5, 1, b"hello ", 2),
        record(8, 1, b"data", 0),
        record(5, 1, b"world", 0),
        record(5, 1, b"", 7),
        record(5, 1, b"late", 0),
        record(2, 1, b"", 0),
        begin(9, 2, 1),
        record(5, 9, b"of nobody", 0),
        encode::request(7, false, &[("REQUEST_METHOD", "GET")], b"x"),
    ]
    .concat()
}

#[test]
fn the_meaning_does_not_depend_on_where_the_bytes_are_cut() {
    let bytes = busy_stream();
    let whole = feed([&bytes[..]]).unwrap();
    assert_eq!(whole.requests.len(), 2);
    assert_eq!(whole.requests[0], (1, true, vec![(b"a".to_vec(), b"bc".to_vec())]));
    assert_eq!(whole.requests[1].0, 7);
    assert_eq!(whole.body, b"hello worldx");
    assert_eq!(whole.other.len(), 6, "{:?}", whole.other);
    for cut in 0..=bytes.len() {
        assert_eq!(feed([&bytes[..cut], &bytes[cut..]]).unwrap(), whole, "cut at {cut}");
    }
    assert_eq!(feed(bytes.chunks(1)).unwrap(), whole, "byte by byte");
}

#[test]
fn get_values_answers_known_names_only() {
    let seen = feed([&record(9, 0, b"\x0f\x00FCGI_MPXS_CONNS\x03\x00ODD", 0)[..]]).unwrap();
    let reply = record(10, 0, b"\x0f\x01FCGI_MPXS_CONNS0", 0);
    assert_eq!(seen.other, [format!("reply {reply:?}")]);
}

#[test]
fn an_unknown_management_record_is_named_in_the_reply() {
    let seen = feed([&record(200, 0, b"", 0)[..]]).unwrap();
    assert_eq!(seen.other, [format!("reply {:?}", record(11, 0, &[200, 0, 0, 0, 0, 0, 0, 0], 0))]);
}

#[test]
fn other_roles_are_refused_and_the_connection_stays_usable_if_kept() {
    for role in [0, 2, 3, 99] {
        let bytes = [begin(1, role, 1), encode::request(1, true, &[], b"")].concat();
        let seen = feed([&bytes[..]]).unwrap();
        assert_eq!(seen.requests.len(), 1);
        assert_eq!(seen.other[0], format!("reply {:?}", refusal(1, ProtocolStatus::UnknownRole)));
        let seen = feed([&begin(1, role, 0)[..]]).unwrap();
        assert_eq!(seen.other[1], "close");
    }
}

#[test]
fn an_abort_is_answered_at_once_before_the_parameters_end_and_reported_after() {
    let early = [begin(1, 1, 1), record(2, 1, b"", 0)].concat();
    let seen = feed([&early[..]]).unwrap();
    assert_eq!(seen.other, [format!("reply {:?}", refusal(1, ProtocolStatus::RequestComplete))]);
    let late =
        [begin(1, 1, 1), record(4, 1, b"", 0), record(5, 1, b"half", 0), record(2, 1, b"", 0)].concat();
    let seen = feed([&late[..]]).unwrap();
    assert_eq!(seen.other, ["abort"]);
}

#[track_caller]
fn check_fault(bytes: Vec<u8>, expected: Fault) {
    assert_eq!(feed([&bytes[..]]).unwrap_err(), expected);
    assert_eq!(feed(bytes.chunks(1)).unwrap_err(), expected);
}

#[test]
fn what_is_no_fastcgi_is_a_fault() {
    check_fault(vec![9, 1, 0, 1, 0, 8, 0, 0], Fault::Version(9));
    check_fault(b"GET / HTTP/1.1\r\n\r\n".to_vec(), Fault::Version(b'G'));
    check_fault(record(1, 1, b"short", 0), Fault::BeginLength(5));
    check_fault([begin(1, 1, 0), begin(1, 1, 0)].concat(), Fault::BeginsTwice(1));
    check_fault([begin(1, 1, 0), record(5, 1, b"x", 0)].concat(), Fault::BodyBeforeParams);
    check_fault(
        [begin(1, 1, 0), record(4, 1, b"", 0), record(4, 1, b"x", 0)].concat(),
        Fault::ParamsAfterEnd,
    );
    check_fault(
        [begin(1, 1, 0), record(4, 1, b"\x05\x05ab", 0), record(4, 1, b"", 0)].concat(),
        Fault::Params(ParamsError::BeyondData { claimed: 10, left: 2 }),
    );
}

#[test]
fn parameters_beyond_the_limit_are_refused_while_they_arrive() {
    let mut bytes = begin(1, 1, 0);
    for _ in 0..17 {
        bytes.extend(record(4, 1, &[b'x'; 65_535], 0));
    }
    assert_eq!(feed([&bytes[..]]).unwrap_err(), Fault::TooManyParams);
}

#[test]
fn noise_never_panics() {
    // A small generator with a fixed seed: the same noise every time, mostly with a right version byte.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..2_000 {
        let mut bytes = Vec::new();
        for _ in 0..12 {
            let roll = next();
            let length = (roll >> 8) % 12;
            let content: Vec<u8> = (0..length).map(|_| (next() & 0xff) as u8).collect();
            bytes.extend(record(
                (roll % 13) as u8,
                ((roll >> 24) % 3) as u16,
                &content,
                (roll >> 32 & 3) as u8,
            ));
            if roll >> 60 == 0 {
                bytes.extend_from_slice(&next().to_be_bytes());
            }
        }
        let whole = feed([&bytes[..]]);
        assert_eq!(feed(bytes.chunks(1)).is_ok(), whole.is_ok());
    }
}
