//! Processes that are replaced while they serve: after a number of requests, for their memory, for new code.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::bridge::{Bridge, apps, python, run};
use super::client::get;

/// Which process answers; that one does is part of every story here.
fn who(bridge: &Bridge, path: &str) -> u32 {
    let text = bridge.connect().ask(&get(path)).text();
    text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{text:?}"))
}

/// Asks until `seen` holds of all processes that have answered so far.
#[track_caller]
fn ask_until(bridge: &Bridge, what: &str, seen: impl Fn(&BTreeSet<u32>) -> bool) -> BTreeSet<u32> {
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut all = BTreeSet::new();
    while !seen(&all) {
        assert!(Instant::now() < deadline, "{what} never came, only {all:?}:\n{}", bridge.log());
        all.insert(who(bridge, "/"));
    }
    all
}

#[test]
fn a_process_is_replaced_after_its_requests_and_no_visitor_is_lost() {
    let mut bridge = Bridge::start("whoami", &["--max-requests", "20", "--max-requests-jitter", "5"]);
    bridge.wait_for("ready: 1 process at");
    let seen = ask_until(&bridge, "a third process", |seen| seen.len() > 2);
    assert!(!seen.contains(&bridge.child.id()), "the parent serves nothing itself");
    bridge.wait_for("has answered its requests and is replaced");
    bridge.signal(15);
    assert_eq!(bridge.wait().code(), Some(0), "{}", bridge.log());
    for process in seen {
        assert!(!std::path::Path::new(&format!("/proc/{process}")).exists(), "{process} is left");
    }
}

#[test]
fn a_process_finishes_what_it_is_at_before_it_is_replaced() {
    let bridge = Bridge::start("gate", &["--max-requests", "1"]);
    let gate = bridge.folder.path().join("open");
    let mut client = bridge.connect();
    client.send(&get(&format!("/?{}", gate.display())).kept().bytes());
    bridge.wait_for("stopping: requests in flight are finished");
    std::fs::write(gate, "").unwrap();
    client.answer(1).expect("200 OK", "begun ended");
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_that_takes_too_much_memory_is_replaced() {
    let bridge = Bridge::start("grows", &["--max-memory", "60"]);
    bridge.wait_for("ready: 1 process at");
    let first = who(&bridge, "/");
    assert_eq!(who(&bridge, "/grow"), first);
    bridge.wait_for(&format!("worker {first} takes "));
    ask_until(&bridge, "another process", |seen| seen.iter().any(|process| *process != first));
}

#[test]
fn a_touched_file_brings_new_code_and_code_that_fails_leaves_the_old_at_work() {
    let folder = tempfile::tempdir().unwrap();
    let (code, touched) = (folder.path().join("mine.py"), folder.path().join("touched"));
    let say = |what: &str| {
        std::fs::write(&code, format!("import plain\n{what}\n")).unwrap();
        std::fs::write(&touched, what).unwrap();
    };
    let answering =
        |text: &str| format!("def app(environ, start):\n    start('200 OK', [])\n    return [b'{text}']");
    std::fs::write(&code, answering("old")).unwrap();
    let config = folder.path().join("bridge.toml");
    let socket = folder.path().join("socket");
    let text = format!(
        "app = 'mine:app'\npythonpath = ['.', {:?}]\nlisten = 'unix:{}'\nlog.path = 'log'\nprocesses = 2\nreload = 'touched'\n",
        apps(),
        socket.display()
    );
    std::fs::write(&config, text).unwrap();
    std::fs::write(folder.path().join("log"), "").unwrap();
    let child = python().arg("--config").arg(&config).spawn().unwrap();
    let bridge = Bridge { child, folder };
    bridge.wait_for("ready: 2 processes");
    let text = || bridge.connect().ask(&get("/")).text();
    assert_eq!(text(), "old");
    say("raise SystemExit('not yet')");
    bridge.wait_for("the one before it stays");
    assert_eq!(text(), "old");
    say(&answering("new"));
    bridge.wait_until("both replaced", |log| log.matches("] stopped").count() == 2);
    assert_eq!([text(), text(), text(), text()], ["new"; 4]);
}

#[test]
fn limits_that_mean_nothing_are_refused() {
    let output = run(["--app", "plain:hello", "--listen", "unix:/nowhere", "--max-requests", "0"]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("error: `max_requests` is 0"), "{text}");
}
