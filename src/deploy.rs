//! A bundle goes into service on this machine, and may come out of it again.
//!
//! ```text
//! survey      how the site stands: its folder, its releases, its journal, the web server     reads
//! plan        what is going to be done                                                      a value
//! carry out   expand, complete, hooks, self-check, register, show, switch, ask, retire       each step written down
//! ```
//!
//! At every instant the site serves one release, whole. What fails before the switch, or at once after it, is taken back;
//! what is cut short is finished or taken back by the next command.

mod carry_out;
pub mod check;
mod copies;
mod error;
pub mod hooks;
pub mod journal;
mod make;
mod plan;
mod preflight;
pub mod record;
mod recovery;
mod remove;
mod retire;
pub mod server;
pub mod services;
mod show;
mod status;
mod survey;
mod undo;
pub mod visits;

use std::fmt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

pub use copies::Copies;
pub use error::{Boxed, DeployError, Fault, HeldFile, StepFault, near_site};
pub use plan::{DeployPlan, Make, PlanValue, Wishes};
pub use preflight::{examine_machine, examine_site};
pub use remove::{Data, remove};
pub use server::Server;
pub use status::{ReleaseStatus, Status};
pub use survey::Survey;

use crate::archive::{Bundle, Difference};
use crate::durable::Disk;
use crate::layer::IndexedFile;
use crate::logs::Outdated;
use crate::manifest::{MANIFEST, Manifest, SiteName};
use crate::progress::{Notice, Progress};
use crate::release::prune::PrunePlan;
use crate::release::{Complete, Found, Release, ReleaseId, State};
use crate::service::{Manager, Registered, Turn};
use crate::signature::Trust;
use crate::site::lock::{Holder, IfHeld, Lock};
use crate::site::place::BRIDGE_TOML;
use crate::site::{BridgeToml, Home, Maintenance, SiteSettings};
use crate::target::Target;

use journal::{Journal, Step};

/// What is to be deployed.
#[derive(Debug)]
pub enum Source {
    Bundle(Bundle),
    /// A folder that somebody has copied or unpacked a bundle into.
    Folder(Release),
}

/// What a command works with.
pub struct Hands<'a> {
    pub server: Server,
    pub trust: &'a Trust,
    pub listener: &'a dyn Listener,
    pub if_held: IfHeld,
}

/// Hears what is going on.
pub trait Listener {
    fn step(&self, step: Step);
    fn notice(&self, notice: Notice);
    fn progress(&self) -> &dyn Progress;
    /// Somebody else changes the site, and is waited for.
    fn waiting(&self, holder: Option<&Holder>);
    /// The last requests of a release are waited for, so many seconds.
    fn draining(&self, release: &ReleaseId, seconds: u64);
}

/// What the time of a command goes into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The site's folder and the web server are looked at.
    Survey,
    Plan,
    /// The web server is asked or told something, within another part.
    Server,
    #[serde(untagged)]
    Step(Step),
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub release: ReleaseId,
    pub from: Option<ReleaseId>,
    /// Whether anything was done.
    pub changed: bool,
    /// When the processes of the release before are to end, in seconds since 1970, if they have not yet.
    pub retires: Option<u64>,
}

impl Source {
    /// Opens what a path names, if `trust` takes its signature.
    pub fn open(path: &Path, trust: &Trust) -> Result<Source, DeployError> {
        if path.is_dir() || path.join(MANIFEST).exists() {
            let folder = std::path::absolute(path).map_err(DeployError::Root)?;
            let release = Release::open_trusted(&folder, trust)?;
            crate::release::check_arrived(&release)?;
            return Ok(Source::Folder(release));
        }
        let bundle = Bundle::open_trusted(path, trust).map_err(crate::release::ReleaseError::from)?;
        Ok(Source::Bundle(bundle))
    }

    pub fn manifest(&self) -> &Manifest {
        match self {
            Source::Bundle(bundle) => bundle.manifest(),
            Source::Folder(release) => &release.manifest,
        }
    }

