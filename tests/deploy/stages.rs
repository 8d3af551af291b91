//! One trouble in each step of a deploy, on every system: it is killed there, or a command to IIS fails. That every line
//! and every command is a good place to be killed at is told where processes cost little.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use fs_err::File;
use serde_json::Value;

use super::bundles::Release;
use super::server::{PATIENCE, Server};
use super::visitors::Visitor;

/// The steps before anybody sees a release, as the journal calls them. Deploys of the same release are killed in one after
/// the other: each has to get further than the one before.
const BEFORE: [&str; 5] = ["expand", "hooks-before", "self-check", "register", "stage"];

/// Those after which it serves, and which release is brought. Each is brought into service before the next, the other one.
const AFTER: [(&str, Release); 4] = [
    ("switch", Release::Second),
    ("probe", Release::First),
    ("hooks-after", Release::Second),
    ("retire", Release::First),
];

/// A hook that does nothing.
const NOTHING: &str = if cfg!(windows) { "cmd.exe /c exit" } else { "true" };

/// The first release serves, and the second was never seen.
fn server() -> Server {
    let server = Server::with_one_process();
    server.site_toml("hooks.before = ['manage.py migrate --noinput']");
    server.deploy(Release::First, &[]).success();
    server.site_toml(&format!("hooks.before = ['{NOTHING}']\nhooks.after = ['{NOTHING}']"));
    server
}

/// A deploy to be killed, which says into a file what became of it if it was not.
fn deploying(release: Release, server: &Server) -> Child {
    let said = File::create(server.test.path("said.txt")).unwrap();
    let mut deploy = server.deploy_command(release);
    deploy.stdout(Stdio::null()).stderr(said.into_file()).spawn().unwrap()
}

/// Kills a deploy as soon as it has begun a step.
fn killed_in(step: &str, release: Release, server: &Server) {
    // The list of commands begins anew.
    server.lab("");
    let (before, from) = (server.journal().len(), server.serving());
    let mut deploying = deploying(release, server);
    let until = Instant::now() + PATIENCE;
    let begun = || {
        let of_step = |line: &&Value| line["event"] == "begun" && line["step"] == step;
        server.journal()[before..].iter().any(|line| of_step(&line))
    };
    let mut ended = None;
    while !begun() && ended.is_none() {
        assert!(Instant::now() < until, "{step} is not begun");
        std::thread::sleep(Duration::from_micros(200));
        ended = deploying.try_wait().unwrap().map(|ended| ended.code());
    }
    assert!(begun(), "the deploy was over without {step}, with {ended:?}: {}", server.test.read("said.txt"));
    deploying.kill().unwrap();
    deploying.wait().unwrap();
    let expected: &[&str] = match step {
        "switch" => &[&from, release.version()],
        "probe" | "hooks-after" | "retire" => &[release.version()],
        _ => &[&from],
    };
    let serving = server.serving();
    assert!(expected.contains(&&*serving), "{serving} after {step}");
}

/// The next deploy after those that were killed brings the release into service and leaves nothing behind.
fn finished(step: &str, release: Release, server: &Server) {
    let done = server.deploy(release, &[]);
    let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
    assert!(done.get_output().status.success(), "killed in {step}: {said}");
    server.assert_tidy(release);
}

#[test]
fn a_deploy_is_killed_once_in_each_of_its_steps() {
    // At once, to be done sooner.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let server = server();
            let visitor = Visitor::of(&server);
            BEFORE.iter().for_each(|step| killed_in(step, Release::Second, &server));
            finished("all steps before the switch", Release::Second, &server);
            visitor.stop();
        });
        scope.spawn(|| {
            let server = server();
            let visitor = Visitor::of(&server);
            for (step, release) in AFTER {
                killed_in(step, release, &server);
                finished(step, release, &server);
            }
            visitor.stop();
        });
    });
}

#[test]
fn appcmd_fails_once_before_the_switch_and_once_at_it() {
    let server = server();
    let visitor = Visitor::of(&server);
    for (command, when) in [
        ("/section:system.webServer/fastCgi /+", "before"),
        ("start site guestbook~staging", "after"),
        ("set vdir guestbook/", "after"),
    ] {
        server.lab(&format!(
            "[[fault]]\nmatches = '{command}'\nwhen = '{when}'\nexit = 87\ntext = 'ERROR ( message:no )'\n"
        ));
        let refused = server.deploy(Release::Second, &[]);
        let code = refused.get_output().status.code().unwrap();
        let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        assert!([4, 5].contains(&code) && said.contains("ended with 87"), "{code} at `{command}`: {said}");
        assert_eq!(server.serving(), "1.0", "at `{command}`: {said}");
        server.lab("");
    }
    server.deploy(Release::Second, &[]).success();
    server.assert_tidy(Release::Second);
    let seen = visitor.stop();
    let last = seen.last().unwrap();
    assert!(seen[0].starts_with("1.0 ") && last.starts_with("1.1 "), "{seen:?}");
}
