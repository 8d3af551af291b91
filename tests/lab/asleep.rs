//! Web servers that neither leave nor go on. After a minute they have lost their request, and the process is free.

use std::time::Duration;

use crate::fastcgi::{Request, get, post, text};
use crate::manager::{End, Manager, Setup};
use crate::win32::Kind;

/// The bridge's patience, and time for what comes before and after it.
const LONG: Duration = Duration::from_secs(90);

#[test]
fn a_web_server_that_falls_silent_loses_its_request() {
    // All at once, since all they do is wait.
    std::thread::scope(|scope| {
        for end in [End::Server, End::Client] {
            for kind in [Kind::Overlapped, Kind::Synchronous] {
                let setup = Setup { end, kind, ..Setup::IIS };
                scope.spawn(move || sends_no_more(setup));
                scope.spawn(move || takes_no_more(setup));
            }
        }
    });
}

fn sends_no_more(setup: Setup) {
    let mut manager = Manager::start(setup);
    manager.patience = LONG;
    let request = Request { keep: true, ..post("/short", vec![b'b'; 100_000]) };
    let question = request.bytes();
    manager.send(&question[..question.len() / 2]);
    let heard = manager.hear_to_the_end();
    let said = "OSError: the web server sent nothing of the request body for 60 s";
    manager.compare(&heard, &crate::fastcgi::answer(1, &text(said)));
    manager.expect_life_after_a_connection();
}

fn takes_no_more(setup: Setup) {
    let mut manager = Manager::start(setup);
    manager.patience = LONG;
    manager.send(&Request { keep: true, ..get("/endless") }.bytes());
    manager.wait_for("GET /endless: the web server took nothing of the answer for 60 s");
    manager.wait_for("note: closed");
    manager.hang_up();
    manager.expect_life_after_a_connection();
}
