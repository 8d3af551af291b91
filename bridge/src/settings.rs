//! What the bridge shall do: the command line, over the one configuration file.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::cli::Arguments;
use crate::events::Events;
use crate::forwarded::Proxies;
use crate::log_file::{Limit, LogPlace};
use crate::maintenance::Maintenance;
use crate::probe::Probes;
use crate::renewal::{Renewal, Requests};

/// Seconds until a request is slow, unless it is said: web servers give up on one after 60, unless they are told otherwise.
const SLOW: u32 = 50;

/// Everything that was asked for, the command line over the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub app: String,
    pub pythonpath: Vec<PathBuf>,
    pub environment: BTreeMap<String, String>,
    pub listen: Option<String>,
    pub processes: u16,
    pub threads: u16,
    pub grace: u16,
    /// From when on the stack of a request is written to the log, while it lasts; never, if it is absent.
    pub slow: Option<Duration>,
    pub renewal: Renewal,
    pub log: LogSettings,
    pub check: Question,
    pub probe: Option<Probes>,
    /// Whose word on visitors counts; without it that is left to the application.
    pub proxies: Option<Proxies>,
    pub maintenance: Option<Maintenance>,
    pub events: Option<Events>,
}

/// What is logged, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// Standard error, or where the project's own settings say, if it is absent.
    pub place: Option<LogPlace>,
    pub limit: Option<Limit>,
    /// A line for each request.
    pub access: bool,
    /// A line for each record; as the project's own settings say, if it is absent.
    pub trace: Option<bool>,
}

/// The request that `--check` makes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Question {
    pub path: String,
    pub host: String,
    pub https: bool,
}

impl Default for Question {
    fn default() -> Question {
        Question { path: "/".to_owned(), host: "localhost".to_owned(), https: false }
    }
}

/// Why the settings are none. Each of them is wrong usage.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum SettingsError {
    #[error("no application is named")]
    #[diagnostic(help("name it with `--app package.module:callable`, or `app` in the file of `--config`"))]
    NoApp,

    #[error("`{}`, line {line}, does not hold `NAME = \"value\"`", path.display())]
    #[diagnostic(help(
        "each line of a file of `environment_files` names a variable and its value; correct that one"
    ))]
    Variables { path: PathBuf, line: usize },

    #[error("cannot read the configuration: {0}")]
    #[diagnostic(help("check the path after `--config`, and that this user may read the file"))]
    Unreadable(#[from] io::Error),

    #[error("`{}` is no configuration: {message}", path.display())]
    Invalid {
        path: PathBuf,
        message: String,
        #[help]
        help: String,
    },

    #[error("`path` under `[check]` is `{0}`")]
    #[diagnostic(help("write the path of a page as it stands in an address: `/` or `/about/?page=2`"))]
    CheckPath(String),

    #[error("`max_requests_jitter` is set, and `max_requests` is not")]
    #[diagnostic(help("set `max_requests` too, or leave both out"))]
    Jitter,

    #[error("`path` and `folder` stand both under `[log]`")]
    #[diagnostic(help("keep `path` for one file for all processes, or `folder` for one for each"))]
    TwoLogs,

    #[error("`{key}` is 0")]
    #[diagnostic(help("at least 1 is needed to answer anything"))]
    Zero { key: &'static str },
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    app: Option<String>,
    pythonpath: Vec<PathBuf>,
    processes: Option<u16>,
    threads: Option<u16>,
    listen: Option<String>,
    grace: Option<u16>,
    /// Seconds.
    slow: Option<u32>,
    max_requests: Option<u32>,
    max_requests_jitter: Option<u32>,
    max_memory: Option<u32>,
    reload: Option<PathBuf>,
    trusted_proxies: Option<Proxies>,
    /// Files of variables, secret ones say, which not everybody who reads this one may read.
    environment_files: Vec<PathBuf>,
    environment: BTreeMap<String, String>,
    log: Log,
    check: Question,
    probe: Option<Watched>,
    maintenance: Option<Watched>,
    events: Option<EventsTable>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Log {
    path: Option<PathBuf>,
    folder: Option<PathBuf>,
    max_megabytes: Option<u32>,
    keep: Option<u16>,
    access: bool,
    trace: Option<bool>,
}

/// How events are reported.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventsTable {
    source: String,
    name: String,
    folder: PathBuf,
    /// Seconds.
    slow: u64,
}

/// A file that need not be there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Watched {
    file: PathBuf,
}

