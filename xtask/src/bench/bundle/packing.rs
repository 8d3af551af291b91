//! Making archives: Holdall in each state of its cache, and its peers, in turn.

use super::ours::{Bundled, Known};
use super::peers::{self, Peer};
use super::report::Row;
use super::{Stand, empty, measure, remove};
use crate::tools;

/// How often a peer is measured that takes a minute.
const SLOW_ROUNDS: usize = 2;

/// What happens before a bundle is made, in the order of a round: each follows from the state that the one before left.
const STEPS: [(&str, Step); 6] = [
    ("Holdall, first bundle: downloads cached", Step::First(Known::Downloads)),
    ("Holdall, first bundle: downloads and build environment cached", Step::First(Known::Environment)),
    ("Holdall, nothing changed", Step::Again),
    ("Holdall, one module changed", Step::Module),
    ("Holdall, one static file changed", Step::StaticFile),
    ("Holdall, one wheel new", Step::Bump),
];

#[derive(Clone, Copy)]
enum Step {
    First(Known),
    Again,
    Module,
    StaticFile,
    Bump,
}

pub fn measure(stand: &Stand, rounds: usize, quick: bool) -> anyhow::Result<Vec<Row>> {
    let peers = peers::packers(stand, quick)?;
    let mut ours: Vec<Row> = STEPS.iter().map(|(name, _)| Row::new(name, true)).collect();
    let mut theirs: Vec<Row> = peers.iter().map(|peer| Row::new(peer.name, peer.same_bytes)).collect();
    for round in 1..=rounds {
        // Peers stand between Holdall's own runs, so that what else the machine does meets all of them.
        let mut waiting =
            peers.iter().zip(&mut theirs).filter(|(peer, _)| !peer.slow || round <= SLOW_ROUNDS);
        for ((name, step), row) in STEPS.iter().zip(&mut ours) {
            tools::step(&format!("round {round} of {rounds}: {name}"));
            row.take_bundle(&perform(stand, *step, round)?);
            waiting.next().map_or(Ok(()), |(peer, row)| take(peer, row))?;
        }
        waiting.try_for_each(|(peer, row)| take(peer, row))?;
    }
    ours.extend(theirs);
    Ok(ours)
}

fn perform(stand: &Stand, step: Step, round: usize) -> anyhow::Result<Bundled> {
    match step {
        Step::First(known) => stand.holdall.forget_all_but(known)?,
        Step::Again => {}
        Step::Module => stand.project.change_module(round)?,
        Step::StaticFile => stand.project.change_static_file(round)?,
        Step::Bump => stand.pin(true)?,
    }
    let bundled = stand.holdall.bundle(&stand.project.folder, &stand.folder.join("out"));
    // Peers that install have the wheels of the first lock only.
    stand.pin(false)?;
    bundled
}

fn take(peer: &Peer, row: &mut Row) -> anyhow::Result<()> {
    let made = match &peer.how {
        Ok(made) if row.missing.is_none() => made,
        Ok(_) => return Ok(()),
        Err(why) => {
            row.missing = Some(why.clone());
            return Ok(());
        }
    };
    tools::step(&format!("    {}", peer.name));
    remove(&made.output)?;
    if let Some(folder) = &made.forgets {
        empty(folder)?;
    }
    match measure::run(&mut (made.command)()) {
        Ok(run) => {
            row.take_run(&run);
            row.size = Some(size(&made.output)?);
            row.version = Some(made.version.clone());
        }
        // A peer that fails is told of, here in its own words, which may name places of this machine; what was
        // measured of the others still counts.
        Err(error) => {
            eprintln!("{error:#}");
            row.missing = Some("it failed, and the run says why".to_owned());
        }
    }
    Ok(())
}

/// The size of a file, or of all files in a folder.
fn size(path: &std::path::Path) -> anyhow::Result<u64> {
    let metadata = fs_err::symlink_metadata(path)?;
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    fs_err::read_dir(path)?.map(|entry| size(&entry?.path())).sum()
}
