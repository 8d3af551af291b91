//! What the text of a Python module says of others: a search that would rather see too much than too little.
//!
//! Nothing is run and no syntax is parsed; texts count as code does, comments do not.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub struct Interest {
    /// Last parts of the names of modules: `tests`.
    pub modules: BTreeSet<String>,
    /// Any words: `attach_stub`.
    pub words: BTreeSet<String>,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mentions {
    /// Dotted names with one of the modules in them. One that begins with a dot is relative to nobody knows what.
    pub modules: BTreeSet<String>,
    pub words: BTreeSet<String>,
}

impl Mentions {
    pub fn add(&mut self, other: Mentions) {
        self.modules.extend(other.modules);
        self.words.extend(other.words);
    }
}

/// Searches the text of the file `name`, which is relative to site-packages.
pub fn mentions(name: &str, text: &str, interest: &Interest) -> Mentions {
    let mut found = Mentions::default();
    for word in &interest.words {
        if text.match_indices(word.as_str()).any(|(at, _)| !is_comment(text, at)) {
            found.words.insert(word.clone());
        }
    }
    let package = package(name);
    for module in &interest.modules {
        for (start, _) in text.match_indices(module.as_str()) {
            let end = start + module.len();
            let whole = !text[..start].ends_with(in_word) && !text[end..].starts_with(in_word);
            if whole
                && !is_comment(text, start)
                && let Some(dotted) = dotted(text, start, end, &package)
            {
                found.modules.insert(dotted);
            }
        }
    }
    found
}

/// Whether a `#` stands on the line before `at`, and no text in which it could be only a character.
fn is_comment(text: &str, at: usize) -> bool {
    let line = text[..at].rsplit('\n').next().unwrap_or_default();
    line.split_once('#').is_some_and(|(code, _)| !code.contains(['\'', '"']))
}

fn in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn in_dotted(c: char) -> bool {
    in_word(c) || c == '.'
}

/// The package that a file's relative imports count from.
fn package(name: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = name.split('/').collect();
    parts.pop();
    parts
}

/// The dotted name that is meant by the word at `start..end`; none if it is only a word.
fn dotted(text: &str, start: usize, end: usize, package: &[&str]) -> Option<String> {
    let from = text[..start].trim_end_matches(in_dotted).len();
    let to = text.len() - text[end..].trim_start_matches(in_dotted).len();
    let name = text[from..to].trim_end_matches('.');
    let before = &text[..from];
    if !name.contains('.') {
        return bare(name, before, package);
    }
    if !name.starts_with('.') {
        return Some(name.to_owned());
    }
    // What `f(x).tests` and `x[0].tests` name is no module.
    if before.ends_with([')', ']']) {
        return None;
    }
    // Relative to this package where it is imported, to any where it is put together: `f"{app}.tests"`.
    match before.trim_end_matches([' ', '\t']).ends_with("from") {
        true => Some(absolute(name, package)),
        false => {
            Some(name.trim_start_matches('.')).filter(|rest| !rest.is_empty()).map(|rest| format!(".{rest}"))
        }
    }
}

/// A word without dots names a module only in an import statement.
fn bare(name: &str, before: &str, package: &[&str]) -> Option<String> {
    let blank = |text: &str| text.trim_end_matches([' ', '\t']).to_owned();
    if last_word(&blank(before)) == "from" {
        return Some(name.to_owned());
    }
    let import = import(before)?;
    let head = blank(&before[..import]);
    let module = head[head.trim_end_matches(in_dotted).len()..].to_owned();
    let is_from = last_word(&blank(&head[..head.len() - module.len()])) == "from";
    match is_from && !module.is_empty() {
        true if module.starts_with('.') => Some(join(&absolute(&module, package), name)),
        true => Some(join(&module, name)),
        false => Some(name.to_owned()),
    }
}

/// Where the word `import` stands when the end of `text` is in the list of its names, on that line or lines above that
/// hold nothing else.
fn import(text: &str) -> Option<usize> {
    let mut end = text.len();
    let mut above = false;
    loop {
        let start = text[..end].rfind('\n').map_or(0, |at| at + 1);
        let line = text[start..end].split('#').next().unwrap_or_default().trim_end();
        let mut words = line.rmatch_indices("import").map(|(at, word)| (at, at + word.len()));
        let word =
            words.find(|&(from, to)| !line[..from].ends_with(in_word) && !line[to..].starts_with(in_dotted));
        let names = word.map_or(line, |(_, to)| &line[to..]);
        let listed = |c: char| in_dotted(c) || matches!(c, ' ' | '\t' | ',' | '(' | '\\' | '*');
        if !names.chars().all(listed) {
            return None;
        }
        if let Some((from, _)) = word {
            let continued = !above || names.contains('(') || names.ends_with('\\');
            return continued.then_some(start + from);
        }
        end = start.checked_sub(1)?;
        above = true;
    }
}

