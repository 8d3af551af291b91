//! The difference between what a site needs, what was last applied to it, and what is there: commands with their
//! inverses. Pure; nothing wanted that is not there is an empty plan.
//!
//! What `site.toml` doesn't name counts only when a thing is made. What somebody else has changed since is reported, and
//! changed back only if that was asked for (`take_over`).

mod bindings;
mod certificates;
mod location;
mod media;
mod pool;
mod release;
mod removal;
mod sections;
mod site;
mod staging;

use std::fmt;

use super::actual::Actual;
use super::appcmd::Command;
use super::call::Call;
use super::netsh;
use super::own::Twice;
use super::section::{Entry, HEADERS, Section};
use super::wanted::Wanted;
use super::xml::same_path;
use crate::progress::Notice;
use crate::site::certificates::CertificateLack;
use crate::site::settings::seconds;
use crate::site::state::Applied;

pub use certificates::{applied as certificates_applied, losing, thing as certificate_thing};
pub use release::unregister;
pub use removal::{refound, remove};
pub use site::{may_stand, settle, shows_release, stands, stopped, switch};
pub use staging::{stage, unstage};

/// One step: a command, and what takes it back, in the order in which to run it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// For people, in the imperative: "make the pool `shop`".
    pub says: String,
    pub does: Call,
    pub undoes: Vec<Call>,
}

/// A setting that somebody else has changed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Drift {
    /// `pool shop`
    pub thing: String,
    pub name: String,
    /// What was last applied, if it ever was.
    pub applied: Option<String>,
    pub found: String,
    pub wanted: String,
    /// Whether it stays so whatever is asked for: a newer certificate is never replaced by an older one.
    pub stays: bool,
}

/// What would be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IisPlan {
    pub changes: Vec<Change>,
    /// Left as it is.
    pub drift: Vec<Drift>,
    /// What is applied once all changes are done.
    pub applied: Applied,
}

/// Why no plan can be made: what the server lacks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum Lack {
    #[error("IIS has no FastCGI: its CGI feature is not installed")]
    #[diagnostic(help(
        "install it: `Install-WindowsFeature Web-CGI` in PowerShell, or `dism /online /enable-feature /all /featurename:IIS-CGI`"
    ))]
    FastCgi,
    #[error("there is no site `{0}` on this server")]
    #[diagnostic(help("make it first, or correct the key `below` in `site.toml`"))]
    Site(String),
    #[error("the site stands at `{from}` in IIS, and is wanted at `{to}`")]
    #[diagnostic(help(
        "what is there would stay behind: take it away first, `holdall remove {name}`, which leaves what the site wrote, \
         and deploy then; or set the key `below` in `site.toml` back"
    ))]
    Moved { name: String, from: String, to: String },
    #[error("the site `{site}` is there already, and serves `{folder}`")]
    #[diagnostic(help("choose another name, or take it over with `--take-over`"))]
    Foreign { site: String, folder: String },
    #[error("the site `{site}` is that of another folder of sites, `{root}`, and serves `{folder}`")]
    #[diagnostic(help(
        "`--root \"{root}\"` is the way to it; else choose another name, or have this folder take it over with \
         `--take-over`"
    ))]
    OtherRoot { site: String, root: String, folder: String },
    #[error("the site `{0}` is stopped")]
    #[diagnostic(help("nobody could see whether a release serves: start it, `appcmd start site \"{0}\"`"))]
    Stopped(String),
    #[error("the pool `{0}` is stopped")]
    #[diagnostic(help(
        "nobody could see whether a release serves: the Windows event log says why it stopped; start it, \
         `appcmd start apppool \"{0}\"`"
    ))]
    PoolStopped(String),
    #[error("somebody has changed IIS, and no release could be seen to serve: {}", .0.fact())]
    #[diagnostic(help("set it back, or deploy with `--take-over`, which does"))]
    Changed(Box<Drift>),
    #[error("the site `{site}` has applications of somebody else, which would go with it: {}", apps.join(", "))]
    #[diagnostic(help("delete them first, `appcmd delete app \"{site}/…\"`, if nobody needs them"))]
    OtherApps { site: String, apps: Vec<String> },
    #[error("the binding `{binding}` belongs to the site `{site}`")]
    #[diagnostic(help(
        "give this site a host or a port of its own (`[[bindings]]` in `site.toml`), or stop that one"
    ))]
    Binding { binding: String, site: String },
    #[error("this IIS is older than IIS 8, and shows one certificate for each address and port: {} cannot have their own", bindings.join(", "))]
    #[diagnostic(help(
        "give each binding by HTTPS an address of its own in place of its `host` (`ip` in `[[bindings]]`), or use Windows \
         Server 2012 or a later one"
    ))]
    NoSni { bindings: Vec<String> },
    #[error(
        "IIS has no {what}: a feature of its own that is not installed, and `{key}` in `site.toml` wants it"
    )]
    #[diagnostic(help(
        "install it: `Install-WindowsFeature {feature}` in PowerShell; or remove the key from `site.toml`"
    ))]
    Feature { what: &'static str, key: &'static str, feature: &'static str },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Certificate(CertificateLack),
    #[error("the binding `{binding}` is to keep its certificate, and has none")]
    #[diagnostic(help(
        "`{command}` finds nothing: choose one in the binding's window of the IIS Manager, or name one by `thumbprint` or \
         `subject` (`certificate` in `site.toml`)"
    ))]
    NothingToKeep { binding: String, command: Box<Call> },
    #[error("somebody else has Windows show the certificate `{found}` at `{endpoint}`{}", for_sites(sites))]
    #[diagnostic(help(
        "keep it (`certificate = \"keep\"` in `site.toml`), give the binding a host or an address of its own, or replace it \
         with `--take-over`"
    ))]
    CertificateTaken { endpoint: String, found: String, sites: Vec<String> },
    #[error("the bindings `{first}` and `{second}` share one certificate, and are to show two")]
    #[diagnostic(help("Windows tells them apart by host and port alone: name the same certificate in both"))]
    TwoCertificates { first: String, second: String },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Twice(Box<Twice>),
    #[error("the password of `{0}` is wanted, under which the pool is to run")]
    #[diagnostic(help(
        "it is asked for at a prompt; else give it on standard input with `--pool-password-stdin`, or use a group managed \
         account (`DOMAIN\\user$`)"
    ))]
    Password(String),
    #[error("there is no account `{0}`, under which the pool is to run")]
    #[diagnostic(help(
        "correct the key `account` under `[pool]` in `site.toml`; a group managed account ends in `$`, and \
         `Install-ADServiceAccount` has this machine know it"
    ))]
    NoAccount(String),
}

