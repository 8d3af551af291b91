//! What `holdall lock` does: a project's dependencies become the lock of one target, for people to commit.
//!
//! Needs no runtime when the version of Python is known without one.

use std::path::PathBuf;

use crate::bundle::{supply, survey_runtime};
use crate::cache::Cache;
use crate::error::Error;
use crate::packages::{self, Build, Request, TargetLock, Uv};
use crate::progress::{Notice, Progress};
use crate::project::{Dependencies, Overrides, Project, ProjectError};
use crate::python::MinorVersion;
use crate::recipe::Recipes;
use crate::runtime;

/// The newest minor version of CPython that a range is looked through for.
const NEWEST: u16 = 30;

/// What the person asked for.
#[derive(Debug, Default)]
pub struct Wanted {
    pub project: PathBuf,
    pub overrides: Overrides,
    /// The lock's file: beside the dependencies unless given.
    pub output: Option<PathBuf>,
    /// Whether versions of the lock that is there count for nothing.
    pub upgrade: bool,
}

/// A lock, not yet written.
pub struct Made {
    pub lock: TargetLock,
    /// What decided about the version of Python.
    pub python_from: String,
    pub notices: Vec<Notice>,
}

/// Finds out what the lock will say. Changes nothing outside of the cache.
pub fn make(wanted: Wanted, cache: &Cache, progress: &dyn Progress) -> Result<Made, Error> {
    let project = Project::discover(&wanted.project, &wanted.overrides)?;
    if let Dependencies::Pylock(file) = &project.dependencies.value
        && packages::lock_python(file).is_some()
    {
        return Err(ProjectError::OnlyALock(file.clone()).into());
    }
    let recipes = Recipes::of_user()?;
    let mut target = project.target.value;
    let mut of_runtime = None;
    if project.runtime.is_some() {
        let runtime = survey_runtime(&project, wanted.overrides.target.or(project.config.target), &recipes)?;
        target = runtime.target;
        of_runtime = Some((runtime.layout.version.minor, format!("the runtime, {}", runtime.from)));
    }
    let named = wanted.output.or_else(|| project.lock.clone());
    let dependencies = &project.dependencies.value;
    if nothing_says_for_what(&project, &wanted.overrides) {
        target = packages::lock_target(named.as_deref(), dependencies)?.unwrap_or(target);
    }
    let path = named.unwrap_or_else(|| packages::lock_place(dependencies, target));
    check_name(&path)?;
    let of_lock = || Some((packages::lock_python(&path)?, "the lock that is there".to_owned()));
    let (minor, python_from) = match of_runtime.or_else(|| only_one(&project)) {
        Some(known) => known,
        None => of_lock().filter(|(minor, _)| allows(&project, *minor)).ok_or_else(|| unknown(&project))?,
    };

    let python = runtime::find_python(|_| true).ok_or(Error::NoPython)?;
    let uv = Uv::find(cache, &python.path, &recipes.uv)?;
    let supply = supply(&project);
    let request = Request { dependencies, supply: &supply, build: Build::Nothing, target, minor };
    let before = Some(path.as_path()).filter(|path| path.is_file() && !wanted.upgrade);
    let lock = packages::select_for_lock(&uv, &request, before, cache, progress)?;
    let lock = TargetLock::new(lock, &request, path)?;
    let notices = [&project.notices[..], uv.notice.as_slice()].concat();
    Ok(Made { lock, python_from, notices })
}

/// Whether the lock that is there, if there is one, is what is meant.
fn nothing_says_for_what(project: &Project, overrides: &Overrides) -> bool {
    let said = overrides.target.or(project.config.target).is_some();
    !said && overrides.python.is_none() && project.runtime.is_none()
}

/// The minor version, where what the project says leaves just one.
fn only_one(project: &Project) -> Option<(MinorVersion, String)> {
    let found = project.python.as_ref()?;
    let MinorVersion { major, minor: oldest } = MinorVersion::OLDEST;
    let all = (oldest..=NEWEST).map(|minor| MinorVersion { major, minor });
    let mut allowed = all.filter(|minor| found.value.allows(*minor));
    match (allowed.next(), allowed.next()) {
        (Some(only), None) => Some((only, found.from.clone())),
        _ => None,
    }
}

fn allows(project: &Project, minor: MinorVersion) -> bool {
    project.python.as_ref().is_none_or(|found| found.value.allows(minor))
}

fn unknown(project: &Project) -> Error {
    let said = project.python.as_ref().map_or_else(
        || "nothing in the project says it".to_owned(),
        |found| format!("{} allows several: {}", found.from, found.value),
    );
    ProjectError::NoPythonVersion { said }.into()
}

/// Only a file of this form of name is a lock to those who read it (PEP 751).
fn check_name(path: &std::path::Path) -> Result<(), Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let middle = name.strip_prefix("pylock.").and_then(|rest| rest.strip_suffix(".toml"));
    match middle.is_some_and(|middle| !middle.is_empty() && !middle.contains('.')) || name == "pylock.toml" {
        true => Ok(()),
        false => Err(ProjectError::NotALockName { name: name.into_owned() }.into()),
    }
}
