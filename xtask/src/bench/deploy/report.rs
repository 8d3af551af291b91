//! What was measured, as a page of Markdown, as lines for machines, and held against the goals.

use std::fmt;

use serde_json::json;

use super::lab::{OTHERS, Told};
use crate::bench::bundle::machine::Machine;
use crate::bench::bundle::measure::Series;
use crate::bench::bundle::report::{Tree, at_most, limit, megabytes, ratio, seconds, shown, times};

/// Parts of a deploy that are Holdall's alone.
const OURS: [&str; 2] = ["expand", "complete"];

/// Everything that one run found out.
#[derive(Default)]
pub struct Report {
    pub machine: Machine,
    pub tree: Tree,
    pub deploys: Vec<Row>,
    pub peers: Vec<Peer>,
}

/// One command that was measured.
#[derive(Debug, Clone, Default)]
pub struct Row {
    pub name: String,
    seconds: Series,
    cpu: Series,
    /// What is left of it without what others did.
    own: Series,
    /// Seconds of each of `OURS`, and of both together.
    ours: [Series; 2],
    made: Series,
    /// Seconds of each of `OTHERS`.
    others: [Series; 2],
    peak: Option<u64>,
}

/// What copies the same files and does nothing else.
#[derive(Debug, Clone, Default)]
pub struct Peer {
    pub name: String,
    pub seconds: Series,
    pub cpu: Series,
}

impl Peer {
    pub fn new(name: &str) -> Peer {
        Peer { name: name.to_owned(), ..Peer::default() }
    }
}

impl Row {
    pub fn new(name: &str) -> Row {
        Row { name: name.to_owned(), ..Row::default() }
    }

    pub fn take(&mut self, told: &Told) {
        self.seconds.push(told.run.seconds);
        self.cpu.extend(told.run.cpu);
        self.own.extend(told.own());
        self.made.extend(told.spent(&OURS));
        for (series, part) in self.ours.iter_mut().zip(OURS) {
            series.extend(told.spent(&[part]));
        }
        for (series, (_, parts)) in self.others.iter_mut().zip(OTHERS) {
            series.extend(told.spent(parts));
        }
        self.peak = self.peak.max(told.run.peak);
    }
}

impl Report {
    /// One JSON value a line and row.
    pub fn json_lines(&self) -> String {
        let deploys = self.deploys.iter().map(|row| {
            let Row { name, seconds, cpu, own, ours, made: _, others, peak } = row;
            json!({
                "part": "deploy", "name": name, "best": seconds.best(), "median": seconds.median(),
                "spread": seconds.spread(), "rounds": seconds.rounds(), "cpu": cpu.best(), "own": own.best(),
                "expand": ours[0].best(), "complete": ours[1].best(), "project": others[0].best(),
                "server": others[1].best(), "peak": peak,
            })
        });
        let peers = self.peers.iter().map(|Peer { name, seconds, cpu }| {
            json!({
                "part": "peer", "name": name, "best": seconds.best(), "median": seconds.median(),
                "spread": seconds.spread(), "rounds": seconds.rounds(), "cpu": cpu.best(),
            })
        });
        deploys.chain(peers).map(|line| format!("{line}\n")).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tree { files, bytes } = self.tree;
        writeln!(f, "Machine: {}. Tree: {files} files, {}.\n", self.machine, megabytes(bytes))?;
        self.goals(f)?;
        self.commands(f)?;
        self.copying(f)
    }
}

