//! What never enters a bundle unless it is named: things that belong to one machine, secrets, data.
//!
//! Decides by name alone; the one file looked for is `pyvenv.cfg`, the mark of a virtual environment.

use std::fmt;
use std::path::Path;

/// Why a file or folder is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    VersionControl,
    VirtualEnvironment,
    Cache,
    Editor,
    Packages,
    Environment,
    Key,
    Database,
    Data,
    StaticFiles,
    Output,
    Configuration,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Why::VersionControl => "of the version control",
            Why::VirtualEnvironment => "a virtual environment",
            Why::Cache => "a cache",
            Why::Editor => "of an editor",
            Why::Packages => "packages of another tool",
            Why::Environment => "settings of one machine, with secrets perhaps",
            Why::Key => "a key",
            Why::Database => "a database",
            Why::Data => "written while the site runs",
            Why::StaticFiles => "collected static files",
            Why::Output => "output of a build",
            Why::Configuration => "how to bundle, with values for bundling alone",
        })
    }
}

/// Why the folder `relative` (`disk` on this machine) is left out, if it is.
pub fn folder(relative: &Path, disk: &Path) -> Option<Why> {
    let name = relative.file_name()?.to_str()?;
    let package = || disk.join("__init__.py").is_file();
    match name {
        ".git" | ".hg" | ".svn" | ".bzr" | ".jj" | ".github" | ".gitlab" => Some(Why::VersionControl),
        ".venv" => Some(Why::VirtualEnvironment),
        "venv" | "env" if !package() => Some(Why::VirtualEnvironment),
        "__pycache__" | ".mypy_cache" | ".pytest_cache" | ".ruff_cache" | ".tox" | ".nox" | ".cache"
        | "htmlcov" | ".hypothesis" => Some(Why::Cache),
        ".idea" | ".vscode" | ".vs" => Some(Why::Editor),
        "node_modules" => Some(Why::Packages),
        "dist" if relative.parent() == Some(Path::new("")) && !package() => Some(Why::Output),
        _ if disk.join("pyvenv.cfg").is_file() => Some(Why::VirtualEnvironment),
        _ => None,
    }
}

/// Why the file `relative` is left out, if it is.
pub fn file(relative: &Path) -> Option<Why> {
    let name = relative.file_name()?.to_str()?.to_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    let key_names = ["id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"];
    if name == ".git" {
        // In a work tree or a submodule `.git` is a file.
        Some(Why::VersionControl)
    } else if name == "holdall.toml" {
        // It may hold `[build.env]`, whose values must not leave the developer's machine.
        Some(Why::Configuration)
    } else if is_environment(&name) || ACCOUNTS.contains(&name.as_str()) {
        Some(Why::Environment)
    } else if ends(&[".pem", ".key", ".pfx", ".p12", ".jks", ".ppk"]) || key_names.contains(&name.as_str()) {
        Some(Why::Key)
    } else if name == "thumbs.db" || name == ".ds_store" || name == "desktop.ini" {
        Some(Why::Editor)
    } else if is_database(&name) {
        Some(Why::Database)
    } else if ends(&[".pyc", ".pyo"]) || name == ".coverage" || name.starts_with(".coverage.") {
        Some(Why::Cache)
    } else {
        None
    }
}

/// Where programs of a developer keep passwords and the addresses of indexes.
const ACCOUNTS: [&str; 8] =
    [".netrc", "_netrc", ".pypirc", ".npmrc", ".pgpass", "pip.conf", "pip.ini", "uv.toml"];

/// `.env`, `.env.local`, `prod.env`, direnv's `.envrc`
fn is_environment(name: &str) -> bool {
    name == ".envrc" || name.ends_with(".env") || (name.starts_with(".env.") && !is_template(name))
}

/// `.env.example` holds names and no secrets.
fn is_template(name: &str) -> bool {
    matches!(&name[".env.".len()..], "example" | "sample" | "template" | "dist")
}

fn is_database(name: &str) -> bool {
    // SQLite keeps what is not yet in the file beside it.
    let name = ["-journal", "-wal", "-shm"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    [".sqlite3", ".sqlite", ".db"].iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: Option<Why>) {
        assert_eq!(file(Path::new(name)), expected, "{name}");
    }

    #[test]
    fn secrets_and_data_are_known_by_their_names() {
        check("mysite/.env", Some(Why::Environment));
        check(".env.production", Some(Why::Environment));
        check(".env.example", None);
        check(".envrc.py", None);
        check(".envrc", Some(Why::Environment));
        check("deploy/prod.env", Some(Why::Environment));
        check("environment.py", None);
        check("pip.conf", Some(Why::Environment));
        check("holdall.toml", Some(Why::Configuration));
        check("certificates/SERVER.PEM", Some(Why::Key));
        check("id_rsa", Some(Why::Key));
        check("id_rsa.pub", None);
        check("db.sqlite3", Some(Why::Database));
        check("db.sqlite3-wal", Some(Why::Database));
        check("monkey.py", None);
        check("app/models.pyc", Some(Why::Cache));
    }
}
