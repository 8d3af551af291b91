//! A release that is to go and cannot, since somebody holds files of it: as Windows refuses to delete what a program runs.
//! Here it is a folder that something is mounted on. What each error of Windows means is tested beside the code.

use super::bundles::Release;
use super::server::Server;
use super::small::Small;
use super::visitors::Visitor;

#[test]
fn files_that_are_held_fail_no_deploy_and_go_with_a_later_command() {
    let server = Server::in_memory();
    server.site_toml("");
    let text = server.test.read("site.toml").replace("keep = 3", "keep = 2");
    server.test.write("site.toml", text);
    server.deploy(Release::First, &[]).success();
    let folder = server.json(&["releases", "--server", "iis"])[0]["folder"].as_str().unwrap().to_owned();
    let folder = std::path::PathBuf::from(folder);
    let held: Vec<_> = ["app/held", "python/held"].map(|name| Small::mount(&folder.join(name), 4)).into();
    let Some(held) = held.into_iter().collect::<Option<Vec<Small>>>() else { return };
    server.deploy(Release::Second, &[]).success();
    let visitor = Visitor::of(&server);
    server.deploy(Release::Migrating, &[]).success();

    let is_pruned = |held: u64| {
        let status = server.status();
        let gone = status["releases"].as_array().unwrap().iter().find(|found| found["state"] != "complete");
        let gone = gone.unwrap_or_else(|| panic!("{status:#}"));
        assert_eq!((&gone["state"], &gone["held"]), (&"pruning".into(), &held.into()), "{status:#}");
        let text = server.holdall(&["status", "--server", "iis"]).success();
        let text = String::from_utf8_lossy(&text.get_output().stdout).into_owned();
        assert!(text.contains(&format!(": pruning, {held} files held\n")), "{text}");
        // Of what could go nothing is left, and nobody is sent there any more.
        let left = walkdir::WalkDir::new(&folder)
            .into_iter()
            .filter(|entry| entry.as_ref().unwrap().file_type().is_file());
        assert_eq!(left.count(), 1, "the word that it is to go");
        let fastcgi = server.appcmd(&["list", "config", "/section:system.webServer/fastCgi"]);
        assert!(!fastcgi.contains(folder.to_str().unwrap()), "{fastcgi}");
    };
    is_pruned(2);
    // Whatever the next command is, it tries again; and is not kept from its work.
    server.holdall(&["rollback", "--force", "--server", "iis"]).success();
    is_pruned(2);
    drop(held);
    server.holdall(&["restart", "--server", "iis"]).success();
    assert!(!folder.exists());
    server.assert_tidy(Release::Second);
    visitor.stop();
}
