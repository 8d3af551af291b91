//! What must not outlive a run that is stopped halfway: half-written files, the run's folders, programs it started.
//!
//! Knows only what there is to end. Who listens for Ctrl-C is the command's business.

use std::collections::BTreeSet;
use std::io;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[cfg(windows)]
mod win32;
#[cfg(windows)]
pub use win32::{Dropped, Job};

/// What is to be ended now.
static HELD: Mutex<Held> = Mutex::new(Held { paths: BTreeSet::new(), programs: BTreeSet::new() });

struct Held {
    paths: BTreeSet<PathBuf>,
    programs: BTreeSet<u32>,
}

fn held() -> MutexGuard<'static, Held> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends all programs and removes all files and folders. From here on nothing more can be begun: whoever tries
/// waits for this process to exit, which the caller does next.
pub fn end() {
    let held = held();
    held.programs.iter().for_each(|program| kill(*program));
    for path in &held.paths {
        // What is gone already, or cannot be removed, is nothing that a person who wants to stop should wait for.
        let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    }
    std::mem::forget(held);
}

/// A temporary file or folder that goes when it is dropped, or when the run is stopped.
#[derive(Debug)]
pub struct Passing<T> {
    made: Option<T>,
    path: PathBuf,
}

impl<T: AsRef<Path>> Passing<T> {
    /// Makes it while nothing can be ended, so that there is no moment in which nobody knows of it.
    pub fn make(make: impl FnOnce() -> io::Result<T>) -> io::Result<Passing<T>> {
        let mut held = held();
        let made = make()?;
        let path = made.as_ref().to_owned();
        held.paths.insert(path.clone());
        Ok(Passing { made: Some(made), path })
    }
}

impl<T> Passing<T> {
    /// Gives it to someone who knows what becomes of it.
    pub fn hand_over<R>(mut self, to: impl FnOnce(T) -> R) -> R {
        to(self.made.take().expect("it is there until it is handed over or dropped"))
    }
}

impl<T> Deref for Passing<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.made.as_ref().expect("it is there until it is handed over or dropped")
    }
}

impl<T> DerefMut for Passing<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.made.as_mut().expect("it is there until it is handed over or dropped")
    }
}

impl<T> Drop for Passing<T> {
    fn drop(&mut self) {
        drop(self.made.take());
        held().paths.remove(&self.path);
    }
}

/// A program that is killed, with all that it started, when the run is stopped.
#[derive(Debug)]
pub struct Started {
    child: Child,
    /// A server of before Windows 8 refuses one to a program that is in a job itself: what is started ends alone there.
    #[cfg(windows)]
    job: Option<Job>,
}

impl Started {
    pub fn spawn(command: &mut Command) -> io::Result<Started> {
        // A group of its own, so that what it starts ends with it. On Windows Ctrl-C reaches them all by itself.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(command, 0);
        let mut held = held();
        let child = command.spawn()?;
        held.programs.insert(child.id());
        Ok(Started {
            #[cfg(windows)]
            job: Job::of(&child, Dropped::GoOn).ok(),
            child,
        })
    }

    /// Ends it with all that it started, and waits until it is gone.
    pub fn kill(&mut self) -> io::Result<()> {
        kill(self.child.id());
        #[cfg(windows)]
        if let Some(job) = &self.job {
            job.end();
        }
        self.child.kill()?;
        self.child.wait().map(drop)
    }
}

impl Deref for Started {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.child
    }
}

impl DerefMut for Started {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.child
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        held().programs.remove(&self.child.id());
    }
}

/// As [`Command::output`], for a program that may run long.
pub fn output(command: &mut Command) -> io::Result<Output> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut started = Started::spawn(command)?;
    let mut errors = started.stderr.take().expect("it was piped above");
    // Both pipes are emptied at once: a program that fills one would wait for the other.
    let errors = std::thread::spawn(move || {
        let mut stderr = Vec::new();
        io::Read::read_to_end(&mut errors, &mut stderr).map(|_| stderr)
    });
    let mut stdout = Vec::new();
    io::Read::read_to_end(started.stdout.as_mut().expect("it was piped above"), &mut stdout)?;
    let stderr = errors.join().expect("reading a pipe does not panic")?;
    Ok(Output { status: started.wait()?, stdout, stderr })
}

/// What became of a program that had a limit.
#[derive(Debug)]
pub enum Within {
    Ended(Output),
    /// It had not ended by then, or something that it started had not, and was ended. This is what they have said.
    Overdue {
        stdout: Vec<u8>,
        stderr: Vec<u8>,
    },
}

/// As [`output`], for a program that may hang: what has not ended after `limit` is ended, with all that it started.
pub fn output_within(command: &mut Command, limit: Duration) -> io::Result<Within> {
    fed_within(command, None, limit)
}

