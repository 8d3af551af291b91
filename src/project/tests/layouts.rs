//! The usual layouts, how the project in them is started, and the folders that are none.

use super::*;

#[test]
fn a_startproject_site_is_understood_without_a_word_from_its_owner() {
    let tree = Tree::startproject();
    let project = tree.project();
    assert_eq!(project.root, tree.path("shop"));
    assert_eq!(project.manage, Path::new("manage.py"));
    assert_eq!(project.python_path, [Path::new("")]);
    found(&project.name, "shop", "the name of the folder");
    found(&project.version, "0.0.0", "no version is given");
    found(&project.target, "windows-x86_64", "the default");
    found(&project.settings, "mysite.settings", "mysite/wsgi.py, line 5");
    found(&project.wsgi, "mysite.wsgi:application", "mysite/settings.py, line 11");
    assert_eq!(
        project.dependencies.value,
        Dependencies::Requirements(vec![tree.path("shop/requirements.txt")])
    );
    assert_eq!(project.dependencies.from, "requirements.txt");
    assert_eq!((project.python, project.commit, project.changes), (None, None, Changes::default()));
    let notices = project.notices.iter().chain(&project.advice);
    let notices: Vec<&str> = notices.map(|notice| notice.what.as_str()).collect();
    assert_eq!(
        notices,
        [
            "the project has no version: none in pyproject.toml, and no commit of git",
            "SECRET_KEY stands in the source: mysite/settings.py, line 5",
            "DEBUG is True: mysite/settings.py, line 6",
        ]
    );
}

#[test]
fn windows_line_ends_and_byte_order_marks_change_nothing() {
    let tree = Tree::startproject();
    for file in ["manage.py", "mysite/settings.py", "mysite/wsgi.py", "requirements.txt"] {
        let path = format!("shop/{file}");
        let text = fs_err::read_to_string(tree.path(&path)).unwrap();
        tree.write(&path, &format!("\u{feff}{}", text.replace('\n', "\r\n")));
    }
    tree.write("shop/pyproject.toml", "\u{feff}[project]\r\nname = 'wine'\r\nversion = '2.0'\r\n");
    tree.write("shop/holdall.toml", "\u{feff}[project]\r\nhealth = '/up'\r\n");
    tree.write("shop/.python-version", "\u{feff}3.12\r\n");
    let project = tree.project();
    found(&project.settings, "mysite.settings", "mysite/wsgi.py, line 5");
    found(&project.name, "wine", "pyproject.toml, key `project.name`");
    found(&project.version, "2.0", "pyproject.toml, key `project.version`");
    found(project.python.as_ref().unwrap(), "==3.12.*", ".python-version");
    assert_eq!(project.config.health(), "/up");
    assert_eq!(notices_about(&project, "DEBUG").len(), 1);
}

#[test]
fn settings_for_production_named_by_wsgi_win_over_those_of_manage() {
    let tree = Tree::new(&[
        ("shop/manage.py", &MANAGE.replace("THEM", "config.settings.local")),
        ("shop/config/__init__.py", ""),
        ("shop/config/wsgi.py", &WSGI.replace("THEM", "config.settings.production")),
        ("shop/config/settings/__init__.py", ""),
        (
            "shop/config/settings/base.py",
            "DEBUG = env.bool('DEBUG', False)\nWSGI_APPLICATION = 'config.wsgi.application'\nINSTALLED_APPS = []\n",
        ),
        (
            "shop/config/settings/local.py",
            "from .base import *  # noqa\nDEBUG = True\nSECRET_KEY = env('K', default='x')\n",
        ),
        ("shop/config/settings/test.py", "from .base import *\nSECRET_KEY = 'x'\n"),
        (
            "shop/config/settings/production.py",
            "from .base import *  # noqa: F403\nfrom .base import env\nSECRET_KEY = env('SECRET_KEY')\n",
        ),
        ("shop/requirements/base.txt", "django\n"),
        ("shop/requirements/local.txt", "-r base.txt\n"),
        ("shop/requirements/production.txt", "# prod\n-r base.txt\ngunicorn\n"),
    ]);
    let project = tree.project();
    found(&project.settings, "config.settings.production", "config/wsgi.py, line 5");
    found(&project.wsgi, "config.wsgi:application", "config/settings/base.py, line 2");
    assert_eq!(project.dependencies.from, "requirements/production.txt");
    assert_eq!(
        notices_about(&project, "there are also"),
        [
            "the settings are `config.settings.production` (config/wsgi.py, line 5); there are also `config.settings.local`"
        ]
    );
    assert!(notices_about(&project, "DEBUG").is_empty());
    assert!(notices_about(&project, "SECRET_KEY").is_empty());
}

