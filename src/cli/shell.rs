//! `holdall shell`: a prompt in which programs know what the site knows.

use std::path::PathBuf;
use std::process::ExitCode;

use super::manage::interactive;
use super::served::{Placed, ReleaseArgs};
use crate::Error;
use crate::site::{Invocation, environment, invocation};

const AFTER: &str = "\
Examples:
  holdall shell shop
  holdall shell shop --release 2.3

Exit codes:
  0  what the shell ends with when it ends well; any other code is its own
  2  wrong usage
  3  there is no such site or release, or a variable that it needs is not set";

/// Open a prompt with the variables of a site, its secrets included, and with its Python first on PATH
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    release: ReleaseArgs,
}

pub fn run(args: Args) -> Result<ExitCode, Error> {
    let Placed { place, given, .. } = args.release.find()?;
    let python = invocation::python(&place, [], Default::default()).program;
    let mut environment = environment::variables(&place, &given);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = python.parent().map(PathBuf::from).into_iter().chain(std::env::split_paths(&path));
    if let Ok(path) = std::env::join_paths(folders) {
        environment.insert("PATH".to_owned(), path.to_string_lossy().into_owned());
    }
    let (variable, usual) = if cfg!(windows) { ("ComSpec", "cmd.exe") } else { ("SHELL", "/bin/sh") };
    let program = std::env::var_os(variable).filter(|shell| !shell.is_empty());
    let program = program.map_or_else(|| usual.into(), PathBuf::from);
    interactive(&Invocation { program, args: Vec::new(), environment, cwd: place.release.join("app") })
}
