//! Why a site is not changed, or not as it was to be. What is a precondition has changed nothing.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use miette::Diagnostic;

use super::journal::{JournalError, Step};
use super::{check::Problem, hooks::HookError};
use crate::archive::Difference;
use crate::doctor::Finding;
use crate::manifest::{SiteName, Version};
use crate::recipe::RecipeError;
use crate::release::{ReleaseError, ReleaseId};
use crate::service::ServiceError;
use crate::site::certificates::CertificateError;
use crate::site::iis::appcmd::Unquotable;
use crate::site::iis::own::OwnConfigError;
use crate::site::iis::plan::Lack;
use crate::site::iis::run::IisError;
use crate::site::iis::web_config::TemplateError;
use crate::site::lock::LockError;
use crate::site::probe::Trouble;
use crate::site::rights::GrantError;
use crate::site::{HomeError, SecretsError, SettingsError};
use crate::target::Target;

/// Why a command that concerns a site did not do what it was to do.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum DeployError {
    #[error("this machine has no IIS, and deploying to the embedded server is not there yet")]
    #[diagnostic(help(
        "run this on the Windows server; `holdall preview` shows a bundle on this machine. `--server iis` with \
         HOLDALL_APPCMD naming a program in appcmd's place is for tests"
    ))]
    NoServer,
    #[error(
        "this holdall is a 32-bit program, and Windows shows it another configuration of IIS than the real one"
    )]
    #[diagnostic(help("use the 64-bit holdall.exe"))]
    Diverted,
    #[error("the bundle is for {bundle}, and this machine is {}", .here.map_or("none of the targets", Target::as_str))]
    #[diagnostic(help("bundle the project for this machine: `holdall bundle --target …`"))]
    OtherTarget { bundle: Target, here: Option<Target> },
    #[error("the site's folder `{}` would lie in `{}`, which is to serve", site.display(), folder.display())]
    #[diagnostic(help(
        "nothing is written into a release but its own files: name a folder of sites outside of it by `--root` or \
         HOLDALL_ROOT"
    ))]
    SiteInside { site: PathBuf, folder: PathBuf },
    #[error("`{}` says nothing of a release in the answers of the site: `header = false`", path.display())]
    #[diagnostic(help("a deploy has to know which release answers: remove that line"))]
    NoHeader { path: PathBuf },
    #[error("there is no site `{name}` below `{}`{}", root.display(), known_sites(known))]
    #[diagnostic(help(
        "{}`--root` names another folder of sites; `holdall deploy` makes a site",
        near_site(name, known).map_or_else(String::new, |near| format!("did you mean `{near}`? Else: "))
    ))]
    NoSite { name: SiteName, root: PathBuf, known: Vec<SiteName> },
    #[error("there is no site below `{}`", root.display())]
    #[diagnostic(help(
        "`holdall deploy BUNDLE` makes one; if yours lie elsewhere, name their folder by `--root` or HOLDALL_ROOT"
    ))]
    NoSites { root: PathBuf },
    #[error("which site is meant is not clear: below `{}` there are {}", root.display(), listed(known))]
    #[diagnostic(help("name one"))]
    WhichSite { root: PathBuf, known: Vec<SiteName> },
    #[error("no release of `{site}` serves")]
    #[diagnostic(help("deploy a bundle first"))]
    NothingServes { site: SiteName },
    #[error("there is no release before {active} to go back to")]
    #[diagnostic(help("`holdall releases {site}` lists what there is; deploy the bundle that is wanted"))]
    NothingBefore { site: SiteName, active: ReleaseId },
    #[error("{release} serves, and has been changed since it was deployed: {}", shortened(changed))]
    #[diagnostic(help("{}", repair(site, before.as_ref())))]
    Changed { site: SiteName, release: ReleaseId, changed: Vec<Difference>, before: Option<ReleaseId> },
    #[error("`{}` is in use, and not complete any more", folder.display())]
    #[diagnostic(help("{}", repair(site, before.as_ref())))]
    NotWhole { site: SiteName, folder: PathBuf, before: Option<ReleaseId> },
    #[error("`{wanted}` names {} of `{site}`: {}", if found.is_empty() { "no complete release" } else { "more than one release" }, listed(if found.is_empty() { known } else { found }))]
    #[diagnostic(help("name one as `holdall releases {site}` lists it"))]
    WhichRelease { site: SiteName, wanted: String, found: Vec<ReleaseId>, known: Vec<ReleaseId> },
    #[error("going back to {to} goes back behind {} that may have changed the database: {}", count(migrations.len(), "migration"), migrations.join(", "))]
    #[diagnostic(help(
        "{to} does not know them. If it works with the database as it is now, go back with `--force`; else undo them \
         first: `holdall manage {site} -- migrate APP NAME`"
    ))]
    BehindMigrations { site: SiteName, to: Version, migrations: Vec<String> },
    #[error("`{}` is there already", path.display())]
    #[diagnostic(help("edit it, or name another file with `--output`"))]
    Exists { path: PathBuf },
    #[error("`{}` is there already, and holdall has not written it", path.display())]
    #[diagnostic(help("name another file with `--script`, or remove this one"))]
    ScriptExists { path: PathBuf },
    #[error("HOLDALL_APPCMD names `{}`, and there is no such program", program.display())]
    #[diagnostic(help("correct that variable; without it IIS's own appcmd is run"))]
    NoAppcmd { program: PathBuf },
    #[error("cannot use the folder of sites")]
    #[diagnostic(help("name another with `--root`"))]
    Root(#[source] io::Error),
    #[error("`{name}` has no value: nothing came from standard input")]
    #[diagnostic(help("write `{name}=VALUE`, or give the value on standard input"))]
    NoValue { name: String },
    #[error("`{name}` is not set in `secrets.toml`")]
    #[diagnostic(help("`holdall env list {site}` names what is set; plain variables stand in `site.toml`"))]
    NotSet { site: SiteName, name: String },
    #[error("cannot start `{invocation}`")]
    #[diagnostic(help("the Python of the release does not run on this machine"))]
    Unstarted { invocation: String, source: io::Error },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Lack(#[from] Lack),
    /// All that stands in the way, found before anything was changed.
    #[error("{}", obstacles(.0))]
    #[diagnostic(help("{}", way_out(.0)))]
    NotReady(Vec<Finding>),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Lock(#[from] LockError),
    /// Found before anything was changed, as all above.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Unfit(Boxed<Fault>),

    #[error("{}", taken_back(release, serving.as_ref()))]
    RolledBack {
        release: ReleaseId,
        serving: Option<ReleaseId>,
        #[source]
        #[diagnostic_source]
        fault: Boxed<StepFault>,
    },
    #[error("{release} is not in service, and not all could be taken back: {undo}")]
    NotRolledBack {
        release: ReleaseId,
        undo: Boxed<Fault>,
        #[source]
        #[diagnostic_source]
        fault: Boxed<StepFault>,
    },
    #[error("{release} is in service, but not all that follows was done")]
    After {
        release: ReleaseId,
        #[source]
        #[diagnostic_source]
        fault: Boxed<StepFault>,
    },
    #[error("{release} is in service, but the processes of {from} could not be seen to their end")]
    Drained {
        release: ReleaseId,
        from: ReleaseId,
        #[source]
        #[diagnostic_source]
        error: Boxed<DeployError>,
    },
    #[error("{release} serves on, but its processes may not have been told anew")]
    Restart {
        release: ReleaseId,
        #[source]
        #[diagnostic_source]
        fault: Boxed<Fault>,
    },
    #[error("what an earlier command has left could not be finished")]
    Recovery(
        #[source]
        #[diagnostic_source]
        Boxed<Fault>,
    ),
    #[error("not all of the site could be removed")]
    Removal(
        #[source]
        #[diagnostic_source]
        Boxed<Fault>,
    ),
}

/// An error on the heap: the way of results that are right is not to be wider for it.
#[derive(Debug)]
pub struct Boxed<T>(Box<T>);

impl<T> From<T> for Boxed<T> {
    fn from(error: T) -> Boxed<T> {
        Boxed(Box::new(error))
    }
}

impl<T: fmt::Display> fmt::Display for Boxed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: Error> Error for Boxed<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl<T: Diagnostic> Diagnostic for Boxed<T> {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.0.help()
    }

    fn diagnostic_source(&self) -> Option<&dyn Diagnostic> {
        self.0.diagnostic_source()
    }
}

/// The step that went wrong, and what went wrong in it.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{}", failed(*step))]
pub struct StepFault {
    pub step: Step,
    #[source]
    #[diagnostic_source]
    pub fault: Boxed<Fault>,
}

/// What can go wrong in any step.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Fault {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Release(#[from] ReleaseError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Home(#[from] HomeError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Iis(#[from] IisError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Quote(#[from] Unquotable),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Certificate(#[from] CertificateError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Template(#[from] TemplateError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    OwnConfig(#[from] OwnConfigError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Recipe(#[from] RecipeError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Grant(#[from] GrantError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Hook(#[from] HookError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Service(#[from] ServiceError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Project(#[from] Problem),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Visit(Boxed<Trouble>),
    #[error("cannot write `{}`", path.display())]
    #[diagnostic(help("check that the disk has room and that you may write there"))]
    Unwritable { path: PathBuf, source: io::Error },
    #[error("{release} is gone, or not whole any more")]
    #[diagnostic(help("deploy its bundle again"))]
    Gone { release: ReleaseId },
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", and "))]
    #[diagnostic(help("end what uses these files, then run the same command again"))]
    Held(Vec<HeldFile>),
}

