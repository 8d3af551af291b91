//! What `wagtail start` makes: a project that nobody here wrote, with dozens of packages and native code.

use std::process::Command;

use crate::harness::Test;
use crate::served::log_in;
use crate::visitor::Visitor;
use crate::{bundles, lab};

#[test]
fn what_wagtail_start_makes_is_served_by_its_windows_bundle() {
    let test = bundles::empty();
    wagtail_start(&test);
    let windows = bundles::for_windows(&test, "shop");
    bundles::assert_same("www/", &windows, &bundles::for_linux(&test, "shop"));

    let names = windows.names();
    let native = |name: &&String| name.contains("/PIL/_imaging.") && name.ends_with("win_amd64.pyd");
    assert!(names.iter().any(|name| native(&name)), "Pillow is the one for Windows");
    assert_eq!(names.iter().find(|name| name.ends_with(".so")), None);

    let release = windows.unzip(test.path("release"));
    // One process: there is much to import.
    let site = release.serve(&test.path("server"), &["--migrate", "--processes", "1"]);
    let shared = test.path("server/shop/shared");
    let mut create = release.manage(&shared, &["createsuperuser", "--noinput"]);
    create
        .args(["--username", "ann", "--email", "ann@example.org"])
        .env("DJANGO_SUPERUSER_PASSWORD", "s3cret");
    lab::run(&mut create).success();

    let visitor = site.visitor();
    let front = visitor.get("/").unwrap().with_status(200).unwrap();
    assert!(front.text().contains("Welcome to your new Wagtail site!"), "{}", front.text());
    log_in(&visitor, "/admin/login/", "ann", "s3cret");
    let dashboard = visitor.get("/admin/").unwrap().with_status(200).unwrap();
    assert!(dashboard.text().contains("Dashboard"), "{}", dashboard.text());

    // A picture, which Pillow looks at and makes small ones of.
    let picture = &windows.files("python/Lib/site-packages/wagtail/images/check_files/wagtail.png");
    let picture = picture.values().next().unwrap();
    upload(&visitor, "Grün", picture);
    let pictures = visitor.get("/admin/images/").unwrap().with_status(200).unwrap();
    assert!(pictures.text().contains("Grün"), "{}", pictures.text());
    let small = format!("/media/images/{}", pictures.between("src=\"/media/images/", "\"").unwrap());
    let small = visitor.get(&small).unwrap().with_status(200).unwrap();
    assert!(small.body.starts_with(b"\x89PNG") && small.body != *picture, "{} bytes", small.body.len());
    site.stop();
    release.verify();
}

/// Sends a picture by Wagtail's form for one.
#[track_caller]
fn upload(visitor: &Visitor, title: &str, picture: &[u8]) {
    let form = visitor.get("/admin/images/add/").unwrap().with_status(200).unwrap();
    let token = form.between("name=\"csrfmiddlewaretoken\" value=\"", "\"").unwrap();
    let mut body = Vec::new();
    for (name, value) in [("csrfmiddlewaretoken", token.as_str()), ("title", title)] {
        let part = format!("--limit\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    let part = "--limit\r\nContent-Disposition: form-data; name=\"file\"; filename=\"grün.png\"\r\n\
                Content-Type: image/png\r\n\r\n";
    body.extend_from_slice(part.as_bytes());
    body.extend_from_slice(picture);
    body.extend_from_slice(b"\r\n--limit--\r\n");
    let answer = visitor.post("/admin/images/add/", "multipart/form-data; boundary=limit", &body).unwrap();
    answer.with_status(302).unwrap();
}

/// `wagtail start shop`, by wagtail itself from the package index.
fn wagtail_start(test: &Test) {
    test.django(&["-m", "venv", "wagtail"]);
    let python = test.path("wagtail/bin/python");
    for args in [
        vec!["-m", "pip", "install", "--quiet", "wagtail>=7.0,<7.1"],
        vec!["-c", "from wagtail.bin.wagtail import main; main()", "start", "shop"],
    ] {
        let done = Command::new(&python).args(&args).current_dir(test.path("")).output().unwrap();
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
    fs_err::remove_dir_all(test.path("wagtail")).unwrap();
}
