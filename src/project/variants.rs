//! The settings modules of a project, of which one is chosen and the others may have been meant.

use std::path::{Path, PathBuf};

use super::Found;
use super::config::Config;
use super::disk;
use super::error::{ProjectError, near_miss};
use super::keys::is_module;
use super::layout::Roots;
use super::settings::SettingsText;
use crate::progress::Notice;

/// A module that lies in a package of the project and does not exist is a mistake; any other may be installed.
pub fn check(
    roots: &Roots<'_>,
    settings: &Found<String>,
    notices: &mut Vec<Notice>,
) -> Result<(), ProjectError> {
    let module = &settings.value;
    if roots.file_of(module).is_some() {
        return Ok(());
    }
    let known = settings_modules(roots);
    if roots.owns_package_of(module) {
        return Err(ProjectError::SettingsMissing {
            near: near_miss(module, known.iter().map(String::as_str)),
            module: module.clone(),
            place: settings.from.clone(),
            known,
        });
    }
    notices.push(Notice {
        what: format!("the settings module `{module}` ({}) is not among the project's files", settings.from),
        help: "if it is not part of an installed package, correct it or set `project.python_path`".to_owned(),
    });
    Ok(())
}

/// Names under which settings for one purpose go, other than for tests.
const VARIANTS: &[&str] = &[
    "base",
    "build",
    "common",
    "default",
    "defaults",
    "deploy",
    "dev",
    "develop",
    "development",
    "docker",
    "heroku",
    "live",
    "local",
    "prod",
    "production",
    "qa",
    "stage",
    "staging",
    "uat",
];

/// The settings modules of the project, as far as their names tell.
pub fn settings_modules(roots: &Roots<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for folder in roots.folders() {
        for package in disk::listing(&folder).unwrap_or_default() {
            let Some(name) = package.file_name().and_then(|name| name.to_str()) else { continue };
            if package.is_dir() && is_module(name) {
                for (module, file) in modules_in(&package) {
                    if module.contains("settings") && !file.is_dir() {
                        found.push(format!("{name}.{module}"));
                    } else if module == "settings" || name == "settings" {
                        let below = modules_in(&file).into_iter().filter(|(_, file)| !file.is_dir());
                        found.extend(below.map(|(below, _)| format!("{name}.{module}.{below}")));
                    }
                }
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The modules and packages directly in a folder: name and path.
pub fn modules_in(folder: &Path) -> Vec<(String, PathBuf)> {
    let listing = disk::listing(folder).unwrap_or_default();
    let named = listing.into_iter().filter_map(|path| {
        let stem = if path.is_dir() {
            path.file_name()?.to_str()?.to_owned()
        } else {
            path.file_name()?.to_str()?.strip_suffix(".py")?.to_owned()
        };
        (is_module(&stem) && !stem.contains('.') && !stem.starts_with("__")).then_some((stem, path))
    });
    named.collect()
}

/// Settings beside the chosen ones that might be meant: not those they build on, nor anything but settings.
pub fn others(
    roots: &Roots<'_>,
    settings: &Found<String>,
    text: &SettingsText,
    config: &Config,
) -> Option<Notice> {
    let file = roots.file_of(&settings.value)?;
    let folder = file.parent()?;
    let parent = if file.ends_with("__init__.py") {
        Some(settings.value.as_str())
    } else {
        settings.value.rsplit_once('.').map(|(parent, _)| parent)
    };
    let last = settings.value.rsplit('.').next().unwrap_or_default();
    let all_are_settings = folder.file_name().is_some_and(|name| name == "settings");
    // `conf/production.py` has its like beside it; beside `shop/settings.py` lie the modules of a package.
    let variants_are_settings = VARIANTS.contains(&last);
    let is_settings = |name: &str| {
        let variant = variants_are_settings && VARIANTS.contains(&name);
        (all_are_settings || variant || name.contains("settings")) && !is_for_tests(name)
    };
    let others: Vec<String> = modules_in(folder)
        .into_iter()
        .filter(|(name, path)| !path.is_dir() && !text.files.contains(path) && is_settings(name))
        .map(|(name, _)| parent.map_or(name.clone(), |parent| format!("{parent}.{name}")))
        .collect();
    let example = others
        .iter()
        .find(|module| ["production", "prod", "live", "deploy"].iter().any(|word| module.ends_with(word)))
        .or(others.first())?
        .clone();
    let listed: Vec<String> = others.iter().map(|module| format!("`{module}`")).collect();
    Some(Notice {
        what: format!(
            "the settings are `{}` ({}); there are also {}",
            settings.value,
            settings.from,
            listed.join(", ")
        ),
        help: format!(
            "to choose another, set {}, for example to `\"{example}\"`",
            config.key("project.settings")
        ),
    })
}

/// Whether a module is for tests by its name.
pub fn is_for_tests(module: &str) -> bool {
    let last = module.rsplit('.').next().unwrap_or(module);
    last.split('_').any(|word| matches!(word, "test" | "tests" | "testing" | "ci"))
}
