//! The web server's side of FastCGI, written apart from the bridge's own: a mistake there does not cancel out.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// A connection to the bridge.
pub trait Wire: Read + Write + Send {}
impl Wire for UnixStream {}
impl Wire for TcpStream {}

pub struct Client {
    pub wire: Box<dyn Wire>,
}

/// One answer, as it came.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub head: String,
    pub body: Vec<u8>,
    pub stderr: Vec<u8>,
    /// Empty STDOUT records.
    pub ends: usize,
    /// STDOUT records that were not empty.
    pub pieces: usize,
    /// appStatus and protocolStatus; none if the connection ended first.
    pub end: Option<(u32, u8)>,
    /// The record of version 0 that says that the answer is cut.
    pub cut: bool,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn expect(&self, status: &str, body: &str) {
        let first = self.head.lines().next().unwrap_or_default();
        assert_eq!((first, self.text().as_str()), (format!("Status: {status}").as_str(), body));
        assert_eq!((self.end, self.ends), (Some((0, 0)), 1), "{self:?}");
        assert!(self.stderr.is_empty(), "nothing on FCGI_STDERR: {self:?}");
    }
}

impl Client {
    pub fn unix(path: &std::path::Path) -> Client {
        let wire = UnixStream::connect(path).unwrap();
        wire.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Client { wire: Box::new(wire) }
    }

    pub fn tcp(address: &str) -> Client {
        let wire = TcpStream::connect(address).unwrap();
        wire.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Client { wire: Box::new(wire) }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.wire.write_all(bytes).unwrap();
    }

    pub fn ask(&mut self, request: &Request) -> Answer {
        self.send(&request.bytes());
        self.answer(request.id)
    }

    /// One record: type, id, content. `None` at the end of the connection.
    pub fn record(&mut self) -> Option<(u8, u16, Vec<u8>)> {
        let mut head = [0; 8];
        self.wire.read_exact(&mut head).ok()?;
        if head == [0; 8] {
            assert!(self.is_closed(), "nothing follows a cut");
            return Some((0, 0, Vec::new()));
        }
        assert_eq!(head[0], 1, "a record of version 1, not {head:?}");
        let mut content = vec![0; usize::from(u16::from_be_bytes([head[4], head[5]]))];
        self.wire.read_exact(&mut content).ok()?;
        self.wire.read_exact(&mut vec![0; usize::from(head[6])]).ok()?;
        Some((head[1], u16::from_be_bytes([head[2], head[3]]), content))
    }

    /// Reads up to END_REQUEST or the end of the connection.
    pub fn answer(&mut self, id: u16) -> Answer {
        let mut answer = Answer::default();
        let mut stdout = Vec::new();
        while let Some((kind, found, content)) = self.record() {
            if (kind, found) == (0, 0) {
                answer.cut = true;
                break;
            }
            assert_eq!(found, id, "a record of our request");
            match kind {
                6 if content.is_empty() => answer.ends += 1,
                6 => {
                    assert_eq!(answer.ends, 0, "nothing follows the end of the stream");
                    answer.pieces += 1;
                    stdout.extend(content);
                }
                7 => answer.stderr.extend(content),
                3 => {
                    let status = u32::from_be_bytes(content[..4].try_into().unwrap());
                    answer.end = Some((status, content[4]));
                    break;
                }
                other => panic!("a record of type {other}"),
            }
        }
        if let Some(at) = stdout.windows(4).position(|four| four == b"\r\n\r\n") {
            answer.head = stdout[..at].iter().map(|byte| char::from(*byte)).collect();
            answer.body = stdout.split_off(at + 4);
        }
        answer
    }

    /// Whether the bridge has closed the connection.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.wire.read(&mut [0]), Ok(0) | Err(_))
    }
}

/// A request to be sent whole or in parts.
#[derive(Debug, Clone)]
pub struct Request {
    pub id: u16,
    pub keep: bool,
    pub params: Vec<(String, String)>,
    pub body: Vec<u8>,
}

pub fn get(path: &str) -> Request {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let request = Request { id: 1, keep: false, params: Vec::new(), body: Vec::new() };
    request
        .with("REQUEST_METHOD", "GET")
        .with("SCRIPT_NAME", "")
        .with("PATH_INFO", path)
        .with("QUERY_STRING", query)
        .with("SERVER_NAME", "localhost")
        .with("SERVER_PORT", "80")
        .with("SERVER_PROTOCOL", "HTTP/1.1")
}

pub fn post(path: &str, body: &[u8]) -> Request {
    let mut request = get(path).with("REQUEST_METHOD", "POST");
    request.body = body.to_vec();
    request.with("CONTENT_LENGTH", &body.len().to_string())
}

impl Request {
    pub fn with(mut self, name: &str, value: &str) -> Request {
        self.params.retain(|(found, _)| found != name);
        self.params.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn kept(mut self) -> Request {
        self.keep = true;
        self
    }

    pub fn numbered(mut self, id: u16) -> Request {
        self.id = id;
        self
    }

    /// BEGIN_REQUEST and the parameters.
    pub fn head(&self) -> Vec<u8> {
        let mut pairs = Vec::new();
        for (name, value) in &self.params {
            for text in [name, value] {
                pairs.extend((u32::try_from(text.len()).unwrap() | 0x8000_0000).to_be_bytes());
            }
            pairs.extend(name.as_bytes());
            pairs.extend(value.as_bytes());
        }
        let mut bytes = record(1, self.id, &[0, 1, u8::from(self.keep), 0, 0, 0, 0, 0]);
        pairs.chunks(60_000).for_each(|piece| bytes.extend(record(4, self.id, piece)));
        bytes.extend(record(4, self.id, b""));
        bytes
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head();
        self.body.chunks(8_000).for_each(|piece| bytes.extend(record(5, self.id, piece)));
        bytes.extend(record(5, self.id, b""));
        bytes
    }
}

/// A record with some padding, as every record may have.
pub fn record(kind: u8, id: u16, content: &[u8]) -> Vec<u8> {
    let padding = u8::try_from(content.len() % 7).unwrap();
    let [id_high, id_low] = id.to_be_bytes();
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    let mut bytes = vec![1, kind, id_high, id_low, high, low, padding, 0];
    bytes.extend(content);
    bytes.extend(vec![0x55; usize::from(padding)]);
    bytes
}
