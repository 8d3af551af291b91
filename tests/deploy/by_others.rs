//! What somebody else changes in IIS, in the site's settings or in its files, and what the next command says of it.

use std::path::PathBuf;

use assert_cmd::assert::Assert;
use serde_json::json;

use super::bundles::Release;
use super::server::Server;
use super::visitors::ask;

/// A server on which the first release serves.
fn serving() -> Server {
    let server = Server::with_one_process();
    server.site_toml("");
    server.deploy(Release::First, &[]).success();
    server
}

fn said(done: &Assert) -> String {
    String::from_utf8_lossy(&done.get_output().stderr).into_owned()
}

/// What a command that is refused before it changes anything says.
#[track_caller]
fn refused(server: &Server, done: Assert) -> String {
    let done = done.code(3).stdout("");
    assert_eq!(server.status()["unfinished"], json!([]));
    said(&done)
}

/// A folder of somebody else's, with a page.
fn another_folder(server: &Server) -> PathBuf {
    server.test.write("closed/index.html", "closed");
    server.test.path("closed")
}

/// Settings that have the site lie below another, or at another place below it.
fn below(server: &Server, spot: &str) {
    let text = server.test.read("site.toml");
    let bindings = format!("[[bindings]]\nport = {}\n", server.port);
    let text = text.replace(&bindings, "");
    let text: String =
        text.lines().filter(|line| !line.starts_with("below")).map(|line| format!("{line}\n")).collect();
    server.test.write("site.toml", format!("below = '{spot}'\n{text}"));
}

#[test]
fn a_site_that_is_wanted_elsewhere_is_not_left_behind_where_it_was() {
    let server = serving();
    server.appcmd(&[
        "add",
        "site",
        "/name:Intranet",
        &format!("/physicalPath:{}", another_folder(&server).display()),
    ]);
    below(&server, "Intranet/shop");
    let words = refused(&server, server.deploy(Release::Second, &[]));
    assert!(words.contains("`guestbook`") && words.contains("`Intranet/shop`"), "{words}");
    assert!(words.contains("holdall remove guestbook") && words.contains("below"), "{words}");
    assert_eq!(server.serving(), "1.0");
    // Changed where it lies, it says the same, and what is removed is what is there.
    fs_err::copy(server.test.path("site.toml"), server.home().join("site.toml")).unwrap();
    let words = refused(&server, server.holdall(&["rollback", "--to", "1.0", "--server", "iis"]));
    assert!(words.contains("`Intranet/shop`"), "{words}");
    assert_eq!(server.serving(), "1.0");
    server.holdall(&["remove", "--server", "iis"]).success();
    let left = ["site", "app", "apppool", "config"].map(|object| server.appcmd(&["list", object])).concat();
    assert!(!left.contains("guestbook"), "{left}");

    server.deploy(Release::First, &[]).success();
    assert!(server.appcmd(&["list", "app"]).contains("Intranet/shop"));
    below(&server, "Intranet/other");
    let words = refused(&server, server.deploy(Release::First, &[]));
    assert!(words.contains("`Intranet/shop`") && words.contains("`Intranet/other`"), "{words}");
    below(&server, "Intranet/shop");
    server.deploy(Release::Second, &[]).success();
    assert_eq!(server.serving(), "1.1");
    server.holdall(&["remove", "--server", "iis"]).success();
    assert!(!server.appcmd(&["list", "app"]).contains("Intranet/shop"));
}

#[test]
fn what_somebody_has_changed_in_iis_is_told_by_every_command() {
    let server = Server::with_one_process();
    server.site_toml("[pool]\nidleTimeout = 30\n");
    server.deploy(Release::First, &[]).success();
    server.deploy(Release::Second, &[]).success();
    assert_eq!(server.status()["iis_drift"], json!([]));
    server.appcmd(&["set", "apppool", "guestbook", "/processModel.idleTimeout:00:20:00"]);
    let drift = &server.status()["iis_drift"];
    let expected = json!([{
        "thing": "pool guestbook",
        "name": "processModel.idleTimeout",
        "applied": "00:30:00",
        "found": "00:20:00",
        "wanted": "00:30:00",
        "stays": false,
    }]);
    assert_eq!(*drift, expected);
    let text = server.holdall(&["status", "--server", "iis"]).success();
    let text = String::from_utf8_lossy(&text.get_output().stdout).into_owned();
    let told = |text: &str| {
        ["processModel.idleTimeout", "`00:20:00`", "`00:30:00`", "--take-over"]
            .iter()
            .all(|word| text.contains(word))
    };
    assert!(told(&text), "{text}");
    for args in [vec!["rollback", "--server", "iis"], vec!["rollback", "--server", "iis"]] {
        let words = said(&server.holdall(&args).success());
        assert!(told(&words), "{words}");
    }
    let words = said(&server.deploy(Release::Second, &[]).success());
    assert!(told(&words), "{words}");
    let words = said(&server.deploy(Release::Second, &["--take-over"]).success());
    assert!(!words.contains("idleTimeout"), "{words}");
    assert_eq!(server.status()["iis_drift"], json!([]));
}

