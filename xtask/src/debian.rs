//! Packages of Debian that a chore needs: which are missing, and their installation.

use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::tools;

/// Fails, naming them, when packages are missing that are needed for `what`.
pub fn check(what: &str, packages: &[&str]) -> anyhow::Result<()> {
    refuse_missing(what, &missing(packages)?)
}

/// Installs the packages that are missing, where that is allowed.
pub fn install(what: &str, packages: &[&str]) -> anyhow::Result<()> {
    let missing = missing(packages)?;
    if missing.is_empty() {
        return Ok(());
    }
    if !tools::is_root() {
        return refuse_missing(what, &missing);
    }
    tools::step(&format!("install {}", missing.join(", ")));
    // Another installation may be going on: wait for it instead of failing.
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.args(["-qq", "-o", "DPkg::Lock::Timeout=600"]).args(arguments);
        // In runlevel 1 a server that is installed is not started.
        apt.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
        apt.stdin(std::process::Stdio::null());
        apt
    };
    tools::run(&mut apt(&["update"]))?;
    tools::run(apt(&["install", "-y", "--no-install-recommends"]).args(&missing))
        .with_context(|| format!("these packages are in Debian 12 and later, and are needed for {what}"))
}

fn refuse_missing(what: &str, missing: &[&str]) -> anyhow::Result<()> {
    ensure!(
        missing.is_empty(),
        "{what} needs Debian packages that are not installed; as root: apt-get install \
         --no-install-recommends {}",
        missing.join(" ")
    );
    Ok(())
}

/// Those of `packages` that are not installed.
fn missing<'a>(packages: &[&'a str]) -> anyhow::Result<Vec<&'a str>> {
    let asked = Command::new("dpkg-query")
        .args(["--show", "--showformat", "${db:Status-Status} ${Package}\n"])
        .args(packages)
        .output()
        .context("this is no Debian: there is no `dpkg-query` here")?;
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
        let error = refuse_missing("the Windows lab", &["cargo-web", "rustc-web"]).unwrap_err().to_string();
        assert!(error.starts_with("the Windows lab needs Debian packages"), "{error}");
        assert!(error.ends_with("apt-get install --no-install-recommends cargo-web rustc-web"), "{error}");
    }
}
