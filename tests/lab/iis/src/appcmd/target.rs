//! The file and the place in it that a change of a configuration path goes to, and whether it may.

use std::path::PathBuf;

use super::command::Context;
use super::errors::{self, Failure};
use super::list::site_at;
use crate::config::{
    Config, ConfigError, Definition, Effective, Mode, WebConfig, canonical, levels, write_whole,
};
use crate::physical::{mapped, web_configs};
use crate::schema::Section;
use crate::xml::{Document, Element};

/// How the path of the server is printed.
const SERVER: &str = "MACHINE/WEBROOT/APPHOST";

/// The file that a change goes to.
pub enum Target {
    Server,
    /// A `web.config`: the configuration path it belongs to.
    Web {
        path: String,
        file: PathBuf,
    },
}

/// The configuration path of an identifier; sites in it have to be there.
pub fn path_of(config: &Config, identifier: &str) -> Result<String, Failure> {
    let path = match identifier.split_once("://") {
        Some((_, rest)) => {
            let site = site_at(config, identifier).ok_or_else(|| errors::no_object("SITE", identifier))?;
            let below = rest.split_once('/').map_or("", |(_, below)| below);
            format!("{site}/{below}")
        }
        None => identifier.to_owned(),
    };
    let path = canonical(&path).to_owned();
    let site = path.split('/').next().unwrap_or_default();
    match path.is_empty() || config.site(site).is_some() {
        true => Ok(path),
        false => Err(errors::no_object("SITE", site)),
    }
}

/// As it is printed.
pub fn server_path(path: &str) -> String {
    if path.is_empty() { SERVER.to_owned() } else { format!("{SERVER}/{path}") }
}

/// A `/commit` for the server as the empty path.
pub fn canonical_commit(commit: &str) -> &str {
    if commit.eq_ignore_ascii_case("apphost") { "" } else { canonical(commit) }
}

/// Where a change of a path is written to.
pub fn target(
    context: &Context<'_>,
    config: &Config,
    path: &str,
    commit: Option<&str>,
) -> Result<Target, Failure> {
    let ancestors = levels(path);
    let word = commit.map(str::to_lowercase);
    let at = match word.as_deref() {
        // Without a path the server's file is meant, whatever is said.
        _ if path.is_empty() => "",
        None | Some("url" | "") => path,
        Some("apphost") => "",
        Some("site") => ancestors[1],
        Some("app") => application_path(config, path),
        Some("parent") => ancestors[ancestors.len() - 2],
        Some("webroot" | "machine") => return Err(errors::not_emulated("/commit above the server")),
        Some(_) => {
            let wanted = canonical(commit.unwrap_or_default()).to_lowercase();
            let found = ancestors.iter().find(|level| level.to_lowercase() == wanted);
            found.ok_or_else(|| errors::bad_commit(commit.unwrap_or_default()))?
        }
    };
    if at.is_empty() {
        return Ok(Target::Server);
    }
    let folder = mapped(config, at).map(|mapped| mapped.folder(&context.lab.settings.paths));
    let folder =
        folder.filter(|folder| folder.is_dir()).ok_or_else(|| errors::bad_commit(&server_path(at)))?;
    Ok(Target::Web { path: at.to_owned(), file: folder.join("web.config") })
}

/// The path of the application that a path belongs to.
fn application_path<'a>(config: &Config, path: &'a str) -> &'a str {
    let is_application = |level: &&&str| {
        let (site, below) = level.split_once('/').unwrap_or((level, ""));
        let same = |own: &str| own.trim_matches('/').to_lowercase() == below.to_lowercase();
        config.site(site).is_some_and(|site| site.applications.iter().any(|own| same(&own.path)))
    };
    levels(path).iter().rev().find(is_application).copied().unwrap_or_default()
}

/// What counts for a section at a path without what this file says for it there.
pub fn inherited(
    context: &Context<'_>,
    config: &Config,
    path: &str,
    section: &'static Section,
    target: &Target,
) -> Result<Effective, Failure> {
    if path.is_empty() {
        return Ok(Effective::new(&section.element));
    }
    let switches = context.lab.settings.switches;
    let (at, own) = match target {
        Target::Web { path: own, .. } if own == path => (path, true),
        _ => (levels(path)[levels(path).len() - 2], false),
    };
    let files =
        web_configs(config, &context.lab.settings.paths, at).map_err(|error| errors::violation(&error))?;
    let files: Vec<WebConfig> =
        files.into_iter().filter(|file| !(own && file.path.eq_ignore_ascii_case(path))).collect();
    let effective = config.effective(section.path, at, &files, switches.remove_absent());
    effective.map_err(|error| errors::violation(&error))
}

/// Whether a file may hold a section for a path.
pub fn check_lock(config: &Config, section: &Section, path: &str, target: &Target) -> Result<(), Failure> {
    let declaration =
        config.declaration(section.path).ok_or_else(|| errors::unknown_section(section.path))?;
    let server_only = declaration.definition == Definition::AppHostOnly && !path.is_empty();
    let locked = match target {
        Target::Server => false,
        Target::Web { path: own, .. } => {
            let application = application_path(config, own).eq_ignore_ascii_case(own);
            config.mode(section.path, path) == Mode::Deny
                || declaration.definition == Definition::MachineToApplication && !application
        }
    };
    if server_only || locked { Err(errors::locked()) } else { Ok(()) }
}

/// Changes the file that a section's path goes to: what changes it gets the root and the path within that file.
pub fn write(
    context: &mut Context<'_>,
    config: &mut Config,
    (path, target): (&str, &Target),
    section: &Section,
    change: impl FnOnce(&mut Element, &str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let at = match target {
        Target::Server => String::new(),
        Target::Web { path, .. } => path.clone(),
    };
    let say = format!(
        "Applied configuration changes to section \"{}\" for \"{}\" at configuration commit path \"{}\"",
        section.path,
        server_path(path),
        server_path(&at)
    );
    match target {
        Target::Server => {
            change(config.root_mut(), path)?;
            context.say(&say);
            context.commit(config)
        }
        Target::Web { path: own, file } => {
            let unreadable =
                |error: std::io::Error| Failure { exit: 5, text: format!("ERROR ( message:{error} )\r\n") };
            let bytes = match fs_err::read(file) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => EMPTY_WEB_CONFIG.to_vec(),
                Err(error) => return Err(unreadable(error)),
            };
            let mut document = Document::parse(&bytes)
                .map_err(|source| errors::commit(&ConfigError::NotXml { path: file.clone(), source }))?;
            let relative = path.get(own.len()..).unwrap_or_default().trim_start_matches('/');
            change(document.root_mut(), relative)?;
            context.say(&say);
            if let Some(failure) = (context.at_commit)() {
                return Err(failure);
            }
            write_whole(file, &document.to_bytes()).map_err(unreadable)
        }
    }
}

const EMPTY_WEB_CONFIG: &[u8] =
    b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<configuration>\r\n</configuration>\r\n";
