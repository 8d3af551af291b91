//! What was measured, as a page of Markdown, as lines for machines, and held against the goals.

use std::fmt;
use std::path::Path;

use anyhow::{Context as _, ensure};
use serde_json::json;

use super::machine::Machine;
use super::measure::{Run, Series};
use super::ours::Bundled;

const BEGIN: &str = "<!-- table -->";
const END: &str = "<!-- /table -->";

const ZIP: &str = "`zip -r -6`";
const SEVEN: &str = "`7z -tzip -mx5 -mmt4`";
const COPY: &str = "`cp` of the finished bundle";
const SYNCED: &str = "`cp` of the finished bundle, synced to disk";

/// Everything that one run found out.
#[derive(Default)]
pub struct Report {
    pub machine: Machine,
    pub tree: Tree,
    pub packing: Vec<Row>,
    pub expanding: Vec<Row>,
    pub growing: Vec<Grown>,
}

/// The files that were packed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tree {
    pub files: u64,
    pub bytes: u64,
}

/// One thing that was measured.
#[derive(Debug, Clone, Default)]
pub struct Row {
    pub name: String,
    /// Whether it works on the very bytes of the bundle.
    pub same_bytes: bool,
    pub seconds: Series,
    /// Time of all processors.
    pub cpu: Series,
    /// The part of it that an archiver does, where the command tells it.
    pub packing: Series,
    /// Of what it leaves.
    pub size: Option<u64>,
    pub peak: Option<u64>,
    pub version: Option<String>,
    /// Why it was not measured.
    pub missing: Option<String>,
    /// Seconds of each stage, of the last round.
    pub stages: Vec<(String, f64)>,
}

/// A tree that was made larger.
#[derive(Debug, Clone, Default)]
pub struct Grown {
    pub times: usize,
    pub files: u64,
    pub bytes: u64,
    pub peak: Option<u64>,
    pub first: Series,
    pub again: Series,
    pub expand: Series,
}

impl Tree {
    /// Counts a folder.
    pub fn of(folder: &Path) -> anyhow::Result<Tree> {
        let mut tree = Tree::default();
        for entry in fs_err::read_dir(folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            let below = match metadata.is_dir() {
                true => Tree::of(&entry.path())?,
                false => Tree { files: 1, bytes: metadata.len() },
            };
            tree = Tree { files: tree.files + below.files, bytes: tree.bytes + below.bytes };
        }
        Ok(tree)
    }
}

impl Row {
    pub fn new(name: &str, same_bytes: bool) -> Row {
        Row { name: name.to_owned(), same_bytes, ..Row::default() }
    }

    pub fn take_run(&mut self, run: &Run) {
        self.seconds.push(run.seconds);
        self.cpu.extend(run.cpu);
        self.peak = self.peak.max(run.peak);
    }

    pub fn take_bundle(&mut self, bundled: &Bundled) {
        self.take_run(&bundled.run);
        self.packing.push(bundled.packing());
        self.size = Some(bundled.size);
        self.stages.clone_from(&bundled.stages);
    }

    fn best(&self) -> Option<f64> {
        self.seconds.best()
    }

    /// Only Holdall tells how long each stage took.
    fn is_ours(&self) -> bool {
        self.packing.rounds() > 0
    }

    /// Its name in a cell of a table.
    fn title(&self) -> String {
        let mark = if self.same_bytes { "" } else { " *" };
        format!("{}{mark}", self.name.replace('|', "\\|"))
    }
}

impl Report {
    /// One JSON value a line and row.
    pub fn json_lines(&self) -> String {
        let row = |part: &str, row: &Row| {
            json!({
                "part": part, "name": row.name, "best": row.best(), "median": row.seconds.median(),
                "spread": row.seconds.spread(), "rounds": row.seconds.rounds(), "cpu": row.cpu.best(),
                "packing": row.packing.best(),
                "size": row.size, "peak": row.peak, "version": row.version, "missing": row.missing,
                "stages": stages(row),
            })
        };
        let packing = self.packing.iter().map(|one| row("packing", one));
        let expanding = self.expanding.iter().map(|one| row("expanding", one));
        let growing = self.growing.iter().map(|grown| {
            json!({
                "part": "growing", "times": grown.times, "files": grown.files, "bytes": grown.bytes,
                "peak": grown.peak, "first": grown.first.best(), "again": grown.again.best(),
                "expand": grown.expand.best(),
            })
        });
        packing.chain(expanding).chain(growing).map(|line| format!("{line}\n")).collect()
    }

    fn packed(&self, name: &str) -> Option<&Row> {
        self.packing.iter().find(|row| row.name == name)
    }

