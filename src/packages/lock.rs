//! The lock: exactly one wheel, with its hash, for each package that a project needs on a target.
//!
//! uv selects; what it chose is held against the project's committed lock. Nothing is fetched here but what uv
//! needs to choose.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use reqwest::Url;
use serde::{Serialize, Serializer};

use super::committed::Committed;
use super::credentials;
use super::error::PackagesError;
use super::export;
use super::pylock;
use super::refusal::refusal;
use super::tags::WheelName;
use super::uv::{Uv, UvFailure};
use crate::digest::Sha256;
use crate::interrupt::Passing;
use crate::progress::{Progress, Stage, Unit};
use crate::project::Dependencies;
use crate::python::MinorVersion;
use crate::target::Target;

/// The exact wheels for a target, sorted by name.
#[derive(Debug, Clone, Serialize)]
pub struct Lock {
    /// SHA-256 of the list of names, versions and hashes: the same whichever index or folder they come from.
    pub digest: Sha256,
    pub target: Target,
    pub minor: MinorVersion,
    pub wheels: Vec<LockedWheel>,
}

/// One wheel of a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedWheel {
    /// In the form that all spellings of the name share (`typing-extensions`).
    pub name: String,
    pub version: String,
    pub file_name: String,
    pub sha256: Sha256,
    /// In bytes, where the index says it.
    pub size: Option<u64>,
    /// Where to get it. A URL may hold credentials: it is never shown and never written down.
    pub(super) origin: Origin,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    Url(Url),
    Path(PathBuf),
}

impl Lock {
    pub(super) fn of(mut wheels: Vec<LockedWheel>, target: Target, minor: MinorVersion) -> Lock {
        wheels.sort_by(|a, b| a.name.cmp(&b.name));
        let lines: String = wheels
            .iter()
            .map(|wheel| format!("{}=={} {}\n", wheel.name, wheel.version, wheel.sha256))
            .collect();
        Lock { digest: Sha256::of(lines), target, minor, wheels }
    }

    /// The version of a package, if the lock has it.
    pub fn version_of(&self, name: &str) -> Option<&str> {
        let name = normalized(name);
        self.wheels.iter().find(|wheel| wheel.name == name).map(|wheel| wheel.version.as_str())
    }
}

impl LockedWheel {
    /// The package URL by which software inventories know it: no host is in it.
    pub fn purl(&self) -> String {
        format!("pkg:pypi/{}@{}", self.name, self.version.replace('+', "%2B").replace('!', "%21"))
    }
}

impl Serialize for LockedWheel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown<'a> {
            name: &'a str,
            version: &'a str,
            purl: String,
            file: &'a str,
            sha256: Sha256,
            #[serde(skip_serializing_if = "Option::is_none")]
            size: Option<u64>,
        }
        let LockedWheel { name, version, file_name: file, sha256, size, origin: _ } = self;
        Shown { name, version, purl: self.purl(), file, sha256: *sha256, size: *size }.serialize(serializer)
    }
}

/// Narrows what a project asks for to one wheel a package, for `target` and this Python.
pub fn lock(
    uv: &Uv,
    dependencies: &Dependencies,
    target: Target,
    minor: MinorVersion,
    progress: &dyn Progress,
) -> Result<Lock, PackagesError> {
    progress.begin(Stage::Resolve, 0, Unit::Steps);
    let lock = Question::of(uv, dependencies, target).and_then(|question| question.narrow(uv, minor));
    progress.end(Stage::Resolve);
    lock
}

/// A wheel that lies on this machine, as the bridge does.
pub fn local_wheel(path: &Path) -> Result<LockedWheel, PackagesError> {
    let bad = || PackagesError::BadWheel {
        file: path.to_owned(),
        problem: "its file name is not `name-version-python-abi-platform.whl`".to_owned(),
    };
    let file_name = path.file_name().and_then(|name| name.to_str()).ok_or_else(bad)?;
    let parts = WheelName::parse(file_name).ok_or_else(bad)?;
    Ok(LockedWheel {
        name: normalized(parts.name),
        version: parts.version.to_owned(),
        file_name: file_name.to_owned(),
        sha256: Sha256::of_file(path)?,
        size: Some(fs_err::metadata(path)?.len()),
        origin: Origin::Path(std::path::absolute(path)?),
    })
}

