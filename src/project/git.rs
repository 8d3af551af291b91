//! What git says of the project's folder. Asks only: no lock is taken, no index refreshed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::progress::Notice;

/// The state of the project's folder in its repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub commit: String,
    /// A name of the commit by the nearest tag: `1.2`, `1.2-3-g0123abc`, `0123abc`.
    pub description: String,
    /// Whether files of the commit are changed or gone.
    pub modified: bool,
    /// Files and folders that git does not know and does not ignore, relative to the project's folder.
    pub untracked: Vec<PathBuf>,
}

/// Asks git about `root`. `None` without a notice: the project is in no repository, or has no commit yet.
pub fn state(root: &Path, manage: &Path, notices: &mut Vec<Notice>) -> Option<State> {
    if !root.ancestors().any(|folder| folder.join(".git").exists()) {
        return None;
    }
    match ask(root, manage) {
        Ok(state) => state,
        Err(why) => {
            notices.push(Notice {
                what: format!("the project is in a git repository, and git does not answer: {why}"),
                help: "make `git status` work in the project's folder, or set `version` in `holdall.toml`"
                    .to_owned(),
            });
            None
        }
    }
}

fn ask(root: &Path, manage: &Path) -> Result<Option<State>, String> {
    // Also finds out whether git may be used here at all.
    git(root, &["rev-parse", "--git-dir"])?;
    let Ok(commit) = git(root, &["rev-parse", "--verify", "HEAD"]) else { return Ok(None) };
    // A project that merely lies below somebody's repository is not part of it.
    let manage = manage.to_string_lossy();
    if git(root, &["ls-files", "--error-unmatch", "--", &manage]).is_err() {
        return Ok(None);
    }
    // A fixed length, or a clone with more objects would give the same commit another name.
    let description = git(root, &["describe", "--tags", "--always", "--abbrev=12"])?;
    let changes =
        git(root, &["status", "--porcelain", "-z", "--no-renames", "--untracked-files=normal", "--", "."])?;
    // Git names files from the top of the repository, wherever it is asked.
    let prefix = git(root, &["rev-parse", "--show-prefix"])?;
    let prefix = prefix.trim_end_matches('\n');
    let (mut modified, mut untracked) = (false, Vec::new());
    for change in changes.split('\0').filter(|change| !change.is_empty()) {
        match change.strip_prefix("?? ") {
            Some(path) => untracked.push(PathBuf::from(path.strip_prefix(prefix).unwrap_or(path))),
            None => modified = true,
        }
    }
    let (commit, description) = (commit.trim().to_owned(), description.trim().to_owned());
    Ok(Some(State { commit, description, modified, untracked }))
}

fn git(root: &Path, args: &[&str]) -> Result<String, String> {
    let mut command = Command::new("git");
    command.arg("-C").arg(root).args(args).stdin(Stdio::null());
    // Inside a hook these would name the repository of the hook.
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        command.env_remove(variable);
    }
    command.env("GIT_OPTIONAL_LOCKS", "0").env("LC_ALL", "C");
    let output = command.output().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "there is no `git` on the PATH".to_owned(),
        _ => error.to_string(),
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(said.lines().next().unwrap_or("it failed without a word").to_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
