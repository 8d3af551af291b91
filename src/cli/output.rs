//! Where and how commands print: results on standard output; notices, progress and errors on standard error.

use std::collections::HashMap;
use std::fmt::{Display, Write as _};
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::report::Report;
use crate::cache::CacheError;
use crate::progress::{Notice, Progress, Silent, Stage, Unit};

/// For whom results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Tables, colours and progress bars for people
    Text,
    /// One JSON value on standard output, for scripts
    Json,
}

/// The two streams of the command, used in one way by all commands.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    format: Format,
}

impl Output {
    pub fn new(format: Format) -> Output {
        Output { format }
    }

    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Prints one line of a result.
    pub fn line(&self, line: impl Display) {
        write_out(&format!("{line}\n"));
    }

    /// Whether anybody reads what is printed: who would print for ever ends when nobody does.
    pub fn is_heard(&self) -> bool {
        !GONE.load(Ordering::Relaxed)
    }

    /// Prints a result for machines: one JSON value, on one line, so that a stream of them can be read too.
    pub fn json(&self, value: &impl Serialize) {
        let text = serde_json::to_string(value).expect("results are plain data with string keys");
        write_out(&format!("{text}\n"));
    }

    /// Tells of something to know or to change. In JSON a command carries its notices in its own value.
    pub fn notice(&self, notice: &Notice) {
        if !self.is_json() {
            let mark = console::style("notice").for_stderr().yellow();
            write_err(&format!("{mark}: {}\n        {}\n", printable(&notice.what), printable(&notice.help)));
        }
    }

    /// Tells people what is going on, beside the result.
    pub fn aside(&self, line: impl Display) {
        if !self.is_json() {
            write_err(&format!("{line}\n"));
        }
    }

    /// Bars on a terminal, a plain line a stage elsewhere, nothing in JSON.
    pub fn progress(&self) -> Box<dyn Progress> {
        match self.format {
            Format::Json => Box::new(Silent),
            Format::Text if io::stderr().is_terminal() => Box::new(Bars::new()),
            Format::Text => Box::new(Lines),
        }
    }

    /// Says that this program was stopped before it was done, and how things stand now.
    pub fn stopped(&self, words: &str) {
        match self.is_json() {
            true => self.json(&Report::stopped(words)),
            // Whatever bar stands in this line has no end of its own.
            false => self.aside(format!("\n{words}")),
        }
    }

    /// Prints why the command failed.
    pub fn error(&self, error: &crate::Error) {
        if self.is_json() {
            // What was found was the result; one value is all a script reads.
            let told = matches!(
                error,
                crate::Error::Differs { .. }
                    | crate::Error::Unwell { .. }
                    | crate::Error::LockWouldChange { .. }
                    | crate::Error::CacheContents(CacheError::Damaged { .. })
            );
            if !told {
                self.json(&Report::of(error));
            }
        } else {
            self.error_aside(error);
        }
    }

    /// The same on standard error, whatever was asked for: standard output takes nothing.
    pub fn error_aside(&self, error: &crate::Error) {
        write_err(&Report::of(error).text(io::stderr().is_terminal()));
    }
}

/// Whether whoever read standard output has gone.
static GONE: AtomicBool = AtomicBool::new(false);

/// Why something that was to be printed was not: a disk that is full. The work goes on, and its exit code tells.
static LOST: Mutex<Option<io::Error>> = Mutex::new(None);

