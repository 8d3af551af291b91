//! The server as it is, in values: the answers to a fixed list of questions, each of them one `list` command.
//!
//! Reads and changes nothing. What an answer leaves out is unknown, not wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::appcmd::{Command, Meaning, Object, Verb};
use super::call::Call;
use super::netsh::{self, Endpoint, Entry};
use super::section::{List, Section};
use super::xml::{self, Element, NotAList};

pub(super) const FASTCGI: &str = "system.webServer/fastCgi";
pub(super) const HANDLERS: &str = "system.webServer/handlers";
pub(super) const MODULES: &str = "system.webServer/modules";
pub(super) const GLOBAL_MODULES: &str = "system.webServer/globalModules";
pub(super) const ANONYMOUS: &str = "system.webServer/security/authentication/anonymousAuthentication";
pub(super) const WINDOWS: &str = "system.webServer/security/authentication/windowsAuthentication";

/// ERROR_LOCK_VIOLATION: a `web.config` says what it may not.
const LOCKED: i32 = 33;

/// The module that the CGI feature of IIS brings.
pub const FASTCGI_MODULE: &str = "FastCgiModule";
/// The one that takes PUT and DELETE away from the project.
pub const WEBDAV_MODULE: &str = "WebDAVModule";

/// One thing to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    Pools,
    /// Every application of the server: who uses which pool.
    Applications,
    /// Which addresses are taken.
    Bindings,
    /// One site by name, with all that it holds.
    Site(String),
    FastCgi,
    GlobalModules,
    /// Whether visitors are asked for their Windows account unless a site says otherwise.
    WindowsAuthentication,
    Handlers(String),
    Modules(String),
    Anonymous(String),
    WindowsAt(String),
    /// Which certificate is shown there.
    Certificate(Endpoint),
    Section(String, Section),
}

/// What a survey asks for beside what concerns the whole server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    pub sites: Vec<String>,
    /// Parts of the addresses, each with the site that it is of.
    pub locations: Vec<(String, String)>,
    /// The same with single sections that hold there; both empty for the whole server.
    pub sections: BTreeSet<(String, String, Section)>,
    /// Where http.sys may show certificates.
    pub endpoints: Vec<Endpoint>,
}

/// The server, as far as it was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actual {
    pub pools: Vec<Pool>,
    pub applications: Vec<Application>,
    /// The addresses at which sites answer now, with the site; empty where IIS has too many to tell.
    pub taken: Vec<TakenBinding>,
    /// The bindings for HTTPS of all sites, whether or not they answer; empty where IIS has too many to tell.
    pub https: Vec<TakenBinding>,
    /// What http.sys shows where it was asked for.
    pub certificates: BTreeMap<Endpoint, Entry>,
    pub sites: Vec<Site>,
    pub fastcgi: Vec<FastCgi>,
    pub global_modules: Vec<String>,
    pub windows_authentication: bool,
    /// Whether sites at one address may show certificates of their own, if that is known.
    pub sni: Option<bool>,
    pub locations: BTreeMap<String, Location>,
    /// By location: what holds there, whoever has said it.
    pub sections: BTreeMap<(String, Section), Element>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    pub name: String,
    pub state: String,
    configuration: Element,
}

/// An application of any site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// `Site/path`
    pub name: String,
    pub pool: String,
}

/// An address at which a site answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenBinding {
    pub site: String,
    /// `*:80:`
    pub information: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    pub name: String,
    pub id: String,
    pub state: String,
    pub auto_start: bool,
    pub bindings: Vec<SiteBinding>,
    pub apps: Vec<App>,
    configuration: Element,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteBinding {
    pub protocol: String,
    pub information: String,
    pub ssl_flags: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// `/`, or `/path`
    pub path: String,
    pub pool: String,
    pub vdirs: Vec<Vdir>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vdir {
    pub path: String,
    /// As it is written, variables and all.
    pub physical_path: String,
    pub sub_dir_config: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FastCgi {
    pub full_path: String,
    pub arguments: String,
    pub environment: BTreeMap<String, String>,
    configuration: Element,
}

/// What holds for a part of the server's addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Location {
    /// Whether a `web.config` there may not name handlers; unknown if the answer doesn't say.
    pub handlers_locked: Option<bool>,
    pub web_dav: bool,
    /// The account of visitors that nobody asked for a name; empty for that of the pool.
    pub anonymous_user: Option<String>,
    /// Whether visitors are asked who they are in Windows' own ways.
    pub windows_authentication: bool,
}

/// What appcmd answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub code: i32,
    pub printed: Vec<u8>,
}

