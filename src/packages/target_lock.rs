//! The lock of one target that people commit: `pylock.<target>.toml` beside the file the dependencies come from.
//!
//! Where it is, a bundle takes its wheels from it and asks nobody. It says what it was made from, so that one that
//! was forgotten is told from one that still holds.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::PackagesError;
use super::inputs::Inputs;
use super::lock::{Lock, LockedWheel};
use super::pylock;
use super::question::{Request, folder_of};
use crate::interrupt::Passing;
use crate::project::Dependencies;
use crate::python::MinorVersion;
use crate::target::Target;

/// What Holdall says in a lock of its own: the table `[tool.holdall]`.
#[derive(Debug, Deserialize)]
struct Stamp {
    target: Target,
    python: MinorVersion,
    #[serde(default)]
    extras: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
    inputs: Inputs,
}

#[derive(Deserialize)]
struct Tool {
    holdall: Option<Stamp>,
}

#[derive(Deserialize)]
struct Stamped {
    tool: Option<Tool>,
}

/// A version before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Update {
    pub name: String,
    pub from: String,
    pub to: String,
}

/// A package of a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    pub name: String,
    pub version: String,
}

/// How a lock differs from the one before, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    pub added: Vec<Entry>,
    pub removed: Vec<Entry>,
    pub updated: Vec<Update>,
    /// Of the same version, by another file.
    pub replaced: Vec<Entry>,
}

impl Changes {
    fn between(before: &[LockedWheel], after: &[LockedWheel]) -> Changes {
        let by_name = |wheels: &[LockedWheel]| -> BTreeMap<String, LockedWheel> {
            wheels.iter().map(|wheel| (wheel.name.clone(), wheel.clone())).collect()
        };
        let (old, new) = (by_name(before), by_name(after));
        let entry = |wheel: &LockedWheel| Entry { name: wheel.name.clone(), version: wheel.version.clone() };
        let mut changes = Changes {
            removed: before.iter().filter(|wheel| !new.contains_key(&wheel.name)).map(entry).collect(),
            ..Changes::default()
        };
        for wheel in after {
            match old.get(&wheel.name) {
                None => changes.added.push(entry(wheel)),
                Some(old) if old.version != wheel.version => changes.updated.push(Update {
                    name: wheel.name.clone(),
                    from: old.version.clone(),
                    to: wheel.version.clone(),
                }),
                Some(old) if old.sha256 != wheel.sha256 => changes.replaced.push(entry(wheel)),
                Some(_) => {}
            }
        }
        changes
    }
}

/// A lock that was made, and what it would change.
#[derive(Debug)]
pub struct TargetLock {
    pub path: PathBuf,
    pub lock: Lock,
    pub changes: Changes,
    /// Whether the file is there and says the same already.
    pub unchanged: bool,
    text: String,
}

impl TargetLock {
    /// What the file at `path` will say.
    pub fn new(lock: Lock, request: &Request<'_>, path: PathBuf) -> Result<TargetLock, PackagesError> {
        let (extras, groups) = chosen(request.dependencies);
        let inputs = Inputs::of(request.dependencies, folder_of(&path))?;
        let text = pylock::write::write(&lock, &inputs, extras, groups, folder_of(&path))?;
        let before = match path.is_file() {
            true => Some(fs_err::read_to_string(&path)?),
            false => None,
        };
        // One that cannot be read, or is for another target, is replaced as a whole.
        let wheels =
            before.as_deref().and_then(|text| pylock::read(text, &path, lock.target, lock.minor).ok());
        let changes = Changes::between(&wheels.unwrap_or_default(), &lock.wheels);
        // A checkout on Windows may have other line endings.
        let unchanged = before.is_some_and(|before| before.replace("\r\n", "\n") == text);
        Ok(TargetLock { path, lock, changes, unchanged, text })
    }

    /// Writes the file: whole or not at all.
    pub fn write(&self) -> Result<(), PackagesError> {
        let unwritable = |source| PackagesError::LockUnwritable { file: self.path.clone(), source };
        fs_err::create_dir_all(folder_of(&self.path)).map_err(unwritable)?;
        write_whole(&self.path, &self.text).map_err(unwritable)
    }
}

/// Writes a file of the project: its name holds the old text or the new one, never a part. Who may read it is as it
/// was, or as the user has it for new files.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".part-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(path).map_or(0o666, |about| about.permissions().mode());
        builder.permissions(std::fs::Permissions::from_mode(mode));
    }
    let mut file = Passing::make(|| builder.tempfile_in(folder_of(path)))?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.hand_over(|file| crate::held::persist(file, path))
}

