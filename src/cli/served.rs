//! What the commands of a server share: which site is meant, which web server there is, and how they tell what they do.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Output;
use super::output::printable;
use super::password;
use crate::Error;
use crate::clock::Span;
use crate::deploy::journal::Step;
use crate::deploy::{self, DeployError, DeployPlan, Hands, Listener, Server, Survey};
use crate::doctor::is_diverted;
use crate::durable::Disk;
use crate::events::{self, Ending, Event};
use crate::manifest::SiteName;
use crate::progress::{Notice, Progress};
use crate::release::{ReleaseId, Releases};
use crate::signature::Trust;
use crate::site::iis::plan::Lack;
use crate::site::iis::run::PROGRAM_VARIABLE;
use crate::site::iis::wanted::Password;
use crate::site::iis::{Appcmd, IisPlan};
use crate::site::lock::{Holder, IfHeld};
use crate::site::settings::Account;
use crate::site::{Home, Place, SiteSettings, home, secrets};

/// Where sites lie.
#[derive(clap::Args, Clone)]
pub struct RootArgs {
    /// The folder of all sites [default: HOLDALL_ROOT, else `\holdall` on the system's drive, `/srv/holdall` elsewhere]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

/// One site.
#[derive(clap::Args)]
pub struct SiteArgs {
    /// The site; can be left out where there is only one
    #[arg(value_name = "SITE", value_parser = site_name)]
    site: Option<SiteName>,
    #[command(flatten)]
    pub root: RootArgs,
}

/// A release of a site, to do something with beside the web server.
#[derive(clap::Args, Clone)]
pub struct ReleaseArgs {
    /// The site
    #[arg(value_name = "SITE", value_parser = site_name)]
    site: SiteName,
    /// Another release than the one that serves, by its version or its name
    #[arg(long, value_name = "VERSION")]
    release: Option<String>,
    #[command(flatten)]
    root: RootArgs,
}

/// A release with all that it is told.
pub struct Placed {
    pub home: Home,
    pub settings: SiteSettings,
    pub place: Place,
    /// The variables that administrators have given.
    pub given: BTreeMap<String, String>,
}

impl ReleaseArgs {
    pub fn site(&self) -> &SiteName {
        &self.site
    }

    /// Where the site's own data is, or would be.
    pub fn shared(&self) -> Option<PathBuf> {
        self.root.folder().ok().map(|root| Home::below(&root, &self.site, Disk::default()).shared())
    }

    pub fn find(&self) -> Result<Placed, DeployError> {
        let (home, settings) = deploy::site(&self.root.folder()?, Some(&self.site), &Disk::default())?;
        let state = home.state()?;
        let releases = Releases::open(&home.folder, state.adopted(), home.disk.clone())?;
        let complete = match &self.release {
            None => {
                let active = state.active.as_ref().map(|active| releases.complete(active)).transpose()?;
                let nothing = || DeployError::NothingServes { site: home.name.clone() };
                active.flatten().ok_or_else(nothing)?
            }
            Some(wanted) => deploy::pick(&releases.find()?, wanted, &home.name)?.clone(),
        };
        let (manifest, release) = (complete.release.manifest.clone(), complete.root().to_owned());
        let place = Place { manifest, site: home.folder.clone(), id: complete.id, release };
        let given = secrets::given(&settings, &home.secrets()?, &place.manifest)?;
        Ok(Placed { home, settings, place, given })
    }
}

/// The web server.
#[derive(clap::Args)]
pub struct ServerArgs {
    /// The web server that serves the site [default on Windows: iis]
    #[arg(long, value_enum, value_name = "SERVER")]
    server: Option<Kind>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Kind {
    /// Internet Information Services, by its `appcmd` or the program that HOLDALL_APPCMD names
    Iis,
}

/// A site that is asked how it stands.
#[derive(clap::Args)]
pub struct AskedArgs {
    #[command(flatten)]
    site: SiteArgs,
    #[command(flatten)]
    server: ServerArgs,
}

impl AskedArgs {
    pub fn survey(&self) -> Result<Survey, DeployError> {
        let (home, settings) = self.site.find()?;
        Survey::of(&home, &settings, &mut self.server.server()?)
    }
}

/// How a site is changed.
#[derive(clap::Args)]
pub struct ChangeArgs {
    /// Wait while another command changes the site, instead of leaving
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    server: ServerArgs,
}

impl ChangeArgs {
    pub fn server(&self) -> Result<Server, DeployError> {
        self.server.server()
    }

