//! The commented `site.toml`: what is set stands there, what is not stands there as a comment with its standard.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Write as _};

use toml::Value;

use super::attribute::{Attribute, Kind, Standard, seconds};
use super::{
    Authentication, Binding, COMPRESSION, Certificate, FASTCGI, Hook, LIMITS, POOL, Position, Protocol,
    REQUESTS, SiteSettings, WINDOWS,
};
use crate::manifest::Manifest;

pub fn site_toml(settings: &SiteSettings, manifest: &Manifest) -> String {
    let mut text = String::new();
    write(&mut text, settings, manifest).expect("text can always be written into a string");
    text
}

fn write(out: &mut String, settings: &SiteSettings, manifest: &Manifest) -> fmt::Result {
    let standard = SiteSettings::named(settings.name.clone());
    writeln!(out, "# The site `{}`. What is not named here is set once and then left alone.", settings.name)?;
    writeln!(
        out,
        "# IIS's own settings are spelled as IIS spells them. Secrets do not belong here: `holdall env set`."
    )?;
    writeln!(out, "\nname = {}", text(&settings.name))?;
    place(out, &settings.position)?;

    writeln!(out, "\n[pool]")?;
    line(out, settings.pool.name.is_some(), "name", &text(&settings.pool_name()), "")?;
    let account = settings.pool.account.as_ref();
    let example = account.map_or_else(|| text("EXAMPLE\\shop$"), text);
    line(
        out,
        account.is_some(),
        "account",
        &example,
        "the pool's own unless set; a group managed one ends in $; a password is asked for, or comes by --pool-password-stdin",
    )?;
    attributes(out, POOL, |key| settings.pool.attributes.get(key))?;
    let schedule = settings.pool.schedule.as_ref();
    let times =
        schedule.map(|times| list(times.iter().map(|time| text(time.strip_suffix(":00").unwrap_or(time)))));
    let times = times.unwrap_or_else(|| "[\"03:00\"]".to_owned());
    line(
        out,
        schedule.is_some(),
        "periodicRestartSchedule",
        &times,
        "times at which the worker is replaced",
    )?;

    writeln!(out, "\n[fastcgi]")?;
    attributes(out, FASTCGI, |key| settings.fastcgi.get(key))?;
    writeln!(out, "\n# Variables that a process has before anything of it runs; few libraries need that.")?;
    writeln!(out, "[fastcgi.environment]")?;
    for (name, value) in &settings.early {
        writeln!(out, "{} = {}", key(name), text(value))?;
    }

    writeln!(out, "\n# Plain variables. Values are texts: \"1\", not 1.")?;
    writeln!(out, "[environment]")?;
    for (name, value) in &settings.environment {
        writeln!(out, "{} = {}", key(name), text(value))?;
    }
    for name in manifest.site.environment.iter().filter(|name| !settings.environment.contains_key(*name)) {
        writeln!(
            out,
            "# {} = \"\"  # required: here, or by `holdall env set {} {name}` if it is secret",
            key(name),
            settings.name
        )?;
    }

    writeln!(
        out,
        "\n# Commands: `manage.py …`, or a program of this machine. A command that fails stops the deploy."
    )?;
    writeln!(out, "[hooks]")?;
    let (hooks, usual) = (&settings.hooks, &standard.hooks);
    line(out, hooks.before != usual.before, "before", &hook_list(&hooks.before), "before the switch")?;
    line(out, hooks.after != usual.after, "after", &hook_list(&hooks.after), "after the switch")?;
    line(
        out,
        hooks.backup != usual.backup,
        "backup",
        &hook_list(&hooks.backup),
        "before migrations; SQLite is saved without",
    )?;
    line(
        out,
        hooks.timeout != usual.timeout,
        "timeout",
        &hooks.timeout,
        "seconds that one command may take, before it is ended and the deploy with it",
    )?;

    let probe = &settings.probe;
    writeln!(out, "\n[probe]")?;
    let paths = list(settings.probe_paths(manifest).iter().map(text));
    line(out, !probe.paths.is_empty(), "paths", &paths, "")?;
    let status = list(probe.status.iter().map(ToString::to_string));
    line(out, probe.status != standard.probe.status, "status", &status, "any of these is right")?;
    line(out, probe.timeout != standard.probe.timeout, "timeout", &probe.timeout, "seconds for one answer")?;
    let warm = probe.warm.unwrap_or(4);
    line(
        out,
        probe.warm.is_some(),
        "warm",
        &warm,
        "processes warmed before the switch; maxInstances unless set",
    )?;

    let (releases, usual) = (&settings.releases, &standard.releases);
    writeln!(out, "\n[releases]")?;
    line(out, releases.keep != usual.keep, "keep", &releases.keep, "releases that stay on the disk")?;
    line(
        out,
        releases.drain.is_some(),
        "drain",
        &settings.drain(),
        "seconds that the old release's requests get",
    )?;

    writeln!(out, "\n# How much one site may take.")?;
    writeln!(out, "[limits]")?;
    match &settings.position {
        Position::Below { .. } => writeln!(out, "# Connections are those of the site above.")?,
        Position::Own { .. } => attributes(out, LIMITS, |key| settings.limits.get(key))?,
    }

    let (requests, usual) = (&settings.requests, &standard.requests);
    writeln!(out, "\n# What IIS refuses by these the project never sees.")?;
    writeln!(out, "[requests]")?;
    attributes(out, REQUESTS, |key| requests.attributes.get(key))?;
    line(
        out,
        requests.header != usual.header,
        "header",
        &requests.header,
        "say by X-Holdall-Release which release answers; from the next bundle on",
    )?;

    writeln!(out, "\n[compression]")?;
    attributes(out, COMPRESSION, |key| settings.compression.get(key))?;
    static_files(out, settings, &standard)?;
    media(out, settings)?;
    authentication(out, settings)?;

    let proxies = &settings.trusted_proxies;
    writeln!(
        out,
        "\n# Where X-Forwarded-For, -Proto and -Host are believed; from elsewhere they are removed."
    )?;
    writeln!(out, "[proxies]")?;
    let trusted = match &proxies[..] {
        [] => "[\"10.0.0.0/8\"]".to_owned(),
        some => list(some.iter().map(text)),
    };
    line(out, !proxies.is_empty(), "trusted", &trusted, "")?;

    writeln!(out, "\n# Added to every answer.")?;
    writeln!(out, "[headers]")?;
    for (name, value) in &settings.headers {
        writeln!(out, "{} = {}", key(name), text(value))?;
    }
    if settings.headers.is_empty() {
        writeln!(out, "# Referrer-Policy = \"same-origin\"")?;
    }
    logs(out, settings, &standard)?;
    services(out, settings, manifest)
}

