//! The process manager: how many processes there are, whose, and when they end.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::lab::{Lab, PATIENCE, get};

/// Asks for a page several times at once.
fn at_once(url: &str, times: usize) -> Vec<(u16, Value)> {
    let threads: Vec<_> = (0..times)
        .map(|_| {
            let url = url.to_owned();
            std::thread::spawn(move || {
                let page = get(&url);
                let pid =
                    serde_json::from_str::<Value>(&page.text).map_or(Value::Null, |told| told["pid"].clone());
                (page.status, pid)
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

fn pids(answers: &[(u16, Value)]) -> BTreeSet<u64> {
    answers.iter().filter_map(|(_, pid)| pid.as_u64()).collect()
}

#[test]
fn processes_are_started_as_requests_ask_for_them_up_to_the_limit() {
    let mut lab = Lab::new();
    lab.serve();
    assert_eq!(lab.started(), 0);
    let one = lab.ask("/")["pid"].clone();
    assert_eq!(lab.ask("/")["pid"], one);
    let answers = at_once(&lab.url("/hold?0.3"), 6);
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    assert_eq!((pids(&answers).len(), lab.started()), (2, 2));
}

#[test]
fn a_request_beyond_the_queue_is_turned_away() {
    let mut lab = Lab::new();
    lab.applications[0].attributes =
        r#"maxInstances="1" queueLength="1" stderrMode="IgnoreAndReturn200""#.to_owned();
    lab.serve();
    let mut statuses: Vec<_> = at_once(&lab.url("/hold?1"), 4).iter().map(|(status, _)| *status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 503, 503]);
}

#[test]
fn a_process_that_has_answered_its_share_is_replaced() {
    let mut lab = Lab::new();
    lab.applications[0].attributes =
        r#"maxInstances="1" instanceMaxRequests="2" signalBeforeTerminateSeconds="10""#.to_owned();
    lab.serve();
    let asked: Vec<_> = (0..4).map(|_| lab.ask("/")["pid"].clone()).collect();
    assert!(asked[0] == asked[1] && asked[1] != asked[2] && asked[2] == asked[3], "{asked:?}");
    assert_eq!(lab.end_of(&asked[0]), "instanceMaxRequests");
}

#[test]
fn an_idle_process_ends_and_the_next_request_starts_another() {
    let mut lab = Lab::new();
    // The least that the schema has.
    lab.applications[0].attributes =
        r#"maxInstances="1" idleTimeout="10" signalBeforeTerminateSeconds="10""#.to_owned();
    lab.serve();
    let one = lab.ask("/")["pid"].clone();
    let begun = Instant::now();
    assert_eq!(lab.end_of(&one), "idleTimeout");
    assert!(begun.elapsed() > Duration::from_secs(9));
    assert_ne!(lab.ask("/")["pid"], one);
}

#[test]
fn a_process_that_says_nothing_for_too_long_is_killed() {
    let mut lab = Lab::new();
    lab.applications[0].attributes = r#"maxInstances="1" activityTimeout="10""#.to_owned();
    lab.serve();
    let one = lab.ask("/")["pid"].clone();
    assert_eq!(lab.get("/hold?15").status, 500);
    assert_eq!(lab.end_of(&one), "activityTimeout");
    assert_ne!(lab.ask("/")["pid"], one);
}

#[test]
fn a_process_that_ends_in_a_request_fails_it_and_too_many_stop_the_application() {
    let mut lab = Lab::new();
    lab.applications[0].attributes = r#"maxInstances="1" rapidFailsPerMinute="2""#.to_owned();
    lab.serve();
    let ask = |path: &str| {
        let status = lab.get(path).status;
        let journal = lab.journal();
        let line = journal.iter().rfind(|line| line["event"] == "request").unwrap();
        (status, line["why"].as_str().unwrap_or_default().to_owned())
    };
    for _ in 0..3 {
        let (status, why) = ask("/exit");
        assert!(status == 500 && why.contains("exited unexpectedly: exit code 3"), "{status} {why}");
    }
    let (status, why) = ask("/");
    assert!(status == 503 && why.contains("too often"), "{status} {why}");
}

#[test]
fn a_touched_restart_file_replaces_all_processes_and_breaks_no_request() {
    let mut lab = Lab::new();
    lab.serve();
    let before = pids(&at_once(&lab.url("/hold?0.3"), 2));
    assert_eq!(before.len(), 2);
    let url = lab.url("/hold?1.5");
    let slow = std::thread::spawn(move || get(&url));
    std::thread::sleep(Duration::from_millis(500));
    fs_err::write(lab.path("one/restart"), "now").unwrap();
    let after = lab.ask("/")["pid"].as_u64().unwrap();
    assert!(!before.contains(&after));
    let slow = slow.join().unwrap();
    assert!(slow.status == 200 && before.contains(&slow.json()["pid"].as_u64().unwrap()));
    for process in before {
        assert_eq!(lab.end_of(&process.into()), "restarted");
    }
}

#[test]
fn two_sites_of_a_pool_share_processes_or_have_their_own() {
    for (answer, is_shared) in [("shared", true), ("own", false)] {
        let mut lab = Lab::new();
        lab.site("staging", "pool", "one");
        lab.site("elsewhere", "other", "one");
        lab.unlock("staging");
        lab.unlock("elsewhere");
        lab.switches("switches", &format!("\"sites.processes\" = \"{answer}\""));
        lab.serve();
        let pids: Vec<_> = lab
            .sites
            .iter()
            .map(|site| get(&format!("http://127.0.0.1:{}/", site.port)).json()["pid"].clone())
            .collect();
        assert_eq!(pids[0] == pids[1], is_shared, "{answer}");
        assert_ne!(pids[0], pids[2]);
    }
}

#[test]
fn an_edit_of_an_application_restarts_what_the_switches_say() {
    for (itself, others) in [("restarted", "kept"), ("kept", "restarted"), ("kept", "kept")] {
        let mut lab = Lab::new();
        lab.switches("switches", &format!("\"edit.itself\" = \"{itself}\"\n\"edit.others\" = \"{others}\""));
        lab.serve();
        let first = lab.ask("/")["pid"].clone();
        lab.release("two", 1);
        lab.commit();
        let second = lab.ask("/")["pid"].clone();
        assert_eq!(first != second, others == "restarted", "{itself} {others}");
        lab.applications[0].attributes = lab.applications[0].attributes.replace("100000", "100001");
        lab.commit();
        assert_eq!(second != lab.ask("/")["pid"], itself == "restarted", "{itself} {others}");
    }
}

#[test]
fn no_process_is_left_when_the_server_ends() {
    let mut lab = Lab::new();
    lab.serve();
    let answers = at_once(&lab.url("/hold?0.3"), 2);
    let begun = Instant::now();
    lab.stop();
    assert!(begun.elapsed() < PATIENCE);
    for pid in pids(&answers) {
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "{pid}");
    }
}
