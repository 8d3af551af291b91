//! Links inside a runtime's tree of files, by name alone: where they lead, and which copies take their place.

use std::collections::BTreeMap;

/// Where a link in `folder` that says `to` leads, from the top of the tree; `None` if that is outside.
pub fn target(folder: &str, to: &str) -> Option<String> {
    if to.starts_with('/') || to.contains(['\\', ':', '\0']) {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in to.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// For every link, to a file or to a folder, the copies that take its place: their names, each with the name of
/// the file it is a copy of. Fails with a link that leads to nothing, or into itself.
pub fn copies<T>(
    files: &BTreeMap<String, T>,
    mut links: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, (String, String)> {
    // Every file is its own original; a copy's original is that of what it was made from.
    let mut originals: BTreeMap<String, String> =
        files.keys().map(|name| (name.clone(), name.clone())).collect();
    // A link may lead through another: those that are ready go first, until none is left or none is ready.
    while !links.is_empty() {
        let ready: Vec<String> = links
            .iter()
            .filter(|(_, to)| !links.keys().any(|open| open == *to || is_below(open, to)))
            .map(|(link, _)| link.clone())
            .collect();
        let before = links.len();
        for link in ready {
            let to = links[&link].clone();
            let copies: Vec<(String, String)> = originals
                .range(to.clone()..)
                .take_while(|(name, _)| name.starts_with(&to))
                .filter(|(name, _)| **name == to || is_below(name, &to))
                .map(|(name, original)| (format!("{link}{}", &name[to.len()..]), original.clone()))
                .collect();
            if !copies.is_empty() {
                originals.extend(copies);
                links.remove(&link);
            }
        }
        if links.len() == before {
            break;
        }
    }
    match links.pop_first() {
        Some(dead) => Err(dead),
        None => Ok(originals.into_iter().filter(|(name, _)| !files.contains_key(name)).collect()),
    }
}

fn is_below(name: &str, folder: &str) -> bool {
    folder.is_empty() || name.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn resolve(files: &[&str], links: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let files = files.iter().map(|name| ((*name).to_owned(), ())).collect();
        let links = links.iter().map(|(link, to)| ((*link).to_owned(), (*to).to_owned())).collect();
        match copies(&files, links) {
            Ok(copies) => Ok(copies.iter().map(|(copy, of)| format!("{copy} = {of}")).collect()),
            Err((link, _)) => Err(link),
        }
    }

    #[test]
    fn links_to_files_folders_and_other_links_become_copies_of_the_file_itself() {
        let copies = resolve(
            &["bin/python3.12", "lib/a/x.py", "lib-dynload/y.so"],
            &[
                ("bin/python3", "bin/python3.12"),
                ("lib64", "lib"),
                ("chain", "lib64/a"),
                ("last", "chain/x.py"),
            ],
        );
        assert_eq!(
            copies.unwrap(),
            [
                "bin/python3 = bin/python3.12",
                "chain/x.py = lib/a/x.py",
                "last = lib/a/x.py",
                "lib64/a/x.py = lib/a/x.py"
            ]
        );
    }

    #[test]
    fn a_link_to_nothing_or_into_itself_is_named() {
        assert_eq!(resolve(&[], &[("a", "b")]), Err("a".to_owned()));
        assert_eq!(resolve(&[], &[("a", "b"), ("b", "a")]), Err("a".to_owned()));
        assert_eq!(resolve(&["x/file"], &[("x/loop", "x")]), Err("x/loop".to_owned()));
        assert_eq!(resolve(&["file"], &[("top", "")]), Err("top".to_owned()));
    }

    #[test]
    fn a_link_is_followed_from_its_folder_and_never_out_of_the_tree() {
        assert_eq!(target("python/bin", "./python3.12").as_deref(), Some("python/bin/python3.12"));
        assert_eq!(target("python/bin", "../lib//x").as_deref(), Some("python/lib/x"));
        assert_eq!(target("", "python/x").as_deref(), Some("python/x"));
        for outside in ["../../../x", "/etc/passwd", "c:x", "..\\x"] {
            assert_eq!(target("python/bin", outside), None, "{outside}");
        }
    }
}
