//! Every way a command can fail, and the exit code that says of what kind it was.

use std::process::ExitCode;

/// The exit codes of every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    /// A precondition does not hold, and nothing was changed.
    Precondition = 3,
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
    #[diagnostic(help("check that you may write there and that the disk is not full"))]
    Cache(#[source] std::io::Error),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Project(#[from] crate::project::ProjectError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Layer(#[from] crate::layer::LayerError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Archive(#[from] crate::archive::ArchiveError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Release(#[from] crate::release::ReleaseError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Given(#[from] crate::site::given::GivenError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Preview(#[from] crate::cli::preview::PreviewError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Local(#[from] crate::site::local::LocalError),
    #[error("`{}` is not what was bundled: {count} differences", path.display())]
    #[diagnostic(help("fetch the bundle again, or expand it again into an empty folder"))]
    Differs { path: std::path::PathBuf, count: usize },
}

impl Error {
    /// The exit code that tells this error's kind to a script.
    pub fn exit(&self) -> Exit {
        match self {
            Error::Cache(_) | Error::Project(_) => Exit::Precondition,
            Error::Cache(_) => Exit::Precondition,
            Error::Given(_) => Exit::Precondition,
            Error::Local(error) if error.is_precondition() => Exit::Precondition,
            Error::Preview(error) if error.is_precondition() => Exit::Precondition,
            Error::Release(error) if error.is_precondition() => Exit::Precondition,
            Error::Layer(_)
            | Error::Archive(_)
            | Error::Release(_)
            | Error::Preview(_)
            | Error::Local(_)
            | Error::Differs { .. } => Exit::Failed,
        }
    }
}
