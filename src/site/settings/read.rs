//! The text of `site.toml` becomes settings. What it says wrong is an error that names the key.

use std::path::Path;

use super::keys::Keys;
use super::{
    Account, COMPRESSION, FASTCGI, ForeignSite, Hook, Hooks, LIMITS, Logs, Media, Network, POOL, Pool,
    PoolName, Position, Probe, REQUESTS, Releases, Requests, SettingsError, SiteSettings, StaticFiles,
    VirtualPath, authentication, binding, header, number, services,
};
use crate::manifest::SiteName;

impl SiteSettings {
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