    /// What the command works with that changes the site.
    pub fn hands<'a>(&self, server: Server, trust: &'a Trust, teller: &'a Teller<'_>) -> Hands<'a> {
        let if_held = if self.wait { IfHeld::Wait } else { IfHeld::Refuse };
        Hands { server, trust, listener: teller, if_held }
    }
}

/// How another release comes to serve.
#[derive(clap::Args)]
pub struct SwitchArgs {
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub plan: bool,
    /// With `--plan`: write the commands for IIS into this batch file, which is new or was written so before
    #[arg(long, value_name = "FILE", requires = "plan")]
    script: Option<PathBuf>,
    /// Leave it to the next command to end the processes of the release before
    #[arg(long)]
    no_wait: bool,
    /// Read the password of the account that the pool is to run under from standard input, up to its first line's end, if
    /// it is needed
    #[arg(long)]
    pool_password_stdin: bool,
    #[command(flatten)]
    pub change: ChangeArgs,
}

impl SwitchArgs {
    /// Has the server know the password of the pool's account, if `planned` comes to nothing without it. Nobody is asked for
    /// one that is not needed, and none is needed to say what would be done.
    pub fn give_password(
        &self,
        server: &mut Server,
        settings: &SiteSettings,
        planned: impl FnOnce(&mut Server) -> Result<DeployPlan, DeployError>,
    ) {
        if settings.pool.account.as_ref().is_none_or(Account::is_managed) {
            return;
        }
        // Whatever else stands in the way is said by what comes next.
        if let Err(DeployError::Lack(Lack::Password(account))) = planned(server) {
            let password = match self.plan {
                true => Some(Password::new(String::new())),
                false => password::of_account(&account, self.pool_password_stdin),
            };
            if let Some(password) = password {
                server.give_password(password);
            }
        }
    }

    /// Says what would be done.
    pub fn show(&self, plan: &DeployPlan, notices: &[Notice], output: &Output) -> Result<(), Error> {
        if let Some(script) = &self.script {
            write_script(script, &plan.iis)?;
        }
        if output.is_json() {
            output.json(&plan.value());
        } else {
            notices.iter().chain(&plan.notices).for_each(|notice| output.notice(notice));
            output.line(plan.to_string().trim_end());
        }
        Ok(())
    }

    /// Tells what came of it, and sees to the processes of the release before.
    pub fn end(
        &self,
        (home, settings): (&Home, &SiteSettings),
        outcome: &deploy::Outcome,
        hands: &mut Hands<'_>,
        teller: &Teller<'_>,
        output: &Output,
    ) -> Result<(), Error> {
        told(&home.name, outcome, &hands.server, teller, output);
        match self.no_wait {
            true => Ok(()),
            false => Ok(deploy::drain(home, settings, outcome, hands)?),
        }
    }
}

pub fn site_name(text: &str) -> Result<SiteName, String> {
    SiteName::parse(text).map_err(|error| error.to_string())
}

impl RootArgs {
    /// The folder of all sites.
    pub fn folder(&self) -> Result<PathBuf, DeployError> {
        home::root(self.root.as_deref()).map_err(DeployError::Root)
    }
}

impl SiteArgs {
    /// The site that is meant.
    pub fn find(&self) -> Result<(Home, SiteSettings), DeployError> {
        deploy::site(&self.root.folder()?, self.site.as_ref(), &Disk::default())
    }
}

impl ServerArgs {
    pub fn server(&self) -> Result<Server, DeployError> {
        match self.server {
            Some(Kind::Iis) => iis(),
            None if cfg!(windows) => iis(),
            None => Err(DeployError::NoServer),
        }
    }
}

fn iis() -> Result<Server, DeployError> {
    if is_diverted() {
        return Err(DeployError::Diverted);
    }
    let appcmd = Appcmd::of_machine();
    // A bare name is looked for on PATH when it is run.
    let is_path = appcmd.program().components().count() > 1;
    let is_named = std::env::var_os(PROGRAM_VARIABLE).is_some_and(|named| named == appcmd.program());
    match is_named && is_path && !appcmd.program().is_file() {
        true => Err(DeployError::NoAppcmd { program: appcmd.program().to_owned() }),
        false => Ok(Server::iis(appcmd)),
    }
}

/// Tells people what goes on as it does, and keeps notices for machines.
pub struct Teller<'a> {
    output: &'a Output,
    progress: Box<dyn Progress>,
    notices: RefCell<Vec<Notice>>,
}

impl<'a> Teller<'a> {
    pub fn new(output: &'a Output) -> Teller<'a> {
        Teller { output, progress: output.progress(), notices: RefCell::default() }
    }

    pub fn notices(&self) -> Vec<Notice> {
        self.notices.borrow().clone()
    }
}

impl Listener for Teller<'_> {
    fn step(&self, step: Step) {
        self.output.aside(words(step));
    }

