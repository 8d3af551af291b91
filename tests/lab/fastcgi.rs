//! FastCGI as a web server speaks it and as it expects to be answered, written apart from the bridge's own: a mistake
//! there does not cancel out.
//!
//! An answer is compared byte for byte. The one liberty a responder has is where it cuts STDOUT into records, so
//! that is the one thing [`difference`] looks away from.

use std::fmt;

pub const BEGIN_REQUEST: u8 = 1;
pub const ABORT_REQUEST: u8 = 2;
pub const END_REQUEST: u8 = 3;
pub const PARAMS: u8 = 4;
pub const STDIN: u8 = 5;
pub const STDOUT: u8 = 6;
pub const DATA: u8 = 8;
pub const GET_VALUES: u8 = 9;
pub const GET_VALUES_RESULT: u8 = 10;
pub const UNKNOWN_TYPE: u8 = 11;

/// protocolStatus of END_REQUEST.
pub const REQUEST_COMPLETE: u8 = 0;
pub const CANNOT_MULTIPLEX: u8 = 1;
pub const UNKNOWN_ROLE: u8 = 3;

/// A request to be sent whole or in parts.
#[derive(Debug, Clone)]
pub struct Request {
    pub id: u16,
    pub role: u16,
    pub keep: bool,
    pub params: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Bytes of each record of the body.
    pub piece: usize,
}

/// A question for `path`, which may have a query.
pub fn get(path: &str) -> Request {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    // What IIS sends for a handler of every path, as far as it matters here: absent things are empty.
    let params = [
        ("REQUEST_METHOD", "GET"),
        ("APPL_MD_PATH", "/LM/W3SVC/1/ROOT"),
        ("SCRIPT_NAME", path),
        ("PATH_INFO", path),
        ("QUERY_STRING", query),
        ("CONTENT_TYPE", ""),
        ("CONTENT_LENGTH", "0"),
        ("SERVER_NAME", "localhost"),
        ("SERVER_PORT", "80"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("HTTPS", "off"),
    ];
    let params = params.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Request { id: 1, role: 1, keep: false, params, body: Vec::new(), piece: 8192 }
}

/// A question with a body.
pub fn post(path: &str, body: Vec<u8>) -> Request {
    let request = get(path).with("REQUEST_METHOD", "POST").with("CONTENT_LENGTH", &body.len().to_string());
    Request { body, ..request }
}

impl Request {
    pub fn with(mut self, name: &str, value: &str) -> Request {
        self.params.retain(|(found, _)| found != name);
        self.params.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn numbered(self, id: u16) -> Request {
        Request { id, ..self }
    }

    pub fn begin(&self) -> Vec<u8> {
        let [high, low] = self.role.to_be_bytes();
        record(BEGIN_REQUEST, self.id, &[high, low, u8::from(self.keep), 0, 0, 0, 0, 0])
    }

    pub fn pairs(&self) -> Vec<u8> {
        let mut pairs = Vec::new();
        for (name, value) in &self.params {
            pair(&mut pairs, name, value);
        }
        pairs
    }

    /// BEGIN_REQUEST and the parameters.
    pub fn head(&self) -> Vec<u8> {
        let mut bytes = self.begin();
        self.pairs().chunks(60_000).for_each(|piece| bytes.extend(record(PARAMS, self.id, piece)));
        bytes.extend(record(PARAMS, self.id, b""));
        bytes
    }

    /// The body and its end.
    pub fn stdin(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.body.chunks(self.piece).for_each(|piece| bytes.extend(record(STDIN, self.id, piece)));
        bytes.extend(record(STDIN, self.id, b""));
        bytes
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head();
        bytes.extend(self.stdin());
        bytes
    }
}

fn pair(pairs: &mut Vec<u8>, name: &str, value: &str) {
    for text in [name, value] {
        match u8::try_from(text.len()) {
            Ok(length @ ..0x80) => pairs.push(length),
            _ => pairs.extend((u32::try_from(text.len()).unwrap() | 0x8000_0000).to_be_bytes()),
        }
    }
    pairs.extend(name.as_bytes());
    pairs.extend(value.as_bytes());
}

/// The content of GET_VALUES, or of its result.
pub fn values(named: &[(&str, &str)]) -> Vec<u8> {
    let mut pairs = Vec::new();
    named.iter().for_each(|(name, value)| pair(&mut pairs, name, value));
    pairs
}

/// A record of a web server, with some padding, as every record may have.
pub fn record(kind: u8, id: u16, content: &[u8]) -> Vec<u8> {
    padded(kind, id, content, u8::try_from(content.len() % 7).unwrap())
}

fn padded(kind: u8, id: u16, content: &[u8], padding: u8) -> Vec<u8> {
    let [id_high, id_low] = id.to_be_bytes();
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    let mut bytes = vec![1, kind, id_high, id_low, high, low, padding, 0];
    bytes.extend(content);
    bytes.extend(vec![0x55; usize::from(padding)]);
    bytes
}

/// A record as the bridge sends them: without padding.
pub fn reply(kind: u8, id: u16, content: &[u8]) -> Vec<u8> {
    padded(kind, id, content, 0)
}

/// The expected bytes of a whole answer.
pub fn answer(id: u16, stdout: &[u8]) -> Vec<u8> {
    let mut bytes = part(id, stdout);
    bytes.extend(reply(STDOUT, id, b""));
    bytes.extend(end(id, 0, REQUEST_COMPLETE));
    bytes
}

/// The expected bytes of an answer whose end is not there.
pub fn part(id: u16, stdout: &[u8]) -> Vec<u8> {
    stdout.chunks(0xffff).flat_map(|piece| reply(STDOUT, id, piece)).collect()
}

pub fn end(id: u16, app_status: u32, protocol_status: u8) -> Vec<u8> {
    let mut content = app_status.to_be_bytes().to_vec();
    content.extend([protocol_status, 0, 0, 0]);
    reply(END_REQUEST, id, &content)
}

/// Head and body of a text that an application gave whole, and that therefore has its length.
pub fn text(body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes = b"Status: 200 OK\r\nContent-Type: text/plain\r\n".to_vec();
    bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes());
    bytes.extend(body);
    bytes
}

/// Head and body of a text that came in pieces.
pub fn streamed(body: impl AsRef<[u8]>) -> Vec<u8> {
    let mut bytes = b"Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n".to_vec();
    bytes.extend(body.as_ref());
    bytes
}

/// A part of an answer.
#[derive(PartialEq, Eq)]
enum Piece<'a> {
    /// STDOUT records without padding that follow each other, joined.
    Stdout(u16, Vec<u8>),
    /// Any other record, or the beginning of one, as it came.
    Record(&'a [u8]),
}

impl fmt::Debug for Piece<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Piece::Stdout(id, content) => {
                write!(f, "{} bytes of STDOUT for {id}: {}", content.len(), excerpt(content))
            }
            Piece::Record(bytes) => write!(f, "record {:?} {}", &bytes[..bytes.len().min(8)], {
                excerpt(&bytes[bytes.len().min(8)..])
            }),
        }
    }
}

