//! Static files of real projects.

use super::*;

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
        let read = |source: &crate::layer::Source| source.content.read().unwrap().into_owned();
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
    assert!(help(&error).starts_with("- `css/site.css` refers to `css/none.png`"), "{}", help(&error));
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
fn a_project_one_folder_down_is_loaded_from_there() {
    let shop = Shop::start()
        .settings("DATABASES['default']['NAME'] = 'rows.db'\nMEDIA_ROOT = BASE_DIR.parent / 'media'");
    let outer = fs_err::canonicalize(shop.folder.path()).unwrap();
    shop.with(|input| {
        let input = Input { root: &outer, manage: Path::new("project/manage.py"), ..*input };
        let facts = survey(&input, &test_python(), &shop.static_root(), &Silent).unwrap();
        let table: Vec<_> = facts.writable.table.keys().map(String::as_str).collect();
        assert_eq!(table, ["app/media", "app/project/rows.db"]);
        let package = site_package(&input, &facts).unwrap();
        let Content::Bytes(pth) = &package[0].content else { panic!("it is made, not copied") };
        let expected = "import sys; sys.dont_write_bytecode = True\n\
            import os, sys; sys.path.insert(0, os.path.normpath(os.path.join(sitedir, \"../../../../app/project\")))\n";
        assert_eq!(String::from_utf8_lossy(pth), expected);
    });
}
