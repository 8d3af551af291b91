//! The least of an HTTP client: IIS on this machine, one request a connection, and every byte of the path as it is
//! written. A library would put the path right, or keep the connection.

use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, ensure};

/// What is asked.
#[derive(Debug, Clone)]
pub struct Request {
    pub port: u16,
    pub target: String,
    /// A body, sent as one chunk without its length.
    pub chunk: Option<&'static [u8]>,
    /// A body with its length.
    pub body: Option<Vec<u8>>,
}

impl Request {
    pub fn get(port: u16, target: impl Into<String>) -> Request {
        Request { port, target: target.into(), chunk: None, body: None }
    }

    fn bytes(&self) -> Vec<u8> {
        let method = if self.chunk.is_some() || self.body.is_some() { "POST" } else { "GET" };
        let head = format!("{method} {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", self.target);
        let mut bytes = head.into_bytes();
        if let Some(chunk) = self.chunk {
            bytes.extend(format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", chunk.len()).bytes());
            bytes.extend(chunk);
            bytes.extend(b"\r\n0\r\n\r\n");
        } else {
            let body = self.body.as_deref().unwrap_or_default();
            bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes());
            bytes.extend(body);
        }
        bytes
    }

    /// Sends the request; the answer can be read, or left.
    pub fn send(&self) -> anyhow::Result<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))
            .with_context(|| format!("nobody listens on 127.0.0.1:{}", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(90)))?;
        stream.set_write_timeout(Some(Duration::from_secs(90)))?;
        stream.write_all(&self.bytes())?;
        Ok(stream)
    }
}

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads to the end of the connection.
    pub fn read(mut stream: impl Read) -> anyhow::Result<Answer> {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).context("the answer breaks off")?;
        Answer::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> anyhow::Result<Answer> {
        let end = find(bytes, b"\r\n\r\n").context("the answer has no head")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut answer = Answer {
            status: status.context("the answer has no status")?,
            headers,
            body: bytes[end + 4..].into(),
        };
        if answer.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            answer.body = unchunked(&answer.body)?;
        } else if let Some(length) =
            answer.header("content-length").and_then(|value| value.parse::<usize>().ok())
        {
            ensure!(answer.body.len() == length, "{} of {length} bytes came", answer.body.len());
        }
        Ok(answer)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

fn unchunked(mut bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = find(bytes, b"\r\n").context("the answer breaks off between two chunks")?;
        let size = std::str::from_utf8(&bytes[..end])?.split(';').next().unwrap_or("").trim();
        let size = usize::from_str_radix(size, 16).context("the answer has a chunk without a size")?;
        if size == 0 {
            return Ok(body);
        }
        let rest = &bytes[end + 2..];
        ensure!(rest.len() >= size + 2, "the answer breaks off in a chunk");
        body.extend_from_slice(&rest[..size]);
        bytes = &rest[size + 2..];
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_put_together_and_a_missing_end_is_told() {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Folder: one\r\n\r\n";
        let whole = Answer::read(format!("{head}2\r\nab\r\n1;x\r\nc\r\n0\r\n\r\n").as_bytes()).unwrap();
        assert_eq!(
            (whole.status, whole.body.as_slice(), whole.header("x-folder")),
            (200, &b"abc"[..], Some("one"))
        );
        let error = Answer::read(format!("{head}2\r\nab\r\n5\r\nc").as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "the answer breaks off in a chunk");
        let error = Answer::read(&b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"[..]).unwrap_err();
        assert_eq!(error.to_string(), "3 of 5 bytes came");
    }

    #[test]
    fn a_request_says_its_path_as_it_is_written() {
        let request = Request::get(80, "/a%2Bb+c/../%E6");
        assert!(request.bytes().starts_with(b"GET /a%2Bb+c/../%E6 HTTP/1.1\r\n"));
        let chunked = Request { chunk: Some(b"four"), ..Request::get(80, "/") };
        assert!(chunked.bytes().ends_with(b"chunked\r\n\r\n4\r\nfour\r\n0\r\n\r\n"));
    }
}