fn excerpt(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(80)];
    format!("\"{}\"{}", shown.escape_ascii(), if shown.len() < bytes.len() { "…" } else { "" })
}

/// The length of the record at the beginning of `bytes`, if it is there to its end.
pub fn whole_record(bytes: &[u8]) -> Option<usize> {
    let head = bytes.first_chunk::<8>()?;
    let length = 8 + usize::from(u16::from_be_bytes([head[4], head[5]])) + usize::from(head[6]);
    (bytes.len() >= length).then_some(length)
}

fn pieces(mut bytes: &[u8]) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let (record, rest) = bytes.split_at(whole_record(bytes).unwrap_or(bytes.len()));
        bytes = rest;
        match (record, pieces.last_mut()) {
            ([1, STDOUT, high, low, _, _, 0, 0, content @ ..], last) if !content.is_empty() => {
                let id = u16::from_be_bytes([*high, *low]);
                match last {
                    Some(Piece::Stdout(before, joined)) if *before == id => joined.extend(content),
                    _ => pieces.push(Piece::Stdout(id, content.to_vec())),
                }
            }
            _ => pieces.push(Piece::Record(record)),
        }
    }
    pieces
}

/// What is wrong with `found`, if anything is.
pub fn difference(found: &[u8], expected: &[u8]) -> Option<String> {
    let (found, expected) = (pieces(found), pieces(expected));
    if found == expected {
        return None;
    }
    let mut text = String::new();
    for place in 0..found.len().max(expected.len()) {
        let pair = (found.get(place), expected.get(place));
        if pair.0 == pair.1 {
            continue;
        }
        text.push_str(&format!("piece {place}:\n  found    {:?}\n  expected {:?}\n", pair.0, pair.1));
        if let (Some(Piece::Stdout(_, found)), Some(Piece::Stdout(_, expected))) = pair {
            let at = found.iter().zip(expected).take_while(|(a, b)| a == b).count();
            text.push_str(&format!("  they are the same up to byte {at}\n"));
        }
    }
    Some(text)
}

mod tests {
    use super::*;

    #[test]
    fn where_an_answer_is_cut_into_records_is_the_one_thing_that_may_differ() {
        let expected = answer(7, b"0123456789");
        let cut = [part(7, b"01234"), part(7, b"5"), answer(7, b"6789")].concat();
        assert_eq!(difference(&cut, &expected), None);
        assert_eq!(difference(&answer(7, &[b'x'; 200_000]), &answer(7, &[b'x'; 200_000])), None);
        let stderr = [reply(7, 7, b"oh"), expected.clone()].concat();
        let aligned = [padded(STDOUT, 7, b"0123456789", 6), answer(7, b"")].concat();
        let ended_early = [part(7, b"01234"), reply(STDOUT, 7, b""), answer(7, b"56789")].concat();
        let no_end = [part(7, b"0123456789"), end(7, 0, 0)].concat();
        let followed = [&expected[..], &[1]].concat();
        let mut reserved = expected.clone();
        reserved[7] = 1;
        let mut version = expected.clone();
        version[0] = 2;
        let mut end_reserved = expected.clone();
        *end_reserved.last_mut().unwrap() = 1;
        for wrong in [
            stderr,
            aligned,
            ended_early,
            no_end,
            followed,
            reserved,
            version,
            end_reserved,
            answer(8, b"0123456789"),
            answer(7, b"0123456788"),
            answer(7, b"012345678"),
            expected[..expected.len() - 1].to_vec(),
            Vec::new(),
        ] {
            assert!(difference(&wrong, &expected).is_some(), "{:?}", pieces(&wrong));
        }
    }

    #[test]
    fn a_difference_is_told_by_its_place() {
        let told = difference(&answer(1, b"abcX"), &answer(1, b"abcd")).unwrap();
        assert!(told.contains("piece 0:") && told.contains("same up to byte 3"), "{told}");
    }
}
