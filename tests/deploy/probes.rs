//! Releases that hang or fail when they are asked, on the staging site or only at the real address, and a web server that
//! goes on with the release before: all are found out in bounded time, and the release before serves.

use std::time::{Duration, Instant};

use super::bundles::Release;
use super::server::Server;
use super::visitors::Visitor;

const BEFORE: &str = "the release does not show itself well before the switch";
const AFTER: &str = "the release does not serve well after the switch";

/// All of a deploy and of its way back, with the minute that a change may take in IIS.
const LIMIT: Duration = Duration::from_secs(120);

/// A server on which the first release serves, with a probe that asks one page more, and two seconds for each answer.
fn server() -> Server {
    let server = Server::in_memory();
    server.site_toml("probe.paths = ['/', '/fails/']\nprobe.timeout = 2");
    server.deploy(Release::First, &[]).success();
    server
}

/// Deploys a release that is refused in this step, for that reason, in bounded time. The one before serves without a break.
#[track_caller]
fn is_refused(server: &Server, release: Release, step: &str, reason: &str) {
    let visitor = Visitor::of(server);
    let begun = Instant::now();
    let refused = server.deploy(release, &[]).code(4).stdout("");
    let took = begun.elapsed();
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(said.contains(step) && said.contains(reason) && said.contains("serves on"), "{said}");
    assert!(took < LIMIT, "{took:?}: {said}");
    server.assert_tidy(Release::First);
    visitor.stop();
}

/// The site's variables say what becomes of the page, and at which port.
fn in_the_mood(server: &Server, mood: &str, at: &str) {
    let text = server.test.read("site.toml");
    let text = text.split("MOOD").next().unwrap().trim_end().to_owned();
    server.test.write("site.toml", format!("{text}\nMOOD = '{mood}'\nMOOD_AT = '{at}'\n"));
}

#[test]
fn a_page_that_hangs_or_fails_keeps_a_release_from_serving_or_takes_it_back() {
    let hung = "gives no answer to `/fails/` within 2 s";
    let failed = "answers `/fails/` with status 500";
    // What hangs is waited for until the web server has given it up; the others need not wait for that.
    std::thread::scope(|scope| {
        for (mood, reason) in [("hangs", hung), ("fails", failed)] {
            scope.spawn(move || {
                let server = server();
                for (at, step) in [("all", BEFORE), (&*server.port.to_string(), AFTER)] {
                    in_the_mood(&server, mood, at);
                    is_refused(&server, Release::Moody, step, reason);
                }
                in_the_mood(&server, "well", "all");
                server.deploy(Release::Moody, &[]).success();
                server.assert_tidy(Release::Moody);
            });
        }
    });
}

#[test]
fn a_web_server_that_goes_on_with_the_release_before_is_found_out() {
    let server = server();
    // It says that it has switched, and has not.
    server.lab("[[fault]]\nmatches = 'set vdir guestbook/'\nwhen = 'before'\nexit = 0\ntext = 'changed'\n");
    let reason = "the web server goes on with the release before";
    is_refused(&server, Release::Second, AFTER, reason);
    server.lab("");
    server.deploy(Release::Second, &[]).success();
    server.assert_tidy(Release::Second);
}
