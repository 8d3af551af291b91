//! How the app stage fails.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::bytecode::BytecodeError;
use crate::entry::EntryPathError;
use crate::layer::LayerError;
use crate::target::Target;

/// Why the project's part of a bundle cannot be made.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum AppError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Layer(#[from] LayerError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Bytecode(#[from] BytecodeError),
    #[error("cannot read the project's files")]
    #[diagnostic(help(
        "check that the file is still there and that you may read it, then run the command again"
    ))]
    Unreadable(#[source] io::Error),

    #[error("a file name in `{}` is not Unicode", folder.display())]
    #[diagnostic(help("rename the file, or leave it out with `[files] exclude` in holdall.toml"))]
    NotUnicode { folder: PathBuf },

    #[error("`{}` cannot stand in a bundle", path.display())]
    #[diagnostic(help("rename it, or leave it out with `[files] exclude` in holdall.toml"))]
    Name {
        path: PathBuf,
        #[diagnostic_source]
        source: EntryPathError,
    },

    #[error("two of the project's files cannot stand beside each other in a bundle for {target}")]
    #[diagnostic(help("rename one of them, or leave it out with `[files] exclude` in holdall.toml"))]
    Names {
        target: Target,
        #[diagnostic_source]
        source: EntryPathError,
    },

    #[error("the link `{}` leads to `{}`, outside of the project", link.display(), leads_to.display())]
    #[diagnostic(help(
        "put the files themselves there, or leave the link out with `[files] exclude` in holdall.toml"
    ))]
    LinkLeaves { link: PathBuf, leads_to: PathBuf },

    #[error("the link `{}` leads nowhere", link.display())]
    #[diagnostic(help("correct or remove it, or leave it out with `[files] exclude` in holdall.toml"))]
    LinkDangles { link: PathBuf },

    #[error("the link `{}` leads back to a folder above it, so its files have no end", link.display())]
    #[diagnostic(help("remove it, or leave it out with `[files] exclude` in holdall.toml"))]
    LinkCycle { link: PathBuf },

    #[error("`{glob}` in `[files] {key}` is not a glob")]
    #[diagnostic(help("globs are written as in a `.gitignore` file: `docs/`, `*.csv`, `locale/**/*.mo`"))]
    Glob { key: &'static str, glob: String, source: ignore::Error },

    #[error("`{manage}` itself is left out of the bundle")]
    #[diagnostic(help(
        "a `.gitignore` file or `[files] exclude` in holdall.toml covers it: correct that, or name it in `[files] include`"
    ))]
    ManageLeftOut { manage: String },

    #[error("cannot start the project's Python `{}`", program.display())]
    #[diagnostic(help(
        "check that the cache folder and the temporary folder are writable and allow programs"
    ))]
    Python { program: PathBuf, source: io::Error },

    #[error("cannot write to the temporary folder")]
    #[diagnostic(help("check that it is writable and that the disk is not full"))]
    Scratch(#[source] io::Error),

    #[error("{what} did not end within {seconds} seconds")]
    #[diagnostic(help(
        "something in the project waits while it is loaded, for a server or for input: set its address or switch it off under `[build.env]`, or name other settings with `[build] settings` in holdall.toml"
    ))]
    TooSlow { what: String, seconds: u64 },

    #[error("{what} ended Python itself ({status})")]
    #[diagnostic(help(
        "run the project's own `manage.py check` to see why; `[build] settings` in holdall.toml names other settings for bundling"
    ))]
    Crashed { what: String, status: String, source: Traceback },

    #[error("Django is not among the project's packages")]
    #[diagnostic(help("name it in the project's dependencies, then bundle again"))]
    NoDjango(#[source] Traceback),

    #[error("{what} cannot be loaded")]
    #[diagnostic(help("{help}"))]
    NotLoaded { what: String, help: String, source: Traceback },

    #[error("the WSGI application `{wsgi}` does not exist")]
    #[diagnostic(help(
        "name it as `package.module:callable` with `[project] wsgi` in holdall.toml, as in `mysite.wsgi:application`"
    ))]
    NoWsgi { wsgi: String },

    #[error("`{place}` sets DJANGO_SETTINGS_MODULE whatever the environment says")]
    #[diagnostic(help(
        "a bundle names its own settings module there, which keeps the site's data outside of the release: write `os.environ.setdefault(\"DJANGO_SETTINGS_MODULE\", \"{settings}\")` instead"
    ))]
    FixedSettings { place: String, settings: String },

    #[error("STATIC_URL is `{url}`, which leaves no path for the application itself")]
    #[diagnostic(help("give static files a path of their own in the settings: `STATIC_URL = \"static/\"`"))]
    StaticUrlIsRoot { url: String },

    #[error("STATIC_URL is `{url}`, which cannot become a folder of the bundle")]
    #[diagnostic(help("use a plain path in the settings: `STATIC_URL = \"static/\"`"))]
    StaticUrl {
        url: String,
        #[diagnostic_source]
        source: EntryPathError,
    },

    #[error("collectstatic failed{}", on(.file.as_deref()))]
    #[diagnostic(help("{help}"))]
    Collect { file: Option<String>, help: String, source: Traceback },

    #[error("the folder of ready static files `{}` does not exist", folder.display())]
    #[diagnostic(help("build the static files first, or correct `[build] static` in holdall.toml"))]
    NoPrebuilt { folder: PathBuf },

    #[error(
        "`[paths]` in holdall.toml: `{key}` = `{value}` is not a path inside the project and one below `shared/`"
    )]
    #[diagnostic(help(
        "on the left stands a path relative to the project's folder, or the name of a setting that holds one; on the right a path relative to the site's shared folder, as in `\"data/exports\" = \"exports\"`"
    ))]
    Paths { key: String, value: String },

    #[error("`{first}` and `{second}` would both be kept as `shared/{place}`")]
    #[diagnostic(help("give each a place of its own under `[paths]` in holdall.toml"))]
    SamePlace { first: String, second: String, place: String },
}

fn on(file: Option<&str>) -> String {
    file.map(|file| format!(" on `{file}`")).unwrap_or_default()
}

/// What Python said, shortened to what helps: the project's own frames and the error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traceback(pub String);

impl fmt::Display for Traceback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Traceback {}
