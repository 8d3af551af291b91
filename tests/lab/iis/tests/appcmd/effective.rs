//! What counts for a path, and what makes it a 500.19.

use crate::harness::Server;
use holdall_lab_iis::config::{RemoveAbsent, Violation, hresult};
use holdall_lab_iis::init::Kind;
use holdall_lab_iis::physical::{mapped, web_configs};

const HANDLER: &str = r#"<handlers><add name="Django" path="*" verb="*" modules="FastCgiModule" scriptProcessor="p|a" /></handlers>"#;

/// Writes `web.config` into a folder below `C:\shop`.
fn web_config(server: &Server, folder: &str, inside: &str) {
    let folder = server.folder.path().join("c/shop").join(folder);
    fs_err::create_dir_all(&folder).unwrap();
    let text = format!("<?xml version=\"1.0\"?>\n<configuration>\n{inside}\n</configuration>\n");
    fs_err::write(folder.join("web.config"), text).unwrap();
}

fn check_at(server: &Server, path: &str, remove_absent: RemoveAbsent) -> Result<(), Violation> {
    let config = server.config();
    let files = web_configs(&config, &server.lab().settings.paths, path)?;
    config.check(path, &files, remove_absent)
}

/// The values of one attribute of a section's items.
fn items(server: &Server, section: &str, path: &str, attribute: &str) -> Vec<String> {
    let config = server.config();
    let files = web_configs(&config, &server.lab().settings.paths, path).unwrap();
    let effective = config.effective(section, path, &files, RemoveAbsent::Fine).unwrap();
    effective.items().iter().map(|item| item.text(attribute).to_owned()).collect()
}

#[test]
fn a_fault_in_web_config_is_told_with_its_hresult() {
    for (inside, hresult, message) in [
        ("<system.webServer><staticContent /></system.webServer>", 0, ""),
        ("<appSettings><add key='a' value='b' /></appSettings><system.web><x /></system.web>", 0, ""),
        (
            "<system.webServer><rewrite /></system.webServer>",
            hresult::INVALID_DATA,
            "missing a section declaration",
        ),
        (
            "<system.webServer><fastCgi /></system.webServer>",
            hresult::LOCKED,
            "This configuration section cannot be used",
        ),
        (
            "<system.webServer><handlers /></system.webServer>",
            hresult::LOCKED,
            "This configuration section cannot be used",
        ),
        (
            "<system.webServer><security><authentication><anonymousAuthentication userName='' /></authentication></security></system.webServer>",
            hresult::LOCKED,
            "This configuration section cannot be used",
        ),
        (
            "<system.webServer><httpErrors defaultPath='x' /></system.webServer>",
            hresult::LOCKED,
            "Lock violation",
        ),
        (
            "<system.webServer><urlCompression doStatic='x' /></system.webServer>",
            hresult::INVALID_DATA,
            "Unrecognized attribute 'doStatic'",
        ),
        (
            "<system.webServer><staticContent><mime /></staticContent></system.webServer>",
            hresult::INVALID_DATA,
            "Unrecognized element 'mime'",
        ),
        (
            "<system.webServer><urlCompression dostaticcompression='true' /></system.webServer>",
            hresult::INVALID_DATA,
            "Unrecognized attribute",
        ),
        (
            "<system.webServer><staticContent><mimeMap fileExtension='.css' mimeType='text/css' /></staticContent></system.webServer>",
            hresult::DUPLICATE,
            "Cannot add duplicate collection entry of type 'mimeMap' with unique key attribute 'fileExtension' set to '.css'",
        ),
        (
            "<system.webServer><staticContent><remove fileExtension='.css' /><mimeMap fileExtension='.css' mimeType='x/y' /></staticContent></system.webServer>",
            0,
            "",
        ),
        (
            "<system.webServer><staticContent><mimeMap fileExtension='.x' /></staticContent></system.webServer>",
            hresult::INVALID_DATA,
            "Missing required attribute 'mimeType'",
        ),
        (
            "<system.webServer><caching /><caching /></system.webServer>",
            hresult::DUPLICATE,
            "Sections must only appear once per config file",
        ),
        ("<location path='inner'><system.webServer><handlers /></system.webServer></location>", 0, ""),
        ("<system.webServer><caching>", hresult::INVALID_DATA, "not well-formed XML"),
    ] {
        let server = Server::with_shop();
        web_config(&server, "", inside);
        let path = if inside.starts_with("<location") { "Shop" } else { "Shop/folder" };
        let found = check_at(&server, path, RemoveAbsent::Fine);
        match found {
            Ok(()) => assert_eq!(hresult, 0, "{inside}"),
            Err(violation) => {
                assert_eq!(violation.hresult, hresult, "{inside}: {violation}");
                assert!(violation.message.contains(message), "{inside}: {violation}");
                assert!(violation.file.ends_with("web.config"), "{violation:?}");
            }
        }
    }
}

