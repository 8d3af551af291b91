//! `cargo xtask wine`: tests of the Windows product, which are built for Windows on this machine and run in the lab.
//!
//! One file a part: each prepares what its test program needs, and ends as that program does.

mod attempt;
mod bridge;
mod program;
mod sites;
mod stories;

use std::path::Path;
use std::process::ExitStatus;

use anyhow::ensure;

use crate::dist;
use crate::lab::{self, Lab, Server};

/// Options of `cargo xtask wine`.
#[derive(clap::Args)]
pub struct Args {
    /// What is tested
    #[arg(value_enum)]
    part: Part,

    /// Words for the test program, such as the name of one test
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// Tests that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// The bridge, with every kind of pipe that a process manager may hand it
    Bridge,
    /// The stories of the command that run on every system
    Stories,
    /// Whole sites: bundled for Windows here, served by what is in the bundle there
    Sites,
}

/// All parts, in the order in which `cargo xtask test` runs them.
pub const PARTS: [Part; 3] = [Part::Bridge, Part::Stories, Part::Sites];

impl Part {
    /// The name of its group in `cargo xtask test`.
    pub fn group(self) -> &'static str {
        match self {
            Part::Bridge => "bridge in Wine",
            Part::Stories => "stories in Wine",
            Part::Sites => "sites in Wine",
        }
    }

    /// What a person types for it.
    pub fn word(self) -> &'static str {
        match self {
            Part::Bridge => "bridge",
            Part::Stories => "stories",
            Part::Sites => "sites",
        }
    }
}

/// The lab with what was built for it.
struct Bench {
    lab: Lab,
    /// The command and the bridge's wheel for Windows.
    product: dist::Built,
    server: Server,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let lab = lab::set_up()?;
    let product = dist::build(dist::Target::WindowsX86_64)?;
    let bench = Bench { lab, product, server: Server::start()? };
    let status: ExitStatus = match args.part {
        Part::Bridge => bridge::run(&bench, &args.words)?,
        Part::Stories => stories::run(&bench, &args.words)?,
        Part::Sites => sites::run(&bench, &args.words)?,
    };
    ensure!(status.success(), "the tests ended with {status}");
    Ok(())
}

/// A path of this system as Windows programs see it.
fn on_windows(path: &Path) -> String {
    format!("Z:{}", path.display()).replace('/', "\\")
}
