//! `holdall prune`: old releases go.

use serde::Serialize;

use super::Output;
use super::output::printable;
use super::served::{ChangeArgs, SiteArgs, Teller};
use super::stop::Ending;
use crate::Error;
use crate::deploy::journal::Fact;
use crate::deploy::{self, Survey};
use crate::release::ReleaseId;
use crate::signature::Trust;

const AFTER: &str = "\
Examples:
  holdall prune
  holdall prune shop --keep 2 --plan

Exit codes:
  0  what was to go is gone, or held by somebody and gone with the next command
  1  failed
  2  wrong usage
  3  a precondition does not hold, and nothing was changed
  130  ended by Ctrl-C: the next command removes the rest";

/// Remove old releases of a site
///
/// The one that serves, the one before and those that lie elsewhere always stay. Of the copies of databases that were
/// made before migrations as many stay as of releases, and of logs what `[logs]` in site.toml says. What somebody holds is tried again by the next command.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    site: SiteArgs,
    /// How many to keep [default: `keep` in site.toml]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
    /// Say what would go, and remove nothing
    #[arg(long)]
    plan: bool,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Serialize)]
struct Value {
    planned: bool,
    removed: Vec<ReleaseId>,
    /// Of which releases the copies of databases go, that were made before them.
    copies: Vec<ReleaseId>,
    /// How many logs.
    logs: usize,
    /// How many files could not be removed yet.
    held: usize,
}

pub fn run(args: Args, output: &Output) -> Result<(), Error> {
    let _ending = Ending::listen_for_site(output).map_err(Error::System)?;
    let (home, settings) = args.site.find()?;
    let keep = args.keep.map(|keep| keep as usize);
    let mut server = args.change.server()?;
    if args.plan {
        let plan = deploy::plan_prune(&Survey::of(&home, &settings, &mut server)?, keep);
        let removed: Vec<_> = plan.releases.removals.iter().map(|removal| removal.id.clone()).collect();
        let copies: Vec<_> = plan.copies.iter().map(|copies| copies.release.clone()).collect();
        let logs = plan.logs.files.len();
        let is_empty = removed.is_empty() && copies.is_empty() && logs == 0 && plan.releases.left.is_empty();
        match (output.is_json(), is_empty) {
            (true, _) => output.json(&Value { planned: true, removed, copies, logs, held: 0 }),
            (false, true) => output.line("nothing to remove"),
            (false, false) => output.line(printable(plan.to_string().trim_end())),
        }
        return Ok(());
    }
    let (teller, trust) = (Teller::new(output), Trust::default());
    let mut hands = args.change.hands(server, &trust, &teller);
    let deploy::Pruned { facts, copies, logs } = deploy::prune(&home, &settings, keep, &mut hands)?;
    let mut value = Value { planned: false, removed: Vec::new(), copies, logs, held: 0 };
    for fact in facts {
        match fact {
            Fact::Pruned { release } => value.removed.push(release),
            Fact::Held { count, .. } => value.held += count,
            _ => {}
        }
    }
    if output.is_json() {
        output.json(&value);
        return Ok(());
    }
    value.removed.iter().for_each(|release| output.line(format!("removed {release}")));
    let copies = value.copies.iter();
    copies.for_each(|release| output.line(format!("removed the copies of databases made before {release}")));
    match value.logs {
        0 => {}
        1 => output.line("removed a log that was too old, or too much"),
        logs => output.line(format!("removed {logs} logs that were too old, or too much")),
    }
    match (value.removed.is_empty() && value.copies.is_empty() && value.logs == 0, value.held) {
        (true, 0) => output.line("nothing to remove"),
        (_, 0) => {}
        (_, held) => output.line(format!("{held} files are held, and go with the next command")),
    }
    Ok(())
}
