//! The CPythons of this machine: which there are, in a fixed order of preference. Starts each to ask what it
//! is; installs nothing and changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;

use crate::python::{MinorVersion, PythonVersion};

/// An interpreter that can be a bundle's runtime, make the environment a project is loaded in, and run tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPython {
    /// The interpreter itself, never a shim or the link of a virtual environment.
    pub path: PathBuf,
    pub version: PythonVersion,
    /// The folder of the standard library.
    pub stdlib: PathBuf,
    /// The folder of its extension modules, if they are files (`lib-dynload`).
    pub extensions: Option<PathBuf>,
    /// `lib`, or `lib64` as some systems have it.
    pub library_folder: String,
}

/// An interpreter that was found and is of no use here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub path: PathBuf,
    pub why: String,
}

#[derive(Deserialize)]
struct Answer {
    implementation: String,
    version: PythonVersion,
    #[serde(rename = "final")]
    is_final: bool,
    free_threaded: bool,
    debug: bool,
    program: Option<PathBuf>,
    stdlib: PathBuf,
    extensions: Option<PathBuf>,
    library_folder: String,
}

impl HostPython {
    /// Asks the interpreter (or shim, or virtual environment's link) at `path` what it is.
    pub fn ask(path: &Path) -> Result<HostPython, Refused> {
        let refused = |why: String| Refused { path: path.to_owned(), why };
        // Isolated and without `site`: nothing of the user's own runs, and a virtual environment tells of
        // the interpreter it was made from.
        let output = Command::new(path)
            .args(["-I", "-S", "-B", "-c", include_str!("ask.py")])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| refused(format!("it does not start: {error}")))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.trim().lines().next_back().unwrap_or("no word on why").trim().to_owned();
            return Err(refused(format!("it fails ({}): {last}", output.status)));
        }
        let answer: Answer = serde_json::from_slice(&output.stdout)
            .map_err(|_| refused("it does not answer as a CPython does".to_owned()))?;
        answer.accept().map_err(refused)
    }
}

impl Answer {
    fn accept(self) -> Result<HostPython, String> {
        let version = self.version;
        if self.implementation != "cpython" {
            return Err(format!("it is {}, not CPython", self.implementation));
        }
        if version.minor < MinorVersion::OLDEST {
            return Err(format!("it is CPython {version}, older than {}", MinorVersion::OLDEST));
        }
        if self.free_threaded {
            return Err(format!(
                "it is a free-threaded CPython {version}, which has another binary interface"
            ));
        }
        if self.debug {
            return Err(format!("it is a debug build of CPython {version}"));
        }
        if !self.is_final {
            return Err(format!("it is a pre-release of CPython {version}"));
        }
        Ok(HostPython {
            path: self.program.ok_or("it does not know its own file")?,
            version,
            stdlib: self.stdlib,
            extensions: self.extensions,
            library_folder: self.library_folder,
        })
    }
}

/// The CPythons of this machine, best first, each once; asked one by one as the iterator is driven.
///
/// The order: `HOLDALL_PYTHON`; the interpreter of the active virtual environment; those on PATH, folder by
/// folder; then pyenv's and the system's, newest first.
pub fn pythons() -> impl Iterator<Item = Result<HostPython, Refused>> {
    let mut seen_files = BTreeSet::new();
    let mut seen_pythons = BTreeSet::new();
    candidates()
        .into_iter()
        .filter(move |path| {
            path.is_file() && seen_files.insert(path.canonicalize().unwrap_or_else(|_| path.clone()))
        })
        .map(|path| asked_once(&path))
        .filter(move |answer| match answer {
            Ok(python) => seen_pythons.insert(python.path.clone()),
            Err(_) => true,
        })
}

/// As [`HostPython::ask`], but each interpreter is started once in the life of this process: some are scripts that
/// look for the real one at every start.
fn asked_once(path: &Path) -> Result<HostPython, Refused> {
    static ANSWERS: Mutex<BTreeMap<PathBuf, Result<HostPython, Refused>>> = Mutex::new(BTreeMap::new());
    let mut answers = ANSWERS.lock().unwrap_or_else(PoisonError::into_inner);
    answers.entry(path.to_owned()).or_insert_with(|| HostPython::ask(path)).clone()
}

/// The first of [`pythons`] that `fits`.
pub fn find_python(fits: impl Fn(&HostPython) -> bool) -> Option<HostPython> {
    pythons().flatten().find(|python| fits(python))
}

