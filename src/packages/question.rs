//! What uv is asked: the project's dependencies in a form that it reads, and how.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::committed::{Committed, Pins};
use super::error::PackagesError;
use super::lock::LockedWheel;
use super::pylock;
use super::uv::{Uv, UvFailure};
use super::{Build, Supply, answers, credentials, export, supported};
use crate::cache::Cache;
use crate::digest::Sha256;
use crate::interrupt::Passing;
use crate::progress::Notice;
use crate::project::Dependencies;
use crate::python::MinorVersion;
use crate::target::Target;

/// What a project needs, and for what.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub dependencies: &'a Dependencies,
    pub supply: &'a Supply,
    /// What may be built from source where there is no wheel.
    pub build: Build,
    pub target: Target,
    pub minor: MinorVersion,
}

/// Requirements that uv reads, and how it is to read them.
pub(super) struct Question {
    /// Where uv runs: its settings are looked for there, and paths in requirements count from there.
    folder: PathBuf,
    files: Vec<PathBuf>,
    options: Vec<OsString>,
    /// The input is a whole lock for all platforms: nothing is to be added to it.
    whole: bool,
    pub committed: Option<Committed>,
    pins: Pins,
    /// The file that errors name.
    source: PathBuf,
    target: Target,
    work: Passing<tempfile::TempDir>,
}

impl Question {
    /// Brings what the project says into a form that `uv pip compile` takes.
    pub fn of(uv: &Uv, request: &Request<'_>, cache: &Cache) -> Result<Question, PackagesError> {
        let Request { dependencies, supply, target, .. } = *request;
        let work = cache.of_run()?;
        supported::check(uv, request, cache)?;
        let question = |work, folder: &Path, files| {
            Ok::<_, PackagesError>(Question {
                folder: std::path::absolute(folder)?,
                files,
                options: supply.options(),
                whole: false,
                committed: None,
                pins: Pins::default(),
                source: PathBuf::new(),
                target,
                work,
            })
        };
        match dependencies {
            Dependencies::UvLock { lock, project, extras, groups } => {
                check_in_step(uv, project, lock, supply)?;
                let exported = work.path().join("requirements.txt");
                let export = ["export", "--frozen", "--no-dev", "--no-emit-project", "--no-header"];
                let format = ["--no-annotate", "--quiet", "--format", "requirements.txt", "-o"];
                let mut args: Vec<OsString> = export.into_iter().chain(format).map(OsString::from).collect();
                args.push(exported.clone().into());
                args.extend(options("--extra", extras).chain(options("--group", groups)));
                uv.run(project, args).map_err(|failure| failure.while_doing("read `uv.lock`"))?;
                let committed = Committed::of_requirements(std::slice::from_ref(&exported), lock)?;
                Ok(Question { whole: true, committed, ..question(work, project, vec![exported])? })
            }
            Dependencies::PoetryLock { lock, extras, groups } => {
                let exported = work.path().join("requirements.txt");
                fs_err::write(&exported, export::poetry(lock, extras, groups)?)?;
                let committed = Committed::of_requirements(std::slice::from_ref(&exported), lock)?;
                Ok(Question { whole: true, committed, ..question(work, folder_of(lock), vec![exported])? })
            }
            Dependencies::PipfileLock { lock, categories } => {
                let exported = work.path().join("requirements.txt");
                fs_err::write(&exported, export::pipenv(lock, categories)?)?;
                let committed = Committed::of_requirements(std::slice::from_ref(&exported), lock)?;
                // Not whole: pipenv locks for the machine it runs on, and what the target needs besides must be missed.
                Ok(Question { committed, ..question(work, folder_of(lock), vec![exported])? })
            }
            Dependencies::Pylock(file) => {
                let text = fs_err::read_to_string(file)?;
                let (requirements, committed) = pylock::committed(&text, file, target)?;
                let written = work.path().join("requirements.txt");
                fs_err::write(&written, requirements)?;
                Ok(Question { committed: Some(committed), ..question(work, folder_of(file), vec![written])? })
            }
            Dependencies::Pyproject { file, extras, groups } => {
                let more = options("--extra", extras).chain(options("--group", groups));
                let mut question = question(work, folder_of(file), vec![std::path::absolute(file)?])?;
                question.options.extend(more);
                Ok(question)
            }
            Dependencies::Requirements(files) => {
                let first = files.first().map_or(Path::new("requirements.txt"), PathBuf::as_path);
                let committed = Committed::of_requirements(files, first)?;
                let pins = super::committed::pins(files)?;
                let source = first.to_owned();
                let files = files.iter().map(std::path::absolute).collect::<Result<_, _>>()?;
                Ok(Question { committed, pins, source, ..question(work, folder_of(first), files)? })
            }
        }
    }

    /// Gives wheels the credentials that the requirements have for their indexes, as an exported lock's may.
    pub fn give_credentials(&self, wheels: &mut [LockedWheel]) {
        credentials::give(wheels, &self.folder, &self.files);
    }

    /// Whether a later answer to the same question can only be the same: all versions are fixed by what was asked.
    pub fn fixes(&self, wheels: &[LockedWheel]) -> bool {
        let fixed =
            |wheel: &LockedWheel| self.pins.versions.contains(&(wheel.name.clone(), wheel.version.clone()));
        self.committed.is_some() || wheels.iter().all(fixed)
    }

