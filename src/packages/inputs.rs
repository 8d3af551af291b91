//! What a lock is made from, file by file, as digests of what matters in each: a comment or a line ending more or
//! less, or a tool's settings in `pyproject.toml`, make no lock out of date.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::Value;

use super::committed::{logical_lines, with_included};
use super::error::PackagesError;
use crate::digest::Sha256;
use crate::project::Dependencies;

/// The digests of what was read, by path from the folder of the lock (`../base.txt`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Inputs(pub BTreeMap<String, Sha256>);

impl Inputs {
    pub fn of(dependencies: &Dependencies, folder: &Path) -> Result<Inputs, PackagesError> {
        let files = match dependencies {
            Dependencies::UvLock { lock, project, .. } => uv_lock_files(lock, project),
            Dependencies::PoetryLock { lock, .. } => {
                vec![lock.clone(), lock.with_file_name("pyproject.toml")]
            }
            Dependencies::PipfileLock { lock, .. } => vec![lock.clone(), lock.with_file_name("Pipfile")],
            Dependencies::Pylock(file) | Dependencies::Pyproject { file, .. } => vec![file.clone()],
            Dependencies::Requirements(files) => with_included(files)?,
        };
        let mut inputs = BTreeMap::new();
        for file in files.into_iter().filter(|file| file.is_file()) {
            inputs.insert(relative(&file, folder)?, digest(&file)?);
        }
        Ok(Inputs(inputs))
    }

    /// The first file that is not the same in `now`.
    pub fn difference(&self, now: &Inputs) -> Option<String> {
        let gone = self.0.keys().find(|file| !now.0.contains_key(*file));
        let new = || now.0.keys().find(|file| !self.0.contains_key(*file));
        let other =
            || self.0.iter().find(|(file, digest)| now.0.get(*file) != Some(digest)).map(|(file, _)| file);
        gone.map(|file| format!("it was made from `{file}`, which is not read any more"))
            .or_else(|| new().map(|file| format!("it was made without `{file}`")))
            .or_else(|| other().map(|file| format!("`{file}` has changed since")))
    }
}

/// The files that decide about a `uv.lock`: itself and the `pyproject.toml` of each member of the workspace.
pub(super) fn uv_lock_files(lock: &Path, project: &Path) -> Vec<PathBuf> {
    let folder = lock.parent().unwrap_or(Path::new("."));
    let mut files = vec![lock.to_owned(), folder.join("pyproject.toml"), project.join("pyproject.toml")];
    let table = fs_err::read_to_string(lock).ok().and_then(|text| text.parse::<toml::Table>().ok());
    let packages = table.as_ref().and_then(|table| table.get("package")?.as_array());
    let members = packages.into_iter().flatten().filter_map(member);
    files.extend(members.map(|member| folder.join(member).join("pyproject.toml")));
    let mut seen = std::collections::BTreeSet::new();
    files.retain(|file| seen.insert(plain(file)));
    files
}

/// The folder of a package in a `uv.lock` that is a part of the project itself.
fn member(package: &Value) -> Option<&str> {
    let source = package.get("source")?;
    ["virtual", "editable", "directory"].iter().find_map(|kind| source.get(kind)?.as_str())
}

/// The digest of what matters in a file.
fn digest(file: &Path) -> Result<Sha256, PackagesError> {
    let text = String::from_utf8_lossy(&fs_err::read(file)?).into_owned();
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let toml = || text.trim_start_matches('\u{feff}').parse::<toml::Table>().ok();
    let matters = match name {
        "pyproject.toml" => toml().map(|table| of_pyproject(&table)),
        "uv.lock" => toml().map(of_uv_lock),
        _ if name.ends_with(".toml") => toml().map(|table| table.to_string()),
        _ => Some(logical_lines(&text).iter().map(|line| squeezed(line) + "\n").collect()),
    };
    Ok(Sha256::of(matters.unwrap_or(text)))
}