impl Settings {
    /// Reads the file, if one is named, and lays the command line over it.
    pub fn read(arguments: &Arguments) -> Result<Settings, SettingsError> {
        let file = match &arguments.config {
            Some(path) => parse(path, &fs_err::read_to_string(path)?)?,
            None => File::default(),
        };
        let folder = arguments.config.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
        // What stands in a file is meant relative to that file, wherever the web server was started.
        let mut pythonpath = arguments.pythonpath.clone();
        pythonpath.extend(file.pythonpath.iter().map(|path| folder.join(path)));
        let mut environment = BTreeMap::new();
        for path in &file.environment_files {
            environment.extend(variables(&folder.join(path))?);
        }
        environment.extend(file.environment);
        let jitter = arguments.max_requests_jitter.or(file.max_requests_jitter);
        let requests = match arguments.max_requests.or(file.max_requests) {
            Some(most) => Some(Requests { most, jitter: jitter.unwrap_or(0) }),
            None if jitter.is_some() => return Err(SettingsError::Jitter),
            None => None,
        };
        let settings = Settings {
            app: arguments.app.clone().or(file.app).ok_or(SettingsError::NoApp)?,
            pythonpath,
            environment,
            listen: arguments.listen.clone().or(file.listen),
            processes: arguments.processes.or(file.processes).unwrap_or(1),
            threads: arguments.threads.or(file.threads).unwrap_or(1),
            grace: arguments.grace.or(file.grace).unwrap_or(30),
            slow: Some(arguments.slow.or(file.slow).unwrap_or(SLOW))
                .filter(|seconds| *seconds > 0)
                .map(|seconds| Duration::from_secs(seconds.into())),
            renewal: Renewal {
                requests,
                memory: arguments.max_memory.or(file.max_memory).map(|most| u64::from(most) * 1_000_000),
                file: arguments.reload.clone().or(file.reload.map(|path| folder.join(path))),
            },
            log: log(arguments, file.log, folder)?,
            check: file.check,
            probe: file.probe.map(|probe| Probes { file: folder.join(probe.file) }),
            events: file.events.map(|table| Events {
                source: table.source,
                name: table.name,
                slow: Duration::from_secs(table.slow),
                folder: folder.join(table.folder),
            }),
            proxies: file.trusted_proxies,
            maintenance: file.maintenance.map(|watched| Maintenance { file: folder.join(watched.file) }),
        };
        match settings {
            Settings { processes: 0, .. } => Err(SettingsError::Zero { key: "processes" }),
            Settings { threads: 0, .. } => Err(SettingsError::Zero { key: "threads" }),
            Settings { renewal: Renewal { requests: Some(Requests { most: 0, .. }), .. }, .. } => {
                Err(SettingsError::Zero { key: "max_requests" })
            }
            Settings { renewal: Renewal { memory: Some(0), .. }, .. } => {
                Err(SettingsError::Zero { key: "max_memory" })
            }
            Settings { check, .. } if !check.path.starts_with('/') => {
                Err(SettingsError::CheckPath(check.path))
            }
            settings => Ok(settings),
        }
    }
}

/// Full logs that stay, unless it is said.
const KEEP: u16 = 10;

/// A place on the command line takes that of the file's place.
fn log(arguments: &Arguments, file: Log, base: &Path) -> Result<LogSettings, SettingsError> {
    let place = |path: Option<PathBuf>, folder: Option<PathBuf>| {
        path.map(LogPlace::File).or(folder.map(LogPlace::Folder))
    };
    if file.path.is_some() && file.folder.is_some() {
        return Err(SettingsError::TwoLogs);
    }
    let below = |path: PathBuf| base.join(path);
    let limit = |megabytes: u32| Limit {
        bytes: u64::from(megabytes) * 1_000_000,
        keep: file.keep.unwrap_or(KEEP).into(),
    };
    Ok(LogSettings {
        place: place(arguments.log.clone(), arguments.log_folder.clone())
            .or(place(file.path.map(below), file.folder.map(below))),
        limit: file.max_megabytes.filter(|megabytes| *megabytes > 0).map(limit),
        access: arguments.access || file.access,
        trace: if arguments.trace { Some(true) } else { file.trace },
    })
}