#[test]
fn what_keeps_a_release_from_being_seen_is_told_of_before_anything_is_made() {
    let server = serving();
    let folder = another_folder(&server);
    let (port, site) = (server.port, "guestbook");
    let binding = format!("bindings.[protocol='http',bindingInformation='*:{port}:']");
    let shown = server.appcmd(&["list", "vdir", "guestbook/", "/text:physicalPath"]).trim().to_owned();
    server.appcmd(&["add", "apppool", "/name:other"]);
    let changes: [(&[&str], &[&str], &str); 3] = [
        (
            &["set", "vdir", "guestbook/", &format!("/physicalPath:{}", folder.display())],
            &["set", "vdir", "guestbook/", &format!("/physicalPath:{shown}")],
            &folder.display().to_string(),
        ),
        (
            &["set", "app", "guestbook/", "/applicationPool:other"],
            &["set", "app", "guestbook/", "/applicationPool:guestbook"],
            "`other`",
        ),
        (
            &["set", "site", site, &format!("/-{binding}")],
            &["set", "site", site, &format!("/+{binding}")],
            &format!("binding http/*:{port}:"),
        ),
    ];
    for (change, back, named) in changes {
        server.appcmd(change);
        let words = refused(&server, server.deploy(Release::Second, &["--plan"]));
        assert!(words.contains(named) && words.contains("--take-over"), "{words}");
        refused(&server, server.deploy(Release::Second, &[]));
        assert_eq!(fs_err::read_dir(server.home().join("releases")).unwrap().count(), 1);
        server.appcmd(back);
        let plan = server.deploy(Release::First, &["--plan"]).success();
        let plan = String::from_utf8_lossy(&plan.get_output().stdout).into_owned();
        assert!(plan.contains("nothing to do"), "{plan}");
    }
    // Taken over, all of it is set back.
    changes.iter().for_each(|(change, ..)| drop(server.appcmd(change)));
    let plan = server.deploy(Release::Second, &["--plan", "--take-over"]).success();
    let plan = String::from_utf8_lossy(&plan.get_output().stdout).into_owned();
    assert!(!plan.contains("first to serve") && plan.contains(&folder.display().to_string()), "{plan}");
    server.deploy(Release::Second, &["--take-over"]).success();
    server.assert_tidy(Release::Second);
}

#[test]
fn a_pool_that_somebody_has_stopped_is_told_of_before_anything_is_done() {
    let server = serving();
    server.appcmd(&["stop", "apppool", "guestbook"]);
    for release in [Release::First, Release::Second] {
        let words = refused(&server, server.deploy(release, &[]));
        assert!(
            words.contains("the pool `guestbook` is stopped") && words.contains("start apppool"),
            "{words}"
        );
    }
    server.appcmd(&["start", "apppool", "guestbook"]);
    server.deploy(Release::Second, &[]).success();
    server.assert_tidy(Release::Second);
}

#[test]
fn a_variable_that_is_wanted_no_more_leaves_iis() {
    let server = Server::with_one_process();
    server.site_toml("[fastcgi.environment]\nNLS_LANG = 'x'\nPATHS = 'y'\n");
    let text = server.test.read("site.toml").replace("[fastcgi]\n", "");
    let text = text.replace("[fastcgi.environment]", "[fastcgi]\nmaxInstances = 1\n[fastcgi.environment]");
    let text = text.replacen("maxInstances = 1\n[releases]", "[releases]", 1);
    server.test.write("site.toml", &text);
    server.deploy(Release::First, &[]).success();
    let listed = || server.appcmd(&["list", "config", "/section:system.webServer/fastCgi"]);
    assert!(listed().contains("NLS_LANG") && listed().contains("PATHS"), "{}", listed());
    server.test.write("site.toml", text.replace("NLS_LANG = 'x'\n", ""));
    server.deploy(Release::First, &[]).success();
    assert!(!listed().contains("NLS_LANG") && listed().contains("PATHS"), "{}", listed());
    assert_eq!(ask(&server.url("/")).unwrap().status, 200);
}

