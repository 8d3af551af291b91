//! The Debian packages of the lab: which are missing, and their installation.

use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use crate::tools;

/// A compiler for Windows: the toolchain of rustup has no standard library for that target on most machines, while
/// Debian has a compiler together with the library's sources. A linker and C compiler. Wine.
const PACKAGES: [&str; 5] = ["rustc-web", "cargo-web", "rust-web-src", "gcc-mingw-w64-x86-64-win32", "wine"];

/// The packages of the toolchain alone: enough to build for Windows.
const TOOLCHAIN: &[&str] = PACKAGES.split_at(4).0;

/// Fails, naming them, when packages are missing.
pub fn check() -> anyhow::Result<()> {
    refuse_missing(&missing(&PACKAGES)?)
}

/// As [`check`], for what building needs.
pub fn check_toolchain() -> anyhow::Result<()> {
    refuse_missing(&missing(TOOLCHAIN)?)
}

/// Installs the packages that are missing.
pub fn install() -> anyhow::Result<()> {
    let missing = missing(&PACKAGES)?;
    if missing.is_empty() {
        return Ok(());
    }
    if !tools::is_root() {
        return refuse_missing(&missing);
    }
    tools::step(&format!("install {}", missing.join(", ")));
    // Another installation may be going on: wait for it instead of failing.
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.args(["-qq", "-o", "DPkg::Lock::Timeout=600"]).args(arguments);
        apt.env("DEBIAN_FRONTEND", "noninteractive").stdin(std::process::Stdio::null());
        apt
    };
    tools::run(&mut apt(&["update"]))?;
    tools::run(apt(&["install", "-y", "--no-install-recommends"]).args(&missing))
        .context("these packages are in Debian 12 and later: on another system the lab cannot be set up")
}

fn refuse_missing(missing: &[&str]) -> anyhow::Result<()> {
    ensure!(
        missing.is_empty(),
        "the Windows lab needs Debian packages that are not installed; as root: apt-get install \
         --no-install-recommends {}",
        missing.join(" ")
    );
    Ok(())
}

/// Those of `packages` that are not installed.
fn missing<'a>(packages: &[&'a str]) -> anyhow::Result<Vec<&'a str>> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        bail!("the Windows lab is set up on Debian for x86_64, and this is another system");
    }
    let asked = Command::new("dpkg-query")
        .args(["--show", "--showformat", "${db:Status-Status} ${Package}\n"])
        .args(packages)
        .output()
        .context("the Windows lab is set up on Debian: there is no `dpkg-query` here")?;
    Ok(not_installed(packages, &String::from_utf8_lossy(&asked.stdout)))
}

/// `dpkg-query` says nothing of a package it never heard of, and remembers those that were removed.
fn not_installed<'a>(packages: &[&'a str], answer: &str) -> Vec<&'a str> {
    let installed: Vec<_> = answer.lines().filter_map(|line| line.strip_prefix("installed ")).collect();
    packages.iter().copied().filter(|package| !installed.contains(package)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_that_is_unknown_or_removed_is_missing() {
        let answer = "installed wine\nconfig-files cargo-web\n";
        assert_eq!(not_installed(&["wine", "cargo-web", "rustc-web"], answer), ["cargo-web", "rustc-web"]);
        let error = refuse_missing(&["cargo-web", "rustc-web"]).unwrap_err().to_string();
        assert!(error.ends_with("apt-get install --no-install-recommends cargo-web rustc-web"), "{error}");
    }
}
