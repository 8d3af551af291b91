//! What a project's own `web.config` and `site.toml` both say of one item of a collection. IIS keeps no two items of one key: it
//! answers every request of that place with 500.19, "Cannot add duplicate collection entry". Where a `web.config` takes the item
//! out before it adds its own, or takes it out for good, the site works, and what `site.toml` says counts for nothing.

use super::rules;
use super::tree::{Node, parse};
use crate::site::iis::section::{Entry, HEADERS, List, MIME_TYPES, WantedSection};
use crate::site::iis::web_config;

/// An item that both say something of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error(
    "`{key}` in `site.toml` and {section}{} in the bundle's own `web.config` {what}",
    super::within(place)
)]
#[diagnostic(help("take one of them out{}", instead.as_ref().map_or_else(String::new, |instead| format!(
    "; or have the `web.config` say `{instead}` there before its own, which counts there then"
))))]
pub struct Twice {
    /// As it is called in `site.toml`: `headers.X-Frame-Options`.
    pub key: String,
    pub section: String,
    /// The `path` of the `<location>` that it stands in, or nothing.
    pub place: String,
    what: String,
    /// Whether IIS answers with 500.19. Otherwise the file counts, and not `site.toml`.
    pub clashes: bool,
    /// What the file could say for a part of the addresses below.
    pub instead: Option<String>,
}

/// All items of which `own` says something that does not go with what these sections want. What is no configuration is told of
/// elsewhere.
pub fn twice(own: &str, wanted: &[WantedSection]) -> Vec<Twice> {
    let Ok(root) = parse(own) else { return Vec::new() };
    let locations = root.children.iter().filter(|node| node.name == "location");
    let mut places: Vec<(String, &Node)> = locations.map(|node| (rules::place(node), node)).collect();
    places.push((String::new(), &root));
    let mut found = Vec::new();
    for section in wanted {
        let part = section.path.trim_matches('/').to_lowercase();
        for (list, name) in section.entries.iter().flat_map(items) {
            let clashes = places.iter().filter_map(|(place, node)| clash(&part, place, node, list, name));
            found.extend(clashes);
        }
    }
    found
}

/// Whether a `web.config` that is in force says something of an item for a part of the addresses, or of any item if none is
/// named. What IIS tells of it there is the file's word then, and not that of applicationHost.config, which lies beneath.
pub fn says(own: &str, part: &str, list: &List, name: Option<&str>) -> bool {
    let Ok(root) = parse(own) else { return false };
    let part = part.trim_matches('/').to_lowercase();
    let locations = root.children.iter().filter(|node| node.name == "location");
    let places = locations.map(|node| (rules::place(node), node)).chain([(String::new(), &root)]);
    let mut above = places.filter(|(place, _)| is_below(&part, place));
    above.any(|(_, node)| match name {
        Some(name) => {
            let Said { is_there, is_gone, .. } = said(node, list, name);
            is_there || is_gone
        }
        None => collected(node, list).next().is_some(),
    })
}

/// What is wrong with what an element says for `place` of an item that is wanted for `part` of the addresses.
fn clash(part: &str, place: &str, node: &Node, list: &List, name: &str) -> Option<Twice> {
    let said = said(node, list, name);
    // A part of the addresses inherits from those above it, and a `web.config` is read after applicationHost.config.
    let is_below = place != part && is_below(place, part);
    let is_above = place != part && self::is_below(part, place);
    // Of what Holdall itself says, too, it is known when `site.toml` is applied.
    let is_known = *list == MIME_TYPES
        && place.is_empty()
        && web_config::MIME_TYPES.iter().any(|(ending, _)| ending.eq_ignore_ascii_case(name));
    let (clashes, what) = match said {
        _ if is_above && (is_known || !said.is_there) => return None,
        _ if is_below && !said.clashes => return None,
        _ if !is_above && !is_below && place != part => return None,
        Said { clashes: true, .. } => (true, format!("both add `{name}`, and IIS takes an item once")),
        Said { is_there: true, .. } => {
            (false, format!("both say `{name}`: what the `web.config` says counts"))
        }
        Said { is_gone: true, .. } => (false, format!("do not go together: it takes `{name}` out")),
        Said { .. } => return None,
    };
    Some(Twice {
        key: format!("{}.{name}", table(list)),
        section: [list.section.path()].into_iter().chain(list.within).collect::<Vec<_>>().join("/"),
        place: place.to_owned(),
        what,
        clashes,
        instead: is_below.then(|| format!("<remove {}=\"{name}\" />", list.key)),
    })
}