/// The variables in a file. The parser's own words are not told: they would quote a value.
fn variables(path: &Path) -> Result<BTreeMap<String, String>, SettingsError> {
    let text = fs_err::read_to_string(path)?;
    let text = text.trim_start_matches('\u{feff}');
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let at = error.span().map_or(0, |span| span.start.min(text.len()));
        SettingsError::Variables { path: path.to_owned(), line: text[..at].matches('\n').count() + 1 }
    })
}

fn parse(path: &Path, text: &str) -> Result<File, SettingsError> {
    // Editors on Windows put a byte order mark in front.
    toml::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| SettingsError::Invalid {
        path: path.to_owned(),
        message: error.to_string().trim_end().to_owned(),
        help: near_miss(error.message()),
    })
}

/// From "unknown field `thread`, expected one of `app`, `threads`" the one that was meant.
fn near_miss(message: &str) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    let (Some(wrong), true) = (names.next(), message.starts_with("unknown field")) else {
        return "correct the line shown, then start the bridge again".to_owned();
    };
    let nearest =
        names.max_by(|a, b| strsim::jaro_winkler(wrong, a).total_cmp(&strsim::jaro_winkler(wrong, b)));
    match nearest {
        Some(name) if strsim::jaro_winkler(wrong, name) > 0.7 => format!("did you mean `{name}`?"),
        _ => "remove the line, or correct the name".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str, line: &[&str]) -> Result<Settings, SettingsError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bridge.toml");
        fs_err::write(&path, text).unwrap();
        let mut words = vec!["--config".into(), path.into_os_string()];
        words.extend(line.iter().map(Into::into));
        Settings::read(&Arguments::parse(words).unwrap())
    }

    #[test]
    fn the_command_line_wins_over_the_file() {
        let text = "app = 'a:b'\nthreads = 3\nprocesses = 2\n[environment]\nX = 'y'\n[check]\nhost = 'h'\n";
        let settings = read(text, &["--threads", "5", "--listen", "unix:/s"]).unwrap();
        assert_eq!((settings.threads, settings.processes, settings.app.as_str()), (5, 2, "a:b"));
        assert_eq!(settings.listen.as_deref(), Some("unix:/s"));
        assert_eq!(settings.environment["X"], "y");
        assert_eq!((settings.check.path.as_str(), settings.check.host.as_str()), ("/", "h"));
    }

    #[test]
    fn a_request_is_slow_before_a_web_server_gives_up_on_it_unless_it_is_said() {
        let slow = |text: &str, line: &[&str]| read(text, line).unwrap().slow.map(|slow| slow.as_secs());
        assert_eq!(slow("app = 'a:b'", &[]), Some(50));
        assert_eq!(slow("app = 'a:b'\nslow = 290", &[]), Some(290));
        assert_eq!(slow("app = 'a:b'\nslow = 290", &["--slow", "7"]), Some(7));
        assert_eq!(slow("app = 'a:b'\nslow = 0", &[]), None);
    }

    #[test]
    fn a_process_is_replaced_as_the_file_or_the_command_line_say() {
        let text = "app = 'a:b'\nmax_requests = 10\nmax_requests_jitter = 2\nreload = 'touch'\n";
        let renewal = read(text, &["--max-requests", "20", "--max-memory", "300"]).unwrap().renewal;
        assert_eq!(renewal.requests, Some(Requests { most: 20, jitter: 2 }));
        assert_eq!(renewal.memory, Some(300_000_000));
        assert!(renewal.file.is_some_and(|file| file.is_absolute() && file.ends_with("touch")));
        let wrong = |text: &str| read(&format!("app = 'a:b'\n{text}"), &[]).unwrap_err().to_string();
        assert_eq!(wrong("max_requests = 0"), "`max_requests` is 0");
        assert_eq!(wrong("max_memory = 0"), "`max_memory` is 0");
        assert_eq!(
            wrong("max_requests_jitter = 1"),
            "`max_requests_jitter` is set, and `max_requests` is not"
        );
    }

    #[test]
    fn where_and_what_is_logged_is_said_in_the_file_or_on_the_command_line() {
        let log = |text: &str, line: &[&str]| read(&format!("app = 'a:b'\n{text}"), line).unwrap().log;
        let nothing = LogSettings { place: None, limit: None, access: false, trace: None };
        assert_eq!(log("", &[]), nothing);
        let found = log("[log]\nfolder = 'logs'\nmax_megabytes = 5\naccess = true\ntrace = false", &[]);
        assert!(matches!(found.place, Some(LogPlace::Folder(path)) if path.ends_with("logs")));
        assert_eq!(found.limit, Some(Limit { bytes: 5_000_000, keep: 10 }));
        assert_eq!((found.access, found.trace), (true, Some(false)));
        let words = ["--log", "x.log", "--access", "--trace"];
        let found = log("[log]\nfolder = 'logs'\nmax_megabytes = 1\nkeep = 3\ntrace = false", &words);
        assert_eq!(found.place, Some(LogPlace::File("x.log".into())));
        assert_eq!(found.limit, Some(Limit { bytes: 1_000_000, keep: 3 }));
        assert_eq!((found.access, found.trace), (true, Some(true)));
        check_refusal("app = 'a:b'\nlog.path = 'x'\nlog.folder = 'y'", "both under `[log]`", "for each");
    }

    #[test]
    fn paths_in_the_file_are_relative_to_it() {
        let settings =
            read("\u{feff}app = 'a:b'\npythonpath = ['src']\nlog.path = 'l.log'\nprobe.file = 'p.toml'", &[])
                .unwrap();
        let [path] = &settings.pythonpath[..] else { panic!("one path") };
        assert!(path.is_absolute() && path.ends_with("src"));
        assert!(matches!(settings.log.place, Some(LogPlace::File(path)) if path.is_absolute()));
        assert!(settings.probe.unwrap().file.is_absolute());
        assert_eq!(settings.proxies, None);
        let settings = read("app = 'a:b'\ntrusted_proxies = []", &[]).unwrap();
        assert_eq!(settings.proxies, Some(Proxies::default()));
    }

    #[test]
    fn variables_may_stand_in_files_of_their_own_and_those_of_the_configuration_win() {
        let folder = tempfile::tempdir().unwrap();
        let (config, secrets) = (folder.path().join("bridge.toml"), folder.path().join("secrets.toml"));
        let text = "app = 'a:b'\nenvironment_files = ['secrets.toml']\n[environment]\nOURS = 'told'\n";
        fs_err::write(&config, text).unwrap();
        let read = || {
            let words = ["--config".into(), config.clone().into_os_string()];
            Settings::read(&Arguments::parse(words.to_vec()).unwrap())
        };
        assert!(read().unwrap_err().to_string().contains("secrets.toml"));
        fs_err::write(&secrets, "\u{feff}KEY = \"a'b\"\nOURS = 'theirs'\n").unwrap();
        let environment = read().unwrap().environment;
        assert_eq!((&*environment["KEY"], &*environment["OURS"]), ("a'b", "told"));
        fs_err::write(&secrets, "KEY = 'k'\nOTHER = 'planted\n").unwrap();
        let error = read().unwrap_err().to_string();
        assert!(error.contains("secrets.toml`, line 2") && !error.contains("planted"), "{error}");
    }

    #[track_caller]
    fn check_refusal(text: &str, message: &str, help: &str) {
        let error = read(text, &[]).unwrap_err();
        let said = miette::Diagnostic::help(&error).unwrap().to_string();
        assert!(error.to_string().contains(message), "{error}");
        assert!(said.contains(help), "{said}");
    }

    #[test]
    fn a_wrong_file_is_refused_with_the_cure() {
        check_refusal("app = 'a:b'\nthread = 2", "unknown field `thread`", "did you mean `threads`?");
        check_refusal("app = 'a:b'\n[check]\nhots = 'h'", "unknown field `hots`", "did you mean `host`?");
        check_refusal("app = 'a:b'\nqqq = 2", "unknown field `qqq`", "remove the line");
        check_refusal("threads = 1", "no application", "--app");
        check_refusal("app = 'a:b'\nthreads = 0", "`threads` is 0", "at least 1");
        check_refusal("app = 'a:b'\ntrusted_proxies = ['x']", "`x` is no network", "correct the line");
        check_refusal("app = ", "no configuration", "correct the line");
        check_refusal("app = 'a:b'\ncheck.path = 'about'", "is `about`", "`/about/");
    }
}
