//! Where results go: to a disk that is full, or to a reader that has gone.

use std::process::{Command, Stdio};

use crate::harness::{Test, command};

fn told(test: &Test, args: &[&str]) -> Command {
    let mut holdall = command(&test.path(""), args);
    holdall.env("HOLDALL_ROOT", test.path("sites"));
    holdall
}

const COMMANDS: [&[&str]; 6] = [
    &["env", "list", "shop"],
    &["env", "list", "shop", "--format", "json"],
    &["cache", "info"],
    &["--help"],
    &["help", "deploy"],
    &["--version"],
];

fn shop() -> Test {
    let test = Test::empty();
    let variables: String = (0..5000).map(|number| format!("A{number} = '1'\n")).collect();
    test.write("sites/shop/site.toml", format!("name = 'shop'\n[environment]\n{variables}"));
    test
}

#[cfg(target_os = "linux")]
#[test]
fn a_result_that_cannot_be_written_is_a_failure() {
    let test = shop();
    for args in COMMANDS {
        let full = fs_err::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let done = told(&test, args).stdout(full.into_file()).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.contains("cannot write to standard output") && said.contains("No space left"), "{said}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_error_that_cannot_be_written_is_told_beside() {
    let test = shop();
    let full = fs_err::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut holdall = told(&test, &["env", "list", "none", "--format", "json"]);
    let done = holdall.stdout(full.into_file()).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(done.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&done.stderr).contains("there is no site `none`"));
}

#[test]
fn a_reader_that_has_gone_is_none() {
    let test = shop();
    for args in COMMANDS {
        let mut done = told(&test, args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(done.stdout.take());
        let done = done.wait_with_output().unwrap();
        assert_eq!((done.status.code(), &*String::from_utf8_lossy(&done.stderr)), (Some(0), ""), "{args:?}");
    }
}
