//! What a command is going to do, as a value: computed from a survey without effects, printed by `--plan`, and carried out
//! as it is.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::journal::{Recovery, Work};
use super::make::own_in;
use super::{DeployError, Pruning, Source, Survey, copies, hooks, preflight, services, visits};
use crate::layer::IndexedFile;
use crate::manifest::{Manifest, SiteName};
use crate::progress::Notice;
use crate::release::{self, Complete, ReleaseError, ReleaseId, prune};
use crate::service::ServiceChange;
use crate::service::rights::Leave;
use crate::site::certificates::STORE;
use crate::site::iis::IisPlan;
use crate::site::iis::netsh::{Command, Endpoint};
use crate::site::iis::plan::{self as iis, Lack};
use crate::site::iis::wanted::{Shown, WantedCertificate};
use crate::site::media::Standing;
use crate::site::probe::Question;
use crate::site::rights::Grant;
use crate::site::settings::Account;
use crate::site::{MediaConfig, Place};

/// What is going to be done to a site.
#[derive(Debug)]
pub struct DeployPlan {
    pub work: Work,
    pub site: SiteName,
    /// The release that is to serve.
    pub release: ReleaseId,
    /// The one that serves now.
    pub from: Option<ReleaseId>,
    /// The folder that is served now, if that is no release of the site's.
    pub instead: Option<String>,
    /// What an earlier command has left to do, which comes first.
    pub recovery: Vec<Recovery>,
    pub make: Make,
    /// The text of `site.toml`, if it is to be written.
    pub settings: Option<String>,
    /// Whether the bridge is to be told something new.
    pub tells: bool,
    /// What is to be said to IIS in the folder of uploads, if it is not said there.
    pub media: Option<MediaConfig>,
    pub before: Vec<String>,
    pub after: Vec<String>,
    /// Migrations that the release that serves does not know.
    pub migrations: Vec<String>,
    /// All that changes in IIS in the end.
    pub iis: IisPlan,
    /// What changes of the services, once the release serves.
    pub services: Vec<ServiceChange>,
    /// What their accounts are to be allowed.
    pub leaves: Vec<Leave>,
    /// How many processes are warmed up before the switch.
    pub warm: u32,
    pub questions: Vec<Question>,
    /// Seconds that the requests of the release before get.
    pub drain: u32,
    pub prune: Pruning,
    pub take_over: bool,
    /// Whether the site is closed to visitors meanwhile.
    pub closes: bool,
    pub notices: Vec<Notice>,
}

/// What becomes of the bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Make {
    /// The release is there.
    Nothing,
    Expand {
        folder: PathBuf,
        files: u64,
        /// It was complete once, and is not as it would be made now, or was changed by somebody: it is made anew.
        anew: bool,
    },
    /// It becomes a release where it lies.
    Adopt {
        folder: PathBuf,
        /// Who is to read it beside those who may already.
        grants: Vec<Grant>,
    },
}

/// What a person wants beside what the settings say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Settings that somebody else has changed are changed back, and a site of somebody else's is taken.
    pub take_over: bool,
    /// A rollback behind migrations, or to a release that somebody has changed, is wanted all the same.
    pub force: bool,
    /// The site is closed to visitors from the hooks before the switch on, until the release serves.
    pub maintenance: bool,
}

