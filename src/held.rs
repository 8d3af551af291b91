//! Files that somebody else holds for a moment. On Windows a virus scanner, an indexer or a backup opens what
//! was just written, and until it lets go the file can be neither renamed nor removed; nor can a folder around
//! it. Waiting a little is all that helps, and nearly always does.
//!
//! Elsewhere nobody stands in the way like that, and nothing is tried twice.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long in all; scanners take well below a second for most files.
const PATIENCE: Duration = Duration::from_secs(4);

/// Moves a temporary file to `path`, over what is there, whole or not at all.
pub fn persist(file: tempfile::NamedTempFile, path: &Path) -> io::Result<()> {
    if !cfg!(windows) {
        return file.persist(path).map(drop).map_err(|error| error.error);
    }
    // The standard library can replace a file that somebody reads at the moment, `persist` cannot.
    let (file, part) = file.keep().map_err(|error| error.error)?;
    let done = replace(&part, path);
    drop(file);
    if done.is_err() {
        // What cannot be removed now is found under a name that says what it is.
        let _ = remove_file(&part);
    }
    done
}

/// Opens a file that is there. A virus scanner may have it open and let nobody write to it meanwhile.
pub fn open(options: &fs_err::OpenOptions, path: &Path) -> io::Result<fs_err::File> {
    let opened = patiently(|| options.options().open(path));
    opened.map(|file| fs_err::File::from_parts(file, path)).or_else(|_| options.open(path))
}

/// Renames a folder to a name that nothing has.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    // One that somebody else made meanwhile is nothing to wait for.
    if to.exists() { fs_err::rename(from, to) } else { replace(from, to) }
}

/// Renames, over what is there.
pub fn replace(from: &Path, to: &Path) -> io::Result<()> {
    // Once more at the end: fs_err's errors name the files, and hide the code of the system.
    patiently(|| fs::rename(from, to)).or_else(|_| fs_err::rename(from, to))
}

/// Removes a folder with all that is in it; one that is not there is as good.
pub fn remove_dir_all(folder: &Path) -> io::Result<()> {
    match patiently(|| fs::remove_dir_all(folder)).or_else(|_| fs_err::remove_dir_all(folder)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Removes a file.
pub fn remove_file(file: &Path) -> io::Result<()> {
    patiently(|| fs::remove_file(file)).or_else(|_| fs_err::remove_file(file))
}

/// Whether a process runs this program. Of one that cannot be looked at that is not known, and it counts as none.
pub fn is_running(program: &Path) -> bool {
    // A program that runs can be opened for writing nowhere: ERROR_SHARING_VIOLATION, ETXTBSY.
    let opened = fs::OpenOptions::new().write(true).open(program);
    opened.is_err_and(|error| match cfg!(windows) {
        true => error.raw_os_error() == Some(32),
        false => error.kind() == io::ErrorKind::ExecutableFileBusy,
    })
}

/// A temporary folder, removed with patience.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new folder whose name begins with `prefix`, where the system keeps temporary files.
    pub fn new(prefix: &str) -> io::Result<Scratch> {
        Ok(Scratch(tempfile::Builder::new().prefix(prefix).tempdir()?.keep()))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for Scratch {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is still held after all this time is left to whoever tidies the system's temporary files.
        let _ = remove_dir_all(&self.0);
    }
}

fn patiently<T>(attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    again(attempt, |done| done.as_ref().is_err_and(is_held))
}

/// Attempts until nothing is held any more, or patience is at its end. Where nobody holds files, that is once.
pub fn again<T>(mut attempt: impl FnMut() -> T, is_held: impl Fn(&T) -> bool) -> T {
    let mut pause = Duration::from_millis(10);
    let mut waited = Duration::ZERO;
    loop {
        let done = attempt();
        if !cfg!(windows) || waited >= PATIENCE || !is_held(&done) {
            return done;
        }
        std::thread::sleep(pause);
        waited += pause;
        pause = (pause * 2).min(Duration::from_millis(500));
    }
}

/// Whether Windows says so: access denied, a sharing or lock violation, a folder that is not empty because what was
/// in it is still going, a file that is going, or one that is mapped.
pub fn is_held(error: &io::Error) -> bool {
    cfg!(windows) && matches!(error.raw_os_error(), Some(5 | 32 | 33 | 145 | 303 | 1224))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_held_is_tried_once() {
        let mut tries = 0;
        let failed: io::Result<()> = patiently(|| {
            tries += 1;
            Err(io::ErrorKind::NotFound.into())
        });
        assert!(failed.is_err());
        assert_eq!(tries, 1);
    }

    #[cfg(windows)]
    #[test]
    fn a_file_that_is_held_is_waited_for() {
        let mut tries = 0;
        let done = patiently(|| {
            tries += 1;
            if tries < 4 { Err(io::Error::from_raw_os_error(32)) } else { Ok(tries) }
        });
        assert_eq!(done.unwrap(), 4);
    }

    /// Windows can do it since 10, Wine cannot.
    #[cfg(unix)]
    #[test]
    fn a_file_is_replaced_while_somebody_reads_the_one_before() {
        let scratch = Scratch::new("holdall-test-").unwrap();
        let path = scratch.path().join("grüße.txt");
        fs_err::write(&path, "before").unwrap();
        let reader = fs_err::File::open(&path).unwrap();
        let mut file = tempfile::NamedTempFile::new_in(scratch.path()).unwrap();
        io::Write::write_all(&mut file, b"after").unwrap();
        persist(file, &path).unwrap();
        assert_eq!(io::read_to_string(reader).unwrap(), "before");
        assert_eq!(fs_err::read_to_string(&path).unwrap(), "after");
        assert_eq!(fs_err::read_dir(scratch.path()).unwrap().count(), 1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_program_is_known_to_run_until_it_ends() {
        let scratch = Scratch::new("holdall-test-").unwrap();
        let program = scratch.path().join("sleep");
        assert!(!is_running(&program));
        fs_err::copy("/bin/sleep", &program).unwrap();
        assert!(!is_running(&program));
        // While another test starts a process, that one may hold what was just copied.
        let started = || std::process::Command::new(&program).arg("60").spawn();
        let mut running = loop {
            match started() {
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                started => break started.unwrap(),
            }
        };
        assert!(is_running(&program));
        running.kill().unwrap();
        running.wait().unwrap();
        assert!(!is_running(&program));
    }

    #[test]
    fn a_folder_goes_with_all_that_is_in_it() {
        let scratch = Scratch::new("holdall-test-").unwrap();
        let folder = scratch.path().to_owned();
        fs_err::create_dir_all(folder.join("a/b")).unwrap();
        fs_err::write(folder.join("a/b/c"), "").unwrap();
        drop(scratch);
        assert!(!folder.exists());
        remove_dir_all(&folder).unwrap();
    }
}
