//! Real projects, loaded by a real Python with Django and whitenoise.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use super::python::{self, Wish};
use super::*;
use crate::layer::Content;
use crate::progress::Silent;

/// A Python that has Django and whitenoise.
fn test_python() -> PathBuf {
    let python = std::env::var_os("HOLDALL_TEST_PYTHON");
    python.expect("HOLDALL_TEST_PYTHON is not set: run `cargo xtask test`, which prepares it").into()
}

/// A project as `django-admin startproject` leaves it, and what is configured for it.
struct Shop {
    /// Holds `project`, `into` and what a test makes.
    folder: tempfile::TempDir,
    build_settings: Option<&'static str>,
    build_env: BTreeMap<String, String>,
    paths: BTreeMap<String, String>,
    static_files: StaticChoice,
    include: Vec<String>,
}

impl Shop {
    fn start() -> Shop {
        Shop::start_in("project")
    }

    fn start_in(name: &str) -> Shop {
        let folder = tempfile::tempdir().unwrap();
        let shop = Shop {
            folder,
            build_settings: None,
            build_env: BTreeMap::new(),
            paths: BTreeMap::new(),
            static_files: StaticChoice::Collect,
            include: Vec::new(),
        };
        fs_err::create_dir_all(shop.folder.path().join(name)).unwrap();
        if name != "project" {
            std::os::unix::fs::symlink(name, shop.folder.path().join("project")).unwrap();
        }
        let made = Command::new(test_python())
            .args(["-I", "-B", "-m", "django", "startproject", "mysite"])
            .arg(shop.root())
            .status();
        assert!(made.unwrap().success());
        shop
    }

    fn root(&self) -> PathBuf {
        fs_err::canonicalize(self.folder.path().join("project")).unwrap()
    }

    /// Adds lines to the settings.
    fn settings(self, lines: &str) -> Shop {
        let path = self.root().join("mysite/settings.py");
        let text = fs_err::read_to_string(&path).unwrap();
        fs_err::write(&path, format!("{text}\n{lines}\n")).unwrap();
        self
    }

    fn file(self, path: &str, text: &str) -> Shop {
        let path = self.root().join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
        self
    }

    fn with<T>(&self, test: impl FnOnce(&Input<'_>) -> T) -> T {
        test(&Input {
            build_settings: self.build_settings,
            build_env: &self.build_env,
            paths: &self.paths,
            static_files: &self.static_files,
            include: &self.include,
            ..test_input(&self.root())
        })
    }

    fn survey(&self) -> Result<SiteFacts, AppError> {
        let before = self.names();
        let facts = self.with(|input| survey(input, &test_python(), &Silent));
        assert_eq!(self.names(), before, "loading the project changed its folder");
        facts
    }

    fn collect(&self) -> Result<Collected, AppError> {
        let (before, facts) = (self.names(), self.survey()?);
        let into = self.folder.path().join("into");
        let _ = fs_err::remove_dir_all(&into);
        fs_err::create_dir(&into).unwrap();
        let collected = self.with(|input| collect(input, &facts, &test_python(), &into, &Silent));
        assert_eq!(self.names(), before, "collecting changed the project's folder");
        collected
    }

    fn names(&self) -> Vec<PathBuf> {
        let walk = walkdir::WalkDir::new(self.root()).sort_by_file_name();
        walk.into_iter().map(|entry| entry.unwrap().into_path()).collect()
    }

    /// Expands the project's part of a bundle into the folder `name`, as a release that Python can run.
    fn release(&self, name: &str) -> Release {
        let facts = self.survey().unwrap();
        let release = self.folder.path().join(name);
        let sources = self.with(|input| {
            let mut sources = files(input, Some(&facts)).unwrap().sources;
            sources.extend(site_package(input, &facts).unwrap());
            sources
        });
        for source in sources.into_iter().chain(self.collect().unwrap().sources) {
            let path = source.path.below(&release);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            match source.content {
                Content::Bytes(bytes) => fs_err::write(path, bytes).unwrap(),
                Content::File(file) => drop(fs_err::copy(file, path).unwrap()),
            }
        }
        Release { folder: release, shared: Some(self.folder.path().join("shared")), env: Vec::new() }
    }
}

struct Release {
    folder: PathBuf,
    shared: Option<PathBuf>,
    env: Vec<(&'static str, String)>,
}

impl Release {
    fn python(&self, code: &str) -> Output {
        let site_packages = self.folder.join("python/lib/python3.12/site-packages");
        let start = format!("import site; site.addsitedir({:?})\n{code}", site_packages.to_str().unwrap());
        let mut command = Command::new(test_python());
        command.args(["-I", "-B", "-X", "utf8", "-c", &start]).current_dir("/");
        command.env("DJANGO_SETTINGS_MODULE", SETTINGS).envs(self.env.iter().cloned());
        command
            .env_remove("HOLDALL_SHARED")
            .envs(self.shared.iter().map(|shared| ("HOLDALL_SHARED", shared)));
        command.output().unwrap()
    }

