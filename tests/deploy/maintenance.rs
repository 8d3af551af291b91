//! A site is closed to visitors, by hand and by a deploy, and opened again.

use super::bundles::Release;
use super::server::{Server, wait_for};
use super::visitors::{ask, front_page};
use crate::harness::prepared;

/// What a visitor is told of a site that is closed.
#[track_caller]
fn assert_closed(server: &Server, seconds: &str, says: &str) {
    let page = ask(&server.url("/")).unwrap();
    assert_eq!((page.status, page.header("retry-after")), (503, seconds), "{}", page.text());
    assert!(page.text().contains(says), "{}", page.text());
    assert_eq!(page.header("cache-control"), "no-store");
}

/// A hook that waits until a file is there.
fn waits_for(go: &std::path::Path) -> String {
    let code = format!(
        "import os, time\\nopen(r'{0}.begun', 'w').close()\\nwhile not os.path.exists(r'{0}'): time.sleep(0.05)",
        go.display()
    );
    let python = prepared("HOLDALL_TEST_PYTHON");
    format!("['''\"{}\" -c \"exec('{}')\"''']", python.display(), code.replace('\'', "\\x27"))
}

#[test]
fn a_closed_site_stays_closed_through_deploys_and_rollbacks_until_it_is_opened() {
    let server = Server::in_memory();
    server.deploy(Release::TinyFirst, &[]).success();
    let status = server.json(&["maintenance", "status", "guestbook"]);
    assert_eq!(status["maintenance"], serde_json::Value::Null);

    let on = ["maintenance", "on", "guestbook", "--retry-after", "60", "--message", "Back at <5>"];
    let done = server.json(&on);
    assert_eq!(done["notices"], serde_json::json!([]), "the release that serves knows of it");
    assert_closed(&server, "60", "Back at &lt;5&gt;");
    assert_eq!(server.status()["maintenance"]["by"], "command");
    // It is warmed up and asked by leave of a token, at the real address as well.
    server.deploy(Release::TinySecond, &[]).success();
    assert_eq!(server.serving(), "1.1");
    assert_closed(&server, "60", "Back at");
    server.holdall(&["rollback", "--server", "iis"]).success();
    assert_closed(&server, "60", "Back at");
    server.deploy(Release::TinySecond, &["--maintenance"]).success();
    assert_closed(&server, "60", "Back at");
    server.json(&["maintenance", "on", "guestbook", "--allow", "192.0.2.1", "--allow", "10.0.0.0/8"]);
    assert_closed(&server, "300", "will be back soon");
    server.json(&["maintenance", "on", "guestbook", "--allow", "127.0.0.1", "--allow", "::1/128"]);
    front_page(&server, Release::TinySecond);
    server.holdall(&["maintenance", "on", "guestbook", "--allow", "everybody"]).code(2);

    server.json(&["maintenance", "off", "guestbook"]);
    server.json(&["maintenance", "off", "guestbook"]);
    front_page(&server, Release::TinySecond);
    server.assert_tidy(Release::TinySecond);
}

#[test]
fn a_deploy_closes_the_site_and_opens_it_again_whatever_becomes_of_it() {
    let server = Server::in_memory();
    server.deploy(Release::TinyFirst, &[]).success();
    let go = server.test.path("go");
    server.site_toml(&format!("hooks.before = {}", waits_for(&go)));
    let bundle = Release::TinySecond.bundle();
    let args =
        ["deploy", bundle.to_str().unwrap(), "--site", "site.toml", "--server", "iis", "--maintenance"];
    let plan = server.json(&[&args[..], &["--plan"]].concat());
    assert!(plan["steps"].to_string().contains("close the site to visitors"), "{plan:#}");
    let begun = server.test.path("go.begun");
    let deploying = || {
        let _ = fs_err::remove_file(&begun);
        let deploying = server.command(&args).spawn().unwrap();
        wait_for("the hook", || begun.exists());
        assert_closed(&server, "300", "will be back soon");
        assert_eq!(server.status()["maintenance"]["by"], "deploy");
        deploying
    };
    // Killed there, it leaves it to the next command.
    let mut killed = deploying();
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_closed(&server, "300", "will be back soon");
    server.holdall(&["prune", "--server", "iis"]).success();
    front_page(&server, Release::TinyFirst);
    // One that comes to its end opens it itself.
    let mut done = deploying();
    fs_err::write(&go, "").unwrap();
    assert!(done.wait().unwrap().success());
    front_page(&server, Release::TinySecond);
    // And so does one that fails.
    server.site_toml("hooks.before = ['false']");
    let first = Release::TinyFirst.bundle();
    let args = ["deploy", first.to_str().unwrap(), "--site", "site.toml", "--server", "iis", "--maintenance"];
    let failed = server.holdall(&args).code(4);
    let said = String::from_utf8_lossy(&failed.get_output().stderr).into_owned();
    assert!(said.contains("all that it said is in `"), "{said}");
    front_page(&server, Release::TinySecond);
    server.assert_tidy(Release::TinySecond);
}
