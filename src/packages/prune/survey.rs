//! Reads what modules mention: those of the project, and those of a wheel, which are read once, for the cache keeps it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use super::mentions::{Interest, Mentions, mentions};
use super::{Candidates, Prunings, Surveyed};
use crate::cache::{self, Cache, write_whole};
use crate::digest::{Hasher, Sha256};
use crate::layer::Source;
use crate::packages::error::PackagesError;
use crate::packages::wheel::Mapped;
use crate::recipe::Pruning;

/// The cache folder of what was found.
const FOLDER: &str = cache::MENTIONS;

/// Changes whenever the same text would be found to mention something else.
const SEARCH: &str = "mentions 3";

impl Prunings {
    /// Keeps what the project's own modules mention, as its settings do in INSTALLED_APPS; its tests do not count.
    pub fn heed(&mut self, project: &[Source]) {
        let rules: Vec<&Pruning> = self.for_any().collect();
        let names: Vec<&str> = project.iter().map(|source| source.path.as_str()).collect();
        let tests = Candidates::of(&names, &rules);
        let interest = self.interest();
        let mut found = Mentions::default();
        for (number, source) in project.iter().enumerate() {
            if !source.path.as_str().ends_with(".py") || tests.part(number).is_some() {
                continue;
            }
            // A file that cannot be read is told of when it is packed.
            let bytes = source.content.read().unwrap_or_default();
            found.add(mentions(names[number], &String::from_utf8_lossy(&bytes), &interest));
        }
        self.project = found;
    }
}

/// What the modules of one wheel mention, found in the cache if it was looked for before.
pub(in crate::packages) fn survey<'a>(
    mapped: &Mapped,
    candidates: Candidates<'a>,
    interest: &Interest,
    cache: &Cache,
) -> Result<Surveyed<'a>, PackagesError> {
    let file = cache.folder(FOLDER)?.join(format!("{}.json", key(mapped, &candidates, interest)));
    let mentions = match kept(&file) {
        Some(mentions) => {
            cache::used(&file);
            mentions
        }
        None => {
            let mentions = search(mapped, &candidates, interest)?;
            let json = serde_json::to_string(&mentions).expect("texts by texts");
            write_whole(&file, |file| write!(file, "{}\n{json}", Sha256::of(&json)))?;
            mentions
        }
    };
    Ok(Surveyed { candidates, mentions })
}

/// All that decides about what is found.
fn key(mapped: &Mapped, candidates: &Candidates<'_>, interest: &Interest) -> Sha256 {
    let mut hasher = Hasher::default();
    hasher.update(SEARCH);
    hasher.update(mapped.wheel.locked.sha256.as_bytes());
    hasher.update(format!("{interest:?}"));
    for (number, file) in mapped.files.iter().enumerate() {
        if let Some(part) = candidates.part(number) {
            hasher.update(format!("{}\n{part}\n", file.name));
        }
        if candidates.overlooks(&file.name) {
            hasher.update(format!("{}\n\n", file.name));
        }
    }
    hasher.finish()
}

/// What the cache has, if it is whole.
fn kept(file: &Path) -> Option<BTreeMap<String, Mentions>> {
    let text = fs_err::read_to_string(file).ok()?;
    let (sha256, json) = text.split_once('\n')?;
    (Sha256::of(json) == sha256.parse().ok()?).then(|| serde_json::from_str(json).ok())?
}

fn search(
    mapped: &Mapped,
    candidates: &Candidates<'_>,
    interest: &Interest,
) -> Result<BTreeMap<String, Mentions>, PackagesError> {
    let mut found: BTreeMap<String, Mentions> = BTreeMap::new();
    let is_read = |name: &str| {
        let extension = name.rsplit('.').next().unwrap_or_default();
        matches!(extension, "py" | "pyw" | "pth") || name.ends_with(".dist-info/entry_points.txt")
    };
    mapped.read(
        |file| is_read(&file.name),
        |number, bytes| {
            let name = mapped.files[number].name.as_str();
            let source = match candidates.part(number) {
                Some(part) => part,
                None if candidates.overlooks(name) => name,
                None => "",
            };
            let more = mentions(name, &String::from_utf8_lossy(&bytes), interest);
            if more != Mentions::default() {
                found.entry(source.to_owned()).or_default().add(more);
            }
        },
    )?;
    Ok(found)
}
