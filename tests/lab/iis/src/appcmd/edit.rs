//! Changes an element of the configuration as a parameter says, within what the schema allows.

use super::errors::{self, Failure};
use super::indexer::{Edit, Indexer, Position, Step, What};
use crate::config::{Effective, Violation, hresult};
use crate::schema::{Attribute, Element as Schema, Items};
use crate::xml::Element;

/// Makes one change. `inherited` is what counts for the element without what is written in it.
pub fn apply(
    element: &mut Element,
    schema: &'static Schema,
    inherited: Option<&Effective>,
    edit: &Edit,
) -> Result<(), Failure> {
    Change { edit }.walk(element, schema, inherited, &edit.path)
}

/// Whether what is written now goes with what is inherited: locked attributes and elements stay as they are.
pub fn check(element: &Element, inherited: &Effective) -> Result<(), Failure> {
    inherited.clone().take(element, true).map_err(|violation| refused(element.name(), &violation))
}

/// Sets one attribute, checked.
pub fn set(element: &mut Element, attribute: &Attribute, name: &str, value: &str) -> Result<(), Failure> {
    let checked = attribute.check(value).map_err(|refused| errors::bad_value(name, value, &refused.0))?;
    element.set(attribute.name, &if attribute.encrypted { encrypted(&checked) } else { checked });
    Ok(())
}

struct Change<'a> {
    edit: &'a Edit,
}

impl Change<'_> {
    fn unknown(&self) -> Failure {
        errors::unknown_attribute(&self.edit.name)
    }

    fn walk(
        &self,
        element: &mut Element,
        schema: &'static Schema,
        inherited: Option<&Effective>,
        path: &[Step],
    ) -> Result<(), Failure> {
        match (path, &self.edit.what) {
            ([], _) => self.clear(element, schema, inherited),
            ([Step::Name(name)], What::Set(value)) => {
                let attribute = schema.attribute(name).ok_or_else(|| self.unknown())?;
                set(element, attribute, &self.edit.name, value)
            }
            ([Step::Item(indexer)], What::Add) => self.add(element, schema, inherited, indexer),
            ([Step::Item(indexer)], What::Remove) => self.remove(element, schema, inherited, indexer),
            ([Step::Name(name), rest @ ..], _) => {
                let inner = schema.element(name).ok_or_else(|| self.unknown())?;
                let above = inherited.and_then(|inherited| inherited.element(name));
                self.walk(element.child_or_new(name), inner, above, rest)
            }
            ([Step::Item(indexer), rest @ ..], _) => {
                let items = self.items(schema)?;
                let at = self.find_or_copy(element, items, inherited, indexer)?;
                let item = element.children_mut().nth(at).expect("its place was just found");
                self.walk(item, &items.item, None, rest)
            }
        }
    }

    fn items(&self, schema: &'static Schema) -> Result<&'static Items, Failure> {
        schema.items.as_deref().ok_or_else(|| self.unknown())
    }

    /// The place of the item that an indexer means; one that is inherited is written out here first.
    fn find_or_copy(
        &self,
        element: &mut Element,
        items: &'static Items,
        inherited: Option<&Effective>,
        indexer: &Indexer,
    ) -> Result<usize, Failure> {
        if let Some(at) = self.find(element, items, indexer)? {
            return Ok(at);
        }
        let above = self.find_inherited(items, inherited, indexer)?.ok_or_else(errors::no_element)?;
        if above.is_locked() {
            return Err(errors::locked_item());
        }
        let remove = items.remove.ok_or_else(errors::locked_item)?;
        element.push(removal(remove, above));
        element.push(written_out(items.item.name, above));
        Ok(element.children().count() - 1)
    }

    /// The place of a written item: whatever attributes the indexer gives have to fit, not only keys.
    fn find(&self, element: &Element, items: &Items, indexer: &Indexer) -> Result<Option<usize>, Failure> {
        let attributes = self.attributes(items, indexer)?;
        let mut found = element.children().enumerate().filter(|(_, child)| {
            let fits = |(attribute, value): &(&Attribute, &str)| {
                let own = child.attribute(attribute.name).or(attribute.default).unwrap_or_default();
                attribute.same(own, value)
            };
            child.name() == items.item.name && attributes.iter().all(fits)
        });
        Ok(match indexer.position {
            Some(Position::End) => found.last(),
            Some(Position::At(at)) => found.nth(at),
            Some(Position::Start) | None => found.next(),
        }
        .map(|(at, _)| at))
    }

    fn find_inherited<'a>(
        &self,
        items: &Items,
        inherited: Option<&'a Effective>,
        indexer: &Indexer,
    ) -> Result<Option<&'a Effective>, Failure> {
        let attributes = self.attributes(items, indexer)?;
        let mut above = inherited.into_iter().flat_map(|inherited| inherited.items());
        Ok(above.find(|item| {
            attributes.iter().all(|(attribute, value)| attribute.same(item.text(attribute.name), value))
        }))
    }

    fn attributes<'a>(
        &self,
        items: &'a Items,
        indexer: &'a Indexer,
    ) -> Result<Vec<(&'a Attribute, &'a str)>, Failure> {
        let known = |(name, value): &'a (String, String)| Some((items.item.attribute(name)?, value.as_str()));
        let attributes = indexer.values.iter().map(|pair| known(pair).ok_or(pair));
        attributes.collect::<Result<_, _>>().map_err(|(name, _)| errors::unknown_attribute(name))
    }

    fn add(
        &self,
        element: &mut Element,
        schema: &'static Schema,
        inherited: Option<&Effective>,
        indexer: &Indexer,
    ) -> Result<(), Failure> {
        let items = self.items(schema)?;
        let mut item = Element::new(items.item.name);
        for (attribute, value) in self.attributes(items, indexer)? {
            set(&mut item, attribute, attribute.name, value)?;
        }
        let missing = |attribute: &Attribute| attribute.required && item.attribute(attribute.name).is_none();
        if items.item.attributes.iter().any(missing) {
            // ERROR_FILE_NOT_FOUND is the documented answer of AddElement.
            return Err(errors::not_added(2, items.item.name, "The system cannot find the file specified."));
        }
        insert(element, items, item, indexer.position)?;
        let mut merged = inherited.cloned().unwrap_or_else(|| Effective::new(schema));
        merged.take(element, true).map_err(|violation| refused(items.item.name, &violation))
    }

    fn remove(
        &self,
        element: &mut Element,
        schema: &'static Schema,
        inherited: Option<&Effective>,
        indexer: &Indexer,
    ) -> Result<(), Failure> {
        let items = self.items(schema)?;
        if let Some(at) = self.find(element, items, indexer)? {
            if element.children().nth(at).is_some_and(|item| item.attribute("lockItem") == Some("true")) {
                return Err(errors::locked_item());
            }
            element.remove(at);
            return Ok(());
        }
        // What is taken out already isn't there any more.
        let mut merged = inherited.cloned().unwrap_or_else(|| Effective::new(schema));
        merged.take(element, true).map_err(|violation| refused(items.item.name, &violation))?;
        let above = self.find_inherited(items, Some(&merged), indexer)?.ok_or_else(errors::no_element)?;
        match items.remove {
            Some(remove) if !above.is_locked() => {
                let place = front(element, items);
                element.insert(place, removal(remove, above));
                Ok(())
            }
            _ => Err(errors::locked_item()),
        }
    }

    fn clear(
        &self,
        element: &mut Element,
        schema: &'static Schema,
        inherited: Option<&Effective>,
    ) -> Result<(), Failure> {
        let items = self.items(schema)?;
        let own = |child: &Element| child.name() == items.item.name;
        let above = inherited.map(Effective::items).unwrap_or_default();
        if element.children().any(|child| own(child) && child.attribute("lockItem") == Some("true"))
            || above.iter().any(Effective::is_locked)
        {
            return Err(errors::locked_item());
        }
        element.remove_all(|child| {
            own(child) || Some(child.name()) == items.remove || Some(child.name()) == items.clear
        });
        if !above.is_empty() {
            element.insert(0, Element::new(items.clear.ok_or_else(errors::locked_item)?));
        }
        Ok(())
    }
}

