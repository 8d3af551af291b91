//! Whether a machine is ready: what the doctor says of it, puts right, and what stops a deploy before it begins.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use assert_cmd::assert::Assert;
use serde_json::Value;

use super::bundles::Release;
use super::server::Server;
use crate::terminal::shown_of;

/// A server with a bundle of its own, `tiny.zip`, as it was downloaded.
fn with_a_download() -> Server {
    let server = Server::with_one_process();
    server.site_toml("");
    fs_err::copy(Release::TinyFirst.bundle(), server.test.path("tiny.zip")).unwrap();
    server.test.write("tiny.zip:Zone.Identifier", "[ZoneTransfer]\r\nZoneId=3\r\n");
    server
}

/// The CGI feature of IIS goes, and what stands in for `dism` brings it back.
fn without_cgi(server: &Server) {
    let removed = server.appcmd(&["set", "config", "/section:globalModules", "/-[name='FastCgiModule']"]);
    assert!(removed.contains("Applied"), "{removed}");
    let dism = server.test.path("dism");
    server.test.write(
        "dism",
        "#!/bin/sh\necho \"$*\" >>dism.txt\nexec \"$HOLDALL_APPCMD\" set config /section:globalModules \
         \"/+[name='FastCgiModule',image='iisfcgi.dll']\"\n",
    );
    fs_err::set_permissions(dism, std::fs::Permissions::from_mode(0o700)).unwrap();
}

const DOCTOR: [&str; 6] = ["doctor", "--bundle", "tiny.zip", "--site", "site.toml", "--server"];

fn doctor(server: &Server, more: &[&str]) -> Assert {
    let args = [&DOCTOR[..], &["iis"], more].concat();
    let mut command = server.command(&args);
    command.env("HOLDALL_DISM", server.test.path("dism"));
    assert_cmd::Command::from_std(command).assert()
}

/// What is shown to whoever is asked at a terminal and answers this, line by line.
fn asked(server: &Server, answers: &str) -> String {
    let mut command = server.command(&[&DOCTOR[..], &["iis", "--fix"]].concat());
    command.env("HOLDALL_DISM", server.test.path("dism"));
    let (shown, code) = shown_of(&command, &[("TYPED", answers)]);
    assert_eq!(code, Some(if server.test.path("dism.txt").exists() { 0 } else { 3 }), "{shown}");
    shown
}

fn value(done: &Assert) -> Value {
    serde_json::from_slice(&done.get_output().stdout).unwrap()
}