#[test]
fn development_settings_are_served_as_found_and_the_others_are_named() {
    let tree = Tree::new(&[
        ("shop/manage.py", &MANAGE.replace("THEM", "mysite.settings.dev")),
        ("shop/mysite/wsgi.py", &WSGI.replace("THEM", "mysite.settings.dev")),
        ("shop/mysite/settings/__init__.py", ""),
        ("shop/mysite/settings/base.py", "import os\nWSGI_APPLICATION = \"mysite.wsgi.application\"\n"),
        (
            "shop/mysite/settings/dev.py",
            "from .base import *\n\nDEBUG = True\n\nSECRET_KEY = \"django-insecure-x\"\n\ntry:\n    from .local import *\nexcept ImportError:\n    pass\n",
        ),
        ("shop/mysite/settings/production.py", "from .base import *\n\nDEBUG = False\n"),
        ("shop/requirements.txt", "Django\nwagtail\n"),
    ]);
    let project = tree.project();
    found(&project.settings, "mysite.settings.dev", "mysite/wsgi.py, line 5");
    let notice = project.notices.iter().find(|notice| notice.what.contains("there are also")).unwrap();
    assert!(notice.what.ends_with("there are also `mysite.settings.production`"), "{}", notice.what);
    assert_eq!(
        notice.help,
        "to choose another, set `project.settings` in `holdall.toml`, for example to `\"mysite.settings.production\"`"
    );
    assert_eq!(notices_about(&project, "DEBUG"), ["DEBUG is True: mysite/settings/dev.py, line 3"]);

    tree.write("shop/holdall.toml", "[project]\nsettings = 'mysite.settings.production'\n");
    let project = tree.project();
    found(&project.settings, "mysite.settings.production", "holdall.toml, key `project.settings`");
    found(&project.wsgi, "mysite.wsgi:application", "mysite/settings/base.py, line 2");
    assert!(notices_about(&project, "there are also").is_empty());
    assert!(notices_about(&project, "DEBUG").is_empty());
}

#[test]
fn a_src_folder_with_the_settings_is_put_on_the_path() {
    let tree = Tree::new(&[
        ("shop/manage.py", &MANAGE.replace("THEM", "mysite.settings")),
        ("shop/src/mysite/__init__.py", ""),
        ("shop/src/mysite/settings.py", "WSGI_APPLICATION = 'mysite.wsgi.application'\n"),
        ("shop/src/mysite/wsgi.py", &WSGI.replace("THEM", "mysite.settings")),
        (
            "shop/pyproject.toml",
            "[project]\nname = 'wine-shop'\nversion = '1.0+local'\nrequires-python = '>=3.11'\ndependencies = ['Django']\n",
        ),
    ]);
    let project = tree.project();
    assert_eq!(project.python_path, [Path::new(""), Path::new("src")]);
    found(&project.settings, "mysite.settings", "src/mysite/wsgi.py, line 5");
    found(&project.version, "1.0-local", "pyproject.toml, key `project.version`");
    found(project.python.as_ref().unwrap(), ">=3.11", "pyproject.toml, key `project.requires-python`");
    let file = tree.path("shop/pyproject.toml");
    assert_eq!(project.dependencies.value, Dependencies::Pyproject { file, extras: vec![], groups: vec![] });
}

#[test]
fn a_src_folder_without_the_project_in_it_is_left_off_the_path() {
    let tree = Tree::startproject();
    tree.write("shop/src/main.js", "");
    assert_eq!(tree.project().python_path, [Path::new("")]);
}

