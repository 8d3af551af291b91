//! `add`, `set` and `delete` of sites, applications, virtual directories and pools.

use super::args::{Parameter, Typed};
use super::command::Context;
use super::edit;
use super::errors::{self, Failure, Refusal};
use super::indexer::{Edit, Indexer, Step, What};
use super::input::{Input, overlay};
use super::objects::{Found, Kind, all, binding_taken, find, id, identifiers, items, runtime};
use crate::config::{Config, Effective, hresult};
use crate::runtime::{Runtime, Standing, State};
use crate::schema;
use crate::switches::{Created, PortTaken};
use crate::xml::Element;

pub fn set(context: &mut Context<'_>, kind: Kind, typed: &Typed, inputs: Vec<Input>) -> Result<(), Failure> {
    let mut typed = typed.clone();
    let identifiers = identifiers(kind, &mut typed, &inputs)?;
    let mut config = context.load()?;
    let mut changed = Vec::new();
    for (number, identifier) in identifiers.iter().enumerate() {
        let found = find(&config, kind, identifier, "set")?;
        let before = found.element(&config).clone();
        let element = found.element_mut(&mut config);
        if let Some(configuration) = inputs.get(number).and_then(|input| input.configuration.as_ref()) {
            overlay(element, kind.schema(), configuration)?;
        }
        for parameter in &typed.parameters {
            change(element, kind, parameter)?;
        }
        check_unique(&config, kind, &found.name)?;
        changed.push((before, found.element(&config).clone()));
        context.say(&format!("{} object \"{}\" changed", kind.word(), found.name));
    }
    context.commit(&mut config)?;
    runtime(context, |runtime| {
        for (before, after) in changed {
            rename(runtime, kind, &before, &after);
        }
    })
}

pub fn delete(context: &mut Context<'_>, kind: Kind, typed: &Typed, inputs: &[Input]) -> Result<(), Failure> {
    let mut typed = typed.clone();
    let identifiers = identifiers(kind, &mut typed, inputs)?;
    if let Some(parameter) = typed.parameters.first() {
        return Err(errors::unknown_attribute(&parameter.name));
    }
    let mut config = context.load()?;
    let mut deleted = Vec::new();
    for identifier in identifiers {
        let found = find(&config, kind, &identifier, "delete")?;
        deleted.push(found.element(&config).clone());
        let (last, above) = found.at.split_last().expect("every object has a place");
        Found { at: above.to_vec(), ..found.clone() }.element_mut(&mut config).remove(*last);
        context.say(&format!("{} object \"{}\" deleted", kind.word(), found.name));
    }
    context.commit(&mut config)?;
    runtime(context, |runtime| {
        for element in deleted {
            match kind {
                Kind::Site => drop(runtime.sites.remove(&id(&element))),
                Kind::Pool => runtime.forget_pool(element.attribute("name").unwrap_or_default()),
                Kind::App | Kind::Vdir => {}
            }
        }
    })
}

pub fn add(
    context: &mut Context<'_>,
    kind: Kind,
    mut typed: Typed,
    inputs: Vec<Input>,
) -> Result<(), Failure> {
    if let Some(word) = &typed.identifier {
        return Err(errors::not_a_parameter(word));
    }
    if inputs.is_empty() {
        return add_one(context, kind, &mut typed, None);
    }
    for input in &inputs {
        add_one(context, kind, &mut typed.clone(), Some(input))?;
    }
    Ok(())
}

/// What is to be added.
struct New {
    element: Element,
    /// Its name or its path: what names it among its neighbours.
    value: String,
    /// The object that it goes into; none for the section.
    place: Option<Found>,
    /// What is said when it is done.
    lines: Vec<String>,
}

