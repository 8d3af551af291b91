//! Records at the edges of what FastCGI allows, and sockets at the edges of what is handed over.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Stdio;
use std::time::Duration;

use super::bridge::Bridge;
use super::client::{Client, Request, get, post, record};

/// Every byte of `content` in a record of its own, with as much padding as a record may have.
fn byte_by_byte(kind: u8, id: u16, content: &[u8]) -> Vec<u8> {
    let one = |byte: &u8| {
        let mut bytes = vec![1, kind, 0, 0, 0, 1, 255, 0, *byte];
        bytes[2..4].copy_from_slice(&id.to_be_bytes());
        bytes.extend([0x55; 255]);
        bytes
    };
    content.iter().flat_map(one).chain(record(kind, id, b"")).collect()
}

/// The parameters of a request as they stand in its records.
fn pairs(params: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut pairs = Vec::new();
    for (name, value) in params {
        pairs.extend([u8::try_from(name.len()).unwrap(), u8::try_from(value.len()).unwrap()]);
        pairs.extend([*name, *value].concat());
    }
    pairs
}

/// A request whose parameters are no text.
fn raw(params: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut bytes = record(1, 1, &[0, 1, 1, 0, 0, 0, 0, 0]);
    if !params.is_empty() {
        bytes.extend(record(4, 1, &pairs(params)));
    }
    [bytes, record(4, 1, b""), record(5, 1, b"")].concat()
}

#[test]
fn records_of_one_byte_with_all_the_padding_there_can_be_are_understood() {
    let bridge = Bridge::start("by_path", &[]);
    let mut client = bridge.connect();
    let (params, body) = (pairs(&[(b"PATH_INFO", b"/echo"), (b"CONTENT_LENGTH", b"4")]), b"body");
    let begin = record(1, 1, &[0, 1, 1, 0, 0, 0, 0, 0]);
    client.send(&[begin, byte_by_byte(4, 1, &params), byte_by_byte(5, 1, body)].concat());
    client.answer(1).expect("200 OK", "body");
    client.ask(&get("/hello?you")).expect("200 OK", "hello you");
}

#[test]
fn a_request_without_parameters_is_answered() {
    let bridge = Bridge::start("environment", &[]);
    let mut client = bridge.connect();
    client.send(&raw(&[]));
    let bare = client.answer(1).text();
    client.send(&raw(&[(b"CONTENT_LENGTH", b""), (b"PATH_INFO", b"/a")]));
    let scarce = client.answer(1).text();
    for line in ["PATH_INFO='/'", "QUERY_STRING=''", "REQUEST_METHOD='GET'", "SCRIPT_NAME=''"] {
        assert!(bare.lines().any(|found| found == line), "{line} in\n{bare}");
    }
    for line in ["PATH_INFO='/a'", "CONTENT_LENGTH=''", "SCRIPT_NAME=''"] {
        assert!(scarce.lines().any(|found| found == line), "{line} in\n{scarce}");
    }
}

#[test]
fn parameters_that_are_no_text_are_bytes_in_native_strings() {
    let bridge = Bridge::start("environment", &[]);
    let mut client = bridge.connect();
    client.send(&raw(&[
        (b"PATH_INFO", b"/\xe9\xff\x80"),
        (b"", b"nameless"),
        (b"HTTP_X_NUL", b"a\0b"),
        (b"HTTP_X_VALUE", b""),
    ]));
    let text = client.answer(1).text();
    for line in [r"PATH_INFO='/éÿ\x80'", r"HTTP_X_NUL='a\x00b'", "HTTP_X_VALUE=''"] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    assert!(!text.contains("nameless"), "{text}");
}

#[test]
fn records_of_nobody_are_passed_over() {
    let bridge = Bridge::start("echo", &[]);
    let mut client = bridge.connect();
    for id in 1..4 {
        let stray =
            [record(2, 9, b""), record(5, 9, b"of nobody"), record(4, 9, b""), record(8, id, b"data")];
        client.send(&stray.concat());
        let request = post("/", b"body").kept().numbered(id);
        client.send(&request.head());
        client.send(&stray.concat());
        client.send(&[record(5, id, b"body"), record(5, id, b"")].concat());
        client.answer(id).expect("200 OK", "body");
        client.send(&[record(2, id, b""), record(5, id, b"late")].concat());
    }
}

