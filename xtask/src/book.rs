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

/// What stands in backticks and has the form of a doctor's line: `iis.cgi`.
fn lines_of_doctor(text: &str) -> BTreeSet<&str> {
    let groups = ["machine", "iis", "http", "site", "database", "bundle"];
    let is_line = |word: &&str| {
        let (group, name) = word.split_once('.').unwrap_or((word, ""));
        groups.contains(&group)
            && !["", "toml"].contains(&name)
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    text.split('`').skip(1).step_by(2).filter(is_line).collect()
}

#[test]
fn every_line_of_the_doctor_is_explained_and_every_other_page_names_one_that_there_is() {
    let explained = read("doctor.md");
    let explained = lines_of_doctor(&explained);
    let mut sources = String::new();
    for path in walk(&tools::root().join("src")) {
        sources += &fs_err::read_to_string(path).unwrap();
    }
    let unsaid: Vec<_> = explained.iter().filter(|line| !sources.contains(&format!("\"{line}\""))).collect();
    assert_eq!(unsaid, [&""; 0], "docs/doctor.md explains lines that doctor never says");
    for page in pages() {
        let text = read(&page);
        let unknown: Vec<_> = lines_of_doctor(&text).difference(&explained).copied().collect();
        assert_eq!(unknown, [""; 0], "in docs/{page}");
    }
    assert!(explained.len() > 20, "{explained:?}");
}

/// The doctor's sources, and those that it takes findings from.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let files = files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    files.chain(folders.iter().flat_map(|folder| walk(folder))).collect()
}
