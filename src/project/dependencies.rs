//! Which files say what the project depends on. Their content is uv's business; only includes are followed.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Found;
use super::config::Config;
use super::disk;
use super::error::ProjectError;
use super::pyproject::Pyproject;
use super::requirements::{check_includes, install_the_project};
use crate::progress::Notice;
use crate::target::Target;

/// Where the project's dependencies are written down. All paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dependencies {
    /// A lock made by uv; `project` is the folder of the `pyproject.toml` to export from it.
    UvLock { lock: PathBuf, project: PathBuf, extras: Vec<String>, groups: Vec<String> },
    /// A lock made by poetry, from the `pyproject.toml` beside it.
    PoetryLock { lock: PathBuf, extras: Vec<String>, groups: Vec<String> },
    /// A lock made by pipenv, from the `Pipfile` beside it. Its categories are what others call groups.
    PipfileLock { lock: PathBuf, categories: Vec<String> },
    /// A lock in the standard form (PEP 751).
    Pylock(PathBuf),
    /// The dependencies of `[project]` in this `pyproject.toml`.
    Pyproject { file: PathBuf, extras: Vec<String>, groups: Vec<String> },
    /// Requirements files in pip's form. What they include exists.
    Requirements(Vec<PathBuf>),
}

impl fmt::Display for Dependencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match self {
            Dependencies::UvLock { lock, .. }
            | Dependencies::PoetryLock { lock, .. }
            | Dependencies::PipfileLock { lock, .. } => f.write_str(&name(lock)),
            Dependencies::Pylock(file) | Dependencies::Pyproject { file, .. } => f.write_str(&name(file)),
            Dependencies::Requirements(files) => {
                let names: Vec<_> = files.iter().map(|file| name(file)).collect();
                f.write_str(&names.join(", "))
            }
        }
    }
}

/// Finds the dependencies in `folders`, which are absolute and in order of closeness to `manage.py`.
///
/// A lock comes before what it was made from, and requirements before `pyproject.toml`: where both are kept,
/// the requirements are as a rule the pinned form.
pub fn find(
    root: &Path,
    folders: &[PathBuf],
    pyprojects: &[Pyproject],
    config: &Config,
    target: Target,
    notices: &mut Vec<Notice>,
) -> Result<Found<Dependencies>, ProjectError> {
    let survey = Survey { root, folders, pyprojects, config };
    let found = match survey.set()? {
        Some(found) => found,
        None => survey.look(target)?,
    };
    if let Dependencies::Requirements(files) = &found.value {
        for file in files {
            check_includes(root, file)?;
        }
    }
    notices.extend(survey.without_effect(&found));
    notices.extend(survey.passed_over(&found));
    Ok(found)
}

/// The lock that the configuration names, if `holdall lock` wrote it or is still to write it.
pub fn named_lock(root: &Path, config: &Config) -> Option<PathBuf> {
    let file = root.join(config.packages.lock.as_ref()?);
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let of_target = name.strip_prefix("pylock.").is_some_and(|rest| rest.strip_suffix(".toml").is_some());
    let to_write = !file.exists() && of_target;
    (to_write || is_targets_lock(&file)).then_some(file)
}

/// Whether `holdall lock` wrote this file. One that cannot be read is told of by who reads it.
fn is_targets_lock(file: &Path) -> bool {
    let table = fs_err::read_to_string(file).ok().and_then(|text| text.parse::<toml::Table>().ok());
    table.is_some_and(|table| disk::lookup(&table, "tool.holdall.target").is_some())
}

struct Survey<'a> {
    root: &'a Path,
    folders: &'a [PathBuf],
    pyprojects: &'a [Pyproject],
    config: &'a Config,
}

