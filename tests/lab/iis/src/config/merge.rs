//! One section as it counts for a path: what is written at each level, merged from the server down.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::hresult;
use crate::schema::{Attribute, Element as Schema, Items, Key};
use crate::xml::Element;

/// What a section, an element in it, or an item of a collection says in the end.
#[derive(Debug, Clone)]
pub struct Effective {
    schema: &'static Schema,
    attributes: BTreeMap<&'static str, String>,
    elements: BTreeMap<&'static str, Effective>,
    items: Vec<Effective>,
    locks: Locks,
}

/// Why a path is served with 500.19.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (0x{hresult:08x}, line {line})")]
pub struct Violation {
    pub hresult: u32,
    pub message: String,
    /// The file at fault; empty for one that has no name yet.
    pub file: PathBuf,
    pub line: usize,
}

impl Violation {
    pub(super) fn new(hresult: u32, written: &Element, message: impl Into<String>) -> Violation {
        Violation { hresult, message: message.into(), file: PathBuf::new(), line: written.line() }
    }
}

/// Attributes that every element may have: they lock, and are no values.
const LOCKS: [&str; 8] = [
    "lockAttributes",
    "lockAllAttributesExcept",
    "lockElements",
    "lockAllElementsExcept",
    "lockItem",
    "overrideMode",
    "allowOverride",
    "configSource",
];

/// What deeper levels may not change.
#[derive(Debug, Clone, Default)]
struct Locks {
    attributes: BTreeSet<String>,
    elements: BTreeSet<String>,
    item: bool,
}

impl Effective {
    /// A section of which nothing is written.
    pub fn new(schema: &'static Schema) -> Effective {
        let elements =
            schema.elements.iter().map(|element| (element.name, Effective::new(element))).collect();
        Effective {
            schema,
            attributes: BTreeMap::new(),
            elements,
            items: Vec::new(),
            locks: Locks::default(),
        }
    }

    pub fn schema(&self) -> &'static Schema {
        self.schema
    }

    /// An attribute's value, the schema's default where none is written; empty for one that doesn't exist.
    pub fn text(&self, name: &str) -> &str {
        let default = || self.schema.attribute(name).and_then(|attribute| attribute.default);
        self.written(name).or_else(default).unwrap_or_default()
    }

    /// An attribute's value where one is written.
    pub fn written(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    pub fn flag(&self, name: &str) -> bool {
        self.text(name).eq_ignore_ascii_case("true")
    }

    /// A number; what is none is refused when files are merged.
    pub fn number(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or_default()
    }

    /// An element inside. The schema tells which there are.
    pub fn element(&self, name: &str) -> Option<&Effective> {
        self.elements.get(name)
    }

    /// The items of its collection, in the order that counts.
    pub fn items(&self) -> &[Effective] {
        &self.items
    }

    /// Whether anything is written in it.
    pub fn is_written(&self) -> bool {
        !self.attributes.is_empty()
            || !self.items.is_empty()
            || self.elements.values().any(Effective::is_written)
    }

    /// Whether deeper levels may not take it out: `lockItem`.
    pub fn is_locked(&self) -> bool {
        self.locks.item
    }

    /// Takes in what one level says. `remove_absent` is what IIS does at a `<remove>` of what isn't there.
    pub fn take(&mut self, written: &Element, remove_absent: bool) -> Result<(), Violation> {
        // Locks of this level are for the levels below: they count from the next one on.
        let mut new = Effective { locks: Locks::default(), ..self.clone() };
        new.take_attributes(written, &self.locks)?;
        // Items that this level has added, in front of the inherited ones.
        let mut front = 0;
        for child in written.children() {
            let name = child.name();
            if self.locks.elements.contains(name) {
                return Err(Violation::new(hresult::LOCKED, child, "Lock violation"));
            }
            if let Some(element) = new.elements.get_mut(name) {
                element.take(child, remove_absent)?;
                continue;
            }
            match new.schema.items.as_deref() {
                Some(items) if items.item.name == name => new.add(items, child, &mut front, remove_absent)?,
                Some(items) if items.remove == Some(name) => {
                    new.remove(items, child, &mut front, remove_absent)?;
                }
                Some(items) if items.clear == Some(name) => {
                    if new.items.iter().any(|item| item.locks.item) {
                        return Err(Violation::new(hresult::LOCKED, child, "Lock violation"));
                    }
                    new.items.clear();
                    front = 0;
                }
                _ => {
                    let message = format!("Unrecognized element '{name}'");
                    return Err(Violation::new(hresult::INVALID_DATA, child, message));
                }
            }
        }
        new.locks.add(&self.locks);
        new.locks.read(written, new.schema);
        *self = new;
        Ok(())
    }

    fn take_attributes(&mut self, written: &Element, locks: &Locks) -> Result<(), Violation> {
        for (name, value) in written.attributes().filter(|(name, _)| !LOCKS.contains(name)) {
            let Some(attribute) = self.schema.attribute(name) else {
                let message = format!("Unrecognized attribute '{name}'");
                return Err(Violation::new(hresult::INVALID_DATA, written, message));
            };
            if locks.attributes.contains(name) {
                return Err(Violation::new(hresult::LOCKED, written, "Lock violation"));
            }
            let value = attribute.check(value).map_err(|refused| {
                let message = format!("The '{name}' attribute is invalid.  {refused}");
                Violation::new(hresult::INVALID_DATA, written, message)
            })?;
            self.attributes.insert(attribute.name, value);
        }
        Ok(())
    }

    fn add(
        &mut self,
        items: &'static Items,
        written: &Element,
        front: &mut usize,
        remove_absent: bool,
    ) -> Result<(), Violation> {
        let mut item = Effective::new(&items.item);
        item.take(written, remove_absent)?;
        item.locks.item = written.attribute("lockItem") == Some("true");
        let missing = |attribute: &&Attribute| attribute.required && item.written(attribute.name).is_none();
        if let Some(attribute) = items.item.attributes.iter().find(missing) {
            let message = format!("Missing required attribute '{}'", attribute.name);
            return Err(Violation::new(hresult::INVALID_DATA, written, message));
        }
        if self.items.iter().any(|own| own.is_same(&item)) {
            return Err(Violation::new(hresult::DUPLICATE, written, item.duplicate()));
        }
        if items.first {
            self.items.insert(*front, item);
            *front += 1;
        } else {
            self.items.push(item);
        }
        Ok(())
    }

    fn remove(
        &mut self,
        items: &'static Items,
        written: &Element,
        front: &mut usize,
        remove_absent: bool,
    ) -> Result<(), Violation> {
        let mut removed = Effective::new(&items.item);
        for (name, _) in written.attributes().filter(|(name, _)| !LOCKS.contains(name)) {
            if items.item.attribute(name).is_none_or(|attribute| attribute.key == Key::No) {
                let message = format!("Unrecognized attribute '{name}'");
                return Err(Violation::new(hresult::INVALID_DATA, written, message));
            }
        }
        removed.take_attributes(written, &Locks::default())?;
        let at = self.items.iter().position(|own| own.is_same(&removed));
        match at {
            Some(at) if self.items[at].locks.item => {
                Err(Violation::new(hresult::LOCKED, written, "Lock violation"))
            }
            Some(at) => {
                self.items.remove(at);
                *front -= usize::from(at < *front);
                Ok(())
            }
            None if remove_absent => Ok(()),
            None => Err(Violation::new(hresult::NOT_FOUND, written, "Element not found")),
        }
    }

    /// Whether two items of one collection are the same one.
    fn is_same(&self, other: &Effective) -> bool {
        let same =
            |attribute: &Attribute| attribute.same(self.text(attribute.name), other.text(attribute.name));
        let keys = |key| self.schema.attributes.iter().filter(move |attribute| attribute.key == key);
        keys(Key::Unique).any(same) || keys(Key::Combined).count() > 0 && keys(Key::Combined).all(same)
    }

    /// What IIS says of an item that is there already.
    fn duplicate(&self) -> String {
        duplicate(self.schema, &|name| self.text(name).to_owned())
    }
}

