//! What a release of the project sees: the generated settings and the path to its code.

use super::*;

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
    assert_eq!(shop.survey().unwrap().environment, ["SECRET_KEY"]);
    let mut release = shop.release("one");
    release.env.push(("DJANGO_SECRET_KEY", "from-the-server".to_owned()));
    assert_eq!(release.setting("settings.SECRET_KEY"), "from-the-server");
}

#[test]
fn a_project_in_a_folder_with_letters_of_all_kinds_loads() {
    let shop = Shop::start_in("проект ö 'quoted'");
    assert_eq!(shop.survey().unwrap().writable.table.len(), 1);
    assert_eq!(shop.release("rélease ü").setting("settings.BASE_DIR"), "RELEASE/app");
}

#[test]
fn a_root_below_the_project_with_other_letters_is_found_by_the_release() {
    let shop = Shop::start().file("größe/deep.py", "here = True");
    let roots = [PathBuf::from("größe")];
    let pth = shop.with(|input| {
        let facts = survey(input, &test_python(), &shop.static_root(), &Silent).unwrap();
        site_package(&Input { python_path: &roots, ..*input }, &facts).unwrap().remove(0)
    });
    let Content::Bytes(bytes) = pth.content else { panic!("it is made, not copied") };
    assert!(bytes.is_ascii());
    let release = shop.release("one");
    fs_err::write(pth.path.below(&release.folder), bytes).unwrap();
    assert_eq!(release.says("import deep, mysite; print(deep.here)"), "True");
}

#[test]
fn settings_that_follow_static_root_still_do() {
    let shop = Shop::start().settings("STATIC_ROOT = BASE_DIR / 'collected'\nCOMPRESS_ROOT = str(STATIC_ROOT)\nBUILT = STATIC_ROOT / 'built'");
    let release = shop.release("one");
    let said = release.setting("[str(settings.STATIC_ROOT), settings.COMPRESS_ROOT, str(settings.BUILT)]");
    assert_eq!(said, "['RELEASE/www/static', 'RELEASE/www/static', 'RELEASE/www/static/built']");
}

#[test]
fn a_static_root_that_reads_like_a_url_takes_no_url_with_it() {
    let shop = Shop::start().settings("STATIC_ROOT = '/static/'\nSTATIC_URL = '/static/'");
    let release = shop.release("one");
    assert_eq!(
        release.setting("[settings.STATIC_ROOT, settings.STATIC_URL]"),
        "['RELEASE/www/static', '/static/']"
    );
}
