//! The program itself: it says when it is ready, and no process outlives it in whatever way it ends.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::lab::{Lab, PATIENCE};

/// The program over a lab's folder, ready, and the process that answered its first request.
fn started(lab: &Lab) -> (Child, Value) {
    lab.commit();
    let ready = lab.path("ready");
    let mut program = Command::new(env!("CARGO_BIN_EXE_iis"));
    program.arg("--config").arg(lab.config()).arg("--ready-file").arg(&ready).stdin(Stdio::null());
    let child = program.spawn().unwrap();
    wait(|| ready.exists());
    assert_eq!(fs_err::read_to_string(&ready).unwrap(), child.id().to_string());
    let process = lab.ask("/")["pid"].clone();
    (child, process)
}

#[track_caller]
fn wait(is_done: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_done() {
        assert!(Instant::now() < until, "not in time");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

fn is_there(process: &Value) -> bool {
    Path::new(&format!("/proc/{process}")).exists()
}

fn signal(child: &Child, signal: &str) {
    let sent = Command::new("kill").arg(signal).arg(child.id().to_string()).status().unwrap();
    assert!(sent.success());
}

#[test]
fn told_to_end_it_lets_its_processes_end_by_themselves() {
    let lab = Lab::new();
    let (mut child, process) = started(&lab);
    signal(&child, "-TERM");
    assert!(child.wait().unwrap().success());
    assert!(!is_there(&process));
    assert_eq!(lab.end_of(&process), "drained");
    let said = fs_err::read_to_string(lab.config().join("processes.txt")).unwrap();
    assert!(said.contains("stopped"), "{said}");
}

#[test]
fn killed_it_takes_its_processes_with_it() {
    let lab = Lab::new();
    let (mut child, process) = started(&lab);
    signal(&child, "-KILL");
    child.wait().unwrap();
    wait(|| !is_there(&process));
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let run = |words: &[&str]| Command::new(env!("CARGO_BIN_EXE_iis")).args(words).output().unwrap();
    let failed = run(&["--config", folder.path().to_str().unwrap()]);
    let said = String::from_utf8(failed.stderr).unwrap();
    assert!(failed.status.code() == Some(1) && said.contains("no `applicationHost.config`"), "{said}");
    assert_eq!(run(&["--folder", "x"]).status.code(), Some(2));
    for wrong in ["[switches]\nnone = 1", "[serve]\n\"params.path\" = \"none\""] {
        fs_err::write(folder.path().join("lab.toml"), wrong).unwrap();
        let failed = run(&["--config", folder.path().to_str().unwrap()]);
        let said = String::from_utf8(failed.stderr).unwrap();
        assert!(failed.status.code() == Some(1) && said.contains("lab.toml"), "{said}");
    }
}