#[test]
fn an_address_that_another_site_has_taken_since_is_told_of_before_anything_is_made() {
    let server = serving();
    // Both are started where IIS lets them.
    server.lab("[switches]\n'site.port-taken' = 'started'\n");
    server.appcmd(&["add", "site", "/name:Other", &format!("/bindings:http/*:{}:", server.port)]);
    let words = refused(&server, server.deploy(Release::Second, &[]));
    assert!(words.contains("belongs to the site `Other`"), "{words}");
    server.appcmd(&["delete", "site", "Other"]);
}

#[test]
fn a_site_of_another_root_is_not_taken_without_naming_that_root() {
    let server = serving();
    let other = server.test.path("other sites");
    let bundle = Release::Second.bundle();
    let root = other.to_str().unwrap();
    let deploy =
        ["deploy", bundle.to_str().unwrap(), "--site", "site.toml", "--server", "iis", "--root", root];
    let words = refused(&server, server.holdall(&deploy));
    let first = server.home().parent().unwrap().to_owned();
    assert!(words.contains(&format!("`{}`", first.display())) && words.contains("--root"), "{words}");
    assert!(!other.exists());
}

#[test]
fn a_site_whose_books_are_lost_goes_as_a_whole() {
    for spot in [None, Some("Intranet/shop")] {
        let server = Server::with_one_process();
        server.appcmd(&[
            "add",
            "site",
            "/name:Intranet",
            &format!("/physicalPath:{}", another_folder(&server).display()),
        ]);
        let before = server.test.read("iis/applicationHost.config");
        server.site_toml("");
        spot.into_iter().for_each(|spot| below(&server, spot));
        server.deploy(Release::First, &[]).success();
        for name in ["state.json", "site.toml"] {
            fs_err::remove_file(server.home().join(name)).unwrap();
        }
        server.holdall(&["remove", "guestbook", "--server", "iis"]).success();
        assert_eq!(server.test.read("iis/applicationHost.config"), before);
    }
}

#[test]
fn what_a_release_was_told_goes_with_its_folder() {
    let server = serving();
    server.deploy(Release::Second, &[]).success();
    let before = server.status()["before"].as_str().unwrap().to_owned();
    assert!(server.home().join("run").join(&before).join("bridge.toml").exists());
    fs_err::remove_dir_all(server.home().join("releases").join(&before)).unwrap();
    let left = server.status()["unfinished"].to_string();
    assert!(left.contains(&before), "{left}");
    server.deploy(Release::Second, &[]).success();
    assert!(!server.home().join("run").join(&before).exists());
    server.assert_tidy(Release::Second);
}

#[test]
fn the_same_bundle_is_no_repair_of_what_serves_and_says_so() {
    let server = serving();
    server.deploy(Release::Second, &[]).success();
    let active = server.status()["active"].as_str().unwrap().to_owned();
    let folder = server.home().join("releases").join(&active);
    fs_err::write(folder.join("app/manage.py"), "changed").unwrap();
    let words = refused(&server, server.deploy(Release::Second, &[]));
    assert!(words.contains("app/manage.py") && words.contains("holdall rollback"), "{words}");
    server.holdall(&["rollback", "--server", "iis"]).success();
    server.deploy(Release::Second, &[]).success();
    server.assert_tidy(Release::Second);

    // Nor is one whose mark does not hold.
    fs_err::write(folder.join("release.json"), "{}").unwrap();
    let words = said(&server.deploy(Release::Second, &[]).code(3).stdout(""));
    assert!(words.contains("holdall rollback"), "{words}");
    server.holdall(&["rollback", "--server", "iis"]).success();
    assert_eq!(server.serving(), "1.0");
    server.deploy(Release::Second, &[]).success();
    server.assert_tidy(Release::Second);
}