/// What a `pyproject.toml` says of dependencies, and where uv gets them.
fn of_pyproject(table: &toml::Table) -> String {
    let keys: [&[&str]; 9] = [
        &["project", "dependencies"],
        &["project", "optional-dependencies"],
        &["project", "requires-python"],
        &["dependency-groups"],
        &["tool", "uv"],
        &["tool", "poetry", "dependencies"],
        &["tool", "poetry", "extras"],
        &["tool", "poetry", "group"],
        &["tool", "poetry", "source"],
    ];
    let mut matters = toml::Table::new();
    for key in keys {
        let mut value = table.get(key[0]);
        for part in &key[1..] {
            value = value.and_then(|value| value.get(part));
        }
        if let Some(value) = value {
            matters.insert(key.join("."), value.clone());
        }
    }
    matters.to_string()
}

/// A `uv.lock` without the versions of the project's own parts: those change with each release.
fn of_uv_lock(mut table: toml::Table) -> String {
    let packages = table.get_mut("package").and_then(Value::as_array_mut);
    for package in packages.into_iter().flatten().filter(|package| member(package).is_some()) {
        package.as_table_mut().map(|package| package.remove("version"));
    }
    table.to_string()
}

fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The way from `folder` to `file`, with `/`: it means the same on every machine that has both.
pub(super) fn relative(file: &Path, folder: &Path) -> Result<String, PackagesError> {
    let (file, folder) = (plain(&std::path::absolute(file)?), plain(&std::path::absolute(folder)?));
    let shared = file.components().zip(folder.components()).take_while(|(a, b)| a == b).count();
    if shared == 0 {
        // Another drive: there is no way but the whole one.
        return Ok(file.to_string_lossy().replace('\\', "/"));
    }
    let up = folder.components().skip(shared).map(|_| "..".into());
    let down = file.components().skip(shared).map(|part| part.as_os_str().to_string_lossy());
    Ok(up.chain(down).collect::<Vec<std::borrow::Cow<'_, str>>>().join("/"))
}

/// The same path without `.` and `..`.
pub(super) fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[track_caller]
    fn check(name: &str, first: &str, second: &str, same: bool) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        let of = |text: &str| {
            fs_err::write(&file, text).unwrap();
            digest(&file).unwrap()
        };
        assert_eq!(of(first) == of(second), same, "{first}\n{second}");
    }

    #[test]
    fn only_what_matters_to_packages_changes_the_digest() {
        check("requirements.txt", "a==1\nb\n", "# why\r\na==1   # so\r\n\r\nb\r\n", true);
        check("requirements.txt", "a==1\n", "a==2\n", false);
        let project = "[project]\nname = 'x'\nversion = '1'\ndependencies = ['a']\n";
        check("pyproject.toml", project, &project.replace("'1'", "'2'"), true);
        check("pyproject.toml", project, &format!("{project}[tool.ruff]\nline-length = 3\n"), true);
        check("pyproject.toml", project, &project.replace("'a'", "'b'"), false);
        check("pyproject.toml", project, &format!("{project}[tool.uv]\nindex-url = 'x'\n"), false);
        let lock = "[[package]]\nname = 'x'\nversion = '1'\nsource = { virtual = '.' }\n[[package]]\nname = 'a'\nversion = '7'\n";
        check("uv.lock", lock, &lock.replace("'1'", "'2'"), true);
        check("uv.lock", lock, &lock.replace("'7'", "'8'"), false);
    }

    #[test]
    fn the_way_to_a_file_is_written_with_slashes() {
        let way = |file: &str, folder: &str| relative(Path::new(file), Path::new(folder)).unwrap();
        assert_eq!(way("/a/b/c.txt", "/a/b"), "c.txt");
        assert_eq!(way("/a/x/../c.txt", "/a/b"), "../c.txt");
        assert_eq!(way("/a/wheels/c.whl", "/a/b/d"), "../../wheels/c.whl");
    }
}