#[test]
fn a_project_one_folder_below_brings_its_own_files() {
    let tree = Tree::new(&[
        ("shop/README.md", ""),
        ("shop/frontend/package.json", "{}"),
        ("shop/.venv/manage.py", "import django"),
        ("shop/backend/manage.py", &MANAGE.replace("THEM", "mysite.settings")),
        ("shop/backend/mysite/settings.py", SETTINGS),
        ("shop/backend/mysite/wsgi.py", &WSGI.replace("THEM", "mysite.settings")),
        ("shop/backend/requirements.txt", "Django\n"),
        ("shop/backend/holdall.toml", "name = 'wine'\n[project]\npython_path = ['backend/lib']\n"),
        ("shop/backend/lib/x.py", ""),
    ]);
    let project = tree.project();
    assert_eq!(project.manage, Path::new("backend/manage.py"));
    assert_eq!(project.python_path, [Path::new("backend"), Path::new("backend/lib")]);
    found(&project.name, "wine", "backend/holdall.toml, key `name`");
    found(&project.settings, "mysite.settings", "backend/mysite/wsgi.py, line 5");
    assert_eq!(project.dependencies.from, "backend/requirements.txt");
}

#[test]
fn names_outside_ascii_are_read_and_made_to_fit() {
    let tree = Tree::startproject();
    fs_err::rename(tree.path("shop"), tree.path("Weinladen Köln")).unwrap();
    let project = Project::discover(&tree.path("Weinladen Köln"), &Overrides::default()).unwrap();
    found(&project.name, "Weinladen-Koln", "the name of the folder");
    fs_err::rename(tree.path("Weinladen Köln"), tree.path("酒屋")).unwrap();
    let project = Project::discover(&tree.path("酒屋"), &Overrides::default()).unwrap();
    found(&project.name, "mysite", "the package of the settings");
}

#[test]
fn two_projects_are_an_error_until_one_is_chosen() {
    let tree = Tree::new(&[]);
    for name in ["api", "web"] {
        tree.write(&format!("shop/{name}/manage.py"), &MANAGE.replace("THEM", "mysite.settings"));
        tree.write(&format!("shop/{name}/mysite/settings.py"), SETTINGS);
        tree.write(&format!("shop/{name}/mysite/wsgi.py"), &WSGI.replace("THEM", "mysite.settings"));
        tree.write(&format!("shop/{name}/requirements.txt"), "Django");
    }
    tree.check_refused(
        "more than one `manage.py`: `api/manage.py`, `web/manage.py`",
        "`project.manage` in `holdall.toml` in `…/shop`",
    );
    tree.write("shop/holdall.toml", "[project]\nmanage = 'api/manage.py'\n");
    assert_eq!(tree.project().manage, Path::new("api/manage.py"));
    tree.write("shop/web/manage.py", "import flask\n");
    tree.remove("shop/holdall.toml");
    assert_eq!(tree.project().manage, Path::new("api/manage.py"), "another tool's manage.py is no choice");
}

#[test]
fn a_folder_without_a_project_is_refused() {
    let tree = Tree::new(&[("shop/node_modules/b/manage.py", "import django"), ("shop/a/b/manage.py", "")]);
    let message = "no `manage.py` in `…/shop` nor in a folder directly below";
    tree.check_refused(message, "run holdall in the folder");
    tree.write("shop/a/b/manage.py", "import django");
    tree.check_refused(message, "there is `a/b/manage.py`: give its folder");
    let error = Project::discover(&tree.path("none"), &Overrides::default()).unwrap_err();
    assert!(error.to_string().starts_with("there is no folder `"), "{error}");
}

#[test]
fn a_settings_module_that_does_not_exist_suggests_the_near_one() {
    let tree = Tree::startproject();
    tree.write("shop/holdall.toml", "[project]\nsettings = 'mysite.setings'");
    tree.check_refused(
        "there is no settings module `mysite.setings`, which holdall.toml, key `project.settings` names",
        "did you mean `mysite.settings`?",
    );
    tree.write("shop/holdall.toml", "[build]\nsettings = 'mysite.build'");
    let (error, _) = tree.refused();
    assert!(error.contains("`mysite.build`, which holdall.toml, key `build.settings` names"), "{error}");
    tree.write("shop/holdall.toml", "[project]\nsettings = 'installed.settings'");
    assert_eq!(notices_about(&tree.project(), "is not among the project's files").len(), 1);
}

