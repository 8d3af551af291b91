//! `holdall cache prune`: removes what was not used for long, and what nobody can use.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use serde::Serialize;

use super::amount::{Age, Size};
use super::things;
use crate::Error;
use crate::cache::{Cache, PrunePlan, Removal, Rules, Why};
use crate::cli::Output;
use crate::cli::output::{ago, printable, size};
use crate::cli::table::Table;
use crate::progress::Notice;

const AFTER: &str = "\
Examples:
  holdall cache prune                    what was not used for 30 days
  holdall cache prune --plan             only say what that is
  holdall cache prune --older-than 12h   for less than that
  holdall cache prune --keep-size 2GB    and what was used least lately, until 2 GB are left
  holdall cache prune --all              everything

Exit codes:
  0  what was to go is gone
  1  something could not be removed
  2  wrong usage
  3  the folder cannot be used, or is not the cache's alone; nothing was removed";

/// Remove what was not used for a while, and what runs that were killed have left
///
/// Asks nothing: all of it is made again when it is needed. Waits for runs that use the cache now, and those that
/// begin meanwhile wait for it.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Print what would be removed, and remove nothing
    #[arg(long, visible_alias = "dry-run")]
    plan: bool,
    // A number below zero is to be told as such, and not as an unknown option.
    /// Remove what was not used for so long: a number and `min`, `h`, `d` or `w`
    #[arg(long, value_name = "AGE", default_value = "30d", allow_hyphen_values = true)]
    older_than: Age,
    /// Remove also what was used least lately, until no more than SIZE is left: a number and `MB`, `GB`, `MiB`, `GiB`…
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    keep_size: Option<Size>,
    /// Remove everything
    #[arg(long, conflicts_with_all = ["older_than", "keep_size"])]
    all: bool,
}

impl Args {
    fn rules(&self) -> Rules {
        match self.all {
            true => Rules::All,
            false => {
                Rules::Unused { older_than: self.older_than.0, keep_size: self.keep_size.map(|size| size.0) }
            }
        }
    }
}

/// The result for machines.
#[derive(Serialize)]
struct Value<'a> {
    path: String,
    /// Whether something was removed, or would be.
    planned: bool,
    removals: Vec<RemovalValue<'a>>,
    size: u64,
    kept: Sum,
    notices: &'a [Notice],
}

#[derive(Serialize)]
struct RemovalValue<'a> {
    kind: &'a str,
    path: String,
    size: u64,
    why: Why,
}

#[derive(Serialize)]
struct Sum {
    things: usize,
    size: u64,
}

pub fn run(args: &Args, cache: &Cache, output: &Output) -> Result<(), Error> {
    if !cache.root().exists() {
        let root = cache.root().to_owned();
        told(output, args.plan, &root, &[], (0, 0), &[]);
        return Ok(());
    }
    if args.plan {
        let plan = PrunePlan::foresee(cache, args.rules())?;
        told(output, true, &plan.root, &plan.removals, plan.kept, &[]);
        return Ok(());
    }
    let waiting = || output.aside("waiting for the runs that use the cache");
    let alone = cache.alone(waiting).map_err(Error::Cache)?;
    let plan = PrunePlan::survey(cache, args.rules(), &alone)?;
    let notices: Vec<Notice> = spared(plan.spared).into_iter().collect();
    let (root, kept) = (plan.root.clone(), plan.kept);
    let pruned = plan.carry_out(&alone, &*output.progress());
    match pruned.remaining {
        // In JSON one value is all a script reads: then it is the error.
        Some(error) if output.is_json() => Err(error.into()),
        remaining => {
            told(output, false, &root, &pruned.removed, kept, &notices);
            remaining.map_or(Ok(()), |error| Err(error.into()))
        }
    }
}

fn spared(count: usize) -> Option<Notice> {
    (count > 0).then(|| Notice {
        what: format!("{} used within a day stay, although they were to go", things(count)),
        help:
            "the file system of the cache has no locks, so nobody can tell whether a run uses them: run it \
               again tomorrow, or set HOLDALL_CACHE to a folder on a disk of this machine"
                .to_owned(),
    })
}

fn told(
    output: &Output,
    planned: bool,
    root: &Path,
    removals: &[Removal],
    kept: (usize, u64),
    notices: &[Notice],
) {
    let total = removals.iter().map(|removal| removal.thing.size).sum();
    if output.is_json() {
        let removals = removals.iter().map(|Removal { thing, why }| RemovalValue {
            kind: &thing.kind,
            path: thing.path().display().to_string(),
            size: thing.size,
            why: *why,
        });
        output.json(&Value {
            path: root.display().to_string(),
            planned,
            removals: removals.collect(),
            size: total,
            kept: Sum { things: kept.0, size: kept.1 },
            notices,
        });
        return;
    }
    notices.iter().for_each(|notice| output.notice(notice));
    if removals.is_empty() {
        output.line(format!("nothing to remove; {} stay ({})", things(kept.0), size(kept.1)));
        return;
    }
    let table = if planned { each(root, removals) } else { by_kind(removals) };
    output.line(printable(table.to_string().trim_end()));
    let done = if planned { "to remove" } else { "removed" };
    output.line(format!(
        "\n{done}: {} ({}); {} stay ({})",
        things(removals.len()),
        size(total),
        things(kept.0),
        size(kept.1)
    ));
}

fn each(root: &Path, removals: &[Removal]) -> Table {
    let now = SystemTime::now();
    let mut table = Table::default().right(1);
    for Removal { thing, why } in removals {
        let path = thing.path();
        let used = || format!("last used {}", ago(now.duration_since(thing.used).unwrap_or_default()));
        let why = match why {
            Why::Left => "left by a run that was killed".to_owned(),
            Why::Half => "part of it is missing".to_owned(),
            Why::Unused | Why::Beyond | Why::All => used(),
        };
        table.row([&*path.strip_prefix(root).unwrap_or(path).display().to_string(), &size(thing.size), &why]);
    }
    table
}

fn by_kind(removals: &[Removal]) -> Table {
    let mut kinds: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
    for Removal { thing, .. } in removals {
        let (count, size) = kinds.entry(&thing.kind).or_default();
        *count += 1;
        *size += thing.size;
    }
    let mut table = Table::default().right(1).right(2);
    for (kind, (count, bytes)) in kinds {
        table.row([kind, &count.to_string(), &size(bytes)]);
    }
    table
}
