//! What other programs say, made fit to be shown: no URL, no host of an index, no credential.

use std::collections::BTreeSet;

/// What a host without a file behind it is called.
const INDEX: &str = "the index";

/// Longest text that is quoted in an error, in lines. uv explains a contradiction at any length.
const LINES: usize = 16;

/// What another program said, without URLs and hosts.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Said(String);

impl Said {
    /// Takes the words of uv or pip as they were printed.
    pub fn new(words: &[u8]) -> Said {
        let words = redact(&String::from_utf8_lossy(words));
        // What uv tells of its progress before it fails is no reason.
        let words = words.split_once("\nerror: ").map_or(&*words, |(_, reason)| reason);
        let words = words.strip_prefix("error: ").unwrap_or(words);
        Said(if words.is_empty() { "it said nothing".to_owned() } else { words.to_owned() })
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Replaces each URL in `text` by the name of the file it leads to, and the hosts of these URLs wherever else
/// they stand; drops what would make a report longer than anyone reads.
pub fn redact(text: &str) -> String {
    let mut hosts = BTreeSet::new();
    let mut redacted = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let scheme = rest[..at]
            .rfind(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)))
            .map_or(0, |before| before + rest[before..].chars().next().map_or(1, char::len_utf8));
        redacted.push_str(&rest[..scheme]);
        let url = &rest[at + 3..];
        let end = url.find(|c: char| c.is_whitespace() || "\"'`<>()[]{},;".contains(c)).unwrap_or(url.len());
        let (url, after) = url.split_at(end);
        let local = rest[scheme..at].eq_ignore_ascii_case("file");
        redacted.push_str(&if local { format!("file://{url}") } else { name_of(url, &mut hosts) });
        rest = after;
    }
    redacted.push_str(rest);
    for host in hosts {
        redacted = redacted.replace(&host, INDEX);
    }
    let lines: Vec<&str> = redacted.trim().lines().map(str::trim_end).collect();
    match lines.len() {
        0..=LINES => lines.join("\n"),
        all => format!("{}\n… {} more lines", lines[..LINES].join("\n"), all - LINES),
    }
}

/// The last named part of a URL's path. `url` begins after the scheme.
fn name_of(url: &str, hosts: &mut BTreeSet<String>) -> String {
    let url = url.split(['?', '#']).next().unwrap_or(url);
    let (authority, path) = url.split_once('/').unwrap_or((url, ""));
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    // A host without a dot (`localhost`, `nexus`) is a word that a message may hold by chance.
    if host.contains('.') {
        hosts.insert(host.to_owned());
    }
    // A path may carry credentials before an `@`, as in `ssh://git@host/…`; only its last part is shown.
    let name = path.trim_end_matches([':', '.', '/']).rsplit('/').next().unwrap_or_default();
    if name.is_empty() { INDEX.to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(redact(text), expected);
    }

    #[test]
    fn a_url_is_shown_as_the_file_it_leads_to() {
        check("Failed to fetch: `https://x.example/simple/django/`", "Failed to fetch: `django`");
        check("at (https://me:secret@x.example:8080/a/b-1.0.whl?token=1#sha256=2).", "at (b-1.0.whl).");
        check("git+ssh://git@x.example/team/app.git is gone", "app.git is gone");
        check("see https://x.example: no", "see the index no");
        check("é https://x.example/a and http://y.example/b", "é a and b");
    }

    #[test]
    fn a_host_seen_in_a_url_is_hidden_elsewhere_too() {
        check(
            "https://pkgs.example/simple/x/: dns error: cannot look up pkgs.example",
            "x dns error: cannot look up the index",
        );
    }

    #[test]
    fn a_local_file_stays_readable_and_other_text_as_it_is() {
        check("not found at: file:///tmp/x.whl", "not found at: file:///tmp/x.whl");
        check("no solution: a:b // c", "no solution: a:b // c");
    }

    #[test]
    fn a_long_report_is_cut() {
        let text = redact(&"line\n".repeat(40));
        assert_eq!(text.lines().count(), LINES + 1);
        assert!(text.ends_with("… 24 more lines"));
    }
}
