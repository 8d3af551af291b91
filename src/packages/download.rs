//! Fetching wheels into the cache, several at a time, each held against its hash before it gets its name.
//!
//! What is in the cache already needs no network. Nothing half-fetched or wrong is ever kept.

use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Url;
use reqwest::blocking::Client;

use super::credentials::{Credentials, Login};
use super::error::PackagesError;
use super::lock::{LockedWheel, Origin};
use super::parallel::each;
use super::question::Request;
use crate::cache::{Cache, write_whole};
use crate::digest::{Hasher, Sha256};
use crate::progress::{Progress, Stage, Unit};

/// A wheel on disk whose bytes are those of the lock.
#[derive(Debug, Clone)]
pub struct Wheel {
    pub locked: LockedWheel,
    pub file: PathBuf,
}

/// The folder of the cache that holds wheels.
const FOLDER: &str = "wheels";

/// How many wheels are on their way at once. More than this makes an index slow rather than us fast.
const AT_ONCE: usize = 8;

/// How long to wait before the second and the third try.
const BACK_OFF: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(1500)];

/// An index that sends nothing for so long is as good as gone.
const SILENCE: Duration = Duration::from_secs(60);

/// Makes sure that all `wheels` are in the cache, whole and right; gives them back in the same order. Who asks, and
/// whether the index may be asked at all, is the `request`'s matter.
pub fn download(
    wheels: &[LockedWheel],
    request: &Request<'_>,
    cache: &Cache,
    progress: &dyn Progress,
) -> Result<Vec<Wheel>, PackagesError> {
    let folder = cache.folder(FOLDER)?;
    progress.begin(Stage::Download, wheels.iter().filter_map(|wheel| wheel.size).sum(), Unit::Bytes);
    let credentials = LazyLock::new(|| Credentials::of(request));
    let offline = request.supply.offline;
    let fetcher =
        Fetcher { client: Mutex::new(None), credentials: &|url| credentials.login(url), offline, progress };
    let fetched = each(AT_ONCE, wheels, |wheel| fetcher.bring(wheel, &folder));
    progress.end(Stage::Download);
    fetched
}

/// Whether a wheel lies in the cache. Whether it is whole is looked at when it is used.
pub fn is_cached(wheel: &LockedWheel, cache: &Cache) -> bool {
    place(wheel, &cache.root().join(FOLDER)).is_file()
}

/// Where a wheel lies in the cache: its name is kept, since it says what the wheel is for.
fn place(wheel: &LockedWheel, wheels: &Path) -> PathBuf {
    wheels.join(wheel.sha256.to_string()).join(&wheel.file_name)
}

/// Where a wheel lies in this cache; its folder is there.
pub(super) fn place_in(wheel: &LockedWheel, cache: &Cache) -> io::Result<PathBuf> {
    let file = place(wheel, &cache.folder(FOLDER)?);
    fs_err::create_dir_all(file.parent().expect("a place in the cache has a folder"))?;
    Ok(file)
}

struct Fetcher<'a> {
    /// Made when the first wheel is not in the cache: reading the system's certificates takes time.
    client: Mutex<Option<Client>>,
    credentials: &'a (dyn Fn(&Url) -> Option<Login> + Sync),
    offline: bool,
    progress: &'a dyn Progress,
}

/// Why one try to fetch a file failed.
enum Failure {
    /// Another try may help: the connection broke, or the server said it is busy.
    Passing(Box<dyn std::error::Error + Send + Sync>),
    Lasting(PackagesError),
}

