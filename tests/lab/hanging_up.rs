//! Web servers that leave: at a server end the next one is served, a client end is the end of its process.

use crate::fastcgi::{Request, get, post};
use crate::manager::{Connection, Connects, End, Manager, Setup};
use crate::variants::for_every_handle;

for_every_handle!(
    in_the_middle_of_an_answer,
    in_the_middle_of_a_body,
    in_the_middle_of_the_parameters,
    between_two_requests,
    before_the_process_looks,
    with_an_answer_unread,
);

fn in_the_middle_of_an_answer(setup: Setup) {
    let mut manager = Manager::start(setup);
    manager.send(&Request { keep: true, ..get("/endless") }.bytes());
    manager.await_bytes(20_000);
    manager.hang_up();
    manager.wait_for("note: closed");
    manager.wait_for("GET /endless: the web server closed the connection before the end of the answer");
    manager.expect_life_after_a_connection();
    assert_eq!(manager.log().matches("note: closed").count(), 1);
}

fn in_the_middle_of_a_body(setup: Setup) {
    let mut manager = Manager::start(setup);
    let request = Request { keep: true, ..post("/short", vec![b'b'; 100_000]) };
    let question = request.bytes();
    manager.send(&question[..question.len() / 2]);
    manager.hang_up();
    manager.wait_for("note: OSError: the web server closed the connection inside the request body");
    manager.expect_life_after_a_connection();
}

fn in_the_middle_of_the_parameters(setup: Setup) {
    let mut manager = Manager::start(setup);
    let question = Request { keep: true, ..get("/hello?nobody") }.head();
    manager.send(&question[..question.len() / 2]);
    manager.hang_up();
    manager.expect_life_after_a_connection();
}

fn between_two_requests(setup: Setup) {
    let mut manager = Manager::start(setup);
    manager.ask(get("/hello?1"), &crate::fastcgi::text("hello 1"));
    manager.hang_up();
    manager.expect_life_after_a_connection();
}

fn before_the_process_looks(setup: Setup) {
    let mut manager = Manager::spawn(Setup { connects: Connects::Early, ..setup });
    manager.hang_up();
    manager.wait_for("ready: ");
    manager.expect_life_after_a_connection();
}

/// Whole answers that the pipe holds, and that nobody takes out of it: without keep-connection the bridge waits
/// until somebody does.
fn with_an_answer_unread(setup: Setup) {
    for connection in [Connection::Kept, Connection::Closed] {
        let mut manager = Manager::start(Setup { connection, ..setup });
        manager.send(&Request { keep: manager.setup.keeps(), ..get("/notes_path") }.bytes());
        manager.wait_for("note: '/notes_path'");
        manager.hang_up();
        manager.expect_life_after_a_connection();
    }
}

#[test]
fn clients_that_come_and_go_without_a_word_stand_in_nobodys_way() {
    let mut manager = Manager::start(Setup::IIS);
    for _ in 0..20 {
        manager.hang_up();
        manager.connect();
    }
    manager.ask(get("/hello?you"), &crate::fastcgi::text("hello you"));
}

#[test]
fn a_client_end_that_is_thrown_out_is_the_end_as_well() {
    let setup = Setup { end: End::Client, ..Setup::IIS };
    for path in ["/endless", "/hello?you"] {
        let mut manager = Manager::start(setup);
        manager.send(&Request { keep: true, ..get(path) }.bytes());
        manager.await_bytes(30);
        manager.throw_out();
        manager.expect_exit(0);
        manager.wait_for("note: atexit ran");
    }
}