impl DeployPlan {
    /// What puts `source` into service.
    pub fn deploy(
        survey: &Survey,
        source: &Source,
        settings: Option<String>,
        wishes: Wishes,
    ) -> Result<DeployPlan, DeployError> {
        let (manifest, id) = (source.manifest(), source.id());
        let there = survey.complete(&id);
        let is_live = [survey.active.as_ref(), survey.before()].contains(&Some(&id));
        let folder = match (there, source) {
            (Some(complete), _) => complete.root().to_owned(),
            (None, Source::Folder(release)) => release.root.clone(),
            (None, Source::Bundle(_)) => survey.releases.folder().join(&id),
        };
        let place = survey.place(manifest, &id, folder.clone());
        let stale = there.is_some_and(|complete| !super::make::is_current(survey, &place, complete));
        // One that somebody has changed is not put into service as it is; nor is it made anew while it serves.
        let is_active = survey.active.as_ref() == Some(&id);
        let changed = there.map(release::drift).transpose()?.unwrap_or_default();
        let (site, before) = (survey.home.name.clone(), survey.before().cloned());
        if is_active && !changed.is_empty() {
            return Err(DeployError::Changed { site, release: id, changed, before });
        }
        let is_broken = is_active && there.is_none();
        if is_broken && matches!(source, Source::Bundle(_)) && folder.exists() {
            return Err(DeployError::NotWhole { site, folder, before });
        }
        let files = manifest.layers.iter().map(|layer| layer.entries).sum();
        let make = match (there, source, ReleaseError::changed(&folder, &changed)) {
            (Some(_), Source::Folder(_), Some(changed)) => return Err(changed.into()),
            (Some(_), Source::Bundle(_), changed) if changed.is_some() || (stale && !is_live) => {
                Make::Expand { folder, files, anew: true }
            }
            (Some(_), ..) => Make::Nothing,
            (None, Source::Bundle(_), _) => Make::Expand { folder, files, anew: false },
            (None, Source::Folder(_), _) => Make::Adopt { grants: survey.grants(manifest, &folder), folder },
        };
        if make != Make::Nothing {
            super::make::check_own(survey, &place, source)?;
        }
        let mut notices = Vec::new();
        if stale && make == Make::Nothing {
            notices.push(not_taken_in(&id));
        }
        let mut plan = DeployPlan::of(Work::Deploy, survey, &place, source.files(), make, wishes, notices)?;
        if plan.switches() {
            let text = |hooks: &[crate::site::settings::Hook]| -> Vec<String> {
                hooks.iter().map(|hook| hook.words.join(" ")).collect()
            };
            plan.before = text(&survey.settings.hooks.before);
            plan.after = text(&survey.settings.hooks.after);
        }
        plan.settings = settings;
        Ok(plan)
    }

    /// What brings the settings of the release that serves to what is wanted.
    pub fn apply(
        survey: &Survey,
        settings: Option<String>,
        wishes: Wishes,
    ) -> Result<DeployPlan, DeployError> {
        let complete = super::active(survey)?;
        let (site, before) = (survey.home.name.clone(), survey.before().cloned());
        let changed = release::drift(complete)?;
        if !changed.is_empty() {
            return Err(DeployError::Changed { site, release: complete.id.clone(), changed, before });
        }
        survey.settings.check_fits(&complete.release.manifest, &survey.home.site_toml())?;
        let place = survey.place_of(complete);
        let stale = !super::make::is_current(survey, &place, complete);
        let notices = stale.then(|| not_taken_in(&complete.id)).into_iter().collect();
        let files = complete.release.files().collect();
        let plan = DeployPlan::of(Work::Apply, survey, &place, files, Make::Nothing, wishes, notices)?;
        Ok(DeployPlan { settings, ..plan })
    }

    /// What has `complete` serve again.
    pub fn rollback(survey: &Survey, complete: &Complete, wishes: Wishes) -> Result<DeployPlan, DeployError> {
        let place = survey.place_of(complete);
        let changed = ReleaseError::changed(complete.root(), &release::drift(complete)?);
        if let Some(changed) = changed.filter(|_| !wishes.force) {
            return Err(changed.into());
        }
        let behind = survey.active_manifest().map(|active| unknown_to(&complete.release.manifest, &active));
        let migrations = behind.unwrap_or_default();
        if !wishes.force && !migrations.is_empty() {
            let (site, to) = (survey.home.name.clone(), complete.release.manifest.version.clone());
            return Err(DeployError::BehindMigrations { site, to, migrations });
        }
        let files = complete.release.files().collect();
        DeployPlan::of(Work::Rollback, survey, &place, files, Make::Nothing, wishes, Vec::new())
    }

