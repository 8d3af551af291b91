//! `holdall preview`, the real command, on small bundles whose Python is played by [`python`].

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use holdall::archive;
use holdall::entry::EntryPath;
use holdall::layer::{self, Content, Key, Source};
use holdall::manifest::{LayerKind, Manifest};
use holdall::progress::{Silent, Stage};
use holdall::target::Target;
use serde_json::{Value, json};

use super::client::{get, until};
use super::python;
use crate::harness::program;
use crate::system::{apart, interrupt, is_alive};

/// A bundle of a site that needs these variables.
fn bundle(folder: &Path, target: Target, environment: &[&str]) -> PathBuf {
    let manifest: Manifest = serde_json::from_value(json!({
        "format": 1, "name": "shop", "version": "1.4", "target": target.as_str(),
        "python": {
            "version": "3.12.4",
            "program": python::PROGRAM,
            "site_packages": "python/lib/python3.12/site-packages",
        },
        "portable": false,
        "django": {
            "version": "5.2", "settings": "shop.settings", "wsgi": "shop.wsgi:application", "manage": "app/manage.py",
        },
        "site": {
            "static_url": "/static/", "static_root": "www/static", "hashed_static": true,
            "environment": environment, "health": "/", "paths": {}, "migrations": {}, "services": [],
        },
        "longest_path": 0,
        "lock": "0".repeat(64), "bridge": "0".repeat(64), "holdall": "0".repeat(64),
        "layers": [],
    }))
    .unwrap();
    let source = |path: &str, content: &[u8], executable| Source {
        path: EntryPath::parse(path, target).unwrap(),
        content: Content::Bytes(content.into()),
        executable,
    };
    let layer = |kind, name, source| {
        layer::build_in(folder, &Key::new(kind, target, &[]), name, vec![source], None, Stage::App, &Silent)
            .unwrap()
    };
    let layers = vec![
        layer(LayerKind::Runtime, "python", source(python::PROGRAM, &python::content(), true)),
        layer(LayerKind::Static, "static", source("www/static/shop.css", b"body {}", false)),
        layer(LayerKind::App, "app", source("app/manage.py", b"secret", false)),
    ];
    archive::assemble(manifest, layers, &folder.join("shop.zip"), None, &Silent).unwrap().path
}

fn here(folder: &Path, environment: &[&str]) -> PathBuf {
    bundle(folder, Target::host().unwrap(), environment)
}

fn preview(bundle: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.arg("preview").arg(bundle).args(["--port", "0"]).args(args);
    command
        .current_dir(bundle.parent().unwrap())
        .env("NO_COLOR", "1")
        .env("COLUMNS", "200")
        .env("STRAY", "stray");
    command.env_remove("SECRET_KEY").env_remove("GREETING").stdin(Stdio::null());
    apart(&mut command);
    command
}