#[test]
fn a_header_of_rewriting_web_servers_is_one_of_the_visitors() {
    let bridge = Bridge::start("environment", &[]);
    let request = get("/seen").with("HTTP_X_ORIGINAL_URL", "/admin/").with("HTTP_X_REWRITE_URL", "/admin/");
    let text = bridge.connect().ask(&request).text();
    assert!(text.lines().any(|line| line == "PATH_INFO='/seen'"), "{text}");
}

#[test]
fn a_body_read_by_half_is_passed_over() {
    let bridge = Bridge::start("greets", &[]);
    let mut client = bridge.connect();
    for _ in 0..3 {
        client.ask(&post("/", &vec![b'b'; 300_000]).kept()).expect("200 OK", "hi");
    }
}

#[test]
fn a_socket_at_descriptor_0_may_be_of_any_kind_and_made_not_to_wait() {
    for nonblocking in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
        listener.set_nonblocking(nonblocking).unwrap();
        let bridge = Bridge::spawn(folder, "hello", &[], Stdio::from(OwnedFd::from(listener)));
        bridge.connect().ask(&get("/?unix")).expect("200 OK", "hello unix");

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(nonblocking).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let folder = tempfile::tempdir().unwrap();
        let bridge = Bridge::spawn(folder, "hello", &[], Stdio::from(OwnedFd::from(listener)));
        Client::tcp(&address).ask(&get("/?tcp")).expect("200 OK", "hello tcp");
        drop(bridge);
    }
}

#[test]
fn processes_that_were_started_apart_share_one_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let mut bridges: Vec<_> = (0..3)
        .map(|_| {
            let socket = OwnedFd::from(listener.try_clone().unwrap());
            Bridge::spawn(tempfile::tempdir().unwrap(), "whoami", &[], Stdio::from(socket))
        })
        .collect();
    bridges.iter().for_each(|bridge| bridge.wait_for("ready: "));
    drop(listener);
    let ask = || Client::unix(&path).ask(&get("/")).text();
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..4).map(|_| scope.spawn(|| (0..50).all(|_| ask().contains(' ')))).collect();
        assert!(asking.into_iter().all(|thread| thread.join().unwrap()), "each is answered");
    });
    // The last one left answers all.
    for bridge in &mut bridges[..2] {
        bridge.signal(15);
        assert_eq!(bridge.wait().code(), Some(0));
    }
    let last = bridges[2].child.id().to_string();
    assert!((0..10).all(|_| ask().starts_with(&last)));
}

#[test]
fn a_hundred_megabytes_are_taken_in_bounded_memory() {
    let bridge = Bridge::start("by_path", &[]);
    bridge.connect().ask(&post("/digest", &[b'b'; 200_000]).kept());
    let before = bridge.peak_memory();
    let mut client = bridge.connect();
    let request = Request { body: Vec::new(), ..post("/digest", b"") };
    client.send(&request.with("CONTENT_LENGTH", "100000000").head());
    let piece = record(5, 1, &[b'b'; 50_000]);
    (0..2_000).for_each(|_| client.send(&piece));
    client.send(&record(5, 1, b""));
    assert!(client.answer(1).text().starts_with("100000000 "));
    let grown = bridge.peak_memory() - before;
    assert!(grown < 4_000, "{grown} kB more");
}

#[test]
fn a_visitor_who_stops_to_read_costs_no_memory_and_nobody_else_an_answer() {
    let bridge = Bridge::start("by_path", &["--threads", "2"]);
    bridge.connect().ask(&get("/hello")).expect("200 OK", "hello ");
    let before = bridge.peak_memory();
    let stopped = UnixStream::connect(bridge.folder.path().join("socket")).unwrap();
    let mut stopped = Client { wire: Box::new(stopped) };
    stopped.send(&get("/endless").bytes());
    std::thread::sleep(Duration::from_millis(500));
    bridge.connect().ask(&get("/hello?you")).expect("200 OK", "hello you");
    let grown = bridge.peak_memory() - before;
    assert!(grown < 4_000, "{grown} kB more");
    drop(stopped);
    bridge.wait_for("note: closed");
}
