//! The programs, as a caller starts them.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::harness::Server;

fn appcmd(server: &Server) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_appcmd"));
    command.env("HOLDALL_LAB_IIS", server.folder.path());
    command
}

#[test]
fn all_is_said_on_standard_output_and_the_exit_code_tells() {
    let server = Server::with_shop();
    let output = appcmd(&server).args(["list", "site", "Shop"]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    assert_eq!(output.stdout, b"SITE \"Shop\" (id:2,bindings:http/*:81:,state:Started)\r\n");
    let output = appcmd(&server).args(["start", "site", "None"]).output().unwrap();
    assert_eq!(output.status.code(), Some(if cfg!(windows) { 1168 } else { 144 }));
    assert!(output.stderr.is_empty());
    assert!(output.stdout.starts_with(b"ERROR ( message:Cannot find SITE object"));
}

#[test]
fn what_comes_on_standard_input_is_read_when_it_is_asked_for() {
    let server = Server::with_shop();
    let mut child = appcmd(&server)
        .args(["stop", "site", "/in"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"<appcmd><SITE SITE.NAME=\"Shop\" /></appcmd>").unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"\"Shop\" successfully stopped\r\n");
}

#[test]
fn a_server_is_made_by_a_command_and_found_beside_the_program() {
    let folder = tempfile::tempdir().unwrap();
    for kind in ["cgi", "aspnet"] {
        let config = folder.path().join(kind).join("config");
        let webdav = (kind == "aspnet").then_some("--webdav");
        let mut command = Command::new(env!("CARGO_BIN_EXE_appcmd-lab"));
        assert!(command.args(["init", "--kind", kind]).args(webdav).arg(&config).status().unwrap().success());
        let program = folder.path().join(kind).join(format!("appcmd{}", std::env::consts::EXE_SUFFIX));
        fs_err::copy(env!("CARGO_BIN_EXE_appcmd"), &program).unwrap();
        let mut list = Command::new(&program);
        list.env_remove("HOLDALL_LAB_IIS").args(["list", "site"]);
        let output = loop {
            match list.output() {
                // A program that another test starts at this moment may hold the copy open for writing.
                Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                    std::thread::yield_now();
                }
                done => break done.unwrap(),
            }
        };
        assert_eq!(output.stdout, b"SITE \"Default Web Site\" (id:1,bindings:http/*:80:,state:Started)\r\n");
    }
    for wrong in [vec!["init"], vec!["init", "--kind", "x", "y"], vec!["init", "--kind", "cgi", "--x", "y"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_appcmd-lab")).args(wrong).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stderr.starts_with(b"usage: "));
    }
}
