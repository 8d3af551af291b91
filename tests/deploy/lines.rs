//! A deploy is killed at every line of its journal: just after it was written, when nothing of what it says is begun, and
//! just before the next one is, when all of it is done and nobody knows. The site serves one release, whole, and the
//! next deploy succeeds and leaves nothing behind.
//!
//! A line is two system calls: it is written, and made durable. `traced` counts them, so that no line is missed.

use std::collections::BTreeSet;
use std::sync::Mutex;

use super::bundles::Release;
use super::server::Server;
use super::turns::{SERVERS, Turns, shared};
use super::visitors::Visitor;
use crate::traced::{Fault, Watched, watch};

/// What a line says: its event, and the step that this is about or the end of it all.
type Line = (String, String);

/// How many lines the journal has.
fn count(server: &Server) -> usize {
    server.journal().len()
}

/// The lines of the journal that come after so many.
fn lines(server: &Server, before: usize) -> Vec<Line> {
    let text = |line: &serde_json::Value, key: &str| line[key].as_str().map(str::to_owned);
    let line = |line: &serde_json::Value| {
        let about = text(line, "step").or_else(|| text(line, "end")).unwrap_or_default();
        (text(line, "event").unwrap(), about)
    };
    server.journal()[before..].iter().map(line).collect()
}

/// Runs a deploy and watches it write its journal, or lets it be killed at one of the calls by which it does.
fn watched(server: &Server, release: Release, kill: Option<usize>) -> Watched {
    let (journal, deploy) = (server.home().join("journal.jsonl"), server.deploy_command(release));
    let watching = move || watch(deploy, &[journal], kill.map(|call| (call, Fault::Kill)));
    // Who watches waits for all children of its thread, and that of a story has a web server.
    std::thread::spawn(watching).join().unwrap()
}

/// Where a deploy is killed: behind so many whole lines.
#[derive(Debug, Clone, Copy)]
enum Moment {
    AfterLine(usize),
    BeforeNext(usize),
}

impl Moment {
    /// How many lines there are then.
    fn lines(self) -> usize {
        match self {
            Moment::AfterLine(count) | Moment::BeforeNext(count) => count,
        }
    }

    /// The call that is never made: the one that makes the line durable, or writes the next.
    fn call(self) -> usize {
        match self {
            Moment::AfterLine(count) => 2 * count,
            Moment::BeforeNext(count) => 2 * count + 1,
        }
    }
}

/// All moments of a deploy that writes these lines. Between the end of a step and the beginning of the next there is
/// nothing but one moment.
fn moments(written: &[Line]) -> Vec<Moment> {
    let begun = |count: usize| count > 0 && written[count - 1].0 == "begun";
    let after = (1..=written.len()).map(Moment::AfterLine);
    let before = (0..written.len()).filter(|count| *count == 0 || begun(*count)).map(Moment::BeforeNext);
    after.chain(before).collect()
}

/// Kills deploys at every one of so many moments, from this one on. Returns the lines that an undisturbed one writes; those
/// after which one was killed are added to `hit`.
fn killed_at_lines(first: usize, further: usize, hit: &Mutex<BTreeSet<Line>>) -> Vec<Line> {
    let mut turns = Turns::updating();
    let visitor = Visitor::of(&turns.server);
    let before = count(&turns.server);
    let undisturbed = watched(&turns.server, turns.next, None);
    let written = lines(&turns.server, before);
    assert_eq!(undisturbed.code, Some(0), "{}", undisturbed.said);
    assert_eq!(undisturbed.steps.len(), 2 * written.len(), "{:?}", undisturbed.steps);
    turns.take("nothing");
    for moment in moments(&written).into_iter().skip(first).step_by(further) {
        let before = count(&turns.server);
        let killed = watched(&turns.server, turns.next, Some(moment.call()));
        assert_eq!(killed.code, None, "{moment:?}: {}", killed.said);
        let there = lines(&turns.server, before);
        assert_eq!(there, written[..moment.lines()], "{moment:?}: {}", killed.said);
        hit.lock().unwrap().extend(there.last().cloned());
        let at = format!("{moment:?}: {:?}", there.last());
        turns.assert_serves(&at);
        turns.take(&at);
    }
    visitor.stop();
    written
}

#[test]
fn a_deploy_is_killed_after_every_line_of_its_journal() {
    let (hit, written) = (Mutex::default(), Mutex::<Vec<Vec<Line>>>::default());
    shared(|nth| {
        let lines = killed_at_lines(nth, SERVERS, &hit);
        written.lock().unwrap().push(lines);
    });
    let written = written.into_inner().unwrap();
    assert!(written.iter().all(|lines| *lines == written[0] && lines.len() >= 20), "{written:#?}");
    // Who writes a line more has it tried here, or is told.
    let written: BTreeSet<Line> = written[0].iter().cloned().collect();
    assert_eq!(hit.into_inner().unwrap(), written);
}
