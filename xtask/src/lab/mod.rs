//! `cargo xtask lab`: the Windows lab below `target/lab/`. It cross-compiles for Windows and runs what it built in
//! Wine, with a real Windows CPython, on a Debian machine.
//!
//! Setting up is idempotent: each part is made once, and its mark is written last. Installs Debian packages only
//! when some are missing and only as root; never touches a Wine prefix of the user's own.

mod packages;
mod runtime;
mod toolchain;
mod wine;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;

use crate::tools;

pub use toolchain::{
    TARGET, cargo_folder, cargo_windows, check as check_toolchain, forget_this_package, toolchain,
};
pub use wine::{Server, compile, environment as wine_environment};

/// Options of `cargo xtask lab`.
#[derive(clap::Args)]
pub struct Args {
    /// Install and make nothing: fail unless the lab is there and its Windows CPython starts
    #[arg(long)]
    check: bool,
}

/// A lab that is ready for use.
#[derive(Debug)]
pub struct Lab {
    /// The Windows CPython as `holdall bundle --runtime` takes it.
    pub runtime: PathBuf,
    /// The same CPython as a folder; `python.exe` lies directly in it.
    pub python: PathBuf,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let started = Instant::now();
    let lab = match args.check {
        true => {
            let lab = found()?;
            runtime::try_out(&lab.python)?;
            lab
        }
        false => set_up()?,
    };
    tools::step(&format!("the lab is ready ({:.1} s)", started.elapsed().as_secs_f64()));
    println!("    runtime  {}", lab.runtime.display());
    println!("    python   {}", lab.python.join("python.exe").display());
    println!("    prefix   {}", wine::prefix().display());
    Ok(())
}

/// Makes what the lab lacks. The error says what this system has not got.
pub fn set_up() -> anyhow::Result<Lab> {
    packages::install()?;
    wine::set_up().context("cannot set up Wine")?;
    runtime::set_up().context("cannot make the Windows CPython")
}

/// The lab if it is set up; makes nothing.
fn found() -> anyhow::Result<Lab> {
    packages::check()?;
    wine::check()?;
    runtime::check()
}

/// The lab, set up if need be; `None`, after a word on why, where that is not possible.
///
/// A caller counts the tests that it then leaves out as skipped. With CI set nothing may be left out, and what
/// would be `None` is an error.
pub fn available() -> anyhow::Result<Option<Lab>> {
    or_skipped(set_up(), in_ci())
}

fn or_skipped(lab: anyhow::Result<Lab>, in_ci: bool) -> anyhow::Result<Option<Lab>> {
    match lab {
        Ok(lab) => Ok(Some(lab)),
        Err(reason) if in_ci => Err(reason.context("CI must not leave out the tests of the Windows lab")),
        Err(reason) => {
            tools::step("there is no Windows lab on this machine: its tests are left out");
            println!("    {reason:#}");
            Ok(None)
        }
    }
}

/// Whether this is a run of CI, where nothing may be left out.
pub fn in_ci() -> bool {
    says_ci(std::env::var("CI").ok().as_deref())
}

/// What CI services set, and what a person sets to say no.
fn says_ci(variable: Option<&str>) -> bool {
    variable.is_some_and(|value| !matches!(value, "" | "0" | "false"))
}

/// `target/lab`
pub fn folder() -> PathBuf {
    tools::target().join("lab")
}

/// The lab's C sources and the like.
pub fn source(name: &str) -> PathBuf {
    tools::root().join("tests/lab").join(name)
}

/// Whether `mark` says that a thing was made from exactly `wanted`.
pub fn made_from(mark: &Path, wanted: &str) -> bool {
    fs_err::read_to_string(mark).is_ok_and(|made| made == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_that_cannot_be_had_is_left_out_except_in_ci() {
        let missing = || Err(anyhow::anyhow!("no wine"));
        assert!(or_skipped(missing(), false).unwrap().is_none());
        let error = format!("{:#}", or_skipped(missing(), true).unwrap_err());
        assert_eq!(error, "CI must not leave out the tests of the Windows lab: no wine");
    }

    #[test]
    fn ci_is_what_its_variable_says() {
        assert!(says_ci(Some("true")) && says_ci(Some("1")));
        assert!(!says_ci(Some("false")) && !says_ci(Some("")) && !says_ci(None));
    }
}
