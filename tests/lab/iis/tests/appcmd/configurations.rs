//! `list`, `set`, `clear`, `lock` and `unlock` of `config`.

use crate::harness::Server;
use holdall_lab_iis::config::Mode;
use holdall_lab_iis::init::{Kind, init};

const FASTCGI: &str = "/section:system.webServer/fastCgi";
const KEY: &str = r"fullPath='C:\a b\python.exe',arguments='-m x --config C:\run\bridge.toml'";

fn applied(section: &str, path: &str, commit: &str) -> String {
    let server = |path: &str| match path {
        "" => "MACHINE/WEBROOT/APPHOST".to_owned(),
        path => format!("MACHINE/WEBROOT/APPHOST/{path}"),
    };
    format!(
        "Applied configuration changes to section \"{section}\" for \"{}\" at configuration commit path \"{}\"\n",
        server(path),
        server(commit)
    )
}

#[test]
fn an_application_of_fastcgi_is_added_changed_and_removed() {
    let server = Server::new();
    let done = applied("system.webServer/fastCgi", "", "");
    server.check(
        &["set", "config", FASTCGI, &format!("/+[{KEY},maxInstances='4']"), "/commit:apphost"],
        0,
        &done,
    );
    server.check(&["set", "config", "-section:fastCGI", &format!("/[{KEY}].idleTimeout:600")], 0, &done);
    let nested = format!("/+[{KEY}].environmentVariables.[name='A',value='b c']");
    server.check(&["set", "config", FASTCGI, &nested], 0, &done);
    let shown = server.done(&["list", "config", FASTCGI]);
    assert_eq!(
        shown,
        "<system.webServer>\n  <fastCgi>\n    <application fullPath=\"C:\\a b\\python.exe\" arguments=\"-m x --config \
         C:\\run\\bridge.toml\" maxInstances=\"4\" idleTimeout=\"600\">\n      <environmentVariables>\n        \
         <environmentVariable name=\"A\" value=\"b c\" />\n      </environmentVariables>\n    </application>\n  \
         </fastCgi>\n</system.webServer>\n"
    );
    let full = server.done(&["list", "config", FASTCGI, "/config:*"]);
    assert!(full.contains("stderrMode=\"ReturnStdErrIn500\""), "{full}");
    let [application] = server.config().fastcgi_applications().try_into().unwrap();
    assert_eq!((application.max_instances, application.idle_timeout), (4, 600));
    server.check(&["set", "config", FASTCGI, &format!("/-[{KEY}]")], 0, &done);
    assert!(server.config().fastcgi_applications().is_empty());
}

#[test]
fn fastcgi_is_refused_outside_of_its_ranges_twice_and_below_the_server() {
    let server = Server::with_shop();
    server.done(&["set", "config", FASTCGI, &format!("/+[{KEY}]")]);
    for (args, exit, text) in [
        (
            vec![format!("/+[{KEY}]")],
            183,
            "New application object missing required attributes. Cannot add duplicate collection entry of type \
             'application' with combined key attributes 'fullPath, arguments' respectively set to 'C:\\a b\\python.exe, \
             -m x --config C:\\run\\bridge.toml'\n\n.",
        ),
        (
            vec!["/+[arguments='x']".to_owned()],
            2,
            "New application object missing required attributes. The system cannot find the file specified.\n\n.",
        ),
        (
            vec!["/+[fullPath='p',maxInstances='10001']".to_owned()],
            13,
            "Can not set attribute \"maxInstances\" to value \"10001\".. Reason: Integer value must be between 0 and 10000 inclusive .",
        ),
        (
            vec![format!("/[{KEY}].protocol:Pipe")],
            13,
            "Can not set attribute \"[fullPath='C:\\a b\\python.exe',arguments='-m x --config C:\\run\\bridge.toml'].protocol\" \
             to value \"Pipe\".. Reason: Enum must be one of NamedPipe, Tcp .",
        ),
        (
            vec!["/+[fullPath='p',nonsense='1']".to_owned()],
            87,
            "Unknown attribute \"nonsense\".  Replace with -? for help.",
        ),
        (
            vec!["/[fullPath='none'].idleTimeout:60".to_owned()],
            4312,
            "Cannot find requested collection element.",
        ),
        (vec!["/-[fullPath='none']".to_owned()], 4312, "Cannot find requested collection element."),
        (vec!["/enabled:true".to_owned()], 87, "Unknown attribute \"enabled\".  Replace with -? for help."),
    ] {
        let mut words = vec!["set", "config", FASTCGI];
        words.extend(args.iter().map(String::as_str));
        server.check_refused(&words, exit, &format!("ERROR ( message:{text} )\n"));
    }
    assert_eq!(server.run(&["set", "config", "Shop", FASTCGI, "/+[fullPath='p']", "/commit:apphost"]).0, 33);
    assert_eq!(server.run(&["set", "config", "Shop", FASTCGI, "/+[fullPath='p']"]).0, 33);
    server.check_refused(
        &["set", "config", "/section:rewrite", "/x:1"],
        87,
        "ERROR ( message:Unknown config section \"rewrite\".  Replace with ? for help. )\n",
    );
    assert_eq!(server.run(&["set", "config", "/x:1"]).0, 87);
    assert_eq!(server.run(&["set", "config", "None", FASTCGI, "/commit:apphost"]).0, 1168);
}