/// A preview that serves, for machines to read.
struct Preview {
    child: Child,
    ready: Value,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

/// A test that fails leaves no preview behind.
impl Drop for Preview {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Preview {
    fn start(bundle: &Path, args: &[&str]) -> Preview {
        let mut command = preview(bundle, args);
        let mut child = command.args(["--format", "json"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.next().expect("a first line").unwrap();
        Preview { child, ready: serde_json::from_str(&ready).unwrap(), lines }
    }

    fn address(&self) -> SocketAddr {
        let address = self.ready["address"].as_str().unwrap();
        address.strip_prefix("http://").and_then(|rest| rest.strip_suffix('/')).unwrap().parse().unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.ready[name].as_str().unwrap().into()
    }

    /// Ends it as Ctrl-C does; returns what it told meanwhile, and whether it could be asked to end.
    fn end(mut self) -> (Vec<Value>, bool) {
        let asked = interrupt(&mut self.child);
        assert_eq!(self.child.wait().unwrap().success(), asked);
        let told = self.lines.by_ref().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
        (told, asked)
    }

    fn stop(self) {
        self.end();
    }
}

/// Runs a preview that ends by itself; returns its exit code and what it wrote to standard error.
fn fails(bundle: &Path, args: &[&str]) -> (i32, String) {
    let done = preview(bundle, args).output().unwrap();
    assert_eq!(String::from_utf8(done.stdout).unwrap(), "");
    // Messages are folded to the width of a screen, in the middle of what is looked for.
    let words = String::from_utf8(done.stderr).unwrap();
    let words = words.lines().map(|line| line.trim_start_matches([' ', '│', '×']).trim_end());
    (done.status.code().unwrap(), words.collect::<Vec<_>>().join(" "))
}

#[test]
fn a_bundle_is_served_from_a_folder_that_is_gone_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let preview = Preview::start(&here(folder.path(), &[]), &[]);
    assert_eq!(preview.ready["event"], "ready");
    assert_eq!((&preview.ready["name"], &preview.ready["version"]), (&json!("shop"), &json!("1.4")));
    assert_eq!(get(preview.address(), "/static/shop.css").text(), "body {}");
    let process = get(preview.address(), "/params").line("pid").unwrap();
    let root = preview.path("root");
    assert!(preview.path("release").starts_with(root.join("shop/releases")));
    let (told, asked) = preview.end();
    let requests: Vec<_> = told.iter().filter(|event| event["event"] == "request").collect();
    assert_eq!(requests.len(), 2);
    assert_eq!((&requests[0]["path"], &requests[0]["status"]), (&json!("/static/shop.css"), &json!(200)));
    until("its processes are gone", || !is_alive(&process));
    assert_eq!(root.exists(), !asked);
}

#[test]
fn a_person_reads_the_address_and_a_line_a_request() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = preview(&here(folder.path(), &[]), &[]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let serving = lines.next().unwrap();
    let address = serving.strip_prefix("Serving shop 1.4 on http://").unwrap();
    let address = address.strip_suffix("/ (Ctrl-C stops)").unwrap().parse().unwrap();
    get(address, "/static/shop.css");
    let line = lines.next().unwrap();
    assert!(line.starts_with("GET /static/shop.css 200 7 ") && line.ends_with(" ms"), "{line}");
    let asked = interrupt(&mut child);
    assert_eq!(child.wait().unwrap().success(), asked);
}

#[test]
fn a_root_that_is_named_stays_and_its_release_is_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = here(folder.path(), &[]);
    let first = Preview::start(&bundle, &["--root", "server"]);
    let release = first.path("release");
    assert!(release.starts_with(folder.path().join("server/shop/releases")));
    std::fs::write(folder.path().join("server/shop/shared/media/photo"), "").unwrap();
    first.stop();
    let made = std::fs::metadata(release.join("holdall.json")).unwrap().modified().unwrap();
    let again = Preview::start(&bundle, &["--root", "server"]);
    assert_eq!(again.path("release"), release);
    assert_eq!(std::fs::metadata(release.join("holdall.json")).unwrap().modified().unwrap(), made);
    assert!(folder.path().join("server/shop/shared/media/photo").exists());
    again.stop();
}

#[test]
fn a_release_that_was_cut_off_is_made_again_and_one_that_was_changed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = here(folder.path(), &[]);
    let first = Preview::start(&bundle, &["--root", "server"]);
    let release = first.path("release");
    first.stop();
    std::fs::remove_file(release.join("holdall.json")).unwrap();
    std::fs::write(release.join("www/static/shop.css"), "half").unwrap();
    let again = Preview::start(&bundle, &["--root", "server"]);
    assert_eq!(get(again.address(), "/static/shop.css").text(), "body {}");
    again.stop();
    std::fs::write(release.join("www/static/shop.css"), "other").unwrap();
    for args in [["--root", "server"], ["--root", "elsewhere"]] {
        let path = if args[1] == "server" { &bundle } else { &release };
        let (code, words) = fails(path, &args);
        assert_eq!(code, 1);
        assert!(words.contains("is not what was bundled: 1 file differs"), "{words}");
        // Machines are told on standard output, where nothing else stands yet.
        let done = preview(path, &args).args(["--format", "json"]).output().unwrap();
        let told: Value = serde_json::from_slice(&done.stdout).unwrap();
        assert!(words.contains(told["error"].as_str().unwrap()), "{told} {words}");
    }
}

#[test]
fn a_folder_that_a_bundle_was_expanded_into_is_served_where_it_lies() {
    let folder = tempfile::tempdir().unwrap();
    let first = Preview::start(&here(folder.path(), &[]), &["--root", "server"]);
    let release = first.path("release");
    first.stop();
    let preview = Preview::start(&release, &[]);
    assert_eq!(preview.path("release"), release);
    assert!(!preview.path("root").starts_with(folder.path()));
    assert_eq!(get(preview.address(), "/params").status, 200);
    preview.stop();
}

#[test]
fn the_site_is_told_what_was_given_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = here(folder.path(), &["GREETING", "SECRET_KEY"]);
    std::fs::write(folder.path().join("site.env"), "GREETING=from file\nSECRET_KEY='kept'\n").unwrap();
    let args = ["--root", "server", "--migrate", "--env-file", "site.env", "--env", "GREETING=hello"];
    let preview = Preview::start(&bundle, &args);
    assert_eq!(preview.ready["notices"], json!([]));
    let managed = std::fs::read_to_string(folder.path().join("server/shop/shared/managed")).unwrap();
    let asked = "manage.py migrate --noinput holdall_site.settings hello";
    assert!(managed.trim_end().ends_with(asked), "{managed}");
    let run = folder.path().join("server/shop/run").join(preview.path("release").file_name().unwrap());
    let told: toml::Table = std::fs::read_to_string(run.join("bridge.toml.read")).unwrap().parse().unwrap();
    assert_eq!(told["app"].as_str(), Some("shop.wsgi:application"));
    assert_eq!(told["environment"]["GREETING"].as_str(), Some("hello"));
    assert_eq!(told["environment"]["SECRET_KEY"].as_str(), Some("kept"));
    assert!(told["environment"].get("STRAY").is_none());
    preview.stop();
}

