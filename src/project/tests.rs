//! Whole projects on disk, one a layout, and every way in which one is refused.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use super::*;

const MANAGE: &str = "\
#!/usr/bin/env python
import os
import sys


def main():
    os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'THEM')
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
";

const WSGI: &str = "\
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'THEM')

application = get_wsgi_application()
";

const SETTINGS: &str = "\
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = 'django-insecure-x'
DEBUG = True

INSTALLED_APPS = [
    'django.contrib.admin',
]
WSGI_APPLICATION = 'mysite.wsgi.application'
";

struct Tree {
    folder: tempfile::TempDir,
}

impl Tree {
    fn new(files: &[(&str, &str)]) -> Tree {
        let tree = Tree { folder: tempfile::tempdir().unwrap() };
        for (path, text) in files {
            tree.write(path, text);
        }
        tree
    }

    /// As `django-admin startproject mysite` leaves it, in a folder named `shop`, with requirements.
    fn startproject() -> Tree {
        Tree::new(&[
            ("shop/manage.py", &MANAGE.replace("THEM", "mysite.settings")),
            ("shop/mysite/__init__.py", ""),
            ("shop/mysite/settings.py", SETTINGS),
            ("shop/mysite/urls.py", ""),
            ("shop/mysite/asgi.py", ""),
            ("shop/mysite/wsgi.py", &WSGI.replace("THEM", "mysite.settings")),
            ("shop/requirements.txt", "Django\n"),
        ])
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }

    fn remove(&self, path: &str) {
        fs_err::remove_file(self.path(path)).unwrap();
    }

    fn path(&self, path: &str) -> PathBuf {
        path.split('/').fold(self.folder.path().to_owned(), |folder, part| folder.join(part))
    }

    fn discover(&self) -> Result<Project, ProjectError> {
        Project::discover(&self.path("shop"), &Overrides::default())
    }

    fn project(&self) -> Project {
        self.discover().unwrap()
    }

    fn git(&self, args: &[&str]) {
        let mut command = Command::new("git");
        command
            .arg("-C")
            .arg(self.path("shop"))
            .args(["-c", "user.name=A", "-c", "user.email=a@b.c"])
            .args(args);
        for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            command.env_remove(variable);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The text of the error and its help, with the temporary folder written as `…`.
    #[track_caller]
    fn refused(&self) -> (String, String) {
        let error = self.discover().unwrap_err();
        let help = miette::Diagnostic::help(&error).map(|help| help.to_string()).unwrap_or_default();
        let folder = self.folder.path().display().to_string();
        (error.to_string().replace(&folder, "…"), help.replace(&folder, "…"))
    }

    #[track_caller]
    fn check_refused(&self, message: &str, help_has: &str) {
        let (error, help) = self.refused();
        assert_eq!(error, message);
        assert!(help.contains(help_has), "help: {help}");
    }
}

#[track_caller]
fn found<T: ToString>(found: &Found<T>, value: &str, from: &str) {
    assert_eq!((found.value.to_string().as_str(), found.from.as_str()), (value, from));
}

fn notices_about<'a>(project: &'a Project, words: &str) -> Vec<&'a str> {
    let notices = project.notices.iter().map(|notice| notice.what.as_str());
    notices.filter(|what| what.contains(words)).collect()
}

