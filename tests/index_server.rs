//! A package index on loopback, which serves wheels well until a story tells it otherwise.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use base64::Engine as _;

use crate::wheels::WheelFile;

/// The index. It serves until the tests end.
pub struct Index {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    wheels: Vec<WheelFile>,
    whim: Whim,
    asked: Mutex<Vec<Asked>>,
}

/// What a story does to a request; `None` leaves it to the index. The number counts the requests for this path.
type Whim = Box<dyn Fn(&Asked, usize, &Answer) -> Option<Answer> + Send + Sync>;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub at: Instant,
    headers: BTreeMap<String, String>,
}

impl Asked {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn is_wheel(&self) -> bool {
        self.path.ends_with(".whl")
    }

    /// Whether it came with this name and password.
    pub fn comes_from(&self, login: &str) -> bool {
        let expected = base64::engine::general_purpose::STANDARD.encode(login);
        self.header("authorization") == format!("Basic {expected}")
    }
}

/// What the index sends.
#[derive(Clone)]
pub struct Answer {
    pub status: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// How much of the body really goes out before the connection ends.
    pub sent: usize,
    /// Whether it then waits instead of ending the connection.
    pub hangs: bool,
}

impl Answer {
    pub fn of(kind: &str, body: impl Into<Vec<u8>>) -> Answer {
        let body = body.into();
        let headers = vec![("content-type", kind.to_owned()), ("content-length", body.len().to_string())];
        Answer { status: "200 OK", headers, sent: body.len(), body, hangs: false }
    }

    pub fn status(status: &'static str) -> Answer {
        Answer { status, ..Answer::of("text/plain", "") }
    }

    pub fn with(mut self, name: &'static str, value: impl ToString) -> Answer {
        self = self.without(name);
        self.headers.push((name, value.to_string()));
        self
    }

    pub fn without(mut self, name: &str) -> Answer {
        self.headers.retain(|(other, _)| *other != name);
        self
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    /// The connection ends before all of it was sent.
    pub fn cut(mut self, sent: usize) -> Answer {
        self.sent = sent;
        self
    }

    /// Only `sent` bytes come, and the connection stays.
    pub fn hanging(mut self, sent: usize) -> Answer {
        (self.sent, self.hangs) = (sent, true);
        self
    }
}

impl Index {
    /// An index of these wheels that does as it should.
    pub fn of(wheels: &[WheelFile]) -> Index {
        Index::with(wheels, |_, _, _| None)
    }

    /// As [`Index::of`], but `whim` may send something else than the index would: it sees the request, how many came
    /// for the same path before, and the answer that is due.
    pub fn with(
        wheels: &[WheelFile],
        whim: impl Fn(&Asked, usize, &Answer) -> Option<Answer> + Send + Sync + 'static,
    ) -> Index {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (wheels, whim) = (wheels.to_vec(), Box::new(whim));
        let shared = Arc::new(Shared { wheels, whim, asked: Mutex::default() });
        let index = Index { address, shared: Arc::clone(&shared) };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&shared);
                // A client that hangs up is none of the index's business.
                std::thread::spawn(move || shared.serve(stream.unwrap()));
            }
        });
        index
    }

    /// Host and port.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// The URL that index options take; `login` is `name:password@` or nothing.
    pub fn simple(&self, login: &str) -> String {
        format!("http://{login}{}/simple/", self.address)
    }

    /// The requests for wheels so far.
    pub fn asked_for_wheels(&self) -> Vec<Asked> {
        self.asked().into_iter().filter(Asked::is_wheel).collect()
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut lines = BufReader::new(stream.try_clone().ok()?).lines().map_while(Result::ok);
        let first = lines.next()?;
        let mut words = first.split(' ');
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let headers = lines.take_while(|line| !line.is_empty()).filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        });
        let asked = Asked { method, path, at: Instant::now(), headers: headers.collect() };
        let before = {
            let mut all = self.asked.lock().unwrap();
            let before = all.iter().filter(|other| other.path == asked.path).count();
            all.push(asked.clone());
            before
        };
        let due = self.due(&asked);
        let answer = (self.whim)(&asked, before, &due).unwrap_or(due);
        let mut head = format!("HTTP/1.1 {}\r\nconnection: close\r\n", answer.status);
        for (name, value) in &answer.headers {
            head += &format!("{name}: {value}\r\n");
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).ok()?;
        if asked.method != "HEAD" {
            stream.write_all(&answer.body[..answer.sent]).ok()?;
        }
        if answer.hangs {
            // Until the client goes away.
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
        Some(())
    }

    /// What a good index answers.
    fn due(&self, asked: &Asked) -> Answer {
        let name = asked.path.trim_matches('/').rsplit('/').next().unwrap_or_default();
        if let Some(wheel) = self.wheels.iter().find(|wheel| wheel.file_name == name) {
            return part_of(wheel, asked);
        }
        let metadata = |wheel: &&WheelFile| name == format!("{}.metadata", wheel.file_name);
        if let Some(wheel) = self.wheels.iter().find(metadata) {
            return Answer::of("application/octet-stream", wheel.metadata.as_str());
        }
        let files = self.wheels.iter().filter(|wheel| wheel.project.replace('_', "-") == name);
        let files = files.map(|wheel| {
            serde_json::json!({
                "filename": wheel.file_name,
                "url": format!("/files/{}", wheel.file_name),
                "hashes": { "sha256": wheel.sha256().to_string() },
                "size": wheel.bytes.len(),
                "core-metadata": true,
            })
        });
        let files: Vec<_> = files.collect();
        match files.is_empty() {
            true => Answer::status("404 Not Found"),
            false => {
                let page =
                    serde_json::json!({ "meta": { "api-version": "1.1" }, "name": name, "files": files });
                Answer::of("application/vnd.pypi.simple.v1+json", page.to_string())
            }
        }
    }
}

/// The wheel, or the part of it that is asked for if it is still this one.
fn part_of(wheel: &WheelFile, asked: &Asked) -> Answer {
    let tag = format!("\"{}\"", wheel.sha256());
    let whole = || Answer::of("application/octet-stream", wheel.bytes.as_slice()).with("etag", &tag);
    let from = asked.header("range").strip_prefix("bytes=").and_then(|range| range.strip_suffix('-'));
    match from.and_then(|from| from.parse::<usize>().ok()) {
        Some(from) if from < wheel.bytes.len() && asked.header("if-range") == tag => {
            let length = wheel.bytes.len();
            let part = Answer::of("application/octet-stream", &wheel.bytes[from..]);
            let part = part.with("content-range", format!("bytes {from}-{}/{length}", length - 1));
            Answer { status: "206 Partial Content", ..part.with("etag", &tag) }
        }
        _ => whole(),
    }
}
