//! What people do to a site by hand, and what a deploy makes of it.

use super::bundles::Release;
use super::server::Server;
use super::visitors::ask;

#[test]
fn what_serves_stays_where_it_is_though_its_mark_was_damaged() {
    let server = Server::with_one_process();
    server.site_toml("");
    server.deploy(Release::First, &[]).success();
    let releases = server.json(&["releases", "--server", "iis"]);
    let folder = std::path::PathBuf::from(releases[0]["folder"].as_str().unwrap());
    fs_err::write(folder.join("release.json"), "{}").unwrap();
    let refused = server.deploy(Release::First, &[]).code(3).stdout("");
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(said.contains("is in use, and not complete any more"), "{said}");
    assert!(folder.join("www/web.config").exists());
    assert_eq!(ask(&server.url("/")).unwrap().status, 200);
    server.deploy(Release::Second, &[]).success();
    assert_eq!(server.serving(), "1.1");
}

#[test]
fn a_site_that_somebody_has_stopped_is_told_of_before_anything_is_done() {
    let server = Server::with_one_process();
    server.site_toml("");
    server.deploy(Release::First, &[]).success();
    server.appcmd(&["stop", "site", "guestbook"]);
    for release in [Release::First, Release::Second] {
        let refused = server.deploy(release, &[]).code(3).stdout("");
        let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        assert!(said.contains("the site `guestbook` is stopped") && said.contains("start site"), "{said}");
    }
    server.appcmd(&["start", "site", "guestbook"]);
    server.deploy(Release::Second, &[]).success();
    server.assert_tidy(Release::Second);
}

#[test]
fn applications_of_others_in_the_site_do_not_go_with_it() {
    let server = Server::with_one_process();
    server.site_toml("");
    server.deploy(Release::First, &[]).success();
    let folder = format!("/physicalPath:{}", server.test.path("iis").display());
    server.appcmd(&["add", "app", "/site.name:guestbook", "/path:/legacy", &folder]);
    let refused = server.holdall(&["remove", "guestbook", "--server", "iis"]).code(3).stdout("");
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(said.contains("/legacy"), "{said}");
    assert_eq!(ask(&server.url("/")).unwrap().status, 200);
    server.appcmd(&["delete", "app", "guestbook/legacy"]);
    server.holdall(&["remove", "guestbook", "--server", "iis"]).success();
}

#[test]
fn a_site_that_asks_visitors_who_they_are_is_brought_to_its_next_release() {
    let server = Server::with_one_process();
    server.site_toml("");
    server.deploy(Release::First, &[]).success();
    for (kind, enabled) in [("windows", true), ("anonymous", false)] {
        let section = format!("/section:system.webServer/security/authentication/{kind}Authentication");
        let enabled = format!("/enabled:{enabled}");
        server.appcmd(&["set", "config", "guestbook", &section, &enabled, "/commit:apphost"]);
    }
    assert_eq!(ask(&server.url("/")).unwrap().status, 401);
    server.deploy(Release::Second, &[]).success();
    assert_eq!(server.serving(), "1.1");
}

#[test]
fn what_the_bridge_was_told_comes_back_when_the_site_does_not_answer_well_with_what_is_new() {
    let server = Server::with_one_process();
    server.site_toml("");
    server.deploy(Release::First, &[]).success();
    let told = || {
        let runs = fs_err::read_dir(server.home().join("run")).unwrap();
        runs.map(|run| fs_err::read_to_string(run.unwrap().path().join("bridge.toml")).unwrap())
            .collect::<Vec<_>>()
    };
    let (before, settings) = (told(), fs_err::read(server.home().join("site.toml")).unwrap());
    let text = server.test.read("site.toml").replace("'not secret'", "'another'");
    server.test.write("site.toml", format!("probe.paths = ['/', '/not-there/']\n{text}"));
    let refused = server.deploy(Release::First, &[]).code(4).stdout("");
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(said.contains("/not-there/") && said.contains("404"), "{said}");
    assert_eq!((told(), fs_err::read(server.home().join("site.toml")).unwrap()), (before, settings));
    server.assert_tidy(Release::First);
    assert_eq!(ask(&server.url("/")).unwrap().status, 200);
}