    fn of(
        work: Work,
        survey: &Survey,
        place: &Place,
        files: Vec<&IndexedFile>,
        make: Make,
        wishes: Wishes,
        mut notices: Vec<Notice>,
    ) -> Result<DeployPlan, DeployError> {
        let (settings, id) = (&survey.settings, place.id.clone());
        // That of a bundle that is no release yet was looked at before.
        let own = survey.complete(&place.id).and_then(|complete| own_in(&complete.release));
        let lacks = preflight::lacking(survey, place, own.as_deref(), wishes.take_over)?.into_iter();
        // The way back is open whatever became of a certificate, as what is shown is left as it is.
        let is_way_back = |lack: &Lack| work == Work::Rollback && matches!(lack, Lack::Certificate(_));
        let (told, lacks): (Vec<Lack>, Vec<Lack>) =
            lacks.partition(|lack| lack.is_harmless() || is_way_back(lack));
        if let Some(error) = DeployError::not_ready(lacks, Vec::new()) {
            return Err(error);
        }
        let wanted = survey.wanted(place)?;
        let last = &survey.state.applied;
        // Before a deploy all of it was looked at, and told.
        notices.extend(told.iter().filter(|_| work != Work::Deploy).map(Lack::notice));
        notices.extend(settings.pool.account.as_ref().filter(|account| account.is_mighty()).map(too_mighty));
        notices.extend(wanted.certificates.iter().filter_map(|own| ends_soon(own, survey.now)));
        if !settings.requests.header {
            return Err(DeployError::NoHeader { path: survey.home.site_toml() });
        }
        let changes = iis::whole(&wanted, &survey.iis, last, wishes.take_over);
        notices.extend(iis::losing(&changes, &survey.iis).map(not_kept));
        let (_, told) = survey.told(place)?;
        let from = survey.active.clone();
        let switches = from.as_ref() != Some(&id);
        let active = from.as_ref().and_then(|active| survey.complete(active));
        let migrations = match active {
            Some(active) => unknown_to(&active.release.manifest, &place.manifest),
            None => unknown_to_nobody(&place.manifest),
        };
        let moves = services::changes(survey, &services::wanted(survey, place))?;
        notices.extend(of_services(survey, &place.manifest).filter(|_| switches));
        let media = survey.media()?.filter(|media| media.standing() != Standing::Right);
        let before = if switches { from.as_ref() } else { survey.before() };
        let is_new = survey.complete(&id).is_none();
        let kept = prune::Kept {
            active: Some(&id),
            before,
            count: (settings.releases.keep as usize).saturating_sub(usize::from(is_new)),
        };
        let mut releases = prune::plan(&survey.releases, &survey.found, kept);
        releases.removals.retain(|removal| !survey.is_draining(&removal.id) && removal.id != id);
        // One more is made before migrations. Copies alone are no reason to do anything.
        let copies = (settings.releases.keep as usize).saturating_sub(usize::from(!migrations.is_empty()));
        let copies = copies::superseded(survey, &releases, copies);
        Ok(DeployPlan {
            work,
            site: survey.home.name.clone(),
            recovery: survey.recovery(Some(&id)),
            make,
            settings: None,
            tells: !survey.home.is_told(place, &told),
            media,
            before: Vec::new(),
            after: Vec::new(),
            migrations: if switches { migrations } else { Vec::new() },
            leaves: match place.manifest.target.is_windows() {
                true => services::leaves(survey, &moves, &place.release),
                false => Vec::new(),
            },
            services: moves,
            iis: changes,
            warm: settings.warm(survey.cores),
            questions: visits::questions(settings, &survey.spot, &place.manifest, files.into_iter()),
            drain: settings.drain(),
            prune: Pruning { releases, copies, logs: survey.outdated_logs() },
            take_over: wishes.take_over,
            // One that somebody has closed stays so, and where nothing serves there is nothing to close.
            closes: wishes.maintenance
                && switches
                && from.is_some()
                && !survey.home.maintenance_toml().exists(),
            notices,
            release: id,
            instead: survey.shown().filter(|_| from.is_none()).map(str::to_owned),
            from,
        })
    }

    /// Whether another release is to serve.
    pub fn switches(&self) -> bool {
        self.from.as_ref() != Some(&self.release)
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        !self.switches()
            && self.recovery.is_empty()
            && self.make == Make::Nothing
            && self.settings.is_none()
            && !self.tells
            && self.media.is_none()
            && self.iis.is_empty()
            && self.services.is_empty()
            && self.prune.releases.removals.is_empty()
    }

