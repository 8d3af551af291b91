//! Why a service is not as it should be.

use std::io;
use std::path::PathBuf;

use super::ServiceName;
use crate::manifest::SiteName;
use crate::release::ReleaseId;
use crate::site::rights::GrantError;

/// Why a service does not run, or is not registered.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ServiceError {
    #[error("cannot write the log `{}`", path.display())]
    #[diagnostic(help("check that the disk has room and that the account of the service may write there"))]
    Log { path: PathBuf, source: io::Error },
    #[error("cannot wait for the process of the service")]
    #[diagnostic(help("the system is out of something: try again"))]
    Wait { source: io::Error },
    #[error("{release} has no service `{name}`: {}", listed(known))]
    #[diagnostic(help("`holdall service list {site}` names what is registered"))]
    Unknown { site: SiteName, release: ReleaseId, name: ServiceName, known: Vec<String> },
    #[error("the site has no service `{name}`: {}", registered(known))]
    #[diagnostic(help("name one of those, or none to mean all"))]
    NotRegistered { name: String, known: Vec<String> },
    #[error("there is a service `{name}` already, and it is not of this site: it runs `{line}`")]
    #[diagnostic(help(
        "remove it, if it is of no use any more: `sc.exe delete {name}`; else name the service otherwise"
    ))]
    Foreign { name: String, line: String },
    #[error("`{command}` failed: {said}")]
    #[diagnostic(help(
        "on a server that takes an administrator; see whether the service manager works: `sc.exe query`"
    ))]
    Refused { command: String, said: String },
    #[error("cannot start `{program}`")]
    #[diagnostic(help("HOLDALL_SERVICES may name a program in the service manager's place: correct it"))]
    Unstarted { program: String, source: io::Error },
    #[error("the answer to `{command}` cannot be read: `{said}`")]
    #[diagnostic(help("HOLDALL_SERVICES names a program in the service manager's place: correct it"))]
    Answer { command: String, said: String },
    #[error("the service `{name}` has not {what} after {seconds} s")]
    #[diagnostic(help(
        "look into its log in `shared/logs/services`; `stop-timeout` of the service says how long it may take to end"
    ))]
    Overdue { name: String, what: &'static str, seconds: u64 },
    #[error("the service `{name}` does not stay up: it {ended}{}", quoted(said))]
    #[diagnostic(help("the words above are the last of its log `{}`", log.display()))]
    Crashes { name: String, ended: String, said: String, log: PathBuf },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Grant(#[from] GrantError),
}

fn listed(known: &[String]) -> String {
    match known {
        [] => "it has none".to_owned(),
        known => format!("it has {}", known.join(", ")),
    }
}

fn registered(known: &[String]) -> String {
    match known {
        [] => "none is registered".to_owned(),
        known => format!("there is {}", known.join(", ")),
    }
}

fn quoted(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(":\n{said}") }
}