    /// What `code` prints, with the folders of the release and of the shared data named so.
    #[track_caller]
    fn says(&self, code: &str) -> String {
        let output = self.python(code);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{error}");
        let text = String::from_utf8(output.stdout).unwrap();
        let shared = self.shared.iter().map(|shared| shared.to_str().unwrap());
        let text = shared.fold(text, |text, shared| text.replace(shared, "SHARED"));
        text.replace(self.folder.to_str().unwrap(), "RELEASE").trim_end().to_owned()
    }

    #[track_caller]
    fn setting(&self, expression: &str) -> String {
        self.says(&format!("from django.conf import settings\nprint({expression})"))
    }
}

fn names(sources: &[crate::layer::Source]) -> Vec<&str> {
    sources.iter().map(|source| source.path.as_str()).collect()
}

fn help(error: &AppError) -> String {
    miette::Diagnostic::help(error).unwrap().to_string()
}

fn source(error: &AppError) -> String {
    std::error::Error::source(error).unwrap().to_string()
}

const MANIFEST_STORAGE: &str = "STORAGES = {'default': {'BACKEND': 'django.core.files.storage.FileSystemStorage'}, 'staticfiles': {'BACKEND': \
     'django.contrib.staticfiles.storage.ManifestStaticFilesStorage'}}";

#[test]
fn an_untouched_project_is_understood() {
    let facts = Shop::start().survey().unwrap();
    assert_eq!(facts.static_files.url, "/static/");
    assert!(!facts.static_files.hashed);
    assert_eq!(
        facts.writable.table,
        BTreeMap::from([("app/db.sqlite3".into(), "databases/db.sqlite3".into())])
    );
    assert_eq!(facts.wsgi_application.as_deref(), Some("mysite.wsgi.application"));
    assert_eq!(facts.migrations["admin"][0], "0001_initial");
    assert!(facts.environment.is_empty());
    let advice: Vec<_> = facts.notices.iter().map(|notice| notice.what.as_str()).collect();
    assert!(advice[0].starts_with("`mysite/settings.py:") && advice[0].contains("SECRET_KEY"), "{advice:?}");
    assert!(advice[1].starts_with("DEBUG is on in `mysite.settings`"), "{advice:?}");
    assert_eq!(advice.len(), 2);
}

#[test]
fn two_releases_of_an_untouched_project_share_their_rows_and_uploads() {
    let shop = Shop::start().settings(&format!("MEDIA_ROOT = BASE_DIR / 'media'\n{MANIFEST_STORAGE}"));
    let [first, second] = ["one", "two"].map(|name| shop.release(name));
    first.says(
        "import django; django.setup()
from django.core.management import call_command
from django.core.files.storage import default_storage
from django.core.files.base import ContentFile
from django.contrib.auth.models import User
call_command('migrate', verbosity=0)
User.objects.create_user('zoë')
default_storage.save('hello.txt', ContentFile(b'hello'))",
    );
    let seen = second.says(
        "import django; django.setup()
from django.core.files.storage import default_storage
from django.contrib.auth.models import User
from django.contrib.staticfiles.storage import staticfiles_storage
from django.conf import settings
print(User.objects.get().username, default_storage.open('hello.txt').read(), default_storage.path('hello.txt'))
settings.DEBUG = False
print(staticfiles_storage.path(staticfiles_storage.stored_name('admin/css/base.css'))[:-16])
print(type(settings.MEDIA_ROOT).__name__, settings.DATABASES['default']['NAME'])",
    );
    let expected = "zoë b'hello' SHARED/media/hello.txt\nRELEASE/www/static/admin/css/base.\nPosixPath SHARED/databases/db.sqlite3";
    assert_eq!(seen, expected);
}

#[test]
fn a_release_does_not_care_how_its_folder_is_reached() {
    let shop = Shop::start();
    let mut release = shop.release("größe");
    assert_eq!(release.setting("settings.DATABASES['default']['NAME']"), "SHARED/databases/db.sqlite3");
    // BASE_DIR is resolved by the project, the folder of the release is not.
    let link = shop.folder.path().join("current");
    std::os::unix::fs::symlink("größe", &link).unwrap();
    release.folder = link;
    assert_eq!(release.setting("settings.DATABASES['default']['NAME']"), "SHARED/databases/db.sqlite3");
    assert_eq!(release.setting("settings.STATIC_ROOT"), "RELEASE/www/static");
}

#[test]
fn the_project_comes_before_the_packages_and_writes_no_bytecode() {
    let shop = Shop::start().file("whitenoise/__init__.py", "mine = True");
    let release = shop.release("one");
    assert_eq!(
        release.says("import sys, whitenoise; print(whitenoise.mine, sys.dont_write_bytecode)"),
        "True True"
    );
}

#[test]
fn without_a_shared_folder_the_settings_say_what_to_set() {
    let shop = Shop::start();
    let mut release = shop.release("one");
    release.shared = None;
    let output = release.python("from django.conf import settings; settings.DEBUG");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("ImproperlyConfigured: HOLDALL_SHARED is not set."), "{error}");
}

#[test]
fn a_database_named_at_run_time_is_left_alone_and_sqlite_below_the_project_is_moved() {
    let shop = Shop::start().settings(
        "import os
if os.environ.get('DATABASE'): DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'NAME': 'shop'}}
if os.environ.get('SQLITE'): DATABASES['default']['NAME'] = os.environ['SQLITE']",
    );
    let mut release = shop.release("one");
    let mut name = |variable: &'static str, value: &str| {
        release.env = vec![(variable, value.to_owned())];
        release.setting("settings.DATABASES['default']['NAME']")
    };
    assert_eq!(name("DATABASE", "yes"), "shop");
    assert_eq!(name("SQLITE", "relative.db"), "SHARED/databases/relative.db");
    assert_eq!(name("SQLITE", ":memory:"), ":memory:");
    assert_eq!(
        name("SQLITE", "file:shared?mode=memory&cache=shared"),
        "file:shared?mode=memory&cache=shared"
    );
    assert_eq!(name("SQLITE", "file:my%20data.db?timeout=5"), "file:SHARED/databases/my%20data.db?timeout=5");
    assert_eq!(name("SQLITE", "/srv/elsewhere.db"), "/srv/elsewhere.db");
}

