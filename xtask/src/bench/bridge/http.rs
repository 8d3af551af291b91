//! Load over HTTP: some connections that are kept, each with the next request as soon as its last is answered.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is asked for, and what must come.
pub struct Question {
    request: Vec<u8>,
    /// Bytes of the answer's body, and what they are if they are few.
    length: usize,
    body: Option<Vec<u8>>,
}

impl Question {
    pub fn get(path: &str, length: usize, body: Option<&[u8]>) -> Question {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n");
        Question { request: request.into_bytes(), length, body: body.map(<[u8]>::to_vec) }
    }

    /// Sends `size` bytes; the answer is their number.
    pub fn upload(path: &str, size: usize) -> Question {
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\n\
             Content-Type: application/octet-stream\r\nContent-Length: {size}\r\n\r\n"
        )
        .into_bytes();
        request.resize(request.len() + size, b'u');
        let body = size.to_string().into_bytes();
        Question { request, length: body.len(), body: Some(body) }
    }
}

/// What came of asking for some time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Right answers a second.
    pub rate: f64,
    /// How many questions had none, as a part of all.
    pub lost: f64,
}

/// Asks over `connections` connections for so long. Who gets no right answer connects anew; without any it is an error.
pub fn load(socket: &Path, question: &Question, connections: usize, time: Duration) -> anyhow::Result<Load> {
    let started = Instant::now();
    let end = started + time;
    let work = || {
        let mut asker = Asker::connect(socket)?;
        let (mut answered, mut lost) = (0u32, Vec::new());
        while Instant::now() < end {
            match asker.ask(question) {
                Ok(()) => answered += 1,
                Err(error) => {
                    lost.push(error);
                    asker = Asker::connect(socket)?;
                }
            }
        }
        anyhow::Ok((answered, lost))
    };
    let results = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(work)).collect();
        let joined = threads.into_iter().map(|thread| thread.join().expect("asking does not panic"));
        joined.collect::<anyhow::Result<Vec<_>>>()
    })?;
    let seconds = started.elapsed().as_secs_f64();
    let answered = f64::from(results.iter().map(|(answered, _)| answered).sum::<u32>());
    let mut errors: Vec<_> = results.into_iter().flat_map(|(_, lost)| lost).collect();
    let lost = errors.len() as f64;
    match errors.pop() {
        Some(error) if answered == 0.0 => Err(error),
        _ => Ok(Load { rate: answered / seconds, lost: lost / (lost + answered).max(1.0) }),
    }
}

/// Asks once.
pub fn ask(socket: &Path, question: &Question) -> anyhow::Result<()> {
    Asker::connect(socket)?.ask(question)
}

struct Asker {
    stream: UnixStream,
    buffer: Vec<u8>,
}

impl Asker {
    fn connect(socket: &Path) -> anyhow::Result<Asker> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Asker { stream, buffer: vec![0; 256 * 1024] })
    }

    fn ask(&mut self, question: &Question) -> anyhow::Result<()> {
        self.stream.write_all(&question.request)?;
        let mut filled = 0;
        let head = loop {
            filled += self.read(filled)?;
            if let Some(at) = self.buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
        };
        let told = std::str::from_utf8(&self.buffer[..head]).context("a head of text")?;
        ensure!(told.starts_with("HTTP/1.1 200 "), "an answer of another status: {told}");
        let length = told.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("Content-Length").then(|| value.parse::<usize>().ok())?
        });
        ensure!(length == Some(question.length), "an answer of another length: {told}");
        let mut received = filled - head;
        if let Some(body) = &question.body {
            while received < question.length {
                let more = self.read(filled)?;
                filled += more;
                received += more;
            }
            ensure!(self.buffer[head..filled] == body[..], "another answer than `{}`", body.escape_ascii());
        } else {
            while received < question.length {
                received += self.read(0)?;
            }
        }
        ensure!(received == question.length, "more than one answer");
        Ok(())
    }

    fn read(&mut self, at: usize) -> io::Result<usize> {
        match self.stream.read(&mut self.buffer[at..])? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => Ok(read),
        }
    }
}
