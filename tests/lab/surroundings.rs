//! What the application finds around it: the pipe is nowhere to be met, whatever it prints, reads or starts.

use std::time::{Duration, Instant};

use crate::fastcgi::{get, post, text};
use crate::manager::{Connects, End, Manager, Output, Setup, refusal};
use crate::variants::for_every_handle;
use crate::win32::{Kind, anonymous_pipe, create_pipe, open, open_pipe};

for_every_handle!(
    what_the_application_prints_and_reads_has_nothing_to_do_with_the_pipe,
    standard_input_is_not_the_pipe_when_the_application_is_imported,
    there_is_one_handle_of_the_pipe_and_nobody_inherits_it,
    a_program_that_the_application_starts_reads_nothing_of_the_pipe,
    a_program_that_stays_does_not_hold_the_pipe,
    bytes_go_one_way_at_a_time,
);

fn what_the_application_prints_and_reads_has_nothing_to_do_with_the_pipe(setup: Setup) {
    for output in [Output::Absent, Output::Nul, Output::Read, Output::ThePipe, Output::ThePipeTwice] {
        for log in [true, false] {
            let mut manager = Manager::start(Setup { output, log, ..setup });
            for id in 1..=3 {
                manager.ask(post("/noisy", b"a body".to_vec()).numbered(id), &text("('', b'')"));
            }
            if log || output == Output::Read {
                for printed in [
                    "printed by the application",
                    "written to descriptor 1",
                    "written to standard error",
                    "written to wsgi.errors: ",
                ] {
                    manager.wait_for(printed);
                }
            }
            manager.tell_to_end();
            manager.expect_exit(0);
        }
    }
}

/// The applications that know Windows.
fn on_windows(setup: Setup) -> Setup {
    Setup { app: "windows:by_path", ..setup }
}

fn standard_input_is_not_the_pipe_when_the_application_is_imported(setup: Setup) {
    for connects in [Connects::Early, Connects::Late] {
        let mut manager = Manager::start(on_windows(Setup { connects, ..setup }));
        manager.ask(get("/standard_input"), &text("at import: no pipe, no pipe; now: no pipe, no pipe"));
    }
}

fn there_is_one_handle_of_the_pipe_and_nobody_inherits_it(setup: Setup) {
    for output in [Output::Absent, Output::ThePipe, Output::ThePipeTwice] {
        let mut manager = Manager::start(on_windows(Setup { output, ..setup }));
        manager.ask(get("/handles"), &text("1 of the pipe, 0 of them inherited"));
    }
}

fn a_program_that_the_application_starts_reads_nothing_of_the_pipe(setup: Setup) {
    let mut manager = Manager::start(on_windows(setup));
    // What it reads too much would be missing from the next request.
    let question =
        [1, 2].map(|id| crate::fastcgi::Request { keep: true, ..get("/child").numbered(id) }.bytes());
    manager.send(&question.concat());
    for id in [1, 2] {
        manager.expect(&crate::fastcgi::answer(id, &text("it read b'' and saw 0 of the pipe")));
    }
}

fn a_program_that_stays_does_not_hold_the_pipe(setup: Setup) {
    let mut manager = Manager::start(on_windows(setup));
    manager.ask(get("/staying_child"), &text("started"));
    manager.wait_for("note: the child is there");
    manager.tell_to_end();
    // With the bridge gone the connection is, and so is the name if the server end was the bridge's.
    manager.expect_exit(0);
    if setup.end == End::Server {
        let found = open_pipe(manager.pipe(), Kind::Overlapped, Instant::now() + Duration::from_secs(1));
        let missing = std::io::ErrorKind::NotFound;
        assert_eq!(found.map_err(|error| error.kind()).err(), Some(missing), "the pipe is still there");
    }
}

fn bytes_go_one_way_at_a_time(setup: Setup) {
    let mut manager = Manager::start(Setup { app: "serial:by_path", buffer: 4096, ..setup });
    let body = vec![b'b'; 300_000];
    for (id, path) in (1..).zip(["/digest", "/answers_first", "/hello?you", "/large?300000", "/fails_late"]) {
        let request = crate::fastcgi::Request { keep: true, ..post(path, body.clone()).numbered(id) };
        manager.send(&request.bytes());
        manager.hear();
    }
    if setup.outlives_a_connection() {
        manager.send(&crate::fastcgi::Request { keep: true, ..get("/endless") }.bytes());
        manager.await_bytes(10_000);
        manager.hang_up();
        manager.connect();
        manager.send(&get("/hello?you").bytes());
        manager.hear_to_the_end();
        manager.connect();
    }
    manager.tell_to_end();
    manager.expect_exit(0);
    let log = manager.log();
    assert!(log.contains("note: two at a time: none\nnote: without OVERLAPPED: none"), "{log}");
    for call in ["ReadFile", "WriteFile", "PeekNamedPipe"] {
        assert!(log.contains(&format!("note: watched {call}")), "{call}: {log}");
    }
}

#[test]
fn a_pipe_that_was_made_not_to_wait_is_made_to() {
    for connects in [Connects::Early, Connects::Late] {
        let mut manager = Manager::start(Setup { kind: Kind::NoWait, connects, ..Setup::IIS });
        for id in 1..=5 {
            manager.ask(
                post("/echo", vec![b'b'; 50_000]).numbered(id),
                &crate::fastcgi::streamed([b'b'; 50_000]),
            );
        }
        manager.tell_to_end();
        manager.expect_exit(0);
    }
}

#[test]
fn a_standard_input_that_is_no_pipe_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("input");
    std::fs::write(&file, "text").unwrap();
    let file = open(file.to_str().unwrap(), 0).unwrap();
    let nul = open("NUL", 0).unwrap();
    let (one_way, _other_end) = anonymous_pipe().unwrap();
    for input in [Some(&file), Some(&nul), Some(&one_way), None] {
        let (code, said, log) = refusal(input, "");
        assert_eq!(code, 2, "{said}");
        let expected = "error: standard input is no named pipe that goes both ways\n  help: start the bridge";
        assert!(said.starts_with(expected), "{said}");
        // IIS leaves no other place to look at.
        assert!(log.contains(expected), "{log}");
    }
}

#[test]
fn settings_that_mean_nothing_at_a_pipe_are_refused() {
    let name = format!(r"\\.\pipe\IISFCGI-lab-settings-{}", std::process::id());
    let pipe = create_pipe(&name, Kind::Synchronous, 4096).unwrap();
    for (setting, expected) in [
        ("threads = 2", "error: `threads` is 2, and a named pipe carries one request at a time"),
        ("processes = 2", "error: `processes` is 2, and on Windows the web server starts the processes"),
        ("listen = 'tcp:127.0.0.1:80'", "error: there is no listening at `tcp:127.0.0.1:80` on Windows"),
    ] {
        let (code, said, log) = refusal(Some(&pipe), setting);
        assert_eq!(code, 2, "{said}");
        assert!(said.starts_with(expected) && log.contains(expected), "{said}\n{log}");
    }
}
