//! Locks and unlocks a section, as `lock config` and `unlock config` do.

use super::{Config, place};
use crate::xml::Element;

impl Config {
    /// Moves a section with what it says into a `<location>` of this mode; `Inherit` takes the mode away.
    pub fn set_mode(&mut self, path: &str, section: &str, mode: &str) {
        let (group, name) = section.rsplit_once('/').expect("sections stand in groups");
        let root = self.root_mut();
        let content = remove_section(root, path, section).unwrap_or_else(|| Element::new(name));
        let mut groups = group.rsplit('/');
        let innermost = Element::new(groups.next().unwrap_or_default()).containing(content);
        let inside = groups.fold(innermost, |inner, name| Element::new(name).containing(inner));
        if path.is_empty() && mode == "Inherit" {
            // At the top a section stands without a location.
            let own = root.descendant_or_new(group);
            let element = inside.descendant(&section[inside.name().len() + 1..]).cloned();
            own.push(element.unwrap_or_else(|| Element::new(name)));
            return;
        }
        let location = Element::new("location").with("path", path);
        let location = if mode == "Inherit" { location } else { location.with("overrideMode", mode) };
        root.push(location.containing(inside));
    }
}

/// Takes a section for a path out of a file, and groups and locations that are empty then.
pub(crate) fn remove_section(root: &mut Element, path: &str, section: &str) -> Option<Element> {
    let (group, name) = section.rsplit_once('/').expect("sections stand in groups");
    let mut removed = None;
    let mut emptied = Vec::new();
    for (at, child) in root.children_mut().enumerate() {
        if place::is_location(child, path)
            && let Some(taken) = take_section(child, group, name)
        {
            removed = Some(taken);
            emptied.push(at);
        }
    }
    if path.is_empty()
        && let Some(taken) = take_section(root, group, name)
    {
        removed = Some(taken);
    }
    for at in emptied.into_iter().rev() {
        if root.children().nth(at).is_some_and(|location| location.children().next().is_none()) {
            root.remove(at);
        }
    }
    removed
}

/// Takes a section out, and groups that are empty then.
fn take_section(scope: &mut Element, group: &str, name: &str) -> Option<Element> {
    let (first, rest) = group.split_once('/').map_or((group, None), |(first, rest)| (first, Some(rest)));
    let at = scope.children().position(|child| child.name() == first)?;
    let own = scope.children_mut().nth(at)?;
    let taken = match rest {
        Some(rest) => take_section(own, rest, name)?,
        None => {
            let at = own.children().position(|child| child.name() == name)?;
            own.remove(at)
        }
    };
    if own.children().next().is_none() {
        scope.remove(at);
    }
    Some(taken)
}
