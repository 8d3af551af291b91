//! What belongs to a site and not to its release: sections of the configuration that are written for parts of its
//! addresses into applicationHost.config, where they can be changed while a release stays as it is.
//!
//! A value that a `web.config` names wins over these, so a release's names none of them.

use super::actual;
use crate::manifest::Manifest;
use crate::site::settings::{
    Attribute, Authentication, COMPRESSION, REQUESTS, SiteSettings, WINDOWS, settings_of,
};

/// A section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    RequestFiltering,
    HttpProtocol,
    StaticContent,
    UrlCompression,
    Windows,
    Anonymous,
}

/// One section for one part of the addresses, as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedSection {
    /// Below the site's own part; empty for all of it.
    pub path: String,
    pub section: Section,
    pub entries: Vec<Entry>,
}

/// One thing in a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// An attribute by its path, its value, and what it is in the schema of IIS.
    Value { path: &'static str, value: String, standard: &'static str },
    /// An item of a collection.
    Item { list: &'static List, name: String, value: String },
    /// All items of a collection, in their order.
    Whole { list: &'static List, names: Vec<&'static str> },
}

/// A collection.
#[derive(Debug, PartialEq, Eq)]
pub struct List {
    pub section: Section,
    /// Where its items stand in the section; none where they stand in the section itself.
    pub within: Option<&'static str>,
    pub item: &'static str,
    /// The attribute that names an item.
    pub key: &'static str,
    /// The one that says something of it.
    pub value: Option<&'static str>,
}

pub const HEADERS: List = List {
    section: Section::HttpProtocol,
    within: Some("customHeaders"),
    item: "add",
    key: "name",
    value: Some("value"),
};
pub const MIME_TYPES: List = List {
    section: Section::StaticContent,
    within: None,
    item: "mimeMap",
    key: "fileExtension",
    value: Some("mimeType"),
};
pub const PROVIDERS: List =
    List { section: Section::Windows, within: Some("providers"), item: "add", key: "value", value: None };

/// The collections of which single items are set, and taken out again once nobody wants them.
pub const LISTS: [&List; 2] = [&HEADERS, &MIME_TYPES];

impl Section {
    pub const ALL: [Section; 6] = [
        Section::RequestFiltering,
        Section::HttpProtocol,
        Section::StaticContent,
        Section::UrlCompression,
        Section::Windows,
        Section::Anonymous,
    ];

    pub fn path(self) -> &'static str {
        match self {
            Section::RequestFiltering => "system.webServer/security/requestFiltering",
            Section::HttpProtocol => "system.webServer/httpProtocol",
            Section::StaticContent => "system.webServer/staticContent",
            Section::UrlCompression => "system.webServer/urlCompression",
            Section::Windows => actual::WINDOWS,
            Section::Anonymous => actual::ANONYMOUS,
        }
    }

    /// The last word of its path.
    pub fn name(self) -> &'static str {
        self.path().rsplit('/').next().unwrap_or_default()
    }

    /// That of a setting as it stands in what was applied: `requestFiltering.requestLimits.maxUrl`.
    pub fn of_setting(name: &str) -> Option<Section> {
        let first = name.split('.').next()?;
        Section::ALL.into_iter().find(|section| section.name() == first)
    }
}

impl Entry {
    /// How it stands in what was applied.
    pub fn name(&self, section: Section) -> String {
        match self {
            Entry::Value { path, .. } => format!("{}.{path}", section.name()),
            Entry::Item { list, name, .. } => list.setting(name),
            Entry::Whole { list, .. } => list.setting(""),
        }
    }

    pub fn wanted(&self) -> String {
        match self {
            Entry::Value { value, .. } | Entry::Item { value, .. } => value.clone(),
            Entry::Whole { names, .. } => names.join(","),
        }
    }
}

impl List {
    /// How an item stands in what was applied: `httpProtocol.customHeaders X-Frame-Options`.
    pub fn setting(&self, name: &str) -> String {
        let within = self.within.unwrap_or(self.item);
        format!("{}.{within} {name}", self.section.name()).trim_end().to_owned()
    }

    /// The item that a setting is of.
    pub fn item_of<'a>(&self, setting: &'a str) -> Option<&'a str> {
        setting.strip_prefix(self.setting("").as_str())?.strip_prefix(' ')
    }
}

