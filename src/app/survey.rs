//! What the loaded settings say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::AppError;
use super::python::{self, Answer, Failure};
use super::site_package::SETTINGS;
use super::static_url::StaticPlace;
use super::writable::{self, Writable};
use super::{Input, StaticChoice};
use crate::progress::{Notice, Progress, Running, Stage, Unit};

/// What is known of a project after its settings were loaded.
#[derive(Debug, Clone, Serialize)]
pub struct SiteFacts {
    pub django_version: String,
    /// Whether the settings could be loaded. If not, the rest is what can be said without them.
    pub loaded: bool,
    pub debug: bool,
    pub allowed_hosts: Vec<String>,
    /// The settings WSGI_APPLICATION and ASGI_APPLICATION.
    pub wsgi_application: Option<String>,
    pub asgi_application: Option<String>,
    /// The installed applications by full name.
    pub apps: Vec<String>,
    /// Environment variables without which the settings do not load, sorted.
    pub environment: Vec<String>,
    pub static_files: StaticFacts,
    pub writable: Writable,
    /// What of the project a setting leads to: path inside the bundle -> setting.
    #[serde(skip)]
    pub mentions: BTreeMap<String, String>,
    /// Migrations known to the project, by application, sorted.
    pub migrations: BTreeMap<String, Vec<String>>,
    pub notices: Vec<Notice>,
}

/// What the settings say of static files.
#[derive(Debug, Clone, Serialize)]
pub struct StaticFacts {
    /// STATIC_URL as Django gives it, with the slash before it.
    pub url: String,
    /// Where the files stand in the bundle; none if it carries none.
    #[serde(skip)]
    pub place: Option<StaticPlace>,
    /// The class that stores them.
    pub storage: Option<String>,
    /// Whether names carry a hash of the content.
    pub hashed: bool,
    /// The project's own STATIC_ROOT, as a path inside the bundle, when it lies in the project.
    pub project_root: Option<String>,
    #[serde(skip)]
    pub(super) gathered: Gathered,
}

/// What collectstatic did, if it ran.
#[derive(Debug, Clone)]
pub(super) struct Gathered {
    pub folder: PathBuf,
    pub failure: Option<Failure>,
    /// What it wrote to its standard error.
    pub said: String,
}

/// Loads the settings with `python`, which has the project's packages, and asks them. Static files that collectstatic
/// writes come into the folder `static_root`, which must stay until they are read.
pub fn survey(
    input: &Input<'_>,
    python: &Path,
    static_root: &Path,
    progress: &dyn Progress,
) -> Result<SiteFacts, AppError> {
    let running = Running::begin(progress, Stage::Settings, 1, Unit::Steps);
    fs_err::create_dir_all(static_root).map_err(AppError::Scratch)?;
    let mut answer = python::ask(input, python, static_root, python::PATIENCE)?;
    drop(running);
    let gathered = Gathered {
        folder: static_root.to_owned(),
        failure: answer.uncollected.take(),
        said: std::mem::take(&mut answer.said),
    };
    facts(input, answer, gathered)
}

fn facts(input: &Input<'_>, mut answer: Answer, gathered: Gathered) -> Result<SiteFacts, AppError> {
    let mut notices = Vec::new();
    let failure = answer.failure.take();
    if let Some(failure) = &failure {
        if failure.step == "load_django" || *input.static_files == StaticChoice::Collect {
            return Err(not_loaded(input, failure, &answer.sources.environment));
        }
        notices.push(not_asked(failure));
    }
    if let Some(place) = answer.sources.fixed_settings.take() {
        return Err(AppError::FixedSettings { place, settings: input.settings.to_owned() });
    }
    check_wsgi(input, &answer)?;
    notices.extend(answer.doubts.iter().map(doubt));
    notices.extend(advice(input, &answer, failure.is_none()));

    let (writable, more) = writable::map(input, &answer.places, &answer.named)?;
    notices.extend(more);
    let static_files = static_facts(input, &mut answer, gathered, &mut notices)?;
    let mut environment = BTreeSet::from_iter(answer.sources.environment);
    if answer.lacks_secret_key && input.build_settings.is_none() {
        environment.insert("SECRET_KEY".to_owned());
    }
    Ok(SiteFacts {
        django_version: answer.django.unwrap_or_default(),
        loaded: failure.is_none(),
        debug: answer.debug,
        allowed_hosts: answer.allowed_hosts,
        wsgi_application: answer.wsgi,
        asgi_application: answer.asgi,
        apps: answer.apps,
        environment: environment.into_iter().collect(),
        static_files,
        writable,
        mentions: answer.mentions,
        migrations: answer.migrations,
        notices,
    })
}