#[test]
fn several_changes_in_one_command_are_all_made_or_none() {
    let server = Server::new();
    server.check_refused(
        &["set", "config", FASTCGI, "/+[fullPath='one']", "/-[fullPath='two']"],
        4312,
        "ERROR ( message:Cannot find requested collection element. )\n",
    );
    server.done(&[
        "set",
        "config",
        FASTCGI,
        "/+[fullPath='one']",
        "/+[fullPath='two']",
        "/-[fullPath='one']",
    ]);
    let paths: Vec<_> = server.config().fastcgi_applications().into_iter().map(|own| own.full_path).collect();
    assert_eq!(paths, ["two"]);
}

#[test]
fn handlers_of_a_site_go_into_a_location_and_before_inherited_ones() {
    let server = Server::with_shop();
    let add = "/+[@start,name='Django',path='*',verb='*',modules='FastCgiModule',scriptProcessor='p|a',resourceType='Unspecified']";
    let section = "/section:system.webServer/handlers";
    let done = applied("system.webServer/handlers", "Shop", "");
    server.check(&["set", "config", "Shop", section, add, "/commit:apphost"], 0, &done);
    assert!(server.file().contains(
        "    <location path=\"Shop\">\r\n        <system.webServer>\r\n            <handlers>\r\n                <add name=\"Django\""
    ));
    let names = |path: &str| {
        let shown = server.done(&["list", "config", path, section]);
        shown
            .lines()
            .filter_map(|line| line.split("name=\"").nth(1)?.split('"').next().map(ToOwned::to_owned))
            .collect::<Vec<_>>()
    };
    let inherited = ["CGI-exe", "TRACEVerbHandler", "OPTIONSVerbHandler", "StaticFile"];
    assert_eq!(names("Shop")[0], "Django");
    assert_eq!(names("Shop/app").len(), 5);
    assert_eq!(names("Default Web Site"), inherited);
    // What is inherited is taken out by a `remove`, changed by a copy, and can't be added again.
    server.done(&["set", "config", "Shop/app", section, "/-[name='Django']", "/commit:apphost"]);
    assert_eq!(names("Shop/app"), inherited);
    server.done(&[
        "set",
        "config",
        "Shop/app",
        section,
        "/[name='StaticFile'].requireAccess:Script",
        "/commit:apphost",
    ]);
    assert!(server.file().contains("<remove name=\"StaticFile\" />"));
    assert_eq!(names("Shop/app")[0], "StaticFile");
    let again = "/+[name='StaticFile',path='*',verb='*']";
    let (exit, text) = server.run(&["set", "config", "Shop", section, again, "/commit:apphost"]);
    assert_eq!(exit, 183, "{text}");
    assert!(text.contains("of type 'add' with unique key attribute 'name' set to 'StaticFile'"), "{text}");
    server.done(&["set", "config", "Shop/app", section, "/~", "/commit:apphost"]);
    assert_eq!(names("Shop/app"), [""; 0]);
    server.check(
        &["clear", "config", "Shop/app", section, "/commit:apphost"],
        0,
        &applied("system.webServer/handlers", "Shop/app", ""),
    );
    assert_eq!(names("Shop/app").len(), 5);
}