#[test]
fn everything_that_settings_write_to_moves() {
    let mut shop = Shop::start().settings(
        "MEDIA_ROOT = BASE_DIR / 'media'
THUMBNAILS = BASE_DIR / 'media' / 'small'
EXPORTS = str(BASE_DIR / 'exports')
SESSION_FILE_PATH = str(BASE_DIR / 'sessions')
FILE_UPLOAD_TEMP_DIR = BASE_DIR / 'uploads'
CACHES = {'default': {'BACKEND': 'django.core.cache.backends.filebased.FileBasedCache', 'LOCATION': BASE_DIR / 'pages'}}
STORAGES = {'default': {'BACKEND': 'django.core.files.storage.FileSystemStorage'},
    'staticfiles': {'BACKEND': 'django.contrib.staticfiles.storage.StaticFilesStorage'},
    'papers': {'BACKEND': 'django.core.files.storage.FileSystemStorage', 'OPTIONS': {'location': BASE_DIR / 'papers'}},
    'bucket': {'BACKEND': 'storages.backends.s3.S3Storage', 'OPTIONS': {'location': 'media'}}}
LOGGING = {'version': 1, 'handlers': {'file': {'class': 'logging.FileHandler', 'filename': BASE_DIR / 'log' / 'site.log'},
    'far': {'class': 'logging.FileHandler', 'filename': BASE_DIR.parent / 'far.log'}}, 'root': {'handlers': ['file']}}",
    );
    shop.paths.insert("EXPORTS".to_owned(), "sent".to_owned());
    let facts = shop.survey().unwrap();
    let table: Vec<_> = facts.writable.table.iter().map(|(from, to)| format!("{from} -> {to}")).collect();
    assert_eq!(
        table,
        [
            "app/db.sqlite3 -> databases/db.sqlite3",
            "app/exports -> sent",
            "app/log/site.log -> logs/site.log",
            "app/media -> media",
            "app/pages -> cache/pages",
            "app/papers -> storages/papers",
            "app/sessions -> sessions",
            "app/uploads -> tmp",
        ]
    );
    let beside = shop.folder.path().join("far.log").to_str().unwrap().to_owned();
    assert_eq!(facts.writable.outside, [("LOGGING['handlers']['far']['filename']".to_owned(), beside)]);
    let release = shop.release("one");
    let said = release.says(
        "import django, logging, os; django.setup()
from django.conf import settings as s
logging.warning('hello')
from mysite import settings as own
print(s.THUMBNAILS, s.EXPORTS, s.SESSION_FILE_PATH, s.CACHES['default']['LOCATION'], own.MEDIA_ROOT)
print(s.STORAGES['papers']['OPTIONS']['location'], s.STORAGES['bucket']['OPTIONS']['location'])
print(s.LOGGING['handlers']['file']['filename'], s.LOGGING['handlers']['far']['filename'], s.BASE_DIR)
print(sorted(os.listdir(os.environ['HOLDALL_SHARED'])))",
    );
    let expected = "SHARED/media/small SHARED/sent SHARED/sessions SHARED/cache/pages SHARED/media\n\
        SHARED/storages/papers media\n\
        SHARED/logs/site.log SHARED/logs/far.log RELEASE/app\n\
        ['cache', 'databases', 'logs', 'media', 'sessions', 'storages', 'tmp']";
    assert_eq!(said, expected);
    assert!(!release.folder.join("app/log").exists());
}

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
    let facts =
        shop.with(|input| survey(&Input { settings: "mysite.conf.live", ..*input }, &test_python(), &Silent));
    let facts = facts.unwrap();
    assert_eq!(facts.environment, ["SECRET_KEY", "SHOP_HOST"]);
    assert_eq!(facts.static_files.url, "/assets/");
}

