//! The life of a process: threads, several processes, being told to stop.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use super::bridge::{Bridge, apps, python, signal_process};
use super::client::{get, record};

const TERM: i32 = 15;
const KILL: i32 = 9;

#[test]
fn told_to_stop_it_finishes_the_request_in_flight_and_leaves_by_the_front_door() {
    let mut bridge = Bridge::start("gate", &[]);
    let gate = bridge.folder.path().join("open");
    let mut idle = bridge.connect();
    let mut client = bridge.connect();
    client.send(&get(&format!("/?{}", gate.display())).kept().bytes());
    bridge.wait_for("note: begun");
    bridge.signal(TERM);
    bridge.wait_for("stopping: ");
    std::fs::write(gate, "").unwrap();
    client.answer(1).expect("200 OK", "begun ended");
    assert_eq!(bridge.wait().code(), Some(0));
    assert!(bridge.log().contains("note: atexit ran"), "{}", bridge.log());
    assert!(idle.is_closed());
    assert!(!bridge.folder.path().join("socket").exists(), "its socket file goes with it");
}

#[test]
fn told_to_stop_it_answers_what_has_arrived_and_keeps_no_connection() {
    let mut bridge = Bridge::start("gate", &[]);
    let gate = bridge.folder.path().join("open");
    let request = get(&format!("/?{}", gate.display())).kept();
    let mut busy = bridge.connect();
    busy.send(&request.bytes());
    bridge.wait_for("note: begun");
    std::fs::write(&gate, "").unwrap();
    busy.answer(1).expect("200 OK", "begun ended");
    std::fs::remove_file(&gate).unwrap();
    // Two connections the bridge knows, one of them busy; a request arrives on the other.
    let mut waiting = bridge.connect();
    waiting.send(&record(9, 0, b"\x0f\x00FCGI_MPXS_CONNS"));
    assert_eq!(waiting.record().unwrap().0, 10);
    busy.send(&request.bytes());
    bridge.wait_until("begun again", |log| log.matches("note: begun").count() == 2);
    waiting.send(&request.bytes());
    bridge.signal(TERM);
    bridge.wait_for("stopping: ");
    std::fs::write(&gate, "").unwrap();
    busy.answer(1).expect("200 OK", "begun ended");
    waiting.answer(1).expect("200 OK", "begun ended");
    assert!(busy.is_closed() && waiting.is_closed());
    assert_eq!(bridge.wait().code(), Some(0));
}

#[test]
fn told_to_stop_it_answers_those_who_have_just_come() {
    let mut bridge = Bridge::start("gate", &[]);
    let gate = bridge.folder.path().join("open");
    let request = get(&format!("/?{}", gate.display()));
    let mut busy = bridge.connect();
    busy.send(&request.bytes());
    bridge.wait_for("note: begun");
    // The system has connected them, and the bridge has not looked yet; one is slower to ask than the bridge to be told.
    let (mut asking, mut slow) = (bridge.connect(), bridge.connect());
    asking.send(&request.bytes());
    bridge.signal(TERM);
    bridge.wait_for("stopping: ");
    std::fs::write(gate, "").unwrap();
    busy.answer(1).expect("200 OK", "begun ended");
    asking.answer(1).expect("200 OK", "begun ended");
    slow.ask(&request).expect("200 OK", "begun ended");
    assert_eq!(bridge.wait().code(), Some(0));
}

#[test]
fn a_log_that_nobody_reads_stops_neither_the_others_nor_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let listen = format!("unix:{}", folder.path().join("socket").display());
    let child = python()
        .args([
            "--app",
            "plain:by_path",
            "--threads",
            "2",
            "--grace",
            "1",
            "--listen",
            &listen,
            "--pythonpath",
        ])
        .arg(apps())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::fs::write(folder.path().join("log"), "").unwrap();
    let mut bridge = Bridge { child, folder };
    let mut log = BufReader::new(bridge.child.stderr.take().unwrap());
    let mut first = String::new();
    log.read_line(&mut first).unwrap();
    assert!(first.contains("ready: "), "{first}");
    let mut flooding = bridge.connect();
    flooding.send(&get("/floods").bytes());
    assert!(flooding.record().is_some(), "it has begun, and will not come far");
    bridge.connect().ask(&get("/hello?you")).expect("200 OK", "hello you");
    bridge.signal(TERM);
    assert_eq!(bridge.wait().code(), Some(1));
}

#[test]
fn output_to_nowhere_and_a_log_into_a_pipe_stop_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let listen = format!("unix:{}", folder.path().join("socket").display());
    let child = python()
        .args(["--app", "plain:by_path", "--listen", &listen, "--pythonpath"])
        .arg(apps())
        // It takes every seek, and Python remembers that it does.
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut bridge = Bridge { child, folder };
    let mut first = String::new();
    BufReader::new(bridge.child.stderr.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.contains("ready: "), "{first}");
    bridge.connect().ask(&get("/hello?you")).expect("200 OK", "hello you");
}