impl Lack {
    /// Whether the site works all the same, so that it is said and nobody is stopped.
    pub fn is_harmless(&self) -> bool {
        matches!(self, Lack::Twice(twice) if !twice.clashes)
    }

    /// As a command tells it that goes on all the same.
    pub fn notice(&self) -> Notice {
        let help = miette::Diagnostic::help(self).map(|help| help.to_string()).unwrap_or_default();
        Notice { what: self.to_string(), help }
    }
}

fn for_sites(sites: &[String]) -> String {
    match sites {
        [] => String::new(),
        _ => format!(", for {}", sites.join(", ")),
    }
}

/// What the server lacks for this site, before anything is changed.
pub fn lacks(wanted: &Wanted, actual: &Actual, last: &Applied, take_over: bool) -> Vec<Lack> {
    let mut lacks = Vec::new();
    if !actual.has_fastcgi() {
        lacks.push(Lack::FastCgi);
    }
    if wanted.spot.is_below() && actual.site(&wanted.spot.site).is_none() {
        lacks.push(Lack::Site(wanted.spot.site.clone()));
    }
    if let Some(app) = actual.app(&wanted.spot.site, &wanted.spot.app)
        && !take_over
        && !site::is_ours(wanted, app, last)
    {
        let (site, folder) = (wanted.spot.location(), app.physical_path().unwrap_or_default().to_owned());
        lacks.push(match site::root_of(&folder).map(str::to_owned) {
            Some(root) => Lack::OtherRoot { site, root, folder },
            None => Lack::Foreign { site, folder },
        });
    } else {
        let drift = whole(wanted, actual, last, take_over).drift.into_iter();
        let vital = drift.filter(|drift| site::is_vital(&wanted.spot, drift));
        lacks.extend(vital.map(|drift| match site::root_of(&drift.found).map(str::to_owned) {
            Some(root) => Lack::OtherRoot { site: wanted.spot.location(), root, folder: drift.found },
            None => Lack::Changed(drift.into()),
        }));
    }
    lacks.extend(features(wanted, actual));
    lacks.extend(bindings::taken(wanted, actual));
    lacks.extend(bindings::without_sni(wanted, actual));
    lacks.extend(certificates::lacks(wanted, actual, last, take_over));
    lacks.extend(pool::lacks(wanted, actual, last, take_over));
    lacks
}