impl Fetcher<'_> {
    fn bring(&self, wheel: &LockedWheel, wheels: &Path) -> Result<Wheel, PackagesError> {
        let file = place(wheel, wheels);
        let folder = file.parent().expect("a place in the cache has a folder");
        let done = || Ok(Wheel { locked: wheel.clone(), file: file.clone() });
        if file.is_file() {
            if Sha256::of_file(&file)? == wheel.sha256 {
                self.progress.advance(Stage::Download, wheel.size.unwrap_or(0));
                return done();
            }
            // Something damaged it since; what the lock says can be fetched again.
            fs_err::remove_file(&file)?;
        }
        fs_err::create_dir_all(folder)?;
        let brought = match &wheel.origin {
            Origin::Path(path) | Origin::Project(path) => self.copy(path, wheel, &file),
            Origin::Url(_) if self.offline => Err(PackagesError::NotHere { file: wheel.file_name.clone() }),
            Origin::Url(url) => self.fetch(url, wheel, &file),
        };
        if brought.is_err() {
            // Only if it is empty; another run may be writing there.
            let _ = std::fs::remove_dir(folder);
        }
        brought.and_then(|()| done())
    }

    fn copy(&self, from: &Path, wheel: &LockedWheel, to: &Path) -> Result<(), PackagesError> {
        let reader = fs_err::File::open(from)?;
        match self.write(reader, wheel, to, &mut 0) {
            Ok(()) => Ok(()),
            Err(Failure::Lasting(error)) => Err(error),
            Err(Failure::Passing(cause)) => {
                Err(PackagesError::Download { file: wheel.file_name.clone(), cause })
            }
        }
    }

    fn fetch(&self, url: &Url, wheel: &LockedWheel, to: &Path) -> Result<(), PackagesError> {
        let mut told = 0;
        let mut waits = BACK_OFF.iter();
        loop {
            let cause = match self.try_once(url, wheel, to, &mut told) {
                Ok(()) => return Ok(()),
                Err(Failure::Lasting(error)) => return Err(error),
                Err(Failure::Passing(cause)) => cause,
            };
            match waits.next() {
                Some(wait) => std::thread::sleep(*wait),
                None => return Err(PackagesError::Download { file: wheel.file_name.clone(), cause }),
            }
        }
    }

    fn try_once(&self, url: &Url, wheel: &LockedWheel, to: &Path, told: &mut u64) -> Result<(), Failure> {
        let lasting = |cause: Box<dyn std::error::Error + Send + Sync>| {
            Failure::Lasting(PackagesError::Download { file: wheel.file_name.clone(), cause })
        };
        let client = self.client().map_err(|error| lasting(error.without_url().into()))?;
        // Credentials become a header, those in the URL by themselves; no error may show the URL itself.
        let mut asking = client.get(url.clone());
        if let Some(login) = (self.credentials)(url) {
            asking = asking.basic_auth(login.name, login.password);
        }
        let response = asking.send();
        let response = response.map_err(|error| Failure::Passing(plain(error)))?;
        let status = response.status();
        if matches!(status.as_u16(), 401 | 403) {
            return Err(Failure::Lasting(PackagesError::Denied { what: format!("`{}`", wheel.file_name) }));
        }
        if !status.is_success() {
            let cause = format!("the index answered {status}").into();
            let busy = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
            return Err(if busy { Failure::Passing(cause) } else { lasting(cause) });
        }
        self.write(response, wheel, to, told)
    }

    /// Writes what `reader` gives to `to`, unless its hash is wrong. `told` is how much of this file the progress
    /// has heard of, over all tries.
    fn write(
        &self,
        mut reader: impl Read,
        wheel: &LockedWheel,
        to: &Path,
        told: &mut u64,
    ) -> Result<(), Failure> {
        let mut broken = None;
        let mut wrong = None;
        let written = write_whole(to, |file| {
            let mut hasher = Hasher::default();
            let mut buffer = vec![0; 128 * 1024];
            let mut length = 0;
            loop {
                let read = match reader.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(read) => read,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => {
                        broken = Some(plain_io(error));
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                };
                length += read as u64;
                if wheel.size.is_some_and(|size| length > size) {
                    broken = Some("the index sends more than the lock says".into());
                    return Err(io::ErrorKind::InvalidData.into());
                }
                hasher.update(&buffer[..read]);
                file.write_all(&buffer[..read])?;
                self.progress.advance(Stage::Download, length.saturating_sub(*told).min(read as u64));
                *told = length.max(*told);
            }
            if wheel.size.is_some_and(|size| length < size) {
                broken = Some("the index sent less than the lock says".into());
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let found = hasher.finish();
            if found != wheel.sha256 {
                wrong = Some(found);
                return Err(io::ErrorKind::InvalidData.into());
            }
            Ok(())
        });
        match (broken, wrong, written) {
            (Some(cause), _, _) => Err(Failure::Passing(cause)),
            (_, Some(found), _) => Err(Failure::Lasting(PackagesError::WrongDigest {
                file: wheel.file_name.clone(),
                expected: wheel.sha256,
                found,
            })),
            (_, _, Err(error)) => Err(Failure::Lasting(error.into())),
            (_, _, Ok(())) => Ok(()),
        }
    }

    fn client(&self) -> reqwest::Result<Client> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        // Another part of this process may have installed one already; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let made = Client::builder()
            .user_agent(concat!("holdall/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(20))
            .timeout(SILENCE)
            .build()?;
        Ok(client.insert(made).clone())
    }
}

/// The deepest cause of a failed request: the ones above repeat the URL.
fn plain(error: reqwest::Error) -> Box<dyn std::error::Error + Send + Sync> {
    deepest(&error.without_url()).into()
}

fn plain_io(error: io::Error) -> Box<dyn std::error::Error + Send + Sync> {
    deepest(&error).into()
}

fn deepest(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    crate::said::redact(&cause.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::{BufRead as _, BufReader};
    use std::net::TcpListener;

    use super::*;
    use crate::packages::Supply;
    use crate::progress::Silent;
    use crate::project::Dependencies;
    use crate::python::MinorVersion;
    use crate::target::Target;

    /// Serves `answers` in turn, one a connection, and gives back the requests it heard.
    fn index(answers: Vec<Vec<u8>>) -> (Url, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://me:secret@{}/a-1-py3-none-any.whl", listener.local_addr().unwrap());
        let heard = std::thread::spawn(move || {
            let answer = |answer: Vec<u8>| {
                let (mut stream, _) = listener.accept().unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let request = lines.map(Result::unwrap).take_while(|line| !line.is_empty());
                let request: Vec<String> = request.collect();
                stream.write_all(&answer).unwrap();
                request.join("\n")
            };
            answers.into_iter().map(answer).collect()
        });
        (url.parse().unwrap(), heard)
    }

    fn ok(body: &[u8]) -> Vec<u8> {
        [
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())
                .as_bytes(),
            body,
        ]
        .concat()
    }

    fn status(line: &str) -> Vec<u8> {
        format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
    }

    fn wheel(origin: Origin) -> LockedWheel {
        LockedWheel {
            name: "a".to_owned(),
            version: "1".to_owned(),
            file_name: "a-1-py3-none-any.whl".to_owned(),
            sha256: Sha256::of("content"),
            size: None,
            origin,
        }
    }

    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Place {
            Place(tempfile::tempdir().unwrap())
        }

        fn download(&self, wheel: LockedWheel) -> Result<PathBuf, PackagesError> {
            let dependencies = Dependencies::Requirements(Vec::new());
            let minor = MinorVersion { major: 3, minor: 12 };
            let (supply, target) = (Supply::default(), Target::LinuxX86_64);
            let build = crate::packages::Build::Nothing;
            let request = Request { dependencies: &dependencies, supply: &supply, build, target, minor };
            let wheels = download(&[wheel], &request, &Cache::at(self.0.path()), &Silent)?;
            Ok(wheels.into_iter().next().unwrap().file)
        }

        fn is_empty(&self) -> bool {
            fs_err::read_dir(self.0.path().join("wheels")).unwrap().next().is_none()
        }
    }

    #[test]
    fn a_busy_or_broken_index_is_asked_again() {
        let mut cut_off = ok(b"content");
        cut_off.truncate(cut_off.len() - 3);
        let (url, heard) = index(vec![status("503 Service Unavailable"), cut_off, ok(b"content")]);
        let place = Place::new();
        let file = place.download(wheel(Origin::Url(url))).unwrap();
        assert_eq!(fs_err::read(file).unwrap(), b"content");
        let heard = heard.join().unwrap();
        assert!(heard[2].to_lowercase().contains("authorization: basic bwu6c2vjcmv0"), "{}", heard[2]);
    }

    #[test]
    fn what_is_cached_needs_no_index_until_it_is_damaged() {
        let (url, heard) = index(vec![ok(b"content"), ok(b"content")]);
        let place = Place::new();
        let wheel = wheel(Origin::Url(url));
        let cache = Cache::at(place.0.path());
        assert!(!is_cached(&wheel, &cache));
        let file = place.download(wheel.clone()).unwrap();
        assert!(is_cached(&wheel, &cache));
        place.download(wheel.clone()).unwrap();
        fs_err::write(&file, "damaged").unwrap();
        place.download(wheel).unwrap();
        assert_eq!(fs_err::read(file).unwrap(), b"content");
        assert_eq!(heard.join().unwrap().len(), 2);
    }

    #[test]
    fn a_wrong_file_is_refused_and_leaves_nothing() {
        let (url, heard) = index(vec![ok(b"another")]);
        let place = Place::new();
        let error = place.download(wheel(Origin::Url(url))).unwrap_err();
        let expected = format!(
            "`a-1-py3-none-any.whl` has SHA-256 {}, and the lock says {}",
            Sha256::of("another"),
            Sha256::of("content")
        );
        assert_eq!(error.to_string(), expected);
        assert!(place.is_empty());
        heard.join().unwrap();
    }

    #[test]
    fn a_download_that_cannot_be_had_is_told_without_its_url() {
        let busy = || status("503 Service Unavailable");
        let place = Place::new();
        for answers in [vec![busy(), busy(), busy()], vec![status("404 Not Found")], Vec::new()] {
            let (url, heard) = index(answers);
            let port = url.port().unwrap().to_string();
            let error = place.download(wheel(Origin::Url(url))).unwrap_err();
            assert_eq!(error.to_string(), "cannot fetch `a-1-py3-none-any.whl`");
            let cause = std::error::Error::source(&error).unwrap().to_string();
            assert!(!cause.contains(&port) && !cause.contains("secret"), "{cause}");
            heard.join().unwrap();
        }
        assert!(place.is_empty());
    }

    #[test]
    fn an_index_that_lies_about_the_length_is_not_believed() {
        let (url, heard) = index(vec![ok(b"content and more"), ok(b"cont"), ok(b"content")]);
        let place = Place::new();
        let file = place.download(LockedWheel { size: Some(7), ..wheel(Origin::Url(url)) }).unwrap();
        assert_eq!(fs_err::read(file).unwrap(), b"content");
        heard.join().unwrap();
    }

    #[test]
    fn a_local_wheel_is_copied_and_must_be_there() {
        let place = Place::new();
        let path = place.0.path().join("a-1-py3-none-any.whl");
        let missing = place.download(wheel(Origin::Path(path.clone()))).unwrap_err();
        assert!(
            matches!(missing, PackagesError::Io(error) if error.to_string().contains("a-1-py3-none-any.whl"))
        );
        fs_err::write(&path, "content").unwrap();
        assert!(place.download(wheel(Origin::Path(path))).is_ok());
    }
}
