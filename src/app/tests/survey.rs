//! What loaded settings say, and what is said of settings that do not load.

use super::*;

#[test]
fn data_and_collected_files_of_the_project_stay_behind() {
    let mut shop = Shop::start()
        .settings("MEDIA_ROOT = BASE_DIR / 'uploads'\nSTATIC_ROOT = BASE_DIR / 'collected'\nCOMPRESS_ROOT = STATIC_ROOT\nDATABASES['default']['NAME'] = BASE_DIR / 'rows'")
        .file("uploads/a.jpg", "a")
        .file("uploads/seed/b.jpg", "b")
        .file("collected/site.css", "css")
        .file("rows", "rows");
    shop.include.push("uploads/seed/".to_owned());
    let facts = shop.survey().unwrap();
    let found = shop.with(|input| files(input, Some(&facts))).unwrap();
    let code = ["__init__", "asgi", "settings", "urls", "wsgi"].map(|name| format!("app/mysite/{name}.py"));
    let mut expected = vec!["app/manage.py".to_owned()];
    expected.extend(code);
    expected.push("app/uploads/seed/b.jpg".to_owned());
    assert_eq!(names(&found.sources), expected);
}

#[test]
fn a_settings_package_chosen_by_name_is_loaded_and_its_needs_are_found() {
    let mut shop = Shop::start()
        .file("mysite/conf/__init__.py", "")
        .file("mysite/conf/base.py", "import os\nfrom mysite.settings import *\nSECRET_KEY = os.environ['SECRET_KEY']\nif not DEBUG: os.environ['ONLY_SOMETIMES']\n")
        .file("mysite/conf/live.py", "from .base import *\nimport winservice\nHOST = os.environ['SHOP_HOST']")
        .file("mysite/conf/build.py", "from .base import *\nSTATIC_URL = '/assets/'");
    shop.build_settings = Some("mysite.conf.build");
    let facts = shop.with(|input| {
        survey(
            &Input { settings: "mysite.conf.live", ..*input },
            &test_python(),
            &shop.static_root(),
            &Silent,
        )
    });
    let facts = facts.unwrap();
    assert_eq!(facts.environment, ["SECRET_KEY", "SHOP_HOST"]);
    assert_eq!(facts.static_files.url, "/assets/");
}

#[test]
fn settings_that_need_a_variable_are_refused_with_its_name_until_it_is_given() {
    let mut shop = Shop::start().settings("import os\nHOST = os.environ['SHOP_HOST']");
    let error = shop.survey().unwrap_err();
    assert_eq!(error.to_string(), "the settings module `mysite.settings` cannot be loaded");
    let line =
        fs_err::read_to_string(shop.root().join("mysite/settings.py")).unwrap().trim_end().lines().count();
    let trace = source(&error);
    let expected = format!(
        "mysite/settings.py:{line} in <module>\n    HOST = os.environ['SHOP_HOST']\nKeyError: 'SHOP_HOST'"
    );
    assert_eq!(trace, expected);
    assert!(help(&error).contains("`SHOP_HOST = \"…\"` under `[build.env]`"), "{}", help(&error));
    shop.build_env.insert("SHOP_HOST".to_owned(), "example.com".to_owned());
    assert_eq!(shop.survey().unwrap().environment, ["SHOP_HOST"]);
    // All that will be missed is said at once.
    let more = shop
        .settings("PORT, KEY = os.environ['SHOP_PORT'], os.environ['SECRET_KEY']\nTILL = os.environ['TILL']");
    let error = more.survey().unwrap_err();
    let cure = "of your shell are not passed on); the settings read `TILL` too\n";
    assert!(
        help(&error).starts_with("- give `SHOP_PORT` a value") && help(&error).contains(cure),
        "{}",
        help(&error)
    );
}

#[test]
fn a_module_that_is_missing_is_told_from_one_that_the_project_should_have() {
    let missing = Shop::start().settings("import pywintypes").survey().unwrap_err();
    assert!(
        help(&missing).starts_with("- `pywintypes` is not among the project's dependencies"),
        "{}",
        help(&missing)
    );
    assert!(help(&missing).contains("under `[build]`"));
    let own = Shop::start().settings("from mysite.locals import *").survey().unwrap_err();
    assert!(help(&own).starts_with("- `mysite.locals` is not in the project"), "{}", help(&own));
    let off_path = Shop::start().file("libs/py/tills/core.py", "").settings("import tills.core").survey();
    let off_path = help(&off_path.unwrap_err());
    let begin = "- `tills` lies in `libs/py`, which is not on Python's path: `python_path = [\"libs/py\"]`";
    assert!(off_path.starts_with(begin), "{off_path}");
    let namesake = Shop::start().file("mysite/celery.py", "import celery").settings("import mysite.celery");
    let namesake = help(&namesake.survey().unwrap_err());
    assert!(namesake.starts_with("- `celery` is not among the project's dependencies"), "{namesake}");
    let app = Shop::start().settings("INSTALLED_APPS.append('shop')").survey().unwrap_err();
    assert!(app.to_string().starts_with("an application named by"), "{app}");
}