#[test]
fn a_setting_that_asks_for_the_settings_module_finds_its_own() {
    let shop = Shop::start().settings("import os\nASKED = os.environ['DJANGO_SETTINGS_MODULE']\nimport importlib\nagain = importlib.import_module(ASKED)");
    let release = shop.release("one");
    assert_eq!(
        release.setting("[settings.ASKED, settings.SETTINGS_MODULE]"),
        "['mysite.settings', 'holdall_site.settings']"
    );
}

#[test]
fn an_empty_secret_key_is_filled_from_the_environment() {
    let shop = Shop::start().settings("SECRET_KEY = ''");
    let mut release = shop.release("one");
    release.env.push(("DJANGO_SECRET_KEY", "from-the-server".to_owned()));
    assert_eq!(release.setting("settings.SECRET_KEY"), "from-the-server");
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
}

#[test]
fn a_module_that_is_missing_is_told_from_one_that_the_project_should_have() {
    let missing = Shop::start().settings("import pywintypes").survey().unwrap_err();
    assert!(
        help(&missing).starts_with("`pywintypes` is not among the project's dependencies"),
        "{}",
        help(&missing)
    );
    assert!(help(&missing).contains("under `[build]`"));
    let own = Shop::start().settings("from mysite.locals import *").survey().unwrap_err();
    assert!(help(&own).starts_with("`mysite.locals` is not in the project"), "{}", help(&own));
    let app = Shop::start().settings("INSTALLED_APPS.append('shop')").survey().unwrap_err();
    assert!(app.to_string().starts_with("an application named by"), "{app}");
}

