//! When a line was written, and whether it counts.

use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;

use jiff::Timestamp;

use super::Of;

/// How a log's lines say when they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Each begins with a time of RFC 3339.
    Stamped,
    /// Fields with blanks between them, whose names stand in a line that begins with `#Fields:`: the
    /// [extended format of W3C](https://www.w3.org/TR/WD-logfile.html), UTC.
    Fields,
}

/// The head of such a log is short; what is no head is not read for it.
const HEAD: u64 = 64 * 1024;

/// How the lines of one file are read.
pub struct Reading {
    kind: Kind,
    of: Of,
    fields: Vec<String>,
}

impl Reading {
    pub fn of(kind: Kind, path: &Path, of: &Of) -> io::Result<Reading> {
        let mut reading = Reading { kind, of: of.clone(), fields: Vec::new() };
        if kind == Kind::Fields {
            // In between IIS writes its head again when it was restarted; it is the same unless somebody has changed it.
            let head = BufReader::new(fs_err::File::open(path)?.take(HEAD));
            for line in head.split(b'\n') {
                let line = line?;
                let line = String::from_utf8_lossy(&line);
                if let Some(fields) = line.strip_prefix("#Fields:") {
                    reading.fields = fields.split_whitespace().map(str::to_owned).collect();
                    break;
                }
            }
        }
        Ok(reading)
    }

    fn field<'a>(&self, line: &'a str, name: &str) -> Option<&'a str> {
        let at = self.fields.iter().position(|field| field == name)?;
        line.split(' ').nth(at)
    }

    /// Whether a line is of the site. One that cannot be read as the others is, as nobody knows whose it is otherwise.
    pub fn counts(&self, line: &str) -> bool {
        if self.kind == Kind::Fields && (line.starts_with('#') || line.is_empty()) {
            return false;
        }
        match &self.of {
            Of::All => true,
            Of::Below(path) => self.field(line, "cs-uri-stem").is_none_or(|stem| is_below(stem, path)),
            Of::Site { id, pool } => {
                let is = |name, value: &str| {
                    self.field(line, name).is_some_and(|found| found.eq_ignore_ascii_case(value))
                };
                // In names of pools blanks are written as `+`.
                is("s-siteid", id) || is("s-queuename", pool) || is("s-queuename", &pool.replace(' ', "+"))
            }
        }
    }

    /// When it was written, and where the rest of it begins.
    pub fn time(&self, line: &str) -> Option<(Timestamp, usize)> {
        match self.kind {
            Kind::Stamped => {
                let (time, _) = line.split_once(' ').unwrap_or((line, ""));
                // A number alone would be read as a year.
                let at = time.contains('T').then(|| time.parse().ok()).flatten()?;
                Some((at, (time.len() + 1).min(line.len())))
            }
            Kind::Fields => {
                let (date, time) = (self.field(line, "date")?, self.field(line, "time")?);
                let at = format!("{date}T{time}Z").parse().ok()?;
                // As a rule they come first; elsewhere the whole line is shown.
                let begin = format!("{date} {time} ");
                Some((at, if line.starts_with(&begin) { begin.len() } else { 0 }))
            }
        }
    }
}

fn is_below(stem: &str, path: &str) -> bool {
    stem.get(..path.len()).is_some_and(|front| front.eq_ignore_ascii_case(path))
        && matches!(stem.as_bytes().get(path.len()), None | Some(b'/'))
}
