//! What git says of the project's folder. Asks only: no lock is taken, no index refreshed.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::keep;
use crate::progress::Notice;

/// The state of the project's folder in its repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub commit: String,
    /// A name of the commit by the nearest tag: `1.2`, `1.2-3-g0123abc`, `0123abc`.
    pub description: String,
    /// Whether files that may be bundled differ from the commit.
    pub dirty: bool,
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
    let dirty =
        changes.split('\0').filter(|change| !change.is_empty()).any(|change| counts(root, prefix, change));
    Ok(Some(State { commit: commit.trim().to_owned(), description: description.trim().to_owned(), dirty }))
}

/// Whether a line of `git status` is about something that may be bundled: a change of a known file always is, a
/// new one unless it is left out, or looks like what a run of the site has written.
fn counts(root: &Path, prefix: &str, change: &str) -> bool {
    let Some(untracked) = change.strip_prefix("?? ") else { return true };
    let untracked = untracked.strip_prefix(prefix).unwrap_or(untracked);
    let path = Path::new(untracked);
    let folders = if untracked.ends_with('/') { Some(path) } else { path.parent() };
    let left_out =
        |folder: &Path| folder.ends_with("media") || keep::folder(folder, &root.join(folder)).is_some();
    let inside = folders.into_iter().flat_map(Path::ancestors).any(left_out);
    let is_log = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("log"));
    !(inside || is_log || keep::file(path).is_some())
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn a_new_file_counts_unless_it_is_never_bundled() {
        let counts = |change| super::counts(Path::new("/nowhere"), "web/", change);
        for change in [
            " M shop/views.py",
            "D  db.sqlite3",
            "?? web/shop/new.py",
            "?? environment.py",
            "?? .env.example",
            "?? grüße/",
        ] {
            assert!(counts(change), "{change}");
        }
        for change in [
            "?? db.sqlite3",
            "?? .venv/",
            "?? shop/__pycache__/",
            "?? web/dist/",
            "?? .env.local",
            "?? media/",
            "?? web/shop/media/a.txt",
            "?? holdall.toml",
            "?? server.key",
            "?? shop/debug.log",
        ] {
            assert!(!counts(change), "{change}");
        }
    }
}
