//! `holdall maintenance`: a site is closed to visitors for a while.

use ipnet::IpNet;
use serde::Serialize;

use super::Output;
use super::output::printable;
use super::served::{SiteArgs, Teller};
use super::stop::Ending;
use crate::Error;
use crate::deploy::{self, DeployError};
use crate::events::{self, Event};
use crate::manifest::SiteName;
use crate::progress::Notice;
use crate::site::Maintenance;
use crate::site::lock::IfHeld;
use crate::site::maintenance::By;

const AFTER: &str = "\
Examples:
  holdall maintenance on shop
  holdall maintenance status shop
  holdall maintenance off shop

Exit codes:
  0  done
  1  failed
  2  wrong usage
  3  there is no such site, or somebody else is changing it; nothing was changed";

/// Close a site to visitors for a while, and open it again
///
/// While it is closed, every page is answered by status 503 with a word that says so; static files and uploads, which the
/// web server hands out by itself, still are. Deploys and rollbacks go on as ever, and leave it closed.
#[derive(clap::Subcommand)]
#[command(after_help = AFTER)]
pub enum Command {
    On(On),
    Off(Off),
    Status(Status),
}

const ON: &str = "\
Examples:
  holdall maintenance on shop
  holdall maintenance on shop --allow 192.0.2.0/24 --retry-after 1800 --message \"Back at noon.\"

Exit codes:
  0  visitors are turned away from now on
  1  failed
  2  wrong usage
  3  there is no such site, or somebody else is changing it; nothing was changed";

/// Close a site to visitors, or say anew what they are told
#[derive(clap::Args)]
#[command(after_help = ON)]
pub struct On {
    #[command(flatten)]
    of: Of,
    /// Let visitors from these addresses through; may be given several times. Behind a proxy that site.toml does not trust all come from its address
    #[arg(long, value_name = "CIDR", value_parser = net)]
    allow: Vec<IpNet>,
    /// Seconds after which browsers and search engines may come again
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    retry_after: u32,
    /// What the page says
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
}

const OFF: &str = "\
Examples:
  holdall maintenance off shop

Exit codes:
  0  visitors see the project from now on, or did already
  1  failed
  2  wrong usage
  3  there is no such site, or somebody else is changing it; nothing was changed";

/// Open a site to visitors again
#[derive(clap::Args)]
#[command(after_help = OFF)]
pub struct Off {
    #[command(flatten)]
    of: Of,
}

const STATUS: &str = "\
Examples:
  holdall maintenance status shop --format json

Exit codes:
  0  done, whichever it is
  1  failed
  2  wrong usage
  3  there is no such site";

/// Say whether a site is closed to visitors
#[derive(clap::Args)]
#[command(after_help = STATUS)]
pub struct Status {
    #[command(flatten)]
    site: SiteArgs,
}

#[derive(clap::Args)]
struct Of {
    #[command(flatten)]
    site: SiteArgs,
    /// Wait while another command changes the site, instead of leaving
    #[arg(long)]
    wait: bool,
}

#[derive(Serialize)]
struct Value<'a> {
    site: &'a SiteName,
    /// Nothing, if it is open.
    maintenance: Option<Maintenance>,
    notices: Vec<Notice>,
}

/// A network, or an address alone.
fn net(text: &str) -> Result<IpNet, String> {
    text.parse().or_else(|_| text.parse().map(|address: std::net::IpAddr| address.into())).map_err(|_| {
        "an address such as `192.0.2.7`, or a network such as `192.0.2.0/24` or `2001:db8::/32`, is wanted".to_owned()
    })
}

pub fn run(command: Command, output: &Output) -> Result<(), Error> {
    match command {
        Command::On(args) => on(args, output),
        Command::Off(args) => off(&args, output),
        Command::Status(args) => status(&args, output),
    }
}

fn on(args: On, output: &Output) -> Result<(), Error> {
    let _ending = Ending::listen_for_site(output).map_err(Error::System)?;
    let On { of, allow, retry_after, message } = args;
    let (home, _) = of.site.find()?;
    let maintenance = Maintenance { allow, retry_after, message, ..Maintenance::begin(By::Command) };
    let teller = Teller::new(output);
    deploy::close(&home, &maintenance, &teller, of.if_held())?;
    events::report(&Event::Closed { site: home.name.clone() });
    told(&home.name, Some(maintenance), teller.notices(), output);
    Ok(())
}

fn off(args: &Off, output: &Output) -> Result<(), Error> {
    let _ending = Ending::listen_for_site(output).map_err(Error::System)?;
    let (home, _) = args.of.site.find()?;
    let teller = Teller::new(output);
    if deploy::open(&home, &teller, args.of.if_held())? {
        events::report(&Event::Opened { site: home.name.clone() });
    }
    told(&home.name, None, teller.notices(), output);
    Ok(())
}

fn status(args: &Status, output: &Output) -> Result<(), Error> {
    let (home, _) = args.site.find()?;
    let maintenance = home.maintenance().map_err(DeployError::from)?;
    told(&home.name, maintenance, Vec::new(), output);
    Ok(())
}

impl Of {
    fn if_held(&self) -> IfHeld {
        if self.wait { IfHeld::Wait } else { IfHeld::Refuse }
    }
}

fn told(site: &SiteName, maintenance: Option<Maintenance>, notices: Vec<Notice>, output: &Output) {
    match (output.is_json(), &maintenance) {
        (true, _) => output.json(&Value { site, maintenance, notices }),
        (false, Some(maintenance)) => output.line(printable(&format!("{site}: {maintenance}"))),
        (false, None) => output.line(format!("{site}: open to visitors")),
    }
}
