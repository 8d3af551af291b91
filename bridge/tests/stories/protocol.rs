//! What a well-behaved web server does not send, and how little comes of it.

use super::bridge::Bridge;
use super::client::{get, post, record};

#[test]
fn other_roles_are_refused_without_a_call() {
    let bridge = Bridge::start("hello", &[]);
    let mut client = bridge.connect();
    for role in [0, 2, 3, 99] {
        client.send(&record(1, 1, &[0, role, 1, 0, 0, 0, 0, 0]));
        assert_eq!(client.answer(1).end, Some((0, 3)));
    }
    client.ask(&get("/").kept()).expect("200 OK", "hello ");
    client.send(&record(1, 1, &[0, 2, 0, 0, 0, 0, 0, 0]));
    assert_eq!(client.answer(1).end, Some((0, 3)));
    assert!(client.is_closed());
}

#[test]
fn values_and_unknown_types_are_answered_before_and_inside_a_request() {
    let bridge = Bridge::start("echo", &[]);
    let mut client = bridge.connect();
    let ask = record(9, 0, b"\x0f\x00FCGI_MPXS_CONNS\x0e\x00FCGI_MAX_CONNS\x04\x00NONE");
    client.send(&ask);
    assert_eq!(
        client.record().unwrap(),
        (10, 0, b"\x0e\x01FCGI_MAX_CONNS1\x0f\x01FCGI_MPXS_CONNS0".to_vec())
    );
    let request = post("/", b"late");
    client.send(&request.head());
    client.send(&ask);
    client.send(&record(100, 0, b"??"));
    assert_eq!(client.record().unwrap().0, 10);
    assert_eq!(client.record().unwrap(), (11, 0, vec![100, 0, 0, 0, 0, 0, 0, 0]));
    client.send(&record(5, 1, b"late"));
    client.send(&record(5, 1, b""));
    client.answer(1).expect("200 OK", "late");
}

#[test]
fn a_second_request_at_the_same_time_is_refused() {
    let bridge = Bridge::start("echo", &[]);
    let mut client = bridge.connect();
    let request = post("/", b"one").kept();
    client.send(&request.head());
    client.send(&get("/").numbered(2).bytes());
    assert_eq!(client.answer(2).end, Some((0, 1)));
    client.send(&record(5, 1, b"one"));
    client.send(&record(5, 1, b""));
    client.answer(1).expect("200 OK", "one");
    client.ask(&post("/", b"two").kept()).expect("200 OK", "two");
}

#[test]
fn malformed_input_costs_its_own_connection_only() {
    let bridge = Bridge::start("hello", &[]);
    let begin = record(1, 1, &[0, 1, 0, 0, 0, 0, 0, 0]);
    let faults: [Vec<u8>; 7] = [
        b"GET / HTTP/1.0\r\n\r\n".to_vec(),
        vec![9; 100],
        record(1, 1, b"short"),
        [&begin[..], &begin].concat(),
        [&begin[..], &record(5, 1, b"early")].concat(),
        [&begin[..], &record(4, 1, b"\x7f\xff\xff\xff\xff"), &record(4, 1, b"")].concat(),
        [&begin[..], &record(4, 1, &[0xff; 60_000]).repeat(20)].concat(),
    ];
    let mut kept = bridge.connect();
    for fault in faults {
        let mut client = bridge.connect();
        // The bridge may close before all of it is sent.
        let _ = client.wire.write_all(&fault);
        assert!(client.is_closed());
        kept.ask(&get("/").kept()).expect("200 OK", "hello ");
    }
    assert_eq!(bridge.log().matches("a connection is closed: ").count(), 7, "{}", bridge.log());
}

#[test]
fn a_request_cut_anywhere_harms_nobody() {
    let bridge = Bridge::start("echo", &[]);
    let bytes = post("/", b"body").bytes();
    for cut in 0..bytes.len() {
        bridge.connect().send(&bytes[..cut]);
    }
    bridge.connect().ask(&post("/", b"whole")).expect("200 OK", "whole");
}

#[test]
fn six_hundred_that_connect_before_they_ask_are_all_answered() {
    let bridge = Bridge::start("hello", &[]);
    // Some wait in the system's queue until others have been answered.
    let mut clients: Vec<_> = (0..600).map(|_| bridge.connect()).collect();
    clients[0].send(&get("/").bytes());
    clients[0].answer(1).expect("200 OK", "hello ");
    for client in &mut clients[1..] {
        client.send(&get("/").bytes());
        client.answer(1).expect("200 OK", "hello ");
    }
}

#[test]
fn kept_connections_make_room_for_newcomers() {
    let bridge = Bridge::start("hello", &[]);
    let mut kept: Vec<_> = (0..520)
        .map(|_| {
            let mut client = bridge.connect();
            client.ask(&get("/").kept()).expect("200 OK", "hello ");
            client
        })
        .collect();
    let closed = kept[..8].iter_mut().all(|client| client.is_closed());
    assert!(closed, "the oldest are");
    kept[519].ask(&get("/")).expect("200 OK", "hello ");
}

#[test]
fn idle_and_dawdling_connections_do_not_starve_others() {
    let bridge = Bridge::start("hello", &["--threads", "1"]);
    let mut kept: Vec<_> = (0..20).map(|_| bridge.connect()).collect();
    for client in &mut kept {
        client.ask(&get("/").kept()).expect("200 OK", "hello ");
    }
    let silent: Vec<_> = (0..20).map(|_| bridge.connect()).collect();
    let mut dawdling = bridge.connect();
    dawdling.send(&get("/").bytes()[..30]);
    bridge.connect().ask(&get("/?new")).expect("200 OK", "hello new");
    for client in kept.iter_mut().rev() {
        client.ask(&get("/?kept").kept()).expect("200 OK", "hello kept");
    }
    dawdling.send(&get("/").bytes()[30..]);
    dawdling.answer(1).expect("200 OK", "hello ");
    drop(silent);
}
