//! What is served, as plain values: sites, pools and FastCGI applications, read from the configuration once for each
//! change of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::process::Words;

/// All that the server knows without looking into folders.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Model {
    /// In the order of the configuration: of two sites with one binding, the first one has it.
    pub sites: Vec<Site>,
    pub pools: BTreeMap<String, Pool>,
    pub applications: Vec<Application>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    pub name: String,
    pub id: u32,
    pub is_started: bool,
    pub bindings: Vec<Binding>,
    pub folders: Vec<Folder>,
}

/// An address at which a site answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    pub https: bool,
    /// `*` for all.
    pub address: String,
    pub port: u16,
    /// Empty for all.
    pub host: String,
}

/// A virtual directory, with the application it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Path of the application within the site, `/` for the site's own.
    pub application: String,
    pub pool: String,
    /// Path of the virtual directory within the site, without a slash at its end; empty for the site's own.
    pub path: String,
    /// As the configuration has it, with its variables replaced.
    pub physical_path: String,
    /// Where that is on this machine.
    pub place: PathBuf,
    /// Whether folders below may have a `web.config` of their own.
    pub allow_sub_dir_config: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pool {
    /// As it is written; other places name it in any case.
    pub name: String,
    pub is_started: bool,
    /// Counts how often a recycle was asked for.
    pub recycles: u64,
    /// Variables of its workers, and so of their children.
    pub environment: Vec<(String, String)>,
    /// Settings whose change recycles the pool, as text.
    pub settings: String,
}

/// A registered FastCGI application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// Both as they are written: so a handler names them.
    pub full_path: String,
    pub arguments: String,
    /// What is started for them on this machine.
    pub program: PathBuf,
    pub words: Words,
    pub environment: Vec<(String, String)>,
    pub monitor_changes_to: Option<PathBuf>,
    pub stderr_mode: StderrMode,
    pub max_instances: usize,
    pub idle_timeout: Duration,
    pub activity_timeout: Duration,
    pub request_timeout: Duration,
    pub instance_max_requests: u32,
    pub signal_before_terminate: Duration,
    pub queue_length: usize,
    /// 0 for no limit.
    pub rapid_fails: usize,
}

/// What a process's words on FCGI_STDERR do to its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StderrMode {
    ReturnStdErrIn500,
    ReturnGeneric500,
    IgnoreAndReturn200,
    TerminateProcess,
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn folder(application: &str, path: &str, physical_path: &str, pool: &str) -> Folder {
        Folder {
            application: application.to_owned(),
            pool: pool.to_owned(),
            path: path.to_owned(),
            physical_path: physical_path.to_owned(),
            place: physical_path.into(),
            allow_sub_dir_config: true,
        }
    }

    pub fn site(name: &str, id: u32, port: u16, pool: &str) -> Site {
        let binding = Binding { https: false, address: "*".to_owned(), port, host: String::new() };
        let folders = vec![folder("/", "", "/srv/old", pool)];
        Site { name: name.to_owned(), id, is_started: true, bindings: vec![binding], folders }
    }

    /// With the defaults of the schema, but for the number of processes.
    pub fn application(full_path: &str) -> Application {
        Application {
            full_path: full_path.to_owned(),
            arguments: String::new(),
            program: full_path.into(),
            words: Words::default(),
            environment: Vec::new(),
            monitor_changes_to: None,
            stderr_mode: StderrMode::ReturnStdErrIn500,
            max_instances: 2,
            idle_timeout: Duration::from_secs(300),
            activity_timeout: Duration::from_secs(70),
            request_timeout: Duration::from_secs(90),
            instance_max_requests: 200,
            signal_before_terminate: Duration::ZERO,
            queue_length: 1000,
            rapid_fails: 10,
        }
    }
}
