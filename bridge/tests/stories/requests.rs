//! Requests that go well, bodies and answers of every kind.

use std::io::Read;

use super::bridge::Bridge;
use super::client::{Client, get, post, record};

#[test]
fn a_request_is_answered_over_a_unix_socket() {
    let bridge = Bridge::start("hello", &[]);
    let answer = bridge.connect().ask(&get("/?you"));
    answer.expect("200 OK", "hello you");
    assert!(answer.head.contains("Content-Length: 9"), "{}", answer.head);
}

#[test]
fn a_request_is_answered_over_tcp() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["--listen", "tcp:127.0.0.1:0"];
    let bridge = Bridge::spawn(folder, "hello", &words, std::process::Stdio::null());
    bridge.wait_for("ready: ");
    let log = bridge.log();
    let address = log.split(" at tcp:").nth(1).unwrap().split(',').next().unwrap();
    let mut client = Client::tcp(address);
    client.ask(&get("/?you").kept()).expect("200 OK", "hello you");
    client.ask(&get("/?again")).expect("200 OK", "hello again");
    assert!(client.is_closed());
}

#[test]
fn a_request_is_answered_on_a_socket_at_descriptor_0() {
    let bridge = Bridge::start_on_descriptor_0("hello", &[]);
    bridge.connect().ask(&get("/?you")).expect("200 OK", "hello you");
}

#[test]
fn the_connection_is_closed_after_the_answer_unless_it_is_kept() {
    let bridge = Bridge::start("hello", &[]);
    let mut client = bridge.connect();
    client.ask(&get("/")).expect("200 OK", "hello ");
    assert!(client.is_closed());
    let mut client = bridge.connect();
    for id in [1, 1, 7, 65_535, 2, 1] {
        client.ask(&get(&format!("/?{id}")).kept().numbered(id)).expect("200 OK", &format!("hello {id}"));
    }
}

#[test]
fn requests_sent_ahead_are_answered_in_order() {
    let bridge = Bridge::start("hello", &[]);
    let mut client = bridge.connect();
    let many: Vec<u8> = (1..=50).flat_map(|id| get(&format!("/?{id}")).kept().numbered(id).bytes()).collect();
    client.send(&many);
    for id in 1..=50 {
        client.answer(id).expect("200 OK", &format!("hello {id}"));
    }
}

#[test]
fn a_request_that_arrives_byte_by_byte_is_understood() {
    let bridge = Bridge::start("echo", &[]);
    let mut client = bridge.connect();
    let request = post("/", b"body");
    for byte in request.bytes() {
        client.send(&[byte]);
    }
    client.answer(1).expect("200 OK", "body");
}

#[test]
fn ten_megabytes_are_echoed_in_bounded_memory() {
    let bridge = Bridge::start("echo", &[]);
    bridge.connect().ask(&post("/", b"warm")).expect("200 OK", "warm");
    let before = bridge.peak_memory();
    let body: Vec<u8> = (0..10_000_000u32).map(|n| (n % 251) as u8).collect();
    let socket = bridge.folder.path().join("socket");
    let wire = std::os::unix::net::UnixStream::connect(socket).unwrap();
    let mut sender = Client { wire: Box::new(wire.try_clone().unwrap()) };
    let mut receiver = Client { wire: Box::new(wire) };
    let bytes = post("/", &body).bytes();
    let sending = std::thread::spawn(move || sender.send(&bytes));
    let answer = receiver.answer(1);
    sending.join().unwrap();
    assert!(answer.body == body, "{} bytes came back", answer.body.len());
    let grown = bridge.peak_memory() - before;
    assert!(grown < 4_000, "{grown} kB more");
}

