//! The server's half: bundles go into service behind the lab's IIS, by the real command, while visitors ask for pages.

mod bundles;
#[cfg(windows)]
mod by_hand;
#[cfg(target_os = "linux")]
mod by_others;
#[cfg(unix)]
mod carried;
#[cfg(any(target_os = "linux", windows))]
mod celery;
mod crowd;
#[cfg(target_os = "linux")]
mod doctor;
// Every command and every line in turn: the same code as on Windows, which takes its time there.
#[cfg(target_os = "linux")]
mod events;
#[cfg(target_os = "linux")]
mod everybody;
#[cfg(target_os = "linux")]
mod faults;
#[cfg(target_os = "linux")]
mod full_disk;
mod hangs;
#[cfg(target_os = "linux")]
mod https;
#[cfg(target_os = "linux")]
mod held;
#[cfg(target_os = "linux")]
mod kills;
#[cfg(target_os = "linux")]
mod life;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod lines;
#[cfg(target_os = "linux")]
mod logs;
#[cfg(target_os = "linux")]
mod maintenance;
#[cfg(target_os = "linux")]
mod meddling;
#[cfg(target_os = "linux")]
mod own_config;
#[cfg(target_os = "linux")]
mod power_cut;
#[cfg(target_os = "linux")]
mod probes;
#[cfg(target_os = "linux")]
mod pythons;
mod refusals;
#[cfg_attr(not(any(target_os = "linux", windows)), allow(dead_code))]
mod registered;
mod server;
#[cfg(target_os = "linux")]
mod services;
#[cfg(target_os = "linux")]
mod settings;
#[cfg(target_os = "linux")]
mod small;
mod stages;
mod sweep;
#[cfg(target_os = "linux")]
mod switches;
#[cfg(target_os = "linux")]
mod tiny;
#[cfg(target_os = "linux")]
mod turns;
mod uploads;
mod visitors;
mod web_server;
mod whole;

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use bundles::Release;
use server::{Server, version, wait_for};
use visitors::{Visitor, ask};

use crate::system::{apart, interrupt};

#[test]
fn a_site_is_made_brought_to_its_next_release_under_load_and_rolled_back() {
    let server = Server::new();
    let shown = server.deploy(Release::First, &["--plan"]).success().stderr("");
    let shown = String::from_utf8_lossy(&shown.get_output().stdout).into_owned();
    assert!(shown.starts_with("guestbook: 1.0-") && shown.contains("is the first to serve\n"), "{shown}");
    assert!(!server.home().exists(), "a plan makes nothing");
    assert!(server.changing().iter().all(|words| words[0] == "delete"), "nor does it change the server");

    server.deploy(Release::First, &[]).success();
    server.assert_tidy(Release::First);
    let visitor = Visitor::of(&server);

    // The same again is nothing at all.
    let before = server.changing().len();
    let plan =
        server.json(&["deploy", Release::First.bundle().to_str().unwrap(), "--server", "iis", "--plan"]);
    assert_eq!((&plan["empty"], &plan["commands"]), (&true.into(), &serde_json::json!([])), "{plan:#}");
    let again = server.deploy(Release::First, &[]).success();
    let said = String::from_utf8_lossy(&again.get_output().stdout).into_owned();
    assert!(said.starts_with("nothing to do: 1.0-"), "{said}");
    assert_eq!(server.changing().len(), before);

    server.deploy(Release::Second, &[]).success();
    server.assert_tidy(Release::Second);

    let back = server.json(&["rollback", "--server", "iis"]);
    assert_eq!(version(back["release"].as_str().unwrap()), "1.0");
    let parts: Vec<&str> =
        back["spans"].as_array().unwrap().iter().map(|span| span["part"].as_str().unwrap()).collect();
    for part in ["survey", "plan", "server", "stage", "switch", "probe"] {
        assert!(parts.contains(&part), "{parts:?}");
    }
    server.assert_tidy(Release::First);
    let forth = server.json(&["rollback", "guestbook", "--to", "1.1", "--server", "iis"]);
    assert_eq!(version(forth["release"].as_str().unwrap()), "1.1");

    let seen = visitor.stop();
    let versions: Vec<_> = seen.iter().map(|seen| seen.split(' ').next().unwrap()).collect();
    assert_eq!(versions, ["1.0", "1.1", "1.0", "1.1"], "{seen:?}");
}

