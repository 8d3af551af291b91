//! Deploys that are cut short at every byte of their journal, and at every change they make.

use std::collections::BTreeMap;

use super::*;
use crate::durable::power_cut::{Tape, Tree, each_cut, scratch};

fn release(version: &str) -> ReleaseId {
    ReleaseId::parse(&format!("{version}-0123abcd")).unwrap()
}

/// A site in a folder, as a deploy finds it and changes it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct World {
    actual: Actual,
    services: ReleaseId,
}

/// Three releases, the second of which serves; the first is to be pruned when the third serves.
fn world() -> World {
    let releases = [(release("1"), Standing::Complete), (release("2"), Standing::Complete)];
    let actual = Actual {
        releases: BTreeMap::from(releases),
        active: Some(release("2")),
        registered: BTreeSet::from([release("1"), release("2")]),
        ..Actual::default()
    };
    World { actual, services: release("2") }
}

/// What a deploy does, one after the other.
enum Act {
    Write(Event),
    Change(fn(&mut World)),
}

use Act::{Change, Write};

fn begin(step: Step) -> Act {
    Write(Event::Begun { step, facts: Vec::new() })
}

fn done(step: Step) -> Act {
    Write(Event::Done { step, facts: Vec::new() })
}

fn opened() -> Act {
    Write(Event::Opened { work: Work::Deploy, from: Some(release("2")), to: release("3"), before: None })
}

/// The third release, up to the switch.
fn up_to_the_switch() -> Vec<Act> {
    vec![
        opened(),
        begin(Step::Fetch),
        done(Step::Fetch),
        begin(Step::Expand),
        Change(|world| {
            world.actual.releases.insert(release("3"), Standing::Incomplete);
        }),
        done(Step::Expand),
        begin(Step::Complete),
        Change(|world| {
            world.actual.releases.insert(release("3"), Standing::Complete);
        }),
        done(Step::Complete),
        begin(Step::HooksBefore),
        done(Step::HooksBefore),
        begin(Step::Register),
        Change(|world| {
            world.actual.registered.insert(release("3"));
        }),
        done(Step::Register),
        Write(Event::Begun {
            step: Step::Stage,
            facts: vec![Fact::Staging { site: "guestbook-staging".to_owned(), port: 50123 }],
        }),
        Change(|world| world.actual.has_passes = true),
        Change(|world| {
            world.actual.staging.insert("guestbook-staging".to_owned());
        }),
        Change(|world| world.actual.staging.clear()),
        Change(|world| world.actual.has_passes = false),
        Write(Event::Done { step: Step::Stage, facts: vec![Fact::Processes(BTreeSet::from([11, 12]))] }),
        begin(Step::Switch),
        Change(|world| world.actual.active = Some(release("3"))),
    ]
}

fn whole_deploy() -> Vec<Act> {
    let mut acts = up_to_the_switch();
    acts.extend([
        done(Step::Switch),
        begin(Step::Probe),
        done(Step::Probe),
        begin(Step::Services),
        Change(|world| world.services = release("3")),
        done(Step::Services),
        begin(Step::HooksAfter),
        done(Step::HooksAfter),
        Write(Event::Begun {
            step: Step::Retire,
            facts: vec![Fact::Retiring { release: release("2"), at: 1000 }],
        }),
        Change(|world| {
            world.actual.releases.insert(release("1"), Standing::Pruning);
        }),
        Change(|world| {
            world.actual.registered.remove(&release("1"));
        }),
        Write(Event::Done {
            step: Step::Retire,
            facts: vec![
                Fact::Retired { release: release("2") },
                Fact::held(&release("1"), [Path::new("python/python.exe")]),
            ],
        }),
        Write(Event::Closed { end: End::Done }),
    ]);
    acts
}

