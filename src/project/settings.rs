//! What the text of the settings says, through the star imports of settings that build on others.
//!
//! Only plain literals count, and only those that an import certainly reaches; the truth is asked from the
//! loaded settings by a later stage.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::disk;
use super::error::ProjectError;
use super::layout::Roots;
use super::source::{self, Kind, Reach, Statement, Token};

/// The settings as far as they can be read.
#[derive(Debug, Default)]
pub struct SettingsText {
    values: BTreeMap<String, Assigned>,
    /// Strings in the lists of applications.
    applications: Vec<Assigned>,
    /// The files read, the settings module itself among them.
    pub files: BTreeSet<PathBuf>,
}

/// What is assigned to a setting, and where.
#[derive(Debug, Clone)]
pub struct Assigned {
    pub value: Literal,
    pub file: PathBuf,
    pub line: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    Text(String),
    True,
    /// Anything that has to be computed, or is of no interest.
    Other,
}

impl SettingsText {
    /// Reads a settings module; empty if it is none of the project's files.
    pub fn read(roots: &Roots<'_>, module: &str) -> Result<SettingsText, ProjectError> {
        let mut settings = SettingsText::default();
        settings.load(roots, module)?;
        Ok(settings)
    }

    pub fn assigned(&self, name: &str) -> Option<&Assigned> {
        self.values.get(name)
    }

    /// The text assigned to a setting, when it is a literal.
    pub fn text(&self, name: &str) -> Option<(&str, &Assigned)> {
        let assigned = self.assigned(name)?;
        match &assigned.value {
            Literal::Text(text) => Some((text, assigned)),
            _ => None,
        }
    }

    /// Where an application, or a module of it, is listed.
    pub fn application(&self, name: &str) -> Option<&Assigned> {
        self.applications.iter().find(|listed| match &listed.value {
            Literal::Text(text) => {
                text.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            }
            _ => false,
        })
    }

    fn load(&mut self, roots: &Roots<'_>, module: &str) -> Result<(), ProjectError> {
        let Some(file) = roots.file_of(module) else { return Ok(()) };
        if !self.files.insert(file.clone()) {
            return Ok(());
        }
        let statements = source::read(&file).map_err(|source| disk::unreadable(&file, source))?;
        let is_package = file.ends_with("__init__.py");
        for statement in &statements {
            if statement.reach == Reach::Later {
                continue;
            }
            self.note_applications(statement, &file);
            if statement.reach == Reach::Perhaps {
                continue;
            }
            if let Some(imported) = star_import(&statement.tokens, module, is_package) {
                self.load(roots, &imported)?;
            }
            if let Some((names, value)) = assignment(&statement.tokens) {
                let assigned = Assigned { value, file: file.clone(), line: statement.line };
                for name in names {
                    self.values.insert(name.to_owned(), assigned.clone());
                }
            }
        }
        Ok(())
    }

    fn note_applications(&mut self, statement: &Statement, file: &Path) {
        let Some(Token { kind: Kind::Name(target), .. }) = statement.tokens.first() else { return };
        if !target.ends_with("APPS") {
            return;
        }
        for token in &statement.tokens {
            if let Some(text) = token.text() {
                let value = Literal::Text(text.to_owned());
                self.applications.push(Assigned { value, file: file.to_owned(), line: token.line });
            }
        }
    }
}

/// The module of `from .base import *`, made absolute.
fn star_import(tokens: &[Token], module: &str, is_package: bool) -> Option<String> {
    let (from, rest) = tokens.split_first()?;
    let [path @ .., import, star] = rest else { return None };
    if !from.is_name("from") || !import.is_name("import") || !star.is_mark('*') {
        return None;
    }
    let dots = path.iter().take_while(|token| token.is_mark('.')).count();
    let names: String = path[dots..]
        .iter()
        .filter_map(|token| match &token.kind {
            Kind::Name(name) => Some(name.as_str()),
            Kind::Mark('.') => Some("."),
            _ => None,
        })
        .collect();
    if dots == 0 {
        return Some(names);
    }
    let mut package: Vec<&str> = module.split('.').collect();
    let up = if is_package { dots - 1 } else { dots };
    package.truncate(package.len().checked_sub(up)?);
    package.extend((!names.is_empty()).then_some(names.as_str()));
    (!package.is_empty()).then(|| package.join("."))
}

/// The names and the value of `A = B = value` or `A: type = value`.
fn assignment(tokens: &[Token]) -> Option<(Vec<&str>, Literal)> {
    let mut names = Vec::new();
    let mut rest = tokens;
    loop {
        match rest {
            [Token { kind: Kind::Name(name), .. }, equals, after @ ..]
                if equals.is_mark('=') && !after.first().is_some_and(|token| token.is_mark('=')) =>
            {
                names.push(name.as_str());
                rest = after;
            }
            [Token { kind: Kind::Name(name), .. }, colon, after @ ..]
                if names.is_empty() && colon.is_mark(':') =>
            {
                let equals = after.iter().position(|token| token.is_mark('='))?;
                names.push(name.as_str());
                rest = &after[equals + 1..];
            }
            _ => break,
        }
    }
    (!names.is_empty()).then(|| (names, literal(rest)))
}

fn literal(mut tokens: &[Token]) -> Literal {
    while let [open, inner @ .., close] = tokens
        && open.is_mark('(')
        && close.is_mark(')')
    {
        tokens = inner;
    }
    match tokens {
        [only] if only.is_name("True") => Literal::True,
        [_, ..] => match tokens.iter().map(Token::text).collect::<Option<String>>() {
            Some(text) => Literal::Text(text),
            None => Literal::Other,
        },
        [] => Literal::Other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::project::source::statements;

    #[track_caller]
    fn assigns(source: &str, expected: Literal) {
        let statements = statements(source);
        let (names, value) = assignment(&statements[0].tokens).unwrap();
        assert_eq!((names.last(), value), (Some(&"A"), expected), "{source}");
    }

    #[test]
    fn literals_are_told_from_what_is_computed() {
        for source in ["A = 'x'", "A: str = 'x'", "A = ('x')", "B = A = 'x'", "A = (\n  ''\n  'x'\n)"] {
            assigns(source, Literal::Text("x".to_owned()));
        }
        assigns("A = True", Literal::True);
        for source in
            ["A = env('x')", "A = f'{x}'", "A = 'x' + y", "A = os.environ['x']", "A = ['x']", "A = not True"]
        {
            assigns(source, Literal::Other);
        }
        assert!(assignment(&statements("A == 'x'")[0].tokens).is_none());
        assert!(assignment(&statements("A += 'x'")[0].tokens).is_none());
    }

    #[track_caller]
    fn imports(source: &str, module: &str, is_package: bool, expected: Option<&str>) {
        assert_eq!(star_import(&statements(source)[0].tokens, module, is_package).as_deref(), expected);
    }

    #[test]
    fn star_imports_are_resolved_as_python_does() {
        imports("from .base import *", "shop.settings.dev", false, Some("shop.settings.base"));
        imports("from .base import *  # noqa", "shop.settings", true, Some("shop.settings.base"));
        imports("from ..conf.base import *", "shop.settings.dev", false, Some("shop.conf.base"));
        imports("from . import *", "shop.settings.dev", false, Some("shop.settings"));
        imports("from shop.base import *", "shop.settings", false, Some("shop.base"));
        imports("from ...base import *", "shop.dev", false, None);
        imports("from .base import A", "shop.dev", false, None);
        imports("import os", "shop.dev", false, None);
    }
}
