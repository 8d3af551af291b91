//! Reads the table of the schema.

use super::{Attribute, Element, Items, Key, Kind, Rule, Section};

/// The table is part of the program: a fault in it is one of the program.
pub fn sections(table: &'static str) -> Vec<Section> {
    let lines: Vec<(usize, &str)> = table
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| (line.len() - line.trim_start().len(), line.trim()))
        .collect();
    let mut rest = lines.as_slice();
    let mut sections = Vec::new();
    while let Some((_, line)) = rest.first() {
        let path = line.strip_prefix("section ").unwrap_or_else(|| panic!("no section: {line}"));
        let mut element = Element { name: path.rsplit('/').next().unwrap_or(path), ..Element::default() };
        rest = fill(&mut element, 0, &rest[1..]);
        sections.push(Section { path, element });
    }
    sections
}

type Lines<'a> = &'a [(usize, &'static str)];

/// Takes the lines that stand deeper than the element, and returns the others.
fn fill<'a>(element: &mut Element, depth: usize, mut rest: Lines<'a>) -> Lines<'a> {
    while let Some((indent, line)) = rest.first() {
        if *indent <= depth {
            break;
        }
        let mut words = line.split(' ');
        let first = words.next().unwrap_or_default();
        let name = words.clone().next().unwrap_or_default();
        match first {
            "element" => {
                let mut inner = Element { name, ..Element::default() };
                rest = fill(&mut inner, *indent, &rest[1..]);
                element.elements.push(inner);
            }
            "items" => {
                let mut item = Element { name, ..Element::default() };
                rest = fill(&mut item, *indent, &rest[1..]);
                let (mut remove, mut clear) = (None, None);
                for word in words.clone() {
                    remove = word.strip_prefix("remove=").or(remove);
                    clear = word.strip_prefix("clear=").or(clear);
                }
                let first = words.any(|word| word == "first");
                element.items = Some(Box::new(Items { item, remove, clear, first }));
            }
            _ => {
                element.attributes.push(attribute(line));
                rest = &rest[1..];
            }
        }
    }
    rest
}

fn attribute(line: &'static str) -> Attribute {
    let (definition, default) = match line.split_once(" = ") {
        Some((definition, default)) => (definition, Some(default)),
        None => (line, None),
    };
    let mut words = definition.split(' ');
    let name = words.next().unwrap_or_default();
    let kind = kind(words.next().unwrap_or_default());
    let words: Vec<&str> = words.collect();
    let has = |word| words.contains(&word);
    let key = match (has("key"), has("unique")) {
        (_, true) => Key::Unique,
        (true, false) => Key::Combined,
        (false, false) => Key::No,
    };
    let rule = match (has("site-name"), has("pool-name"), has("app-path")) {
        (true, ..) => Rule::SiteName,
        (_, true, _) => Rule::PoolName,
        (.., true) => Rule::AppPath,
        _ => Rule::None,
    };
    let required = has("required");
    let default = default.or(if required { None } else { Some("") });
    Attribute {
        name,
        kind,
        default,
        required,
        key,
        nonempty: has("nonempty"),
        expanded: has("expanded"),
        case: has("case"),
        encrypted: has("encrypted"),
        rule,
    }
}

fn kind(word: &'static str) -> Kind {
    let (name, detail) = word.split_once(':').unwrap_or((word, ""));
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("no number in {word}"));
    let range = |text: &str| text.split_once('-').map(|(min, max)| (number(min), number(max)));
    match name {
        "string" => Kind::Text,
        "bool" => Kind::Bool,
        "int64" => Kind::Int64,
        "uint" => {
            let (min, max) = range(detail).unwrap_or((0, u64::from(u32::MAX)));
            Kind::Uint { min, max }
        }
        "timeSpan" => {
            let (bounds, step) = detail.split_once('/').unwrap_or((detail, "1"));
            // Without bounds as much as a TimeSpan of .NET can hold.
            let (min, max) = range(bounds).unwrap_or((0, 922_337_203_685));
            Kind::TimeSpan { min, max, step: number(step) }
        }
        "enum" => Kind::Enum(detail.split('|').collect()),
        "flags" => Kind::Flags(detail.split('|').collect()),
        _ => panic!("no type: {word}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{section, section_called, sections};
    use super::*;

    #[test]
    fn every_default_is_a_value_that_its_attribute_takes() {
        fn check(element: &Element) {
            for attribute in &element.attributes {
                match attribute.default {
                    Some("") => assert!(matches!(attribute.kind, Kind::Text), "{}", attribute.name),
                    Some(default) => {
                        assert_eq!(attribute.check(default).as_deref(), Ok(default), "{}", attribute.name);
                    }
                    None => assert!(attribute.required, "{}", attribute.name),
                }
            }
            element.elements.iter().for_each(check);
            if let Some(items) = &element.items {
                assert!(items.item.keys().count() > 0, "{}", items.item.name);
                check(&items.item);
            }
        }
        for section in sections() {
            check(&section.element);
        }
    }

    #[test]
    fn sections_are_found_by_their_path_and_by_their_last_word() {
        assert!(section("system.webServer/fastCGI").is_none());
        for name in ["system.webServer/fastCGI", "fastcgi", "FASTCGI", "system.webserver/fastCgi"] {
            assert_eq!(
                section_called(name).map(|section| section.path),
                Some("system.webServer/fastCgi"),
                "{name}"
            );
        }
        assert!(section_called("rewrite").is_none());
    }

    #[test]
    fn an_application_of_fastcgi_is_named_by_program_and_arguments() {
        let items = section("system.webServer/fastCgi").unwrap().element.items.as_ref().unwrap();
        assert_eq!(items.item.name, "application");
        let keys: Vec<_> = items.item.keys().map(|key| key.name).collect();
        assert_eq!(keys, ["fullPath", "arguments"]);
        assert_eq!(items.item.element("environmentVariables").unwrap().items.as_ref().unwrap().remove, None);
        assert!(section("system.webServer/handlers").unwrap().element.items.as_ref().unwrap().first);
    }
}
