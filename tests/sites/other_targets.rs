//! A bundle that came to the wrong system is told from a broken one, and nothing is written.

use serde_json::Value;

use crate::{bundles, lab};

#[test]
fn a_bundle_for_another_system_is_refused_and_can_be_verified_nonetheless() {
    let test = bundles::empty();
    test.guestbook("guestbook");
    let windows = bundles::for_windows(&test, "guestbook");
    let linux = bundles::for_linux(&test, "guestbook");
    let release = windows.unzip(test.path("release"));

    let folder = test.path("");
    let holdall = |args: &[&str]| {
        let mut holdall = lab::wine(release.folder.join("holdall.exe"), &folder);
        lab::run(holdall.args(args))
    };
    let server = test.path("server");
    let name = |path: &std::path::Path| path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned();
    let (for_windows, for_linux) = (name(&windows.path), name(&linux.path));

    let refused = holdall(&["--format", "json", "preview", &for_linux, "--root", "server"]).code(3);
    let error: Value = serde_json::from_str(&refused.stdout).unwrap();
    assert_eq!(error["error"], "the bundle is for linux-x86_64, and this machine is windows-x86_64");
    assert_eq!(error["help"], "bundle the project for this machine to look at it here");
    for what in [&*for_windows, "release"] {
        let refused = test.holdall(["--format", "json", "preview", what, "--root", "server"]).code(3);
        let error: Value = serde_json::from_slice(&refused.get_output().stdout).unwrap();
        assert_eq!(error["error"], "the bundle is for windows-x86_64, and this machine is linux-x86_64");
    }
    assert!(!server.exists(), "nothing was written");

    // Whether a copy arrived whole can be told everywhere.
    for bundle in [&for_windows, &for_linux] {
        let there = holdall(&["verify", bundle]).success().stdout;
        let here = test.holdall(["verify", bundle]).success();
        assert_eq!(there, String::from_utf8_lossy(&here.get_output().stdout));
        assert!(there.contains(" files are as they were bundled\nidentity "), "{there}");
    }
    let here = test.holdall(["verify", "release"]).success();
    assert_eq!(release.verify().stdout, String::from_utf8_lossy(&here.get_output().stdout));
}

#[test]
fn a_file_that_was_changed_on_windows_is_named_there() {
    let test = bundles::empty();
    test.guestbook("guestbook");
    let release = bundles::for_windows(&test, "guestbook").unzip(test.path("release"));
    fs_err::write(release.folder.join("app/manage.py"), "other\n").unwrap();
    fs_err::write(release.folder.join("app/größe.py"), "").unwrap();
    fs_err::remove_file(release.folder.join("python/DLLs/_ssl.pyd")).unwrap();
    let said = lab::run(&mut release.holdall(&["verify", "."])).code(1);
    assert_eq!(said.stdout, "missing  python/DLLs/_ssl.pyd\nextra    app/größe.py\ndiffers  app/manage.py\n");
    let refused = lab::run(&mut release.preview(".", &test.path("server"), &[])).code(1);
    assert!(refused.stdout.contains("3 files differ, are missing or extra"), "{refused:?}");
}
