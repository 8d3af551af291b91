//! The head of a CGI answer: `Status`, headers, an empty line. Parses what the process sends and refuses
//! what cannot be passed on as HTTP.

use bytes::{Bytes, BytesMut};
use hyper::StatusCode;
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, LOCATION, TRANSFER_ENCODING, UPGRADE,
};

/// A head longer than this is a fault of the application.
const LONGEST: usize = 1024 * 1024;

/// Status and headers of an answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    pub status: StatusCode,
    pub headers: HeaderMap,
}

/// An answer that is not CGI.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadHead {
    #[error("the head of the answer is longer than {} kB", LONGEST / 1024)]
    TooLong,
    #[error("the answer ends before its head does")]
    Unfinished,
    #[error("`{0}` in the head of the answer is not a header")]
    Header(String),
    #[error("`{0}` in the head of the answer is not a status")]
    Status(String),
    #[error("the answer has two lengths")]
    TwoLengths,
}

/// Collects the head from the pieces in which it arrives.
#[derive(Default)]
pub struct Collector {
    bytes: BytesMut,
}

impl Collector {
    /// Takes one more piece. Once the head is whole it is returned with what follows it.
    pub fn push(&mut self, piece: &[u8]) -> Result<Option<(Head, Bytes)>, BadHead> {
        // The end may begin in an earlier piece: `\r\n\r` there, `\n` here.
        let from = self.bytes.len().saturating_sub(3);
        self.bytes.extend_from_slice(piece);
        let Some(end) = end_of_head(&self.bytes, from) else {
            return if self.bytes.len() > LONGEST { Err(BadHead::TooLong) } else { Ok(None) };
        };
        let head = parse(&self.bytes[..end])?;
        Ok(Some((head, self.bytes.split_off(end).freeze())))
    }
}

/// Where the body begins: after an empty line.
fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    if from == 0 {
        // A head of nothing but its empty line.
        for empty in [&b"\n"[..], b"\r\n"] {
            if bytes.starts_with(empty) {
                return Some(empty.len());
            }
        }
    }
    let ends = bytes.iter().enumerate().skip(from).filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    ends.into_iter().find_map(|at| match &bytes[at..] {
        [b'\n', ..] => Some(at + 1),
        [b'\r', b'\n', ..] => Some(at + 2),
        _ => None,
    })
}

fn parse(head: &[u8]) -> Result<Head, BadHead> {
    let shown = |line: &[u8]| String::from_utf8_lossy(&line[..line.len().min(80)]).escape_debug().to_string();
    let mut status = None;
    let mut headers = HeaderMap::new();
    for line in head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)) {
        if line.is_empty() {
            continue;
        }
        let wrong = || BadHead::Header(shown(line));
        let colon = line.iter().position(|byte| *byte == b':').ok_or_else(wrong)?;
        let name = HeaderName::from_bytes(line[..colon].trim_ascii_end()).map_err(|_| wrong())?;
        let value = line[colon + 1..].trim_ascii();
        if name == "status" {
            let code = value.split(|byte| *byte == b' ').next().unwrap_or(value);
            // 1xx would be taken as a promise of another head.
            let code = StatusCode::from_bytes(code).ok().filter(|code| !code.is_informational());
            status = Some(code.ok_or_else(|| BadHead::Status(shown(line)))?);
        } else if of_the_connection(&name) {
            // How the bytes travel to the client is between it and this server.
        } else {
            if name == CONTENT_LENGTH && headers.contains_key(CONTENT_LENGTH) {
                return Err(BadHead::TwoLengths);
            }
            headers.append(name, HeaderValue::from_bytes(value).map_err(|_| wrong())?);
        }
    }
    let redirect = headers.contains_key(LOCATION);
    let status = status.unwrap_or(if redirect { StatusCode::FOUND } else { StatusCode::OK });
    Ok(Head { status, headers })
}

fn of_the_connection(name: &HeaderName) -> bool {
    [CONNECTION, TRANSFER_ENCODING, UPGRADE].contains(name) || name == "keep-alive"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(bytes: &[u8]) -> (Head, Bytes) {
        Collector::default().push(bytes).unwrap().unwrap()
    }

    #[test]
    fn a_head_is_found_however_it_is_cut() {
        for answer in [
            &b"Status: 404 Not Found\r\nA: 1\r\n\r\nbody\r\n\r\n"[..],
            b"Status: 404 Not Found\nA: 1\n\nbody\r\n\r\n",
            b"Status: 404 Not Found\r\nA: 1\n\r\nbody\r\n\r\n",
        ] {
            let (head, body) = whole(answer);
            assert_eq!((head.status.as_u16(), &*body), (404, &b"body\r\n\r\n"[..]));
            for cut in 1..answer.len() {
                let mut collector = Collector::default();
                let mut body = Vec::new();
                let mut found = collector.push(&answer[..cut]).unwrap();
                if found.is_none() {
                    found = collector.push(&answer[cut..]).unwrap();
                } else {
                    body.extend_from_slice(&answer[cut..]);
                }
                let (again, rest) = found.unwrap();
                assert_eq!(again, head);
                assert_eq!([&*rest, &body].concat(), b"body\r\n\r\n");
            }
        }
    }

    #[test]
    fn repeated_headers_stay_apart() {
        let (head, _) = whole(b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nConnection: close\r\n\r\n");
        let cookies: Vec<_> = head.headers.get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        assert_eq!((head.status, head.headers.len()), (StatusCode::OK, 2));
    }

    #[test]
    fn without_a_status_it_is_200_or_a_redirect() {
        assert_eq!(whole(b"\r\nx").0.status, StatusCode::OK);
        assert_eq!(whole(b"Location: /x\r\n\r\n").0.status, StatusCode::FOUND);
    }

    #[test]
    fn what_is_no_head_is_refused() {
        for (bytes, error) in [
            (&b"no colon\r\n\r\n"[..], "`no colon` in the head of the answer is not a header"),
            (b"a b: 1\r\n\r\n", "`a b: 1` in the head of the answer is not a header"),
            (b"Status: 99999\r\n\r\n", "`Status: 99999` in the head of the answer is not a status"),
            (b"Status: 101 x\r\n\r\n", "`Status: 101 x` in the head of the answer is not a status"),
            (b"Content-Length: 1\nContent-Length: 2\n\n", "the answer has two lengths"),
        ] {
            let refused = Collector::default().push(bytes).unwrap_err();
            assert_eq!(refused.to_string(), error);
        }
        assert_eq!(Collector::default().push(&vec![b'a'; LONGEST + 1]), Err(BadHead::TooLong));
    }
}
