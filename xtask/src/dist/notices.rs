//! The licences of the libraries that are inside the command and the bridge: their authors ask for their texts to
//! go along.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::Built;
use crate::tools;

/// The texts, each once, with the libraries it is from.
pub fn of(built: &[Built]) -> anyhow::Result<String> {
    let mut licences = BTreeMap::new();
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for built in built {
        let metadata = metadata(built.target.triple())?;
        for package in linked(&metadata)? {
            let name = format!("{} {}", text(package, "name")?, text(package, "version")?);
            let folder =
                Path::new(text(package, "manifest_path")?).parent().context("a manifest lies in a folder")?;
            for words in texts_in(folder)? {
                texts.entry(words).or_default().insert(name.clone());
            }
            licences.insert(name, package["license"].as_str().unwrap_or("see its text below").to_owned());
        }
    }
    let mut notices = "Holdall and its bridge contain these libraries, and the standard library of Rust\n\
                       (MIT OR Apache-2.0). The texts of their licences follow.\n\n"
        .to_owned();
    for (name, licence) in licences {
        notices.push_str(&format!("{name}: {licence}\n"));
    }
    for (words, names) in texts {
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        notices.push_str(&format!("\n{}\n{names}\n\n{}\n", "-".repeat(72), words.trim_end()));
    }
    Ok(notices)
}

fn metadata(triple: &str) -> anyhow::Result<Value> {
    let output = tools::cargo()
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", triple])
        .output()?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Packages of this repository that nobody is handed.
const CHORES: [&str; 2] = ["xtask", "holdall-lab-iis"];

/// The packages that are linked into the command or the bridge, without these two.
fn linked(metadata: &Value) -> anyhow::Result<Vec<&Value>> {
    let packages = list(metadata, "packages")?;
    let nodes = list(&metadata["resolve"], "nodes")?;
    let of_workspace =
        |id: &Value| list(metadata, "workspace_members").is_ok_and(|members| members.contains(id));
    let mut waiting: Vec<&Value> = packages
        .iter()
        .filter(|package| {
            of_workspace(&package["id"]) && !CHORES.contains(&package["name"].as_str().unwrap_or(""))
        })
        .map(|package| &package["id"])
        .collect();
    let mut seen = Vec::new();
    while let Some(id) = waiting.pop() {
        if seen.contains(&id) {
            continue;
        }
        seen.push(id);
        let node = nodes.iter().find(|node| &node["id"] == id).context("cargo metadata lacks a node")?;
        for dependency in list(node, "deps")? {
            // `null` is the kind of what is linked; the others are for builds and tests.
            if list(dependency, "dep_kinds")?.iter().any(|kind| kind["kind"].is_null()) {
                waiting.push(&dependency["pkg"]);
            }
        }
    }
    let linked = |package: &&Value| seen.contains(&&package["id"]) && !of_workspace(&package["id"]);
    Ok(packages.iter().filter(linked).collect())
}

/// The licences and notices at the top of a package.
fn texts_in(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut texts = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_ascii_uppercase();
        let fits = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"]
            .iter()
            .any(|start| name.starts_with(start));
        if fits && entry.file_type()?.is_file() {
            texts.push(String::from_utf8_lossy(&fs_err::read(entry.path())?).replace("\r\n", "\n"));
        }
    }
    Ok(texts)
}

fn list<'a>(value: &'a Value, key: &str) -> anyhow::Result<&'a Vec<Value>> {
    value[key].as_array().with_context(|| format!("cargo metadata has no list `{key}`"))
}

fn text<'a>(value: &'a Value, key: &str) -> anyhow::Result<&'a str> {
    value[key].as_str().with_context(|| format!("cargo metadata has no text `{key}`"))
}