    fn expanded(&self, name: &str) -> Option<&Row> {
        self.expanding.iter().find(|row| row.name == name)
    }
}

fn stages(row: &Row) -> serde_json::Map<String, serde_json::Value> {
    row.stages.iter().map(|(stage, took)| (stage.clone(), (*took).into())).collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tree { files, bytes } = self.tree;
        writeln!(f, "Machine: {}. Tree: {files} files, {}.\n", self.machine, megabytes(bytes))?;
        self.goals(f)?;
        self.making(f)?;
        self.stages(f)?;
        self.opening(f)?;
        self.growth(f)?;
        self.versions(f)
    }
}

impl Report {
    fn goals(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "### Goals\n\n| goal | wanted | measured | |\n| --- | --- | --- | --- |")?;
        let zip = self.packed(ZIP).and_then(Row::best);
        let copy = self.packed(COPY).and_then(Row::best);
        let synced = self.packed(SYNCED).and_then(Row::best);
        let [first, settled, module] = [0, 1, 3].map(|place| self.packing.get(place));
        for (name, row, wanted) in [
            ("first bundle, faster than `zip -r -6`", first, 6.0),
            ("first bundle in an environment made before, faster than `zip -r -6`", settled, 6.0),
            ("one module changed, faster than `zip -r -6`", module, 20.0),
        ] {
            at_least(f, name, wanted, ratio(zip, row.and_then(Row::best)))?;
            let alone = ratio(zip, row.and_then(|row| row.packing.best()));
            at_least(f, &format!("{name}; packing alone"), wanted, alone)?;
        }
        let alone = module.and_then(|row| row.packing.best());
        at_most(f, "one module changed, of the time of `cp`; packing alone", 3.0, ratio(alone, copy))?;
        at_most(f, "the same, of `cp` that syncs as a bundle is synced", 3.0, ratio(alone, synced))?;
        let size = |row: Option<&Row>| row.and_then(|row| row.size).map(|size| size as f64);
        at_most(f, "size, of `7z -mx5`'s", 1.0, ratio(size(first), size(self.packed(SEVEN))))?;
        let peak = self
            .packing
            .iter()
            .filter(|row| row.is_ours())
            .filter_map(|row| row.peak)
            .max()
            .map(|peak| peak as f64 / 1e6);
        limit(
            f,
            "most memory while bundling",
            "300 MB",
            peak.map(|peak| (peak < 300.0, format!("{peak:.0} MB"))),
        )?;
        let seconds = |name: &str| self.expanded(name).and_then(Row::best);
        let tmpfs = ratio(seconds("`unzip`, tmpfs"), seconds("Holdall, tmpfs"));
        at_least(f, "expand on tmpfs, faster than `unzip`", 8.0, tmpfs)?;
        let disk = ratio(seconds("Holdall, disk"), seconds("four `cp -r` at once, disk"));
        at_most(f, "expand on disk, of the time of four `cp -r`", 1.0, disk)?;
        writeln!(f)
    }

    fn making(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "### Making the archive\n\nPacking alone leaves out what no archiver does: uv, and the project's own code. \
             CPU is the time of all processors. Rows marked with * make something of their own from the same project \
             and lock, without a Python in it.\n\n\
             | | best | median | spread | CPU | `zip` takes | packing alone | `zip` takes | size | of `zip`'s | memory |\n\
             | --- |{}",
            " ---: |".repeat(10)
        )?;
        let zip = self.packed(ZIP);
        let zip_size = zip.and_then(|zip| zip.size).map(|size| size as f64);
        for row in &self.packing {
            let title = row.title();
            if let Some(missing) = &row.missing {
                writeln!(f, "| {title} | not measured: {} |", missing.replace('|', "\\|"))?;
                continue;
            }
            let smaller = ratio(row.size.map(|size| size as f64), zip_size);
            let cells = [
                title,
                times(&row.seconds),
                shown(row.cpu.best(), seconds),
                shown(ratio(zip.and_then(Row::best), row.best()), faster),
                shown(row.packing.best(), seconds),
                shown(ratio(zip.and_then(Row::best), row.packing.best()), faster),
                shown(row.size, megabytes),
                shown(smaller, |part| format!("{part:.3}")),
                shown(row.peak.filter(|_| row.is_ours()), megabytes),
            ];
            writeln!(f, "| {} |", cells.join(" | "))?;
        }
        writeln!(f)
    }

    fn stages(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ours: Vec<&Row> = self.packing.iter().filter(|row| !row.stages.is_empty()).collect();
        let Some(first) = ours.first() else { return Ok(()) };
        let names: Vec<&str> = first.stages.iter().map(|(stage, _)| stage.as_str()).collect();
        writeln!(f, "### Where a bundle's time goes\n\nSeconds of each stage, in the last round.\n")?;
        writeln!(f, "| | {} |\n| --- |{}", names.join(" | "), " ---: |".repeat(names.len()))?;
        for row in ours {
            let took = names.iter().map(|name| {
                let took = row.stages.iter().find(|(stage, _)| stage == name);
                took.map_or_else(String::new, |(_, took)| format!("{took:.2}"))
            });
            writeln!(f, "| {} | {} |", row.name, took.collect::<Vec<_>>().join(" | "))?;
        }
        writeln!(f)
    }

    fn opening(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "### Expanding it\n\nHoldall checks the SHA-256 of each file before it counts.\n\n\
             | | best | median | spread | CPU |\n| --- |{}",
            " ---: |".repeat(4)
        )?;
        for row in &self.expanding {
            let title = row.title();
            match &row.missing {
                Some(missing) => writeln!(f, "| {title} | not measured: {missing} |")?,
                None => {
                    writeln!(f, "| {title} | {} | {} |", times(&row.seconds), shown(row.cpu.best(), seconds))?
                }
            }
        }
        writeln!(f)
    }

    fn growth(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.growing.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "### Larger trees\n\nMilliseconds a megabyte, packing alone; the trees' files are the project's own.\n\n\
             | tree | files | size | first bundle | nothing changed | expand on disk | memory |\n| --- |{}",
            " ---: |".repeat(6)
        )?;
        for grown in &self.growing {
            let each = |series: &Series| {
                shown(ratio(series.best(), Some(grown.bytes as f64 / 1e9)), |each| format!("{each:.2}"))
            };
            let cells = [
                format!("{}x", grown.times),
                grown.files.to_string(),
                megabytes(grown.bytes),
                each(&grown.first),
                each(&grown.again),
                each(&grown.expand),
                shown(grown.peak, megabytes),
            ];
            writeln!(f, "| {} |", cells.join(" | "))?;
        }
        writeln!(f)
    }

    fn versions(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.packing.iter().chain(&self.expanding);
        let mut versions: Vec<&str> = rows.filter_map(|row| row.version.as_deref()).collect();
        versions.sort_unstable();
        versions.dedup();
        writeln!(f, "Peers: {}.", versions.join(", "))
    }
}

