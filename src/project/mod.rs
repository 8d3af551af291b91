//! Find a Django project: what it is called, how it is started, what it needs.
//!
//! Reads files and asks git, nothing else: no Python runs here, since discovery comes before there is any
//! environment in which the project's code could be imported. What is not certain from the text of the
//! project's files is an error that names the key to set, never a guess.

pub mod config;
pub mod dependencies;
mod disk;
mod error;
mod keys;
mod source;
pub mod wanted;

use std::path::PathBuf;

use serde::Serialize;

use crate::manifest::{SiteName, Version};
use crate::progress::Notice;
use crate::target::Target;

pub use config::{Config, Files, RuntimeFrom, StaticFiles};
pub use dependencies::Dependencies;
pub use error::ProjectError;
pub use wanted::PythonWanted;

/// A Django project on disk, and what was found out about it.
#[derive(Debug, Clone, Serialize)]
pub struct Project {
    /// The folder given, absolute. All of it is bundled as `app/`, minus what is excluded.
    pub root: PathBuf,
    /// `manage.py`, relative to the root.
    pub manage: PathBuf,
    /// The folders on Python's path, relative to the root, the one of `manage.py` first (empty: the root itself).
    pub python_path: Vec<PathBuf>,
    pub name: Found<SiteName>,
    /// Without the suffix that a dirty tree gets.
    pub version: Found<Version>,
    /// Whether files below the root differ from the commit.
    pub dirty: bool,
    /// The full hash of the commit, if the project is in a repository.
    pub commit: Option<String>,
    pub target: Found<Target>,
    /// The project's own settings module.
    pub settings: Found<String>,
    /// `package.module:callable`
    pub wsgi: Found<String>,
    pub python: Option<Found<PythonWanted>>,
    pub runtime: Option<Found<RuntimeFrom>>,
    pub dependencies: Found<Dependencies>,
    pub config: Config,
    pub notices: Vec<Notice>,
}

/// A value, and where it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found<T> {
    pub value: T,
    /// For people: "manage.py, line 7", "holdall.toml, key `project.settings`".
    pub from: String,
}

impl<T> Found<T> {
    pub fn new(value: T, from: impl Into<String>) -> Found<T> {
        Found { value, from: from.into() }
    }
}

/// What the command line sets. It wins over the project's configuration.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    pub name: Option<SiteName>,
    pub version: Option<Version>,
    pub target: Option<Target>,
    pub settings: Option<String>,
    pub wsgi: Option<String>,
    pub python: Option<PythonWanted>,
    pub runtime: Option<RuntimeFrom>,
}