    /// All that is going to be done, a line each, in order.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.recovery.iter().map(|item| format!("first {item}")).collect();
        let release = &self.release;
        lines.extend(self.settings.is_some().then(|| "write site.toml".to_owned()));
        match &self.make {
            Make::Nothing => {}
            Make::Expand { folder, files, anew } => {
                lines.extend(
                    anew.then(|| format!("remove {release}, which is not as it should be, to make it anew")),
                );
                lines.push(format!("expand {files} files into `{}`", folder.display()));
            }
            Make::Adopt { folder, grants } => {
                lines.extend(grants.iter().map(|grant| format!("let the site read it\n    {grant}")));
                lines.push(format!("check every file in `{}` and take it for {release}", folder.display()));
            }
        }
        lines.extend(self.media.as_ref().map(|media| match media.standing() {
            Standing::Foreign => {
                format!("write `{}` anew, which somebody else has written", media.path.display())
            }
            _ => format!("write `{}`, so that no upload has this name", media.path.display()),
        }));
        lines.extend(self.tells.then(|| format!("tell the bridge of {release} its settings and variables")));
        if self.switches() {
            lines.extend(self.before_the_switch());
        }
        for change in &self.iis.changes {
            lines.push(format!("{}\n    {}", change.says, change.does));
        }
        if self.switches() || self.tells || !self.iis.is_empty() {
            let paths: Vec<&str> = self.questions.iter().map(Question::path).collect();
            lines.push(format!("ask for {} as visitors do, and go back if that fails", paths.join(", ")));
        }
        lines.extend(self.leaves.iter().map(|leave| format!("let a service do its work\n    {leave}")));
        lines.extend(self.services.iter().map(|change| format!("{}\n    {change}", change.says())));
        if self.switches() {
            lines.extend(self.after.iter().map(|hook| format!("run `{hook}`")));
            lines.extend(
                self.from
                    .as_ref()
                    .map(|from| format!("have the processes of {from} end in {} s", self.drain)),
            );
        }
        lines.extend(self.prune.to_string().lines().map(str::to_owned));
        lines.extend(self.iis.drift.iter().map(ToString::to_string));
        lines
    }

    fn before_the_switch(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.before.is_empty() && !self.migrations.is_empty() {
            let some: Vec<&str> = self.migrations.iter().take(5).map(String::as_str).collect();
            let more = self.migrations.len() - some.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            lines.push(format!(
                "copy SQLite databases, as there may be migrations: {}{more}",
                some.join(", ")
            ));
        }
        if self.closes {
            // Before the databases are copied, so that nothing is written after that.
            lines.insert(0, "close the site to visitors, until the release serves".to_owned());
        }
        lines.extend(self.before.iter().map(|hook| format!("run `{hook}`")));
        lines.extend((self.work == Work::Deploy).then(|| "check that the project starts".to_owned()));
        lines.push(format!("show it on a port of this machine alone, with {} processes", self.warm));
        lines
    }
}

/// That some settings have to wait for another release.
fn not_taken_in(release: &ReleaseId) -> Notice {
    Notice {
        what: format!(
            "`requests.header`, `media.url` or the place of the site in site.toml changed after {release} was made"
        ),
        help: "what stands in `web.config` is taken into a release when it is made: it counts from the next bundle on"
            .to_owned(),
    }
}

/// What is done first, in the words of the plan.
impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Recovery::WithdrawPasses => f.write_str("take back leave to probe"),
            Recovery::RemoveStaging { site } => write!(f, "remove the site {site}"),
            Recovery::NothingToServe { active } => {
                write!(f, "mind that {active}, which is to serve, is not whole")
            }
            Recovery::SwitchBack { to } => write!(f, "switch back to {to}"),
            Recovery::ProbeAgain { release, .. } => write!(f, "ask whether {release} serves well"),
            Recovery::Register { release } => write!(f, "register {release} again"),
            Recovery::MoveServices { release } => write!(f, "have {release} for the services"),
            Recovery::RunHooksAfter { release, .. } => write!(f, "run the hooks after {release}"),
            Recovery::TellOfHooks { release } => {
                write!(f, "mind that hooks before {release} were cut short")
            }
            Recovery::Retire { release, .. } => write!(f, "end the processes of {release}"),
            Recovery::ForgetRetiring { release } => write!(f, "leave {release} in service"),
            Recovery::Unregister { release } => write!(f, "unregister {release}, which is gone"),
            Recovery::ForgetTold { release } => {
                write!(f, "remove what {release}, which is gone, was told")
            }
            Recovery::RemoveLeftover { release } => {
                write!(f, "remove what there is of {release}, which was never complete")
            }
            Recovery::FinishPruning { release } => write!(f, "go on removing {release}"),
            Recovery::ForgetHeld { release } => write!(f, "think no more of files of {release}"),
            Recovery::Close { run, .. } => write!(f, "close the run {run}"),
        }
    }
}

impl fmt::Display for DeployPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DeployPlan { site, release, from, instead, .. } = self;
        if self.is_empty() {
            writeln!(f, "nothing to do: {release} of {site} serves as it should")?;
            return self.iis.drift.iter().try_for_each(|drift| writeln!(f, "{drift}"));
        }
        match (from, instead) {
            (Some(from), _) if from == release => writeln!(f, "{site}: {release} serves, and is changed")?,
            (Some(from), _) => writeln!(f, "{site}: from {from} to {release}")?,
            (None, Some(folder)) => {
                writeln!(f, "{site}: from `{folder}`, which is no release, to {release}")?
            }
            (None, None) => writeln!(f, "{site}: {release} is the first to serve")?,
        }
        self.lines().iter().try_for_each(|line| writeln!(f, "- {line}"))
    }
}