fn at_least(f: &mut fmt::Formatter<'_>, goal: &str, wanted: f64, found: Option<f64>) -> fmt::Result {
    limit(f, goal, &format!("{wanted} x"), found.map(|found| (found >= wanted, format!("{found:.1} x"))))
}

pub fn at_most(f: &mut fmt::Formatter<'_>, goal: &str, wanted: f64, found: Option<f64>) -> fmt::Result {
    limit(
        f,
        goal,
        &format!("{wanted} x at most"),
        found.map(|found| (found <= wanted, format!("{found:.3} x"))),
    )
}

pub fn limit(
    f: &mut fmt::Formatter<'_>,
    goal: &str,
    wanted: &str,
    found: Option<(bool, String)>,
) -> fmt::Result {
    let (met, found) = match found {
        Some((true, found)) => ("met", found),
        Some((false, found)) => ("missed", found),
        None => ("", "not measured".to_owned()),
    };
    writeln!(f, "| {goal} | {wanted} | {found} | {met} |")
}

pub fn ratio(of: Option<f64>, to: Option<f64>) -> Option<f64> {
    Some(of? / to?)
}

pub fn times(series: &Series) -> String {
    let spread = shown(series.spread(), |spread| format!("{:.0} %", spread * 100.0));
    [shown(series.best(), seconds), shown(series.median(), seconds), spread].join(" | ")
}

/// The cell of a value, empty if there is none.
pub fn shown<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or_else(String::new, show)
}

fn faster(ratio: f64) -> String {
    format!("{ratio:.1} x")
}

pub fn seconds(seconds: f64) -> String {
    if seconds < 10.0 { format!("{seconds:.2} s") } else { format!("{seconds:.1} s") }
}

