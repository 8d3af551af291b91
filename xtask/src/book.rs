//! The guide in `docs/` is an mdBook: what its list of pages and the pages' links name must be there, and every page in the list.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::tools;

fn docs() -> PathBuf {
    tools::root().join("docs")
}

fn read(page: &str) -> String {
    fs_err::read_to_string(docs().join(page)).unwrap()
}

/// The names of all pages.
fn pages() -> BTreeSet<String> {
    let names =
        fs_err::read_dir(docs()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".md") && name != "SUMMARY.md").collect()
}

/// Where the links of a page lead, outside of examples.
fn links(text: &str) -> Vec<&str> {
    let lines = text.lines().filter(|line| !line.starts_with("    "));
    lines.flat_map(|line| line.split("](").skip(1).filter_map(|rest| rest.split(')').next())).collect()
}

/// The name by which mdBook and others link to a heading: small letters, digits and `-`.
fn anchor(heading: &str) -> String {
    let kept =
        heading.trim_start_matches('#').trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// Whether there is what a link in a page of `docs/` names.
fn leads_somewhere(page: &str, link: &str) -> bool {
    if link.starts_with("https://") {
        return true;
    }
    let (file, heading) = link.split_once('#').unwrap_or((link, ""));
    let file = if file.is_empty() { page } else { file };
    let path = docs().join(Path::new(file));
    let headings = |text: String| text.lines().any(|line| line.starts_with('#') && anchor(line) == heading);
    path.exists() && (heading.is_empty() || fs_err::read_to_string(path).is_ok_and(headings))
}

#[test]
fn every_page_is_listed_once_and_every_listed_page_is_there() {
    let summary = read("SUMMARY.md");
    let listed = links(&summary);
    assert_eq!(listed.iter().map(|link| (*link).to_owned()).collect::<BTreeSet<_>>(), pages());
    assert_eq!(listed.len(), pages().len(), "{listed:?}");
}

#[test]
fn every_link_leads_somewhere() {
    for page in pages() {
        let text = read(&page);
        let broken: Vec<&str> =
            links(&text).into_iter().filter(|link| !leads_somewhere(&page, link)).collect();
        assert_eq!(broken, [""; 0], "in docs/{page}");
    }
    assert!(!leads_somewhere("deploying.md", "#no-such-heading"));
    assert!(!leads_somewhere("deploying.md", "no-such-page.md"));
    assert!(leads_somewhere("deploying.md", "#folders"));
}
