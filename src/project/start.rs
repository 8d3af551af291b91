//! How the project is started: its settings module and its WSGI application.
//!
//! `wsgi.py` is what a web server runs, so what it names comes before what `manage.py` names.

use std::path::{Path, PathBuf};

use super::config::Config;
use super::disk;
use super::error::ProjectError;
use super::layout::Roots;
use super::mention::{Mention, mentions};
use super::settings::SettingsText;
use super::{Found, Overrides, source, variants, wsgi};
use crate::progress::Notice;

/// What starts the project.
#[derive(Debug)]
pub struct Start {
    pub settings: Found<String>,
    pub wsgi: Found<String>,
    /// What the text of the settings says.
    pub text: SettingsText,
}

/// Finds the settings module and the WSGI application.
pub fn find(
    roots: &Roots<'_>,
    manage: &Path,
    config: &Config,
    overrides: &Overrides,
    notices: &mut Vec<Notice>,
) -> Result<Start, ProjectError> {
    let by_manage = Naming::read(roots, manage.to_owned())?;
    let set = set_settings(config, overrides);
    let nearby: Vec<String> = match &set {
        Some(set) => vec![set.value.clone()],
        None => by_manage.modules.clone(),
    };
    let wsgi_file = wsgi::file(roots, &nearby)?;
    let by_wsgi = wsgi_file.map(|file| Naming::read(roots, file)).transpose()?;
    let namings: Vec<&Naming> = by_wsgi.iter().chain([&by_manage]).collect();

    let chosen_by_text = set.is_none();
    let settings = match set {
        Some(set) => set,
        None => namings.iter().find_map(|naming| naming.clear()).ok_or_else(|| ProjectError::NoSettings {
            looked: namings.iter().map(|naming| naming.account()).collect(),
            found: variants::settings_modules(roots),
        })?,
    };
    variants::check(roots, &settings, notices)?;
    if let Some(module) = &config.build.settings {
        variants::check(roots, &Found::new(module.clone(), config.place("build.settings")), notices)?;
    }
    let text = SettingsText::read(roots, &settings.value)?;
    if chosen_by_text {
        notices.extend(variants::others(roots, &settings, &text, config));
    }
    for naming in &namings {
        notices.extend(naming.stubborn());
    }
    let wsgi = wsgi::application(roots, config, overrides, &settings.value, &text)?;
    Ok(Start { settings, wsgi, text })
}

fn set_settings(config: &Config, overrides: &Overrides) -> Option<Found<String>> {
    let option = overrides.settings.as_ref().map(|settings| Found::new(settings.clone(), "the command line"));
    let key = || {
        config
            .project
            .settings
            .as_ref()
            .map(|settings| Found::new(settings.clone(), config.place("project.settings")))
    };
    option.or_else(key)
}

/// What one file says about the settings module.
struct Naming {
    shown: String,
    mentions: Vec<Mention>,
    /// The modules named, those first dropped that are for tests or that do not exist while others do.
    modules: Vec<String>,
}

impl Naming {
    fn read(roots: &Roots<'_>, file: PathBuf) -> Result<Naming, ProjectError> {
        let file = roots.root.join(file);
        let statements = source::read(&file).map_err(|source| disk::unreadable(&file, source))?;
        let mentions = mentions(&statements);
        let mut modules: Vec<String> = Vec::new();
        for module in mentions.iter().flat_map(|mention| &mention.modules) {
            if !modules.contains(module) {
                modules.push(module.clone());
            }
        }
        keep_if_any(&mut modules, |module| roots.file_of(module).is_some());
        keep_if_any(&mut modules, |module| !variants::is_for_tests(module));
        Ok(Naming { shown: disk::shown(roots.root, &file), mentions, modules })
    }

    /// The module named, when it is exactly one.
    fn clear(&self) -> Option<Found<String>> {
        let [module] = self.modules.as_slice() else { return None };
        let line = self.mentions.iter().find(|mention| mention.modules.contains(module))?.line;
        Some(Found::new(module.clone(), format!("{}, line {line}", self.shown)))
    }

    /// Why nothing is clear, for the error.
    fn account(&self) -> String {
        match (self.mentions.first(), self.modules.as_slice()) {
            (None, _) => format!("`{}` does not set DJANGO_SETTINGS_MODULE", self.shown),
            (Some(mention), []) => {
                format!("`{}`, line {}, computes DJANGO_SETTINGS_MODULE", self.shown, mention.line)
            }
            (Some(mention), modules) => {
                let modules: Vec<_> = modules.iter().map(|module| format!("`{module}`")).collect();
                format!("`{}`, line {}, chooses between {}", self.shown, mention.line, modules.join(" and "))
            }
        }
    }

    /// A file that replaces DJANGO_SETTINGS_MODULE would put the bundle's generated settings aside.
    fn stubborn(&self) -> Option<Notice> {
        let mention = self.mentions.iter().find(|mention| mention.replaces)?;
        Some(Notice {
            what: format!(
                "`{}`, line {}, sets DJANGO_SETTINGS_MODULE whatever the environment says",
                self.shown, mention.line
            ),
            help: "write `os.environ.setdefault(\"DJANGO_SETTINGS_MODULE\", …)`, or the bundle's own settings (static files, written paths) are passed over".to_owned(),
        })
    }
}

fn keep_if_any(modules: &mut Vec<String>, keep: impl Fn(&str) -> bool) {
    if modules.iter().any(|module| keep(module)) {
        modules.retain(|module| keep(module));
    }
}
