#![allow(clippy::unwrap_used)]
use super::power_cut::{Tape, Tree, each_cut, scratch};
use super::*;

/// Refuses whatever a function of the step says.
struct Refusing<F>(F);

impl<F: Fn(Step<'_>) -> bool + Send + Sync> Witness for Refusing<F> {
    fn before(&self, step: Step<'_>) -> io::Result<()> {
        if (self.0)(step) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs_err::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_power_cut_leaves_the_old_content_or_the_new() {
    let folder = scratch();
    let path = folder.path().join("state.json");
    Disk::default().replace(&path, Mode::Plain, b"the old state").unwrap();
    let before = Tree::of(folder.path());
    let (disk, tape) = Tape::new();
    disk.replace(&path, Mode::Plain, b"the new one").unwrap();
    disk.replace(&path, Mode::Plain, b"one more").unwrap();
    let mut seen = std::collections::BTreeSet::new();
    let steps = tape.steps();
    let cuts = each_cut(&before, folder.path(), &steps, 0..=steps.len(), |cut, folder| {
        let content = fs_err::read_to_string(folder.join("state.json")).unwrap();
        assert!(["the old state", "the new one", "one more"].contains(&&*content), "{cut}: {content:?}");
        seen.insert(content);
        Disk::default().replace(&folder.join("state.json"), Mode::Plain, b"after").unwrap();
        assert_eq!(names(folder), ["state.json"], "{cut}");
    });
    assert!(cuts > 10 && seen.len() == 3, "{cuts} {seen:?}");
}

#[test]
fn a_power_cut_takes_at_most_the_last_line_of_a_journal() {
    let folder = scratch();
    let before = Tree::of(folder.path());
    let (disk, tape) = Tape::new();
    let journal = folder.path().join("journal.jsonl");
    let lines = ["one", "two", "three"];
    let ends = lines.map(|line| {
        disk.append(&journal, Mode::Plain, line).unwrap();
        tape.steps().len()
    });
    let steps = tape.steps();
    each_cut(&before, folder.path(), &steps, 0..=steps.len(), |cut, folder| {
        let journal = folder.join("journal.jsonl");
        Disk::default().append(&journal, Mode::Plain, "after").unwrap();
        let text = String::from_utf8_lossy(&fs_err::read(&journal).unwrap()).into_owned();
        let whole: Vec<&str> = text.lines().filter(|line| lines.contains(line)).collect();
        assert!(lines.starts_with(&whole), "{cut}: {text:?}");
        assert!(text.ends_with("\nafter\n") || text == "after\n", "{cut}: {text:?}");
    });
    for (end, line) in ends.into_iter().zip(lines) {
        each_cut(&before, folder.path(), &steps, end..=end, |cut, folder| {
            let text = fs_err::read_to_string(folder.join("journal.jsonl")).unwrap();
            assert!(text.ends_with(&format!("{line}\n")), "{cut}: {text:?}");
        });
    }
}

#[test]
fn what_cannot_be_written_leaves_the_old_content_and_nothing_else() {
    let folder = scratch();
    let path = folder.path().join("state.json");
    Disk::default().replace(&path, Mode::Plain, b"old").unwrap();
    type Kind = fn(Step<'_>) -> bool;
    let kinds: [Kind; 4] = [
        |step| matches!(step, Step::CreateFile(_)),
        |step| matches!(step, Step::Write { .. }),
        |step| matches!(step, Step::SyncFile(_)),
        |step| matches!(step, Step::Rename { .. }),
    ];
    for kind in kinds {
        let disk = Disk::watched(Arc::new(Refusing(kind)));
        let error = disk.replace(&path, Mode::Plain, b"new").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(fs_err::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["state.json"]);
    }
}

#[test]
fn a_journal_takes_one_line_at_a_time() {
    let folder = scratch();
    let journal = folder.path().join("journal.jsonl");
    let error = Disk::default().append(&journal, Mode::Plain, "one\ntwo").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(!journal.exists());
}

#[test]
fn a_tree_is_synced_file_by_file_where_it_cannot_be_at_once() {
    let folder = scratch();
    Disk::default().create_folders(&folder.path().join("a/b")).unwrap();
    fs_err::write(folder.path().join("a/b/c"), "content").unwrap();
    sync::each_file(folder.path()).unwrap();
    sync::tree(folder.path()).unwrap();
    assert!(sync::each_file(&folder.path().join("none")).is_err());
}

#[cfg(unix)]
#[test]
fn a_narrow_umask_takes_nothing_from_a_file() {
    use std::os::unix::fs::PermissionsExt as _;
    const INSIDE: &str = "HOLDALL_TEST_NARROW_UMASK";
    if std::env::var_os(INSIDE).is_some() {
        let folder = scratch();
        for (mode, expected) in [(Mode::Program, 0o755), (Mode::Plain, 0o644), (Mode::Private, 0o600)] {
            let file = create_new(&folder.path().join(expected.to_string()), mode).unwrap();
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, expected);
        }
        return;
    }
    // A umask is the whole process's, so the same test runs once more in one of its own.
    let name = "durable::tests::a_narrow_umask_takes_nothing_from_a_file";
    let mut narrow = std::process::Command::new("sh");
    narrow.args(["-c", "umask 077; exec \"$0\" --exact \"$1\""]).arg(std::env::current_exe().unwrap());
    let done = narrow.arg(name).env(INSIDE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && said.contains("1 passed"), "{said}");
}

/// As a virus scanner holds it.
#[cfg(windows)]
#[test]
fn a_file_that_somebody_holds_for_a_moment_is_waited_for() {
    use std::os::windows::fs::OpenOptionsExt as _;
    let folder = scratch();
    let journal = folder.path().join("journal.jsonl");
    Disk::default().append(&journal, Mode::Plain, "one").unwrap();
    for line in ["two", "three"] {
        let held = std::fs::OpenOptions::new().read(true).share_mode(0).open(&journal).unwrap();
        let moment = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(100));
            drop(held);
        });
        Disk::default().append(&journal, Mode::Plain, line).unwrap();
        moment.join().unwrap();
    }
    assert_eq!(fs_err::read_to_string(&journal).unwrap(), "one\ntwo\nthree\n");
}

/// Windows itself would refuse to remove it.
#[test]
fn a_file_that_is_marked_as_read_only_can_be_removed() {
    let folder = scratch();
    let path = folder.path().join("read-only.txt");
    fs_err::write(&path, "").unwrap();
    let mut permissions = fs_err::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    fs_err::set_permissions(&path, permissions).unwrap();
    Disk::default().remove_file(&path).unwrap();
    assert!(!path.exists());
}