/// The same for a program that is told `input` by its standard input. One that succeeds has read all of it, or it is an
/// error; one that fails need not.
pub fn fed_within(command: &mut Command, input: Option<&str>, limit: Duration) -> io::Result<Within> {
    let until = Instant::now() + limit;
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut started = Started::spawn(command)?;
    // By a thread, as one that hangs may not read it. It ends with the pipe.
    let fed = started.stdin.take().zip(input.map(str::to_owned));
    let fed = fed.map(|(mut stdin, input)| {
        std::thread::spawn(move || io::Write::write_all(&mut stdin, input.as_bytes()))
    });
    let (done, both) = channel();
    let stdout = Said::of(started.stdout.take().expect("it was piped above"), done.clone());
    let stderr = Said::of(started.stderr.take().expect("it was piped above"), done);
    if let Some(status) = ended(&mut started, &both, until)? {
        let (stdout, stderr) = (stdout.taken()?, stderr.taken()?);
        match fed.map(|fed| fed.join().expect("writing a pipe does not panic")) {
            Some(Err(error)) if status.success() => return Err(error),
            _ => {}
        }
        return Ok(Within::Ended(Output { status, stdout, stderr }));
    }
    started.kill()?;
    // What has left the group by itself may keep the pipes open: that is not waited for.
    let soon = Instant::now() + Duration::from_secs(1);
    while both.recv_timeout(soon.saturating_duration_since(Instant::now())).is_ok() {}
    Ok(Within::Overdue { stdout: stdout.taken()?, stderr: stderr.taken()? })
}

/// How the program ended, if it did in time and whoever could have written into its pipes has gone.
fn ended(started: &mut Child, both: &Receiver<()>, until: Instant) -> io::Result<Option<ExitStatus>> {
    let left = || until.saturating_duration_since(Instant::now());
    // Each of the two threads tells once, and then there is nobody who could tell.
    loop {
        match both.recv_timeout(left()) {
            Ok(()) => {}
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => return Ok(None),
        }
    }
    // As a rule it ends at once when it has closed its pipes.
    let mut pause = Duration::from_millis(1);
    loop {
        match started.try_wait()? {
            None if left().is_zero() => return Ok(None),
            None => std::thread::sleep(pause.min(left())),
            status => return Ok(status),
        }
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// What a pipe has brought so far.
struct Said(Arc<Mutex<(Vec<u8>, io::Result<()>)>>);

impl Said {
    /// Has a thread read the pipe, which tells `done` at its end.
    fn of(mut pipe: impl io::Read + Send + 'static, done: Sender<()>) -> Said {
        let said = Arc::new(Mutex::new((Vec::new(), Ok(()))));
        let theirs = Arc::clone(&said);
        std::thread::spawn(move || {
            let mut part = [0; 8192];
            loop {
                let read = pipe.read(&mut part);
                let mut said = theirs.lock().unwrap_or_else(PoisonError::into_inner);
                match read {
                    Ok(0) => break,
                    Ok(count) => said.0.extend_from_slice(&part[..count]),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => {
                        said.1 = Err(error);
                        break;
                    }
                }
            }
            // Whoever waits may have gone, and then nobody reads it.
            let _ = done.send(());
        });
        Said(said)
    }

    fn taken(&self) -> io::Result<Vec<u8>> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut said.1, Ok(()))?;
        Ok(std::mem::take(&mut said.0))
    }
}

#[cfg(unix)]
fn kill(program: u32) {
    if let Ok(group) = i32::try_from(program) {
        // SAFETY: a system call without memory; the group is one that `Started::spawn` made.
        unsafe { libc::kill(-group, libc::SIGKILL) };
    }
}

#[cfg(not(unix))]
fn kill(_: u32) {}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn shell(script: &str, limit: Duration) -> Within {
        output_within(Command::new("sh").args(["-c", script]), limit).unwrap()
    }

    #[test]
    fn a_program_within_its_limit_is_heard_to_its_end() {
        let Within::Ended(output) =
            shell("echo one; echo two >&2; exec >&- 2>&-; exit 3", Duration::from_secs(60))
        else {
            panic!("it was ended")
        };
        assert_eq!((&*output.stdout, &*output.stderr), (&b"one\n"[..], &b"two\n"[..]));
        assert_eq!(output.status.code(), Some(3));
    }

    #[test]
    fn what_a_program_over_its_limit_has_started_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        // The second one closes its pipes, and hangs all the same.
        for script in [
            "echo begun; sleep 600 & echo $! >PID; wait",
            "echo begun; exec >&- 2>&-; echo $$ >PID; exec sleep 600",
        ] {
            let script = script.replace("PID", pid.to_str().unwrap());
            let Within::Overdue { stdout, stderr } = shell(&script, Duration::from_millis(500)) else {
                panic!("it ended by itself")
            };
            assert_eq!((&*stdout, &*stderr), (&b"begun\n"[..], &b""[..]));
            let pid: i32 = fs_err::read_to_string(&pid).unwrap().trim().parse().unwrap();
            // Whoever adopts the process may take a moment to bury it.
            let until = Instant::now() + Duration::from_secs(20);
            let state = || fs_err::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            while !state().is_empty() && !state().contains(") Z ") {
                assert!(Instant::now() < until, "{} lives", state());
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}
