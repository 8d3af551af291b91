//! `cargo xtask fuzz`: libFuzzer on the bridge's reader of records and on a whole connection, for a while.
//!
//! It needs neither a nightly compiler nor `cargo fuzz`: the flags by which a program tells the fuzzer what it reaches
//! are stable. It needs a C++ compiler, since the fuzzer is written in that.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use crate::{debian, lab, tools};

/// Options of `cargo xtask fuzz`.
#[derive(clap::Args)]
pub struct Args {
    /// Seconds for each target
    #[arg(long, default_value_t = 15)]
    seconds: u32,

    /// Bring what was found into bridge/fuzz/corpus, as few inputs as reach as much
    #[arg(long)]
    keep: bool,
}

const TARGETS: [&str; 2] = ["records", "connection"];

/// The longest input that is kept.
const LONGEST_KEPT: u32 = 700;

/// What `cargo fuzz` sets as well.
const FLAGS: [&str; 8] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "-Cdebuginfo=line-tables-only",
];

pub fn run(args: &Args) -> anyhow::Result<()> {
    set_up()?;
    let folder = build()?;
    for target in TARGETS {
        fuzz(args, &folder.join(target), target)?;
    }
    Ok(())
}

/// Whether there is what it needs, installed if need be. In CI nothing may be left out.
pub fn is_available() -> anyhow::Result<bool> {
    match set_up() {
        Ok(()) => Ok(true),
        Err(reason) if lab::in_ci() => Err(reason.context("CI must not leave out fuzzing")),
        Err(reason) => {
            tools::step("the bridge cannot be fuzzed on this machine: that is left out");
            println!("    {reason:#}");
            Ok(false)
        }
    }
}

fn set_up() -> anyhow::Result<()> {
    match Command::new("c++").arg("--version").output() {
        Ok(said) if said.status.success() => Ok(()),
        _ => debian::install("fuzzing", &["g++"]),
    }
}

/// Builds the targets, and returns the folder that they are in.
fn build() -> anyhow::Result<PathBuf> {
    let said = Command::new("rustc").arg("-vV").output().context("cannot start rustc")?;
    let said = String::from_utf8(said.stdout)?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    let folder = tools::target().join("fuzz");
    tools::step("build the fuzzer");
    let mut build = tools::cargo();
    build.args(["build", "--quiet", "--release", "--manifest-path"]);
    build.arg(tools::root().join("bridge/fuzz/Cargo.toml"));
    // With a target given, programs that only take part in building are built without the flags.
    build.args(["--target", host, "--target-dir"]).arg(&folder);
    tools::run(build.env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f")))?;
    Ok(folder.join(host).join("release"))
}

fn fuzz(args: &Args, program: &PathBuf, target: &str) -> anyhow::Result<()> {
    let kept = tools::root().join("bridge/fuzz/corpus").join(target);
    let found = tools::target().join("fuzz/found").join(target);
    let culprits = tools::target().join("fuzz/culprits");
    fs_err::create_dir_all(&found)?;
    fs_err::create_dir_all(&culprits)?;
    tools::step(&format!("fuzz {target} for {} s", args.seconds));
    let mut fuzzer = Command::new(program);
    fuzzer
        .arg(format!("-max_total_time={}", args.seconds))
        .arg(format!("-artifact_prefix={}/{target}-", culprits.display()))
        // An input that takes ten seconds or a gigabyte is a fault, too.
        .args(["-max_len=4000", "-timeout=10", "-rss_limit_mb=1024", "-verbosity=0", "-print_final_stats=1"])
        .args([&found, &kept]);
    tools::run(&mut fuzzer).with_context(|| {
        format!("an input did harm; it is in {}, and belongs into {}", culprits.display(), kept.display())
    })?;
    if args.keep {
        let fewer = tools::target().join("fuzz/fewer").join(target);
        if fewer.exists() {
            fs_err::remove_dir_all(&fewer)?;
        }
        fs_err::create_dir_all(&fewer)?;
        let mut merge = Command::new(program);
        merge.args(["-merge=1", "-verbosity=0", &format!("-max_len={LONGEST_KEPT}")]);
        tools::quietly(merge.args([&fewer, &kept, &found]))?;
        fs_err::remove_dir_all(&kept)?;
        fs_err::create_dir_all(&kept)?;
        for input in fs_err::read_dir(&fewer)? {
            let input = input?;
            fs_err::copy(input.path(), kept.join(input.file_name()))?;
        }
    }
    Ok(())
}