/// A file that could not be removed.
#[derive(Debug, thiserror::Error)]
#[error("`{}` could not be removed", path.display())]
pub struct HeldFile {
    pub path: PathBuf,
}

impl From<Fault> for DeployError {
    fn from(fault: Fault) -> DeployError {
        DeployError::Unfit(fault.into())
    }
}

impl From<Trouble> for Fault {
    fn from(trouble: Trouble) -> Fault {
        Fault::Visit(trouble.into())
    }
}

macro_rules! unfit {
    ($($error:ty)*) => { $(
        impl From<$error> for DeployError {
            fn from(error: $error) -> DeployError {
                Fault::from(error).into()
            }
        }
    )* };
}

unfit!(ReleaseError HomeError JournalError IisError Unquotable TemplateError RecipeError CertificateError ServiceError);

impl From<SecretsError> for Fault {
    fn from(error: SecretsError) -> Fault {
        HomeError::from(error).into()
    }
}

impl From<SecretsError> for DeployError {
    fn from(error: SecretsError) -> DeployError {
        HomeError::from(error).into()
    }
}

impl From<SettingsError> for DeployError {
    fn from(error: SettingsError) -> DeployError {
        HomeError::from(error).into()
    }
}

impl DeployError {
    /// All that stands in the way, if anything does. Of one thing alone that IIS lacks it can be told what it is.
    pub(super) fn not_ready(mut lacks: Vec<Lack>, more: Vec<Finding>) -> Option<DeployError> {
        match (lacks.len(), more.len()) {
            (0, 0) => None,
            (1, 0) => lacks.pop().map(DeployError::from),
            _ => {
                let lacks = lacks.iter().map(Finding::of_lack);
                Some(DeployError::NotReady(lacks.chain(more).collect()))
            }
        }
    }

