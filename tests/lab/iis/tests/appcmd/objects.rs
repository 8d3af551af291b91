//! `list`, `add`, `set`, `delete` of sites, applications, virtual directories and pools.

use crate::harness::Server;
use holdall_lab_iis::init::Kind;

const DEFAULT: &str = "SITE \"Default Web Site\" (id:1,bindings:http/*:80:,state:Started)\n";

#[test]
fn objects_are_listed_a_line_each() {
    let server = Server::with_shop();
    for (args, expected) in [
        (vec!["list", "site"], format!("{DEFAULT}SITE \"Shop\" (id:2,bindings:http/*:81:,state:Started)\n")),
        (vec!["list", "site", "shop"], "SITE \"Shop\" (id:2,bindings:http/*:81:,state:Started)\n".to_owned()),
        (vec!["list", "site", "http://localhost:81/"], "SITE \"Shop\" (id:2,bindings:http/*:81:,state:Started)\n".to_owned()),
        (vec!["list", "site", "/id:1"], DEFAULT.to_owned()),
        (vec!["list", "site", "/state:Started", "/name:Shop"], "SITE \"Shop\" (id:2,bindings:http/*:81:,state:Started)\n".to_owned()),
        (
            vec!["list", "app", "/site.name:Shop"],
            "APP \"Shop/\" (applicationPool:DefaultAppPool)\nAPP \"Shop/app\" (applicationPool:DefaultAppPool)\n".to_owned(),
        ),
        (vec!["list", "vdir", "Shop/"], "VDIR \"Shop/\" (physicalPath:C:\\shop)\n".to_owned()),
        (vec!["list", "vdir", "Shop/app/"], "VDIR \"Shop/app/\" (physicalPath:C:\\shop\\app)\n".to_owned()),
        (
            vec!["list", "vdir", "Default Web Site/"],
            "VDIR \"Default Web Site/\" (physicalPath:%SystemDrive%\\inetpub\\wwwroot)\n".to_owned(),
        ),
        (
            vec!["list", "apppool"],
            "APPPOOL \"DefaultAppPool\" (MgdVersion:v4.0,MgdMode:Integrated,state:Started)\nAPPPOOL \"Shop\" \
             (MgdVersion:,MgdMode:Integrated,state:Started)\n"
                .to_owned(),
        ),
        (vec!["list", "apppool", "/managedRuntimeVersion:", "/text:name"], "Shop\n".to_owned()),
        (vec!["list", "apppool", "/processModel.idleTimeout:00:20:00", "/text:APPPOOL.NAME"], "DefaultAppPool\nShop\n".to_owned()),
        (vec!["list", "vdir", "/app.name:Shop/", "/text:physicalPath"], "C:\\shop\n".to_owned()),
        (vec!["list", "site", "Shop", "/text:[path='/app'].applicationPool"], "\n".to_owned()),
        (vec!["list", "site", "Shop", "/text:limits.connectionTimeout"], "00:02:00\n".to_owned()),
    ] {
        server.check(&args, 0, &expected);
    }
}

