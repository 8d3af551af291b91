//! `holdall lock`: the exact wheels of a target, written down for people to commit.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Serialize;

use super::Output;
use super::output::printable;
use super::packages::Packages;
use super::stop::Ending;
use crate::Error;
use crate::lock::{self, Wanted};
use crate::packages::{Changes, LockedWheel, TargetLock};
use crate::progress::Notice;
use crate::project::{Overrides, PythonWanted, RuntimeFrom};
use crate::python::MinorVersion;
use crate::target::Target;

const AFTER: &str = "\
Examples:
  holdall lock --python 3.12         write pylock.windows-x86_64.toml
  holdall lock --upgrade             with the newest versions that the project allows
  holdall lock --check               fail if it would change, for continuous integration
  holdall lock --target linux-x86_64 --python 3.13 --find-links wheels --offline

Exit codes:
  0  the lock is there, or with --check: it says what it should
  1  failed, or with --check: the lock would change; it is as it was
  2  wrong usage
  3  something about the project has to be put right first; nothing was written";

/// Write the exact wheels of a target into a lock, for you to commit
///
/// The lock is `pylock.<target>.toml` (PEP 751), beside the file that the dependencies come from. Where it is, `holdall
/// bundle` for that target takes just these wheels and asks neither uv nor the index which. When the dependencies
/// change, bundling says so, until the lock is made anew. Versions stay as they are as far as the dependencies allow.
///
/// Other tools read it too: `uv pip install -r pylock.windows-x86_64.toml`. No credential is written into it.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The project's folder: `manage.py` is in it, or in a folder directly below
    #[arg(default_value = ".")]
    project: PathBuf,
    /// The platform to lock for: `windows-x86_64`, `windows-arm64`, `linux-x86_64` or `linux-arm64` [default: what
    /// holdall.toml says, else what the runtime is for, else, without `--python`, that of the lock that is there, else
    /// `windows-x86_64`]
    #[arg(long, value_parser = Target::from_str)]
    target: Option<Target>,
    /// The Python to lock for, `3.12` [default: the runtime's, if one is named; else the only one that the project
    /// allows; else that of the lock that is there]
    #[arg(long, value_parser = PythonWanted::from_str)]
    python: Option<PythonWanted>,
    /// The runtime whose Python decides, as `holdall bundle` takes it
    #[arg(long, value_name = "host|PATH")]
    runtime: Option<String>,
    /// The file to write, `pylock.NAME.toml`; name it in `[packages] lock` then, so that it is found
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Take the newest versions that the dependencies allow
    #[arg(long)]
    upgrade: bool,
    /// Write nothing, and fail if the lock would change
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    packages: Packages,
}

/// The result for machines.
#[derive(Serialize)]
struct Report<'a> {
    path: &'a Path,
    target: Target,
    python: MinorVersion,
    python_from: &'a str,
    /// Whether the file was not as it should be, or not there.
    changed: bool,
    written: bool,
    packages: &'a [LockedWheel],
    #[serde(flatten)]
    changes: &'a Changes,
    notices: &'a [Notice],
}

pub fn run(args: Args, output: &Output) -> Result<(), Error> {
    let _ending = Ending::listen(output).map_err(Error::System)?;
    let (cache, _in_use) = super::cache::enter(output)?;
    let progress = output.progress();
    let runtime = args.runtime.map(|runtime| match runtime.as_str() {
        "host" => RuntimeFrom::Host,
        path => RuntimeFrom::Path(path.into()),
    });
    let wanted = Wanted {
        project: args.project,
        overrides: Overrides {
            target: args.target,
            python: args.python,
            runtime,
            ..args.packages.overrides()
        },
        output: args.output,
        upgrade: args.upgrade,
    };
    let made = lock::make(wanted, &cache, &*progress)?;
    let TargetLock { path, lock, changes, unchanged, .. } = &made.lock;
    let written = !args.check && !unchanged;
    if written {
        made.lock.write()?;
    }
    if output.is_json() {
        output.json(&Report {
            path,
            target: lock.target,
            python: lock.minor,
            python_from: &made.python_from,
            changed: !unchanged,
            written,
            packages: &lock.wheels,
            changes,
            notices: &made.notices,
        });
    } else {
        let count = match lock.wheels.len() {
            1 => "1 package".to_owned(),
            count => format!("{count} packages"),
        };
        let what = format!("{count} for {} and Python {} ({})", lock.target, lock.minor, made.python_from);
        let did = match (written, unchanged) {
            (true, _) => "wrote",
            (false, true) => "nothing to change in",
            (false, false) => "would change",
        };
        output.line(printable(&format!("{did} `{}`: {what}", super::bundle::shown(path))));
        lines(changes).iter().for_each(|line| output.line(printable(line)));
        made.notices.iter().for_each(|notice| output.notice(notice));
    }
    match args.check && !unchanged {
        true => Err(Error::LockWouldChange { path: path.clone(), target: lock.target }),
        false => Ok(()),
    }
}

/// What changed, a line a package.
fn lines(changes: &Changes) -> Vec<String> {
    let Changes { added, removed, updated, replaced } = changes;
    let mut lines = Vec::new();
    lines.extend(added.iter().map(|entry| format!("  added    {} {}", entry.name, entry.version)));
    lines.extend(removed.iter().map(|entry| format!("  removed  {} {}", entry.name, entry.version)));
    lines.extend(
        updated.iter().map(|update| format!("  updated  {} {} -> {}", update.name, update.from, update.to)),
    );
    lines.extend(
        replaced.iter().map(|entry| format!("  replaced {} {}, by another file", entry.name, entry.version)),
    );
    lines
}