/// The words of IIS for a second item with the keys of a first one.
pub(crate) fn duplicate(schema: &Schema, value: &dyn Fn(&str) -> String) -> String {
    let keys: Vec<&str> = schema.keys().map(|key| key.name).collect();
    let values: Vec<String> = keys.iter().map(|key| value(key)).collect();
    let combined = schema.keys().filter(|key| key.key == Key::Combined).count() > 1;
    let head = format!("Cannot add duplicate collection entry of type '{}' with", schema.name);
    match (combined, keys.first(), values.first()) {
        (false, Some(key), Some(value)) => format!("{head} unique key attribute '{key}' set to '{value}'"),
        _ => format!(
            "{head} combined key attributes '{}' respectively set to '{}'",
            keys.join(", "),
            values.join(", ")
        ),
    }
}

impl Locks {
    fn add(&mut self, above: &Locks) {
        self.attributes.extend(above.attributes.iter().cloned());
        self.elements.extend(above.elements.iter().cloned());
        self.item |= above.item;
    }

    fn read(&mut self, written: &Element, schema: &Schema) {
        let names = |attribute: &str| -> Option<Vec<String>> {
            let value = written.attribute(attribute)?;
            Some(
                value.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect(),
            )
        };
        let attributes: Vec<&str> = schema.attributes.iter().map(|attribute| attribute.name).collect();
        let mut elements: Vec<&str> = schema.elements.iter().map(|element| element.name).collect();
        if let Some(items) = &schema.items {
            elements.extend([Some(items.item.name), items.remove, items.clear].into_iter().flatten());
        }
        self.attributes.extend(listed(names("lockAttributes"), &attributes));
        self.attributes.extend(all_but(names("lockAllAttributesExcept"), &attributes));
        self.elements.extend(listed(names("lockElements"), &elements));
        self.elements.extend(all_but(names("lockAllElementsExcept"), &elements));
    }
}

/// `*` stands for all.
fn listed(names: Option<Vec<String>>, all: &[&str]) -> Vec<String> {
    match names {
        Some(names) if names.iter().any(|name| name == "*") => all.iter().map(ToString::to_string).collect(),
        names => names.unwrap_or_default(),
    }
}

fn all_but(names: Option<Vec<String>>, all: &[&str]) -> Vec<String> {
    let Some(names) = names else { return Vec::new() };
    all.iter().map(ToString::to_string).filter(|name| !names.contains(name)).collect()
}