/// What these settings want for a release with this manifest; without one, for all but its static files.
pub fn wanted(settings: &SiteSettings, manifest: Option<&Manifest>) -> Vec<WantedSection> {
    let at = |path: &str, section, entries| WantedSection { path: path.to_owned(), section, entries };
    let attributes = |table: &'static [Attribute], named| -> Vec<Entry> {
        let all = settings_of(table, named, 1).into_iter();
        all.map(|setting| Entry::Value {
            path: setting.attribute.path,
            value: setting.value,
            standard: in_schema(setting.attribute),
        })
        .collect()
    };
    let headers = settings.headers.iter();
    let headers = headers.map(|(name, value)| item(&HEADERS, name, value)).collect();
    let mut all = vec![
        at("", Section::RequestFiltering, attributes(REQUESTS, &settings.requests.attributes)),
        at("", Section::HttpProtocol, headers),
        at("", Section::UrlCompression, attributes(COMPRESSION, &settings.compression)),
    ];
    let enabled = |on: bool, standard| Entry::Value { path: "enabled", value: on.to_string(), standard };
    match &settings.authentication {
        None => {}
        Some(Authentication::Anonymous) => {
            all.push(at("", Section::Windows, vec![enabled(false, "false")]));
            all.push(at("", Section::Anonymous, vec![enabled(true, "true")]));
        }
        Some(Authentication::Windows { providers, anonymous, attributes: named }) => {
            let mut entries = vec![enabled(true, "false")];
            entries.extend(attributes(WINDOWS, named));
            entries.extend(
                providers.as_ref().map(|names| Entry::Whole { list: &PROVIDERS, names: names.clone() }),
            );
            all.push(at("", Section::Windows, entries));
            all.push(at("", Section::Anonymous, vec![enabled(false, "true")]));
            let areas = anonymous.iter();
            all.extend(areas.map(|area| at(area.as_str(), Section::Anonymous, vec![enabled(true, "true")])));
        }
    }
    let files = &settings.static_files;
    let mime_types = || files.mime_types.iter().map(|(ending, kind)| item(&MIME_TYPES, ending, kind));
    let of_static = manifest.and_then(|manifest| Some((manifest, super::web_config::static_path(manifest)?)));
    if let Some((manifest, path)) = of_static {
        // A name without a hash may stand for something else tomorrow.
        let days = if manifest.site.hashed_static { files.cache_days } else { files.unhashed_cache_days };
        let custom = if manifest.site.hashed_static { &files.cache_control } else { "public" };
        all.push(at(path, Section::StaticContent, cache(days, custom).chain(mime_types()).collect()));
    }
    if let Some(media) = &settings.media {
        let cached = media.cache_days.into_iter().flat_map(|days| cache(days, "public"));
        all.push(at(media.url.as_str(), Section::StaticContent, cached.chain(mime_types()).collect()));
    }
    all.retain(|section| !section.entries.is_empty());
    all
}

fn item(list: &'static List, name: &str, value: &str) -> Entry {
    Entry::Item { list, name: name.to_owned(), value: value.to_owned() }
}

/// How long browsers keep files; those that keep them for no day ask each time.
fn cache(days: u32, custom: &str) -> impl Iterator<Item = Entry> + use<> {
    let value = |path, value: &str, standard| Entry::Value { path, value: value.to_owned(), standard };
    let span = format!("{days}.00:00:00");
    let (mode, custom) = if days > 0 { ("UseMaxAge", custom) } else { ("NoControl", "no-cache") };
    let span = (days > 0).then(|| value("clientCache.cacheControlMaxAge", &span, "1.00:00:00"));
    let mode = value("clientCache.cacheControlMode", mode, "NoControl");
    [mode].into_iter().chain(span).chain([value("clientCache.cacheControlCustom", custom, "")])
}

/// What an attribute is by the schema of IIS.
fn in_schema(attribute: &'static Attribute) -> &'static str {
    match attribute.path {
        "requestLimits.maxAllowedContentLength" => "30000000",
        "requestLimits.maxUrl" => "4096",
        "requestLimits.maxQueryString" => "2048",
        _ => attribute.of_server().unwrap_or_default(),
    }
}
