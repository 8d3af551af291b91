//! Applications at the edges of what WSGI allows.

use super::bridge::Bridge;
use super::client::{get, post};

#[track_caller]
fn check_500(app: &str, path: &str, said: &str) {
    let bridge = Bridge::start(app, &[]);
    let mut client = bridge.connect();
    client.ask(&get(path).kept()).expect("500 Internal Server Error", "Internal Server Error\n");
    bridge.wait_for(said);
    client.ask(&get(path)).expect("500 Internal Server Error", "Internal Server Error\n");
}

#[test]
fn every_request_has_a_dictionary_of_its_own() {
    let bridge = Bridge::start("edges:fresh", &[]);
    let mut client = bridge.connect();
    for _ in 0..3 {
        client.ask(&post("/caf\u{e9}", b"body").kept()).expect("200 OK", "[]");
    }
}

#[test]
fn cookies_keep_their_number_and_order() {
    let bridge = Bridge::start("edges:cookies", &[]);
    let answer = bridge.connect().ask(&get("/").with("HTTP_COOKIE", "b=2; a=1; b=3"));
    answer.expect("200 OK", "b=2; a=1; b=3");
    let found: Vec<_> = answer.head.lines().filter(|line| line.starts_with("Set-Cookie")).collect();
    let expected = [0, 1, 2].map(|n| format!("Set-Cookie: name{n}=value; Path=/{n}"));
    assert_eq!(found, expected);
}

#[test]
fn a_response_may_be_started_when_its_first_piece_is_asked_for() {
    let bridge = Bridge::start("edges:lazy", &[]);
    for path in ["/", "/?empty"] {
        bridge.connect().ask(&get(path)).expect("202 Accepted", "late");
    }
}

#[test]
fn an_error_that_is_found_after_the_headers_is_raised_again() {
    let bridge = Bridge::start("edges:too_late", &[]);
    let answer = bridge.connect().ask(&get("/"));
    assert_eq!((answer.text().as_str(), answer.end, answer.cut), ("begun", None, true));
    bridge.wait_for("KeyError: 'too late for another head'");
}

#[test]
fn what_would_end_a_program_ends_its_request() {
    check_500("edges:interrupts", "/", "KeyboardInterrupt");
    check_500("edges:leaves", "/", "GeneratorExit: gone");
}

#[test]
fn what_start_response_may_not_be_given_is_refused() {
    let bridge = Bridge::start("edges:breaks_rules", &[]);
    let answer = bridge.connect().ask(&get("/"));
    answer.expect("200 \u{fc}blich", "[]");
    assert!(answer.head.contains("X-Latin: gr\u{fc}\u{df}e"), "{}", answer.head);
}

#[test]
fn long_and_many_headers_of_an_answer_arrive() {
    let bridge = Bridge::start("edges:many_headers", &[]);
    let answer = bridge.connect().ask(&get("/"));
    answer.expect("200 OK", "body");
    let lines: Vec<_> = answer.head.lines().collect();
    assert_eq!(lines.iter().filter(|line| line.starts_with("X-")).count(), 2001);
    assert!(lines[2000].starts_with("X-1999: 1999") && answer.head.contains(&"v".repeat(100_000)));
}

#[test]
fn an_answer_without_a_body_gets_no_length() {
    let bridge = Bridge::start("edges:not_modified", &[]);
    let answer = bridge.connect().ask(&get("/"));
    answer.expect("304 Not Modified", "");
    assert_eq!(answer.head, "Status: 304 Not Modified\r\nETag: \"x\"");
}

#[test]
fn what_is_no_answer_is_a_plain_500() {
    for (kind, said) in [
        ("none", "TypeError: 'NoneType' object is not iterable"),
        ("number", "TypeError: 'int' object is not iterable"),
        ("text", "TypeError: the application gave str where"),
        ("pieces", "TypeError: the application gave int where"),
        ("array", "TypeError: the application gave bytearray where"),
    ] {
        check_500("edges:wrong_answer", &format!("/?{kind}"), said);
    }
}

#[test]
fn an_answer_of_ten_thousand_pieces_arrives_whole() {
    let bridge = Bridge::start("mixed", &[]);
    let answer = bridge.connect().ask(&get("/?1000000,100"));
    assert_eq!((answer.body.len(), answer.end, answer.ends), (1_000_064, Some((0, 0)), 1));
    assert!(answer.body[64..].iter().enumerate().all(|(at, byte)| at % 251 == usize::from(*byte)));
}

#[test]
fn a_wrapped_file_is_closed_by_what_its_response_has_put_there() {
    let bridge = Bridge::start("edges:wrapped", &[]);
    let mut client = bridge.connect();
    for closed in 1..=2 {
        let answer = client.ask(&get("/").kept());
        assert_eq!((answer.body.len(), &answer.body[..6]), (99_995, &b"567890"[..]));
        bridge.wait_until("response closed", |log| log.matches("note: response closed").count() == closed);
    }
}

#[test]
fn a_wrapped_file_of_the_system_is_sent_from_where_it_stands() {
    let bridge = Bridge::start("edges:real_file", &[]);
    let answer = bridge.connect().ask(&get("/"));
    assert_eq!((answer.body.len(), &answer.body[..4]), (999_993, &b"7890"[..]));
}

#[test]
fn a_program_that_the_application_starts_reads_nothing_of_the_socket() {
    let bridge = Bridge::start_on_descriptor_0("edges:child_reads", &[]);
    bridge.connect().ask(&get("/")).expect("200 OK", "b''");
}

#[test]
fn thousands_of_requests_leave_nothing_behind() {
    let bridge = Bridge::start("edges:litters", &[]);
    let files = || std::fs::read_dir(format!("/proc/{}/fd", bridge.child.id())).unwrap().count();
    let objects = || bridge.connect().ask(&get("/?count")).text().parse::<usize>().unwrap();
    let ask = |count| {
        let mut client = bridge.connect();
        for _ in 0..count {
            assert_eq!(client.ask(&post("/", &[b'b'; 2_000]).kept()).body.len(), 100_000);
            // One who asks and goes, and one who goes before the end of the answer.
            bridge.connect().send(&get("/").bytes());
        }
    };
    ask(200);
    let before = (objects(), files(), bridge.peak_memory());
    ask(1_500);
    let after = (objects(), files(), bridge.peak_memory());
    assert!(after.0 < before.0 + 300, "objects of Python: {before:?}, {after:?}");
    assert!(after.1 <= before.1 + 2, "open files: {before:?}, {after:?}");
    assert!(after.2 < before.2 + 4_000, "kB: {before:?}, {after:?}");
}

#[test]
fn a_fault_of_the_bridge_costs_its_request_and_no_process() {
    for threads in ["1", "3"] {
        let bridge = Bridge::start("edges:panics", &["--threads", threads]);
        let plain = get("/").kept();
        bridge.connect().ask(&plain).expect("500 Internal Server Error", "Internal Server Error\n");
        for faults in 1..=4 {
            let answer = bridge.connect().ask(&get("/?panic").kept());
            assert_eq!((answer.end, answer.head.as_str()), (None, ""), "the connection is closed");
            bridge.wait_until("a fault", |log| log.matches("a fault of the bridge").count() == faults);
        }
        bridge.connect().ask(&plain).expect("500 Internal Server Error", "Internal Server Error\n");
    }
}
