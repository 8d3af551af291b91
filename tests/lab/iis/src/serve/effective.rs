//! Reads what the configuration says of one path into typed values: `applicationHost.config`, its locations, and the
//! `web.config` files along the path.

use std::time::Duration;

use super::model::{Folder, Site};
use super::route::{self, OnDisk};
use super::settings::{
    Access, Cache, ErrorMode, ErrorPage, Errors, Existing, Filtering, Handler, Listed, Refusal, ResourceType,
    Settings, StaticContent,
};
use crate::config::{Config, Effective, RemoveAbsent, Violation, WebConfig};
use crate::lab::Paths;
use crate::schema;

/// The settings of the path `rest` below a folder of a site.
pub fn settings(
    config: &Config,
    site: &Site,
    folder: &Folder,
    rest: &str,
    remove_absent: RemoveAbsent,
    paths: &Paths,
) -> Result<Settings, Refusal> {
    let below = format!("{}/{rest}", folder.path);
    let path = format!("{}{}", site.name, below.trim_end_matches('/'));
    let files = files(site, &below)?;
    config.check(&path, &files, remove_absent).map_err(refusal)?;
    let section = |name: &str| {
        let name = format!("system.webServer/{name}");
        config.effective(&name, &path, &files, remove_absent).map_err(refusal)
    };
    let handlers = section("handlers")?;
    let documents = section("defaultDocument")?;
    let is_enabled = documents.flag("enabled");
    let windows = section("security/authentication/windowsAuthentication")?;
    Ok(Settings {
        handlers: handlers.items().iter().map(handler).collect(),
        access: handlers.text("accessPolicy").split(',').filter_map(|flag| access(flag.trim())).collect(),
        modules: texts(Some(&section("modules")?), "name"),
        filtering: filtering(&section("security/requestFiltering")?),
        errors: errors(&section("httpErrors")?, paths),
        headers: pairs(section("httpProtocol")?.element("customHeaders"), "name", "value"),
        content: content(&section("staticContent")?),
        default_documents: documents
            .element("files")
            .filter(|_| is_enabled)
            .map(|files| texts(Some(files), "value"))
            .unwrap_or_default(),
        is_anonymous_allowed: section("security/authentication/anonymousAuthentication")?.flag("enabled"),
        windows_providers: match windows.flag("enabled") {
            true => texts(windows.element("providers"), "value"),
            false => Vec::new(),
        },
    })
}

/// The `web.config` files of all folders from the site's own down to a path.
fn files(site: &Site, path: &str) -> Result<Vec<WebConfig>, Refusal> {
    let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
    let mut files = Vec::new();
    let mut last = None;
    for end in ends {
        let level = &path[..end];
        let slashed = if level.is_empty() { "/" } else { level };
        // A slash at the end names the same level once more.
        if last.replace(level.trim_end_matches('/')) == Some(level.trim_end_matches('/')) {
            continue;
        }
        let Some((folder, rest)) = route::folder(site, slashed) else { continue };
        if !rest.is_empty() && !folder.allow_sub_dir_config {
            continue;
        }
        if let OnDisk::Folder(place) = route::on_disk(&folder.place, rest)
            && let OnDisk::File(file) = route::on_disk(&place, "web.config")
        {
            let name = format!("{}{}", site.name, level.trim_end_matches('/'));
            files.extend(WebConfig::load(&name, &file).map_err(refusal)?);
        }
    }
    Ok(files)
}

fn refusal(violation: Violation) -> Refusal {
    Refusal(format!("{violation} in {}", violation.file.display()))
}

fn handler(item: &Effective) -> Handler {
    Handler {
        name: item.text("name").to_owned(),
        path: item.text("path").to_owned(),
        verb: item.text("verb").to_owned(),
        modules: item.text("modules").to_owned(),
        script_processor: item.text("scriptProcessor").to_owned(),
        resource_type: match item.text("resourceType") {
            "File" => ResourceType::File,
            "Directory" => ResourceType::Directory,
            "Either" => ResourceType::Either,
            _ => ResourceType::Unspecified,
        },
        require_access: access(item.text("requireAccess")),
        response_buffer_limit: whole(item, "responseBufferLimit"),
    }
}

