//! `state.json`: what holdall last did to a site. It is how a change of somebody else's is told from a change of
//! what is wanted.
//!
//! Bytes and values only: writing them so that they survive a power cut is another's work.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::manifest::SiteName;
use crate::release::{Adopted, ReleaseId};
use crate::service::Registration;

/// The file's name in a site's folder.
pub const STATE_JSON: &str = "state.json";

/// The only version of the file that this program reads and writes.
const FORMAT: u32 = 1;

/// The file's content, in the order in which it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    format: u32,
    pub site: SiteName,
    /// The id of the release that is served.
    pub active: Option<ReleaseId>,
    /// The id of the one served before: where a rollback goes.
    pub previous: Option<ReleaseId>,
    /// Releases that lie where somebody else has put them, by id. They are never deleted.
    pub adopted: BTreeMap<ReleaseId, PathBuf>,
    pub applied: Applied,
    /// The services that the system has of the site, or may have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Registration>,
}

/// The settings that were last applied: by thing (`pool shop`), then by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Applied(BTreeMap<String, BTreeMap<String, String>>);

/// Why a state cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum StateError {
    #[error("`{}` is not a site's state", path.display())]
    #[diagnostic(help(
        "it was damaged or edited: take it from a backup, or move it away and deploy with `--take-over`"
    ))]
    Malformed { path: PathBuf, source: serde_json::Error },
    #[error("`{}` has format {found}, this holdall reads format {FORMAT}", path.display())]
    #[diagnostic(help("use the holdall that wrote it, or a newer one"))]
    UnknownFormat { path: PathBuf, found: u64 },
    #[error("`{}` is the state of the site `{found}`, and this is `{expected}`", path.display())]
    #[diagnostic(help("the folder was copied or renamed: move the file away and deploy with `--take-over`"))]
    OtherSite { path: PathBuf, found: SiteName, expected: SiteName },
    #[error("`{}` contradicts itself: {what}", path.display())]
    #[diagnostic(help("it was edited: take it from a backup"))]
    Contradiction { path: PathBuf, what: String },
}

impl State {
    /// A site to which nothing was done yet.
    pub fn new(site: SiteName) -> State {
        State {
            format: FORMAT,
            site,
            active: None,
            previous: None,
            adopted: BTreeMap::new(),
            applied: Applied::default(),
            services: Vec::new(),
        }
    }

    /// Reads the state of `site`; `path` is for messages alone.
    pub fn parse(bytes: &[u8], site: &SiteName, path: &Path) -> Result<State, StateError> {
        #[derive(Deserialize)]
        struct Format {
            format: u64,
        }
        let malformed = |source| StateError::Malformed { path: path.to_owned(), source };
        let Format { format } = serde_json::from_slice(bytes).map_err(malformed)?;
        if format != u64::from(FORMAT) {
            return Err(StateError::UnknownFormat { path: path.to_owned(), found: format });
        }
        let state: State = serde_json::from_slice(bytes).map_err(malformed)?;
        if state.site != *site {
            let (path, expected) = (path.to_owned(), site.clone());
            return Err(StateError::OtherSite { path, found: state.site, expected });
        }
        let wrong = |what| Err(StateError::Contradiction { path: path.to_owned(), what });
        match (&state.active, &state.previous) {
            (None, Some(previous)) => wrong(format!("`{previous}` was served before no release")),
            (Some(active), Some(previous)) if active == previous => {
                wrong(format!("`{active}` was served before itself"))
            }
            _ => Ok(state),
        }
    }

    /// The file's bytes: indented JSON with a final newline.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("a state has text keys only");
        bytes.push(b'\n');
        bytes
    }

    /// `release` is served now; the one before stays known. Saying it twice is saying it once.
    pub fn activate(&mut self, release: &ReleaseId) {
        if self.active.as_ref() != Some(release) {
            self.previous = self.active.replace(release.clone());
        }
    }

    /// The releases that lie elsewhere.
    pub fn adopted(&self) -> Vec<Adopted> {
        let adopted =
            |(id, folder): (&ReleaseId, &PathBuf)| Adopted { id: id.clone(), folder: folder.clone() };
        self.adopted.iter().map(adopted).collect()
    }
}