#[test]
fn several_processes_told_twice_leave_at_once() {
    let mut bridge = Bridge::start("gate", &["--processes", "2", "--grace", "600"]);
    bridge.wait_for("ready: 2 processes");
    let mut client = bridge.connect();
    client.send(&get("/?/no/such/gate").bytes());
    bridge.wait_for("note: begun");
    bridge.signal(TERM);
    bridge.wait_for("stopping: workers");
    bridge.signal(TERM);
    bridge.wait();
    bridge.wait_for("does not leave and is killed");
}

#[test]
fn an_idle_kept_connection_does_not_delay_the_end() {
    for signal in [TERM, 2, 10] {
        let mut bridge = Bridge::start("hello", &[]);
        let mut client = bridge.connect();
        client.ask(&get("/").kept()).expect("200 OK", "hello ");
        bridge.signal(signal);
        let status = bridge.wait();
        assert_eq!(status.code(), Some(0), "{status}\n{}", bridge.log());
    }
}

#[test]
fn a_request_without_end_is_left_behind_at_the_second_deadline() {
    let mut bridge = Bridge::start("gate", &["--grace", "1"]);
    let mut client = bridge.connect();
    client.send(&get("/?/no/such/gate").bytes());
    bridge.wait_for("note: begun");
    bridge.signal(TERM);
    assert_eq!(bridge.wait().code(), Some(1));
    assert!(bridge.log().contains("not done within 1 s"), "{}", bridge.log());
}

#[test]
fn threads_answer_at_the_same_time() {
    let bridge = Bridge::start("gate", &["--threads", "3"]);
    let gate = bridge.folder.path().join("open");
    let mut clients: Vec<_> = (0..3).map(|_| bridge.connect()).collect();
    for client in &mut clients {
        client.send(&get(&format!("/?{}", gate.display())).bytes());
    }
    bridge.wait_until("three begun", |log| log.matches("note: begun").count() == 3);
    std::fs::write(gate, "").unwrap();
    for client in &mut clients {
        client.answer(1).expect("200 OK", "begun ended");
    }
}

#[test]
fn threads_take_turns_on_many_kept_connections() {
    let bridge = Bridge::start("hello", &["--threads", "4"]);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut client = bridge.connect();
                for _ in 0..200 {
                    client.ask(&get("/?x").kept()).expect("200 OK", "hello x");
                }
            });
        }
    });
}

#[test]
fn the_environment_tells_of_threads_and_processes() {
    for (words, expected) in
        [(&["--threads", "2"][..], "True False"), (&["--processes", "2"], "False True"), (&[], "False False")]
    {
        let bridge = Bridge::start("whoami", words);
        let text = bridge.connect().ask(&get("/")).text();
        assert_eq!(text.split_once(' ').unwrap().1, expected);
    }
}

#[test]
fn a_worker_that_is_killed_is_replaced() {
    let mut bridge = Bridge::start("whoami", &["--processes", "2"]);
    bridge.wait_for("ready: 2 processes");
    let asked = |bridge: &Bridge| -> u32 {
        bridge.connect().ask(&get("/")).text().split(' ').next().unwrap().parse().unwrap()
    };
    let first = asked(&bridge);
    assert_ne!(first, bridge.child.id(), "the parent serves nothing itself");
    signal_process(first, KILL);
    bridge.wait_for(&format!("worker {first} is gone"));
    bridge.wait_until("a third worker", |log| log.matches("ready: plain:whoami").count() == 3);
    let seen: BTreeSet<u32> = (0..20).map(|_| asked(&bridge)).collect();
    assert!(!seen.contains(&first), "{seen:?}");
    bridge.signal(TERM);
    assert_eq!(bridge.wait().code(), Some(0));
    for pid in seen {
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "worker {pid} went with its parent");
    }
}

#[test]
fn workers_leave_when_their_parent_is_killed() {
    let mut bridge = Bridge::start("whoami", &["--processes", "2"]);
    bridge.wait_for("ready: 2 processes");
    bridge.child.kill().unwrap();
    bridge.wait();
    bridge.wait_until("both stopped", |log| log.matches("] stopped").count() == 2);
}

#[test]
fn it_serves_with_all_three_standard_descriptors_closed() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let config = folder.path().join("bridge.toml");
    let text = format!(
        "app = 'plain:noisy'\npythonpath = [{:?}]\nlisten = 'unix:{}'\nlog.path = 'log'\n",
        apps(),
        folder.path().join("socket").display()
    );
    std::fs::write(&config, text).unwrap();
    std::fs::write(&log, "").unwrap();
    let python = python();
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "exec \"$@\" 0<&- 1>&- 2>&-", "sh"]).arg(python.get_program()).args(python.get_args());
    let child = shell.arg("--config").arg(config).spawn().unwrap();
    let bridge = Bridge { child, folder };
    bridge.wait_for("ready: ");
    bridge.connect().ask(&get("/")).expect("200 OK", "('', b'')");
    bridge.wait_for("written to descriptor 1");
}
