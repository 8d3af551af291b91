//! What the project is called and which version of it this is.

use std::path::Path;

use unicode_normalization::UnicodeNormalization as _;

use super::config::Config;
use super::error::ProjectError;
use super::git::State;
use super::pyproject::Pyproject;
use super::{Found, Overrides};
use crate::manifest::{SiteName, Version};
use crate::progress::Notice;

/// The longest name or version.
const LONGEST: usize = 32;

/// The project's name: set, else by `pyproject.toml`, else the folder's, else the settings package's.
pub fn name(
    root: &Path,
    settings: &str,
    pyprojects: &[Pyproject],
    config: &Config,
    overrides: &Overrides,
) -> Result<Found<SiteName>, ProjectError> {
    if let Some(name) = &overrides.name {
        return Ok(Found::new(name.clone(), "the command line"));
    }
    if let Some(name) = &config.name {
        return Ok(Found::new(name.clone(), config.place("name")));
    }
    let written =
        pyprojects.iter().find_map(|pyproject| pyproject.text(&["project.name", "tool.poetry.name"]));
    let folder = root.file_name().map(|name| name.to_string_lossy().into_owned());
    let package = settings.split('.').next().unwrap_or(settings);
    let candidates = written
        .into_iter()
        .chain(folder.map(|folder| Found::new(folder, "the name of the folder")))
        .chain([Found::new(package.to_owned(), "the package of the settings")]);
    let mut last = None;
    for candidate in candidates {
        match SiteName::parse(&fitted(&candidate.value)) {
            Ok(name) => return Ok(Found::new(name, candidate.from)),
            Err(error) => last = Some((candidate.from, error)),
        }
    }
    let (place, source) = last.expect("the package of the settings was tried");
    Err(ProjectError::Name { what: "name", place, key: "name", source })
}

/// The project's version: set, else by `pyproject.toml`, else by git, else `0.0.0` with a notice.
pub fn version(
    pyprojects: &[Pyproject],
    git: Option<&State>,
    config: &Config,
    overrides: &Overrides,
    notices: &mut Vec<Notice>,
) -> Result<Found<Version>, ProjectError> {
    if let Some(version) = &overrides.version {
        return Ok(Found::new(version.clone(), "the command line"));
    }
    if let Some(version) = &config.version {
        return Ok(Found::new(version.clone(), config.place("version")));
    }
    let keys = ["project.version", "tool.poetry.version"];
    if let Some(written) = pyprojects.iter().find_map(|pyproject| pyproject.text(&keys)) {
        let version = Version::parse(&written.value);
        let error = |source| ProjectError::Name {
            what: "version",
            place: written.from.clone(),
            key: "version",
            source,
        };
        return Ok(Found::new(version.map_err(error)?, written.from.clone()));
    }
    if let Some(state) = git {
        // A long tag gives way to the commit, which says the same.
        let short = state.commit.get(..12).unwrap_or(&state.commit);
        let described = (state.description.len() <= LONGEST).then(|| fitted(&state.description));
        let version =
            described.and_then(|text| Version::parse(&text).ok()).or_else(|| Version::parse(short).ok());
        if let Some(version) = version {
            return Ok(Found::new(version, "git describe"));
        }
    }
    notices.push(Notice {
        what: "the project has no version: none in pyproject.toml, and no commit of git".to_owned(),
        help: format!(
            "every bundle is called 0.0.0 until you set {}, or commit the project",
            config.key("version")
        ),
    });
    Ok(Found::new(Version::parse("0.0.0").expect("a well-formed version"), "no version is given"))
}

/// `text` with what a name cannot have taken out: accents dropped, other runs made one `-`, cut to length.
fn fitted(text: &str) -> String {
    let mut fitted = String::new();
    for c in text.nfd().filter(|c| !('\u{300}'..='\u{36f}').contains(c)) {
        if c.is_ascii_alphanumeric() || "._-".contains(c) {
            fitted.push(c);
        } else if !fitted.ends_with('-') {
            fitted.push('-');
        }
    }
    let trimmed = fitted.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let cut = &trimmed[..trimmed.len().min(LONGEST)];
    cut.trim_end_matches(['-', '.', '_']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_folders_are_made_to_fit() {
        for (folder, name) in [
            ("shop", "shop"),
            ("My Shop (new)", "My-Shop-new"),
            ("größe", "gro-e"),
            (".hidden", "hidden"),
            ("日本", ""),
            ("a-very-long-name-of-a-folder-indeed-it-is", "a-very-long-name-of-a-folder-ind"),
        ] {
            assert_eq!(fitted(folder), name);
        }
    }
}