#[test]
fn a_release_that_is_not_well_is_refused_while_the_one_before_serves() {
    let server = Server::new();
    server.site_toml("probe.paths = ['/', '/fails/']");
    server.deploy(Release::First, &[]).success();
    server.assert_tidy(Release::First);
    let visitor = Visitor::of(&server);
    for (release, step, word) in [
        (Release::Unimportable, "the project does not start in its new release", "broken on purpose"),
        (Release::Failing, "the release does not show itself well before the switch", "status 500"),
        (Release::Unmigratable, "a hook before the switch failed", "broken on purpose"),
    ] {
        let refused = server.deploy(release, &[]).code(4).stdout("");
        let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        assert!(said.contains("1.0-") && said.contains("serves on") && said.contains(step), "{said}");
        assert!(said.contains(word), "{said}");
        server.assert_tidy(Release::First);
    }
    // Its database was copied before the migration that failed.
    let copies = server.home().join("shared/backups");
    assert_eq!(fs_err::read_dir(copies).unwrap().count(), 1);
    server.deploy(Release::Second, &[]).success();
    server.assert_tidy(Release::Second);
    let seen = visitor.stop();
    assert_eq!(seen.len(), 2, "{seen:?}");
}

#[test]
fn what_stands_in_the_way_is_said_before_anything_is_made() {
    let server = Server::new();
    let text = server.test.read("site.toml").replace("SECRET_KEY", "OTHER");
    server.test.write("site.toml", text);
    let refused = server.deploy(Release::First, &[]).code(3).stdout("");
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(said.contains("SECRET_KEY") && said.contains("holdall env set guestbook SECRET_KEY"), "{said}");
    server.site_toml("prob.timeout = 3");
    let refused = server.deploy(Release::First, &[]).code(3).stdout("");
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(said.contains("did you mean `probe`?"), "{said}");
    assert!(!server.home().exists());
    // Windows has a web server of its own.
    if cfg!(windows) {
        return;
    }
    let bundle = Release::First.bundle();
    let refused = server.holdall(&["deploy", bundle.to_str().unwrap()]).code(3).stdout("");
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(said.contains("deploying to the embedded server is not there yet"), "{said}");
}

#[test]
fn secrets_are_given_once_and_shown_nowhere() {
    let server = Server::new();
    let text = server.test.read("site.toml").replace("SECRET_KEY = 'not secret'\n", "");
    server.test.write("site.toml", text);
    const SECRET: &str = "planted-0815";
    let mut set = assert_cmd::Command::from_std(server.command(&["env", "set", "guestbook", "SECRET_KEY"]));
    set.write_stdin(format!("{SECRET}\n")).assert().success().stdout("SECRET_KEY is set\n");
    let mut told = Vec::new();
    for args in [&["--plan"][..], &[], &["--format", "json"]] {
        let output = server.deploy(Release::First, args).success().get_output().clone();
        told.extend([output.stdout, output.stderr]);
    }
    told.push(server.holdall(&["env", "list", "guestbook"]).success().get_output().stdout.clone());
    let listed = String::from_utf8_lossy(told.last().unwrap()).into_owned();
    assert_eq!(listed, "SECRET_KEY  (secret)\n");
    let journal = fs_err::read(server.home().join("journal.jsonl")).unwrap();
    let commands = fs_err::read(server.test.path("iis/commands.jsonl")).unwrap();
    told.extend([journal, commands, fs_err::read(server.home().join("state.json")).unwrap()]);
    for text in told {
        assert!(!String::from_utf8_lossy(&text).contains(SECRET));
    }
    // The site itself knows it.
    let code = "from django.conf import settings; print(settings.SECRET_KEY)";
    let shown = server.holdall(&["manage", "guestbook", "--", "shell", "-v", "0", "-c", code]).success();
    assert_eq!(String::from_utf8_lossy(&shown.get_output().stdout).trim(), SECRET);
    server.holdall(&["manage", "guestbook", "--", "no-such-command"]).code(1);
    let mut shell = assert_cmd::Command::from_std(server.command(&["shell", "guestbook"]));
    let typed = match cfg!(windows) {
        // In one line: of several that come at once Wine's reads the first.
        true => "@echo %SECRET_KEY% %HOLDALL_VERSION%& exit 7\r\n",
        false => "echo $SECRET_KEY $HOLDALL_VERSION\nexit 7\n",
    };
    let shown = shell.env("SHELL", "/bin/sh").write_stdin(typed).assert().code(7);
    // That of Windows also shows its prompt, and what is typed.
    let said = String::from_utf8_lossy(&shown.get_output().stdout).into_owned();
    assert!(said.contains(&format!("{SECRET} 1.0")), "{said}");
    server.holdall(&["env", "unset", "guestbook", "SECRET_KEY"]).success();
    server.holdall(&["restart", "--server", "iis"]).code(3).stdout("");
    assert_eq!(ask(&server.url("/")).unwrap().status, 200, "what runs goes on running");
}

