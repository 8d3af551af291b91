//! The background commands of a site behind the lab's service manager, which starts them for real: registered by a deploy,
//! moved by the next one, taken back with what fails, recovered after a kill, removed with the site.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::registered::{Ended, deploy, lab, standing};
use super::server::{Server, wait_for};
use super::tiny;

/// A worker that says which release it is of, and when it begins and ends. It does not stay up where its release crashes.
const WORK: &str = r#"
import os, signal, sys, time

def say(word):
    with open(os.path.join(os.environ["HOLDALL_SHARED"], "said.txt"), "a") as said:
        words = [word, os.environ["HOLDALL_SERVICE"], os.environ["HOLDALL_INSTANCE"], os.environ["HOLDALL_VERSION"]]
        print(*words, os.environ.get("LEVEL"), os.environ.get("SECRET_KEY"), file=said)

def end(*_):
    say("ends")
    sys.exit(0)

signal.signal(signal.SIGTERM, end)
say("begins")
print("at work")
if sys.argv[1:] == ["once"]:
    sys.exit(0)
if sys.argv[1:] == ["crash"]:
    sys.exit("crashed on purpose")
while True:
    time.sleep(0.05)
"#;

/// A bundle with a worker of two instances and a report at night.
fn bundle(server: &Server, version: &str, args: &[&str]) -> PathBuf {
    let folder = server.test.path(&format!("bundle-{version}"));
    fs_err::create_dir_all(&folder).unwrap();
    let service = |name: &str, args: &[&str], schedule: Value| {
        let command: Vec<&str> = ["python", "-m", "work"].iter().chain(args).copied().collect();
        let mut service = json!({
            "name": name, "command": command, "instances": if schedule.is_null() { 2 } else { 1 },
            "restart": "always", "stop_timeout": 10, "environment": { "LEVEL": "info" },
        });
        if !schedule.is_null() {
            service["schedule"] = schedule;
        }
        service
    };
    let services =
        json!([service("worker", args, Value::Null), service("report", &["once"], json!("daily 03:00"))]);
    tiny::bundle_with(&folder, version, &services, WORK)
}

