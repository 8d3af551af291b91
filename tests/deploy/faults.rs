//! appcmd fails at each command in turn, without effect and after it: the release before serves on, and the next deploy
//! succeeds and leaves nothing behind.

use super::turns::{SERVERS, Turns, shared};
use super::visitors::Visitor;

/// At every one of so many commands, from this one on.
fn fails_in_turn(when: &str, first: usize, further: usize) {
    let mut turns = Turns::updating();
    let changes = turns.changes();
    let visitor = Visitor::of(&turns.server);
    for change in changes.iter().skip(first).step_by(further) {
        let (server, before) = (&turns.server, turns.server.serving());
        let change = turns.of_next(change);
        let text = "text = 'ERROR ( message:no )'";
        server.lab(&format!("[[fault]]\nmatches = '''{change}'''\nwhen = '{when}'\nexit = 87\n{text}\n"));
        let done = server.deploy(turns.next, &[]);
        let code = done.get_output().status.code().unwrap();
        let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
        assert!([4, 5].contains(&code), "{code} at `{change}`: {said}");
        assert_eq!(server.serving(), before, "{code} at `{change}`: {said}");
        server.lab("");
        turns.take(&change);
    }
    let seen = visitor.stop();
    assert!(seen.iter().all(|seen| seen.starts_with("1.0 ") || seen.starts_with("1.1 ")), "{seen:?}");
}

#[test]
fn appcmd_fails_at_each_command_in_turn_without_effect() {
    shared(|nth| fails_in_turn("before", nth, SERVERS));
}

#[test]
fn appcmd_fails_at_each_command_in_turn_after_its_effect() {
    shared(|nth| fails_in_turn("after", nth, SERVERS));
}