/// What uv is asked: requirements that it reads, and how.
pub(super) struct Question {
    /// Where uv runs: its settings are looked for there, and paths in requirements count from there.
    folder: PathBuf,
    files: Vec<PathBuf>,
    options: Vec<OsString>,
    /// The input is a whole lock for all platforms: nothing is to be added to it.
    whole: bool,
    committed: Option<Committed>,
    target: Target,
    work: Passing<tempfile::TempDir>,
}

impl Question {
    /// Brings what the project says into a form that `uv pip compile` takes; `target` is what errors name.
    pub(super) fn of(
        uv: &Uv,
        dependencies: &Dependencies,
        target: Target,
    ) -> Result<Question, PackagesError> {
        let work = Passing::make(|| tempfile::Builder::new().prefix("holdall-lock-").tempdir())?;
        let question = |work, folder: &Path, files| {
            let folder = std::path::absolute(folder)?;
            let options = Vec::new();
            Ok::<_, PackagesError>(Question {
                folder,
                files,
                options,
                whole: false,
                committed: None,
                target,
                work,
            })
        };
        match dependencies {
            Dependencies::UvLock { lock, project, extras, groups } => {
                check_in_step(uv, project, lock)?;
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
                let options = options("--extra", extras).chain(options("--group", groups)).collect();
                Ok(Question { options, ..question(work, folder_of(file), vec![std::path::absolute(file)?])? })
            }
            Dependencies::Requirements(files) => {
                let first = files.first().map_or(Path::new("requirements.txt"), PathBuf::as_path);
                let committed = Committed::of_requirements(files, first)?;
                let files = files.iter().map(std::path::absolute).collect::<Result<_, _>>()?;
                Ok(Question { committed, ..question(work, folder_of(first), files)? })
            }
        }
    }

    /// One wheel a package for the target, all of them known to the committed lock, if there is one.
    fn narrow(&self, uv: &Uv, minor: MinorVersion) -> Result<Lock, PackagesError> {
        let of_minor = minor.to_string();
        let platform = ["--python-platform", self.target.uv_platform(), "--python-version", &of_minor];
        let aim: Vec<OsString> = platform.map(OsString::from).into();
        let file = self.compile(uv, &aim).map_err(|failure| refusal(&failure, self.target, minor))?;
        let mut wheels = pylock::read(&fs_err::read_to_string(&file)?, &file, self.target, minor)?;
        credentials::give(&mut wheels, &self.folder, &self.files);
        if let Some(committed) = &self.committed {
            committed.check(&wheels, self.target, minor)?;
        }
        Ok(Lock::of(wheels, self.target, minor))
    }

    /// Lets uv choose; `aim` says for which platform and under which constraints. The file with its choice lives
    /// as long as the question.
    pub(super) fn compile(&self, uv: &Uv, aim: &[OsString]) -> Result<PathBuf, UvFailure> {
        let chosen = self.compile_once(uv, aim, self.whole);
        match chosen {
            // A lock made with overrides contradicts the packages' own words: then it is taken as it stands.
            Err(failure) if self.committed.is_some() && !self.whole && failure.is_contradiction() => {
                self.compile_once(uv, aim, true)
            }
            chosen => chosen,
        }
    }

    fn compile_once(&self, uv: &Uv, aim: &[OsString], whole: bool) -> Result<PathBuf, UvFailure> {
        // uv wants this form of name, and takes an old file of it for wishes: each run has its own folder.
        let folder = tempfile::Builder::new().disable_cleanup(true).tempdir_in(self.work.path());
        let folder = folder.map_err(|error| UvFailure(error.to_string()))?;
        let output = folder.path().join(format!("pylock.{}.toml", self.target));
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

/// Fails if `uv.lock` does not answer to the project's `pyproject.toml` any more. uv needs no network to tell,
/// unless the answer is no.
fn check_in_step(uv: &Uv, project: &Path, lock: &Path) -> Result<(), PackagesError> {
    // Not `--quiet`: older versions of uv then keep the answer to themselves.
    let args = ["lock", "--check"];
    let mut checked = uv.run(project, args);
    // The Python at hand need not be one that the project supports: uv may know of another.
    if matches!(&checked, Err(failure) if failure.0.contains("incompatible with the project")) {
        checked = uv.run_without_python(project, args);
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
fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A package's name in the form that all its spellings share (PEP 503).
pub(super) fn normalized(name: &str) -> String {
    let mut normalized = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if normalized.ends_with('-') => {}
            '-' | '_' | '.' => normalized.push('-'),
            c => normalized.push(c.to_ascii_lowercase()),
        }
    }
    normalized
}
