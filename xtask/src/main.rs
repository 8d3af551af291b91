//! Holdall's own chores. `cargo xtask demo` shows the product, `cargo xtask test` proves it,
//! `cargo xtask lab` sets up what proves it for Windows, `cargo xtask dist` packs it for people,
//! `cargo xtask iis-facts` asks a real IIS.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "chores talk to the person who runs them")]

mod archive;
mod bench;
#[cfg(test)]
mod book;
mod debian;
mod demo;
mod dist;
#[cfg(target_os = "linux")]
mod fuzz;
mod guestbook;
mod iis;
mod lab;
#[cfg(target_os = "linux")]
mod servers;
mod test;
mod tools;
#[cfg(test)]
mod verified;
mod visitor;
mod wine;
mod workflows;

use clap::Parser;

/// Chores of the Holdall repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Chore {
    /// Bundle examples/guestbook for this machine, expand the bundle and serve it
    Demo(demo::Args),
    /// Install what the tests need and run every test of the workspace
    Test(test::Args),
    /// Set up the Windows lab: compiler, Wine and a Windows CPython, below target/lab
    Lab(lab::Args),
    /// Build Holdall for every target this machine can, and pack archives to hand to people, in target/dist
    Dist(dist::Args),
    /// Build tests for Windows and run them in the lab
    Wine(wine::Args),
    /// Let a fuzzer think of input for the bridge, for a while
    #[cfg(target_os = "linux")]
    Fuzz(fuzz::Args),
    /// Serve examples/guestbook with the bridge behind nginx, lighttpd and Apache, and visit it while it is restarted
    #[cfg(target_os = "linux")]
    Servers,
    /// Measure Holdall against its peers, on the same files in the same run
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Ask a real IIS for what no public source says, and write tests/lab/facts.toml (Windows)
    IisFacts(iis::Args),
    /// Serve with the bridge behind a real IIS and ask it (Windows)
    IisBridge,
    /// Deploy to a real IIS, under load, and roll back (Windows)
    IisDeploy,
    /// Check .github/workflows with actionlint
    LintWorkflows,
    /// Only build and install what `demo` and the tests use
    Prepare,
}

fn main() -> anyhow::Result<()> {
    match Chore::parse() {
        Chore::Demo(args) => demo::run(&args),
        Chore::Test(args) => test::run(&args),
        Chore::Dist(args) => dist::run(&args),
        Chore::Lab(args) => lab::run(&args),
        Chore::Wine(args) => wine::run(&args),
        #[cfg(target_os = "linux")]
        Chore::Fuzz(args) => fuzz::run(&args),
        #[cfg(target_os = "linux")]
        Chore::Servers => servers::run(),
        Chore::Bench(bench) => bench::run(&bench),
        Chore::IisFacts(args) => iis::run(&args),
        Chore::IisBridge => iis::run_bridge(),
        Chore::IisDeploy => iis::run_deploy(),
        Chore::LintWorkflows => workflows::run(),
        Chore::Prepare => tools::prepare_tests().map(drop),
    }
}
