//! Find a Django project: what it is called, how it is started, what it needs.
//!
//! Reads files and asks git, nothing else: no Python runs here, since discovery comes before there is any
//! environment in which the project's code could be imported. What is not certain from the text of the
//! project's files is an error that names the key to set, never a guess.

mod advice;
pub mod config;
pub mod dependencies;
mod disk;
mod distribution;
mod error;
mod git;
mod identity;
mod keys;
mod layout;
mod mention;
mod own_config;
mod pyproject;
mod requirements;
mod services;
mod settings;
mod source;
mod start;
mod sys_path;
mod template;
mod variants;
pub mod wanted;
mod wsgi;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use config::{ConfigSource, PackagesKeys};
use layout::Roots;
use pyproject::Pyproject;

use crate::manifest::{SiteName, Version};
use crate::progress::Notice;
use crate::target::Target;

pub use config::{Config, Files, RuntimeFrom, StaticFiles};
pub use dependencies::Dependencies;
pub use distribution::Distribution;
pub use error::ProjectError;
pub use own_config::OwnConfig;
pub use template::ConfigFile;
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
    /// How the files below the root differ from the commit.
    pub changes: Changes,
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
    /// A lock of `holdall lock` that the configuration names.
    pub lock: Option<PathBuf>,
    /// The project as a package, if it is one.
    #[serde(skip)]
    pub distribution: Option<Distribution>,
    /// The `web.config` that the configuration names.
    #[serde(skip)]
    pub web_config: Option<OwnConfig>,
    pub config: Config,
    /// What the text of the settings gives reason to say. Who has loaded them knows better.
    #[serde(skip)]
    pub advice: Vec<Notice>,
    #[serde(skip)]
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

/// What lies in the project's folder and not in its commit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Whether files of the commit are changed or gone, or what they are bundled by is not in it.
    pub modified: bool,
    /// Files and folders that the commit does not have, relative to the root.
    pub untracked: Vec<PathBuf>,
}

impl Changes {
    fn of(git: git::State, root: &Path, config: &Config) -> Changes {
        // A file of comments and headings, as `init` writes it, changes nothing.
        let unknown =
            config.source.as_ref().filter(|source| sets_anything(&source.table)).is_some_and(|source| {
                git.untracked.iter().any(|path| source.path.starts_with(root.join(path)))
            });
        Changes { modified: git.modified || unknown, untracked: git.untracked }
    }

    /// Whether a bundle of `files`, relative to the root, holds anything that the commit does not say.
    pub fn reach<'a>(&self, files: impl IntoIterator<Item = &'a Path>) -> bool {
        let untracked = |file: &Path| self.untracked.iter().any(|path| file.starts_with(path));
        self.modified || files.into_iter().any(untracked)
    }
}

fn sets_anything(table: &toml::Table) -> bool {
    table.values().any(|value| value.as_table().is_none_or(sets_anything))
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
    /// These lists are added to those of the configuration.
    pub extras: Vec<String>,
    pub groups: Vec<String>,
    pub find_links: Vec<PathBuf>,
    pub offline: bool,
}

impl Overrides {
    fn check(&self) -> Result<(), ProjectError> {
        let wrong = |value: &str, why: &str, example: &str| ProjectError::WrongValue {
            place: "the command line".to_owned(),
            value: value.to_owned(),
            why: why.to_owned(),
            help: format!("write it as `{example}`"),
        };
        match (&self.settings, &self.wsgi) {
            (Some(settings), _) if !keys::is_module(settings) => {
                Err(wrong(settings, "as settings, which is no dotted module name", "mysite.settings"))
            }
            (_, Some(wsgi)) if !keys::is_callable(wsgi) => Err(wrong(
                wsgi,
                "as WSGI application, which is no `package.module:callable`",
                "mysite.wsgi:application",
            )),
            _ => Ok(()),
        }
    }
}

impl Overrides {
    fn add_to(&self, packages: &mut PackagesKeys) -> Result<(), ProjectError> {
        let add = |list: &mut Vec<String>, more: &[String]| {
            list.extend_from_slice(more);
            let mut seen = BTreeSet::new();
            list.retain(|word| seen.insert(word.clone()));
        };
        add(&mut packages.extras, &self.extras);
        add(&mut packages.groups, &self.groups);
        for folder in &self.find_links {
            let absolute = std::path::absolute(folder).map_err(|source| disk::unreadable(folder, source))?;
            if !absolute.is_dir() {
                return Err(ProjectError::NoWheels { place: "`--find-links`".to_owned(), folder: absolute });
            }
            packages.find_links.push(absolute);
        }
        packages.offline |= self.offline;
        Ok(())
    }
}

