//! Requests and answers of all sizes through every pipe, compared byte for byte.

use sha2::{Digest as _, Sha256};

use crate::fastcgi::{self, Request, answer, get, post, streamed, text};
use crate::manager::{Connects, Manager, Setup};
use crate::variants::for_every_pipe;
use crate::win32::Kind;

for_every_pipe!(
    two_hundred_requests_are_answered,
    a_body_of_ten_megabytes_arrives_before_anything_is_read,
    a_body_of_ten_megabytes_that_nobody_asks_for_harms_no_answer,
    an_answer_of_a_megabyte_comes_through_a_pipe_of_four_kilobytes,
);

/// Sizes at the borders of buffers and records.
const SIZES: [usize; 14] = [0, 1, 7, 8, 100, 4095, 4096, 4097, 8191, 8192, 8193, 20_000, 65_536, 70_001];

const TEN_MEGABYTES: usize = 10 << 20;

/// Bytes in which no two places look alike for long.
fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|place| (place % 251) as u8).collect()
}

fn digest(body: &[u8]) -> String {
    Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One of many requests, and the STDOUT it is answered with.
fn nth(number: usize) -> (Request, Vec<u8>) {
    let body = bytes(SIZES[number * 5 % SIZES.len()]);
    let count = SIZES[(number * 3 + 1) % SIZES.len()];
    let piece = [0, 1000, 8192, 0, 64 * 1024][number % 5];
    let expected = [digest(&body).into_bytes(), bytes(count)].concat();
    let cookie = "c".repeat([0, 127, 128, 5000][number % 4]);
    let mut request = post(&format!("/mixed?{count},{piece}"), body).with("HTTP_COOKIE", &cookie);
    request.id = (1 + number * 331 % 65_535).try_into().unwrap();
    request.piece = [8192, 65_535, 1, 8184, 500][number % 5];
    if request.piece == 1 && request.body.len() > 5000 {
        request.piece = 10;
    }
    (request, if piece == 0 { text(expected) } else { streamed(expected) })
}

fn two_hundred_requests_are_answered(setup: Setup) {
    // A client end without keep-connection serves one request and its process leaves: ten are started, since
    // two hundred would show the start of Python and nothing more of the pipe.
    let (processes, requests) = match (setup.keeps(), setup.outlives_a_connection()) {
        (false, false) => (10, 1),
        _ => (1, 200),
    };
    for process in 0..processes {
        let mut manager = None;
        for number in 0..requests {
            let (request, stdout) = nth(process * 7 + number);
            let request = Request { keep: setup.keeps(), ..request };
            let question = request.bytes();
            match (&mut manager, setup.connects) {
                (None, Connects::Early) => {
                    let (first, rest) = question.split_at(question.len().min(4000));
                    let started = manager.insert(Manager::start_with(setup, first));
                    started.send(rest);
                    started.expect(&answer(request.id, &stdout));
                }
                (None, Connects::Late) => manager.insert(Manager::start(setup)).ask(request, &stdout),
                (Some(started), _) => started.ask(request, &stdout),
            }
        }
        leave(&mut manager.unwrap());
    }
}

/// The end of a story in which all went well: nothing more is said, and the bridge leaves when it shall.
fn leave(manager: &mut Manager) {
    if manager.setup.keeps() || manager.setup.outlives_a_connection() {
        manager.tell_to_end();
    }
    manager.expect_exit(0);
    let log = manager.log();
    assert!(log.contains("note: atexit ran"), "{log}");
    assert!(!log.contains("Traceback") && !log.contains("panicked"), "{log}");
}

/// How often a story asks: a process of a client end without keep-connection is there for one request.
fn times(setup: &Setup) -> u16 {
    if setup.keeps() || setup.outlives_a_connection() { 2 } else { 1 }
}

fn a_body_of_ten_megabytes_arrives_before_anything_is_read(setup: Setup) {
    let body = bytes(TEN_MEGABYTES);
    let expected = format!("{TEN_MEGABYTES} {}", digest(&body));
    let mut manager = Manager::start(setup);
    for id in 1..=times(&setup) {
        manager.ask(post("/digest", body.clone()).numbered(id), &text(&expected));
    }
    leave(&mut manager);
}

fn a_body_of_ten_megabytes_that_nobody_asks_for_harms_no_answer(setup: Setup) {
    let body = bytes(TEN_MEGABYTES);
    for path in ["/hello?you", "/answers_first"] {
        let mut manager = Manager::start(setup);
        for id in 1..=times(&setup) {
            let request = post(path, body.clone()).numbered(id);
            let stdout = match path {
                "/hello?you" => text("hello you"),
                _ => streamed([&[b'a'; 4 << 20][..], TEN_MEGABYTES.to_string().as_bytes()].concat()),
            };
            manager.ask(request, &stdout);
        }
        leave(&mut manager);
    }
}

fn an_answer_of_a_megabyte_comes_through_a_pipe_of_four_kilobytes(setup: Setup) {
    let mut manager = Manager::start(Setup { buffer: 4096, ..setup });
    let body = b"0123456789abcdef".repeat(1 << 16);
    for id in 1..=times(&setup) {
        if !setup.keeps() && id > 1 {
            manager.connect();
        }
        let request = Request { keep: setup.keeps(), ..get("/large?1048576").numbered(id) };
        manager.send(&request.bytes());
        // As slow as can be at first, and never much at once.
        let sizes =
            std::iter::repeat_n(1, 300).chain([1, 2, 3, 5, 1, 700, 4096, 1, 8, 3000].into_iter().cycle());
        let heard = manager.hear_slowly(sizes);
        manager.compare(&heard, &answer(id, &text(&body)));
    }
    leave(&mut manager);
}

#[test]
fn a_manager_that_reads_while_it_writes_is_answered_as_well() {
    let mut manager = Manager::start(Setup { buffer: 4096, ..Setup::IIS });
    let body = bytes(1 << 20);
    let request = Request { keep: true, ..post("/echo", body.clone()) };
    let heard = manager.hear_while_sending(&request.bytes());
    manager.compare(&heard, &answer(1, &streamed(&body)));
    leave(&mut manager);
}

#[test]
fn bytes_that_come_one_by_one_are_put_together() {
    let mut manager = Manager::start(Setup::IIS);
    let request = Request { keep: true, piece: 3, ..post("/digest", bytes(300)) };
    for byte in request.bytes() {
        manager.send(&[byte]);
    }
    manager.expect(&answer(1, &text(format!("300 {}", digest(&request.body)))));
    leave(&mut manager);
}

#[test]
fn a_write_of_no_bytes_is_no_end() {
    for kind in [Kind::Overlapped, Kind::Synchronous] {
        let mut manager = Manager::start(Setup { kind, ..Setup::IIS });
        let request = Request { keep: true, ..post("/echo", bytes(100)) };
        let (head, body) = (request.head(), request.stdin());
        for part in [&head[..10], &head[10..], &body[..50], &body[50..]] {
            manager.send_nothing();
            manager.send(part);
            manager.send_nothing();
        }
        manager.expect(&answer(1, &streamed(bytes(100))));
        leave(&mut manager);
    }
}

#[test]
fn requests_that_lie_in_the_pipe_together_are_answered_in_turn() {
    let mut manager = Manager::start(Setup::IIS);
    let requests = (1..=20).map(|id| Request { keep: true, ..get(&format!("/hello?{id}")).numbered(id) });
    manager.send(&requests.flat_map(|request| request.bytes()).collect::<Vec<_>>());
    for id in 1..=20 {
        manager.expect(&answer(id, &text(format!("hello {id}"))));
    }
    leave(&mut manager);
}

#[test]
fn the_last_of_many_requests_may_end_the_connection() {
    let mut manager = Manager::start(Setup::IIS);
    manager.ask(get("/hello?1"), &text("hello 1"));
    manager.send(&get("/hello?2").bytes());
    let heard = manager.hear_to_the_end();
    manager.compare(&heard, &answer(1, &text("hello 2")));
    manager.connect();
    manager.ask(get("/hello?3"), &text("hello 3"));
    leave(&mut manager);
}

#[test]
fn parameters_may_be_cut_anywhere() {
    let mut manager = Manager::start(Setup::IIS);
    let request = Request { keep: true, ..get("/hello?cut").with("HTTP_COOKIE", &"c".repeat(300)) };
    let mut question = request.begin();
    for byte in request.pairs() {
        question.extend(fastcgi::record(fastcgi::PARAMS, 1, &[byte]));
    }
    question.extend(fastcgi::record(fastcgi::PARAMS, 1, b""));
    question.extend(request.stdin());
    manager.send(&question);
    manager.expect(&answer(1, &text("hello cut")));
    leave(&mut manager);
}