/// Refuses a WSGI application that is not there, or that turns away from the bundle's settings.
fn check_wsgi(input: &Input<'_>, answer: &Answer) -> Result<(), AppError> {
    let module = input.wsgi.split(':').next().unwrap_or_default();
    let within = |missing: &str| module == missing || module.starts_with(&format!("{missing}."));
    let missing = answer.doubts.iter().filter(|doubt| doubt.step == "look_at_wsgi");
    let missing = missing.filter_map(|doubt| doubt.missing_module.as_deref()).any(within);
    if missing || answer.wsgi_found == Some(false) {
        return Err(AppError::NoWsgi { wsgi: input.wsgi.to_owned() });
    }
    match answer.settings_asked_for.as_deref() {
        None | Some(SETTINGS) => Ok(()),
        Some(_) => Err(AppError::FixedSettings {
            place: format!("{}.py", module.replace('.', "/")),
            settings: input.settings.to_owned(),
        }),
    }
}

fn static_facts(
    input: &Input<'_>,
    answer: &mut Answer,
    gathered: Gathered,
    notices: &mut Vec<Notice>,
) -> Result<StaticFacts, AppError> {
    let url = answer.static_url.take().unwrap_or_else(|| "/static/".to_owned());
    let carried = match input.static_files {
        StaticChoice::None => false,
        StaticChoice::Prebuilt(_) => true,
        StaticChoice::Collect => match &answer.static_storage {
            Some(storage) if !answer.static_on_disk => {
                notices.push(Notice {
                    what: format!("static files are not collected: `{storage}` keeps them on another server"),
                    help: "run the project's own `manage.py collectstatic` when you release".to_owned(),
                });
                false
            }
            storage => storage.is_some() || answer.doubts.iter().any(|doubt| doubt.step == "look_at_static"),
        },
    };
    let place = carried.then(|| StaticPlace::of(&url, input.target)).transpose()?;
    Ok(StaticFacts {
        url,
        place,
        storage: answer.static_storage.take(),
        hashed: answer.static_hashed,
        project_root: answer.static_root.take(),
        gathered,
    })
}

/// The error for settings or applications that cannot be loaded.
///
/// `needed` are the variables that the settings are known to read.
pub(super) fn not_loaded(input: &Input<'_>, failure: &Failure, needed: &[String]) -> AppError {
    let settings = input.build_settings.unwrap_or(input.settings);
    let source = failure.traceback();
    let what = match failure.step.as_str() {
        "load_django" if failure.missing_module.as_deref() == Some("django") => {
            return AppError::NoDjango(source);
        }
        "load_django" => "Django".to_owned(),
        "load_settings" => format!("the settings module `{settings}`"),
        _ => format!("an application named by the settings `{settings}`"),
    };
    let mut cures = Vec::new();
    if let Some(variable) = &failure.missing_variable {
        let given = |name: &&String| {
            *name == variable || GIVEN.contains(&name.as_str()) || input.build_env.contains_key(*name)
        };
        let others: Vec<_> =
            needed.iter().filter(|name| !given(name)).map(|name| format!("`{name}`")).collect();
        let others = match others.is_empty() || input.build_settings.is_some() {
            true => String::new(),
            false => format!("; the settings read {} too", others.join(", ")),
        };
        cures.push(format!(
            "give `{variable}` a value for bundling: `{variable} = \"…\"` under `[build.env]` in holdall.toml (it does not enter the bundle; variables of your shell are not passed on){others}"
        ));
    } else if let Some(module) = &failure.missing_module {
        cures.push(if let Some(folder) = elsewhere(input, module) {
            format!("`{module}` lies in `{folder}`, which is not on Python's path: `python_path = [\"{folder}\"]` under `[project]` in holdall.toml puts it there")
        } else if is_own(input, module) {
            format!("`{module}` is not in the project: correct its name, or add its folder to `[project] python_path` in holdall.toml")
        } else {
            format!("`{module}` is not among the project's dependencies: add the package that has it, unless it exists on Windows alone")
        });
    }
    if failure.missing_variable.is_none() && failure.missing_module.is_none() {
        cures.push("correct what the lines above name; `manage.py check` shows all of it".to_owned());
    }
    cures.push(
        "name settings that load on this machine: `settings = \"…\"` under `[build]` in holdall.toml"
            .to_owned(),
    );
    if failure.missing_variable.is_none() && failure.missing_module.is_none() {
        cures.push("set the environment variables they look at under `[build.env]`".to_owned());
    }
    cures.push(
        "or bundle without loading them: `static = \"prebuilt/\"` (a folder with the static files) or `static = false` under `[build]`"
            .to_owned(),
    );
    AppError::NotLoaded { what, help: format!("- {}", cures.join("\n- ")), source }
}