/// The collections that an entry of `site.toml` is for, with the keys of its items.
fn items(entry: &Entry) -> Vec<(&'static List, &str)> {
    match entry {
        Entry::Value { .. } => Vec::new(),
        Entry::Item { list, name, .. } => vec![(list, name)],
        Entry::Whole { list, names } => names.iter().map(|name| (*list, *name)).collect(),
    }
}

/// Where `site.toml` has a collection.
fn table(list: &List) -> &'static str {
    match *list {
        HEADERS => "headers",
        MIME_TYPES => "static.mimeTypes",
        _ => "authentication.providers",
    }
}

fn is_below(place: &str, above: &str) -> bool {
    above.is_empty() || place.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What an element says of one item, in the end.
#[derive(Clone, Copy, Default)]
struct Said {
    /// It adds it to what it inherits, and has not taken it out before.
    clashes: bool,
    is_there: bool,
    is_gone: bool,
}

/// What an element says of the items of a collection, in its order.
fn collected<'a>(node: &'a Node, list: &List) -> impl Iterator<Item = &'a Node> + use<'a> {
    let mut nodes = vec![node];
    for part in list.section.path().split('/').chain(list.within) {
        nodes = nodes.into_iter().flat_map(|node| &node.children).filter(|node| node.name == part).collect();
    }
    nodes.into_iter().flat_map(|node| &node.children)
}