#[test]
fn a_lock_is_undone_above_and_never_below() {
    let server = Server::with_shop();
    let handlers = format!("<system.webServer>{HANDLER}</system.webServer>");
    web_config(&server, "", &handlers);
    assert_eq!(check_at(&server, "Shop", RemoveAbsent::Fine).unwrap_err().hresult, hresult::LOCKED);
    web_config(&server, "", &format!("<location path=\".\" overrideMode=\"Allow\">{handlers}</location>"));
    assert_eq!(check_at(&server, "Shop", RemoveAbsent::Fine).unwrap_err().hresult, hresult::LOCKED);
    server.done(&["unlock", "config", "Shop", "/section:handlers"]);
    check_at(&server, "Shop", RemoveAbsent::Fine).unwrap();
    assert_eq!(items(&server, "system.webServer/handlers", "Shop/app/x", "name")[0], "Django");
    // A file may lock further for those below it.
    web_config(&server, "", &format!("<location path=\".\" overrideMode=\"Deny\">{handlers}</location>"));
    web_config(&server, "app", "<system.webServer><handlers accessPolicy='Read' /></system.webServer>");
    check_at(&server, "Shop", RemoveAbsent::Fine).unwrap();
    assert_eq!(check_at(&server, "Shop/app", RemoveAbsent::Fine).unwrap_err().hresult, hresult::LOCKED);
}

#[test]
fn what_asp_net_has_opened_a_location_can_close_again() {
    let server = Server::with(Kind::AspNet, "").and_shop();
    server.done(&["add", "vdir", "/app.name:Shop/", "/path:/media", r"/physicalPath:C:\media"]);
    let media = server.folder.path().join("c/media");
    fs_err::create_dir_all(&media).unwrap();
    fs_err::write(
        media.join("web.config"),
        "<configuration><system.webServer><handlers /></system.webServer></configuration>",
    )
    .unwrap();
    check_at(&server, "Shop/media", RemoveAbsent::Fine).unwrap();
    server.done(&["lock", "config", "Shop/media", "/section:handlers"]);
    assert_eq!(check_at(&server, "Shop/media/x", RemoveAbsent::Fine).unwrap_err().hresult, hresult::LOCKED);
}

#[test]
fn removing_what_is_absent_is_what_the_switch_says() {
    let server = Server::with_shop();
    web_config(
        &server,
        "",
        "<system.webServer><staticContent><remove fileExtension='.none' /></staticContent></system.webServer>",
    );
    check_at(&server, "Shop", RemoveAbsent::Fine).unwrap();
    let violation = check_at(&server, "Shop", RemoveAbsent::Error).unwrap_err();
    assert_eq!((violation.hresult, violation.line), (hresult::NOT_FOUND, 3));
}

