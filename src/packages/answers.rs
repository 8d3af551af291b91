//! Answers of uv that cannot have become others: kept in the cache, so that a bundle after a change of one file
//! asks uv nothing.
//!
//! An answer is kept where the question fixes every version: a lock of any tool, requirements with hashes,
//! or requirements that pin each package of the answer (`==`). What is looser is asked anew each time, since
//! the index may have something newer.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::committed::with_included;
use super::error::PackagesError;
use super::inputs::uv_lock_files;
use super::question::Request;
use super::uv::Uv;
use crate::cache::{self, Cache, write_whole};
use crate::digest::{Hasher, Sha256};
use crate::project::Dependencies;

/// The folder of the cache that holds answers.
const FOLDER: &str = cache::ANSWERS;

/// The kept answer to the question of this key. A damaged one is none.
pub(super) fn find(cache: &Cache, key: Sha256) -> Option<String> {
    let file = cache.root().join(FOLDER).join(format!("{key}.toml"));
    let text = fs_err::read_to_string(&file).ok()?;
    cache::used(&file);
    let (first, answer) = text.split_once('\n')?;
    (first == format!("# {}", Sha256::of(answer))).then(|| answer.to_owned())
}

/// Keeps an answer under its own digest.
pub(super) fn keep(cache: &Cache, key: Sha256, answer: &str) -> Result<(), PackagesError> {
    use std::io::Write as _;
    let file = cache.folder(FOLDER)?.join(format!("{key}.toml"));
    Ok(write_whole(&file, |file| write!(file, "# {}\n{answer}", Sha256::of(answer)))?)
}

/// The digest of all that uv's answer depends on, the state of the index aside.
pub(super) fn key(uv: &Uv, request: &Request<'_>, more: &str) -> Result<Sha256, PackagesError> {
    let mut key = Parts(Hasher::default());
    key.add("answer 1");
    key.add(uv.version.to_string());
    key.add(uv.python.as_os_str().as_encoded_bytes());
    key.add(request.target.as_str());
    key.add(request.minor.to_string());
    key.add(more);
    let folder = std::path::absolute(request.folder())?;
    key.add(folder.as_os_str().as_encoded_bytes());
    let files = match request.dependencies {
        Dependencies::UvLock { lock, project, extras, groups } => {
            key.list(extras);
            key.list(groups);
            uv_lock_files(lock, project)
        }
        Dependencies::PoetryLock { lock, extras, groups } => {
            key.list(extras);
            key.list(groups);
            vec![lock.clone(), lock.with_file_name("pyproject.toml")]
        }
        Dependencies::PipfileLock { lock, categories } => {
            key.list(categories);
            vec![lock.clone(), lock.with_file_name("Pipfile")]
        }
        Dependencies::Pylock(file) => vec![file.clone()],
        Dependencies::Pyproject { file, extras, groups } => {
            key.list(extras);
            key.list(groups);
            vec![file.clone()]
        }
        Dependencies::Requirements(files) => with_included(files)?,
    };
    for file in files.into_iter().chain(settings_files(&folder)) {
        key.file(&file);
    }
    for folder in &request.supply.folders {
        key.folder(folder);
    }
    for (name, value) in settings_variables() {
        key.add(name.as_encoded_bytes());
        key.add(value.as_encoded_bytes());
    }
    Ok(key.0.finish())
}

/// The files in which uv looks for settings, whether they are there or not. In `folder` and above it, the user's,
/// and the system's.
pub(super) fn settings_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in folder.ancestors() {
        files.extend(["uv.toml", "pyproject.toml"].map(|name| folder.join(name)));
    }
    let of = |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    files.extend(of("UV_CONFIG_FILE"));
    if cfg!(windows) {
        let folders = [of("APPDATA"), of("PROGRAMDATA")];
        files.extend(folders.into_iter().flatten().map(|folder| folder.join("uv").join("uv.toml")));
    } else {
        let user = of("XDG_CONFIG_HOME").or_else(|| Some(of("HOME")?.join(".config")));
        let system = [Some("/etc/xdg".into()), Some("/etc".into())];
        let folders = [user].into_iter().chain(system).flatten();
        files.extend(folders.map(|folder: PathBuf| folder.join("uv").join("uv.toml")));
    }
    files
}

/// The environment variables that uv reads, sorted.
fn settings_variables() -> Vec<(std::ffi::OsString, std::ffi::OsString)> {
    let mut variables: Vec<_> =
        std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"UV_")).collect();
    variables.sort();
    variables
}

/// Parts of a key, each with its length, so that no two lists of parts look alike.
struct Parts(Hasher);

impl Parts {
    fn add(&mut self, part: impl AsRef<[u8]>) {
        let part = part.as_ref();
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    fn list(&mut self, parts: &[String]) {
        self.add(parts.len().to_string());
        parts.iter().for_each(|part| self.add(part));
    }

    fn file(&mut self, file: &Path) {
        match fs_err::read(file) {
            Ok(content) => {
                self.add(file.as_os_str().as_encoded_bytes());
                self.add(content);
            }
            Err(_) => self.add("none"),
        }
    }

    /// The names, sizes and times of what lies in a folder.
    fn folder(&mut self, folder: &Path) {
        self.add(folder.as_os_str().as_encoded_bytes());
        let mut seen = BTreeSet::new();
        for entry in fs_err::read_dir(folder).into_iter().flatten().flatten() {
            let about = entry.metadata().ok().map(|about| (about.len(), about.modified().ok()));
            seen.insert(format!("{:?} {about:?}", entry.file_name()));
        }
        seen.iter().for_each(|entry| self.add(entry));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_damaged_answer_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        let key = Sha256::of("question");
        assert_eq!(find(&cache, key), None);
        keep(&cache, key, "lock-version = \"1.0\"\n").unwrap();
        assert_eq!(find(&cache, key).unwrap(), "lock-version = \"1.0\"\n");
        let file = folder.path().join(FOLDER).join(format!("{key}.toml"));
        let text = fs_err::read_to_string(&file).unwrap();
        for damaged in [&text[..text.len() - 3], "", &text.replace("1.0", "1.1")] {
            fs_err::write(&file, damaged).unwrap();
            assert_eq!(find(&cache, key), None);
        }
    }
}
