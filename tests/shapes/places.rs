//! Projects that lie elsewhere than in the folder that is bundled, or take files from elsewhere.

use insta::assert_snapshot;

use super::{manage, manifest, stylesheet};
use crate::bundle::entries;
use crate::harness::Test;

/// A repository of many services: the site two folders down, static files beside them, shared code at the top.
fn monorepo() -> Test {
    let test = Test::empty();
    test.fixture("notes", "site/services/web")
        .write("site/services/web/requirements.txt", "django>=5.2,<5.3\n");
    test.write("site/services/web/urls.py", "");
    for left in ["settings-tail.py", "urls-tail.py", "urls.py"] {
        fs_err::remove_file(test.path("site/services/web").join(left)).unwrap();
    }
    test.write("site/services/web/manage.py", MANAGE)
        .write("site/services/web/web/__init__.py", "")
        .write("site/services/web/web/settings.py", SETTINGS)
        .write("site/services/web/web/urls.py", URLS)
        .write("site/services/web/web/wsgi.py", WSGI)
        .write("site/services/web/web/templates/front.html", FRONT)
        .write("site/services/mail/manage.py", "import flask\n")
        .write("site/frontend/dist/main.4f2a.css", "p { color: teal; }\n")
        .write("site/frontend/node_modules/x/manage.py", "import django\n");
    test
}

const MANAGE: &str = "import os, sys
os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'web.settings')
from django.core.management import execute_from_command_line
if __name__ == '__main__':
    execute_from_command_line(sys.argv)
";

const SETTINGS: &str = "import os
from pathlib import Path
BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = os.environ['SECRET_KEY']
ALLOWED_HOSTS = ['127.0.0.1']
INSTALLED_APPS = ['web', 'notes', 'django.contrib.staticfiles']
ROOT_URLCONF = 'web.urls'
WSGI_APPLICATION = 'web.wsgi.application'
TEMPLATES = [{'BACKEND': 'django.template.backends.django.DjangoTemplates', 'APP_DIRS': True}]
DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': BASE_DIR / 'db.sqlite3'}}
STATIC_URL = 'static/'
STATICFILES_DIRS = [BASE_DIR.parent.parent / 'frontend' / 'dist']
";

const URLS: &str = "from django.urls import path
from django.views.generic import TemplateView
urlpatterns = [path('', TemplateView.as_view(template_name='front.html'))]
";

const WSGI: &str = "import os
from django.core.wsgi import get_wsgi_application
os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'web.settings')
application = get_wsgi_application()
";

const FRONT: &str =
    "{% load static %}<link rel=\"stylesheet\" href=\"{% static 'main.4f2a.css' %}\"><p>Hello.</p>\n";

#[test]
fn a_site_two_folders_down_takes_its_static_files_from_beside_it() {
    let test = monorepo();
    let told = test.refused(3, &["bundle", "site", "--runtime", "host"]);
    assert_snapshot!(told, @r#"
    × no `manage.py` in `[here]/site` nor in a folder directly below
    help: there is `services/web/manage.py`: give its folder to bundle that alone, or set `manage = "services/web/manage.py"` under `[project]` in a `holdall.toml` here, if the site needs more of what lies here
    "#);

    let bundle = test.bundle("site/services/web", &["--version", "1"]);
    let about = manifest(&bundle);
    assert_eq!((&about["name"], &about["django"]["manage"]), (&"web".into(), &"app/manage.py".into()));
    let site = test.preview([bundle.as_os_str()]);
    let (address, style) = stylesheet(&site);
    assert_eq!((&*address, &*style.text()), ("/static/main.4f2a.css", "p { color: teal; }\n"));
    let given = [("SECRET_KEY", "for a test")];
    // Where the files came from is not in the release, and nothing there asks for it.
    assert_eq!(manage(&site, &given, &["check"]), "");
    site.stop();
    assert!(!entries(&bundle).keys().any(|name| name.starts_with("app/") && name.contains("main")));
}

#[test]
fn a_whole_repository_is_bundled_when_the_site_needs_more_of_it() {
    let test = monorepo();
    test.write("site/libs/greetings.py", "HELLO = 'Hello from the library.'\n");
    let settings = test.read("site/services/web/web/settings.py") + "from greetings import HELLO\n";
    test.write("site/services/web/web/settings.py", settings);
    let top = "name = 'web'\n[project]\nmanage = 'services/web/manage.py'\n[packages]\nrequirements = ['services/web/requirements.txt']\n";
    test.write("site/holdall.toml", top);
    let told = test.refused(3, &["bundle", "site", "--runtime", "host"]);
    let cure = "- `greetings` lies in `libs`, which is not on Python's path: `python_path = [\"libs\"]` under `[project]`";
    assert!(told.contains(cure), "{told}");

    test.write("site/holdall.toml", top.replace("[packages]", "python_path = ['libs']\n[packages]"));
    let bundle = test.bundle("site", &["--version", "1"]);
    assert_eq!(manifest(&bundle)["django"]["manage"], "app/services/web/manage.py");
    let site = test.preview([bundle.as_os_str()]);
    stylesheet(&site);
    let given = [("SECRET_KEY", "for a test")];
    let hello = ["shell", "--no-imports", "-c", "from django.conf import settings; print(settings.HELLO)"];
    assert_eq!(manage(&site, &given, &hello), "Hello from the library.\n");
    site.stop();
    assert!(!entries(&bundle).keys().any(|name| name.contains("node_modules")));
}
