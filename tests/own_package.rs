//! A project that is a package too, as `uv init --package` and Poetry lay it out: what its code asks of its own
//! installation is answered in a bundle as it is on the developer's machine.

use serde_json::Value;

use crate::bundle::entries;
use crate::harness::Test;

const PYPROJECT: &str = r#"
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "our-shop"
version = "2.5"
requires-python = ">=3.10"
dependencies = ["django>=5.2,<5.3"]

[project.entry-points."our_shop.greetings"]
plain = "our_shop.greetings:plain"
"#;

const SETTINGS: &str = r#"
from importlib.metadata import entry_points, version

VERSION = version("our-shop")
(GREETING,) = entry_points(group="our_shop.greetings")
ALLOWED_HOSTS = ["*"]
SECRET_KEY = "of a test"
ROOT_URLCONF = "our_shop.urls"
WSGI_APPLICATION = "our_shop.wsgi.application"
STATIC_URL = "static/"
INSTALLED_APPS = ["django.contrib.staticfiles"]
"#;

const URLS: &str = r#"
from django.conf import settings
from django.http import HttpResponse
from django.urls import path

urlpatterns = [path("", lambda request: HttpResponse(settings.GREETING.load()(settings.VERSION)))]
"#;

/// The project, whose code lies in `src/`.
fn shop() -> Test {
    let test = Test::empty();
    test.fixture("weblog", "weblog");
    for file in ["manage.py", "src/weblog/wsgi.py"] {
        let text = test.read(&format!("weblog/{file}")).replace("weblog", "our_shop");
        test.write(&format!("site/{}", file.replace("weblog", "our_shop")), text);
    }
    test.write("site/pyproject.toml", PYPROJECT)
        .write("site/src/our_shop/__init__.py", "")
        .write("site/src/our_shop/settings.py", SETTINGS)
        .write("site/src/our_shop/urls.py", URLS)
        .write("site/src/our_shop/greetings.py", "def plain(version):\n    return f'This is {version}.'\n");
    test
}

#[test]
fn a_project_knows_its_own_version_and_finds_its_entry_points() {
    let test = shop();
    let bundle = test.bundle("site", &[]);
    let site = test.preview([&bundle]);
    assert_eq!(site.get("/").text(), "This is 2.5.");
    site.stop();
    // The code is there once, and no console script and no trace of how it came there.
    let files = entries(&bundle);
    let own: Vec<&str> = files.keys().map(String::as_str).filter(|name| name.contains("our_shop")).collect();
    let code = own.iter().filter(|name| !name.contains(".dist-info/")).collect::<Vec<_>>();
    assert!(code.iter().all(|name| name.starts_with("app/src/our_shop/")), "{code:?}");
    let about = own.iter().filter(|name| name.contains("site-packages/our_shop-2.5.dist-info/"));
    assert_eq!(about.count(), 5, "{own:?}");
}

#[test]
fn requirements_may_name_the_project_itself() {
    let test = shop();
    test.write("site/requirements.txt", "django>=5.2,<5.3\n-e .\n");
    // The build backend is not asked for what stands in `pyproject.toml`.
    let plan = ["--format", "json", "bundle", "site", "--runtime", "host", "--plan"];
    let plan: Value = serde_json::from_slice(&test.holdall(plan).success().get_output().stdout).unwrap();
    let files: Vec<_> =
        plan["wheels"].as_array().unwrap().iter().map(|wheel| wheel["file"].as_str().unwrap()).collect();
    assert!(files.contains(&"our_shop-2.5-py3-none-any.whl"), "{files:?}");
}

#[test]
fn what_the_project_is_can_be_said() {
    let test = shop();
    test.write("site/holdall.toml", "[packages]\nproject = false\n");
    let told = test.refused(3, &["bundle", "site", "--runtime", "host"]);
    assert!(told.contains("No package metadata was found for our-shop"), "{told}");
    test.write("site/holdall.toml", "[packages]\nproject = true\n");
    test.write("site/pyproject.toml", "[project]\nversion = '1'\ndependencies = ['django']\n");
    insta::assert_snapshot!(test.refused(3, &["bundle", "site", "--runtime", "host"]), @r"
    × holdall.toml, key `packages.project` is true, and no `pyproject.toml` gives the project a name
    help: write a `[project]` table with `name` and `version` into `pyproject.toml`, or remove the key
    ");
}
