//! The event by which IIS tells a process to end: what has begun is finished, then the process leaves by the front
//! door, whatever it was waiting for.

use crate::fastcgi::{Request, answer, get, post, streamed, text};
use crate::manager::{Connection, Connects, Manager, Setup, Told};
use crate::variants::for_every_handle;

for_every_handle!(
    told_before_it_begins,
    told_while_nobody_has_connected,
    told_between_two_requests,
    told_in_the_middle_of_the_parameters,
    told_in_a_request_that_does_not_go_on,
    told_in_the_middle_of_a_body,
    told_while_the_application_works,
    told_in_the_middle_of_an_answer,
    told_with_another_request_in_the_pipe,
    told_in_a_request_without_end,
);

#[track_caller]
fn expect_a_good_end(manager: &mut Manager) {
    manager.expect_exit(0);
    let log = manager.log();
    assert!(log.contains("stopped\n") && log.ends_with("note: atexit ran\n"), "{log}");
}

fn kept(request: Request) -> Request {
    Request { keep: true, ..request }
}

fn told_before_it_begins(setup: Setup) {
    for connects in [Connects::Early, Connects::Late] {
        let mut manager = Manager::spawn(Setup { connects, ..setup });
        manager.tell_to_end();
        expect_a_good_end(&mut manager);
    }
}

fn told_while_nobody_has_connected(setup: Setup) {
    let mut manager = Manager::start_with(setup, b"");
    manager.tell_to_end();
    expect_a_good_end(&mut manager);
}

fn told_between_two_requests(setup: Setup) {
    for requests in [0, 1, 3] {
        let mut manager = Manager::start(setup);
        for _ in 0..requests {
            manager.ask(get("/hello?you"), &text("hello you"));
        }
        manager.tell_to_end();
        expect_a_good_end(&mut manager);
    }
}

fn told_in_the_middle_of_the_parameters(setup: Setup) {
    let mut manager = Manager::start(setup);
    let question = kept(get("/hello?you")).bytes();
    let (first, rest) = question.split_at(60);
    manager.send(first);
    manager.tell_to_end();
    manager.wait_for("stopping: ");
    manager.send(rest);
    manager.expect(&answer(1, &text("hello you")));
    expect_a_good_end(&mut manager);
}

fn told_in_a_request_that_does_not_go_on(setup: Setup) {
    let mut manager = Manager::start(setup);
    manager.send(&kept(get("/hello?you")).bytes()[..60]);
    manager.tell_to_end();
    expect_a_good_end(&mut manager);
}

fn told_in_the_middle_of_a_body(setup: Setup) {
    let mut manager = Manager::start(setup);
    let body = vec![b'b'; 100_000];
    let request = kept(post("/reads_whole", body.clone()));
    let question = request.bytes();
    let (first, rest) = question.split_at(50_000);
    manager.send(first);
    manager.tell_to_end();
    manager.wait_for("stopping: ");
    manager.send(rest);
    manager.expect(&answer(1, &text(body)));
    expect_a_good_end(&mut manager);
}

fn told_while_the_application_works(setup: Setup) {
    let mut manager = Manager::start(setup);
    let gate = manager.path("open");
    manager.send(&kept(get(&format!("/gate?{}", gate.display()))).bytes());
    manager.wait_for("note: begun");
    manager.tell_to_end();
    manager.wait_for("stopping: ");
    std::fs::write(gate, "").unwrap();
    manager.expect(&answer(1, &streamed("begun ended")));
    expect_a_good_end(&mut manager);
}

fn told_in_the_middle_of_an_answer(setup: Setup) {
    let mut manager = Manager::start(Setup { buffer: 4096, ..setup });
    manager.send(&kept(get("/large?1048576")).bytes());
    manager.await_bytes(100);
    manager.tell_to_end();
    manager.wait_for("stopping: ");
    manager.expect(&answer(1, &text(b"0123456789abcdef".repeat(1 << 16))));
    expect_a_good_end(&mut manager);
}

fn told_with_another_request_in_the_pipe(setup: Setup) {
    let mut manager = Manager::start(setup);
    let gate = manager.path("open");
    let first = kept(get(&format!("/gate?{}", gate.display())));
    let second = kept(get("/hello?you").numbered(2));
    manager.send(&[first.bytes(), second.bytes()].concat());
    manager.wait_for("note: begun");
    manager.tell_to_end();
    manager.wait_for("stopping: ");
    std::fs::write(gate, "").unwrap();
    manager.expect(&answer(1, &streamed("begun ended")));
    manager.expect(&answer(2, &text("hello you")));
    expect_a_good_end(&mut manager);
}

fn told_in_a_request_without_end(setup: Setup) {
    let mut manager = Manager::start(Setup { grace: 1, ..setup });
    manager.send(&kept(get(r"/gate?Z:\no\such\gate")).bytes());
    manager.wait_for("note: begun");
    manager.tell_to_end();
    let heard = manager.hear_to_the_end();
    manager.compare(&heard, &crate::fastcgi::part(1, &streamed("begun ")));
    manager.expect_exit(1);
    assert!(manager.log().contains("not done within 1 s: leaving at once"), "{}", manager.log());
}

#[test]
fn told_while_it_waits_for_the_next_connection() {
    let mut manager = Manager::start(Setup { connection: Connection::Closed, ..Setup::IIS });
    manager.ask(get("/hello?you"), &text("hello you"));
    manager.tell_to_end();
    expect_a_good_end(&mut manager);
}

#[test]
fn told_while_the_end_of_an_answer_is_unread() {
    let mut manager = Manager::start(Setup { connection: Connection::Closed, ..Setup::IIS });
    manager.send(&get("/notes_path").bytes());
    manager.wait_for("note: '/notes_path'");
    manager.tell_to_end();
    manager.wait_for("stopping: ");
    manager.expect(&answer(1, &text("noted")));
    expect_a_good_end(&mut manager);
}

#[test]
fn without_an_event_it_serves_until_it_is_ended() {
    for told in [Told::Never, Told::Wrongly] {
        let mut manager = Manager::start(Setup { told, ..Setup::IIS });
        manager.ask(get("/hello?you"), &text("hello you"));
        let complaint = "`_FCGI_SHUTDOWN_EVENT_` is 999999, and there is no event under that number";
        assert_eq!(manager.log().contains(complaint), told == Told::Wrongly, "{}", manager.log());
    }
}
