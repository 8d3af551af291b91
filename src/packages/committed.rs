//! The hashes that a committed lock holds, against which every chosen wheel is held.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::error::PackagesError;
use super::inputs::{plain, relative};
use super::lock::{LockedWheel, normalized};
use super::question::folder_of;
use crate::digest::Sha256;
use crate::python::MinorVersion;
use crate::target::Target;

/// What a committed lock allows: for each package, the digests of its files.
#[derive(Debug)]
pub(super) struct Committed {
    file: PathBuf,
    packages: BTreeMap<String, BTreeSet<Sha256>>,
    /// Digests of files that are named by their place alone (`./wheels/x.whl --hash=…`).
    unnamed: BTreeSet<Sha256>,
}

impl Committed {
    pub fn new(file: &Path) -> Committed {
        Committed { file: file.to_owned(), packages: BTreeMap::new(), unnamed: BTreeSet::new() }
    }

    pub fn add(&mut self, name: &str, sha256: Option<Sha256>) {
        self.packages.entry(name.to_owned()).or_default().extend(sha256);
    }

    pub fn has(&self, name: &str, sha256: Sha256) -> bool {
        let named = self.packages.get(name).is_some_and(|hashes| hashes.contains(&sha256));
        named || self.unnamed.contains(&sha256)
    }

    /// Reads the hashes in requirement files and in the files they include; `file` is what errors name.
    ///
    /// `None` if there is no hash at all: then nothing was locked, and pip's rule is ours.
    pub fn of_requirements(files: &[PathBuf], file: &Path) -> Result<Option<Committed>, PackagesError> {
        let mut committed = Committed::new(file);
        let mut seen = BTreeSet::new();
        let mut waiting: Vec<PathBuf> = files.to_vec();
        let mut any = false;
        while let Some(path) = waiting.pop() {
            // Files that include each other by different spellings of one path must come to an end.
            if !seen.insert(fs_err::canonicalize(&path)?) {
                continue;
            }
            let text = String::from_utf8_lossy(&fs_err::read(&path)?).into_owned();
            for line in logical_lines(&text) {
                if let Some(included) = included(&line, INCLUDES) {
                    waiting.extend(place_of(included, &path));
                    continue;
                }
                let hashes = hashes(&line);
                any |= !hashes.is_empty();
                match name_of(&line) {
                    Some(name) => committed.packages.entry(name).or_default().extend(hashes),
                    None => committed.unnamed.extend(hashes),
                }
            }
        }
        Ok(any.then_some(committed))
    }

    /// Checks that the lock knows all of `wheels`, first by name, then by hash.
    pub fn check(
        &self,
        wheels: &[LockedWheel],
        target: Target,
        minor: MinorVersion,
    ) -> Result<(), PackagesError> {
        self.check_names(wheels, target, minor)?;
        self.check_hashes(&wheels.iter().collect::<Vec<_>>(), target, minor)
    }

    /// The same where a lock is made, which will fix the hashes of the developer's own wheels: those in `folders`, and
    /// those on this machine of which there is no hash. Their names suffice.
    pub fn check_for_lock(
        &self,
        wheels: &[LockedWheel],
        folders: &[PathBuf],
        target: Target,
        minor: MinorVersion,
    ) -> Result<(), PackagesError> {
        self.check_names(wheels, target, minor)?;
        let is_own = |wheel: &LockedWheel| {
            let named = |folder: &Path| folders.iter().any(|named| plain(named) == folder);
            wheel.folder().is_some_and(|folder| named(folder) || self.is_bare(wheel))
        };
        let others: Vec<_> = wheels.iter().filter(|wheel| !is_own(wheel)).collect();
        self.check_hashes(&others, target, minor)
    }

    fn check_names(
        &self,
        wheels: &[LockedWheel],
        target: Target,
        minor: MinorVersion,
    ) -> Result<(), PackagesError> {
        let known = |wheel: &&LockedWheel| {
            self.packages.contains_key(&wheel.name) || self.unnamed.contains(&wheel.sha256)
        };
        let unknown = wheels.iter().filter(|wheel| !known(wheel));
        let unknown: Vec<String> = unknown.map(|wheel| wheel.name.clone()).collect();
        if !unknown.is_empty() {
            let file = self.file.clone();
            return Err(PackagesError::Incomplete { packages: unknown, target, minor, file });
        }
        Ok(())
    }