fn said(server: &Server) -> Vec<String> {
    let text = fs_err::read_to_string(server.home().join("shared/said.txt")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// What changed, in order, with short names.
fn told(server: &Server) -> Vec<String> {
    let text = fs_err::read_to_string(server.test.path("services/services.jsonl")).unwrap_or_default();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let words = lines.map(|line| {
        assert!(line["exit"] == 0 || line["argv"][0] == "query", "{line}");
        format!("{} {}", line["argv"][0].as_str().unwrap(), line["argv"][1].as_str().unwrap_or_default())
    });
    let is_change =
        |line: &String| !["query", "description", "list"].iter().any(|verb| line.starts_with(verb));
    words.filter(is_change).map(|line| line.replace("holdall-guestbook-", "")).collect()
}

fn forget_told(server: &Server) {
    let _ = fs_err::remove_file(server.test.path("services/services.jsonl"));
}

fn running(version: &str) -> [String; 3] {
    [
        format!("worker running {version}"),
        format!("worker-2 running {version}"),
        format!("report stopped {version}"),
    ]
}

#[test]
fn services_go_with_the_release_that_serves_and_back_with_it() {
    let server = Server::with_one_process();
    let _ended = Ended(&server);
    server.site_toml("hooks.before = ['true']");
    let [one, two, bad] = [("1.0", &[][..]), ("1.1", &[][..]), ("1.2", &["crash"][..])]
        .map(|(v, args)| bundle(&server, v, args));

    let shown = server.holdall(&deploy(&one, &["--plan"])).success();
    let shown = String::from_utf8_lossy(&shown.get_output().stdout).into_owned();
    assert!(shown.contains("sc.exe create holdall-guestbook-worker binPath= \""), "{shown}");
    assert!(shown.contains("- start the service holdall-guestbook-report daily 03:00\n"), "{shown}");
    assert_eq!(told(&server), Vec::<String>::new());

    server.holdall(&deploy(&one, &[])).success();
    assert_eq!(standing(&server), running("1.0"));
    let create = ["create worker", "create worker-2", "create report"];
    let begin = ["start worker", "start worker-2"];
    assert_eq!(told(&server), [&create[..], &begin, &["schedule report"]].concat());
    let mut begun = said(&server);
    begun.sort();
    assert_eq!(begun, ["begins worker 1 1.0 info not secret", "begins worker 2 1.0 info not secret"]);
    let log = server.home().join("shared/logs/services/worker.log");
    assert!(fs_err::read_to_string(&log).unwrap().contains("at work\n"));
    // The same again is nothing.
    forget_told(&server);
    let plan = server.json(&deploy(&one, &["--plan"]));
    assert_eq!(plan["empty"], true, "{plan:#}");
    server.holdall(&deploy(&one, &[])).success();
    assert_eq!(told(&server), Vec::<String>::new());

    // The schedule comes.
    lab(&server, &["start", "holdall-guestbook-report"]);
    wait_for("the report", || said(&server).contains(&"begins report 1 1.0 info not secret".to_owned()));
    wait_for("its end", || standing(&server) == running("1.0"));

    forget_told(&server);
    server.holdall(&deploy(&two, &[])).success();
    assert_eq!(standing(&server), running("1.1"));
    let over = ["stop worker", "stop worker-2", "config worker", "config worker-2", "config report"];
    assert_eq!(told(&server), [&over[..], &begin].concat());
    let all = said(&server);
    let at = |line: &str| all.iter().position(|said| said.starts_with(line)).unwrap();
    assert!(at("ends worker 1 1.0") < at("begins worker 1 1.1"), "{all:?}");
    assert!(at("ends worker 2 1.0") < at("begins worker 1 1.1"), "{all:?}");

    // One that does not stay up takes the whole deploy back.
    let refused = server.holdall(&deploy(&bad, &[])).code(4);
    let words = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(
        words.contains("the services could not be moved") && words.contains("crashed on purpose"),
        "{words}"
    );
    assert_eq!((server.serving().as_str(), &standing(&server)[..]), ("1.1", &running("1.1")[..]));
    assert_eq!(server.status()["unfinished"], json!([]));

    server.holdall(&["rollback", "--server", "iis"]).success();
    assert_eq!((server.serving().as_str(), &standing(&server)[..]), ("1.0", &running("1.0")[..]));

    // By hand, and by the settings.
    server.holdall(&["service", "stop", "guestbook", "worker"]).success();
    assert_eq!(standing(&server)[..2], ["worker stopped 1.0", "worker-2 stopped 1.0"]);
    server.holdall(&["service", "start", "guestbook"]).success();
    assert_eq!(standing(&server), running("1.0"));
    let unknown = server.holdall(&["service", "restart", "guestbook", "beat"]).code(3);
    let words = String::from_utf8_lossy(&unknown.get_output().stderr).into_owned();
    assert!(words.contains("the site has no service `beat`: there is worker, worker-2, report"), "{words}");
    server.site_toml(
        "hooks.before = ['true']\n[services.worker]\ninstances = 1\n[services.report]\nenabled = false",
    );
    // Known to the site, and not applied yet.
    fs_err::copy(server.test.path("site.toml"), server.home().join("site.toml")).unwrap();
    assert_eq!(server.status()["unwanted_services"], json!(["worker-2", "report"]));
    let told = server.holdall(&["doctor", "guestbook", "--server", "iis"]).success();
    let told = String::from_utf8_lossy(&told.get_output().stdout).into_owned();
    let warned = "warning  site.services             the service worker-2 is registered, and the settings want it no more";
    assert!(told.contains(warned) && told.contains("`holdall apply guestbook`"), "{told}");
    server.holdall(&["apply", "guestbook", "--server", "iis"]).success();
    assert_eq!(standing(&server), ["worker running 1.0"]);
    assert_eq!(server.status()["unwanted_services"], json!([]));

    server.holdall(&["remove", "guestbook", "--server", "iis"]).success();
    assert_eq!(lab(&server, &["list"]), "");
    wait_for("the end of the last worker", || said(&server).last().unwrap().starts_with("ends worker 1 1.0"));
}

#[test]
fn a_first_deploy_whose_service_crashes_leaves_none() {
    let server = Server::with_one_process();
    let _ended = Ended(&server);
    server.site_toml("hooks.before = ['true']");
    let bad = bundle(&server, "1.0", &["crash"]);
    let events = server.test.path("events.jsonl");
    let mut command = server.command(&deploy(&bad, &[]));
    let done = command.env("HOLDALL_EVENTS", &events).output().unwrap();
    assert_eq!(done.status.code(), Some(4), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(lab(&server, &["list"]), "");
    assert_eq!(server.status()["active"], Value::Null);
    // That it has crashed stands where whoever watches many servers looks; what it has said does not.
    let told = fs_err::read_to_string(events).unwrap();
    let crashed = "guestbook: the service worker ended with 1; `";
    assert!(told.contains("\"id\":20") && told.contains(crashed), "{told}");
    assert!(told.contains("\"id\":11") && !told.contains("on purpose"), "{told}");
}

#[test]
fn settings_that_turn_on_a_service_that_crashes_are_taken_back_as_a_whole() {
    let server = Server::with_one_process();
    let _ended = Ended(&server);
    server.site_toml("[services.worker]\nenabled = false");
    let bad = bundle(&server, "1.0", &["crash"]);
    server.holdall(&deploy(&bad, &[])).success();
    assert_eq!(standing(&server), ["report stopped 1.0"]);
    let (known, before) = (fs_err::read(server.home().join("site.toml")).unwrap(), lab(&server, &["list"]));

    server.site_toml("[headers]\nX-New = 'a'");
    let refused = server.holdall(&["apply", "guestbook", "--site", "site.toml", "--server", "iis"]).code(4);
    let words = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(words.contains("does not stay up") && words.contains("crashed on purpose"), "{words}");
    assert_eq!((lab(&server, &["list"]), standing(&server)), (before, vec!["report stopped 1.0".to_owned()]));
    assert_eq!(fs_err::read(server.home().join("site.toml")).unwrap(), known);
    assert!(!super::visitors::ask(&server.url("/")).unwrap().headers.contains_key("x-new"));
    assert_eq!(server.status()["unfinished"], json!([]));
}

#[test]
fn a_deploy_that_is_killed_while_services_move_is_finished_by_the_next_command() {
    let server = Server::with_one_process();
    let _ended = Ended(&server);
    server.site_toml("hooks.before = ['true']");
    let [one, two] = ["1.0", "1.1"].map(|version| bundle(&server, version, &[]));
    server.holdall(&deploy(&one, &[])).success();
    // Ten commands change something: two are stopped, three are configured and described, two are started.
    for (nth, when) in [(1, "before"), (1, "after"), (2, "after"), (5, "after"), (8, "after"), (10, "after")]
    {
        let next = if server.serving() == "1.0" { &two } else { &one };
        killed_at(&server, next, nth, when);
        // What was left is finished: the release serves already, and all services are of one.
        server.holdall(&["prune", "guestbook", "--server", "iis"]).success();
        assert_eq!(standing(&server), running(&server.serving()), "{nth} {when}");
        assert_eq!(server.status()["unfinished"], json!([]), "{nth} {when}");
    }
    // On the way back of one that does not stay up.
    let (bad, serving) = (bundle(&server, "1.2", &["crash"]), server.serving());
    killed_at(&server, &bad, 13, "after");
    server.holdall(&["prune", "guestbook", "--server", "iis"]).success();
    assert_eq!((server.serving(), &standing(&server)[..]), (serving.clone(), &running(&serving)[..]));
    assert_eq!(server.status()["unfinished"], json!([]));
}

/// Deploys, and has it killed at the change of this number to the services.
fn killed_at(server: &Server, bundle: &Path, nth: u32, when: &str) {
    server.test.write("services/kill", format!("{nth} {when}"));
    let killed = server.command(&deploy(bundle, &[])).output().unwrap();
    let said = String::from_utf8_lossy(&killed.stderr);
    assert_eq!(killed.status.code(), None, "{nth} {when}: {said}");
}