#[test]
fn a_secret_key_is_made_up_and_anything_else_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = here(folder.path(), &["DATABASE_URL", "SECRET_KEY", "MAIL_HOST"]);
    let (code, words) = fails(&bundle, &["--env", "MAIL_HOST=mail"]);
    assert_eq!(code, 3);
    assert!(
        words.contains("does not start without `DATABASE_URL`") && words.contains("`--env NAME=VALUE`"),
        "{words}"
    );
    let preview = Preview::start(&bundle, &["--env", "MAIL_HOST=mail", "--env", "DATABASE_URL=x"]);
    let what = preview.ready["notices"][0]["what"].as_str().unwrap();
    assert_eq!(what, "`SECRET_KEY` is made up at random for this preview");
    preview.stop();
}

#[test]
fn a_migration_that_fails_ends_the_preview_with_its_words() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = here(folder.path(), &[]);
    let (code, words) = fails(&bundle, &["--migrate", "--env", "GREETING=wrong"]);
    assert_eq!(code, 1);
    assert!(words.contains("manage.py migrate --noinput` failed") && words.contains("migrated"), "{words}");
}

#[test]
fn a_bundle_for_another_target_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let other = if cfg!(windows) { Target::LinuxX86_64 } else { Target::WindowsX86_64 };
    let bundle = bundle(folder.path(), other, &[]);
    let (code, words) = fails(&bundle, &["--root", "server"]);
    assert_eq!(code, 3);
    let here = Target::host().unwrap();
    let both = format!("the bundle is for {other}, and this machine is {here}");
    assert!(words.contains(&both), "{words}");
    assert!(!folder.path().join("server").exists());
}

/// A site whose longest file does not fit below a root that is deep.
#[test]
fn a_root_too_deep_for_windows_is_refused_there_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = here(folder.path(), &[]);
    let longest = python::PROGRAM.len().max("www/static/shop.css".len());
    let deep = vec!["d".repeat(30); 7].join(std::path::MAIN_SEPARATOR_STR);
    let root = folder.path().join("server").join(deep);
    assert!(root.as_os_str().len() + "/shop/releases/1.4-01234567/".len() + longest > 259);
    if !cfg!(windows) {
        // Only Windows has the limit, MAX_PATH.
        Preview::start(&bundle, &["--root", root.to_str().unwrap()]).stop();
        return;
    }
    let (code, words) = fails(&bundle, &["--root", root.to_str().unwrap()]);
    assert_eq!(code, 3);
    assert!(words.contains("`www/static/shop.css`") && words.contains("259"), "{words}");
    assert!(!folder.path().join("server").exists());
}

#[test]
fn a_port_that_is_taken_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = here(folder.path(), &[]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut command = Command::new(program());
    let done = command
        .arg("preview")
        .arg(&bundle)
        .args(["--port", &port, "--root"])
        .arg(folder.path().join("server"));
    let done = done.output().unwrap();
    let words = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(3));
    assert!(words.contains(&format!("cannot listen on `127.0.0.1:{port}`")), "{words}");
    assert!(!folder.path().join("server").exists());
}

#[test]
fn a_file_that_is_no_bundle_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.zip");
    std::fs::write(&file, "no zip at all").unwrap();
    assert_eq!(fails(&file, &[]).0, 1);
    let mut whole = std::fs::read(here(folder.path(), &[])).unwrap();
    whole.truncate(whole.len() - 100);
    std::fs::write(&file, whole).unwrap();
    assert_eq!(fails(&file, &["--root", "server"]).0, 1);
    assert!(!folder.path().join("server/shop/releases").exists());
}

#[test]
fn what_a_client_sends_cannot_act_on_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = preview(&here(folder.path(), &[]), &[])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let serving = lines.next().unwrap();
    let address = serving.split(['/', ' ']).find(|word| word.starts_with("127.")).unwrap().parse().unwrap();
    get(address, "/errors");
    assert!(lines.next().unwrap().starts_with("GET /errors 200 2 "));
    interrupt(&mut child);
    until("it has ended", || child.try_wait().unwrap().is_some());
    let mut words = String::new();
    child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
    assert!(words.contains("second \\u{1b}[2J complaint") && !words.contains('\x1b'), "{words}");
}
