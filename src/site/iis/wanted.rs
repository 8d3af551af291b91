//! What a site needs of IIS for one release: values, computed from its settings and from where the release lies.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::actual::Scope;
use super::appcmd::{Quoted, Unquotable, argument};
use super::netsh::Endpoint;
use super::section::{self, Entry, LISTS, Section, WantedSection};
use crate::manifest::Manifest;
use crate::site::accounts::Known;
use crate::site::certificates::{CertificateLack, StoredCertificate, choose, supersedes};
use crate::site::settings::{
    Account, Binding, Certificate, FASTCGI, LIMITS, POOL, Position, Protocol, Setting, Thumbprint,
    settings_of,
};
use crate::site::state::Applied;
use crate::site::{Place, SiteSettings, bridge_toml};

/// Where a site stands in IIS, whatever its release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// Of the IIS site: its own, or the one that it lies below.
    pub site: String,
    /// `/`, or `/path` below another's site.
    pub app: String,
    pub pool: String,
    /// The site's folder: what serves something in it was made by us.
    pub home: String,
    /// Sections that are looked at, each with the part of the addresses for which it holds.
    pub sections: BTreeSet<(String, Section)>,
    /// Where http.sys shows certificates for it, or did: a survey asks what stands there.
    pub endpoints: Vec<Endpoint>,
}

/// A site with one release, as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub spot: Spot,
    /// Empty if `site.toml` names none; of no account below another's site.
    pub bindings: Vec<Binding>,
    /// What the bindings for HTTPS are to show; empty where nobody has looked at what the machine has.
    pub certificates: Vec<WantedCertificate>,
    pub pool: WantedPool,
    pub release: WantedRelease,
    pub media: Option<WantedMedia>,
    /// Of the site's connections, as far as they were named.
    pub limits: Vec<Setting>,
    pub sections: Vec<WantedSection>,
    /// The project's own `web.config` in the release that serves now, or nothing: it hides what lies beneath.
    pub in_force: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedPool {
    pub account: Option<Account>,
    /// Whether there is such an account.
    pub known: Known,
    /// Of the account, if somebody has given it.
    pub password: Option<Password>,
    pub settings: Vec<Setting>,
    /// Times of the day at which the worker is replaced, if they were named.
    pub schedule: Option<Vec<String>>,
}

/// The certificate of a binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedCertificate {
    pub binding: Binding,
    pub endpoint: Endpoint,
    pub shown: Shown,
    /// Those of the machine that are newer than the chosen one, and as good: if one of them is shown, it stays.
    pub newer: Vec<Thumbprint>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// What is there, which somebody else looks after.
    Kept,
    Chosen(StoredCertificate),
    /// None will do.
    Lacking(CertificateLack),
}

/// A password, which nothing shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    pub fn new(password: String) -> Password {
        Password(password)
    }

    /// For what is fed to appcmd, and for nothing else.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

/// What is served: a folder, and the FastCGI application that its `web.config` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedRelease {
    pub id: String,
    pub www: String,
    pub fastcgi: WantedFastCgi,
}

/// A FastCGI application: IIS knows it by the pair of program and arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedFastCgi {
    pub full_path: Quoted,
    pub arguments: Quoted,
    pub monitor: Quoted,
    pub settings: Vec<Setting>,
    pub environment: BTreeMap<String, Quoted>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedMedia {
    /// `/media`
    pub path: String,
    pub folder: String,
}

