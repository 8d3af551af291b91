//! Whole projects on disk, one a layout, and every way in which one is refused.
#![allow(clippy::unwrap_used)]

mod configuration;
mod dependencies;
mod facts;
mod layouts;

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
        let written = |text: String| text.replace(&folder, "…").replace("…\\", "…/");
        (written(error.to_string()), written(help))
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
    let notices = project.notices.iter().chain(&project.advice).map(|notice| notice.what.as_str());
    notices.filter(|what| what.contains(words)).collect()
}
