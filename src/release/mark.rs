//! `release.json`, the mark of a complete release: written last, so that whoever finds it finds all the rest.
//!
//! It says of which bundle the release is, and what was made on the server: together with the bundle's indexes that is
//! all that lies in the folder. Nothing in it is believed before all of it was checked.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::complete::is_absent;
use super::{ReleaseError, ReleaseId, read_up_to};
use crate::archive::SIGNATURE;
use crate::digest::Sha256;
use crate::durable::Disk;
use crate::entry::{EntryPath, EntryPathError};
use crate::layer::index;
use crate::manifest::MANIFEST;
use crate::target::Target;

/// The mark's name inside a release.
pub const MARK: &str = "release.json";

/// What becomes of the mark when a release is to be removed: it is no mark any more, and says what happens here.
pub const PRUNING: &str = "pruning.json";

/// The only format that this program reads and writes.
const FORMAT: u32 = 1;

/// What a mark may take. One with the bytecode of ten thousand modules has 2 MB.
const LIMIT: u64 = 64 << 20;

/// What is known of a complete release beside what its bundle says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// SHA-256 of the manifest.
    pub identity: Sha256,
    /// When the release was completed, to the second.
    pub completed: SystemTime,
    /// The last time at which any of its files was touched before that, in nanoseconds since 1970: what was touched
    /// later was changed.
    pub touched: u64,
    /// The files that were made on the server, sorted by path.
    pub made: Vec<MadeFile>,
}

/// A file that was made on the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MadeFile {
    pub path: EntryPath,
    pub size: u64,
    pub sha256: Sha256,
    pub origin: Origin,
}

/// Where a file comes from that is in no bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Origin {
    /// Compiled by the release's own Python.
    Bytecode,
    /// What the web server is told.
    #[serde(rename = "web.config")]
    WebConfig,
    /// A static file of an earlier release, for pages that are still open.
    CarriedOver {
        /// The release whose bundle has it.
        from: ReleaseId,
        /// How many releases ago that one was.
        age: u32,
    },
}

/// Why a mark is none.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum MarkError {
    #[error("it is not the JSON of a mark")]
    Malformed(#[source] serde_json::Error),
    #[error("it has format {found}, and this holdall reads format {FORMAT}")]
    UnknownFormat { found: u64 },
    #[error("it is larger than a mark can be")]
    TooLarge,
    #[error("it is of the bundle {found}, and the manifest beside it is {expected}")]
    OtherIdentity { found: Sha256, expected: Sha256 },
    #[error("it holds a bad name")]
    Path(
        #[from]
        #[diagnostic_source]
        EntryPathError,
    ),
    #[error("its files are not sorted by path at `{0}`")]
    NotSorted(EntryPath),
    #[error("`{0}` is a name of holdall's own")]
    Reserved(EntryPath),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMark {
    format: u32,
    identity: Sha256,
    completed: u64,
    touched: u64,
    made: Vec<RawFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    path: String,
    size: u64,
    sha256: Sha256,
    origin: Origin,
}

impl Mark {
    /// The mark in a folder; `None` if there is none.
    pub fn read(folder: &Path, target: Target) -> Result<Option<Mark>, ReleaseError> {
        let path = folder.join(MARK);
        let bytes = match read_up_to(&path, LIMIT) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(ReleaseError::Unreadable { path, source }),
        };
        Mark::parse(&bytes, target).map(Some).map_err(|source| ReleaseError::Mark { path, source })
    }

    pub fn parse(bytes: &[u8], target: Target) -> Result<Mark, MarkError> {
        #[derive(Deserialize)]
        struct Format {
            format: u64,
        }
        if bytes.len() as u64 > LIMIT {
            return Err(MarkError::TooLarge);
        }
        let Format { format } = serde_json::from_slice(bytes).map_err(MarkError::Malformed)?;
        if format != u64::from(FORMAT) {
            return Err(MarkError::UnknownFormat { found: format });
        }
        let raw: RawMark = serde_json::from_slice(bytes).map_err(MarkError::Malformed)?;
        let mut made: Vec<MadeFile> = Vec::with_capacity(raw.made.len());
        for RawFile { path, size, sha256, origin } in raw.made {
            let path = EntryPath::parse(&path, target)?;
            if is_reserved(&path) {
                return Err(MarkError::Reserved(path));
            }
            if made.last().is_some_and(|last| last.path >= path) {
                return Err(MarkError::NotSorted(path));
            }
            made.push(MadeFile { path, size, sha256, origin });
        }
        // A time that no clock shows is as good as none.
        let completed = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(raw.completed));
        let completed = completed.unwrap_or(SystemTime::UNIX_EPOCH);
        Ok(Mark { identity: raw.identity, completed, touched: raw.touched, made })
    }

    /// The exact bytes of the file: JSON, a line for each file that was made.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Mark { identity, completed, touched, made } = self;
        let completed = completed.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut text = format!(
            "{{\"format\":{FORMAT},\"identity\":\"{identity}\",\"completed\":{completed},\"touched\":{touched},\"made\":["
        );
        for (place, file) in made.iter().enumerate() {
            text.push_str(if place == 0 { "\n" } else { ",\n" });
            text.push_str(&serde_json::to_string(file).expect("a file that was made is plain data"));
        }
        text.push_str("\n]}\n");
        text.into_bytes()
    }
}

