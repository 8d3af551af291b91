//! One change of IIS at a time: whoever reads, plans and applies holds this lock. Other programs know nothing of it.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::IisError;

/// While this lives no other holdall on this machine changes the same server. It stays in the thread that has taken it.
#[must_use]
pub struct IisLock {
    _held: Held,
}

/// How long another holdall may take for its changes.
const PATIENCE: Duration = Duration::from_secs(120);

impl IisLock {
    /// Waits for the others; `waiting` is called once if that takes longer than a moment. `program` is the appcmd that
    /// will be run: what stands in its place has a server of its own.
    pub fn take(program: &Path, waiting: impl FnOnce()) -> Result<IisLock, IisError> {
        IisLock::within(program, PATIENCE, waiting)
    }

    fn within(program: &Path, patience: Duration, waiting: impl FnOnce()) -> Result<IisLock, IisError> {
        let moment = Duration::from_secs(1).min(patience);
        let taken = |held: io::Result<Option<Held>>| held.map_err(IisError::Lock);
        if let Some(held) = taken(take(program, moment))? {
            return Ok(IisLock { _held: held });
        }
        waiting();
        match taken(take(program, patience))? {
            Some(held) => Ok(IisLock { _held: held }),
            None => Err(IisError::Busy(patience)),
        }
    }
}

#[cfg(windows)]
use crate::site::iis::win32::Mutex as Held;

/// The names count in all sessions of the machine.
#[cfg(windows)]
fn take(program: &Path, patience: Duration) -> io::Result<Option<Held>> {
    let folded = |path: &Path| path.to_string_lossy().to_lowercase();
    let (program, of_windows) = (folded(program), folded(&super::of_windows()));
    let mut name = "Global\\holdall-iis".to_owned();
    if program != of_windows {
        name += &format!("-{}", crate::digest::Sha256::of(program.as_bytes()).short());
    }
    Held::take(&name, patience)
}

#[cfg(not(windows))]
struct Held {
    _file: std::fs::File,
    /// As on Windows, where a thread holds it.
    _thread: std::marker::PhantomData<*const ()>,
}

#[cfg(not(windows))]
fn take(program: &Path, patience: Duration) -> io::Result<Option<Held>> {
    use std::fs::TryLockError;
    use std::time::Instant;

    let of_program = crate::digest::Sha256::of(program.as_os_str().as_encoded_bytes());
    let path = std::env::temp_dir().join(format!("holdall-iis-{}.lock", of_program.short()));
    let file = fs_err::File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    let (file, _) = file.into_parts();
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(Held { _file: file, _thread: std::marker::PhantomData })),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if begun.elapsed() >= patience => return Ok(None),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn one_holds_it_at_a_time_and_the_next_waits() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("appcmd");
        let held = IisLock::take(&program, || panic!("nobody holds it")).unwrap();
        let (tell, told) = mpsc::channel();
        let other = std::thread::scope(|scope| {
            let program = &program;
            let other = scope.spawn(move || {
                let busy = IisLock::within(program, Duration::from_millis(20), || {});
                let busy = matches!(busy, Err(IisError::Busy(_)));
                let _ = IisLock::take(program, || tell.send(()).unwrap()).unwrap();
                busy
            });
            told.recv().unwrap();
            drop(held);
            other.join().unwrap()
        });
        assert!(other);
    }
}
