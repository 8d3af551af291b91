//! `list`: objects by identifier and by properties, in all forms.

use super::args::Typed;
use super::command::{Context, General};
use super::errors::{self, Failure};
use super::indexer::{self, Step};
use super::input::Input;
use super::objects::{self, Found, Kind};
use super::output::{self, Form};
use crate::config::Config;
use crate::runtime::Runtime;
use crate::schema;
use crate::switches::Outcome;
use crate::xml::Element;

pub fn objects(
    context: &mut Context<'_>,
    kind: Kind,
    typed: &mut Typed,
    general: &General,
    inputs: &[Input],
) -> Result<(), Failure> {
    let config = context.load()?;
    let runtime = objects::load_runtime(context)?;
    let by_name = typed.take_value("name").filter(|_| matches!(kind, Kind::Site | Kind::Pool));
    let identifier = typed.identifier.clone().or(typed.take_value(kind.identifier())).or(by_name);
    let mut found = objects::all(&config, kind);
    let same = |one: &str, other: &str| one.to_lowercase() == other.to_lowercase();
    if let Some(identifier) = &identifier {
        found.retain(|found| same(&found.name, identifier) || has_binding(&config, found, identifier));
    }
    if !inputs.is_empty() {
        found.retain(|found| inputs.iter().any(|input| same(&input.identifier, &found.name)));
    }
    let named_nothing = identifier.is_some() && found.is_empty();
    for parameter in &typed.parameters {
        let wanted = parameter.value.as_deref().ok_or_else(|| errors::unknown_attribute(&parameter.name))?;
        let mut kept = Vec::new();
        for found in found {
            if same(&property(&config, &runtime, &found, &parameter.name)?, wanted) {
                kept.push(found);
            }
        }
        found = kept;
    }
    let nothing_is_an_error = context.lab.settings.switches.appcmd_nothing_found == Outcome::Error;
    let filtered = !typed.parameters.is_empty();
    if named_nothing || found.is_empty() && filtered && nothing_is_an_error {
        return Err(errors::nothing_found());
    }
    // Many bindings don't fit into what the real one has for a line: reported of a site with 129 (public issue
    // azure-pipelines-extensions#677), which could be listed by its name.
    let too_long = |found: &Found| config.site(&found.name).is_some_and(|site| site.bindings.len() > 128);
    if kind == Kind::Site && identifier.is_none() && found.iter().any(too_long) {
        return Err(errors::too_long());
    }
    let text = found
        .iter()
        .map(|found| shown(&config, &runtime, found, &general.form))
        .collect::<Result<String, _>>()?;
    match general.form {
        Form::Xml { .. } => context.out.push_str(&format!("{}{text}{}", output::XML_HEAD, output::XML_TAIL)),
        _ => context.out.push_str(&text),
    }
    Ok(())
}

/// Worker processes, as the web server has noted them.
pub fn workers(context: &mut Context<'_>, typed: &Typed) -> Result<(), Failure> {
    for (process, pool) in objects::load_runtime(context)?.workers {
        let wanted = typed.parameters.iter().all(|parameter| {
            let name = parameter.name.to_lowercase();
            name != "apppool.name"
                || parameter.value.as_ref().is_some_and(|value| value.eq_ignore_ascii_case(&pool))
        });
        if wanted && typed.identifier.as_ref().is_none_or(|identifier| *identifier == process.to_string()) {
            context.say(&format!("WP \"{process}\" (applicationPool:{pool})"));
        }
    }
    Ok(())
}

/// The modules of the server.
pub fn modules(context: &mut Context<'_>, typed: &Typed) -> Result<(), Failure> {
    let config = context.load()?;
    let modules = config.section("system.webServer/modules").into_iter().flat_map(Element::children);
    let names: Vec<&str> = modules.filter_map(|module| module.attribute("name")).collect();
    let wanted =
        |name: &&&str| typed.identifier.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(name));
    let mut found = names.iter().filter(wanted).peekable();
    if found.peek().is_none() && typed.identifier.is_some() {
        return Err(errors::nothing_found());
    }
    for name in found {
        context.say(&format!("MODULE \"{name}\" ( native, preCondition: )"));
    }
    Ok(())
}

/// A site may be named by an address of one of its bindings.
fn has_binding(config: &Config, found: &Found, address: &str) -> bool {
    found.kind == Kind::Site && site_at(config, address).is_some_and(|site| site == found.name)
}

/// The site that answers an address like `http://host:80/`.
pub fn site_at(config: &Config, address: &str) -> Option<String> {
    let (protocol, rest) = address.split_once("://")?;
    let authority = rest.split('/').next()?;
    let default = if protocol.eq_ignore_ascii_case("https") { "443" } else { "80" };
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, default));
    let fits = |information: &str| {
        let mut parts = information.rsplitn(3, ':');
        let (own_host, own_port) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        own_port == port && (own_host.is_empty() || own_host.eq_ignore_ascii_case(host))
    };
    let sites = config.sites();
    let answers = |binding: &crate::config::Binding| {
        binding.protocol.eq_ignore_ascii_case(protocol) && fits(&binding.information)
    };
    sites.into_iter().find(|site| site.bindings.iter().any(answers)).map(|site| site.name)
}

