//! A site's folder: what an administrator has written there, and what holdall has. Reads it as values, and writes so that
//! a power cut leaves the old or the new.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::bridge_toml::Edition;
use super::rights::Standing;
use super::secrets::{SECRETS_TOML, Sid};
use super::settings::SITE_TOML;
use super::state::STATE_JSON;
use super::{
    BridgeToml, Place, Secrets, SecretsError, SettingsError, SiteSettings, State, StateError, rights,
};
use crate::durable::{Disk, Mode, gone};
use crate::manifest::SiteName;

/// The variable that names the folder of all sites.
pub const ROOT_VARIABLE: &str = "HOLDALL_ROOT";

/// `<root>/<site>`, whether or not it is there.
#[derive(Debug, Clone)]
pub struct Home {
    pub folder: PathBuf,
    pub name: SiteName,
    pub disk: Disk,
}

/// Why a site's folder cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum HomeError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Secrets(#[from] SecretsError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Grant(#[from] rights::GrantError),
    #[error("cannot read `{}`", path.display())]
    #[diagnostic(help("check that you may read it: on a server that takes an administrator"))]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("cannot write `{}`", path.display())]
    #[diagnostic(help(
        "check that the disk has room and that you may write there: on a server that takes an administrator"
    ))]
    Unwritable { path: PathBuf, source: io::Error },
    #[error("`{}` cannot be read, and visitors are answered by status 503", path.display())]
    #[diagnostic(help("`holdall maintenance on` writes it anew, `holdall maintenance off` opens the site"))]
    Maintenance { path: PathBuf, source: toml::de::Error },
    #[error("`{}` is no site's folder: `{found}` lies there", folder.display())]
    #[diagnostic(help(
        "a site has a folder of its own: choose another name or another `--root`, or lay the site's `site.toml` there if it \
         is to be this one"
    ))]
    Foreign { folder: PathBuf, found: String },
    #[error("`{}` is the settings of the site `{found}`, and lies in the folder of `{expected}`", path.display())]
    #[diagnostic(help("give the folder the site's name, or correct the key `name`"))]
    OtherSite { path: PathBuf, found: SiteName, expected: SiteName },
}

/// The folder of all sites: the one that was named, that of `HOLDALL_ROOT`, else the system's. Short, so that as much as
/// can be is left of what Windows takes for a path.
pub fn root(named: Option<&Path>) -> io::Result<PathBuf> {
    let variable = || std::env::var_os(ROOT_VARIABLE).filter(|root| !root.is_empty()).map(PathBuf::from);
    let usual = || match cfg!(windows) {
        true => {
            let mut root = std::env::var_os("SystemDrive").unwrap_or_else(|| "C:".into());
            root.push("\\holdall");
            PathBuf::from(root)
        }
        false => PathBuf::from("/srv/holdall"),
    };
    std::path::absolute(named.map(Path::to_owned).or_else(variable).unwrap_or_else(usual))
}

impl Home {
    pub fn below(root: &Path, name: &SiteName, disk: Disk) -> Home {
        Home { folder: root.join(name.as_str()), name: name.clone(), disk }
    }

    /// The names of the sites below `root`: folders in which a deploy or `site init` has left something.
    pub fn all(root: &Path) -> io::Result<Vec<SiteName>> {
        let entries = match fs_err::read_dir(root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let is_site =
                [SITE_TOML, SECRETS_TOML, STATE_JSON, "releases"].iter().any(|name| path.join(name).exists());
            let name = path.file_name().and_then(|name| SiteName::parse(name.to_str()?).ok());
            names.extend(name.filter(|_| is_site));
        }
        names.sort();
        Ok(names)
    }

    pub fn site_toml(&self) -> PathBuf {
        self.folder.join(SITE_TOML)
    }

    pub fn secrets_toml(&self) -> PathBuf {
        self.folder.join(SECRETS_TOML)
    }

    fn state_json(&self) -> PathBuf {
        self.folder.join(STATE_JSON)
    }

    /// What the site shall be, if anybody has said so.
    pub fn settings(&self) -> Result<Option<SiteSettings>, HomeError> {
        let path = self.site_toml();
        if !path.exists() {
            return Ok(None);
        }
        let settings = SiteSettings::read(&path)?;
        if settings.name != self.name {
            let (found, expected) = (settings.name, self.name.clone());
            return Err(HomeError::OtherSite { path, found, expected });
        }
        Ok(Some(settings))
    }

    pub fn secrets(&self) -> Result<Secrets, HomeError> {
        Ok(Secrets::read(&self.secrets_toml())?)
    }

