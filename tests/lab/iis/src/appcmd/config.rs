//! `list`, `set`, `clear`, `lock` and `unlock` of `config`: sections, at the server or at a path.

use std::path::PathBuf;

use super::args::Typed;
use super::command::{Context, General};
use super::edit;
use super::errors::{self, Failure};
use super::indexer::{self, Edit};
use super::input;
use super::list::{site_at, value_of};
use super::output::{self, Form};
use crate::config::{Config, Definition, Effective, Mode, WebConfig, canonical, levels, place, write_whole};
use crate::physical::{mapped, web_configs};
use crate::schema::{self, Section};
use crate::xml::{Document, Element};

/// How the path of the server is printed.
const SERVER: &str = "MACHINE/WEBROOT/APPHOST";

/// The file that a change goes to.
enum Target {
    Server,
    /// A `web.config`: the configuration path it belongs to.
    Web {
        path: String,
        file: PathBuf,
    },
}

pub fn execute(context: &mut Context<'_>, mut typed: Typed, general: &General) -> Result<(), Failure> {
    let verb = typed.verb.clone();
    if matches!(verb.as_str(), "search" | "reset" | "migrate") {
        return Err(errors::not_emulated(&format!("{verb} config")));
    }
    if !matches!(verb.as_str(), "list" | "set" | "clear" | "lock" | "unlock") {
        return Err(errors::unknown_word("verb", &verb));
    }
    let mut config = context.load()?;
    let path = path_of(&config, typed.identifier.as_deref().unwrap_or_default())?;
    let section = typed.take_value("section").or_else(|| typed.take_value("config.section"));
    if verb == "list" {
        return list(context, &config, &path, section.as_deref(), &typed, general);
    }
    if verb == "set" && general.input {
        return set_from_input(context, &mut config, &path, general);
    }
    let name = section.ok_or_else(errors::no_section)?;
    let section = schema::section_called(&name).ok_or_else(|| errors::unknown_section(&name))?;
    match verb.as_str() {
        "set" => set(context, &mut config, &path, section, typed, general),
        "clear" => clear(context, &mut config, &path, section, general),
        _ => {
            let mode = if verb == "lock" { "Deny" } else { "Allow" };
            let to_server =
                general.commit.as_deref().is_none_or(|commit| canonical_commit(commit).is_empty());
            if !to_server {
                return Err(errors::not_emulated("lock and unlock in a web.config"));
            }
            config.set_mode(&path, section.path, mode);
            let done = if verb == "lock" { "Locked" } else { "Unlocked" };
            let at = server_path(&path);
            context.say(&format!("{done} section \"{}\" at configuration path \"{at}\".", section.path));
            context.commit(&mut config)
        }
    }
}

