//! A worker and the beat of Celery as services of a site: by the lab's service manager on Linux, by that of Windows in Wine.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};

use super::registered::{Ended, deploy, is_this_machine, standing};
use super::server::{Server, wait_for};
use crate::system::{end, is_alive};

/// The words at the beginning of each line of a file that tasks have written, with the version that ran them.
fn notes(server: &Server, name: &str) -> Vec<(String, String)> {
    let text = fs_err::read_to_string(server.home().join("shared").join(name)).unwrap_or_default();
    let pair = |line: &str| line.split_once(' ').map(|(word, version)| (word.to_owned(), version.to_owned()));
    text.lines().filter_map(pair).collect()
}

#[test]
fn a_worker_and_the_beat_of_celery_lose_no_task_through_an_upgrade_and_a_rollback() {
    // The lab's service manager is one for Linux.
    if cfg!(windows) && !is_this_machine() {
        return;
    }
    let server = Server::with_one_process();
    let _ended = Ended(&server);
    server.site_toml("hooks.before = []");
    server.test.fixture("mill", "mill");
    let bundles = ["1.0", "1.1"].map(|version| server.test.bundle("mill", &["--version", version]));
    let pour = |numbers: [&str; 2]| {
        server.holdall(&["manage", "guestbook", "--", "pour", numbers[0], numbers[1]]).success();
    };
    let wait_for_ticks = |version: &str, nth: usize| {
        wait_for(&format!("ticks of {version}"), || {
            notes(&server, "ticks.txt").iter().filter(|(_, by)| by == version).count() >= nth
        });
    };
    let running = |version: &str| ["worker", "beat"].map(|name| format!("{name} running {version}"));

    server.holdall(&deploy(&bundles[0], &[])).success();
    assert_eq!(standing(&server), running("1.0"));
    // What the system says of them is what was wanted, to the word.
    let plan = server.json(&deploy(&bundles[0], &["--plan"]));
    assert_eq!(plan["empty"], true, "{plan:#}");
    wait_for_ticks("1.0", 2);
    // There is more to do than can be done until the worker goes over.
    pour(["0", "40"]);
    server.holdall(&deploy(&bundles[1], &[])).success();
    assert_eq!(standing(&server), running("1.1"));
    pour(["40", "80"]);
    wait_for_ticks("1.1", 1);
    let before = notes(&server, "ticks.txt").iter().filter(|(_, by)| by == "1.0").count();
    server.holdall(&["rollback", "--server", "iis"]).success();
    assert_eq!(standing(&server), running("1.0"));
    pour(["80", "90"]);
    let ground = || {
        let numbers = notes(&server, "ground.txt").into_iter().map(|(number, _)| number.parse().unwrap());
        numbers.collect::<BTreeSet<u32>>()
    };
    wait_for("every task", || ground().len() >= 90);
    assert_eq!(ground(), (0..90).collect());
    let versions: BTreeSet<String> = notes(&server, "ground.txt").into_iter().map(|(_, by)| by).collect();
    assert_eq!(versions, ["1.0".to_owned(), "1.1".to_owned()].into());
    wait_for_ticks("1.0", before + 1);

    // Nothing was written into a release, and each of the beat's own tasks was run.
    assert_eq!(server.status()["drift"], json!([]));
    server.holdall(&["service", "stop", "guestbook", "beat"]).success();
    let sent = log(&server, "beat").matches("Sending due task tick").count();
    wait_for("every tick", || notes(&server, "ticks.txt").len() >= sent);
    // Each has ended because it was asked to, at whatever it was.
    for name in ["worker", "beat"] {
        let log = log(&server, name);
        assert!(log.contains("] stopped\n") && !log.contains("killed"), "{log}");
    }

    // One whose command is ended is started again.
    let worker = || server.status()["services"][0].clone();
    let pid = |service: &Value| service["pid"].to_string();
    let first = pid(&worker());
    end(&first);
    wait_for("the next worker", || worker()["restarts"] == 1 && worker()["state"] == "running");
    let last = pid(&worker());
    assert_ne!(first, last);
    let is_registered = || {
        let query = || Command::new("sc.exe").args(["query", "holdall-guestbook-worker"]).output().unwrap();
        is_this_machine() && query().status.success()
    };
    assert_eq!(is_registered(), is_this_machine());
    server.holdall(&["remove", "guestbook", "--server", "iis"]).success();
    assert!(!is_alive(&last) && !is_registered());
}

/// What a service and its supervisor have said.
fn log(server: &Server, name: &str) -> String {
    fs_err::read_to_string(server.home().join(format!("shared/logs/services/{name}.log"))).unwrap()
}
