//! `holdall releases`: what there is of a site on this server.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Output;
use super::output::{ago, printable};
use super::served::AskedArgs;
use super::table::Table;
use crate::Error;
use crate::deploy::ReleaseStatus;

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
    asked: AskedArgs,
}

pub fn run(args: Args, output: &Output) -> Result<(), Error> {
    let survey = args.asked.survey()?;
    let releases = ReleaseStatus::all(&survey);
    if output.is_json() {
        output.json(&releases);
        return Ok(());
    }
    if releases.is_empty() {
        output.line(format!("{} has no release", survey.home.name));
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
