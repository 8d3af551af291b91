//! `holdall rollback`: a release that served before serves again.

use super::Output;
use super::served::{SiteArgs, noted};
use super::stop::Ending;
use super::switch::{SwitchArgs, exit_codes};
use crate::Error;
use crate::deploy::{self, Hands, Server, Wishes};
use crate::events::Event;
use crate::signature::Trust;

const AFTER: &str = concat!(
    "\
Examples:
  holdall rollback                  to the release before
  holdall rollback shop --to 2.3    to one that `holdall releases` lists
  holdall rollback shop --plan      only say what would be done

Exit codes:
  0  the release serves, or did already
  1  the release serves, but not all that follows was done
",
    exit_codes!()
);

/// Have a release serve again that served before
///
/// It is started, warmed up and asked for pages, and then switched to, just as a deploy does it; nothing is fetched or
/// expanded. No hooks run. Migrations that it does not know, and changes that somebody has made to it, stop it unless
/// `--force` is given.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    site: SiteArgs,
    /// The release, by its version or its name [default: the one before]
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,
    /// Go back although the database has seen migrations that the release does not know, or somebody has changed it
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    switch: SwitchArgs,
}

pub fn run(args: Args, output: &Output) -> Result<(), Error> {
    let _ending = Ending::listen_for_site(output).map_err(Error::System)?;
    let (home, settings) = args.site.find()?;
    let wishes = Wishes { take_over: false, force: args.force, maintenance: false };
    let to = args.to.as_deref();
    let planned = |server: &mut Server| deploy::plan_rollback(&home, &settings, to, wishes, server);
    let Some(server) = args.switch.server(&settings, &[], planned, output)? else { return Ok(()) };
    let work = |hands: &mut Hands<'_>| {
        let done = deploy::rollback(&home, &settings, to, wishes, hands);
        noted("rollback", &home.name, done, |outcome| {
            let (site, release, from) = (home.name.clone(), outcome.release.clone(), outcome.from.clone());
            outcome.changed.then_some(Event::RolledBack { site, release, from })
        })
    };
    args.switch.carry_out((&home, &settings), server, &Trust::default(), work, output)
}
