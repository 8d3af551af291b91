//! Test programs for Windows, made by cargo and not yet run.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context as _, ensure};

use crate::{dist, lab, tools};

/// Builds the integration test `name` of `package` for Windows and returns the program.
pub fn build(package: &str, name: &str) -> anyhow::Result<PathBuf> {
    tools::step(&format!("build the tests `{name}` for Windows"));
    program(&["--package", package, "--test", name])
}

/// Builds the tests beside the code of the bridge, which need no Python, for Windows.
pub fn build_units_of_the_bridge() -> anyhow::Result<PathBuf> {
    tools::step("build the tests beside the bridge's code for Windows");
    program(&["--package", "holdall-bridge", "--no-default-features", "--lib"])
}

/// Builds the lab's IIS for Windows and returns the folder of its programs.
pub fn build_lab() -> anyhow::Result<PathBuf> {
    tools::step("build the lab's IIS for Windows");
    let mut cargo = lab::cargo_windows();
    cargo.args(["build", "--quiet", "--release", "--locked", "--package", "holdall-lab-iis", "--bins"]);
    cargo.env("CARGO_ENCODED_RUSTFLAGS", dist::flags(dist::Target::WindowsX86_64)?);
    tools::run(&mut cargo)?;
    Ok(lab::cargo_folder().join(lab::TARGET).join("release"))
}

/// With the profile and the flags of the product, so that the two have their dependencies in common.
fn program(which: &[&str]) -> anyhow::Result<PathBuf> {
    let mut cargo = lab::cargo_windows();
    cargo.args(["test", "--no-run", "--release", "--locked"]).args(which);
    cargo.args(["--message-format", "json-render-diagnostics"]).stderr(Stdio::inherit());
    cargo.env("CARGO_ENCODED_RUSTFLAGS", dist::flags(dist::Target::WindowsX86_64)?);
    let output = cargo.output().with_context(|| format!("cannot start {cargo:?}"))?;
    ensure!(output.status.success(), "{cargo:?} ended with {}", output.status);
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["profile"]["test"] == true)
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .next_back()
        .context("cargo does not say where it put the test program")
}
