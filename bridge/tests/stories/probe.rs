//! Probes: what a request with the token gets, and what one without it does not.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use super::bridge::{Bridge, apps, python};
use super::client::{Answer, get};

const HEADER: &str = "HTTP_X_HOLDALL_PROBE";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A bridge that is configured by a file, with more lines of it.
pub fn start(app: &str, lines: &str) -> Bridge {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("bridge.toml");
    let socket = folder.path().join("socket");
    let text = format!(
        "app = 'plain:{app}'\npythonpath = [{:?}]\nlisten = 'unix:{}'\nlog.path = 'log'\n{lines}",
        apps(),
        socket.display()
    );
    std::fs::write(&config, text).unwrap();
    std::fs::write(folder.path().join("log"), "").unwrap();
    let child = python().arg("--config").arg(config).spawn().unwrap();
    let bridge = Bridge { child, folder };
    bridge.wait_for("ready: ");
    bridge
}

fn allow(folder: &Path, token: &str, warm: &str) {
    let text = format!("token = '{token}'\nexpires = 99999999999\n{warm}");
    std::fs::write(folder.join("probe.toml"), text).unwrap();
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn process(answer: &Answer) -> Option<u32> {
    header(answer, "X-Holdall-Process").map(|number| number.parse().unwrap())
}

#[test]
fn a_probe_comes_as_visitors_do_and_learns_which_process_answered() {
    let bridge = start("environment", "probe.file = 'probe.toml'\n");
    allow(bridge.folder.path(), TOKEN, "");
    let request = get("/").with(HEADER, &format!("{TOKEN};scheme=https")).with("HTTPS", "off");
    let answer = bridge.connect().ask(&request);
    assert_eq!(process(&answer), Some(bridge.child.id()));
    let text = answer.text();
    assert!(text.contains("wsgi.url_scheme='https'\n") && text.contains("HTTPS='on'\n"), "{text}");
    assert!(!text.contains("PROBE") && !text.contains(TOKEN), "{text}");
}

#[test]
fn without_the_token_a_request_is_a_visitors() {
    let bridge = start("environment", "probe.file = 'probe.toml'\n");
    let other = "fedcba9876543210fedcba9876543210";
    let ask = |token: &str| bridge.connect().ask(&get("/").with(HEADER, &format!("{token};scheme=https")));
    let check_refused = |token: &str| {
        let answer = ask(token);
        assert_eq!((process(&answer), header(&answer, "Status")), (None, Some("200 OK")));
        let text = answer.text();
        assert!(text.contains("wsgi.url_scheme='http'\n") && !text.contains("PROBE"), "{text}");
    };
    check_refused(TOKEN);
    allow(bridge.folder.path(), TOKEN, "");
    assert!(process(&ask(TOKEN)).is_some());
    check_refused(other);
    // Another token takes the place of the first, as when a release is switched to again.
    allow(bridge.folder.path(), other, "");
    assert!(process(&ask(other)).is_some());
    check_refused(TOKEN);
    std::fs::remove_file(bridge.folder.path().join("probe.toml")).unwrap();
    check_refused(other);
    assert!(!bridge.log().contains(other), "{}", bridge.log());
}

#[test]
fn where_no_probes_are_configured_the_header_is_like_any_other() {
    let bridge = start("environment", "");
    allow(bridge.folder.path(), TOKEN, "");
    let answer = bridge.connect().ask(&get("/").with(HEADER, TOKEN));
    assert_eq!(process(&answer), None);
    assert!(answer.text().contains(&format!("{HEADER}='{TOKEN}'\n")), "{}", answer.text());
}

#[test]
fn a_failure_names_its_process_too() {
    let bridge = start("fails_early", "probe.file = 'probe.toml'\n");
    allow(bridge.folder.path(), TOKEN, "");
    let answer = bridge.connect().ask(&get("/").with(HEADER, TOKEN));
    assert_eq!(header(&answer, "Status"), Some("500 Internal Server Error"));
    assert_eq!(process(&answer), Some(bridge.child.id()));
}

#[test]
fn as_many_warm_requests_at_once_reach_as_many_processes() {
    // Each at a socket of its own: IIS gives every process its own pipe, and one request at a time.
    let common = tempfile::tempdir().unwrap();
    let line = format!("probe.file = {:?}\n", common.path().join("probe.toml"));
    let bridges: Vec<_> = (0..3).map(|_| start("whoami", &line)).collect();
    for round in ["first", "second"] {
        let folder = common.path().join(round);
        std::fs::create_dir(&folder).unwrap();
        let warm = format!("[warm]\nprocesses = 3\nwait = 30\nfolder = {folder:?}\n");
        allow(common.path(), TOKEN, &warm);
        let mut clients: Vec<_> = bridges.iter().map(Bridge::connect).collect();
        for client in &mut clients {
            client.send(&get("/").with(HEADER, &format!("{TOKEN};warm")).bytes());
        }
        let answers: Vec<_> = clients.iter_mut().map(|client| client.answer(1)).collect();
        let seen: BTreeSet<_> = answers.iter().filter_map(process).collect();
        assert_eq!(seen.len(), 3, "{answers:?}");
        assert!(!bridges[0].log().contains("in vain"), "{}", bridges[0].log());
        let told: BTreeSet<_> =
            answers.iter().map(|a| a.text().split(' ').next().unwrap().to_owned()).collect();
        assert_eq!(told, seen.iter().map(u32::to_string).collect());
    }
}

#[test]
fn a_warm_request_waits_no_longer_than_it_may() {
    let bridge = start("hello", "probe.file = 'probe.toml'\n");
    let folder = bridge.folder.path().join("round");
    std::fs::create_dir(&folder).unwrap();
    let warm = format!("[warm]\nprocesses = 2\nwait = 1\nfolder = {folder:?}\n");
    allow(bridge.folder.path(), TOKEN, &warm);
    let begun = Instant::now();
    let answer = bridge.connect().ask(&get("/").with(HEADER, &format!("{TOKEN};warm")));
    assert_eq!(process(&answer), Some(bridge.child.id()));
    assert!(begun.elapsed() >= Duration::from_secs(1));
    bridge.wait_for("in vain for 2 processes");
    // Not a warm one, so it is not held.
    let begun = Instant::now();
    bridge.connect().ask(&get("/").with(HEADER, TOKEN));
    assert!(begun.elapsed() < Duration::from_secs(1));
}
