//! Installing uv into the cache with the ordinary Python client. Nothing outside the cache is changed.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::{PackagesError, Said};
use crate::cache::Cache;
use crate::held;

/// The uv of this version in the cache, installed by `python` if it is not there yet.
///
/// It is installed into a folder of its own and then renamed, so that a folder of the final name is complete.
pub(super) fn installed(cache: &Cache, python: &Path, version: &str) -> Result<PathBuf, PackagesError> {
    let tools = cache.folder("tools")?;
    let folder = tools.join(format!("uv-{version}"));
    if let Some(program) = program_in(&folder) {
        return Ok(program);
    }
    let work = tempfile::Builder::new().prefix(".part-").tempdir_in(&tools)?;
    let install = |python: &Path, into: &Path| {
        let into = into.display().to_string();
        let wanted = format!("uv=={version}");
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"];
        let what = ["--no-deps", "--only-binary", ":all:", "--target", &into, &wanted];
        run(python, pip.iter().chain(&what))
    };
    let failed = |source| PackagesError::UvNotInstalled {
        python: python.to_owned(),
        version: version.to_owned(),
        source,
    };

    let made = work.path().join("uv");
    if let Err(without_venv) = install(python, &made) {
        let venv = work.path().join("venv");
        // A Python without pip can often still make an environment that has one.
        run(python, ["-m", "venv", &venv.display().to_string()]).map_err(|_| failed(without_venv))?;
        let of_venv = if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" };
        install(&venv.join(of_venv), &made).map_err(failed)?;
    }
    // Another run may have been faster, or a broken folder stands there: both give way to one that is whole.
    if held::rename(&made, &folder).is_err() && program_in(&folder).is_none() {
        held::remove_dir_all(&folder)?;
        held::rename(&made, &folder)?;
    }
    program_in(&folder).ok_or_else(|| failed(Said::new(b"pip installed no program")))
}

/// Where pip put the program: it depends on the system and on pip's age.
fn program_in(folder: &Path) -> Option<PathBuf> {
    let name = format!("uv{}", std::env::consts::EXE_SUFFIX);
    ["bin", "Scripts"]
        .map(|scripts| folder.join(scripts).join(&name))
        .into_iter()
        .find(|program| program.is_file())
}

fn run<S: AsRef<std::ffi::OsStr>>(program: &Path, args: impl IntoIterator<Item = S>) -> Result<(), Said> {
    match Command::new(program).args(args).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) if output.stderr.is_empty() => Err(Said::new(&output.stdout)),
        Ok(output) => Err(Said::new(&output.stderr)),
        Err(error) => Err(Said::new(error.to_string().as_bytes())),
    }
}
