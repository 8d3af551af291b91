//! Locks of poetry and pipenv, which only they themselves read: asked to write them down as requirements with hashes.
//!
//! What they write may name indexes with their credentials. It goes into a folder of the run, and to uv.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::error::PackagesError;
use crate::interrupt;
use crate::said::Said;

/// A program that turns its own lock into requirements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exporter {
    Poetry,
    Pipenv,
}

impl Exporter {
    pub(super) fn name(self) -> &'static str {
        match self {
            Exporter::Poetry => "poetry",
            Exporter::Pipenv => "pipenv",
        }
    }

    /// The variable that names the program in place of the one on PATH.
    pub(super) fn variable(self) -> &'static str {
        match self {
            Exporter::Poetry => "HOLDALL_POETRY",
            Exporter::Pipenv => "HOLDALL_PIPENV",
        }
    }

    /// What the lock is made from.
    pub(super) fn source(self) -> &'static str {
        match self {
            Exporter::Poetry => "pyproject.toml",
            Exporter::Pipenv => "Pipfile",
        }
    }

    pub(super) fn install(self) -> &'static str {
        match self {
            Exporter::Poetry => "`pipx install poetry`, then `poetry self add poetry-plugin-export`",
            Exporter::Pipenv => "`pipx install pipenv`",
        }
    }

    /// What makes requirements of the lock, to be committed in its place.
    pub(super) fn by_hand(self) -> &'static str {
        match self {
            Exporter::Poetry => "poetry export --output requirements.txt",
            Exporter::Pipenv => "pipenv requirements --hash > requirements.txt",
        }
    }
}

/// The requirements of the main group of `poetry.lock`, and of these extras and groups.
pub(super) fn poetry(lock: &Path, extras: &[String], groups: &[String]) -> Result<Vec<u8>, PackagesError> {
    let program = Program::find(Exporter::Poetry, lock)?;
    // The credentials that poetry has for an index are what uv will need for it.
    let export = ["export", "--format", "requirements.txt", "--with-credentials"];
    let mut args: Vec<OsString> =
        export.into_iter().chain(["--no-interaction", "--no-ansi"]).map(OsString::from).collect();
    args.extend(extras.iter().flat_map(|extra| ["--extras".into(), extra.into()]));
    args.extend(groups.iter().flat_map(|group| ["--with".into(), group.into()]));
    let said = match program.run(args)? {
        Ok(requirements) => return Ok(requirements),
        Err(said) => said,
    };
    let has = |sign: &str| said.as_str().contains(sign);
    let lock = lock.to_owned();
    Err(if has("command export does not exist") || has("command \"export\" does not exist") {
        PackagesError::NoExportPlugin { lock }
    } else if has("changed significantly since") {
        PackagesError::ExportOutOfStep { lock, exporter: Exporter::Poetry, source: said }
    } else {
        PackagesError::ExportFailed { lock, exporter: Exporter::Poetry, source: said }
    })
}

/// The requirements of the packages of `Pipfile.lock`, and of these categories.
pub(super) fn pipenv(lock: &Path, categories: &[String]) -> Result<Vec<u8>, PackagesError> {
    check_categories(lock, categories)?;
    let program = Program::find(Exporter::Pipenv, lock)?;
    let failed =
        |source| PackagesError::ExportFailed { lock: lock.to_owned(), exporter: Exporter::Pipenv, source };
    // pipenv exports a lock that is out of step without a word.
    if let Err(source) = program.run(["verify"])? {
        return Err(
            match source.as_str().contains("out-of-date") || source.as_str().contains("out of date") {
                true => PackagesError::ExportOutOfStep {
                    lock: lock.to_owned(),
                    exporter: Exporter::Pipenv,
                    source,
                },
                false => failed(source),
            },
        );
    }
    let mut args: Vec<OsString> = ["requirements", "--hash"].map(OsString::from).into();
    if !categories.is_empty() {
        args.extend([
            "--categories".into(),
            ["packages"]
                .into_iter()
                .chain(categories.iter().map(String::as_str))
                .collect::<Vec<_>>()
                .join(",")
                .into(),
        ]);
    }
    program.run(args)?.map_err(failed)
}

/// pipenv passes over categories that are not there.
fn check_categories(lock: &Path, categories: &[String]) -> Result<(), PackagesError> {
    let malformed = |problem: String| PackagesError::Malformed { file: lock.to_owned(), problem };
    let text = fs_err::read_to_string(lock)?;
    let table: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text)
        .map_err(|error| malformed(format!("line {} is not JSON", error.line())))?;
    // In the lock they have other names than in the `Pipfile`.
    let known: Vec<&str> = table
        .keys()
        .filter_map(|key| match key.as_str() {
            "_meta" => None,
            "default" => Some("packages"),
            "develop" => Some("dev-packages"),
            category => Some(category),
        })
        .collect();
    match categories.iter().find(|category| !known.contains(&category.as_str())) {
        Some(category) => Err(PackagesError::NoCategory {
            lock: lock.to_owned(),
            category: category.clone(),
            known: known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        }),
        None => Ok(()),
    }
}

/// An exporter that was found, and the folder of the lock.
struct Program<'a> {
    exporter: Exporter,
    program: PathBuf,
    lock: &'a Path,
}

impl Program<'_> {
    fn find(exporter: Exporter, lock: &Path) -> Result<Program<'_>, PackagesError> {
        let named =
            std::env::var_os(exporter.variable()).filter(|named| !named.is_empty()).map(PathBuf::from);
        let found = named.or_else(|| on_path(std::env::var_os("PATH").as_deref(), exporter.name()));
        let program = found.ok_or_else(|| PackagesError::NoExporter { lock: lock.to_owned(), exporter })?;
        Ok(Program { exporter, program, lock })
    }

    /// What it printed, or what it said when it failed.
    fn run<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Result<Result<Vec<u8>, Said>, PackagesError> {
        let folder = self.lock.parent().unwrap_or(Path::new("."));
        let mut command = Command::new(&self.program);
        command
            .args(args)
            .current_dir(folder)
            .env("PIPENV_PIPFILE", folder.join("Pipfile"))
            .env("PIPENV_NOSPIN", "1")
            .env("PIPENV_VERBOSITY", "-1")
            .env("PIPENV_IGNORE_VIRTUALENVS", "1")
            // To export a lock no environment is needed.
            .env("POETRY_VIRTUALENVS_CREATE", "false")
            .env("PYTHONUTF8", "1")
            .env("NO_COLOR", "1")
            .env("COLUMNS", "200")
            .env_remove("FORCE_COLOR")
            .env_remove("VIRTUAL_ENV");
        match interrupt::output(&mut command) {
            Ok(Output { status, stdout, .. }) if status.success() => Ok(Ok(stdout)),
            Ok(Output { stdout, stderr, .. }) => {
                Ok(Err(Said::new(if stderr.trim_ascii().is_empty() { &stdout } else { &stderr })))
            }
            Err(source) => Err(PackagesError::ExporterUnusable {
                program: self.program.clone(),
                exporter: self.exporter,
                source,
            }),
        }
    }
}

/// The first program of this name in the folders of `path`.
fn on_path(path: Option<&OsStr>, name: &str) -> Option<PathBuf> {
    let endings: &[&str] = if cfg!(windows) { &[".exe", ".cmd", ".bat"] } else { &[""] };
    std::env::split_paths(path?)
        .flat_map(|folder| endings.iter().map(move |ending| folder.join(format!("{name}{ending}"))))
        .find(|program| program.is_file())
}