    /// The release that it becomes.
    pub fn id(&self) -> ReleaseId {
        let identity = match self {
            Source::Bundle(bundle) => bundle.identity(),
            Source::Folder(release) => release.identity,
        };
        ReleaseId::new(&self.manifest().version, &identity)
    }

    fn files(&self) -> Vec<&IndexedFile> {
        match self {
            Source::Bundle(bundle) => bundle.files().map(|file| file.indexed).collect(),
            Source::Folder(release) => release.files().collect(),
        }
    }

    /// Whether this machine can run it.
    pub fn fits(&self) -> Result<(), DeployError> {
        let (bundle, here) = (self.manifest().target, Target::host());
        if here == Some(bundle) { Ok(()) } else { Err(DeployError::OtherTarget { bundle, here }) }
    }
}

/// What a deploy would do, to be shown. Changes nothing.
pub fn plan_deploy(
    home: &Home,
    settings: &SiteSettings,
    text: Option<String>,
    source: &Source,
    wishes: Wishes,
    server: &mut Server,
) -> Result<DeployPlan, DeployError> {
    if let Source::Folder(release) = source
        && lies_in(&home.folder, &release.root)
    {
        let (site, folder) = (home.folder.clone(), release.root.clone());
        return Err(DeployError::SiteInside { site, folder });
    }
    let survey = Survey::of(home, settings, server)?;
    let told = preflight::check(&survey, source, wishes, server)?;
    if let Source::Bundle(bundle) = source {
        crate::release::check_fits(bundle, &survey.releases.folder().join(source.id()))?;
    }
    let mut plan = server.clock.time(Part::Plan, || DeployPlan::deploy(&survey, source, text, wishes))?;
    plan.notices.splice(0..0, told);
    Ok(plan)
}

/// Puts `source` into service. `text` is what `site.toml` is to become, if it is to change.
pub fn deploy(
    home: &Home,
    settings: &SiteSettings,
    text: Option<String>,
    source: Source,
    wishes: Wishes,
    hands: &mut Hands<'_>,
) -> Result<Outcome, DeployError> {
    // What stands in the way is found before anything is made, the site's own folder included.
    let planned = plan_deploy(home, settings, text.clone(), &source, wishes, &mut hands.server)?;
    home.make(settings)?;
    let _lock = lock(home, &format!("deploy {}", planned.release), hands)?;
    // Without a text the settings are those of the site, which somebody may have changed until then.
    let settings = &if text.is_none() { known(home, settings)? } else { settings.clone() };
    let survey = recovery::finish(home, settings, Some(&planned.release), hands)?;
    let planning = || DeployPlan::deploy(&survey, &source, text, wishes);
    let mut plan = hands.server.clock.time(Part::Plan, planning)?;
    let is_new = |notice: &Notice| !plan.notices.contains(notice);
    let told: Vec<Notice> = planned.notices.into_iter().filter(is_new).collect();
    plan.notices.splice(0..0, told);
    carry_out::carry_out(plan, &survey, Some(source), hands)
}

/// The plan of a rollback: to the release named, else to the one before.
pub fn plan_rollback(
    home: &Home,
    settings: &SiteSettings,
    to: Option<&str>,
    wishes: Wishes,
    server: &mut Server,
) -> Result<DeployPlan, DeployError> {
    let survey = Survey::of(home, settings, server)?;
    DeployPlan::rollback(&survey, target(&survey, to)?, wishes)
}

/// Has a release serve again that did before: it is warmed up, shown, and switched to. Nothing is fetched.
pub fn rollback(
    home: &Home,
    settings: &SiteSettings,
    to: Option<&str>,
    wishes: Wishes,
    hands: &mut Hands<'_>,
) -> Result<Outcome, DeployError> {
    let _lock = lock(home, "rollback", hands)?;
    let settings = &known(home, settings)?;
    let survey = recovery::finish(home, settings, None, hands)?;
    let planning = || DeployPlan::rollback(&survey, target(&survey, to)?, wishes);
    let plan = hands.server.clock.time(Part::Plan, planning)?;
    carry_out::carry_out(plan, &survey, None, hands)
}

