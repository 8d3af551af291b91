//! Debian's own Rust as a compiler for Windows. It has no Windows standard library but its sources, and builds the
//! library along.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use super::{folder, packages};

/// The target triple of everything the lab builds.
pub const TARGET: &str = "x86_64-pc-windows-gnu";

/// The environment in which cargo, and tools that call cargo, build for Windows.
fn environment() -> Vec<(&'static str, OsString)> {
    // Debian's programs first: maturin and build scripts ask PATH for `cargo` and `rustc`.
    let mut path = OsString::from("/usr/bin");
    if let Some(inherited) = std::env::var_os("PATH") {
        path.push(":");
        path.push(inherited);
    }
    vec![
        ("PATH", path),
        ("CARGO", "/usr/bin/cargo".into()),
        ("RUSTC", "/usr/bin/rustc".into()),
        // `build-std` is for nightly compilers; this makes a stable one take it.
        ("RUSTC_BOOTSTRAP", "1".into()),
        ("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort".into()),
        ("CARGO_BUILD_TARGET", TARGET.into()),
        // Another compiler than the workspace's: in one folder they would undo each other's work.
        ("CARGO_TARGET_DIR", cargo_folder().into()),
    ]
}

/// The target directory of everything the lab builds.
pub fn cargo_folder() -> PathBuf {
    folder().join("cargo")
}

/// `cargo` as a command that builds for Windows into `target/lab/cargo`; give it a subcommand such as `build`.
pub fn cargo_windows() -> Command {
    toolchain("/usr/bin/cargo")
}

/// Any program, in the environment of [`cargo_windows`].
pub fn toolchain(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(crate::tools::root()).envs(environment());
    // What the cargo that runs this chore says of its own compiler, and what a person says of it.
    for own in
        ["RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH", "RUSTC_WRAPPER", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"]
    {
        command.env_remove(own);
    }
    forget_this_package(&mut command);
    command
}

/// Takes away what the cargo that runs this chore says of the package `xtask`. Build scripts watch these variables:
/// they would all run again when one cargo is started by a chore and the next is not.
pub fn forget_this_package(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
        {
            command.env_remove(name);
        }
    }
}

/// Fails, saying what is missing, where nothing can be built for Windows.
pub fn check() -> anyhow::Result<()> {
    packages::check_toolchain()
}
