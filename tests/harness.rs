//! What every story uses: a folder of its own, the real command, and a preview that can be asked for pages.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use assert_cmd::assert::Assert;
use holdall::cache::Cache;
use holdall::packages::Uv;
use holdall::recipe::Recipes;
use holdall::target::Target;
use tempfile::TempDir;
use ureq::http::Response;

use crate::system::{apart, interrupt};

/// One story's folder.
pub struct Test {
    folder: TempDir,
}

impl Test {
    /// An empty folder.
    pub fn empty() -> Test {
        Test { folder: tempfile::tempdir().unwrap() }
    }

    /// An empty folder in memory, where the system has much room there; else one like any other. For stories that make
    /// and remove thousands of files again and again.
    #[cfg(target_os = "linux")]
    pub fn in_memory() -> Test {
        const SHARED: &std::ffi::CStr = c"/dev/shm";
        /// More than all stories use that are told at once.
        const MUCH: u64 = 8 << 30;
        // SAFETY: a structure of numbers, which the call fills; the path ends with a zero.
        let room = unsafe {
            let mut found: libc::statvfs = std::mem::zeroed();
            match libc::statvfs(SHARED.as_ptr(), &raw mut found) {
                0 => found.f_bavail * found.f_frsize,
                _ => 0,
            }
        };
        let folder = (room >= MUCH).then(|| tempfile::tempdir_in(SHARED.to_str().unwrap()).ok());
        folder.flatten().map_or_else(Test::empty, |folder| Test { folder })
    }

    /// A path in the story's folder, written as the system writes it.
    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below).components().collect()
    }

    /// Writes a file below the story's folder, with the folders above it.
    pub fn write(&self, below: &str, text: impl AsRef<[u8]>) -> &Test {
        let path = self.path(below);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
        self
    }

    pub fn read(&self, below: &str) -> String {
        fs_err::read_to_string(self.path(below)).unwrap()
    }

    /// Copies `tests/fixtures/<name>` into the story's folder, below `into`.
    pub fn fixture(&self, name: &str, into: &str) -> &Test {
        copy_tree(&repository().join("tests/fixtures").join(name), &self.path(into));
        self
    }

    /// Copies `examples/guestbook`, without what somebody's own run of it left there.
    pub fn guestbook(&self, into: &str) -> &Test {
        copy_tree(&repository().join("examples/guestbook"), &self.path(into));
        self
    }

    /// The command, in the story's folder.
    pub fn holdall<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Assert {
        assert_cmd::Command::from_std(command(self.folder.path(), args)).assert()
    }

    /// `holdall bundle PROJECT --runtime host` into `dist/`; returns the bundle.
    pub fn bundle(&self, project: &str, more: &[&str]) -> PathBuf {
        let args = ["--format", "json", "bundle", project, "--runtime", "host", "--output", "dist"];
        let output = self.holdall(args.iter().chain(more)).success();
        let report: serde_json::Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
        self.path(report["path"].as_str().unwrap())
    }

    /// Runs the Python that has Django and the packages of the tests.
    pub fn django(&self, args: &[&str]) {
        let done =
            Command::new(prepared("HOLDALL_TEST_PYTHON")).args(args).current_dir(self.folder.path()).output();
        let done = done.unwrap();
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// Runs the uv that the command uses, in the folder `below`, with the Python of the tests.
    pub fn uv(&self, below: &str, args: &[&str]) {
        let mut uv = Command::new(&shared_uv().program);
        uv.arg("--quiet")
            .args(args)
            .env("UV_PYTHON", &shared_uv().python)
            .env("UV_PYTHON_DOWNLOADS", "never");
        let done = uv.current_dir(self.path(below)).output().unwrap();
        assert!(done.status.success(), "uv {args:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// Runs git in `site/` as somebody whose own configuration does not count.
    pub fn git(&self, args: &[&str]) -> &Test {
        let mut git = Command::new("git");
        git.args([
            "-c",
            "user.name=Ann",
            "-c",
            "user.email=ann@example.org",
            "-c",
            "init.defaultBranch=main",
        ]);
        git.args(args)
            .current_dir(self.path("site"))
            .env("GIT_CONFIG_GLOBAL", "")
            .env("GIT_CONFIG_NOSYSTEM", "1");
        let done = git.output().unwrap();
        assert!(done.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&done.stderr));
        self
    }

    /// `holdall preview`, ready to be asked.
    pub fn preview<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Preview {
        Preview::start(command(self.folder.path(), ["preview", "--format", "json", "--port", "0"]).args(args))
    }
}

/// A preview that serves until the story drops it.
pub struct Preview {
    child: Child,
    pub ready: serde_json::Value,
    agent: ureq::Agent,
}

/// One page as it came.
pub struct Page {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub body: Vec<u8>,
}

impl Page {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The text between `before` and `after`, the first time they occur.
    #[track_caller]
    pub fn between(&self, before: &str, after: &str) -> String {
        let text = self.text();
        let Some((_, rest)) = text.split_once(before) else { panic!("no `{before}` in {text}") };
        rest.split_once(after).unwrap().0.to_owned()
    }
}

impl Preview {
    fn start(command: &mut Command) -> Preview {
        apart(command);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        // Lines before the one with the address tell what its processes print.
        let values = (&mut lines).lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap());
        let told = |value: &serde_json::Value| value["address"].is_string() || value["error"].is_string();
        let ready = values.into_iter().find(told).unwrap_or_default();
        if !ready["address"].is_string() {
            let mut words = String::new();
            child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
            panic!("preview ended before it served: {}\n{ready}\n{words}", child.wait().unwrap());
        }
        // Its later words must be read, or it would wait for room in the pipe.
        let mut errors = child.stderr.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::stderr()));
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        let agent = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into();
        Preview { child, ready, agent }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.ready["address"].as_str().unwrap().trim_end_matches('/'))
    }

    pub fn get(&self, path: &str) -> Page {
        page(self.agent.get(self.url(path)).call().unwrap())
    }

    /// A page as somebody who reads `language` gets it.
    #[cfg(unix)]
    pub fn get_in(&self, language: &str, path: &str) -> Page {
        page(self.agent.get(self.url(path)).header("accept-language", language).call().unwrap())
    }

    pub fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Page {
        page(self.agent.post(self.url(path)).header("content-type", content_type).send(body).unwrap())
    }

    /// Every file that its processes have mapped, with libraries and the interpreter itself, sorted.
    #[cfg(target_os = "linux")]
    pub fn mapped_by_processes(&self) -> Vec<PathBuf> {
        let mut mapped = std::collections::BTreeSet::new();
        // Each thread has a list of the children that it started.
        let threads = fs_err::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let lists =
            threads.map(|thread| fs_err::read_to_string(thread.unwrap().path().join("children")).unwrap());
        for child in lists.collect::<Vec<_>>().join(" ").split_whitespace() {
            for line in fs_err::read_to_string(format!("/proc/{child}/maps")).unwrap().lines() {
                // Five columns stand before the path: address, rights, offset, device, inode.
                let path = line.splitn(6, ' ').nth(5).unwrap_or("").trim();
                if path.starts_with('/') {
                    mapped.insert(PathBuf::from(path));
                }
            }
        }
        assert!(!mapped.is_empty(), "no process serves");
        mapped.into_iter().collect()
    }

    /// Ends it as Ctrl-C does and checks that it ended well, where it can be asked to.
    #[track_caller]
    pub fn stop(mut self) {
        let asked = interrupt(&mut self.child);
        let status = self.child.wait().unwrap();
        assert_eq!(status.success(), asked, "preview ended with {status}");
    }
}

