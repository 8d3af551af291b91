//! Every way a command can fail, and the exit code that says of what kind it was.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::app::AppError;
use crate::archive::ArchiveError;
use crate::cache::CacheError;
use crate::cli::preview::PreviewError;
use crate::deploy::DeployError;
use crate::doctor::FixError;
use crate::layer::LayerError;
use crate::manifest::SiteName;
use crate::packages::PackagesError;
use crate::project::ProjectError;
use crate::recipe::RecipeError;
use crate::release::ReleaseError;
use crate::runtime::RuntimeError;
use crate::signature::{KeyError, SignatureError, TrustError};
use crate::site::given::GivenError;
use crate::site::iis::own::OwnConfigError;
use crate::site::iis::web_config::TemplateError;
use crate::site::local::LocalError;
use crate::target::Target;
use crate::tools::ToolsError;

/// The exit codes of every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    /// A precondition does not hold, and nothing was changed.
    Precondition = 3,
    /// It failed, and all is as it was before.
    RolledBack = 4,
    /// It failed, and not all could be taken back.
    NotRolledBack = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// The error of any stage.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Error {
    #[error("cannot use the cache folder")]
    #[diagnostic(help("check that you may write there and that the disk is not full, or set HOLDALL_CACHE"))]
    Cache(#[source] io::Error),
    #[error(transparent)]
    #[diagnostic(transparent)]
    CacheContents(#[from] CacheError),
    #[error(
        "cannot write to standard output: what the command did is done, and not all of its result was told"
    )]
    #[diagnostic(help("check that the disk has room that it goes to"))]
    Output(#[source] io::Error),
    #[error("this machine does not let holdall listen for signals")]
    #[diagnostic(help("it is out of threads, memory or open files: end other programs and try again"))]
    System(#[source] io::Error),
    #[error("`{}` is secret, and would be bundled with the project", file.display())]
    #[diagnostic(help(
        "keep it outside of the project; or leave it out with `[files] exclude` in holdall.toml, and see to it that it is in no repository either"
    ))]
    SecretInside { file: PathBuf },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Project(#[from] ProjectError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Recipe(#[from] RecipeError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Runtime(#[from] RuntimeError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Tools(#[from] ToolsError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Packages(#[from] PackagesError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    App(#[from] AppError),
    #[error("there is no Python 3.10 or newer on this machine to run the project's code with while bundling")]
    #[diagnostic(help("install one, or name one by HOLDALL_PYTHON"))]
    NoPython,
    #[error("cannot read the holdall program that goes into the bundle")]
    #[diagnostic(help("check that you may read it"))]
    Program(#[source] io::Error),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Layer(#[from] LayerError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Signature(#[from] SignatureError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Trust(#[from] TrustError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Release(#[from] ReleaseError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Template(#[from] TemplateError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    OwnConfig(#[from] OwnConfigError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Given(#[from] GivenError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Preview(#[from] PreviewError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Local(#[from] LocalError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Deploy(#[from] DeployError),
    #[error("the logs of {site} cannot be followed")]
    #[diagnostic(help("check that you may read them: on a server that takes an administrator"))]
    Logs { site: SiteName, source: io::Error },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Fix(#[from] FixError),
    #[error("there is nobody to ask whether something is to be changed: standard input is no terminal")]
    #[diagnostic(help("run it in a prompt, or agree beforehand with `--yes`"))]
    NobodyToAsk,
    /// Found by `doctor`, which has told each problem with its remedy.
    #[error("{}", unwell(*problems))]
    #[diagnostic(help("see to each, then run the same command again"))]
    Unwell { problems: usize },
    #[error("`{}` would change", path.display())]
    #[diagnostic(help("run `holdall lock --target {target}`, look at what changed, and commit it"))]
    LockWouldChange { path: PathBuf, target: Target },
    /// Found by `verify`, which has told each difference.
    #[error("`{}` is not what was bundled: {}", path.display(), differing(*count))]
    #[diagnostic(help("fetch the bundle again, or expand it again into an empty folder"))]
    Differs { path: PathBuf, count: usize },
}

/// That so many files are not as they were bundled.
pub fn differing(count: usize) -> String {
    match count {
        1 => "1 file differs, is missing or extra".to_owned(),
        _ => format!("{count} files differ, are missing or extra"),
    }
}

fn unwell(problems: usize) -> String {
    match problems {
        1 => "a problem was found".to_owned(),
        _ => format!("{problems} problems were found"),
    }
}

impl Error {
    /// The exit code that tells this error's kind to a script.
    ///
    /// What is found out before the bundle's file is begun is a precondition: nothing but the cache was touched.
    pub fn exit(&self) -> Exit {
        match self {
            // A file that changed or vanished on the way.
            Error::App(AppError::Layer(_)) => Exit::Failed,
            Error::Cache(_)
            | Error::System(_)
            | Error::Project(_)
            | Error::Recipe(_)
            | Error::Template(_)
            | Error::OwnConfig(_)
            | Error::Tools(_)
            | Error::App(_)
            | Error::NoPython
            | Error::SecretInside { .. }
            | Error::Program(_)
            | Error::Given(_)
            | Error::NobodyToAsk
            | Error::Unwell { .. } => Exit::Precondition,
            Error::Deploy(DeployError::RolledBack { .. }) => Exit::RolledBack,
            Error::Deploy(DeployError::NotRolledBack { .. }) => Exit::NotRolledBack,
            Error::Deploy(error) if error.is_precondition() => Exit::Precondition,
            Error::CacheContents(error) if error.is_precondition() => Exit::Precondition,
            Error::Runtime(error) if error.is_precondition() => Exit::Precondition,
            Error::Packages(error) if error.is_precondition() => Exit::Precondition,
            Error::Local(error) if error.is_precondition() => Exit::Precondition,
            Error::Preview(error) if error.is_precondition() => Exit::Precondition,
            Error::Release(error) if error.is_precondition() => Exit::Precondition,
            Error::Key(error) if error.is_precondition() => Exit::Precondition,
            Error::Trust(error) if error.is_precondition() => Exit::Precondition,
            Error::Signature(SignatureError::SignedAlready { .. }) => Exit::Precondition,
            Error::CacheContents(_)
            | Error::Output(_)
            | Error::Key(_)
            | Error::Signature(_)
            | Error::Trust(_)
            | Error::Runtime(_)
            | Error::Packages(_)
            | Error::Layer(_)
            | Error::Archive(_)
            | Error::Release(_)
            | Error::Preview(_)
            | Error::Local(_)
            | Error::Deploy(_)
            | Error::Logs { .. }
            | Error::Fix(_)
            | Error::LockWouldChange { .. }
            | Error::Differs { .. } => Exit::Failed,
        }
    }
}
