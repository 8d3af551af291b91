//! The bridge's wheel in the lab's Windows CPython, and `tests/lab/` as its process manager.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use anyhow::Context as _;

use super::{Bench, program};
use crate::tools;

pub fn run(bench: &Bench, words: &[String]) -> anyhow::Result<ExitStatus> {
    let packages = unpack(&bench.product.wheel)?;
    let tests = program::build("holdall", "lab")?;
    tools::step("play the process manager");
    let mut wine = bench.server.wine(tests);
    wine.args(words);
    wine.env("HOLDALL_LAB_PYTHON", windows(&bench.lab.python.join("python.exe"))?);
    wine.env("HOLDALL_LAB_APPS", windows(&tools::root().join("bridge/tests/apps"))?);
    wine.env("PYTHONPATH", windows(&packages)?);
    // Python is started a hundred times: what it compiles is kept, and not in the lab's own folder.
    wine.env("PYTHONPYCACHEPREFIX", windows(&folder().join("compiled"))?);
    // What the tests say is seen as it comes. Nothing keeps these streams open when they are done: Wine's own
    // services run since the server was started.
    wine.stdout(Stdio::inherit()).stderr(Stdio::inherit());
    let mut tests = wine.spawn().context("cannot start the tests in Wine")?;
    // Held to the end: a Windows program that finds its standard input closed may not start others.
    let input = tests.stdin.take();
    let status = tests.wait()?;
    drop(input);
    Ok(status)
}

fn folder() -> PathBuf {
    tools::target().join("lab/bridge")
}

/// What the wheel installs, in a folder of its own.
fn unpack(wheel: &Path) -> anyhow::Result<PathBuf> {
    let packages = folder().join("packages");
    if packages.exists() {
        fs_err::remove_dir_all(&packages)?;
    }
    let mut zip = zip::ZipArchive::new(fs_err::File::open(wheel)?)?;
    zip.extract(&packages).with_context(|| format!("cannot unpack `{}`", wheel.display()))?;
    Ok(packages)
}

/// The name that Wine has for a file of this system.
fn windows(path: &Path) -> anyhow::Result<String> {
    let path = path.to_str().with_context(|| format!("`{}` is not UTF-8", path.display()))?;
    Ok(format!("Z:{}", path.replace('/', "\\")))
}
