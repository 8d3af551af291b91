//! Objects and secrets from standard input.

use crate::harness::Server;

#[test]
fn a_password_comes_by_standard_input_and_is_noted_nowhere() {
    let server = Server::with_shop();
    let input = r#"<?xml version="1.0" encoding="UTF-8"?><appcmd><APPPOOL APPPOOL.NAME="Shop"><add name="Shop">
        <processModel identityType="SpecificUser" userName="D\u" password="planted &amp; more" /></add></APPPOOL></appcmd>"#;
    let done = server.run_with(&["set", "apppool", "/in"], input);
    assert_eq!((done.exit, done.stdout.as_slice()), (0, b"APPPOOL object \"Shop\" changed\r\n".as_slice()));
    let pool = server.config().pool("Shop").unwrap();
    assert_eq!((pool.identity_type.as_str(), pool.user_name.as_str()), ("SpecificUser", r"D\u"));
    assert!(server.file().contains("password=\"[enc:"));
    for entry in fs_err::read_dir(server.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            assert!(!fs_err::read_to_string(&path).unwrap().contains("planted"), "{}", path.display());
        }
    }
    // What isn't said stays.
    assert_eq!(pool.managed_runtime_version, "");
}

#[test]
fn what_list_prints_is_what_add_takes_back() {
    let server = Server::with_shop();
    server.done(&["set", "site", "Shop", "/limits.connectionTimeout:00:05:00"]);
    let shown = server.run_with(&["list", "site", "Shop", "/config", "/xml"], "").stdout;
    let pool = server.run_with(&["list", "apppool", "Shop", "/config", "/xml"], "").stdout;
    let before = server.config().site("Shop").unwrap();
    server.done(&["delete", "site", "Shop"]);
    server.done(&["delete", "apppool", "Shop"]);
    for (object, text) in [("site", shown), ("apppool", pool)] {
        assert_eq!(server.run_with(&["add", object, "/in"], str::from_utf8(&text).unwrap()).exit, 0);
    }
    assert_eq!(server.config().site("Shop").unwrap(), before);
    assert!(server.config().pool("Shop").is_some());
}

#[test]
fn input_names_the_objects_of_other_verbs() {
    let server = Server::with_shop();
    let input = "<appcmd><SITE SITE.NAME=\"Shop\" /><SITE SITE.NAME=\"Default Web Site\" /></appcmd>";
    let done = server.run_with(&["stop", "site", "-"], input);
    assert_eq!(
        String::from_utf8(done.stdout).unwrap(),
        "\"Shop\" successfully stopped\r\n\"Default Web Site\" successfully stopped\r\n"
    );
    for wrong in ["", "<x/>", "<appcmd>", "<appcmd />"] {
        let done = server.run_with(&["stop", "site", "/in"], wrong);
        assert!(done.exit == 13 || done.exit == 87, "{wrong}: {done:?}");
    }
}

#[test]
fn a_section_is_taken_back_as_it_was_printed() {
    let server = Server::with_shop();
    let section = "/section:anonymousAuthentication";
    server.done(&["set", "config", "Shop", section, "/userName:me", "/commit:apphost"]);
    let shown = server.run_with(&["list", "config", "Shop", section, "/xml"], "").stdout;
    server.done(&["clear", "config", "Shop", section, "/commit:apphost"]);
    let done = server
        .run_with(&["set", "config", "Shop", "/in", "/commit:apphost"], str::from_utf8(&shown).unwrap());
    assert_eq!(done.exit, 0, "{done:?}");
    server.check(&["list", "config", "Shop", section, "/text:userName"], 0, "me\n");
}