#[test]
fn an_early_answer_does_not_lock_up_with_a_peer_that_sends_first() {
    let bridge = Bridge::start("answers_first", &[]);
    let mut client = bridge.connect();
    let before = bridge.peak_memory();
    // The client reads nothing until all ten megabytes are sent.
    let answer = client.ask(&post("/", &vec![b'b'; 10_000_000]).kept());
    assert!(answer.body.ends_with(b"a10000000"), "the body is all there");
    assert_eq!((answer.body.len(), answer.end), ((4 << 20) + 8, Some((0, 0))));
    let grown = bridge.peak_memory() - before;
    assert!(grown < 30_000, "{grown} kB more, most of it what the application read at once");
    client.ask(&post("/", b"again")).expect("200 OK", &("a".repeat(4 << 20) + "5"));
}

#[test]
fn a_large_answer_to_an_unread_body_reaches_a_peer_that_sends_first() {
    let bridge = Bridge::start("large", &[]);
    let mut client = bridge.connect();
    for _ in 0..2 {
        let answer = client.ask(&post("/?4194304", &vec![b'b'; 10_000_000]).kept());
        assert_eq!((answer.body.len(), answer.end), (4 << 20, Some((0, 0))));
    }
}

#[test]
fn a_large_answer_arrives_whole() {
    let bridge = Bridge::start("large", &[]);
    let answer = bridge.connect().ask(&get("/?50000000"));
    assert_eq!(answer.body.len(), 50_000_000);
    assert!(answer.body.chunks(16).all(|piece| piece == b"0123456789abcdef"));
    assert_eq!((answer.end, answer.ends), (Some((0, 0)), 1));
}

#[test]
fn a_piece_of_an_answer_is_sent_before_the_next_is_made() {
    let bridge = Bridge::start("gate", &[]);
    let gate = bridge.folder.path().join("open");
    let mut client = bridge.connect();
    client.send(&get(&format!("/?{}", gate.display())).bytes());
    let (kind, _, content) = client.record().unwrap();
    assert!(kind == 6 && content.ends_with(b"begun "), "the first piece while the second is not there");
    std::fs::write(gate, "").unwrap();
    assert_eq!(client.record().unwrap().2, b"ended");
}

#[test]
fn the_body_has_the_manners_of_a_file() {
    let bridge = Bridge::start("lines", &[]);
    let body = b"first\nsecond\nabcthird\nfourth\nfifth\nsixth";
    let expected = "[b'first\\n', b'se', b'cond\\n', b'', b'abc', [b'third\\n'], b'fourth\\n', \
                    [b'fifth\\n', b'sixth'], b'', b'', b'']";
    bridge.connect().ask(&post("/", body)).expect("200 OK", expected);
    let unknown = post("/", body).with("CONTENT_LENGTH", "-1");
    bridge.connect().ask(&unknown).expect("200 OK", expected);
    let longer = post("/", &[&body[..], b" and more than announced"].concat());
    let longer = longer.with("CONTENT_LENGTH", &body.len().to_string());
    let mut client = bridge.connect();
    client.ask(&longer.kept()).expect("200 OK", expected);
    client.ask(&post("/", body)).expect("200 OK", expected);
}

#[test]
fn a_body_is_read_like_a_file_in_every_order_and_however_it_is_cut() {
    let bridge = Bridge::start("compared", &[]);
    let mut client = bridge.connect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |limit: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % limit
    };
    for round in 0..300 {
        let size = [0, 1, 40, 3_000, 30_000][below(5) as usize];
        let lines = [3, 30, 3_000][below(3) as usize];
        let byte =
            |below: &mut dyn FnMut(u64) -> u64| if below(lines) == 0 { b'\n' } else { below(256) as u8 };
        let body: Vec<u8> = (0..size).map(|_| byte(&mut below)).collect();
        let hex: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
        let request = post(&format!("/?{round}"), &body).with("HTTP_X_BODY", &hex).kept();
        client.send(&request.head());
        let mut rest = &body[..];
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(1 + below(rest.len().min(5_000) as u64) as usize);
            client.send(&record(5, 1, piece));
            rest = after;
        }
        client.send(&record(5, 1, b""));
        let answer = client.answer(1);
        assert_eq!(answer.text(), "[]", "round {round}");
    }
}