/// Where the lock of `target` lies unless something else is said: beside what it is made from.
pub fn place(dependencies: &Dependencies, target: Target) -> PathBuf {
    let beside = match dependencies {
        Dependencies::UvLock { lock, .. }
        | Dependencies::PoetryLock { lock, .. }
        | Dependencies::PipfileLock { lock, .. } => lock.as_path(),
        Dependencies::Pylock(file) | Dependencies::Pyproject { file, .. } => file,
        Dependencies::Requirements(files) => {
            files.first().map_or(Path::new("requirements.txt"), PathBuf::as_path)
        }
    };
    beside.with_file_name(format!("pylock.{target}.toml"))
}

/// The target of the lock that is there: of the one `named`, else of the only one beside the dependencies.
pub fn target_of_one(
    named: Option<&Path>,
    dependencies: &Dependencies,
) -> Result<Option<Target>, PackagesError> {
    let stamp_of = |path: &Path| stamp(&fs_err::read_to_string(path).ok()?);
    if let Some(named) = named {
        return Ok(stamp_of(named).map(|stamp| stamp.target));
    }
    let mut there = Target::ALL.to_vec();
    there.retain(|target| stamp_of(&place(dependencies, *target)).is_some());
    match there.as_slice() {
        [_, _, ..] => Err(PackagesError::SeveralLocks { targets: there }),
        one => Ok(one.first().copied()),
    }
}

/// For which Python the lock at `path` was made, if Holdall made it.
pub fn python_of(path: &Path) -> Option<MinorVersion> {
    stamp(&fs_err::read_to_string(path).ok()?).map(|stamp| stamp.python)
}

/// The lock that is committed for the request, and its file: `named`, or the one beside the dependencies.
///
/// One that does not answer to what it was made from any more, or is for another target or Python, is an error.
pub(super) fn find(
    request: &Request<'_>,
    named: Option<&Path>,
) -> Result<Option<(PathBuf, Lock)>, PackagesError> {
    let file = match (named, request.dependencies) {
        (Some(named), _) => named.to_owned(),
        (None, Dependencies::Pylock(file)) if stamp(&fs_err::read_to_string(file)?).is_some() => file.clone(),
        (None, dependencies) => place(dependencies, request.target),
    };
    if !file.is_file() {
        if named.is_some() {
            return Err(PackagesError::NoLock { file, target: request.target });
        }
        return Ok(None);
    }
    let text = fs_err::read_to_string(&file)?;
    // A lock of another tool under this name was found as what the dependencies come from, or is not ours to read.
    let Some(stamp) = stamp(&text) else { return Ok(None) };
    stamp.check(request, &file)?;
    let wheels = pylock::read(&text, &file, request.target, request.minor)?;
    Ok(Some((file, Lock::of(wheels, request.target, request.minor))))
}

impl Stamp {
    fn check(&self, request: &Request<'_>, file: &Path) -> Result<(), PackagesError> {
        let (target, minor) = (request.target, request.minor);
        if (self.target, self.python) != (target, minor) {
            let found = format!("{} and Python {}", self.target, self.python);
            return Err(PackagesError::LockForOther { file: file.to_owned(), found, target, minor });
        }
        // Made from nothing that is there: a copy of the lock alone, as `[packages] lock` may name one.
        let alone = matches!(request.dependencies, Dependencies::Pylock(source) if source == file);
        if alone {
            return Ok(());
        }
        let stale = |why| PackagesError::LockOutOfDate { file: file.to_owned(), why, target };
        let (extras, groups) = chosen(request.dependencies);
        for (what, then, now) in [("extras", &self.extras, extras), ("groups", &self.groups, groups)] {
            if then != now {
                let list = |words: &[String]| match words {
                    [] => "none".to_owned(),
                    words => words.join(", "),
                };
                return Err(stale(format!(
                    "it was made with the {what} {}, and now it is {}",
                    list(then),
                    list(now)
                )));
            }
        }
        match self.inputs.difference(&Inputs::of(request.dependencies, folder_of(file))?) {
            Some(why) => Err(stale(why)),
            None => Ok(()),
        }
    }
}

fn stamp(text: &str) -> Option<Stamp> {
    toml::from_str::<Stamped>(text).ok()?.tool?.holdall
}

fn chosen(dependencies: &Dependencies) -> (&[String], &[String]) {
    match dependencies {
        Dependencies::UvLock { extras, groups, .. }
        | Dependencies::PoetryLock { extras, groups, .. }
        | Dependencies::Pyproject { extras, groups, .. } => (extras, groups),
        Dependencies::PipfileLock { categories, .. } => (&[], categories),
        Dependencies::Pylock(_) | Dependencies::Requirements(_) => (&[], &[]),
    }
}
