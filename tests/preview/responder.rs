//! A FastCGI responder with one descriptor, one connection and no mercy: it does what the path of a request
//! says. It runs in a process of its own: the test program, started again.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use holdall::site::Invocation;

use crate::system::{self, Listener, Stream};

/// The variable that turns the test program into a responder.
const ROLE: &str = "HOLDALL_TEST_RESPONDER";

/// Left by a responder that is asked to end.
static LAST_MARK: OnceLock<PathBuf> = OnceLock::new();

/// What a web server starts for a responder that behaves.
pub fn invocation() -> Invocation {
    with_role("serve")
}

/// A responder that complains and ends.
pub fn failing() -> Invocation {
    with_role("fail")
}

fn with_role(role: &str) -> Invocation {
    Invocation {
        program: std::env::current_exe().unwrap(),
        args: ["--exact", "preview::responder_process", "--nocapture"].map(Into::into).into(),
        environment: BTreeMap::from([(ROLE.to_owned(), role.to_owned())]),
        cwd: std::env::temp_dir(),
    }
}

/// Takes over when this process was started as a responder.
pub fn run_if_asked() {
    match std::env::var(ROLE).as_deref() {
        Ok("serve") => serve(),
        Ok("fail") => {
            io::stderr().write_all(b"ImportError: no module named boom\n").unwrap();
            std::process::exit(1);
        }
        _ => {}
    }
}

/// Serves until it is asked to end, or is ended.
pub fn serve() -> ! {
    let listener = Listener::given();
    system::when_asked_to_end(|| {
        if let Some(mark) = LAST_MARK.get() {
            std::fs::write(mark, "").unwrap();
        }
    });
    loop {
        // A connection that breaks is over; the next one may be better.
        let _ = listener.accept().and_then(|stream| converse(stream, &listener));
    }
}

struct Request {
    params: BTreeMap<String, Vec<u8>>,
    /// The part of the body that has been read so far is not kept.
    ended: bool,
}

fn converse(mut stream: Stream, listener: &Listener) -> io::Result<()> {
    let mut params = Vec::new();
    loop {
        let (kind, content) = record(&mut stream)?;
        match kind {
            1 => params.clear(),
            4 if !content.is_empty() => params.extend(content),
            4 => {
                let request = Request { params: decode(&params), ended: false };
                answer(&mut stream, request, listener)?;
            }
            9 => send(&mut stream, 10, 0, b"")?,
            _ => {}
        }
    }
}

