//! The Debian packages of the lab.

use anyhow::ensure;

use crate::debian;

/// A compiler for Windows: the toolchain of rustup has no standard library for that target on most machines, while
/// Debian has a compiler together with the library's sources. A linker and C compiler. Wine.
const PACKAGES: [&str; 5] = ["rustc-web", "cargo-web", "rust-web-src", "gcc-mingw-w64-x86-64-win32", "wine"];

/// The packages of the toolchain alone: enough to build for Windows.
const TOOLCHAIN: &[&str] = PACKAGES.split_at(4).0;

const LAB: &str = "the Windows lab";

/// Fails, naming them, when packages are missing.
pub fn check() -> anyhow::Result<()> {
    refuse_other_systems()?;
    debian::check(LAB, &PACKAGES)
}

/// As [`check`], for what building needs.
pub fn check_toolchain() -> anyhow::Result<()> {
    refuse_other_systems()?;
    debian::check(LAB, TOOLCHAIN)
}

/// Installs the packages that are missing.
pub fn install() -> anyhow::Result<()> {
    refuse_other_systems()?;
    debian::install(LAB, &PACKAGES)
}

fn refuse_other_systems() -> anyhow::Result<()> {
    ensure!(
        cfg!(all(target_os = "linux", target_arch = "x86_64")),
        "the Windows lab is set up on Debian for x86_64, and this is another system"
    );
    Ok(())
}
