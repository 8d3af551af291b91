//! What has to hold before anything is made: the needed part of [`doctor`](crate::doctor). All that is wrong is said at
//! once. And the whole of it, for whoever asks.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::make::{own_in, own_of};
use super::plan::ends_soon;
use super::{DeployError, Server, Source, Survey, Wishes};
use crate::doctor::{
    self, Database, Finding, Iis, Level, Machine, Parcel, Services, Site, Subject, Wanted as Asked, examine,
    ports,
};
use crate::entry::EntryPath;
use crate::manifest::Manifest;
use crate::progress::Notice;
use crate::release::{ReleaseId, State as ReleaseState};
use crate::service::Registration;
use crate::site::iis::own::twice;
use crate::site::iis::plan::{self as iis, Lack};
use crate::site::iis::wanted::{Shown, WantedCertificate};
use crate::site::{self, Home, Place, SiteSettings, secrets};

/// The checks that a deploy cannot go on without. Whatever else is wrong it finds out itself, or puts right.
const NEEDED: [&str; 5] =
    ["machine.64-bit", "machine.disk", "http.listen", "site.ports", "bundle.path-length"];

/// Those of which whoever deploys is told, and which stop nobody.
const TOLD: [&str; 2] = ["iis.shared-configuration", "bundle.blocked"];

/// The runtime library that Windows may lack.
const VC_RUNTIME: &str = "python/vcruntime140.dll";

/// Refuses what cannot come to a good end. Returns what there is to say beside that.
pub(super) fn check(
    survey: &Survey,
    source: &Source,
    wishes: Wishes,
    server: &Server,
) -> Result<Vec<Notice>, DeployError> {
    let looked = Looked { survey, source: Some(source) };
    let (harmless, lacks): (Vec<Lack>, Vec<Lack>) =
        looked.lacks(wishes.take_over)?.into_iter().partition(Lack::is_harmless);
    let mut machine = looked.machine(server, Machine::for_deploy);
    let subject = looked.subject(Vec::new(), None, None);
    // What was ended just now, or moved to another port, may still listen for a moment.
    let taken =
        |machine: &Machine| examine(machine, &subject).iter().any(|it| it.id == PORTS && it.is_problem());
    machine.wait_for_ports(&looked.ports(), |machine| !taken(machine));
    let findings = examine(&machine, &subject);
    let needed = findings.iter().filter(|finding| finding.is_problem() && NEEDED.contains(&finding.id));
    let more = looked.unset().into_iter().chain(needed.cloned()).collect();
    if let Some(error) = DeployError::not_ready(lacks, more) {
        return Err(error);
    }
    let told = |finding: &&Finding| finding.level == Level::Warning && TOLD.contains(&finding.id);
    let told = findings.iter().filter(told).map(Finding::notice);
    Ok(told.chain(harmless.iter().map(Lack::notice)).collect())
}

/// Everything that is to be said of this machine and of a site on it, be it there or only wanted.
pub fn examine_site(
    home: &Home,
    settings: &SiteSettings,
    source: Option<&Source>,
    server: &mut Server,
) -> Result<Vec<Finding>, DeployError> {
    let survey = match Survey::of(home, settings, server) {
        Ok(survey) => survey,
        Err(error) => {
            let silent = silent(&error).ok_or(error)?;
            return Ok(without_iis(root_of(home), Iis::Silent(&silent)));
        }
    };
    let looked = Looked { survey: &survey, source };
    let machine = looked.machine(server, Machine::read);
    let (databases, services) = (looked.databases(), looked.services());
    let lacks = looked.lacks(false)?;
    let lacks = lacks.iter().map(Finding::of_lack).chain(looked.unset()).collect();
    let subject = looked.subject(lacks, databases.as_deref(), services.as_ref());
    let mut findings = examine(&machine, &subject);
    findings.extend(
        source.and_then(|source| source.fits().err()).map(|error| Finding::of_error("bundle.target", &error)),
    );
    Ok(findings)
}