impl Applied {
    /// What was last applied to a thing under this name.
    pub fn value(&self, thing: &str, name: &str) -> Option<&str> {
        self.0.get(thing)?.get(name).map(String::as_str)
    }

    /// Whether anything was ever applied to it.
    pub fn knows(&self, thing: &str) -> bool {
        self.0.contains_key(thing)
    }

    /// All that was applied to a thing.
    pub fn of(&self, thing: &str) -> impl Iterator<Item = (&str, &str)> + use<'_> {
        let settings = self.0.get(thing).into_iter().flatten();
        settings.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Everything that something was applied to.
    pub fn things(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub fn set(&mut self, thing: &str, name: &str, value: &str) {
        self.0.entry(thing.to_owned()).or_default().insert(name.to_owned(), value.to_owned());
    }

    /// Forgets one setting.
    pub fn unset(&mut self, thing: &str, name: &str) {
        if let Some(settings) = self.0.get_mut(thing) {
            settings.remove(name);
        }
    }

    /// Forgets a thing that is gone.
    pub fn forget(&mut self, thing: &str) {
        self.0.remove(thing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop() -> SiteName {
        SiteName::parse("shop").unwrap()
    }

    fn parse(text: &str) -> Result<State, StateError> {
        State::parse(text.as_bytes(), &shop(), Path::new("state.json"))
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut state = State::new(shop());
        assert_eq!(parse(str::from_utf8(&state.to_bytes()).unwrap()).unwrap(), state);
        let [first, second] = ["1.0-aaaaaaaa", "2.0-bbbbbbbb"].map(|id| ReleaseId::parse(id).unwrap());
        state.activate(&first);
        state.activate(&second);
        state.activate(&second);
        state.adopted.insert(second, PathBuf::from("D:\\copied here"));
        state.applied.set("pool shop", "startMode", "AlwaysRunning");
        assert_eq!(state.previous, Some(first));
        let bytes = state.to_bytes();
        assert!(bytes.ends_with(b"}\n"));
        assert_eq!(parse(str::from_utf8(&bytes).unwrap()).unwrap(), state);
    }

    #[test]
    fn a_state_that_is_not_this_sites_or_not_whole_is_refused() {
        let whole = String::from_utf8(State::new(shop()).to_bytes()).unwrap();
        let refused = |from: &str, to: &str| parse(&whole.replace(from, to)).unwrap_err();
        let newer = refused("\"format\": 1", "\"format\": 2");
        assert_eq!(newer.to_string(), "`state.json` has format 2, this holdall reads format 1");
        assert!(matches!(refused("\"shop\"", "\"other\""), StateError::OtherSite { .. }));
        assert!(matches!(refused("\"adopted\"", "\"adoptd\""), StateError::Malformed { .. }));
        assert!(matches!(
            refused("\"previous\": null", "\"previous\": \"1.0-aaaaaaaa\""),
            StateError::Contradiction { .. }
        ));
        assert!(matches!(parse(&whole[..whole.len() - 3]), Err(StateError::Malformed { .. })));
        assert!(matches!(parse(""), Err(StateError::Malformed { .. })));
    }

    #[test]
    fn settings_are_known_by_thing_and_name() {
        let mut applied = Applied::default();
        applied.set("pool shop", "startMode", "OnDemand");
        assert_eq!(applied.value("pool shop", "startMode"), Some("OnDemand"));
        assert_eq!(applied.value("pool other", "startMode"), None);
        applied.unset("pool shop", "startMode");
        assert!(applied.knows("pool shop") && applied.of("pool shop").next().is_none());
        applied.forget("pool shop");
        assert_eq!(applied.things().count(), 0);
    }
}
