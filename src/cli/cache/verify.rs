//! `holdall cache verify`: is what lies in the cache what was put there?

use serde::Serialize;

use super::things;
use crate::cache::{self, Cache, CacheError, Check, Contents, Damaged};
use crate::cli::Output;
use crate::cli::output::printable;
use crate::{Error, layer, packages, python_tool};

const AFTER: &str = "\
Examples:
  holdall cache verify
  holdall cache verify --fix

Exit codes:
  0  nothing is damaged, or what was is removed
  1  something is damaged, or could not be removed
  2  wrong usage
  3  the folder cannot be read, or is not the cache's alone";

/// Compare every layer with its seal and every wheel with its SHA-256, and look whether programs are still there
///
/// Names each thing that is damaged, one a line. A bundle never holds one: what is damaged is found when it is used,
/// and made again.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Remove what is damaged; it is made again when it is needed
    #[arg(long)]
    fix: bool,
}

const CHECKS: [(&str, Check); 4] = [
    (cache::LAYERS, layer::damage),
    (cache::WHEELS, packages::wheel_damage),
    (cache::ENVIRONMENTS, packages::environment_damage),
    (cache::TOOLS, python_tool::damage),
];

#[derive(Serialize)]
struct Verified {
    path: String,
    things: usize,
    damaged: Vec<DamagedValue>,
    /// Whether what is damaged was removed.
    removed: bool,
}

#[derive(Serialize)]
struct DamagedValue {
    kind: String,
    path: String,
    why: String,
}

pub fn run(args: &Args, cache: &Cache, output: &Output) -> Result<(), Error> {
    let root = cache.root();
    let waiting = || output.aside("waiting for the runs that use the cache");
    let fix = args.fix && root.exists();
    let alone = fix.then(|| cache.alone(waiting)).transpose().map_err(Error::Cache)?;
    let contents = Contents::survey(cache)?;
    let (count, damaged) = cache::verify(&contents, &CHECKS, &*output.progress());
    if !output.is_json() {
        for Damaged { thing, why } in &damaged {
            output.line(printable(&format!("{}: {why}", thing.path().display())));
        }
    }
    if let Some(alone) = &alone {
        damaged.iter().try_for_each(|damaged| damaged.remove(alone))?;
    }
    if output.is_json() {
        let value = |Damaged { thing, why }: &Damaged| DamagedValue {
            kind: thing.kind.clone(),
            path: thing.path().display().to_string(),
            why: why.clone(),
        };
        output.json(&Verified {
            path: root.display().to_string(),
            things: count,
            damaged: damaged.iter().map(value).collect(),
            removed: args.fix,
        });
    } else if damaged.is_empty() {
        output.line(format!("{} are as they were put there", things(count)));
    } else if args.fix {
        output.line(format!(
            "removed: {}; {} are as they were put there",
            things(damaged.len()),
            things(count - damaged.len())
        ));
    }
    match damaged.len() {
        0 => Ok(()),
        _ if args.fix => Ok(()),
        count => Err(CacheError::Damaged { root: root.to_owned(), count }.into()),
    }
}
