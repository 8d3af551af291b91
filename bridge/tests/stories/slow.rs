//! Requests that last too long: where they are is told while they last, whatever they are at.

use super::bridge::Bridge;
use super::client::get;
use super::probe::start;

#[test]
fn the_stack_of_a_slow_request_is_told_while_it_lasts_and_its_time_at_the_end() {
    let bridge = Bridge::start("waits_in_the_call", &["--slow", "1", "--threads", "2"]);
    let gate = bridge.folder.path().join("hidden");
    let mut client = bridge.connect();
    client.send(&get(&format!("/report?{}", gate.display())).kept().bytes());
    bridge.wait_for("GET /report has lasted 1.");
    bridge.wait_for(", in waits_in_the_call\n");
    let log = bridge.log();
    assert!(log.contains("is not done. It is here:\n  File ") && !log.contains("hidden"), "{log}");
    assert!(!log.contains("GET /report took"), "{log}");
    std::fs::write(&gate, "").unwrap();
    client.answer(1).expect("200 OK", "answered");
    bridge.wait_for("GET /report took ");
    assert_eq!(bridge.log().matches("GET /report has lasted").count(), 1, "{}", bridge.log());
    // A quick one is told neither then nor later.
    client.ask(&get(&format!("/quick?{}", gate.display())).kept()).expect("200 OK", "answered");
    assert!(!bridge.log().contains("/quick"), "{}", bridge.log());
}

#[test]
fn a_request_that_lets_nobody_else_run_is_told_all_the_same() {
    let mut bridge = Bridge::start("holds_the_interpreter", &["--slow", "1"]);
    let gate = bridge.folder.path().join("gate");
    let mut client = bridge.connect();
    client.send(&get(&format!("/stuck?{}", gate.display())).bytes());
    bridge.wait_for("no Python has run for 2 s");
    bridge.wait_for("Requests: GET /stuck, 1.");
    bridge.wait_for(" in holds_the_interpreter\n");
    std::fs::write(&gate, "!").unwrap();
    client.answer(1).expect("200 OK", "answered");
    bridge.wait_for("GET /stuck took ");
    bridge.signal(15);
    assert_eq!(bridge.wait().code(), Some(0), "{}", bridge.log());
}

#[test]
fn who_watches_the_server_hears_of_a_slow_request_before_it_ends() {
    let events = "slow = 1\n[events]\nsource = 'holdall'\nname = 'shop'\nfolder = '.'\nslow = 1\n";
    let bridge = start("waits_in_the_call", events);
    let gate = bridge.folder.path().join("gate");
    let mut client = bridge.connect();
    client.send(&get(&format!("/?{}", gate.display())).bytes());
    bridge.wait_for("GET / has lasted 1.");
    assert!(bridge.folder.path().join(".event-101").exists());
    std::fs::write(&gate, "").unwrap();
    client.answer(1).expect("200 OK", "answered");
    bridge.wait_for("GET / took ");
    assert_eq!(bridge.log().matches("GET / took").count(), 1, "{}", bridge.log());
}