impl Report {
    fn goals(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "### Goals\n\n| goal | wanted | measured | |\n| --- | --- | --- | --- |")?;
        let [first, second, _, back, status, _] = &self.deploys[..] else { return Ok(()) };
        let [plain, durable] = &self.peers[..] else { return Ok(()) };
        let expand = ratio(first.ours[0].best(), plain.seconds.best());
        at_most(f, "expand and verify, of the time of four `cp -r`", 1.0, expand)?;
        let made = ratio(first.made.best(), durable.seconds.best());
        at_most(f, "the same until the disk has it, of four `cp -r` and `sync`", 1.0, made)?;
        let part = ratio(second.own.best(), first.own.best());
        at_most(f, "a release that differs in one module, of the first one's own time", 0.1, part)?;
        for (goal, wanted, found) in [
            ("rollback, own time", 1.0, back.own.best()),
            ("`holdall status`, which looks for drift", 0.5, status.seconds.best()),
        ] {
            let found = found.map(|found| (found < wanted, seconds(found)));
            limit(f, goal, &format!("under {wanted} s"), found)?;
        }
        writeln!(f)
    }

    fn commands(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "### Commands\n\nOwn time leaves out what the project and IIS do; expand and complete are most of it. CPU is \
             the time of all processors, with all that a command starts.\n\n\
             | | best | median | spread | CPU | own | expand | complete | project | IIS | memory |\n| --- |{}",
            " ---: |".repeat(10)
        )?;
        for Row { name, seconds: took, cpu, own, ours, made: _, others, peak } in &self.deploys {
            let parts = [own].into_iter().chain(ours).chain(others);
            let parts: Vec<String> = parts.map(|series| shown(series.best(), seconds)).collect();
            let (cpu, peak) = (shown(cpu.best(), seconds), shown(*peak, megabytes));
            writeln!(f, "| {name} | {} | {cpu} | {} | {peak} |", times(took), parts.join(" | "))?;
        }
        writeln!(f)
    }

    fn copying(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "### Copying the same files\n\n| | best | median | spread | CPU |\n| --- |{}",
            " ---: |".repeat(4)
        )?;
        for Peer { name, seconds: took, cpu } in &self.peers {
            writeln!(f, "| {name} | {} | {} |", times(took), shown(cpu.best(), seconds))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(time: f64) -> Series {
        let mut series = Series::default();
        series.extend([time, 2.0 * time]);
        series
    }

    fn row(name: &str, own: f64) -> Row {
        let (own, ours, made) = (series(own), [series(own / 2.0), series(own / 4.0)], series(own * 0.75));
        Row { seconds: series(0.4), own, ours, made, peak: Some(50_000_000), ..Row::new(name) }
    }

    fn report() -> Report {
        let names = ["first", "second", "again", "back", "status", "verify"];
        let deploys = names.iter().zip([2.0, 0.3, 0.1, 0.9, 0.0, 0.0]).map(|(name, own)| row(name, own));
        let peer = |name: &str, time| Peer { seconds: series(time), ..Peer::new(name) };
        Report {
            tree: Tree { files: 10_000, bytes: 300_000_000 },
            deploys: deploys.collect(),
            peers: vec![peer("cp", 0.5), peer("cp, synced", 2.0)],
            ..Report::default()
        }
    }

    #[test]
    fn goals_are_held_against_what_was_measured() {
        let text = report().to_string();
        let goals: Vec<&str> =
            text.lines().filter(|line| line.ends_with("met |") || line.ends_with("missed |")).collect();
        assert_eq!(
            goals,
            [
                "| expand and verify, of the time of four `cp -r` | 1 x at most | 2.000 x | missed |",
                "| the same until the disk has it, of four `cp -r` and `sync` | 1 x at most | 0.750 x | met |",
                "| a release that differs in one module, of the first one's own time | 0.1 x at most | 0.150 x | missed |",
                "| rollback, own time | under 1 s | 0.90 s | met |",
                "| `holdall status`, which looks for drift | under 0.5 s | 0.40 s | met |",
            ]
        );
    }

    #[test]
    fn every_row_of_a_table_has_as_many_cells_as_its_head() {
        let text = report().to_string();
        let mut cells = None;
        for line in text.lines() {
            let found = line.starts_with('|').then(|| line.matches('|').count());
            assert!(cells.is_none() || found.is_none() || cells == found, "{line}");
            cells = found;
        }
        assert_eq!(report().json_lines().lines().count(), 8);
    }
}