#[test]
fn xml_shows_objects_and_with_config_what_is_written_of_them() {
    let server = Server::with_shop();
    let xml = |object: &str| {
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<appcmd>\n    {object}\n</appcmd>\n")
    };
    for (args, object) in [
        (
            ["list", "site", "Shop"],
            r#"<SITE SITE.NAME="Shop" SITE.ID="2" bindings="http/*:81:" state="Started" />"#,
        ),
        (
            ["list", "app", "Shop/app"],
            r#"<APP path="/app" APP.NAME="Shop/app" APPPOOL.NAME="DefaultAppPool" SITE.NAME="Shop" />"#,
        ),
        (
            ["list", "vdir", "Shop/"],
            r#"<VDIR VDIR.NAME="Shop/" physicalPath="C:\shop" path="/" APP.NAME="Shop/" />"#,
        ),
        (
            ["list", "apppool", "Shop"],
            r#"<APPPOOL APPPOOL.NAME="Shop" PipelineMode="Integrated" RuntimeVersion="" state="Started" />"#,
        ),
    ] {
        server.check(&[args[0], args[1], args[2], "/xml"], 0, &xml(object));
    }
    let nested = "<VDIR VDIR.NAME=\"Shop/\" physicalPath=\"C:\\shop\" path=\"/\" APP.NAME=\"Shop/\">\n        \
        <virtualDirectory path=\"/\" physicalPath=\"C:\\shop\" />\n    </VDIR>";
    server.check(&["list", "vdir", "Shop/", "/config", "/xml"], 0, &xml(nested));
    let tree = server.done(&["list", "vdir", "Shop/", "/text:*"]);
    assert!(tree.starts_with("VDIR\n  VDIR.NAME:\"Shop/\"\n  physicalPath:\"C:\\shop\"\n"), "{tree}");
    assert!(tree.contains("\n  [virtualDirectory]\n    path:\"/\"\n"), "{tree}");
    server.check(
        &["list", "vdir", "Shop/", "/config"],
        0,
        "<virtualDirectory path=\"/\" physicalPath=\"C:\\shop\" />\n",
    );
    let full = server.done(&["list", "vdir", "Shop/", "/config:*"]);
    assert!(full.contains("logonMethod=\"ClearText\" allowSubDirConfig=\"true\""), "{full}");
}

#[test]
fn a_name_that_is_not_there_ends_with_1_and_says_nothing() {
    let server = Server::with_shop();
    for args in [
        ["list", "site", "None"],
        ["list", "site", "/name:None"],
        ["list", "site", "/site.name:None"],
        ["list", "app", "Shop/none"],
        ["list", "vdir", "Shop/none"],
        ["list", "apppool", "None"],
    ] {
        server.check(&args, 1, "");
    }
}

#[test]
fn a_property_that_nothing_has_ends_as_the_switch_says() {
    let server = Server::with_shop();
    let args = ["list", "site", "/id:987654321"];
    server.check(&args, 0, "");
    server.settings("[switches]\n\"appcmd.nothing-found\" = 'error'");
    server.check(&args, 1, "");
    server.check(
        &["list", "site", "/nonsense:1"],
        87,
        "ERROR ( message:Unknown attribute \"nonsense\".  Replace with -? for help. )\n",
    );
}

#[test]
fn names_are_written_in_the_encoding_of_the_switch() {
    for (encoding, expected) in [("utf-8", "grün".as_bytes()), ("code-page", b"gr\xfcn"), ("lost", b"gr?n")]
    {
        let server = Server::with(Kind::Cgi, &format!("[switches]\n\"appcmd.encoding\" = '{encoding}'"));
        server.done(&["add", "site", "/name:s", r"/physicalPath:C:\grün"]);
        let shown = server.run_with(&["list", "vdir", "s/", "/xml"], "").stdout;
        assert!(shown.windows(expected.len()).any(|window| window == expected), "{encoding}");
    }
}

