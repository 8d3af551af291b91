//! What is told of services, and asked of them, wherever they are registered: with the lab's service manager, or with that of
//! this machine.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::server::{Server, version};
use super::web_server::lab_program;

/// Which service manager a story gets that is told of either. Unset, it is the lab's.
const VARIABLE: &str = "HOLDALL_TEST_SERVICES";
const THIS_MACHINE: &str = "this-machine";

/// Whether the environment asks for the service manager of this machine.
pub fn is_this_machine() -> bool {
    std::env::var_os(VARIABLE).is_some_and(|kind| {
        assert_eq!(kind, THIS_MACHINE, "{VARIABLE} is `{THIS_MACHINE}` or unset");
        true
    })
}

/// Has a command know the service manager.
pub fn tell(holdall: &mut Command, folder: &Path) {
    match is_this_machine() {
        true => holdall.env_remove("HOLDALL_SERVICES"),
        false => {
            holdall.env("HOLDALL_SERVICES", lab_program("services-lab")).env("HOLDALL_LAB_SERVICES", folder)
        }
    };
}

pub fn deploy<'a>(bundle: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    [&["deploy", bundle.to_str().unwrap(), "--site", "site.toml", "--server", "iis"], more].concat()
}

/// What the lab's service manager is told.
#[cfg(target_os = "linux")]
pub fn lab(server: &Server, args: &[&str]) -> String {
    let mut lab = Command::new(lab_program("services-lab"));
    let done = lab.args(args).env("HOLDALL_LAB_SERVICES", server.test.path("services")).output().unwrap();
    String::from_utf8(done.stdout).unwrap()
}

/// The services end with the story.
pub struct Ended<'a>(pub &'a Server);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        #[cfg(target_os = "linux")]
        lab(self.0, &["end-all"]);
        // Whatever became of the site: it may be gone already.
        #[cfg(windows)]
        let _ = self.0.command(&["remove", self.0.name, "--server", "iis"]).output();
    }
}

/// Each service with its state and the version that it runs.
#[track_caller]
pub fn standing(server: &Server) -> Vec<String> {
    let services = server.status()["services"].as_array().unwrap().clone();
    let text = |service: &Value, key: &str| service[key].as_str().unwrap().to_owned();
    let line = |service: &Value| {
        format!(
            "{} {} {}",
            text(service, "service"),
            text(service, "state"),
            version(&text(service, "release"))
        )
    };
    services.iter().map(line).collect()
}
