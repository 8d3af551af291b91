//! What never ends by itself is ended, and holds no site for ever.

use std::process::Stdio;

use super::bundles::Release;
use super::server::{Server, wait_for};
use crate::harness::prepared;
use crate::system::{apart, interrupt};

/// A hook that is a program of the machine, and starts at once.
fn python(code: &str) -> String {
    format!("['''\"{}\" -c \"{code}\"''']", prepared("HOLDALL_TEST_PYTHON").display())
}

#[test]
fn a_hook_that_hangs_is_ended_with_all_that_it_started_while_the_release_before_serves() {
    let server = Server::new();
    server.deploy(Release::First, &[]).success();
    let hook = python(
        "import subprocess, sys; print('fast ' + 'asleep', flush=True); \
         subprocess.run([sys.executable, '-c', 'import time; time.sleep(900)'])",
    );
    for (when, before, code) in [("before", "", 4), ("after", "hooks.before = []\n", 1)] {
        server.site_toml(&format!("hooks.timeout = 8\n{before}hooks.{when} = {hook}"));
        let refused = server.deploy(Release::Second, &[]).code(code).stdout("");
        let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        assert!(said.contains(&format!("a hook {when} the switch failed")), "{said}");
        assert!(said.contains("had not ended after 8 s") && said.contains("subprocess.run"), "{said}");
        assert!(said.contains("fast asleep") && said.contains("set `timeout` in `[hooks]`"), "{said}");
        server.assert_tidy(if when == "before" { Release::First } else { Release::Second });
    }
}

#[test]
fn a_project_that_hangs_when_it_is_imported_is_ended_while_the_release_before_serves() {
    let server = Server::new();
    server.deploy(Release::First, &[]).success();
    let text = server.test.read("site.toml").replace("[fastcgi]\n", "[fastcgi]\nactivityTimeout = 10\n");
    server.test.write("site.toml", text);
    let refused = server.deploy(Release::Hanging, &[]).code(4).stdout("");
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(said.contains("the project does not start in its new release"), "{said}");
    assert!(said.contains("had not ended after 10 s") && said.contains("`activityTimeout`"), "{said}");
    server.assert_tidy(Release::First);
}

#[test]
fn whoever_stops_a_deploy_is_told_in_the_form_that_was_asked_for() {
    let server = Server::new();
    let begun = server.home().join("shared/begun");
    let hook = python(
        "import os, time; open(os.path.join(os.environ['HOLDALL_SHARED'], 'begun'), 'w'); time.sleep(900)",
    );
    server.site_toml(&format!("hooks.before = {hook}"));
    for (format, words) in
        [("json", "\"exit\":130"), ("text", "\nstopped; the next command finishes or takes back")]
    {
        let bundle = Release::First.bundle();
        let deploy = ["deploy", bundle.to_str().unwrap(), "--site", "site.toml", "--server", "iis"];
        let mut deploying = server.command(&[&deploy[..], &["--format", format]].concat());
        apart(&mut deploying);
        let mut deploying = deploying.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_for("the hook", || begun.exists());
        let asked = interrupt(&mut deploying);
        let done = deploying.wait_with_output().unwrap();
        fs_err::remove_file(&begun).unwrap();
        if !asked {
            return;
        }
        assert_eq!(done.status.code(), Some(130));
        let [stdout, stderr] = [done.stdout, done.stderr].map(|said| String::from_utf8(said).unwrap());
        let said = if format == "json" { &stdout } else { &stderr };
        assert!(said.contains(words), "{stdout}{stderr}");
        if format == "json" {
            let value: serde_json::Value = serde_json::from_str(&stdout).unwrap();
            assert!(value["error"].as_str().unwrap().starts_with("stopped; "), "{value}");
            assert_eq!(stderr, "");
        }
    }
    server.site_toml("");
    server.deploy(Release::First, &[]).success();
    server.assert_tidy(Release::First);
}
