//! The site that everyone starts with: `django-admin startproject`, SQLite and uploads below BASE_DIR.

use crate::harness::{Preview, Test};

/// `django-admin startproject mysite`, with one app as a first day brings it.
fn site_with_notes() -> Test {
    let test = Test::empty();
    fs_err::create_dir(test.path("site")).unwrap();
    test.django(&["-m", "django", "startproject", "mysite", "site"]);
    test.fixture("notes", "site").write("site/requirements.txt", "django>=5.2,<5.3\n");
    for (file, tail) in [("settings", "settings-tail.py"), ("urls", "urls-tail.py")] {
        let file = format!("site/mysite/{file}.py");
        let whole = test.read(&file) + &test.read(&format!("site/{tail}"));
        test.write(&file, whole);
        fs_err::remove_file(test.path(&format!("site/{tail}"))).unwrap();
    }
    test
}

fn leave_note(site: &Preview, text: &str) {
    let body = format!(
        "--limit\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\n{text}\r\n\
         --limit\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{text}.txt\"\r\n\
         Content-Type: text/plain\r\n\r\nthe file of {text}\r\n--limit--\r\n"
    );
    let answer = site.post("/notes/", "multipart/form-data; boundary=limit", body.as_bytes());
    assert_eq!(answer.status, 302, "{}", answer.text());
}

#[test]
fn rows_and_uploads_outlive_the_folder_that_served_them() {
    let test = site_with_notes();
    let first = test.bundle("site", &["--version", "1.0"]);
    let site = test.preview([first.as_os_str(), "--root".as_ref(), "server".as_ref(), "--migrate".as_ref()]);
    leave_note(&site, "first");
    site.stop();

    test.write("site/notes/static/notes/style.css", "p { margin: 2em; }\n");
    let second = test.bundle("site", &["--version", "2.0"]);
    let site = test.preview([second.as_os_str(), "--root".as_ref(), "server".as_ref()]);
    leave_note(&site, "second");
    let notes = site.get("/notes/");
    assert!(notes.text().contains("1: first") && notes.text().contains("2: second"), "{}", notes.text());
    assert_eq!(site.get("/notes/1/file/").text(), "the file of first");
    let stylesheet = notes.between("href=\"", "\"");
    assert!(stylesheet.starts_with("/static/notes/style.") && stylesheet != "/static/notes/style.css");
    let stylesheet = site.get(&stylesheet);
    assert_eq!((stylesheet.status, stylesheet.text().as_str()), (200, "p { margin: 2em; }\n"));
    assert_eq!(stylesheet.header("cache-control"), "public, max-age=31536000, immutable");
    site.stop();
    let releases = fs_err::read_dir(test.path("server/site/releases")).unwrap().count();
    assert_eq!(releases, 2, "each version was served from a folder of its own");
}

#[test]
fn an_untouched_startproject_site_serves_its_admin() {
    let test = Test::empty();
    fs_err::create_dir(test.path("site")).unwrap();
    test.django(&["-m", "django", "startproject", "mysite", "site"]);
    test.write("site/requirements.txt", "django>=5.2,<5.3\n");
    let bundle = test.bundle("site", &[]);
    let site = test.preview([bundle.as_os_str(), "--migrate".as_ref()]);
    assert_eq!(site.get("/").status, 200, "Django's welcome page");
    let login = site.get("/admin/login/");
    assert!(login.text().contains("Django administration"), "{}", login.text());
    let stylesheet = site.get(&login.between("rel=\"stylesheet\" href=\"", "\""));
    assert_eq!((stylesheet.status, stylesheet.header("content-type")), (200, "text/css; charset=utf-8"));
    site.stop();
}
