//! `holdall init`: writes a commented `holdall.toml` with what is found about the project.

use std::path::PathBuf;

use serde::Serialize;

use super::Output;
use crate::Error;
use crate::progress::Notice;
use crate::project::{ConfigFile, Overrides, Project};

const AFTER: &str = "\
Examples:
  holdall init              write holdall.toml beside manage.py
  holdall init --stdout     only look at it

Exit codes:
  0  written
  2  wrong usage
  3  there is no project here, or the file exists; nothing was changed";

/// Write a commented holdall.toml with what is found about a project
///
/// Every key stands in it, explained, with what is found and where. All of it is commented out: the file changes
/// nothing until you take a `#` away.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The project's folder: `manage.py` is in it, or in a folder directly below
    #[arg(value_name = "PROJECT", default_value = ".")]
    project: PathBuf,
    /// Write the file anew though it exists; what it sets stays set, comments of your own go
    #[arg(long)]
    force: bool,
    /// Print the file instead of writing it
    #[arg(long, conflicts_with = "force")]
    stdout: bool,
}

/// The result for machines.
#[derive(Serialize)]
struct Written<'a> {
    /// Absent when the file was only printed.
    path: Option<String>,
    configuration: &'a str,
    notices: &'a [Notice],
}

pub fn run(args: Args, output: &Output) -> Result<(), Error> {
    let project = Project::discover(&args.project, &Overrides::default())?;
    let file = ConfigFile::render(&project);
    let path = match (args.stdout, args.force) {
        (true, _) => None,
        (false, false) => Some(file.write_new()?),
        (false, true) => Some(file.replace()?),
    };
    let path = path.map(|path| path.display().to_string());
    if output.is_json() {
        output.json(&Written { path, configuration: &file.text, notices: &project.notices });
        return Ok(());
    }
    match path {
        Some(path) => output.line(format_args!("wrote `{path}`")),
        None => output.line(file.text.trim_end()),
    }
    for notice in &project.notices {
        output.notice(notice);
    }
    Ok(())
}