#[test]
fn a_line_of_wsgi_errors_belongs_to_one_request() {
    let bridge = Bridge::start("unfinished", &[]);
    bridge.connect().ask(&get("/?first")).expect("200 OK", "noted");
    bridge.connect().ask(&get("/?second")).expect("200 OK", "noted");
    bridge.wait_until("both lines", |log| {
        log.contains("] first begun and ended\n") && log.contains("] second begun\n")
    });
}

#[test]
fn parameters_that_can_never_be_empty_are_not() {
    let bridge = Bridge::start("environment", &[]);
    let request = ["REQUEST_METHOD", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL"]
        .into_iter()
        .fold(get("/").with("HTTPS", "on"), |request, name| request.with(name, ""));
    let text = bridge.connect().ask(&request).text();
    for line in ["REQUEST_METHOD='GET'", "SERVER_NAME='localhost'", "SERVER_PORT='443'"] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
}

#[test]
fn the_last_of_two_parameters_counts_everywhere() {
    let bridge = Bridge::start("environment", &[]);
    let mut request = post("/", b"").with("QUERY_STRING", "first");
    request.params.push(("QUERY_STRING".to_owned(), "second".to_owned()));
    request.params.push(("CONTENT_LENGTH".to_owned(), "-1".to_owned()));
    let text = bridge.connect().ask(&request).text();
    assert!(text.contains("QUERY_STRING='second'") && !text.contains("CONTENT_LENGTH"), "{text}");
}

#[test]
fn a_body_that_nobody_reads_is_passed_over() {
    let bridge = Bridge::start("hello", &[]);
    let body = vec![b'b'; 300_000];
    let mut client = bridge.connect();
    client.ask(&post("/", &body).kept()).expect("200 OK", "hello ");
    client.ask(&post("/", &body)).expect("200 OK", "hello ");
    assert!(client.is_closed());
}

#[test]
fn a_body_cut_short_is_an_os_error() {
    let bridge = Bridge::start("short", &[]);
    let answer = bridge.connect().ask(&post("/", b"half").with("CONTENT_LENGTH", "8"));
    assert!(answer.text().starts_with("OSError: the request body ended"), "{answer:?}");

    let mut client = bridge.connect();
    let request = post("/", b"half").with("CONTENT_LENGTH", "8");
    client.send(&request.head());
    client.send(&record(5, 1, b"half"));
    drop(client);
    bridge.wait_for("note: OSError: the web server closed the connection");
    bridge.connect().ask(&post("/", b"whole")).expect("200 OK", "whole");
}

#[test]
fn the_environment_is_what_pep_3333_and_the_web_server_say() {
    let bridge = Bridge::start("environment", &[]);
    let request = get("/caf\u{e9}?a=b")
        .with("HTTPS", "ON")
        .with("HTTP_PROXY", "http://evil")
        .with("wsgi.url_scheme", "gopher")
        .with("wsgi.run_once", "x")
        .with("AUTH_USER", "")
        .with("CONTENT_LENGTH", "-1");
    let text = bridge.connect().ask(&request).text();
    for line in [
        "PATH_INFO='/caf\u{c3}\u{a9}'",
        "QUERY_STRING='a=b'",
        "SCRIPT_NAME=''",
        "AUTH_USER=''",
        "wsgi.url_scheme='https'",
        "wsgi.run_once=False",
        "wsgi.multithread=False",
        "wsgi.multiprocess=False",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    assert!(!text.contains("HTTP_PROXY") && !text.contains("CONTENT_LENGTH"), "{text}");
}

#[test]
fn long_headers_arrive() {
    let bridge = Bridge::start("environment", &[]);
    let long = "v".repeat(300_000);
    let text = bridge.connect().ask(&get("/").with("HTTP_X_LONG", &long)).text();
    assert!(text.contains(&format!("HTTP_X_LONG='{long}'")));
}

#[test]
fn wsgiref_finds_no_fault() {
    let bridge = Bridge::start("validated", &[]);
    let mut client = bridge.connect();
    for request in [get("/a"), post("/b?c", b"body"), get("/").with("SCRIPT_NAME", "/app")] {
        client.ask(&request.kept()).expect("200 OK", "hi");
    }
}

#[test]
fn write_and_iterable_go_together() {
    let bridge = Bridge::start("writes", &[]);
    let answer = bridge.connect().ask(&get("/"));
    answer.expect("200 OK", "one two three");
    assert_eq!(answer.pieces, 3, "each piece at once");
}

#[test]
fn a_wrapped_file_is_sent_and_closed() {
    let bridge = Bridge::start("file", &[]);
    bridge.connect().ask(&get("/")).expect("200 OK", &"f".repeat(30));
    bridge.wait_for("note: file closed");
}

#[test]
fn a_wrapped_file_begins_where_it_stands_and_ends_at_the_content_length() {
    let bridge = Bridge::start("part_of_file", &[]);
    let mut client = bridge.connect();
    for _ in 0..2 {
        client.ask(&get("/").kept()).expect("200 OK", "1234");
    }
    assert!(!bridge.log().contains("Content-Length"), "nobody's mistake: {}", bridge.log());
}

#[test]
fn a_head_question_and_an_empty_answer_get_no_invented_length() {
    let bridge = Bridge::start("hello", &[]);
    let answer = bridge.connect().ask(&get("/").with("REQUEST_METHOD", "HEAD"));
    answer.expect("200 OK", "");
    assert!(!answer.head.contains("Content-Length"), "{}", answer.head);
    let bridge = Bridge::start("no_content", &[]);
    let answer = bridge.connect().ask(&get("/"));
    answer.expect("204 No Content", "");
    assert!(!answer.head.contains("Content-Length"), "{}", answer.head);
}

#[test]
fn a_peer_that_closes_its_sending_half_gets_its_answer() {
    let bridge = Bridge::start("hello", &[]);
    let socket = bridge.folder.path().join("socket");
    let wire = std::os::unix::net::UnixStream::connect(socket).unwrap();
    let mut client = Client { wire: Box::new(wire.try_clone().unwrap()) };
    client.send(&get("/").bytes());
    wire.shutdown(std::net::Shutdown::Write).unwrap();
    client.answer(1).expect("200 OK", "hello ");
    assert_eq!((&wire).read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_visitor_is_who_the_web_server_and_trusted_proxies_say() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("bridge.toml");
    std::fs::write(&config, "app = 'plain:environment'\ntrusted_proxies = ['10.0.0.0/8']\n").unwrap();
    let bridge = Bridge::start("environment", &["--config", config.to_str().unwrap()]);
    let ask = |peer: &str| {
        let request = get("/")
            .with("REMOTE_ADDR", peer)
            .with("REMOTE_PORT", "50000")
            .with("REMOTE_USER", "EXAMPLE\\ann")
            .with("HTTP_REMOTE_USER", "EXAMPLE\\admin")
            .with("HTTP_X_FORWARDED_FOR", "198.51.100.7, 203.0.113.5")
            .with("HTTP_X_FORWARDED_PROTO", "https")
            .with("HTTP_X_FORWARDED_HOST", "www.example:8443");
        let answer = bridge.connect().ask(&request);
        String::from_utf8_lossy(&answer.body).into_owned()
    };
    let by_proxy = ask("10.1.2.3");
    for line in [
        "REMOTE_ADDR='203.0.113.5'",
        "wsgi.url_scheme='https'",
        "HTTP_HOST='www.example:8443'",
        "SERVER_PORT='8443'",
        "REMOTE_USER='EXAMPLE\\\\ann'",
    ] {
        assert!(by_proxy.lines().any(|told| told == line), "no {line} in {by_proxy}");
    }
    assert!(!by_proxy.contains("REMOTE_PORT"), "{by_proxy}");
    let by_anybody = ask("203.0.113.9");
    for part in ["FORWARDED", "198.51.100.7", "www.example", "https"] {
        assert!(!by_anybody.contains(part), "{part} in {by_anybody}");
    }
    for page in [by_proxy, by_anybody] {
        assert!(page.contains("EXAMPLE") && !page.contains("admin"), "{page}");
    }
}
