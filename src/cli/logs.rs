//! `holdall logs`: what a site has to say.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::Output;
use super::output::printable;
use super::served::{ServerArgs, SiteArgs};
use super::stop::Stop;
use crate::Error;
use crate::deploy::DeployError;
use crate::logs::{self, Entry, Follow, Logs, Source, Wanted};
use crate::progress::Notice;
use crate::site::iis::wanted::Spot;
use crate::site::{Home, SiteSettings};

const AFTER: &str = "\
Examples:
  holdall logs shop
  holdall logs shop --follow
  holdall logs shop --since 1h --source bridge --source iis
  holdall logs shop --since 2026-11-23T10:00 --lines 50000 --format json

Exit codes:
  0  done, or ended by Ctrl-C while it followed
  1  failed
  2  wrong usage
  3  there is no such site, or no web server whose logs were asked for";

/// How many lines are shown where nobody says otherwise.
const LINES: usize = 100;
const LINES_SINCE: usize = 10_000;

/// How often it is looked for more.
const PAUSE: Duration = Duration::from_millis(400);

/// Show what a site and all around it has said, merged by time
///
/// The bridge with the project's own words, hooks, services, the requests that IIS answered, and those that Windows refused
/// before IIS saw them. Times are UTC, as in IIS's own logs.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    site: SiteArgs,
    /// Go on with what is written from now on, until Ctrl-C
    #[arg(long, short)]
    follow: bool,
    /// Show what was said since then: `90s`, `15m`, `1h`, `2d`, a day, or a moment, in UTC unless it names its zone
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
    /// Show this source alone; may be given several times
    #[arg(long = "source", value_enum, value_name = "SOURCE")]
    sources: Vec<SourceArg>,
    /// Show the last so many lines [default: 100; with `--since` 10000]
    #[arg(long, short = 'n', value_name = "N")]
    lines: Option<usize>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum SourceArg {
    /// The bridge, with what the project logs
    Bridge,
    /// What hooks of deploys have said
    Hooks,
    /// The project's background commands
    Services,
    /// The requests that IIS answered
    Iis,
    /// Those that Windows refused or cut off
    Http,
}

impl SourceArg {
    fn source(self) -> Source {
        match self {
            SourceArg::Bridge => Source::Bridge,
            SourceArg::Hooks => Source::Hooks,
            SourceArg::Services => Source::Services,
            SourceArg::Iis => Source::Iis,
            SourceArg::Http => Source::Http,
        }
    }
}

fn since(text: &str) -> Result<Timestamp, String> {
    logs::since(text, Timestamp::now())
        .ok_or_else(|| "`90s`, `15m`, `1h`, `2d`, `2026-11-23` or `2026-11-23T10:00` is wanted".to_owned())
}

#[derive(Serialize)]
struct Value<'a> {
    time: String,
    source: &'static str,
    file: &'a PathBuf,
    line: &'a str,
}

pub fn run(args: Args, output: &Output) -> Result<(), Error> {
    let runtime = tokio::runtime::Runtime::new().map_err(Error::System)?;
    let stop = Stop::listen(&runtime).map_err(Error::System)?;
    let (home, settings) = args.site.find()?;
    let all = places(&args, &home, &settings, output)?;
    // What is written while the last lines are read is not lost: it is followed from before that on.
    let unreadable = |source| Error::Logs { site: home.name.clone(), source };
    let mut follow = args.follow.then(|| Follow::begin(all.clone())).transpose().map_err(unreadable)?;
    let usual = if args.since.is_some() { LINES_SINCE } else { LINES };
    let lines = args.lines.unwrap_or(usual);
    let (entries, errors) = logs::last(&all, Wanted { since: args.since, lines });
    for error in errors {
        output.notice(&Notice {
            what: format!("not all logs can be read: {error}"),
            help: "on a server that takes an administrator".to_owned(),
        });
    }
    entries.iter().for_each(|entry| show(entry, output));
    if let (None, true, Some(_)) = (args.lines, entries.len() == lines, args.since) {
        output.aside(format!(
            "there may be more: these are the last {lines} lines, and `--lines` shows others"
        ));
    }
    while let Some(follow) = &mut follow {
        if stop.is_asked() || !output.is_heard() {
            break;
        }
        let more = follow.more().map_err(unreadable)?;
        more.iter().for_each(|entry| show(entry, output));
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Where the logs lie that are wanted. Those of the web server are left out where there is none, unless they were asked for.
fn places(
    args: &Args,
    home: &Home,
    settings: &SiteSettings,
    output: &Output,
) -> Result<Vec<Logs>, DeployError> {
    let wanted: Vec<Source> = match &args.sources[..] {
        [] => Source::ALL.to_vec(),
        some => some.iter().map(|source| source.source()).collect(),
    };
    let mut all = Logs::of_site(&home.shared());
    let is_asked = !args.sources.is_empty();
    if wanted.contains(&Source::Iis) || wanted.contains(&Source::Http) {
        let of_server = || -> Result<Vec<Logs>, DeployError> {
            Ok(args.server.server()?.logs(&Spot::of(settings, &home.folder)?)?)
        };
        match of_server() {
            Ok(logs) => all.extend(logs),
            Err(error) if is_asked => return Err(error),
            Err(DeployError::NoServer) => {}
            Err(error) => output.notice(&Notice {
                what: format!("the logs of IIS are left out: {error}"),
                help: "run this as an elevated administrator, or name other sources by `--source`".to_owned(),
            }),
        }
    }
    all.retain(|logs| wanted.contains(&logs.source));
    Ok(all)
}

fn show(entry: &Entry, output: &Output) {
    let time = entry.at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
    let source = entry.source.as_str();
    if output.is_json() {
        output.json(&Value { time, source, file: &entry.file, line: &entry.line });
        return;
    }
    let column = format!("{source:<8}");
    let column = match entry.source {
        Source::Bridge => console::style(column).cyan(),
        Source::Hooks => console::style(column).magenta(),
        Source::Services => console::style(column).blue(),
        Source::Iis => console::style(column).green(),
        Source::Http => console::style(column).yellow(),
    };
    output.line(format!("{time}  {column}  {}", printable(entry.said())));
}
