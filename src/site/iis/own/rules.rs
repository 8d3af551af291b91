//! What a project's `web.config` may say, whatever Holdall's own says: which sections IIS takes from such a file, and what
//! only Holdall answers for.

use std::collections::BTreeSet;

use super::Conflict;
use super::tree::Node;
use crate::site::iis::schema;

/// Elements that hold sections and are none.
const GROUPS: &[&str] = &[
    "system.applicationHost",
    "system.webServer",
    "system.webServer/security",
    "system.webServer/security/authentication",
    "system.webServer/tracing",
];

/// What IIS reads from applicationHost.config alone (`allowDefinition="AppHostOnly"`), by the beginning of its path.
const OF_SERVER: &[&str] = &[
    "system.applicationHost",
    "system.webServer/fastCgi",
    "system.webServer/globalModules",
    "system.webServer/httpCompression",
    "system.webServer/security/isapiCgiRestriction",
];

/// What servers keep locked unless somebody opens it (`overrideModeDefault="Deny"`).
const LOCKED: &[&str] = &[
    "system.webServer/asp",
    "system.webServer/cgi",
    "system.webServer/httpLogging",
    "system.webServer/httpTracing",
    "system.webServer/isapiFilters",
    "system.webServer/modules",
    "system.webServer/odbcLogging",
    "system.webServer/security/access",
    "system.webServer/security/authentication/",
    "system.webServer/security/dynamicIpSecurity",
    "system.webServer/security/ipSecurity",
    "system.webServer/serverRuntime",
    "system.webServer/serverSideInclude",
    "system.webServer/webSocket",
];

/// What site.toml says too: a `web.config` wins over what stands in applicationHost.config.
const OF_SETTINGS: &[(&str, &str)] = &[
    ("system.webServer/security/requestFiltering/requestLimits", "[requests]"),
    ("system.webServer/staticContent/clientCache", "[static]"),
    ("system.webServer/urlCompression", "[compression]"),
];

/// What wfastcgi reads from appSettings.
const OF_WFASTCGI: &[&str] = &[
    "WSGI_HANDLER",
    "WSGI_LOG",
    "WSGI_RESTART_FILE_REGEX",
    "DJANGO_SETTINGS_MODULE",
    "PYTHONPATH",
    "APPINSIGHTS_INSTRUMENTATIONKEY",
];

/// Words in the names of secrets.
const SECRET: &[&str] = &["secret", "password", "passwd", "pwd", "token", "apikey", "api_key"];

const HEADER: &str = "X-Holdall-Release";
const HIDDEN: &str = "web.config";

