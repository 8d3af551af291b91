//! What is left out of packages, and how to have it otherwise.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::harness::{Test, command};

/// The guestbook, which needs Django, with this configuration, and without bytecode: its files are to be counted.
fn site(test: &Test, config: &str) {
    test.guestbook("site").write("site/holdall.toml", format!("[build]\nbytecode = false\n{config}"));
}

/// What a run reports.
fn bundled(test: &Test, more: &[&str], recipes: Option<&Path>) -> Value {
    let args = ["--format", "json", "bundle", "site", "--runtime", "host", "--output", "dist"];
    let mut command = command(&test.path(""), args.iter().chain(more));
    if let Some(recipes) = recipes {
        command.env("HOLDALL_RECIPES", recipes);
    }
    let done = command.output().unwrap();
    serde_json::from_slice(&done.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&done.stderr)))
}

/// The number of files of each package.
fn sizes(report: &Value) -> BTreeMap<&str, u64> {
    let layers = report["manifest"]["layers"].as_array().unwrap().iter();
    let packages = layers.filter(|layer| layer["kind"] == "package");
    packages.map(|layer| (layer["name"].as_str().unwrap(), layer["entries"].as_u64().unwrap())).collect()
}

/// By package, what was left out.
fn left_out(report: &Value) -> Vec<(&str, &str)> {
    let text = |line: &'_ Value, key: &str| line[key].as_str().map(str::to_owned);
    let lines = report["pruned"].as_array().unwrap();
    assert!(lines.iter().all(|line| text(line, "reason").is_some_and(|reason| !reason.is_empty())));
    lines.iter().map(|line| (line["package"].as_str().unwrap(), line["what"].as_str().unwrap())).collect()
}

#[test]
fn packages_are_left_whole_for_once_or_for_good() {
    let test = Test::empty();
    site(&test, "");
    let pruned = bundled(&test, &[], None);
    assert_eq!(
        left_out(&pruned),
        [("django", "templates of projects"), ("django", "tests"), ("django", "translations to edit")]
    );
    let for_once = bundled(&test, &["--no-prune"], None);
    assert_eq!(left_out(&for_once), []);
    let gone: u64 =
        pruned["pruned"].as_array().unwrap().iter().map(|line| line["files"].as_u64().unwrap()).sum();
    assert_eq!(sizes(&for_once)["django"], sizes(&pruned)["django"] + gone);

    for config in ["[packages]\nprune = false\n", "[packages]\nwhole = ['Django']\n"] {
        site(&test, config);
        let whole = bundled(&test, &[], None);
        assert_eq!((left_out(&whole), sizes(&whole)), (Vec::new(), sizes(&for_once)), "{config}");
    }

    site(&test, "[packages]\nwhole = ['Djnago']\n");
    let plan = test.holdall(["bundle", "site", "--runtime", "host", "--plan"]).success();
    let said = String::from_utf8_lossy(&plan.get_output().stderr).into_owned();
    let notice = "no package is named `djnago`: holdall.toml, key `packages.whole`";
    assert!(said.contains(notice) && said.contains("correct or remove it"), "{said}");
}

#[test]
fn a_folder_of_recipes_says_what_else_is_left_out() {
    let test = Test::empty();
    site(&test, "");
    test.write(
        "recipes/packages/sqlparse.toml",
        "[[pruning]]\nwhat = 'parts'\nreason = 'no site misses them'\n\
         files = ['sqlparse/py.typed', 'sqlparse/__main__.py', 'sqlparse/sql.py']\n",
    )
    .write("recipes/packages/any.toml", "pruning = []\n");
    let report = bundled(&test, &[], Some(&test.path("recipes")));
    assert_eq!(left_out(&report), [("django", "templates of projects"), ("sqlparse", "parts")]);
    // An entry point names `sqlparse.__main__`, and the package imports `sqlparse.sql`.
    assert_eq!(report["pruned"][1]["files"], 1);
}
