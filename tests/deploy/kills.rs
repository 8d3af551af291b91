//! A deploy is killed at every command that it gives: the site serves one release, whole, and the next deploy succeeds and
//! leaves nothing behind.

use std::process::Child;
use std::time::Duration;

use super::server::wait_for;
use super::turns::{SERVERS, Turns, shared};
use super::visitors::Visitor;

fn is_over(deploying: &mut Child) -> bool {
    deploying.try_wait().unwrap().is_some()
}

/// Kills deploys, each after another of the commands that change something: every one of so many, from this one on.
fn killed_at_commands(turns: &mut Turns, first: usize, further: usize) {
    let changes = turns.changes();
    for change in changes.iter().skip(first).step_by(further) {
        let change = turns.of_next(change);
        let server = &turns.server;
        server.lab(&format!("[[fault]]\nmatches = '''{change}'''\nwhen = 'after'\nhold = 'held'\n"));
        let held = server.test.path("iis/held");
        let mut deploying = server.deploying(turns.next);
        wait_for("the command", || held.exists() || is_over(&mut deploying));
        assert!(held.exists(), "the deploy was over before `{change}`");
        deploying.kill().unwrap();
        deploying.wait().unwrap();
        server.lab("");
        fs_err::remove_file(&held).unwrap();
        // appcmd itself lives on for a moment, as it would there.
        std::thread::sleep(Duration::from_millis(50));
        turns.assert_serves(&change);
        turns.take(&change);
    }
}

#[test]
fn a_deploy_is_killed_after_every_command_to_iis() {
    shared(|nth| {
        let mut turns = Turns::updating();
        let visitor = Visitor::of(&turns.server);
        killed_at_commands(&mut turns, nth, SERVERS);
        visitor.stop();
    });
}

#[test]
fn the_first_deploy_of_a_site_is_killed_after_every_command_to_iis() {
    shared(|nth| killed_at_commands(&mut Turns::making(), nth, SERVERS));
}
