//! Applications that go wrong, and peers that leave.

use super::bridge::Bridge;
use super::client::{get, post, record};

#[test]
fn an_exception_before_the_headers_is_a_plain_500_and_a_traceback_in_the_log() {
    let bridge = Bridge::start("fails_early", &[]);
    let mut client = bridge.connect();
    for _ in 0..2 {
        let answer = client.ask(&get("/secret?token=x").kept());
        answer.expect("500 Internal Server Error", "Internal Server Error\n");
        assert!(answer.head.contains("Content-Type: text/plain"), "{}", answer.head);
    }
    let log = bridge.log();
    assert!(log.contains("GET /secret: the application failed\nTraceback"), "{log}");
    assert!(log.contains("ValueError: before any header") && !log.contains("token"), "{log}");
}

#[test]
fn an_exception_after_the_headers_cuts_the_answer_and_closes_it() {
    let bridge = Bridge::start("fails_late", &[]);
    let answer = bridge.connect().ask(&get("/"));
    assert_eq!(
        (answer.body.len(), answer.end, answer.ends),
        (8192, None, 0),
        "no end that looks like success"
    );
    bridge.wait_for("note: closed");
    bridge.wait_for("RuntimeError: the middle of an answer");
    assert_eq!(bridge.log().matches("note: closed").count(), 1);
}

#[track_caller]
fn check_500(app: &str, said: &str) {
    let bridge = Bridge::start(app, &[]);
    let mut client = bridge.connect();
    client.ask(&get("/").kept()).expect("500 Internal Server Error", "Internal Server Error\n");
    bridge.wait_for(said);
    client.ask(&get("/")).expect("500 Internal Server Error", "Internal Server Error\n");
}

#[test]
fn an_application_that_exits_fails_alone() {
    check_500("exits", "SystemExit: 3");
}

#[test]
fn an_application_that_never_starts_its_response_is_told() {
    check_500("never_starts", "before it called start_response");
}

#[test]
fn a_header_with_a_line_break_is_refused() {
    check_500("injects", "ValueError: value of header \"X-Name\" has a control character");
}

#[test]
fn an_answer_of_text_is_refused() {
    check_500("gives_text", "TypeError: the application gave str where a WSGI answer is made of bytes");
}

#[test]
fn headers_can_be_replaced_until_they_are_sent() {
    let bridge = Bridge::start("changes_its_mind", &[]);
    let answer = bridge.connect().ask(&get("/"));
    answer.expect("503 Later", "sorry");
    assert!(answer.head.contains("X-Second") && !answer.head.contains("X-First"), "{}", answer.head);
}

#[test]
fn an_answer_beyond_its_content_length_is_cut_there() {
    let bridge = Bridge::start("too_long", &[]);
    let answer = bridge.connect().ask(&get("/"));
    assert_eq!((answer.text().as_str(), answer.end), ("1234", None));
    bridge.wait_for("more than the 4 bytes of its Content-Length");
}

#[test]
fn an_answer_is_closed_once_when_the_peer_hangs_up() {
    let bridge = Bridge::start("endless", &[]);
    let mut client = bridge.connect();
    client.send(&get("/").bytes());
    assert!(client.record().is_some());
    drop(client);
    bridge.wait_for("note: closed");
    let mut client = bridge.connect();
    client.send(&get("/").bytes());
    assert!(client.record().is_some(), "the next one is served");
    assert_eq!(bridge.log().matches("note: closed").count(), 1);
}

#[test]
fn an_abort_in_the_middle_of_an_answer_ends_it_and_keeps_the_connection() {
    let bridge = Bridge::start("endless", &[]);
    let mut client = bridge.connect();
    client.send(&get("/").kept().bytes());
    assert!(client.record().is_some());
    client.send(&record(2, 1, b""));
    let answer = client.answer(1);
    assert_eq!(answer.end, Some((1, 0)));
    bridge.wait_for("note: closed");
    client.send(&get("/").kept().numbered(2).bytes());
    assert!(matches!(client.record(), Some((6, 2, _))));
}

#[test]
fn an_abort_in_the_body_ends_the_request() {
    let bridge = Bridge::start("echo", &[]);
    let mut client = bridge.connect();
    let request = post("/", b"").with("CONTENT_LENGTH", "100").kept();
    client.send(&request.head());
    client.send(&record(2, 1, b""));
    assert_eq!(client.answer(1).end, Some((1, 0)));
    client.ask(&post("/", b"again").kept()).expect("200 OK", "again");
}

#[test]
fn what_the_application_prints_never_meets_the_stream() {
    for bridge in [Bridge::start("noisy", &[]), Bridge::start_on_descriptor_0("noisy", &[])] {
        bridge.connect().ask(&get("/")).expect("200 OK", "('', b'')");
        for line in [
            "printed by the application",
            "written to descriptor 1",
            "written to standard error",
            "errors: €",
        ] {
            bridge.wait_for(line);
        }
    }
}

#[test]
fn children_of_the_application_inherit_no_socket() {
    let bridge = Bridge::start_on_descriptor_0("children", &[]);
    let listed = bridge.connect().ask(&get("/")).text();
    assert!(listed.contains("/dev/null") && !listed.contains("socket:"), "{listed}");
}
