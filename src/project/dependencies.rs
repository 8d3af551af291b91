//! Which files say what the project depends on. Their content is uv's business; only includes are followed.

use std::path::PathBuf;

use serde::Serialize;

/// Where the project's dependencies are written down. All paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dependencies {
    /// A lock made by uv; `project` is the folder of the `pyproject.toml` to export from it.
    UvLock { lock: PathBuf, project: PathBuf, extras: Vec<String>, groups: Vec<String> },
    /// A lock in the standard form (PEP 751).
    Pylock(PathBuf),
    /// The dependencies of `[project]` in this `pyproject.toml`.
    Pyproject { file: PathBuf, extras: Vec<String>, groups: Vec<String> },
    /// Requirements files in pip's form. What they include exists.
    Requirements(Vec<PathBuf>),
}
