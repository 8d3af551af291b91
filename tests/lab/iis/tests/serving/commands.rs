//! The lab's appcmd and its web server together: what a command says is what visitors get.

use std::process::{Command, Stdio};

use crate::lab::{Lab, get};

/// Runs a command, which has to succeed.
#[track_caller]
fn appcmd(lab: &Lab, words: &[&str]) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_appcmd"));
    let done =
        program.args(words).env("HOLDALL_LAB_IIS", lab.config()).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success(), "{words:?}: {text}");
    text
}

/// Registers the site and its first release, on a server as setup leaves it.
fn registered() -> Lab {
    let mut lab = Lab::new();
    lab.release("two", 2);
    lab.switches("switches", "\"edit.others\" = \"kept\"");
    let sites = std::mem::take(&mut lab.sites);
    lab.locations.clear();
    let applications = std::mem::take(&mut lab.applications);
    lab.serve();
    for application in &applications {
        let (program, arguments) = lab.command(application.release);
        let indexer = format!(
            "/+[fullPath='{program}',arguments='{arguments}',maxInstances='2',signalBeforeTerminateSeconds='10']"
        );
        appcmd(&lab, &["set", "config", "/section:fastCgi", &indexer]);
        let variable = format!(
            "/+[fullPath='{program}',arguments='{arguments}'].environmentVariables.[name='RELEASE',value='{}']",
            application.release
        );
        appcmd(&lab, &["set", "config", "/section:fastCgi", &variable]);
    }
    appcmd(&lab, &["add", "apppool", "/name:pool"]);
    let (bindings, folder) = (
        format!("/bindings:http/*:{}:", sites[0].port),
        format!("/physicalPath:{}", lab.www("one").display()),
    );
    appcmd(&lab, &["add", "site", "/name:shop", &bindings, &folder]);
    appcmd(&lab, &["set", "app", "shop/", "/applicationPool:pool"]);
    lab.sites = sites;
    lab
}

#[test]
fn a_site_is_registered_switched_recycled_stopped_and_deleted() {
    let lab = registered();
    lab.wait_for("the new port", |lines| lines.iter().any(|line| line["event"] == "listening"));
    assert_eq!(lab.get("/").status, 500, "handlers are locked on a server with CGI alone");
    appcmd(&lab, &["unlock", "config", "shop", "/section:handlers", "/commit:apphost"]);
    let one = lab.ask("/");
    assert_eq!((&one["release"], &one["pool"]), (&"one".into(), &"pool".into()));
    let workers = appcmd(&lab, &["list", "wp"]);
    assert!(workers.contains("(applicationPool:pool)"), "{workers}");

    let folder = format!("/physicalPath:{}", lab.www("two").display());
    appcmd(&lab, &["set", "vdir", "shop/", &folder]);
    let two = lab.ask("/");
    assert_eq!(
        (&two["release"], lab.get("/static/site.css").header("x-holdall-release")),
        (&"two".into(), Some("two"))
    );

    appcmd(&lab, &["recycle", "apppool", "pool"]);
    assert_ne!(lab.ask("/")["pid"], two["pid"]);
    assert_eq!(lab.end_of(&two["pid"]), "drained");

    appcmd(&lab, &["stop", "apppool", "pool"]);
    assert_eq!(lab.get("/").status, 503);
    appcmd(&lab, &["start", "apppool", "pool"]);
    assert_eq!(lab.get("/").status, 200);

    let (program, arguments) = lab.command("one");
    let indexer = format!("/-[fullPath='{program}',arguments='{arguments}']");
    appcmd(&lab, &["set", "config", "/section:fastCgi", &indexer]);
    assert_eq!(lab.ask("/")["release"], "two");
    appcmd(&lab, &["delete", "site", "shop"]);
    lab.wait_for("the end of listening", |_| {
        std::net::TcpStream::connect(("127.0.0.1", lab.sites[0].port)).is_err()
    });
}

#[test]
fn a_release_is_seen_on_a_site_of_its_own_before_visitors_see_it() {
    let lab = registered();
    appcmd(&lab, &["unlock", "config", "shop", "/section:handlers", "/commit:apphost"]);
    lab.wait_for("the new port", |lines| lines.iter().any(|line| line["event"] == "listening"));
    let before = lab.ask("/")["pid"].clone();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (bindings, folder) =
        (format!("/bindings:http/127.0.0.1:{port}:"), format!("/physicalPath:{}", lab.www("two").display()));
    appcmd(&lab, &["add", "site", "/name:staging", &bindings, &folder, "/serverAutoStart:false"]);
    appcmd(&lab, &["set", "app", "staging/", "/applicationPool:pool"]);
    appcmd(&lab, &["unlock", "config", "staging", "/section:handlers", "/commit:apphost"]);
    std::net::TcpStream::connect(("127.0.0.1", port)).unwrap_err();
    appcmd(&lab, &["start", "site", "staging"]);
    lab.wait_for("the port of the staging site", |_| {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    let staged = get(&format!("http://127.0.0.1:{port}/")).json();
    assert_eq!(staged["release"], "two");
    assert_eq!(lab.ask("/")["pid"], before);
    // The switch finds the process warm that the staging site has warmed up.
    appcmd(&lab, &["set", "vdir", "shop/", &folder]);
    assert_eq!(lab.ask("/")["pid"], staged["pid"]);
    appcmd(&lab, &["delete", "site", "staging"]);
    assert_eq!(lab.ask("/")["pid"], staged["pid"]);
}
