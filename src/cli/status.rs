//! `holdall status`: how a site stands.

use super::Output;
use super::output::printable;
use super::served::AskedArgs;
use crate::Error;
use crate::deploy::Status;

const AFTER: &str = "\
Examples:
  holdall status
  holdall status shop --format json

Exit codes:
  0  done, whatever there is to say
  1  failed
  2  wrong usage
  3  there is no such site, or no web server that can be asked";

/// Say how a site stands: what serves, where a rollback goes, what is unfinished
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    asked: AskedArgs,
}

pub fn run(args: Args, output: &Output) -> Result<(), Error> {
    let survey = args.asked.survey()?;
    let status = Status::of(&survey)?;
    if output.is_json() {
        output.json(&status);
        return Ok(());
    }
    text(&status).iter().for_each(|line| output.line(printable(line)));
    Ok(())
}

fn text(status: &Status) -> Vec<String> {
    let mut lines = Vec::new();
    match &status.active {
        Some(active) if status.started => lines.push(format!("{}: {active} serves", status.site)),
        Some(active) => {
            lines.push(format!("{}: {active}, and the web server does not run the site", status.site))
        }
        None => lines.push(format!("{}: no release serves", status.site)),
    }
    lines.extend(status.addresses.iter().map(|address| format!("at {address}")));
    lines.extend(status.before.iter().map(|before| format!("{before} served before: a rollback goes there")));
    lines.extend(status.maintenance.iter().map(ToString::to_string));
    lines.extend(status.changed_by.iter().map(|holder| format!("being changed by {holder}")));
    lines.extend(status.unfinished.iter().map(|item| format!("left for the next command: {item}")));
    for release in &status.releases {
        match release.held {
            0 if release.state == "pruning" => lines.push(format!("{} is being pruned", release.id)),
            0 => {}
            held => lines.push(format!("{}: pruning, {held} files held", release.id)),
        }
    }
    lines.extend(status.services.iter().map(super::service::line));
    lines.extend(status.unwanted_services.iter().map(|service| {
        let site = &status.site;
        format!("the settings want the service {service} no more: `holdall apply {site}` takes it away")
    }));
    let changed = status.drift.iter();
    lines.extend(changed.map(|difference| format!("changed since it was deployed: {difference}")));
    lines.extend(status.iis_drift.iter().map(ToString::to_string));
    lines
}
