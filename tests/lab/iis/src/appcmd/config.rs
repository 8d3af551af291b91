//! `list`, `set`, `clear`, `lock` and `unlock` of `config`: sections, at the server or at a path.

use super::args::Typed;
use super::command::{Context, General};
use super::edit;
use super::errors::{self, Failure};
use super::indexer::{self, Edit};
use super::input;
use super::list::value_of;
use super::output::{self, Form};
use super::target::{canonical_commit, check_lock, inherited, path_of, server_path, target, write};
use crate::config::{Config, Mode, place, remove_section};
use crate::physical::web_configs;
use crate::schema::{self, Section};
use crate::xml::Element;

pub fn execute(context: &mut Context<'_>, mut typed: Typed, general: &General) -> Result<(), Failure> {
    let verb = typed.verb.clone();
    if matches!(verb.as_str(), "search" | "reset" | "migrate") {
        return Err(errors::not_emulated(&format!("{verb} config")));
    }
    if !matches!(verb.as_str(), "list" | "set" | "clear" | "lock" | "unlock") {
        return Err(errors::no_such_command(&verb, "CONFIG"));
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
        "clear" => clear(context, &mut config, &path, section, typed, general),
        _ => {
            no_more(&typed)?;
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
    write(context, config, (path, &target), section, |root, at| {
        let element = place::section_mut(root, at, section.path);
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
        write(context, config, (path, &target), section, |root, at| match given {
            Some(given) => {
                input::overlay(place::section_mut(root, at, section.path), &section.element, &given)
            }
            None => Ok(()),
        })?;
    }
    Ok(())
}

/// Takes away what is written for a path; with `/delete` the section itself too.
fn clear(
    context: &mut Context<'_>,
    config: &mut Config,
    path: &str,
    section: &'static Section,
    mut typed: Typed,
    general: &General,
) -> Result<(), Failure> {
    let delete = typed.take("delete").is_some();
    no_more(&typed)?;
    let target = target(context, config, path, general.commit.as_deref())?;
    check_lock(config, section, path, &target)?;
    write(context, config, (path, &target), section, |root, at| {
        if delete {
            remove_section(root, at, section.path);
        } else {
            let element = place::section_mut(root, at, section.path);
            *element = Element::new(element.name());
        }
        Ok(())
    })
}

fn no_more(typed: &Typed) -> Result<(), Failure> {
    match typed.parameters.first() {
        Some(parameter) => Err(errors::unknown_attribute(&parameter.name)),
        None => Ok(()),
    }
}

fn list(
    context: &mut Context<'_>,
    config: &Config,
    path: &str,
    section: Option<&str>,
    typed: &Typed,
    general: &General,
) -> Result<(), Failure> {
    no_more(typed)?;
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