fn static_files(out: &mut String, settings: &SiteSettings, standard: &SiteSettings) -> fmt::Result {
    let (files, usual) = (&settings.static_files, &standard.static_files);
    writeln!(out, "\n[static]")?;
    let says = "days that browsers keep files whose names carry a hash";
    line(out, files.cache_days != usual.cache_days, "cacheDays", &files.cache_days, says)?;
    let is_set = files.cache_control != usual.cache_control;
    line(out, is_set, "cacheControl", &text(&files.cache_control), "what else they are told of those")?;
    let (days, is_set) = (files.unhashed_cache_days, files.unhashed_cache_days != usual.unhashed_cache_days);
    line(out, is_set, "unhashedCacheDays", &days, "days that they keep others; 0: they ask each time")?;
    writeln!(out, "\n# Kinds of files that IIS and Holdall don't know.")?;
    writeln!(out, "[static.mimeTypes]")?;
    for (ending, kind) in &files.mime_types {
        writeln!(out, "{} = {}", key(ending), text(kind))?;
    }
    match files.mime_types.is_empty() {
        true => writeln!(out, "# \".gpx\" = \"application/gpx+xml\""),
        false => Ok(()),
    }
}

fn media(out: &mut String, settings: &SiteSettings) -> fmt::Result {
    writeln!(out, "\n# Uploads that the web server hands out without asking the project.")?;
    let says = "days that browsers keep them";
    match &settings.media {
        Some(media) => {
            let (url, folder) = (text(&format!("/{}/", media.url)), text(&media.folder));
            writeln!(out, "[media]\nurl = {url}\nfolder = {folder}")?;
            line(out, media.cache_days.is_some(), "cacheDays", &media.cache_days.unwrap_or(1), says)
        }
        None => {
            writeln!(out, "# [media]\n# url = \"/media/\"\n# folder = \"media\"  # below shared")?;
            line(out, false, "cacheDays", &1, says)
        }
    }
}

fn authentication(out: &mut String, settings: &SiteSettings) -> fmt::Result {
    writeln!(
        out,
        "\n# Whether visitors are asked for their Windows account: REMOTE_USER is then `DOMAIN\\user`."
    )?;
    writeln!(out, "[authentication]")?;
    let (providers, anonymous, named) = match &settings.authentication {
        Some(Authentication::Windows { providers, anonymous, attributes }) => {
            (providers.as_deref(), &anonymous[..], Some(attributes))
        }
        _ => (None, &[][..], None),
    };
    line(
        out,
        settings.authentication.is_some(),
        "windows",
        &(settings.authentication != Some(Authentication::Anonymous)),
        "",
    )?;
    let offered = list(providers.unwrap_or(&["Negotiate", "NTLM"]).iter().map(text));
    line(out, providers.is_some(), "providers", &offered, "in the order in which they are offered")?;
    let areas = match anonymous {
        [] => "[\"/public/\"]".to_owned(),
        some => list(some.iter().map(|path| text(&format!("/{path}/")))),
    };
    line(out, !anonymous.is_empty(), "anonymous", &areas, "where nobody is asked all the same")?;
    attributes(out, WINDOWS, |key| named.and_then(|named| named.get(key)))
}

