//! `docs/verified.md` names tests and facts. Each must be there, or the page would promise what nothing proves.

use std::collections::BTreeSet;
use std::path::Path;

use crate::{iis, tools};

/// Where tests are.
const SOURCES: [&str; 5] = ["src", "tests", "bridge", "xtask/src", "examples"];

/// What stands between backticks in the page's tables.
fn named(page: &str) -> BTreeSet<&str> {
    let rows = page.lines().filter(|line| line.starts_with('|'));
    rows.flat_map(|row| row.split('`').skip(1).step_by(2)).collect()
}

/// Whether a word has the form of a test's name: small letters and more than one `_`.
fn is_test(word: &str) -> bool {
    let plain =
        |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_';
    word.chars().all(plain) && word.matches('_').count() > 1
}

/// Whether a word has the form of a fact's name: one of the facts begins as it does.
fn is_fact(word: &str) -> bool {
    let group = |id: &str| id.split_once('.').map(|(group, _)| group.to_owned());
    group(word).is_some_and(|found| iis::facts().any(|id| group(id).as_ref() == Some(&found)))
}

/// The text of all sources below `folder`.
fn sources(folder: &Path, text: &mut String) {
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "py") {
            text.push_str(&fs_err::read_to_string(path).unwrap());
        }
    }
}

/// What the page names and nobody has written.
fn missing<'page>(page: &'page str, sources: &str) -> Vec<&'page str> {
    let written = |name: &str| ["fn", "def"].iter().any(|word| sources.contains(&format!("{word} {name}(")));
    let test = |word: &&str| is_test(word) && !written(word);
    let fact = |word: &&str| is_fact(word) && !iis::facts().any(|id| id == *word);
    named(page).into_iter().filter(|word| test(word) || fact(word)).collect()
}

#[test]
fn every_test_and_every_fact_that_the_page_names_is_there() {
    let root = tools::root();
    let mut text = String::new();
    for folder in SOURCES {
        sources(&root.join(folder), &mut text);
    }
    let page = fs_err::read_to_string(root.join("docs/verified.md")).unwrap();
    assert!(named(&page).iter().filter(|word| is_test(word)).count() > 20);
    assert_eq!(missing(&page, &text), [""; 0]);
}

#[test]
fn a_test_or_a_fact_that_is_gone_is_named() {
    let page = "`not_in_a_table`\n| `it_is_there` and `it_is_gone` | `pipe.end`, `pipe.middle` | `holdall.exe` | `a_b` |";
    assert_eq!(missing(page, "fn it_is_there() {}"), ["it_is_gone", "pipe.middle"]);
}

#[test]
fn the_page_claims_nothing_of_a_real_iis_before_one_was_asked() {
    let root = tools::root();
    let page = fs_err::read_to_string(root.join("docs/verified.md")).unwrap();
    let facts = fs_err::read_to_string(root.join("tests/lab/facts.toml")).unwrap();
    assert!(page.contains("Nobody has run any of it yet") || !facts.contains("system = \"unknown\""));
}