/// Waits until the release before has answered its last requests, and has its processes end then. The site is not locked
/// meanwhile: whoever wants to go back need not wait. What is cut off here is done by the next command.
pub fn drain(
    home: &Home,
    settings: &SiteSettings,
    outcome: &Outcome,
    hands: &mut Hands<'_>,
) -> Result<(), DeployError> {
    let (Some(at), Some(from)) = (outcome.retires, &outcome.from) else { return Ok(()) };
    hands.listener.draining(from, at.saturating_sub(now()));
    // Somebody may remove the site meanwhile, or have the release serve again.
    let is_gone = || !home.folder.exists();
    let serves = || home.state().is_ok_and(|state| state.active.as_ref() == Some(from));
    retire::wait_until(at, || is_gone() || serves());
    if is_gone() {
        return Ok(());
    }
    hands.if_held = IfHeld::Wait;
    let retired = lock(home, &format!("retire {from}"), hands).and_then(|_lock| {
        let settings = known(home, settings)?;
        recovery::finish(home, &settings, None, hands).map(drop)
    });
    retired.map_err(|error| DeployError::Drained {
        release: outcome.release.clone(),
        from: from.clone(),
        error: error.into(),
    })
}

/// The plan of [`apply`].
pub fn plan_apply(
    home: &Home,
    settings: &SiteSettings,
    text: Option<String>,
    wishes: Wishes,
    server: &mut Server,
) -> Result<DeployPlan, DeployError> {
    let survey = Survey::of(home, settings, server)?;
    DeployPlan::apply(&survey, text, wishes)
}

/// Brings the site to what its settings say, while the release that serves stays. `text` is what `site.toml` is to become,
/// if it is to change.
pub fn apply(
    home: &Home,
    settings: &SiteSettings,
    text: Option<String>,
    wishes: Wishes,
    hands: &mut Hands<'_>,
) -> Result<Outcome, DeployError> {
    let _lock = lock(home, "apply", hands)?;
    let settings = &if text.is_none() { known(home, settings)? } else { settings.clone() };
    let survey = recovery::finish(home, settings, None, hands)?;
    let plan = hands.server.clock.time(Part::Plan, || DeployPlan::apply(&survey, text, wishes))?;
    carry_out::carry_out(plan, &survey, None, hands)
}

/// Has all processes of the release that serves end when they are idle, and others take their place, which are told what
/// the settings and secrets say now.
pub fn restart(home: &Home, settings: &SiteSettings, hands: &mut Hands<'_>) -> Result<Outcome, DeployError> {
    let _lock = lock(home, "restart", hands)?;
    let settings = &known(home, settings)?;
    let survey = recovery::finish(home, settings, None, hands)?;
    let complete = active(&survey)?;
    let place = survey.place_of(complete);
    let (_, told) = survey.told(&place)?;
    let (release, from) = (complete.id.clone(), survey.active.clone());
    let outcome = Outcome { release, from, changed: true, retires: None };
    let failed = |fault: Fault| DeployError::Restart { release: complete.id.clone(), fault: fault.into() };
    home.tell(&place, &told).map_err(|error| failed(error.into()))?;
    retire::end_processes(&survey, &complete.id).map_err(failed)?;
    survey.services().turn(&[], Turn::Again).map_err(|error| failed(error.into()))?;
    Ok(outcome)
}

/// The services that a site has.
pub fn services(home: &Home) -> Result<Registered, DeployError> {
    let (manager, services) = (Manager::of_machine(), home.state()?.services);
    Ok(Registered { manager, services, shared: home.shared() })
}

