use std::time::{Duration, UNIX_EPOCH};

use super::*;

const W3C: &str = "#Software: Microsoft Internet Information Services 10.0\r\n#Version: 1.0\r\n\
    #Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port sc-status\r\n";

fn write(path: &Path, text: &str) {
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(path, text).unwrap();
}

fn append(path: &Path, text: &str) {
    use std::io::Write as _;
    let mut file = fs_err::OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn said(entries: &[Entry]) -> Vec<String> {
    let one = |entry: &Entry| format!("{} {} {}", entry.at, entry.source.as_str(), entry.said());
    entries.iter().map(one).collect()
}

const ALL: Wanted = Wanted { since: None, lines: 1000 };

#[test]
fn all_that_is_said_is_merged_by_time() {
    let folder = tempfile::tempdir().unwrap();
    let shared = folder.path().join("shared");
    write(
        &shared.join("logs/bridge.log"),
        "2026-11-23T10:00:01.000Z [7] ready\n2026-11-23T10:00:03.500Z [7] GET /: the application failed\nTraceback\n\
         ValueError: 2026\n2026-11-23T10:00:05.000Z [7] stopped\n",
    );
    write(
        &shared.join("logs/hooks/20261123T095900.000Z-1.0-0123abcd-before.log"),
        "2026-11-23T09:59:00.000Z run `manage.py migrate`\nApplying\n2026-11-23T09:59:01.000Z ended with 0 after 1.0 s\n",
    );
    write(&shared.join("logs/services/worker.log"), "2026-11-23T10:00:04+00:00 at work\n");
    let inetpub = folder.path().join("inetpub");
    write(
        &inetpub.join("W3SVC3/u_ex261123.log"),
        &format!(
            "{W3C}2026-11-23 10:00:03 ::1 GET /shop/a - 80 500\r\n2026-11-23 10:00:04 ::1 GET /shopping - 80 200\r\nbad\r\n"
        ),
    );
    write(
        &folder.path().join("System32/LogFiles/HTTPERR/httperr1.log"),
        "#Fields: date time c-ip s-siteid s-reason s-queuename\n2026-11-23 10:00:02 ::1 3 Timer_ConnectionIdle -\n\
         2026-11-23 10:00:02 ::1 - AppOffline my+shop\n2026-11-23 10:00:02 ::1 4 BadRequest other\n",
    );
    let mut all = Logs::of_site(&shared);
    all.push(Logs::of_iis(&inetpub, "3", Of::Below("/Shop".to_owned())));
    all.push(Logs::of_http(folder.path(), "3", "my shop"));
    let (entries, errors) = last(&all, ALL);
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(
        said(&entries),
        [
            "2026-11-23T09:59:00Z hooks run `manage.py migrate`",
            "2026-11-23T09:59:00Z hooks Applying",
            "2026-11-23T09:59:01Z hooks ended with 0 after 1.0 s",
            "2026-11-23T10:00:01Z bridge [7] ready",
            "2026-11-23T10:00:02Z http ::1 3 Timer_ConnectionIdle -",
            "2026-11-23T10:00:02Z http ::1 - AppOffline my+shop",
            "2026-11-23T10:00:03Z iis ::1 GET /shop/a - 80 500",
            // Of a line that cannot be read nobody knows whose it is.
            "2026-11-23T10:00:03Z iis bad",
            "2026-11-23T10:00:03.5Z bridge [7] GET /: the application failed",
            "2026-11-23T10:00:03.5Z bridge Traceback",
            "2026-11-23T10:00:03.5Z bridge ValueError: 2026",
            "2026-11-23T10:00:04Z services at work",
            "2026-11-23T10:00:05Z bridge [7] stopped",
        ]
    );
    let few = last(&all, Wanted { since: None, lines: 2 }).0;
    assert_eq!(few, entries[entries.len() - 2..]);
    let since = Some("2026-11-23T10:00:03.2Z".parse().unwrap());
    let late = last(&all, Wanted { since, lines: 1000 }).0;
    assert_eq!(late, entries[entries.len() - 5..]);
}

#[test]
fn whoever_looks_on_sees_new_lines_new_files_and_files_that_begin_anew() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    let bridge = logs.join("bridge.log");
    write(&bridge, &format!("2026-11-23T10:00:00Z {}\n2026-11-23T10:00:01Z half", "long ago ".repeat(20)));
    let mut follow = Follow::begin(Logs::of_site(folder.path())).unwrap();
    assert!(follow.more().unwrap().is_empty());
    append(&bridge, " of a line\nand more\n");
    write(&logs.join("hooks/20261123T100000.000Z-x.log"), "2026-11-23T10:00:02Z new\n");
    assert_eq!(
        said(&follow.more().unwrap()),
        [
            "2026-11-23T10:00:01Z bridge half of a line",
            "2026-11-23T10:00:01Z bridge and more",
            "2026-11-23T10:00:02Z hooks new",
        ]
    );
    // Moved out of the way, it is not told again; what takes its place is.
    append(&bridge, "2026-11-23T10:00:03Z last\n");
    fs_err::rename(&bridge, logs.join("bridge-20261123T100003Z.log")).unwrap();
    write(&bridge, "2026-11-23T10:00:04Z first\n");
    let told = said(&follow.more().unwrap());
    assert!(told.ends_with(&["2026-11-23T10:00:04Z bridge first".to_owned()]), "{told:?}");
    assert!(told.len() <= 2, "{told:?}");
    assert!(follow.more().unwrap().is_empty());
}

