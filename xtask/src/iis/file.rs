//! `tests/lab/facts.toml`: the facts with their possible answers and, once a real IIS was asked, with the one found.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use super::facts::{FACTS, UNKNOWN, fact};

/// What was found, and the marks by which it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub answer: &'static str,
    /// What was seen: process ids, an exit code, a parameter.
    pub seen: String,
}

/// Findings by the facts' names.
pub type Findings = BTreeMap<&'static str, Finding>;

/// What stands at the file's top.
const HEAD: &str = "\
# What IIS does where no public source says it: the possible answers, and the one that a real IIS gave.
# Written by `cargo xtask iis-facts` on Windows; until then each is `unknown`, and all answers count as possible.
";

/// Where the file lies.
pub fn path() -> PathBuf {
    crate::tools::root().join("tests/lab/facts.toml")
}

/// The file with these findings. Of what was not found the answer is `unknown`.
pub fn render(system: Option<&str>, findings: &Findings) -> String {
    let mut text = format!("{HEAD}\nsystem = {}\n", quoted(system.unwrap_or(UNKNOWN)));
    for fact in &FACTS {
        let answers = fact.answers.iter().map(|answer| quoted(answer)).collect::<Vec<_>>().join(", ");
        let found = findings.get(fact.id);
        let lines = [
            ("id", quoted(fact.id)),
            ("question", quoted(fact.question)),
            ("matters", quoted(fact.matters)),
            ("asked", quoted(fact.asked)),
            ("answers", format!("[{answers}]")),
            ("found", quoted(found.map_or(UNKNOWN, |found| found.answer))),
        ];
        text.push_str("\n[[fact]]\n");
        for (key, value) in lines {
            writeln!(text, "{key} = {value}").expect("a String takes everything");
        }
        if let Some(found) = found {
            writeln!(text, "seen = {}", quoted(&found.seen)).expect("a String takes everything");
        }
    }
    text
}

/// Notes an answer; one that the fact does not list is a fault of the program.
pub fn note(findings: &mut Findings, id: &'static str, answer: &'static str, seen: impl Into<String>) {
    let fact = fact(id).expect("only listed facts are asked");
    assert!(fact.answers.contains(&answer), "`{answer}` is no answer to {id}");
    findings.insert(id, Finding { answer, seen: seen.into() });
}

/// A TOML string.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            character if character.is_control() => {
                write!(quoted, "\\u{:04X}", u32::from(character)).expect("a String takes everything");
            }
            character => quoted.push(character),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facts_in_the_repository_are_those_that_are_asked() {
        let committed: toml::Table = fs_err::read_to_string(path()).unwrap().parse().unwrap();
        let listed: toml::Table = render(None, &Findings::new()).parse().unwrap();
        let system = committed["system"].as_str().unwrap();
        let (committed, listed) = (committed["fact"].as_array().unwrap(), listed["fact"].as_array().unwrap());
        assert_eq!(committed.len(), listed.len());
        for (committed, listed) in committed.iter().zip(listed) {
            for key in ["id", "question", "matters", "asked", "answers"] {
                assert_eq!(committed[key], listed[key]);
            }
            let found = &committed["found"];
            let possible = committed["answers"].as_array().unwrap().contains(found);
            assert!(possible || found.as_str() == Some(UNKNOWN), "{}: `{found}`", committed["id"]);
            assert!(!possible || system != UNKNOWN, "{}: found, and nobody knows where", committed["id"]);
        }
    }

    #[test]
    fn what_was_found_stands_beside_the_possible_answers() {
        let mut findings = Findings::new();
        note(&mut findings, "pipe.end", "client", "flags say \"client\"\\\n");
        let file: toml::Table = render(Some("Windows Server, IIS 10.0"), &findings).parse().unwrap();
        assert_eq!(file["system"].as_str(), Some("Windows Server, IIS 10.0"));
        let first = &file["fact"][0];
        assert_eq!(first["found"].as_str(), Some("client"));
        assert_eq!(first["seen"].as_str(), Some("flags say \"client\"\\\n"));
        assert_eq!(file["fact"][1]["found"].as_str(), Some(UNKNOWN));
    }
}