/// The attributes that an object has by itself, beside its configuration.
fn attributes(config: &Config, runtime: &Runtime, found: &Found) -> Vec<(&'static str, String)> {
    let name = found.name.clone();
    match found.kind {
        Kind::Site => {
            let site = config.site(&name).expect("it was just found");
            let binding =
                |binding: &crate::config::Binding| format!("{}/{}", binding.protocol, binding.information);
            let bindings: Vec<String> = site.bindings.iter().map(binding).collect();
            vec![
                ("SITE.NAME", name),
                ("SITE.ID", site.id.to_string()),
                ("bindings", bindings.join(",")),
                ("state", runtime.site(&site).name().to_owned()),
            ]
        }
        Kind::App => {
            let (site, _) = name.split_once('/').expect("a path begins with a slash");
            let path = found.element(config).attribute("path").unwrap_or_default().to_owned();
            let application = config
                .site(site)
                .and_then(|site| site.applications.into_iter().find(|application| application.path == path));
            let pool = application.map(|application| application.pool).unwrap_or_default();
            vec![
                ("path", path),
                ("APP.NAME", name.clone()),
                ("APPPOOL.NAME", pool),
                ("SITE.NAME", site.to_owned()),
            ]
        }
        Kind::Vdir => {
            let own = |name| found.element(config).attribute(name).unwrap_or_default().to_owned();
            let above = Found { kind: Kind::App, name: String::new(), at: found.at[..2].to_vec() };
            let app = objects::all(config, Kind::App).into_iter().find(|app| app.at == above.at);
            vec![
                ("VDIR.NAME", name),
                ("physicalPath", own("physicalPath")),
                ("path", own("path")),
                ("APP.NAME", app.map(|app| app.name).unwrap_or_default()),
            ]
        }
        Kind::Pool => {
            let pool = config.pool(&name).expect("it was just found");
            vec![
                ("APPPOOL.NAME", name),
                ("PipelineMode", pool.managed_pipeline_mode.clone()),
                ("RuntimeVersion", pool.managed_runtime_version.clone()),
                ("state", runtime.pool(&pool).name().to_owned()),
            ]
        }
    }
}

fn shown(config: &Config, runtime: &Runtime, found: &Found, form: &Form) -> Result<String, Failure> {
    let own = attributes(config, runtime, found);
    let configuration = |defaults: bool| match defaults {
        true => output::with_defaults(found.element(config), found.kind.schema()),
        false => found.element(config).clone(),
    };
    let word = found.kind.word();
    let value = |name: &str| own.iter().find(|(own, _)| *own == name).map_or("", |(_, value)| value.as_str());
    Ok(match form {
        Form::Xml { config } => output::xml_object(word, &own, config.map(configuration).as_ref()),
        Form::Config { defaults } => output::pretty(&configuration(*defaults), 0),
        Form::Value(name) => format!("{}\r\n", property(config, runtime, found, name)?),
        Form::Tree => {
            let lines: String = own.iter().map(|(name, value)| format!("  {name}:\"{value}\"\r\n")).collect();
            format!("{word}\r\n{lines}{}", output::tree(&configuration(true), 2))
        }
        Form::Lines => {
            let detail = match found.kind {
                Kind::Site => {
                    format!("id:{},bindings:{},state:{}", value("SITE.ID"), value("bindings"), value("state"))
                }
                Kind::App => format!("applicationPool:{}", value("APPPOOL.NAME")),
                Kind::Vdir => format!("physicalPath:{}", value("physicalPath")),
                Kind::Pool => format!(
                    "MgdVersion:{},MgdMode:{},state:{}",
                    value("RuntimeVersion"),
                    value("PipelineMode"),
                    value("state")
                ),
            };
            format!("{word} \"{}\" ({detail})\r\n", found.name)
        }
    })
}

/// A property by its name: an attribute of the object, or one of its configuration (`processModel.userName`).
fn property(config: &Config, runtime: &Runtime, found: &Found, name: &str) -> Result<String, Failure> {
    let own = attributes(config, runtime, found);
    if let Some((_, value)) = own.into_iter().find(|(own, _)| own.eq_ignore_ascii_case(name)) {
        return Ok(value);
    }
    let section = config.section(found.kind.section()).expect("it was found in it");
    let defaults = section.child(match found.kind {
        Kind::Site => "siteDefaults",
        Kind::App => "applicationDefaults",
        Kind::Vdir => "virtualDirectoryDefaults",
        Kind::Pool => "applicationPoolDefaults",
    });
    let given = [Some(found.element(config)), defaults];
    value_of(&given, found.kind.schema(), &indexer::steps(name)?)
        .ok_or_else(|| errors::unknown_attribute(name))
}

/// The value at a path below an element; none where the schema has no such attribute.
pub fn value_of(
    given: &[Option<&Element>],
    schema: &'static schema::Element,
    path: &[Step],
) -> Option<String> {
    match path {
        [Step::Name(name)] => {
            let attribute = schema.attribute(name)?;
            let written = given.iter().flatten().find_map(|element| element.attribute(name));
            Some(written.or(attribute.default).unwrap_or_default().to_owned())
        }
        [Step::Name(name), rest @ ..] => {
            let inner: Vec<_> = given.iter().map(|element| element.and_then(|own| own.child(name))).collect();
            value_of(&inner, schema.element(name)?, rest)
        }
        [Step::Item(indexer), rest @ ..] => {
            let items = schema.items.as_deref()?;
            let fits = |child: &&Element| {
                child.name() == items.item.name
                    && indexer.values.iter().all(|(name, value)| child.attribute(name) == Some(value))
            };
            let item = given.iter().flatten().flat_map(|element| element.children()).find(fits);
            value_of(&[item], &items.item, rest)
        }
        [] => None,
    }
}