#[test]
fn settings_that_cannot_be_told_are_an_error_with_the_candidates() {
    let tree = Tree::startproject();
    let computed = MANAGE.replace("'THEM'", "'mysite.' + name");
    tree.write("shop/manage.py", &computed);
    tree.write("shop/mysite/wsgi.py", "application = 1\n");
    tree.check_refused(
        "no settings module found: `mysite/wsgi.py` does not set DJANGO_SETTINGS_MODULE; `manage.py`, line 7, computes DJANGO_SETTINGS_MODULE",
        "set `project.settings` in `holdall.toml`, for example to `\"mysite.settings\"`; seen here: `mysite.settings`",
    );
    tree.write("shop/mysite/production.py", "");
    let either = MANAGE.replace("'THEM'", "'mysite.production' if X else 'mysite.settings'");
    tree.write("shop/manage.py", &either);
    let (error, _) = tree.refused();
    assert!(error.ends_with("chooses between `mysite.production` and `mysite.settings`"), "{error}");
    let overrides = Overrides { settings: Some("mysite.production".to_owned()), ..Overrides::default() };
    let project = Project::discover(&tree.path("shop"), &overrides).unwrap();
    found(&project.settings, "mysite.production", "the command line");
}

#[test]
fn a_wsgi_file_that_replaces_the_settings_is_told() {
    let tree = Tree::startproject();
    tree.write(
        "shop/mysite/wsgi.py",
        "import os\nos.environ['DJANGO_SETTINGS_MODULE'] = 'mysite.settings'\napplication = 1\n",
    );
    let project = tree.project();
    assert_eq!(
        notices_about(&project, "whatever the environment says"),
        ["`mysite/wsgi.py`, line 2, sets DJANGO_SETTINGS_MODULE whatever the environment says"]
    );
}

#[test]
fn the_application_is_found_without_a_word_in_the_settings() {
    let tree = Tree::startproject();
    tree.write("shop/mysite/settings.py", "");
    found(&tree.project().wsgi, "mysite.wsgi:application", "mysite/wsgi.py, line 7");
    tree.write("shop/mysite/wsgi.py", "from x import get_wsgi_application\napp = get_wsgi_application()\n");
    found(&tree.project().wsgi, "mysite.wsgi:app", "mysite/wsgi.py, line 2");
    tree.write("shop/mysite/wsgi.py", "from other.wsgi import (\n    application,\n)\n");
    found(&tree.project().wsgi, "mysite.wsgi:application", "mysite/wsgi.py, line 1");
    tree.write("shop/mysite/wsgi.py", "");
    tree.check_refused(
        "no WSGI application found: `mysite.settings` has no literal WSGI_APPLICATION; `mysite/wsgi.py` has no `application`",
        "set `project.wsgi`",
    );
    tree.remove("shop/mysite/wsgi.py");
    tree.check_refused(
        "no WSGI application found: `mysite.settings` has no literal WSGI_APPLICATION; there is no `wsgi.py` beside the settings",
        "add a `wsgi.py`",
    );
    tree.write("shop/mysite/settings.py", SETTINGS);
    let (error, _) = tree.refused();
    assert!(
        error.contains("there is no module `mysite.wsgi`, which mysite/settings.py, line 11 names"),
        "{error}"
    );
}

#[test]
fn what_the_command_line_sets_is_checked_too() {
    let tree = Tree::startproject();
    let refused =
        |overrides: Overrides| Project::discover(&tree.path("shop"), &overrides).unwrap_err().to_string();
    let settings = Overrides { settings: Some("mysite/settings.py".to_owned()), ..Overrides::default() };
    assert!(refused(settings).contains("the command line is `mysite/settings.py`"));
    let wsgi = Overrides { wsgi: Some("mysite.wsgi".to_owned()), ..Overrides::default() };
    assert!(refused(wsgi).contains("no `package.module:callable`"));
}

#[test]
fn a_manage_that_delegates_leaves_the_settings_to_wsgi() {
    let tree = Tree::startproject();
    tree.write("shop/manage.py", "from mysite.cli import main\nmain()\n");
    found(&tree.project().settings, "mysite.settings", "mysite/wsgi.py, line 5");
}

#[test]
fn settings_chosen_by_environment_are_named() {
    let tree = Tree::startproject();
    tree.remove("shop/mysite/settings.py");
    tree.write("shop/mysite/settings/__init__.py", "import os\nif os.environ.get('LIVE'):\n    from .production import *\nelse:\n    from .dev import *\n");
    tree.write("shop/mysite/settings/dev.py", "DEBUG = True\n");
    tree.write("shop/mysite/settings/production.py", "");
    assert_eq!(
        notices_about(&tree.project(), "there are also"),
        [
            "the settings are `mysite.settings` (mysite/wsgi.py, line 5); there are also `mysite.settings.dev`, `mysite.settings.production`"
        ]
    );
    assert!(notices_about(&tree.project(), "DEBUG").is_empty());
}
