//! A deploy is killed, at every line of its journal and at every command that it gives: the site serves one release,
//! whole, and the next deploy succeeds and leaves nothing behind.

use std::process::Child;
use std::time::{Duration, Instant};

use super::bundles::Release;
use super::server::{PATIENCE, Server, wait_for};
use super::visitors::Visitor;

/// How many lines the journal has.
fn lines(server: &Server) -> usize {
    let bytes = std::fs::read(server.home().join("journal.jsonl")).unwrap_or_default();
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

fn is_over(deploying: &mut Child) -> bool {
    deploying.try_wait().unwrap().is_some()
}

/// The first release serves, and the second was never seen.
fn server() -> Server {
    let server = Server::with_one_process();
    server.site_toml("hooks.before = ['manage.py migrate --noinput']");
    server.deploy(Release::First, &[]).success();
    // Both kinds of hooks, and none that takes its time.
    server.site_toml("hooks.before = ['true']\nhooks.after = ['true']");
    server
}

/// Back to the first release, as if the second had never been there.
fn back(server: &Server) {
    server.holdall(&["rollback", "--server", "iis"]).success();
    server.forget(Release::Second);
}

/// As if there had never been a site.
fn gone(server: &Server) {
    server.holdall(&["remove", "guestbook", "--server", "iis"]).success();
}

/// The next deploy succeeds and leaves nothing behind; then all is as it was before.
#[track_caller]
fn finished(server: &Server, release: Release, at: &str, reset: fn(&Server)) {
    let done = server.deploy(release, &[]);
    let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
    assert!(done.get_output().status.success(), "killed at {at}: {said}");
    server.assert_tidy(release);
    reset(server);
}

/// Kills deploys, each after another line of its journal: the first one, and then always so many further. Returns how
/// many there were.
fn killed_at_lines(first: usize, further: usize) -> usize {
    let server = server();
    let visitor = Visitor::of(&server);
    let mut killed = 0;
    for line in (first..).step_by(further) {
        // Its list of commands begins anew.
        server.lab("");
        let before = lines(&server);
        let mut deploying = server.deploying(Release::Second);
        let until = Instant::now() + PATIENCE;
        // Hardly a pause between looks: what comes after the line is to be cut off.
        while lines(&server) < before + line && !is_over(&mut deploying) {
            assert!(Instant::now() < until);
            std::thread::sleep(Duration::from_micros(200));
        }
        let is_done = is_over(&mut deploying);
        deploying.kill().unwrap();
        deploying.wait().unwrap();
        let at = format!("line {line}: {:?}", server.journal().last());
        if is_done {
            break;
        }
        killed += 1;
        let serving = server.serving();
        assert!(serving == "1.0" || serving == "1.1", "{serving} at {at}");
        finished(&server, Release::Second, &at, back);
    }
    visitor.stop();
    killed
}

#[test]
fn a_deploy_is_killed_after_every_line_of_its_journal() {
    // Each on a server of its own, to be done sooner.
    const SERVERS: usize = 3;
    let killed: usize = std::thread::scope(|scope| {
        let each: Vec<_> =
            (1..=SERVERS).map(|first| scope.spawn(move || killed_at_lines(first, SERVERS))).collect();
        each.into_iter().map(|each| each.join().unwrap()).sum()
    });
    assert!(killed >= 15, "a deploy writes more lines than {killed}");
}

/// Kills deploys of `release`, each after another of the commands that change something.
fn killed_at_every_command(server: &Server, release: Release, reset: fn(&Server)) {
    let changes = server.changes_of(release);
    assert!(changes.len() > 5, "{changes:?}");
    reset(server);
    for change in changes {
        server.lab(&format!("[[fault]]\nmatches = '''{change}'''\nwhen = 'after'\nhold = 'held'\n"));
        let held = server.test.path("iis/held");
        let mut deploying = server.deploying(release);
        wait_for("the command", || held.exists() || is_over(&mut deploying));
        assert!(held.exists(), "the deploy was over before `{change}`");
        deploying.kill().unwrap();
        deploying.wait().unwrap();
        server.lab("");
        fs_err::remove_file(&held).unwrap();
        // appcmd itself lives on for a moment, as it would there.
        std::thread::sleep(Duration::from_millis(50));
        finished(server, release, &change, reset);
    }
}

#[test]
fn a_deploy_is_killed_after_every_command_to_iis() {
    let server = server();
    let visitor = Visitor::of(&server);
    killed_at_every_command(&server, Release::Second, back);
    visitor.stop();
}

#[test]
fn the_first_deploy_of_a_site_is_killed_after_every_command_to_iis() {
    let server = Server::with_one_process();
    server.site_toml("hooks.before = ['manage.py migrate --noinput']");
    server.deploy(Release::First, &[]).success();
    server.site_toml("hooks.before = ['true']");
    gone(&server);
    killed_at_every_command(&server, Release::First, gone);
}
