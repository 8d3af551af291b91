//! `--check`, the configuration file, and starts that fail.

use std::path::Path;

use super::bridge::{Bridge, apps, python, run};
use super::client::get;

fn check(app: &str, words: &[&str]) -> (Option<i32>, String, String) {
    let apps = apps().display().to_string();
    let output = run([&["--app", app, "--pythonpath", &apps, "--check"], words].concat());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_sound_application_passes_the_check() {
    let (code, stdout, _) = check("plain:hello", &[]);
    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.contains("status         200 OK\n") && stdout.ends_with("fine\n"), "{stdout}");
}

#[test]
fn a_dotted_name_is_an_application_too_and_prints_do_not_meet_the_report() {
    let (code, stdout, stderr) = check("plain.noisy", &["--format", "json"]);
    assert_eq!(code, Some(0), "{stderr}");
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&report["ok"], &report["status"]), (&true.into(), &"200 OK".into()));
    for key in ["import_seconds", "first_answer_seconds", "second_answer_seconds"] {
        assert!(report[key].as_f64().is_some_and(|seconds| seconds > 0.0), "{key} in {stdout}");
    }
    assert!(stderr.contains("printed by the application"), "{stderr}");
}

#[test]
fn a_missing_module_is_named_with_the_projects_own_traceback() {
    let (code, stdout, _) = check("broken:application", &["--format", "json"]);
    assert_eq!(code, Some(1));
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let problem = &report["problems"][0];
    assert!(problem["help"].as_str().unwrap().contains("`no_such_module_anywhere`"), "{stdout}");
    let traceback = problem["traceback"].as_str().unwrap();
    assert!(
        traceback.contains("broken.py\", line 3") && !traceback.contains("holdall_bridge"),
        "{traceback}"
    );
}

#[track_caller]
fn check_problem(app: &str, said: &str) {
    let (code, stdout, _) = check(app, &[]);
    assert_eq!(code, Some(1));
    assert!(stdout.contains(said) && stdout.ends_with("not fine\n"), "{stdout}");
}

#[test]
fn answers_that_are_failures_are_problems() {
    check_problem("plain:fails_early", "the application failed at /: ValueError: before any header");
    check_problem("plain:refuses", "add `localhost` to the project's ALLOWED_HOSTS");
    check_problem("plain:never_starts", "before it called start_response");
    check_problem("plain:fails_early", "| ValueError: before any header");
    check_problem("plain:no_such_name", "has no attribute 'no_such_name'");
}

#[test]
fn a_long_traceback_is_quoted_by_its_end() {
    let (code, stdout, stderr) = check("plain:fails_deep", &["--format", "json"]);
    assert_eq!(code, Some(1), "{stderr}");
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let traceback = report["problems"][0]["traceback"].as_str().unwrap();
    let lines: Vec<_> = traceback.lines().collect();
    assert_eq!((lines.len(), lines[0]), (32, "Traceback (most recent call last):"), "{traceback}");
    assert!(lines[1].ends_with(" lines") && lines[31] == "ValueError: far down", "{traceback}");
    assert!(stderr.matches("in deeper").count() > 40, "the log has all of it");
}

#[test]
fn a_check_that_cannot_be_made_says_so_to_machines_too() {
    let folder = tempfile::tempdir().unwrap();
    let config = configuration(folder.path(), "app = 'a:b'\nthread = 2\n");
    let output = run(["--config", &config, "--check", "--format", "json"]);
    assert_eq!(output.status.code(), Some(2));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["ok"], false);
    assert!(report["problems"][0]["help"].as_str().unwrap().contains("`threads`"), "{report}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("`threads`"));
}

#[test]
fn a_thread_of_the_application_does_not_keep_the_process() {
    let (code, stdout, stderr) = check("lingering:application", &["--grace", "1"]);
    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.ends_with("fine\n") && stderr.contains("leaving without them"), "{stdout}{stderr}");
    let folder = tempfile::tempdir().unwrap();
    let listen = format!("unix:{}", folder.path().join("socket").display());
    let apps = apps().display().to_string();
    let words =
        ["--app", "lingering:application", "--pythonpath", &apps, "--listen", &listen, "--grace", "1"];
    let output = python().args(words).env("FAIL", "1").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_path_of_a_check_is_decoded_as_a_web_server_does() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "app = 'plain:notes_path'\npythonpath = [{:?}]\n[check]\npath = '/caf%C3%A9/?a=%20'\n",
        apps()
    );
    let output = run(["--config", &configuration(folder.path(), &text), "--check"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("note: '/caf\u{c3}\u{a9}/' 'a=%20'"), "{stderr}");
}

fn configuration(folder: &Path, text: &str) -> String {
    let path = folder.join("bridge.toml");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn the_configuration_sets_environment_path_listening_and_log() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let config = configuration(
        folder.path(),
        &format!(
            "app = 'configured:application'\npythonpath = [{:?}]\nlisten = 'unix:{}'\n\
             [environment]\nGREETING = 'from the file'\n[log]\npath = 'own.log'\n",
            apps(),
            socket.display()
        ),
    );
    let child = python().args(["--config", &config]).spawn().unwrap();
    std::fs::write(folder.path().join("log"), "").unwrap();
    let log = folder.path().join("own.log");
    let mut bridge = Bridge { child, folder };
    while !std::fs::read_to_string(&log).is_ok_and(|text| text.contains("ready: configured:application")) {
        assert!(bridge.child.try_wait().unwrap().is_none(), "it ended");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    bridge.connect().ask(&get("/")).expect("200 OK", "from the file");
    bridge.signal(15);
    assert_eq!(bridge.wait().code(), Some(0));
}

#[test]
fn an_unknown_key_is_wrong_usage_and_the_near_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let config = configuration(folder.path(), "app = 'a:b'\nthread = 2\n");
    let output = run(["--config", &config]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr.contains("unknown field `thread`") && stderr.contains("did you mean `threads`?"),
        "{stderr}"
    );
}

#[test]
fn without_a_listening_socket_it_says_what_to_do() {
    let output = run(["--app", "plain:hello"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    assert!(
        stderr.contains("descriptor 0 is not a listening socket") && stderr.contains("--listen"),
        "{stderr}"
    );
}

#[test]
fn a_project_that_does_not_import_ends_the_start_with_its_traceback() {
    for words in [&[][..], &["--processes", "2"]] {
        let folder = tempfile::tempdir().unwrap();
        let listen = format!("unix:{}", folder.path().join("socket").display());
        let apps = apps().display().to_string();
        let line = ["--app", "broken:application", "--pythonpath", &apps, "--listen", &listen];
        let output = run([&line, words].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(
            stderr.contains("ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
            "{stderr}"
        );
    }
}

#[test]
fn the_help_teaches_the_configuration() {
    let output = run(["--help"]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
    for word in ["--listen", "unix:PATH", "[environment]", "Exit codes"] {
        assert!(stdout.contains(word), "{word} in {stdout}");
    }
}

#[test]
fn a_free_threaded_python_is_told_why_the_bridge_cannot_be_loaded() {
    // Such a Python does not find the extension module, whose binary interface it lacks.
    let code = "import sys, sysconfig\n\
                sys.modules['holdall_bridge._bridge'] = None\n\
                sysconfig.get_config_vars()['Py_GIL_DISABLED'] = 1\n\
                import holdall_bridge";
    let interpreter = python().get_program().to_owned();
    let output = std::process::Command::new(interpreter).args(["-I", "-c", code]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains("by a free-threaded CPython"), "{text}");
}
