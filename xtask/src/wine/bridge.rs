//! The tests beside the bridge's code, then its wheel in the lab's Windows CPython with `tests/lab/` as its process
//! manager.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::Context as _;

use super::{Bench, attempt, on_windows, program};
use crate::tools;

pub fn run(bench: &Bench, words: &[String]) -> anyhow::Result<ExitStatus> {
    let packages = unpack(&bench.product.wheel)?;
    let units = program::build_units_of_the_bridge()?;
    let tests = program::build("holdall", "lab")?;
    tools::step("run the tests beside the code");
    let beside_the_code = attempt::run(|words| with(bench.server.wine(&units), words), words)?;
    tools::step("play the process manager");
    let manager = |words: &[String]| {
        let mut wine = with(bench.server.wine(&tests), words);
        wine.env("HOLDALL_LAB_PYTHON", on_windows(&bench.lab.python.join("python.exe")));
        wine.env("HOLDALL_LAB_APPS", on_windows(&tools::root().join("bridge/tests/apps")));
        wine.env("PYTHONPATH", on_windows(&packages));
        // Python is started a hundred times: what it compiles is kept, and not in the lab's own folder.
        wine.env("PYTHONPYCACHEPREFIX", on_windows(&folder().join("compiled")));
        wine
    };
    let played = attempt::run(manager, words)?;
    Ok(if beside_the_code.success() { played } else { beside_the_code })
}

fn with(mut wine: Command, words: &[String]) -> Command {
    wine.args(words);
    wine
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
