//! Processes: replaced when they end, lent in order, told when clients leave, and gone at the end.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use holdall::site::local::{Event, Served, Server};
use holdall::target::Target;

use super::client::{ask, connect, get, head, read, until};
use super::{Test, anywhere, responder};
use crate::system::{channel_exists, clean, end, is_alive, leaves_traces};

#[test]
fn a_crashed_process_is_replaced() {
    let test = Test::start();
    let before = test.process();
    let reply = get(test.address(), "/crash");
    assert_eq!(reply.status, 502);
    let after = test.process();
    assert_ne!(before, after);
    assert!(
        test.events()
            .iter()
            .any(|event| matches!(event, Event::Ended { process, .. } if process.to_string() == before))
    );
}

#[test]
fn a_process_that_ends_between_requests_is_replaced() {
    let test = Test::start();
    let before = test.process();
    end(&before);
    assert_ne!(test.process(), before);
}

#[test]
fn a_request_that_is_safe_to_repeat_is_tried_once_more() {
    let test = Test::start();
    let marks = test.marks();
    let path = |name: &str| format!("/crash-once?{}", marks.path().join(name).display());
    assert_eq!(get(test.address(), &path("a")).status, 404);
    assert_eq!(ask(test.address(), &format!("POST {}", path("b")), &["Content-Length: 0"]).status, 502);
    assert_eq!(ask(test.address(), &format!("POST {}", path("b")), &["Content-Length: 0"]).status, 404);
}

#[test]
fn an_answer_whose_process_crashed_is_cut_off() {
    let test = Test::start();
    let mut stream = connect(test.address());
    stream.write_all(head("GET /crash-in-body", &[]).as_bytes()).unwrap();
    assert!(read(stream).is_none(), "half an answer looked whole");
    assert_eq!(get(test.address(), "/params").status, 200);
}

#[test]
fn a_site_that_does_not_start_says_so() {
    let test = Test::with(|served| served.bridge = responder::failing());
    let reply = get(test.address(), "/");
    assert_eq!(reply.status, 503);
    assert!(reply.text().contains("does not start"));
    assert_eq!(get(test.address(), "/static/base.css").status, 200);
    let reason = |event: &Event| {
        matches!(event, Event::NotStarting { how, output, .. }
            if how.starts_with("exit ") && how.ends_with(": 1") && output.iter().any(|line| line.contains("no module named boom")))
    };
    assert!(test.events().iter().any(reason));
}

#[test]
fn a_program_that_is_missing_says_so() {
    let test = Test::with(|served| served.bridge.program = "/missing/python".into());
    assert_eq!(get(test.address(), "/").status, 503);
    let named =
        |event: &Event| matches!(event, Event::NotStarting { how, .. } if how.contains("/missing/python"));
    assert!(test.events().iter().any(named));
}

#[test]
fn a_process_whose_client_left_is_told_and_used_again() {
    let test = Test::start();
    let (before, marks) = (test.process(), test.marks());
    let mut stream = connect(test.address());
    stream.write_all(head(&format!("GET /hang?{}", marks.path().display()), &[]).as_bytes()).unwrap();
    until("the request arrives", || marks.path().join("in").exists());
    drop(stream);
    until("the application hears of it", || marks.path().join("aborted").exists());
    assert_eq!(test.process(), before);
}

#[test]
fn a_client_that_leaves_in_the_middle_of_its_body_costs_no_process() {
    let test = Test::start();
    let before = test.process();
    let mut stream = connect(test.address());
    stream.write_all(head("POST /upload", &["Content-Length: 1000"]).as_bytes()).unwrap();
    stream.write_all(b"not all of it").unwrap();
    drop(stream);
    assert_eq!(test.process(), before);
}

#[test]
fn a_client_that_leaves_in_the_middle_of_the_answer_costs_no_server() {
    let test = Test::start();
    let marks = test.marks();
    let mut stream = connect(test.address());
    let count = marks.path().join("sent");
    stream.write_all(head(&format!("GET /endless?{}", count.display()), &[]).as_bytes()).unwrap();
    stream.read_exact(&mut [0; 100_000]).unwrap();
    drop(stream);
    // This responder never hears of it and goes on; what it sends is dropped.
    let sent = || std::fs::read_to_string(&count).unwrap_or_default();
    let before = sent();
    until("what nobody reads is dropped", || sent() != before);
    assert_eq!(get(test.address(), "/static/base.css").status, 200);
}

