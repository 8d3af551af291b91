//! `bridge.toml`: what the bridge of a release reads. On a server secrets stand beside it, in the site's `secrets.toml`, which
//! it names; elsewhere it may hold some, so it is made readable for its owner alone.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::place::BRIDGE_TOML;
use super::{Place, environment};
use crate::digest::Sha256;
use crate::durable::{Disk, Mode};

/// The file's content, in the order in which it is written.
///
/// Where the project's modules lie is not said here: `holdall.pth` in site-packages does that.
#[derive(Debug, Clone, Serialize)]
pub struct BridgeToml {
    /// `package.module:callable`
    pub app: String,
    pub processes: u32,
    pub threads: u32,
    /// Networks of proxies whose word on visitors counts; absent leaves that to the project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted_proxies: Option<Vec<String>>,
    /// Seconds until the stack of a request is logged, while it lasts; absent leaves that to the bridge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow: Option<u32>,
    /// Files with more variables; those of `environment` win.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub environment_files: Vec<String>,
    pub environment: BTreeMap<String, String>,
    #[serde(skip)]
    pub secrets: Option<Edition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<Log>,
    pub check: Check,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<Watched>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<Watched>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Events>,
}

/// Tells one content of the secrets from another, so that processes get others once they change. It says far too little of a
/// value to find it by, and stands in a file that only they may read who may read the secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edition(String);

impl Edition {
    pub fn of<'a>(secrets: impl Iterator<Item = (&'a String, &'a String)>) -> Edition {
        let pairs: Vec<_> = secrets.collect();
        let text = serde_json::to_vec(&pairs).expect("texts can be written as JSON");
        Edition(Sha256::of(&text).short())
    }
}

/// Where the bridge and the project's `wsgi.errors` are logged; standard error when this is absent.
#[derive(Debug, Clone, Serialize)]
pub struct Log {
    pub path: String,
    /// From this size on it goes on in a new file.
    pub max_megabytes: u32,
    /// How many full ones stay.
    pub keep: u32,
}

/// What `--check` asks the project for.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    pub path: String,
    pub host: String,
    /// Whether visitors come by HTTPS, so that a project that sends them there answers.
    pub https: bool,
}

/// What goes to the event log of Windows.
#[derive(Debug, Clone, Serialize)]
pub struct Events {
    pub source: String,
    /// Of the site.
    pub name: String,
    /// Where the bridge keeps when it reported something last.
    pub folder: String,
    /// Seconds after which a request is slow.
    pub slow: u32,
}

/// A file that is looked for with each request that it may concern: of probes, which it allows to whoever shows the token
/// in it, and of maintenance.
#[derive(Debug, Clone, Serialize)]
pub struct Watched {
    /// Relative to the folder of `bridge.toml`.
    pub file: String,
}

/// The file of probes, beside `bridge.toml`. It is there only while somebody probes.
pub const PROBE: &str = "probe.toml";

/// Where a pass for the release at `place` lies.
pub fn probe_toml(place: &Place) -> PathBuf {
    place.run().join(PROBE)
}

const RESTART: &str = "restart";

/// The file that IIS watches (`monitorChangesTo` of the FastCGI application): a change ends idle processes.
pub fn restart_file(place: &Place) -> PathBuf {
    place.run().join(RESTART)
}

/// Has the processes of a release end as soon as they are idle: nobody needs them any more, or they know something else
/// than `bridge.toml` says now. Only IIS looks at the file; elsewhere whoever started the processes ends them.
pub fn retire(place: &Place, disk: &Disk) -> io::Result<()> {
    retire_in(&place.run(), disk)
}

/// The same for a release of which only the folder is known that holds what it was told.
pub fn retire_in(run: &Path, disk: &Disk) -> io::Result<()> {
    let told = match fs_err::read(run.join(BRIDGE_TOML)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        told => told?,
    };
    // Another content than before, so that whatever IIS compares, it sees a change.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let text = format!("{} {}", Sha256::of(&told), now.as_nanos());
    disk.replace(&run.join(RESTART), Mode::Private, text.as_bytes())
}

