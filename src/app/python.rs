//! Runs the project's code in a Python that has its packages.
//!
//! The environment is a short list of the system's own variables and `[build.env]`, so that what a
//! developer's shell happens to hold does not reach the bundle. Everything the code is given to write to is
//! a temporary folder.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::error::{AppError, Traceback};
use super::site_package::{INIT, SETTINGS, WRITABLE, literal, unix};
use super::writable::Place;
use super::{Input, StaticChoice, unprefixed};
use crate::interrupt::{Passing, Started};

/// How long the project may take to load and to collect its static files.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// Variables without which programs do not start or do not find their files.
const PASSED_ON: &[&str] = &[
    "PATH",
    "HOME",
    "LD_LIBRARY_PATH",
    "SYSTEMROOT",
    "SYSTEMDRIVE",
    "WINDIR",
    "COMSPEC",
    "PATHEXT",
    "USERPROFILE",
    "APPDATA",
    "LOCALAPPDATA",
    "PROGRAMDATA",
    "PROGRAMFILES",
    "PROGRAMFILES(X86)",
    "NUMBER_OF_PROCESSORS",
    "PROCESSOR_ARCHITECTURE",
];

#[derive(Serialize)]
struct Question<'a> {
    root: &'a str,
    roots: Vec<String>,
    manage: String,
    manage_folder: String,
    settings: &'a str,
    wsgi: &'a str,
    collect: bool,
}

/// What was found. Fields that a failure left out are empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Answer {
    pub sources: Sources,
    pub django: Option<String>,
    pub debug: bool,
    /// Whether the settings leave SECRET_KEY empty, to be filled from the environment.
    pub lacks_secret_key: bool,
    pub allowed_hosts: Vec<String>,
    pub wsgi: Option<String>,
    pub asgi: Option<String>,
    pub apps: Vec<String>,
    pub places: Vec<Place>,
    /// Settings that are a path inside the project: name -> path inside the bundle.
    pub named: BTreeMap<String, String>,
    /// What of the project is there and is led to by a setting: path inside the bundle -> setting.
    pub mentions: BTreeMap<String, String>,
    pub static_url: Option<String>,
    pub static_root: Option<String>,
    pub static_storage: Option<String>,
    pub static_hashed: bool,
    pub static_on_disk: bool,
    pub migrations: BTreeMap<String, Vec<String>>,
    pub wsgi_found: Option<bool>,
    pub settings_asked_for: Option<String>,
    /// What collectstatic wrote to its standard error.
    pub said: String,
    /// What stopped collectstatic.
    pub uncollected: Option<Failure>,
    /// What stopped the work.
    pub failure: Option<Failure>,
    /// What went wrong without stopping it.
    pub doubts: Vec<Failure>,
}

/// What the source of the settings says without being run.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Sources {
    pub environment: Vec<String>,
    pub secret_key: Option<String>,
    pub fixed_settings: Option<String>,
}

/// An exception of the project.
#[derive(Debug, Clone, Deserialize)]
pub struct Failure {
    pub step: String,
    pub trace: String,
    pub message: String,
    pub missing_module: Option<String>,
    pub missing_variable: Option<String>,
}