/// Turns services of a site on or off, while nobody else changes it. Returns which it has touched.
pub fn turn_services(home: &Home, names: &[String], turn: Turn) -> Result<Vec<String>, DeployError> {
    let _lock = Lock::take(&home.folder, "service", IfHeld::Refuse, |_| ())?;
    Ok(services(home)?.turn(names, turn)?)
}

/// Closes the site to visitors, or says anew what they are told. Whatever release serves, or will, heeds it at once.
pub fn close(
    home: &Home,
    maintenance: &Maintenance,
    listener: &dyn Listener,
    if_held: IfHeld,
) -> Result<(), DeployError> {
    let _lock = Lock::take(&home.folder, "maintenance on", if_held, |holder| listener.waiting(holder))?;
    home.close(maintenance)?;
    let active = home.state()?.active;
    let told = active.map(|active| home.folder.join("run").join(active).join(BRIDGE_TOML));
    if let Some(told) = told.filter(|told| !BridgeToml::heeds_maintenance(told)) {
        listener.notice(Notice {
            what: format!(
                "the release that serves was not told to look for it: `{}` does not say so",
                told.display()
            ),
            help: format!("`holdall restart {}` tells it", home.name),
        });
    }
    Ok(())
}

/// Opens the site to visitors again. Says whether it was closed.
pub fn open(home: &Home, listener: &dyn Listener, if_held: IfHeld) -> Result<bool, DeployError> {
    let _lock = Lock::take(&home.folder, "maintenance off", if_held, |holder| listener.waiting(holder))?;
    Ok(home.open()?)
}

/// What pruning removes: old releases, and the copies of databases that were made for old ones.
#[derive(Debug)]
pub struct Pruning {
    pub releases: PrunePlan,
    pub copies: Vec<Copies>,
    /// Logs that are too old, or too much.
    pub logs: Outdated,
}

impl fmt::Display for Pruning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.releases.fmt(f)?;
        self.copies.iter().try_for_each(|copies| writeln!(f, "remove {copies}"))?;
        match self.logs.files.len() {
            0 => Ok(()),
            count => writeln!(f, "remove {count} logs that are too old, or too much"),
        }
    }
}

/// What has come of pruning.
#[derive(Debug)]
pub struct Pruned {
    pub facts: Vec<journal::Fact>,
    /// Copies of databases that are gone.
    pub copies: Vec<ReleaseId>,
    /// How many logs are.
    pub logs: usize,
}

/// What pruning would remove.
pub fn plan_prune(survey: &Survey, keep: Option<usize>) -> Pruning {
    let kept = crate::release::prune::Kept {
        active: survey.active.as_ref(),
        before: survey.before(),
        count: keep.unwrap_or(survey.settings.releases.keep as usize),
    };
    let count = kept.count;
    let mut releases = crate::release::prune::plan(&survey.releases, &survey.found, kept);
    releases.removals.retain(|removal| !survey.is_draining(&removal.id));
    Pruning { copies: copies::superseded(survey, &releases, count), releases, logs: survey.outdated_logs() }
}

/// Removes what is not kept. Returns what is gone, and how many files of others are held.
pub fn prune(
    home: &Home,
    settings: &SiteSettings,
    keep: Option<usize>,
    hands: &mut Hands<'_>,
) -> Result<Pruned, DeployError> {
    let _lock = lock(home, "prune", hands)?;
    let settings = &known(home, settings)?;
    let survey = recovery::finish(home, settings, None, hands)?;
    let journal = Journal::of(&home.folder, home.disk.clone());
    let plan = plan_prune(&survey, keep);
    let mut state = survey.state.clone();
    let facts = retire::prune(&survey, &mut state, plan.releases, &journal, hands)
        .map_err(|fault| DeployError::Removal(fault.into()))?;
    let (copies, logs) = (retire::prune_copies(&survey, &plan.copies, hands), plan.logs.remove());
    Ok(Pruned { facts, copies, logs })
}

