//! The lock: exactly one wheel, with its hash, for each package that a project needs on a target.
//!
//! A lock that is committed for the target says it all; else uv selects, and what it chose is held against what the
//! project's own lock says. Nothing is fetched here but what uv needs to choose.

use std::path::{Path, PathBuf};

use reqwest::Url;
use serde::{Serialize, Serializer};

use super::download::is_cached;
use super::error::PackagesError;
use super::inputs::{Inputs, plain};
use super::question::{Question, Request};
use super::refusal::refusal;
use super::tags::WheelName;
use super::uv::Uv;
use super::{answers, pylock, sdist, target_lock};
use crate::cache::Cache;
use crate::digest::Sha256;
use crate::progress::{Notice, Progress, Stage, Unit};
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
    /// The project itself as a package, made by Holdall from what its `pyproject.toml` says.
    Project(PathBuf),
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
    /// Its file, if it lies on this machine.
    pub(super) fn path(&self) -> Option<&Path> {
        match &self.origin {
            Origin::Path(path) => Some(path),
            Origin::Url(_) | Origin::Project(_) => None,
        }
    }

    /// The folder on this machine that it lies in.
    pub(super) fn folder(&self) -> Option<&Path> {
        self.path()?.parent()
    }

    pub(super) fn is_project(&self) -> bool {
        matches!(self.origin, Origin::Project(_))
    }

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

/// A lock, and how it came about.
#[derive(Debug)]
pub struct Selected {
    pub lock: Lock,
    /// The lock of the target that it was read from, if one is committed.
    pub file: Option<PathBuf>,
    pub notices: Vec<Notice>,
}

/// The wheels for a bundle: those of the lock committed for the target, which `named` is or which lies beside the
/// dependencies; without one, those that uv selects.
pub fn lock(
    uv: &Uv,
    request: &Request<'_>,
    named: Option<&Path>,
    cache: &Cache,
    progress: &dyn Progress,
) -> Result<Selected, PackagesError> {
    progress.begin(Stage::Resolve, 0, Unit::Steps);
    let selected = match target_lock::find(request, named) {
        Ok(Some((file, lock))) => Ok(Selected { lock, file: Some(file), notices: Vec::new() }),
        Ok(None) => select(uv, request, cache),
        Err(error) => Err(error),
    };
    progress.end(Stage::Resolve);
    selected.map(|mut selected| {
        request.supply.prefer(&mut selected.lock.wheels, cache);
        selected
    })
}

/// Lets uv select for a lock to be committed. The versions of `before` are kept as far as the dependencies allow.
pub fn select_for_lock(
    uv: &Uv,
    request: &Request<'_>,
    before: Option<&Path>,
    cache: &Cache,
    progress: &dyn Progress,
) -> Result<Lock, PackagesError> {
    progress.begin(Stage::Resolve, 0, Unit::Steps);
    let lock = Question::of(uv, request, cache).and_then(|question| {
        let lock = narrow(&question, uv, request, before)?;
        if let Some(committed) = &question.committed {
            committed.check_for_lock(&lock.wheels, &request.supply.folders, lock.target, lock.minor)?;
        }
        question.check_whole(&lock.wheels, request.minor)?;
        Ok(lock)
    });
    progress.end(Stage::Resolve);
    lock
}

/// What uv selects, or selected when the same was asked before and its answer cannot have become another.
fn select(uv: &Uv, request: &Request<'_>, cache: &Cache) -> Result<Selected, PackagesError> {
    let of = |wheels| Lock::of(wheels, request.target, request.minor);
    let key = request.key(uv, "")?;
    let folder = std::path::absolute(request.folder())?;
    let read = |kept: String| pylock::read(&kept, &folder.join("answer"), request.target, request.minor).ok();
    // An answer holds no credentials: where only the tool of a lock has them, the wheels must be there. Where no index
    // is asked, a folder may have what the answer would have from an index.
    let there = |wheels: &Vec<LockedWheel>| {
        !(request.is_exported() || request.supply.offline)
            || wheels.iter().all(|wheel| is_cached(wheel, cache))
    };
    if let Some(wheels) = answers::find(cache, key).and_then(read).filter(there) {
        return Ok(Selected { lock: of(wheels), file: None, notices: Vec::new() });
    }
    let question = Question::of(uv, request, cache)?;
    let lock = match narrow(&question, uv, request, None) {
        Err(refused) if sdist::can_build(uv, request, &refused)? => {
            let built = sdist::select(uv, &question, request, refused, cache)?;
            return Ok(Selected { lock: of(built.wheels), file: None, notices: built.notices });
        }
        narrowed => narrowed?,
    };
    if let Some(committed) = &question.committed {
        committed.check(&lock.wheels, lock.target, lock.minor)?;
    }
    if question.fixes(&lock.wheels) {
        answers::keep(cache, key, &pylock::write::write(&lock, &Inputs::default(), &[], &[], &folder)?)?;
    }
    let notices = question.check_whole(&lock.wheels, request.minor)?.into_iter().collect();
    Ok(Selected { lock, file: None, notices })
}

/// One wheel a package for the target.
fn narrow(
    question: &Question,
    uv: &Uv,
    request: &Request<'_>,
    wishes: Option<&Path>,
) -> Result<Lock, PackagesError> {
    let Request { target, minor, .. } = *request;
    let file = question.compile(uv, &request.aim(), wishes).map_err(|failure| refusal(&failure, request))?;
    let text = fs_err::read_to_string(&file)?;
    let within = plain(&std::path::absolute(request.folder())?);
    let mut wheels = pylock::read_within(Some(&within), &text, &file, target, minor)?;
    question.give_credentials(&mut wheels);
    Ok(Lock::of(wheels, target, minor))
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