/// The plan for machines.
#[derive(Serialize)]
pub struct PlanValue<'a> {
    site: &'a SiteName,
    release: &'a ReleaseId,
    from: Option<&'a ReleaseId>,
    empty: bool,
    steps: Vec<String>,
    commands: Vec<String>,
    drift: Vec<String>,
    notices: &'a [Notice],
}

impl DeployPlan {
    pub fn value(&self) -> PlanValue<'_> {
        PlanValue {
            site: &self.site,
            release: &self.release,
            from: self.from.as_ref(),
            empty: self.is_empty(),
            steps: self.lines(),
            commands: self.iis.changes.iter().map(|change| change.does.to_string()).collect(),
            drift: self.iis.drift.iter().map(ToString::to_string).collect(),
            notices: &self.notices,
        }
    }
}

/// That something goes with a certificate that nobody but whoever set it can say again.
fn not_kept(endpoint: &Endpoint) -> Notice {
    Notice {
        what: format!(
            "how visitors' own certificates are looked at, at {endpoint}, was set by somebody, in words that cannot be read \
             here: it is lost when the certificate is replaced"
        ),
        help: format!("note what `{}` says now, and set it again after that", Command::show(endpoint)),
    }
}

fn too_mighty(account: &Account) -> Notice {
    Notice {
        what: format!("the pool runs as `{account}`, which may do all on this machine, as may whoever breaks into it"),
        help: "leave the key `account` out of `[pool]` in site.toml: a pool has an account of its own, with the least \
               rights"
            .to_owned(),
    }
}

/// That a certificate that is to be shown is soon at its end.
pub(super) fn ends_soon(own: &WantedCertificate, now: u64) -> Option<Notice> {
    let Shown::Chosen(certificate) = &own.shown else { return None };
    let days = certificate.ends_soon(now)?;
    Some(Notice {
        what: format!("the certificate of {} ends in {days} days, on {}", own.binding, certificate.end()),
        help: format!(
            "import its successor with its key into {STORE}: the next deploy takes it up if `site.toml` names a subject"
        ),
    })
}

/// What is said of services that are not run as somebody may think.
fn of_services(survey: &Survey, manifest: &Manifest) -> impl Iterator<Item = Notice> {
    let names: Vec<&str> = manifest.site.services.iter().map(|service| service.name.as_str()).collect();
    let unrun = (!survey.manager.is_there() && !names.is_empty()).then(|| Notice {
        what: format!("background commands of the project are not run: {}", names.join(", ")),
        help: "start them by the system's own means, with `holdall service run SITE NAME` as their command"
            .to_owned(),
    });
    let unknown: Vec<&str> =
        survey.settings.services.keys().map(String::as_str).filter(|name| !names.contains(name)).collect();
    let unknown = (!unknown.is_empty()).then(|| Notice {
        what: format!("site.toml names services that the bundle does not have: {}", unknown.join(", ")),
        help: "correct `[services.NAME]` there, or remove it".to_owned(),
    });
    unrun.into_iter().chain(unknown)
}

/// The migrations of `new` that `old` does not have, as `app.name`.
fn unknown_to(old: &Manifest, new: &Manifest) -> Vec<String> {
    let known: BTreeSet<String> = unknown_to_nobody(old).into_iter().collect();
    unknown_to_nobody(new).into_iter().filter(|migration| !known.contains(migration)).collect()
}

fn unknown_to_nobody(manifest: &Manifest) -> Vec<String> {
    let of = |(app, names): (&String, &Vec<String>)| {
        names.iter().map(|name| format!("{app}.{name}")).collect::<Vec<_>>()
    };
    manifest.site.migrations.iter().flat_map(of).collect()
}

impl Survey {
    /// Whether requests of this release may still be answered.
    pub fn is_draining(&self, id: &ReleaseId) -> bool {
        self.history.pending.retiring.get(id).is_some_and(|at| *at > self.now)
    }

    /// Whether a hook of the site brings the database up to date.
    pub fn migrates(&self) -> bool {
        hooks::migrates(&self.settings.hooks.before)
    }
}
