//! Two configurations become one: Holdall's, and what the project says beside it.

use super::Conflict;
use super::rules::{self, Finding, refusal};
use super::tree::{Node, parse};
use crate::site::iis::schema::{self, Element, Items};

const ABOUT: &str = "Rendered by holdall, with what the project's own web.config says. It goes with its release: what is changed \
                     here by hand is gone with the next deploy.";

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The file.
    pub text: String,
    /// What the project's owner should know, and what to do.
    pub findings: Vec<Finding>,
}

/// Adds to `ours` what `theirs` says. Where both say something and not the same, the project's is refused.
pub fn merge(ours: &str, theirs: &str) -> Result<Merged, Conflict> {
    let mut merged = parse(ours).map_err(|error| Conflict::Template(error.to_string()))?;
    let theirs = parse(theirs).map_err(Conflict::NotXml)?;
    if theirs.name != "configuration" {
        return Err(Conflict::Root(theirs.name));
    }
    let mut findings = rules::check(&theirs)?;
    check_locks(&merged, &theirs)?;
    // Names that elements further down may begin with.
    merged.attributes.extend(theirs.attributes.into_iter().filter(|(name, _)| name.starts_with("xmlns:")));
    for node in theirs.children {
        if node.name == "location" {
            add_location(&mut merged, node)?;
        } else {
            add(&mut merged, node, "", "")?;
        }
    }
    // .NET wants them first.
    merged.children.sort_by_key(|child| child.name != "configSections");
    let (unknown, wrong): (Vec<_>, Vec<_>) =
        schema::of_tree(&merged).into_iter().partition(schema::Flaw::is_unknown);
    if let Some(flaw) = wrong.first() {
        return Err(Conflict::Schema(flaw.to_string()));
    }
    let unknown = unknown
        .iter()
        .map(|flaw| (flaw.to_string(), "see to it that the server's IIS knows it: else it answers 500.19"));
    findings.extend(unknown);
    Ok(Merged { text: merged.to_file(ABOUT), findings })
}

/// What Holdall has locked for a part of the addresses holds for all below.
fn check_locks(ours: &Node, theirs: &Node) -> Result<(), Conflict> {
    let locations = |node: &Node| -> Vec<Node> {
        node.children.iter().filter(|child| child.name == "location").cloned().collect()
    };
    let locks = locations(ours).into_iter().filter(|node| node.attribute("overrideMode") == Some("Deny"));
    let locks: Vec<String> = locks.map(|node| rules::place(&node)).collect();
    for location in locations(theirs) {
        let place = rules::place(&location);
        let is_below = |lock: &String| {
            place.strip_prefix(lock.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if locks.iter().any(is_below) {
            return Err(refusal("location", &place, "uploads lie there, and how they are served is locked"));
        }
    }
    Ok(())
}

fn add_location(merged: &mut Node, location: Node) -> Result<(), Conflict> {
    let place = rules::place(&location);
    let known = |node: &&mut Node| node.name == "location" && rules::place(node) == place;
    let Some(ours) = merged.children.iter_mut().find(known) else {
        merged.children.push(location);
        return Ok(());
    };
    let odd = location
        .attributes
        .iter()
        .find(|(name, value)| name != "path" && ours.attribute(name).is_none_or(|ours| ours != value));
    if let Some((name, _)) = odd {
        return Err(refusal("location", &place, &format!("Holdall has one for that path, without `{name}`")));
    }
    location.children.into_iter().try_for_each(|node| add(ours, node, "", &place))
}

/// Adds a group of sections, or a section, below an element of ours.
fn add(ours: &mut Node, node: Node, above: &str, place: &str) -> Result<(), Conflict> {
    let path = schema::join(above, &node.name);
    let Some(ours) = ours.children.iter_mut().find(|child| child.name == node.name) else {
        ours.children.push(node);
        return Ok(());
    };
    if rules::is_group(&path) {
        return node.children.into_iter().try_for_each(|child| add(ours, child, &path, place));
    }
    element(ours, node, schema::section(&path), &path, place)
}

/// Adds what the project says in an element that Holdall writes, too.
fn element(
    ours: &mut Node,
    theirs: Node,
    known: Option<&'static Element>,
    path: &str,
    place: &str,
) -> Result<(), Conflict> {
    for (name, value) in theirs.attributes {
        if name.starts_with("lock") {
            return Err(refusal(path, place, &format!("`{name}` would lock what Holdall writes itself")));
        }
        match ours.attribute(&name) {
            None => ours.attributes.push((name, value)),
            Some(other) if other.eq_ignore_ascii_case(&value) => {}
            Some(other) => {
                let why = format!("`{name}` is `{value}`, and Holdall says `{other}`");
                return Err(refusal(path, place, &why));
            }
        }
    }
    let items = known.and_then(|known| known.items.as_ref());
    let (of_list, elements): (Vec<Node>, Vec<Node>) =
        theirs.children.into_iter().partition(|child| items.is_some_and(|items| items.names(child)));
    if let Some(items) = items.filter(|_| !of_list.is_empty()) {
        list(ours, of_list, items, path, place)?;
    }
    for node in elements {
        let below = schema::join(path, &node.name);
        let known = known.and_then(|known| known.element(&node.name));
        match ours.children.iter_mut().find(|child| child.name == node.name) {
            Some(ours) => element(ours, node, known, &below, place)?,
            None => ours.children.push(node),
        }
    }
    Ok(())
}

/// Adds the items of the project's that Holdall has none of.
fn list(ours: &mut Node, theirs: Vec<Node>, items: &Items, path: &str, place: &str) -> Result<(), Conflict> {
    let of_ours = |ours: &Node, node: &Node| {
        let mut added = ours.children.iter().filter(|item| item.name == items.item);
        added.find(|item| items.name(item) == items.name(node)).cloned()
    };
    let mut clears = ours.child("clear").is_some();
    let mut theirs = theirs;
    if let Some(last) = theirs.iter().rposition(|node| node.name == "clear") {
        theirs.drain(..=last);
        // It is for what is inherited, so it comes before what Holdall adds. Nothing is left then that could be removed.
        ours.children.retain(|node| !matches!(node.name.as_str(), "clear" | "remove"));
        ours.children.insert(0, Node { name: "clear".to_owned(), ..Node::default() });
        clears = true;
    }
    let named = |node: &Node| items.name(node);
    let added: Vec<String> = theirs.iter().filter(|node| node.name == items.item).map(named).collect();
    for node in theirs {
        match (node.name.as_str(), of_ours(ours, &node)) {
            ("remove", Some(_)) if added.contains(&items.name(&node)) => {}
            ("remove", Some(_)) => {
                let why = format!("it removes `{}`, which Holdall adds", items.name(&node));
                return Err(refusal(path, place, &why));
            }
            ("remove", None) => {
                let known = |item: &Node| item.name == "remove" && items.name(item) == items.name(&node);
                if !clears && !ours.children.iter().any(known) {
                    ours.children.push(node);
                }
            }
            (_, None) => ours.children.push(node),
            (_, Some(other)) => {
                let differs = |(name, value): &(String, String)| {
                    other.attribute(name).is_none_or(|other| !other.eq_ignore_ascii_case(value))
                };
                if let Some((name, value)) = node.attributes.iter().find(|pair| differs(pair)) {
                    let why = format!(
                        "`{}` has `{name}` `{value}`, and Holdall says `{}`",
                        items.name(&node),
                        other.attribute(name).unwrap_or("nothing of it")
                    );
                    return Err(refusal(path, place, &why));
                }
            }
        }
    }
    Ok(())
}
