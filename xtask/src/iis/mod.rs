//! `cargo xtask iis-facts`: asks a real IIS for what no public source says, and writes `tests/lab/facts.toml`;
//! `cargo xtask iis-bridge` has it start the bridge, `cargo xtask iis-deploy` has Holdall deploy to it.
//!
//! All need Windows, an elevated prompt, and IIS with its CGI feature. They make a pool, sites and FastCGI applications
//! named `holdall-facts…`, `holdall-story` for a deploy, and remove them, also after a failure; what a killed run left,
//! the next one removes. Those of the first two are on ports of this machine alone. Nothing else of the server's
//! configuration is touched.

mod ask;
mod bridge;
mod deploy;
mod facts;
mod file;
mod http;
mod machine;
mod plan;
mod probe;
mod stand;

use anyhow::ensure;

use crate::tools;

pub use bridge::run as run_bridge;
pub use deploy::run as run_deploy;

/// The names of all facts.
#[cfg(test)]
pub fn facts() -> impl Iterator<Item = &'static str> {
    facts::FACTS.iter().map(|fact| fact.id)
}

/// Options of `cargo xtask iis-facts`.
#[derive(clap::Args)]
pub struct Args {
    #[arg(value_enum, default_value = "ask")]
    what: What,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum What {
    /// Ask IIS and write what it answers
    Ask,
    /// Switch on IIS and its CGI feature with DISM
    EnableIis,
    /// Write the questions with their possible answers, as asked of nobody
    List,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    match args.what {
        What::List => Ok(fs_err::write(file::path(), file::render(None, &file::Findings::new()))?),
        What::EnableIis => {
            machine::check_system()?;
            tools::step("switch on IIS and its CGI feature");
            machine::enable_iis()
        }
        What::Ask => ask(),
    }
}

fn ask() -> anyhow::Result<()> {
    machine::check_system()?;
    let system = machine::check_iis()?;
    let python = tools::base_python()?;
    let probe = tools::root().join("tests/lab/iis/probe.py");
    let (outcome, folder) = machine::with_files(
        |folder| ask::make_folder(folder, &python, &probe),
        |iis, names| ask::all(iis, names, |what| tools::step(&format!("ask: {what}"))),
    )?;
    let path = file::path();
    fs_err::write(&path, file::render(Some(&system), &outcome.findings))?;
    println!();
    for (id, found) in &outcome.findings {
        println!("{id:<22} {:<16} {}", found.answer, found.seen);
    }
    tools::step(&format!(
        "{system}: {} of {} facts, in {}",
        outcome.findings.len(),
        facts::FACTS.len(),
        path.display()
    ));
    for failure in &outcome.failures {
        eprintln!("{failure}");
    }
    if let Err(error) = folder {
        eprintln!("files of the questions are left behind: {error:#}");
    }
    ensure!(outcome.failures.is_empty(), "{} questions have no answer", outcome.failures.len());
    Ok(())
}
