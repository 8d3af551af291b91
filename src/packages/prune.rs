//! Which files of the wheels a bundle does without: recipes name them, and what the modules that stay mention is kept.
//!
//! Decides on names and mentions alone; [`survey`] reads the wheels.

mod force;
mod mentions;
pub mod survey;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::recipe::Pruning;
pub use force::{InForce, Prunings, Whole};
use mentions::Mentions;

/// What a bundle does without, of one package and for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pruned {
    pub package: String,
    pub what: String,
    pub reason: String,
    pub files: u64,
    /// Sum of the files' sizes in bytes.
    pub bytes: u64,
}

/// What a package does without, a line for each pruning: `sizes` tells for each file its pruning and its size.
pub(super) fn sums<'a>(
    package: &str,
    sizes: impl IntoIterator<Item = (&'a Pruning, Option<u64>)>,
) -> Vec<Pruned> {
    let mut sums: BTreeMap<(&str, &str), (u64, u64)> = BTreeMap::new();
    for (rule, size) in sizes {
        let sum = sums.entry((&rule.what, &rule.reason)).or_default();
        *sum = (sum.0 + 1, sum.1 + size.unwrap_or_default());
    }
    let pruned = |((what, reason), (files, bytes)): ((&str, &str), (u64, u64))| Pruned {
        package: package.to_owned(),
        what: what.to_owned(),
        reason: reason.to_owned(),
        files,
        bytes,
    };
    sums.into_iter().map(pruned).collect()
}

/// What may go of one wheel.
#[derive(Debug, Default)]
pub(super) struct Candidates<'a> {
    /// Sorted by name; each goes or stays as one.
    parts: BTreeMap<String, Part<'a>>,
    /// For each file of the wheel the part that it belongs to.
    of: Vec<Option<String>>,
}

#[derive(Debug)]
struct Part<'a> {
    rule: &'a Pruning,
    /// The dotted name under which it could be imported.
    module: Option<String>,
}

