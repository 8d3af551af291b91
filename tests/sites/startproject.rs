//! The site that everyone starts with: `django-admin startproject`, untouched.

use crate::bundles::{self, Release};
use crate::harness::Test;
use crate::lab;
use crate::served::{Served, log_in};

/// `django-admin startproject mysite site`
pub fn startproject() -> Test {
    let test = bundles::empty();
    fs_err::create_dir(test.path("site")).unwrap();
    test.django(&["-m", "django", "startproject", "mysite", "site"]);
    test.write("site/requirements.txt", "django>=5.2,<5.3\n");
    test
}

#[test]
fn an_untouched_startproject_site_serves_its_admin_to_who_may_see_it() {
    let test = startproject();
    let windows = bundles::for_windows(&test, "site");
    assert_eq!(windows.packages(), ["asgiref", "django", "sqlparse", "tzdata"]);
    bundles::assert_same("www/", &windows, &bundles::for_linux(&test, "site"));

    // The command of one bundle expands the other.
    let first = windows.unzip(test.path("first"));
    let bundle = lab::windows(&windows.path);
    let site = Served::start(&mut first.preview(&bundle, &test.path("server"), &["--migrate"]));
    let release = Release { folder: site.release() };
    assert!(release.folder.starts_with(test.path("server/site/releases")), "{}", release.folder.display());
    let mut create = release.manage(&test.path("server/site/shared"), &["createsuperuser", "--noinput"]);
    create
        .args(["--username", "ann", "--email", "ann@example.org"])
        .env("DJANGO_SUPERUSER_PASSWORD", "s3cret");
    lab::run(&mut create).success();

    let visitor = site.visitor();
    let welcome = visitor.get("/").unwrap().with_status(200).unwrap();
    assert!(welcome.text().contains("The install worked successfully!"), "{}", welcome.text());
    let login = visitor.get("/admin/login/").unwrap().with_status(200).unwrap();
    let stylesheet = login.between("rel=\"stylesheet\" href=\"", "\"").unwrap();
    let stylesheet = visitor.get(&stylesheet).unwrap().with_status(200).unwrap();
    assert_eq!(stylesheet.header("content-type"), "text/css; charset=utf-8");
    log_in(&visitor, "/admin/login/", "ann", "s3cret");
    let admin = visitor.get("/admin/").unwrap().with_status(200).unwrap();
    assert!(admin.text().contains("Site administration"), "{}", admin.text());
    site.stop();
    release.verify();
}
