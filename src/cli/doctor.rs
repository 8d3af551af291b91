//! `holdall doctor`: is this machine ready for a site?

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use console::Style;
use serde::Serialize;

use super::Output;
use super::output::printable;
use super::served::{RootArgs, ServerArgs, site_name};
use super::stop::Ending;
use super::trust::TrustArgs;
use crate::Error;
use crate::deploy::{self, DeployError, Server, Source};
use crate::doctor::{Finding, Fixed, Level};
use crate::durable::Disk;
use crate::manifest::SiteName;
use crate::site::{Home, SiteSettings};

const AFTER: &str = "\
Examples:
  holdall doctor                                    look at this machine, and at its only site
  holdall doctor shop                               look at this site
  holdall doctor --bundle shop.zip --site site.toml look whether this bundle can be deployed so
  holdall doctor --bundle shop.zip --fix            put right what can be, after asking
  holdall doctor shop --fix --yes --format json     for scripts

Exit codes:
  0  no problem was found; there may be warnings
  1  something could not be put right
  2  wrong usage
  3  there is a problem, whose remedy is named
  130  ended by Ctrl-C";

/// Say whether this machine is ready for a site, and what to do about what is not
///
/// Looks at rights, IIS and its features, addresses and ports, disk and paths, the clock, protection against strange
/// programs, and connections to databases. Changes nothing, unless `--fix` is given and somebody agrees. What a deploy
/// needs of it is looked at by `holdall deploy` itself.
#[derive(clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The site; can be left out where there is only one, or none yet
    #[arg(value_name = "SITE", value_parser = site_name)]
    name: Option<SiteName>,
    /// Look whether this bundle, or the folder that one was copied into, can be deployed
    #[arg(long, value_name = "BUNDLE|FOLDER")]
    bundle: Option<PathBuf>,
    /// Take these settings for those of the site
    #[arg(long, value_name = "FILE", conflicts_with = "name")]
    site: Option<PathBuf>,
    #[command(flatten)]
    root: RootArgs,
    /// Put right what can be: add the CGI feature of IIS, unblock files
    #[arg(long)]
    fix: bool,
    /// With `--fix`: do not ask
    #[arg(long, requires = "fix")]
    yes: bool,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    trust: TrustArgs,
}

/// All that was found, for machines.
#[derive(Serialize)]
struct Value<'a> {
    site: Option<&'a SiteName>,
    problems: usize,
    warnings: usize,
    findings: &'a [Finding],
    fixed: &'a [Repair],
}

/// Something that was put right.
#[derive(Serialize)]
struct Repair {
    id: &'static str,
    command: String,
    /// Whether Windows has to be started anew before it holds.
    restart: bool,
}

/// What is looked at.
struct Patient {
    root: PathBuf,
    site: Option<(Home, SiteSettings)>,
    source: Option<Source>,
    server: Option<Server>,
}

pub fn run(args: Args, output: &Output) -> Result<(), Error> {
    let _ending = Ending::listen_for_doctor(output).map_err(Error::System)?;
    let (fix, yes) = (args.fix, args.yes);
    let mut patient = Patient::of(args)?;
    let mut findings = patient.examine()?;
    let mut fixed = Vec::new();
    if fix && findings.iter().any(|finding| finding.fix.is_some()) {
        fixed = repair(&findings, yes, output)?;
        if !fixed.is_empty() {
            findings = patient.examine()?;
        }
    }
    let count = |level: Level| findings.iter().filter(|finding| finding.level == level).count();
    let (problems, warnings) = (count(Level::Problem), count(Level::Warning));
    let site = patient.site.as_ref().map(|(home, _)| &home.name);
    if output.is_json() {
        output.json(&Value { site, problems, warnings, findings: &findings, fixed: &fixed });
    } else {
        findings.iter().for_each(|finding| output.line(printable_lines(finding)));
    }
    if problems > 0 { Err(Error::Unwell { problems }) } else { Ok(()) }
}

