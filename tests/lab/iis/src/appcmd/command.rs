//! From what was typed to what is done: general parameters, objects, verbs.

use std::io::Read;
use std::path::PathBuf;

use super::args::Typed;
use super::errors::{self, Failure};
use super::objects::Kind;
use super::output::Form;
use super::{backup, change, config, input, list, states};
use crate::config::Config;
use crate::lab::Lab;

/// What a command works with.
pub struct Context<'a> {
    pub lab: &'a Lab,
    pub stdin: &'a mut dyn Read,
    /// Called between reading and writing of a file.
    pub at_commit: &'a mut dyn FnMut() -> Option<Failure>,
    /// What has been printed so far.
    pub out: String,
    /// The file that `/apphostconfig` names instead of the lab's.
    pub file: Option<PathBuf>,
}

impl Context<'_> {
    pub fn load(&self) -> Result<Config, Failure> {
        let file = self.file.clone().unwrap_or_else(|| self.lab.config());
        Config::load(&file).map_err(|error| errors::commit(&error))
    }

    /// Writes what was changed. The words of success are said before, as the real one does: it prints `changed` and
    /// then that the commit failed.
    pub fn commit(&mut self, config: &mut Config) -> Result<(), Failure> {
        if let Some(failure) = (self.at_commit)() {
            return Err(failure);
        }
        config.save().map_err(|error| errors::commit(&error))
    }

    pub fn say(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push_str("\r\n");
    }
}

/// Parameters of appcmd itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct General {
    pub form: Form,
    /// Objects come from standard input.
    pub input: bool,
    pub commit: Option<String>,
}

/// Does one command.
pub fn execute(context: &mut Context<'_>, args: &[String]) -> Result<(), Failure> {
    let mut typed = Typed::parse(args)?;
    let help = typed.take("?").is_some();
    let object = typed.object.clone();
    let singular = object.strip_suffix('s').unwrap_or(&object);
    if object.is_empty() || help && OBJECTS.contains(&singular) {
        // Asked for, help ends with 1 (JexusManager); without any words it is the end of wrong usage.
        return Err(Failure { exit: if help { 1 } else { 87 }, text: USAGE.replace('\n', "\r\n") });
    }
    context.file = typed.take_value("apphostconfig").map(PathBuf::from);
    typed.take("debug");
    typed.take("metadata");
    let general = general(&mut typed);
    let verb = typed.verb.clone();
    if let Some(kind) = Kind::called(singular) {
        return with_objects(context, kind, typed, &general);
    }
    match (singular, verb.as_str()) {
        ("config", _) => config::execute(context, typed, &general),
        ("wp", "list") => list::workers(context, &typed),
        // Requests that are being answered: the lab's are over when anybody asks.
        ("request", "list") => Ok(()),
        ("module", "list") => list::modules(context, &typed),
        ("backup", _) => backup::execute(context, typed),
        ("trace", _) => Err(errors::not_emulated(&format!("{verb} {object}"))),
        ("wp" | "request" | "module", _) => Err(errors::no_such_command(&verb, singular)),
        _ => Err(errors::no_such_object(&object)),
    }
}

fn with_objects(
    context: &mut Context<'_>,
    kind: Kind,
    mut typed: Typed,
    general: &General,
) -> Result<(), Failure> {
    let verb = typed.verb.clone();
    let inputs = if general.input { input::objects(context, kind)? } else { Vec::new() };
    match verb.as_str() {
        "list" => list::objects(context, kind, &mut typed, general, &inputs),
        "add" => change::add(context, kind, typed, inputs),
        "set" => change::set(context, kind, &typed, inputs),
        "delete" => change::delete(context, kind, &typed, &inputs),
        "start" | "stop" if matches!(kind, Kind::Site | Kind::Pool) => {
            states::change(context, kind, typed, &inputs)
        }
        "recycle" if kind == Kind::Pool => states::change(context, kind, typed, &inputs),
        _ => Err(errors::no_such_command(&verb, kind.word())),
    }
}

fn general(typed: &mut Typed) -> General {
    let xml = typed.take("xml").is_some();
    let config = typed.take("config").map(|config| config.value.as_deref() == Some("*"));
    let text = typed.take("text");
    let dash = typed.take("").is_some();
    let form = match (xml, config, text.map(|text| text.value)) {
        (true, config, _) => Form::Xml { config },
        (false, _, Some(Some(name))) if name != "*" => Form::Value(name),
        (false, Some(defaults), _) => Form::Config { defaults },
        (false, None, Some(Some(_))) => Form::Tree,
        (false, None, _) => Form::Lines,
    };
    General { form, input: typed.take("in").is_some() || dash, commit: typed.take_value("commit") }
}

/// What there is, in the singular.
const OBJECTS: [&str; 10] =
    ["site", "app", "vdir", "apppool", "config", "backup", "wp", "request", "module", "trace"];

const USAGE: &str = "General purpose IIS command line administration tool, as the lab has it.

APPCMD (command) (object-type) <identifier> </parameter1:value1 ...>

Objects: site, app, vdir, apppool, config, backup, wp, request, module.
Commands: list, add, set, delete, start, stop, recycle; for config list, set, clear, lock, unlock;
for backup list, add, delete, restore.
";
