//! What the command says of itself: its help pages, word for word.

use std::collections::BTreeMap;
use std::path::Path;

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
        "trust",
        "trust list",
        "trust add",
        "trust remove",
        "deploy",
        "rollback",
        "status",
        "releases",
        "prune",
        "remove",
        "apply",
        "restart",
        "maintenance",
        "maintenance on",
        "maintenance off",
        "maintenance status",
        "logs",
        "manage",
        "shell",
        "serve",
        "site",
        "site init",
        "service",
        "service list",
        "service start",
        "service stop",
        "service restart",
        "service run",
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

/// What the documents give as a command: in backticks, or on a line of an example.
fn commands_in(text: &str) -> Vec<String> {
    let lines =
        text.lines().filter_map(|line| Some(line.strip_prefix("    ")?.trim_start_matches(['$', '>', ' '])));
    let spans = text.split('`').skip(1).step_by(2);
    let commands = lines.chain(spans).filter(|code| {
        code.starts_with("holdall ") && !code.starts_with("holdall  ") && !code.contains('\n')
    });
    commands.map(|command| command.replace('\\', "")).collect()
}

#[test]
fn every_command_in_the_documents_is_one_with_these_options() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs_err::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let mut pages_of_help = BTreeMap::new();
    let mut count = 0;
    for page in pages.chain([root.join("README.md")]) {
        for command in commands_in(&fs_err::read_to_string(&page).unwrap()) {
            let mut words = command.split_whitespace().skip(1);
            // `site|env` stands for more than one.
            let mut next =
                || words.next().and_then(|word| word.split('|').next()).unwrap_or_default().to_owned();
            let first = next();
            let groups = ["cache", "env", "key", "maintenance", "service", "site", "trust"];
            let name: Vec<String> = match groups.contains(&&*first) {
                true => vec![first, next()],
                false => vec![first],
            };
            let help = pages_of_help.entry(name.clone()).or_insert_with(|| {
                let shown = Test::empty().holdall([&["help".to_owned()], &name[..]].concat());
                let shown = shown.get_output();
                assert!(shown.status.success(), "{}: `{command}`", page.display());
                String::from_utf8_lossy(&shown.stdout).into_owned()
            });
            let options = words.take_while(|word| *word != "--").filter(|word| word.starts_with("--"));
            for option in options.map(|option| option.split('=').next().unwrap()) {
                assert!(help.contains(option), "{}: `{command}`", page.display());
            }
            count += 1;
        }
    }
    assert!(count > 50, "{count}");
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
