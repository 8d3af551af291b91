//! `holdall manage`: the project's own commands, in the release that serves.

use std::ffi::OsString;
use std::process::ExitCode;

use super::Output;
use super::served::{RootArgs, site_name};
use crate::Error;
use crate::deploy::{self, DeployError};
use crate::durable::Disk;
use crate::manifest::SiteName;
use crate::release::{ReleaseId, Releases};
use crate::site::{self, Place, secrets};

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
    /// The site
    #[arg(value_name = "SITE", value_parser = site_name)]
    site: SiteName,
    /// Another release than the one that serves, by its version or its name
    #[arg(long, value_name = "VERSION")]
    release: Option<String>,
    #[command(flatten)]
    root: RootArgs,
    /// The command, and what belongs to it
    #[arg(value_name = "ARGS", last = true)]
    args: Vec<OsString>,
}

pub fn run(args: Args, _output: &Output) -> Result<ExitCode, Error> {
    let (home, settings) = deploy::site(&args.root.folder()?, Some(&args.site), &Disk::default())?;
    let state = home.state().map_err(DeployError::from)?;
    let releases = Releases::open(&home.folder, state.adopted(), home.disk.clone())?;
    let complete = match &args.release {
        None => {
            let active = state.active.as_ref().map(|active| releases.complete(active)).transpose()?;
            let nothing = || DeployError::NothingServes { site: home.name.clone() };
            active.flatten().ok_or_else(nothing)?
        }
        Some(wanted) => deploy::pick(&releases.find()?, wanted, &home.name)?.clone(),
    };
    let manifest = complete.release.manifest.clone();
    let id: ReleaseId = complete.id.clone();
    let place = Place { manifest, site: home.folder.clone(), id, release: complete.root().to_owned() };
    let secrets = home.secrets().map_err(DeployError::from)?;
    let given = secrets::given(&settings, &secrets, &place.manifest).map_err(DeployError::from)?;
    let invocation = site::manage(&place, args.args, &given);
    // Its words are for whoever sits there, and so are its questions.
    let status = invocation
        .command()
        .status()
        .map_err(|source| DeployError::Unstarted { invocation: invocation.to_string(), source })?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(if status.success() { ExitCode::SUCCESS } else { code.unwrap_or(1).into() })
}