#[test]
fn settings_that_do_not_load_are_not_needed_for_ready_static_files() {
    let mut shop = Shop::start().settings("import pywintypes").file("ready/site.css", "css");
    shop.static_files = StaticChoice::Prebuilt("ready".into());
    let facts = shop.survey().unwrap();
    assert!(!facts.loaded);
    assert_eq!(
        facts.notices[0].what,
        "the settings could not be loaded here: ModuleNotFoundError: No module named 'pywintypes'"
    );
    let collected = shop.collect().unwrap();
    assert_eq!(names(&collected.sources), ["www/static/site.css"]);
    let found = shop.with(|input| files(input, Some(&facts))).unwrap();
    assert!(!names(&found.sources).contains(&"app/ready/site.css"));
    shop.static_files = StaticChoice::Prebuilt("missing".into());
    assert!(matches!(shop.collect().unwrap_err(), AppError::NoPrebuilt { .. }));
    shop.static_files = StaticChoice::None;
    assert!(shop.collect().unwrap().sources.is_empty());
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
    let slow = waits.with(|input| python::ask(input, &test_python(), Wish::Facts, Duration::from_secs(1)));
    assert_eq!(
        slow.unwrap_err().to_string(),
        "loading the settings `mysite.settings` did not end within 1 seconds"
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
        let error =
            shop.with(|input| survey(&Input { wsgi, ..*input }, &test_python(), &Silent)).unwrap_err();
        assert_eq!(error.to_string(), format!("the WSGI application `{wsgi}` does not exist"));
    }
    let facts = Shop::start().file("mysite/wsgi.py", "import pywintypes").survey().unwrap();
    assert!(facts.notices[0].what.ends_with("No module named 'pywintypes'"), "{:?}", facts.notices);
}

#[test]
fn hashed_and_compressed_static_files_are_collected_below_their_url() {
    let shop = Shop::start()
        .settings(
            "STATIC_URL = '/assets/v1/'\nSTATICFILES_DIRS = [BASE_DIR / 'front']
INSTALLED_APPS = ['django.contrib.staticfiles']\nROOT_URLCONF = 'mysite.wsgi'\nMIDDLEWARE = []
STORAGES = {'staticfiles': {'BACKEND': 'whitenoise.storage.CompressedManifestStaticFilesStorage'}}",
        )
        .file("front/größe.css", &format!("body {{ background: url('bild.svg') }}{}", " ".repeat(500)))
        .file("front/bild.svg", "<svg/>");
    let facts = shop.survey().unwrap();
    assert!(facts.static_files.hashed);
    let collected = shop.collect().unwrap();
    assert_eq!(collected.static_root.as_deref(), Some("www/assets/v1"));
    let found = names(&collected.sources);
    assert!(found.iter().all(|name| name.starts_with("www/assets/v1/")), "{found:?}");
    for (start, end) in
        [("größe.", ".css"), ("größe.", ".css.gz"), ("bild.", ".svg"), ("staticfiles", ".json")]
    {
        let wanted = |name: &&&str| name.contains(&format!("/{start}")) && name.ends_with(end);
        assert!(found.iter().find(wanted).is_some(), "{start}*{end} in {found:?}");
    }
    let bytes = |collected: &Collected| -> Vec<_> {
        let read = |source: &crate::layer::Source| match &source.content {
            Content::File(file) => fs_err::read(file).unwrap(),
            Content::Bytes(bytes) => bytes.clone(),
        };
        collected.sources.iter().map(|source| (source.path.clone(), read(source))).collect()
    };
    let first = bytes(&collected);
    assert_eq!(bytes(&shop.collect().unwrap()), first);
}