/// The same where no site is meant.
pub fn examine_machine(root: &Path, server: Option<&mut Server>) -> Result<Vec<Finding>, DeployError> {
    let Some(server) = server else { return Ok(without_iis(root, Iis::NotHere)) };
    match server.look() {
        Ok(actual) => {
            let asked = Asked { root, site: None, brought: None, ports: &[], appcmd: Some(server.program()) };
            let subject = Subject { root, iis: Iis::Asked(&actual), site: None, bundle: None };
            Ok(examine(&Machine::read(&asked), &subject))
        }
        Err(error) => {
            let error = DeployError::from(error);
            let silent = silent(&error).ok_or(error)?;
            Ok(without_iis(root, Iis::Silent(&silent)))
        }
    }
}

fn without_iis(root: &Path, iis: Iis<'_>) -> Vec<Finding> {
    let asked = Asked { root, site: None, brought: None, ports: &[], appcmd: None };
    examine(&Machine::read(&asked), &Subject { root, iis, site: None, bundle: None })
}

/// Why IIS does not answer, if that is what is wrong.
fn silent(error: &DeployError) -> Option<Finding> {
    error.of_iis().map(|_| Finding::of_error("iis.present", error))
}

fn root_of(home: &Home) -> &Path {
    home.folder.parent().unwrap_or(&home.folder)
}

/// What is wrong in IIS for a release at `place`, whose project has this `web.config` of its own.
pub(super) fn lacking(
    survey: &Survey,
    place: &Place,
    own: Option<&str>,
    take_over: bool,
) -> Result<Vec<Lack>, DeployError> {
    if let Some(wanted) = &survey.wanted_at {
        let (from, to) = (survey.spot.location(), wanted.location());
        return Ok(vec![Lack::Moved { name: survey.home.name.to_string(), from, to }]);
    }
    let (wanted, last) = (survey.wanted(place)?, &survey.state.applied);
    let mut lacks = iis::lacks(&wanted, &survey.iis, last, take_over);
    let twice = own.map(|own| twice(own, &wanted.sections)).unwrap_or_default();
    lacks.extend(twice.into_iter().map(|twice| Lack::Twice(twice.into())));
    // What a killed command has left is brought to its end before; one that somebody has stopped answers nobody.
    if survey.history.unfinished.is_none() {
        lacks.extend(iis::stopped(&wanted, &survey.iis, last));
    }
    Ok(lacks)
}

const PORTS: &str = "site.ports";

/// A site with what is to be deployed, if anything is.
struct Looked<'a> {
    survey: &'a Survey,
    source: Option<&'a Source>,
}

impl<'a> Looked<'a> {
    /// Where the release lies that is to be deployed, or that serves.
    fn place(&self) -> Option<Place> {
        let survey = self.survey;
        let Some(source) = self.source else {
            let active = survey.active.as_ref().and_then(|active| survey.complete(active));
            return active.map(|active| survey.place_of(active));
        };
        Some(survey.place(source.manifest(), &source.id(), self.folder(source)))
    }

    fn folder(&self, source: &Source) -> PathBuf {
        match (self.survey.complete(&source.id()), source) {
            (Some(complete), _) => complete.root().to_owned(),
            (None, Source::Folder(release)) => release.root.clone(),
            (None, Source::Bundle(_)) => self.survey.releases.folder().join(source.id()),
        }
    }

    /// What stands in the way of it in IIS.
    fn lacks(&self, take_over: bool) -> Result<Vec<Lack>, DeployError> {
        let Some(place) = self.place() else { return Ok(Vec::new()) };
        let own = match (self.source, self.survey.complete(&place.id)) {
            (Some(source), _) => own_of(source)?,
            (None, Some(complete)) => own_in(&complete.release),
            (None, None) => None,
        };
        lacking(self.survey, &place, own.as_deref(), take_over)
    }

    /// The variables that nobody has given it.
    fn unset(&self) -> Option<Finding> {
        let manifest = self.place()?.manifest;
        let given = secrets::given(&self.survey.settings, &self.survey.secrets, &manifest);
        given.err().map(|error| Finding::of_error("site.environment", &error))
    }

