//! `/in`: objects from standard input, as `/xml /config` prints them.

use super::command::Context;
use super::edit;
use super::errors::{self, Failure};
use super::objects::Kind;
use crate::schema;
use crate::xml::{Document, Element};

/// One object of the input.
#[derive(Debug, Clone)]
pub struct Input {
    pub identifier: String,
    /// The configuration inside, when there is one.
    pub configuration: Option<Element>,
    element: Element,
}

impl Input {
    pub fn attribute(&self, name: &str) -> Option<String> {
        self.element.attribute(name).map(ToOwned::to_owned)
    }
}

/// The objects of a kind.
pub fn objects(context: &mut Context<'_>, kind: Kind) -> Result<Vec<Input>, Failure> {
    let found = elements(context, kind.word())?;
    let objects: Vec<Input> = found
        .into_iter()
        .map(|element| Input {
            identifier: element.attribute(kind.identifier()).unwrap_or_default().to_owned(),
            configuration: element.child(kind.schema().name).cloned(),
            element,
        })
        .collect();
    if objects.is_empty() { Err(errors::must_specify(kind.word())) } else { Ok(objects) }
}

/// The elements of this name below `<appcmd>`.
pub fn elements(context: &mut Context<'_>, name: &str) -> Result<Vec<Element>, Failure> {
    let mut bytes = Vec::new();
    let malformed = |reason: String| Failure {
        exit: 13,
        text: format!("Failed to process input: {reason} (HRESULT=8007000d).\r\n"),
    };
    context.stdin.read_to_end(&mut bytes).map_err(|error| malformed(error.to_string()))?;
    let document = Document::parse(&bytes).map_err(|error| malformed(error.to_string()))?;
    if document.root().name() != "appcmd" {
        return Err(malformed("The root element is not appcmd".to_owned()));
    }
    Ok(document.root().children().filter(|child| child.name() == name).cloned().collect())
}

/// Puts a configuration over an element: what it says counts, what it doesn't say stays.
pub fn overlay(
    element: &mut Element,
    schema: &'static schema::Element,
    configuration: &Element,
) -> Result<(), Failure> {
    for (name, value) in configuration.attributes() {
        let attribute = schema.attribute(name).ok_or_else(|| errors::unknown_attribute(name))?;
        edit::set(element, attribute, name, value)?;
    }
    for child in configuration.children() {
        if let Some(inner) = schema.element(child.name()) {
            overlay(element.child_or_new(child.name()), inner, child)?;
            continue;
        }
        let items = schema.items.as_deref().filter(|items| items.item.name == child.name());
        let items = items.ok_or_else(|| errors::unknown_attribute(child.name()))?;
        let same = |own: &Element| {
            let key = |element: &Element, key: &schema::Attribute| {
                element.attribute(key.name).or(key.default).unwrap_or_default().to_owned()
            };
            own.name() == items.item.name
                && items.item.keys().all(|name| name.same(&key(own, name), &key(child, name)))
        };
        let found = element.children().position(same);
        let at = match found {
            Some(at) => at,
            None => {
                edit::insert(
                    element,
                    items,
                    Element::new(items.item.name),
                    Some(super::indexer::Position::End),
                )?;
                let last =
                    element.children().enumerate().filter(|(_, own)| own.name() == items.item.name).last();
                last.map(|(at, _)| at).expect("it has just been put there")
            }
        };
        let item = element.children_mut().nth(at).expect("its place was just found");
        overlay(item, &items.item, child)?;
    }
    Ok(())
}
