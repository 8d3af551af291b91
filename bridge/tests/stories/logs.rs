//! What the log says, and where it is: of requests, of records, in one file or in many.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::bridge::{Bridge, apps, signal_process};
use super::client::{get, post};
use super::probe::start;

/// The files in a folder whose names begin so.
fn files(folder: &Path, begin: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with(begin));
    files.sort();
    files
}

#[track_caller]
fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} does not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn each_request_is_a_line_with_its_times_when_asked() {
    let bridge = Bridge::start("reads_whole", &["--access"]);
    let mut client = bridge.connect();
    client.ask(&post("/a?key=hidden", b"12345").kept()).expect("200 OK", "12345");
    client.ask(&get("/b").kept()).expect("200 OK", "");
    bridge.wait_for("GET /b 200 0 bytes, queue ");
    let log = bridge.log();
    let line = log.lines().find(|line| line.contains("POST /a 200 5 bytes, queue ")).unwrap();
    let times: Vec<f64> = line
        .split(", ")
        .skip(1)
        .map(|time| time.trim_end_matches(" ms").rsplit(' ').next().unwrap().parse().unwrap())
        .collect();
    assert!(times.len() == 3 && times.iter().all(|time| *time < 30_000.0), "{line}");
    assert!(!log.contains("hidden") && !log.contains("BEGIN_REQUEST"), "{log}");
}

#[test]
fn the_records_that_pass_are_told_without_what_they_carry() {
    let bridge = Bridge::start("reads_whole", &["--trace"]);
    let request = post("/", b"hidden body").with("HTTP_COOKIE", "hidden cookie").numbered(7);
    bridge.connect().ask(&request).expect("200 OK", "hidden body");
    bridge.wait_for("connection 1 > END_REQUEST, request 7, 8 bytes");
    for said in [
        "connection 1 < BEGIN_REQUEST, request 7, 8 bytes",
        "connection 1 < PARAMS, request 7, 0 bytes",
        "connection 1 < STDIN, request 7, 11 bytes",
        "connection 1 > STDOUT, request 7, 0 bytes",
        "POST / 200 11 bytes, queue ",
    ] {
        assert!(bridge.log().contains(said), "{said}:\n{}", bridge.log());
    }
    assert!(!bridge.log().contains("hidden"), "{}", bridge.log());
}

#[test]
fn a_large_log_goes_on_in_a_new_file() {
    let bridge = start("floods", "log.max_megabytes = 1\nlog.keep = 1\n");
    let full = until("a full log", || {
        bridge.connect().ask(&get("/")).expect("200 OK", "begun");
        files(bridge.folder.path(), "log-").pop()
    });
    // What is said from now on stands in the new one, by whomever.
    assert!(full.metadata().unwrap().len() > 1_000_000);
    let before = full.metadata().unwrap().len();
    bridge.connect().ask(&get("/")).expect("200 OK", "begun");
    bridge.wait_for("much to say");
    assert_eq!(full.metadata().unwrap().len(), before);
}

#[test]
fn processes_that_share_a_log_all_go_on_in_a_new_one_when_it_was_moved_away() {
    let bridge = start("whoami", "processes = 2\n");
    bridge.wait_for("ready: 2 processes");
    let (log, moved) = (bridge.folder.path().join("log"), bridge.folder.path().join("moved"));
    std::fs::rename(&log, &moved).unwrap();
    std::fs::write(&log, "").unwrap();
    let answer = bridge.connect().ask(&get("/")).text();
    let worker: u32 = answer.split(' ').next().unwrap().parse().unwrap();
    signal_process(worker, 9);
    // The parent says so, and the one that takes its place.
    bridge.wait_for(&format!("worker {worker} is gone"));
    bridge.wait_for("ready: plain:whoami");
    assert!(!std::fs::read_to_string(moved).unwrap().contains("is gone"));
}

#[test]
fn each_process_may_have_a_log_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    let words = ["--processes", "2", "--log-folder", logs.to_str().unwrap()];
    let listen = format!("unix:{}", folder.path().join("socket").display());
    let bridge =
        Bridge::spawn(folder, "hello", &[&["--listen", &listen], &words[..]].concat(), Stdio::null());
    let ready = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        text.contains("ready: plain:hello at")
    };
    let names = until("a log of each worker", || {
        let files = files(&logs, "fcgi_");
        (files.iter().filter(|path| ready(path)).count() == 2).then_some(files)
    });
    // One is the parent's.
    assert_eq!(names.len(), 3, "{names:?}");
    let parent = format!("_{}.log", bridge.child.id());
    assert_eq!(names.iter().filter(|path| path.to_string_lossy().ends_with(&parent)).count(), 1, "{names:?}");
}

/// The Python that has Django, with the bridge of the other one.
fn manage() -> Command {
    let django = std::env::var_os("HOLDALL_TEST_PYTHON")
        .expect("HOLDALL_TEST_PYTHON names no Python with Django: run `cargo xtask test`, which prepares it");
    let bridge = std::env::var_os("HOLDALL_BRIDGE_PYTHON").unwrap();
    let code = "import holdall_bridge, os; print(os.path.dirname(os.path.dirname(holdall_bridge.__file__)))";
    let found = Command::new(bridge).args(["-I", "-c", code]).output().unwrap();
    let packages = String::from_utf8(found.stdout).unwrap();
    let mut command = Command::new(django);
    command.arg("-B").arg(apps().join("site/manage.py")).arg("fcgi").env("PYTHONPATH", packages.trim());
    command.stdin(Stdio::null());
    command
}

#[test]
fn manage_py_fcgi_serves_the_project_and_logs_as_its_settings_say() {
    let folder = tempfile::tempdir().unwrap();
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let listen = format!("unix:{}", folder.path().join("socket").display());
    let child = manage()
        .args(["--listen", &listen, "--threads", "2"])
        .env("SITE_ROOT", folder.path())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut bridge = Bridge { child, folder };
    bridge.wait_for("the log goes on in `");
    let logs = bridge.folder.path().join("logs");
    let [path] = &files(&logs, "fcgi_")[..] else { panic!("one log of one process") };
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    assert!(
        name.ends_with(&format!("_{}.log", bridge.child.id()))
            && name.len() > "fcgi_260102_030405_.log".len()
    );
    let text = || std::fs::read_to_string(path).unwrap();
    until("ready", || text().contains("threads: 2").then_some(()));
    bridge.connect().ask(&get("/page").with("HTTP_COOKIE", "hidden")).expect("200 OK", "a page");
    until("the request", || text().contains("GET /page 200 6 bytes, queue ").then_some(()));
    let said = text();
    assert!(said.contains("< BEGIN_REQUEST, request 1") && said.contains("seen by the project"), "{said}");
    assert!(!said.contains("hidden"), "{said}");
    bridge.signal(15);
    assert_eq!(bridge.wait().code(), Some(0), "{}", text());
}

#[test]
fn manage_py_fcgi_passes_its_words_on() {
    let folder = tempfile::tempdir().unwrap();
    let run = |words: &[&str]| manage().args(words).env("SITE_ROOT", folder.path()).output().unwrap();
    let checked = run(&["--check", "--format", "json"]);
    let report = String::from_utf8(checked.stdout).unwrap();
    // There is no page at `/`: that it is asked there and answers is what counts.
    assert!(report.contains("\"status\": \"404 Not Found\""), "{report}");
    let refused = run(&["--threads", "0"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("`threads` is 0"));
}
