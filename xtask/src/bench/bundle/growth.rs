//! Cost grows linearly: the same tree once, twice and four times over.

use std::path::Path;

use super::ours::Known;
use super::report::Grown;
use super::{Stand, empty, remove};
use crate::tools;

const TIMES: [usize; 3] = [1, 2, 4];
const ROUNDS: usize = 2;

/// What the settings import, and nothing more: the rest of the tree are the project's own files.
const PACKAGES: &str = "django==5.2.19\ndjangorestframework==3.18.3\nasgiref==3.13.0\nsqlparse==0.6.1\npsycopg==3.3.9\npsycopg-binary==3.3.9\ntyping-extensions==4.16.0\n";

pub fn measure(stand: &Stand) -> anyhow::Result<Vec<Grown>> {
    let folder = stand.folder.join("grown");
    let mut grown: Vec<Grown> =
        TIMES.iter().map(|times| Grown { times: *times, ..Grown::default() }).collect();
    for row in &mut grown {
        let project = super::Project::write(&empty(&folder.join("project"))?)?;
        fs_err::write(project.folder.join("requirements.txt"), PACKAGES)?;
        fs_err::write(project.folder.join("holdall.toml"), "[build]\nstatic = false\n")?;
        for copy in 1..=row.times {
            tools::step(&format!("copy the tree: {copy} of {}", row.times));
            let tree = stand.release.join("python");
            copy_as_other_files(&tree, &project.folder.join(format!("copies/{copy}")), copy)?;
        }
        let out = folder.join("out");
        // Everything but the project's own files is known from here on.
        stand.holdall.bundle(&project.folder, &out)?;
        for round in 1..=ROUNDS {
            tools::step(&format!(
                "round {round} of {ROUNDS}: bundle and expand the tree {} times",
                row.times
            ));
            stand.holdall.forget_all_but(Known::Environment)?;
            let first = stand.holdall.bundle(&project.folder, &out)?;
            row.bytes = first.content;
            row.peak = row.peak.max(first.run.peak);
            row.first.push(first.packing());
            let again = stand.holdall.bundle(&project.folder, &out)?;
            row.again.push(again.packing());
            let expanded = folder.join("expanded");
            row.expand.push(stand.holdall.expand(&again.path, &expanded)?.seconds);
            row.files = super::report::Tree::of(&expanded)?.files;
            remove(&expanded)?;
        }
        remove(&folder)?;
    }
    Ok(grown)
}

/// Copies a tree; a line at each file's end makes it one that no cache has seen.
fn copy_as_other_files(from: &Path, to: &Path, copy: usize) -> anyhow::Result<()> {
    fs_err::create_dir_all(to)?;
    for entry in fs_err::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.metadata()?.is_dir() {
            copy_as_other_files(&entry.path(), &to, copy)?;
        } else {
            let mut bytes = fs_err::read(entry.path())?;
            bytes.extend(format!("\n# copy {copy}\n").bytes());
            fs_err::write(to, bytes)?;
        }
    }
    Ok(())
}
