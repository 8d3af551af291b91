//! Why a service is not as it should be.

use std::io;
use std::path::PathBuf;

use super::ServiceName;
use crate::manifest::SiteName;
use crate::release::ReleaseId;

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
}

fn listed(known: &[String]) -> String {
    match known {
        [] => "it has none".to_owned(),
        known => format!("it has {}", known.join(", ")),
    }
}