/// Why the server cannot be surveyed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum SurveyError {
    #[error("IIS can be read by administrators alone")]
    #[diagnostic(help("open a prompt by `Run as administrator` and run the same command again"))]
    NotElevated,
    #[error("`{command}` ended with {code}: {said}")]
    #[diagnostic(help("the configuration of IIS may be damaged: run that command by hand"))]
    Refused { command: Box<Call>, code: i32, said: String },
    #[error("the answer to `{command}` cannot be read")]
    #[diagnostic(help("run that command by hand, and report what it prints"))]
    Unreadable { command: Box<Call>, source: NotAList },
    #[error("the answer to `{command}` names no certificate")]
    #[diagnostic(help("run that command by hand, and report what it prints"))]
    NoCertificate { command: Box<Call> },
}

impl Question {
    pub fn command(&self) -> Call {
        let list = |object, identifier| Command::new(Verb::List, object, identifier);
        let section = |location, section| Command::config(Verb::List, location, section);
        let (command, configuration) = match self {
            Question::Pools => (list(Object::AppPool, None), true),
            Question::Applications => (list(Object::App, None), false),
            Question::Bindings => (list(Object::Site, None), false),
            Question::Site(name) => (list(Object::Site, Some(name)), true),
            Question::FastCgi => (section(None, FASTCGI), true),
            Question::GlobalModules => (section(None, GLOBAL_MODULES), false),
            Question::WindowsAuthentication => (section(None, WINDOWS), true),
            Question::Handlers(location) => (section(Some(location), HANDLERS), false),
            Question::Modules(location) => (section(Some(location), MODULES), false),
            Question::Anonymous(location) => (section(Some(location), ANONYMOUS), true),
            Question::WindowsAt(location) => (section(Some(location), WINDOWS), true),
            Question::Section(location, of) => {
                (section(Some(location).filter(|at| !at.is_empty()).map(String::as_str), of.path()), true)
            }
            Question::Certificate(endpoint) => return netsh::Command::show(endpoint).into(),
        };
        // With what is nobody's word but the schema's: else a value that is as the schema has it would be unknown.
        let command = if configuration { command.switch("config:*") } else { command };
        command.switch("xml").into()
    }

    /// Whether the survey goes on without an answer: a feature may not be there, IIS fails to list sites of very many
    /// bindings, and of a location nothing can be told while some `web.config` in it is broken, which is no reason to
    /// refuse a release that brings a better one.
    fn is_optional(&self) -> bool {
        use Question::{Anonymous, Bindings, Handlers, Modules, Section, WindowsAt, WindowsAuthentication};
        matches!(
            self,
            WindowsAuthentication
                | Bindings
                | Handlers(_)
                | Modules(_)
                | Anonymous(_)
                | WindowsAt(_)
                | Section(..)
        )
    }
}

/// Asks all that concerns these sites, these locations of theirs, and the certificates that are shown there. `ask` answers
/// calls of which none waits for another's answer, in their order.
pub fn survey<E: From<SurveyError>>(
    scope: &Scope,
    mut ask: impl FnMut(&[Call]) -> Result<Vec<Answer>, E>,
) -> Result<Actual, E> {
    let mut actual = Actual::default();
    let server = [
        Question::Pools,
        Question::Applications,
        Question::Bindings,
        Question::FastCgi,
        Question::GlobalModules,
        Question::WindowsAuthentication,
    ];
    let sites = scope.sites.iter().cloned().map(Question::Site);
    let certificates = scope.endpoints.iter().cloned().map(Question::Certificate);
    actual.ask(server.into_iter().chain(sites).chain(certificates).collect(), &mut ask)?;
    // A location of a site that is not there has nothing to tell, and asking for it is an error.
    let there = scope.locations.iter().filter(|(site, _)| actual.site(site).is_some());
    let questions = there.flat_map(|(_, location)| {
        [Question::Handlers, Question::Modules, Question::Anonymous, Question::WindowsAt]
            .map(|question| question(location.clone()))
    });
    // These two were asked of whole locations already.
    let is_asked = |location: &String, section: Section| {
        matches!(section, Section::Anonymous | Section::Windows)
            && scope.locations.iter().any(|(_, whole)| whole == location)
    };
    let sections = scope
        .sections
        .iter()
        .filter(|(site, location, section)| actual.site(site).is_some() && !is_asked(location, *section));
    let sections = sections.map(|(_, location, section)| Question::Section(location.clone(), *section));
    actual.ask(questions.chain(sections).collect(), &mut ask)?;
    Ok(actual)
}

