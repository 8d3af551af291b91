//! `holdall restart`: new processes for the release that serves.

use super::Output;
use super::served::{ChangeArgs, SiteArgs, Teller};
use super::stop::Ending;
use super::switch::told;
use crate::Error;
use crate::deploy;
use crate::signature::Trust;

const AFTER: &str = "\
Examples:
  holdall restart
  holdall restart shop

Exit codes:
  0  done
  1  failed
  2  wrong usage
  3  a precondition does not hold, and nothing was changed
  130  ended by Ctrl-C: run it again";

/// Have new processes serve a site, which know its variables as they are now
///
/// Each process ends as soon as it has answered what it is at. Whatever `holdall env` and `site.toml` say now is what
/// the new ones are told.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    site: SiteArgs,
    #[command(flatten)]
    change: ChangeArgs,
}

pub fn run(args: Args, output: &Output) -> Result<(), Error> {
    let _ending = Ending::listen_for_site(output).map_err(Error::System)?;
    let (home, settings) = args.site.find()?;
    let (teller, trust) = (Teller::new(output), Trust::default());
    let mut hands = args.change.hands(args.change.server()?, &trust, &teller);
    let outcome = deploy::restart(&home, &settings, &mut hands)?;
    told(&home.name, &outcome, &hands.server, &teller, output);
    Ok(())
}
