//! The project's own `web.config`, which its configuration names.

use std::path::{Path, PathBuf};

use super::config::Config;
use super::disk;
use super::error::ProjectError;
use crate::progress::Notice;

/// A file that is merged into what Holdall tells IIS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnConfig {
    /// Relative to the project's root.
    pub path: PathBuf,
    /// For people.
    pub shown: String,
    pub text: String,
}

/// What ways to serve a project leave behind: such a file is of no use to Holdall, and no wish.
const OTHERS: [&str; 3] = ["wfastcgi", "httpplatform", "aspnetcore"];

/// Reads the file. One that nobody names is not taken, and that is said.
pub fn find(
    root: &Path,
    folders: &[PathBuf],
    config: &Config,
    notices: &mut Vec<Notice>,
) -> Result<Option<OwnConfig>, ProjectError> {
    if let Some(path) = &config.iis.web_config {
        let file = root.join(path);
        if !file.is_file() {
            return Err(super::missing(root, config, "iis.web-config", path, "file"));
        }
        let text = disk::text(root, &file)?;
        return Ok(Some(OwnConfig { path: path.clone(), shown: disk::shown(root, &file), text }));
    }
    let candidates = folders.iter().map(|folder| folder.join("web.config"));
    for file in candidates.filter(|file| file.is_file()) {
        // What is no text is nobody's wish either.
        let Ok(text) = disk::text(root, &file) else { continue };
        let text = text.to_lowercase();
        if !OTHERS.iter().any(|other| text.contains(other)) {
            let shown = disk::shown(root, &file);
            notices.push(Notice {
                what: format!("`{shown}` has no say in how IIS serves the site: Holdall writes its own"),
                help: format!(
                    "what is in it beside handlers is taken with `web-config = \"{shown}\"` under `[iis]` in `holdall.toml`"
                ),
            });
        }
    }
    Ok(None)
}
