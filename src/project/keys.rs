//! The keys of the configuration, and reading their values with errors that name them.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use toml::Value;

use super::config::{ConfigSource, StaticFiles};
use super::disk;
use super::error::{ProjectError, near_miss};

/// Every key that may be set. `build.env` and `paths` hold names of the project's own.
pub const KEYS: &[&str] = &[
    "name",
    "version",
    "target",
    "project.manage",
    "project.settings",
    "project.wsgi",
    "project.python",
    "project.python_path",
    "project.health",
    "packages.requirements",
    "packages.lock",
    "packages.extras",
    "packages.groups",
    "packages.find-links",
    "packages.offline",
    "packages.project",
    "packages.prune",
    "packages.whole",
    "runtime.from",
    "build.settings",
    "build.static",
    "build.bytecode",
    "build.env",
    "env.required",
    "files.include",
    "files.exclude",
    "files.executable",
    "iis.web-config",
    "paths",
    "service",
];

/// A configuration whose keys are all known.
pub struct Keys<'a> {
    pub(super) source: &'a ConfigSource,
    known: &'static [&'static str],
}

impl<'a> Keys<'a> {
    pub fn check(source: &'a ConfigSource) -> Result<Keys<'a>, ProjectError> {
        Keys::check_known(source, KEYS)
    }

    /// The same of a table that has other keys.
    pub(super) fn check_known(
        source: &'a ConfigSource,
        known: &'static [&'static str],
    ) -> Result<Keys<'a>, ProjectError> {
        let keys = Keys { source, known };
        keys.check_table("", &source.table)?;
        Ok(keys)
    }

    fn check_table(&self, path: &str, table: &toml::Table) -> Result<(), ProjectError> {
        for (name, value) in table {
            let key = join(path, name);
            if self.known.contains(&key.as_str()) {
                continue;
            }
            if !self.known.iter().any(|known| known.starts_with(&format!("{key}."))) {
                return Err(self.unknown(path, name));
            }
            let below = value.as_table().ok_or_else(|| self.wrong_type(&key, value, TABLE))?;
            self.check_table(&key, below)?;
        }
        Ok(())
    }

    fn unknown(&self, path: &str, name: &str) -> ProjectError {
        let mut known: Vec<String> = self
            .known
            .iter()
            .filter_map(
                |key| if path.is_empty() { Some(*key) } else { key.strip_prefix(path)?.strip_prefix('.') },
            )
            .map(|rest| rest.split('.').next().unwrap_or(rest).to_owned())
            .collect();
        known.dedup();
        let beside = near_miss(name, known.iter().map(String::as_str)).map(|near| join(path, &near));
        // A key that is right, or nearly so, but stands in the wrong table.
        let last = |key: &&&str, name: &str| key.rsplit('.').next() == Some(name);
        let elsewhere = |name: &str| self.known.iter().find(|key| last(key, name)).map(ToString::to_string);
        let lasts = self.known.iter().filter_map(|key| key.rsplit('.').next());
        let near = elsewhere(name).or(beside).or_else(|| elsewhere(&near_miss(name, lasts)?));
        let near = near.map(|near| format!("{}{near}", self.source.prefix));
        let in_table = !path.is_empty();
        ProjectError::UnknownKey { place: self.source.place(&join(path, name)), near, known, in_table }
    }

    fn value(&self, key: &str) -> Option<&'a Value> {
        disk::lookup(&self.source.table, key)
    }

    pub fn text(&self, key: &str) -> Result<Option<&'a str>, ProjectError> {
        let text = |value: &'a Value| value.as_str().ok_or_else(|| self.wrong_type(key, value, TEXT));
        self.value(key).map(text).transpose()
    }

    pub fn texts(&self, key: &str) -> Result<Vec<String>, ProjectError> {
        let Some(value) = self.value(key) else { return Ok(Vec::new()) };
        let text = |item: &Value| item.as_str().map(str::to_owned);
        let texts = value.as_array().and_then(|items| items.iter().map(text).collect());
        texts.ok_or_else(|| self.wrong_type(key, value, TEXTS))
    }

    /// A value that is parsed by its own type.
    pub fn parsed<T, E: Display>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, ProjectError> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let wrong = |error: E| ProjectError::WrongValue {
            place: self.source.place(key),
            value: text.to_owned(),
            why: format!("and {error}"),
            help: "correct the value, or remove the key".to_owned(),
        };
        parse(text).map(Some).map_err(wrong)
    }

    pub fn path(&self, key: &str) -> Result<Option<PathBuf>, ProjectError> {
        self.text(key)?.map(|text| self.inside(key, text)).transpose()
    }

    pub fn paths(&self, key: &str) -> Result<Vec<PathBuf>, ProjectError> {
        self.texts(key)?.iter().map(|text| self.inside(key, text)).collect()
    }

    /// Folders that may lie outside of the project, as a share does; relative ones count from its root.
    pub fn folders(&self, key: &str, root: &Path) -> Result<Vec<PathBuf>, ProjectError> {
        let folder = |text: &String| {
            if text.contains("://") {
                let help = "name a folder of wheels; a page of links on a server goes into UV_FIND_LINKS";
                return Err(self.wrong_value(key, &crate::said::redact(text), "which is no folder", help));
            }
            // It would be the whole project.
            if text.is_empty() {
                let help = "name a folder of wheels, such as `wheels`, or remove it from the list";
                return Err(self.wrong_value(key, text, "which names no folder", help));
            }
            // A backslash is a separator for those who write one: no folder of wheels has it in its name.
            Ok(root.join(text.replace('\\', "/")))
        };
        self.texts(key)?.iter().map(folder).collect()
    }

    /// Globs are paths too, as far as leaving the project goes.
    pub fn globs(&self, key: &str) -> Result<Vec<String>, ProjectError> {
        let globs = self.texts(key)?;
        globs.iter().try_for_each(|glob| self.inside(key, glob.trim_start_matches('/')).map(drop))?;
        Ok(globs)
    }

    fn inside(&self, key: &str, text: &str) -> Result<PathBuf, ProjectError> {
        // People on Windows write either separator; the file must mean the same everywhere.
        let slashed = text.replace('\\', "/");
        let drive = slashed.as_bytes().get(1) == Some(&b':');
        if slashed.is_empty()
            || slashed.starts_with('/')
            || drive
            || slashed.split('/').any(|part| part == "..")
        {
            let help = "give a path inside the project, relative to its root, such as `backend/data`";
            return Err(self.wrong_value(key, text, "which leaves the project", help));
        }
        Ok(slashed.split('/').filter(|part| !matches!(*part, "" | ".")).collect())
    }

    pub fn module(&self, key: &str) -> Result<Option<String>, ProjectError> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        if is_module(text) {
            return Ok(Some(text.to_owned()));
        }
        let dotted = text.trim_end_matches(".py").replace(['/', '\\'], ".");
        let example = if is_module(&dotted) { dotted } else { "mysite.settings".to_owned() };
        let help = format!("write it as Python imports it: `\"{example}\"`");
        Err(self.wrong_value(key, text, "which is no dotted module name", &help))
    }

    pub fn callable(&self, key: &str) -> Result<Option<String>, ProjectError> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        if is_callable(text) {
            return Ok(Some(text.to_owned()));
        }
        let module = if is_module(text) { text.trim_end_matches(".application") } else { "mysite.wsgi" };
        let help = format!("write it as `\"{module}:application\"`");
        Err(self.wrong_value(key, text, "which is no `package.module:callable`", &help))
    }

    pub fn url_path(&self, key: &str) -> Result<Option<String>, ProjectError> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        if text.starts_with('/') {
            return Ok(Some(text.to_owned()));
        }
        let help = format!("write the path that a browser would ask for: `\"/{text}\"`");
        Err(self.wrong_value(key, text, "which does not begin with `/`", &help))
    }

    /// A whole number.
    pub fn number(&self, key: &str, range: RangeInclusive<u32>) -> Result<Option<u32>, ProjectError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let number = value.as_integer().ok_or_else(|| self.wrong_type(key, value, NUMBER))?;
        let fits = u32::try_from(number).ok().filter(|number| range.contains(number));
        let wrong = || {
            let help = format!("give one from {} to {}", range.start(), range.end());
            self.wrong_value(key, &number.to_string(), "which is out of its range", &help)
        };
        fits.map(Some).ok_or_else(wrong)
    }

    /// The tables of a list of them: each `[[key]]`.
    pub(super) fn tables(&self, key: &str) -> Result<Vec<&'a toml::Table>, ProjectError> {
        let Some(value) = self.value(key) else { return Ok(Vec::new()) };
        let tables = value.as_array().and_then(|items| items.iter().map(Value::as_table).collect());
        tables.ok_or_else(|| self.wrong_type(key, value, TABLES))
    }

    /// `true` or `false`.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, ProjectError> {
        let flag = |value: &'a Value| value.as_bool().ok_or_else(|| self.wrong_type(key, value, SWITCH));
        self.value(key).map(flag).transpose()
    }

    pub fn static_files(&self, key: &str) -> Result<StaticFiles, ProjectError> {
        Ok(match self.value(key) {
            None | Some(Value::Boolean(true)) => StaticFiles::Collect,
            Some(Value::Boolean(false)) => StaticFiles::None,
            Some(Value::String(path)) => StaticFiles::Prebuilt(self.inside(key, path)?),
            Some(other) => return Err(self.wrong_type(key, other, SWITCH_OR_PATH)),
        })
    }

    pub fn variables(&self, key: &str) -> Result<BTreeMap<String, String>, ProjectError> {
        let variables = self.table(key)?;
        variables.keys().try_for_each(|name| self.variable_name(key, name))?;
        Ok(variables)
    }

    pub fn variable_names(&self, key: &str) -> Result<Vec<String>, ProjectError> {
        let names = self.texts(key)?;
        names.iter().try_for_each(|name| self.variable_name(key, name))?;
        Ok(names)
    }

    fn variable_name(&self, key: &str, name: &str) -> Result<(), ProjectError> {
        if is_identifier(name) && name.is_ascii() {
            return Ok(());
        }
        let help = "names only, of letters, digits and `_`; values belong to the server";
        Err(self.wrong_value(key, name, "which is no name of an environment variable", help))
    }

    /// What the project writes: both sides stay inside their folders.
    pub fn mapping(&self, key: &str) -> Result<BTreeMap<String, String>, ProjectError> {
        let slashed = |text: &str| {
            let path = self.inside(key, text)?;
            if path.as_os_str().is_empty() {
                let help = "name a file or folder, such as `media`";
                return Err(self.wrong_value(
                    key,
                    text,
                    "which is a whole folder that holds other things",
                    help,
                ));
            }
            let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
            Ok(parts.join("/"))
        };
        let mapping = self.table(key)?;
        mapping.iter().map(|(from, to)| Ok((slashed(from)?, slashed(to)?))).collect()
    }

    fn table(&self, key: &str) -> Result<BTreeMap<String, String>, ProjectError> {
        let Some(value) = self.value(key) else { return Ok(BTreeMap::new()) };
        let table = value.as_table().ok_or_else(|| self.wrong_type(key, value, TABLE))?;
        let pair = |(name, value): (&String, &Value)| {
            let text = value.as_str().ok_or_else(|| self.wrong_type(&join(key, name), value, TEXT))?;
            Ok((name.clone(), text.to_owned()))
        };
        table.iter().map(pair).collect()
    }

    fn wrong_type(&self, key: &str, found: &Value, wanted: Wanted) -> ProjectError {
        let found = match found {
            Value::String(_) => "a string",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Boolean(_) => "a boolean",
            Value::Datetime(_) => "a date",
            Value::Array(_) => "a list of other things",
            Value::Table(_) => "a table",
        };
        let name = key.rsplit('.').next().unwrap_or(key);
        let example = match wanted {
            TABLE => format!("[{}{key}]", self.source.prefix),
            TABLES => format!("[[{}{key}]]", self.source.prefix),
            _ => format!("{name} = {}", wanted.example),
        };
        ProjectError::WrongType { place: self.source.place(key), found, expected: wanted.what, example }
    }

    pub(super) fn wrong_value(&self, key: &str, value: &str, why: &str, help: &str) -> ProjectError {
        ProjectError::WrongValue {
            place: self.source.place(key),
            value: value.to_owned(),
            why: why.to_owned(),
            help: help.to_owned(),
        }
    }
}

