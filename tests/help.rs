//! What the command says of itself: its help pages, word for word.

use crate::harness::Test;

#[track_caller]
fn help(args: &[&str]) -> String {
    let shown = Test::empty().holdall(args).success().stderr("");
    String::from_utf8(shown.get_output().stdout.clone()).unwrap()
}

#[test]
fn every_command_explains_itself() {
    insta::assert_snapshot!("holdall", help(&["--help"]));
    let commands = [
        "bundle",
        "init",
        "lock",
        "preview",
        "inspect",
        "verify",
        "sign",
        "key",
        "key new",
        "doctor",
        "deploy",
        "rollback",
        "status",
        "releases",
        "prune",
        "remove",
        "restart",
        "manage",
        "shell",
        "serve",
        "site",
        "site init",
        "env",
        "env set",
        "env list",
        "env unset",
    ];
    let of_the_cache = ["cache", "cache info", "cache prune", "cache verify"];
    for command in commands.into_iter().chain(of_the_cache) {
        let words: Vec<_> = command.split(' ').collect();
        let page = help(&[&words[..], &["--help"]].concat());
        assert_eq!(page, help(&[&["help"], &words[..]].concat()));
        insta::assert_snapshot!(command.replace(' ', "_"), page);
        let widest = page.lines().max_by_key(|line| line.chars().count()).unwrap();
        assert!(widest.chars().count() <= 100, "{widest}");
        // A script that looks for an exit code finds it on the page of the command.
        assert!(page.contains("\nExamples:\n") && page.contains("\nExit codes:\n  0  "), "{page}");
    }
}

#[test]
fn the_version_is_the_one_of_the_package() {
    let version = format!("holdall {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(help(&["--version"]), version);
    assert_eq!(help(&["-V"]), version);
}

#[test]
fn wrong_usage_is_told_on_standard_error_with_the_near_word() {
    let wrong = Test::empty().holdall(["bundel"]).code(2).stdout("");
    let said = String::from_utf8_lossy(&wrong.get_output().stderr).into_owned();
    assert!(said.contains("'bundel'") && said.contains("'bundle'"), "{said}");
    let wrong = Test::empty().holdall(["bundle", "--target", "windows"]).code(2).stdout("");
    let said = String::from_utf8_lossy(&wrong.get_output().stderr).into_owned();
    assert!(said.contains("windows-x86_64"), "{said}");
}
