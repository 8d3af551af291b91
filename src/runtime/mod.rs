//! The runtime stage: this machine's CPython, or one given as an archive or a folder, becomes the files below
//! `python/` of a bundle, in one layout whatever it came from.
//!
//! A survey reads and decides; [`sources`] carries out what was decided. Downloads nothing, and never starts a
//! runtime that was given to it: that may be for another machine.

mod debian;
mod error;
mod given;
mod host;
mod libraries;
mod links;
mod linux;
mod patchelf;
mod pythons;
mod stdlib;
mod tree;
mod version;
mod windows;

use std::path::{Path, PathBuf};

pub use error::{KnownRuntime, RuntimeError};
pub use pythons::{HostPython, Refused, find_python, pythons};

use crate::bytecode::Compiler;
use crate::cache::Cache;
use crate::digest::Sha256;
use crate::entry::{EntryPath, EntryPathError};
use crate::layer::{self, Layer, Source};
use crate::manifest::LayerKind;
use crate::progress::{Notice, Progress, Stage, Unit};
use crate::python::{MinorVersion, PythonLayout, PythonVersion};
use crate::recipe::Recipes;
use crate::target::Target;

/// The layer's name in the bundle.
const LAYER: &str = "python";

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
    /// Where it comes from, for people at the terminal: it names files of this machine, and never goes into a bundle.
    pub from: String,
    /// Digest of all that decides the bytes of the layer.
    pub digest: Sha256,
    pub notices: Vec<Notice>,
    origin: Origin,
}

#[derive(Debug, Clone)]
enum Origin {
    Host(host::HostPlan),
    /// Read again when the files are made, so that a plan does not hold a hundred megabytes.
    Given(PathBuf),
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
            of_python(host_python(pythons::named().as_deref(), wanted)?, recipes)
        }
        Some(RuntimeChoice::Path(path)) => of_path(path, wanted, target),
    }
}

/// Makes the files of the runtime, sorted by their place in the bundle.
pub fn sources(plan: &RuntimePlan, cache: &Cache) -> Result<Vec<Source>, RuntimeError> {
    match &plan.origin {
        Origin::Host(files) => host::sources(files, cache),
        Origin::Given(path) => {
            let given = given::read(path)?;
            if given.digest != plan.digest {
                return Err(RuntimeError::Changed { path: path.clone() });
            }
            Ok(given.sources)
        }
    }
}

/// The runtime as a layer: the one in the cache, or made now. What the person should know of it goes to `notices`.
pub fn layer(
    plan: &RuntimePlan,
    compiler: Option<&Compiler>,
    cache: &Cache,
    progress: &dyn Progress,
    notices: &mut Vec<Notice>,
) -> Result<Layer, RuntimeError> {
    let inputs = [plan.digest, Sha256::of(Compiler::shape(compiler))];
    let key = layer::Key::new(LayerKind::Runtime, plan.target, &inputs);
    if let Some(layer) = layer::find(cache, &key, LAYER).layer(notices) {
        return Ok(layer);
    }
    let mut sources = sources(plan, cache)?;
    if let Some(compiler) = compiler {
        let bytecode = compiler.compile(&sources, plan.target)?;
        sources.extend(bytecode.into_iter().map(Source::from));
    }
    progress.begin(Stage::Runtime, layer::total_size(&sources), Unit::Bytes);
    let layer = layer::build_cached(cache, &key, LAYER, sources, Stage::Runtime, progress);
    progress.end(Stage::Runtime);
    Ok(layer?)
}

/// Plans the runtime of `--runtime host` from one certain interpreter. Reads alone.
pub fn of_python(python: HostPython, recipes: &Recipes) -> Result<RuntimePlan, RuntimeError> {
    let host = Target::host().ok_or(RuntimeError::UnknownHost)?;
    let from = format!("this machine, `{}`", python.path.display());
    if host.is_windows() {
        // An installation on Windows runs from any folder as it is, and has the form of a published one.
        let folder = python.path.parent().unwrap_or(&python.path);
        let plan = of_path(folder, &Wanted { text: "any", fits: &|_| true }, Some(host))?;
        return Ok(RuntimePlan { portable: false, from, ..plan });
    }
    let layout = linux_layout(python.version, host)?;
    let (plan, facts) = host::survey(python, host, patchelf::Patchelf::survey(&recipes.patchelf))?;
    Ok(RuntimePlan {
        target: host,
        layout,
        portable: false,
        from,
        digest: facts.digest,
        notices: facts.notices,
        origin: Origin::Host(plan),
    })
}

fn of_path(path: &Path, wanted: &Wanted<'_>, target: Option<Target>) -> Result<RuntimePlan, RuntimeError> {
    let given = given::read(path)?;
    let version = given.layout.version;
    if let Some(target) = target.filter(|target| *target != given.target) {
        return Err(RuntimeError::OtherTarget { path: path.to_owned(), found: given.target, target });
    }
    if version.minor < MinorVersion::OLDEST {
        return Err(RuntimeError::TooOld { path: path.to_owned(), version });
    }
    if !(wanted.fits)(version.minor) {
        let wanted = wanted.text.to_owned();
        return Err(RuntimeError::OtherPython { path: path.to_owned(), version, wanted });
    }
    Ok(RuntimePlan {
        target: given.target,
        layout: given.layout,
        portable: true,
        from: format!("`{}`", path.display()),
        digest: given.digest,
        notices: given.notices,
        origin: Origin::Given(path.to_owned()),
    })
}

/// The first CPython of this machine that the project can use. One that is `named` is taken or is an error.
fn host_python(named: Option<&Path>, wanted: &Wanted<'_>) -> Result<HostPython, RuntimeError> {
    if let Some(path) = named {
        let unusable = |why| RuntimeError::NamedPython { path: path.to_owned(), why };
        let python = HostPython::ask(path).map_err(|refused| unusable(refused.why))?;
        let why =
            format!("it is CPython {}, and the project wants another ({})", python.version, wanted.text);
        return if (wanted.fits)(python.version.minor) { Ok(python) } else { Err(unusable(why)) };
    }
    let mut seen = Vec::new();
    for answer in pythons() {
        match answer {
            Ok(python) if (wanted.fits)(python.version.minor) => return Ok(python),
            Ok(python) => seen.push(format!("`{}` is CPython {}", python.path.display(), python.version)),
            Err(refused) => seen.push(format!("`{}`: {}", refused.path.display(), refused.why)),
        }
    }
    if seen.is_empty() {
        seen.push("there is none on PATH".to_owned());
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_interpreter_that_is_named_is_taken_or_refused_with_a_word() {
        let found = find_python(|_| true).unwrap();
        let any = Wanted { text: "any", fits: &|_| true };
        assert_eq!(host_python(Some(&found.path), &any).unwrap(), found);

        let none = Wanted { text: "requires-python = \"<3\"", fits: &|_| false };
        let error = host_python(Some(&found.path), &none).unwrap_err().to_string();
        assert!(error.contains("HOLDALL_PYTHON") && error.contains("\"<3\""), "{error}");
        let error = host_python(Some(Path::new("/no/such/python")), &any).unwrap_err().to_string();
        assert!(error.contains("it does not start"), "{error}");
    }
}