fn last_word(text: &str) -> &str {
    &text[text.trim_end_matches(in_word).len()..]
}

/// `..tests.x` as it is in `package`.
fn absolute(relative: &str, package: &[&str]) -> String {
    let rest = relative.trim_start_matches('.');
    let up = relative.len() - rest.len() - 1;
    let base = package[..package.len().saturating_sub(up)].join(".");
    join(&base, rest)
}

fn join(base: &str, rest: &str) -> String {
    match (base.is_empty(), rest.is_empty()) {
        (true, _) => rest.to_owned(),
        (_, true) => base.to_owned(),
        _ => format!("{base}.{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let interest = Interest {
            modules: BTreeSet::from(["tests".to_owned(), "conftest".to_owned()]),
            words: BTreeSet::from(["attach_stub".to_owned()]),
        };
        let found = mentions("shop/cart/views.py", text, &interest);
        assert_eq!(found.modules.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{text}");
    }

    #[test]
    fn imports_are_seen_in_each_of_their_forms() {
        check("import shop.tests", &["shop.tests"]);
        check("import os, shop.tests.x as y", &["shop.tests.x"]);
        check("import tests", &["tests"]);
        check("import os, tests as t", &["tests"]);
        check("from tests import x", &["tests"]);
        check("from tests.a import x", &["tests.a"]);
        check("from shop.tests.a import x", &["shop.tests.a"]);
        check("from shop import a, tests", &["shop.tests"]);
        check("from .tests import x", &["shop.cart.tests"]);
        check("from  .tests.a import x", &["shop.cart.tests.a"]);
        check("from ..tests import x", &["shop.tests"]);
        check("from . import tests", &["shop.cart.tests"]);
        check("from .. import a, tests as t", &["shop.tests"]);
        check("from ..a import tests", &["shop.a.tests"]);
        check("try: from . import tests\nexcept ImportError: pass", &["shop.cart.tests"]);
        check("from . import (  # noqa: two\n    a,  # one (of two)\n    tests,\n)", &["shop.cart.tests"]);
        check("from . import a, \\\r\n    tests", &["shop.cart.tests"]);
        check("from . import important, tests", &["shop.cart.tests"]);
        check("from . import (\n    imports, reimport,\n    tests)", &["shop.cart.tests"]);
        check("from . import tests, conftest", &["shop.cart.conftest", "shop.cart.tests"]);
        check("from ....... import tests", &["tests"]);
    }

    #[test]
    fn texts_that_name_a_module_count() {
        check("import_module('shop.tests.x')", &["shop.tests.x"]);
        check("INSTALLED_APPS += [\"shop.tests\"]", &["shop.tests"]);
        check("import_module('.tests', __package__)", &[".tests"]);
        check("import_module(f'{app}.tests.x')", &[".tests.x"]);
        check("# see shop.tests.\nx = 1  # shop.tests", &[]);
        check("x = '#'; import shop.tests", &["shop.tests"]);
        check("\"\"\"See shop.tests.\"\"\"", &["shop.tests"]);
    }

    #[test]
    fn mere_words_do_not_count() {
        check("tests = 1\nprint(tests)", &[]);
        check("import os\ntests = 1", &[]);
        check("from os import path\n\nruns = [tests]", &[]);
        check("import os; run(tests)", &[]);
        check("important tests", &[]);
        check("from os import path\npath, tests", &[]);
        check("x = important(\n    tests,", &[]);
        check("suite().tests, suites[0].tests", &[]);
        check("latests.x, tests_a.b, shop.mytests", &[]);
        check("os.path.join(here, 'tests')", &[]);
        check("", &[]);
    }

    #[test]
    fn words_are_found_anywhere() {
        let interest = Interest { words: BTreeSet::from([".pyi".to_owned()]), ..Interest::default() };
        let found = |text: &str| mentions("a.py", text, &interest).words.len();
        assert_eq!((found("stub = f'{base}.pyi'"), found("base.py")), (1, 0));
    }
}