#[test]
fn a_stylesheet_that_names_a_missing_file_is_named() {
    let shop = Shop::start()
        .settings(&format!("STATICFILES_DIRS = [BASE_DIR / 'front']\n{MANIFEST_STORAGE}"))
        .file("front/css/site.css", "body { background: url('none.png') }");
    let error = shop.collect().unwrap_err();
    assert_eq!(error.to_string(), "collectstatic failed on `css/site.css`");
    assert!(help(&error).starts_with("`css/site.css` refers to `css/none.png`"), "{}", help(&error));
    assert!(help(&error).contains("`static = \"prebuilt/\"`"));
}

#[test]
fn static_files_of_another_server_stand_aside_and_the_root_is_refused() {
    let cdn = Shop::start().settings("STATIC_URL = 'https://cdn.example.com/'");
    let collected = cdn.collect().unwrap();
    assert_eq!(collected.static_root, None);
    assert!(names(&collected.sources).contains(&"static-cdn/admin/css/base.css"));
    assert!(collected.notices[0].what.contains("`static-cdn/`"));
    assert_eq!(cdn.release("one").setting("settings.STATIC_ROOT"), "RELEASE/static-cdn");
    let root = Shop::start().settings("STATIC_URL = '/'");
    assert!(matches!(root.survey().unwrap_err(), AppError::StaticUrlIsRoot { .. }));
}

#[test]
fn a_project_without_static_files_or_with_a_storage_elsewhere_collects_nothing() {
    let none = Shop::start().settings("INSTALLED_APPS.remove('django.contrib.staticfiles')");
    assert!(none.collect().unwrap().sources.is_empty());
    let bucket =
        Shop::start().settings("STORAGES = {'staticfiles': {'BACKEND': 'mysite.bucket.Bucket'}}").file(
            "mysite/bucket.py",
            "from django.core.files.storage import Storage\nclass Bucket(Storage): pass",
        );
    let facts = bucket.survey().unwrap();
    assert!(facts.notices.last().unwrap().what.contains("`mysite.bucket.Bucket`"));
    assert!(bucket.collect().unwrap().sources.is_empty());
}

#[test]
fn a_project_in_a_folder_with_letters_of_all_kinds_loads() {
    let shop = Shop::start_in("проект ö 'quoted'");
    assert_eq!(shop.survey().unwrap().writable.table.len(), 1);
    assert_eq!(shop.release("rélease ü").setting("settings.BASE_DIR"), "RELEASE/app");
}

#[test]
fn channels_and_asgi_are_told_what_fastcgi_does_not_do() {
    let facts = Shop::start().settings("ASGI_APPLICATION = 'mysite.asgi.application'").survey().unwrap();
    assert!(facts.notices.iter().any(|notice| notice.what.contains("`ASGI_APPLICATION`")));
    assert_eq!(facts.asgi_application.as_deref(), Some("mysite.asgi.application"));
}

#[test]
fn a_root_below_the_project_with_other_letters_is_found_by_the_release() {
    let shop = Shop::start().file("größe/deep.py", "here = True");
    let roots = [PathBuf::from("größe")];
    let pth = shop.with(|input| {
        let facts = survey(input, &test_python(), &Silent).unwrap();
        site_package(&Input { python_path: &roots, ..*input }, &facts).unwrap().remove(0)
    });
    let Content::Bytes(bytes) = pth.content else { panic!("it is made, not copied") };
    assert!(bytes.is_ascii());
    let release = shop.release("one");
    fs_err::write(pth.path.below(&release.folder), bytes).unwrap();
    assert_eq!(release.says("import deep, mysite; print(deep.here)"), "True");
}

#[test]
fn what_the_shell_holds_does_not_reach_the_project() {
    // PATH is passed on; CARGO_MANIFEST_DIR is what cargo sets for this very test.
    let shop = Shop::start()
        .settings("import os\nassert 'PATH' in os.environ and 'CARGO_MANIFEST_DIR' not in os.environ");
    shop.survey().unwrap();
}

/// What the reader of settings' source finds in one settings file, as JSON.
#[track_caller]
fn read_source(text: &str, expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("conf.py"), text).unwrap();
    let code = "import json, sys; sys.path.insert(0, sys.argv[2]); import sources