#[test]
fn a_locked_section_is_not_written_to_web_config_until_it_is_unlocked() {
    let server = Server::with_shop();
    let edit = ["set", "config", "Shop", "/section:handlers", "/accessPolicy:Read"];
    let (exit, text) = server.run(&edit);
    assert_eq!(exit, 33);
    assert!(
        text.starts_with("ERROR ( hresult:80070021, message:Failed to commit configuration changes. "),
        "{text}"
    );
    let unlocked = "Unlocked section \"system.webServer/handlers\" at configuration path \"MACHINE/WEBROOT/APPHOST/Shop\".\n";
    server.check(&["unlock", "config", "Shop", "/section:handlers", "/commit:apphost"], 0, unlocked);
    assert!(server.file().contains("<location path=\"Shop\" overrideMode=\"Allow\">"));
    assert_eq!(server.config().mode("system.webServer/handlers", "Shop/app"), Mode::Allow);
    assert_eq!(server.config().mode("system.webServer/handlers", "Default Web Site"), Mode::Deny);
    server.check(&edit, 0, &applied("system.webServer/handlers", "Shop", "Shop"));
    let web_config = server.folder.path().join("c/shop/web.config");
    let text = fs_err::read_to_string(web_config).unwrap();
    assert!(text.contains("<handlers accessPolicy=\"Read\" />"), "{text}");
    let locked = "Locked section \"system.webServer/handlers\" at configuration path \"MACHINE/WEBROOT/APPHOST/Shop\".\n";
    server.check(&["lock", "config", "Shop", "/section:handlers"], 0, locked);
    let (exit, text) = server.run(&["list", "config", "Shop", "/section:handlers"]);
    assert_eq!(exit, 33);
    assert!(text.contains("hresult:80070021") && text.contains("web.config"), "{text}");
}

#[test]
fn a_section_unlocked_for_all_moves_into_a_location_of_its_own() {
    let server = Server::new();
    let unlocked =
        "Unlocked section \"system.webServer/handlers\" at configuration path \"MACHINE/WEBROOT/APPHOST\".\n";
    server.check(&["unlock", "config", "/section:handlers"], 0, unlocked);
    assert_eq!(server.config().mode("system.webServer/handlers", "Default Web Site"), Mode::Allow);
    assert!(server.file().contains("<location path=\"\" overrideMode=\"Allow\">"));
    // It goes on being the server's section.
    let edit = ["set", "config", "/section:handlers", "/accessPolicy:Read"];
    server.check(&edit, 0, &applied("system.webServer/handlers", "", ""));
    assert_eq!(server.file().matches("<handlers").count(), 1);
    let open = Server::with(Kind::AspNet, "");
    open.done(&[
        "set",
        "config",
        "Default Web Site",
        "/section:handlers",
        "/+[name='x',path='x',verb='*']",
        "/commit:apphost",
    ]);
}

#[test]
fn commits_go_to_the_file_that_is_named() {
    let server = Server::with_shop();
    let section = "/section:httpProtocol";
    let folder = server.folder.path().join("c/shop");
    fs_err::create_dir_all(folder.join("app/inner")).unwrap();
    for (identifier, commit, file, location) in [
        ("Shop/app/inner", "", "app/inner/web.config", None),
        ("Shop/app/inner", "/commit:url", "app/inner/web.config", None),
        ("Shop/app/inner", "/commit:app", "app/web.config", Some("inner")),
        ("Shop/app/inner", "/commit:parent", "app/web.config", Some("inner")),
        ("Shop/app/inner", "/commit:site", "web.config", Some("app/inner")),
        ("http://localhost:81/app", "/commit:MACHINE/WEBROOT/APPHOST/Shop", "web.config", Some("app")),
    ] {
        let mut words = vec!["set", "config", identifier, section, "/allowKeepAlive:false"];
        words.extend((!commit.is_empty()).then_some(commit));
        server.done(&words);
        let text = fs_err::read_to_string(folder.join(file)).unwrap();
        let expected = location.map(|path| format!("<location path=\"{path}\">"));
        assert!(
            text.contains("allowKeepAlive=\"false\"") && text.contains(&expected.unwrap_or_default()),
            "{text}"
        );
        fs_err::remove_file(folder.join(file)).unwrap();
    }
    assert_eq!(
        server.run(&["set", "config", "Shop/app", section, "/allowKeepAlive:false", "/commit:Other"]).0,
        87
    );
    assert_eq!(server.run(&["set", "config", "Shop/none/here", section, "/allowKeepAlive:false"]).0, 87);
}