/// The interpreter that the person names.
pub fn named() -> Option<PathBuf> {
    variable("HOLDALL_PYTHON").map(PathBuf::from)
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn candidates() -> Vec<PathBuf> {
    let mut found = Vec::new();
    found.extend(named());
    found.extend(variable("VIRTUAL_ENV").map(|folder| in_environment(Path::new(&folder))));
    for folder in
        variable("PATH").iter().flat_map(std::env::split_paths).filter(|folder| folder.is_absolute())
    {
        found.extend(in_folder(&folder));
    }
    let pyenv = variable("PYENV_ROOT")
        .map(PathBuf::from)
        .or_else(|| etcetera::home_dir().ok().map(|home| home.join(".pyenv")));
    found.extend(pyenv.into_iter().flat_map(|root| in_pyenv(&root)));
    if cfg!(unix) {
        found.extend(in_folder(Path::new("/usr/local/bin")));
        found.extend(in_folder(Path::new("/usr/bin")));
    }
    found
}

fn in_environment(folder: &Path) -> PathBuf {
    if cfg!(windows) { folder.join("Scripts").join("python.exe") } else { folder.join("bin").join("python3") }
}

/// The interpreters that a folder of programs holds: `python3` first, since it is what people mean.
fn in_folder(folder: &Path) -> Vec<PathBuf> {
    if cfg!(windows) {
        return vec![folder.join("python.exe")];
    }
    let mut minors: Vec<MinorVersion> = names(folder)
        .into_iter()
        .filter_map(|name| name.to_str()?.strip_prefix("python")?.parse().ok())
        .filter(|minor| *minor >= MinorVersion::OLDEST)
        .collect();
    minors.sort_by(|a, b| b.cmp(a));
    let mut found = vec![folder.join("python3")];
    found.extend(minors.into_iter().map(|minor| folder.join(format!("python{minor}"))));
    found.push(folder.join("python"));
    found
}

/// The interpreters that pyenv installed, newest first.
fn in_pyenv(root: &Path) -> Vec<PathBuf> {
    let versions = root.join("versions");
    let mut known: Vec<PythonVersion> = names(&versions)
        .into_iter()
        .filter_map(|name| name.to_str()?.parse().ok())
        .filter(|version: &PythonVersion| version.minor >= MinorVersion::OLDEST)
        .collect();
    known.sort_by(|a, b| b.cmp(a));
    known.into_iter().map(|version| in_environment(&versions.join(version.to_string()))).collect()
}

fn names(folder: &Path) -> Vec<OsString> {
    // A folder on PATH that is missing or closed holds no interpreter for us.
    std::fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.file_name()).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn answer(changes: &[(&str, serde_json::Value)]) -> Result<HostPython, String> {
        let mut fields = serde_json::json!({
            "implementation": "cpython", "version": "3.12.4", "final": true, "free_threaded": false,
            "debug": false, "program": "/p/bin/python3.12", "stdlib": "/p/lib/python3.12",
            "extensions": null, "library_folder": "lib",
        });
        for (name, value) in changes {
            fields[*name] = value.clone();
        }
        serde_json::from_value::<Answer>(fields).unwrap().accept()
    }

    #[track_caller]
    fn refused(name: &str, value: serde_json::Value, word: &str) {
        let why = answer(&[(name, value)]).unwrap_err();
        assert!(why.contains(word), "{why}");
    }

    #[test]
    fn only_a_plain_cpython_is_accepted() {
        assert_eq!(answer(&[]).unwrap().path, Path::new("/p/bin/python3.12"));
        refused("implementation", "pypy".into(), "pypy, not CPython");
        refused("free_threaded", true.into(), "free-threaded");
        refused("version", "3.9.18".into(), "older than 3.10");
        refused("final", false.into(), "pre-release");
        refused("debug", true.into(), "debug build");
    }

    #[test]
    fn a_folder_of_programs_offers_python3_then_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        for name in
            ["python3.9", "python3.11", "python3.13", "python3-config", "python3.13-config", "pip3.11"]
        {
            fs_err::write(folder.path().join(name), "").unwrap();
        }
        let names: Vec<_> = in_folder(folder.path())
            .iter()
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        if cfg!(unix) {
            assert_eq!(names, ["python3", "python3.13", "python3.11", "python"]);
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_python_is_refused_with_a_word() {
        let error = HostPython::ask(Path::new("/bin/true")).unwrap_err();
        assert_eq!(error.why, "it does not answer as a CPython does");
    }
}