impl Project {
    /// Finds out about the project in `dir`. The project's own files are read, nothing is run but git.
    pub fn discover(dir: &Path, overrides: &Overrides) -> Result<Project, ProjectError> {
        overrides.check()?;
        let root = root(dir)?;
        let mut notices = Vec::new();

        let source = ConfigSource::find(&root, &root)?;
        let mut config = Config::read(source, &root)?;
        let manage = manage(&root, &config)?;
        let home = root.join(manage.parent().unwrap_or(Path::new("")));
        if home != root {
            let beside = ConfigSource::find(&root, &home)?;
            config = Config::read(ConfigSource::only(config.source.take(), beside)?, &root)?;
        }
        check_folders(&root, &config)?;
        overrides.add_to(&mut config.packages)?;

        let mut folders = vec![home, root.clone()];
        folders.dedup();
        let web_config = own_config::find(&root, &folders, &config, &mut notices)?;
        let pyprojects = Pyproject::find(&root, &folders)?;
        let statements =
            source::read(&root.join(&manage)).map_err(|why| disk::unreadable(&root.join(&manage), why))?;
        let on_path = sys_path::folders(&root, &manage, &statements);
        let roots = Roots::new(&root, &manage, &[&config.project.python_path[..], &on_path].concat());
        let start = start::find(&roots, &manage, &config, overrides, &mut notices)?;
        let application = start.wsgi.value.split(':').next().unwrap_or_default();
        let python_path = roots.path_for(&[&start.settings.value, application]);

        let git = git::state(&root, &manage, &mut notices);
        let name = identity::name(&root, &start.settings.value, &pyprojects, &config, overrides)?;
        let version = identity::version(&pyprojects, git.as_ref(), &config, overrides, &mut notices)?;
        let distribution = distribution::find(&pyprojects, &config, &version, &mut notices)?;
        let runtime = runtime(&config, overrides);
        let target = target(&config, overrides, runtime.as_ref());
        let python = wanted::find(&root, &folders, &pyprojects, &config, overrides, &mut notices)?;
        let dependencies =
            dependencies::find(&root, &folders, &pyprojects, &config, target.value, &mut notices)?;
        let lock = dependencies::named_lock(&root, &config);
        let advice = advice::advise(&root, &start.text);

        Ok(Project {
            manage,
            python_path,
            name,
            version,
            commit: git.as_ref().map(|git| git.commit.clone()),
            changes: git.map_or_else(Changes::default, |git| Changes::of(git, &root, &config)),
            target,
            settings: start.settings,
            wsgi: start.wsgi,
            python,
            runtime,
            dependencies,
            lock,
            distribution,
            web_config,
            config,
            advice,
            notices,
            root,
        })
    }
}

/// The folder, absolute. Links in it are kept: people recognise the path that they gave.
fn root(dir: &Path) -> Result<PathBuf, ProjectError> {
    if !dir.is_dir() {
        return Err(ProjectError::NoFolder(dir.to_owned()));
    }
    let unreadable = |source| disk::unreadable(dir, source);
    // On Unix `..` stays in an absolute path, and a folder without a name of its own would result.
    if cfg!(unix) && dir.components().any(|part| part == std::path::Component::ParentDir) {
        return fs_err::canonicalize(dir).map_err(unreadable);
    }
    let absolute = std::path::absolute(dir).map_err(unreadable)?;
    Ok(absolute.components().collect())
}

fn manage(root: &Path, config: &Config) -> Result<PathBuf, ProjectError> {
    let Some(manage) = &config.project.manage else { return layout::find_manage(root) };
    if root.join(manage).is_file() {
        return Ok(manage.clone());
    }
    Err(missing(root, config, "project.manage", manage, "file"))
}

/// The folders that the configuration names must be there.
fn check_folders(root: &Path, config: &Config) -> Result<(), ProjectError> {
    let paths = config.project.python_path.iter().map(|path| ("project.python_path", path));
    let ready = match &config.build.static_files {
        StaticFiles::Prebuilt(path) => Some(("build.static", path)),
        StaticFiles::Collect | StaticFiles::None => None,
    };
    if let Some(folder) = config.packages.find_links.iter().find(|folder| !folder.is_dir()) {
        let (place, folder) = (config.place("packages.find-links"), folder.clone());
        return Err(ProjectError::NoWheels { place, folder });
    }
    match paths.chain(ready).find(|(_, path)| !root.join(path).is_dir()) {
        Some((key, path)) => Err(missing(root, config, key, path, "folder")),
        None => Ok(()),
    }
}

fn missing(root: &Path, config: &Config, key: &str, path: &Path, kind: &'static str) -> ProjectError {
    ProjectError::Missing {
        place: config.place(key),
        path: disk::shown(root, path),
        kind,
        root: root.to_owned(),
    }
}

fn runtime(config: &Config, overrides: &Overrides) -> Option<Found<RuntimeFrom>> {
    let option = overrides.runtime.clone().map(|from| Found::new(from, "the command line"));
    option.or_else(|| Some(Found::new(config.runtime.from.clone()?, config.place("runtime.from"))))
}

fn target(config: &Config, overrides: &Overrides, runtime: Option<&Found<RuntimeFrom>>) -> Found<Target> {
    if let Some(target) = overrides.target {
        return Found::new(target, "the command line");
    }
    if let Some(target) = config.target {
        return Found::new(target, config.place("target"));
    }
    // The Python of this machine runs on this machine.
    match (runtime, Target::host()) {
        (Some(Found { value: RuntimeFrom::Host, from }), Some(host)) => Found::new(host, from.clone()),
        _ => Found::new(Target::WindowsX86_64, "the default"),
    }
}

#[cfg(test)]
mod tests;
