//! The disk of the sites is full at one moment of a deploy or another.

use std::process::Stdio;

use super::bundles::Release;
use super::server::{Server, wait_for};
use super::small::Small;
use super::turns::{SERVERS, Turns, shared};
use super::visitors::Visitor;

/// More than a site with two releases takes, in kilobytes.
const AMPLE: u64 = 2 << 20;

/// Deploys to a disk with room for nothing, for a line of the journal, for a folder, for some files, for all but the last
/// ones: every one of so many, from this one on.
fn filled_up(first: usize, further: usize) {
    let server = Server::in_memory();
    let Some(disk) = Small::mount(&server.test.path("sites"), AMPLE) else { return };
    let mut turns = Turns::of([Release::First, Release::Second], server);
    let before = disk.used();
    turns.server.deploy(turns.next, &[]).success();
    let needed = disk.used() - before;
    assert!(needed > 8192, "{needed}");
    turns.take("nothing");
    let visitor = Visitor::of(&turns.server);
    let rooms = [0, 8, 64, 1024, needed / 2, needed - 2048, needed - 256, needed - 64];
    for room in rooms.into_iter().skip(first).step_by(further) {
        let (server, before) = (&turns.server, turns.server.serving());
        // There was room when it was looked at: others write meanwhile. A plan is one survey, and what is held up is a
        // question of the second.
        server.lab("");
        server.deploy(turns.next, &["--plan"]).success();
        let asked = server.commands().len();
        server.lab(&format!("[[fault]]\ncommand = {}\nhold = 'held'\n", asked + 2));
        let held = server.test.path("iis/held");
        let mut deploying =
            server.deploy_command(turns.next).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        wait_for("the second survey", || held.exists() || deploying.try_wait().unwrap().is_some());
        disk.resize(disk.used() + room);
        fs_err::remove_file(held).unwrap();
        let full = deploying.wait_with_output().unwrap();
        disk.resize(AMPLE);
        server.lab("");
        let code = full.status.code().unwrap();
        let said = String::from_utf8_lossy(&full.stderr).into_owned();
        // The last files are no larger than what chance leaves free.
        if code != 0 || room + 1024 < needed {
            // 1 where it was what the turn before had left to do.
            assert!([1, 3, 4, 5].contains(&code), "{code} with {room}: {said}");
            assert!(said.contains("No space left") && said.contains("the disk"), "{room}: {said}");
            assert!(said.contains(server.home().to_str().unwrap()), "{room}: {said}");
            assert_eq!(server.serving(), before, "{room}: {said}");
        }
        turns.take(&format!("a disk with {room} KB left"));
    }
    // What cannot have room is not begun.
    disk.resize(disk.used() + needed / 2);
    let refused = turns.server.deploy(turns.next, &[]).code(3);
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(said.contains(" free, and the bundle takes "), "{said}");
    disk.resize(AMPLE);
    visitor.stop();
    // The server's folder could not go before what is mounted in it.
    drop(disk);
}

#[test]
fn a_disk_that_is_full_is_told_with_the_file_and_leaves_nothing_half_made() {
    shared(|nth| filled_up(nth, SERVERS));
}
