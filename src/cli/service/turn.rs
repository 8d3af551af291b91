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

#[derive(clap::Args)]
pub struct ListArgs {
    #[command(flatten)]
    site: SiteOfServices,
}

/// Which services are turned on or off.
#[derive(clap::Args)]
pub struct TurnArgs {
    #[command(flatten)]
    site: SiteOfServices,
    /// The services; all of them unless some are named
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

#[derive(clap::Args)]
struct SiteOfServices {
    /// The site
    #[arg(value_name = "SITE", value_parser = site_name)]
    site: SiteName,
    #[command(flatten)]
    root: RootArgs,
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

pub fn turn(args: &TurnArgs, turn: Turn, output: &Output) -> Result<ExitCode, Error> {
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