    /// What requirements that fix all they name have left out, because they were made for another platform. Where a
    /// tool wrote them, this is an error: what they lack was known once, and in a version of its own.
    pub fn check_whole(
        &self,
        wheels: &[LockedWheel],
        minor: MinorVersion,
    ) -> Result<Option<Notice>, PackagesError> {
        let missing = self.pins.missing(wheels);
        if self.committed.is_some() || !self.pins.all || missing.is_empty() {
            return Ok(None);
        }
        let (target, file) = (self.target, self.source.clone());
        if self.pins.by_a_tool {
            let packages = missing.into_iter().map(|wheel| wheel.name.clone()).collect();
            return Err(PackagesError::Incomplete { packages, target, minor, file });
        }
        // A short list by hand says what is wanted, and not all that comes with it.
        if missing.len() * 3 > self.pins.versions.len() {
            return Ok(None);
        }
        let missing: Vec<String> =
            missing.into_iter().map(|wheel| format!("{} {}", wheel.name, wheel.version)).collect();
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Some(Notice {
            what: format!(
                "`{name}` fixes the version of all it names, and {target} needs more: {} is in the bundle as it is newest today",
                missing.join(", ")
            ),
            help: format!(
                "it may have been written on another platform; `holdall lock --target {target}` fixes all of them"
            ),
        }))
    }

    /// Lets uv choose; `aim` says for which platform and under which constraints. The file with its choice lives
    /// as long as the question. `wishes` is an earlier choice, to be kept as far as the requirements allow.
    pub fn compile(&self, uv: &Uv, aim: &[OsString], wishes: Option<&Path>) -> Result<PathBuf, UvFailure> {
        let chosen = self.compile_once(uv, aim, wishes, self.whole);
        match chosen {
            // A lock made with overrides contradicts the packages' own words: then it is taken as it stands.
            Err(failure) if self.committed.is_some() && !self.whole && failure.is_contradiction() => {
                self.compile_once(uv, aim, wishes, true)
            }
            chosen => chosen,
        }
    }

    fn compile_once(
        &self,
        uv: &Uv,
        aim: &[OsString],
        wishes: Option<&Path>,
        whole: bool,
    ) -> Result<PathBuf, UvFailure> {
        let failed = |error: std::io::Error| UvFailure(error.to_string());
        // uv wants this form of name, and takes an old file of it for wishes: each run has its own folder.
        let folder = tempfile::Builder::new().disable_cleanup(true).tempdir_in(self.work.path());
        let output = folder.map_err(failed)?.path().join(format!("pylock.{}.toml", self.target));
        if let Some(wishes) = wishes {
            fs_err::copy(wishes, &output).map_err(failed)?;
        }
        let mut args: Vec<OsString> = ["pip", "compile"].map(OsString::from).into();
        args.extend(self.files.iter().map(|file| file.clone().into_os_string()));
        args.extend(self.options.iter().chain(aim).cloned());
        let form = ["--only-binary", ":all:", "--generate-hashes", "--format", "pylock.toml", "--no-header"];
        args.extend(form.into_iter().chain(["--quiet", "-o"]).map(OsString::from));
        args.push(output.clone().into());
        args.extend(whole.then(|| "--no-deps".into()));
        uv.run(&self.folder, args)?;
        Ok(output)
    }
}

impl Request<'_> {
    /// What uv is told of the target.
    pub(super) fn aim(&self) -> Vec<OsString> {
        let minor = self.minor.to_string();
        ["--python-platform", self.target.uv_platform(), "--python-version", &minor]
            .map(OsString::from)
            .into()
    }

    /// The folder in which uv looks for its settings.
    pub(super) fn folder(&self) -> &Path {
        match self.dependencies {
            Dependencies::UvLock { project, .. } => project,
            Dependencies::PoetryLock { lock: file, .. }
            | Dependencies::PipfileLock { lock: file, .. }
            | Dependencies::Pylock(file)
            | Dependencies::Pyproject { file, .. } => folder_of(file),
            Dependencies::Requirements(files) => files.first().map_or(Path::new("."), |file| folder_of(file)),
        }
    }

    /// Whether another tool writes the requirements out of its lock, and in them the credentials that it alone has.
    pub(super) fn is_exported(&self) -> bool {
        matches!(self.dependencies, Dependencies::PoetryLock { .. } | Dependencies::PipfileLock { .. })
    }

    /// The requirements files, which may name indexes.
    pub(super) fn requirements(&self) -> &[PathBuf] {
        match self.dependencies {
            Dependencies::Requirements(files) => files,
            _ => &[],
        }
    }

    /// All that decides about uv's answer, as one digest; `more` is what else it is told.
    pub(super) fn key(&self, uv: &Uv, more: &str) -> Result<Sha256, PackagesError> {
        answers::key(uv, self, more)
    }
}

/// Fails if `uv.lock` does not answer to the project's `pyproject.toml` any more. uv needs no network to tell,
/// unless the answer is no.
fn check_in_step(uv: &Uv, project: &Path, lock: &Path, supply: &Supply) -> Result<(), PackagesError> {
    // Not `--quiet`: older versions of uv then keep the answer to themselves.
    let mut args = vec!["lock", "--check"];
    args.extend(supply.offline.then_some("--offline"));
    let mut checked = uv.run(project, &args);
    // The Python at hand need not be one that the project supports: uv may know of another.
    if matches!(&checked, Err(failure) if failure.0.contains("incompatible with the project")) {
        checked = uv.run_without_python(project, &args);
    }
    checked.map(drop).map_err(|failure| {
        if failure.0.contains("needs to be updated") {
            return PackagesError::LockOutOfStep { lock: lock.to_owned(), source: failure.said() };
        }
        failure.while_doing("check `uv.lock` against `pyproject.toml`")
    })
}

fn options<'a>(option: &'a str, values: &'a [String]) -> impl Iterator<Item = OsString> + 'a {
    values.iter().flat_map(move |value| [option.into(), value.into()])
}

/// The folder of a file, which is `.` for a bare name.
pub(super) fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
