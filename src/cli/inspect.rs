//! `holdall inspect`: what a bundle is, for whom, what it needs, and what is inside by size.

use std::cmp::Reverse;
use std::path::PathBuf;

use serde::Serialize;

use super::Output;
use super::opened::{Opened, Signed};
use super::output::{printable, size};
use crate::Error;
use crate::digest::Sha256;
use crate::manifest::{LayerEntry, Manifest};
use crate::signature::Trust;

const AFTER: &str = "\
Examples:
  holdall inspect dist/shop-2.4-windows-x86_64.zip
  holdall inspect --format json dist/shop-2.4-windows-x86_64.zip

Exit codes:
  0  printed
  1  it cannot be read, or is no bundle
  2  wrong usage";

/// Say what a bundle, or the folder it was expanded into, is, needs and holds
///
/// Prints its identity, target, versions, the environment variables that the site needs, what it writes and where
/// that goes, and what is inside by size. Only the manifest and the indexes are checked: `holdall verify` reads all.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The bundle or folder
    #[arg(value_name = "BUNDLE|FOLDER")]
    path: PathBuf,
}

#[derive(Serialize)]
struct Inspected<'a> {
    path: String,
    identity: Sha256,
    /// Length of the bundle's file; absent for a folder.
    length: Option<u64>,
    files: u64,
    size: u64,
    packed: u64,
    /// Not checked here; `null` when there is none.
    signature: Option<Signed>,
    manifest: &'a Manifest,
}

pub fn run(args: Args, output: &Output) -> Result<(), Error> {
    let opened = Opened::open(&args.path, &Trust::default())?;
    let manifest = opened.manifest();
    let inspected = Inspected {
        path: args.path.display().to_string(),
        identity: opened.identity(),
        length: match &opened {
            Opened::Bundle(bundle) => Some(bundle.length()),
            Opened::Release(_) => None,
        },
        files: opened.files(),
        size: manifest.layers.iter().map(|layer| layer.size).sum(),
        packed: manifest.layers.iter().map(|layer| layer.length).sum(),
        signature: opened.signed(),
        manifest,
    };
    if output.is_json() {
        output.json(&inspected);
    } else {
        output.line(printable(text(&inspected).trim_end()));
    }
    Ok(())
}

fn text(inspected: &Inspected<'_>) -> String {
    let manifest = inspected.manifest;
    let title = format!("{} {} for {}\n\n", manifest.name, manifest.version, manifest.target);
    let facts = facts(inspected)
        .into_iter()
        .map(|(name, value)| format!("  {name:<13}{}\n", value.replace('\n', "\n               ")));
    let table = table(inspected);
    title + &facts.collect::<String>() + "\n" + &table
}

fn signature(signed: Option<&Signed>) -> String {
    match signed {
        None => "none".to_owned(),
        Some(Signed { key: Some(key), .. }) => {
            format!("by the key {key}, not checked: `holdall verify --trust KEY` does")
        }
        Some(Signed { flaw, .. }) => flaw.clone().unwrap_or_default(),
    }
}

fn facts(inspected: &Inspected<'_>) -> Vec<(&'static str, String)> {
    let manifest = inspected.manifest;
    let or_none = |names: &[String]| match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    };
    let mut facts = vec![
        ("identity", inspected.identity.to_string()),
        (
            "file",
            match inspected.length {
                Some(length) => format!("{} ({})", inspected.path, size(length)),
                None => format!("{} (expanded)", inspected.path),
            },
        ),
        ("signature", signature(inspected.signature.as_ref())),
        ("Python", manifest.python.version.to_string()),
        (
            "bytecode",
            match manifest.bytecode {
                Some(version) => format!("compiled by CPython {version}"),
                None => "none".to_owned(),
            },
        ),
        ("Django", manifest.django.version.clone()),
        ("settings", manifest.django.settings.clone()),
        ("application", manifest.django.wsgi.clone()),
        (
            "portable",
            match manifest.portable {
                true => "yes".to_owned(),
                false => "no: its Python was taken from the machine that made it".to_owned(),
            },
        ),
        ("environment", or_none(&manifest.site.environment)),
        ("services", or_none(&services(manifest))),
    ];
    let written = manifest.site.paths.iter().map(|(inside, shared)| format!("{inside} -> shared/{shared}"));
    let written = written.collect::<Vec<_>>();
    facts.push(("writes", if written.is_empty() { "nothing".to_owned() } else { written.join("\n") }));
    if let Some(glibc) = &manifest.glibc {
        facts.push(("needs", format!("glibc {glibc} or newer")));
    }
    if let Some(commit) = &manifest.commit {
        facts.push(("commit", commit.clone()));
    }
    facts.push(("longest path", format!("{} characters", manifest.longest_path)));
    facts
}

/// Each with what it runs, and when.
fn services(manifest: &Manifest) -> Vec<String> {
    let said = manifest.site.services.iter().map(|service| match &service.schedule {
        Some(schedule) => format!("{} ({schedule})", service.name),
        None if service.instances > 1 => format!("{} x {}", service.name, service.instances),
        None => service.name.to_string(),
    });
    said.collect()
}

/// The layers, the largest first, and their sum.
fn table(inspected: &Inspected<'_>) -> String {
    let mut layers: Vec<&LayerEntry> = inspected.manifest.layers.iter().collect();
    layers.sort_by_key(|layer| (Reverse(layer.size), layer.kind, &layer.name));
    let mut rows = vec![["kind", "name", "files", "size", "packed"].map(str::to_owned)];
    rows.extend(layers.iter().map(|layer| {
        [
            layer.kind.to_string(),
            layer.name.clone(),
            layer.entries.to_string(),
            size(layer.size),
            size(layer.length),
        ]
    }));
    rows.push([
        "total".to_owned(),
        String::new(),
        inspected.files.to_string(),
        size(inspected.size),
        size(inspected.packed),
    ]);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [0, 1, 2, 3, 4].map(width);
    let line = |row: &[String; 5]| {
        format!(
            "  {:<a$}  {:<b$}  {:>c$}  {:>d$}  {:>e$}\n",
            row[0],
            row[1],
            row[2],
            row[3],
            row[4],
            a = widths[0],
            b = widths[1],
            c = widths[2],
            d = widths[3],
            e = widths[4]
        )
    };
    rows.iter().map(line).collect()
}