#[test]
fn a_time_is_typed_as_a_span_or_a_moment() {
    let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
    let check = |text: &str, expected: &str| {
        assert_eq!(since(text, now).unwrap().to_string(), expected, "{text}");
    };
    check("90s", "2026-11-23T11:58:30Z");
    check("15m", "2026-11-23T11:45:00Z");
    check("2d", "2026-11-21T12:00:00Z");
    check("2026-11-23T10:00", "2026-11-23T10:00:00Z");
    check("2026-11-23", "2026-11-23T00:00:00Z");
    check("2026-11-23T10:00:00+02:00", "2026-11-23T08:00:00Z");
    for wrong in ["", "h", "1w", "-1h", "yesterday", "ü"] {
        assert_eq!(since(wrong, now), None, "{wrong}");
    }
}

#[test]
fn logs_that_are_old_or_too_much_go_and_a_large_one_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    let put = |name: &str, size: usize, day: u64| {
        let path = logs.join(name);
        write(&path, &"x".repeat(size));
        let at = UNIX_EPOCH + Duration::from_secs(day * 24 * 60 * 60);
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
        path
    };
    let now = UNIX_EPOCH + Duration::from_secs(100 * 24 * 60 * 60);
    put("bridge.log", 10, 1);
    let old = put("hooks/20260101T000000.000Z-1.0-0123abcd-before.log", 1, 69);
    put("hooks/20260101T000000.000Z-1.1-0123abcd-before.log", 1, 71);
    put("mail.log", 1, 1);
    let found = outdated(folder.path(), 30, 1000, now).unwrap();
    assert_eq!((found.files.as_slice(), &found.moved), (std::slice::from_ref(&old), &None));
    assert_eq!(found.remove(), 1);
    assert!(outdated(folder.path(), 30, 1000, now).unwrap().is_empty());
    let (newer, older) = (put("services/a.log", 600, 99), put("services/b.log", 600, 98));
    assert_eq!(outdated(folder.path(), 30, 1000, now).unwrap().files.first(), Some(&older));
    assert!(!outdated(folder.path(), 30, 1000, now).unwrap().files.contains(&newer));
    put("bridge.log", 10_000_000, 100);
    let moved = outdated(folder.path(), 30, u64::MAX, now).unwrap();
    moved.remove();
    assert!(!logs.join("bridge.log").exists() && logs.join("bridge-19700411T000000Z.log").exists());
}