/// Adds one object: from parameters, or as standard input has it.
fn add_one(
    context: &mut Context<'_>,
    kind: Kind,
    typed: &mut Typed,
    input: Option<&Input>,
) -> Result<(), Failure> {
    let mut config = context.load()?;
    let New { element, value, place, lines } = described(&config, kind, typed, input)?;
    let collection = match &place {
        Some(place) => place.element_mut(&mut config),
        None => config.section_mut("", kind.section()),
    };
    let own_items = match kind {
        Kind::Site | Kind::Pool => items(&schema::section(kind.section()).expect("of the table").element),
        Kind::App => items(Kind::Site.schema()),
        Kind::Vdir => items(Kind::App.schema()),
    };
    edit::insert(collection, own_items, element.clone(), None)?;
    check_unique(&config, kind, &value)?;
    let switches = context.lab.settings.switches;
    // A site that isn't to start by itself takes no port, and waits until it is started, whatever it is told then to do
    // when the server starts.
    let starts = kind == Kind::Site && element.attribute("serverAutoStart") != Some("false");
    let port_taken = starts && binding_taken(context, &config, id(&element))?;
    if port_taken && switches.site_port_taken == PortTaken::Refused {
        return Err(errors::refused(Refusal::BindingTaken));
    }
    for line in lines {
        context.say(&line);
    }
    context.commit(&mut config)?;
    let stopped = port_taken && switches.site_port_taken == PortTaken::Stopped
        || kind == Kind::Site && (!starts || switches.site_created == Created::Stopped);
    runtime(context, |runtime| {
        let standing = Standing::new(stopped.then_some(State::Stopped));
        match kind {
            Kind::Site => *runtime.site_mut(id(&element)) = standing,
            Kind::Pool => *runtime.pool_mut(&value) = standing,
            Kind::App | Kind::Vdir => {}
        }
    })
}

fn described(config: &Config, kind: Kind, typed: &mut Typed, input: Option<&Input>) -> Result<New, Failure> {
    let schema = kind.schema();
    let mut element = Element::new(schema.name);
    if let Some(configuration) = input.and_then(|input| input.configuration.as_ref()) {
        overlay(&mut element, schema, configuration)?;
    }
    // The parameter that names the object, and the one that names what it goes into.
    let (key, above) = match kind {
        Kind::Site | Kind::Pool => ("name", None),
        Kind::App => ("path", Some(Kind::Site.identifier())),
        Kind::Vdir => ("path", Some(Kind::App.identifier())),
    };
    let missing = |name: &str| errors::must_specify_parameter(name, kind.word());
    let place = match above {
        None => None,
        Some(parameter) => {
            let named = typed.take_value(parameter).or_else(|| input?.attribute(parameter));
            let named = named.ok_or_else(|| missing(&parameter.to_lowercase()))?;
            Some(match kind {
                Kind::App => find(config, Kind::Site, &named, "add")?,
                _ => find_application(config, &named)?,
            })
        }
    };
    let written = element.attribute(key).map(ToOwned::to_owned);
    let identifier = input.map(|input| input.identifier.clone()).filter(|_| above.is_none());
    let value = typed.take_value(key).or(written).or(identifier).ok_or_else(|| missing(key))?;
    set_attribute(&mut element, schema, key, &value)?;
    if kind == Kind::Site {
        let id = typed.take_value("id").or_else(|| element.attribute("id").map(ToOwned::to_owned));
        set_attribute(&mut element, schema, "id", &id.unwrap_or_else(|| free_id(config).to_string()))?;
    }
    let prefix = place.as_ref().map(|place| place.name.trim_end_matches('/').to_owned()).unwrap_or_default();
    let name = format!("{prefix}{value}");
    let mut lines = vec![format!("{} object \"{name}\" added", kind.word())];
    if let Some(folder) = typed.take_value("physicalPath") {
        lines.extend(add_folder(&mut element, kind, &name, &folder)?);
    }
    for parameter in &typed.parameters {
        change(&mut element, kind, parameter)?;
    }
    Ok(New { element, value, place, lines })
}

/// The folder of a new object, and what is made for it: a site gets an application, that a directory.
fn add_folder(element: &mut Element, kind: Kind, name: &str, folder: &str) -> Result<Vec<String>, Failure> {
    let root = || Element::new("virtualDirectory").with("path", "/").with("physicalPath", folder);
    let vdir_name = format!("{}/", name.trim_end_matches('/'));
    match kind {
        Kind::Site => {
            element.push(Element::new("application").with("path", "/").containing(root()));
            Ok(vec![format!("APP object \"{name}/\" added"), format!("VDIR object \"{name}/\" added")])
        }
        Kind::App => {
            element.push(root());
            Ok(vec![format!("VDIR object \"{vdir_name}\" added")])
        }
        Kind::Vdir => {
            set_attribute(element, kind.schema(), "physicalPath", folder)?;
            Ok(Vec::new())
        }
        Kind::Pool => Err(errors::unknown_attribute("physicalPath")),
    }
}