/// Features of IIS that are wanted and not installed.
fn features(wanted: &Wanted, actual: &Actual) -> Vec<Lack> {
    let wants = |section: Section, name: &str| {
        let named = |entry: &Entry| matches!(entry, Entry::Value { path, value, .. } if *path == name && value == "true");
        wanted.sections.iter().any(|wanted| wanted.section == section && wanted.entries.iter().any(named))
    };
    let known = [
        (
            wants(Section::Windows, "enabled"),
            "WindowsAuthenticationModule",
            Lack::Feature {
                what: "Windows authentication",
                key: "authentication.windows",
                feature: "Web-Windows-Auth",
            },
        ),
        (
            wants(Section::UrlCompression, "doDynamicCompression"),
            "DynamicCompressionModule",
            Lack::Feature {
                what: "dynamic compression",
                key: "compression.dynamic",
                feature: "Web-Dyn-Compression",
            },
        ),
        (
            wants(Section::UrlCompression, "doStaticCompression"),
            "StaticCompressionModule",
            Lack::Feature {
                what: "static compression",
                key: "compression.static",
                feature: "Web-Stat-Compression",
            },
        ),
    ];
    let lacking = known.into_iter().filter(|(is_wanted, module, _)| *is_wanted && !actual.has_module(module));
    lacking.map(|(.., lack)| lack).collect()
}

/// The pool, and the FastCGI application of the release: what must be there before anything can be shown.
pub fn prepare(wanted: &Wanted, actual: &Actual, last: &Applied, take_over: bool) -> IisPlan {
    let mut difference = Difference::new(actual, last, take_over);
    pool::compare(&mut difference, wanted);
    release::compare(&mut difference, wanted);
    difference.plan
}

/// All that a deploy would change in the end, without the staging site.
pub fn whole(wanted: &Wanted, actual: &Actual, last: &Applied, take_over: bool) -> IisPlan {
    let prepared = prepare(wanted, actual, last, take_over);
    let settled = settle(wanted, actual, &prepared.applied, take_over);
    let switched = switch(wanted, actual, &settled.applied, take_over);
    prepared.then(settled).then(switched)
}

impl Change {
    fn new(says: String, does: Command, undoes: Vec<Command>) -> Change {
        Change { says, does: does.into(), undoes: undoes.into_iter().map(Call::from).collect() }
    }

    /// One that concerns a certificate.
    fn of_certificate(says: String, does: netsh::Command, undoes: netsh::Command) -> Change {
        Change { says, does: does.into(), undoes: vec![undoes.into()] }
    }

    /// One whose inverse follows from the command.
    fn plain(says: String, does: Command) -> Change {
        let undoes = does.inverse().into_iter().collect();
        Change::new(says, does, undoes)
    }

    /// The change that takes this one back, if one command does.
    pub fn inverse(&self) -> Option<Change> {
        match &self.undoes[..] {
            [undoes] => {
                let says = match self.says.strip_prefix("take back: ") {
                    Some(says) => says.to_owned(),
                    None => format!("take back: {}", self.says),
                };
                Some(Change { says, does: undoes.clone(), undoes: vec![self.does.clone()] })
            }
            _ => None,
        }
    }
}

impl IisPlan {
    /// Whether nothing would be changed.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Both, one after the other.
    #[must_use]
    pub fn then(mut self, next: IisPlan) -> IisPlan {
        self.changes.extend(next.changes);
        self.drift.extend(next.drift);
        self.applied = next.applied;
        self
    }

    /// The changes as a batch file, which stops at the first that fails.
    pub fn script(&self) -> String {
        let mut lines =
            ["@echo off", "setlocal disabledelayedexpansion", "chcp 65001 >nul"].map(str::to_owned).to_vec();
        for Change { says, does, .. } in &self.changes {
            lines.extend([String::new(), format!("rem {}", says.replace('%', "%%")), does.batch_line()]);
            lines.push("if errorlevel 1 exit /b %errorlevel%".to_owned());
        }
        lines.push(String::new());
        lines.join("\r\n")
    }
}

/// As `--plan` prints it.
impl fmt::Display for IisPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Change { says, does, .. } in &self.changes {
            writeln!(f, "{says}\n    {does}")?;
        }
        self.drift.iter().try_for_each(|drift| writeln!(f, "{drift}"))
    }
}

