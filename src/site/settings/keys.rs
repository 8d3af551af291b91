//! Reading the keys of `site.toml`, with errors that name the file and the key.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::Path;

use toml::{Table, Value};

use super::SettingsError;
use super::attribute::{Attribute, Kind, span};

/// Every key but those of the attributes. `environment`, `headers` and `static.mimeTypes` hold names of a person's own.
pub const KEYS: &[&str] = &[
    "name",
    "below",
    "bindings",
    "pool.name",
    "pool.account",
    "pool.periodicRestartSchedule",
    "fastcgi.environment",
    "environment",
    "hooks.before",
    "hooks.after",
    "hooks.backup",
    "hooks.timeout",
    "probe.paths",
    "probe.status",
    "probe.timeout",
    "probe.warm",
    "releases.keep",
    "releases.drain",
    "requests.header",
    "static.cacheDays",
    "static.cacheControl",
    "static.unhashedCacheDays",
    "static.mimeTypes",
    "media.url",
    "media.folder",
    "media.cacheDays",
    "authentication.windows",
    "authentication.providers",
    "authentication.anonymous",
    "proxies.trusted",
    "headers",
    "services",
    "logs.keepDays",
    "logs.maxMegabytes",
];

/// The tables whose keys are attributes of IIS.
pub const TABLES: &[(&str, &[Attribute])] = &[
    ("pool", super::POOL),
    ("fastcgi", super::FASTCGI),
    ("limits", super::LIMITS),
    ("requests", super::REQUESTS),
    ("compression", super::COMPRESSION),
    ("authentication", super::WINDOWS),
];

/// A table whose keys are all known.
pub struct Keys<'a> {
    path: &'a Path,
    /// What stands before each key in messages: empty, or `bindings.`.
    prefix: String,
    table: &'a Table,
}