    /// What was last done to the site; of one to which nothing was done, that.
    pub fn state(&self) -> Result<State, HomeError> {
        let path = self.state_json();
        match fs_err::read(&path) {
            Ok(bytes) => Ok(State::parse(&bytes, &self.name, &path)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(State::new(self.name.clone())),
            Err(source) => Err(HomeError::Unreadable { path, source }),
        }
    }

    /// What the project writes: kept from release to release.
    pub fn shared(&self) -> PathBuf {
        self.folder.join("shared")
    }

    /// Makes the site's folder, and that of what it writes.
    pub fn make(&self, settings: &SiteSettings) -> Result<(), HomeError> {
        let pool = Sid::of_pool(&settings.pool_name());
        let shared = self.shared();
        let standing = Standing::of(&self.names()?);
        if let Standing::Foreign(found) = standing {
            return Err(HomeError::Foreign { folder: self.folder.clone(), found });
        }
        for (folder, rights) in [(&self.folder, rights::of_site(&pool)), (&shared, rights::of_shared(&pool))]
        {
            let made = match folder.is_dir() && standing == Standing::New {
                // Somebody has made it: who may do what there was not yet thought of.
                true => rights::guard(folder, &rights),
                false => rights::make_folder(&self.disk, folder, &rights),
            };
            made.map_err(|source| HomeError::Unwritable { path: folder.clone(), source })?;
        }
        Ok(())
    }

    /// What lies in the site's folder.
    fn names(&self) -> Result<Vec<String>, HomeError> {
        let unreadable = |source| HomeError::Unreadable { path: self.folder.clone(), source };
        let entries = match fs_err::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(unreadable)?,
        };
        let name =
            |entry: io::Result<fs_err::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
        let mut names = entries.map(name).collect::<io::Result<Vec<_>>>().map_err(unreadable)?;
        names.sort();
        Ok(names)
    }

    pub fn write_settings(&self, text: &str) -> Result<(), HomeError> {
        self.write(&self.site_toml(), Mode::Plain, text.as_bytes())
    }

    /// For administrators, for the pool that the site runs in, and for its services.
    pub fn write_secrets(&self, secrets: &Secrets, settings: &SiteSettings) -> Result<(), HomeError> {
        let path = self.secrets_toml();
        secrets.write(&path, &[Sid::of_pool(&settings.pool_name())])?;
        // Accounts of a domain are known by name alone, which only Windows' own program takes.
        for service in &self.state()?.services {
            crate::service::rights::of_secrets(service, self).give()?;
        }
        self.disk.sync_folder(&self.folder).map_err(|source| HomeError::Unwritable { path, source })
    }

    pub fn write_state(&self, state: &State) -> Result<(), HomeError> {
        self.write(&self.state_json(), Mode::Plain, &state.to_bytes())
    }

    /// Forgets what was done to the site.
    pub fn forget(&self) -> Result<(), HomeError> {
        let path = self.state_json();
        gone(self.disk.remove_file(&path)).map_err(|source| HomeError::Unwritable { path, source })
    }

    /// Whether the bridge of a release is told what is wanted now, and its processes know.
    pub fn is_told(&self, place: &Place, wanted: &BridgeToml) -> bool {
        let is_written = |text| text == wanted.render();
        fs_err::read_to_string(place.bridge_toml()).is_ok_and(is_written)
            && super::bridge_toml::is_known(place)
    }

    /// Tells the bridge of a release what it needs. The file may hold secrets. Processes that are there know it once they
    /// are [retired](super::bridge_toml::retire).
    pub fn tell(&self, place: &Place, wanted: &BridgeToml) -> Result<(), HomeError> {
        let unwritable = |path: PathBuf| move |source| HomeError::Unwritable { path, source };
        place.make_folders(&self.disk).map_err(unwritable(place.site.clone()))?;
        self.write(&place.bridge_toml(), Mode::Private, wanted.render().as_bytes())?;
        let restart = super::bridge_toml::restart_file(place);
        match restart.exists() {
            true => Ok(()),
            // What is watched has to be there, and nothing runs yet.
            false => super::bridge_toml::retire(place, &self.disk).map_err(unwritable(restart)),
        }
    }

    fn write(&self, path: &Path, mode: Mode, bytes: &[u8]) -> Result<(), HomeError> {
        self.disk
            .replace(path, mode, bytes)
            .map_err(|source| HomeError::Unwritable { path: path.to_owned(), source })
    }
}

/// From so many seconds on a request is slow: a visitor has left by then, or thinks of it.
const SLOW: u32 = 30;

/// Megabytes at which the log of the bridge goes on in a new file.
const FULL: u32 = 10;