impl Patient {
    fn of(args: Args) -> Result<Patient, Error> {
        let root = args.root.folder()?;
        let trust = args.trust.read()?;
        let source = args.bundle.map(|path| Source::open(&path, &trust)).transpose()?;
        let site = site(&root, args.name.as_ref(), args.site.as_deref(), source.as_ref())?;
        let server = match args.server.server() {
            // Said of the machine.
            Err(DeployError::NoServer | DeployError::Diverted) => None,
            server => Some(server?),
        };
        Ok(Patient { root, site, source, server })
    }

    fn examine(&mut self) -> Result<Vec<Finding>, DeployError> {
        match (&self.site, &mut self.server) {
            (Some((home, settings)), Some(server)) => {
                deploy::examine_site(home, settings, self.source.as_ref(), server)
            }
            (_, server) => deploy::examine_machine(&self.root, server.as_mut()),
        }
    }
}

/// The site that is meant, if one is: it need not be there.
fn site(
    root: &Path,
    name: Option<&SiteName>,
    file: Option<&Path>,
    source: Option<&Source>,
) -> Result<Option<(Home, SiteSettings)>, DeployError> {
    let disk = Disk::default();
    if let Some(file) = file {
        let settings = SiteSettings::read(file)?;
        if let Some(source) = source {
            settings.check_fits(source.manifest(), file)?;
        }
        return Ok(Some((Home::below(root, &settings.name, disk), settings)));
    }
    if name.is_none()
        && let Some(source) = source
    {
        let home = Home::below(root, &source.manifest().name, disk);
        let settings = home.settings()?.unwrap_or_else(|| SiteSettings::of(source.manifest()));
        return Ok(Some((home, settings)));
    }
    match deploy::site(root, name, &disk) {
        // Nobody has named one.
        Err(DeployError::NoSites { .. } | DeployError::WhichSite { .. }) => Ok(None),
        found => found.map(Some),
    }
}

/// Puts right what can be, each after asking.
fn repair(findings: &[Finding], yes: bool, output: &Output) -> Result<Vec<Repair>, Error> {
    if !yes && !io::stdin().is_terminal() {
        return Err(Error::NobodyToAsk);
    }
    let mut fixed = Vec::new();
    for (finding, fix) in findings.iter().filter_map(|finding| Some((finding, finding.fix.as_ref()?))) {
        output.aside(printable(&format!("{}: {}\n  {fix}", finding.id, finding.says)));
        if !yes && !agreed()? {
            continue;
        }
        let restart = fix.run()? == Fixed::AfterRestart;
        if restart {
            output.aside("Windows has to be started anew before it holds");
        }
        fixed.push(Repair { id: finding.id, command: fix.to_string(), restart });
    }
    Ok(fixed)
}

/// Whether whoever sits there says so.
fn agreed() -> Result<bool, Error> {
    let mut stderr = io::stderr().lock();
    let asked = write!(stderr, "do it? [y/N] ").and_then(|()| stderr.flush());
    let mut answer = String::new();
    asked.and_then(|()| io::stdin().lock().read_line(&mut answer)).map_err(Error::System)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// One line, and the remedy below it.
fn printable_lines(finding: &Finding) -> String {
    let (word, style) = match finding.level {
        Level::Ok => ("ok", Style::new().green()),
        Level::Unknown => ("unknown", Style::new().dim()),
        Level::Warning => ("warning", Style::new().yellow()),
        Level::Problem => ("problem", Style::new().red()),
    };
    let word = style.apply_to(format!("{word:<8}"));
    let indented = |text: &str| printable(text).replace('\n', &format!("\n{:35}", ""));
    let mut lines = format!("{word} {:<25} {}", finding.id, indented(&finding.says));
    if let Some(remedy) = &finding.remedy {
        lines.push_str(&format!("\n{:35}{}", "", indented(remedy)));
    }
    lines
}