/// The configuration path of an identifier; sites in it have to be there.
fn path_of(config: &Config, identifier: &str) -> Result<String, Failure> {
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

fn server_path(path: &str) -> String {
    if path.is_empty() { SERVER.to_owned() } else { format!("{SERVER}/{path}") }
}

/// A `/commit` for the server as the empty path.
fn canonical_commit(commit: &str) -> &str {
    if commit.eq_ignore_ascii_case("apphost") { "" } else { canonical(commit) }
}

/// Where a change of a path is written to.
fn target(
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
fn inherited(
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
fn check_lock(config: &Config, section: &Section, path: &str, target: &Target) -> Result<(), Failure> {
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

/// Changes the element of a section, wherever it is written.
fn write(
    context: &mut Context<'_>,
    config: &mut Config,
    (path, target): (&str, &Target),
    section: &Section,
    change: impl FnOnce(&mut Element) -> Result<(), Failure>,
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
            change(config.section_mut(path, section.path))?;
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
            let mut document = Document::parse(&bytes).map_err(|source| {
                errors::commit(&crate::config::ConfigError::NotXml { path: file.clone(), source })
            })?;
            let relative = path.get(own.len()..).unwrap_or_default().trim_start_matches('/');
            change(place::section_mut(document.root_mut(), relative, section.path))?;
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

fn set(
    context: &mut Context<'_>,
    config: &mut Config,
    path: &str,
    section: &'static Section,
    mut typed: Typed,
    general: &General,
) -> Result<(), Failure> {
    if let Some(mode) = typed.take_value("overrideMode") {
        if !["Allow", "Deny", "Inherit"].contains(&mode.as_str()) {
            return Err(errors::bad_value("overrideMode", &mode, "Enum must be one of Inherit, Allow, Deny"));
        }
        config.set_mode(path, section.path, &mode);
    }
    let edits = typed.parameters.iter().map(Edit::parse).collect::<Result<Vec<_>, _>>()?;
    let target = target(context, config, path, general.commit.as_deref())?;
    check_lock(config, section, path, &target)?;
    let inherited = inherited(context, config, path, section, &target)?;
    // Several edits in one command are one commit: all of them, or none.
    write(context, config, (path, &target), section, |element| {
        edits.iter().try_for_each(|edit| edit::apply(element, &section.element, Some(&inherited), edit))?;
        edit::check(element, &inherited)
    })
}

/// Sections as `list config /xml` prints them.
fn set_from_input(
    context: &mut Context<'_>,
    config: &mut Config,
    path: &str,
    general: &General,
) -> Result<(), Failure> {
    for element in input::elements(context, "CONFIG")? {
        let name = element.attribute("CONFIG.SECTION").ok_or_else(errors::no_section)?;
        let section = schema::section_called(name).ok_or_else(|| errors::unknown_section(name))?;
        let target = target(context, config, path, general.commit.as_deref())?;
        check_lock(config, section, path, &target)?;
        let given = element.child(&section.path.replace('/', "-")).cloned();
        write(context, config, (path, &target), section, |own| match given {
            Some(given) => input::overlay(own, &section.element, &given),
            None => Ok(()),
        })?;
    }
    Ok(())
}

fn clear(
    context: &mut Context<'_>,
    config: &mut Config,
    path: &str,
    section: &'static Section,
    general: &General,
) -> Result<(), Failure> {
    let target = target(context, config, path, general.commit.as_deref())?;
    check_lock(config, section, path, &target)?;
    write(context, config, (path, &target), section, |element| {
        *element = Element::new(element.name());
        Ok(())
    })?;
    Ok(())
}

fn list(
    context: &mut Context<'_>,
    config: &Config,
    path: &str,
    section: Option<&str>,
    typed: &Typed,
    general: &General,
) -> Result<(), Failure> {
    if let Some(parameter) = typed.parameters.first() {
        return Err(errors::unknown_attribute(&parameter.name));
    }
    let declared = config.declarations();
    let known =
        schema::sections().iter().filter(|section| declared.iter().any(|own| own.path == section.path));
    let sections: Vec<&'static Section> = match section {
        Some("?") => {
            for section in known {
                context.say(section.path);
            }
            return Ok(());
        }
        Some(name) => vec![schema::section_called(name).ok_or_else(|| errors::unknown_section(name))?],
        None => known.collect(),
    };
    let files =
        web_configs(config, &context.lab.settings.paths, path).map_err(|error| errors::violation(&error))?;
    let remove_absent = context.lab.settings.switches.remove_absent();
    let mut text = String::new();
    for section in sections {
        let effective = config.effective(section.path, path, &files, remove_absent);
        let effective = effective.map_err(|error| errors::violation(&error))?;
        let element = edit::written_out(section.element.name, &effective);
        text.push_str(&shown(config, path, section, element, &general.form)?);
    }
    match general.form {
        Form::Xml { .. } => context.out.push_str(&format!("{}{text}{}", output::XML_HEAD, output::XML_TAIL)),
        _ => context.out.push_str(&text),
    }
    Ok(())
}

fn shown(
    config: &Config,
    path: &str,
    section: &'static Section,
    element: Element,
    form: &Form,
) -> Result<String, Failure> {
    let full = |element: &Element| output::with_defaults(element, &section.element);
    Ok(match form {
        Form::Xml { config: with } => {
            let element = if *with == Some(true) { full(&element) } else { element };
            let locked = !path.is_empty() && config.mode(section.path, path) == Mode::Deny;
            let attributes = [
                ("CONFIG.SECTION", section.path.to_owned()),
                ("path", server_path(path)),
                ("overrideMode", "Inherit".to_owned()),
                ("locked", locked.to_string()),
            ];
            output::xml_object("CONFIG", &attributes, Some(&named(&section.path.replace('/', "-"), &element)))
        }
        Form::Value(name) => {
            let value = value_of(&[Some(&element)], &section.element, &indexer::steps(name)?);
            format!("{}\r\n", value.ok_or_else(|| errors::unknown_attribute(name))?)
        }
        Form::Tree => {
            format!("CONFIG\r\n  CONFIG.SECTION:\"{}\"\r\n{}", section.path, output::tree(&full(&element), 2))
        }
        Form::Lines | Form::Config { defaults: false } => {
            output::pretty(&in_groups(section.path, element), 0)
        }
        Form::Config { defaults: true } => output::pretty(&in_groups(section.path, full(&element)), 0),
    })
}

/// An element inside the groups of its path.
fn in_groups(path: &str, element: Element) -> Element {
    path.rsplit('/').skip(1).fold(element, |inner, group| Element::new(group).containing(inner))
}

/// The same element under another name.
fn named(name: &str, element: &Element) -> Element {
    let copy = element.attributes().fold(Element::new(name), |copy, (name, value)| copy.with(name, value));
    element.children().fold(copy, |copy, child| copy.containing(child.clone()))
}
