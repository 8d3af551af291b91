//! `holdall manage`: the project's own commands, in the release that serves.

use std::ffi::OsString;
use std::process::ExitCode;

use super::served::{Placed, ReleaseArgs};
use crate::Error;
use crate::deploy::DeployError;
use crate::site::{self, Invocation};

const AFTER: &str = "\
Examples:
  holdall manage shop -- createsuperuser
  holdall manage shop -- showmigrations --plan
  holdall manage shop --release 2.3-1f0c9a22 -- shell

Exit codes:
  0  what the project's command ends with when it is done; any other code is its own
  2  wrong usage
  3  there is no such site or release, or a variable that it needs is not set";

/// Run manage.py of a site, with the Python, the settings and the secrets that it serves with
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    release: ReleaseArgs,
    /// The command, and what belongs to it
    #[arg(value_name = "ARGS", last = true)]
    args: Vec<OsString>,
}

pub fn run(args: Args) -> Result<ExitCode, Error> {
    let Placed { place, given, .. } = args.release.find()?;
    interactive(&site::manage(&place, args.args, &given))
}

/// Runs a program for whoever sits there: its words are for them, and so are its questions. Ends as it ends.
pub fn interactive(invocation: &Invocation) -> Result<ExitCode, Error> {
    let status = invocation
        .command()
        .status()
        .map_err(|source| DeployError::Unstarted { invocation: invocation.to_string(), source })?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(if status.success() { ExitCode::SUCCESS } else { code.unwrap_or(1).into() })
}