impl Wanted {
    /// What the release at `place` needs on a machine with so many processors.
    pub fn of(settings: &SiteSettings, place: &Place, cores: u32) -> Result<Wanted, Unquotable> {
        let media = settings.media.as_ref().map(|media| {
            let folder = text(&Place::media(&place.site, media))?.as_str().to_owned();
            Ok(WantedMedia { path: format!("/{}", media.url), folder })
        });
        Ok(Wanted {
            spot: Spot::of(settings, &place.site)?.with_release(settings, &place.manifest),
            bindings: match &settings.position {
                Position::Own { bindings } => bindings.clone(),
                Position::Below { .. } => Vec::new(),
            },
            certificates: Vec::new(),
            pool: WantedPool {
                account: settings.pool.account.clone(),
                known: Known::Unsaid,
                password: None,
                settings: settings_of(POOL, &settings.pool.attributes, cores),
                schedule: settings.pool.schedule.clone(),
            },
            release: WantedRelease {
                id: place.id.to_string(),
                www: text(&place.www())?.as_str().to_owned(),
                fastcgi: WantedFastCgi::of(settings, place, cores)?,
            },
            media: media.transpose()?,
            limits: settings_of(LIMITS, &settings.limits, cores),
            sections: section::wanted(settings, Some(&place.manifest)),
            in_force: String::new(),
        })
    }
}

impl Wanted {
    /// The same with the certificates that its bindings are to show at this time, of those that the machine has.
    #[must_use]
    pub fn with_certificates(mut self, store: &[StoredCertificate], now: u64) -> Wanted {
        let of = |binding: &Binding| WantedCertificate::of(binding, store, now);
        // Bindings that differ by nothing but their address share one.
        self.certificates = self.bindings.iter().filter_map(of).fold(Vec::new(), |mut all, own| {
            let is_known =
                |known: &WantedCertificate| known.endpoint == own.endpoint && known.shown == own.shown;
            if !all.iter().any(is_known) {
                all.push(own);
            }
            all
        });
        self
    }
}

impl WantedCertificate {
    fn of(binding: &Binding, store: &[StoredCertificate], now: u64) -> Option<WantedCertificate> {
        let Protocol::Https(certificate) = &binding.protocol else { return None };
        let host = binding.host.as_deref();
        let mut newer = Vec::new();
        let shown = match choose(store, certificate, &binding.to_string(), host, now) {
            Err(lack) => Shown::Lacking(lack),
            Ok(None) => Shown::Kept,
            Ok(Some(chosen)) => {
                let superseding = store.iter().filter(|other| supersedes(other, chosen, host, now));
                newer.extend(superseding.map(|other| other.thumbprint.clone()));
                Shown::Chosen(chosen.clone())
            }
        };
        Some(WantedCertificate { endpoint: Endpoint::of(binding)?, binding: binding.clone(), shown, newer })
    }
}

impl Spot {
    /// That of the site with its folder at `home`.
    pub fn of(settings: &SiteSettings, home: &Path) -> Result<Spot, Unquotable> {
        let (site, app) = match &settings.position {
            Position::Own { .. } => (settings.name.to_string(), "/".to_owned()),
            Position::Below { site, path } => (site.to_string(), format!("/{path}")),
        };
        let pool = settings.pool_name().to_string();
        let endpoints = match &settings.position {
            Position::Own { bindings } => asked(bindings),
            Position::Below { .. } => Vec::new(),
        };
        let home = text(home)?.as_str().to_owned();
        let spot = Spot { site, app, pool, home, endpoints, sections: BTreeSet::new() };
        Ok(spot.looking_at(&section::wanted(settings, None)))
    }

    /// The same with what is said of a release's static files.
    #[must_use]
    pub fn with_release(self, settings: &SiteSettings, manifest: &Manifest) -> Spot {
        self.looking_at(&section::wanted(settings, Some(manifest)))
    }

    /// The same with all that was applied before.
    #[must_use]
    pub fn with_applied(mut self, last: &Applied) -> Spot {
        for thing in last.things() {
            let Some(location) = self.part_of(thing) else { continue };
            let sections = last.of(thing).filter_map(|(name, _)| Section::of_setting(name));
            self.sections.extend(sections.map(|section| (location.clone(), section)));
            // What an item is that the site says nothing of any more.
            let items =
                last.of(thing).filter_map(|(name, _)| LISTS.iter().find(|list| list.item_of(name).is_some()));
            self.sections.extend(items.map(|list| (String::new(), list.section)));
        }
        self
    }

