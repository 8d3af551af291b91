//! Applications that go wrong. On a pipe whose end is the end of the process, what is left of an answer ends with a
//! status of its own, and the next request is served.

use crate::fastcgi::{REQUEST_COMPLETE, Request, end, get, part, post, streamed, text};
use crate::manager::{Manager, Setup};
use crate::variants::for_every_pipe;

for_every_pipe!(an_answer_that_breaks_off_ends_with_a_status_of_failure);

fn an_answer_that_breaks_off_ends_with_a_status_of_failure(setup: Setup) {
    let too_short = b"Status: 200 OK\r\nContent-Length: 4\r\n\r\n12".to_vec();
    let stories = [
        (get("/fails_late"), streamed([b'x'; 8192])),
        (get("/too_short"), too_short),
        (post("/fails_late", vec![b'b'; 1 << 20]), streamed([b'x'; 8192])),
    ];
    let mut manager = Manager::start(setup);
    for (number, (request, stdout)) in (1..).zip(stories) {
        if !setup.keeps() && number > 1 {
            if !setup.outlives_a_connection() {
                break;
            }
            manager.connect();
        }
        manager.send(&Request { keep: setup.keeps(), ..request.numbered(number) }.bytes());
        let expected = [part(number, &stdout), end(number, 1, REQUEST_COMPLETE)].concat();
        manager.expect(&expected);
    }
    manager.wait_for("RuntimeError: the middle of an answer");
    manager.wait_for("note: closed");
    if setup.keeps() || setup.outlives_a_connection() {
        manager.ask(get("/hello?still"), &text("hello still"));
    } else {
        manager.expect_exit(0);
    }
}

#[test]
fn an_application_that_fails_before_its_headers_is_a_plain_500() {
    let mut manager = Manager::start(Setup::IIS);
    let plain = b"Status: 500 Internal Server Error\r\nContent-Type: text/plain; charset=utf-8\r\n\
                  Content-Length: 22\r\n\r\nInternal Server Error\n";
    for path in ["/fails_early", "/exits", "/never_starts"] {
        manager.ask(post(path, vec![b'b'; 300_000]), plain);
    }
    manager.wait_for("ValueError: before any header");
    manager.ask(get("/hello?still"), &text("hello still"));
}
