//! One file of an index over HTTP. A busy index is asked again, and one that breaks off is asked for the rest.
//!
//! No error from here shows a URL: it may hold credentials.

use std::io::{self, Read, Seek as _, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use reqwest::blocking::{Client, Response};
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, IF_RANGE, LAST_MODIFIED,
    RANGE, RETRY_AFTER,
};
use reqwest::{StatusCode, Url};
use tempfile::NamedTempFile;

use super::error::PackagesError;
use super::lock::LockedWheel;
use crate::digest::Hasher;
use crate::progress::{Progress, Stage};

/// How long to wait before the second and the third try.
const BACK_OFF: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(1500)];

/// A try that brought so many bytes was no failure: the next one that breaks off counts as the first.
const HEADWAY: u64 = 1 << 20;

/// The longest wait that an index may ask for. Longer ones are left to the person, who may have better things to do.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// An index that sends nothing for so long is as good as gone, unless UV_HTTP_TIMEOUT says otherwise.
const SILENCE: Duration = Duration::from_secs(60);

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Asks indexes for files.
#[derive(Default)]
pub(super) struct Fetcher {
    /// Made when the first wheel is not in the cache: reading the system's certificates takes time.
    client: Mutex<Option<Client>>,
}

/// Why one try to fetch a file failed.
enum Failure {
    /// Another try may help: the connection broke, or the index said it is busy.
    Passing(Trouble),
    Lasting(PackagesError),
}

/// What went wrong, and how long the index asks to be left alone.
struct Trouble {
    what: What,
    wait: Option<Duration>,
}

enum What {
    Broken(Cause),
    Busy(StatusCode),
}

impl Fetcher {
    /// Brings the file at `url` into `draft`: all of it, with the hash of the lock.
    pub fn fetch(&self, url: &Url, draft: &mut Draft<'_>) -> Result<(), PackagesError> {
        let mut tries = 0;
        let mut known = None;
        loop {
            let before = draft.length;
            let trouble = match self.try_once(url, draft, &mut known) {
                Ok(()) => return Ok(()),
                Err(Failure::Lasting(error)) => return Err(error),
                Err(Failure::Passing(trouble)) => trouble,
            };
            if draft.length >= before + HEADWAY {
                tries = 0;
            }
            let patient = trouble.wait.is_none_or(|wait| wait <= LONGEST_WAIT);
            let Some(wait) = BACK_OFF.get(tries).filter(|_| patient) else {
                return Err(trouble.told(&draft.wheel.file_name));
            };
            tries += 1;
            std::thread::sleep(trouble.wait.unwrap_or_default().max(*wait));
        }
    }

    /// `known` is what told the index's file from another one when the draft was begun.
    fn try_once(&self, url: &Url, draft: &mut Draft<'_>, known: &mut Option<String>) -> Result<(), Failure> {
        let broken = |error: reqwest::Error| Failure::broken(plain(error));
        let client = self.client().map_err(|error| {
            let (file, cause) = (draft.wheel.file_name.clone(), plain(error));
            Failure::Lasting(PackagesError::Download { file, cause })
        })?;
        // Credentials in the URL become a header, which does not follow to another host.
        let mut request = client.get(url.clone()).header(ACCEPT_ENCODING, "identity");
        if let Some(known) = known.as_ref().filter(|_| draft.length > 0) {
            request = request.header(RANGE, format!("bytes={}-", draft.length)).header(IF_RANGE, known);
        } else {
            draft.restart()?;
        }
        let response = request.send().map_err(broken)?;
        let status = response.status();
        if status == StatusCode::PARTIAL_CONTENT && draft.length > 0 {
            if start_of_range(response.headers()) != Some(draft.length) {
                draft.restart()?;
                return Err(Failure::broken("the index sends another part than it was asked for".into()));
            }
        } else if status.is_success() {
            draft.restart()?;
            *known = version_of(response.headers());
        } else {
            return Err(draft.refused(&response));
        }
        if draft.length == 0 && is_page(response.headers()) {
            // Some servers call every file a page; what is in it tells.
            let mut begin = [0; 2];
            let mut response = response;
            let read = read_up_to(&mut response, &mut begin).map_err(Failure::broken)?;
            if begin[..read] != *b"PK" {
                let file = draft.wheel.file_name.clone();
                return Err(Failure::Lasting(PackagesError::WebPage { file }));
            }
            return draft.fill(begin.chain(response));
        }
        draft.fill(response)
    }

    fn client(&self) -> reqwest::Result<Client> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        // Another part of this process may have installed one already; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let silence = silence();
        let made = Client::builder()
            .user_agent(concat!("holdall/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(silence.min(Duration::from_secs(20)))
            .timeout(silence)
            // The address before a redirect may hold a token, and is no business of whom it leads to.
            .referer(false)
            .build()?;
        Ok(client.insert(made).clone())
    }
}

/// A wheel's file on its way to its place: what has come of it, over all tries.
pub(super) struct Draft<'a> {
    wheel: &'a LockedWheel,
    file: &'a mut NamedTempFile,
    hasher: Hasher,
    length: u64,
    /// Whether it was put together from the answers of several tries.
    pieced: bool,
    /// How much of this file the progress has heard of, over all tries.
    told: u64,
    progress: &'a dyn Progress,
}

