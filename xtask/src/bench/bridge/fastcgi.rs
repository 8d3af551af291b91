//! Load by FastCGI itself: one connection, one request after the other, as from a web server that does nothing else.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};

const BEGIN: u8 = 1;
const END: u8 = 3;
const PARAMS: u8 = 4;
const STDIN: u8 = 5;
const STDOUT: u8 = 6;

/// Bytes in front of every record.
const HEADER: usize = 8;

/// The most content of the records that are sent: what nginx puts into one.
const PIECE: usize = 32 * 1024;

const PATIENCE: Duration = Duration::from_secs(20);

/// A request as nginx would send it, with what must be the end of its answer.
pub struct Question {
    keep: bool,
    head: Vec<u8>,
    /// Of the body, sent in records of some size.
    body: usize,
    answer: Vec<u8>,
}

impl Question {
    /// `keep`: the connection is to outlive the request.
    pub fn get(path: &str, keep: bool, answer: &[u8]) -> Question {
        Question { keep, head: head(path, keep, 0), body: 0, answer: answer.to_vec() }
    }

    /// Sends `size` bytes; the answer is their number.
    pub fn upload(path: &str, size: usize) -> Question {
        Question {
            keep: true,
            head: head(path, true, size),
            body: size,
            answer: size.to_string().into_bytes(),
        }
    }
}

fn head(path: &str, keep: bool, length: usize) -> Vec<u8> {
    let (method, length) = if length > 0 { ("POST", length.to_string()) } else { ("GET", String::new()) };
    let pairs = [
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("SERVER_SOFTWARE", "bench"),
        ("REQUEST_METHOD", method),
        ("QUERY_STRING", ""),
        ("CONTENT_TYPE", ""),
        ("CONTENT_LENGTH", &length),
        ("SCRIPT_NAME", ""),
        ("PATH_INFO", path),
        ("REQUEST_URI", path),
        ("DOCUMENT_URI", path),
        ("DOCUMENT_ROOT", "/var/www"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("REQUEST_SCHEME", "http"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("REMOTE_PORT", "40000"),
        ("SERVER_ADDR", "127.0.0.1"),
        ("SERVER_PORT", "80"),
        ("SERVER_NAME", "localhost"),
        ("HTTP_HOST", "localhost"),
        ("HTTP_USER_AGENT", "bench"),
        ("HTTP_ACCEPT", "*/*"),
    ];
    let mut params = Vec::new();
    for (name, value) in pairs {
        for length in [name.len(), value.len()] {
            params.push(u8::try_from(length).expect("all of them are short"));
        }
        params.extend_from_slice(name.as_bytes());
        params.extend_from_slice(value.as_bytes());
    }
    let mut bytes = Vec::new();
    record(&mut bytes, BEGIN, &[0, 1, u8::from(keep), 0, 0, 0, 0, 0]);
    record(&mut bytes, PARAMS, &params);
    record(&mut bytes, PARAMS, &[]);
    bytes
}

fn record(out: &mut Vec<u8>, kind: u8, content: &[u8]) {
    let [high, low] = u16::try_from(content.len()).expect("a record holds less").to_be_bytes();
    out.extend_from_slice(&[1, kind, 0, 1, high, low, 0, 0]);
    out.extend_from_slice(content);
}

/// Asks for so long, and returns how long an answer takes at the median, in microseconds.
pub fn load(socket: &Path, question: &Question, time: Duration) -> anyhow::Result<f64> {
    let mut asker = Asker::new(socket);
    let end = Instant::now() + time;
    let mut times = Vec::new();
    while Instant::now() < end || times.is_empty() {
        let began = Instant::now();
        asker.ask(question)?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2].as_secs_f64() * 1e6)
}

/// Asks once.
pub fn ask(socket: &Path, question: &Question) -> anyhow::Result<()> {
    Asker::new(socket).ask(question)
}

struct Asker {
    socket: PathBuf,
    stream: Option<UnixStream>,
    buffer: Vec<u8>,
}

impl Asker {
    fn new(socket: &Path) -> Asker {
        Asker { socket: socket.to_owned(), stream: None, buffer: vec![0; 64 * 1024] }
    }

    fn ask(&mut self, question: &Question) -> anyhow::Result<()> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = UnixStream::connect(&self.socket)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                stream
            }
        };
        send(&mut stream, question)?;
        let mut filled = 0;
        while !is_whole(&self.buffer[..filled], &question.answer)? {
            match stream.read(&mut self.buffer[filled..])? {
                0 => bail!("the connection ended inside an answer"),
                read => filled += read,
            }
        }
        if question.keep {
            self.stream = Some(stream);
        } else {
            // The server is free for the next when it has closed this one.
            while matches!(stream.read(&mut self.buffer), Ok(1..)) {}
        }
        Ok(())
    }
}

fn send(stream: &mut UnixStream, question: &Question) -> io::Result<()> {
    let mut bytes = question.head.clone();
    let mut left = question.body;
    while left > 0 {
        let piece = left.min(PIECE);
        record(&mut bytes, STDIN, &vec![b'u'; piece]);
        stream.write_all(&bytes)?;
        bytes.clear();
        left -= piece;
    }
    record(&mut bytes, STDIN, &[]);
    stream.write_all(&bytes)
}

/// Whether the answer is there to its end; an error if it is another than what is awaited.
fn is_whole(bytes: &[u8], answer: &[u8]) -> anyhow::Result<bool> {
    let mut rest = bytes;
    let mut last: &[u8] = &[];
    while let [1, kind, _, _, high, low, padding, _, ..] = *rest {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some(after) = rest.get(HEADER + length + usize::from(padding)..) else { return Ok(false) };
        match kind {
            STDOUT if length > 0 => last = &rest[HEADER..HEADER + length],
            STDOUT => {}
            END => {
                ensure!(last.ends_with(answer), "another answer: `{}`", last.escape_ascii());
                return Ok(true);
            }
            other => bail!("a record of type {other} in an answer"),
        }
        rest = after;
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_with_its_end_and_not_before() -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        record(&mut bytes, STDOUT, b"Status: 200 OK\r\n\r\nhello");
        record(&mut bytes, STDOUT, b"");
        record(&mut bytes, END, &[0; 8]);
        for end in 0..bytes.len() {
            assert!(!is_whole(&bytes[..end], b"hello")?, "{end} bytes");
        }
        assert!(is_whole(&bytes, b"hello")?);
        assert!(is_whole(&bytes, b"another").is_err());
        Ok(())
    }
}
