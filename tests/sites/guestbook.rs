//! The example, with a lock that names what only Windows needs.

use crate::bundles;

#[test]
fn the_guestbook_is_served_by_its_windows_bundle_alone_wherever_that_lies() {
    let test = bundles::empty();
    test.guestbook("guestbook");
    let windows = bundles::for_windows(&test, "guestbook");
    assert!(windows.packages().contains(&"tzdata"), "{:?}", windows.packages());
    fs_err::remove_dir_all(test.path("guestbook")).unwrap();

    let release = windows.unzip(test.path("hold all ü ж"));
    release.verify();
    let site = release.serve(&test.path("server"), &["--migrate"]);
    site.visit_guestbook();
    let loaded: Vec<_> = site.processes().iter().flat_map(|process| process.loaded()).collect();
    assert!(loaded.iter().any(|path| path.ends_with("python/DLLs/_sqlite3.pyd")), "{loaded:?}");
    assert!(loaded.iter().all(|path| path.starts_with(&release.folder)), "{loaded:?}");
    site.stop();
    let identity = release.verify().stdout;
    assert!(identity.contains(windows.report["identity"].as_str().unwrap()), "{identity}");

    // Another folder, and nothing left in the first.
    fs_err::rename(&release.folder, test.path("elsewhere")).unwrap();
    let release = bundles::Release { folder: test.path("elsewhere") };
    let site = release.serve(&test.path("server"), &[]);
    let front = site.visitor().get("/").unwrap();
    assert!(front.text().contains("Grüße"), "the entry of the first visit: {}", front.text());
    site.visit_guestbook();
    site.kill();
}

#[test]
fn what_the_web_server_shows_is_the_same_on_windows_and_linux() {
    let test = bundles::empty();
    test.guestbook("guestbook");
    let windows = bundles::for_windows(&test, "guestbook");
    let linux = bundles::for_linux(&test, "guestbook");
    bundles::assert_same("www/", &windows, &linux);
    bundles::assert_same("app/", &windows, &linux);
    assert!(!linux.packages().contains(&"tzdata"), "{:?}", linux.packages());
}