pub fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// The document with another table between its marks.
pub fn replace_table(document: &str, table: &str) -> anyhow::Result<String> {
    let (before, rest) =
        document.split_once(BEGIN).with_context(|| format!("no `{BEGIN}` in the document"))?;
    let (old, after) = rest.split_once(END).with_context(|| format!("no `{END}` in the document"))?;
    ensure!(!old.contains(BEGIN), "two `{BEGIN}` in the document");
    Ok(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", table.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(times: &[f64]) -> Series {
        let mut series = Series::default();
        times.iter().for_each(|seconds| series.push(*seconds));
        series
    }

    fn row(name: &str, times: &[f64], packing: &[f64], size: u64) -> Row {
        let (seconds, packing) = (series(times), series(packing));
        Row { seconds, packing, size: Some(size), ..Row::new(name, true) }
    }

    fn report() -> Report {
        let mut packing = vec![
            row("Holdall, first bundle", &[2.0, 2.5], &[1.0, 1.5], 98_000_000),
            row("Holdall, environment cached", &[2.0], &[1.0], 98_000_000),
            row("Holdall, nothing changed", &[1.0], &[0.1], 98_000_000),
            row("Holdall, one module changed", &[1.0], &[0.25], 98_000_000),
            row(COPY, &[0.1], &[], 98_000_000),
            row(ZIP, &[12.0, 12.6], &[], 100_000_000),
            row(SEVEN, &[20.0], &[], 97_000_000),
            Row { missing: Some("`a | b` is not here".to_owned()), ..Row::new("`tar | zstd`", false) },
        ];
        packing[0].peak = Some(310_000_000);
        packing[0].stages = vec![("packages".to_owned(), 0.75), ("assemble".to_owned(), 0.25)];
        packing[5].peak = Some(900_000_000);
        let grown =
            Grown { times: 2, files: 20, bytes: 1_000_000_000, first: series(&[4.0]), ..Grown::default() };
        Report {
            tree: Tree { files: 10, bytes: 300_000_000 },
            packing,
            expanding: vec![row("Holdall, tmpfs", &[0.25], &[], 0), row("`unzip`, tmpfs", &[2.25], &[], 0)],
            growing: vec![grown],
            ..Report::default()
        }
    }

    #[track_caller]
    fn says(line: &str) {
        let page = report().to_string();
        assert!(page.lines().any(|said| said == line), "no `{line}` in\n{page}");
    }

    #[test]
    fn goals_are_held_against_the_best_of_all_rounds() {
        says("| first bundle, faster than `zip -r -6` | 6 x | 6.0 x | met |");
        says("| first bundle, faster than `zip -r -6`; packing alone | 6 x | 12.0 x | met |");
        says("| one module changed, faster than `zip -r -6` | 20 x | 12.0 x | missed |");
        says("| one module changed, of the time of `cp`; packing alone | 3 x at most | 2.500 x | met |");
        says("| size, of `7z -mx5`'s | 1 x at most | 1.010 x | missed |");
        says("| most memory while bundling | 300 MB | 310 MB | missed |");
        says("| expand on tmpfs, faster than `unzip` | 8 x | 9.0 x | met |");
        says("| expand on disk, of the time of four `cp -r` | 1 x at most | not measured |  |");
    }

    #[test]
    fn every_row_of_a_table_has_the_cells_of_its_head() {
        let page = report().to_string();
        let mut width = None;
        for line in page.lines() {
            let cells = line.starts_with('|').then(|| line.replace("\\|", "").matches('|').count());
            let whole =
                cells == width || width.is_none() || cells.is_none() || line.contains("not measured:");
            assert!(whole, "`{line}` in\n{page}");
            width = cells.filter(|_| !line.contains("not measured:")).or(width.filter(|_| cells.is_some()));
        }
        says("| `tar \\| zstd` * | not measured: `a \\| b` is not here |");
        says("| 2x | 20 | 1000.0 MB | 4.00 |  |  |  |");
    }

    #[test]
    fn machines_get_one_value_a_row() -> anyhow::Result<()> {
        let lines = report().json_lines();
        let values =
            lines.lines().map(serde_json::from_str::<serde_json::Value>).collect::<Result<Vec<_>, _>>()?;
        assert_eq!(values.len(), 8 + 2 + 1);
        assert_eq!((&values[0]["best"], &values[0]["stages"]["packages"]), (&json!(2.0), &json!(0.75)));
        Ok(())
    }

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() -> anyhow::Result<()> {
        let document = format!("# Title\n\n{BEGIN}\nold\n{END}\n\nwhat limits it\n");
        let replaced = replace_table(&document, "new\n")?;
        assert_eq!(replaced, format!("# Title\n\n{BEGIN}\n\nnew\n\n{END}\n\nwhat limits it\n"));
        assert_eq!(replace_table(&replaced, "new")?, replaced);
        assert!(replace_table("# Title\n", "new").is_err());
        Ok(())
    }

    #[test]
    fn the_document_has_a_place_for_the_table_and_names_the_command() -> anyhow::Result<()> {
        let document = fs_err::read_to_string(crate::tools::root().join(super::super::DOCUMENT))?;
        replace_table(&document, "")?;
        assert!(document.contains("cargo xtask bench bundle"));
        Ok(())
    }
}