/// Loads the project with `python`, asks it, and lets it collect its static files into the folder `static_root`, which
/// is there, if they are wanted.
pub fn ask(
    input: &Input<'_>,
    python: &Path,
    static_root: &Path,
    patience: Duration,
) -> Result<Answer, AppError> {
    // Beside what it collects: in the folder of the run, with which it goes.
    let beside = static_root.parent().unwrap_or(Path::new("."));
    let scratch = Passing::make(|| tempfile::Builder::new().prefix("asked-").tempdir_in(beside));
    let scratch = scratch.map_err(AppError::Scratch)?;
    // A short name of Windows (`RUNNER~1`) or a link would differ from what Python makes of it.
    let folder = fs_err::canonicalize(scratch.path()).map_err(AppError::Scratch)?;
    let folder = unprefixed(&folder);
    write_scripts(input, &folder, static_root).map_err(AppError::Scratch)?;

    let output = fs_err::File::create(folder.join("output")).map_err(AppError::Scratch)?;
    let error = output.file().try_clone().map_err(AppError::Scratch)?;
    let mut command = Command::new(python);
    command.args(["-s", "-B", "-X", "utf8"]).arg(folder.join("ask.py"));
    command.arg(folder.join("question.json")).arg(folder.join("answer.json"));
    command.current_dir(input.root.join(input.manage_folder()));
    command.stdin(Stdio::null()).stdout(output.into_parts().0).stderr(error);
    command.env_clear();
    command.envs(PASSED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command.envs(input.build_env);
    // After `[build.env]`: these keep the promise that nothing is written and that nothing depends on chance.
    command.envs([
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("PYTHONHASHSEED", "0"),
        ("DJANGO_SETTINGS_MODULE", SETTINGS),
    ]);
    command.envs(["TMPDIR", "TEMP", "TMP"].map(|name| (name, folder.join("data"))));

    let started = Started::spawn(&mut command);
    let mut child = started.map_err(|source| AppError::Python { program: python.to_owned(), source })?;
    let settings = input.build_settings.unwrap_or(input.settings);
    let what = match input.static_files {
        StaticChoice::Collect => format!("loading the settings `{settings}` and running collectstatic"),
        _ => format!("loading the settings `{settings}`"),
    };
    let Some(status) = wait(&mut child, patience).map_err(AppError::Scratch)? else {
        return Err(AppError::TooSlow { what, seconds: patience.as_secs() });
    };
    let answer = fs_err::read(folder.join("answer.json")).unwrap_or_default();
    serde_json::from_slice(&answer).map_err(|_| {
        let said = fs_err::read(folder.join("output")).unwrap_or_default();
        let said = String::from_utf8_lossy(&said).into_owned();
        let last: Vec<_> = said.lines().rev().take(12).collect();
        let source = Traceback(last.into_iter().rev().collect::<Vec<_>>().join("\n"));
        AppError::Crashed { what, status: status.to_string(), source }
    })
}

/// Lays out what the child runs and reads; the answer and what the project writes will stand beside it.
fn write_scripts(input: &Input<'_>, folder: &Path, static_root: &Path) -> std::io::Result<()> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    // Joining an empty path would add a trailing separator.
    let root = unprefixed(input.root);
    let absolute = |path: &Path| text(&path.components().fold(root.clone(), |root, part| root.join(part)));
    let question = Question {
        root: &text(&root),
        roots: input.roots().into_iter().map(absolute).collect(),
        manage: absolute(input.manage),
        manage_folder: absolute(input.manage_folder()),
        settings: input.settings,
        wsgi: input.wsgi,
        collect: *input.static_files == StaticChoice::Collect,
    };
    let layout = [
        ("SETTINGS", input.build_settings.unwrap_or(input.settings)),
        ("ROOT", question.root),
        ("MANAGE", &question.manage_folder),
        ("SCRATCH", &text(&folder.join("data"))),
        ("STATIC_ROOT", &text(&unprefixed(static_root))),
    ]
    .map(|(name, value)| format!("{name} = {}\n", literal(value)))
    .concat();
    let package = folder.join("holdall_site");
    fs_err::create_dir(&package)?;
    fs_err::create_dir(folder.join("data"))?;
    fs_err::write(folder.join("question.json"), serde_json::to_vec(&question)?)?;
    fs_err::write(folder.join("ask.py"), include_str!("ask.py"))?;
    fs_err::write(package.join("__init__.py"), unix(INIT))?;
    fs_err::write(package.join("writable.py"), unix(WRITABLE))?;
    fs_err::write(package.join("sources.py"), include_str!("sources.py"))?;
    fs_err::write(package.join("settings.py"), include_str!("build_settings.py"))?;
    fs_err::write(package.join("layout.py"), layout)
}

/// Waits for `child`; kills it and returns `None` when it takes longer than `patience`.
fn wait(child: &mut Started, patience: Duration) -> std::io::Result<Option<ExitStatus>> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if begun.elapsed() >= patience {
            child.kill()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Failure {
    pub fn traceback(&self) -> Traceback {
        Traceback(self.trace.clone())
    }

    /// The exception itself, without its frames.
    pub fn last_line(&self) -> &str {
        self.trace.lines().last().unwrap_or_default()
    }
}
