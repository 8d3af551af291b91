//! The log of a service: what its processes print, and what becomes of them. It begins anew when it is long, and the last
//! few before it stay.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err::{File, OpenOptions};

use crate::held;

/// How long a log gets, in bytes.
const LONG: u64 = 10 * 1024 * 1024;

/// How many earlier ones stay: `worker.1.log` is the last of them.
const KEPT: u32 = 5;

/// How much of it is quoted.
const LINES: usize = 20;
const QUOTED: u64 = 8 * 1024;

/// A log that is being written.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    /// None after a file could not be opened: the next line tries again.
    file: Option<File>,
    length: u64,
    limit: u64,
    kept: u32,
}

impl Log {
    /// Goes on with the log at `path`.
    pub fn open(path: &Path) -> io::Result<Log> {
        Log::limited(path, LONG, KEPT)
    }

    fn limited(path: &Path, limit: u64, kept: u32) -> io::Result<Log> {
        if let Some(folder) = path.parent() {
            fs_err::create_dir_all(folder)?;
        }
        let mut log = Log { path: path.to_owned(), file: None, length: 0, limit, kept };
        log.reopen()?;
        Ok(log)
    }

    fn reopen(&mut self) -> io::Result<()> {
        let file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        self.length = file.metadata()?.len();
        self.file = Some(file);
        Ok(())
    }

    /// Writes what a process has printed.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.length > 0 && self.length + bytes.len() as u64 > self.limit {
            // Windows renames no file that is open.
            self.file = None;
            self.rotate();
        }
        if self.file.is_none() {
            self.reopen()?;
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(bytes)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Writes what has become of a process. That a log takes nothing is no reason to stop the service.
    pub fn note(&mut self, words: &str) {
        let now = httpdate::fmt_http_date(SystemTime::now());
        let _ = self.write(format!("[holdall {now}] {words}\n").as_bytes());
    }

    /// One that somebody reads at the moment cannot be moved on Windows: then the log goes on a while.
    fn rotate(&self) {
        let _ = held::remove_file(&self.earlier(self.kept));
        for number in (1..self.kept).rev() {
            let earlier = self.earlier(number);
            if earlier.exists() {
                let _ = held::replace(&earlier, &self.earlier(number + 1));
            }
        }
        let _ = held::replace(&self.path, &self.earlier(1));
    }

    fn earlier(&self, number: u32) -> PathBuf {
        self.path.with_extension(format!("{number}.log"))
    }
}

/// The last lines of a log.
pub fn last_lines(path: &Path) -> String {
    let read = || -> io::Result<Vec<u8>> {
        use io::{Read as _, Seek as _};
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(io::SeekFrom::Start(length.saturating_sub(QUOTED)))?;
        let mut bytes = Vec::new();
        file.take(QUOTED).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let text = String::from_utf8_lossy(&read().unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_begins_anew_and_so_many_earlier_ones_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs").join("worker.log");
        for part in 0..5 {
            // Whoever starts again goes on with what is there.
            let mut log = Log::limited(&path, 10, 2).unwrap();
            log.write(format!("part {part}\n").as_bytes()).unwrap();
        }
        let read = |name: &str| fs_err::read_to_string(path.with_file_name(name)).unwrap_or_default();
        assert_eq!(
            ["worker.log", "worker.1.log", "worker.2.log", "worker.3.log"].map(read),
            ["part 4\n", "part 3\n", "part 2\n", ""]
        );
        assert_eq!(last_lines(&path), "part 4");
    }

    #[test]
    fn the_last_lines_of_a_log_are_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker.log");
        assert_eq!(last_lines(&path), "");
        let text: String = (0..2000).map(|line| format!("line {line}\n")).collect();
        fs_err::write(&path, text).unwrap();
        let quoted = last_lines(&path);
        assert_eq!((quoted.lines().count(), quoted.lines().last()), (LINES, Some("line 1999")));
    }
}
