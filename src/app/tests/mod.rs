//! Real projects, loaded by a real Python with Django and whitenoise.

#![allow(clippy::unwrap_used)]

mod collect;
mod release;
mod sources;
mod survey;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use super::python;
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
        let facts = self.with(|input| survey(input, &test_python(), &self.static_root(), &Silent));
        assert_eq!(self.names(), before, "loading the project changed its folder");
        facts
    }

    /// An empty folder for static files.
    fn static_root(&self) -> PathBuf {
        let folder = self.folder.path().join("static");
        let _ = fs_err::remove_dir_all(&folder);
        fs_err::create_dir(&folder).unwrap();
        folder
    }

    fn collect(&self) -> Result<Collected, AppError> {
        let (before, facts) = (self.names(), self.survey()?);
        let collected = self.with(|input| collect(input, &facts, &Silent));
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
            fs_err::write(path, source.content.read().unwrap()).unwrap();
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
