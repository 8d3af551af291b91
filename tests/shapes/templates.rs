//! Projects as well-known templates make them, with the packages that go with them.

use super::{manage, manifest, packages, stylesheet, windows};
use crate::harness::Test;

#[test]
fn a_cookiecutter_project_says_what_it_needs_and_is_served_with_it() {
    let test = Test::empty();
    test.fixture("bakery", "site");
    // What its settings read is said at once, by the first thing that is missing.
    let told = test.refused(3, &["bundle", "site", "--runtime", "host"]);
    let cure = "- give `DATABASE_URL` a value for bundling: `DATABASE_URL = \"…\"` under `[build.env]` in holdall.toml";
    assert!(told.contains("ImproperlyConfigured: Set the DATABASE_URL environment variable\n"), "{told}");
    assert!(told.contains(cure) && told.contains("; the settings read `DJANGO_ADMIN_URL` too\n"), "{told}");
    let values =
        "[build.env]\nDATABASE_URL = 'postgres://nobody@nowhere/bakery'\nDJANGO_ADMIN_URL = 'office/'\n";
    test.write("site/holdall.toml", format!("name = 'bakery'\nversion = '1'\n{values}"));

    let bundle = test.bundle("site", &[]);
    let about = manifest(&bundle);
    assert_eq!(about["django"]["settings"], "config.settings.production");
    let needed = ["DATABASE_URL", "DJANGO_ADMIN_URL", "DJANGO_SECRET_KEY"];
    assert_eq!(about["site"]["environment"], serde_json::json!(needed));
    assert!(packages(&about).contains(&"psycopg-binary"), "{:?}", packages(&about));

    let rows = test.path("rows").display().to_string().replace('\\', "/");
    let given = [("DATABASE_URL", &*format!("sqlite:///{rows}")), ("DJANGO_ADMIN_URL", "office/")];
    let args = given.map(|(name, value)| ["--env".to_owned(), format!("{name}={value}")]).concat();
    let site = test.preview([bundle.display().to_string(), "--migrate".to_owned()].into_iter().chain(args));
    let (address, style) = stylesheet(&site);
    assert!(address.starts_with("/static/css/project.") && address != "/static/css/project.css", "{address}");
    assert!(style.text().starts_with("p { color: brown; }"));
    let login = site.get("/office/login/");
    assert!(login.status == 200 && login.text().contains("Django administration"), "{}", login.text());
    // The users are the project's own, and `orders` is imported from the folder that manage.py puts on the path.
    let given = [&given[..], &[("DJANGO_SECRET_KEY", "for a test")]].concat();
    assert_eq!(manage(&site, &given, &["check"]), "System check identified no issues (0 silenced).\n");
    let migrations = manage(&site, &given, &["showmigrations", "--plan"]);
    assert!(
        migrations.contains("[X]  users.0001_initial") && migrations.contains("[X]  orders.0002_initial")
    );
    site.stop();

    // For Windows: with the wheels that Windows takes.
    let report = windows(&test, "site");
    let mut expected = vec!["asgiref", "django", "django-environ", "psycopg", "psycopg-binary", "sqlparse"];
    expected.extend(["typing-extensions", "tzdata", "whitenoise"]);
    assert_eq!(packages(&report["manifest"]), expected);
    assert_eq!(report["manifest"]["site"]["environment"], serde_json::json!(needed));
}

#[test]
fn tasks_of_celery_beside_a_module_of_the_same_name_run_in_the_bundle() {
    let test = Test::empty();
    test.fixture("post", "post");
    let bundle = test.bundle("post", &[]);
    let site = test.preview([&bundle]);
    let (_, style) = stylesheet(&site);
    assert_eq!(style.text(), "p { color: olive; }\n");
    assert!(site.get("/").text().contains("<p>Here is a letter, stamped.</p>"));
    let tasks = "from post import celery_app as app; app.loader.import_default_modules(); print(sorted(app.tasks)[-1])";
    let given = [("SECRET_KEY", "for a test")];
    assert_eq!(manage(&site, &given, &["shell", "--no-imports", "-c", tasks]), "letters.tasks.stamped\n");
    site.stop();

    let report = windows(&test, "post");
    let inside = packages(&report["manifest"]);
    for name in ["celery", "click", "django", "kombu", "tzdata", "vine"] {
        assert!(inside.contains(&name), "no {name} in {inside:?}");
    }
}
