//! What a test can let go wrong.

use std::time::{Duration, Instant};

use crate::harness::Server;
use holdall_lab_iis::init::Kind;

const SET: [&str; 4] = ["set", "vdir", "Shop/", r"/physicalPath:C:\two"];

fn folder(server: &Server) -> String {
    server.config().site("Shop").unwrap().applications[0].virtual_directories[0].physical_path.clone()
}

#[test]
fn a_command_fails_before_or_after_its_effect() {
    for (when, expected) in [("before", r"C:\shop"), ("commit", r"C:\shop"), ("after", r"C:\two")] {
        let server = Server::with_shop();
        server.settings(&format!(
            "[[fault]]\nmatches = 'set vdir Shop/'\nwhen = '{when}'\nexit = 1726\ntext = \"ERROR ( hresult:800706be )\\n\"\ntimes = 1"
        ));
        let (exit, text) = server.run(&SET);
        let said = if when == "before" { "" } else { "VDIR object \"Shop/\" changed\n" };
        assert_eq!((exit, text), (1726, format!("{said}ERROR ( hresult:800706be )\n")), "{when}");
        assert_eq!(folder(&server), expected, "{when}");
        // Once is enough: the next one goes well.
        server.done(&SET);
        assert_eq!(folder(&server), r"C:\two");
    }
}

#[test]
fn a_command_is_counted_from_the_first_that_the_lab_was_given() {
    let server = Server::with_shop();
    server.settings("[[fault]]\ncommand = 5\nexit = 32");
    server.done(&["list", "site"]);
    assert_eq!(server.run(&["list", "site"]).0, 32);
    server.done(&["list", "site"]);
}

#[test]
fn another_writer_in_between_makes_the_commit_fail_and_loses_nothing() {
    let server = Server::with_shop();
    server.settings("[[fault]]\nmatches = 'set vdir'\nwhen = 'commit'\ntimes = 1\nrun = ['add', 'apppool', '/name:Other']");
    let (exit, text) = server.run(&SET);
    assert_eq!(exit, 32);
    assert!(
        text.starts_with("VDIR object \"Shop/\" changed\nERROR ( hresult:80070020, message:Failed to commit"),
        "{text}"
    );
    assert!(
        text.contains("Error: Cannot commit configuration changes because the file has changed on disk"),
        "{text}"
    );
    assert_eq!(folder(&server), r"C:\shop");
    server.done(&SET);
    assert!(server.config().pool("Other").is_some());
    // The other writer's command is none of the caller's.
    assert!(server.records().iter().all(|record| !record.argv.contains(&"/name:Other".to_owned())));
}

#[test]
fn a_file_that_somebody_holds_is_in_use() {
    let server = Server::with_shop();
    let lock = fs_err::File::create(server.lab().config().with_extension("lock")).unwrap();
    lock.file().lock().unwrap();
    let (exit, text) = server.run(&SET);
    assert_eq!(exit, 32);
    assert_eq!(
        text,
        "VDIR object \"Shop/\" changed\nERROR ( hresult:80070020, message:Failed to commit configuration changes. \nThe \
         process cannot access the file because it is being used by another process.\n\n )\n"
    );
    drop(lock);
    server.done(&SET);
}

#[test]
fn a_caller_is_held_until_the_file_is_gone() {
    let server = Server::with(Kind::Cgi, "").and_shop();
    server.settings("[[fault]]\nmatches = 'set vdir'\nwhen = 'after'\nhold = 'held'");
    let file = server.folder.path().join("held");
    std::thread::scope(|scope| {
        let held = scope.spawn(|| server.run(&SET));
        while !file.exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(folder(&server), r"C:\two");
        assert_eq!(server.records().last().unwrap().exit, None);
        fs_err::remove_file(&file).unwrap();
        assert_eq!(held.join().unwrap().0, 0);
    });
    assert_eq!(server.records().last().unwrap().exit, Some(0));
}

#[test]
fn a_command_takes_as_long_as_the_settings_say() {
    let server = Server::with(Kind::Cgi, "[timing]\nslow = 60\n[[fault]]\nmatches = 'list site'\nslow = 60");
    let started = Instant::now();
    server.done(&["list", "site"]);
    assert!(started.elapsed() >= Duration::from_millis(120));
}

#[test]
fn every_command_is_noted_as_it_was_received() {
    let server = Server::new();
    server.run(&["list", "site", "None"]);
    server.run(&["set", "config", "/section:x", "/+[a='b c\"']"]);
    let [first, second] = server.records().try_into().unwrap();
    assert_eq!((first.command, first.exit), (1, Some(1)));
    assert_eq!(second.argv, ["set", "config", "/section:x", "/+[a='b c\"']"]);
    assert_eq!(second.exit, Some(87));
    assert!(second.stdout.starts_with("ERROR ( message:Unknown config section"));
}
