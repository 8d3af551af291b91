//! `site.toml`: what an administrator wants of one site. No secrets, and nothing that differs from release to release.
//!
//! What the file doesn't name is set once, when a thing is made, and left alone after that; so every key knows
//! whether it was named. IIS's own settings are spelled as IIS spells them.

mod attribute;
mod authentication;
mod binding;
mod header;
mod keys;
mod network;
mod render;
mod services;
mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::manifest::{Manifest, SiteName};

use keys::Keys;

pub use attribute::{
    Attribute, COMPRESSION, FASTCGI, Kind, LIMITS, POOL, REQUESTS, Setting, WINDOWS, seconds, settings_of,
};
pub use authentication::Authentication;
pub use binding::{Binding, Certificate, Protocol, Thumbprint};
pub(super) use keys::{is_variable, same_variable, set_by_holdall};
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

/// What is run around a switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hooks {
    pub before: Vec<Hook>,
    pub after: Vec<Hook>,
    /// Saves the database before migrations; SQLite below `shared` is saved without.
    pub backup: Vec<Hook>,
    /// In seconds, for one command.
    pub timeout: u32,
}

/// One command: `manage.py …`, or a program of the machine with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    pub words: Vec<String>,
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

/// Why `site.toml` cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum SettingsError {
    #[error("cannot read `{}`", path.display())]
    #[diagnostic(help("check that it is there and that you may read it; `holdall site init` makes one"))]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("`{}` is not TOML", path.display())]
    #[diagnostic(help("correct the line that is named"))]
    NotToml { path: PathBuf, source: toml::de::Error },
    #[error("`{}` is not in UTF-8: it seems to be in {seems}", path.display())]
    #[diagnostic(help("save it as UTF-8: Notepad asks for the encoding in `Save as`"))]
    Encoding { path: PathBuf, seems: String },
    #[error("unknown key: {}, key `{key}`", path.display())]
    #[diagnostic(help("{}", near.as_ref().map_or_else(
        || format!("known here: {}", known.join(", ")),
        |near| format!("did you mean `{near}`?"),
    )))]
    UnknownKey { path: PathBuf, key: String, near: Option<String>, known: Vec<String> },
    #[error("wrong value: {}, key `{key}` is {found}, and {wanted} is wanted", path.display())]
    #[diagnostic(help("correct the value, or remove the key"))]
    WrongType { path: PathBuf, key: String, found: &'static str, wanted: String },
    #[error("wrong value: {}, key `{key}` is `{value}`: {why}", path.display())]
    #[diagnostic(help("correct the value, or remove the key"))]
    WrongValue { path: PathBuf, key: String, value: String, why: String },
    #[error("{}, key `{key}` is missing", path.display())]
    #[diagnostic(help("add `{example}`"))]
    Missing { path: PathBuf, key: String, example: &'static str },
    #[error("{}: `{key}` contradicts `{other}`: {why}", path.display())]
    #[diagnostic(help("remove one of them, or change it"))]
    Contradiction { path: PathBuf, key: String, other: &'static str, why: &'static str },
    #[error("{}, keys `{first}` and `{second}` exclude each other", path.display())]
    #[diagnostic(help("remove one of them"))]
    Excluding { path: PathBuf, first: &'static str, second: &'static str },
}

impl SiteSettings {
    /// What a bundle with this manifest gets unless somebody says otherwise.
    pub fn of(manifest: &Manifest) -> SiteSettings {
        SiteSettings::named(manifest.name.clone())
    }

    /// A site of its own with nothing but a name.
    pub fn named(name: SiteName) -> SiteSettings {
        SiteSettings {
            name,
            position: Position::Own { bindings: Vec::new() },
            pool: Pool::default(),
            fastcgi: BTreeMap::new(),
            early: BTreeMap::new(),
            environment: BTreeMap::new(),
            hooks: Hooks {
                before: vec![Hook::migrate()],
                after: Vec::new(),
                backup: Vec::new(),
                timeout: 600,
            },
            probe: Probe { paths: Vec::new(), status: vec![200], timeout: 30, warm: None },
            releases: Releases { keep: 3, drain: None },
            limits: BTreeMap::new(),
            requests: Requests { attributes: BTreeMap::new(), header: true },
            static_files: StaticFiles {
                cache_days: 365,
                cache_control: "public".to_owned(),
                unhashed_cache_days: 0,
                mime_types: BTreeMap::new(),
            },
            media: None,
            authentication: None,
            trusted_proxies: Vec::new(),
            compression: BTreeMap::new(),
            headers: BTreeMap::new(),
            services: BTreeMap::new(),
            logs: Logs { keep_days: 30, max_megabytes: 500 },
        }
    }

    pub fn read(path: &Path) -> Result<SiteSettings, SettingsError> {
        SiteSettings::parse(&read_text(path)?, path)
    }

    /// Reads the file's text; `path` is for messages alone.
    pub fn parse(text: &str, path: &Path) -> Result<SiteSettings, SettingsError> {
        // Editors on Windows begin a file so.
        let table = toml::from_str(text.trim_start_matches('\u{feff}'))
            .map_err(|source| SettingsError::NotToml { path: path.to_owned(), source })?;
        let keys = Keys::check(path, &table)?;
        let name = keys.parsed("name", SiteName::parse)?;
        let name = name.ok_or_else(|| keys.missing("name", "name = \"shop\""))?;
        let standard = SiteSettings::named(name);
        let bindings = binding::read(&keys)?;
        let position = match keys.parsed("below", parse_below)? {
            Some(_) if !bindings.is_empty() => return Err(keys.excluding("below", "bindings")),
            Some((site, path)) => Position::Below { site, path },
            None => Position::Own { bindings },
        };
        let (fastcgi, warm) = (keys.attributes("fastcgi", FASTCGI)?, keys.number("probe.warm", 1..=10_000)?);
        if let Some((warm, most)) =
            warm.zip(number(&fastcgi, "maxInstances", u32::MAX)).filter(|(warm, most)| warm > most)
        {
            let why = format!(
                "no more than {most} processes can be warm, as many as `fastcgi.maxInstances` allows"
            );
            return Err(keys.wrong("probe.warm", &warm.to_string(), &why));
        }
        let hooks = |key: &str, standard: Vec<Hook>| {
            keys.list(key, Hook::parse).map(|hooks| hooks.unwrap_or(standard))
        };
        let media = media(&keys)?;
        let limits = keys.attributes("limits", LIMITS)?;
        if let (Position::Below { .. }, Some(key)) = (&position, limits.keys().next()) {
            let why = "connections belong to the site above, which is not Holdall's";
            return Err(keys.contradiction(&format!("limits.{key}"), "below", why));
        }
        let pool = pool(&keys)?;
        let authentication = authentication::read(&keys)?;
        let usual = &standard.static_files;
        let static_files = StaticFiles {
            cache_days: keys.number("static.cacheDays", 0..=3650)?.unwrap_or(usual.cache_days),
            cache_control: keys
                .parsed("static.cacheControl", |text| header::check_value(text).map(|()| text.to_owned()))?
                .unwrap_or_else(|| usual.cache_control.clone()),
            unhashed_cache_days: keys
                .number("static.unhashedCacheDays", 0..=3650)?
                .unwrap_or(usual.unhashed_cache_days),
            mime_types: keys.pairs("static.mimeTypes", header::check_mime)?,
        };
        Ok(SiteSettings {
            position,
            pool,
            fastcgi,
            early: keys.variables("fastcgi.environment")?,
            environment: keys.variables("environment")?,
            hooks: Hooks {
                before: hooks("hooks.before", standard.hooks.before)?,
                after: hooks("hooks.after", standard.hooks.after)?,
                backup: hooks("hooks.backup", standard.hooks.backup)?,
                timeout: keys.number("hooks.timeout", 1..=86_400)?.unwrap_or(standard.hooks.timeout),
            },
            probe: Probe {
                paths: keys.list("probe.paths", parse_url_path)?.unwrap_or_default(),
                status: keys.numbers("probe.status", 100..=599)?.unwrap_or(standard.probe.status),
                timeout: keys.number("probe.timeout", 1..=3600)?.unwrap_or(standard.probe.timeout),
                warm,
            },
            releases: Releases {
                // The active one and the one before are needed for the way back.
                keep: keys.number("releases.keep", 2..=1000)?.unwrap_or(standard.releases.keep),
                drain: keys.number("releases.drain", 0..=86_400)?,
            },
            limits,
            requests: Requests {
                attributes: keys.attributes("requests", REQUESTS)?,
                header: keys.flag("requests.header")?.unwrap_or(standard.requests.header),
            },
            static_files,
            media,
            authentication,
            trusted_proxies: keys.list("proxies.trusted", Network::parse)?.unwrap_or_default(),
            compression: keys.attributes("compression", COMPRESSION)?,
            headers: keys.pairs("headers", header::check_header)?,
            services: services::read(&keys)?,
            logs: Logs {
                keep_days: keys.number("logs.keepDays", 1..=3650)?.unwrap_or(standard.logs.keep_days),
                max_megabytes: keys
                    .number("logs.maxMegabytes", 1..=1_000_000)?
                    .unwrap_or(standard.logs.max_megabytes),
            },
            ..standard
        })
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
        self.pool.name.clone().unwrap_or_else(|| PoolName(self.name.to_string()))
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

impl Hooks {
    /// How long one command may run.
    pub fn limit(&self) -> Duration {
        Duration::from_secs(self.timeout.into())
    }
}

impl Hook {
    /// The program of the project itself.
    pub const MANAGE: &'static str = "manage.py";

    fn migrate() -> Hook {
        Hook { words: ["manage.py", "migrate", "--noinput"].map(str::to_owned).into() }
    }

    /// Words with blanks between them; double quotes hold one together.
    pub fn parse(text: &str) -> Result<Hook, &'static str> {
        let mut words = Vec::new();
        let mut word: Option<String> = None;
        let mut quoted = false;
        for c in text.chars() {
            match c {
                '"' => {
                    quoted = !quoted;
                    word.get_or_insert_default();
                }
                c if c.is_control() => return Err("a command is one line of text"),
                ' ' if !quoted => words.extend(word.take()),
                c => word.get_or_insert_default().push(c),
            }
        }
        if quoted {
            return Err("its last `\"` has no second one");
        }
        words.extend(word);
        match words.first() {
            Some(first) if !first.is_empty() => Ok(Hook { words }),
            _ => Err("a command is wanted, such as `manage.py migrate --noinput`"),
        }
    }

    /// The arguments for the project's own `manage.py`, if that is what is run.
    pub fn manage(&self) -> Option<&[String]> {
        let (first, rest) = self.words.split_first()?;
        (first == Hook::MANAGE).then_some(rest)
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.words.iter().map(|word| match word.is_empty() || word.contains(' ') {
            true => format!("\"{word}\""),
            false => word.clone(),
        });
        f.write_str(&words.collect::<Vec<_>>().join(" "))
    }
}

macro_rules! text_of {
    ($($name:ident)*) => { $(
        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )* };
}

/// The name of an application pool.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolName(String);

/// A site of this server that is not Holdall's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignSite(String);

/// The path of an application or a virtual directory: parts with `/` between them, without one at either end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualPath(String);

/// An account of Windows: `DOMAIN\user`, or one of those that Windows itself has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account(String);

text_of!(PoolName ForeignSite VirtualPath Account);

impl PoolName {
    /// Letters that the schema of IIS keeps out of a pool's name, and the quotes of a command line.
    const REFUSED: &'static str = "|<>&\"/\\[]+=;:,?*@'%";

    pub fn parse(text: &str) -> Result<PoolName, &'static str> {
        let refused = |c: char| c.is_control() || PoolName::REFUSED.contains(c);
        match text.chars().count() {
            1..=64 if !text.contains(refused) && text.trim() == text => Ok(PoolName(text.to_owned())),
            _ => Err("a pool's name has 1 to 64 characters, none of |<>&\"/\\[]+=;:,?*@'%"),
        }
    }
}

impl ForeignSite {
    fn parse(text: &str) -> Result<ForeignSite, &'static str> {
        // IIS refuses the first three; the others would mean something else on a command line.
        let refused = |c: char| c.is_control() || "/\\?\"'%*".contains(c);
        match text.is_empty() || text.contains(refused) || text.trim() != text {
            true => Err("the name of a site is wanted, without any of /\\?\"'%*"),
            false => Ok(ForeignSite(text.to_owned())),
        }
    }
}

