//! What the FastCGI text allows and web servers seldom send, on a pipe.

use crate::fastcgi::{
    ABORT_REQUEST, BEGIN_REQUEST, CANNOT_MULTIPLEX, DATA, GET_VALUES, GET_VALUES_RESULT, REQUEST_COMPLETE,
    Request, STDIN, UNKNOWN_ROLE, UNKNOWN_TYPE, answer, end, get, part, post, record, reply, streamed, text,
    values,
};
use crate::manager::{Connection, Manager, Setup};
use crate::variants::for_every_handle;

for_every_handle!(
    values_are_told_alone_and_within_a_request,
    other_roles_are_refused_and_the_pipe_goes_on,
    requests_are_aborted_at_every_place,
    records_of_nobody_are_passed_over,
    what_is_no_fastcgi_ends_the_connection,
);

/// What is asked, and the answer.
fn question() -> (Vec<u8>, Vec<u8>) {
    let asked = values(&[("FCGI_MPXS_CONNS", ""), ("FCGI_MAX_REQS", ""), ("FCGI_NO_SUCH", "")]);
    let told = values(&[("FCGI_MAX_REQS", "1"), ("FCGI_MPXS_CONNS", "0")]);
    (record(GET_VALUES, 0, &asked), reply(GET_VALUES_RESULT, 0, &told))
}

fn values_are_told_alone_and_within_a_request(setup: Setup) {
    let (asked, told) = question();
    let mut manager = Manager::start(setup);
    manager.send(&asked);
    let heard = manager.hear_record();
    manager.compare(&heard, &told);
    manager.send(&record(42, 0, b"what?"));
    let heard = manager.hear_record();
    manager.compare(&heard, &reply(UNKNOWN_TYPE, 0, &[42, 0, 0, 0, 0, 0, 0, 0]));
    let request = Request { keep: true, ..post("/reads_whole", b"0123456789".to_vec()).numbered(7) };
    let (begun, body) = (request.begin(), record(STDIN, 7, b"01234"));
    let rest = [record(STDIN, 7, b"56789"), record(STDIN, 7, b"")].concat();
    manager.send(&[&begun[..], &asked, &request.head()[begun.len()..], &body, &asked, &rest].concat());
    manager.expect(&[told.clone(), told, answer(7, &text("0123456789"))].concat());
}

fn other_roles_are_refused_and_the_pipe_goes_on(setup: Setup) {
    let mut manager = Manager::start(setup);
    for (id, role) in [(1, 0), (2, 2), (3, 3), (4, 99)] {
        let request = Request { keep: true, role, ..post("/echo", b"body".to_vec()).numbered(id) };
        manager.send(&request.bytes());
        manager.expect(&end(id, 0, UNKNOWN_ROLE));
        manager.ask(get("/hello?you").numbered(id), &text("hello you"));
    }
}

fn requests_are_aborted_at_every_place(setup: Setup) {
    let mut manager = Manager::start(setup);
    let request = Request { keep: true, ..post("/short", vec![b'b'; 1000]).numbered(5) };
    let abort = record(ABORT_REQUEST, 5, b"");

    manager.send(&[request.begin(), abort.clone()].concat());
    manager.expect(&end(5, 0, REQUEST_COMPLETE));

    manager.send(&[request.head(), record(STDIN, 5, b"some"), abort.clone()].concat());
    manager.expect(&end(5, 1, REQUEST_COMPLETE));
    manager.wait_for("note: OSError: the web server aborted the request");

    manager.send(&Request { keep: true, ..get("/endless").numbered(5) }.bytes());
    manager.await_bytes(1000);
    manager.send(&abort);
    let heard = manager.hear();
    // How far it got nobody knows; what there is has to be right.
    let count = heard.iter().filter(|byte| **byte == b'x').count() - "text/plain".matches('x').count();
    manager.compare(&heard, &[part(5, &streamed(vec![b'x'; count])), end(5, 1, REQUEST_COMPLETE)].concat());
    manager.wait_for("note: closed");
    manager.ask(get("/hello?you").numbered(5), &text("hello you"));
}

fn records_of_nobody_are_passed_over(setup: Setup) {
    let mut manager = Manager::start(setup);
    let strays =
        [record(STDIN, 9, b"of nobody"), record(ABORT_REQUEST, 9, b""), record(DATA, 1, b"for filters")]
            .concat();
    for id in [1, 2] {
        let request = Request { keep: true, ..post("/reads_whole", b"0123456789".to_vec()).numbered(id) };
        let other = record(BEGIN_REQUEST, 300, &[0, 1, 1, 0, 0, 0, 0, 0]);
        manager.send(&[strays.clone(), request.head(), strays.clone(), other, request.stdin()].concat());
        manager.expect(&end(300, 0, CANNOT_MULTIPLEX));
        manager.expect(&answer(id, &text("0123456789")));
        // An abort that comes too late.
        manager.send(&record(ABORT_REQUEST, id, b""));
    }
}

fn what_is_no_fastcgi_ends_the_connection(setup: Setup) {
    let mut manager = Manager::start(setup);
    manager.ask(get("/hello?you"), &text("hello you"));
    manager.send(&[9, 1, 0, 1, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]);
    let heard = manager.hear_to_the_end();
    manager.compare(&heard, b"");
    manager.wait_for("record of FastCGI version 9, only version 1 exists");
    manager.expect_life_after_a_connection();
}

#[test]
fn a_role_that_is_refused_without_keeping_the_connection_closes_it() {
    let mut manager = Manager::start(Setup { connection: Connection::Closed, ..Setup::IIS });
    manager.send(&Request { role: 3, ..get("/") }.bytes());
    let heard = manager.hear_to_the_end();
    manager.compare(&heard, &end(1, 0, UNKNOWN_ROLE));
    manager.expect_life_after_a_connection();
}