/// The bundle's services, and whatever else was said of one.
fn services(out: &mut String, settings: &SiteSettings, manifest: &Manifest) -> fmt::Result {
    let declared = manifest.site.services.iter().map(|service| service.name.to_string());
    let names: BTreeSet<String> = declared.chain(settings.services.keys().cloned()).collect();
    if names.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n# The services of the bundle.")?;
    for name in names {
        let wanted = settings.services.get(&name).cloned().unwrap_or_default();
        let declared = manifest.site.services.iter().find(|service| service.name.as_str() == name);
        let instances = wanted.instances.or(declared.map(|service| service.instances)).unwrap_or(1);
        let account = wanted.account.as_ref().map_or_else(|| text("EXAMPLE\\shop$"), text);
        writeln!(out, "\n[services.{name}]")?;
        line(out, !wanted.enabled, "enabled", &wanted.enabled, "")?;
        line(out, wanted.instances.is_some(), "instances", &instances, "")?;
        let says = "a group managed account; else the service has one of its own";
        line(out, wanted.account.is_some(), "account", &account, says)?;
    }
    Ok(())
}

fn logs(out: &mut String, settings: &SiteSettings, standard: &SiteSettings) -> fmt::Result {
    let (logs, usual) = (&settings.logs, &standard.logs);
    writeln!(out, "\n# What the bridge, hooks and services log; IIS keeps its own as it is told to.")?;
    writeln!(out, "[logs]")?;
    line(out, logs.keep_days != usual.keep_days, "keepDays", &logs.keep_days, "days that it stays")?;
    line(
        out,
        logs.max_megabytes != usual.max_megabytes,
        "maxMegabytes",
        &logs.max_megabytes,
        "of all of it together, the newest",
    )
}

fn place(out: &mut String, position: &Position) -> fmt::Result {
    let bindings = match position {
        Position::Below { site, path } => {
            return writeln!(
                out,
                "\n# An application below a site that is there already.\nbelow = {}",
                text(&format!("{site}/{path}"))
            );
        }
        Position::Own { bindings } => bindings,
    };
    writeln!(
        out,
        "\n# As an application below a site that is there already, instead of bindings:\n# below = \"Intranet/shop\""
    )?;
    if bindings.is_empty() {
        writeln!(out, "\n# Every address on port 80 unless set.")?;
        writeln!(out, "# [[bindings]]\n# protocol = \"https\"\n# host = \"www.example.com\"")?;
        return writeln!(
            out,
            "# certificate = {{ subject = \"www.example.com\" }}  # or {{ thumbprint = \"…\" }}, or \"keep\""
        );
    }
    bindings.iter().try_for_each(|one| binding(out, one))
}

fn binding(out: &mut String, binding: &Binding) -> fmt::Result {
    writeln!(out, "\n[[bindings]]\nprotocol = {}", text(binding.scheme()))?;
    if let Some(ip) = binding.ip {
        writeln!(out, "ip = {}", text(&ip))?;
    }
    writeln!(out, "port = {}", binding.port)?;
    if let Some(host) = &binding.host {
        writeln!(out, "host = {}", text(host))?;
    }
    match &binding.protocol {
        Protocol::Http => Ok(()),
        Protocol::Https(Certificate::Keep) => writeln!(out, "certificate = \"keep\""),
        Protocol::Https(Certificate::Thumbprint(print)) => {
            writeln!(out, "certificate = {{ thumbprint = {} }}", text(print.as_str()))
        }
        Protocol::Https(Certificate::Subject(name)) => {
            writeln!(out, "certificate = {{ subject = {} }}", text(name))
        }
    }
}

fn attributes<'a>(
    out: &mut String,
    table: &'static [Attribute],
    named: impl Fn(&str) -> Option<&'a String>,
) -> fmt::Result {
    for attribute in table {
        let value = named(attribute.key);
        let says = match attribute.standard {
            Standard::ByProcessors => format!("{}; twice the processors unless set", attribute.says),
            Standard::Is(_) | Standard::OfServer(_) => attribute.says.to_owned(),
        };
        let written = value.cloned().unwrap_or_else(|| attribute.standard(2));
        let written = match attribute.kind {
            Kind::Minutes(..) => (seconds(&written).unwrap_or(0) / 60).to_string(),
            Kind::Seconds(..) => seconds(&written).unwrap_or(0).to_string(),
            Kind::Word(_) => text(&written),
            Kind::Number(..) | Kind::Flag => written,
        };
        line(out, value.is_some(), attribute.key, &written, &says)?;
    }
    Ok(())
}

/// One key, as a comment if it is not set.
fn line(out: &mut String, set: bool, key: &str, value: &dyn Display, says: &str) -> fmt::Result {
    let mark = if set { "" } else { "# " };
    match says {
        "" => writeln!(out, "{mark}{key} = {value}"),
        _ => writeln!(out, "{mark}{key} = {value}  # {says}"),
    }
}

fn hook_list(hooks: &[Hook]) -> String {
    list(hooks.iter().map(text))
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

/// A text as TOML writes it: on one line, as what is commented out must be.
fn text(value: &(impl Display + ?Sized)) -> String {
    let value = value.to_string();
    match value.contains(['\n', '\r']) {
        true => {
            format!("\"{}\"", value.escape_debug().to_string().replace("\\'", "'").replace("\\0", "\\u0000"))
        }
        false => Value::String(value).to_string(),
    }
}

fn key(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.chars().all(plain) { name.to_owned() } else { text(name) }
}