fn deploy_that_goes_back() -> Vec<Act> {
    let mut acts = up_to_the_switch();
    acts.extend([
        done(Step::Switch),
        begin(Step::Probe),
        Write(Event::Undoing { step: Step::Switch }),
        Change(|world| world.actual.active = Some(release("2"))),
        Write(Event::Undone { step: Step::Switch }),
        Write(Event::Closed { end: End::RolledBack }),
    ]);
    acts
}

/// Every world and journal that a cut may leave.
fn cuts(acts: &[Act]) -> Vec<(World, Vec<u8>)> {
    let (mut world, mut bytes) = (world(), Vec::new());
    let mut cuts = vec![(world.clone(), Vec::new())];
    for act in acts {
        match act {
            Write(event) => {
                let run = Some(RunId("1-00000000".to_owned()));
                for byte in (render(&Line { run, at: 1, event: event.clone() }) + "\n").into_bytes() {
                    bytes.push(byte);
                    cuts.push((world.clone(), bytes.clone()));
                }
            }
            Change(change) => {
                change(&mut world);
                cuts.push((world.clone(), bytes.clone()));
            }
        }
    }
    cuts
}

/// Does what was found to be done, as the next command would.
fn carry_out(world: &mut World, journal: &Journal, todo: Vec<Recovery>, is_well: bool) {
    let history = journal.read().unwrap();
    for recovery in todo {
        let actual = &mut world.actual;
        match recovery {
            Recovery::WithdrawPasses => actual.has_passes = false,
            Recovery::RemoveStaging { site } => assert!(actual.staging.remove(&site)),
            Recovery::SwitchBack { to } => actual.active = Some(to),
            Recovery::ProbeAgain { back_to: Some(before), .. } if !is_well => {
                let run = journal.resume(history.unfinished.as_ref().unwrap());
                run.undoing(Step::Switch).unwrap();
                let again = recover(&journal.read().unwrap(), actual);
                return carry_out_back(world, journal, again, &before);
            }
            Recovery::ProbeAgain { .. } | Recovery::RunHooksAfter { .. } | Recovery::TellOfHooks { .. } => {}
            Recovery::Register { release } => assert!(actual.registered.insert(release)),
            Recovery::MoveServices { release } => world.services = release,
            Recovery::Retire { release, .. } | Recovery::ForgetRetiring { release } => {
                journal.note(vec![Fact::Retired { release }]).unwrap();
            }
            Recovery::Unregister { release } => assert!(actual.registered.remove(&release)),
            Recovery::RemoveLeftover { release }
            | Recovery::FinishPruning { release }
            | Recovery::ForgetHeld { release } => {
                actual.releases.remove(&release);
                journal.note(vec![Fact::Pruned { release }]).unwrap();
            }
            Recovery::Close { run, end } => {
                let unfinished = history.unfinished.as_ref().unwrap();
                assert_eq!(unfinished.id, run);
                journal.resume(unfinished).close(end).unwrap();
            }
            Recovery::ForgetTold { release } => assert!(actual.told.remove(&release)),
            Recovery::NothingToServe { .. } => panic!("there is always something"),
        }
    }
}

fn carry_out_back(world: &mut World, journal: &Journal, todo: Vec<Recovery>, before: &ReleaseId) {
    assert!(todo.contains(&Recovery::SwitchBack { to: before.clone() }), "{todo:?}");
    carry_out(world, journal, todo, true);
    assert_eq!(journal.read().unwrap().last.unwrap().end, End::RolledBack);
}