#[test]
fn a_startproject_site_is_understood_without_a_word_from_its_owner() {
    let tree = Tree::startproject();
    let project = tree.project();
    assert_eq!(project.root, tree.path("shop"));
    assert_eq!(project.manage, Path::new("manage.py"));
    assert_eq!(project.python_path, [Path::new("")]);
    found(&project.name, "shop", "the name of the folder");
    found(&project.version, "0.0.0", "nothing gives one");
    found(&project.target, "windows-x86_64", "the default");
    found(&project.settings, "mysite.settings", "mysite/wsgi.py, line 5");
    found(&project.wsgi, "mysite.wsgi:application", "mysite/settings.py, line 11");
    assert_eq!(
        project.dependencies.value,
        Dependencies::Requirements(vec![tree.path("shop/requirements.txt")])
    );
    assert_eq!(project.dependencies.from, "requirements.txt");
    assert_eq!((project.python, project.commit, project.dirty), (None, None, false));
    let notices: Vec<&str> = project.notices.iter().map(|notice| notice.what.as_str()).collect();
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
            "the settings are `config.settings.production` (config/wsgi.py, line 5); there are also `config.settings.local`, `config.settings.test`"
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
        "to choose, set holdall.toml, key `project.settings`: `settings = \"mysite.settings.production\"`, say"
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
    let tree = Tree::new(&[("shop/a/b/manage.py", "import django")]);
    tree.check_refused(
        "no `manage.py` in `…/shop` nor in a folder directly below",
        "run holdall in the folder",
    );
    let error = Project::discover(&tree.path("none"), &Overrides::default()).unwrap_err();
    assert!(error.to_string().starts_with("there is no folder `"), "{error}");
}

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
fn a_settings_module_that_does_not_exist_suggests_the_near_one() {
    let tree = Tree::startproject();
    tree.write("shop/holdall.toml", "[project]\nsettings = 'mysite.setings'");
    tree.check_refused(
        "there is no settings module `mysite.setings`, which holdall.toml, key `project.settings` names",
        "did you mean `mysite.settings`?",
    );
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
fn websockets_are_told_to_stay_outside() {
    let tree = Tree::startproject();
    tree.write("shop/mysite/settings.py", "INSTALLED_APPS = [\n  'daphne',\n]\nWSGI_APPLICATION = 'mysite.wsgi.application'\nASGI_APPLICATION = 'mysite.asgi.application'\n");
    let what =
        "`daphne` is installed (mysite/settings.py, line 2), and FastCGI serves the WSGI application only";
    assert_eq!(notices_about(&tree.project(), "FastCGI"), [what]);
    tree.write("shop/mysite/settings.py", "ASGI_APPLICATION = 'mysite.asgi.application'\n");
    assert_eq!(
        notices_about(&tree.project(), "ASGI_APPLICATION is set (mysite/settings.py, line 1)").len(),
        1
    );
}

#[test]
fn git_gives_the_version_the_commit_and_whether_files_differ() {
    let tree = Tree::startproject();
    tree.git(&["init", "-q"]);
    assert_eq!(tree.project().commit, None, "nothing is committed yet");
    tree.git(&["add", "."]);
    tree.git(&["commit", "-qm", "First"]);
    let project = tree.project();
    let commit = project.commit.clone().unwrap();
    assert_eq!((commit.len(), project.dirty), (40, false));
    assert!(commit.starts_with(project.version.value.as_str()) && project.version.from == "git describe");
    tree.git(&["tag", "release/1.2"]);
    found(&tree.project().version, "release-1.2", "git describe");
    tree.write("shop/db.sqlite3", "");
    tree.write("shop/dist/shop.zip", "");
    assert!(!tree.project().dirty, "what is never bundled makes no tree dirty");
    tree.write("shop/mysite/new.py", "");
    assert!(tree.project().dirty);
    tree.remove("shop/mysite/new.py");
    tree.write("shop/mysite/urls.py", "changed = 1\n");
    assert!(tree.project().dirty);
    tree.write("shop/pyproject.toml", "[tool.poetry]\nname = 'wine'\nversion = '3.1'\n");
    found(&tree.project().version, "3.1", "pyproject.toml, key `tool.poetry.version`");
}

#[test]
fn a_project_below_a_repository_that_ignores_it_is_not_part_of_it() {
    let tree = Tree::startproject();
    tree.git(&["init", "-q", ".."]);
    tree.git(&["commit", "-q", "--allow-empty", "-m", "First"]);
    let project = tree.project();
    assert_eq!((project.commit, project.dirty), (None, false));
}

#[test]
fn a_version_that_cannot_be_is_named_with_its_place() {
    let tree = Tree::startproject();
    tree.write("shop/pyproject.toml", "[project]\nname = 'x'\nversion = 'one two'\n");
    tree.check_refused(
        "the project cannot have this version: pyproject.toml, key `project.version`",
        "set `version`",
    );
}

#[test]
fn locks_come_before_requirements_and_those_before_pyproject() {
    let tree = Tree::startproject();
    tree.write("shop/pyproject.toml", "[project]\nname = 'x'\nversion = '1'\ndependencies = ['Django']\n");
    assert_eq!(tree.project().dependencies.from, "requirements.txt");
    assert_eq!(notices_about(&tree.project(), "lists some too").len(), 1);
    tree.write("shop/pylock.toml", "");
    tree.write("shop/pylock.dev.toml", "");
    assert_eq!(tree.project().dependencies.from, "pylock.toml");
    tree.write("shop/pylock.windows-x86_64.toml", "");
    assert_eq!(tree.project().dependencies.from, "pylock.windows-x86_64.toml");
    tree.write("shop/uv.lock", "version = 1\nrequires-python = '>=3.12'\n");
    tree.write("shop/holdall.toml", "[packages]\ngroups = ['prod']\n");
    let project = tree.project();
    let (lock, folder) = (tree.path("shop/uv.lock"), tree.path("shop"));
    let expected =
        Dependencies::UvLock { lock, project: folder, extras: vec![], groups: vec!["prod".to_owned()] };
    assert_eq!(project.dependencies.value, expected);
    found(project.python.as_ref().unwrap(), ">=3.12", "uv.lock, key `requires-python`");
}

#[test]
fn a_lock_of_a_workspace_is_read_for_the_member_that_is_the_project() {
    let tree = Tree::new(&[
        ("shop/pyproject.toml", "[tool.uv.workspace]\nmembers = ['web']\n"),
        ("shop/uv.lock", "version = 1\n"),
        ("shop/web/pyproject.toml", "[project]\nname = 'web'\nversion = '1'\ndependencies = ['Django']\n"),
        ("shop/web/manage.py", &MANAGE.replace("THEM", "mysite.settings")),
        ("shop/web/mysite/settings.py", SETTINGS),
        ("shop/web/mysite/wsgi.py", &WSGI.replace("THEM", "mysite.settings")),
    ]);
    let (lock, project) = (tree.path("shop/uv.lock"), tree.path("shop/web"));
    let expected = Dependencies::UvLock { lock, project, extras: vec![], groups: vec![] };
    assert_eq!(tree.project().dependencies.value, expected);
}

#[test]
fn the_configuration_chooses_dependencies() {
    let tree = Tree::startproject();
    tree.write("shop/pyproject.toml", "[project]\nname = 'x'\nversion = '1'\ndependencies = ['Django']\n");
    tree.write("shop/holdall.toml", "packages.requirements = ['pyproject.toml']\n");
    let project = tree.project();
    assert!(matches!(project.dependencies.value, Dependencies::Pyproject { .. }));
    assert_eq!(project.dependencies.from, "holdall.toml, key `packages.requirements`");
    assert!(notices_about(&project, "lists some too").is_empty());
    tree.write(
        "shop/holdall.toml",
        "packages.requirements = ['requirements.txt']\npackages.extras = ['x']\n",
    );
    assert_eq!(notices_about(&tree.project(), "key `packages.extras` has no effect").len(), 1);
    tree.write("shop/holdall.toml", "packages.lock = 'requirements.txt'\n");
    tree.check_refused(
        "wrong value: holdall.toml, key `packages.lock` is `requirements.txt`, which is no lock that holdall reads",
        "`packages.requirements`",
    );
    tree.write(
        "shop/holdall.toml",
        "packages.lock = 'x.lock'\npackages.requirements = ['requirements.txt']\n",
    );
    let (error, _) = tree.refused();
    assert!(error.ends_with("and `packages.requirements` is set too"), "{error}");
}

#[test]
fn requirements_in_a_folder_are_chosen_for_production() {
    let tree = Tree::startproject();
    tree.remove("shop/requirements.txt");
    tree.write("shop/requirements/dev.txt", "");
    tree.write("shop/requirements/web.txt", "");
    assert_eq!(tree.project().dependencies.from, "requirements/web.txt");
    tree.write("shop/requirements/worker.txt", "");
    tree.check_refused(
        "cannot tell which requirements are for production: `requirements/dev.txt`, `requirements/web.txt`, `requirements/worker.txt`",
        "set `packages.requirements = [\"requirements/web.txt\"]` in `holdall.toml`",
    );
    tree.write("shop/requirements/base.txt", "");
    assert_eq!(tree.project().dependencies.from, "requirements/base.txt");
    tree.write("shop/requirements/prod.txt", "");
    assert_eq!(tree.project().dependencies.from, "requirements/prod.txt");
}

#[test]
fn a_missing_include_names_its_file_and_line() {
    let tree = Tree::startproject();
    tree.write("shop/requirements.txt", "-r requirements/base.txt\n");
    tree.write("shop/requirements/base.txt", "Django\r\n\r\n-c constraints.txt\r\n-r base.txt\r\n");
    tree.check_refused(
        "requirements/base.txt, line 3, includes `constraints.txt`, and there is no such file",
        "correct the line",
    );
    tree.write("shop/requirements/constraints.txt", "");
    assert_eq!(tree.project().dependencies.from, "requirements.txt");
}

#[test]
fn requirements_saved_as_utf_16_are_refused_with_the_cure() {
    let tree = Tree::startproject();
    let text: Vec<u8> = "\u{feff}Django==5.2\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs_err::write(tree.path("shop/requirements.txt"), text).unwrap();
    tree.check_refused("`requirements.txt` is not UTF-8 text", "Out-File");
}

#[test]
fn without_dependencies_the_error_says_what_was_looked_for_and_what_to_do() {
    let tree = Tree::startproject();
    tree.remove("shop/requirements.txt");
    let start = "no dependencies found in `…/shop`: no `uv.lock`, `pylock.toml`, `requirements.txt` or `requirements/*.txt`; ";
    tree.check_refused(&format!("{start}no `pyproject.toml`"), "write a `requirements.txt`");
    tree.write("shop/setup.py", "");
    tree.check_refused(
        &format!("{start}no `pyproject.toml`; `setup.py` is not read"),
        "uv pip compile setup.py",
    );
    tree.write("shop/Pipfile.lock", "{}");
    tree.check_refused(
        &format!("{start}no `pyproject.toml`; `Pipfile.lock` is not read"),
        "pipenv requirements",
    );
    tree.write("shop/poetry.lock", "");
    tree.write("shop/pyproject.toml", "[tool.poetry.dependencies]\npython = '^3.11'\n");
    tree.check_refused(
        &format!("{start}`pyproject.toml` has no `project.dependencies`; `poetry.lock` is not read"),
        "poetry export",
    );
    tree.write("shop/pyproject.toml", "[project]\nname = 'x'\ndynamic = ['dependencies', 'version']\n");
    let (error, _) = tree.refused();
    assert!(error.contains("`pyproject.toml` leaves its dependencies to the build backend"), "{error}");
    tree.write("shop/pyproject.toml", "[project]\nname = 'x'\ndynamic = ['dependencies']\n[tool.setuptools.dynamic]\ndependencies = { file = ['deps.txt'] }\n");
    tree.write("shop/deps.txt", "Django");
    assert_eq!(
        tree.project().dependencies.value,
        Dependencies::Requirements(vec![tree.path("shop/deps.txt")])
    );
}

#[test]
fn the_python_wanted_is_looked_for_from_the_particular_to_the_general() {
    let tree = Tree::startproject();
    tree.write("shop/runtime.txt", "python-3.11.9\n");
    found(tree.project().python.as_ref().unwrap(), "==3.11.*", "runtime.txt");
    tree.write("shop/pyproject.toml", "[tool.poetry.dependencies]\npython = '^3.10'\n");
    found(
        tree.project().python.as_ref().unwrap(),
        ">=3.10, <4",
        "pyproject.toml, key `tool.poetry.dependencies.python`",
    );
    tree.write("shop/.python-version", "# here\n3.13.1\n");
    found(tree.project().python.as_ref().unwrap(), "==3.13.*", ".python-version");
    tree.write("shop/.python-version", "shop-env\n");
    let project = tree.project();
    found(
        project.python.as_ref().unwrap(),
        ">=3.10, <4",
        "pyproject.toml, key `tool.poetry.dependencies.python`",
    );
    assert_eq!(notices_about(&project, "says `shop-env`").len(), 1);
    tree.write("shop/holdall.toml", "project.python = '3.12'");
    found(tree.project().python.as_ref().unwrap(), "==3.12.*", "holdall.toml, key `project.python`");
}

#[test]
fn the_python_of_this_machine_makes_it_the_target() {
    let tree = Tree::startproject();
    tree.write("shop/holdall.toml", "runtime.from = 'host'");
    if let Some(host) = Target::host() {
        found(&tree.project().target, host.as_str(), "holdall.toml, key `runtime.from`");
    }
    tree.write("shop/holdall.toml", "runtime.from = '../pythons/python.tar.gz'\ntarget = 'linux-arm64'");
    let project = tree.project();
    found(&project.target, "linux-arm64", "holdall.toml, key `target`");
    let path = tree.path("shop").join("../pythons/python.tar.gz");
    assert_eq!(project.runtime.unwrap().value, RuntimeFrom::Path(path));
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
