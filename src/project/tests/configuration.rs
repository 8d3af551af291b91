//! What the configuration changes, and the file that `holdall init` writes.

use super::*;

#[test]
fn two_configurations_are_refused() {
    let tree = Tree::startproject();
    tree.write("shop/holdall.toml", "");
    tree.write("shop/pyproject.toml", "[tool.holdall]\n");
    tree.check_refused(
        "the configuration stands in two places: `holdall.toml` and `[tool.holdall]` in `pyproject.toml`",
        "keep one",
    );
}

#[test]
fn the_configuration_in_pyproject_counts_and_is_named_as_there() {
    let tree = Tree::startproject();
    tree.write("shop/pyproject.toml", "[tool.holdall.project]\nwsgi = 'mysite.wsgi:app'\n");
    found(&tree.project().wsgi, "mysite.wsgi:app", "pyproject.toml, key `tool.holdall.project.wsgi`");
    tree.write("shop/pyproject.toml", "[tool.holdall]\ntarge = 'x'\n");
    tree.check_refused("unknown key: pyproject.toml, key `tool.holdall.targe`", "`tool.holdall.target`?");
    tree.write("shop/pyproject.toml", "[tool.holdall\n");
    let error = tree.discover().unwrap_err();
    assert_eq!(error.to_string(), "`pyproject.toml` is not valid TOML");
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("line 1"));
}

#[test]
fn values_for_bundling_do_not_stand_in_a_file_that_is_bundled() {
    let tree = Tree::startproject();
    tree.write("shop/pyproject.toml", "[tool.holdall.build.env]\nAPI_KEY = 'secret'\n");
    tree.check_refused(
        "pyproject.toml, table `tool.holdall.build.env` would go into the bundle with its values",
        "move the configuration there",
    );
}

#[test]
fn what_the_configuration_names_must_be_there() {
    let tree = Tree::startproject();
    let cases = [
        (
            "[project]\nmanage = 'x/manage.py'",
            "key `project.manage` names `x/manage.py`, and there is no such file",
        ),
        (
            "[project]\npython_path = ['lib']",
            "key `project.python_path` names `lib`, and there is no such folder",
        ),
        ("[build]\nstatic = 'ready/'", "key `build.static` names `ready`, and there is no such folder"),
        (
            "[packages]\nrequirements = ['r.txt']",
            "key `packages.requirements` names `r.txt`, and there is no such file",
        ),
        (
            "[packages]\nlock = 'pylock.toml'",
            "key `packages.lock` names `pylock.toml`, and there is no such file",
        ),
    ];
    for (text, message) in cases {
        tree.write("shop/holdall.toml", text);
        tree.check_refused(&format!("holdall.toml, {message}"), "counts from the project's root `…/shop`");
    }
}

#[test]
fn the_written_configuration_reads_back_and_changes_nothing() {
    let tree = Tree::startproject();
    let before = tree.project();
    let file = ConfigFile::render(&before);
    assert!(
        file.text.contains(
            "\n# The name of the bundle and of its site. Found: the name of the folder.\n# name = \"shop\"\n"
        ),
        "{}",
        file.text
    );
    assert!(file.text.contains("Found: mysite/wsgi.py, line 5.\n# settings = \"mysite.settings\"\n"));
    assert_eq!(file.write_new().unwrap(), tree.path("shop/holdall.toml"));
    let after = tree.project();
    assert_eq!(Config { source: None, ..after.config.clone() }, Config::default());
    assert_eq!(
        (after.settings, after.wsgi, after.dependencies),
        (before.settings, before.wsgi, before.dependencies)
    );
    let error = ConfigFile::render(&tree.project()).write_new().unwrap_err();
    assert!(error.to_string().starts_with("there is a configuration already: `"), "{error}");
}

#[test]
fn every_line_of_the_written_configuration_can_be_uncommented() {
    let tree = Tree::startproject();
    tree.write("shop/src/x.py", "");
    tree.write("shop/mysite/settings_build.py", "");
    tree.write("shop/wheels/a-1-py3-none-any.whl", "");
    tree.write("shop/deploy/web.config", "<configuration />");
    let text = ConfigFile::render(&tree.project()).text;
    let is_setting = |line: &&str| line.starts_with('[') || line.contains(" = ");
    let uncommented = text.lines().map(|line| line.strip_prefix("# ").unwrap_or(line)).filter(is_setting);
    // Two ways of naming dependencies exclude each other, and only one of them is there.
    let uncommented: Vec<&str> = uncommented.filter(|line| !line.starts_with("lock =")).collect();
    tree.write("shop/holdall.toml", &uncommented.join("\n"));
    let config = tree.project().config;
    assert_eq!(config.project.settings.as_deref(), Some("mysite.settings"));
    assert_eq!(config.build.env["NAME"], "value");
    assert_eq!(config.paths["media"], "media");
}

#[test]
fn a_web_config_counts_once_it_is_named_and_one_that_is_not_is_told_of() {
    let tree = Tree::startproject();
    let told = |text: &str| {
        tree.write("shop/web.config", text);
        let notices = tree.project().notices;
        notices.into_iter().filter(|notice| notice.what.contains("web.config")).collect::<Vec<_>>()
    };
    let own =
        "<configuration><system.webServer><caching enabled='false'/></system.webServer></configuration>";
    let notices = told(own);
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].help.contains("`web-config = \"web.config\"` under `[iis]`"), "{notices:?}");
    assert!(told("<add scriptProcessor='C:\\Python\\python.exe|C:\\Python\\Lib\\wfastcgi.py'/>").is_empty());
    assert!(told("<httpPlatform processPath='python.exe'/>").is_empty());
    assert_eq!(tree.project().web_config, None);

    // With the mark that editors on Windows write.
    assert!(told(&format!("\u{feff}{own}")).len() == 1);
    tree.write("shop/holdall.toml", "[iis]\nweb-config = 'web.config'\n");
    let project = tree.project();
    let taken = project.web_config.unwrap();
    assert_eq!((taken.shown.as_str(), taken.text.as_str()), ("web.config", own));
    assert!(!project.notices.iter().any(|notice| notice.what.contains("web.config")));

    tree.write("shop/holdall.toml", "[iis]\nweb-config = 'iis/web.config'\n");
    let error = tree.discover().unwrap_err();
    assert_eq!(
        error.to_string(),
        "holdall.toml, key `iis.web-config` names `iis/web.config`, and there is no such file"
    );
}

#[test]
fn a_configuration_written_anew_keeps_what_was_set() {
    let tree = Tree::startproject();
    let set =
        "name = 'wine'\n[build.env]\n\"A\" = 'it\"s'\n[paths]\n'MEDIA_ROOT' = 'm'\n[env]\nrequired = ['K']\n";
    tree.write("shop/holdall.toml", set);
    let before = tree.project();
    ConfigFile::render(&before).replace().unwrap();
    let after = tree.project();
    let bare = |config: &Config| Config { source: None, ..config.clone() };
    assert_eq!(bare(&after.config), bare(&before.config));
    assert_eq!(after.name.value.as_str(), "wine");

    tree.remove("shop/holdall.toml");
    tree.write("shop/pyproject.toml", "[tool.holdall]\n");
    let error = ConfigFile::render(&tree.project()).replace().unwrap_err();
    assert!(matches!(error, ProjectError::ConfigElsewhere { .. }), "{error}");
}