#[test]
fn requests_wait_for_a_process_up_to_a_limit() {
    let test = Test::with(|served| served.queue = 1);
    let marks = test.marks();
    let mut first = connect(test.address());
    first.write_all(head(&format!("GET /gate?{}", marks.path().display()), &[]).as_bytes()).unwrap();
    until("the first request arrives", || marks.path().join("in").exists());
    let address = test.address();
    let others: Vec<_> = (0..2).map(|_| std::thread::spawn(move || get(address, "/params").status)).collect();
    until("one too many is turned away", || {
        test.events()
            .iter()
            .any(|event| matches!(event, Event::Request(request) if request.status == Some(503)))
    });
    std::fs::write(marks.path().join("open"), "").unwrap();
    assert_eq!(read(first).unwrap().text(), "through");
    let mut statuses: Vec<_> = others.into_iter().map(|other| other.join().unwrap()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 503]);
}

#[test]
fn several_processes_work_at_once() {
    let test = Test::with(|served| served.processes = 3);
    let gates: Vec<_> = (0..3).map(|_| test.marks()).collect();
    let streams: Vec<_> = gates
        .iter()
        .map(|gate| {
            let mut stream = connect(test.address());
            stream.write_all(head(&format!("GET /gate?{}", gate.path().display()), &[]).as_bytes()).unwrap();
            stream
        })
        .collect();
    until("all three are at work", || gates.iter().all(|gate| gate.path().join("in").exists()));
    gates.iter().for_each(|gate| std::fs::write(gate.path().join("open"), "").unwrap());
    assert!(streams.into_iter().all(|stream| read(stream).unwrap().text() == "through"));
}

#[test]
fn a_silent_process_is_killed_and_replaced() {
    let test = Test::with(|served| served.patience = Duration::from_secs(1));
    let before = test.process();
    assert_eq!(get(test.address(), "/never-reads").status, 504);
    assert_ne!(test.process(), before);
    assert!(!is_alive(&before));
}

#[test]
fn stopping_lets_requests_finish_and_leaves_nothing_behind() {
    let mut test = Test::with(|served| served.processes = 2);
    let marks = test.marks();
    let told = get(test.address(), "/params");
    let (process, channel) = (told.line("pid").unwrap(), told.line("channel").unwrap());
    assert!(channel_exists(&channel));
    let address = test.address();
    let gate = head(&format!("GET /gate?{}", marks.path().display()), &[]);
    let mut working = connect(address);
    working.write_all(gate.as_bytes()).unwrap();
    until("the request arrives", || marks.path().join("in").exists());
    let stopping = std::thread::spawn(move || {
        test.stop();
        test
    });
    until("no one else is let in", || std::net::TcpStream::connect(address).is_err());
    std::fs::write(marks.path().join("open"), "").unwrap();
    assert_eq!(read(working).unwrap().text(), "through");
    let test = stopping.join().unwrap();
    assert!(!is_alive(&process));
    assert!(!leaves_traces(&channel));
    assert!(
        !test.events().iter().any(|event| matches!(event, Event::Ended { .. } | Event::NotStarting { .. }))
    );
}

#[cfg(windows)]
#[test]
fn a_process_is_asked_to_end_by_the_event_that_it_was_given() {
    let mut test = Test::start();
    let marks = test.marks();
    let mark = marks.path().join("asked");
    get(test.address(), &format!("/leave-a-mark?{}", mark.display()));
    test.stop();
    assert!(mark.exists(), "the process was ended without being asked");
}

/// The variable that turns the test program into a server that is to be killed.
const DOOMED: &str = "HOLDALL_TEST_DOOMED";

/// Not a test of its own: see the next one.
#[test]
fn doomed_server_process() {
    let Some(mark) = std::env::var_os(DOOMED) else { return };
    let served = Served {
        www: std::env::temp_dir(),
        target: Target::LinuxX86_64,
        hashed_static: false,
        bridge: responder::invocation(),
        processes: 1,
        queue: 1,
        patience: Duration::from_secs(60),
        grace: Duration::from_secs(1),
    };
    let server = Server::start(anywhere(), served, |_| {}).unwrap();
    let told = get(server.address(), "/params");
    let marks = format!("{}\n{}", told.line("pid").unwrap(), told.line("channel").unwrap());
    std::fs::write(Path::new(&mark).with_extension("part"), marks).unwrap();
    std::fs::rename(Path::new(&mark).with_extension("part"), &mark).unwrap();
    std::thread::park();
}

#[cfg(any(target_os = "linux", windows))]
#[test]
fn a_server_that_is_killed_leaves_no_process() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("process");
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "preview::processes::doomed_server_process", "--nocapture"])
        .env(DOOMED, &mark)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until("the server is up", || mark.exists());
    let marks = std::fs::read_to_string(&mark).unwrap();
    let (process, channel) = marks.split_once('\n').unwrap();
    assert!(is_alive(process));
    server.kill().unwrap();
    server.wait().unwrap();
    until("its process is gone", || !is_alive(process));
    clean(channel);
}
