//! `holdall.json`: what a bundle is, what the site needs, and its layers by digest.
//!
//! The SHA-256 of its bytes is the bundle's identity. It holds no host path, no user name and no time.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::elf::Glibc;
use crate::entry::{EntryPath, EntryPathError};
use crate::python::{PythonLayout, PythonVersion};
use crate::service::Service;
use crate::target::Target;

/// The only format version that this program reads and writes.
pub const FORMAT: u32 = 1;

/// The manifest's name inside a bundle.
pub const MANIFEST: &str = "holdall.json";

/// What is inside a bundle and what its site needs. Field order is the order in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub format: u32,
    pub name: SiteName,
    pub version: Version,
    pub target: Target,
    pub python: Python,
    /// Whether the runtime works on other machines than the one it was taken from.
    pub portable: bool,
    pub django: Django,
    pub site: Site,
    /// The longest path inside, in characters: a server refuses a root that would break MAX_PATH.
    pub longest_path: u32,
    /// The highest glibc symbol version that anything inside needs (Linux).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glibc: Option<Glibc>,
    /// SHA-256 of the lock that chose the packages.
    pub lock: Sha256,
    /// The commit of the project's repository, when it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// SHA-256 of the bridge's wheel.
    pub bridge: Sha256,
    /// SHA-256 of the holdall program inside.
    pub holdall: Sha256,
    /// Full version of the CPython that compiled the bytecode; absent when the bundle has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytecode: Option<PythonVersion>,
    /// In the order of their blocks.
    pub layers: Vec<LayerEntry>,
}

/// The Python inside a bundle: [`PythonLayout`] as it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Python {
    pub version: PythonVersion,
    pub program: String,
    pub site_packages: String,
}

impl From<&PythonLayout> for Python {
    fn from(layout: &PythonLayout) -> Python {
        Python {
            version: layout.version,
            program: layout.program.to_string(),
            site_packages: layout.site_packages.to_string(),
        }
    }
}

/// How the project is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Django {
    pub version: String,
    /// The project's own settings module. Inside a bundle `holdall_site.settings` stands before it.
    pub settings: String,
    /// `package.module:callable`
    pub wsgi: String,
    /// Where `manage.py` lies inside the bundle.
    pub manage: String,
}

/// What the site needs from the server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    pub static_url: String,
    /// The folder of the static files inside the bundle (`www/static`), if it carries them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub static_root: Option<String>,
    /// Paths that the web server may cache for ever begin so and carry a hash in their name.
    pub hashed_static: bool,
    /// Names of the environment variables without which the project does not start.
    pub environment: Vec<String>,
    /// The path that a probe asks for.
    pub health: String,
    /// What the project writes: path inside the bundle -> path below the site's `shared/`.
    pub paths: BTreeMap<String, String>,
    /// Migrations known to the project, by application.
    pub migrations: BTreeMap<String, Vec<String>>,
    /// Background commands.
    pub services: Vec<Service>,
}

/// One layer of a bundle: a contiguous block of the zip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerEntry {
    pub name: String,
    pub kind: LayerKind,
    /// SHA-256 of the block: its files' entries, then the data of the index that precedes them.
    pub digest: Sha256,
    /// Where the block begins, in bytes after the end of the manifest (and its signature).
    pub offset: u64,
    /// Length of the block in bytes, index included.
    pub length: u64,
    /// Number of files, without the index.
    pub entries: u64,
    /// Sum of the files' sizes in bytes.
    pub size: u64,
    /// The index, which is the block's first entry.
    pub index: IndexEntry,
}

/// Where to find a layer's index and how to check it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexEntry {
    /// SHA-256 of the index's own (uncompressed) bytes.
    pub digest: Sha256,
    /// Size of the index in bytes, uncompressed.
    pub size: u64,
    /// Length in bytes of its whole zip entry: the files of the layer begin right after it.
    pub length: u64,
}

/// What a layer holds. The order is the order of the blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LayerKind {
    Runtime,
    Package,
    Bridge,
    Static,
    App,
    Tools,
    Iis,
    Sbom,
}

