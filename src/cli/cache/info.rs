//! `holdall cache info`: where it is, and what lies in it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::Error;
use crate::cache::{Cache, Contents, Thing};
use crate::cli::Output;
use crate::cli::output::{ago, printable, size};
use crate::cli::table::Table;

const AFTER: &str = "\
Examples:
  holdall cache info
  holdall cache info --format json

Exit codes:
  0  printed
  2  wrong usage
  3  the folder cannot be read, or is not the cache's alone";

/// Say where the cache is, and what lies in it: how many of each kind, their size, and when one was last used
///
/// In JSON sizes are in bytes, and times in seconds since 1970.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {}

#[derive(Serialize)]
struct Info {
    path: String,
    kinds: BTreeMap<String, Sum>,
    total: Sum,
}

#[derive(Default, Clone, Copy, Serialize)]
struct Sum {
    things: usize,
    size: u64,
    /// Seconds since 1970; absent where there is nothing.
    last_used: Option<u64>,
}

impl Sum {
    fn add(&mut self, thing: &Thing) {
        self.things += 1;
        self.size += thing.size;
        let used = thing.used.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        self.last_used = self.last_used.max(Some(used));
    }
}

pub fn run(cache: &Cache, output: &Output) -> Result<(), Error> {
    let contents = Contents::survey(cache)?;
    let mut info =
        Info { path: contents.root.display().to_string(), kinds: BTreeMap::new(), total: Sum::default() };
    for thing in &contents.things {
        info.kinds.entry(thing.kind.clone()).or_default().add(thing);
        info.total.add(thing);
    }
    if output.is_json() {
        output.json(&info);
        return Ok(());
    }
    output.line(printable(&info.path));
    if contents.things.is_empty() {
        output.line("nothing is cached");
        return Ok(());
    }
    output.line(printable(&format!("\n{}", table(&info).to_string().trim_end())));
    Ok(())
}

fn table(info: &Info) -> Table {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut table = Table::default().right(1).right(2);
    table.row(["kind", "number", "size", "last used"]);
    for (kind, sum) in
        info.kinds.iter().map(|(kind, sum)| (kind.as_str(), sum)).chain([("total", &info.total)])
    {
        let age = sum.last_used.map(|used| ago(Duration::from_secs(now.saturating_sub(used))));
        table.row([kind, &sum.things.to_string(), &size(sum.size), age.as_deref().unwrap_or("")]);
    }
    table
}
