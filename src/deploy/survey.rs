//! How a site stands: its folder, its releases, its journal, and what the web server says. Reads, and changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::journal::{self, History, Journal, Recovery, Standing, recover};
use super::make::own_in;
use super::server::Server;
use super::{DeployError, Part};
use crate::logs::{self, Outdated};
use crate::manifest::Manifest;
use crate::recipe::Recipes;
use crate::release::{Complete, Found, Release, ReleaseId, Releases, State as ReleaseState};
use crate::service::{Manager, Registered};
use crate::site::accounts::{Known, look_up};
use crate::site::certificates::{self, CertificateError, StoredCertificate};
use crate::site::iis::appcmd::Unquotable;
use crate::site::iis::run::IisError;
use crate::site::iis::wanted::{Password, Spot, WantedPool};
use crate::site::iis::xml::{is_below, same_path};
use crate::site::iis::{self, Drift, Wanted};
use crate::site::probe::{Address, left_over};
use crate::site::rights::{self, Grant};
use crate::site::secrets::Sid;
use crate::site::settings::{Binding, Certificate, Position, Protocol};
use crate::site::state::Applied;
use crate::site::{
    BridgeToml, Home, MediaConfig, Place, Secrets, SecretsError, SiteSettings, State, home, secrets,
};

use super::{services, visits};

/// A site, as it stands at one moment.
#[derive(Debug)]
pub struct Survey {
    pub home: Home,
    pub settings: SiteSettings,
    pub secrets: Secrets,
    pub state: State,
    pub history: History,
    pub releases: Releases,
    pub found: Vec<Found>,
    /// Where it stands in IIS: where it is wanted, unless it still stands elsewhere.
    pub spot: Spot,
    /// Where it is wanted, if that is elsewhere.
    pub wanted_at: Option<Spot>,
    pub iis: iis::Actual,
    /// The certificates of the machine, if any is to be shown.
    pub certificates: Vec<StoredCertificate>,
    /// Whether there is the account that the pool is to run under.
    pub account: Known,
    /// Its password, if somebody was asked for it.
    pub password: Option<Password>,
    /// To be asked how services stand.
    pub manager: Manager,
    /// The release that the switch points at.
    pub active: Option<ReleaseId>,
    /// What a killed run has left of leave to probe.
    pub has_passes: bool,
    /// Processors of this machine.
    pub cores: u32,
    /// The time, in seconds since 1970.
    pub now: u64,
}

