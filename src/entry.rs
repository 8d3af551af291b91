//! The names of files inside a bundle. A name that a server could not hold, or that would leave the
//! folder it is expanded into, cannot be built.

use std::collections::{BTreeMap, btree_map};
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use unicode_normalization::{UnicodeNormalization as _, is_nfc};

use crate::target::Target;

/// A relative, `/`-separated, NFC path that stays inside its folder and that the target can hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct EntryPath(String);

/// Why a name cannot stand in a bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum EntryPathError {
    #[error("the entry name `{}` leaves the folder of the bundle or is absolute", .0.escape_debug())]
    #[diagnostic(help("an archive with such a name is broken or hostile: do not use it"))]
    Outside(String),
    #[error("the entry name `{}` is malformed", .0.escape_debug())]
    #[diagnostic(help(
        "names are relative, `/`-separated, in Unicode form NFC, with no empty part, 4096 bytes at most"
    ))]
    Malformed(String),
    #[error("Windows cannot hold a file named `{}`", .0.escape_debug())]
    #[diagnostic(help(
        "rename it: no reserved name (con, aux, nul, com1…), no trailing dot or space, none of <>:\"|?*"
    ))]
    NotOnWindows(String),
    #[error("`{first}` and `{second}` are one file on Windows")]
    #[diagnostic(help("Windows ignores case in names: rename or exclude one of the two"))]
    SameOnWindows { first: EntryPath, second: EntryPath },
    #[error("`{0}` occurs twice")]
    #[diagnostic(help("two inputs give the same file: exclude one of them"))]
    Duplicate(EntryPath),
    #[error("`{file}` is a file, and `{below}` needs it to be a folder")]
    #[diagnostic(help("two inputs disagree: exclude one of them"))]
    FileAndFolder { file: EntryPath, below: EntryPath },
}

/// The longest path that Linux takes, in bytes; a zip has 16 bits for it.
const LONGEST: usize = 4096;

impl EntryPath {
    /// Checks a name as it stands in an archive for `target`.
    pub fn parse(raw: &str, target: Target) -> Result<EntryPath, EntryPathError> {
        let drive = raw.as_bytes().get(1) == Some(&b':') && raw.as_bytes()[0].is_ascii_alphabetic();
        if raw.starts_with(['/', '\\']) || drive || raw.split(['/', '\\']).any(|part| part == "..") {
            return Err(EntryPathError::Outside(raw.to_owned()));
        }
        let part_is_wrong = |part: &str| part.is_empty() || part == ".";
        if raw.len() > LONGEST
            || raw.contains(['\0', '\\'])
            || raw.split('/').any(part_is_wrong)
            || !is_nfc(raw)
        {
            return Err(EntryPathError::Malformed(raw.to_owned()));
        }
        if target.is_windows() && !raw.split('/').all(windows_holds) {
            return Err(EntryPathError::NotOnWindows(raw.to_owned()));
        }
        Ok(EntryPath(raw.to_owned()))
    }

    /// Builds a name from a path on this machine's disk, given relative to the folder it will stand for.
    ///
    /// The name is brought into NFC. Fails for a name that is not Unicode, as for any other bad name.
    pub fn from_relative(path: &Path, target: Target) -> Result<EntryPath, EntryPathError> {
        let mut parts = Vec::new();
        for part in path.components() {
            match part {
                std::path::Component::Normal(part) => match part.to_str() {
                    Some(part) => parts.push(part.nfc().collect::<String>()),
                    None => return Err(EntryPathError::Malformed(path.to_string_lossy().into_owned())),
                },
                _ => return Err(EntryPathError::Outside(path.to_string_lossy().into_owned())),
            }
        }
        EntryPath::parse(&parts.join("/"), target)
    }

    /// This name followed by `rest`, checked as a whole.
    pub fn join(&self, rest: &str, target: Target) -> Result<EntryPath, EntryPathError> {
        EntryPath::parse(&format!("{self}/{rest}"), target)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where this entry lies below `folder`, with the separators of this machine.
    pub fn below(&self, folder: &Path) -> PathBuf {
        self.0.split('/').fold(folder.to_owned(), |path, part| path.join(part))
    }

    /// Length as Windows counts it, in UTF-16 units.
    pub fn utf16_len(&self) -> u32 {
        self.0.encode_utf16().count() as u32
    }

    /// The folders above this entry, nearest last: `a/b/c` has `a` and `a/b`.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').map(|(at, _)| &self.0[..at])
    }
}

impl fmt::Display for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for EntryPath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Whether Windows can hold a file or folder of this name, and hold it under just this name.
///
/// <https://learn.microsoft.com/windows/win32/fileio/naming-a-file>
fn windows_holds(part: &str) -> bool {
    // Windows drops a trailing dot or space, so two entries could land on one file.
    if part.ends_with(['.', ' ']) || part.contains(|c: char| c < ' ' || "<>:\"|?*\\".contains(c)) {
        return false;
    }
    // A device name counts whatever its extension: `con.txt` opens the console.
    let stem = part.split('.').next().unwrap_or(part).trim_end_matches(' ').to_ascii_lowercase();
    let device = |prefix: &str| {
        stem.strip_prefix(prefix).is_some_and(|rest| {
            matches!(rest, "¹" | "²" | "³") || (rest.len() == 1 && rest.as_bytes()[0].is_ascii_digit())
        })
    };
    !matches!(stem.as_str(), "con" | "prn" | "aux" | "nul" | "conin$" | "conout$")
        && !device("com")
        && !device("lpt")
}