#[test]
fn a_folder_that_was_copied_is_taken_where_it_lies_and_a_site_can_go_again() {
    let server = Server::new();
    let folder = server.test.path("copied");
    Release::First.expand(&folder);
    let args = ["deploy", "copied", "--site", "site.toml", "--server", "iis"];
    server.holdall(&args).success();
    let status = server.status();
    assert_eq!(status["releases"][0]["adopted"], true, "{status:#}");
    assert_eq!(ask(&server.url("/")).unwrap().status, 200);
    server.holdall(&args).success();
    server.deploy(Release::Second, &[]).success();
    let back = server.json(&["rollback", "--server", "iis"]);
    assert_eq!(version(back["release"].as_str().unwrap()), "1.0");

    let database = server.home().join("shared");
    server.holdall(&["remove", "guestbook", "--server", "iis"]).success();
    let left: Vec<_> = ["site", "apppool", "config"].map(|object| server.appcmd(&["list", object])).into();
    assert!(!left.concat().contains("guestbook"), "{left:?}");
    assert!(folder.join("holdall.json").exists() && database.exists());
    assert!(!server.home().join("releases").exists() && !server.home().join("run").exists());
    server.deploy(Release::Second, &[]).success();
    server.assert_tidy(Release::Second);
    server.holdall(&["remove", "guestbook", "--with-data", "--server", "iis"]).success();
    assert!(!server.home().exists());
    server.holdall(&["status", "guestbook", "--server", "iis"]).code(3);
}

#[test]
fn going_back_behind_migrations_has_to_be_asked_for() {
    let server = Server::new();
    server.deploy(Release::First, &[]).success();
    // Of copies as many stay as of releases, with the one that is made now.
    let copies = [1, 2, 3].map(|nth| copied_long_ago(&server, &format!("0.{nth}-0123abcd"), nth));
    server.deploy(Release::Migrating, &[]).success();
    assert_eq!(copies.map(|copy| copy.exists()), [false, true, true]);
    let refused = server.holdall(&["rollback", "--server", "iis"]).code(3).stdout("");
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(said.contains("entries.0002_run") && said.contains("--force"), "{said}");
    assert_eq!(server.serving(), "1.5");
    server.holdall(&["rollback", "--force", "--server", "iis"]).success();
    server.assert_tidy(Release::First);
}

/// Has a copy of a database lie there that was made before this release, so many seconds after 1970.
fn copied_long_ago(server: &Server, release: &str, seconds: u64) -> std::path::PathBuf {
    let folder = server.home().join("shared/backups").join(release);
    fs_err::create_dir_all(&folder).unwrap();
    let copy = folder.join("db.sqlite3");
    fs_err::write(&copy, b"SQLite format 3\0").unwrap();
    let made = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    std::fs::File::options().write(true).open(&copy).unwrap().set_modified(made).unwrap();
    folder
}

