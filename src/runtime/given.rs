//! `--runtime PATH`: a portable CPython, given as an archive or a folder in one of the forms that its makers
//! publish, brought into the one layout of a bundle. Reads the files; never starts the interpreter.

use std::collections::BTreeMap;
use std::path::Path;

use super::version::Found;
use super::{RuntimeError, linux, tree, windows};
use crate::digest::{Hasher, Sha256};
use crate::entry::EntryPath;
use crate::layer::{Content, Source};
use crate::progress::Notice;
use crate::python::{PythonLayout, PythonVersion};
use crate::target::Target;

/// Counts the ways in which these modules have shaped a runtime: another number, another layer.
const SHAPE: &str = "given runtime 3";

/// Where the runtime begins in what was given: at the top; in the folder of python-build-standalone; in the
/// folder of a NuGet package.
const TOPS: [&str; 3] = ["", "python/", "tools/"];

/// A runtime in the layout of a bundle.
#[derive(Debug)]
pub struct Given {
    pub target: Target,
    pub layout: PythonLayout,
    /// Of the archive, or of those files of the folder that are taken; and of the way it was shaped.
    pub digest: Sha256,
    pub notices: Vec<Notice>,
    pub sources: Vec<Source>,
}

/// What [`windows`] and [`linux`] make of the files: names below `python/`.
pub struct Shaped {
    pub target: Target,
    pub version: PythonVersion,
    /// The interpreter, the one file that is a program.
    pub program: String,
    pub site_packages: String,
    pub files: BTreeMap<String, Content>,
    pub notices: Vec<Notice>,
}

/// Reads what `path` holds and shapes it.
pub fn read(path: &Path) -> Result<Given, RuntimeError> {
    let tree = tree::read(path)?;
    let shaped = shape(path, tree.files)?;
    let digest = tree.digest.map_or_else(|| tree::digest(&shaped.files), Ok)?;
    let target = shaped.target;
    let entry = |name: &str| EntryPath::parse(&format!("python/{name}"), target);
    let layout = PythonLayout {
        version: shaped.version,
        program: entry(&shaped.program)?,
        site_packages: entry(&shaped.site_packages)?,
    };
    let mut sources = Vec::new();
    for (name, content) in shaped.files {
        // By rule, not from the archive: a zip made on Windows and a folder there know no such flag.
        let executable = !target.is_windows() && name == shaped.program;
        sources.push(Source { path: entry(&name)?, content, executable });
    }
    crate::entry::check_set(sources.iter().map(|source| &source.path), target)?;
    let mut hasher = Hasher::default();
    hasher.update(format!("{SHAPE}\0{digest}"));
    Ok(Given { target, layout, digest: hasher.finish(), notices: shaped.notices, sources })
}

fn shape(path: &Path, files: BTreeMap<String, Content>) -> Result<Shaped, RuntimeError> {
    for top in TOPS {
        let holds = |wanted: &dyn Fn(&str) -> bool| {
            files.keys().any(|name| name.strip_prefix(top).is_some_and(wanted))
        };
        let shape_as = if holds(&|name| name == "python.exe") {
            windows::shape
        } else if holds(&|name| linux::minor_of_program(name).is_some()) {
            linux::shape
        } else {
            continue;
        };
        let below = files
            .into_iter()
            .filter_map(|(name, content)| Some((name.strip_prefix(top)?.to_owned(), content)))
            .collect();
        return shape_as(path, below);
    }
    Err(RuntimeError::NoForm { path: path.to_owned() })
}

/// The final version found, or why there is none.
pub fn final_version(
    path: &Path,
    found: Option<Found>,
    looked_in: String,
) -> Result<PythonVersion, RuntimeError> {
    match found {
        Some(Found::Final(version)) => Ok(version),
        Some(Found::PreRelease) => Err(RuntimeError::PreRelease { path: path.to_owned() }),
        None => Err(RuntimeError::NoVersion { path: path.to_owned(), looked_in }),
    }
}