impl Survey<'_> {
    /// What the configuration names.
    fn set(&self) -> Result<Option<Found<Dependencies>>, ProjectError> {
        let keys = &self.config.packages;
        // A target's own lock is made from something: that is what the project depends on.
        let own = named_lock(self.root, self.config).is_some();
        if let Some(lock) = keys.lock.as_ref().filter(|_| !own) {
            let place = self.config.place("packages.lock");
            let wrong = |why: &str, help: &str| ProjectError::WrongValue {
                place: place.clone(),
                value: disk::shown(self.root, lock),
                why: why.to_owned(),
                help: help.to_owned(),
            };
            if !keys.requirements.is_empty() {
                return Err(wrong(
                    "and `packages.requirements` is set too",
                    "keep the one that says what is installed in production",
                ));
            }
            let file = self.existing("packages.lock", lock)?;
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let lock = if name == "uv.lock" {
                self.uv_lock(&file).ok_or_else(|| {
                    wrong(
                        "which has no `pyproject.toml` beside it",
                        "put the lock beside its `pyproject.toml`",
                    )
                })?
            } else if let Some((_, source)) = FOREIGN_LOCKS.iter().find(|(lock, _)| *lock == name) {
                self.foreign_lock(&file).ok_or_else(|| {
                    wrong(
                        &format!("which has no `{source}` beside it"),
                        &format!("put the lock beside its `{source}`"),
                    )
                })?
            } else if name == "pylock.toml" || (name.starts_with("pylock.") && name.ends_with(".toml")) {
                Dependencies::Pylock(file)
            } else {
                return Err(wrong(
                    "which is no lock that holdall reads",
                    "name a `uv.lock`, `poetry.lock`, `Pipfile.lock`, `pylock.toml` or `pylock.<name>.toml`; requirements go into `packages.requirements`",
                ));
            };
            return Ok(Some(Found::new(lock, place)));
        }
        if keys.requirements.is_empty() {
            return Ok(None);
        }
        let place = self.config.place("packages.requirements");
        let files = keys.requirements.iter().map(|file| self.existing("packages.requirements", file));
        let files = files.collect::<Result<Vec<_>, _>>()?;
        let dependencies = match files.as_slice() {
            [only] if only.ends_with("pyproject.toml") => self.pyproject(only.clone()),
            _ => Dependencies::Requirements(files),
        };
        Ok(Some(Found::new(dependencies, place)))
    }

    fn existing(&self, key: &str, path: &Path) -> Result<PathBuf, ProjectError> {
        let file = self.root.join(path);
        if file.is_file() {
            return Ok(file);
        }
        Err(ProjectError::Missing {
            place: self.config.place(key),
            path: disk::shown(self.root, path),
            kind: "file",
            root: self.root.to_owned(),
        })
    }

    /// What is there.
    fn look(&self, target: Target) -> Result<Found<Dependencies>, ProjectError> {
        let locks = self.files(&["uv.lock"]).find_map(|file| Some(self.found(self.uv_lock(&file)?, &file)));
        if let Some(found) = locks {
            return Ok(found);
        }
        let for_target = format!("pylock.{target}.toml");
        let names = [for_target.as_str(), "pylock.toml", "pylock.production.toml", "pylock.prod.toml"];
        if let Some(file) = self.files(&names).find(|file| !is_targets_lock(file)) {
            return Ok(self.found(Dependencies::Pylock(file.clone()), &file));
        }
        if let Some(file) = self.files(REQUIREMENTS).next() {
            // Platforms that install requirements only are told so to install the project itself.
            let for_platform = install_the_project(&disk::text(self.root, &file)?);
            if !(for_platform && self.pyprojects.iter().any(Pyproject::lists_dependencies)) {
                return Ok(self.found(Dependencies::Requirements(vec![file.clone()]), &file));
            }
        }
        for folder in self.folders {
            if let Some(file) = self.choose_below(&folder.join("requirements"))? {
                return Ok(self.found(Dependencies::Requirements(vec![file.clone()]), &file));
            }
        }
        if let Some(found) = self.foreign() {
            return Ok(found);
        }
        for pyproject in self.pyprojects {
            if pyproject.has_dynamic_dependencies() {
                let files = pyproject.dynamic_requirements();
                if !files.is_empty() {
                    let place = format!("{}, key `tool.setuptools.dynamic.dependencies`", pyproject.shown);
                    return Ok(Found::new(Dependencies::Requirements(files), place));
                }
            } else if pyproject.lists_dependencies() {
                let place = format!("{}, key `project.dependencies`", pyproject.shown);
                return Ok(Found::new(self.pyproject(pyproject.path.clone()), place));
            }
        }
        // Where nothing else is there, a lock of `holdall lock` says it all.
        let named = named_lock(self.root, self.config);
        let named = named.filter(|file| file.is_file());
        match named.or_else(|| self.files(&[&for_target]).next()) {
            Some(file) => Ok(self.found(Dependencies::Pylock(file.clone()), &file)),
            None => Err(self.nothing()),
        }
    }

    /// The files of these names that exist: by name first, then by closeness.
    fn files(&self, names: &[&str]) -> impl Iterator<Item = PathBuf> {
        let paths = names.iter().flat_map(|name| self.folders.iter().map(move |folder| folder.join(name)));
        paths.filter(|path| path.is_file()).collect::<Vec<_>>().into_iter()
    }

    fn found(&self, dependencies: Dependencies, file: &Path) -> Found<Dependencies> {
        Found::new(dependencies, disk::shown(self.root, file))
    }

    /// A lock and the folder of the project that it locks: in a workspace that is not the lock's own.
    fn uv_lock(&self, lock: &Path) -> Option<Dependencies> {
        let beside = lock.with_file_name("pyproject.toml");
        let member = self.pyprojects.iter().find(|pyproject| pyproject.value("project.name").is_some());
        let file = match member {
            Some(member) if lock.parent().is_some_and(|folder| member.path.starts_with(folder)) => {
                &member.path
            }
            _ => &beside,
        };
        (beside.is_file() && file.is_file()).then(|| Dependencies::UvLock {
            lock: lock.to_owned(),
            project: file.parent().unwrap_or(self.root).to_owned(),
            extras: self.config.packages.extras.clone(),
            groups: self.config.packages.groups.clone(),
        })
    }

    /// The lock of a tool that has to read it itself.
    fn foreign(&self) -> Option<Found<Dependencies>> {
        let names = FOREIGN_LOCKS.map(|(lock, _)| lock);
        self.files(&names).find_map(|file| Some(self.found(self.foreign_lock(&file)?, &file)))
    }

    fn foreign_lock(&self, lock: &Path) -> Option<Dependencies> {
        let name = lock.file_name()?.to_str()?;
        let (_, source) = FOREIGN_LOCKS.iter().find(|(lock, _)| *lock == name)?;
        let keys = &self.config.packages;
        let (lock_path, groups) = (lock.to_owned(), keys.groups.clone());
        lock.with_file_name(source).is_file().then(|| match name {
            "Pipfile.lock" => Dependencies::PipfileLock { lock: lock_path, categories: groups },
            _ => Dependencies::PoetryLock { lock: lock_path, extras: keys.extras.clone(), groups },
        })
    }

    fn pyproject(&self, file: PathBuf) -> Dependencies {
        Dependencies::Pyproject {
            file,
            extras: self.config.packages.extras.clone(),
            groups: self.config.packages.groups.clone(),
        }
    }

    /// Chooses from a folder of requirements the ones for production.
    fn choose_below(&self, folder: &Path) -> Result<Option<PathBuf>, ProjectError> {
        if !folder.is_dir() {
            return Ok(None);
        }
        let files: Vec<PathBuf> = disk::listing(folder)?
            .into_iter()
            .filter(|path| path.extension().is_some_and(|extension| extension == "txt") && path.is_file())
            .collect();
        if files.is_empty() {
            return Ok(None);
        }
        let stem =
            |path: &PathBuf| path.file_stem().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        for name in ["production", "prod", "base", "requirements"] {
            if let Some(file) = files.iter().find(|file| stem(file) == name) {
                return Ok(Some(file.clone()));
            }
        }
        let serious: Vec<&PathBuf> =
            files.iter().filter(|file| !NOT_PRODUCTION.contains(&stem(file).as_str())).collect();
        match serious.as_slice() {
            [only] => Ok(Some((*only).clone())),
            others => {
                let example = others.first().copied().unwrap_or(&files[0]);
                Err(ProjectError::ManyRequirements {
                    example: disk::shown(self.root, example),
                    found: files.iter().map(|file| disk::shown(self.root, file)).collect(),
                })
            }
        }
    }

    fn nothing(&self) -> ProjectError {
        let alone = |lock: &str| self.files(&[lock]).next().is_some();
        let (alone, absent): (Vec<_>, Vec<_>) = FOREIGN_LOCKS.iter().partition(|(lock, _)| alone(lock));
        let absent: String = absent.iter().map(|(lock, _)| format!("`{lock}`, ")).collect();
        let mut looked =
            vec![format!("no `uv.lock`, `pylock.toml`, {absent}`requirements.txt` or `requirements/*.txt`")];
        looked.extend(alone.iter().map(|(lock, source)| format!("`{lock}` has no `{source}` beside it")));
        looked.push(match self.pyprojects.first() {
            None => "no `pyproject.toml`".to_owned(),
            Some(pyproject) if pyproject.has_dynamic_dependencies() => {
                format!("`{}` leaves its dependencies to the build backend", pyproject.shown)
            }
            Some(pyproject) => format!("`{}` has no `project.dependencies`", pyproject.shown),
        });
        let mut help = "write a `requirements.txt` beside `manage.py`, or name yours by `packages.requirements` in `holdall.toml`".to_owned();
        let poetry =
            self.pyprojects.iter().any(|pyproject| pyproject.value("tool.poetry.dependencies").is_some());
        let foreign = FOREIGN.iter().find(|(name, _)| self.files(&[name]).next().is_some());
        if poetry {
            help = "run `poetry lock`, and commit the `poetry.lock` that it writes beside `pyproject.toml`"
                .to_owned();
        } else if let Some((name, cure)) = foreign {
            looked.push(format!("`{name}` is not read"));
            help = (*cure).to_owned();
        }
        ProjectError::NoDependencies { dir: self.root.to_owned(), looked, help }
    }

    /// Extras and groups are parts of a `pyproject.toml`; requirements and plain locks have none.
    fn without_effect(&self, found: &Found<Dependencies>) -> Option<Notice> {
        let keys = &self.config.packages;
        let key = match (&found.value, keys.extras.is_empty(), keys.groups.is_empty()) {
            (
                Dependencies::UvLock { .. }
                | Dependencies::PoetryLock { .. }
                | Dependencies::Pyproject { .. },
                ..,
            )
            | (Dependencies::PipfileLock { .. }, true, _)
            | (_, true, true) => return None,
            (_, false, _) => "packages.extras",
            (_, true, false) => "packages.groups",
        };
        Some(Notice {
            what: format!("{} has no effect: the dependencies are those of {}", self.config.place(key), found.from),
            help: "remove the key, or choose the dependencies of `pyproject.toml` by `packages.requirements = [\"pyproject.toml\"]`".to_owned(),
        })
    }

    /// A lock, or a `pyproject.toml` that lists dependencies, which was not chosen although it is there.
    fn passed_over(&self, found: &Found<Dependencies>) -> Option<Notice> {
        let chosen_here = self.config.packages.requirements.is_empty();
        let Dependencies::Requirements(_) = &found.value else { return None };
        if !chosen_here {
            return None;
        }
        let lock =
            self.foreign().map(|lock| ("packages.lock", lock.from.clone(), format!("\"{}\"", lock.from)));
        let listing = || {
            let other = self.pyprojects.iter().find(|pyproject| pyproject.lists_dependencies())?;
            Some(("packages.requirements", other.shown.clone(), format!("[\"{}\"]", other.shown)))
        };
        let (key, other, value) = lock.or_else(listing)?;
        Some(Notice {
            what: format!("the dependencies are those of {}; `{other}` lists some too", found.from),
            help: format!("if those are the right ones, set {} to `{value}`", self.config.key(key)),
        })
    }
}