impl<'a> Candidates<'a> {
    /// Holds the names of a wheel's files, relative to site-packages, against the prunings for its package.
    pub fn of(names: &[&str], rules: &[&'a Pruning]) -> Candidates<'a> {
        let all: BTreeSet<&str> = names.iter().copied().collect();
        let mut candidates = Candidates::default();
        for name in names {
            let part = match rules.is_empty() || stays(name) {
                true => None,
                false => rules.iter().find_map(|rule| Some((part(rule, name, &all)?, *rule))),
            };
            candidates.of.push(part.map(|((key, module), rule)| {
                candidates.parts.entry(key.clone()).or_insert(Part { rule, module });
                key
            }));
        }
        candidates
    }

    /// The part that a file belongs to, or nothing.
    pub fn part(&self, file: usize) -> Option<&str> {
        self.of[file].as_deref()
    }

    /// Whether some pruning disregards what this file mentions.
    pub fn overlooks(&self, name: &str) -> bool {
        self.parts.values().any(|part| part.rule.overlook.iter().any(|overlooked| overlooked == name))
    }
}

/// What stays, whatever a pruning says.
fn stays(name: &str) -> bool {
    let top = name.split('/').next().unwrap_or_default();
    let last = name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let extension = last.rsplit('.').next().unwrap_or_default();
    let native = matches!(extension, "pyd" | "dll" | "so" | "dylib" | "exe") || last.contains(".so.");
    let legal = ["license", "licence", "copying", "notice"].iter().any(|word| last.starts_with(word));
    top == ".." || top.ends_with(".dist-info") || native || legal || extension == "pth"
}

/// The part of the wheel that goes with this file by this rule: its key, and its name as a module.
fn part(rule: &Pruning, name: &str, all: &BTreeSet<&str>) -> Option<(String, Option<String>)> {
    if rule.exceptions.iter().any(|pattern| pattern.matches(name)) {
        return None;
    }
    let folders = name.match_indices('/').map(|(at, _)| &name[..at]);
    let holds = |folder: &str| {
        let Some(ending) = &rule.holds else { return true };
        let above = format!("{folder}/");
        let mut below = all.range(above.as_str()..).take_while(|name| name.starts_with(&above));
        below.any(|name| name.ends_with(ending))
    };
    let folder = folders
        .into_iter()
        .find(|folder| rule.folders.iter().any(|pattern| pattern.matches(folder)) && holds(folder));
    if let Some(folder) = folder {
        return Some((folder.to_owned(), Some(folder.replace('/', "."))));
    }
    if !rule.files.iter().any(|pattern| pattern.matches(name)) {
        return None;
    }
    let beside = |(own, other): (&String, &String)| Some(format!("{}{other}", name.strip_suffix(own)?));
    if !rule.beside.is_empty()
        && !rule.beside.iter().filter_map(beside).any(|other| all.contains(other.as_str()))
    {
        return None;
    }
    match name.strip_suffix(".py") {
        Some(module) => {
            let module = module.strip_suffix("/__init__").unwrap_or(module);
            Some((name.to_owned(), Some(module.replace('/', "."))))
        }
        // Nothing imports them: they go together, and need no look at each. No name of a file has a colon.
        None => Some((format!("{}:{}", rule.what, rule.reason), None)),
    }
}

/// What is known of one wheel.
#[derive(Debug)]
pub(super) struct Surveyed<'a> {
    pub candidates: Candidates<'a>,
    /// What its modules mention: those that stay for certain under the empty name, those of a part under its key,
    /// those that some pruning overlooks under their own names.
    pub mentions: BTreeMap<String, Mentions>,
}

/// Decides what goes: for each wheel the numbers of its files, and by which pruning. `project` is what the project
/// mentions.
pub(super) fn decide<'a>(wheels: &[Surveyed<'a>], project: &Mentions) -> Vec<BTreeMap<usize, &'a Pruning>> {
    let mut kept: Vec<BTreeSet<&str>> = vec![BTreeSet::new(); wheels.len()];
    // What stays may mention more that has to stay.
    loop {
        let found: Vec<(usize, &str)> = wheels
            .iter()
            .enumerate()
            .flat_map(|(at, wheel)| {
                wheel.candidates.parts.iter().map(move |(key, part)| (at, key.as_str(), part))
            })
            .filter(|(at, key, _)| !kept[*at].contains(key))
            .filter(|(at, _, part)| is_mentioned(*at, part, wheels, project, &kept))
            .map(|(at, key, _)| (at, key))
            .collect();
        if found.is_empty() {
            break;
        }
        for (at, key) in found {
            kept[at].insert(key);
        }
    }
    let pruned = |(wheel, kept): (&Surveyed<'a>, &BTreeSet<&str>)| {
        let parts = wheel.candidates.of.iter().enumerate();
        let parts = parts.filter_map(|(file, key)| Some((file, key.as_deref()?)));
        let gone = parts.filter(|(_, key)| !kept.contains(key));
        gone.map(|(file, key)| (file, wheel.candidates.parts[key].rule)).collect()
    };
    wheels.iter().zip(&kept).map(pruned).collect()
}

/// Whether anything that stays mentions `part` of the wheel `at`.
fn is_mentioned(
    at: usize,
    part: &Part<'_>,
    wheels: &[Surveyed<'_>],
    project: &Mentions,
    kept: &[BTreeSet<&str>],
) -> bool {
    let by = |found: &Mentions, same_wheel: bool| {
        let named = |module: &String| found.modules.iter().any(|mention| names(mention, module, same_wheel));
        part.module.as_ref().is_some_and(named)
    };
    by(project, false)
        || wheels.iter().enumerate().any(|(from, wheel)| {
            let counts = |source: &str| match wheel.candidates.parts.contains_key(source) {
                true => kept[from].contains(source),
                false => !part.rule.overlook.iter().any(|overlooked| overlooked == source),
            };
            let mentions = wheel.mentions.iter().filter(|(source, _)| counts(source)).map(|(_, found)| found);
            mentions.into_iter().any(|found| {
                let word = from == at && part.rule.unless.iter().any(|word| found.words.contains(word));
                word || by(found, from == at)
            })
        })
}

/// Whether a mention can mean the module or something in it.
fn names(mention: &str, module: &str, same_wheel: bool) -> bool {
    let within = |module: &str| {
        mention.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    match mention.strip_prefix('.') {
        Some(rest) => same_wheel && rest.split('.').any(|part| module.rsplit('.').next() == Some(part)),
        None if within(module) => true,
        // A `.pth` file may put one of the wheel's folders on Python's path.
        None if same_wheel => {
            let inner = module.match_indices('.').map(|(at, _)| &module[at + 1..]);
            inner.filter(|inner| inner.contains('.')).any(within)
        }
        None => false,
    }
}

#[cfg(test)]
mod tests;
