//! Holds the list of hard cases in `edges.toml` to the tests that prove them.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use serde::Deserialize;

/// How many cases there are.
const CASES: usize = 78;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edges {
    edge: Vec<Edge>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edge {
    number: usize,
    case: String,
    tests: Vec<String>,
}

/// Whether `source` has a test of this name: a function that is one, or one that a macro of the lab tells in many ways.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let told = lines.iter().any(|line| line.strip_suffix(',') == Some(name));
    lines.iter().enumerate().any(|(at, line)| {
        let is_function = line.strip_prefix("fn ").and_then(|rest| rest.strip_prefix(name));
        is_function.is_some_and(|rest| rest.starts_with('(')) && (told || lines[at - 1] == "#[test]")
    })
}

#[test]
fn every_hard_case_has_a_test_that_exists() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let edges: Edges =
        toml::from_str(&std::fs::read_to_string(here.join("tests/edges.toml")).unwrap()).unwrap();
    let numbers: Vec<usize> = edges.edge.iter().map(|edge| edge.number).collect();
    assert_eq!(numbers, (1..=CASES).collect::<Vec<_>>());
    for Edge { number, case, tests } in &edges.edge {
        assert!(!case.is_empty() && !tests.is_empty(), "case {number} is not told, or not proved");
        for test in tests {
            let (file, name) = test.split_once(' ').unwrap();
            let source = std::fs::read_to_string(here.parent().unwrap().join(file))
                .unwrap_or_else(|error| panic!("case {number}: {file}: {error}"));
            assert!(has_test(&source, name), "case {number}: {file} has no test {name}");
        }
    }
}

#[test]
fn a_test_is_a_function_that_is_marked_or_told_by_a_macro() {
    let source =
        "for_every_pipe!(\n    told,\n);\nfn told(setup: Setup) {}\n#[test]\nfn plain() {}\nfn other() {}\n";
    for (name, expected) in
        [("told", true), ("plain", true), ("other", false), ("tol", false), ("gone", false)]
    {
        assert_eq!(has_test(source, name), expected, "{name}");
    }
}