fn answer(stream: &mut Stream, mut request: Request, listener: &Listener) -> io::Result<()> {
    let param =
        |name: &str| String::from_utf8_lossy(request.params.get(name).map_or(&[], |v| v)).into_owned();
    let (path, query) = (param("PATH_INFO"), param("QUERY_STRING"));
    match &*path {
        "/params" => {
            let mut text = format!("pid={}\nchannel={}\n", std::process::id(), listener.address());
            for (name, value) in &request.params {
                text += &format!("{name}={}\n", value.escape_ascii());
            }
            body_length(stream, &mut request)?;
            output(stream, format!("Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n{text}").as_bytes())?;
        }
        "/upload" => {
            let length = body_length(stream, &mut request)?;
            output(stream, format!("Status: 201 Created\r\n\r\n{length}").as_bytes())?;
        }
        "/download" => {
            let length: usize = query.parse().unwrap();
            output(stream, b"Content-Type: application/x\r\n\r\n")?;
            let block: Vec<u8> = (0..30_000u32).map(|n| (n % 251) as u8).collect();
            let mut left = length;
            while left > 0 {
                let now = left.min(block.len());
                output(stream, &block[..now])?;
                left -= now;
            }
        }
        "/endless" => {
            output(stream, b"Content-Type: application/x\r\n\r\n")?;
            let mut sent = 0usize;
            loop {
                output(stream, &[0; 32 * 1024])?;
                sent += 32 * 1024;
                std::fs::write(&query, sent.to_string())?;
            }
        }
        "/leave-a-mark" => {
            LAST_MARK.set(query.into()).unwrap();
            output(stream, b"\r\nso be it")?;
        }
        "/crash" => std::process::abort(),
        "/crash-once" if !Path::new(&query).exists() => {
            std::fs::write(&query, "")?;
            std::process::abort();
        }
        "/crash-in-body" => {
            output(stream, b"Content-Type: text/plain\r\n\r\nhalf")?;
            std::process::abort();
        }
        "/gate" => {
            std::fs::write(Path::new(&query).join("in"), "")?;
            while !Path::new(&query).join("open").exists() {
                std::thread::sleep(Duration::from_millis(5));
            }
            body_length(stream, &mut request)?;
            output(stream, b"\r\nthrough")?;
        }
        "/hang" => {
            std::fs::write(Path::new(&query).join("in"), "")?;
            // Nothing comes but the word to give up, or the end of the connection.
            while record(stream)?.0 != 2 {}
            std::fs::write(Path::new(&query).join("aborted"), "")?;
        }
        "/never-reads" => loop {
            std::thread::sleep(Duration::from_secs(60));
        },
        "/early" => output(stream, b"Status: 413 Too Large\r\n\r\nno")?,
        "/errors" => {
            send(stream, 7, 1, b"first complaint\nsecond \x1b[2J complaint\n")?;
            writeln!(io::stdout(), "a print")?;
            output(stream, b"\r\nok")?;
        }
        "/no-head" => output(stream, b"this is no head\r\n\r\n")?,
        "/not-modified" => output(stream, b"Status: 304 Not Modified\r\nETag: \"x\"\r\n\r\n")?,
        "/gives-up" => {
            output(stream, b"Content-Type: text/plain\r\n\r\nhalf")?;
            return send(stream, 3, 1, &[0, 0, 0, 1, 0, 0, 0, 0]);
        }
        _ => output(stream, format!("Status: 404 Not Found\r\n\r\npid={}", std::process::id()).as_bytes())?,
    }
    send(stream, 6, 1, b"")?;
    send(stream, 3, 1, &[0; 8])
}

/// Reads the body to its end and counts it.
fn body_length(stream: &mut Stream, request: &mut Request) -> io::Result<usize> {
    let mut length = 0;
    while !request.ended {
        match record(stream)? {
            (5, content) if content.is_empty() => request.ended = true,
            (5, content) => length += content.len(),
            _ => {}
        }
    }
    Ok(length)
}

fn output(stream: &mut Stream, bytes: &[u8]) -> io::Result<()> {
    bytes.chunks(0xffff).try_for_each(|chunk| send(stream, 6, 1, chunk))
}

fn send(stream: &mut Stream, kind: u8, id: u8, content: &[u8]) -> io::Result<()> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let padding = (content.len() % 8) as u8;
    stream.write_all(&[1, kind, 0, id, length[0], length[1], padding, 0])?;
    stream.write_all(content)?;
    stream.write_all(&vec![0; padding.into()])
}

fn record(stream: &mut Stream) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 8];
    stream.read_exact(&mut head)?;
    let mut content = vec![0; usize::from(u16::from_be_bytes([head[4], head[5]])) + usize::from(head[6])];
    stream.read_exact(&mut content)?;
    content.truncate(usize::from(u16::from_be_bytes([head[4], head[5]])));
    Ok((head[1], content))
}

fn decode(mut bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    fn length(bytes: &mut &[u8]) -> usize {
        if bytes[0] < 0x80 {
            let length = bytes[0].into();
            *bytes = &bytes[1..];
            return length;
        }
        let (four, rest) = bytes.split_at(4);
        *bytes = rest;
        (u32::from_be_bytes(four.try_into().unwrap()) & 0x7fff_ffff) as usize
    }
    let mut params = BTreeMap::new();
    while !bytes.is_empty() {
        let (name, value) = (length(&mut bytes), length(&mut bytes));
        let (pair, rest) = bytes.split_at(name + value);
        params.insert(String::from_utf8(pair[..name].to_vec()).unwrap(), pair[name..].to_vec());
        bytes = rest;
    }
    params
}