/// `Site/` or `Site/app`; a slash behind the latter is fine.
fn find_application(config: &Config, name: &str) -> Result<Found, Failure> {
    let is_root = name.trim_end_matches('/').find('/').is_none();
    let exact = if is_root { name } else { name.trim_end_matches('/') };
    let found =
        all(config, Kind::App).into_iter().find(|found| found.name.to_lowercase() == exact.to_lowercase());
    found.ok_or_else(|| errors::no_object("APP", name))
}

/// Makes one change of an object. `/bindings:` is a list that replaces all bindings.
fn change(element: &mut Element, kind: Kind, parameter: &Parameter) -> Result<(), Failure> {
    if kind == Kind::Site && parameter.name == "bindings" {
        let value = parameter.value.clone().unwrap_or_default();
        element.child_or_new("bindings").remove_all(|_| true);
        for binding in value.split(',').map(str::trim).filter(|binding| !binding.is_empty()) {
            let (protocol, information) = binding_of(binding)
                .ok_or_else(|| errors::bad_value("bindings", &value, "Invalid binding"))?;
            let pair = |name: &str, value: String| (name.to_owned(), value);
            let values = vec![pair("protocol", protocol), pair("bindingInformation", information)];
            let path =
                vec![Step::Name("bindings".to_owned()), Step::Item(Indexer { position: None, values })];
            edit::apply(
                element,
                kind.schema(),
                None,
                &Edit { what: What::Add, path, name: "bindings".to_owned() },
            )?;
        }
        return Ok(());
    }
    edit::apply(element, kind.schema(), None, &Edit::parse(parameter)?)
}

/// `http/*:80:host`, or `http://host:80` as many write it.
fn binding_of(text: &str) -> Option<(String, String)> {
    let (protocol, information) = text.split_once('/')?;
    let Some(address) = protocol.strip_suffix(':').and(information.strip_prefix('/')) else {
        return Some((protocol.to_owned(), information.to_owned()));
    };
    let protocol = protocol.trim_end_matches(':');
    let address = address.trim_end_matches('/');
    let default = if protocol == "https" { "443" } else { "80" };
    let (host, port) = address.rsplit_once(':').unwrap_or((address, default));
    let host = if host == "*" { "" } else { host };
    Some((protocol.to_owned(), format!("*:{port}:{host}")))
}

fn set_attribute(
    element: &mut Element,
    schema: &schema::Element,
    name: &str,
    value: &str,
) -> Result<(), Failure> {
    let attribute = schema.attribute(name).expect("an attribute of the table");
    edit::set(element, attribute, name, value)
}

/// Whether names, ids, paths and bindings still are one of a kind.
fn check_unique(config: &Config, kind: Kind, name: &str) -> Result<(), Failure> {
    let schema = &schema::section(kind.section()).expect("a section of the table").element;
    let section = config.section(kind.section()).expect("it was just changed");
    match Effective::new(schema).take(section, true) {
        Err(violation) if violation.hresult == hresult::DUPLICATE => Err(errors::duplicate(name)),
        _ => Ok(()),
    }
}

fn free_id(config: &Config) -> u32 {
    let taken: Vec<u32> = config.sites().iter().map(|site| site.id).collect();
    (1..).find(|id| !taken.contains(id)).expect("there are more ids than sites")
}

/// What runs goes on under its new name.
fn rename(runtime: &mut Runtime, kind: Kind, before: &Element, after: &Element) {
    let name = |element: &Element| element.attribute("name").unwrap_or_default().to_owned();
    let (old, new) = (name(before), name(after));
    match kind {
        Kind::Pool if old != new => {
            let standing = runtime.pool_mut(&old).clone();
            runtime.forget_pool(&old);
            *runtime.pool_mut(&new) = standing;
        }
        Kind::Site if id(before) != id(after) => {
            if let Some(standing) = runtime.sites.remove(&id(before)) {
                runtime.sites.insert(id(after), standing);
            }
        }
        _ => {}
    }
}