/// Makes the mark in a folder, if there is one, say that its release is to go; durable, before anything else of it goes.
///
/// It is renamed and not removed: a name that was removed may come back after a power cut on Windows, a rename is never
/// undone.
pub fn take(folder: &Path, disk: &Disk) -> io::Result<()> {
    let mark = folder.join(MARK);
    match fs_err::symlink_metadata(&mark) {
        Ok(_) => disk.rename(&mark, &folder.join(PRUNING)).and_then(|()| disk.sync_folder(folder)),
        Err(error) if is_absent(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether a name at the top of a release is kept for what makes it one, in any case of letters.
pub fn is_reserved(path: &EntryPath) -> bool {
    let first = path.as_str().split('/').next().unwrap_or_default();
    [index::FOLDER, MANIFEST, SIGNATURE, MARK, PRUNING].iter().any(|own| first.eq_ignore_ascii_case(own))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TARGET: Target = Target::WindowsX86_64;

    fn made(path: &str, origin: Origin) -> MadeFile {
        let path = EntryPath::parse(path, TARGET).unwrap();
        MadeFile { path, size: 3, sha256: Sha256::of("abc"), origin }
    }

    fn mark() -> Mark {
        let from = ReleaseId::parse("1.0-0123abcd").unwrap();
        Mark {
            identity: Sha256::of("manifest"),
            completed: SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000),
            touched: 1_789_999_999_123_456_789,
            made: vec![
                made("app/__pycache__/a.cpython-313.pyc", Origin::Bytecode),
                made("www/static/a.0a1b.css", Origin::CarriedOver { from, age: 2 }),
                made("www/web.config", Origin::WebConfig),
            ],
        }
    }

    fn text() -> String {
        String::from_utf8(mark().to_bytes()).unwrap()
    }

    #[test]
    fn a_mark_is_one_line_a_file_and_read_back() {
        assert_eq!(text().lines().count(), 5);
        assert_eq!(Mark::parse(text().as_bytes(), TARGET).unwrap(), mark());
        let plain = Mark { made: Vec::new(), ..mark() };
        assert_eq!(Mark::parse(&plain.to_bytes(), TARGET).unwrap(), plain);
        assert!(
            text().contains(r#""origin":{"carried-over":{"from":"1.0-0123abcd","age":2}}"#),
            "{}",
            text()
        );
        assert!(text().contains(r#""origin":"web.config""#) && text().contains(r#""origin":"bytecode""#));
    }

    #[track_caller]
    fn refused(from: &str, to: &str) {
        assert!(text().contains(from), "{from}");
        assert!(Mark::parse(text().replace(from, to).as_bytes(), TARGET).is_err(), "{to}");
    }

    #[test]
    fn a_mark_that_is_broken_or_hostile_is_none() {
        refused("\"format\":1", "\"format\":2");
        refused("\"format\":1", "\"format\":1,\"more\":1");
        refused("\"format\":1", "\"format\":-1");
        refused("www/web.config", "../web.config");
        refused("www/web.config", "C:/web.config");
        refused("www/web.config", "www/aux");
        refused("www/web.config", "Release.json");
        refused("www/web.config", ".holdall/x");
        refused("www/web.config", "a");
        refused("www/static/a.0a1b.css", "app/__pycache__/a.cpython-313.pyc");
        refused("1.0-0123abcd", "../../x-0123abcd");
        refused("\"bytecode\"", "\"magic\"");
        refused("\"age\":2", "\"age\":-2");
        refused("\"size\":3", "\"size\":1e3");
        refused("\n]}\n", "");
        for end in 0..text().len() - 1 {
            assert!(Mark::parse(&text().as_bytes()[..end], TARGET).is_err(), "{end}");
        }
        assert!(Mark::parse(&vec![0; text().len()], TARGET).is_err());
        assert!(Mark::parse("[".repeat(100_000).as_bytes(), TARGET).is_err());
    }
}
