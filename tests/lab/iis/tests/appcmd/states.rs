//! `start`, `stop`, `recycle`, and what a new site's state is.

use crate::harness::Server;
use holdall_lab_iis::init::Kind;
use holdall_lab_iis::runtime::Runtime;

fn state(server: &Server, name: &str) -> String {
    server.done(&["list", "site", name, "/text:state"]).trim().to_owned()
}

#[test]
fn sites_and_pools_start_stop_and_recycle() {
    let server = Server::with_shop();
    for (args, expected) in [
        (["stop", "site", "shop"], "\"Shop\" successfully stopped\n"),
        (["start", "site", "Shop"], "\"Shop\" successfully started.\n"),
        (["stop", "apppool", "Shop"], "\"Shop\" successfully stopped\n"),
        (["start", "apppool", "Shop"], "\"Shop\" successfully started.\n"),
        (["recycle", "apppool", "Shop"], "\"Shop\" successfully recycled\n"),
        (["recycle", "apppool", "/apppool.name:Shop"], "\"Shop\" successfully recycled\n"),
    ] {
        server.check(&args, 0, expected);
    }
    assert_eq!(Runtime::load(&server.lab().runtime()).unwrap().recycled("shop"), 3);
    server.done(&["stop", "apppool", "Shop", "/wait", "/timeout:1000"]);
    server.check(&["list", "apppool", "/state:Stopped", "/text:name"], 0, "Shop\n");
    server.done(&["delete", "apppool", "Shop"]);
    server.done(&["add", "apppool", "/name:Shop"]);
    server.check(&["list", "apppool", "/state:Stopped"], 0, "");
}

#[test]
fn what_is_not_there_cannot_be_started() {
    let server = Server::new();
    for (verb, object, word) in
        [("start", "site", "SITE"), ("stop", "site", "SITE"), ("recycle", "apppool", "APPPOOL")]
    {
        let expected = format!("ERROR ( message:Cannot find {word} object with identifier \"None\". )\n");
        server.check(&[verb, object, "None"], 1168, &expected);
    }
}

#[test]
fn a_pool_is_not_stopped_started_or_recycled_twice() {
    let server = Server::with_shop();
    let failed = |hresult: &str, reason: &str| {
        format!("ERROR ( hresult:{hresult}, message:Command execution failed.\n{reason}\n\n )\n")
    };
    let running = failed("80070420", "An instance of the service is already running.");
    server.check(&["start", "apppool", "Shop"], 1056, &running);
    server.done(&["stop", "apppool", "Shop"]);
    for verb in ["stop", "recycle"] {
        server.check(
            &[verb, "apppool", "Shop"],
            1062,
            &failed("80070426", "The service has not been started."),
        );
    }
}

#[test]
fn doing_it_twice_to_a_site_ends_as_the_switch_says() {
    for (verb, fact, code) in [("start", "site.start-twice", 1056), ("stop", "site.stop-twice", 1062)] {
        for (answer, expected) in [("fine", 0), ("error", code)] {
            let server = Server::with(Kind::Cgi, &format!("[switches]\n\"{fact}\" = '{answer}'")).and_shop();
            server.run(&[verb, "site", "Shop"]);
            assert_eq!(server.run(&[verb, "site", "Shop"]).0, expected, "{fact} {answer}");
        }
    }
}

#[test]
fn a_new_site_starts_or_not_as_the_switch_says() {
    for (answer, expected) in [("started", "Started"), ("stopped", "Stopped")] {
        let server =
            Server::with(Kind::Cgi, &format!("[switches]\n\"site.created\" = '{answer}'")).and_shop();
        assert_eq!(state(&server, "Shop"), expected);
        server.done(&["start", "site", "Shop"]);
        assert_eq!(state(&server, "Shop"), "Started");
    }
    let server = Server::new();
    server.done(&["add", "site", "/name:Later", "/serverAutoStart:false", r"/physicalPath:C:\shop"]);
    assert_eq!(state(&server, "Later"), "Stopped");
}

#[test]
fn a_taken_port_ends_as_the_switch_says() {
    let add = ["add", "site", "/name:Second", "/bindings:http/*:81:", r"/physicalPath:C:\shop"];
    for answer in ["refused", "stopped", "started"] {
        let server =
            Server::with(Kind::Cgi, &format!("[switches]\n\"site.port-taken\" = '{answer}'")).and_shop();
        let (exit, _) = server.run(&add);
        match answer {
            "refused" => {
                assert_eq!(exit, 183);
                assert_eq!(server.run(&["list", "site", "Second"]).0, 1);
            }
            "stopped" => {
                assert_eq!((exit, state(&server, "Second").as_str()), (0, "Stopped"));
                assert_eq!(server.run(&["start", "site", "Second"]).0, 183);
                server.done(&["stop", "site", "Shop"]);
                server.done(&["start", "site", "Second"]);
            }
            _ => assert_eq!((exit, state(&server, "Second").as_str()), (0, "Started")),
        }
    }
}

#[test]
fn what_has_just_been_made_is_not_known_yet() {
    let server = Server::with(Kind::Cgi, "[timing]\nknown = 60000").and_shop();
    let expected = "ERROR ( hresult:800710d8, message:Command execution failed.\nThe object identifier does not \
                    represent a valid object.\n\n )\n";
    server.check(&["start", "site", "Shop"], 4312, expected);
    server.check(&["start", "apppool", "Shop"], 4312, expected);
    server.check(&["stop", "site", "Default Web Site"], 0, "\"Default Web Site\" successfully stopped\n");
    server.settings("");
    server.done(&["start", "site", "Shop"]);
}

#[test]
fn worker_processes_are_those_that_the_web_server_notes() {
    let server = Server::with_shop();
    server.check(&["list", "wp"], 0, "");
    Runtime::change(&server.lab().runtime(), |runtime| runtime.workers.insert(3577, "Shop".to_owned()))
        .unwrap();
    server.check(&["list", "wps"], 0, "WP \"3577\" (applicationPool:Shop)\n");
    server.check(&["list", "wp", "/apppool.name:Other"], 0, "");
    server.check(&["list", "request"], 0, "");
    assert!(server.done(&["list", "module", "FastCgiModule"]).starts_with("MODULE \"FastCgiModule\""));
}

#[test]
fn a_state_goes_with_a_new_name_and_not_with_a_failed_commit() {
    let server = Server::with_shop();
    server.done(&["stop", "site", "Shop"]);
    server.done(&["stop", "apppool", "Shop"]);
    server.settings("[[fault]]\nmatches = 'set'\nwhen = 'commit'\nexit = 32\ntimes = 2");
    server.run(&["set", "site", "Shop", "/id:9"]);
    server.run(&["set", "apppool", "Shop", "/name:Store"]);
    server.check(&["list", "apppool", "/state:Stopped", "/text:name"], 0, "Shop\n");
    server.done(&["set", "site", "Shop", "/id:9", "/name:Store"]);
    server.done(&["set", "apppool", "Shop", "/name:Store"]);
    assert_eq!(state(&server, "Store"), "Stopped");
    server.check(&["list", "apppool", "/state:Stopped", "/text:name"], 0, "Store\n");
}

#[test]
fn a_site_that_is_not_to_start_takes_no_port() {
    let server = Server::with_shop();
    let add = [
        "add",
        "site",
        "/name:Staging",
        "/bindings:http/*:81:",
        "/serverAutoStart:false",
        r"/physicalPath:C:\shop",
    ];
    server.done(&add);
    assert_eq!(server.run(&["start", "site", "Staging"]).0, 183);
    assert_eq!(state(&server, "Staging"), "Stopped");
}