#[test]
fn add_says_a_line_for_each_object_that_it_makes() {
    let server = Server::new();
    for (args, expected) in [
        (
            vec!["add", "apppool", "/name:P", "/processModel.idleTimeout:00:00:00"],
            "APPPOOL object \"P\" added\n",
        ),
        (
            vec![
                "add",
                "site",
                "/name:S",
                "/id:9",
                "/bindings:http/*:82:,https/*:443:h",
                r"/physicalPath:C:\s",
            ],
            "SITE object \"S\" added\nAPP object \"S/\" added\nVDIR object \"S/\" added\n",
        ),
        (vec!["add", "site", "/name:Bare"], "SITE object \"Bare\" added\n"),
        (vec!["add", "app", "/site.name:S", "/path:/a"], "APP object \"S/a\" added\n"),
        (
            vec!["add", "app", "/site.name:S", "/path:/b", r"/physicalPath:C:\b", "/applicationPool:P"],
            "APP object \"S/b\" added\nVDIR object \"S/b/\" added\n",
        ),
        (
            vec!["add", "vdir", "/app.name:S/", "/path:/m", r"/physicalPath:C:\m"],
            "VDIR object \"S/m\" added\n",
        ),
        (
            vec!["add", "vdir", "/app.name:S/b", "/path:/m", r"/physicalPath:C:\m"],
            "VDIR object \"S/b/m\" added\n",
        ),
        (vec!["add", "site", "/name:U", "/bindings:http://*:83,http://h:84"], "SITE object \"U\" added\n"),
    ] {
        server.check(&args, 0, expected);
    }
    let config = server.config();
    assert_eq!(config.site("S").unwrap().id, 9);
    assert_eq!(config.site("Bare").unwrap().id, 2);
    assert!(config.site("Bare").unwrap().applications.is_empty());
    let bindings: Vec<_> =
        config.site("U").unwrap().bindings.into_iter().map(|own| own.information).collect();
    assert_eq!(bindings, ["*:83:", "*:84:h"]);
    assert_eq!(config.site("S").unwrap().applications[2].pool, "P");
    assert_eq!(config.pool("P").unwrap().idle_timeout, 0);
    assert!(
        server.file().contains(
            "\r\n            <site name=\"S\" id=\"9\">\r\n                <application path=\"/\">"
        )
    );
}

#[test]
fn add_refuses_what_the_real_one_refuses() {
    let server = Server::with_shop();
    let long = format!("/name:{}", "p".repeat(65));
    for (args, exit, text) in [
        (vec!["add", "site", "/name:Shop"], 183, "Failed to add duplicate collection element \"Shop\"."),
        (vec!["add", "site", "/name:SHOP"], 183, "Failed to add duplicate collection element \"SHOP\"."),
        (vec!["add", "site", "/name:X", "/id:2"], 183, "Failed to add duplicate collection element \"X\"."),
        (vec!["add", "apppool", "/name:shop"], 183, "Failed to add duplicate collection element \"shop\"."),
        (
            vec!["add", "app", "/site.name:Shop", "/path:/app"],
            183,
            "Failed to add duplicate collection element \"/app\".",
        ),
        (
            vec!["add", "vdir", "/app.name:Shop/", "/path:/"],
            183,
            "Failed to add duplicate collection element \"/\".",
        ),
        (
            vec!["add", "app", "/site.name:None", "/path:/a"],
            1168,
            "Cannot find SITE object with identifier \"None\".",
        ),
        (
            vec!["add", "vdir", "/app.name:Shop", "/path:/a"],
            1168,
            "Cannot find APP object with identifier \"Shop\".",
        ),
        (
            vec!["add", "site", "/name:a/b"],
            13,
            "Can not set attribute \"name\" to value \"a/b\".. Reason: Invalid site name .",
        ),
        (
            vec!["add", "apppool", "/name:a,b"],
            13,
            "Can not set attribute \"name\" to value \"a,b\".. Reason: Invalid application pool name .",
        ),
        (
            vec!["add", "apppool", "/name:P", "/queueLength:9"],
            13,
            "Can not set attribute \"queueLength\" to value \"9\".. Reason: Integer value must be between 10 and 65535 inclusive .",
        ),
        (
            vec!["add", "app", "/site.name:Shop", "/path:x"],
            13,
            "Can not set attribute \"path\" to value \"x\".. Reason: The path must start with '/' .",
        ),
        (
            vec!["add", "apppool", "/name:P", "/nonsense:1"],
            87,
            "Unknown attribute \"nonsense\".  Replace with -? for help.",
        ),
        (
            vec!["add", "apppool", "/name:P", "/QueueLength:100"],
            87,
            "Unknown attribute \"QueueLength\".  Replace with -? for help.",
        ),
        (vec!["add", "site"], 87, "Must specify \"name\" parameter to add SITE object."),
        (vec!["add", "app", "/site.name:Shop"], 87, "Must specify \"path\" parameter to add APP object."),
        (vec!["add", "app", "/path:/x"], 87, "Must specify \"site.name\" parameter to add APP object."),
    ] {
        server.check_refused(&args, exit, &format!("ERROR ( message:{text} )\n"));
    }
    assert_eq!(server.run(&["add", "apppool", &long]).0, 13);
    assert_eq!(server.run(&["add", "apppool", &long[..long.len() - 1]]).0, 0);
    assert_eq!(server.run(&["add", "site", "Name"]).0, 87);
}