#[test]
fn old_releases_go_and_the_one_before_stays() {
    let server = Server::new();
    for release in [Release::First, Release::Second, Release::Migrating] {
        server.deploy(release, &["--no-wait"]).success();
    }
    // Copies of the database, of which one is as old as a release that is gone.
    let copies = server.home().join("shared/backups");
    let made = fs_err::read_dir(&copies).unwrap().next().unwrap().unwrap().path();
    let old = copied_long_ago(&server, "0.9-0123abcd", 0);
    let plan = server.json(&["prune", "--keep", "1", "--plan", "--server", "iis"]);
    assert_eq!(plan["removed"].as_array().unwrap().len(), 1, "{plan}");
    assert_eq!(plan["copies"], serde_json::json!(["0.9-0123abcd"]));
    let done = server.holdall(&["prune", "--keep", "1", "--server", "iis"]).success();
    let said = String::from_utf8_lossy(&done.get_output().stdout).into_owned();
    assert!(said.contains("removed the copies of databases made before 0.9-0123abcd"), "{said}");
    assert!(made.exists() && !old.exists());
    let releases = server.json(&["releases", "--server", "iis"]);
    let ids: Vec<_> =
        releases.as_array().unwrap().iter().map(|release| release["id"].as_str().unwrap()).collect();
    assert_eq!(ids.iter().map(|id| version(id)).collect::<Vec<_>>(), ["1.5", "1.1"]);
    server.assert_tidy(Release::Migrating);
}

#[test]
fn what_was_damaged_on_the_way_or_changed_by_hand_does_not_serve() {
    let server = Server::new();
    let mut bytes = fs_err::read(Release::First.bundle()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 16].iter_mut().for_each(|byte| *byte ^= 0x55);
    server.test.write("damaged.zip", bytes);
    let refused = server
        .holdall(&["deploy", "damaged.zip", "--site", "site.toml", "--server", "iis"])
        .code(4)
        .stdout("");
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(
        said.contains("the bundle could not be expanded") && said.contains("no release serves"),
        "{said}"
    );
    assert_eq!(server.status()["releases"], serde_json::json!([]));
    server.deploy(Release::First, &[]).success();
    server.deploy(Release::Second, &[]).success();

    let releases = server.json(&["releases", "--server", "iis"]);
    let first = releases[1]["folder"].as_str().unwrap();
    let page = std::path::Path::new(first).join("app/templates/base.html");
    fs_err::write(&page, "<!-- release 6.6 -->").unwrap();
    let refused = server.holdall(&["rollback", "--server", "iis"]).code(3).stdout("");
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(said.contains("is not what was bundled: 1 file differs"), "{said}");
    // Its bundle makes it anew.
    server.deploy(Release::First, &[]).success();
    server.assert_tidy(Release::First);
    assert!(ask(&server.url("/")).unwrap().text().contains("release 1.0"));

    // What serves is looked at, too, and said.
    fs_err::write(&page, "").unwrap();
    let drift = server.status()["drift"].to_string();
    assert!(drift.contains("base.html"), "{drift}");
}

#[test]
fn a_release_is_served_beside_the_web_server_for_trouble_shooting() {
    let server = Server::new();
    server.deploy(Release::First, &[]).success();
    server.deploy(Release::Second, &[]).success();
    let mut serve =
        server.command(&["serve", "guestbook", "--release", "1.0", "--port", "0", "--format", "json"]);
    apart(&mut serve);
    let mut serving = serve.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(serving.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    let page = ask(ready["address"].as_str().unwrap()).unwrap();
    assert!(page.status == 200 && page.text().contains("release 1.0"));
    assert_eq!(server.serving(), "1.1");
    let asked = interrupt(&mut serving);
    assert_eq!(serving.wait().unwrap().success(), asked);
}

#[test]
fn nobody_has_to_wait_with_going_back_until_the_release_before_is_drained() {
    let server = Server::new();
    server.deploy(Release::First, &[]).success();
    let text = server.test.read("site.toml").replace("drain = 0", "drain = 3600");
    server.test.write("site.toml", text);
    let mut deploying = server.deploying(Release::Second);
    wait_for("the switch", || {
        let status = server.status();
        status["active"].as_str().is_some_and(|id| version(id) == "1.1") && status["changed_by"].is_null()
    });
    assert!(deploying.try_wait().unwrap().is_none(), "it waits for the last requests");
    server.holdall(&["rollback", "--no-wait", "--server", "iis"]).success();
    assert_eq!(server.serving(), "1.0");
    // There is nothing left to wait for, and the processes of the release that serves again are left alone.
    assert!(deploying.wait().unwrap().success());
    server.assert_tidy(Release::First);
    assert_eq!(ask(&server.url("/")).unwrap().status, 200);
}