impl fmt::Display for LayerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LayerKind::Runtime => "runtime",
            LayerKind::Package => "package",
            LayerKind::Bridge => "bridge",
            LayerKind::Static => "static",
            LayerKind::App => "app",
            LayerKind::Tools => "tools",
            LayerKind::Iis => "iis",
            LayerKind::Sbom => "sbom",
        })
    }
}

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ManifestError {
    #[error("`{MANIFEST}` cannot be read as a manifest")]
    #[diagnostic(help("the bundle is damaged or not a bundle: make or fetch it again"))]
    Malformed(#[source] serde_json::Error),
    #[error("the bundle has format {found}, this holdall reads format {FORMAT}")]
    #[diagnostic(help("use the holdall that made the bundle, or a newer one"))]
    UnknownFormat { found: u64 },
    #[error("`{MANIFEST}` names a place that no bundle can have")]
    Path(
        #[from]
        #[diagnostic_source]
        EntryPathError,
    ),
    #[error("`{MANIFEST}` contradicts itself: {0}")]
    #[diagnostic(help("the bundle is damaged or hostile: make or fetch it again"))]
    Contradiction(String),
}

impl Manifest {
    /// Reads a manifest. The format version is looked at first, so that a newer bundle is told from a broken one.
    pub fn parse(bytes: &[u8]) -> Result<Manifest, ManifestError> {
        #[derive(Deserialize)]
        struct Format {
            format: u64,
        }
        let Format { format } = serde_json::from_slice(bytes).map_err(ManifestError::Malformed)?;
        if format != u64::from(FORMAT) {
            return Err(ManifestError::UnknownFormat { found: format });
        }
        let manifest: Manifest = serde_json::from_slice(bytes).map_err(ManifestError::Malformed)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The exact bytes that stand in the bundle: indented JSON with a final newline.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("a manifest has string keys only");
        bytes.push(b'\n');
        bytes
    }

    /// Where Python lies inside this bundle.
    pub fn layout(&self) -> PythonLayout {
        let path =
            |raw: &str| EntryPath::parse(raw, self.target).expect("checked when the manifest was read");
        PythonLayout {
            version: self.python.version,
            program: path(&self.python.program),
            site_packages: path(&self.python.site_packages),
        }
    }

    /// The base name of the bundle's file: `<name>-<version>-<target>.zip`.
    pub fn file_name(&self) -> String {
        format!("{}-{}-{}.zip", self.name, self.version, self.target)
    }

    fn check(&self) -> Result<(), ManifestError> {
        let places = [&self.python.program, &self.python.site_packages, &self.django.manage];
        let written = self.site.paths.keys().chain(self.site.paths.values());
        for place in places.into_iter().chain(&self.site.static_root).chain(written) {
            EntryPath::parse(place, self.target)?;
        }
        let services = &self.site.services;
        for (at, service) in services.iter().enumerate() {
            service.check(self.target).map_err(ManifestError::Contradiction)?;
            if services[..at].iter().any(|other| other.name.is_same(&service.name)) {
                return Err(ManifestError::Contradiction(format!("it has two services `{}`", service.name)));
            }
        }
        let mut expected = 0;
        for layer in &self.layers {
            if layer.offset != expected || layer.index.length > layer.length {
                return Err(ManifestError::Contradiction(format!(
                    "the block of layer `{}` begins at {} and not at {expected}, or its index is longer than it",
                    layer.name, layer.offset
                )));
            }
            expected = layer.offset.checked_add(layer.length).ok_or_else(|| {
                ManifestError::Contradiction(format!("layer `{}` is longer than any file", layer.name))
            })?;
        }
        if self.layers.windows(2).any(|pair| (pair[0].kind, &pair[0].name) >= (pair[1].kind, &pair[1].name)) {
            return Err(ManifestError::Contradiction("its layers are not in order".to_owned()));
        }
        Ok(())
    }
}

/// A site's name: it becomes a folder, an IIS site and part of file names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SiteName(String);

/// A bundle's version. Versions are names: they are never compared, except for being the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(String);

/// A text that cannot be a site's name or a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAName {
    #[error("`{}` cannot be a name: letters, digits, `.`, `_` and `-`, 32 at most, a letter or digit first", .0.escape_debug())]
    Letters(String),
    #[error("`{0}` cannot be a name: Windows keeps it for a device, or drops its last dot")]
    Reserved(String),
}

/// Names become part of paths, and Windows has little room for those.
const LONGEST_NAME: usize = 32;

fn parse_name(text: &str) -> Result<String, NotAName> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    if !first || text.len() > LONGEST_NAME || !text.chars().all(allowed) {
        return Err(NotAName::Letters(text.to_owned()));
    }
    EntryPath::parse(text, Target::WindowsX86_64).map_err(|_| NotAName::Reserved(text.to_owned()))?;
    Ok(text.to_owned())
}

impl SiteName {
    pub fn parse(text: &str) -> Result<SiteName, NotAName> {
        parse_name(text).map(SiteName)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Version {
    /// In characters.
    pub const LONGEST: usize = LONGEST_NAME;

    /// Takes a version as people write it: `+` and `!` of a Python version (PEP 440) become `-`.
    pub fn parse(text: &str) -> Result<Version, NotAName> {
        parse_name(&text.replace(['+', '!'], "-")).map(Version)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! name_as_text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAName;

            fn try_from(text: String) -> Result<$name, NotAName> {
                parse_name(&text).map($name)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    };
}

name_as_text!(SiteName);
name_as_text!(Version);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_version_keeps_to_letters_that_every_file_system_holds() {
        assert_eq!(Version::parse("1!2.0+local.3").unwrap().as_str(), "1-2.0-local.3");
        for wrong in ["", "-1", "1/2", "1 2", &"1".repeat(33), "aux", "1."] {
            assert!(Version::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_newer_format_is_told_from_a_broken_manifest() {
        let newer = Manifest::parse(br#"{"format": 2, "shape": "unknown"}"#).unwrap_err();
        assert_eq!(newer.to_string(), "the bundle has format 2, this holdall reads format 1");
        let broken = Manifest::parse(br#"{"format": 1}"#).unwrap_err();
        assert!(matches!(broken, ManifestError::Malformed(_)));
    }
}