impl Survey {
    /// Looks at the site in `home`, which shall be as `settings` say.
    pub fn of(home: &Home, settings: &SiteSettings, server: &mut Server) -> Result<Survey, DeployError> {
        let clock = server.clock.clone();
        let _begun = clock.begin(Part::Survey);
        let mut state = home.state()?;
        let wanted = Spot::of(settings, &home.folder)?;
        let wanted = wanted.with_endpoints(iis::plan::certificates_applied(&state.applied));
        let history = Journal::of(&home.folder, home.disk.clone()).read()?;
        let releases = Releases::open(&home.folder, state.adopted(), home.disk.clone())?;
        let found = releases.find()?;
        let manifests = found.iter().filter_map(|found| match &found.state {
            ReleaseState::Complete(complete) => Some(&complete.release.manifest),
            _ => None,
        });
        let manifests: Vec<&Manifest> = manifests.collect();
        let looking = |spot: Spot| {
            let spot = manifests.iter().fold(spot, |spot, manifest| spot.with_release(settings, manifest));
            spot.with_applied(&state.applied)
        };
        let (spot, iis) = stands(&looking(wanted.clone()), &state.applied, server, looking)?;
        let wanted_at = Some(wanted).filter(|wanted| wanted.location() != spot.location());
        let folder = shown(&spot, &iis);
        let is_shown = |found: &&Found| {
            let www = found.folder.join("www");
            folder.is_some_and(|folder| www.to_str().is_some_and(|www| same_path(folder, www)))
        };
        let active = found.iter().find(is_shown).map(|found| found.id.clone());
        if let Some(folder) = folder.filter(|_| active.is_some()) {
            iis::plan::shows_release(&spot, folder, &mut state.applied);
        }
        // One that is gone is active all the same, if the switch points there.
        let gone = || {
            let releases = releases.folder();
            let folder = folder.filter(|folder| is_below(folder, releases.to_str().unwrap_or_default()))?;
            folder.split(['/', '\\']).rev().find_map(|part| ReleaseId::parse(part).ok())
        };
        Ok(Survey {
            active: active.or_else(gone),
            certificates: certificates_for(settings)?,
            account: settings.pool.account.as_ref().map_or(Known::Unsaid, look_up),
            password: server.password.clone(),
            secrets: home.secrets()?,
            has_passes: !left_over(&home.folder).is_ok_and(|left| left.is_empty()),
            cores: std::thread::available_parallelism()
                .map_or(4, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX)),
            now: super::now(),
            home: home.clone(),
            manager: server.services.clone(),
            settings: settings.clone(),
            state,
            history,
            releases,
            found,
            spot,
            wanted_at,
            iis,
        })
    }

    /// The folder that IIS serves where the site stands.
    pub fn shown(&self) -> Option<&str> {
        shown(&self.spot, &self.iis)
    }

    /// The complete release of this name.
    pub fn complete(&self, id: &ReleaseId) -> Option<&Complete> {
        self.found.iter().find_map(|found| match &found.state {
            ReleaseState::Complete(complete) if found.id == *id => Some(&**complete),
            _ => None,
        })
    }

    /// What the release that serves says of itself, if that can be read, whatever became of the rest of it.
    pub fn active_manifest(&self) -> Option<Manifest> {
        let active = self.active.as_ref()?;
        if let Some(complete) = self.complete(active) {
            return Some(complete.release.manifest.clone());
        }
        let found = self.found.iter().find(|found| found.id == *active)?;
        Release::open(&found.folder).ok().map(|release| release.manifest)
    }

    /// All complete releases.
    pub fn all_complete(&self) -> impl Iterator<Item = &Complete> {
        self.found.iter().filter_map(|found| match &found.state {
            ReleaseState::Complete(complete) => Some(&**complete),
            _ => None,
        })
    }

    /// Where a release of the site lies.
    pub fn place(&self, manifest: &Manifest, id: &ReleaseId, release: impl Into<PathBuf>) -> Place {
        let (manifest, id) = (manifest.clone(), id.clone());
        Place { manifest, site: self.home.folder.clone(), id, release: release.into() }
    }

    pub fn place_of(&self, complete: &Complete) -> Place {
        self.place(&complete.release.manifest, &complete.id, complete.root())
    }

    /// What IIS is to have for the release at `place`.
    pub fn wanted(&self, place: &Place) -> Result<Wanted, Unquotable> {
        let wanted = Wanted::of(&self.settings, place, self.cores)?;
        // Until it is moved by somebody, it is where it stands that it goes on to be served.
        let spot = self.spot.clone().with_release(&self.settings, &place.manifest);
        let pool = WantedPool { known: self.account, password: self.password.clone(), ..wanted.pool };
        let serving = self.active.as_ref().and_then(|active| self.complete(active));
        let in_force = serving.and_then(|complete| own_in(&complete.release)).unwrap_or_default();
        let wanted = Wanted { spot, pool, in_force, ..wanted };
        Ok(wanted.with_certificates(&self.certificates, self.now))
    }

    /// The services that the site has.
    pub fn services(&self) -> Registered {
        let (manager, services) = (self.manager.clone(), self.state.services.clone());
        Registered { manager, services, shared: self.home.shared() }
    }

    /// What a release needs that was copied into `folder`, which hands down nobody knows what rights.
    pub fn grants(&self, manifest: &Manifest, folder: &Path) -> Vec<Grant> {
        match manifest.target.is_windows() {
            true => rights::of_adopted(folder, &Sid::of_pool(&self.settings.pool_name())),
            false => Vec::new(),
        }
    }

    /// What IIS is to find in the folder of uploads, if it hands them out.
    pub fn media(&self) -> Result<Option<MediaConfig>, DeployError> {
        let template = Recipes::of_user()?.iis.media_config;
        Ok(MediaConfig::of(&self.settings, &self.home.folder, &template)?)
    }

    /// What somebody else has changed in IIS since it was applied for the release that serves.
    pub fn iis_drift(&self) -> Result<Vec<Drift>, Unquotable> {
        let active = self.active.as_ref().or(self.state.active.as_ref());
        let Some(active) = active.and_then(|active| self.complete(active)) else {
            return Ok(Vec::new());
        };
        let wanted = self.wanted(&self.place_of(active))?;
        Ok(iis::plan::whole(&wanted, &self.iis, &self.state.applied, false).drift)
    }

    /// Where visitors find the site, or shall.
    pub fn addresses(&self) -> Vec<Address> {
        match self.wanted_at {
            Some(_) => visits::served(&self.spot, &self.iis),
            None => visits::addresses(&self.settings, &self.spot, &self.iis),
        }
    }

    /// The variables of a release, and what its bridge is told. Fails with those that nobody gave.
    pub fn told(&self, place: &Place) -> Result<(BTreeMap<String, String>, BridgeToml), SecretsError> {
        let given = secrets::given(&self.settings, &self.secrets, &place.manifest)?;
        let addresses = self.addresses();
        let told = home::bridge_toml(&self.settings, place, &given, visits::visited(&addresses));
        Ok((given, told))
    }

    /// What is too old of the site's logs, or too much. What cannot be read stays.
    pub fn outdated_logs(&self) -> Outdated {
        let logs = &self.settings.logs;
        let bytes = u64::from(logs.max_megabytes) * 1_000_000;
        logs::outdated(&self.home.shared(), logs.keep_days, bytes, SystemTime::now()).unwrap_or_default()
    }

    /// The release to which a rollback goes.
    pub fn before(&self) -> Option<&ReleaseId> {
        let [active, previous] = [self.state.active.as_ref(), self.state.previous.as_ref()];
        // What was switched last may not have been written down any more.
        let before = if active == self.active.as_ref() { previous } else { active };
        before.filter(|before| self.complete(before).is_some())
    }

    /// What has to be done because an earlier command was killed, or left something for later. `making` is made now.
    pub fn recovery(&self, making: Option<&ReleaseId>) -> Vec<Recovery> {
        let is_due = |item: &Recovery| match item {
            Recovery::Retire { not_before: Some(at), .. } => *at <= self.now,
            // What lies there is taken over.
            Recovery::RemoveLeftover { release } | Recovery::ForgetTold { release } => {
                Some(release) != making
            }
            // What cannot be asked is tried, and fails with the reason.
            Recovery::MoveServices { release } => {
                services::changes_for(self, release).map_or(true, |changes| !changes.is_empty())
            }
            _ => true,
        };
        recover(&self.history, &self.actual()).into_iter().filter(is_due).collect()
    }

    fn actual(&self) -> journal::Actual {
        let standing = |found: &Found| match found.state {
            ReleaseState::Complete(_) => Standing::Complete,
            ReleaseState::Incomplete => Standing::Incomplete,
            ReleaseState::Pruning => Standing::Pruning,
            ReleaseState::Damaged(_) => Standing::Damaged,
        };
        let adopted = self.found.iter().filter(|found| found.adopted);
        let staging = self.iis.site(&self.spot.staging()).map(|site| site.name.clone());
        journal::Actual {
            releases: self.found.iter().map(|found| (found.id.clone(), standing(found))).collect(),
            adopted: adopted.map(|found| found.id.clone()).collect(),
            active: self.active.clone(),
            staging: staging.into_iter().collect(),
            registered: self.registered(),
            told: self.releases.told(),
            has_passes: self.has_passes,
        }
    }

    /// The releases with a FastCGI application, whether or not they are there.
    fn registered(&self) -> BTreeSet<ReleaseId> {
        let releases = self.releases.folder();
        let of = |program: &str| -> Option<ReleaseId> {
            let lies_in = |folder: &Path| folder.to_str().is_some_and(|folder| is_below(program, folder));
            if let Some(found) = self.found.iter().find(|found| lies_in(&found.folder)) {
                return Some(found.id.clone());
            }
            if !lies_in(&releases) {
                return None;
            }
            let depth = releases.components().count() - usize::from(releases.has_root());
            let mut parts = program.split(['/', '\\']).filter(|part| !part.is_empty()).skip(depth);
            ReleaseId::parse(parts.next()?).ok()
        };
        self.iis.fastcgi.iter().filter_map(|entry| of(&entry.full_path)).collect()
    }
}