/// What must hold of any recovery, whatever the journal says.
#[track_caller]
fn check_harmless(todo: &[Recovery], actual: &Actual) {
    let count = |wanted: fn(&Recovery) -> bool| todo.iter().filter(|found| wanted(found)).count();
    assert!(count(|found| matches!(found, Recovery::SwitchBack { .. } | Recovery::ProbeAgain { .. })) <= 1);
    for found in todo {
        match found {
            Recovery::SwitchBack { to } => assert!(actual.is_complete(to), "{todo:?}"),
            Recovery::ProbeAgain { release, back_to } => {
                assert_eq!(actual.active.as_ref(), Some(release), "{todo:?}");
                assert!(back_to.as_ref().is_none_or(|before| actual.is_complete(before)), "{todo:?}");
            }
            Recovery::RemoveLeftover { release }
            | Recovery::FinishPruning { release }
            | Recovery::Unregister { release } => {
                assert!(!actual.is_complete(release), "{todo:?}");
                assert_ne!(actual.active.as_ref(), Some(release), "{todo:?}");
            }
            _ => {}
        }
    }
}

fn check_all_cuts(acts: &[Act], ends: &[ReleaseId]) {
    let folder = scratch();
    let journal = Journal::of(folder.path(), Disk::default());
    let mut seen = BTreeSet::new();
    for (world, bytes) in cuts(acts) {
        for is_well in [true, false] {
            let mut world = world.clone();
            fs_err::write(folder.path().join(JOURNAL), &bytes).unwrap();
            let history = journal.read().unwrap();
            let todo = recover(&history, &world.actual);
            let said = format!("{todo:?} after {}", String::from_utf8_lossy(&bytes));
            check_harmless(&todo, &world.actual);
            carry_out(&mut world, &journal, todo, is_well);

            let after = journal.read().unwrap();
            assert_eq!(recover(&after, &world.actual), [], "a second time there is nothing to do: {said}");
            assert!(after.unfinished.is_none() && after.pending == Pending::default(), "{said}");
            let Actual { active, releases, staging, has_passes, registered, .. } = &world.actual;
            let active = active.clone().unwrap();
            assert_eq!(releases[&active], Standing::Complete, "{said}");
            assert_eq!(world.services, active, "{said}");
            assert!(registered.contains(&active) && staging.is_empty() && !has_passes, "{said}");
            assert!(releases.contains_key(&release("2")), "the one before stays: {said}");
            seen.insert(active);
        }
    }
    assert_eq!(seen, ends.iter().cloned().collect());
}

#[test]
fn a_deploy_cut_short_anywhere_leaves_what_the_next_command_can_finish() {
    check_all_cuts(&whole_deploy(), &[release("2"), release("3")]);
}

#[test]
fn a_way_back_cut_short_anywhere_ends_where_it_was_to_end() {
    check_all_cuts(&deploy_that_goes_back(), &[release("2"), release("3")]);
    // Once the way back has begun there is no other.
    let acts = deploy_that_goes_back();
    let (whole, _) = cuts(&acts).pop().unwrap();
    let last = cuts(&acts);
    let turned = last
        .iter()
        .filter(|(_, bytes)| History::of(bytes).unfinished.is_some_and(|run| run.is_on_its_way_back()));
    let mut count = 0;
    for (world, bytes) in turned {
        count += 1;
        let todo = recover(&History::of(bytes), &world.actual);
        let goes_back = todo.contains(&Recovery::SwitchBack { to: release("2") });
        assert_eq!(goes_back, world.actual.active != whole.actual.active, "{todo:?}");
        let Some(Recovery::Close { end, .. }) = todo.last() else { panic!("{todo:?}") };
        assert_eq!(*end, End::RolledBack);
    }
    assert!(count > 50);
}

#[test]
fn any_beginning_of_a_journal_is_harmless_however_things_are() {
    for acts in [whole_deploy(), deploy_that_goes_back()] {
        let cuts = cuts(&acts);
        let mut worlds: Vec<World> = Vec::new();
        for (world, _) in &cuts {
            if !worlds.contains(world) {
                worlds.push(world.clone());
                let mut none = world.clone();
                none.actual.active = None;
                worlds.push(none);
                for standing in [Standing::Damaged, Standing::Incomplete, Standing::Pruning] {
                    let mut broken = world.clone();
                    broken.actual.releases.values_mut().for_each(|known| *known = standing);
                    worlds.push(broken);
                }
            }
        }
        for (_, bytes) in &cuts {
            let history = History::of(bytes);
            worlds.iter().for_each(|world| check_harmless(&recover(&history, &world.actual), &world.actual));
        }
    }
}