/// Variables that have a value while bundling, whoever gives none.
const GIVEN: [&str; 2] = ["SECRET_KEY", "DJANGO_SECRET_KEY"];

/// The folder of the project in which a module that is missing lies, when it is not on Python's path.
fn elsewhere(input: &Input<'_>, module: &str) -> Option<String> {
    let top = module.split('.').next().unwrap_or_default();
    // Files chosen by name are the project's own: no virtual environment and no cache is among them.
    let chosen = super::files(input, None).ok()?;
    let files = chosen.sources.iter().filter_map(|source| source.path.as_str().strip_prefix("app/"));
    let files = files.map(Path::new).filter(|file| file.extension().is_some_and(|kind| kind == "py"));
    let folders = files.filter_map(|file| {
        let module = file.with_extension("");
        let module = module.ancestors().find(|path| path.file_name().is_some_and(|name| name == top))?;
        Some(module.parent()?.to_owned())
    });
    // A module of a package is imported by the package's name: `shop/celery.py` is not the missing `celery`.
    let is_root = |folder: &PathBuf| {
        !input.roots().contains(&folder.as_path()) && !input.root.join(folder).join("__init__.py").exists()
    };
    let nearest = folders.filter(is_root).min_by_key(|folder| folder.components().count())?;
    let names: Vec<_> = nearest.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    Some(if names.is_empty() { ".".to_owned() } else { names.join("/") })
}

/// Whether a module that is missing should have stood in the project itself.
fn is_own(input: &Input<'_>, module: &str) -> bool {
    let top = |module: &str| module.split('.').next().unwrap_or_default().to_owned();
    let stands = |root: &Path| input.root.join(root).join(top(module)).exists();
    let named = input.build_settings.into_iter().chain([input.settings, input.wsgi]);
    named.map(top).any(|name| name == top(module)) || input.roots().into_iter().any(stands)
}

fn not_asked(failure: &Failure) -> Notice {
    Notice {
        what: format!("the settings could not be loaded here: {}", failure.last_line()),
        help: "the bundle is made without asking them: migrations are not listed, STATIC_URL is taken for `/static/`, and data files in the project are known by `[paths]` alone".to_owned(),
    }
}

fn doubt(failure: &Failure) -> Notice {
    let (what, help) = match failure.step.as_str() {
        "look_at_static" => {
            ("the storage of the static files cannot be loaded", "see that its package is installed")
        }
        "look_at_migrations" => {
            ("the migrations cannot be listed", "run the project's own `manage.py showmigrations`")
        }
        _ => (
            "the WSGI application cannot be imported here",
            "the site will not start unless this comes from this machine alone: try it with `holdall preview`",
        ),
    };
    Notice { what: format!("{what}: {}", failure.last_line()), help: help.to_owned() }
}

/// What works, and should be otherwise on a server.
fn advice(input: &Input<'_>, answer: &Answer, loaded: bool) -> Vec<Notice> {
    // Settings that failed, or that are not the ones served, say nothing. Their text has been looked at before.
    if !loaded || input.build_settings.is_some() {
        return Vec::new();
    }
    let mut notices = Vec::new();
    let mut advise = |what: String, help: &str| notices.push(Notice { what, help: help.to_owned() });
    if let Some(place) = &answer.sources.secret_key {
        advise(
            format!("`{place}` holds the SECRET_KEY in plain text, and the bundle would carry it"),
            "take it from the environment: `SECRET_KEY = os.environ[\"SECRET_KEY\"]`",
        );
    }
    if answer.debug {
        advise(
            format!("DEBUG is on in `{}`: visitors would see source code and settings", input.settings),
            "turn it off unless the environment asks for it: `DEBUG = os.environ.get(\"DEBUG\") == \"1\"`, or name the settings for production with `[project] settings` in holdall.toml",
        );
    }
    if answer.allowed_hosts.is_empty() && !answer.debug {
        advise(
            format!(
                "ALLOWED_HOSTS in `{}` is empty: every request would be answered with 400",
                input.settings
            ),
            "name the site's hosts in the settings, or let them come from the environment and set it on the server",
        );
    }
    let channels = ["channels", "daphne"].into_iter().find(|name| answer.apps.iter().any(|app| app == name));
    let asynchronous = channels.or(answer.asgi.is_some().then_some("ASGI_APPLICATION"));
    if let Some(name) = asynchronous {
        advise(
            format!(
                "the project uses ASGI (`{name}`), and the bundle serves its WSGI application over FastCGI"
            ),
            "pages and async views work; WebSockets, long-lived connections and consumers of channels do not: serve those by another server",
        );
    }
    notices
}
