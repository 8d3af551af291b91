//! What a site and its web server say is shown together.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use super::bundles::Release;
use super::server::Server;
use super::visitors::ask;
use crate::system::{apart, interrupt};

#[test]
fn what_the_bridge_hooks_services_and_iis_say_is_shown_in_one_order_and_followed() {
    let server = Server::in_memory();
    server.site_toml("hooks.before = ['echo as quiet as a mouse']");
    server.deploy(Release::TinyFirst, &[]).success();
    ask(&server.url("/")).unwrap();
    // The lab's web server keeps no log of its own.
    let inetpub = server.test.path("inetpub");
    server.appcmd(&["set", "site", "guestbook", &format!("/logFile.directory:{}", inetpub.display())]);
    let id = server.appcmd(&["list", "site", "guestbook", "/text:id"]).trim().to_owned();
    let fields = "#Fields: date time cs-method cs-uri-stem sc-status\n";
    let iis = format!("inetpub/W3SVC{id}/u_ex261123.log");
    server
        .test
        .write(&iis, format!("{fields}2001-01-01 00:00:00 GET /old 200\n2999-01-01 00:00:00 GET / 200\n"));
    let fields = "#Fields: date time s-siteid s-reason s-queuename\n";
    let http = "windows/System32/LogFiles/HTTPERR/httperr1.log";
    let line = |id: &str| format!("2999-01-01 00:00:01 {id} Connection_Dropped guestbook~not\n");
    server.test.write(http, format!("{fields}{}{}", line(&id), line("77")));
    let logs = |args: &[&str]| {
        let mut command = server.command(&[&["logs", "guestbook", "--server", "iis"], args].concat());
        command.env("SystemRoot", server.test.path("windows"));
        command
    };
    let shown = |args: &[&str]| {
        let output = logs(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let all = shown(&[]);
    let at = |words: &str| all.find(words).unwrap_or_else(|| panic!("no `{words}`: {all}"));
    assert!(at("iis       GET /old 200") < at("hooks     as quiet as a mouse"), "{all}");
    assert!(at("as quiet as a mouse") < at("bridge    ["), "{all}");
    assert!(at("bridge    [") < at("iis       GET / 200"), "{all}");
    assert!(at("GET / 200") < at("http      ") && !all.contains(" 77 "), "{all}");
    let some = shown(&["--since", "1h", "--source", "iis", "--source", "http", "--format", "json"]);
    let some: Vec<serde_json::Value> = some.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sources: Vec<_> = some.iter().map(|entry| entry["source"].as_str().unwrap()).collect();
    assert_eq!(sources, ["iis", "http"], "{some:?}");
    assert_eq!(some[0]["line"], "2999-01-01 00:00:00 GET / 200");
    assert_eq!(shown(&["--lines", "1"]).lines().count(), 1);
    // Where there is no web server its logs are left out, unless they are asked for.
    assert!(!server.holdall(&["logs", "guestbook"]).success().get_output().stdout.is_empty());
    server.holdall(&["logs", "guestbook", "--source", "iis"]).code(3).stdout("");

    let mut following = logs(&["--follow", "--lines", "1", "--source", "services"]);
    apart(&mut following);
    let mut following = following.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    std::thread::sleep(Duration::from_millis(600));
    server.test.write("sites/guestbook/shared/logs/services/worker.log", "2026-11-23T10:00:00Z at work\n");
    assert_eq!(lines.next().unwrap().unwrap(), "2026-11-23T10:00:00.000Z  services  at work");
    assert!(interrupt(&mut following));
    assert!(following.wait().unwrap().success(), "to end it is no failure");
}

#[test]
fn logs_that_are_too_old_go_with_the_next_release_and_when_old_things_are_pruned() {
    let server = Server::in_memory();
    server.site_toml("[logs]\nkeepDays = 60\n");
    server.deploy(Release::TinyFirst, &[]).success();
    let logs = server.home().join("shared/logs");
    let put = |name: &str, days: u64| {
        let path = logs.join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, "said\n").unwrap();
        let at = SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60);
        fs_err::OpenOptions::new().write(true).open(&path).unwrap().set_modified(at).unwrap();
        path
    };
    // What the project itself writes beside them is its own.
    let kept = [put("hooks/new.log", 50), put("mail.log", 900)];
    let old = put("hooks/old.log", 70);
    server.deploy(Release::TinySecond, &[]).success();
    assert!(!old.exists());

    let old = put("services/worker.5.log", 70);
    let prune = ["prune", "guestbook", "--server", "iis"];
    assert_eq!(server.json(&[&prune[..], &["--plan"]].concat())["logs"], 1);
    assert!(old.exists());
    assert_eq!(server.json(&prune)["logs"], 1);
    assert!(!old.exists());
    assert!(kept.iter().all(|path| path.exists()));
    server.assert_tidy(Release::TinySecond);
}
