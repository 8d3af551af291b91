//! Why a folder is no project that can be bundled, or its configuration cannot be followed.

use std::io;
use std::path::PathBuf;

use crate::manifest::NotAName;

const NAME_THE_FOLDER: &str = "run holdall in the folder of `manage.py` or name that folder; a `manage.py` that lies deeper is named by `project.manage` in `holdall.toml`";

fn name_deeper(folder: &str) -> String {
    format!(
        "there is `{folder}/manage.py`: give its folder to bundle that alone, or set `manage = \"{folder}/manage.py\"` under `[project]` in a `holdall.toml` here, if the site needs more of what lies here"
    )
}

/// Each variant is a situation of the person who ran the command.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ProjectError {
    #[error("there is no folder `{}`", .0.display())]
    #[diagnostic(help("name the folder of a Django project, the one that holds `manage.py`"))]
    NoFolder(PathBuf),

    #[error("no `manage.py` in `{}` nor in a folder directly below", dir.display())]
    #[diagnostic(help("{}", deeper.as_deref().map_or_else(|| NAME_THE_FOLDER.to_owned(), name_deeper)))]
    NotDjango {
        dir: PathBuf,
        /// The folder of one that lies further down, relative to `dir`.
        deeper: Option<String>,
    },

    #[error("more than one `manage.py`: {}", listed(found))]
    #[diagnostic(help(
        "give the folder of the one that is meant (`{example}` say), or set `project.manage` in `holdall.toml` in `{}`",
        dir.display()
    ))]
    ManyProjects { dir: PathBuf, found: Vec<String>, example: String },

    #[error("cannot read `{}`", path.display())]
    #[diagnostic(help("check that you may read it, then run the same command again"))]
    Unreadable { path: PathBuf, source: io::Error },

    #[error("`{file}` is not valid TOML")]
    #[diagnostic(help("correct the line named above"))]
    NotToml { file: String, source: Box<toml::de::Error> },

    #[error("`{file}` is broken: it is not valid TOML")]
    #[diagnostic(help("take the committed one (`git checkout -- {file}`), or remove it and run `uv lock`"))]
    BrokenLock { file: String },

    #[error("the configuration stands in two places: {first} and {second}")]
    #[diagnostic(help("keep one of them: move what the other says into it"))]
    TwoConfigs { first: String, second: String },

    #[error("unknown key: {place}")]
    #[diagnostic(help("{}{}", suggestion(near.as_deref(), known), hint(near.as_deref(), *in_table)))]
    UnknownKey { place: String, near: Option<String>, known: Vec<String>, in_table: bool },

    #[error("wrong value: {place} is {found}, and {expected} is wanted")]
    #[diagnostic(help("write it as `{example}`, or remove the key"))]
    WrongType { place: String, found: &'static str, expected: &'static str, example: String },

    #[error("wrong value: {place} is `{value}`, {why}")]
    #[diagnostic(help("{help}"))]
    WrongValue { place: String, value: String, why: String, help: String },

    #[error("{place} would go into the bundle with its values")]
    #[diagnostic(help("`pyproject.toml` is bundled, `holdall.toml` is not: move the configuration there"))]
    BundledValues { place: String },

    #[error("the project cannot have this {what}: {place}")]
    #[diagnostic(help("set `{key}` in `holdall.toml` to another"))]
    Name { what: &'static str, place: String, key: &'static str, source: NotAName },

    #[error("{place} names `{path}`, and there is no such {kind}")]
    #[diagnostic(help("correct the path; it counts from the project's root `{}`", root.display()))]
    Missing { place: String, path: String, kind: &'static str, root: PathBuf },

    #[error("{place} names the folder of wheels `{}`, and there is none", folder.display())]
    #[diagnostic(help("make it and put wheels into it, or correct the path"))]
    NoWheels { place: String, folder: PathBuf },

    #[error("{place} is true, and no `pyproject.toml` gives the project a name")]
    #[diagnostic(help(
        "write a `[project]` table with `name` and `version` into `pyproject.toml`, or remove the key"
    ))]
    NoPackage { place: String },

    #[error("cannot tell for which Python to lock: {said}")]
    #[diagnostic(help(
        "name it: `holdall lock --python 3.12`, or `python = \"3.12\"` below `[project]` in holdall.toml, or write a `.python-version`"
    ))]
    NoPythonVersion { said: String },

    #[error("there is nothing to lock from: `{}` is all that says what the project depends on", .0.display())]
    #[diagnostic(help("write the dependencies into a `requirements.txt` or a `pyproject.toml`, then lock"))]
    OnlyALock(PathBuf),

    #[error("`{name}` is no name for a lock")]
    #[diagnostic(help(
        "call it `pylock.NAME.toml`, with no further dot in NAME: other tools know a lock by that"
    ))]
    NotALockName { name: String },

    #[error("no settings module found: {}", looked.join("; "))]
    #[diagnostic(help(
        "name it: set `project.settings` in `holdall.toml`, for example to `\"mysite.settings\"`{}",
        candidates(found)
    ))]
    NoSettings { looked: Vec<String>, found: Vec<String> },

    #[error("there is no settings module `{module}`, which {place} names")]
    #[diagnostic(help("{}", suggestion(near.as_deref(), known)))]
    SettingsMissing { module: String, place: String, near: Option<String>, known: Vec<String> },

    #[error("no WSGI application found: {}", looked.join("; "))]
    #[diagnostic(help(
        "add a `wsgi.py` as `django-admin startproject` writes it, or name the application: set `project.wsgi` in `holdall.toml`, for example to `\"mysite.wsgi:application\"`"
    ))]
    NoWsgi { looked: Vec<String> },

    #[error("no dependencies found in `{}`: {}", dir.display(), looked.join("; "))]
    #[diagnostic(help("{help}"))]
    NoDependencies { dir: PathBuf, looked: Vec<String>, help: String },

    #[error("cannot tell which requirements are for production: {}", listed(found))]
    #[diagnostic(help("name them: set `packages.requirements = [\"{example}\"]` in `holdall.toml`"))]
    ManyRequirements { found: Vec<String>, example: String },

    #[error("{place} includes `{include}`, and there is no such file")]
    #[diagnostic(help(
        "correct the line or add the file; the path counts from the folder of the file that includes it"
    ))]
    MissingInclude { place: String, include: String },

    #[error("there is a configuration already: `{}`", path.display())]
    #[diagnostic(help("edit it, or write it anew with `--force`: what it sets stays set, its comments go"))]
    ConfigExists { path: PathBuf },

    #[error(
        "the configuration stands in `[tool.holdall]` in `{file}`, and a second file would contradict it"
    )]
    #[diagnostic(help(
        "print a commented one with `--stdout`, and move to it by hand if you like it better"
    ))]
    ConfigElsewhere { file: String },

    #[error("cannot write `{}`", path.display())]
    #[diagnostic(help("check that you may write there and that the disk is not full"))]
    Unwritable { path: PathBuf, source: io::Error },

    #[error("`{file}` is not UTF-8 text")]
    #[diagnostic(help(
        "save it as UTF-8; in Windows PowerShell `pip freeze > requirements.txt` writes UTF-16, and `pip freeze | Out-File -Encoding ascii requirements.txt` does not"
    ))]
    NotUtf8 { file: String },
}

fn listed(paths: &[String]) -> String {
    paths.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ")
}

fn suggestion(near: Option<&str>, known: &[String]) -> String {
    match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here: {}", listed(known)),
    }
}

/// A key of no table, written into one: the TOML for it is not what one would guess.
fn hint(near: Option<&str>, in_table: bool) -> &'static str {
    match near {
        Some(near) if in_table && !near.contains('.') => {
            " It stands at the top of the file, above every `[table]`"
        }
        _ => "",
    }
}

fn candidates(found: &[String]) -> String {
    if found.is_empty() { String::new() } else { format!("; seen here: {}", listed(found)) }
}

/// The known word that was probably meant.
pub(super) fn near_miss<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let scored = known.into_iter().map(|known| (strsim::jaro_winkler(word, known), known));
    let (score, best) = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (score > 0.8).then(|| best.to_owned())
}