/// What the bridge of a release is told: the variables, where to log, and how visitors come. What is secret it reads where it
/// is kept, and nowhere else.
pub fn bridge_toml(
    settings: &SiteSettings,
    place: &Place,
    given: &BTreeMap<String, String>,
    visited: Visited<'_>,
) -> BridgeToml {
    let (plain, secret): (BTreeMap<_, _>, BTreeMap<_, _>) =
        given.clone().into_iter().partition(|(name, _)| settings.environment.contains_key(name));
    let mut told = BridgeToml::of(place, &plain).with_probes();
    if !secret.is_empty() {
        told.environment_files = vec![place.site.join(SECRETS_TOML).to_string_lossy().into_owned()];
        told.secrets = Some(Edition::of(secret.iter()));
    }
    let logs = place.shared().join("logs");
    let log = logs.join("bridge.log");
    told.events = Some(super::bridge_toml::Events {
        source: crate::events::SOURCE.to_owned(),
        name: settings.name.to_string(),
        folder: logs.to_string_lossy().into_owned(),
        slow: SLOW,
    });
    told.slow = Some(settings.hangs_after());
    told.trusted_proxies = Some(settings.trusted_proxies.iter().map(ToString::to_string).collect());
    let maintenance = place.site.join(super::maintenance::MAINTENANCE_TOML);
    told.maintenance = Some(super::bridge_toml::Watched { file: maintenance.to_string_lossy().into_owned() });
    let (max_megabytes, keep) = log_files(settings.logs.max_megabytes);
    told.log =
        Some(super::bridge_toml::Log { path: log.to_string_lossy().into_owned(), max_megabytes, keep });
    if let Some(path) = settings.probe.paths.first() {
        told.check.path.clone_from(path);
    }
    visited.host.clone_into(&mut told.check.host);
    told.check.https = visited.https;
    told
}

/// At how many megabytes the log of the bridge goes on in a new file, and how many earlier ones stay, so that all of them
/// together are no larger than `wanted`. There is always an earlier one: who looks after an error finds what was before it.
fn log_files(wanted: u32) -> (u32, u32) {
    let max_megabytes = FULL.min((wanted / 2).max(1));
    // What is older is removed with the next deploy, and so are those of others.
    (max_megabytes, (wanted / max_megabytes).saturating_sub(1).clamp(1, 9999))
}