/// The site of this name below `root`; without a name, the only one.
pub fn site(root: &Path, name: Option<&SiteName>, disk: &Disk) -> Result<(Home, SiteSettings), DeployError> {
    let known = Home::all(root).map_err(DeployError::Root)?;
    let name = match (name, &known[..]) {
        (Some(name), _) if known.contains(name) => name,
        (Some(name), _) => {
            let (name, root) = (name.clone(), root.to_owned());
            return Err(DeployError::NoSite { name, root, known });
        }
        (None, [only]) => only,
        (None, []) => return Err(DeployError::NoSites { root: root.to_owned() }),
        (None, _) => return Err(DeployError::WhichSite { root: root.to_owned(), known }),
    };
    let home = Home::below(root, name, disk.clone());
    let settings = home.settings()?.unwrap_or_else(|| SiteSettings::named(name.clone()));
    Ok((home, settings))
}

/// The release that serves.
pub fn active(survey: &Survey) -> Result<&Complete, DeployError> {
    let active = survey.active.as_ref().and_then(|active| survey.complete(active));
    active.ok_or_else(|| DeployError::NothingServes { site: survey.home.name.clone() })
}

/// The complete release that a text names, by its name or its version alone.
pub fn pick<'a>(found: &'a [Found], wanted: &str, site: &SiteName) -> Result<&'a Complete, DeployError> {
    let complete = found.iter().filter_map(|found| match &found.state {
        State::Complete(complete) => Some(&**complete),
        _ => None,
    });
    let all: Vec<&Complete> = complete.collect();
    let fits = |complete: &&&Complete| {
        complete.id.as_str() == wanted || complete.release.manifest.version.as_str() == wanted
    };
    let fitting: Vec<&Complete> = all.iter().filter(fits).copied().collect();
    let names = |all: &[&Complete]| all.iter().map(|complete| complete.id.clone()).collect();
    match fitting[..] {
        [one] => Ok(one),
        _ => Err(DeployError::WhichRelease {
            site: site.clone(),
            wanted: wanted.to_owned(),
            found: names(&fitting),
            known: names(&all),
        }),
    }
}

/// What has changed since the release that serves was made: in it, and in what is said of uploads beside it.
pub fn drift(survey: &Survey) -> Result<Vec<Difference>, DeployError> {
    let Ok(complete) = active(survey) else { return Ok(Vec::new()) };
    let mut differences = crate::release::drift(complete)?;
    differences.extend(survey.media()?.and_then(|media| media.difference()));
    Ok(differences)
}

fn target<'a>(survey: &'a Survey, to: Option<&str>) -> Result<&'a Complete, DeployError> {
    match to {
        Some(to) => pick(&survey.found, to, &survey.home.name),
        None => {
            let site = survey.home.name.clone();
            // What serves need not be whole: to go back is a way out of that.
            let before = survey.before().filter(|_| survey.shown().is_some());
            let before = before.and_then(|before| survey.complete(before));
            before.ok_or(match survey.active.clone() {
                Some(active) => DeployError::NothingBefore { site, active },
                None => DeployError::NothingServes { site },
            })
        }
    }
}

/// Whether `path`, which need not be there yet, is `folder` or lies somewhere below it.
fn lies_in(path: &Path, folder: &Path) -> bool {
    let Ok(folder) = fs_err::canonicalize(folder) else { return false };
    let there = path.ancestors().find_map(|above| fs_err::canonicalize(above).ok());
    there.is_some_and(|there| there.starts_with(folder))
}

/// What the site's settings say now that nobody else changes them. `read` are those that were read before.
fn known(home: &Home, read: &SiteSettings) -> Result<SiteSettings, DeployError> {
    Ok(home.settings()?.unwrap_or_else(|| read.clone()))
}

/// Nobody else changes the site while this lives.
pub fn lock(home: &Home, doing: &str, hands: &Hands<'_>) -> Result<Lock, DeployError> {
    let waiting = |holder: Option<&Holder>| hands.listener.waiting(holder);
    Ok(Lock::take(&home.folder, doing, hands.if_held, waiting)?)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