    fn notice(&self, notice: Notice) {
        self.output.notice(&notice);
        self.notices.borrow_mut().push(notice);
    }

    fn progress(&self) -> &dyn Progress {
        &*self.progress
    }

    fn waiting(&self, holder: Option<&Holder>) {
        let holder = holder.map_or_else(|| "another command".to_owned(), ToString::to_string);
        self.output.aside(printable(&format!("waiting for {holder}")));
    }

    fn draining(&self, release: &ReleaseId, seconds: u64) {
        self.output.aside(format!(
            "waiting {seconds} s for the last requests of {release}; the site can be changed meanwhile, and the next \
             command sees to it if this one is stopped"
        ));
    }
}

/// Writes how a command ended into the event log of Windows, for whoever watches many servers.
pub fn noted<T>(
    doing: &'static str,
    site: &SiteName,
    done: Result<T, DeployError>,
    event: impl FnOnce(&T) -> Option<Event>,
) -> Result<T, DeployError> {
    events::register();
    match &done {
        Ok(value) => event(value).iter().for_each(events::report),
        Err(error) => {
            let ending = match error {
                DeployError::RolledBack { .. } => Ending::TakenBack,
                DeployError::NotRolledBack { .. } => Ending::NotTakenBack,
                error if error.is_precondition() => Ending::Refused,
                _ => Ending::InPart,
            };
            let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
            let words = std::iter::once(error.to_string()).chain(causes.map(ToString::to_string)).collect();
            events::report(&Event::Failed { site: site.clone(), doing, ending, words });
        }
    }
    done
}

/// What is being done, as it is told.
fn words(step: Step) -> &'static str {
    match step {
        Step::Lock => "lock",
        Step::Preflight => "preflight",
        Step::Plan => "plan",
        Step::Fetch => "fetch",
        Step::Expand => "expand the bundle",
        Step::Complete => "complete the release",
        Step::HooksBefore => "run the hooks before the switch",
        Step::SelfCheck => "check that the project starts",
        Step::Register => "register the release",
        Step::Stage => "show it on this machine alone, and warm it up",
        Step::Switch => "switch",
        Step::Probe => "ask for pages as visitors do",
        Step::Services => "have the services run from it",
        Step::HooksAfter => "run the hooks after the switch",
        Step::Retire => "retire the release before",
    }
}

/// What came of a command, for machines.
#[derive(Serialize)]
pub struct OutcomeValue<'a> {
    pub site: &'a SiteName,
    pub release: &'a ReleaseId,
    pub from: Option<&'a ReleaseId>,
    pub changed: bool,
    pub notices: Vec<Notice>,
    /// When what was done; some lies within other.
    pub spans: Vec<SpanValue>,
}

/// In seconds since the beginning.
#[derive(Serialize)]
pub struct SpanValue {
    part: deploy::Part,
    from: f64,
    to: f64,
}

/// Tells which release serves now.
pub fn told(
    site: &SiteName,
    outcome: &deploy::Outcome,
    server: &Server,
    teller: &Teller<'_>,
    output: &Output,
) {
    let deploy::Outcome { release, from, changed, .. } = outcome;
    if output.is_json() {
        let (from, notices) = (from.as_ref(), teller.notices());
        let spans = server.spans().into_iter().map(|Span { part, from, to }| SpanValue {
            part,
            from: from.as_secs_f64(),
            to: to.as_secs_f64(),
        });
        let spans = spans.collect();
        output.json(&OutcomeValue { site, release, from, changed: *changed, notices, spans });
        return;
    }
    match from {
        _ if !changed => output.line(format!("nothing to do: {release} of {site} serves as it should")),
        Some(from) if from != release => {
            output.line(format!("{release} of {site} serves, and {from} before it"))
        }
        _ => output.line(format!("{release} of {site} serves")),
    }
}

/// How a batch file begins that was written here, and may be written anew.
const SCRIPT: &str =
    "@rem Written by holdall: what a plan would change in IIS. `--script` writes it anew.\r\n";

/// Writes the commands of a plan as a batch file. Only one that was written here before is overwritten.
fn write_script(path: &Path, plan: &IisPlan) -> Result<(), DeployError> {
    let is_ours = match fs_err::read(path) {
        Ok(there) => there.starts_with(SCRIPT.as_bytes()),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if !is_ours {
        return Err(DeployError::ScriptExists { path: path.to_owned() });
    }
    fs_err::write(path, SCRIPT.to_owned() + &plan.script())
        .map_err(|source| deploy::Fault::Unwritable { path: path.to_owned(), source }.into())
}