    fn ports(&self) -> Vec<u16> {
        ports(&self.survey.settings, &self.survey.spot, &self.survey.iis)
    }

    fn machine(&self, server: &Server, read: impl Fn(&Asked<'_>) -> Machine) -> Machine {
        let home = &self.survey.home;
        let brought = self.source.map(|source| match source {
            Source::Bundle(bundle) => bundle.path(),
            Source::Folder(release) => release.root.as_path(),
        });
        read(&Asked {
            root: root_of(home),
            site: Some(&home.folder),
            brought,
            ports: &self.ports(),
            appcmd: Some(server.program()),
        })
    }

    fn subject<'b>(
        &'b self,
        lacks: Vec<Finding>,
        databases: Option<&'b [Database]>,
        services: Option<&'b Services>,
    ) -> Subject<'b> {
        let survey = self.survey;
        let site = Site {
            settings: &survey.settings,
            folder: &survey.home.folder,
            spot: &survey.spot,
            cores: survey.cores,
            newest: self.newest(),
            serves: survey.active.is_some(),
            lacks,
            certificates: self.certificates(),
            databases,
            services,
        };
        Subject {
            root: root_of(&survey.home),
            iis: Iis::Asked(&survey.iis),
            site: Some(site),
            bundle: self.source.map(|source| self.parcel(source)),
        }
    }

    /// The release that was completed last.
    fn newest(&self) -> Option<(&ReleaseId, u64)> {
        let completed = self.survey.found.iter().filter_map(|found| {
            let ReleaseState::Complete(complete) = &found.state else { return None };
            let since = complete.mark.completed.duration_since(UNIX_EPOCH).ok()?;
            Some((&found.id, since.as_secs()))
        });
        completed.max_by_key(|(_, completed)| *completed)
    }

    fn parcel<'b>(&self, source: &'b Source) -> Parcel<'b> {
        let files = source.files();
        let paths = || files.iter().map(|file| &file.path);
        let manifest: &Manifest = source.manifest();
        let longest: Option<&EntryPath> = paths().max_by_key(|path| path.utf16_len());
        Parcel {
            manifest,
            folder: self.folder(source),
            longest,
            expands: matches!(source, Source::Bundle(_)) && self.survey.complete(&source.id()).is_none(),
            has_vc_runtime: paths().any(|path| path.as_str().eq_ignore_ascii_case(VC_RUNTIME)),
        }
    }

    /// What there is to say of those that are as they should be.
    fn certificates(&self) -> Vec<Finding> {
        const ID: &str = "site.certificate";
        let wanted = self.place().and_then(|place| self.survey.wanted(&place).ok());
        let said = |own: &WantedCertificate| match (&own.shown, ends_soon(own, self.survey.now)) {
            (_, Some(notice)) => Some(Finding::warning(ID, notice.what, notice.help)),
            (Shown::Chosen(certificate), None) => {
                let text = format!("the certificate of {} holds until {}", own.binding, certificate.end());
                Some(Finding::ok(ID, text))
            }
            (Shown::Kept, None) => Some(Finding::ok(ID, format!("{} keeps its certificate", own.binding))),
            (Shown::Lacking(_), None) => None,
        };
        wanted.iter().flat_map(|wanted| &wanted.certificates).filter_map(said).collect()
    }

    /// How its services stand, or what is in the way of those that are to come.
    fn services(&self) -> Option<Services> {
        let (survey, place) = (self.survey, self.place()?);
        let wanted = Registration::all(&survey.settings, &place);
        let serves = self.source.is_none();
        let last = &survey.state.services;
        Some(Services::ask(&survey.manager, wanted, last, &survey.home.shared(), serves))
    }

    /// What the databases of the release that serves say of themselves.
    fn databases(&self) -> Option<Vec<Database>> {
        let survey = self.survey;
        let active = survey.complete(survey.active.as_ref()?)?;
        let place = survey.place_of(active);
        let given = secrets::given(&survey.settings, &survey.secrets, &place.manifest).ok()?;
        Database::ask(&site::manage(&place, ["shell", "-v", "0", "-c", doctor::QUESTION], &given))
    }
}