    fn looking_at(mut self, wanted: &[WantedSection]) -> Spot {
        let sections = wanted.iter().map(|wanted| (self.part(&wanted.path), wanted.section));
        let sections: Vec<_> = sections.collect();
        self.sections.extend(sections);
        // What is there already where the site is only being made.
        let items = |entry: &Entry| match entry {
            Entry::Item { list, .. } => Some((String::new(), list.section)),
            Entry::Value { .. } | Entry::Whole { .. } => None,
        };
        self.sections.extend(wanted.iter().flat_map(|wanted| &wanted.entries).filter_map(items));
        self
    }

    /// A part of the addresses below the site's own.
    pub(super) fn part(&self, path: &str) -> String {
        format!("{}/{path}", self.location()).trim_end_matches('/').to_owned()
    }

    /// The part of the site's addresses that a thing is which something was applied to.
    pub(super) fn part_of(&self, thing: &str) -> Option<String> {
        let location = thing.strip_prefix("location ")?;
        let rest = location.strip_prefix(self.location().as_str())?;
        (rest.is_empty() || rest.starts_with('/')).then(|| location.to_owned())
    }

    /// That of a [location](Spot::location).
    pub(super) fn at(location: &str, pool: String, home: String) -> Spot {
        let (site, path) = location.split_once('/').unwrap_or((location, ""));
        let (endpoints, sections) = (Vec::new(), BTreeSet::new());
        Spot { site: site.to_owned(), app: format!("/{path}"), pool, home, endpoints, sections }
    }

    /// The site that shows a release before anyone sees it. No site of Holdall's can have this name.
    pub fn staging(&self) -> String {
        let part = self.app.replace('/', "~");
        format!("{}{}~staging", self.site, part.trim_end_matches('~'))
    }

    /// What the site is called that has its folder there.
    pub(super) fn own_name(&self) -> &str {
        self.home.rsplit(['/', '\\']).next().unwrap_or_default()
    }

    /// Whether the site itself was somebody else's work.
    pub fn is_below(&self) -> bool {
        self.app != "/"
    }

    /// The part of the server's addresses: `shop`, or `Intranet/shop`.
    pub fn location(&self) -> String {
        format!("{}{}", self.site, self.app.trim_end_matches('/'))
    }

    /// The name of the application: `shop/`, or `Intranet/shop`.
    pub fn app_name(&self) -> String {
        format!("{}{}", self.site, self.app)
    }

    /// The same, where certificates were put at these endpoints, too.
    #[must_use]
    pub fn with_endpoints(mut self, others: impl Iterator<Item = Endpoint>) -> Spot {
        let all: BTreeSet<Endpoint> = self.endpoints.drain(..).chain(others).collect();
        self.endpoints = all.into_iter().collect();
        self
    }

    /// What a survey has to ask for.
    pub fn scope(&self) -> Scope {
        let section =
            |(location, section): &(String, Section)| (self.site.clone(), location.clone(), *section);
        Scope {
            sites: vec![self.site.clone(), self.staging()],
            locations: vec![(self.site.clone(), self.location())],
            sections: self.sections.iter().map(section).collect(),
            endpoints: self.endpoints.clone(),
        }
    }
}

impl WantedFastCgi {
    fn of(settings: &SiteSettings, place: &Place, cores: u32) -> Result<WantedFastCgi, Unquotable> {
        let bridge = crate::site::bridge(place);
        let mut words = Vec::with_capacity(bridge.args.len());
        for arg in &bridge.args {
            let arg = text(Path::new(arg))?;
            // What the process's command line needs; in the configuration quotes are plain letters.
            let plain = !arg.as_str().is_empty() && !arg.as_str().contains([' ', '"']);
            words.push(if plain { arg.as_str().to_owned() } else { argument(arg.as_str()) });
        }
        let early = settings.early.iter();
        let early = early.map(|(name, value)| {
            Quoted::parse(name)?;
            Ok((name.clone(), Quoted::parse(value)?))
        });
        Ok(WantedFastCgi {
            full_path: text(&bridge.program)?,
            arguments: Quoted::parse(&words.join(" "))?,
            monitor: text(&bridge_toml::restart_file(place))?,
            settings: settings_of(FASTCGI, &settings.fastcgi, cores),
            environment: early.collect::<Result<_, _>>()?,
        })
    }