impl Drift {
    /// How the setting is, how it was and how it is wanted.
    pub fn fact(&self) -> String {
        let Drift { thing, name, applied, found, wanted, .. } = self;
        let was = match applied {
            Some(applied) => format!("was `{applied}` when holdall set it last"),
            None => "which holdall never set".to_owned(),
        };
        format!("{thing}, {name} is `{found}`, {was}, and is wanted as `{wanted}`")
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.stays {
            true => write!(f, "left alone: {}, which is older", self.fact()),
            false => write!(f, "left alone: {} (--take-over sets it)", self.fact()),
        }
    }
}

/// What is to be done about one setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It is as it is wanted.
    Same,
    /// It is nobody's business.
    Leave,
    Change,
    /// Somebody else has changed it.
    Foreign,
}

/// What stands for a value where there is none.
const ABSENT: &str = "(absent)";

/// One setting of a thing that is there.
#[derive(Debug, Clone, Copy)]
struct Found<'a> {
    thing: &'a str,
    name: &'a str,
    wanted: &'a str,
    /// Whether it is wanted for good, and not only when the thing is made.
    firm: bool,
    /// Whether the thing is ours, so that what was never applied to it is nobody's word.
    ours: bool,
    actual: Option<&'a str>,
}

fn verdict(found: &Found<'_>, last: Option<&str>) -> Verdict {
    let Found { wanted, firm, ours, actual, .. } = *found;
    // What is sent to browsers counts letter by letter.
    let is_sent = HEADERS.item_of(found.name).is_some();
    let same_value = |one: &str, other: &str| if is_sent { one == other } else { same_value(one, other) };
    match (actual, last) {
        (Some(actual), _) if same_value(actual, wanted) => Verdict::Same,
        _ if !firm => Verdict::Leave,
        // What the answer left out can only be judged by what was applied.
        (None, Some(last)) if same_value(last, wanted) => Verdict::Same,
        (None, _) => Verdict::Change,
        (Some(actual), Some(last)) if same_value(actual, last) => Verdict::Change,
        (Some(_), None) if ours => Verdict::Change,
        (Some(_), _) => Verdict::Foreign,
    }
}

/// Whether IIS takes two values for one: case doesn't count, nor how a time span or a path is written.
fn same_value(value: &str, other: &str) -> bool {
    same_path(value, other) || seconds(value).is_some_and(|span| seconds(other) == Some(span))
}

/// A plan in the making.
struct Difference<'a> {
    actual: &'a Actual,
    last: &'a Applied,
    take_over: bool,
    plan: IisPlan,
}

impl<'a> Difference<'a> {
    fn new(actual: &'a Actual, last: &'a Applied, take_over: bool) -> Difference<'a> {
        let plan = IisPlan { applied: last.clone(), ..IisPlan::default() };
        Difference { actual, last, take_over, plan }
    }

    fn change(&mut self, change: Change) {
        self.plan.changes.push(change);
    }

    fn applied(&mut self, thing: &str, name: &str, value: &str) {
        self.plan.applied.set(thing, name, value);
    }

    /// Compares one setting; `set` makes the command that sets it to a value.
    fn setting(&mut self, found: Found<'_>, set: impl Fn(&str) -> Command) {
        let Found { thing, name, wanted, actual, .. } = found;
        if self.is_due(found) {
            // What was unknown before is taken back to what was applied before, if to anything.
            let before = actual.or_else(|| self.last.value(thing, name));
            let says = match before {
                Some(before) => format!("set {name} of {thing} from `{before}` to `{wanted}`"),
                None => format!("set {name} of {thing} to `{wanted}`"),
            };
            self.change(Change::new(says, set(wanted), before.map(&set).into_iter().collect()));
        }
    }

    /// Whether a setting is to be changed. Keeps the books: what is applied then, and what somebody else has done.
    fn is_due(&mut self, found: Found<'_>) -> bool {
        let Found { thing, name, wanted, actual, firm, .. } = found;
        let last = self.last.value(thing, name);
        let verdict = match verdict(&found, last) {
            Verdict::Foreign if self.take_over => Verdict::Change,
            verdict => verdict,
        };
        match verdict {
            Verdict::Same if firm || found.ours => self.applied(thing, name, wanted),
            Verdict::Change => self.applied(thing, name, wanted),
            Verdict::Foreign => self.plan.drift.push(Drift {
                thing: thing.to_owned(),
                name: name.to_owned(),
                applied: last.map(str::to_owned),
                found: actual.unwrap_or_default().to_owned(),
                wanted: wanted.to_owned(),
                stays: false,
            }),
            Verdict::Same | Verdict::Leave => {}
        }
        verdict == Verdict::Change
    }
}

#[cfg(test)]
mod tests;