impl VirtualPath {
    pub fn parse(text: &str) -> Result<VirtualPath, &'static str> {
        let inner = text.strip_prefix('/').unwrap_or(text);
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        let letter = |c: char| c.is_alphanumeric() || "._-~ ".contains(c);
        let fits = |part: &str| {
            !part.is_empty()
                && !part.ends_with(['.', ' '])
                && !part.starts_with(' ')
                && part.chars().all(letter)
        };
        match inner.split('/').all(fits) {
            true => Ok(VirtualPath(inner.to_owned())),
            false => Err("a path such as `/shop` is wanted: letters, digits, `.`, `_`, `-`, `~`"),
        }
    }
}

impl Account {
    /// Those that IIS knows by a name of its own. The first is an account for each pool alone.
    const BUILT_IN: [&'static str; 4] =
        ["ApplicationPoolIdentity", "LocalService", "NetworkService", "LocalSystem"];

    pub(super) fn parse(text: &str) -> Result<Account, &'static str> {
        if let Some(known) = Account::BUILT_IN.iter().find(|known| known.eq_ignore_ascii_case(text)) {
            return Ok(Account((*known).to_owned()));
        }
        let letter = |c: char| !c.is_control() && !"\"'/[]:;|=,+*?<>%&^".contains(c);
        match text.split_once('\\') {
            Some((domain, user))
                if !domain.is_empty()
                    && !user.is_empty()
                    && !user.contains('\\')
                    && text.chars().all(letter) =>
            {
                Ok(Account(text.to_owned()))
            }
            _ => Err(
                "an account is written `DOMAIN\\user`, a group managed one `DOMAIN\\user$`; Windows itself has \
                 `ApplicationPoolIdentity`, `LocalService`, `NetworkService` and `LocalSystem`",
            ),
        }
    }

