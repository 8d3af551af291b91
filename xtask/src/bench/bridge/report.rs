//! The tables of benches/bridge.md, and what was found held against the goals.

use std::collections::BTreeMap;
use std::fmt;

use super::super::bundle::machine::Machine;
use super::super::bundle::measure::Series;
use super::servers::{PAGES, Page, SERVERS, Server};
use super::{Lost, Rounds, SEVERAL};

/// Everything that one run found out.
#[derive(Default)]
pub struct Report {
    pub machine: Machine,
    pub rounds: u16,
    pub seconds: f64,
    /// Requests a second by number of processes.
    pub behind_nginx: BTreeMap<u16, Rounds>,
    /// Questions behind nginx that had no right answer.
    pub lost: Lost,
    /// Microseconds to an answer.
    pub direct: Rounds,
    pub in_process: Vec<f64>,
    /// Bytes above idle.
    pub memory: Option<u64>,
    /// Seconds to the first answer: the bridge's, and of a Python alone.
    pub startup: Option<(Series, Series)>,
    pub without_libfcgi: Option<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { machine, rounds, seconds, .. } = self;
        writeln!(f, "{machine}; {rounds} rounds of {seconds} s.")?;
        for (processes, found) in &self.behind_nginx {
            let processes =
                if *processes == 1 { "one process".to_owned() } else { format!("{processes} processes") };
            writeln!(f, "\n### Behind nginx, {processes}: requests a second, and in multiples of uWSGI\n")?;
            table(f, found, &PAGES, Server::Uwsgi, 0)?;
        }
        for ((processes, page, server), lost) in &self.lost {
            let percent = lost * 100.0;
            writeln!(
                f,
                "\n{server}, {page}, processes {processes}: up to {percent:.1} % of a round's requests were not answered."
            )?;
        }
        if !self.direct.is_empty() {
            writeln!(f, "\n### Without nginx: microseconds to an answer, and in multiples of uWSGI\n")?;
            table(f, &self.direct, &[Page::Hello, Page::Django], Server::Uwsgi, 1)?;
        }
        if let Some(median) = median(&self.in_process) {
            writeln!(f, "\nDjango called in its process, without any server: {median:.1} µs.")?;
        }
        if let Some(problem) = &self.without_libfcgi {
            writeln!(f, "\nNot measured: {problem}")?;
        }
        self.goals(f)
    }
}

impl Report {
    fn goals(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n### Goals\n\n| goal | wanted | measured | |\n| --- | --- | --- | --- |")?;
        let wanted = [(Page::Hello, 1.5), (Page::Django, 1.25), (Page::Large, 1.75), (Page::Upload, 1.1)];
        for processes in [1, SEVERAL] {
            let Some(found) = self.behind_nginx.get(&processes) else { continue };
            for (page, wanted) in wanted {
                let ratio = ratio(found, page, Server::Bridge, Server::Uwsgi);
                let goal = format!(
                    "{page}, {processes} process{}, of uWSGI",
                    if processes == 1 { "" } else { "es" }
                );
                goal_at_least(f, &goal, wanted, ratio)?;
                // libfcgi runs no application and is a floor, not a peer.
                let peers = found.keys().filter(|(of, server)| *of == page && is_peer(*server));
                let best = peers
                    .filter_map(|(_, peer)| Some((*peer, ratio_of(found, page, *peer)?)))
                    .min_by(|a, b| a.1.total_cmp(&b.1));
                if let Some((peer, ratio)) = best {
                    goal_at_least(
                        f,
                        &format!("{page}, the same, of the fastest peer ({peer})"),
                        1.0,
                        Some(ratio),
                    )?;
                }
            }
        }
        if !self.direct.is_empty() {
            let of = |page, server| ratio(&self.direct, page, Server::Bridge, server);
            goal_at_most(
                f,
                "hello without nginx, of libfcgi",
                "1.5 x",
                1.5,
                of(Page::Hello, Server::Libfcgi),
                " x",
                2,
            )?;
            let flup = of(Page::Hello, Server::Flup).map(f64::recip);
            goal_at_least(f, "hello without nginx, faster than flup6", 5.0, flup)?;
            let ours = self.direct.get(&(Page::Django, Server::Bridge));
            let above = ours.map(|ours| {
                ours.iter().zip(&self.in_process).map(|(ours, alone)| ours - alone).collect::<Vec<_>>()
            });
            let above = above.and_then(|above| median(&above));
            goal_at_most(
                f,
                "Django without nginx, above a call in its process",
                "40 µs",
                40.0,
                above,
                " µs",
                1,
            )?;
        }
        if let Some(memory) = self.memory {
            goal_at_most(
                f,
                "memory of a 100 MB upload, above idle",
                "10 MB",
                10.0,
                Some(memory as f64 / 1e6),
                " MB",
                1,
            )?;
        }
        if let Some((ours, alone)) = &self.startup {
            let median = ours.median().zip(alone.median()).map(|(ours, alone)| (ours - alone) * 1e3);
            goal_at_most(
                f,
                "process start to Django's first answer, above a Python alone, medians",
                "15 ms",
                15.0,
                median,
                " ms",
                1,
            )?;
            let best = ours.best().zip(alone.best()).map(|(ours, alone)| (ours - alone) * 1e3);
            goal_at_most(f, "the same, fastest rounds", "15 ms", 15.0, best, " ms", 1)?;
        }
        Ok(())
    }
}

