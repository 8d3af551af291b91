//! What a property is named by: `a.b.attr`, `[key='v'].attr`, `+coll.[k='v']`, `-coll.[k='v']`, `~coll`.

use super::args::Parameter;
use super::errors::{self, Failure};

/// One change of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    pub what: What,
    pub path: Vec<Step>,
    /// How it was typed, for messages.
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Set(String),
    Add,
    Remove,
    Clear,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// An element or, at the end, an attribute.
    Name(String),
    /// An item of a collection.
    Item(Indexer),
}

/// `[@position,name='value',...]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indexer {
    pub position: Option<Position>,
    pub values: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    Start,
    End,
    At(usize),
}

impl Edit {
    pub fn parse(parameter: &Parameter) -> Result<Edit, Failure> {
        let name = parameter.name.as_str();
        let value = parameter.value.as_deref();
        let (what, path) = match (name.chars().next(), value) {
            (Some('+'), None) => (What::Add, &name[1..]),
            (Some('-'), None) => (What::Remove, &name[1..]),
            (Some('~'), None) => (What::Clear, &name[1..]),
            (_, Some(value)) => (What::Set(value.to_owned()), name),
            (_, None) => return Err(errors::unknown_attribute(name)),
        };
        let path = steps(path)?;
        let ends_in_item = matches!(path.last(), Some(Step::Item(_)));
        let right = match what {
            What::Add | What::Remove => ends_in_item,
            What::Set(_) | What::Clear => !ends_in_item,
        };
        // `/~` alone clears the collection of the section itself.
        if right || path.is_empty() && what == What::Clear {
            Ok(Edit { what, path, name: name.to_owned() })
        } else {
            Err(errors::unknown_attribute(name))
        }
    }
}

/// The parts between dots; dots inside of an indexer are plain text.
pub fn steps(path: &str) -> Result<Vec<Step>, Failure> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let (indexer, behind) = indexer(inside)?;
            steps.push(Step::Item(indexer));
            rest = match behind.strip_prefix('.') {
                Some(next) if !next.is_empty() => next,
                None if behind.is_empty() => behind,
                _ => return Err(errors::malformed_indexer()),
            };
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            steps.push(Step::Name(rest[..end].to_owned()));
            rest = rest[end..].strip_prefix('.').unwrap_or(&rest[end..]);
        }
    }
    Ok(steps)
}

/// What stands behind a `[`, and what follows its `]`.
fn indexer(text: &str) -> Result<(Indexer, &str), Failure> {
    let malformed = errors::malformed_indexer;
    let mut indexer = Indexer { position: None, values: Vec::new() };
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(' ');
        if let Some(position) = rest.strip_prefix('@') {
            let end = position.find([',', ']']).ok_or_else(malformed)?;
            let first = indexer.position.is_none() && indexer.values.is_empty();
            indexer.position = Some(match position[..end].trim() {
                "start" => Position::Start,
                "end" => Position::End,
                number => Position::At(number.parse().map_err(|_| malformed())?),
            });
            if !first {
                return Err(malformed());
            }
            rest = &position[end..];
        } else {
            let (name, behind) = rest.split_once('=').ok_or_else(malformed)?;
            // Values need single quotes; there is no known way to write one inside.
            let (value, behind) =
                behind.strip_prefix('\'').and_then(|value| value.split_once('\'')).ok_or_else(malformed)?;
            let name = name.trim();
            let is_name = !name.is_empty() && name.chars().all(|character| character.is_alphanumeric());
            if !is_name || indexer.values.iter().any(|(own, _)| own == name) {
                return Err(malformed());
            }
            indexer.values.push((name.to_owned(), value.to_owned()));
            rest = behind;
        }
        rest = rest.trim_start_matches(' ');
        match rest.chars().next() {
            Some(',') => rest = &rest[1..],
            Some(']') => return Ok((indexer, &rest[1..])),
            _ => return Err(malformed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, value: Option<&str>) -> Result<Edit, i32> {
        let parameter =
            Parameter { name: name.to_owned(), value: value.map(ToOwned::to_owned), escaped: false };
        Edit::parse(&parameter).map_err(|failure| failure.exit)
    }

    #[test]
    fn values_in_an_indexer_are_plain_text_between_single_quotes() {
        let edit =
            named(r#"+[@start, fullPath='C:\a, b=[c]\p.exe', arguments='"F:\x y.py" -u']"#, None).unwrap();
        let [Step::Item(indexer)] = edit.path.as_slice() else { panic!("{edit:?}") };
        assert_eq!(indexer.position, Some(Position::Start));
        let values: Vec<_> =
            indexer.values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(values, [("fullPath", r"C:\a, b=[c]\p.exe"), ("arguments", r#""F:\x y.py" -u"#)]);
    }

    #[test]
    fn what_the_real_one_calls_malformed_is_refused() {
        for name in [
            "+[name=x]",
            "+[name=\"x\"]",
            "+[name='x'",
            "+[name='it's']",
            "+[]",
            "+[name='x']y",
            "+[name='x',name='y']",
            "+[name='x',@start]",
            "+[@first,name='x']",
        ] {
            assert_eq!(named(name, None), Err(13), "{name}");
        }
    }

    #[test]
    fn paths_lead_through_elements_and_items() {
        let edit =
            named("bindings.[protocol='http',bindingInformation='*:80:'].sslFlags", Some("1")).unwrap();
        assert_eq!(edit.what, What::Set("1".to_owned()));
        assert_eq!(edit.path.len(), 3);
        assert_eq!(named("+[name='S'].[path='/'].[path='/x']", None).unwrap().path.len(), 3);
        assert_eq!(named("~", None).unwrap(), Edit { what: What::Clear, path: vec![], name: "~".to_owned() });
        assert_eq!(named("~files", None).unwrap().what, What::Clear);
        for wrong in ["+name", "-name", "[name='x']", "name"] {
            assert_eq!(named(wrong, None), Err(87), "{wrong}");
        }
        assert_eq!(named("[name='x']", Some("1")), Err(87));
    }
}
