//! The command line of `python -m holdall_bridge`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Serve a WSGI application over FastCGI.
///
/// Without --listen the web server hands over a listening socket as descriptor 0, as lighttpd, mod_fcgid and
/// spawners do; on Windows, where there is no --listen, a named pipe as standard input, as IIS does. What the
/// application prints, and what goes wrong, goes to the log: standard error, or the file that the configuration names.
#[derive(Debug, Clone, Parser)]
#[command(name = "holdall_bridge", bin_name = "python -m holdall_bridge", no_binary_name = true, version, after_help = FILE, max_term_width = 100)]
pub struct Arguments {
    /// Read settings from this TOML file; the command line wins over it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// The application, as package.module:callable or package.module.callable
    #[arg(long, value_name = "PACKAGE.MODULE:CALLABLE")]
    pub app: Option<String>,

    /// Put this folder in front of sys.path; may be given several times
    #[arg(long, value_name = "DIR")]
    pub pythonpath: Vec<PathBuf>,

    /// Listen at unix:PATH or tcp:HOST:PORT instead of at what the web server hands over
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,

    /// Keep this many processes at work, replacing those that die [default: 1]
    #[arg(long, value_name = "N")]
    pub processes: Option<u16>,

    /// Answer this many requests at the same time in each process [default: 1]
    #[arg(long, value_name = "M")]
    pub threads: Option<u16>,

    /// Seconds that requests in flight get when the bridge is told to stop [default: 30]
    #[arg(long, value_name = "SECONDS")]
    pub grace: Option<u16>,

    /// Write the Python stack of a request that lasts longer to the log; 0: never [default: 50]
    #[arg(long, value_name = "SECONDS")]
    pub slow: Option<u32>,
    /// Replace a process after it has answered this many requests
    #[arg(long, value_name = "N")]
    pub max_requests: Option<u32>,

    /// Up to this many more by chance, so that processes are not all replaced together [default: 0]
    #[arg(long, value_name = "N")]
    pub max_requests_jitter: Option<u32>,

    /// Replace a process that takes more than this many megabytes of memory (Linux)
    #[arg(long, value_name = "MB")]
    pub max_memory: Option<u32>,

    /// Replace all processes, one after another, when this file is touched
    #[arg(long, value_name = "FILE")]
    pub reload: Option<PathBuf>,

    /// Write the log to this file instead of standard error
    #[arg(long, value_name = "FILE", conflicts_with = "log_folder")]
    pub log: Option<PathBuf>,

    /// Write the log to a file for each process in this folder, fcgi_YYMMDD_HHMMSS_PID.log
    #[arg(long, value_name = "DIR")]
    pub log_folder: Option<PathBuf>,

    /// Log a line for each request: status, size, and times
    #[arg(long)]
    pub access: bool,

    /// Log a line for each record of FastCGI that passes, without what it carries, and what --access does
    #[arg(long)]
    pub trace: bool,

    /// Import the application, answer one request in this process, report, and leave
    #[arg(long)]
    pub check: bool,

    /// How --check reports
    #[arg(long, value_enum, default_value_t = Format::Text, requires = "check")]
    pub format: Format,

    /// This process is one of several, started by another that watches it.
    #[arg(long, hide = true, conflicts_with = "check")]
    pub worker: bool,
}

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

impl Arguments {
    /// Reads the words after the program's name. Help and version come as errors that know their way out.
    pub fn parse(words: Vec<OsString>) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(words)
    }
}

const FILE: &str = r#"The file of --config, every key optional but the application's:

  app = "guestbook.wsgi:application"
  pythonpath = ["app"]              # in front of sys.path; relative to this file
  processes = 1
  threads = 1
  listen = "unix:/run/guestbook.sock"
  grace = 30
  slow = 50                         # seconds until the stack of a request is logged, while it lasts; 0: never
  max_requests = 1000               # a process is replaced after so many requests
  max_requests_jitter = 100         # and up to so many more, by chance
  max_memory = 500                  # megabytes; one that takes more is replaced (Linux)
  reload = "reload"                 # a file; touched, it has all processes replaced; relative to this file
  trusted_proxies = ["10.0.0.0/8"]  # whose X-Forwarded headers are believed; others lose them
  environment_files = ["secrets.toml"]  # more variables: NAME = "value"; relative to this file
  [environment]                     # set before anything of the project is imported
  DJANGO_SETTINGS_MODULE = "guestbook.settings"
  [log]
  path = "bridge.log"               # standard error if absent; relative to this file
  # folder = "logs"                 # instead: a file for each process in it, fcgi_YYMMDD_HHMMSS_PID.log
  max_megabytes = 10                # a larger file is renamed, and a new one begun; never if absent
  keep = 10                         # full files that stay
  access = false                    # a line for each request
  trace = false                     # a line for each record of FastCGI, and what access says
  [check]                           # the request that --check makes
  path = "/"
  host = "localhost"
  https = false
  [probe]                           # who shows the token in it may say how visitors come, and have itself held
  file = "probe.toml"               # read for requests with X-Holdall-Probe alone; relative to this file
  [maintenance]                     # while this file is there, visitors are answered by status 503
  file = "maintenance.toml"
  [events]                          # Windows: report slow requests and failed starts to the event log
  source = "holdall"
  name = "guestbook"
  folder = "logs"                   # remembers what was reported last; relative to this file
  slow = 30                         # seconds

Signals: TERM, INT and USR1, and on Windows the web server's event, let requests in flight finish, then leave.
Exit codes: 0 done, 1 failed, 2 wrong usage."#;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::parse(line.split_whitespace().map(Into::into).collect())
    }

    #[test]
    fn the_words_of_the_command_line_are_read() {
        let arguments = parse("--app a:b --pythonpath x --pythonpath y --check --format json").unwrap();
        assert_eq!(arguments.pythonpath.len(), 2);
        assert_eq!((arguments.check, arguments.format), (true, Format::Json));
        assert_eq!(parse("--procesess 2").unwrap_err().exit_code(), 2);
        assert_eq!(parse("--format json").unwrap_err().exit_code(), 2);
        assert_eq!(parse("--help").unwrap_err().exit_code(), 0);
    }
}
