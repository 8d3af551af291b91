//! The project's configuration: `holdall.toml`, or `[tool.holdall]` of `pyproject.toml`.
//!
//! Everything in it is optional, and what it says is checked here once: an unknown key, a wrong type or a
//! path that leaves the project is an error that names the file and the key.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::wanted::PythonWanted;
use crate::manifest::{SiteName, Version};
use crate::target::Target;

/// The file's content, key by key. Paths are relative to the project's root unless said otherwise.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Config {
    pub name: Option<SiteName>,
    pub version: Option<Version>,
    pub target: Option<Target>,
    pub project: ProjectKeys,
    pub packages: PackagesKeys,
    pub runtime: RuntimeKeys,
    pub build: BuildKeys,
    pub env: EnvKeys,
    pub files: Files,
    /// What the project writes -> path below `shared/`. The left side is a path relative to the project's
    /// root, or the name of a setting.
    pub paths: BTreeMap<String, String>,
    /// The file read, if there is one.
    #[serde(skip)]
    pub source: Option<ConfigSource>,
}

/// The table `[project]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ProjectKeys {
    pub manage: Option<PathBuf>,
    pub settings: Option<String>,
    pub wsgi: Option<String>,
    pub python: Option<PythonWanted>,
    pub python_path: Vec<PathBuf>,
    /// The path that a probe asks for, `/` unless set.
    pub health: Option<String>,
}

/// The table `[packages]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PackagesKeys {
    pub requirements: Vec<PathBuf>,
    pub lock: Option<PathBuf>,
    pub extras: Vec<String>,
    pub groups: Vec<String>,
}

/// The table `[runtime]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RuntimeKeys {
    pub from: Option<RuntimeFrom>,
}

/// Where the runtime comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeFrom {
    /// The Python of this machine.
    Host,
    /// An archive or folder, absolute.
    Path(PathBuf),
}

/// The table `[build]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct BuildKeys {
    /// The settings module used while bundling, when it is not the one that is served.
    pub settings: Option<String>,
    #[serde(rename = "static")]
    pub static_files: StaticFiles,
    /// `[build.env]`: environment variables set while bundling. They do not enter the bundle.
    pub env: BTreeMap<String, String>,
}

/// Where the static files come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StaticFiles {
    /// `collectstatic` gathers them (`static = true`).
    #[default]
    Collect,
    /// The bundle has none (`static = false`).
    None,
    /// They lie ready in this folder, relative to the project's root (`static = "prebuilt/"`).
    Prebuilt(PathBuf),
}

/// The table `[env]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct EnvKeys {
    /// Names of the environment variables without which the project does not start.
    pub required: Vec<String>,
}

/// The table `[files]`: globs over paths relative to the project's root.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Files {
    pub include: Vec<String>,
    pub exclude: Vec<String>,
    pub executable: Vec<String>,
}

/// The file that a configuration was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigSource {
    pub path: PathBuf,
    /// How people are told of it, relative to the project's root: `holdall.toml`.
    pub shown: String,
    /// What stands before each key in this file: empty, or `tool.holdall.`.
    pub prefix: &'static str,
    /// The table as written.
    pub table: toml::Table,
}

impl Config {
    /// Names a key and its file, for messages: "holdall.toml, key `project.settings`".
    pub fn place(&self, key: &str) -> String {
        match &self.source {
            Some(source) => format!("{}, key `{}{key}`", source.shown, source.prefix),
            None => format!("holdall.toml, key `{key}`"),
        }
    }

    /// The path that a probe asks for.
    pub fn health(&self) -> &str {
        self.project.health.as_deref().unwrap_or("/")
    }
}
