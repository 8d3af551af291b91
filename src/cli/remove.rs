//! `holdall remove`: a site goes.

use serde::Serialize;

use super::Output;
use super::served::{ChangeArgs, SiteArgs, Teller, noted};
use super::stop::Ending;
use crate::Error;
use crate::deploy::{self, Data};
use crate::events::{self, Event};
use crate::manifest::SiteName;
use crate::signature::Trust;
use crate::site::Home;

const AFTER: &str = "\
Examples:
  holdall remove shop                what it wrote stays: databases, uploads, logs
  holdall remove shop --with-data    everything

Exit codes:
  0  the site is gone
  1  not all of it could be removed: run it again
  2  wrong usage
  3  a precondition does not hold, and nothing was changed
  130  ended by Ctrl-C: run it again";

/// Take a site out of the web server, and remove its releases
///
/// What the project wrote stays, and so do the site's settings and secrets, unless `--with-data` is given. A release that
/// was taken where it lay stays where it lies.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    site: SiteArgs,
    /// Remove databases, uploads, logs, settings and secrets, too
    #[arg(long)]
    with_data: bool,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Serialize)]
struct Value<'a> {
    removed: &'a SiteName,
    with_data: bool,
}

pub fn run(args: Args, output: &Output) -> Result<(), Error> {
    let _ending = Ending::listen_for_site(output).map_err(Error::System)?;
    let (home, settings) = args.site.find()?;
    let (teller, trust) = (Teller::new(output), Trust::default());
    let mut hands = args.change.hands(args.change.server()?, &trust, &teller);
    let data = if args.with_data { Data::Removed } else { Data::Kept };
    let removed = deploy::remove(&home, &settings, data, &mut hands);
    let (site, with_data) = (home.name.clone(), args.with_data);
    noted("remove", &home.name, removed, |()| Some(Event::Removed { site, with_data }))?;
    let root = home.folder.parent();
    if root.is_some_and(|root| Home::all(root).is_ok_and(|sites| sites.is_empty())) {
        // The next deploy makes it known again.
        events::unregister();
    }
    match (output.is_json(), args.with_data) {
        (true, with_data) => output.json(&Value { removed: &home.name, with_data }),
        (false, true) => output.line(format!("{} is gone, with all that it had", home.name)),
        (false, false) => {
            output.line(format!(
                "{} is gone; what it wrote is left in `{}`",
                home.name,
                home.folder.display()
            ));
        }
    }
    Ok(())
}
