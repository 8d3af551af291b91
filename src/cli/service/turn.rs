//! `holdall service list`, `start`, `stop` and `restart`.

use std::process::ExitCode;

use serde::Serialize;

use super::super::Output;
use super::super::served::{RootArgs, site_name};
use super::super::stop::Ending;
use crate::Error;
use crate::deploy::{self, DeployError};
use crate::durable::Disk;
use crate::manifest::SiteName;
use crate::service::{ServiceStatus, Turn};
use crate::site::{Home, SiteSettings};

const OF_LIST: &str = "\
Examples:
  holdall service list shop
  holdall service list shop --format json

Exit codes:
  0  done
  1  failed
  2  wrong usage
  3  there is no such site or service, and nothing was changed";

const OF_START: &str = "\
Examples:
  holdall service start shop
  holdall service start shop worker

Exit codes:
  0  done
  1  failed
  2  wrong usage
  3  there is no such site or service, and nothing was changed";

const OF_STOP: &str = "\
Examples:
  holdall service stop shop
  holdall service stop shop worker

Exit codes:
  0  done
  1  failed
  2  wrong usage
  3  there is no such site or service, and nothing was changed";

const OF_RESTART: &str = "\
Examples:
  holdall service restart shop
  holdall service restart shop worker

Exit codes:
  0  done
  1  failed
  2  wrong usage
  3  there is no such site or service, and nothing was changed";

/// Say how the services of a site stand
#[derive(clap::Args)]
#[command(after_help = OF_LIST)]
pub struct ListArgs {
    #[command(flatten)]
    site: SiteOfServices,
}

/// Start services of a site that were stopped
#[derive(clap::Args)]
#[command(after_help = OF_START)]
pub struct StartArgs {
    #[command(flatten)]
    services: ServicesArgs,
}

/// Stop services of a site, until the next deploy or the next start of the machine
#[derive(clap::Args)]
#[command(after_help = OF_STOP)]
pub struct StopArgs {
    #[command(flatten)]
    services: ServicesArgs,
}

/// Stop services of a site and start them again, so that they know its variables as they are now
#[derive(clap::Args)]
#[command(after_help = OF_RESTART)]
pub struct RestartArgs {
    #[command(flatten)]
    services: ServicesArgs,
}

#[derive(clap::Args)]
struct SiteOfServices {
    /// The site
    #[arg(value_name = "SITE", value_parser = site_name)]
    site: SiteName,
    #[command(flatten)]
    root: RootArgs,
}

#[derive(clap::Args)]
struct ServicesArgs {
    #[command(flatten)]
    site: SiteOfServices,
    /// The services; all of them unless some are named
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

#[derive(Serialize)]
struct Value<'a> {
    site: &'a SiteName,
    changed: &'a [String],
    services: &'a [ServiceStatus],
}

pub fn list(args: &ListArgs, output: &Output) -> Result<ExitCode, Error> {
    let (home, _) = args.site.find()?;
    let services = status(&home)?;
    show(&args.site.site, &[], &services, output);
    Ok(ExitCode::SUCCESS)
}

pub fn start(args: &StartArgs, output: &Output) -> Result<ExitCode, Error> {
    turn(&args.services, Turn::On, output)
}

pub fn stop(args: &StopArgs, output: &Output) -> Result<ExitCode, Error> {
    turn(&args.services, Turn::Off, output)
}

pub fn restart(args: &RestartArgs, output: &Output) -> Result<ExitCode, Error> {
    turn(&args.services, Turn::Again, output)
}

fn turn(args: &ServicesArgs, turn: Turn, output: &Output) -> Result<ExitCode, Error> {
    let _ending = Ending::listen_for_site(output).map_err(Error::System)?;
    let (home, _) = args.site.find()?;
    let changed = deploy::turn_services(&home, &args.names, turn)?;
    show(&args.site.site, &changed, &status(&home)?, output);
    Ok(ExitCode::SUCCESS)
}

fn status(home: &Home) -> Result<Vec<ServiceStatus>, DeployError> {
    Ok(deploy::services(home)?.status()?)
}

fn show(site: &SiteName, changed: &[String], services: &[ServiceStatus], output: &Output) {
    if output.is_json() {
        output.json(&Value { site, changed, services });
        return;
    }
    match services {
        [] => output.line(format!("{site} has no services")),
        services => services.iter().for_each(|service| output.line(super::line(service))),
    }
}

impl SiteOfServices {
    fn find(&self) -> Result<(Home, SiteSettings), DeployError> {
        deploy::site(&self.root.folder()?, Some(&self.site), &Disk::default())
    }
}