    /// The kind of identity that IIS knows it by, if Windows itself has it.
    pub fn built_in(&self) -> Option<&str> {
        Account::BUILT_IN.into_iter().find(|known| *known == self.0)
    }

    /// Whether Windows itself keeps its password, or it has none.
    pub fn is_managed(&self) -> bool {
        self.0.ends_with('$') || self.built_in().is_some()
    }

    /// Whether it may do all on the machine, and so may whoever breaks into the project.
    pub fn is_mighty(&self) -> bool {
        self.0 == "LocalSystem"
    }
}

/// What a setting of the FastCGI application is on a machine with so many processors.
fn number(fastcgi: &BTreeMap<&'static str, String>, key: &str, cores: u32) -> Option<u32> {
    let setting =
        settings_of(FASTCGI, fastcgi, cores).into_iter().find(|setting| setting.attribute.key == key);
    setting?.value.parse().ok()
}

fn pool(keys: &Keys<'_>) -> Result<Pool, SettingsError> {
    let attributes = keys.attributes("pool", POOL)?;
    if attributes.get(BITS).is_some_and(|value| value == "true") {
        let why = "the bridge is 64-bit, as every bundle's Python is, and IIS starts it whatever the worker is: \
                   a 32-bit worker would only have less memory";
        return Err(keys.wrong(&format!("pool.{BITS}"), "true", why));
    }
    let schedule = keys.list("pool.periodicRestartSchedule", parse_time)?;
    if let Some(twice) = schedule.iter().flatten().enumerate().find_map(|(at, time)| {
        schedule.iter().flatten().take(at).any(|before| before == time).then_some(time)
    }) {
        return Err(keys.wrong("pool.periodicRestartSchedule", twice, "it stands there twice"));
    }
    Ok(Pool {
        name: keys.parsed("pool.name", PoolName::parse)?,
        account: keys.parsed("pool.account", Account::parse)?,
        attributes,
        schedule,
    })
}

