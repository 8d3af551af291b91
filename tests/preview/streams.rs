//! Requests and answers through FastCGI, small and large.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use holdall::site::local::Event;

use super::Test;
use super::client::{ask, connect, get, head, read, until};

#[test]
fn the_application_is_told_of_the_request() {
    let test = Test::start();
    let reply = ask(test.address(), "GET /params?a=%20b", &["Cookie: c=1", "Proxy: evil", "X_Y: evil"]);
    assert_eq!(reply.status, 200);
    let port = test.address().port().to_string();
    for (name, value) in [
        ("REQUEST_METHOD", "GET"),
        ("REQUEST_URI", "/params?a=%20b"),
        ("QUERY_STRING", "a=%20b"),
        ("SCRIPT_NAME", ""),
        ("SERVER_NAME", "site.example"),
        ("SERVER_PORT", &port),
        ("HTTP_HOST", "site.example"),
        ("HTTP_COOKIE", "c=1"),
        ("REMOTE_ADDR", "127.0.0.1"),
    ] {
        assert_eq!(reply.line(name).as_deref(), Some(value), "{name}");
    }
    assert!(!reply.text().contains("evil"));
    assert_eq!(reply.all("set-cookie"), ["a=1", "b=2"]);
}

#[test]
fn a_large_upload_and_a_large_download_arrive_whole() {
    let test = Test::start();
    let length = 40_000_000;
    let mut stream = connect(test.address());
    stream.write_all(head("POST /upload", &[&format!("Content-Length: {length}")]).as_bytes()).unwrap();
    for _ in 0..length / 100_000 {
        stream.write_all(&[7; 100_000]).unwrap();
    }
    let reply = read(stream).unwrap();
    assert_eq!((reply.status, reply.text()), (201, length.to_string()));

    let reply = get(test.address(), &format!("/download?{length}"));
    assert_eq!(reply.body.len(), length);
    assert!(reply.body.iter().enumerate().all(|(at, byte)| usize::from(*byte) == at % 30_000 % 251));
}

#[test]
fn a_body_of_unknown_length_is_passed_on() {
    let test = Test::start();
    let mut stream = connect(test.address());
    stream.write_all(head("POST /upload", &["Transfer-Encoding: chunked"]).as_bytes()).unwrap();
    stream.write_all(b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n").unwrap();
    assert_eq!(read(stream).unwrap().text(), "11");
}

/// More than all buffers between a responder and a client can hold.
const MUCH: usize = 64 * 1024 * 1024;

#[test]
fn a_client_that_does_not_read_stops_the_application() {
    let test = Test::start();
    let marks = test.marks();
    let count = marks.path().join("sent");
    let mut stream = connect(test.address());
    stream.write_all(head(&format!("GET /endless?{}", count.display()), &[]).as_bytes()).unwrap();
    stream.read_exact(&mut [0; 100]).unwrap();
    let sent = || std::fs::read_to_string(&count).ok().and_then(|text| text.parse::<usize>().ok());
    let mut before = None;
    until("the application is made to wait", || {
        let now = sent();
        assert!(now < Some(MUCH), "the server takes more than it can pass on");
        std::thread::sleep(Duration::from_millis(200));
        now.is_some() && std::mem::replace(&mut before, now) == now
    });
}

#[test]
fn an_application_that_does_not_read_stops_the_client() {
    let test = Test::with(|served| served.grace = Duration::from_millis(10));
    let mut stream = connect(test.address());
    stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    stream.write_all(head("POST /never-reads", &["Content-Length: 1000000000"]).as_bytes()).unwrap();
    let mut sent = 0;
    while let Ok(more) = stream.write(&[0; 64 * 1024]) {
        sent += more;
        assert!(sent < MUCH, "the server takes more than it can pass on");
    }
}

#[test]
fn an_answer_may_come_before_the_body_was_read() {
    let test = Test::start();
    let mut stream = connect(test.address());
    stream.write_all(head("POST /early", &["Content-Length: 1000000"]).as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    drop(stream);
    assert_eq!(get(test.address(), "/params").status, 200);
}

#[test]
fn answers_without_a_body_stay_without_one() {
    let test = Test::start();
    let reply = ask(test.address(), "HEAD /params", &[]);
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    let reply = get(test.address(), "/not-modified");
    assert_eq!((reply.status, reply.header("etag"), reply.body.len()), (304, Some("\"x\""), 0));
    let process = test.process();
    ask(test.address(), "HEAD /download?1000000", &[]);
    assert_eq!(test.process(), process);
}

#[test]
fn an_answer_that_is_none_is_a_502() {
    let test = Test::start();
    assert_eq!(get(test.address(), "/no-head").status, 502);
    let told = |event: &Event| matches!(event, Event::Fault { what, .. } if what.contains("is not a header"));
    assert!(test.events().iter().any(told));
}

#[test]
fn an_answer_that_the_application_gave_up_is_cut_off() {
    let test = Test::start();
    let mut stream = connect(test.address());
    stream.write_all(head("GET /gives-up", &[]).as_bytes()).unwrap();
    assert!(read(stream).is_none(), "half an answer looked whole");
    assert_eq!(get(test.address(), "/params").status, 200);
}

#[test]
fn what_the_application_complains_of_is_told_line_by_line() {
    let test = Test::start();
    assert_eq!(get(test.address(), "/errors").text(), "ok");
    let told = |text: &str| test.events().iter().any(|event| event.to_string().ends_with(text));
    assert!(told("] first complaint"));
    assert!(told("] second \\u{1b}[2J complaint"));
    until("the print is told", || told("] a print"));
}

#[test]
fn each_request_is_told_when_it_is_over() {
    let mut test = Test::start();
    get(test.address(), "/static/base.css?x=%0a");
    get(test.address(), "/download?100000");
    test.stop();
    let requests: Vec<_> = test
        .events()
        .into_iter()
        .filter_map(|event| if let Event::Request(request) = event { Some(request) } else { None })
        .map(|request| (request.method, request.path, request.status, request.bytes))
        .collect();
    let told = |path: &str, bytes| ("GET".to_owned(), path.to_owned(), Some(200), bytes);
    assert_eq!(requests, [told("/static/base.css?x=%0a", 7), told("/download?100000", 100_000)]);
}