    /// Why IIS did not answer, if that is what was found before anything was changed.
    pub fn of_iis(&self) -> Option<&IisError> {
        match self {
            DeployError::Unfit(Boxed(fault)) => match &**fault {
                Fault::Iis(error) => Some(error),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether nothing was changed.
    pub fn is_precondition(&self) -> bool {
        !matches!(
            self,
            DeployError::RolledBack { .. }
                | DeployError::NotRolledBack { .. }
                | DeployError::After { .. }
                | DeployError::Drained { .. }
                | DeployError::Restart { .. }
                | DeployError::Recovery(_)
                | DeployError::Removal(_)
        )
    }
}

fn obstacles(problems: &[Finding]) -> String {
    match problems {
        [only] => only.says.clone(),
        _ => {
            let each = problems.iter().map(|problem| match &problem.remedy {
                Some(remedy) => format!("\n- {}\n  {remedy}", problem.says),
                None => format!("\n- {}", problem.says),
            });
            format!("{} things stand in the way:{}", problems.len(), each.collect::<String>())
        }
    }
}

fn way_out(problems: &[Finding]) -> String {
    match problems {
        [only] => only.remedy.clone().unwrap_or_default(),
        _ => "see to each of them, then run the same command again; `holdall doctor` looks at everything else, too".to_owned(),
    }
}

/// What a step was to do, when it did not.
fn failed(step: Step) -> &'static str {
    match step {
        Step::Lock => "the site could not be locked",
        Step::Preflight => "the server is not fit for it",
        Step::Plan => "what is to be done could not be planned",
        Step::Fetch => "the bundle could not be fetched",
        Step::Expand => "the bundle could not be expanded",
        Step::Complete => "the release could not be completed",
        Step::HooksBefore => "a hook before the switch failed",
        Step::SelfCheck => "the project does not start in its new release",
        Step::Register => "the release could not be registered",
        Step::Stage => "the release does not show itself well before the switch",
        Step::Switch => "the switch failed",
        Step::Probe => "the release does not serve well after the switch",
        Step::Services => "the services could not be moved",
        Step::HooksAfter => "a hook after the switch failed",
        Step::Retire => "the release before could not be retired",
    }
}

fn taken_back(release: &ReleaseId, serving: Option<&ReleaseId>) -> String {
    match serving {
        // What was to change is how it is served: its settings, its variables, or files that it had lost.
        Some(serving) if serving == release => {
            format!("{release} serves on as it did before: nothing of what was to change has changed")
        }
        Some(serving) => {
            format!("{release} is not in service, and all is as it was before: {serving} serves on")
        }
        None => format!("{release} is not in service, and all is as it was before: no release serves"),
    }
}

fn listed<T: ToString>(all: &[T]) -> String {
    match all {
        [] => "there is none".to_owned(),
        _ => all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// Some, and how many there are beside them.
fn shortened(all: &[Difference]) -> String {
    // Lists of them are in columns.
    let inline = |difference: &Difference| {
        let text = difference.to_string();
        text.split_once("  ")
            .map_or_else(|| text.clone(), |(what, path)| format!("{what} {}", path.trim_start()))
    };
    let some: Vec<String> = all.iter().take(5).map(inline).collect();
    match all.len() - some.len() {
        0 => some.join(", "),
        more => format!("{} and {more} more", some.join(", ")),
    }
}

/// How a release that serves comes to be as it should.
fn repair(site: &SiteName, before: Option<&ReleaseId>) -> String {
    let other = "no file is replaced under its visitors: deploy a bundle of another version";
    match before {
        Some(before) => format!(
            "{other}, or go back to {before}, `holdall rollback {site}`, and deploy this bundle then, which makes it anew"
        ),
        None => other.to_owned(),
    }
}

fn known_sites(known: &[SiteName]) -> String {
    match known {
        [] => String::new(),
        _ => format!(", where there is {}", listed(known)),
    }
}

/// The site that somebody may have meant who has written `name`.
pub fn near_site<'a>(name: &SiteName, known: &'a [SiteName]) -> Option<&'a SiteName> {
    let like = |other: &SiteName| {
        strsim::jaro_winkler(&name.as_str().to_lowercase(), &other.as_str().to_lowercase())
    };
    let scored = known.iter().map(|other| (like(other), other)).filter(|(score, _)| *score > 0.8);
    scored.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, near)| near)
}

fn count(count: usize, noun: &str) -> String {
    match count {
        1 => format!("a {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha256;

    #[test]
    fn what_was_taken_back_is_said_of_the_release_that_serves() {
        let id = |version: &str| ReleaseId::new(&Version::parse(version).unwrap(), &Sha256::of(version));
        let (old, new) = (id("1.0"), id("1.1"));
        let said = |serving: Option<&ReleaseId>| {
            let fault = Fault::Gone { release: new.clone() };
            let fault = StepFault { step: Step::Switch, fault: fault.into() };
            let (release, serving) = (new.clone(), serving.cloned());
            DeployError::RolledBack { release, serving, fault: fault.into() }.to_string()
        };
        let refused = format!("{new} is not in service, and all is as it was before: ");
        assert_eq!(said(None), format!("{refused}no release serves"));
        assert_eq!(said(Some(&old)), format!("{refused}{old} serves on"));
        assert_eq!(
            said(Some(&new)),
            format!("{new} serves on as it did before: nothing of what was to change has changed")
        );
    }
}
