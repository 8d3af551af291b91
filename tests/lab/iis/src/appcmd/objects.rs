//! Sites, applications, virtual directories and pools: what they are, where they stand, and how they run.

use super::args::Typed;
use super::command::Context;
use super::errors::{self, Failure};
use super::input::Input;
use crate::config::Config;
use crate::runtime::{Runtime, State};
use crate::schema;
use crate::xml::Element;

/// What kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Site,
    App,
    Vdir,
    Pool,
}

/// An object in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub kind: Kind,
    /// Its identifier: `Site`, `Site/app`, `Site/app/vdir`, `Pool`.
    pub name: String,
    /// Its place: the number of the child at each step below the section.
    pub at: Vec<usize>,
}

impl Kind {
    /// By the word that is typed, in the singular.
    pub fn called(word: &str) -> Option<Kind> {
        [Kind::Site, Kind::App, Kind::Vdir, Kind::Pool]
            .into_iter()
            .find(|kind| kind.word().to_lowercase() == word)
    }

    /// The word that is printed.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Site => "SITE",
            Kind::App => "APP",
            Kind::Vdir => "VDIR",
            Kind::Pool => "APPPOOL",
        }
    }

    /// The attribute that holds its identifier; as a parameter it stands for the identifier.
    pub fn identifier(self) -> &'static str {
        match self {
            Kind::Site => "SITE.NAME",
            Kind::App => "APP.NAME",
            Kind::Vdir => "VDIR.NAME",
            Kind::Pool => "APPPOOL.NAME",
        }
    }

    pub fn section(self) -> &'static str {
        match self {
            Kind::Pool => "system.applicationHost/applicationPools",
            _ => "system.applicationHost/sites",
        }
    }

    pub fn schema(self) -> &'static schema::Element {
        let depth = match self {
            Kind::Site | Kind::Pool => 1,
            Kind::App => 2,
            Kind::Vdir => 3,
        };
        let section = schema::section(self.section()).expect("a section of the table");
        (0..depth).fold(&section.element, |element, _| &items(element).item)
    }
}

/// The collection of an element that has one.
pub fn items(schema: &'static schema::Element) -> &'static schema::Items {
    schema.items.as_deref().expect("sites, applications and directories are collections")
}

impl Found {
    pub fn element<'a>(&self, config: &'a Config) -> &'a Element {
        let section = config.section(self.kind.section()).expect("the object was found in it");
        self.at.iter().fold(section, |element, at| element.children().nth(*at).expect("it was found there"))
    }

    pub fn element_mut<'a>(&self, config: &'a mut Config) -> &'a mut Element {
        let section = config.section_mut("", self.kind.section());
        self.at
            .iter()
            .fold(section, |element, at| element.children_mut().nth(*at).expect("it was found there"))
    }
}

/// All objects of a kind, in the order of the file.
pub fn all(config: &Config, kind: Kind) -> Vec<Found> {
    let Some(section) = config.section(kind.section()) else { return Vec::new() };
    let named = |element: &Element, name: &str| element.attribute(name).unwrap_or_default().to_owned();
    let numbered = |element: &Element, name: &'static str| -> Vec<(usize, Element)> {
        element.children().cloned().enumerate().filter(|(_, child)| child.name() == name).collect()
    };
    let mut found = Vec::new();
    if kind == Kind::Pool {
        for (at, pool) in numbered(section, "add") {
            found.push(Found { kind, name: named(&pool, "name"), at: vec![at] });
        }
        return found;
    }
    for (site_at, site) in numbered(section, "site") {
        let site_name = named(&site, "name");
        if kind == Kind::Site {
            found.push(Found { kind, name: site_name, at: vec![site_at] });
            continue;
        }
        for (app_at, app) in numbered(&site, "application") {
            let path = named(&app, "path");
            if kind == Kind::App {
                found.push(Found { kind, name: format!("{site_name}{path}"), at: vec![site_at, app_at] });
                continue;
            }
            for (vdir_at, vdir) in numbered(&app, "virtualDirectory") {
                let name = format!("{site_name}{}{}", path.trim_end_matches('/'), named(&vdir, "path"));
                found.push(Found { kind, name, at: vec![site_at, app_at, vdir_at] });
            }
        }
    }
    found
}

/// The object of this identifier, in any case of letters. A path that leads to an object above it isn't exact.
pub fn find(config: &Config, kind: Kind, identifier: &str, verb: &str) -> Result<Found, Failure> {
    let same = |name: &str| name.to_lowercase() == identifier.to_lowercase();
    if let Some(found) = all(config, kind).into_iter().find(|found| same(&found.name)) {
        return Ok(found);
    }
    let site = identifier.split('/').next().unwrap_or_default();
    let leads_above = matches!(kind, Kind::App | Kind::Vdir) && config.site(site).is_some();
    Err(match leads_above {
        true => errors::not_exact(kind.word(), verb),
        false => errors::no_object(kind.word(), identifier),
    })
}

/// What a command is about: its identifier, the parameter that stands for it, or what came on standard input.
pub fn identifiers(kind: Kind, typed: &mut Typed, inputs: &[Input]) -> Result<Vec<String>, Failure> {
    let named = typed.take_value(kind.identifier());
    if !inputs.is_empty() {
        return Ok(inputs.iter().map(|input| input.identifier.clone()).collect());
    }
    match typed.identifier.clone().or(named) {
        Some(identifier) if !identifier.is_empty() => Ok(vec![identifier]),
        _ => Err(errors::must_specify(kind.word())),
    }
}

/// A site's id.
pub fn id(site: &Element) -> u32 {
    site.attribute("id").and_then(|id| id.parse().ok()).unwrap_or_default()
}

/// Whether a running site has one of the bindings of this one.
pub fn binding_taken(context: &Context<'_>, config: &Config, id: u32) -> Result<bool, Failure> {
    let runtime = load_runtime(context)?;
    let sites = config.sites();
    let Some(own) = sites.iter().find(|site| site.id == id) else { return Ok(false) };
    let others = sites.iter().filter(|site| site.id != id && runtime.site(site) == State::Started);
    let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
    Ok(others.flat_map(|site| &site.bindings).any(|taken| {
        own.bindings.iter().any(|binding| {
            same(&binding.protocol, &taken.protocol) && same(&binding.information, &taken.information)
        })
    }))
}

pub fn load_runtime(context: &Context<'_>) -> Result<Runtime, Failure> {
    Runtime::load(&context.lab.runtime()).map_err(broken)
}

/// Changes what runs and what doesn't.
pub fn runtime<T>(context: &Context<'_>, change: impl FnOnce(&mut Runtime) -> T) -> Result<T, Failure> {
    Runtime::change(&context.lab.runtime(), change).map_err(broken)
}

fn broken(error: std::io::Error) -> Failure {
    Failure { exit: 1, text: format!("the lab's runtime.json cannot be used: {error}\r\n") }
}