root = sys.argv[1]
found = sources.read({'root': root, 'roots': [root], 'settings': 'conf', 'manage': root + '/conf.py'})
print(json.dumps([found['environment'], found['secret_key'], found['fixed_settings']]))";
    let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/src/app");
    let output = Command::new(test_python())
        .args(["-B", "-c", code])
        .arg(folder.path())
        .arg(scripts)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), expected, "{text}");
}

#[test]
fn only_variables_that_are_always_needed_are_called_needed() {
    read_source(
        "import os\na = os.environ['A'] + os.environ['B']\nos.environ['C'] = 'x'",
        r#"[["A", "B"], null, null]"#,
    );
    read_source("from os import environ\nD = {'k': int(environ['PORT'])}", r#"[["PORT"], null, null]"#);
    read_source(
        "import os\nif DEBUG:\n    a = os.environ['A']\nelse:\n    b = os.environ['B']",
        "[[], null, null]",
    );
    read_source("import os\ntry:\n    a = os.environ['A']\nexcept KeyError: pass", "[[], null, null]");
    read_source("import os\ndef later(): return os.environ['A']\nb = os.getenv('B')", "[[], null, null]");
    read_source("import os\na = 'A' in os.environ and os.environ['A']", "[[], null, null]");
    read_source(
        "import environ\nenv = environ.Env(DEBUG=(bool, False))\nenv.read_env('f')\nD = env('DEBUG')\nK = env.str('KEY')\nX = env('X', default=1)",
        r#"[["KEY"], null, null]"#,
    );
    read_source(
        "from decouple import config\nK = config('KEY')\nD = config('DEBUG', default=False)",
        r#"[["KEY"], null, null]"#,
    );
    read_source("this is no Python", "[[], null, null]");
}

#[test]
fn a_key_in_plain_text_and_a_fixed_settings_module_are_seen_in_the_source() {
    read_source("import os\nSECRET_KEY = 'django-insecure'", r#"[[], "conf.py:2", null]"#);
    read_source("SECRET_KEY = ''", "[[], null, null]");
    let set = "os.environ['DJANGO_SETTINGS_MODULE'] = 'x'";
    read_source(&format!("import os\ndef main():\n    {set}"), r#"[[], null, "conf.py:3"]"#);
    read_source(&format!("import os, sys\nif 'test' in sys.argv:\n    {set}"), "[[], null, null]");
    read_source(&format!("import os\nif __name__ == '__main__':\n    {set}"), r#"[[], null, "conf.py:3"]"#);
}

#[test]
fn settings_that_follow_static_root_still_do() {
    let shop = Shop::start().settings("STATIC_ROOT = BASE_DIR / 'collected'\nCOMPRESS_ROOT = str(STATIC_ROOT)\nBUILT = STATIC_ROOT / 'built'");
    let release = shop.release("one");
    let said = release.setting("[str(settings.STATIC_ROOT), settings.COMPRESS_ROOT, str(settings.BUILT)]");
    assert_eq!(said, "['RELEASE/www/static', 'RELEASE/www/static', 'RELEASE/www/static/built']");
}

#[test]
fn a_project_one_folder_down_is_loaded_from_there() {
    let shop = Shop::start()
        .settings("DATABASES['default']['NAME'] = 'rows.db'\nMEDIA_ROOT = BASE_DIR.parent / 'media'");
    let outer = fs_err::canonicalize(shop.folder.path()).unwrap();
    shop.with(|input| {
        let input = Input { root: &outer, manage: Path::new("project/manage.py"), ..*input };
        let facts = survey(&input, &test_python(), &Silent).unwrap();
        let table: Vec<_> = facts.writable.table.keys().map(String::as_str).collect();
        assert_eq!(table, ["app/media", "app/project/rows.db"]);
        let package = site_package(&input, &facts).unwrap();
        let Content::Bytes(pth) = &package[0].content else { panic!("it is made, not copied") };
        let expected = "import sys; sys.dont_write_bytecode = True\n\
            import os, sys; sys.path.insert(0, os.path.normpath(os.path.join(sitedir, \"../../../../app/project\")))\n";
        assert_eq!(String::from_utf8_lossy(pth), expected);
    });
}
