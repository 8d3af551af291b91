//! `holdall cache`: what lies in the cache, and tidying it.

mod amount;
mod info;
mod prune;
mod verify;

use super::Output;
use crate::Error;
use crate::cache::{Cache, InUse};

const AFTER: &str = "\
Examples:
  holdall cache info
  holdall cache prune --plan
  holdall cache verify

Exit codes:
  0  done
  1  something is damaged, or could not be removed
  2  wrong usage
  3  the folder cannot be used, or is not the cache's alone; nothing was removed";

/// Look at the cache, make it smaller, or check it
///
/// Downloads, packed layers and build environments are kept in one folder for all projects, so that the next bundle
/// takes a fraction of the time. Whatever is removed is made again when it is needed.
#[derive(clap::Subcommand)]
#[command(after_help = AFTER)]
pub enum Command {
    Info(info::Args),
    Prune(prune::Args),
    Verify(verify::Args),
}

pub fn run(command: Command, output: &Output) -> Result<(), Error> {
    let cache = Cache::of_user().map_err(Error::Cache)?;
    // Before anything is written there, a lock among it.
    cache.check_ours()?;
    match command {
        Command::Info(_) => info::run(&cache, output),
        Command::Prune(args) => prune::run(&args, &cache, output),
        Command::Verify(args) => verify::run(&args, &cache, output),
    }
}

/// The cache, for a command that uses it while the second value lives.
pub fn enter(output: &Output) -> Result<(Cache, InUse), Error> {
    let cache = Cache::of_user().map_err(Error::Cache)?;
    let waiting = || output.aside("waiting until what tidies the cache is done");
    let in_use = cache.enter(waiting).map_err(Error::Cache)?;
    Ok((cache, in_use))
}

/// `1 thing`, `2 things`.
fn things(count: usize) -> String {
    if count == 1 { "1 thing".to_owned() } else { format!("{count} things") }
}
