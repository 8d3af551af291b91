//! `cargo xtask dist`: Holdall as people get it. For each target that this machine can build, the command and the
//! bridge's wheel; from these one archive a target, with the parts for all others, so that every machine can bundle
//! for each of them.
//!
//! Refuses to pack a program that holds a path of the machine that built it.

mod build;
mod notices;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use sha2::{Digest as _, Sha256};

use crate::archive::{self, Files};
use crate::{lab, tools};

pub use build::{Built, Target, build, flags};

/// Options of `cargo xtask dist`.
#[derive(clap::Args)]
pub struct Args {
    /// Build only for this target, and fail where that is not possible; may be given more than once
    #[arg(long = "target", value_enum)]
    targets: Vec<Target>,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let built = wanted(&args.targets)?.into_iter().map(build).collect::<anyhow::Result<Vec<_>>>()?;
    // Archives of an earlier run would stand beside sums that do not name them.
    for entry in fs_err::read_dir(folder())? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs_err::remove_file(entry.path())?;
        }
    }
    let mut sums = String::new();
    for this in &built {
        let archive = pack(this, &built)?;
        writeln!(sums, "{}  {}", sha256(&fs_err::read(&archive)?), file_name(&archive)?)?;
        println!("    {}", archive.display());
    }
    fs_err::write(folder().join("SHA256SUMS"), sums)?;
    Ok(())
}

/// Everything the archives are made of, laid out as `HOLDALL_TOOLS` wants it: `bridges/*.whl` and, for each target
/// built, `holdall-<target>`.
pub fn tools_folder() -> PathBuf {
    folder().join("tools")
}

/// `target/dist`
fn folder() -> PathBuf {
    tools::target().join("dist")
}

/// The named targets, or all that this machine can build.
fn wanted(named: &[Target]) -> anyhow::Result<Vec<Target>> {
    if !named.is_empty() {
        return Ok(named.to_vec());
    }
    let mut targets = vec![Target::LinuxX86_64];
    match lab::check_toolchain() {
        Ok(()) => targets.push(Target::WindowsX86_64),
        Err(reason) if lab::in_ci() => {
            return Err(reason.context("CI must not leave out a target"));
        }
        Err(reason) => {
            tools::step("no archive for windows-x86_64: this machine cannot build for it");
            println!("    {reason:#}");
        }
    }
    Ok(targets)
}

/// Writes the archive for the target of `this`.
fn pack(this: &Built, all: &[Built]) -> anyhow::Result<PathBuf> {
    let target = this.target;
    tools::step(&format!("pack the archive for {target}"));
    let mut files = Files::new();
    files.insert(format!("holdall{}", target.exe()), fs_err::read(&this.program)?);
    for built in all {
        files.insert(format!("bridges/{}", file_name(&built.wheel)?), fs_err::read(&built.wheel)?);
        if built.target != target {
            files.insert(built.target.program(), fs_err::read(&built.program)?);
        }
    }
    let root = tools::root();
    for name in ["README.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT"] {
        files.insert(name.to_owned(), fs_err::read(root.join(name))?);
    }
    add_folder(&mut files, &root.join("recipes"), "recipes/")?;
    files.insert("LICENSES-THIRD-PARTY.txt".to_owned(), notices::of(all)?.into_bytes());
    let sums: String = files.iter().map(|(name, bytes)| format!("{}  {name}\n", sha256(bytes))).collect();
    files.insert("SHA256SUMS".to_owned(), sums.into_bytes());

    let name = format!("holdall-{}-{target}", env!("CARGO_PKG_VERSION"));
    let files = files.into_iter().map(|(path, bytes)| (format!("{name}/{path}"), bytes)).collect();
    let path = match target {
        Target::WindowsX86_64 => folder().join(format!("{name}.zip")),
        Target::LinuxX86_64 => folder().join(format!("{name}.tar.gz")),
    };
    match target {
        Target::WindowsX86_64 => archive::write_zip(&files, &path)?,
        Target::LinuxX86_64 => archive::write_tar_gz(&files, &path)?,
    }
    Ok(path)
}

fn add_folder(files: &mut Files, folder: &Path, below: &str) -> anyhow::Result<()> {
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{below}{}", file_name(&entry.path())?);
        if entry.file_type()?.is_dir() {
            add_folder(files, &entry.path(), &format!("{path}/"))?;
        } else {
            files.insert(path, fs_err::read(entry.path())?);
        }
    }
    ensure!(!files.is_empty(), "`{}` is empty", folder.display());
    Ok(())
}

fn file_name(path: &Path) -> anyhow::Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    Ok(name.with_context(|| format!("`{}` has no file name in UTF-8", path.display()))?.to_owned())
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
