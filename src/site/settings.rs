//! `site.toml`: what an administrator wants of one site. No secrets, and nothing that differs from release to release.
//!
//! What the file doesn't name is set once, when a thing is made, and left alone after that; so every key knows
//! whether it was named. IIS's own settings are spelled as IIS spells them.

mod attribute;
mod authentication;
mod binding;
mod error;
mod header;
mod hook;
mod keys;
mod names;
mod network;
mod read;
mod render;
mod services;
mod standard;
mod text;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::manifest::{Manifest, SiteName};

pub use attribute::{
    Attribute, COMPRESSION, FASTCGI, Kind, LIMITS, POOL, REQUESTS, Setting, WINDOWS, seconds, settings_of,
};
pub use authentication::Authentication;
pub use binding::{Binding, Certificate, Protocol, Thumbprint};
pub use error::SettingsError;
pub use hook::{Hook, Hooks};
pub(super) use keys::{is_variable, same_variable, set_by_holdall};
pub use names::{Account, ForeignSite, PoolName, VirtualPath};
pub use network::Network;
pub use services::ServiceSettings;
pub use text::read as read_text;

/// The file's name in a site's folder, as beside a bundle.
pub use crate::release::SITE_TOML;

/// The file's content. An empty or absent part means what stands beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteSettings {
    pub name: SiteName,
    pub position: Position,
    pub pool: Pool,
    /// Attributes of the FastCGI application that were named, by key, as IIS writes them.
    pub fastcgi: BTreeMap<&'static str, String>,
    /// Variables that the process has from its very start, before the bridge reads its file: few need that.
    pub early: BTreeMap<String, String>,
    /// Plain variables; secret ones stand in `secrets.toml`.
    pub environment: BTreeMap<String, String>,
    pub hooks: Hooks,
    pub probe: Probe,
    pub releases: Releases,
    /// Of the site's connections, as far as they were named: a site's own alone has them.
    pub limits: BTreeMap<&'static str, String>,
    pub requests: Requests,
    pub static_files: StaticFiles,
    /// Uploads that the web server itself hands out.
    pub media: Option<Media>,
    /// Whether visitors are asked for their Windows account, if it was said.
    pub authentication: Option<Authentication>,
    /// From where `X-Forwarded-For` and its like are believed.
    pub trusted_proxies: Vec<Network>,
    /// What is compressed, as far as it was named.
    pub compression: BTreeMap<&'static str, String>,
    /// What IIS adds to every answer of the site.
    pub headers: BTreeMap<String, String>,
    /// What is wanted of the bundle's services, by name.
    pub services: BTreeMap<String, ServiceSettings>,
    pub logs: Logs,
}

/// How much stays of what Holdall itself, hooks and services have logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logs {
    pub keep_days: u32,
    pub max_megabytes: u32,
}

/// Where the site stands among those of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// A site of its own. Without bindings it gets every address on port 80 when it is made.
    Own { bindings: Vec<Binding> },
    /// An application below a site that somebody else has made.
    Below { site: ForeignSite, path: VirtualPath },
}

/// The application pool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pool {
    /// Named as the site unless set.
    pub name: Option<PoolName>,
    /// An account of the domain, a group managed one ending in `$`; else the pool's own.
    pub account: Option<Account>,
    /// Attributes that were named, by key, as IIS writes them.
    pub attributes: BTreeMap<&'static str, String>,
    /// Times of the day at which the worker is replaced, as IIS writes them, if they were named.
    pub schedule: Option<Vec<String>>,
}

/// How a release shows that it works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Asked for in this order; empty means the path that the bundle names.
    pub paths: Vec<String>,
    /// Any of them is right.
    pub status: Vec<u16>,
    /// In seconds, for one answer.
    pub timeout: u32,
    /// How many processes are warmed; as many as there may be unless set.
    pub warm: Option<u32>,
}

/// What becomes of older releases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Releases {
    /// How many stay, the active one and the one before included.
    pub keep: u32,
    /// In seconds, before the old release's processes are told to end. Largest of `requestTimeout` and 60 unless set.
    pub drain: Option<u32>,
}

/// What IIS lets through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requests {
    /// Limits that were named, by key, as IIS writes them.
    pub attributes: BTreeMap<&'static str, String>,
    /// Whether each answer says by `X-Holdall-Release` which release gave it.
    pub header: bool,
}

