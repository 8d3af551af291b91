//! How the project is started: its settings module and its WSGI application.
//!
//! `wsgi.py` is what a web server runs, so what it names comes before what `manage.py` names.

use std::path::{Path, PathBuf};

use super::config::Config;
use super::disk;
use super::error::{ProjectError, near_miss};
use super::keys::is_module;
use super::layout::Roots;
use super::mention::{Mention, mentions};
use super::settings::SettingsText;
use super::source::{self, Kind, Statement};
use super::{Found, Overrides};
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
    let wsgi_file = wsgi_file(roots, &nearby)?;
    let by_wsgi = wsgi_file.map(|file| Naming::read(roots, file)).transpose()?;
    let namings: Vec<&Naming> = by_wsgi.iter().chain([&by_manage]).collect();

    let chosen_by_text = set.is_none();
    let settings = match set {
        Some(set) => set,
        None => namings.iter().find_map(|naming| naming.clear()).ok_or_else(|| ProjectError::NoSettings {
            looked: namings.iter().map(|naming| naming.account()).collect(),
            found: settings_modules(roots),
        })?,
    };
    check_settings(roots, &settings, notices)?;
    let text = SettingsText::read(roots, &settings.value)?;
    if chosen_by_text {
        notices.extend(other_settings(roots, &settings, &text, config));
    }
    for naming in &namings {
        notices.extend(naming.stubborn());
    }
    let wsgi = wsgi_application(roots, config, overrides, &settings.value, &text)?;
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
        keep_if_any(&mut modules, |module| !is_for_tests(module));
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

fn is_for_tests(module: &str) -> bool {
    let last = module.rsplit('.').next().unwrap_or(module);
    last.split('_').any(|word| matches!(word, "test" | "tests" | "testing" | "ci"))
}

/// A module that lies in a package of the project and does not exist is a mistake; any other may be installed.
fn check_settings(
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
fn settings_modules(roots: &Roots<'_>) -> Vec<String> {
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
fn modules_in(folder: &Path) -> Vec<(String, PathBuf)> {
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
fn other_settings(
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

/// The file of the WSGI application: what the settings say, else `wsgi.py` in or above their package, else
/// the only one in the project.
fn wsgi_file(roots: &Roots<'_>, settings: &[String]) -> Result<Option<PathBuf>, ProjectError> {
    for module in settings {
        let text = SettingsText::read(roots, module)?;
        let named = text.text("WSGI_APPLICATION").and_then(|(application, _)| application.rsplit_once('.'));
        if let Some(file) = named.and_then(|(module, _)| roots.file_of(module)) {
            return Ok(Some(file));
        }
    }
    let beside = settings.iter().find_map(|module| wsgi_beside(roots, module));
    Ok(beside.or_else(|| only_wsgi(roots)).and_then(|module| roots.file_of(&module)))
}

/// The `wsgi` module nearest to a settings module.
fn wsgi_beside(roots: &Roots<'_>, settings: &str) -> Option<String> {
    let mut package = settings;
    while let Some((above, _)) = package.rsplit_once('.') {
        let module = format!("{above}.wsgi");
        if roots.file_of(&module).is_some() {
            return Some(module);
        }
        package = above;
    }
    roots.file_of("wsgi").map(|_| "wsgi".to_owned())
}

/// The `wsgi` module of the only package that has one.
fn only_wsgi(roots: &Roots<'_>) -> Option<String> {
    let mut found = Vec::new();
    for folder in roots.folders() {
        for (package, path) in modules_in(&folder) {
            if path.join("wsgi.py").is_file() {
                found.push(format!("{package}.wsgi"));
            }
        }
    }
    found.dedup();
    <[String; 1]>::try_from(found).ok().map(|[only]| only)
}

fn wsgi_application(
    roots: &Roots<'_>,
    config: &Config,
    overrides: &Overrides,
    settings: &str,
    text: &SettingsText,
) -> Result<Found<String>, ProjectError> {
    if let Some(wsgi) = &overrides.wsgi {
        return Ok(Found::new(wsgi.clone(), "the command line"));
    }
    if let Some(wsgi) = &config.project.wsgi {
        return Ok(Found::new(wsgi.clone(), config.place("project.wsgi")));
    }
    let mut looked = Vec::new();
    if let Some((application, place)) = text.text("WSGI_APPLICATION") {
        let place = format!("{}, line {}", disk::shown(roots.root, &place.file), place.line);
        match application.rsplit_once('.') {
            Some((module, _)) if roots.owns_package_of(module) && roots.file_of(module).is_none() => {
                looked.push(format!("there is no module `{module}`, which {place} names"));
            }
            Some((module, callable)) => return Ok(Found::new(format!("{module}:{callable}"), place)),
            None => looked.push(format!("{place} gives no `package.module.callable`")),
        }
    } else {
        looked.push(format!("`{settings}` has no literal WSGI_APPLICATION"));
    }
    let Some(module) = wsgi_beside(roots, settings).or_else(|| only_wsgi(roots)) else {
        looked.push("there is no `wsgi.py` beside the settings".to_owned());
        return Err(ProjectError::NoWsgi { looked });
    };
    let file = roots.file_of(&module).expect("found among the files above");
    let shown = disk::shown(roots.root, &file);
    let statements = source::read(&file).map_err(|source| disk::unreadable(&file, source))?;
    match callable(&statements) {
        Some((name, line)) => Ok(Found::new(format!("{module}:{name}"), format!("{shown}, line {line}"))),
        None => {
            looked.push(format!("`{shown}` has no `application`"));
            Err(ProjectError::NoWsgi { looked })
        }
    }
}

/// The application in a `wsgi.py`: `application`, by assignment, import or definition, or whatever else
/// `get_wsgi_application()` is assigned to.
fn callable(statements: &[Statement]) -> Option<(String, usize)> {
    let introduces = |statement: &&Statement| {
        let tokens = statement.tokens.as_slice();
        let named = |at: usize| tokens.get(at).is_some_and(|token| token.is_name("application"));
        let first = |word: &str| tokens.first().is_some_and(|token| token.is_name(word));
        (named(0) && tokens.iter().any(|token| token.is_mark('=')))
            || (first("def") && named(1))
            || (first("from")
                && tokens.last().is_some_and(|token| token.is_name("application") || token.is_mark(')'))
                && tokens.iter().rev().take(3).any(|token| token.is_name("application")))
    };
    if let Some(statement) = statements.iter().find(introduces) {
        return Some(("application".to_owned(), statement.line));
    }
    statements.iter().find_map(|statement| match statement.tokens.as_slice() {
        [target, equals, call, ..] if equals.is_mark('=') && call.is_name("get_wsgi_application") => {
            let Kind::Name(name) = &target.kind else { return None };
            Some((name.clone(), statement.line))
        }
        _ => None,
    })
}
