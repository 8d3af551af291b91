//! What is typed wrong, and commands that can't be run at all.

use crate::harness::Server;
use holdall_lab_iis::init::Kind;

#[test]
fn a_second_bare_word_is_what_an_unquoted_blank_leads_to() {
    Server::with_shop().check_refused(
        &["set", "site", "Shop", "Two", "/id:7"],
        87,
        "Failed to process input: The parameter 'Two' must begin with a / or - (HRESULT=80070057).\n",
    );
}

#[test]
fn verbs_and_objects_that_do_not_exist_are_refused() {
    let server = Server::new();
    let object = |word: &str| {
        format!("Object '{word}' is not supported.  Run 'appcmd.exe /?' to display supported objects.\r\n")
    };
    let verb = |verb: &str, word: &str| {
        format!(
            "Command '{verb}' is not supported on object '{word}'. Run 'appcmd.exe {word} /?'\r\nto display supported commands.\r\n"
        )
    };
    for (args, expected) in [
        (vec!["list", "song"], object("SONG")),
        (vec!["list"], object("LIST")),
        (vec!["list", "/?"], object("LIST")),
        (vec!["sing", "site", "x"], verb("SING", "SITE")),
        (vec!["site"], verb("", "SITE")),
        (vec!["recycle", "site", "x"], verb("RECYCLE", "SITE")),
        (vec!["start", "app", "x"], verb("START", "APP")),
        (vec!["add", "config"], verb("ADD", "CONFIG")),
        (vec!["add", "wp"], verb("ADD", "WP")),
    ] {
        server.check(&args, 87, &expected);
    }
    for (args, expected) in
        [(vec![], 87), (vec!["/?"], 1), (vec!["site", "/?"], 1), (vec!["list", "sites", "/?"], 1)]
    {
        let (exit, text) = server.run(&args);
        assert!(exit == expected && text.starts_with("General purpose IIS command line"), "{args:?}");
    }
    server.check(&["list", "trace"], 120, "the lab's appcmd does not know: list trace\n");
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let server = Server::new();
    fs_err::remove_file(server.lab().config()).unwrap();
    let (exit, text) = server.run(&["list", "site"]);
    assert_eq!(exit, 2);
    assert!(text.contains("Line Number: 0\nDescription: Cannot read configuration file\n. )\n"), "{text}");
}

#[test]
fn verbs_objects_and_plurals_are_taken_in_any_case() {
    let server = Server::with_shop();
    let expected = server.done(&["list", "site"]);
    for args in [["LIST", "SITE"], ["list", "sites"], ["List", "Sites"]] {
        assert_eq!(server.done(&args), expected);
    }
    assert!(server.done(&["list", "apppools"]).contains("APPPOOL \"Shop\""));
}

#[test]
fn without_elevation_even_list_fails() {
    let server = Server::with(Kind::Cgi, "[rights]\nelevated = false");
    server.check(
        &["list", "site"],
        5,
        "ERROR ( message:Configuration error\nFilename: redirection.config\nLine Number: 0\nDescription: Cannot read \
         configuration file due to insufficient permissions. )\n",
    );
}

#[test]
fn an_object_has_to_be_named() {
    let server = Server::with_shop();
    for (verb, object) in
        [("set", "site"), ("delete", "app"), ("start", "site"), ("recycle", "apppool"), ("set", "vdir")]
    {
        let expected =
            format!("ERROR ( message:Must specify the {} object with identifier. )\n", object.to_uppercase());
        server.check_refused(&[verb, object], 87, &expected);
    }
}

#[test]
fn another_file_can_be_named() {
    let server = Server::new();
    let other = Server::with_shop();
    let file = format!("/apphostconfig:{}", other.lab().config().display());
    assert!(server.done(&["list", "site", "Shop", &file]).starts_with("SITE \"Shop\""));
    assert_eq!(server.run(&["list", "site", "Shop"]).0, 1);
}

#[test]
fn a_file_that_is_no_xml_is_told_with_its_line() {
    let server = Server::new();
    fs_err::write(server.lab().config(), "<configuration>\n<a>\n</configuration>").unwrap();
    let (exit, text) = server.run(&["list", "site"]);
    assert_eq!(exit, 13);
    assert!(
        text.contains("Line Number: 3\nDescription: Configuration file is not well-formed XML."),
        "{text}"
    );
}
