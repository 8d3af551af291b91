//! `holdall rollback`: a release that served before serves again.

use super::Output;
use super::served::{SiteArgs, SwitchArgs, Teller, noted};
use super::stop::Ending;
use crate::Error;
use crate::deploy::{self, Wishes};
use crate::events::Event;
use crate::signature::Trust;

const AFTER: &str = "\
Examples:
  holdall rollback                  to the release before
  holdall rollback shop --to 2.3    to one that `holdall releases` lists
  holdall rollback shop --plan      only say what would be done

Exit codes:
  0  the release serves, or did already
  1  the release serves, but not all that follows was done
  2  wrong usage
  3  a precondition does not hold, and nothing was changed
  4  it failed, and all is as it was before
  5  it failed, and not all could be taken back: the next command does
  130  ended by Ctrl-C: the next command finishes or takes back what was begun";

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
    let mut server = args.switch.change.server()?;
    let wishes = Wishes { take_over: false, force: args.force, maintenance: false };
    let to = args.to.as_deref();
    args.switch.give_password(&mut server, &settings, |server| {
        deploy::plan_rollback(&home, &settings, to, wishes, server)
    });
    if args.switch.plan {
        let plan = deploy::plan_rollback(&home, &settings, to, wishes, &mut server)?;
        return args.switch.show(&plan, &[], output);
    }
    let (teller, trust) = (Teller::new(output), Trust::default());
    let mut hands = args.switch.change.hands(server, &trust, &teller);
    let done = deploy::rollback(&home, &settings, to, wishes, &mut hands);
    let outcome = noted("rollback", &home.name, done, |outcome| {
        let (site, release, from) = (home.name.clone(), outcome.release.clone(), outcome.from.clone());
        outcome.changed.then_some(Event::RolledBack { site, release, from })
    })?;
    args.switch.end((&home, &settings), &outcome, &mut hands, &teller, output)
}