    fn check_hashes(
        &self,
        wheels: &[&LockedWheel],
        target: Target,
        minor: MinorVersion,
    ) -> Result<(), PackagesError> {
        let file = self.file.clone();
        let bare: Vec<_> = wheels.iter().filter(|wheel| self.is_bare(wheel)).collect();
        if let Some(first) = bare.first() {
            let packages = bare.iter().map(|wheel| wheel.name.clone()).collect();
            // uv has none of what `find-links` names, whatever people do.
            let by_uv = file.ends_with("uv.lock") && bare.iter().all(|wheel| wheel.folder().is_some());
            let wheel = first.path().filter(|_| by_uv).map(|wheel| relative(wheel, folder_of(&file)));
            return Err(match wheel.transpose()? {
                Some(wheel) => PackagesError::OwnWithoutHash { packages, wheel, file, target, minor },
                None => PackagesError::NoHash { packages, file },
            });
        }
        let Some(wheel) = wheels.iter().find(|wheel| !self.has(&wheel.name, wheel.sha256)) else {
            return Ok(());
        };
        let (package, version) = (wheel.name.clone(), wheel.version.clone());
        Err(match wheel.folder().map(Path::to_owned) {
            Some(folder) => PackagesError::OwnNotInLock { package, version, folder, file, target, minor },
            None => PackagesError::NotInLock { package, version, target, file },
        })
    }

    /// Whether the lock has no hash at all of the wheel's package.
    fn is_bare(&self, wheel: &LockedWheel) -> bool {
        self.packages.get(&wheel.name).is_some_and(BTreeSet::is_empty)
            && !self.unnamed.contains(&wheel.sha256)
    }
}

/// The URLs of indexes and pages of wheels in requirement files and in the files they include, as they stand there.
/// A file that cannot be read has none: whoever asks for its requirements says so.
pub(super) fn index_urls(files: &[PathBuf]) -> Vec<String> {
    let options = ["--index-url", "--extra-index-url", "--find-links", "-i", "-f"];
    let mut urls = Vec::new();
    let mut seen = BTreeSet::new();
    let mut waiting: Vec<PathBuf> = files.to_vec();
    while let Some(path) = waiting.pop() {
        let Some(path) = fs_err::canonicalize(&path).ok().filter(|path| seen.insert(path.clone())) else {
            continue;
        };
        let text = fs_err::read(&path).unwrap_or_default();
        for line in logical_lines(&String::from_utf8_lossy(&text)) {
            if let Some(included) = included(&line, INCLUDES) {
                waiting.extend(place_of(included, &path));
            }
            let value = options.iter().find_map(|option| line.trim().strip_prefix(option));
            urls.extend(value.map(|value| value.trim_start_matches(['=', ' ', '\t']).trim().to_owned()));
        }
    }
    urls
}

/// The lines of a requirements file: continued ones joined, comments gone.
pub(super) fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for raw in text.trim_start_matches('\u{feff}').lines() {
        let raw = if raw.trim_start().starts_with('#') { "" } else { raw };
        let raw = raw.split(" #").next().unwrap_or_default();
        match raw.trim_end().strip_suffix('\\') {
            Some(continued) => {
                line.push_str(continued);
                line.push(' ');
            }
            None => {
                line.push_str(raw);
                lines.push(std::mem::take(&mut line));
            }
        }
    }
    lines.push(line);
    lines.retain(|line| !line.trim().is_empty());
    lines
}

/// The options by which a requirements file includes another.
const INCLUDES: &[&str] = &["--requirement", "-r"];
const INCLUDES_AND_CONSTRAINTS: &[&str] = &["--requirement", "-r", "--constraint", "-c"];

/// The file that a line includes: `-r other.txt`, `--requirement=other.txt`.
fn included<'a>(line: &'a str, options: &[&str]) -> Option<&'a str> {
    let line = line.trim();
    let rest = options.iter().find_map(|option| line.strip_prefix(option))?;
    let rest = rest.trim_start_matches(['=', ' ', '\t']);
    Some(rest.trim()).filter(|rest| !rest.is_empty())
}

/// Where an included file lies, if it is one of this machine.
fn place_of(included: &str, by: &Path) -> Option<PathBuf> {
    (!included.contains("://")).then(|| by.parent().unwrap_or(Path::new(".")).join(included))
}

