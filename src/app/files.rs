//! Which of the project's files go into a bundle. Looks at names, not into files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::error::AppError;
use super::keep::{self, Why};
use super::survey::SiteFacts;
use super::{APP, Input, StaticChoice, tree};
use crate::layer::{Content, Source};
use crate::progress::Notice;

/// The project's files, as they stand below `app/`.
#[derive(Debug, Clone)]
pub struct AppFiles {
    /// Sorted by path.
    pub sources: Vec<Source>,
    /// What stands in the project and is not bundled, apart from what `.gitignore` files and
    /// `[files] exclude` name.
    pub left_out: Vec<LeftOut>,
    pub notices: Vec<Notice>,
}

/// A file or folder that is not bundled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct LeftOut {
    /// Relative to the project's root, with `/`.
    pub path: String,
    pub why: Why,
}

/// Chooses the project's files.
///
/// `facts` tell of data that the site writes and of collected static files, which are left out too; without
/// them (before the settings were loaded) only names decide. `[files] include` brings back whatever was left
/// out, ignored or not; `[files] exclude` has the last word.
pub fn files(input: &Input<'_>, facts: Option<&SiteFacts>) -> Result<AppFiles, AppError> {
    let exclude = Arc::new(globs("exclude", input.root, input.exclude)?);
    let include = globs("include", input.root, input.include)?;
    let executable = globs("executable", input.root, input.executable)?;
    let left_out = Arc::new(Mutex::new(BTreeSet::new()));

    let wanted: tree::Wanted = {
        let (exclude, left_out, data) = (Arc::clone(&exclude), Arc::clone(&left_out), data(input, facts));
        Arc::new(move |relative, disk, is_folder| {
            // A link to a folder goes by the folder's rules: `.venv` is often one.
            let is_folder = is_folder || disk.is_dir();
            if exclude.matched(relative, is_folder).is_ignore() {
                return false;
            }
            let by_name = if is_folder { keep::folder(relative, disk) } else { keep::file(relative) };
            let why = data.get(relative).copied().or(by_name);
            if let Some(why) = why {
                let path = shown(relative);
                left_out.lock().expect("nobody panics while holding it").insert(LeftOut { path, why });
            }
            why.is_none()
        })
    };
    let mut chosen = tree::files(input.root, true, &wanted)?;
    let mut named_only = BTreeMap::new();
    if !include.is_empty() {
        let include = Arc::new(include);
        let wanted: tree::Wanted = Arc::new(move |relative, _, is_folder| {
            let excluded = exclude.matched(relative, is_folder).is_ignore();
            !excluded && (is_folder || include.matched_path_or_any_parents(relative, false).is_ignore())
        });
        named_only = tree::files(input.root, false, &wanted)?;
    }
    chosen.extend(named_only.clone());

    if !chosen.contains_key(input.manage) {
        return Err(AppError::ManageLeftOut { manage: shown(input.manage) });
    }
    let mut sources = Vec::with_capacity(chosen.len());
    for (relative, disk) in &chosen {
        sources.push(Source {
            path: input.entry(relative)?,
            content: Content::File(disk.clone()),
            executable: executable.matched_path_or_any_parents(relative, false).is_ignore(),
        });
    }
    sources.sort_by(|one, other| one.path.cmp(&other.path));

    let brought_back = |left: &LeftOut| named_only.keys().any(|file| file.starts_with(&left.path));
    let mut left_out: Vec<LeftOut> =
        std::mem::take(&mut *left_out.lock().expect("nobody panics while holding it")).into_iter().collect();
    left_out.retain(|left| !brought_back(left));
    let mut notices = Vec::from_iter(uncompiled(input.root, &chosen));
    notices.extend(left_out.iter().filter(|left| left.why == Why::Key).map(|left| {
        Notice {
            what: format!("`{}` is left out: it may be a private key", left.path),
            help: "if the site needs it and it is no secret, name it under `[files] include` in holdall.toml"
                .to_owned(),
        }
    }));
    Ok(AppFiles { sources, left_out, notices })
}

/// Places of the project that hold data, and static files made from others.
fn data(input: &Input<'_>, facts: Option<&SiteFacts>) -> BTreeMap<PathBuf, Why> {
    let relative = |inside: &str| inside.strip_prefix(APP)?.strip_prefix('/').map(PathBuf::from);
    let mut data = BTreeMap::new();
    if let Some(facts) = facts {
        let places = facts.writable.table.keys();
        data.extend(places.filter_map(|inside| Some((relative(inside)?, Why::Data))));
        let collected = facts.static_files.project_root.as_deref().and_then(relative);
        data.extend(collected.map(|folder| (folder, Why::StaticFiles)));
    }
    if let StaticChoice::Prebuilt(folder) = input.static_files {
        data.insert(folder.components().collect(), Why::StaticFiles);
    }
    data
}

fn globs(key: &'static str, root: &Path, globs: &[String]) -> Result<Gitignore, AppError> {
    let mut builder = GitignoreBuilder::new(root);
    let wrong = |glob: &str| {
        let glob = glob.to_owned();
        move |source| AppError::Glob { key, glob, source }
    };
    for glob in globs {
        builder.add_line(None, glob).map_err(wrong(glob))?;
    }
    builder.build().map_err(wrong(&globs.join("`, `")))
}

/// Translations whose compiled form exists but is left out: Django reads nothing else.
fn uncompiled(root: &Path, chosen: &BTreeMap<PathBuf, PathBuf>) -> Option<Notice> {
    let lost = |file: &&PathBuf| {
        let compiled = file.with_extension("mo");
        file.extension().is_some_and(|extension| extension == "po")
            && !chosen.contains_key(&compiled)
            && root.join(compiled).is_file()
    };
    let mut lost = chosen.keys().filter(lost);
    let first = lost.next()?;
    let more = lost.count();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Some(Notice {
        what: format!(
            "the compiled translations `{}`{more} are left out, because a `.gitignore` file or `[files] exclude` names them",
            shown(&first.with_extension("mo"))
        ),
        help: "the site would not be translated: add `include = [\"*.mo\"]` under `[files]` in holdall.toml"
            .to_owned(),
    })
}

fn shown(relative: &Path) -> String {
    relative.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}
