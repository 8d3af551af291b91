//! More than one at a time: commands for one site wait or are told who is at work, and many sites are deployed at once
//! beside others who change the server.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::bundles::Release;
use super::server::{Server, wait_for};
use super::visitors::{Visitor, ask};

#[test]
fn one_command_at_a_time_changes_a_site_and_the_next_is_told_who_does() {
    let server = Server::with_one_process();
    server.site_toml("");
    server.deploy(Release::First, &[]).success();
    let visitor = Visitor::of(&server);
    server.lab("[[fault]]\nmatches = 'add site'\nhold = 'held'\n");
    let held = server.test.path("iis/held");
    let mut deploying = server.deploying(Release::Second);
    wait_for("the staging site", || held.exists());
    for command in ["prune", "rollback"] {
        let refused = server.holdall(&[command, "--server", "iis"]).code(3).stdout("");
        let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        assert!(said.contains("is being changed by") && said.contains("`deploy 1.1-"), "{said}");
    }
    assert!(server.status()["changed_by"].as_str().unwrap().contains("deploy 1.1-"));
    let mut rollback = server.command(&["rollback", "--wait", "--server", "iis"]);
    let mut waiting = rollback.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut told, mut said) = (BufReader::new(waiting.stderr.take().unwrap()), String::new());
    told.read_line(&mut said).unwrap();
    assert!(said.contains("deploy 1.1-"), "{said}");
    assert!(waiting.try_wait().unwrap().is_none() && deploying.try_wait().unwrap().is_none());
    server.lab("");
    fs_err::remove_file(&held).unwrap();
    assert!(deploying.wait().unwrap().success() && waiting.wait().unwrap().success());
    // The rollback came after the deploy, and took it back.
    server.assert_tidy(Release::First);
    let seen = visitor.stop();
    let versions: Vec<_> = seen.iter().map(|seen| seen.split(' ').next().unwrap()).collect();
    assert_eq!(versions, ["1.0", "1.1", "1.0"], "{seen:?}");
}

#[test]
fn two_deploys_at_once_come_one_after_the_other() {
    let server = Server::with_one_process();
    server.site_toml("");
    server.deploy(Release::First, &[]).success();
    let visitor = Visitor::of(&server);
    let waiting = |release: Release| {
        let bundle = release.bundle();
        let args = ["deploy", bundle.to_str().unwrap(), "--site", "site.toml", "--server", "iis", "--wait"];
        server.command(&args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    };
    // Two releases: whoever is last serves. Then one release twice: the second finds nothing to do.
    let two = [Release::Second, Release::Migrating].map(&waiting);
    assert!(two.map(|deploy| deploy.wait_with_output().unwrap().status.success()).iter().all(|done| *done));
    let serving = if server.serving() == "1.5" { Release::Migrating } else { Release::Second };
    server.assert_tidy(serving);
    server.holdall(&["rollback", "--force", "--server", "iis"]).success();
    let same = [serving, serving].map(&waiting).map(|deploy| deploy.wait_with_output().unwrap());
    assert!(same.iter().all(|done| done.status.success()));
    let idle = same.iter().filter(|done| done.stdout.starts_with(b"nothing to do: "));
    assert_eq!(idle.count(), 1, "{same:?}");
    server.assert_tidy(serving);
    visitor.stop();
}

/// How many sites are deployed to at once, and what.
#[cfg(not(target_os = "linux"))]
const SITES: (usize, [Release; 2]) = (4, [Release::First, Release::Second]);
#[cfg(target_os = "linux")]
const SITES: (usize, [Release; 2]) = (10, [Release::TinyFirst, Release::TinySecond]);

#[test]
fn sites_are_deployed_at_once_while_somebody_else_changes_the_server() {
    let (count, [first, second]) = SITES;
    let server = Server::with_one_process();
    server.site_toml("");
    server.deploy(first, &[]).success();
    let visitor = Visitor::of(&server);
    // One is there and comes to its next release, the others are made.
    let names: Vec<String> = (1..count).map(|number| format!("site{number}")).collect();
    let ports: Vec<u16> = names.iter().map(|name| server.another_site(name)).collect();
    let deploying = |release: Release, file: &str| {
        let bundle = release.bundle();
        let mut deploy =
            server.command(&["deploy", bundle.to_str().unwrap(), "--site", file, "--server", "iis"]);
        deploy.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut deploys = vec![("guestbook".to_owned(), deploying(second, "site.toml"))];
    deploys.extend(names.iter().map(|name| (name.clone(), deploying(first, &format!("{name}.toml")))));
    let over = AtomicBool::new(false);
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        scope.spawn(|| {
            // Whoever does this knows nothing of our locks, and edits the file that all of them have in common.
            for number in 0.. {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                let name = format!("Other{number}");
                server.appcmd(&["add", "site", &format!("/name:{name}"), "/bindings:http/127.0.0.1:1:"]);
                server.appcmd(&["delete", "site", &name]);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let outcomes = deploys.into_iter().map(|(name, deploy)| (name, deploy.wait_with_output().unwrap()));
        let outcomes = outcomes.collect();
        over.store(true, Ordering::SeqCst);
        outcomes
    });
    for (name, done) in outcomes {
        assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
        let status = server.json(&["status", &name, "--server", "iis"]);
        assert_eq!(
            (&status["started"], &status["unfinished"]),
            (&true.into(), &serde_json::json!([])),
            "{name}"
        );
    }
    for port in ports {
        assert_eq!(ask(&format!("http://localhost:{port}/")).unwrap().status, 200);
    }
    assert_eq!(visitor.stop().len(), 2);
    // Of each site no more is there than what it has to have. Somebody else's last command may have come to nothing.
    let sites = server.appcmd(&["list", "site"]);
    let ours = sites.lines().filter(|line| !line.contains("\"Other"));
    assert_eq!(ours.count(), count, "{sites}");
    let fastcgi = server.appcmd(&["list", "config", "/section:system.webServer/fastCgi"]);
    assert_eq!(fastcgi.matches("fullPath=").count(), count + 1, "{fastcgi}");
}
