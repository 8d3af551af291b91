//! Bytecode: a site starts without compiling anything, and nobody sees a difference but the time.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::harness::Test;

/// Bundles the project `site`; returns what was reported.
fn bundle(test: &Test) -> Value {
    let done = test.holdall(["--format", "json", "bundle", "site", "--runtime", "host"]).success();
    serde_json::from_slice(&done.get_output().stdout).unwrap()
}

/// Expands the bundle and returns the folder.
fn expanded(test: &Test, report: &Value) -> PathBuf {
    let site = test.preview([report["path"].as_str().unwrap(), "--root", "server"]);
    let release = PathBuf::from(site.ready["release"].as_str().unwrap());
    site.stop();
    release
}

/// Runs a line of Python in the release as the site's processes run; returns what it wrote to standard error, with
/// paths as they are elsewhere: Windows' own, and those that Python shows as literals.
fn python(release: &Path, report: &Value, options: &[&str], line: &str) -> String {
    let program = release.join(report["manifest"]["python"]["program"].as_str().unwrap());
    let mut command = Command::new(program);
    command
        .env("SECRET_KEY", "x")
        .args(["-I", "-B", "-X", "utf8"])
        .args(options)
        .args(["-c", line])
        .current_dir(release);
    String::from_utf8_lossy(&command.output().unwrap().stderr).replace(r"\\", "/").replace('\\', "/")
}

#[test]
fn a_site_starts_from_bytecode_that_was_made_while_bundling() {
    let test = Test::empty();
    test.guestbook("site");
    let report = bundle(&test);
    assert_eq!(report["manifest"]["bytecode"], report["manifest"]["python"]["version"]);
    let release = expanded(&test, &report);

    let load = "import guestbook.settings, entries.apps, json, django.db.models";
    let said = python(&release, &report, &["-v"], load);
    let read = |name: &str| said.lines().any(|line| line.contains("code object from") && line.contains(name));
    for module in ["settings", "apps", "decoder", "query"] {
        assert!(read(&format!("__pycache__/{module}.cpython-3")), "{module} is not read from bytecode");
    }
    // What is compiled is said with the name of its source.
    let compiled: Vec<_> = said
        .lines()
        .filter(|line| line.starts_with("# code object from") && line.trim_end_matches('\'').ends_with(".py"))
        .collect();
    assert!(compiled.is_empty(), "{compiled:#?}");
}

#[test]
fn a_traceback_shows_the_files_of_the_release_and_their_lines() {
    let test = Test::empty();
    test.guestbook("site").write("site/entries/broken.py", "def fall():\n    raise ValueError('here')\n");
    let report = bundle(&test);
    let release = expanded(&test, &report);
    let said = python(&release, &report, &[], "import entries.broken; entries.broken.fall()");
    assert!(said.contains("server") && said.contains("/app/entries/broken.py\", line 2, in fall"), "{said}");
    assert!(said.contains("    raise ValueError('here')"), "{said}");
}

#[test]
fn a_module_that_changed_is_compiled_again_and_one_that_went_leaves_nothing() {
    let test = Test::empty();
    test.guestbook("site").write("site/entries/answer.py", "ANSWER = 41\n").write("site/entries/gone.py", "");
    bundle(&test);
    test.write("site/entries/answer.py", "ANSWER = 42\n");
    fs_err::remove_file(test.path("site/entries/gone.py")).unwrap();
    let report = bundle(&test);
    let release = expanded(&test, &report);
    let said =
        python(&release, &report, &[], "import sys, entries.answer as a; sys.stderr.write(str(a.ANSWER))");
    assert_eq!(said, "42");
    let left = fs_err::read_dir(release.join("app/entries/__pycache__")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(left.iter().any(|name| name.starts_with("answer.cpython-3")), "{left:?}");
    assert!(!left.iter().any(|name| name.starts_with("gone.")), "{left:?}");
}

#[test]
fn who_wants_no_bytecode_gets_none() {
    let test = Test::empty();
    test.guestbook("site").write("site/holdall.toml", "[build]\nbytecode = false\n");
    let report = bundle(&test);
    assert_eq!(report["manifest"]["bytecode"], Value::Null);
    let bundle = test.path(report["path"].as_str().unwrap());
    let zip = zip::ZipArchive::new(fs_err::File::open(bundle).unwrap()).unwrap();
    assert!(!zip.file_names().any(|name| name.unwrap().ends_with(".pyc")));
}

#[test]
fn bytecode_that_the_project_has_itself_takes_no_place_of_that_of_its_sources() {
    let test = Test::empty();
    test.guestbook("site").write("site/entries/answer.py", "ANSWER = 42\n");
    let release = expanded(&test, &bundle(&test));
    let made = fs_err::read_dir(release.join("app/entries/__pycache__")).unwrap();
    let made = made.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let answer = made.into_iter().find(|name| name.starts_with("answer.")).unwrap();

    test.write(&format!("site/entries/__pycache__/{answer}"), "of another source");
    test.write("site/holdall.toml", "[files]\ninclude = [\"__pycache__/\"]\n");
    for _ in 0..2 {
        let report = bundle(&test);
        let file = test.path(report["path"].as_str().unwrap());
        let mut zip = zip::ZipArchive::new(fs_err::File::open(file).unwrap()).unwrap();
        let mut bytes = Vec::new();
        let mut entry = zip.by_name(&format!("app/entries/__pycache__/{answer}")).unwrap();
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        assert_ne!(bytes, b"of another source");
    }
}