/// What is told of it, and what to do.
pub type Finding = (String, &'static str);

/// Whether an element with this path holds sections.
pub fn is_group(path: &str) -> bool {
    GROUPS.contains(&path)
}

/// The path that a `<location>` is for, as paths are compared; nothing for all of the site.
pub fn place(location: &Node) -> String {
    let path = location.attribute("path").unwrap_or_default().replace('\\', "/");
    let path = path.trim_matches('/');
    if path == "." { String::new() } else { path.to_lowercase() }
}

/// Reads through a project's file.
pub fn check(root: &Node) -> Result<Vec<Finding>, Conflict> {
    let mut findings = Vec::new();
    let mut places = BTreeSet::new();
    let (locations, others): (Vec<&Node>, _) = root.children.iter().partition(|node| node.name == "location");
    sections(&others, "", "", &mut BTreeSet::new(), &mut findings)?;
    for location in locations {
        let place = place(location);
        if place.is_empty() {
            return Err(refusal(
                "location",
                "",
                "it is for the whole site: write what stands in it outside of it",
            ));
        }
        if !places.insert(place.clone()) {
            let why = format!("`{place}` has more than one: write them as one");
            return Err(refusal("location", "", &why));
        }
        let inside: Vec<&Node> = location.children.iter().collect();
        sections(&inside, "", &place, &mut BTreeSet::new(), &mut findings)?;
    }
    Ok(findings)
}

pub fn refusal(section: &str, place: &str, why: &str) -> Conflict {
    Conflict::Section { section: section.to_owned(), place: place.to_owned(), why: why.to_owned() }
}

/// Reads through what stands in a group, or at the top. Groups may stand there more than once, and sections may not.
fn sections(
    nodes: &[&Node],
    path: &str,
    place: &str,
    seen: &mut BTreeSet<String>,
    findings: &mut Vec<Finding>,
) -> Result<(), Conflict> {
    for node in nodes {
        let path = schema::join(path, &node.name);
        if node.name == "location" {
            return Err(refusal(&path, place, "it stands within something else, where IIS takes none"));
        }
        if OF_SERVER.iter().any(|section| is_at_or_below(&path, section)) {
            return Err(refusal(&path, place, "IIS takes it from applicationHost.config alone"));
        }
        if is_group(&path) {
            let inside: Vec<&Node> = node.children.iter().collect();
            sections(&inside, &path, place, seen, findings)?;
        } else if seen.insert(path.clone()) {
            section(node, &path, place, findings)?;
        } else {
            return Err(refusal(&path, place, "it stands there twice, and IIS takes it once"));
        }
    }
    Ok(())
}

fn is_at_or_below(path: &str, section: &str) -> bool {
    path.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn section(node: &Node, path: &str, place: &str, findings: &mut Vec<Finding>) -> Result<(), Conflict> {
    let refused = |why: &str| Err(refusal(path, place, why));
    if node.attribute("configSource").is_some() {
        return refused("`configSource` names a file, and no other file goes into the bundle");
    }
    let is_locked = |section: &&str| match section.strip_suffix('/') {
        Some(group) => is_at_or_below(path, group),
        None => path == *section,
    };
    if LOCKED.iter().any(is_locked) {
        let what = format!("servers keep `{path}` locked, and answer 500.19 where nobody has opened it");
        findings.push((what, "take it out, or unlock it on the server: `appcmd unlock config`"));
    }
    for (of_settings, table) in OF_SETTINGS {
        let below = of_settings.strip_prefix(path).map(|rest| rest.trim_start_matches('/'));
        if below.is_some_and(|name| name.is_empty() || node.child(name).is_some()) {
            let what = format!("`{of_settings}` wins over `{table}` in site.toml");
            findings.push((what, "take it out if it is the server's to say"));
        }
    }
    match path {
        "system.webServer/handlers" => refused("who answers a request is Holdall's to say"),
        "system.webServer/httpProtocol" => headers(node, path, place),
        "system.webServer/security/requestFiltering" => hidden(node, path, place),
        "system.webServer/rewrite" => {
            let what = "`system.webServer/rewrite` is of URL Rewrite, a module that servers have only once it is installed";
            findings.push((what.to_owned(), "without it IIS answers 500.19"));
            Ok(())
        }
        "appSettings" => {
            app_settings(node, findings);
            Ok(())
        }
        "connectionStrings" => {
            let has_secret = |item: &Node| {
                let text = item.attribute("connectionString").unwrap_or_default().to_lowercase();
                ["password=", "pwd="].iter().any(|word| text.contains(word))
            };
            if node.children.iter().any(has_secret) {
                findings.push(secret("a connection string with a password"));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The header says which release answers.
fn headers(node: &Node, path: &str, place: &str) -> Result<(), Conflict> {
    let Some(headers) = node.child("customHeaders") else { return Ok(()) };
    let is_ours = |item: &Node| item.attribute("name").is_some_and(|name| name.eq_ignore_ascii_case(HEADER));
    if headers.children.iter().any(is_ours) {
        let why = format!("`{HEADER}` says which release answers, and is Holdall's");
        return Err(refusal(path, place, &why));
    }
    if !place.is_empty() && headers.child("clear").is_some() {
        let why = format!("`<clear />` would take `{HEADER}` away there; remove headers by their names");
        return Err(refusal(path, place, &why));
    }
    Ok(())
}

/// What stands in `web.config` is nobody else's business.
fn hidden(node: &Node, path: &str, place: &str) -> Result<(), Conflict> {
    let Some(hidden) = node.child("hiddenSegments") else { return Ok(()) };
    let is_ours =
        |item: &Node| item.attribute("segment").is_some_and(|name| name.eq_ignore_ascii_case(HIDDEN));
    let removes = |item: &Node| item.name == "remove" && is_ours(item);
    let clears = !place.is_empty() && hidden.child("clear").is_some();
    if hidden.children.iter().any(removes) || clears {
        return Err(refusal(path, place, "`web.config` has to stay hidden from visitors"));
    }
    Ok(())
}

fn app_settings(node: &Node, findings: &mut Vec<Finding>) {
    let names =
        node.children.iter().filter_map(|item| Some((item.attribute("key")?, item.attribute("value")?)));
    for (name, value) in names {
        if OF_WFASTCGI.contains(&name) {
            let what = format!("`{name}` in appSettings is wfastcgi's, and means nothing here");
            findings.push((what, "take it out; what becomes of it is in docs/moving.md"));
        }
        let lower = name.to_lowercase();
        if !value.is_empty() && SECRET.iter().any(|word| lower.contains(word)) {
            findings.push(secret(&format!("`{name}` in appSettings")));
        }
    }
}

fn secret(what: &str) -> Finding {
    let what = format!("{what} looks like a secret, and would stand in the bundle for everybody to read");
    (what, "take it out: `holdall env set` keeps secrets on the server")
}