/// Files of the project that the web server hands out without asking it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticFiles {
    /// How many days browsers keep those whose names carry a hash.
    pub cache_days: u32,
    /// What else they are told of those.
    pub cache_control: String,
    /// How many days they keep others, which may be something else tomorrow.
    pub unhashed_cache_days: u32,
    /// Kinds of files by their endings, beside those that IIS and Holdall know.
    pub mime_types: BTreeMap<String, String>,
}

/// Uploaded files: served by the web server alone, never as programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// The path of its URL below the site, without slashes around it.
    pub url: VirtualPath,
    /// Below `shared`, with `/` between parts.
    pub folder: String,
    /// How many days browsers keep them, if it was said.
    pub cache_days: Option<u32>,
}

impl SiteSettings {
    /// What a bundle with this manifest gets unless somebody says otherwise.
    pub fn of(manifest: &Manifest) -> SiteSettings {
        SiteSettings::named(manifest.name.clone())
    }

    pub fn read(path: &Path) -> Result<SiteSettings, SettingsError> {
        SiteSettings::parse(&read_text(path)?, path)
    }

    /// Refuses what does not go with this bundle; `path` is for messages alone.
    pub fn check_fits(&self, manifest: &Manifest, path: &Path) -> Result<(), SettingsError> {
        let (Some(media), Some(root)) = (&self.media, &manifest.site.static_root) else { return Ok(()) };
        let Some(of_static) = root.strip_prefix("www/") else { return Ok(()) };
        let parts = |path: &str| path.split('/').map(str::to_lowercase).collect::<Vec<_>>();
        let (media, of_static) = (parts(media.url.as_str()), parts(of_static));
        if !media.starts_with(&of_static) && !of_static.starts_with(&media) {
            return Ok(());
        }
        Err(SettingsError::WrongValue {
            path: path.to_owned(),
            key: "media.url".to_owned(),
            value: format!("/{}/", media.join("/")),
            why: format!(
                "static files are served at `/{}/` (STATIC_URL), and one would hide the other",
                of_static.join("/")
            ),
        })
    }

    /// The commented file that says all this, with the variables that the bundle asks for.
    pub fn render(&self, manifest: &Manifest) -> String {
        render::site_toml(self, manifest)
    }

    /// The pool that the site runs in.
    pub fn pool_name(&self) -> PoolName {
        self.pool.name.clone().unwrap_or_else(|| PoolName::of(&self.name))
    }

    /// How many processes one release may have on a machine with so many processors.
    pub fn max_instances(&self, cores: u32) -> u32 {
        number(&self.fastcgi, "maxInstances", cores).unwrap_or(1)
    }

    /// How many processes are warmed on a machine with so many processors: never more than there may be, since nobody would
    /// come to the others.
    pub fn warm(&self, cores: u32) -> u32 {
        let most = self.max_instances(cores);
        self.probe.warm.map_or(most, |warm| warm.min(most))
    }

    /// How long a process may take until it has answered for the first time: IIS waits no longer for a sign of it.
    pub fn start_limit(&self) -> Duration {
        Duration::from_secs(number(&self.fastcgi, "activityTimeout", 1).unwrap_or(300).into())
    }

    /// From so many seconds on the bridge logs where a request is: shortly before IIS ends its process, since it has given no
    /// sign or the request has lasted too long.
    pub fn hangs_after(&self) -> u32 {
        let limit = |name| number(&self.fastcgi, name, 1).unwrap_or(300);
        let first = limit("activityTimeout").min(limit("requestTimeout"));
        first - (first / 4).clamp(4, 10)
    }

    /// How long the old release's processes are left to their requests, in seconds.
    pub fn drain(&self) -> u32 {
        let timeout = self.fastcgi.get("requestTimeout").map_or("300", String::as_str);
        self.releases.drain.unwrap_or_else(|| timeout.parse().unwrap_or(300).max(60))
    }

    /// What a probe asks for.
    pub fn probe_paths<'a>(&'a self, manifest: &'a Manifest) -> Vec<&'a str> {
        match &self.probe.paths[..] {
            [] => vec![&manifest.site.health],
            paths => paths.iter().map(String::as_str).collect(),
        }
    }
}

/// What a setting of the FastCGI application is on a machine with so many processors.
fn number(fastcgi: &BTreeMap<&'static str, String>, key: &str, cores: u32) -> Option<u32> {
    let setting =
        settings_of(FASTCGI, fastcgi, cores).into_iter().find(|setting| setting.attribute.key == key);
    setting?.value.parse().ok()
}

#[cfg(test)]
mod tests;
