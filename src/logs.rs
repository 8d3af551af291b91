//! What a site, and all around it, has to say: the bridge, hooks, services, and the logs of IIS and of Windows' own part of
//! it, merged by time.
//!
//! Reads from the ends of files, never whole ones: a web server's log of a day may be larger than the memory. Changes nothing
//! but what is [too old](outdated).

mod back;
mod follow;
mod line;
mod outdated;

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::Timestamp;

pub use follow::Follow;
pub use outdated::{Outdated, outdated};

use back::Back;
use line::{Kind, Reading};

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    Bridge,
    Hooks,
    Services,
    /// The requests that IIS answered.
    Iis,
    /// Those that Windows itself refused or cut off, before or after IIS saw them.
    Http,
}

impl Source {
    pub const ALL: [Source; 5] = [Source::Bridge, Source::Hooks, Source::Services, Source::Iis, Source::Http];

    pub fn as_str(self) -> &'static str {
        match self {
            Source::Bridge => "bridge",
            Source::Hooks => "hooks",
            Source::Services => "services",
            Source::Iis => "iis",
            Source::Http => "http",
        }
    }
}

/// Where the logs of one source lie, and which lines of them count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logs {
    pub source: Source,
    pub folder: PathBuf,
    /// How the names of its files begin.
    begin: &'static str,
    pub of: Of,
}

/// Whose lines count in a log that several write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Of {
    All,
    /// Requests for a path and what is below it.
    Below(String),
    /// Those of a site, by its number, or of its pool.
    Site {
        id: String,
        pool: String,
    },
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Of one without a time of its own that of the line before.
    pub at: Timestamp,
    pub source: Source,
    pub file: PathBuf,
    /// As it stands in the file.
    pub line: String,
    /// The same without the time, if it began with one that is `at`.
    said: usize,
}

impl Entry {
    /// What it says beside its time.
    pub fn said(&self) -> &str {
        &self.line[self.said..]
    }
}

/// Which lines are wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub since: Option<Timestamp>,
    /// The last so many, of all sources together.
    pub lines: usize,
}

impl Logs {
    /// Those that lie in the folder of what a site's project writes to.
    pub fn of_site(shared: &Path) -> Vec<Logs> {
        let logs = shared.join("logs");
        let of = |source, folder: &str, begin| Logs { source, folder: logs.join(folder), begin, of: Of::All };
        vec![
            of(Source::Bridge, "", "bridge"),
            of(Source::Hooks, "hooks", ""),
            of(Source::Services, "services", ""),
        ]
    }

    /// That of a site of IIS, below the folder that its configuration names.
    pub fn of_iis(directory: &Path, id: &str, of: Of) -> Logs {
        Logs { source: Source::Iis, folder: directory.join(format!("W3SVC{id}")), begin: "", of }
    }

    /// That of the part of Windows that takes requests for IIS.
    pub fn of_http(windows: &Path, id: &str, pool: &str) -> Logs {
        let folder = windows.join("System32").join("LogFiles").join("HTTPERR");
        let of = Of::Site { id: id.to_owned(), pool: pool.to_owned() };
        Logs { source: Source::Http, folder, begin: "httperr", of }
    }

    /// Its files with the time at which each was last written, the newest first. A folder that is not there has none.
    fn files(&self) -> io::Result<Vec<(SystemTime, PathBuf)>> {
        let entries = match fs_err::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().to_lowercase();
            // One that has gone meanwhile is none. What the folder says of a file that is being written is old on Windows, so
            // that the file itself is asked.
            let Ok(metadata) = fs_err::metadata(entry.path()) else { continue };
            if metadata.is_file() && name.starts_with(self.begin) && name.contains(".log") {
                files.push((metadata.modified()?, entry.path()));
            }
        }
        files.sort();
        files.reverse();
        Ok(files)
    }

    fn kind(&self) -> Kind {
        match self.source {
            Source::Bridge | Source::Hooks | Source::Services => Kind::Stamped,
            Source::Iis | Source::Http => Kind::Fields,
        }
    }

    /// The last lines that are wanted, in the order of time.
    pub fn last(&self, wanted: Wanted) -> io::Result<Vec<Entry>> {
        let mut entries: Vec<Entry> = Vec::new();
        for (modified, path) in self.files()? {
            let modified = Timestamp::try_from(modified).unwrap_or(Timestamp::UNIX_EPOCH);
            if wanted.since.is_some_and(|since| modified < since) || entries.len() >= wanted.lines {
                break;
            }
            let read =
                match self.last_of(&path, modified, Wanted { lines: wanted.lines - entries.len(), ..wanted })
                {
                    // It was removed since its folder was read.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    read => read?,
                };
            entries.extend(read);
        }
        entries.sort_by_key(|entry| entry.at);
        Ok(entries)
    }

    fn last_of(&self, path: &Path, modified: Timestamp, wanted: Wanted) -> io::Result<Vec<Entry>> {
        let reading = Reading::of(self.kind(), path, &self.of)?;
        let mut back = Back::open(path)?;
        // From the last to the first.
        let (mut entries, mut without) = (Vec::new(), Vec::new());
        let mut after = modified;
        while entries.len() < wanted.lines {
            let Some(line) = back.before()? else { break };
            if !reading.counts(&line) {
                continue;
            }
            let Some((at, said)) = reading.time(&line) else {
                without.push(line);
                continue;
            };
            if wanted.since.is_some_and(|since| at < since) {
                without.clear();
                break;
            }
            after = at;
            let entry = |line, said| Entry { at, source: self.source, file: path.to_owned(), line, said };
            entries.extend(without.drain(..).map(|line| entry(line, 0)));
            entries.push(entry(line, said));
        }
        // What stands before the first line with a time is no later than that.
        let rest = without.into_iter().map(|line| Entry {
            at: after,
            source: self.source,
            file: path.to_owned(),
            line,
            said: 0,
        });
        entries.extend(rest);
        entries.truncate(wanted.lines);
        entries.reverse();
        Ok(entries)
    }
}

/// The last lines of all, in the order of time. What cannot be read is returned beside them.
pub fn last(all: &[Logs], wanted: Wanted) -> (Vec<Entry>, Vec<io::Error>) {
    let (mut entries, mut errors) = (Vec::new(), Vec::new());
    for logs in all {
        match logs.last(wanted) {
            Ok(read) => entries.extend(read),
            Err(error) => errors.push(error),
        }
    }
    entries.sort_by_key(|entry: &Entry| entry.at);
    let first = entries.len().saturating_sub(wanted.lines);
    (entries.split_off(first), errors)
}

/// A time as people type it: `90s`, `15m`, `1h` or `2d` before `now`, or a day or a moment, UTC unless it says otherwise.
pub fn since(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    if let Ok(at) = text.parse::<jiff::civil::DateTime>() {
        return Some(at.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp());
    }
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return None,
    };
    let seconds = text[..text.len() - 1].parse::<u32>().ok()? as i64 * unit;
    now.checked_sub(jiff::SignedDuration::from_secs(seconds)).ok()
}

#[cfg(test)]
mod tests;
