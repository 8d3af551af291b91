//! What the commands of a server share: which site is meant, which web server there is, and how they tell what they do.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Output;
use super::output::printable;
use crate::deploy::journal::Step;
use crate::deploy::{self, DeployError, Hands, Listener, Server, Survey};
use crate::doctor::is_diverted;
use crate::durable::Disk;
use crate::events::{self, Ending, Event};
use crate::manifest::SiteName;
use crate::progress::{Notice, Progress};
use crate::release::{ReleaseId, Releases};
use crate::signature::Trust;
use crate::site::iis::Appcmd;
use crate::site::iis::run::PROGRAM_VARIABLE;
use crate::site::lock::{Holder, IfHeld};
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
