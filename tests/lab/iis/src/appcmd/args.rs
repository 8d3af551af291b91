//! What is typed after `appcmd`: verb, object, identifier, and parameters (`/name:value` or `-name:value`).

use super::errors::{self, Failure};

/// A command as it was typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Typed {
    pub verb: String,
    pub object: String,
    /// The one bare word behind both.
    pub identifier: Option<String>,
    pub parameters: Vec<Parameter>,
}

/// One `/name:value`; `/name` alone has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    pub name: String,
    pub value: Option<String>,
    /// `/!name`: a property even when a parameter of appcmd has that name.
    pub escaped: bool,
}

impl Typed {
    pub fn parse(args: &[String]) -> Result<Typed, Failure> {
        let mut typed = Typed::default();
        let mut bare = 0;
        for arg in args {
            match arg.strip_prefix(['/', '-']) {
                Some(parameter) => typed.parameters.push(Parameter::parse(parameter)),
                None => {
                    match bare {
                        0 => typed.verb = arg.to_lowercase(),
                        1 => typed.object = arg.to_lowercase(),
                        2 => typed.identifier = Some(arg.clone()),
                        _ => return Err(errors::not_a_parameter(arg)),
                    }
                    bare += 1;
                }
            }
        }
        // One word alone is the object.
        if bare == 1 {
            typed.object = std::mem::take(&mut typed.verb);
        }
        Ok(typed)
    }

    /// Takes a parameter of appcmd itself out, by its name in any case of letters.
    pub fn take(&mut self, name: &str) -> Option<Parameter> {
        let is_it = |own: &Parameter| !own.escaped && own.name.eq_ignore_ascii_case(name);
        let at = self.parameters.iter().position(is_it)?;
        Some(self.parameters.remove(at))
    }

    /// The same for one whose value is asked for.
    pub fn take_value(&mut self, name: &str) -> Option<String> {
        self.take(name).map(|parameter| parameter.value.unwrap_or_default())
    }
}

impl Parameter {
    /// The name ends at the first colon outside of an indexer: values in there may hold colons.
    fn parse(text: &str) -> Parameter {
        let (text, escaped) = match text.strip_prefix('!') {
            Some(text) => (text, true),
            None => (text, false),
        };
        let (mut inside, mut quoted) = (false, false);
        for (at, character) in text.char_indices() {
            match character {
                '\'' if inside => quoted = !quoted,
                '[' if !quoted => inside = true,
                ']' if !quoted => inside = false,
                ':' if !inside => {
                    let value = Some(text[at + 1..].to_owned());
                    return Parameter { name: text[..at].to_owned(), value, escaped };
                }
                _ => {}
            }
        }
        Parameter { name: text.to_owned(), value: None, escaped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(words: &[&str]) -> Result<Typed, Failure> {
        Typed::parse(&words.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn verb_and_object_are_read_in_any_case_and_the_identifier_is_kept() {
        let typed = typed(&["LIST", "Sites", "Shop", "/text:*", "-xml"]).unwrap();
        assert_eq!((typed.verb.as_str(), typed.object.as_str()), ("list", "sites"));
        assert_eq!(typed.identifier.as_deref(), Some("Shop"));
        let names: Vec<_> =
            typed.parameters.iter().map(|own| (own.name.as_str(), own.value.as_deref())).collect();
        assert_eq!(names, [("text", Some("*")), ("xml", None)]);
    }

    #[test]
    fn a_second_bare_word_is_refused() {
        let failure = typed(&["set", "site", "My", "Shop"]).unwrap_err();
        assert_eq!(failure.exit, 87);
        assert_eq!(
            failure.text,
            "Failed to process input: The parameter 'Shop' must begin with a / or - (HRESULT=80070057).\r\n"
        );
    }

    #[test]
    fn a_colon_inside_an_indexer_belongs_to_its_value() {
        let edit = r"/[fullPath='C:\a [b]\p.exe',arguments='x:y'].idleTimeout:60";
        let typed = typed(&["set", "config", edit, "/!section:x", "/physicalPath:C:\\x"]).unwrap();
        assert_eq!(typed.parameters[0].name, r"[fullPath='C:\a [b]\p.exe',arguments='x:y'].idleTimeout");
        assert_eq!(typed.parameters[0].value.as_deref(), Some("60"));
        assert!(typed.parameters[1].escaped);
        assert_eq!(typed.parameters[2].value.as_deref(), Some("C:\\x"));
    }
}
