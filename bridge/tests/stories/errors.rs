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
        (answer.body.len(), answer.end, answer.ends, answer.cut),
        (8192, None, 0, true),
        "no end that looks like success"
    );
    bridge.wait_for("note: closed");
    bridge.wait_for("RuntimeError: the middle of an answer");
    assert_eq!(bridge.log().matches("note: closed").count(), 1);
}

#[test]
fn what_was_asked_cannot_begin_a_line_of_the_log() {
    let bridge = Bridge::start("fails_early", &[]);
    let request = get("/a\nb").with("SCRIPT_NAME", "/c\nd").with("REQUEST_METHOD", "GET\n");
    bridge.connect().ask(&request).expect("500 Internal Server Error", "Internal Server Error\n");
    bridge.wait_for(r"GET\n /c\nd/a\nb: the application failed");
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
fn an_answer_beyond_its_content_length_ends_there() {
    for app in ["too_long", "too_long_in_pieces"] {
        let bridge = Bridge::start(app, &[]);
        let mut client = bridge.connect();
        for _ in 0..2 {
            client.ask(&get("/").kept()).expect("200 OK", "1234");
        }
        bridge.wait_for("GET /: the application gave more than the 4 bytes of its Content-Length");
    }
}

#[test]
fn an_answer_short_of_its_content_length_does_not_end_like_a_whole_one() {
    let bridge = Bridge::start("too_short", &[]);
    let answer = bridge.connect().ask(&get("/").kept());
    assert_eq!((answer.text().as_str(), answer.end, answer.cut), ("12", None, true));
    bridge.wait_for("GET /: the application gave 2 of the 4 bytes of its Content-Length");
    let bridge = Bridge::start("too_short_at_once", &[]);
    bridge.connect().ask(&get("/")).expect("500 Internal Server Error", "Internal Server Error\n");
    bridge.connect().ask(&get("/").with("REQUEST_METHOD", "HEAD")).expect("200 OK", "");
}

#[test]
fn a_question_for_the_head_does_not_run_an_answer_without_end() {
    let bridge = Bridge::start("endless", &[]);
    bridge.connect().ask(&get("/").with("REQUEST_METHOD", "HEAD")).expect("200 OK", "");
    bridge.wait_for("note: closed");
}

#[test]
fn visitors_who_leave_are_one_line_of_the_log_and_no_traceback() {
    let bridge = Bridge::start("endless", &[]);
    let mut client = bridge.connect();
    client.send(&get("/movie").bytes());
    assert!(client.record().is_some());
    drop(client);
    bridge.wait_for("GET /movie: the web server closed the connection before the end of the answer");

    let bridge = Bridge::start("reads_whole", &[]);
    for cut in [record(2, 1, b""), vec![9; 8], Vec::new()] {
        let mut client = bridge.connect();
        client.send(&post("/upload", b"").with("CONTENT_LENGTH", "100").head());
        client.send(&record(5, 1, b"half"));
        client.send(&cut);
    }
    bridge.wait_for("POST /upload: the web server aborted the request");
    bridge.wait_for("closed the connection inside the request body");
    bridge.wait_for("what is no FastCGI inside the request body: record of FastCGI version 9");
    let log = bridge.log();
    assert!(log.matches("POST /upload: ").count() == 3 && !log.contains("Traceback"), "{log}");
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
    bridge.wait_for("GET /: the web server aborted the request");
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
