//! `holdall service`: the background commands of a site.

mod run;

use std::process::ExitCode;

use super::Output;
use crate::Error;

/// Say how the services of a site stand, and start and stop them
#[derive(clap::Subcommand)]
pub enum Command {
    Run(run::Args),
}

pub fn run(command: Command, output: &Output) -> Result<ExitCode, Error> {
    match command {
        Command::Run(args) => run::run(args, output),
    }
}