impl<'a> Draft<'a> {
    pub fn new(wheel: &'a LockedWheel, file: &'a mut NamedTempFile, progress: &'a dyn Progress) -> Draft<'a> {
        Draft { wheel, file, hasher: Hasher::default(), length: 0, pieced: false, told: 0, progress }
    }

    /// Takes all that a local file holds.
    pub fn copy(&mut self, reader: impl Read) -> Result<(), PackagesError> {
        match self.fill(reader) {
            Ok(()) => Ok(()),
            Err(Failure::Lasting(error)) => Err(error),
            Err(Failure::Passing(trouble)) => Err(trouble.told(&self.wheel.file_name)),
        }
    }

    fn restart(&mut self) -> Result<(), Failure> {
        if self.length > 0 {
            self.file.as_file().set_len(0)?;
            self.file.rewind()?;
        }
        (self.hasher, self.length, self.pieced) = (Hasher::default(), 0, false);
        Ok(())
    }

    /// Takes what `reader` gives; then all of the file must be there, and be right.
    fn fill(&mut self, mut reader: impl Read) -> Result<(), Failure> {
        self.pieced |= self.length > 0;
        let size = self.wheel.size;
        let mut buffer = vec![0; 128 * 1024];
        loop {
            let read = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Failure::broken(plain_io(error))),
            };
            self.length += read as u64;
            if let Some(size) = size.filter(|size| self.length > *size) {
                self.restart()?;
                let cause = format!("the index sends more than the {size} bytes that the lock says");
                return Err(Failure::broken(cause.into()));
            }
            self.hasher.update(&buffer[..read]);
            self.file.write_all(&buffer[..read])?;
            self.progress.advance(Stage::Download, self.length.saturating_sub(self.told).min(read as u64));
            self.told = self.length.max(self.told);
        }
        if let Some(size) = size.filter(|size| self.length < *size) {
            let cause = format!("the index sent {} of the {size} bytes that the lock says", self.length);
            return Err(Failure::broken(cause.into()));
        }
        let (expected, found) = (self.wheel.sha256, self.hasher.clone().finish());
        if found == expected {
            return Ok(());
        }
        if self.pieced {
            self.restart()?;
            return Err(Failure::broken("the parts that the index sent are not of one file".into()));
        }
        let file = self.wheel.file_name.clone();
        Err(Failure::Lasting(PackagesError::WrongDigest { file, expected, found }))
    }

    /// What an answer other than the file means.
    fn refused(&mut self, response: &Response) -> Failure {
        let (file, status) = (self.wheel.file_name.clone(), response.status());
        let answer = status.to_string();
        match status.as_u16() {
            401 | 403 | 407 => Failure::Lasting(PackagesError::Denied { file, answer }),
            404 | 410 => Failure::Lasting(PackagesError::Gone { file, answer }),
            // What is there already was cut off a file that the index no longer has in this form.
            416 => match self.restart() {
                Ok(()) => Failure::broken(format!("the index answered {answer}").into()),
                Err(failure) => failure,
            },
            408 | 425 | 429 | 500..=599 => {
                let wait = asked_wait(response.headers());
                Failure::Passing(Trouble { what: What::Busy(status), wait })
            }
            _ => {
                let cause = format!("the index answered {answer}").into();
                Failure::Lasting(PackagesError::Download { file, cause })
            }
        }
    }
}

impl Failure {
    fn broken(cause: Cause) -> Failure {
        Failure::Passing(Trouble { what: What::Broken(cause), wait: None })
    }
}

/// A draft that cannot be written.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Lasting(error.into())
    }
}

impl Trouble {
    fn told(self, file: &str) -> PackagesError {
        let file = file.to_owned();
        match self.what {
            What::Broken(cause) => PackagesError::Download { file, cause },
            What::Busy(status) => {
                let asks = self.wait.filter(|wait| !wait.is_zero());
                let asks = asks.map(|wait| format!(" and asks to wait {} s", wait.as_secs()));
                PackagesError::Busy { file, answer: format!("{status}{}", asks.unwrap_or_default()) }
            }
        }
    }
}

/// UV_HTTP_TIMEOUT, which is in seconds: what holds for uv's questions holds for ours.
fn silence() -> Duration {
    let set = std::env::var("UV_HTTP_TIMEOUT").ok().and_then(|text| text.trim().parse().ok());
    set.filter(|seconds| *seconds > 0).map_or(SILENCE, Duration::from_secs)
}

/// What tells this file from another one that may stand in its place later, if the index says it for certain.
fn version_of(headers: &HeaderMap) -> Option<String> {
    let text = |name: HeaderName| Some(headers.get(name)?.to_str().ok()?.to_owned());
    text(ETAG).filter(|tag| !tag.starts_with("W/")).or_else(|| text(LAST_MODIFIED))
}

/// The place in the file at which the answer begins: `bytes 200-999/1000`.
fn start_of_range(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
    range.split('-').next()?.trim().parse().ok()
}

fn is_page(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/html")
}

/// `Retry-After`: seconds, or a date.
fn asked_wait(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let date = || httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).ok();
    text.parse().ok().map(Duration::from_secs).or_else(date)
}

fn read_up_to(reader: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Cause> {
    let mut read = 0;
    while read < buffer.len() {
        match reader.read(&mut buffer[read..]) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(plain_io(error)),
        }
    }
    Ok(read)
}

/// The deepest cause of a failed request: the ones above repeat the URL.
fn plain(error: reqwest::Error) -> Cause {
    if error.is_timeout() {
        return format!("the index sent nothing for {} s", silence().as_secs()).into();
    }
    deepest(&error.without_url()).into()
}

fn plain_io(error: io::Error) -> Cause {
    match error.downcast::<reqwest::Error>() {
        Ok(error) => plain(error),
        Err(error) => deepest(&error).into(),
    }
}

fn deepest(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    crate::said::redact(&cause.to_string())
}
