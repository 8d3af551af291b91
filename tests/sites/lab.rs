//! The Windows lab: programs of Windows, started in Wine, that know nothing of the system around it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// How long any single program may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// What `cargo xtask wine sites` hands over under this name.
pub fn given(name: &str) -> PathBuf {
    match std::env::var_os(name) {
        Some(path) => path.into(),
        None => {
            panic!("{name} is not set: run `cargo xtask wine sites`, which prepares what these tests need")
        }
    }
}

/// A command for a program of Windows: a path of this system, or the name of one of Windows' own programs.
///
/// Of this system's environment it gets what Wine itself needs; the variables of Windows are Wine's own.
pub fn wine(program: impl AsRef<OsStr>, folder: &Path) -> Command {
    let mut wine = Command::new("wine");
    wine.arg(program).current_dir(folder).env_clear();
    // Wine is a script. Without a locale that has them, letters beyond ASCII in names of files get lost on the way.
    wine.env("PATH", "/usr/bin:/bin").env("LC_ALL", "C.UTF-8");
    given("HOLDALL_WINE_WINEPREFIX");
    for (name, value) in std::env::vars_os() {
        if let Some(name) = name.to_str().and_then(|name| name.strip_prefix("HOLDALL_WINE_")) {
            wine.env(name, value);
        }
    }
    wine
}

/// What a path of this system is called on Windows.
pub fn windows(path: &Path) -> String {
    format!("Z:{}", path.to_str().unwrap().replace('/', "\\"))
}

/// What a path on Windows is called here.
pub fn here(path: &str) -> PathBuf {
    PathBuf::from(path.strip_prefix("Z:").unwrap().replace('\\', "/"))
}

/// How a program ended, and what it wrote.
#[derive(Debug)]
pub struct Said {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    #[track_caller]
    pub fn success(self) -> Said {
        assert!(self.status.success(), "{}\n{}\n{}", self.status, self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub fn code(self, code: i32) -> Said {
        assert_eq!(self.status.code(), Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }
}

/// Runs a program to its end.
#[track_caller]
pub fn run(command: &mut Command) -> Said {
    // A Windows CPython takes pipes for its standard streams, and hardly anything else of this system.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdin.take());
    let (stdout, stderr) = (read(child.stdout.take().unwrap()), read(child.stderr.take().unwrap()));
    let status = wait(&mut child, PATIENCE);
    let text = |bytes: Receiver<Vec<u8>>| {
        let bytes =
            bytes.recv_timeout(PATIENCE).expect("what it wrote to is closed when a program has ended");
        String::from_utf8_lossy(&bytes).replace("\r\n", "\n")
    };
    let (stdout, stderr) = (text(stdout), text(stderr));
    let Some(status) = status else { panic!("{command:?} did not end in time:\n{stdout}\n{stderr}") };
    Said { status, stdout, stderr }
}

/// Reads to the end, beside what else is done.
fn read(mut stream: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let _ = send.send(bytes);
    });
    receive
}

/// Waits for the end of a program, and ends it when it takes too long.
pub fn wait(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if started.elapsed() > patience {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A process of this machine.
pub struct Process {
    folder: PathBuf,
    pub line: String,
}

/// The processes whose command line names this folder, by the name that Windows has for it.
pub fn processes_of(folder: &Path) -> Vec<Process> {
    let name = windows(folder);
    let mut found = Vec::new();
    for entry in fs_err::read_dir("/proc").unwrap() {
        let folder = entry.unwrap().path();
        // A process may end while it is looked at.
        let Ok(line) = fs_err::read(folder.join("cmdline")) else { continue };
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(&name) {
            found.push(Process { folder, line });
        }
    }
    found
}

impl Process {
    /// The programs and libraries of Windows that it has loaded, without Wine's own.
    pub fn loaded(&self) -> BTreeSet<PathBuf> {
        let prefix = given("HOLDALL_WINE_WINEPREFIX");
        let maps = fs_err::read_to_string(self.folder.join("maps")).unwrap();
        // Five columns stand before the path: address, rights, offset, device, inode.
        let paths = maps.lines().filter_map(|line| Some(PathBuf::from(line.splitn(6, ' ').nth(5)?.trim())));
        let of_windows = |path: &Path| {
            let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
            ["exe", "dll", "pyd"].iter().any(|known| extension == *known)
        };
        let of_wine = |path: &Path| path.starts_with(&prefix) || path.iter().any(|part| part == "wine");
        paths.filter(|path| of_windows(path) && !of_wine(path)).collect()
    }
}
