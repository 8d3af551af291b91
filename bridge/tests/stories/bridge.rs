//! The real bridge, started as a web server or a person starts it.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use super::client::Client;

/// The Python that has the bridge's wheel installed.
pub fn python() -> Command {
    let python = std::env::var_os("HOLDALL_BRIDGE_PYTHON").expect(
        "HOLDALL_BRIDGE_PYTHON names no Python with the bridge: run `cargo xtask test`, which prepares it",
    );
    let mut command = Command::new(python);
    command.args(["-I", "-B", "-X", "utf8", "-m", "holdall_bridge"]).stdin(Stdio::null());
    command
}

pub fn apps() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apps")
}

/// One that runs to its end, such as `--check`.
pub fn run<W: AsRef<OsStr>>(words: impl IntoIterator<Item = W>) -> Output {
    python().args(words).output().unwrap()
}

/// A running bridge. It is killed with the test.
pub struct Bridge {
    pub child: Child,
    pub folder: tempfile::TempDir,
}

impl Bridge {
    /// Serves APP (`plain:APP`, if it names no module) at a unix socket of its own, with further words for the command line.
    pub fn start(app: &str, words: &[&str]) -> Bridge {
        let folder = tempfile::tempdir().unwrap();
        let listen = format!("unix:{}", folder.path().join("socket").display());
        let bridge = Bridge::spawn(folder, app, &[&["--listen", &listen], words].concat(), Stdio::null());
        bridge.wait_for("ready: ");
        bridge
    }

    /// Serves at a socket handed over as descriptor 0.
    pub fn start_on_descriptor_0(app: &str, words: &[&str]) -> Bridge {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
        let bridge = Bridge::spawn(folder, app, words, Stdio::from(OwnedFd::from(listener)));
        bridge.wait_for("ready: ");
        bridge
    }

    /// Starts it and does not wait.
    pub fn spawn(folder: tempfile::TempDir, app: &str, words: &[&str], stdin: Stdio) -> Bridge {
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let app = if app.contains(':') { app.to_owned() } else { format!("plain:{app}") };
        let child = python()
            .args(["--app", &app, "--pythonpath"])
            .arg(apps())
            .args(words)
            .stdin(stdin)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Bridge { child, folder }
    }

    pub fn connect(&self) -> Client {
        Client::unix(&self.folder.path().join("socket"))
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.path().join("log")).unwrap()).into_owned()
    }

    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        self.wait_until(text, |log| log.contains(text));
    }

    #[track_caller]
    pub fn wait_until(&self, what: &str, seen: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !seen(&self.log()) {
            assert!(Instant::now() < deadline, "no {what:?} in the log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn signal(&self, signal: i32) {
        signal_process(self.child.id(), signal);
    }

    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The most memory it has used so far, in kB.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // Asked kindly first, so that workers go with their parent.
            self.signal(15);
            let deadline = Instant::now() + Duration::from_secs(2);
            while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(5));
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

pub fn signal_process(pid: u32, signal: i32) {
    // The shell's own `kill`: a small system has no program for it.
    let done = Command::new("sh").args(["-c", &format!("kill -{signal} {pid}")]).status().unwrap();
    assert!(done.success());
}
