//! `holdall apply`: a site is brought to what its settings say, without another release.

use std::path::PathBuf;

use super::Output;
use super::deploy::named_by;
use super::served::{RootArgs, site_name};
use super::stop::Ending;
use super::switch::{SwitchArgs, exit_codes};
use crate::Error;
use crate::deploy::{self, DeployError, Hands, Server, Wishes};
use crate::durable::Disk;
use crate::manifest::SiteName;
use crate::signature::Trust;
use crate::site::HomeError;

const AFTER: &str = concat!(
    "\
Examples:
  holdall apply shop                             do what the site's `site.toml` says now
  holdall apply shop --plan                      only say what would be done
  holdall apply shop --site D:\\conf\\site.toml    take another file for the site's own
  holdall apply shop --take-over                 set back what somebody else has changed

Exit codes:
  0  the site is as its settings say
  1  it is, but not all that follows was done
",
    exit_codes!()
);

/// Bring a site to what its settings say, while the release that serves stays
///
/// What `site.toml` and `holdall env` say now is compared with what was applied last and with what is there. What differs
/// is set in IIS and told to the release's processes, new ones of which take the place of those that know it otherwise;
/// then the site is asked for pages as visitors do, and what does not serve well is taken back.
///
/// What somebody else has changed is told and left alone. What stands in a release's `web.config` waits for the next
/// bundle, and is told, too.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The site; can be left out where there is only one, or where `--site` names it
    #[arg(value_name = "SITE", value_parser = site_name)]
    name: Option<SiteName>,
    /// The site's settings; they are kept in the site's folder from then on [default: those that are there]
    #[arg(long, value_name = "FILE")]
    site: Option<PathBuf>,
    #[command(flatten)]
    root: RootArgs,
    /// Set back what somebody else has changed
    #[arg(long)]
    take_over: bool,
    #[command(flatten)]
    switch: SwitchArgs,
}

pub fn run(args: Args, output: &Output) -> Result<(), Error> {
    let _ending = Ending::listen_for_site(output).map_err(Error::System)?;
    let root = args.root.folder()?;
    let (home, settings, text) = match &args.site {
        None => {
            let (home, settings) = deploy::site(&root, args.name.as_ref(), &Disk::default())?;
            (home, settings, None)
        }
        Some(file) => {
            let (home, settings, text) = named_by(&root, file, Disk::default())?;
            if let Some(name) = args.name.filter(|name| *name != home.name) {
                let (path, found) = (file.clone(), settings.name);
                return Err(DeployError::from(HomeError::OtherSite { path, found, expected: name }).into());
            }
            deploy::site(&root, Some(&home.name), &Disk::default())?;
            (home, settings, text)
        }
    };
    let wishes = Wishes { take_over: args.take_over, force: false, maintenance: false };
    let planned = |server: &mut Server| deploy::plan_apply(&home, &settings, text.clone(), wishes, server);
    let Some(server) = args.switch.server(&settings, &[], planned, output)? else { return Ok(()) };
    let work = |hands: &mut Hands<'_>| deploy::apply(&home, &settings, text, wishes, hands);
    args.switch.carry_out((&home, &settings), server, &Trust::default(), work, output)
}
