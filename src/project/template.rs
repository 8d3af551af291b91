//! The commented `holdall.toml` of a project: every key, with what holdall finds by itself.
//!
//! What is found stands there as a comment, so that the file changes nothing until somebody changes it; what
//! was set before stays set.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use toml::Value;

use super::config::CONFIG;
use super::dependencies::Dependencies;
use super::disk;
use super::error::ProjectError;
use super::{Found, Project, RuntimeFrom};

/// One key of the configuration: its name, what it is about, and what to write when nothing is found.
struct Line {
    key: &'static str,
    about: &'static str,
    example: &'static str,
}

const fn line(key: &'static str, about: &'static str, example: &'static str) -> Line {
    Line { key, about, example }
}

/// All keys, in the order of the file.
const LINES: &[Line] = &[
    line("name", "The name of the bundle and of its site.", "\"site\""),
    line("version", "The version of the bundle.", "\"1.0\""),
    line(
        "target",
        "The platform: windows-x86_64, windows-arm64, linux-x86_64 or linux-arm64.",
        "\"windows-x86_64\"",
    ),
    line("project.manage", "Where `manage.py` lies.", "\"manage.py\""),
    line("project.settings", "The settings module that is served.", "\"mysite.settings\""),
    line("project.wsgi", "The WSGI application, as package.module:callable.", "\"mysite.wsgi:application\""),
    line("project.python", "The Python wanted: a version or a range.", "\">=3.12\""),
    line("project.python_path", "Folders on Python's path, after the one of `manage.py`.", "[\"src\"]"),
    line("project.health", "The path that is asked to see whether the site is well.", "\"/\""),
    line("packages.requirements", "Requirements files, or [\"pyproject.toml\"].", "[\"requirements.txt\"]"),
    line(
        "packages.lock",
        "A lock: uv.lock, pylock.toml, poetry.lock or Pipfile.lock. It excludes requirements.",
        "\"pylock.toml\"",
    ),
    line("packages.extras", "Extras of the project's own dependencies.", "[\"postgres\"]"),
    line(
        "packages.groups",
        "Dependency groups (of pipenv: categories) that belong to production.",
        "[\"production\"]",
    ),
    line("packages.find-links", "Folders of wheels, looked into beside the package index.", "[\"wheels\"]"),
    line(
        "packages.offline",
        "Never ask the package index: take wheels from `find-links` and the cache.",
        "true",
    ),
    line(
        "packages.project",
        "Whether the project itself is a package of its bundle, known to importlib.metadata.",
        "false",
    ),
    line(
        "packages.prune",
        "Leave out of packages what no site reads: tests, type stubs and the like.",
        "true",
    ),
    line("packages.whole", "Packages of which nothing is left out.", "[\"numpy\"]"),
    line(
        "runtime.from",
        "The Python to bundle: \"host\", this machine's, or the path of an archive or folder.",
        "\"host\"",
    ),
    line("build.settings", "Another settings module for the time of bundling.", "\"mysite.settings_build\""),
    line(
        "build.static",
        "Static files: true collects them, false leaves them out, a path names them ready.",
        "true",
    ),
    line(
        "build.bytecode",
        "Whether modules are compiled while bundling, so that the site starts quickly.",
        "true",
    ),
    line(
        "build.env",
        "Environment variables for the time of bundling. They do not enter the bundle.",
        "NAME = \"value\"",
    ),
    line(
        "env.required",
        "Environment variables without which the site does not start: names, no values.",
        "[\"SECRET_KEY\"]",
    ),
    line(
        "files.include",
        "Globs of files to bundle although they are ignored or left out as a rule.",
        "[\"data/*.bin\"]",
    ),
    line("files.exclude", "Globs of files to leave out.", "[\"docs\"]"),
    line("files.executable", "Globs of files that are programs.", "[\"bin/*\"]"),
    line(
        "iis.web-config",
        "A web.config of one's own, whose settings IIS gets beside those that Holdall writes.",
        "\"deploy/web.config\"",
    ),
    line(
        "paths",
        "What the project writes, or a setting that names it, and where below the site's shared folder it goes.",
        "\"media\" = \"media\"",
    ),
    line("service", "A background command that is run for the site: one table each.", SERVICE),
];

/// What a service may say, as it would be written.
const SERVICE: &str = "\
# name = \"worker\"
# command = \"python -m celery -A mysite worker --pool solo\"  # or `manage.py …`, or a program in the bundle
# instances = 1
# every = \"5m\"  # m, h or d; or at = \"03:00\", also with weekdays = [\"mon\", \"thu\"]; else it runs all the time
# restart = \"always\"  # \"on-failure\", \"never\"
# stop-timeout = 30  # seconds until it is killed
# environment = { NAME = \"value\" }
";

const HEAD: &str = "\
# How holdall bundles this project. Everything here is optional: the lines behind `#` show what holdall finds
# by itself, or an example. Paths count from the project's root.
";

/// The configuration of a project as a file to be written.
#[derive(Debug)]
pub struct ConfigFile {
    pub text: String,
    path: PathBuf,
    /// A `pyproject.toml` that holds the configuration already.
    elsewhere: Option<String>,
}

impl ConfigFile {
    pub fn render(project: &Project) -> ConfigFile {
        let source = project.config.source.as_ref();
        let own = source.filter(|source| source.prefix.is_empty()).map(|source| source.path.clone());
        ConfigFile {
            text: configuration(project),
            path: own.unwrap_or_else(|| project.root.join(CONFIG)),
            elsewhere: source.filter(|source| !source.prefix.is_empty()).map(|source| source.shown.clone()),
        }
    }