fn is_peer(server: Server) -> bool {
    !matches!(server, Server::Bridge | Server::Before | Server::Libfcgi)
}

fn ratio_of(found: &Rounds, page: Page, peer: Server) -> Option<f64> {
    ratio(found, page, Server::Bridge, peer)
}

fn table(
    f: &mut fmt::Formatter<'_>,
    found: &Rounds,
    pages: &[Page],
    base: Server,
    digits: usize,
) -> fmt::Result {
    write!(f, "| |")?;
    pages.iter().try_for_each(|page| write!(f, " {page} |"))?;
    writeln!(f, "\n| --- |{}", " ---: |".repeat(pages.len()))?;
    for server in SERVERS.into_iter().filter(|server| found.keys().any(|(_, found)| found == server)) {
        write!(f, "| {server} |")?;
        for page in pages {
            match found.get(&(*page, server)).and_then(|values| median(values)) {
                Some(median) => write!(f, " {median:.digits$}")?,
                None => write!(f, " ")?,
            }
            match ratio(found, *page, server, base) {
                Some(ratio) => write!(f, " (× {ratio:.2}) |")?,
                None => write!(f, " |")?,
            }
        }
        writeln!(f)?;
    }
    Ok(())
}

/// How one server compares with another: the median over the rounds.
fn ratio(found: &Rounds, page: Page, server: Server, base: Server) -> Option<f64> {
    let (values, bases) = (found.get(&(page, server))?, found.get(&(page, base))?);
    median(&values.iter().zip(bases).map(|(value, base)| value / base).collect::<Vec<_>>())
}

fn median(values: &[f64]) -> Option<f64> {
    let mut series = Series::default();
    series.extend(values.iter().copied());
    series.median()
}

fn goal_at_least(f: &mut fmt::Formatter<'_>, goal: &str, wanted: f64, found: Option<f64>) -> fmt::Result {
    let Some(found) = found else { return writeln!(f, "| {goal} | {wanted} x | not measured | |") };
    let met = if found >= wanted { "met" } else { "missed" };
    writeln!(f, "| {goal} | {wanted} x | {found:.2} x | {met} |")
}

fn goal_at_most(
    f: &mut fmt::Formatter<'_>,
    goal: &str,
    shown: &str,
    wanted: f64,
    found: Option<f64>,
    unit: &str,
    digits: usize,
) -> fmt::Result {
    let Some(found) = found else { return writeln!(f, "| {goal} | {shown} at most | not measured | |") };
    let met = if found <= wanted { "met" } else { "missed" };
    writeln!(f, "| {goal} | {shown} at most | {found:.digits$}{unit} | {met} |")
}

#[cfg(test)]
mod tests {
    use super::super::super::bundle::report::replace_table;
    use super::*;

    fn report() -> Report {
        let values = |page, server, values: &[f64]| ((page, server), values.to_vec());
        let found = Rounds::from([
            values(Page::Hello, Server::Bridge, &[30.0, 10.0, 40.0]),
            values(Page::Hello, Server::Uwsgi, &[10.0, 10.0, 20.0]),
            values(Page::Hello, Server::Granian, &[15.0, 25.0, 25.0]),
            values(Page::Hello, Server::Libfcgi, &[90.0, 90.0, 90.0]),
        ]);
        let direct = Rounds::from([
            values(Page::Hello, Server::Bridge, &[30.0, 36.0, 40.0]),
            values(Page::Hello, Server::Libfcgi, &[24.0, 24.0, 25.0]),
            values(Page::Hello, Server::Flup, &[150.0, 150.0, 100.0]),
            values(Page::Django, Server::Bridge, &[150.0, 130.0, 120.0]),
        ]);
        let in_process = vec![90.0, 92.0, 95.0];
        let behind_nginx = BTreeMap::from([(1, found)]);
        Report { behind_nginx, direct, in_process, memory: Some(12_000_000), ..Report::default() }
    }

    #[track_caller]
    fn says(line: &str) {
        let page = report().to_string();
        assert!(page.lines().any(|said| said == line), "`{line}` in\n{page}");
    }

    #[test]
    fn ratios_are_those_of_rounds() {
        says("| the bridge | 30 (× 2.00) |  |  |  |");
        says("| uWSGI | 10 (× 1.00) |  |  |  |");
        says("| hello, 1 process, of uWSGI | 1.5 x | 2.00 x | met |");
        says("| hello, the same, of the fastest peer (granian, HTTP) | 1 x | 1.60 x | met |");
    }

    #[test]
    fn goals_without_nginx_are_held_against_floor_and_call() {
        says("| hello without nginx, of libfcgi | 1.5 x at most | 1.50 x | met |");
        says("| hello without nginx, faster than flup6 | 5 x | 4.17 x | missed |");
        says("| Django without nginx, above a call in its process | 40 µs at most | 38.0 µs | met |");
        says("| memory of a 100 MB upload, above idle | 10 MB at most | 12.0 MB | missed |");
        says("| Django hello, 1 process, of uWSGI | 1.25 x | not measured | |");
    }

    #[test]
    fn the_document_has_a_place_for_the_tables_and_names_the_command() -> anyhow::Result<()> {
        let document = fs_err::read_to_string(crate::tools::root().join(super::super::DOCUMENT))?;
        replace_table(&document, "")?;
        assert!(document.contains("cargo xtask bench bridge"));
        Ok(())
    }
}