impl<'a> Keys<'a> {
    pub fn check(path: &'a Path, table: &'a Table) -> Result<Keys<'a>, SettingsError> {
        let attributes = TABLES
            .iter()
            .flat_map(|(name, table)| table.iter().map(move |attribute| format!("{name}.{}", attribute.key)));
        let known: Vec<String> = KEYS.iter().map(ToString::to_string).chain(attributes).collect();
        let keys = Keys { path, prefix: String::new(), table };
        keys.check_table("", table, &known)?;
        Ok(keys)
    }

    fn check_table(&self, above: &str, table: &Table, known: &[String]) -> Result<(), SettingsError> {
        for (name, value) in table {
            let key = format!("{above}{name}");
            if known.contains(&key) {
                continue;
            }
            let inside = format!("{key}.");
            if !known.iter().any(|known| known.starts_with(&inside)) {
                return Err(self.unknown(above, name, known));
            }
            let table = value.as_table().ok_or_else(|| self.wrong_type(&key, value, "a table"))?;
            self.check_table(&inside, table, known)?;
        }
        Ok(())
    }

    fn unknown(&self, above: &str, name: &str, known: &[String]) -> SettingsError {
        let here = known.iter().filter_map(|known| known.strip_prefix(above));
        let mut here: Vec<&str> = here.map(|rest| rest.split('.').next().unwrap_or(rest)).collect();
        let mut seen = BTreeSet::new();
        here.retain(|key| seen.insert(*key));
        let last = |key: &str| key.rsplit('.').next().unwrap_or(key).to_ascii_lowercase();
        let like = |a: &str, b: &str| strsim::jaro_winkler(&a.to_ascii_lowercase(), &b.to_ascii_lowercase());
        let near = here
            .iter()
            .map(|key| (like(name, key), format!("{above}{key}")))
            // A key that is right but stands in another table.
            .chain(
                known
                    .iter()
                    .filter(|key| last(key) == name.to_ascii_lowercase())
                    .map(|key| (0.9, key.clone())),
            )
            .filter(|(score, _)| *score > 0.8)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, near)| format!("{}{near}", self.prefix));
        let known = here.iter().map(|key| format!("`{key}`")).collect();
        let key = format!("{}{above}{name}", self.prefix);
        SettingsError::UnknownKey { path: self.path.to_owned(), key, near, known }
    }

    fn value(&self, key: &str) -> Option<&'a Value> {
        let (tables, last) = key.rsplit_once('.').map_or((None, key), |(tables, last)| (Some(tables), last));
        let table = match tables {
            Some(name) => self.table.get(name)?.as_table()?,
            None => self.table,
        };
        table.get(last)
    }

    pub fn text(&self, key: &str) -> Result<Option<&'a str>, SettingsError> {
        let text = |value: &'a Value| value.as_str().ok_or_else(|| self.wrong_type(key, value, "a string"));
        self.value(key).map(text).transpose()
    }

    /// A value that is parsed by its own type.
    pub fn parsed<T, E: Display>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, SettingsError> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        parse(text).map(Some).map_err(|error| self.wrong(key, text, &error.to_string()))
    }

    pub fn flag(&self, key: &str) -> Result<Option<bool>, SettingsError> {
        let flag =
            |value: &Value| value.as_bool().ok_or_else(|| self.wrong_type(key, value, "true or false"));
        self.value(key).map(flag).transpose()
    }

    pub fn number(&self, key: &str, range: RangeInclusive<u32>) -> Result<Option<u32>, SettingsError> {
        self.value(key).map(|value| self.within(key, value, &range)).transpose()
    }

    fn within(&self, key: &str, value: &Value, range: &RangeInclusive<u32>) -> Result<u32, SettingsError> {
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        let number = value.as_integer().ok_or_else(|| self.wrong_type(key, value, &wanted))?;
        let fits = u32::try_from(number).ok().filter(|number| range.contains(number));
        fits.ok_or_else(|| self.wrong(key, &number.to_string(), &format!("{wanted} is wanted")))
    }

    /// One number, or a list of them.
    pub fn numbers(&self, key: &str, range: RangeInclusive<u16>) -> Result<Option<Vec<u16>>, SettingsError> {
        let range = u32::from(*range.start())..=u32::from(*range.end());
        let Some(value) = self.value(key) else { return Ok(None) };
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        if values.is_empty() {
            return Err(self.wrong(key, "[]", "one number at least is wanted"));
        }
        let number =
            |value| self.within(key, value, &range).map(|number| u16::try_from(number).unwrap_or(u16::MAX));
        values.iter().map(number).collect::<Result<_, _>>().map(Some)
    }

    /// A list of texts, each parsed by its own type.
    pub fn list<T, E: Display>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<Vec<T>>, SettingsError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let texts =
            value.as_array().and_then(|items| items.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
        let texts = texts.ok_or_else(|| self.wrong_type(key, value, "a list of strings"))?;
        let one = |text: &str| parse(text).map_err(|error| self.wrong(key, text, &error.to_string()));
        texts.into_iter().map(one).collect::<Result<_, _>>().map(Some)
    }

    pub fn variables(&self, key: &str) -> Result<BTreeMap<String, String>, SettingsError> {
        let Some(value) = self.value(key) else { return Ok(BTreeMap::new()) };
        let table = value.as_table().ok_or_else(|| self.wrong_type(key, value, "a table"))?;
        let pair = |(name, value): (&String, &Value)| {
            let inside = format!("{key}.{name}");
            let text = value.as_str().ok_or_else(|| self.wrong_type(&inside, value, "a string"))?;
            if !is_variable(name) {
                return Err(self.wrong(key, name, "no name of an environment variable"));
            }
            if text.contains('\0') {
                return Err(self.wrong(
                    &inside,
                    &text.escape_debug().to_string(),
                    "no variable can hold a NUL",
                ));
            }
            if let Some(why) = set_by_holdall(name) {
                return Err(self.wrong(key, name, why));
            }
            // Windows has one variable for both, and which value it gets would be chance.
            let twice = table.keys().find(|other| *other < name && same_variable(other, name));
            match twice {
                Some(other) => {
                    let why = format!("`{other}` stands there, too, and on Windows both are one variable");
                    Err(self.wrong(key, name, &why))
                }
                None => Ok((name.clone(), text.to_owned())),
            }
        };
        table.iter().map(pair).collect()
    }

    /// A table of texts whose names a person has chosen. No two may be one to who does not know `A` from `a`.
    pub fn pairs(
        &self,
        key: &str,
        check: impl Fn(&str, &str) -> Result<(), &'static str>,
    ) -> Result<BTreeMap<String, String>, SettingsError> {
        let Some(value) = self.value(key) else { return Ok(BTreeMap::new()) };
        let table = value.as_table().ok_or_else(|| self.wrong_type(key, value, "a table"))?;
        let pair = |(name, value): (&String, &Value)| {
            let inside = format!("{key}.{name}");
            let text = value.as_str().ok_or_else(|| self.wrong_type(&inside, value, "a string"))?;
            check(name, text).map_err(|why| self.wrong(&inside, &text.escape_debug().to_string(), why))?;
            match table.keys().find(|other| *other < name && other.eq_ignore_ascii_case(name)) {
                Some(other) => Err(self.wrong(key, name, &format!("`{other}` stands there, too"))),
                None => Ok((name.clone(), text.to_owned())),
            }
        };
        table.iter().map(pair).collect()
    }

    /// Whether anything stands there.
    pub fn names(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// The attributes of `table` that are named, as IIS writes them.
    pub fn attributes(
        &self,
        above: &str,
        table: &'static [Attribute],
    ) -> Result<BTreeMap<&'static str, String>, SettingsError> {
        let mut named = BTreeMap::new();
        for attribute in table {
            let key = format!("{above}.{}", attribute.key);
            let value = match attribute.kind {
                Kind::Number(least, most) => {
                    self.number(&key, least..=most)?.map(|number| number.to_string())
                }
                Kind::Minutes(least, most) => {
                    self.number(&key, least..=most)?.map(|minutes| span(u64::from(minutes) * 60))
                }
                Kind::Seconds(least, most) => self.number(&key, least..=most)?.map(u64::from).map(span),
                Kind::Flag => self.flag(&key)?.map(|flag| flag.to_string()),
                Kind::Word(words) => self.parsed(&key, |text| {
                    let known = words.iter().find(|word| **word == text);
                    known.map(ToString::to_string).ok_or_else(|| {
                        let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
                        format!("it is one of {}", words.join(", "))
                    })
                })?,
            };
            named.extend(value.map(|value| (attribute.key, value)));
        }
        Ok(named)
    }

    /// A list of tables with these keys.
    pub fn tables(&self, key: &str, known: &[&str]) -> Result<Vec<Keys<'a>>, SettingsError> {
        let Some(value) = self.value(key) else { return Ok(Vec::new()) };
        let items = value.as_array().ok_or_else(|| self.wrong_type(key, value, "a list of tables"))?;
        items.iter().map(|item| self.below(key, item, known)).collect()
    }

    /// The tables of a table, by names that somebody has chosen, each with these keys.
    pub fn named_tables(&self, key: &str, known: &[&str]) -> Result<Vec<(String, Keys<'a>)>, SettingsError> {
        let Some(value) = self.value(key) else { return Ok(Vec::new()) };
        let tables = value.as_table().ok_or_else(|| self.wrong_type(key, value, "a table"))?;
        let one = |(name, value): (&String, &'a Value)| {
            Ok((name.clone(), self.below(&format!("{key}.{name}"), value, known)?))
        };
        tables.iter().map(one).collect()
    }

    /// A text, or a table with these keys.
    pub fn text_or_table(
        &self,
        key: &str,
        known: &[&str],
    ) -> Result<Option<Result<&'a str, Keys<'a>>>, SettingsError> {
        match self.value(key) {
            Some(Value::String(text)) => Ok(Some(Ok(text))),
            Some(value) => self.below(key, value, known).map(|table| Some(Err(table))),
            None => Ok(None),
        }
    }

    fn below(&self, key: &str, value: &'a Value, known: &[&str]) -> Result<Keys<'a>, SettingsError> {
        let table = value.as_table().ok_or_else(|| self.wrong_type(key, value, "a table"))?;
        let keys = Keys { path: self.path, prefix: format!("{}{key}.", self.prefix), table };
        let known: Vec<String> = known.iter().map(ToString::to_string).collect();
        match table.keys().find(|name| !known.contains(name)) {
            Some(name) => Err(keys.unknown("", name, &known)),
            None => Ok(keys),
        }
    }

    pub fn missing(&self, key: &str, example: &'static str) -> SettingsError {
        SettingsError::Missing { path: self.path.to_owned(), key: format!("{}{key}", self.prefix), example }
    }

    pub fn excluding(&self, first: &'static str, second: &'static str) -> SettingsError {
        SettingsError::Excluding { path: self.path.to_owned(), first, second }
    }

    pub fn contradiction(&self, key: &str, other: &'static str, why: &'static str) -> SettingsError {
        SettingsError::Contradiction { path: self.path.to_owned(), key: key.to_owned(), other, why }
    }

    pub fn wrong(&self, key: &str, value: &str, why: &str) -> SettingsError {
        SettingsError::WrongValue {
            path: self.path.to_owned(),
            key: format!("{}{key}", self.prefix),
            value: value.to_owned(),
            why: why.to_owned(),
        }
    }

    fn wrong_type(&self, key: &str, found: &Value, wanted: &str) -> SettingsError {
        let found = match found {
            Value::String(_) => "a string",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Boolean(_) => "a boolean",
            Value::Datetime(_) => "a date",
            Value::Array(_) => "a list",
            Value::Table(_) => "a table",
        };
        let key = format!("{}{key}", self.prefix);
        SettingsError::WrongType { path: self.path.to_owned(), key, found, wanted: wanted.to_owned() }
    }
}

/// Whether Windows takes two names for one variable.
pub fn same_variable(name: &str, other: &str) -> bool {
    name.to_uppercase() == other.to_uppercase()
}

/// Why nobody else may set a variable, if so.
pub fn set_by_holdall(name: &str) -> Option<&'static str> {
    const OURS: &[(&str, &str)] = &[
        (
            "PATH",
            "it is the machine's own; say by their whole path which programs and libraries the project needs",
        ),
        ("TEMP", "Holdall sets it, to `tmp` in the site's folder `shared`"),
        ("TMP", "Holdall sets it, to `tmp` in the site's folder `shared`"),
        (
            "DJANGO_SETTINGS_MODULE",
            "Holdall sets it; the settings that the bundle was made with are read below its own",
        ),
        ("HOLDALL_SITE", "Holdall sets it, to the site's name"),
        ("HOLDALL_SHARED", "Holdall sets it, to the site's folder `shared`"),
        ("HOLDALL_VERSION", "Holdall sets it, to the version of the release"),
    ];
    OURS.iter().find(|(ours, _)| same_variable(ours, name)).map(|(_, why)| *why)
}

/// Whether a process can have a variable of this name.
pub fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c == '=' || c.is_whitespace() || c.is_control())
}
