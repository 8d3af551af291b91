//! `holdall releases`: what there is of a site on this server.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Output;
use super::output::{ago, printable};
use super::served::{ServerArgs, SiteArgs};
use super::table::Table;
use crate::Error;
use crate::deploy::{ReleaseStatus, Survey};

const AFTER: &str = "\
Examples:
  holdall releases
  holdall releases shop --format json

Exit codes:
  0  done
  1  failed
  2  wrong usage
  3  there is no such site, or no web server that can be asked";

/// List the releases of a site on this server, the newest first
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    site: SiteArgs,
    #[command(flatten)]
    server: ServerArgs,
}

pub fn run(args: Args, output: &Output) -> Result<(), Error> {
    let (home, settings) = args.site.find()?;
    let survey = Survey::of(&home, &settings, &mut args.server.server()?)?;
    let releases = ReleaseStatus::all(&survey);
    if output.is_json() {
        output.json(&releases);
        return Ok(());
    }
    if releases.is_empty() {
        output.line(format!("{} has no release", home.name));
        return Ok(());
    }
    let mut table = Table::default();
    for release in &releases {
        let completed = release.completed.map(|at| UNIX_EPOCH + Duration::from_secs(at));
        let age = completed.map(|at| SystemTime::now().duration_since(at).unwrap_or_default());
        let age = age.map(ago).unwrap_or_default();
        let is_before = survey.before() == Some(&release.id);
        let says = match release.state {
            "complete" if release.active => "serves",
            "complete" if is_before => "served before",
            state => state,
        };
        let place = if release.adopted { release.folder.display().to_string() } else { String::new() };
        table.row([release.id.as_str(), says, &age, &place]);
    }
    output.line(printable(table.to_string().trim_end()));
    Ok(())
}
