//! The lines of a file, from the last to the first.

use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use fs_err::File;

const BLOCK: u64 = 64 * 1024;

/// A line that is longer is shown in pieces.
const LONGEST: usize = 256 * 1024;

/// How far it has been read.
pub struct Back {
    file: File,
    /// Where what is in `bytes` begins.
    at: u64,
    /// Read, and not returned yet.
    bytes: Vec<u8>,
}

impl Back {
    pub fn open(path: &Path) -> io::Result<Back> {
        // Whoever writes the log, or moves it out of the way, is not disturbed: that is how Rust opens files on Windows.
        let mut file = File::open(path)?;
        let at = file.seek(SeekFrom::End(0))?;
        Ok(Back { file, at, bytes: Vec::new() })
    }

    /// The line before the one that was returned last, without its end.
    pub fn before(&mut self) -> io::Result<Option<String>> {
        loop {
            let end = self.bytes.strip_suffix(b"\n").unwrap_or(&self.bytes).len();
            let begin = self.bytes[..end].iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
            let begin = match begin {
                Some(begin) => begin,
                None if self.at == 0 || end >= LONGEST => 0,
                None => {
                    self.read()?;
                    continue;
                }
            };
            if self.bytes.is_empty() {
                return Ok(None);
            }
            let line = String::from_utf8_lossy(&self.bytes[begin..end]).trim_end_matches('\r').to_owned();
            self.bytes.truncate(begin);
            return Ok(Some(line));
        }
    }

    fn read(&mut self) -> io::Result<()> {
        let length = self.at.min(BLOCK);
        self.at -= length;
        self.file.seek(SeekFrom::Start(self.at))?;
        let mut block = Vec::new();
        (&mut self.file).take(length).read_to_end(&mut block)?;
        block.append(&mut self.bytes);
        self.bytes = block;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &[u8], expected: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs_err::write(&path, text).unwrap();
        let mut back = Back::open(&path).unwrap();
        let mut lines = Vec::new();
        while let Some(line) = back.before().unwrap() {
            lines.push(line);
        }
        lines.reverse();
        assert_eq!(lines, expected);
    }

    #[test]
    fn lines_are_read_from_the_last_to_the_first() {
        check(b"", &[]);
        check(b"\n", &[""]);
        check(b"one\r\ntwo\n\nfour", &["one", "two", "", "four"]);
        check(b"caf\xe9\n", &["caf\u{fffd}"]);
    }

    #[test]
    fn lines_lie_across_blocks_and_none_is_held_whole_that_is_too_long() {
        let long = "x".repeat(100_000);
        check(format!("first\n{long}\nlast\n").as_bytes(), &["first", &long, "last"]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs_err::write(&path, "y".repeat(LONGEST * 3)).unwrap();
        let mut back = Back::open(&path).unwrap();
        assert!(back.before().unwrap().unwrap().len() <= LONGEST + BLOCK as usize);
    }
}