#[test]
fn set_changes_what_is_named_and_nothing_else() {
    let server = Server::with_shop();
    for (args, expected) in [
        (vec!["set", "app", "Shop/", "/applicationPool:Shop"], "APP object \"Shop/\" changed\n"),
        (vec!["set", "vdir", "shop/", r"/physicalPath:C:\shop\two"], "VDIR object \"Shop/\" changed\n"),
        (
            vec!["set", "site", "Shop", "/[path='/app'].applicationPool:Shop"],
            "SITE object \"Shop\" changed\n",
        ),
        (vec!["set", "site", "/site.name:Shop", "/serverAutoStart:False"], "SITE object \"Shop\" changed\n"),
        (
            vec![
                "set",
                "site",
                "Shop",
                "/+bindings.[protocol='https',bindingInformation='*:443:h',sslFlags='1']",
            ],
            "SITE object \"Shop\" changed\n",
        ),
        (
            vec!["set", "site", "Shop", "/-bindings.[protocol='http',bindingInformation='*:81:']"],
            "SITE object \"Shop\" changed\n",
        ),
        (
            vec![
                "set",
                "apppool",
                "Shop",
                "/recycling.periodicRestart.time:00:00:00",
                "/startMode:AlwaysRunning",
            ],
            "APPPOOL object \"Shop\" changed\n",
        ),
        (
            vec!["set", "apppool", "Shop", "/+recycling.periodicRestart.schedule.[value='03:00:00']"],
            "APPPOOL object \"Shop\" changed\n",
        ),
    ] {
        server.check(&args, 0, expected);
    }
    let site = server.config().site("Shop").unwrap();
    assert_eq!(site.applications[0].pool, "Shop");
    assert_eq!(site.applications[0].virtual_directories[0].physical_path, r"C:\shop\two");
    assert_eq!(site.applications[1].pool, "Shop");
    assert!(!site.server_auto_start);
    let binding = &site.bindings[0];
    assert_eq!((site.bindings.len(), binding.information.as_str(), binding.ssl_flags), (1, "*:443:h", 1));
    let pool = server.config().pool("Shop").unwrap();
    assert_eq!((pool.periodic_restart, pool.start_mode.as_str()), (0, "AlwaysRunning"));
    assert!(server.file().contains("<add value=\"03:00:00\" />"));
    server.done(&["set", "site", "Shop", "/bindings:http/*:90:,http/*:91:"]);
    assert_eq!(server.config().site("Shop").unwrap().bindings.len(), 2);
    server.done(&["set", "site", "Shop", "/name:Store"]);
    server.check(&["list", "site", "Store", "/text:id"], 0, "2\n");
}