/// How the first of a site's addresses is visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visited<'a> {
    /// Without a port.
    pub host: &'a str,
    pub https: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::power_cut::{Tape, Tree, each_cut, scratch};
    use crate::release::ReleaseId;
    use crate::site::place::tests::guestbook;

    fn home(root: &Path) -> Home {
        Home::below(root, &SiteName::parse("guestbook").unwrap(), Disk::default())
    }

    #[test]
    fn a_site_that_is_not_there_has_nothing_and_is_none_of_the_sites() {
        let root = tempfile::tempdir().unwrap();
        let home = home(root.path());
        assert!(home.settings().unwrap().is_none());
        assert_eq!(home.state().unwrap(), State::new(home.name.clone()));
        assert_eq!(home.secrets().unwrap().names().count(), 0);
        home.make(&SiteSettings::named(home.name.clone())).unwrap();
        assert_eq!(Home::all(root.path()).unwrap(), []);
        assert_eq!(Home::all(&root.path().join("nowhere")).unwrap(), []);
    }

    #[test]
    fn a_folder_of_somebody_elses_is_no_place_for_a_site() {
        let root = tempfile::tempdir().unwrap();
        let (home, settings) =
            (home(root.path()), SiteSettings::named(SiteName::parse("guestbook").unwrap()));
        fs_err::create_dir_all(home.folder.join("wwwroot")).unwrap();
        let refused = home.make(&settings).unwrap_err();
        assert!(matches!(&refused, HomeError::Foreign { found, .. } if found == "wwwroot"), "{refused:?}");
        assert!(!home.folder.join("shared").exists());
        home.write_settings("name = 'guestbook'\n").unwrap();
        home.make(&settings).unwrap();
        assert!(home.folder.join("shared").is_dir());
    }

    #[test]
    fn what_is_written_is_found_again() {
        let root = tempfile::tempdir().unwrap();
        let home = home(root.path());
        home.make(&SiteSettings::named(home.name.clone())).unwrap();
        let mut state = home.state().unwrap();
        state.activate(&ReleaseId::parse("1.0-0123abcd").unwrap());
        home.write_state(&state).unwrap();
        home.write_settings("name = 'guestbook'\n").unwrap();
        let settings = home.settings().unwrap().unwrap();
        let mut secrets = Secrets::default();
        secrets.set("SECRET_KEY", "hidden".to_owned()).unwrap();
        home.write_secrets(&secrets, &settings).unwrap();
        assert_eq!((home.state().unwrap(), home.secrets().unwrap()), (state, secrets));
        assert_eq!(Home::all(root.path()).unwrap(), std::slice::from_ref(&home.name));
        home.forget().unwrap();
        home.forget().unwrap();
        assert_eq!(home.state().unwrap(), State::new(home.name.clone()));
        home.write_settings("name = 'other'\n").unwrap();
        assert!(matches!(home.settings(), Err(HomeError::OtherSite { .. })));
    }

    #[test]
    fn what_the_bridge_was_told_outlives_a_power_cut() {
        let root = scratch();
        let before = Tree::of(root.path());
        let (disk, tape) = Tape::new();
        let home = Home { disk, ..home(root.path()) };
        let (place, settings) = (guestbook(root.path()), SiteSettings::named(home.name.clone()));
        let visited = Visited { host: "www.example.org", https: true };
        let wanted = bridge_toml(&settings, &place, &BTreeMap::new(), visited);
        home.tell(&place, &wanted).unwrap();
        let steps = tape.steps();
        each_cut(&before, root.path(), &steps, steps.len()..=steps.len(), |cut, root| {
            let place = guestbook(root);
            assert!(home.is_told(&place, &wanted), "{cut}");
            assert!(place.tmp().is_dir(), "{cut}");
        });
    }

    #[test]
    fn the_log_of_the_bridge_is_no_larger_than_the_logs_of_the_site_may_be() {
        for (wanted, expected) in
            [(1, (1, 1)), (2, (1, 1)), (3, (1, 2)), (5, (2, 1)), (19, (9, 1)), (20, (10, 1)), (500, (10, 49))]
        {
            let (max_megabytes, keep) = log_files(wanted);
            assert_eq!((max_megabytes, keep), expected, "{wanted}");
            assert!(wanted < 2 || max_megabytes * (keep + 1) <= wanted, "{wanted}");
        }
        assert_eq!(log_files(u32::MAX).1, 9999);
    }

    #[test]
    fn the_bridge_is_told_where_secrets_are_kept_and_when_they_change() {
        let place = guestbook("/srv".as_ref());
        let text = "name = 'guestbook'\n[environment]\nPLAIN = 'one'";
        let settings = SiteSettings::parse(text, Path::new("site.toml")).unwrap();
        let told = |secret: &str| {
            let given = [("PLAIN", "one"), ("SECRET_KEY", secret)];
            let given = given.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            bridge_toml(&settings, &place, &given, Visited { host: "localhost", https: false }).render()
        };
        let text = told("planted");
        assert!(text.contains("PLAIN = \"one\"") && !text.contains("planted"), "{text}");
        assert!(!text.contains("SECRET_KEY") && text.contains("secrets.toml\"]"), "{text}");
        assert_eq!(text, told("planted"));
        assert_ne!(text, told("another"));
        let none = BTreeMap::from([("PLAIN".to_owned(), "one".to_owned())]);
        let none = bridge_toml(&settings, &place, &none, Visited { host: "localhost", https: false });
        assert!(!none.render().contains("secrets.toml"));
    }

    #[test]
    fn the_bridge_is_told_once_and_what_is_watched_is_there() {
        let root = tempfile::tempdir().unwrap();
        let (home, place) = (home(root.path()), guestbook(root.path()));
        let settings = SiteSettings::named(home.name.clone());
        let visited = Visited { host: "www.example.org", https: true };
        let wanted = bridge_toml(&settings, &place, &BTreeMap::new(), visited);
        assert!(!home.is_told(&place, &wanted));
        home.tell(&place, &wanted).unwrap();
        assert!(home.is_told(&place, &wanted));
        // Processes that were told something else are there until they are retired.
        let other = bridge_toml(&settings, &place, &BTreeMap::new(), Visited { https: false, ..visited });
        home.tell(&place, &other).unwrap();
        assert!(!home.is_told(&place, &other));
        super::super::bridge_toml::retire(&place, &home.disk).unwrap();
        assert!(home.is_told(&place, &other));
        home.tell(&place, &wanted).unwrap();
        super::super::bridge_toml::retire(&place, &home.disk).unwrap();
        assert!(crate::site::bridge_toml::restart_file(&place).exists());
        assert!(wanted.render().contains("host = \"www.example.org\"\nhttps = true"));
        // No proxy is believed unless somebody says so, which is not the same as saying nothing.
        assert!(wanted.render().contains("trusted_proxies = []"));
        let text = "name = 'guestbook'\nproxies.trusted = ['10.0.0.0/8']";
        let settings = SiteSettings::parse(text, Path::new("site.toml")).unwrap();
        let told = bridge_toml(&settings, &place, &BTreeMap::new(), visited);
        assert!(told.render().contains("trusted_proxies = [\"10.0.0.0/8\"]"));
    }
}
