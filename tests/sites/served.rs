//! A site that `holdall.exe preview` serves in Wine, asked from this side: the two have their network in common.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bundles::Release;
use crate::lab::Process;
use crate::visitor::Visitor;
use crate::{harness, lab, visit};

/// How long a site may take until it serves, and until it has ended.
const PATIENCE: Duration = Duration::from_secs(180);

pub struct Served {
    child: Child,
    ready: Value,
    told: mpsc::Receiver<String>,
}

impl Release {
    /// `holdall.exe preview .`, with what the site writes below `root`.
    pub fn serve(&self, root: &Path, more: &[&str]) -> Served {
        Served::start(&mut self.preview(".", root, more))
    }

    /// `holdall.exe preview` of a bundle, or of a folder.
    pub fn preview(&self, what: &str, root: &Path, more: &[&str]) -> Command {
        let root = lab::windows(root);
        let mut preview = self.holdall(&["preview", what, "--format", "json", "--port", "0"]);
        preview.args(["--root", &root]).args(more);
        preview
    }
}

impl Served {
    /// Waits for the line with the address.
    pub fn start(preview: &mut Command) -> Served {
        let stderr = tempfile::NamedTempFile::new().unwrap();
        preview.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr.reopen().unwrap());
        let mut child = preview.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (send, told) = mpsc::channel();
        // To the end, or the preview would wait for room in the pipe.
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        let mut served = Served { child, ready: Value::Null, told };
        let first = served.next(Instant::now() + PATIENCE);
        let ready = first.as_ref().is_some_and(|first| first["address"].is_string());
        if !ready {
            let stderr = fs_err::read(stderr.path()).unwrap();
            panic!("the site is not served:\n{first:?}\n{}", String::from_utf8_lossy(&stderr));
        }
        served.ready = first.unwrap_or_default();
        served
    }

    pub fn visitor(&self) -> Visitor {
        Visitor::new(self.address())
    }

    /// The next value that the preview tells, unless it has ended.
    fn next(&self, deadline: Instant) -> Option<Value> {
        let line = self.told.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()?;
        Some(serde_json::from_str(&line).unwrap())
    }

    /// The folder whose files serve the site.
    pub fn release(&self) -> PathBuf {
        lab::here(self.ready["release"].as_str().unwrap())
    }

    fn address(&self) -> &str {
        self.ready["address"].as_str().unwrap()
    }

    /// Sees all of the guestbook.
    #[track_caller]
    pub fn visit_guestbook(&self) {
        let seen = visit::visit(self.address());
        let wrong: Vec<_> =
            seen.iter().filter(|page| page.problem.is_some()).map(ToString::to_string).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// Ctrl-C, which Wine makes of this signal: it ends well, and so do the site's processes, once they are asked.
    #[track_caller]
    pub fn stop(mut self) {
        harness::signal(self.child.id(), "INT");
        let status = lab::wait(&mut self.child, PATIENCE).expect("the preview did not end");
        assert!(status.success(), "the preview ended with {status}");
        let deadline = Instant::now() + PATIENCE;
        let told: Vec<String> =
            std::iter::from_fn(|| self.next(deadline)).map(|value| value["line"].to_string()).collect();
        let says = |words: &str| told.iter().any(|line| line.contains(words));
        assert!(says("] stopping: requests in flight are finished") && says("] stopped"), "{told:#?}");
        self.assert_gone();
    }

    /// Ends it as the task manager does: the site's processes end with it.
    #[track_caller]
    pub fn kill(mut self) {
        assert!(!self.processes().is_empty(), "the site has processes");
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.assert_gone();
    }

    pub fn processes(&self) -> Vec<Process> {
        lab::processes_of(&self.release().join("python"))
    }

    #[track_caller]
    fn assert_gone(&self) {
        let started = Instant::now();
        loop {
            let lines: Vec<_> = self.processes().into_iter().map(|process| process.line).collect();
            if lines.is_empty() {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "these outlive the preview: {lines:#?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Logs in at a form of Django's; it leads to another page.
#[track_caller]
pub fn log_in(visitor: &Visitor, path: &str, name: &str, password: &str) {
    let form = visitor.get(path).unwrap().with_status(200).unwrap();
    let token = form.between("name=\"csrfmiddlewaretoken\" value=\"", "\"").unwrap();
    let body = format!("csrfmiddlewaretoken={token}&username={name}&password={password}&next=/admin/");
    let kind = "application/x-www-form-urlencoded";
    visitor.post(path, kind, body.as_bytes()).unwrap().with_status(302).unwrap();
}
