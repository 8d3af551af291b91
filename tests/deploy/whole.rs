//! The life of a site, told of whichever IIS the environment asks for. `cargo xtask iis-deploy` tells it of that of a
//! Windows machine; everywhere else it is the lab's, so that the story is the same.

use super::bundles::Release;
use super::server::{Server, version};
use super::visitors::{Visitor, ask, front_page};

#[test]
fn a_site_lives_on_the_iis_that_there_is_from_its_first_deploy_to_its_end() {
    let server = Server::chosen();
    server.deploy(Release::First, &[]).success();
    server.assert_tidy(Release::First);
    front_page(&server, Release::First);

    let visitor = Visitor::of(&server);
    server.deploy(Release::Second, &[]).success();
    server.assert_tidy(Release::Second);
    let refused = server.deploy(Release::Unimportable, &[]).code(4).stdout("");
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(said.contains("broken on purpose") && said.contains("serves on"), "{said}");
    server.assert_tidy(Release::Second);
    let back = server.json(&["rollback", server.name, "--server", "iis"]);
    assert_eq!(version(back["release"].as_str().unwrap()), "1.0");
    server.assert_tidy(Release::First);
    let seen = visitor.stop();
    let versions: Vec<_> = seen.iter().map(|seen| seen.split(' ').next().unwrap()).collect();
    assert_eq!(versions, ["1.0", "1.1", "1.0"], "{seen:?}");

    // The same release as a folder that somebody has copied, in the place of one that was expanded.
    server.holdall(&["remove", server.name, "--with-data", "--server", "iis"]).success();
    assert!(!server.home().exists());
    let folder = server.base.join("copied");
    Release::First.expand(&folder);
    let copied = folder.to_str().unwrap();
    server.holdall(&["deploy", copied, "--site", "site.toml", "--server", "iis"]).success();
    assert_eq!(server.status()["releases"][0]["adopted"], true);
    assert_eq!(ask(&server.url("/")).unwrap().status, 200);

    server.holdall(&["remove", server.name, "--with-data", "--server", "iis"]).success();
    assert!(folder.join("holdall.json").exists(), "what was copied stays");
    let left = ["site", "apppool", "config"].map(|object| server.appcmd(&["list", object])).concat();
    assert!(!left.contains(server.name) && server.applications().is_empty(), "{left}");
}