fn access(flag: &str) -> Option<Access> {
    match flag {
        "Read" => Some(Access::Read),
        "Write" => Some(Access::Write),
        "Script" => Some(Access::Script),
        "Execute" => Some(Access::Execute),
        _ => None,
    }
}

fn filtering(section: &Effective) -> Filtering {
    let limit = |name| section.element("requestLimits").map_or(0, |limits| limits.number(name));
    Filtering {
        allow_double_escaping: section.flag("allowDoubleEscaping"),
        remove_server_header: section.flag("removeServerHeader"),
        max_content_length: limit("maxAllowedContentLength"),
        max_url: limit("maxUrl") as usize,
        max_query: limit("maxQueryString") as usize,
        hidden_segments: texts(section.element("hiddenSegments"), "segment"),
        extensions: listed(section.element("fileExtensions"), "fileExtension"),
        verbs: listed(section.element("verbs"), "verb"),
        denied_sequences: texts(section.element("denyUrlSequences"), "sequence"),
    }
}

fn listed(list: Option<&Effective>, key: &str) -> Listed {
    let items = list.into_iter().flat_map(Effective::items);
    Listed {
        allow_unlisted: list.is_none_or(|list| list.flag("allowUnlisted")),
        listed: items.map(|item| (item.text(key).to_owned(), item.flag("allowed"))).collect(),
    }
}

fn errors(section: &Effective, paths: &Paths) -> Errors {
    let files = section.items().iter().filter(|item| item.text("responseMode") == "File");
    let pages = files.filter_map(|item| {
        let status = u16::try_from(item.number("statusCode")).ok()?;
        // -1 stands for all.
        let substatus = item.text("subStatusCode").parse().ok();
        let path = item.text("path");
        let file = match item.text("prefixLanguageFilePath") {
            "" => paths.located(path),
            // A folder for each language; visitors here ask in English.
            prefix => paths.located(prefix).join("en-US").join(path),
        };
        // A relative path names a file of the site, which sites of Holdall don't have.
        file.is_absolute().then_some(ErrorPage { status, substatus, file })
    });
    let mut pages: Vec<_> = pages.collect();
    // What names a substatus goes before what does not.
    pages.sort_by_key(|page| page.substatus.is_none());
    Errors {
        mode: match section.text("errorMode") {
            "Custom" => ErrorMode::Custom,
            "Detailed" => ErrorMode::Detailed,
            _ => ErrorMode::DetailedLocalOnly,
        },
        existing: match section.text("existingResponse") {
            "Replace" => Existing::Replace,
            "PassThrough" => Existing::PassThrough,
            _ => Existing::Auto,
        },
        pages,
    }
}

fn content(section: &Effective) -> StaticContent {
    let Some(cache) = section.element("clientCache") else { return StaticContent::default() };
    StaticContent {
        types: pairs(Some(section), "fileExtension", "mimeType"),
        cache: match cache.text("cacheControlMode") {
            "DisableCache" => Cache::Disabled,
            "UseMaxAge" => Cache::MaxAge(Duration::from_secs(
                schema::seconds(cache.text("cacheControlMaxAge")).unwrap_or(0),
            )),
            "UseExpires" => Cache::Expires(cache.text("httpExpires").to_owned()),
            _ => Cache::NoControl,
        },
        custom: cache.text("cacheControlCustom").to_owned(),
        sets_etag: cache.flag("setEtag"),
    }
}

fn texts(list: Option<&Effective>, name: &str) -> Vec<String> {
    list.into_iter().flat_map(Effective::items).map(|item| item.text(name).to_owned()).collect()
}

fn pairs(list: Option<&Effective>, name: &str, value: &str) -> Vec<(String, String)> {
    let items = list.into_iter().flat_map(Effective::items);
    items.map(|item| (item.text(name).to_owned(), item.text(value).to_owned())).collect()
}

fn whole(item: &Effective, name: &str) -> usize {
    usize::try_from(item.number(name)).unwrap_or(usize::MAX)
}