/// Requirements files and all files that they include, as requirements or constraints, each once.
pub(super) fn with_included(files: &[PathBuf]) -> Result<Vec<PathBuf>, PackagesError> {
    let mut all = Vec::new();
    let mut seen = BTreeSet::new();
    let mut waiting: Vec<PathBuf> = files.iter().rev().cloned().collect();
    while let Some(path) = waiting.pop() {
        if !seen.insert(fs_err::canonicalize(&path)?) {
            continue;
        }
        let lines = logical_lines(&String::from_utf8_lossy(&fs_err::read(&path)?));
        let included = lines.iter().filter_map(|line| included(line, INCLUDES_AND_CONSTRAINTS));
        waiting.extend(included.filter_map(|included| place_of(included, &path)));
        all.push(path);
    }
    Ok(all)
}

/// What requirements files fix.
#[derive(Debug, Default)]
pub(super) struct Pins {
    /// Names and versions (`name==1.2`).
    pub versions: BTreeSet<(String, String)>,
    /// Whether nothing else is required but what is fixed.
    pub all: bool,
    /// Whether a tool wrote the files, which takes care that nothing is missing.
    pub by_a_tool: bool,
}

impl Pins {
    /// The wheels of packages that no line fixes.
    pub fn missing<'a>(&self, wheels: &'a [LockedWheel]) -> Vec<&'a LockedWheel> {
        let fixed = |wheel: &LockedWheel| self.versions.iter().any(|(name, _)| *name == wheel.name);
        wheels.iter().filter(|wheel| !fixed(wheel)).collect()
    }
}

/// The versions that requirements files fix.
pub(super) fn pins(files: &[PathBuf]) -> Result<Pins, PackagesError> {
    let mut pins = Pins { all: true, ..Pins::default() };
    for file in with_included(files)? {
        let text = String::from_utf8_lossy(&fs_err::read(&file)?).into_owned();
        let tools_word = |line: &str| line.starts_with('#') && line.contains("autogenerated by");
        pins.by_a_tool |= text.lines().take(5).any(tools_word);
        for line in logical_lines(&text) {
            let requirement = line.split([';', '#']).next().unwrap_or_default();
            let version = requirement.split_once("==").map(|(_, version)| version.trim_start_matches('='));
            let version =
                version.and_then(|version| version.split([' ', '\t', ',']).find(|part| !part.is_empty()));
            match (name_of(&line), version.filter(|version| !version.contains('*'))) {
                (Some(name), Some(version)) => {
                    pins.versions.insert((name, version.to_owned()));
                }
                // An option, or the project itself.
                (None, _) => pins.all &= line.trim().starts_with('-'),
                (Some(_), None) => pins.all = false,
            }
        }
    }
    Ok(pins)
}

/// The package that a line requires, if it names one.
fn name_of(line: &str) -> Option<String> {
    let line = line.trim();
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(line.len());
    (!line.starts_with(['-', '.']) && end > 0).then(|| normalized(&line[..end]))
}

fn hashes(line: &str) -> Vec<Sha256> {
    let after = line.split("--hash").skip(1);
    let texts = after.filter_map(|rest| {
        let rest = rest.trim_start_matches(['=', ' ', '\t']).strip_prefix("sha256:")?;
        rest.split_whitespace().next()
    });
    texts.filter_map(|text| text.to_ascii_lowercase().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn digest(of: &str) -> Sha256 {
        Sha256::of(of)
    }

    #[test]
    fn hashes_are_found_on_continued_lines_and_in_included_files() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("requirements.txt");
        fs_err::create_dir(folder.path().join("more")).unwrap();
        let text = format!(
            "-r more/base.txt\r\n# --hash=sha256:{0}\r\nDjango[argon2] == 5.2 ; python_version > '3' \\\r\n    --hash=sha256:{0} \\\r\n    --hash sha256:{1}  # both\r\n",
            digest("a"),
            digest("b").to_string().to_uppercase(),
        );
        fs_err::write(&top, text).unwrap();
        let base = format!("-r ../requirements.txt\nzope.interface==1 --hash=sha256:{}\n", digest("c"));
        fs_err::write(folder.path().join("more/base.txt"), base).unwrap();

        let committed = Committed::of_requirements(std::slice::from_ref(&top), &top);
        let committed = committed.unwrap().unwrap();
        assert!(committed.has("django", digest("a")) && committed.has("django", digest("b")));
        assert!(committed.has("zope-interface", digest("c")) && !committed.has("django", digest("c")));
    }

    #[test]
    fn requirements_without_hashes_lock_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("requirements.txt");
        fs_err::write(&file, "django\n-e ./x\n--extra-index-url https://x.example\n").unwrap();
        assert!(Committed::of_requirements(std::slice::from_ref(&file), &file).unwrap().is_none());
    }
}