#[test]
fn deeper_entries_come_first_where_the_schema_says_so_and_last_elsewhere() {
    let server = Server::with(Kind::AspNet, "").and_shop();
    web_config(
        &server,
        "",
        "<system.webServer><handlers><add name='a' path='a' verb='*' /><add name='b' path='b' verb='*' /></handlers>\
         <staticContent><mimeMap fileExtension='.one' mimeType='x/y' /></staticContent></system.webServer>",
    );
    let handlers = items(&server, "system.webServer/handlers", "Shop", "name");
    assert_eq!(&handlers[..3], ["a", "b", "CGI-exe"]);
    assert_eq!(
        items(&server, "system.webServer/staticContent", "Shop", "fileExtension").last().unwrap(),
        ".one"
    );
}

#[test]
fn a_location_may_be_kept_from_child_applications() {
    let server = Server::with(Kind::AspNet, "").and_shop();
    let inside = format!(
        "<location path='.' inheritInChildApplications='false'><system.webServer>{HANDLER}</system.webServer></location>"
    );
    web_config(&server, "", &inside);
    assert_eq!(items(&server, "system.webServer/handlers", "Shop/folder", "name")[0], "Django");
    assert_eq!(items(&server, "system.webServer/handlers", "Shop/app/folder", "name")[0], "CGI-exe");
}

#[test]
fn a_section_for_applications_may_not_stand_deeper() {
    let server = Server::with_shop();
    let inside =
        "<system.webServer><applicationInitialization doAppInitAfterRestart='true' /></system.webServer>";
    web_config(&server, "", inside);
    web_config(&server, "app", inside);
    check_at(&server, "Shop/app/x", RemoveAbsent::Fine).unwrap();
    web_config(&server, "folder", inside);
    assert_eq!(check_at(&server, "Shop/folder", RemoveAbsent::Fine).unwrap_err().hresult, hresult::LOCKED);
}

#[test]
fn an_uploaded_web_config_counts_only_where_it_is_allowed() {
    let server = Server::with_shop();
    server.done(&[
        "add",
        "vdir",
        "/app.name:Shop/",
        "/path:/media",
        r"/physicalPath:C:\media",
        "/allowSubDirConfig:false",
    ]);
    let media = server.folder.path().join("c/media/up");
    fs_err::create_dir_all(&media).unwrap();
    let broken = "<configuration><system.webServer><none /></system.webServer></configuration>";
    fs_err::write(media.join("web.config"), broken).unwrap();
    check_at(&server, "Shop/media/up", RemoveAbsent::Fine).unwrap();
    fs_err::write(media.parent().unwrap().join("web.config"), broken).unwrap();
    check_at(&server, "Shop/media/up", RemoveAbsent::Fine).unwrap_err();
}

#[test]
fn paths_lead_to_the_deepest_application_and_directory() {
    let server = Server::with_shop();
    server.done(&["add", "vdir", "/app.name:Shop/app", "/path:/m", r"/physicalPath:%SystemDrive%\m"]);
    let config = server.config();
    let paths = server.lab().settings.paths;
    for (path, expected) in [
        ("Shop", "c/shop"),
        ("Shop/x/y", "c/shop/x/y"),
        ("shop/APP/x", "c/shop/app/x"),
        ("Shop/apple", "c/shop/apple"),
        ("Shop/app/m", "c/m"),
        ("Shop/app/m/n", "c/m/n"),
    ] {
        let folder = mapped(&config, path).unwrap().folder(&paths);
        assert_eq!(folder, server.folder.path().join(expected), "{path}");
    }
    assert!(mapped(&config, "None/x").is_none());
}

#[test]
fn items_with_a_lock_are_not_taken_out_below() {
    let server = Server::with(Kind::AspNet, "").and_shop();
    for edit in ["<remove name='StaticFileModule' />", "<clear />"] {
        web_config(&server, "", &format!("<system.webServer><modules>{edit}</modules></system.webServer>"));
        let violation = check_at(&server, "Shop", RemoveAbsent::Fine).unwrap_err();
        assert_eq!(
            (violation.hresult, violation.message.as_str()),
            (hresult::LOCKED, "Lock violation"),
            "{edit}"
        );
    }
}