/// How a check came out.
fn level(value: &Value, id: &str) -> String {
    let findings = value["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["id"] == id);
    found.unwrap_or_else(|| panic!("nothing is said of {id}: {value:#}"))["level"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn all_that_stands_in_the_way_of_a_deploy_is_said_at_once_and_put_right() {
    let server = with_a_download();
    without_cgi(&server);
    let other = TcpListener::bind(("127.0.0.1", server.port)).unwrap();
    let before = server.changing().len();

    let deploy = ["deploy", "tiny.zip", "--site", "site.toml", "--server", "iis"];
    for more in [&[][..], &["--plan"]] {
        let refused = server.holdall(&[&deploy, more].concat()).code(3).stdout("");
        let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        assert!(said.contains("2 things stand in the way"), "{said}");
        assert!(said.contains("IIS has no FastCGI") && said.contains("/featurename:IIS-CGI"), "{said}");
        let taken = format!("listens at 127.0.0.1:{}, where http/*:{0}: is to answer", server.port);
        assert!(said.contains(&taken) && said.contains("end that program"), "{said}");
    }
    assert!(!server.home().exists() && server.changing().len() == before, "nothing was changed");

    let found = doctor(&server, &["--format", "json"]).code(3);
    let found = value(&found);
    assert_eq!((level(&found, "iis.cgi"), level(&found, "site.ports")), ("problem".into(), "problem".into()));
    assert_eq!((level(&found, "bundle.blocked"), &found["problems"]), ("warning".into(), &2.into()));
    // Nobody is there who could agree.
    let refused = doctor(&server, &["--fix"]).code(3).stdout("");
    assert!(String::from_utf8_lossy(&refused.get_output().stderr).contains("`--yes`"));
    assert!(!server.test.path("dism.txt").exists());

    let fixed = doctor(&server, &["--fix", "--yes", "--format", "json"]).code(3);
    let fixed = value(&fixed);
    assert_eq!(
        server.test.read("dism.txt"),
        "/online /enable-feature /all /featurename:IIS-CGI /norestart\n"
    );
    assert!(!server.test.path("tiny.zip:Zone.Identifier").exists());
    assert_eq!((level(&fixed, "iis.cgi"), level(&fixed, "bundle.blocked")), ("ok".into(), "ok".into()));
    let ids: Vec<_> = fixed["fixed"].as_array().unwrap().iter().map(|fixed| &fixed["id"]).collect();
    assert_eq!(ids, ["iis.cgi", "bundle.blocked"]);
    // A program of somebody else's is not Holdall's to end.
    assert_eq!((level(&fixed, "site.ports"), &fixed["problems"]), ("problem".into(), &1.into()));

    drop(other);
    assert_eq!(value(&doctor(&server, &["--format", "json"]).success())["problems"], 0);
    server.holdall(&deploy).success();
    server.assert_tidy(Release::TinyFirst);
}

#[test]
fn each_change_is_shown_and_made_only_when_whoever_sits_there_agrees() {
    let server = with_a_download();
    without_cgi(&server);
    let is_marked = || server.test.path("tiny.zip:Zone.Identifier").exists();
    // Whoever only presses Enter has not agreed, nor has whoever says anything else.
    let shown = asked(&server, "\nmaybe\n");
    assert_eq!(shown.matches("do it? [y/N] ").count(), 2, "{shown}");
    assert!(is_marked() && !server.test.path("dism.txt").exists(), "{shown}");
    let shown = asked(&server, "n\nYES\n");
    assert!(shown.contains("dism /online /enable-feature /all /featurename:IIS-CGI"), "{shown}");
    assert!(!is_marked() && !server.test.path("dism.txt").exists(), "{shown}");
    let shown = asked(&server, "y\n");
    assert_eq!(shown.matches("do it? [y/N] ").count(), 1, "what is well is not asked for: {shown}");
    assert!(server.test.path("dism.txt").exists());
}

#[test]
fn a_server_whose_site_serves_is_said_to_be_well() {
    let server = Server::with_one_process();
    let nothing = server.holdall(&["doctor", "--server", "iis"]).success();
    let said = String::from_utf8_lossy(&nothing.get_output().stdout).into_owned();
    assert!(said.contains("ok       iis.cgi") && !said.contains("site."), "{said}");
    server.site_toml("");
    server.deploy(Release::TinyFirst, &[]).success();

    let well = server.holdall(&["doctor", "--server", "iis"]).success().stderr("");
    let said = String::from_utf8_lossy(&well.get_output().stdout).into_owned();
    for line in
        ["ok       iis.present               IIS answers\n", "ok       site.ports ", "ok       iis.handlers "]
    {
        assert!(said.contains(line), "{said}");
    }
    assert!(said.contains("warning  database.connections      at a switch up to 2 processes"), "{said}");
    // Its own web server may listen where it answers, and the same bundle may be deployed again.
    let bundle = Release::TinySecond.bundle();
    let next = server.json(&["doctor", "--bundle", bundle.to_str().unwrap(), "--server", "iis"]);
    assert_eq!((&next["site"], &next["problems"]), (&"guestbook".into(), &0.into()), "{next:#}");

    // Somebody who is no administrator is told what to do, and so is whoever has no IIS.
    server.lab("[rights]\nelevated = false");
    let refused = server.holdall(&["doctor", "--server", "iis"]).code(3);
    let said = String::from_utf8_lossy(&refused.get_output().stdout).into_owned();
    assert!(said.contains("problem  iis.present ") && said.contains("Run as administrator"), "{said}");
    let elsewhere = value(&server.holdall(&["doctor", "--format", "json"]).success());
    assert_eq!(level(&elsewhere, "iis.present"), "unknown");
    server.holdall(&["doctor", "shop", "--server", "iis"]).code(3).stdout("");
}

#[test]
fn a_configuration_that_other_servers_share_is_told_of() {
    let server = Server::with_one_process();
    server.site_toml("");
    let redirection = "<configuration><configurationRedirection enabled=\"true\" path=\"\\\\files\\iis\" />";
    server.test.write("config/redirection.config", format!("{redirection}</configuration>"));
    let bundle = Release::TinyFirst.bundle();
    let found = server.json(&["doctor", "--bundle", bundle.to_str().unwrap(), "--server", "iis"]);
    assert_eq!(level(&found, "iis.shared-configuration"), "warning");
    let deployed = server.deploy(Release::TinyFirst, &["--format", "json"]).success();
    let notices = value(&deployed)["notices"].to_string();
    assert_eq!(notices.matches("with other servers").count(), 1, "{notices}");
    server.assert_tidy(Release::TinyFirst);
}