/// Locks that only the tool that made them reads, with what each is made from. After requirements: where both are
/// kept, the requirements were made for those who do not have the tool.
const FOREIGN_LOCKS: [(&str, &str); 2] = [("poetry.lock", "pyproject.toml"), ("Pipfile.lock", "Pipfile")];

/// Requirements in one file, by preference.
const REQUIREMENTS: &[&str] = &[
    "requirements.txt",
    "requirements-production.txt",
    "requirements-prod.txt",
    "requirements_production.txt",
    "requirements_prod.txt",
    "requirements.in",
];

/// Requirements that are never for a server.
const NOT_PRODUCTION: &[&str] =
    &["ci", "dev", "develop", "development", "doc", "docs", "lint", "local", "test", "testing", "tests"];

/// Dependencies written down for other tools, with the way from there.
const FOREIGN: &[(&str, &str)] = &[
    ("pdm.lock", "write them down as requirements: `pdm export --prod --output requirements.txt`"),
    ("Pipfile", "run `pipenv lock`, and commit the `Pipfile.lock` that it writes"),
    ("setup.py", "write them down as requirements: `uv pip compile setup.py --output-file requirements.txt`"),
    (
        "setup.cfg",
        "write them down as requirements: `uv pip compile setup.cfg --output-file requirements.txt`",
    ),
    (
        "environment.yml",
        "write them down as requirements: `pip freeze`, run in the environment, without the packages that are not for pip",
    ),
];