#[test]
fn set_refuses_what_the_real_one_refuses() {
    let server = Server::with_shop();
    for (args, exit, text) in [
        (vec!["set", "site", "None", "/id:5"], 1168, "Cannot find SITE object with identifier \"None\"."),
        (
            vec!["set", "app", "None/", "/applicationPool:P"],
            1168,
            "Cannot find APP object with identifier \"None/\".",
        ),
        (
            vec!["set", "app", "Shop", "/applicationPool:P"],
            50,
            "Must use exact identifer for APP object with verb SET.",
        ),
        (
            vec!["set", "vdir", "Shop/none", "/physicalPath:x"],
            50,
            "Must use exact identifer for VDIR object with verb SET.",
        ),
        (vec!["set", "site", "Shop", "/id:1"], 183, "Failed to add duplicate collection element \"Shop\"."),
        (
            vec!["set", "site", "Shop", "/name:Default Web Site"],
            183,
            "Failed to add duplicate collection element \"Shop\".",
        ),
        (
            vec!["set", "site", "Shop", "/physicalPath:x"],
            87,
            "Unknown attribute \"physicalPath\".  Replace with -? for help.",
        ),
        (
            vec!["set", "site", "Shop", "/[path='/none'].applicationPool:P"],
            4312,
            "Cannot find requested collection element.",
        ),
        (
            vec!["set", "site", "Shop", "/-bindings.[protocol='ftp']"],
            4312,
            "Cannot find requested collection element.",
        ),
        (
            vec!["set", "site", "Shop", "/+bindings.[protocol='http',bindingInformation='*:81:']"],
            183,
            "New binding object missing required attributes. Cannot add duplicate collection entry of type 'binding' \
             with combined key attributes 'protocol, bindingInformation' respectively set to 'http, *:81:'\n\n.",
        ),
        (
            vec!["set", "site", "Shop", "/+bindings.[protocol='http']"],
            2,
            "New binding object missing required attributes. The system cannot find the file specified.\n\n.",
        ),
        (
            vec!["set", "apppool", "Shop", "/managedPipelineMode:Fast"],
            13,
            "Can not set attribute \"managedPipelineMode\" to value \"Fast\".. Reason: Enum must be one of Integrated, Classic .",
        ),
        (
            vec!["set", "site", "Shop", "/+bindings.[protocol=http]"],
            13,
            "Malformed collection indexer; format is [@position,name='value',name2='value2',...].  The @position \
             specifier is optional, and be '@start', '@end', or '@N' where N is a numeric index into the collection.",
        ),
    ] {
        server.check_refused(&args, exit, &format!("ERROR ( message:{text} )\n"));
    }
}

#[test]
fn delete_takes_away_what_is_named_exactly() {
    let server = Server::with_shop();
    let not_exact = "ERROR ( message:Must use exact identifer for APP object with verb DELETE. )\n";
    server.check_refused(&["delete", "app", "Shop/none"], 50, not_exact);
    server.check_refused(&["delete", "app", "Shop"], 50, not_exact);
    for (object, name) in [("vdir", "Shop/app/"), ("app", "Shop/app"), ("apppool", "Shop"), ("site", "Shop")]
    {
        let word = object.to_uppercase();
        server.check(&["delete", object, name], 0, &format!("{word} object \"{name}\" deleted\n"));
        let (exit, _) = server.run(&["delete", object, name]);
        assert_eq!(exit, if matches!(object, "app" | "vdir") { 50 } else { 1168 }, "{object}");
    }
    server.check(
        &["delete", "site", "Shop"],
        1168,
        "ERROR ( message:Cannot find SITE object with identifier \"Shop\". )\n",
    );
    // All that was made is gone again, and all else is as it was.
    assert_eq!(server.file(), Server::new().file());
}

#[test]
fn a_password_cannot_be_read_from_the_file_again() {
    let server = Server::with_shop();
    server.done(&["set", "apppool", "Shop", "/processModel.userName:u", "/processModel.password:planted"]);
    assert!(!server.file().contains("planted"));
    assert!(server.file().contains("password=\"[enc:IISWASOnlyAesProvider:"));
}

#[test]
fn a_site_of_very_many_bindings_is_listed_by_its_name_only() {
    let server = Server::with_shop();
    let bindings: Vec<String> = (0..129).map(|number| format!("http/*:81:h{number}")).collect();
    server.done(&["set", "site", "Shop", &format!("/bindings:{}", bindings.join(","))]);
    let (exit, text) = server.run(&["list", "site"]);
    assert_eq!(exit, 122);
    assert!(text.starts_with("ERROR ( hresult:8007007a, message:Failed to generate item output."), "{text}");
    assert!(server.done(&["list", "site", "Shop"]).contains("h128"));
}