fn said(node: &Node, list: &List, name: &str) -> Said {
    let mut said = Said::default();
    for item in collected(node, list) {
        let is_it = item.attribute(list.key).is_some_and(|key| key.eq_ignore_ascii_case(name));
        match item.name.as_str() {
            "clear" => (said.is_there, said.is_gone) = (false, true),
            "remove" if is_it => (said.is_there, said.is_gone) = (false, true),
            added if added == list.item && is_it => {
                said.clashes |= !said.is_gone;
                said.is_there = true;
            }
            _ => {}
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::SiteSettings;
    use crate::site::iis::section;
    use crate::site::place::tests::guestbook;
    use std::path::Path;

    const SETTINGS: &str = "[headers]\nX-Shop = 'a'\n[static.mimeTypes]\n'.usd' = 'model/usd'\n'.md' = 'text/plain'\n\
                            [media]\nurl = '/Media/'\n[authentication]\nwindows = true\nproviders = ['NTLM']";

    /// The items that are said twice, each with its place, a `*` where the file can say otherwise, and a `-` where the site
    /// works all the same.
    fn found(own: &str) -> Vec<String> {
        let settings = format!("name = 'guestbook'\n{SETTINGS}");
        let settings = SiteSettings::parse(&settings, Path::new("site.toml")).unwrap();
        let mut manifest = guestbook("/srv".as_ref()).manifest;
        manifest.site.static_root = Some("www/static".to_owned());
        let own = format!("<configuration>{own}</configuration>");
        let mut found: Vec<String> = twice(&own, &section::wanted(&settings, Some(&manifest)))
            .into_iter()
            .map(|it| {
                let instead = if it.instead.is_some() { "*" } else { "" };
                format!("{} {}{instead}{}", it.key, it.place, if it.clashes { "" } else { "-" })
            })
            .collect();
        found.sort();
        found
    }

    fn headers(inner: &str) -> String {
        format!(
            "<system.webServer><httpProtocol><customHeaders>{inner}</customHeaders></httpProtocol></system.webServer>"
        )
    }

    fn kinds(inner: &str) -> String {
        format!("<system.webServer><staticContent>{inner}</staticContent></system.webServer>")
    }

    fn location(path: &str, inner: &str) -> String {
        format!("<location path=\"{path}\">{inner}</location>")
    }

    #[test]
    fn a_header_of_which_both_say_something_is_named() {
        let add = "<add name=\"x-shop\" value=\"b\" />";
        assert_eq!(found(&headers(add)), ["headers.X-Shop "]);
        assert_eq!(found(&headers("<add name=\"X-Other\" value=\"b\" />")), [""; 0]);
        // Whether the file wins or takes it out, IIS takes it.
        for first in ["<remove name=\"X-SHOP\" />", "<clear />"] {
            assert_eq!(found(&headers(&format!("{first}{add}"))), ["headers.X-Shop -"]);
            assert_eq!(found(&headers(first)), ["headers.X-Shop -"]);
            assert_eq!(found(&headers(&format!("{add}{first}"))), ["headers.X-Shop "]);
        }
        // Groups may stand there more than once.
        let twice = format!("{}{}", kinds(""), headers(add));
        assert_eq!(found(&twice), ["headers.X-Shop "]);
    }

    #[test]
    fn below_the_site_the_file_may_say_it_otherwise() {
        let add = "<add name=\"x-shop\" value=\"b\" />";
        let below = |inner: &str| found(&location("old", &headers(inner)));
        assert_eq!(below(add), ["headers.X-Shop old*"]);
        assert_eq!(below(&format!("{add}<remove name=\"X-Shop\" />")), ["headers.X-Shop old*"]);
        for other in
            [format!("<remove name=\"X-Shop\" />{add}"), format!("<clear />{add}"), "<clear />".to_owned()]
        {
            assert_eq!(below(&other), [""; 0], "{other}");
        }
    }

    #[test]
    fn a_kind_of_file_is_inherited_by_what_lies_below() {
        let add = "<mimeMap fileExtension=\".USD\" mimeType=\"model/x\" />";
        let (files, uploads) = ("static.mimeTypes..usd static", "static.mimeTypes..usd media");
        assert_eq!(found(&kinds(add)), ["static.mimeTypes..usd "; 2], "by static files and by uploads");
        assert_eq!(found(&kinds(&format!("{add}<remove fileExtension=\".usd\" />"))), [""; 0]);
        let replaced = kinds(&format!("<remove fileExtension=\".usd\" />{add}"));
        assert_eq!(found(&replaced), ["static.mimeTypes..usd -"; 2]);
        assert_eq!(found(&location("static", &kinds(add))), [files]);
        assert_eq!(found(&location("media", &kinds(add))), [uploads]);
        assert_eq!(found(&location("elsewhere", &kinds(add))), [""; 0]);
        // What Holdall itself says, too, is known when `site.toml` is applied.
        let known = "<mimeMap fileExtension=\".md\" mimeType=\"text/markdown\" />";
        assert_eq!(found(&kinds(known)), [""; 0]);
    }

    #[test]
    fn ways_to_ask_for_an_account_are_items_as_well() {
        let providers = |inner: &str| {
            format!(
                "<system.webServer><security><authentication><windowsAuthentication><providers>{inner}</providers>\
                 </windowsAuthentication></authentication></security></system.webServer>"
            )
        };
        assert_eq!(found(&providers("<add value=\"NTLM\" />")), ["authentication.providers.NTLM "]);
        assert_eq!(found("<"), [""; 0]);
    }

    #[test]
    fn what_a_file_in_force_says_of_an_item_is_known_for_its_place_and_below() {
        let own = |inner: &str| format!("<configuration>{inner}</configuration>");
        let shop = own(&location("old", &headers("<add name=\"X-Shop\" value=\"b\" />")));
        for (part, name, expected) in [
            ("old", Some("x-shop"), true),
            ("/Old/er", Some("X-Shop"), true),
            ("old", Some("X-Other"), false),
            ("", Some("X-Shop"), false),
            ("older", Some("X-Shop"), false),
            ("old", None, true),
            ("", None, false),
        ] {
            assert_eq!(says(&shop, part, &HEADERS, name), expected, "{part} {name:?}");
        }
        assert!(says(&own(&headers("<clear />")), "", &HEADERS, Some("X-Any")));
        assert!(!says(&own(&headers("<clear />")), "", &MIME_TYPES, Some(".md")));
        assert!(!says("<", "", &HEADERS, None));
    }

    #[test]
    fn both_places_and_the_cure_are_named() {
        let own =
            format!("<configuration>{}</configuration>", headers("<add name=\"X-Shop\" value=\"b\" />"));
        let settings = "name = 'guestbook'\n[headers]\nX-Shop = 'a'";
        let settings = SiteSettings::parse(settings, Path::new("site.toml")).unwrap();
        let wanted = section::wanted(&settings, None);
        let found = twice(&own, &wanted);
        let report = |twice: &Twice| format!("{twice}\n{}", miette::Diagnostic::help(twice).unwrap());
        assert_eq!(
            report(&found[0]),
            "`headers.X-Shop` in `site.toml` and system.webServer/httpProtocol/customHeaders in the bundle's own `web.config` both \
             add `X-Shop`, and IIS takes an item once\ntake one of them out"
        );
        let below = location("a", &headers("<add name=\"X-Shop\" value=\"b\" />"));
        let found = twice(&format!("<configuration>{below}</configuration>"), &wanted);
        assert!(report(&found[0]).contains("in `<location path=\"a\">` in the bundle's"), "{}", found[0]);
        assert!(
            report(&found[0]).contains("`<remove name=\"X-Shop\" />` there before its own"),
            "{}",
            found[0]
        );
        let found = twice(&own.replace("<add name=\"X-Shop\" value=\"b\" />", "<clear />"), &wanted);
        assert!(report(&found[0]).contains("it takes `X-Shop` out"), "{}", found[0]);
    }
}