/// Why not all of the result has arrived, if so.
pub fn lost() -> Option<io::Error> {
    LOST.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// A reader that went away (`holdall inspect … | head`) is no error of ours; there is nobody left to tell.
pub fn is_lost(error: &io::Error) -> bool {
    error.kind() != io::ErrorKind::BrokenPipe
}

fn write_out(text: &str) {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => {}
        Err(error) if is_lost(&error) => {
            LOST.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
        Err(_) => GONE.store(true, Ordering::Relaxed),
    }
}

fn write_err(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Text from outside (names in an archive, a traceback) with control characters made visible, line ends kept: those
/// of Windows, too, as simple ones.
pub fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.replace("\r\n", "\n").chars() {
        if c.is_control() && c != '\n' && c != '\t' {
            let _ = write!(safe, "{}", c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// A size as people read it: `12.3 MB`.
pub fn size(bytes: u64) -> String {
    let kilo = bytes as f64 / 1000.0;
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{kilo:.1} kB"),
        1_000_000..1_000_000_000 => format!("{:.1} MB", kilo / 1e3),
        _ => format!("{:.2} GB", kilo / 1e6),
    }
}

/// A time as people read it: `0.42 s`, `3 min 07 s`.
pub fn duration(time: Duration) -> String {
    match time.as_secs() {
        0..100 => format!("{:.2} s", time.as_secs_f64()),
        seconds => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

/// How long ago something was, as people say it: `3 hours ago`.
pub fn ago(age: Duration) -> String {
    const UNITS: [(u64, &str); 3] = [(24 * 60 * 60, "day"), (60 * 60, "hour"), (60, "minute")];
    let seconds = age.as_secs();
    match UNITS.iter().find(|(unit, _)| seconds >= *unit) {
        None => "just now".to_owned(),
        Some((unit, name)) => match seconds / unit {
            1 => format!("1 {name} ago"),
            count => format!("{count} {name}s ago"),
        },
    }
}

/// One bar a stage, for a terminal.
struct Bars {
    all: MultiProgress,
    bars: Mutex<HashMap<Stage, ProgressBar>>,
}

impl Bars {
    fn new() -> Bars {
        Bars {
            all: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
            bars: Mutex::new(HashMap::new()),
        }
    }

    fn bar(&self, stage: Stage) -> Option<ProgressBar> {
        self.bars.lock().unwrap_or_else(PoisonError::into_inner).get(&stage).cloned()
    }
}

impl Progress for Bars {
    fn begin(&self, stage: Stage, total: u64, unit: Unit) {
        let template = match (total, unit) {
            (0, _) | (1, Unit::Steps) => "{prefix:>12} {spinner} {elapsed}",
            (_, Unit::Bytes) => "{prefix:>12} [{bar:32}] {decimal_bytes}/{decimal_total_bytes} {eta}",
            (_, Unit::Files | Unit::Steps) => "{prefix:>12} [{bar:32}] {pos}/{len}",
        };
        let style = ProgressStyle::with_template(template).expect("the templates above are well formed");
        // The fonts of many Windows consoles have no other spinner.
        let style = style.progress_chars("=> ").tick_chars("|/-\\ ");
        let bar = match total {
            0 => ProgressBar::new_spinner(),
            _ => ProgressBar::new(total),
        };
        let bar = self.all.add(bar.with_style(style).with_prefix(stage.as_str()));
        bar.enable_steady_tick(Duration::from_millis(120));
        self.bars.lock().unwrap_or_else(PoisonError::into_inner).insert(stage, bar);
    }

    fn advance(&self, stage: Stage, by: u64) {
        if let Some(bar) = self.bar(stage) {
            bar.inc(by);
        }
    }

    fn end(&self, stage: Stage) {
        if let Some(bar) = self.bar(stage) {
            bar.finish_and_clear();
        }
    }
}

/// One line a stage, for logs.
struct Lines;

impl Progress for Lines {
    fn begin(&self, stage: Stage, total: u64, unit: Unit) {
        let amount = match (total, unit) {
            (0, _) | (1, Unit::Steps) => String::new(),
            (_, Unit::Bytes) => format!(" {}", size(total)),
            (_, Unit::Files) => format!(" {total} {}", if total == 1 { "file" } else { "files" }),
            (_, Unit::Steps) => format!(" {total} steps"),
        };
        write_err(&format!("{}{amount}\n", stage.as_str()));
    }

    fn advance(&self, _: Stage, _: u64) {}

    fn end(&self, _: Stage) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_written_for_people() {
        assert_eq!(
            [size(999), size(12_345), size(98_765_432), size(2_100_000_000)],
            ["999 B", "12.3 kB", "98.8 MB", "2.10 GB"]
        );
        assert_eq!(duration(Duration::from_millis(1234)), "1.23 s");
        assert_eq!(duration(Duration::from_secs(187)), "3 min 07 s");
    }

    #[test]
    fn ages_are_said_in_the_largest_unit_that_fits() {
        let said = [59, 60, 119, 7200, 24 * 3600, 40 * 24 * 3600].map(|s| ago(Duration::from_secs(s)));
        let expected =
            ["just now", "1 minute ago", "1 minute ago", "2 hours ago", "1 day ago", "40 days ago"];
        assert_eq!(said, expected);
    }

    #[test]
    fn control_characters_from_outside_are_made_visible() {
        assert_eq!(printable("a\x1b[31mb\nc"), "a\\u{1b}[31mb\nc");
        assert_eq!(printable("a\r\nb\rc\r\n"), "a\nb\\rc\n");
    }
}
