//! What is written to logs while somebody looks on: new lines, new files, and files that begin anew.

use std::collections::HashMap;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use fs_err::File;
use jiff::Timestamp;

use super::line::Reading;
use super::{Entry, Logs};

/// What is read of one file at a time.
const MOST: u64 = 1 << 20;

/// Looks on.
pub struct Follow {
    all: Vec<Logs>,
    files: HashMap<PathBuf, Followed>,
}

/// A file that is followed. It stays open: one that is moved out of the way is read to its end.
struct Followed {
    file: File,
    /// How far its whole lines were read.
    at: u64,
    reading: Reading,
    last: Option<Timestamp>,
}

impl Follow {
    /// Begins at what is there now.
    pub fn begin(all: Vec<Logs>) -> io::Result<Follow> {
        let mut follow = Follow { all, files: HashMap::new() };
        for logs in &follow.all {
            for (_, path) in logs.files()? {
                if let Some(followed) = Followed::open(logs, &path, true)? {
                    follow.files.insert(path, followed);
                }
            }
        }
        Ok(follow)
    }

    /// What was written since it was looked last, in the order of time.
    pub fn more(&mut self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for logs in &self.all {
            // The oldest first: one that was moved is looked at before what has taken its place.
            for (_, path) in logs.files()?.into_iter().rev() {
                if let Some(followed) = self.files.get_mut(&path) {
                    entries.extend(followed.more(logs, &path)?);
                    // Another file has taken its place, or somebody has emptied it.
                    let length = fs_err::metadata(&path).map_or(followed.at, |metadata| metadata.len());
                    if length >= followed.at {
                        continue;
                    }
                }
                if let Some(mut followed) = Followed::open(logs, &path, false)? {
                    // One that was moved is known by what was read of it already.
                    let known = self.files.values().any(|other| other.at > 0 && is_same(other, &followed));
                    if known {
                        followed.at = followed.file.metadata()?.len();
                    }
                    entries.extend(followed.more(logs, &path)?);
                    self.files.insert(path, followed);
                }
            }
        }
        entries.sort_by_key(|entry| entry.at);
        Ok(entries)
    }
}

/// Whether two files begin alike, as a log and its copy under another name do.
fn is_same(one: &Followed, other: &Followed) -> bool {
    let begin = |followed: &Followed| -> io::Result<Vec<u8>> {
        let mut begin = Vec::new();
        let mut file = followed.file.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        file.take(256.min(one.at)).read_to_end(&mut begin)?;
        Ok(begin)
    };
    let long_enough = one.at >= 64;
    long_enough && matches!((begin(one), begin(other)), (Ok(one), Ok(other)) if one == other)
}

impl Followed {
    /// Nothing, if the file has gone meanwhile.
    fn open(logs: &Logs, path: &Path, at_end: bool) -> io::Result<Option<Followed>> {
        let opened = File::open(path).and_then(|file| Ok((file, Reading::of(logs.kind(), path, &logs.of)?)));
        let (file, reading) = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let mut followed = Followed { file, at: 0, reading, last: None };
        if at_end {
            followed.at = followed.end_of_lines()?;
        }
        Ok(Some(followed))
    }

    /// Where its last whole line ends.
    fn end_of_lines(&mut self) -> io::Result<u64> {
        let length = self.file.seek(SeekFrom::End(0))?;
        let begin = length.saturating_sub(MOST);
        self.file.seek(SeekFrom::Start(begin))?;
        let mut bytes = Vec::new();
        (&mut self.file).take(MOST).read_to_end(&mut bytes)?;
        Ok(begin + bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at as u64 + 1))
    }

    fn more(&mut self, logs: &Logs, path: &Path) -> io::Result<Vec<Entry>> {
        self.file.seek(SeekFrom::Start(self.at))?;
        let mut bytes = Vec::new();
        (&mut self.file).take(MOST).read_to_end(&mut bytes)?;
        // A line that is being written is left for the next time, unless it is longer than anything.
        let whole = match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => at + 1,
            None if bytes.len() as u64 == MOST => bytes.len(),
            None => 0,
        };
        if self.at == 0 && whole > 0 {
            // The head of a file that was only being made.
            self.reading = Reading::of(logs.kind(), path, &logs.of)?;
        }
        self.at += whole as u64;
        let mut entries = Vec::new();
        for line in bytes[..whole].split_inclusive(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(line).trim_end_matches(['\n', '\r']).to_owned();
            if !self.reading.counts(&line) {
                continue;
            }
            let (at, said) = match self.reading.time(&line) {
                Some((at, said)) => (at, said),
                None => (self.last.unwrap_or_else(Timestamp::now), 0),
            };
            self.last = Some(at);
            entries.push(Entry { at, source: logs.source, file: path.to_owned(), line, said });
        }
        Ok(entries)
    }
}