/// A type of value in the words of the configuration, with an example of it.
#[derive(PartialEq, Eq)]
struct Wanted {
    what: &'static str,
    example: &'static str,
}

const SWITCH: Wanted = Wanted { what: "true or false", example: "true" };
const TEXT: Wanted = Wanted { what: "a string", example: "\"text\"" };
const TEXTS: Wanted = Wanted { what: "a list of strings", example: "[\"a\", \"b\"]" };
const NUMBER: Wanted = Wanted { what: "a whole number", example: "2" };
const TABLES: Wanted = Wanted { what: "a list of tables", example: "" };
const TABLE: Wanted = Wanted { what: "a table", example: "" };
const SWITCH_OR_PATH: Wanted = Wanted { what: "true, false or a path", example: "\"prebuilt/\"" };

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn is_identifier(word: &str) -> bool {
    let first = word.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_');
    first && word.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// Whether `text` is a module's name. Django imports settings by name, so that folders called `my-shop` or
/// `2024` work, which no import statement could hold.
pub fn is_module(text: &str) -> bool {
    let letter = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    text.split('.').all(|part| !part.is_empty() && part.chars().all(letter))
}

/// Whether `text` names a callable: `package.module:name`.
pub fn is_callable(text: &str) -> bool {
    text.split_once(':').is_some_and(|(module, name)| is_module(module) && name.split('.').all(is_identifier))
}
