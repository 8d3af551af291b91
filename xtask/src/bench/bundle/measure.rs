//! Running a command while its time and its memory are taken, and what many such runs say together.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// How often a running process is asked for its memory. The mark only rises, so little is missed at its end.
const GLANCE: Duration = Duration::from_millis(5);

/// One run of a command.
pub struct Run {
    pub seconds: f64,
    /// Time of all processors, in seconds, with all that it started (Linux). What else the machine does hardly changes it.
    pub cpu: Option<f64>,
    /// The most memory that the process itself held, in bytes (Linux). What it started is not counted.
    pub peak: Option<u64>,
    pub said: Vec<u8>,
}

/// Runs a command to its end, from the start of its process until it is gone.
pub fn run(command: &mut Command) -> anyhow::Result<Run> {
    settle();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let before = cpu_of_children();
    let started = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
    let (mut stdout, mut stderr) =
        (child.stdout.take().context("no output")?, child.stderr.take().context("no errors")?);
    let id = child.id();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut peak = None;
            while !over.load(Ordering::Relaxed) {
                peak = peak.max(high_water(id));
                std::thread::sleep(GLANCE);
            }
            peak
        });
        let errors = scope.spawn(move || {
            let mut words = Vec::new();
            stderr.read_to_end(&mut words).map(|_| words)
        });
        let mut said = Vec::new();
        let read = stdout.read_to_end(&mut said);
        let status = child.wait();
        let seconds = started.elapsed().as_secs_f64();
        over.store(true, Ordering::Relaxed);
        let peak = watch.join().expect("watching does not panic");
        let words = errors.join().expect("reading does not panic")?;
        read?;
        let status = status?;
        if !status.success() {
            let words = [said, words].concat();
            bail!("{command:?} ended with {status}:\n{}", String::from_utf8_lossy(&words).trim());
        }
        let cpu = cpu_of_children().zip(before).map(|(after, before)| after - before);
        Ok(Run { seconds, cpu, peak, said })
    })
}

/// Times work that starts several processes and waits for them.
pub fn time(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Run> {
    settle();
    let before = cpu_of_children();
    let started = Instant::now();
    work()?;
    let seconds = started.elapsed().as_secs_f64();
    let cpu = cpu_of_children().zip(before).map(|(after, before)| after - before);
    Ok(Run { seconds, cpu, peak: None, said: Vec::new() })
}

/// Lets the disk finish what earlier runs left to it, so that nobody pays for another's bytes.
fn settle() {
    #[cfg(unix)]
    let _ = Command::new("sync").status();
}

/// Processor time of all children that have ended, and of theirs.
fn cpu_of_children() -> Option<f64> {
    /// In which Linux tells it to programs, whatever the kernel's own clock.
    const TICKS_A_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name, in parentheses, may hold blanks; what follows are numbers, of which these two are the 16th and 17th.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(13);
    let ticks = fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?;
    Some(ticks / TICKS_A_SECOND)
}

/// The most memory a process has held so far: of its own, unlike what `wait4` tells, which counts its children too.
fn high_water(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

/// Times of one thing in several rounds, in seconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series(Vec<f64>);

impl Series {
    pub fn push(&mut self, seconds: f64) {
        self.0.push(seconds);
        self.0.sort_by(f64::total_cmp);
    }

    pub fn extend(&mut self, seconds: impl IntoIterator<Item = f64>) {
        seconds.into_iter().for_each(|seconds| self.push(seconds));
    }

    pub fn rounds(&self) -> usize {
        self.0.len()
    }

    /// The least of all: what the work takes when nothing else is done on the machine.
    pub fn best(&self) -> Option<f64> {
        self.0.first().copied()
    }

    pub fn median(&self) -> Option<f64> {
        let middle = self.0.len().checked_sub(1)? / 2;
        Some(match self.0.len() % 2 {
            1 => self.0[middle],
            _ => (self.0[middle] + self.0[middle + 1]) / 2.0,
        })
    }

    /// How far the slowest round lies above the fastest, as a part of the fastest.
    pub fn spread(&self) -> Option<f64> {
        Some((self.0.last()? - self.0.first()?) / self.0.first()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(times: &[f64]) -> Series {
        let mut series = Series::default();
        times.iter().for_each(|seconds| series.push(*seconds));
        series
    }

    #[test]
    fn a_series_tells_best_median_and_spread_whatever_the_order() {
        let odd = series(&[3.0, 2.0, 7.0]);
        assert_eq!((odd.best(), odd.median(), odd.spread()), (Some(2.0), Some(3.0), Some(2.5)));
        assert_eq!(series(&[4.0, 1.0, 3.0, 2.0]).median(), Some(2.5));
        assert_eq!((series(&[]).best(), series(&[]).median(), series(&[]).spread()), (None, None, None));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_run_tells_what_was_said_the_work_of_all_and_the_memory_of_the_process_alone() {
        // The shell itself is small; `tail` keeps what it is to tell.
        let script = "echo said; head -c 200m /dev/zero | tail -c 200m | wc -c";
        let run = run(Command::new("sh").args(["-c", script]));
        let run = run.unwrap_or_else(|error| panic!("{error:#}"));
        assert_eq!(String::from_utf8_lossy(&run.said), "said\n209715200\n");
        assert!(run.cpu.is_some_and(|cpu| cpu > 0.01), "{:?}", run.cpu);
        assert!(run.peak.is_some_and(|peak| peak < 32 << 20), "{:?}", run.peak);
    }

    #[test]
    fn a_run_that_fails_is_an_error_with_its_words() {
        let error =
            run(Command::new(env!("CARGO")).arg("no-such-chore")).err().map(|error| error.to_string());
        assert!(error.as_ref().is_some_and(|error| error.contains("no-such-chore")), "{error:?}");
    }
}
