//! What must not outlive a run that is stopped halfway: half-written files, the run's folders, programs it started.
//!
//! Knows only what there is to end. Who listens for Ctrl-C is the command's business.

use std::collections::BTreeSet;
use std::io;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

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
}

impl Started {
    pub fn spawn(command: &mut Command) -> io::Result<Started> {
        // A group of its own, so that what it starts ends with it. On Windows Ctrl-C reaches them all by itself.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(command, 0);
        let mut held = held();
        let child = command.spawn()?;
        held.programs.insert(child.id());
        Ok(Started { child })
    }

    /// Ends it and waits until it is gone.
    pub fn kill(&mut self) -> io::Result<()> {
        kill(self.child.id());
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

#[cfg(unix)]
fn kill(program: u32) {
    if let Ok(group) = i32::try_from(program) {
        // SAFETY: a system call without memory; the group is one that `Started::spawn` made.
        unsafe { libc::kill(-group, libc::SIGKILL) };
    }
}

#[cfg(not(unix))]
fn kill(_: u32) {}