const BITS: &str = "enable32BitAppOnWin64";

/// `03:00` of a person, `03:00:00` of IIS.
fn parse_time(text: &str) -> Result<String, &'static str> {
    let number = |part: &str, most: u32| {
        let is_right = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        is_right && part.parse::<u32>().is_ok_and(|number| number <= most)
    };
    match text.split_once(':') {
        Some((hours, minutes)) if number(hours, 23) && number(minutes, 59) => Ok(format!("{text}:00")),
        _ => Err("a time of the day is wanted, such as `03:00`"),
    }
}

fn media(keys: &Keys<'_>) -> Result<Option<Media>, SettingsError> {
    let url = keys.parsed("media.url", VirtualPath::parse)?;
    let folder = keys.parsed("media.folder", parse_folder)?;
    let cache_days = keys.number("media.cacheDays", 0..=3650)?;
    match url {
        Some(url) => {
            let folder = folder.unwrap_or_else(|| "media".to_owned());
            Ok(Some(Media { url, folder, cache_days }))
        }
        None if folder.is_some() || cache_days.is_some() => {
            Err(keys.missing("media.url", "url = \"/media/\""))
        }
        None => Ok(None),
    }
}

fn parse_below(text: &str) -> Result<(ForeignSite, VirtualPath), &'static str> {
    let (site, path) = text.split_once('/').ok_or("a site and a path are wanted, such as `Intranet/shop`")?;
    Ok((ForeignSite::parse(site)?, VirtualPath::parse(path)?))
}

fn parse_folder(text: &str) -> Result<String, &'static str> {
    let slashed = text.replace('\\', "/");
    crate::entry::EntryPath::parse(&slashed, crate::target::Target::WindowsX86_64)
        .map(|path| path.to_string())
        .map_err(|_| "a folder below `shared` is wanted, such as `media`")
}

fn parse_url_path(text: &str) -> Result<String, &'static str> {
    match text.starts_with('/') && text.is_ascii() && !text.contains(|c: char| c.is_control() || c == ' ') {
        true => Ok(text.to_owned()),
        false => Err("a path as a browser sends it is wanted, such as `/about/`"),
    }
}

#[cfg(test)]
mod tests;