    /// Writes the file unless it exists. Returns its path.
    pub fn write_new(&self) -> Result<PathBuf, ProjectError> {
        self.write(fs_err::OpenOptions::new().write(true).create_new(true))
    }

    /// Writes the file in place of the one that exists, whose settings it holds. Returns its path.
    pub fn replace(&self) -> Result<PathBuf, ProjectError> {
        self.write(fs_err::OpenOptions::new().write(true).create(true).truncate(true))
    }

    fn write(&self, options: &fs_err::OpenOptions) -> Result<PathBuf, ProjectError> {
        if let Some(file) = &self.elsewhere {
            return Err(ProjectError::ConfigElsewhere { file: file.clone() });
        }
        let path = self.path.clone();
        match options.open(&path).and_then(|mut file| file.write_all(self.text.as_bytes())) {
            Ok(()) => Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(ProjectError::ConfigExists { path })
            }
            Err(source) => Err(ProjectError::Unwritable { path, source }),
        }
    }
}

fn configuration(project: &Project) -> String {
    let mut text = HEAD.to_owned();
    let mut table = "";
    for line in LINES {
        let (above, name) = line.key.rsplit_once('.').unwrap_or(("", line.key));
        let set = project.config.source.as_ref().and_then(|source| disk::lookup(&source.table, line.key));
        if line.key == "service" {
            services(&mut text, line, set);
            continue;
        }
        // Tables of names that the project chooses stand by themselves.
        let own_table = matches!(line.key, "build.env" | "paths");
        let above = if own_table { line.key } else { above };
        text.push('\n');
        if above != table {
            let _ = writeln!(text, "[{above}]");
            table = above;
        }
        match (set, found(project, line.key)) {
            (Some(Value::Table(pairs)), _) => {
                let _ = writeln!(text, "# {}", line.about);
                for (name, value) in pairs {
                    let _ = writeln!(text, "{} = {value}", Value::String(name.clone()));
                }
            }
            (Some(value), _) => {
                let _ = writeln!(text, "# {}\n{name} = {value}", line.about);
            }
            (None, Some(found)) => {
                let _ = writeln!(
                    text,
                    "# {} Found: {}.\n# {name} = {}",
                    line.about,
                    one_line(&found.from),
                    found.value
                );
            }
            (None, None) if own_table => {
                let _ = writeln!(text, "# {}\n# {}", line.about, line.example);
            }
            (None, None) => {
                let _ = writeln!(text, "# {}\n# {name} = {}", line.about, line.example);
            }
        }
    }
    text
}

/// The list of tables at the end of the file.
fn services(text: &mut String, line: &Line, set: Option<&Value>) {
    let _ = write!(text, "\n# {}\n", line.about);
    let Some(tables) = set.and_then(Value::as_array) else {
        let _ = write!(text, "# [[service]]\n{}", line.example);
        return;
    };
    for table in tables.iter().filter_map(Value::as_table) {
        let _ = writeln!(text, "[[service]]");
        for (name, value) in table {
            let _ = writeln!(text, "{name} = {value}");
        }
    }
}

/// A comment ends with its line, and names of files may hold anything.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, "?")
}

/// What was found for a key, as it would be written.
fn found(project: &Project, key: &str) -> Option<Found<Value>> {
    let text = |value: &dyn ToString, from: &str| Some(Found::new(Value::String(value.to_string()), from));
    let shown = |path: &Path| disk::shown(&project.root, path);
    match key {
        "name" => text(&project.name.value, &project.name.from),
        "version" => text(&project.version.value, &project.version.from),
        "target" => text(&project.target.value, &project.target.from),
        "project.manage" => text(&shown(&project.manage), "the only one"),
        "project.settings" => text(&project.settings.value, &project.settings.from),
        "project.wsgi" => text(&project.wsgi.value, &project.wsgi.from),
        "project.python" => project.python.as_ref().and_then(|python| text(&python.value, &python.from)),
        "project.python_path" => {
            let (_, further) = project.python_path.split_first()?;
            let further: Vec<Value> = further.iter().map(|path| Value::String(shown(path))).collect();
            (!further.is_empty()).then(|| Found::new(Value::Array(further), "the project lies there"))
        }
        "packages.requirements" => {
            let files = match &project.dependencies.value {
                Dependencies::Requirements(files) => files.iter().map(|file| shown(file)).collect(),
                Dependencies::Pyproject { file, .. } => vec![shown(file)],
                Dependencies::UvLock { .. }
                | Dependencies::PoetryLock { .. }
                | Dependencies::PipfileLock { .. }
                | Dependencies::Pylock(_) => return None,
            };
            let files = files.into_iter().map(Value::String).collect();
            Some(Found::new(Value::Array(files), project.dependencies.from.clone()))
        }
        "packages.lock" => match &project.dependencies.value {
            Dependencies::UvLock { lock, .. }
            | Dependencies::PoetryLock { lock, .. }
            | Dependencies::PipfileLock { lock, .. }
            | Dependencies::Pylock(lock) => text(&shown(lock), &project.dependencies.from),
            Dependencies::Pyproject { .. } | Dependencies::Requirements(_) => None,
        },
        "runtime.from" => match project.runtime.as_ref()? {
            Found { value: RuntimeFrom::Host, from } => text(&"host", from),
            Found { value: RuntimeFrom::Path(path), from } => text(&path.display(), from),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::KEYS;
    use super::LINES;

    #[test]
    fn the_file_explains_every_key_and_no_other() {
        let lines: Vec<&str> = LINES.iter().map(|line| line.key).collect();
        assert_eq!(lines, KEYS);
    }
}
