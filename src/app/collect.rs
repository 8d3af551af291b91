//! The static files of a project, as the web server will find them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::AppError;
use super::python::Failure;
use super::static_url::StaticPlace;
use super::survey::{Gathered, SiteFacts};
use super::{Input, StaticChoice, gzip, tree};
use crate::layer::{Content, Source};
use crate::progress::{Notice, Progress, Stage, Unit};

/// The static files of a bundle.
#[derive(Debug, Clone, Default)]
pub struct Collected {
    /// Sorted by path.
    pub sources: Vec<Source>,
    /// The folder of the static files below the web root (`www/static`), if the bundle serves them.
    pub static_root: Option<String>,
    pub notices: Vec<Notice>,
}

/// Lists the static files: those that collectstatic has written, or those that lie ready.
pub fn collect(input: &Input<'_>, facts: &SiteFacts, progress: &dyn Progress) -> Result<Collected, AppError> {
    let Some(place) = &facts.static_files.place else {
        return Ok(Collected::default());
    };
    progress.begin(Stage::Static, 0, Unit::Files);
    let folder = match input.static_files {
        StaticChoice::Prebuilt(folder) => prebuilt(input, folder),
        _ => written(&facts.static_files.gathered),
    };
    let collected = folder.and_then(|folder| listed(input, place, &folder));
    if let Ok(collected) = &collected {
        progress.advance(Stage::Static, collected.sources.len() as u64);
    }
    progress.end(Stage::Static);
    collected
}

fn prebuilt(input: &Input<'_>, folder: &Path) -> Result<PathBuf, AppError> {
    let folder = input.root.join(folder);
    if folder.is_dir() { Ok(folder) } else { Err(AppError::NoPrebuilt { folder }) }
}

/// The folder that collectstatic has filled.
fn written(gathered: &Gathered) -> Result<PathBuf, AppError> {
    if let Some(failure) = &gathered.failure {
        return Err(not_collected(failure, &gathered.said));
    }
    let files = tree::files(&gathered.folder, false, &everything())?;
    gzip::normalise(&files).map_err(AppError::Scratch)?;
    Ok(gathered.folder.clone())
}

fn listed(input: &Input<'_>, place: &StaticPlace, folder: &Path) -> Result<Collected, AppError> {
    let mut sources = Vec::new();
    for (relative, disk) in tree::files(folder, false, &everything())? {
        let wrong = |source| AppError::Name { path: disk.clone(), source };
        let path = Path::new(place.folder().as_str()).join(relative);
        let path = crate::entry::EntryPath::from_relative(&path, input.target).map_err(wrong)?;
        sources.push(Source { path, content: Content::File(disk), executable: false });
    }
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    let (static_root, notices) = match place {
        StaticPlace::Web(folder) => (Some(folder.to_string()), Vec::new()),
        StaticPlace::Elsewhere(folder) => {
            let notice = Notice {
                what: format!(
                    "STATIC_URL is on another server: the static files stand in `{folder}/` of the bundle and are not served"
                ),
                help: "copy that folder to the server behind STATIC_URL when you release".to_owned(),
            };
            (None, vec![notice])
        }
    };
    Ok(Collected { sources, static_root, notices })
}

fn everything() -> tree::Wanted {
    Arc::new(|_, _, _| true)
}

/// The error for a collectstatic that failed, with the file it was at.
fn not_collected(failure: &Failure, said: &str) -> AppError {
    // Django names the file on standard error: Post-processing 'css/site.css' failed!
    let file = said.split_once("Post-processing '").and_then(|(_, rest)| rest.split_once("' failed!"));
    let file = file.map(|(file, _)| file.to_owned());
    let first = match (&file, missing_file(&failure.message)) {
        (Some(file), Some(missing)) => {
            format!(
                "`{file}` refers to `{missing}`, which no folder of static files has: add it, or correct the reference"
            )
        }
        (Some(file), None) => format!("correct `{file}`"),
        (None, _) => "run the project's own `manage.py collectstatic` to see more".to_owned(),
    };
    let help = format!(
        "- {first}\n- name other settings for bundling: `settings = \"…\"` under `[build]` in holdall.toml\n- or bundle files that you collect yourself: `static = \"prebuilt/\"`, or none: `static = false`"
    );
    AppError::Collect { file, help, source: failure.traceback() }
}

/// The file in Django's "The file 'img/none.png' could not be found with <...>."
fn missing_file(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("The file '")?;
    let (file, rest) = rest.split_once('\'')?;
    rest.starts_with(" could not be found").then_some(file)
}