#[test]
fn a_release_that_is_broken_from_outside_gives_way_to_one_that_is_whole() {
    let mut world = world();
    world.actual.releases.insert(release("2"), Standing::Damaged);
    let nothing = Recovery::NothingToServe { active: release("2") };
    assert_eq!(recover(&History::default(), &world.actual), [nothing]);
    let run = [opened(), begin(Step::Stage)];
    let (_, bytes) = cuts(&run).pop().unwrap();
    world.actual.releases.insert(release("3"), Standing::Complete);
    let todo = recover(&History::of(&bytes), &world.actual);
    assert_eq!(todo[0], Recovery::SwitchBack { to: release("3") });
}

#[test]
fn what_a_release_was_told_goes_once_it_is_gone_and_no_sooner() {
    let mut world = world();
    world.actual.told = BTreeSet::from(["1", "2", "3"].map(release));
    let forget = |version| Recovery::ForgetTold { release: release(version) };
    assert_eq!(recover(&History::default(), &world.actual), [forget("3")]);
    world.actual.releases.remove(&release("1"));
    let unregister = Recovery::Unregister { release: release("1") };
    assert_eq!(recover(&History::default(), &world.actual), [unregister, forget("1"), forget("3")]);
    // What the switch points at may be on its way back.
    world.actual.active = Some(release("3"));
    world.actual.registered.insert(release("3"));
    assert!(!recover(&History::default(), &world.actual).contains(&forget("3")));
}

#[test]
fn an_adopted_release_is_never_removed() {
    let mut world = world();
    world.actual.releases.insert(release("1"), Standing::Incomplete);
    world.actual.adopted.insert(release("1"));
    let unregister = Recovery::Unregister { release: release("1") };
    assert_eq!(recover(&History::default(), &world.actual), [unregister]);
}

#[test]
fn what_was_put_off_is_due_until_it_is_done_or_of_no_use() {
    let folder = scratch();
    let journal = Journal::of(folder.path(), Disk::default());
    let mut world = world();
    journal.note(vec![Fact::Retiring { release: release("1"), at: 1000 }]).unwrap();
    let due = Recovery::Retire { release: release("1"), not_before: Some(1000) };
    assert_eq!(recover(&journal.read().unwrap(), &world.actual), [due]);
    world.actual.active = Some(release("1"));
    let forget = Recovery::ForgetRetiring { release: release("1") };
    assert_eq!(recover(&journal.read().unwrap(), &world.actual), [forget]);
    journal.note(vec![Fact::Retired { release: release("1") }]).unwrap();
    assert_eq!(recover(&journal.read().unwrap(), &world.actual), []);
}

#[test]
fn a_run_is_read_back_as_it_was_written() {
    let folder = scratch();
    let journal = Journal::of(folder.path(), Disk::default());
    assert_eq!(journal.read().unwrap(), History::default());
    let run = journal.open(Work::Deploy, None, &release("3"), None).unwrap();
    let staging = Fact::Staging { site: "guestbook-staging".to_owned(), port: 50123 };
    run.begin(Step::Stage, vec![staging]).unwrap();
    // A power cut left half a line, and zeros in place of another.
    let path = folder.path().join(JOURNAL);
    let mut bytes = fs_err::read(&path).unwrap();
    bytes.extend(b"\0\0\0\0{\"run\":\"");
    fs_err::write(&path, bytes).unwrap();
    run.done(Step::Stage, vec![Fact::Processes(BTreeSet::from([7, 9]))]).unwrap();
    run.undoing(Step::Switch).unwrap();
    let history = journal.read().unwrap();
    let unfinished = history.unfinished.unwrap();
    assert_eq!((&unfinished.id, &unfinished.to, history.unread), (run.id(), &release("3"), 1));
    assert_eq!((unfinished.staging.as_deref(), unfinished.processes.len()), (Some("guestbook-staging"), 2));
    assert!(unfinished.is_done(Step::Stage) && unfinished.is_on_its_way_back());
    // The end of another run is none of this one.
    journal.resume(&Unfinished { id: RunId("0-0".to_owned()), ..unfinished }).close(End::Done).unwrap();
    assert!(journal.read().unwrap().unfinished.is_some());
    run.close(End::RolledBack).unwrap();
    let history = journal.read().unwrap();
    assert_eq!((history.unfinished, history.last.unwrap().end), (None, End::RolledBack));
}