impl Drop for Preview {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn page(mut answer: Response<ureq::Body>) -> Page {
    let body = answer.body_mut().with_config().limit(100_000_000).read_to_vec().unwrap();
    Page { status: answer.status().as_u16(), headers: answer.headers().clone(), body }
}

/// The command with an environment that does not depend on who runs the tests. Stories share one cache, as the
/// projects of one developer do.
pub fn command<S: AsRef<OsStr>>(folder: &Path, args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program());
    command
        .args(args)
        .current_dir(folder)
        .env("HOLDALL_CACHE", cache())
        .env("HOLDALL_TOOLS", prepared("HOLDALL_TOOLS"))
        .env("NO_COLOR", "1")
        .env("COLUMNS", "200")
        .env("RUST_BACKTRACE", "0")
        .env_remove("HOLDALL_TRUST")
        .env_remove("HOLDALL_TRUST_FILE")
        .env_remove("HOLDALL_KEY_PASSWORD")
        .env_remove("SECRET_KEY")
        .env_remove("DJANGO_SETTINGS_MODULE");
    command
}

pub fn prepared(name: &str) -> PathBuf {
    match std::env::var_os(name) {
        Some(path) => path.into(),
        None => panic!("{name} is not set: run `cargo xtask test`, which prepares what the stories need"),
    }
}

/// The command that is tested.
pub fn program() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| here(env!("CARGO_BIN_EXE_holdall")));
    &PROGRAM
}

pub fn repository() -> &'static Path {
    static REPOSITORY: LazyLock<PathBuf> = LazyLock::new(|| here(env!("CARGO_MANIFEST_DIR")));
    &REPOSITORY
}

/// The target that is this machine.
pub fn host() -> &'static str {
    Target::host().unwrap().as_str()
}

/// The uv of that cache.
pub fn shared_uv() -> &'static Uv {
    static UV: LazyLock<Uv> = LazyLock::new(|| {
        let recipes = Recipes::of_user().unwrap();
        let cache = Cache::at(cache());
        // It may have to be installed, while stories beside run the command.
        let _in_use = cache.enter(|| ()).unwrap();
        Uv::find(&cache, &prepared("HOLDALL_TEST_PYTHON"), &recipes.uv).unwrap()
    });
    &UV
}

/// The cache that the stories share. Each system needs its own: the programs in it are for one alone.
pub fn cache() -> PathBuf {
    std::env::var_os("HOLDALL_TEST_CACHE")
        .map_or_else(|| repository().join("target/test-cache"), PathBuf::from)
}

/// A path that the compiler knew. Tests for Windows may be built on Linux: there the path has no drive, and means the
/// one that the tests are started on, while what they start may be on another.
fn here(path: &str) -> PathBuf {
    std::path::absolute(path).unwrap()
}

pub fn copy_tree(from: &Path, to: &Path) {
    fs_err::create_dir_all(to).unwrap();
    for entry in fs_err::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (source, copy) = (entry.path(), to.join(entry.file_name()));
        match entry.file_name().to_str() {
            Some("__pycache__" | "db.sqlite3" | "media" | "staticfiles" | "dist") => {}
            _ if entry.file_type().unwrap().is_dir() => copy_tree(&source, &copy),
            _ => drop(fs_err::copy(source, copy).unwrap()),
        }
    }
}

/// Sends a process a signal, `INT` as Ctrl-C does. The shell's own `kill`: a small system has no program for it.
#[cfg(unix)]
#[track_caller]
pub fn signal(process: impl std::fmt::Display, name: &str) {
    let sent = Command::new("sh").args(["-c", &format!("kill -{name} {process}")]).status().unwrap();
    assert!(sent.success());
}