/// What an answer tells of the objects that were asked for.
fn told(question: &Question, command: Call, answer: Answer) -> Result<Vec<Element>, SurveyError> {
    let Answer { code, printed } = answer;
    match command.meaning(code) {
        Meaning::Done => {}
        // What is not there is not even mentioned; a word is one of complaint.
        Meaning::NotFound if xml::decoded(&printed).trim().is_empty() => return Ok(Vec::new()),
        Meaning::NotElevated => return Err(SurveyError::NotElevated),
        // A release's own handlers are refused there: what else does `locked` mean?
        _ if code == LOCKED && matches!(question, Question::Handlers(_)) => {
            let attributes = vec![("locked".to_owned(), "true".to_owned())];
            return Ok(vec![Element { name: "CONFIG".to_owned(), attributes, children: Vec::new() }]);
        }
        _ if question.is_optional() => return Ok(Vec::new()),
        _ => {
            let said = xml::decoded(&printed).trim().to_owned();
            return Err(SurveyError::Refused { command: Box::new(command), code, said });
        }
    }
    xml::objects(&printed).map_err(|source| SurveyError::Unreadable { command: Box::new(command), source })
}

impl Actual {
    pub fn pool(&self, name: &str) -> Option<&Pool> {
        self.pools.iter().find(|pool| same_name(&pool.name, name))
    }

    pub fn site(&self, name: &str) -> Option<&Site> {
        self.sites.iter().find(|site| same_name(&site.name, name))
    }

    /// One application of a site.
    pub fn app(&self, site: &str, path: &str) -> Option<&App> {
        self.site(site)?.apps.iter().find(|app| same_name(&app.path, path))
    }

    /// A setting of a section by its path, as it holds for a location.
    pub fn value(&self, location: &str, section: Section, path: &str) -> Option<&str> {
        self.sections.get(&(location.to_owned(), section))?.at(path)
    }

    /// The items of a collection that holds for a location, if the answer says.
    pub fn items(&self, location: &str, list: &List) -> Option<Vec<&Element>> {
        let section = self.sections.get(&(location.to_owned(), list.section))?;
        let within = match list.within {
            Some(name) => section.child(name),
            None => Some(section),
        };
        Some(within.into_iter().flat_map(|within| within.children_named(list.item)).collect())
    }

    /// Whether a part of IIS is installed that is a feature of its own.
    pub fn has_module(&self, name: &str) -> bool {
        self.global_modules.iter().any(|module| module.eq_ignore_ascii_case(name))
    }

    /// The entry for a pair of program and arguments, which IIS knows it by.
    pub fn fastcgi(&self, full_path: &str, arguments: &str) -> Option<&FastCgi> {
        self.fastcgi.iter().find(|entry| entry.full_path == full_path && entry.arguments == arguments)
    }

    /// Whether the CGI feature is installed. The section `fastCgi` can be listed even without it.
    pub fn has_fastcgi(&self) -> bool {
        self.has_module(FASTCGI_MODULE)
    }

    pub fn has_web_dav(&self) -> bool {
        self.has_module(WEBDAV_MODULE)
    }

    fn ask<E: From<SurveyError>>(
        &mut self,
        questions: Vec<Question>,
        ask: &mut impl FnMut(&[Call]) -> Result<Vec<Answer>, E>,
    ) -> Result<(), E> {
        let commands: Vec<Call> = questions.iter().map(Question::command).collect();
        let answers = ask(&commands)?;
        for ((question, command), answer) in questions.iter().zip(commands).zip(answers) {
            match question {
                Question::Certificate(endpoint) => {
                    let shown = certificate(command, &answer)?;
                    self.certificates.extend(shown.map(|entry| (endpoint.clone(), entry)));
                }
                question => self.take(question, told(question, command, answer)?),
            }
        }
        Ok(())
    }

