//! Holdall's own chores. `cargo xtask demo` shows the product, `cargo xtask test` proves it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "chores talk to the person who runs them")]

mod demo;
mod guestbook;
mod test;
mod tools;

use clap::Parser;

/// Chores of the Holdall repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Chore {
    /// Bundle examples/guestbook for this machine, expand the bundle and serve it
    Demo(demo::Args),
    /// Install what the tests need and run every test of the workspace
    Test(test::Args),
    /// Only build and install what `demo` and the tests use
    Prepare,
}

fn main() -> anyhow::Result<()> {
    match Chore::parse() {
        Chore::Demo(args) => demo::run(&args),
        Chore::Test(args) => test::run(&args),
        Chore::Prepare => tools::prepare_tests().map(drop),
    }
}