/// The certificates of the machine, unless nobody needs to know them.
fn certificates_for(settings: &SiteSettings) -> Result<Vec<StoredCertificate>, CertificateError> {
    let Position::Own { bindings } = &settings.position else { return Ok(Vec::new()) };
    let is_chosen = |binding: &Binding| match &binding.protocol {
        Protocol::Http | Protocol::Https(Certificate::Keep) => false,
        Protocol::Https(Certificate::Thumbprint(_) | Certificate::Subject(_)) => true,
    };
    if bindings.iter().any(is_chosen) { certificates::read() } else { Ok(Vec::new()) }
}

fn shown<'a>(spot: &Spot, iis: &'a iis::Actual) -> Option<&'a str> {
    iis.app(&spot.site, &spot.app).and_then(iis::actual::App::physical_path)
}

/// Where the site stands, and what is there: where it is wanted, unless it was made elsewhere and is still there.
/// `looking` has a spot know all that is to be asked of it.
fn stands(
    wanted: &Spot,
    last: &Applied,
    server: &mut Server,
    looking: impl Fn(Spot) -> Spot,
) -> Result<(Spot, iis::Actual), IisError> {
    let there = server.survey(wanted)?;
    if let Some(spot) = iis::plan::stands(wanted, &there, last) {
        let spot = looking(spot);
        let iis = server.survey(&spot)?;
        return Ok((spot, iis));
    }
    for spot in iis::plan::may_stand(wanted, &there, last).into_iter().map(looking) {
        let iis = server.survey(&spot)?;
        if shown(&spot, &iis).is_some_and(|folder| is_below(folder, &spot.home)) {
            return Ok((spot, iis));
        }
    }
    Ok((wanted.clone(), there))
}