    fn take(&mut self, question: &Question, objects: Vec<Element>) {
        let named = |objects: &[Element], name: &str| -> Vec<Element> {
            objects.iter().filter(|object| object.name == name).cloned().collect()
        };
        // Around a section stands its description, and in it the section itself under a name made of its path.
        let config = named(&objects, "CONFIG").into_iter().next();
        let section = || config.as_ref().and_then(|config| config.children.first());
        let names = || -> Vec<String> {
            let modules = section().into_iter().flat_map(|section| section.children_named("add"));
            modules.filter_map(|module| module.attribute("name").map(str::to_owned)).collect()
        };
        let kept = match question {
            Question::Anonymous(location) => Some((location, Section::Anonymous)),
            Question::WindowsAt(location) => Some((location, Section::Windows)),
            Question::Section(location, section) => Some((location, *section)),
            _ => None,
        };
        if let Some(((location, of), section)) = kept.zip(section()) {
            self.sections.insert((location.clone(), of), section.clone());
        }
        match question {
            Question::Section(..) => {}
            Question::Pools => self.pools = named(&objects, "APPPOOL").iter().filter_map(pool).collect(),
            Question::Applications => {
                let application = |object: &Element| {
                    let text = |name| object.attribute(name).map(str::to_owned);
                    Some(Application {
                        name: text("APP.NAME")?,
                        pool: text("APPPOOL.NAME").unwrap_or_default(),
                    })
                };
                self.applications = named(&objects, "APP").iter().filter_map(application).collect();
            }
            Question::Bindings => {
                let sites = named(&objects, "SITE");
                let is_started = |site: &&Element| {
                    site.attribute("state").is_some_and(|state| state.eq_ignore_ascii_case("Started"))
                };
                self.taken = sites.iter().filter(is_started).flat_map(|site| taken(site, "http")).collect();
                self.https = sites.iter().flat_map(|site| taken(site, "https")).collect();
            }
            Question::Site(_) => self.sites.extend(named(&objects, "SITE").iter().filter_map(site)),
            Question::FastCgi => {
                let entries = section().into_iter().flat_map(|section| section.children_named("application"));
                self.fastcgi = entries.filter_map(fastcgi).collect();
            }
            Question::GlobalModules => self.global_modules = names(),
            Question::WindowsAuthentication => {
                let enabled = section().and_then(|section| section.attribute("enabled"));
                self.windows_authentication = enabled.is_some_and(is_true);
            }
            Question::WindowsAt(location) => {
                let enabled = section().and_then(|section| section.attribute("enabled")).is_some_and(is_true);
                self.locations.entry(location.clone()).or_default().windows_authentication = enabled;
            }
            Question::Handlers(location) => {
                let attribute = |name| config.as_ref().and_then(|config| config.attribute(name));
                self.locations.entry(location.clone()).or_default().handlers_locked =
                    match (attribute("overrideMode"), attribute("locked")) {
                        (Some("Allow"), _) => Some(false),
                        (_, Some(locked)) => Some(is_true(locked)),
                        (Some("Deny"), None) => Some(true),
                        _ => None,
                    };
            }
            Question::Modules(location) => {
                let web_dav = names().iter().any(|module| module.eq_ignore_ascii_case(WEBDAV_MODULE));
                self.locations.entry(location.clone()).or_default().web_dav = web_dav;
            }
            // Answered by another program, in another form.
            Question::Certificate(_) => {}
            Question::Anonymous(location) => {
                let user = section().and_then(|section| section.attribute("userName")).map(str::to_owned);
                self.locations.entry(location.clone()).or_default().anonymous_user = user;
            }
        }
    }
}

impl Pool {
    /// A setting by its path: `processModel.idleTimeout`.
    pub fn value(&self, path: &str) -> Option<&str> {
        self.configuration.at(path)
    }

    /// The times of the day at which the worker is replaced, if the answer says.
    pub fn schedule(&self) -> Option<Vec<&str>> {
        let restart = self.configuration.child("recycling")?.child("periodicRestart")?;
        let times = restart.child("schedule").into_iter().flat_map(|schedule| schedule.children_named("add"));
        Some(times.filter_map(|time| time.attribute("value")).collect())
    }

    pub fn is_stopped(&self) -> bool {
        self.state.eq_ignore_ascii_case("Stopped")
    }
}

impl FastCgi {
    pub fn value(&self, attribute: &str) -> Option<&str> {
        self.configuration.attribute(attribute)
    }
}

impl Site {
    /// A setting by its path: `limits.maxConnections`.
    pub fn value(&self, path: &str) -> Option<&str> {
        self.configuration.at(path)
    }

    pub fn is_started(&self) -> bool {
        self.state.eq_ignore_ascii_case("Started")
    }
}

impl App {
    pub fn vdir(&self, path: &str) -> Option<&Vdir> {
        self.vdirs.iter().find(|vdir| same_name(&vdir.path, path))
    }

