//! Fetching wheels into the cache, several at a time, each held against its hash before it gets its name.
//!
//! What is in the cache already needs no network. Nothing half-fetched or wrong is ever kept.

use std::io;
use std::path::{Path, PathBuf};

use super::credentials;
use super::error::PackagesError;
use super::fetch::{Draft, Fetcher};
use super::lock::{LockedWheel, Origin};
use super::parallel::each;
use super::question::Request;
use crate::cache::{self, Cache, write_whole};
use crate::digest::Sha256;
use crate::progress::{Notice, Progress, Stage, Unit};

/// A wheel on disk whose bytes are those of the lock.
#[derive(Debug, Clone)]
pub struct Wheel {
    pub locked: LockedWheel,
    pub file: PathBuf,
}

/// The folder of the cache that holds wheels.
const FOLDER: &str = cache::WHEELS;

/// How many wheels are on their way at once. More than this makes an index slow rather than us fast.
const AT_ONCE: usize = 8;

/// Makes sure that all `wheels` are in the cache, whole and right; gives them back in the same order. Who asks, and
/// whether the index may be asked at all, is the `request`'s matter. What the
/// person should know of it goes to `notices`.
pub fn download(
    wheels: &[LockedWheel],
    request: &Request<'_>,
    cache: &Cache,
    progress: &dyn Progress,
    notices: &mut Vec<Notice>,
) -> Result<Vec<Wheel>, PackagesError> {
    let folder = cache.folder(FOLDER)?;
    progress.begin(Stage::Download, wheels.iter().filter_map(|wheel| wheel.size).sum(), Unit::Bytes);
    let fetcher = Fetcher::default();
    let mut asked = wheels.to_vec();
    if !wheels.iter().all(|wheel| is_cached(wheel, cache)) {
        credentials::give(&mut asked, request.folder(), request.requirements());
    }
    let offline = request.supply.offline;
    let fetched = each(AT_ONCE, &asked, |wheel| bring(wheel, &folder, &fetcher, offline, progress));
    progress.end(Stage::Download);
    let (fetched, damaged): (Vec<_>, Vec<_>) = fetched?.into_iter().unzip();
    notices.extend(damaged.into_iter().flatten());
    // What is known further on has no credentials.
    let known = fetched.into_iter().zip(wheels);
    Ok(known.map(|(wheel, locked): (Wheel, _)| Wheel { locked: locked.clone(), ..wheel }).collect())
}

/// What to say of a wheel in the cache whose bytes are not those of its name any more.
fn damaged(file: &Path) -> Notice {
    Notice {
        what: format!("the cached wheel `{}` is damaged (`{}`)", name_of(file), file.display()),
        help: "nothing: it was fetched again; if this comes back, check the disk".to_owned(),
    }
}

/// Whether a wheel lies in the cache. Whether it is whole is looked at when it is used.
pub fn is_cached(wheel: &LockedWheel, cache: &Cache) -> bool {
    place(wheel, &cache.root().join(FOLDER)).is_file()
}

/// In what way a folder of the cache's wheels is damaged, if it is: it is named by the SHA-256 of the file in it.
pub fn damage(folder: &Path) -> io::Result<Option<String>> {
    let expected = folder.file_name().and_then(|name| name.to_str()?.parse().ok());
    let Some(expected) = expected else { return Ok(Some("its name is no SHA-256".to_owned())) };
    let files = fs_err::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    for file in files.collect::<io::Result<Vec<_>>>()? {
        let is_wheel = file.extension().is_some_and(|extension| extension == "whl");
        if is_wheel && Sha256::of_file(&file)? != expected {
            return Ok(Some(format!("`{}` has another SHA-256", name_of(&file))));
        }
    }
    Ok(None)
}

fn name_of(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
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

fn bring(
    wheel: &LockedWheel,
    wheels: &Path,
    fetcher: &Fetcher,
    offline: bool,
    progress: &dyn Progress,
) -> Result<(Wheel, Option<Notice>), PackagesError> {
    let file = place(wheel, wheels);
    let folder = file.parent().expect("a place in the cache has a folder");
    let mut notice = None;
    if file.is_file() {
        if Sha256::of_file(&file)? == wheel.sha256 {
            cache::used(folder);
            progress.advance(Stage::Download, wheel.size.unwrap_or(0));
            return Ok((Wheel { locked: wheel.clone(), file }, None));
        }
        // What the lock says can be fetched again. It takes the place of what is there: another run may just have put
        // the right one there.
        notice = Some(damaged(&file));
    }
    fs_err::create_dir_all(folder)?;
    let brought = written(
        &file,
        |draft| match &wheel.origin {
            Origin::Path(path) | Origin::Project(path) => draft.copy(fs_err::File::open(path)?),
            Origin::Url(_) if offline => Err(PackagesError::NotHere { file: wheel.file_name.clone() }),
            Origin::Url(url) => fetcher.fetch(url, draft),
        },
        wheel,
        progress,
    );
    if brought.is_err() {
        // Only if it is empty; another run may be writing there.
        let _ = std::fs::remove_dir(folder);
    }
    brought.map(|()| (Wheel { locked: wheel.clone(), file }, notice))
}

/// Gives the file its name when `fill` has filled the draft of it with what the lock wants.
fn written(
    file: &Path,
    fill: impl FnOnce(&mut Draft<'_>) -> Result<(), PackagesError>,
    wheel: &LockedWheel,
    progress: &dyn Progress,
) -> Result<(), PackagesError> {
    let mut failed = None;
    let written = write_whole(file, |file| {
        fill(&mut Draft::new(wheel, file, progress)).map_err(|error| {
            failed = Some(error);
            io::ErrorKind::InvalidData.into()
        })
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(written?),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;

    use reqwest::Url;

    use super::*;
    use crate::packages::{Build, Supply};
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
            self.download_with(wheel, &mut Vec::new())
        }

        fn download_with(
            &self,
            wheel: LockedWheel,
            notices: &mut Vec<Notice>,
        ) -> Result<PathBuf, PackagesError> {
            let dependencies = Dependencies::Requirements(Vec::new());
            let minor = MinorVersion { major: 3, minor: 12 };
            let (supply, target, build) = (Supply::default(), Target::LinuxX86_64, Build::Nothing);
            let request = Request { dependencies: &dependencies, supply: &supply, build, target, minor };
            let wheels = download(&[wheel], &request, &Cache::at(self.0.path()), &Silent, notices)?;
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
        let mut notices = Vec::new();
        place.download_with(wheel, &mut notices).unwrap();
        assert!(notices[0].what.starts_with("the cached wheel `a-1-py3-none-any.whl` is damaged"));
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
        let place = Place::new();
        let (url, heard) = index(vec![Vec::new(), Vec::new(), Vec::new()]);
        let port = url.port().unwrap().to_string();
        let error = place.download(wheel(Origin::Url(url))).unwrap_err();
        assert_eq!(error.to_string(), "cannot fetch `a-1-py3-none-any.whl`");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(!cause.contains(&port) && !cause.contains("secret"), "{cause}");
        heard.join().unwrap();
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