/// Puts an item in. Where the schema says that deeper entries come first, so does a new one: the documentation of
/// AddElement contradicts itself, so callers name `@start` or `@end`.
pub fn insert(
    element: &mut Element,
    items: &Items,
    item: Element,
    position: Option<Position>,
) -> Result<(), Failure> {
    let places: Vec<usize> = element
        .children()
        .enumerate()
        .filter(|(_, child)| child.name() == items.item.name)
        .map(|(at, _)| at)
        .collect();
    let start = places.first().copied().unwrap_or_else(|| front(element, items));
    let end = places.last().map_or(start, |last| last + 1);
    let at = match position {
        Some(Position::Start) => start,
        Some(Position::End) => end,
        Some(Position::At(at)) if at < places.len() => places[at],
        Some(Position::At(at)) if at == places.len() => end,
        Some(Position::At(_)) => return Err(errors::malformed_indexer()),
        None if items.first => start,
        None => end,
    };
    element.insert(at, item);
    Ok(())
}

/// The place behind all that takes away.
fn front(element: &Element, items: &Items) -> usize {
    let takes = |name: &str| items.remove == Some(name) || items.clear == Some(name);
    let last = element.children().enumerate().filter(|(_, child)| takes(child.name())).last();
    last.map_or(0, |(at, _)| at + 1)
}

fn removal(remove: &str, item: &Effective) -> Element {
    item.schema().keys().fold(Element::new(remove), |element, key| match item.written(key.name) {
        Some(value) => element.with(key.name, value),
        None => element,
    })
}

/// An inherited item as it would be written.
pub fn written_out(name: &str, item: &Effective) -> Element {
    let mut element = Element::new(name);
    for attribute in &item.schema().attributes {
        if let Some(value) = item.written(attribute.name) {
            element.set(attribute.name, value);
        }
    }
    for inner in item.schema().elements.iter().filter_map(|inner| item.element(inner.name)) {
        if inner.is_written() {
            element.push(written_out(inner.schema().name, inner));
        }
    }
    for own in item.items() {
        element.push(written_out(own.schema().name, own));
    }
    element
}

fn refused(kind: &str, violation: &Violation) -> Failure {
    match violation.hresult {
        hresult::DUPLICATE => errors::not_added(183, kind, &violation.message),
        hresult::LOCKED => errors::locked_item(),
        _ => errors::violation(violation),
    }
}

/// What stands for a password in the file: like the real one it can't be read, and here nobody can undo it.
fn encrypted(value: &str) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    format!("[enc:IISWASOnlyAesProvider:{:016x}:enc]", hasher.finish())
}
