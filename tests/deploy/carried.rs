//! A bundle that was carried to the server and unpacked there.

use std::process::Command;

use super::bundles::Release;
use super::server::{Server, version};
use super::visitors::ask;
use crate::harness::Test;

/// `sh -- FOLDER/deploy.sh`, of a server.
fn deploy_sh(server: &Server, folder: &str, args: &[&str]) -> assert_cmd::assert::Assert {
    let mut sh = Command::new("sh");
    sh.arg("--").arg(format!("{folder}/deploy.sh")).args(args).current_dir(server.test.path(""));
    let known = server.command(&[]);
    for (name, value) in known.get_envs() {
        match value {
            Some(value) => sh.env(name, value),
            None => sh.env_remove(name),
        };
    }
    assert_cmd::Command::from_std(sh).assert()
}

#[test]
fn a_bundle_that_was_unpacked_brings_the_script_that_deploys_it_where_it_lies() {
    let server = Server::new();
    // What a shell would make words, commands and options of.
    let folder = "-un packed; $(false) & 'é'";
    Release::First.expand(&server.test.path(folder));
    let path = server.test.path(folder);
    fs_err::rename(server.test.path("site.toml"), path.join("site.toml")).unwrap();
    // IIS's appcmd takes no folder with such a name, and says so by the exit code of holdall itself.
    let refused = deploy_sh(&server, folder, &["--server", "iis"]).code(3).stdout("");
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(said.contains("appcmd") && said.contains("'é'"), "{said}");
    let plain = "un packed";
    fs_err::rename(&path, server.test.path(plain)).unwrap();
    let plan = deploy_sh(&server, plain, &["--server", "iis", "--plan"]).success().stderr("");
    let said = String::from_utf8_lossy(&plan.get_output().stdout).into_owned();
    assert!(said.contains("write site.toml") && said.contains("and take it for 1.0-"), "{said}");
    deploy_sh(&server, plain, &["--server", "iis"]).success();
    let status = server.status();
    assert_eq!(version(status["active"].as_str().unwrap()), "1.0");
    assert_eq!(
        (&status["releases"][0]["adopted"], &status["drift"]),
        (&true.into(), &serde_json::json!([])),
        "{status:#}"
    );
    assert_eq!(ask(&server.url("/")).unwrap().status, 200);
    let again = deploy_sh(&server, plain, &["--server", "iis"]).success();
    let said = String::from_utf8_lossy(&again.get_output().stdout).into_owned();
    assert!(said.starts_with("nothing to do: 1.0-"), "{said}");
}

#[test]
fn a_script_without_its_program_says_what_was_not_unpacked() {
    let test = Test::empty();
    Release::First.expand(&test.path("unpacked"));
    let run = |folder: &str, script: &str| {
        let mut sh = Command::new("sh");
        sh.arg(script).current_dir(test.path(folder));
        let done = assert_cmd::Command::from_std(sh).assert().code(3).stdout("");
        String::from_utf8_lossy(&done.get_output().stderr).into_owned()
    };
    use std::os::unix::fs::PermissionsExt as _;
    let program = test.path("unpacked/holdall");
    fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(run("unpacked", "deploy.sh").contains("`./holdall` is no program"));
    fs_err::remove_file(&program).unwrap();
    let said = run("", "unpacked/deploy.sh");
    assert!(said.contains("there is no holdall in `./unpacked`"), "{said}");
}

#[test]
fn who_has_said_nothing_of_a_site_is_told_how_to() {
    let server = Server::new();
    Release::First.expand(&server.test.path("unpacked"));
    let plan = deploy_sh(&server, "unpacked", &["--server", "iis", "--plan"]);
    // What the project needs stands in nobody's settings yet.
    let said = String::from_utf8_lossy(&plan.get_output().stderr).into_owned();
    assert!(said.contains("holdall env set guestbook SECRET_KEY"), "{said}");
    let set = server.command(&["env", "set", "guestbook", "SECRET_KEY"]);
    assert_cmd::Command::from_std(set).write_stdin("not secret\n").assert().success();
    let plan = deploy_sh(&server, "unpacked", &["--server", "iis", "--plan"]).success();
    let said = String::from_utf8_lossy(&plan.get_output().stderr).into_owned();
    let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("port 80") && words.contains("`holdall site init \""), "{said}");
}