    /// What a handler names to find it. The same string stands in both places, as nobody has said whether IIS compares
    /// them letter by letter.
    pub fn script_processor(&self) -> String {
        format!("{}|{}", self.full_path.as_str(), self.arguments.as_str())
    }
}

/// Where these bindings have their certificates, and where http.sys looks if there are none.
fn asked(bindings: &[Binding]) -> Vec<Endpoint> {
    let asked = |binding: &Binding| {
        let own = Endpoint::of(binding);
        let is_kept = matches!(binding.protocol, Protocol::Https(Certificate::Keep));
        let fallback = own.as_ref().filter(|_| is_kept).and_then(Endpoint::fallback);
        own.into_iter().chain(fallback).collect::<Vec<_>>()
    };
    let all: BTreeSet<Endpoint> = bindings.iter().flat_map(asked).collect();
    all.into_iter().collect()
}

/// A path that appcmd can be told.
fn text(path: &Path) -> Result<Quoted, Unquotable> {
    match path.to_str() {
        Some(text) => Quoted::parse(text),
        None => Err(Quoted::unquotable(&path.to_string_lossy())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::SiteName;
    use crate::site::place::tests::guestbook;

    fn settings(text: &str) -> SiteSettings {
        SiteSettings::parse(&format!("name = 'guestbook'\n{text}"), Path::new("site.toml")).unwrap()
    }

    #[test]
    fn a_release_is_an_application_of_its_own() {
        let place = guestbook("/srv/hold all".as_ref());
        let wanted = Wanted::of(&settings("[media]\nurl = '/media/'"), &place, 4).unwrap();
        let slashed = |text: &str| text.replace('\\', "/");
        let fastcgi = &wanted.release.fastcgi;
        assert_eq!(
            slashed(&fastcgi.script_processor()),
            "/srv/hold all/guestbook/releases/1.0.0-0123abcd/python/bin/python3.12|-I -B -X utf8 -m holdall_bridge \
             --config \"/srv/hold all/guestbook/run/1.0.0-0123abcd/bridge.toml\""
        );
        assert_eq!(slashed(fastcgi.monitor.as_str()), "/srv/hold all/guestbook/run/1.0.0-0123abcd/restart");
        assert_eq!(slashed(&wanted.media.as_ref().unwrap().folder), "/srv/hold all/guestbook/shared/media");
        assert_eq!(slashed(&wanted.release.www), "/srv/hold all/guestbook/releases/1.0.0-0123abcd/www");
    }

    #[test]
    fn a_site_is_named_apart_from_its_staging_site() {
        let place = guestbook("/srv".as_ref());
        let own = Wanted::of(&settings(""), &place, 4).unwrap();
        let names = |wanted: &Wanted| [wanted.spot.location(), wanted.spot.app_name(), wanted.spot.staging()];
        assert_eq!(names(&own), ["guestbook", "guestbook/", "guestbook~staging"]);
        let below = Wanted::of(&settings("below = 'Intranet/a/b'"), &place, 4).unwrap();
        assert_eq!(names(&below), ["Intranet/a/b", "Intranet/a/b", "Intranet~a~b~staging"]);
        assert!(below.spot.is_below() && !own.spot.is_below());
        assert!(SiteName::parse(&own.spot.staging()).is_err());
    }

    #[test]
    fn a_folder_that_appcmd_cannot_be_told_is_refused_before_anything_is_done() {
        let place = guestbook("/srv/ann's".as_ref());
        let error = Wanted::of(&settings(""), &place, 4).unwrap_err();
        assert!(error.to_string().contains("ann's"), "{error}");
        let early = settings("[fastcgi.environment]\nA = \"it's\"");
        assert!(Wanted::of(&early, &guestbook("/srv".as_ref()), 4).is_err());
    }
}
