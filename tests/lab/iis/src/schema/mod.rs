//! What may stand in a configuration: sections, elements, attributes, their types, ranges, defaults and keys.
//!
//! The table is `schema.txt`, facts of the schema of IIS. Nothing here reads a configuration.

use std::sync::LazyLock;

mod read;
mod value;

pub use value::{Refused, seconds};

/// A section and what it may hold.
#[derive(Debug)]
pub struct Section {
    /// Its full path, `system.webServer/fastCgi`.
    pub path: &'static str,
    pub element: Element,
}

/// What an element may hold.
#[derive(Debug, Default)]
pub struct Element {
    pub name: &'static str,
    pub attributes: Vec<Attribute>,
    pub elements: Vec<Element>,
    pub items: Option<Box<Items>>,
}

/// A collection.
#[derive(Debug)]
pub struct Items {
    /// What adds one: its name and what it may hold.
    pub item: Element,
    pub remove: Option<&'static str>,
    pub clear: Option<&'static str>,
    /// Deeper entries come before inherited ones: `mergeAppend="false"`.
    pub first: bool,
}

#[derive(Debug)]
pub struct Attribute {
    pub name: &'static str,
    pub kind: Kind,
    /// What counts where it isn't written; none where it has to be.
    pub default: Option<&'static str>,
    pub required: bool,
    pub key: Key,
    pub nonempty: bool,
    /// `%NAME%` in it is replaced.
    pub expanded: bool,
    /// As a key it is compared with the case of letters.
    pub case: bool,
    pub encrypted: bool,
    pub rule: Rule,
}

/// What an attribute is to its collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    No,
    /// All such attributes together name an item.
    Combined,
    /// It names an item by itself.
    Unique,
}

#[derive(Debug)]
pub enum Kind {
    Text,
    Bool,
    Uint {
        min: u64,
        max: u64,
    },
    Int64,
    /// Bounds and step in seconds.
    TimeSpan {
        min: u64,
        max: u64,
        step: u64,
    },
    Enum(Vec<&'static str>),
    Flags(Vec<&'static str>),
}

/// A rule for texts that stands in the schema by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    None,
    SiteName,
    PoolName,
    AppPath,
}

/// All sections.
pub fn sections() -> &'static [Section] {
    static SECTIONS: LazyLock<Vec<Section>> = LazyLock::new(|| read::sections(include_str!("schema.txt")));
    &SECTIONS
}

/// The section of this full path; names are case-sensitive.
pub fn section(path: &str) -> Option<&'static Section> {
    sections().iter().find(|section| section.path == path)
}

/// The section that a person names: by its full path or its last word, in any case of letters.
pub fn section_called(name: &str) -> Option<&'static Section> {
    let name = name.trim_matches('/');
    let last = |section: &&Section| {
        section.path.rsplit('/').next().is_some_and(|last| last.eq_ignore_ascii_case(name))
    };
    let full = |section: &&Section| section.path.eq_ignore_ascii_case(name);
    sections().iter().find(full).or_else(|| sections().iter().find(last))
}

impl Element {
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// The element of this name that may stand inside.
    pub fn element(&self, name: &str) -> Option<&Element> {
        self.elements.iter().find(|element| element.name == name)
    }

    /// What names an item of this kind.
    pub fn keys(&self) -> impl Iterator<Item = &Attribute> {
        self.attributes.iter().filter(|attribute| attribute.key != Key::No)
    }
}

impl Attribute {
    /// Whether two values are the same key.
    pub fn same(&self, one: &str, other: &str) -> bool {
        if self.case { one == other } else { one.to_lowercase() == other.to_lowercase() }
    }
}
