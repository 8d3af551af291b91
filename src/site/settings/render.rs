//! The commented `site.toml`: what is set stands there, what is not stands there as a comment with its standard.

use std::fmt::{self, Display, Write as _};

use toml::Value;

use super::attribute::{Attribute, Kind, Standard, seconds};
use super::{Binding, Certificate, FASTCGI, Hook, POOL, Position, Protocol, SiteSettings};
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
        "the pool's own unless set; a group managed one ends in $",
    )?;
    attributes(out, POOL, |key| settings.pool.attributes.get(key))?;

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

    let (requests, usual) = (&settings.requests, &standard.requests);
    writeln!(out, "\n# Taken into a release when it is made.")?;
    writeln!(out, "[requests]")?;
    let (most, usual_most) = (requests.max_allowed_content_length, usual.max_allowed_content_length);
    line(out, most != usual_most, "maxAllowedContentLength", &most, "bytes of an upload")?;
    line(
        out,
        requests.header != usual.header,
        "header",
        &requests.header,
        "say by X-Holdall-Release which release answers",
    )?;
    line(
        out,
        requests.cache_days != usual.cache_days,
        "cacheDays",
        &requests.cache_days,
        "days that browsers keep hashed static files",
    )?;

    writeln!(out, "\n# Uploads that the web server hands out without asking the project.")?;
    match &settings.media {
        Some(media) => writeln!(
            out,
            "[media]\nurl = {}\nfolder = {}",
            text(&format!("/{}/", media.url)),
            text(&media.folder)
        ),
        None => writeln!(out, "# [media]\n# url = \"/media/\"\n# folder = \"media\"  # below shared"),
    }?;

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
            Standard::Is(_) => attribute.says.to_owned(),
        };
        let written = value.cloned().unwrap_or_else(|| attribute.standard(2));
        let written = match attribute.kind {
            Kind::Minutes(_) => (seconds(&written).unwrap_or(0) / 60).to_string(),
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
