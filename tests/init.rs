//! `holdall init`: the file it writes, and when it refuses to.

use crate::harness::Test;

const MANAGE: &str = "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n";
const WSGI: &str = "application = None\n";

fn shop() -> Test {
    let test = Test::empty();
    test.write("shop/manage.py", MANAGE)
        .write("shop/shop/settings.py", "WSGI_APPLICATION = 'shop.wsgi.application'\n")
        .write("shop/shop/wsgi.py", WSGI)
        .write("shop/requirements.txt", "Django\n")
        .write("shop/pyproject.toml", "[project]\nname = 'shop'\nversion = '1.0'\n");
    test
}

#[test]
fn init_writes_the_findings_once_and_keeps_what_was_set() {
    let test = shop();
    let path = test.path("shop/holdall.toml").display().to_string();
    test.holdall(["init", "shop"]).success().stdout(format!("wrote `{path}`\n")).stderr("");
    let written = test.read("shop/holdall.toml");
    assert!(written.contains("Found: manage.py, line 2.\n# settings = \"shop.settings\"\n"), "{written}");

    let error = test.holdall(["--format", "json", "init", "shop"]).code(3);
    let error: serde_json::Value = serde_json::from_slice(&error.get_output().stdout).unwrap();
    assert_eq!(error["error"], format!("there is a configuration already: `{path}`"));
    assert_eq!(test.read("shop/holdall.toml"), written);

    test.write("shop/holdall.toml", "name = 'wine'\n");
    test.holdall(["init", "shop", "--force"]).success();
    assert_eq!(
        test.read("shop/holdall.toml").lines().find(|line| line.starts_with("name")),
        Some("name = \"wine\"")
    );
}

#[test]
fn init_to_standard_output_writes_no_file() {
    let test = shop();
    let printed = test.holdall(["init", "shop", "--stdout"]).success().stderr("");
    assert!(printed.get_output().stdout.starts_with(b"# How holdall bundles this project."));
    assert!(!test.path("shop/holdall.toml").exists());
    let value = test.holdall(["init", "shop", "--stdout", "--format", "json"]).success().stderr("");
    let value: serde_json::Value = serde_json::from_slice(&value.get_output().stdout).unwrap();
    assert_eq!(value["path"], serde_json::Value::Null);
    assert!(value["configuration"].as_str().unwrap().contains("[project]\n"));
}

#[test]
fn init_without_a_project_says_where_to_run_it() {
    let test = Test::empty();
    let error = test.holdall(["--format", "json", "init"]).code(3).stderr("");
    let error: serde_json::Value = serde_json::from_slice(&error.get_output().stdout).unwrap();
    assert!(error["error"].as_str().unwrap().starts_with("no `manage.py` in `"), "{error}");
    assert!(error["help"].as_str().unwrap().contains("run holdall in the folder of `manage.py`"), "{error}");
    test.holdall(["init", "--force", "--stdout"]).code(2);
}