#[test]
fn settings_that_exit_wait_or_crash_are_reported() {
    let exits = Shop::start().settings("import sys; sys.exit('not here')").survey().unwrap_err();
    assert!(source(&exits).ends_with("SystemExit: not here"), "{exits:?}");
    let crashes = Shop::start()
        .settings("import os; print('last words', flush=True); os._exit(7)")
        .survey()
        .unwrap_err();
    assert!(matches!(&crashes, AppError::Crashed { .. }) && source(&crashes) == "last words", "{crashes:?}");
    let waits = Shop::start().settings("import time; time.sleep(60)");
    let slow =
        waits.with(|input| python::ask(input, &test_python(), &waits.static_root(), Duration::from_secs(1)));
    assert_eq!(
        slow.unwrap_err().to_string(),
        "loading the settings `mysite.settings` and running collectstatic did not end within 1 seconds"
    );
}

#[test]
fn a_settings_module_that_cannot_be_overridden_is_refused() {
    let fixed = "import os\nos.environ['DJANGO_SETTINGS_MODULE'] = 'mysite.settings'\n";
    let wsgi = format!(
        "{fixed}from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n"
    );
    let error = Shop::start().file("mysite/wsgi.py", &wsgi).survey().unwrap_err();
    assert_eq!(
        error.to_string(),
        "`mysite/wsgi.py` sets DJANGO_SETTINGS_MODULE whatever the environment says"
    );
    assert!(help(&error).contains("os.environ.setdefault(\"DJANGO_SETTINGS_MODULE\", \"mysite.settings\")"));
    let error = Shop::start().file("manage.py", fixed).survey().unwrap_err();
    assert!(error.to_string().starts_with("`manage.py:2` sets"), "{error}");
}

#[test]
fn a_wsgi_application_that_is_not_there_is_refused_and_one_that_fails_is_noticed() {
    let shop = Shop::start();
    for wsgi in ["mysite.wsgy:application", "mysite.wsgi:app", "nowhere.wsgi:application"] {
        let error = shop
            .with(|input| survey(&Input { wsgi, ..*input }, &test_python(), &shop.static_root(), &Silent))
            .unwrap_err();
        assert_eq!(error.to_string(), format!("the WSGI application `{wsgi}` does not exist"));
    }
    let facts = Shop::start().file("mysite/wsgi.py", "import pywintypes").survey().unwrap();
    assert!(facts.notices[0].what.ends_with("No module named 'pywintypes'"), "{:?}", facts.notices);
}

#[test]
fn channels_and_asgi_are_told_what_fastcgi_does_not_do() {
    let facts = Shop::start().settings("ASGI_APPLICATION = 'mysite.asgi.application'").survey().unwrap();
    assert!(facts.notices.iter().any(|notice| notice.what.contains("`ASGI_APPLICATION`")));
    assert_eq!(facts.asgi_application.as_deref(), Some("mysite.asgi.application"));
}

#[test]
fn what_the_shell_holds_does_not_reach_the_project() {
    // PATH is passed on; CARGO_MANIFEST_DIR is what cargo sets for this very test.
    let shop = Shop::start()
        .settings("import os\nassert 'PATH' in os.environ and 'CARGO_MANIFEST_DIR' not in os.environ");
    shop.survey().unwrap();
}

#[test]
fn what_a_setting_leads_to_and_git_ignores_is_told_unless_it_is_meant_to_stay() {
    let shop = Shop::start()
        .settings(
            "STATS = {'DEFAULT': {'FILE': str(BASE_DIR / 'stats.json')}}\nPAGES = [BASE_DIR / 'dist' / 'index.html']\nSECRETS = BASE_DIR / '.env'\nSTATICFILES_DIRS = [BASE_DIR / 'built']\nMEDIA_ROOT = BASE_DIR / 'media'\nHERE = BASE_DIR\nROWS = BASE_DIR / 'db.sqlite3'\nNOWHERE = BASE_DIR / 'none.json'\nKEPT = BASE_DIR / 'mysite'",
        )
        .file(".gitignore", "/stats.json\n/dist\n/.env\n/built\n/media\n*.sqlite3\n")
        .file("stats.json", "{}")
        .file("dist/index.html", "")
        .file(".env", "A=1")
        .file("built/a.js", "")
        .file("media/a.jpg", "")
        .file("db.sqlite3", "");
    let facts = shop.survey().unwrap();
    let told = |shop: &Shop| -> Vec<String> {
        let found = shop.with(|input| files(input, Some(&facts))).unwrap();
        found.notices.into_iter().map(|notice| notice.what).collect()
    };
    let cause = "which is left out as the output of a build, or because a `.gitignore` file names it";
    let [first, second] = &*told(&shop) else { panic!("{:?}", told(&shop)) };
    assert_eq!(first, &format!("PAGES leads to `dist/index.html`, {cause}"));
    assert_eq!(second, &format!("STATS leads to `stats.json`, {cause}"));
    let mut chosen = shop;
    chosen.include.push("/stats.json".to_owned());
    assert_eq!(told(&chosen), std::slice::from_ref(first));
    let exclude = ["/dist".to_owned()];
    let found = chosen.with(|input| files(&Input { exclude: &exclude, ..*input }, Some(&facts))).unwrap();
    assert!(found.notices.is_empty(), "{:?}", found.notices);
}
