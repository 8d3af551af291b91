//! A package index on loopback that wants to know who asks, and wheels that are made here.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use base64::Engine as _;
use holdall::digest::Sha256;

/// The password of `ann`.
pub const PASSWORD: &str = "0pen-s3same";

/// A wheel of a package that is one module, which says `word`: wheels with other words are other files.
pub fn wheel(name: &str, version: &str, word: &str) -> Vec<u8> {
    let about = format!("{name}-{version}.dist-info");
    let files = [
        (format!("{name}/__init__.py"), format!("WORD = '{word}'\n")),
        (format!("{about}/METADATA"), format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")),
        (
            format!("{about}/WHEEL"),
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n".to_owned(),
        ),
    ];
    let mut record: String = files
        .iter()
        .map(|(name, text)| {
            let digest = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(Sha256::of(text).as_bytes());
            format!("{name},sha256={digest},{}\n", text.len())
        })
        .collect();
    record += &format!("{about}/RECORD,,\n");
    let record = (format!("{about}/RECORD"), record);
    let files: Vec<_> =
        files.iter().chain([&record]).map(|(name, text)| (name.as_str(), text.as_str())).collect();
    zipped(&files)
}

fn zipped(files: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// An index that answers as long as the tests run.
pub struct Index {
    address: SocketAddr,
}

impl Index {
    /// An index with one wheel of `demo` 1.0, for `ann` alone.
    pub fn private(word: &str) -> Index {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let demo = wheel("demo", "1.0", word);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(&mut stream.unwrap(), &demo);
            }
        });
        Index { address }
    }

    /// `http://127.0.0.1:1234/`
    pub fn root(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub fn simple(&self) -> String {
        format!("{}simple/", self.root())
    }

    /// The index with a name and a password in its URL.
    pub fn simple_for(&self, name: &str, password: &str) -> String {
        format!("http://{name}:{password}@{}/simple/", self.address)
    }
}

fn answer(stream: &mut TcpStream, demo: &[u8]) {
    let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let request: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let first = request.first().map(String::as_str).unwrap_or_default();
    let login = base64::engine::general_purpose::STANDARD.encode(format!("ann:{PASSWORD}"));
    let known = request.iter().any(|line| {
        line.split_once(": ").is_some_and(|(name, value)| {
            name.eq_ignore_ascii_case("authorization") && value == format!("Basic {login}")
        })
    });
    let path = first.split(' ').nth(1).unwrap_or_default();
    let file = "demo-1.0-py3-none-any.whl";
    let page = || format!("<a href=\"/files/{file}#sha256={}\">{file}</a>", Sha256::of(demo)).into_bytes();
    let found = match path {
        "/simple/demo/" => Some(("text/html", page())),
        _ => (path == format!("/files/{file}")).then(|| ("application/octet-stream", demo.to_vec())),
    };
    let (status, kind, body) = match found {
        _ if !known => {
            ("401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"corp\"", "text/plain", Vec::new())
        }
        Some((kind, body)) => ("200 OK", kind, body),
        None => ("404 Not Found", "text/plain", Vec::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let body = if first.starts_with("HEAD") { Vec::new() } else { body };
    let _ = stream.write_all(&[head.as_bytes(), &body].concat());
}