/// Checks a whole set of names: no name twice, no file that is also a folder and, for Windows, no two
/// names that differ in case alone.
pub fn check_set<'a>(
    paths: impl IntoIterator<Item = &'a EntryPath>,
    target: Target,
) -> Result<(), EntryPathError> {
    let mut files: BTreeMap<String, &EntryPath> = BTreeMap::new();
    for path in paths {
        match files.entry(folded(path.as_str(), target)) {
            btree_map::Entry::Vacant(slot) => {
                slot.insert(path);
            }
            btree_map::Entry::Occupied(taken) if *taken.get() == path => {
                return Err(EntryPathError::Duplicate(path.clone()));
            }
            btree_map::Entry::Occupied(taken) => {
                return Err(EntryPathError::SameOnWindows {
                    first: (*taken.get()).clone(),
                    second: path.clone(),
                });
            }
        }
    }
    for (name, path) in &files {
        for (at, _) in name.match_indices('/') {
            if let Some(file) = files.get(&name[..at]) {
                return Err(EntryPathError::FileAndFolder { file: (*file).clone(), below: (*path).clone() });
            }
        }
    }
    Ok(())
}

/// The name by which the target tells files apart. NTFS folds each character by itself to upper case.
fn folded(name: &str, target: Target) -> String {
    if !target.is_windows() {
        return name.to_owned();
    }
    name.chars()
        .map(|c| {
            let mut upper = c.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(single), None) => single,
                _ => c,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const WINDOWS: Target = Target::WindowsX86_64;
    const LINUX: Target = Target::LinuxX86_64;

    #[track_caller]
    fn refused(raw: &str, target: Target) {
        assert!(EntryPath::parse(raw, target).is_err(), "{raw:?} was accepted for {target}");
    }

    #[track_caller]
    fn accepted(raw: &str, target: Target) {
        assert_eq!(EntryPath::parse(raw, target).unwrap().as_str(), raw);
    }

    #[test]
    fn a_name_that_leaves_its_folder_is_refused_everywhere() {
        for raw in ["../x", "a/../../x", "/etc/passwd", "\\x", "C:\\x", "c:x", "a\\..\\x", "..", ""] {
            refused(raw, WINDOWS);
            refused(raw, LINUX);
        }
    }

    #[test]
    fn a_malformed_name_is_refused_everywhere() {
        for raw in ["a//b", "./a", "a/.", "a/", "a\0b", "a\\b", "u\u{308}.txt"] {
            refused(raw, WINDOWS);
            refused(raw, LINUX);
        }
    }

    #[test]
    fn what_windows_cannot_hold_is_refused_for_windows_only() {
        for raw in
            ["con.txt", "a/AUX", "nul", "com1.log", "lpt³", "a.", "a ", "a?b", "ab:c", "a\u{1}b", "conin$"]
        {
            refused(raw, WINDOWS);
            accepted(raw, LINUX);
        }
        for raw in ["console.txt", "com10", "grüße.txt", ".env", "a b", "lpt.txt", "com"] {
            accepted(raw, WINDOWS);
        }
    }

    #[track_caller]
    fn set(names: &[&str], target: Target) -> Result<(), EntryPathError> {
        let paths: Vec<_> = names.iter().map(|name| EntryPath::parse(name, target).unwrap()).collect();
        check_set(&paths, target)
    }

    #[test]
    fn names_that_differ_in_case_alone_clash_on_windows() {
        assert!(matches!(set(&["A.py", "a.py"], WINDOWS), Err(EntryPathError::SameOnWindows { .. })));
        assert_eq!(set(&["A.py", "a.py"], LINUX), Ok(()));
        assert_eq!(set(&["straße", "strasse"], WINDOWS), Ok(()));
    }

    #[test]
    fn a_file_cannot_be_a_folder_too() {
        assert!(matches!(set(&["a", "a/b"], LINUX), Err(EntryPathError::FileAndFolder { .. })));
        assert!(matches!(set(&["A", "a/b"], WINDOWS), Err(EntryPathError::FileAndFolder { .. })));
        assert!(matches!(set(&["a", "a"], LINUX), Err(EntryPathError::Duplicate(_))));
        assert_eq!(set(&["a-b", "a/b", "ab"], LINUX), Ok(()));
    }

    #[test]
    fn a_name_from_disk_is_brought_into_nfc() {
        let path = EntryPath::from_relative(Path::new("u\u{308}.txt"), LINUX).unwrap();
        assert_eq!(path.as_str(), "\u{fc}.txt");
    }
}
