//! Whether what stands in a `web.config` is what the schema says.

use std::collections::BTreeSet;
use std::fmt;

use super::{Attribute, Element, Items, Kind, Need, section};
use crate::site::iis::own::tree::{Node, NotXml, parse};

/// Something that IIS would refuse, or that the table does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The element's path: `system.webServer/security/requestFiltering/requestLimits`.
    pub element: String,
    pub fault: Fault,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    UnknownElement(String),
    UnknownAttribute(String),
    Missing(&'static str),
    Value {
        attribute: &'static str,
        value: String,
        kind: Kind,
    },
    /// Two items of one name: IIS refuses the second.
    Twice(String),
}

impl Flaw {
    /// Whether it is only that the table does not know a name, which a newer IIS or a module may.
    pub fn is_unknown(&self) -> bool {
        matches!(self.fault, Fault::UnknownElement(_) | Fault::UnknownAttribute(_))
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Flaw { element, fault } = self;
        match fault {
            Fault::UnknownElement(name) => {
                write!(f, "`{element}` has an element `{name}`, which is not known")
            }
            Fault::UnknownAttribute(name) => {
                write!(f, "`{element}` has an attribute `{name}`, which is not known")
            }
            Fault::Missing(name) => write!(f, "`{element}` lacks its `{name}`"),
            Fault::Value { attribute, value, kind } => {
                write!(f, "`{attribute}` of `{element}` is `{value}`, and {kind} is wanted")
            }
            Fault::Twice(name) => write!(f, "`{element}` has `{name}` twice"),
        }
    }
}

/// All flaws of the sections that the table knows, in the order of the text.
pub fn check(xml: &str) -> Result<Vec<Flaw>, NotXml> {
    Ok(of_tree(&parse(xml)?))
}

/// The same of a tree.
pub fn of_tree(root: &Node) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    group(root, "", &mut flaws);
    flaws
}

fn group(node: &Node, path: &str, flaws: &mut Vec<Flaw>) {
    for child in &node.children {
        // What stands in a `<location>` are sections by their whole paths again.
        if child.name == "location" && path.is_empty() {
            group(child, "", flaws);
            continue;
        }
        let path = join(path, &child.name);
        match section(&path) {
            Some(known) => element(child, known, &path, flaws),
            None => group(child, &path, flaws),
        }
    }
}

pub fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}

fn element(node: &Node, known: &Element, path: &str, flaws: &mut Vec<Flaw>) {
    attributes(node, known.attributes, path, flaws);
    let mut names = BTreeSet::new();
    for child in &node.children {
        let below = join(path, &child.name);
        match (known.element(&child.name), &known.items) {
            (Some(known), _) => element(child, known, &below, flaws),
            (None, Some(items)) if items.names(child) => item(child, items, &below, &mut names, flaws),
            _ => flaws
                .push(Flaw { element: path.to_owned(), fault: Fault::UnknownElement(child.name.clone()) }),
        }
    }
}

fn item(node: &Node, items: &Items, path: &str, names: &mut BTreeSet<String>, flaws: &mut Vec<Flaw>) {
    match node.name.as_str() {
        "clear" => {
            attributes(node, &[], path, flaws);
            names.clear();
        }
        "remove" => {
            let keys: Vec<_> = items.keys().map(|key| Attribute { ..*key }).collect();
            attributes(node, &keys, path, flaws);
            names.remove(&items.name(node));
        }
        _ => {
            attributes(node, items.attributes, path, flaws);
            if !names.insert(items.name(node)) {
                flaws.push(Flaw { element: path.to_owned(), fault: Fault::Twice(items.name(node)) });
            }
        }
    }
}

impl Items {
    /// Whether an element is of the collection.
    pub fn names(&self, node: &Node) -> bool {
        node.name == self.item || matches!(node.name.as_str(), "remove" | "clear")
    }

    /// What an item is called in its collection. Case does not count.
    pub fn name(&self, node: &Node) -> String {
        let values = self.keys().filter_map(|key| node.attribute(key.name));
        values.collect::<Vec<_>>().join(" ").to_lowercase()
    }
}

fn attributes(node: &Node, known: &[Attribute], path: &str, flaws: &mut Vec<Flaw>) {
    let mut flaw = |fault| flaws.push(Flaw { element: path.to_owned(), fault });
    for (name, value) in &node.attributes {
        match known.iter().find(|attribute| attribute.name == *name) {
            // Any element may have locks.
            None if name.starts_with("lock") => {}
            None => flaw(Fault::UnknownAttribute(name.clone())),
            Some(Attribute { name, kind, need }) => {
                if !kind.allows(value) || (value.is_empty() && *need == Need::Key) {
                    flaw(Fault::Value { attribute: name, value: value.clone(), kind: *kind });
                }
            }
        }
    }
    for attribute in known {
        let is_needed = matches!(attribute.need, Need::Required | Need::Key);
        if is_needed && node.attribute(attribute.name).is_none() {
            flaw(Fault::Missing(attribute.name));
        }
    }
}