/// Whether all processes that are not about to end were started with `bridge.toml` as it is now.
pub fn is_known(place: &Place) -> bool {
    let (told, known) = (fs_err::read(place.bridge_toml()), fs_err::read_to_string(restart_file(place)));
    match (told, known) {
        (Ok(told), Ok(known)) => known.split(' ').next() == Some(&Sha256::of(&told).to_string()),
        _ => false,
    }
}

impl BridgeToml {
    /// What the bridge of the release at `place` is told: one request at a time, as web servers want it.
    /// It logs to standard error.
    pub fn of(place: &Place, given: &BTreeMap<String, String>) -> BridgeToml {
        BridgeToml {
            app: place.manifest.django.wsgi.clone(),
            processes: 1,
            threads: 1,
            trusted_proxies: None,
            slow: None,
            environment_files: Vec::new(),
            environment: environment::variables(place, given),
            secrets: None,
            log: None,
            check: Check {
                path: place.manifest.site.health.clone(),
                host: "localhost".to_owned(),
                https: false,
            },
            probe: None,
            maintenance: None,
            events: None,
        }
    }

    /// The same for a release that is probed before it serves.
    pub fn with_probes(self) -> BridgeToml {
        BridgeToml { probe: Some(Watched { file: PROBE.to_owned() }), ..self }
    }

    /// Whether a release was told to look whether the site is closed; one that was last told long ago was not.
    pub fn heeds_maintenance(path: &Path) -> bool {
        let told = fs_err::read_to_string(path).ok().and_then(|text| text.parse::<toml::Table>().ok());
        told.is_some_and(|told| told.contains_key("maintenance"))
    }

    pub fn render(&self) -> String {
        let text =
            toml::to_string(self).expect("strings, numbers and tables of strings can be written as TOML");
        match &self.secrets {
            Some(Edition(edition)) => {
                format!("# Variables of the files that are named here: {edition}.\n{text}")
            }
            None => text,
        }
    }

    /// Writes the file whole, or not at all. Temporary files are made readable for their owner alone, and
    /// so is what they are renamed to.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        crate::cache::write_whole(path, |file| file.write_all(self.render().as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::place::tests::guestbook;

    #[test]
    fn any_value_comes_back_as_it_went_in() {
        let place = guestbook("/srv".as_ref());
        let value = "a\"b'c\\d\ne = [ü] # no comment\u{1}";
        let given = BTreeMap::from([("A.B C".to_owned(), value.to_owned())]);
        let mut file = BridgeToml::of(&place, &given).with_probes();
        file.log = Some(Log { path: "C:\\logs\\bridge.log".to_owned(), max_megabytes: 10, keep: 3 });
        let read: toml::Table = file.render().parse().unwrap();
        assert_eq!(read["environment"]["A.B C"].as_str(), Some(value));
        assert_eq!(read["app"].as_str(), Some("guestbook.wsgi:application"));
        assert_eq!(read["log"]["path"].as_str(), Some("C:\\logs\\bridge.log"));
        assert_eq!(read["check"]["path"].as_str(), Some("/"));
        assert_eq!(read["processes"].as_integer(), Some(1));
        assert_eq!(read["probe"]["file"].as_str(), Some("probe.toml"));
        assert!(!BridgeToml::of(&place, &given).render().contains("probe"));
    }

    #[test]
    fn each_retirement_changes_the_file_that_is_watched() {
        let folder = tempfile::tempdir().unwrap();
        let place = guestbook(folder.path());
        place.make_folders(&Disk::default()).unwrap();
        let retired = || {
            retire(&place, &Disk::default()).unwrap();
            fs_err::read(restart_file(&place)).unwrap()
        };
        assert_ne!(retired(), retired());
        assert!(!is_known(&place), "there is no bridge.toml yet");
        BridgeToml::of(&place, &BTreeMap::new()).write(&place.bridge_toml()).unwrap();
        assert!(!is_known(&place));
        retire(&place, &Disk::default()).unwrap();
        assert!(is_known(&place));
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_can_read_the_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bridge.toml");
        BridgeToml::of(&guestbook(folder.path()), &BTreeMap::new()).write(&path).unwrap();
        assert_eq!(fs_err::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
