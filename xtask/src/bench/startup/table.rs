//! The table of benches/startup.md.

use std::fmt::Write as _;

use anyhow::Context as _;

use super::{DOCUMENT, Variant};

/// The marks between which the table stands.
const BEGIN: &str = "<!-- begin: cargo xtask bench startup -->";
const END: &str = "<!-- end: cargo xtask bench startup -->";

/// One row a form, and a column for each thing that was timed.
pub fn table(variants: &[Variant], python: &str) -> String {
    let first = &variants[0];
    let measures: Vec<_> = first.times.keys().copied().collect();
    let rounds = first.times.values().map(Vec::len).max().unwrap_or(0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut table = format!(
        "CPython {python}, {rounds} rounds, {cores} cores; times in milliseconds.\n\n| form | files | MB | code opened |"
    );
    for measure in &measures {
        write!(table, " {measure} |").expect("a text takes all");
    }
    table += "\n| --- | ---: | ---: | ---: |";
    table += &" ---: |".repeat(measures.len());
    for variant in variants {
        let Variant { text, files, size, opened: (times, different), .. } = variant;
        let megabytes = *size as f64 / 1e6;
        write!(table, "\n| {text} | {files} | {megabytes:.1} | {times} ({different} files) |")
            .expect("a text takes all");
        for measure in &measures {
            let cell = cell(&variant.times[measure], &first.times[measure]);
            write!(table, " {cell} |").expect("a text takes all");
        }
    }
    table
}

/// The document with another table between its marks.
pub fn replaced(document: &str, table: &str) -> anyhow::Result<String> {
    let (before, rest) = document.split_once(BEGIN).with_context(|| format!("no `{BEGIN}` in {DOCUMENT}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("no `{END}` in {DOCUMENT}"))?;
    Ok(format!("{before}{BEGIN}\n\n{table}\n\n{END}{after}"))
}

fn median(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    let middle = times.len() / 2;
    if times.len().is_multiple_of(2) {
        f64::midpoint(times[middle - 1], times[middle])
    } else {
        times[middle]
    }
}

fn best(times: &[f64]) -> f64 {
    times.iter().copied().fold(f64::INFINITY, f64::min)
}

/// The fastest round and the median, and how the fastest compares with the first form's.
fn cell(times: &[f64], first: &[f64]) -> String {
    let (best, ratio) = (best(times), best(times) / best(first));
    format!("{:.0}, {:.0} (× {ratio:.2})", best * 1e3, median(times) * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_tells_the_fastest_round_and_the_median() {
        assert_eq!(cell(&[0.3, 0.1, 0.2], &[0.3, 0.1, 0.2]), "100, 200 (× 1.00)");
        assert_eq!(cell(&[2.0, 0.2, 0.3, 0.5], &[0.1, 1.0, 0.1, 0.1]), "200, 400 (× 2.00)");
    }

    #[test]
    fn the_table_goes_between_its_marks() {
        let document = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let expected = format!("before\n{BEGIN}\n\nnew\n\n{END}\nafter\n");
        assert_eq!(replaced(&document, "new").ok(), Some(expected));
        assert!(replaced("no marks", "new").is_err());
    }
}
