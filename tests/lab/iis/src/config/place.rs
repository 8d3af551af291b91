//! Configuration paths (`Site/app/folder`) and where in the file a section for one of them stands.

use crate::xml::Element;

/// A path without the prefix `MACHINE/WEBROOT/APPHOST` and without slashes at its ends; empty for the server.
pub fn canonical(path: &str) -> &str {
    let path = path.trim_matches('/');
    let mut rest = path;
    for prefix in ["MACHINE", "WEBROOT", "APPHOST"] {
        let (first, behind) = rest.split_once('/').unwrap_or((rest, ""));
        if !first.eq_ignore_ascii_case(prefix) {
            break;
        }
        rest = behind;
    }
    rest
}

/// The path and all above it, from the server (empty) down.
pub fn levels(path: &str) -> Vec<&str> {
    let path = canonical(path);
    let mut levels = vec![""];
    levels.extend(path.match_indices('/').map(|(at, _)| &path[..at]));
    if !path.is_empty() {
        levels.push(path);
    }
    levels
}

/// Whether two configuration paths are the same one. Windows doesn't tell cases of letters apart.
pub(super) fn same(one: &str, other: &str) -> bool {
    canonical(one).to_lowercase() == canonical(other).to_lowercase()
}

/// The path of a `<location>`; one without it, or with `.`, speaks of the whole file.
pub(super) fn location_path(location: &Element) -> &str {
    match location.attribute("path") {
        None | Some("." | "") => "",
        Some(path) => path,
    }
}

/// Whether this is a `<location>` for the path.
pub(crate) fn is_location(element: &Element, path: &str) -> bool {
    element.name() == "location" && same(location_path(element), path)
}

/// The elements in which sections for this path stand: the root, and the locations of this path.
pub(super) fn scopes<'a>(root: &'a Element, path: &str) -> impl Iterator<Item = &'a Element> {
    let top = canonical(path).is_empty().then_some(root);
    top.into_iter().chain(root.children().filter(move |child| is_location(child, path)))
}

/// The section for a path, made where it is missing: at the top for the server, else in its location.
pub(crate) fn section_mut<'a>(root: &'a mut Element, path: &str, section: &str) -> &'a mut Element {
    let holds = |child: &Element| is_location(child, path) && child.descendant(section).is_some();
    let at_top = canonical(path).is_empty() && root.descendant(section).is_some();
    if at_top {
        return root.descendant_or_new(section);
    }
    let found = root.children().position(holds);
    if let Some(at) = found {
        let location = root.children_mut().nth(at).expect("its place was just found");
        return location.descendant_or_new(section);
    }
    if canonical(path).is_empty() {
        return root.descendant_or_new(section);
    }
    // A location with a mode of its own says something about what is in it, so nothing else is put there.
    let plain =
        |child: &Element| is_location(child, path) && child.attributes().all(|(name, _)| name == "path");
    let found = root.children().position(plain);
    let at = found.unwrap_or_else(|| {
        root.push(Element::new("location").with("path", canonical(path)));
        root.children().count() - 1
    });
    root.children_mut().nth(at).expect("it is there now").descendant_or_new(section)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_with_and_without_what_stands_before_every_path() {
        for (path, expected) in [
            ("", ""),
            ("MACHINE/WEBROOT/APPHOST", ""),
            ("machine/webroot/apphost/Site/", "Site"),
            ("Site/", "Site"),
            ("Site/app/x", "Site/app/x"),
        ] {
            assert_eq!(canonical(path), expected);
        }
        assert_eq!(levels("Site/app/"), ["", "Site", "Site/app"]);
        assert_eq!(levels(""), [""]);
    }
}