    /// The folder that it serves.
    pub fn physical_path(&self) -> Option<&str> {
        self.vdir("/").map(|vdir| vdir.physical_path.as_str())
    }
}

/// IIS takes names that differ in case for one.
pub(super) fn same_name(name: &str, other: &str) -> bool {
    name.to_lowercase() == other.to_lowercase()
}

fn is_true(value: &str) -> bool {
    value.eq_ignore_ascii_case("true")
}

/// From the short form, `http/*:80:,https/*:443:h`: those of protocols whose name begins so.
fn taken(object: &Element, protocol: &str) -> Vec<TakenBinding> {
    let (Some(site), Some(bindings)) = (object.attribute("SITE.NAME"), object.attribute("bindings")) else {
        return Vec::new();
    };
    let informations = bindings.split(',').filter_map(|binding| binding.split_once('/'));
    let taken =
        |information: &str| TakenBinding { site: site.to_owned(), information: information.to_owned() };
    informations.filter(|(scheme, _)| scheme.starts_with(protocol)).map(|(_, it)| taken(it)).collect()
}

/// What is shown at an endpoint, if anything is.
fn certificate(command: Call, answer: &Answer) -> Result<Option<Entry>, SurveyError> {
    match command.meaning(answer.code) {
        Meaning::Done => match Entry::read(&xml::decoded(&answer.printed)) {
            Some(entry) => Ok(Some(entry)),
            None => Err(SurveyError::NoCertificate { command: Box::new(command) }),
        },
        _ => Ok(None),
    }
}

fn pool(object: &Element) -> Option<Pool> {
    Some(Pool {
        name: object.attribute("APPPOOL.NAME")?.to_owned(),
        state: object.attribute("state").unwrap_or_default().to_owned(),
        configuration: object.children.first().cloned().unwrap_or_default(),
    })
}

fn fastcgi(entry: &Element) -> Option<FastCgi> {
    let variables = entry.child("environmentVariables").into_iter();
    let variables = variables.flat_map(|variables| variables.children_named("environmentVariable"));
    let pair = |variable: &Element| {
        let text = |name| variable.attribute(name).map(str::to_owned);
        Some((text("name")?, text("value").unwrap_or_default()))
    };
    Some(FastCgi {
        full_path: entry.attribute("fullPath")?.to_owned(),
        arguments: entry.attribute("arguments").unwrap_or_default().to_owned(),
        environment: variables.filter_map(pair).collect(),
        configuration: entry.clone(),
    })
}

fn site(object: &Element) -> Option<Site> {
    let configuration = object.child("site");
    let children = |of: Option<&Element>, name: &str| -> Vec<Element> {
        of.into_iter().flat_map(|of| of.children_named(name)).cloned().collect()
    };
    let binding = |binding: &Element| {
        Some(SiteBinding {
            protocol: binding.attribute("protocol")?.to_owned(),
            information: binding.attribute("bindingInformation")?.to_owned(),
            ssl_flags: binding.attribute("sslFlags").and_then(|flags| flags.parse().ok()).unwrap_or(0),
        })
    };
    let vdir = |vdir: &Element| {
        Some(Vdir {
            path: vdir.attribute("path")?.to_owned(),
            physical_path: vdir.attribute("physicalPath").unwrap_or_default().to_owned(),
            sub_dir_config: vdir.attribute("allowSubDirConfig").is_none_or(is_true),
        })
    };
    let app = |app: &Element| {
        Some(App {
            path: app.attribute("path")?.to_owned(),
            pool: app.attribute("applicationPool").unwrap_or_default().to_owned(),
            vdirs: children(Some(app), "virtualDirectory").iter().filter_map(vdir).collect(),
        })
    };
    let bindings = configuration.and_then(|site| site.child("bindings"));
    Some(Site {
        name: object.attribute("SITE.NAME")?.to_owned(),
        id: object.attribute("SITE.ID").unwrap_or_default().to_owned(),
        state: object.attribute("state").unwrap_or_default().to_owned(),
        auto_start: configuration.and_then(|site| site.attribute("serverAutoStart")).is_none_or(is_true),
        bindings: children(bindings, "binding").iter().filter_map(binding).collect(),
        apps: children(configuration, "application").iter().filter_map(app).collect(),
        configuration: configuration.cloned().unwrap_or_default(),
    })
}

#[cfg(test)]
pub(crate) mod tests;