#[test]
fn a_journal_that_has_grown_long_begins_anew_and_forgets_nothing_that_is_pending() {
    let folder = scratch();
    let journal = Journal::of(folder.path(), Disk::default());
    let path = folder.path().join(JOURNAL);
    let close = |end| {
        journal.open(Work::Deploy, Some(&release("1")), &release("2"), None).unwrap().close(end).unwrap()
    };
    journal.note(vec![Fact::Retiring { release: release("1"), at: 1000 }]).unwrap();
    journal.note(vec![Fact::held(&release("1"), [Path::new("a.pyd"); 30])]).unwrap();
    journal.note(vec![Fact::Retiring { release: release("2"), at: 1000 }]).unwrap();
    close(End::Done);
    // It comes after the last run began, and must not be undone by what was pending before.
    journal.note(vec![Fact::Retired { release: release("2") }]).unwrap();
    let long = "x".repeat(1024) + "\n";
    let mut bytes = fs_err::read(&path).unwrap();
    bytes.extend(long.repeat(usize::try_from(LONG).unwrap() / 1024).into_bytes());
    fs_err::write(&path, &bytes).unwrap();
    let before = journal.read().unwrap();
    assert!(before.unread > 200);
    close(End::Failed);
    let after = journal.read().unwrap();
    assert_eq!((&after.pending, after.unread), (&before.pending, 0));
    assert_eq!(after.pending.held[&release("1")].0, 30);
    assert_eq!(after.pending.held[&release("1")].1.len(), NAMED);
    assert_eq!(after.last.unwrap().end, End::Failed);
    assert!(fs_err::metadata(&path).unwrap().len() < LONG / 10);
    assert!(fs_err::read(folder.path().join(EARLIER)).unwrap() == bytes);
}

#[test]
fn a_power_cut_while_a_journal_begins_anew_loses_nothing_that_is_pending() {
    let folder = scratch();
    let journal = Journal::of(folder.path(), Disk::default());
    journal.note(vec![Fact::Retiring { release: release("1"), at: 1000 }]).unwrap();
    journal.open(Work::Deploy, Some(&release("1")), &release("2"), None).unwrap().close(End::Done).unwrap();
    let path = folder.path().join(JOURNAL);
    let mut bytes = fs_err::read(&path).unwrap();
    bytes.resize(bytes.len() + usize::try_from(LONG).unwrap(), b'\n');
    fs_err::write(&path, &bytes).unwrap();
    let known = journal.read().unwrap();
    let before = Tree::of(folder.path());
    let (disk, tape) = Tape::new();
    Journal::of(folder.path(), disk).open(Work::Deploy, Some(&release("2")), &release("3"), None).unwrap();
    let steps = tape.steps();
    let mut begun = 0;
    let cuts = each_cut(&before, folder.path(), &steps, 0..=steps.len(), |cut, folder| {
        let found = Journal::of(folder, Disk::default()).read().unwrap();
        assert_eq!((&found.pending, &found.last), (&known.pending, &known.last), "{cut}");
        begun += usize::from(found.unfinished.is_some());
    });
    assert!(cuts > 10 && begun > 0, "{cuts} {begun}");
}