#[test]
fn sections_are_listed_by_name_as_xml_and_by_value() {
    let server = Server::with_shop();
    let names = server.done(&["list", "config", "/section:?"]);
    assert!(names.lines().any(|name| name == "system.webServer/security/requestFiltering"), "{names}");
    let section = "/section:anonymousAuthentication";
    server.check(&["list", "config", "Shop", section, "/text:userName"], 0, "IUSR\n");
    server.done(&["set", "config", "Shop", section, "/userName:", "/commit:apphost"]);
    server.check(&["list", "config", "Shop", section, "/text:userName"], 0, "\n");
    server.check(
        &["list", "config", "Shop", section, "/xml"],
        0,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<appcmd>\n    <CONFIG \
         CONFIG.SECTION=\"system.webServer/security/authentication/anonymousAuthentication\" \
         path=\"MACHINE/WEBROOT/APPHOST/Shop\" overrideMode=\"Inherit\" locked=\"true\">\n        \
         <system.webServer-security-authentication-anonymousAuthentication enabled=\"true\" userName=\"\" />\n    \
         </CONFIG>\n</appcmd>\n",
    );
    let modules = server.done(&["list", "config", "-section:system.webServer/globalModules"]);
    assert!(modules.contains("<add name=\"FastCgiModule\""), "{modules}");
    assert!(server.done(&["list", "config"]).contains("<requestFiltering>"));
}

#[test]
fn sites_can_be_made_by_their_section() {
    let server = Server::new();
    let section = "-section:system.applicationHost/sites";
    for edit in [
        "/+[name='S',id='2',serverAutoStart='True']",
        "/+[name='S',id='2'].bindings.[protocol='http',bindingInformation='*:82:']",
        "/+[name='S',id='2'].[path='/',applicationPool='DefaultAppPool']",
        r"/+[name='S',id='2'].[path='/'].[path='/',physicalPath='C:\x']",
        "/[name='S'].limits.connectionTimeout:00:05:00",
    ] {
        server.check(
            &["set", "config", section, edit, "/commit:apphost"],
            0,
            &applied("system.applicationHost/sites", "", ""),
        );
    }
    server.check(&["list", "vdir", "S/", "/text:physicalPath"], 0, "C:\\x\n");
    server.check(&["list", "site", "S", "/text:limits.connectionTimeout"], 0, "00:05:00\n");
}

#[test]
fn items_with_a_lock_stay() {
    let server = Server::with_shop();
    for edit in ["/-[name='StaticFileModule']", "/~", "/[name='StaticFileModule'].preCondition:x"] {
        let (exit, text) =
            server.run(&["set", "config", "Shop", "/section:modules", edit, "/commit:apphost"]);
        assert_eq!(exit, 33, "{edit} {text}");
        assert!(text.contains("Lock violation"), "{text}");
    }
}

#[test]
fn locked_attributes_stay() {
    let server = Server::with_shop();
    let edit = ["set", "config", "Shop", "/section:httpErrors", "/defaultPath:x", "/commit:apphost"];
    let (exit, text) = server.run(&edit);
    assert_eq!(exit, 33);
    assert!(text.contains("Lock violation"), "{text}");
    server.done(&[
        "set",
        "config",
        "Shop",
        "/section:httpErrors",
        "/existingResponse:PassThrough",
        "/commit:apphost",
    ]);
    // The lock is for those below, not for the server itself.
    server.done(&["set", "config", "/section:httpErrors", "/defaultPath:x"]);
}

#[test]
fn a_shared_configuration_is_the_one_that_is_changed() {
    let server = Server::new();
    let before = server.file();
    let shared = server.folder.path().join("c/shared");
    init(&shared, Kind::Cgi).unwrap();
    let redirection =
        r#"<configuration><configurationRedirection enabled="true" path="C:\shared" /></configuration>"#;
    fs_err::write(server.folder.path().join("redirection.config"), redirection).unwrap();
    server.done(&["add", "apppool", "/name:Shared"]);
    assert!(server.config().pool("Shared").is_some());
    assert_eq!(server.lab().config(), shared.join("applicationHost.config"));
    assert_eq!(fs_err::read_to_string(server.folder.path().join("applicationHost.config")).unwrap(), before);
}

#[test]
fn a_section_can_be_taken_out_with_all_that_held_it() {
    let server = Server::with_shop();
    let before = server.file();
    let section = "/section:system.webServer/security/authentication/anonymousAuthentication";
    server.done(&["set", "config", "Shop", section, "/userName:", "/commit:apphost"]);
    server.done(&["clear", "config", "Shop", section, "/delete", "/commit:apphost"]);
    assert_eq!(server.file(), before);
    server.done(&["set", "config", "Shop", "/section:handlers", "/overrideMode:Allow", "/commit:apphost"]);
    assert_eq!(server.config().mode("system.webServer/handlers", "Shop"), Mode::Allow);
    server.done(&["clear", "config", "Shop", "/section:handlers", "/delete", "/commit:apphost"]);
    assert_eq!(server.file(), before);
    server.check_refused(
        &["clear", "config", "Shop", section, "/nonsense:1", "/commit:apphost"],
        87,
        "ERROR ( message:Unknown attribute \"nonsense\".  Replace with -? for help. )\n",
    );
}
