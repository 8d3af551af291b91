//! `cargo xtask bench deploy`: the large project goes into service behind the lab's IIS, by the released program, round
//! by round beside what only copies its files.
//!
//! What a deploy waits for is none of Holdall's work: the project that starts, answers and runs its hooks, and the web
//! server's own programs. The command tells when it did what, so that this can be taken off.

mod lab;
mod report;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::ensure;

use super::bundle::expanding::{self, Share};
use super::bundle::machine::Machine;
use super::bundle::measure;
use super::bundle::report::{Tree, replace_table};
use super::bundle::{Stand, empty, remove};
use crate::tools;
use lab::{Lab, Told};
use report::{Peer, Report, Row};

/// Where the table stands.
const DOCUMENT: &str = "benches/deploy.md";

/// Options of `cargo xtask bench deploy`.
#[derive(clap::Args)]
pub struct Args {
    /// How often everything is measured; each round leaves three copies of the project on the disk until the end
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Print the table, and leave benches/deploy.md as it is
    #[arg(long)]
    print: bool,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(
        cfg!(unix),
        "the lab's IIS runs what a bundle for this machine starts on Unix only: run it there"
    );
    let stand = Stand::prepare()?;
    let programs = tools::build_lab()?;
    let folder = empty(&stand.folder.join("deploy"))?;
    let bundles = Bundles::of(&stand, &folder)?;
    let measured = measure(&stand, &programs, &bundles, &folder, args.rounds.into());
    let measured = measured.and_then(|(deploys, peers)| {
        let tree = Tree::of(&stand.release)?;
        Ok(Report { machine: Machine::of_this(), tree, deploys, peers })
    });
    // All that is large goes now, and not when the next run begins: ext4 remembers for some minutes what has gone.
    [&folder, &stand.release].into_iter().try_for_each(|folder| remove(folder))?;
    let report = measured?;

    let lines = stand.folder.join("deploy.jsonl");
    fs_err::write(&lines, report.json_lines())?;
    println!("\n{report}");
    println!("for machines: {}", lines.display());
    if !args.print {
        let document = tools::root().join(DOCUMENT);
        let text = replace_table(&fs_err::read_to_string(&document)?, &report.to_string())?;
        fs_err::write(&document, text)?;
    }
    Ok(())
}

/// What is deployed: the project, and the project with another module.
struct Bundles {
    first: PathBuf,
    second: PathBuf,
}

impl Bundles {
    fn of(stand: &Stand, folder: &Path) -> anyhow::Result<Bundles> {
        tools::step("bundle the project once more with one module changed");
        stand.project.change_module(1)?;
        let second = stand.holdall.bundle(&stand.project.folder, &folder.join("second"))?;
        Ok(Bundles { first: stand.bundle.clone(), second: second.path })
    }
}

fn measure(
    stand: &Stand,
    programs: &Path,
    bundles: &Bundles,
    folder: &Path,
    rounds: usize,
) -> anyhow::Result<(Vec<Row>, Vec<Peer>)> {
    let mut rows = [
        "first release of a site",
        "a release that differs in one module",
        "the same release again",
        "`holdall rollback`",
        "`holdall status`",
        "`holdall verify` of the release that serves",
    ]
    .map(Row::new);
    let mut peers = ["four `cp -r` at once", "the same, synced to disk"].map(Peer::new);
    let shares = expanding::shares(&stand.release, stand.tree.bytes)?;
    for round in 1..=rounds {
        tools::step(&format!("round {round} of {rounds}"));
        // Nothing is removed before the end: ext4 searches long for the place of a new file where many have just gone.
        let to = folder.join(format!("copied{round}"));
        fs_err::create_dir(&to)?;
        let (copied, synced) = copy(stand, &shares, &to)?;
        let [plain, durable] = &mut peers;
        plain.seconds.push(copied.seconds);
        plain.cpu.extend(copied.cpu);
        durable.seconds.push(synced);

        let lab = Lab::start(programs, &stand.holdall.program, &folder.join(format!("server{round}")))?;
        let [first, second, again, back, status, verify] = &mut rows;
        first.take(&lab.deploy(&bundles.first)?);
        second.take(&lab.deploy(&bundles.second)?);
        again.take(&lab.deploy(&bundles.second)?);
        back.take(&lab.told(&["rollback", "--no-wait"])?);
        status.take(&Told::silent(lab.run(&["status"])?));
        let serving = lab.serving()?;
        let mut whole = Command::new(&stand.holdall.program);
        verify.take(&Told::silent(measure::run(whole.arg("verify").arg(serving))?));
        lab.stop()?;
    }
    Ok((rows.into(), peers.into()))
}

/// Copies the release by four programs, and has the disk keep what they copied. Returns how long the first took, and how
/// many seconds both.
fn copy(stand: &Stand, shares: &[Share], to: &Path) -> anyhow::Result<(measure::Run, f64)> {
    let copied = measure::time(|| expanding::copy(&stand.release, shares, to))?;
    let started = Instant::now();
    tools::run(Command::new("sync").arg("--file-system").arg(to))?;
    let synced = copied.seconds + started.elapsed().as_secs_f64();
    Ok((copied, synced))
}
