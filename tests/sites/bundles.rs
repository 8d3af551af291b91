//! Bundles as the person makes them on Linux, and the folder that one is on Windows.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::Test;
use crate::lab::{self, Said};

/// A story's folder, where bundles are made.
pub fn empty() -> Test {
    // What is missing is said by the name of the chore that hands it over.
    for name in ["HOLDALL_TOOLS", "HOLDALL_TEST_PYTHON"] {
        lab::given(name);
    }
    Test::empty()
}

/// A bundle, and what `holdall bundle` said of it.
pub struct Made {
    pub path: PathBuf,
    pub report: Value,
}

/// `holdall bundle PROJECT --target windows-x86_64`
pub fn for_windows(test: &Test, project: &str) -> Made {
    let (runtime, tools) = (lab::given("HOLDALL_LAB_RUNTIME"), lab::given("HOLDALL_LAB_TOOLS"));
    let (runtime, tools) = (runtime.to_str().unwrap(), tools.to_str().unwrap());
    let made = make(test, project, &["--runtime", runtime, "--target", "windows-x86_64", "--tools", tools]);
    assert_eq!(made.report["manifest"]["target"], "windows-x86_64");
    made
}

/// `holdall bundle PROJECT --runtime host`
pub fn for_linux(test: &Test, project: &str) -> Made {
    make(test, project, &["--runtime", "host"])
}

fn make(test: &Test, project: &str, more: &[&str]) -> Made {
    let args = ["--format", "json", "bundle", project, "--output", "dist", "--version", "1.0"];
    let done = test.holdall(args.iter().chain(more)).success();
    let report: Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
    Made { path: test.path(report["path"].as_str().unwrap()), report }
}

impl Made {
    /// The names of the packages inside.
    pub fn packages(&self) -> Vec<&str> {
        let layers = self.report["manifest"]["layers"].as_array().unwrap().iter();
        let packages = layers.filter(|layer| layer["kind"] == "package");
        packages.map(|layer| layer["name"].as_str().unwrap()).collect()
    }

    /// `3.11`
    pub fn python_minor(&self) -> String {
        let version = self.report["manifest"]["python"]["version"].as_str().unwrap();
        version.rsplit_once('.').unwrap().0.to_owned()
    }

    pub fn names(&self) -> Vec<String> {
        let archive = zip::ZipArchive::new(fs_err::File::open(&self.path).unwrap()).unwrap();
        archive.file_names().map(|name| name.unwrap().into_owned()).collect()
    }

    /// The files below a folder of the bundle, with their contents.
    pub fn files(&self, folder: &str) -> BTreeMap<String, Vec<u8>> {
        let mut archive = zip::ZipArchive::new(fs_err::File::open(&self.path).unwrap()).unwrap();
        let mut files = BTreeMap::new();
        for number in 0..archive.len() {
            let mut file = archive.by_index(number).unwrap();
            let name = file.name().unwrap().into_owned();
            if name.starts_with(folder) {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes).unwrap();
                files.insert(name, bytes);
            }
        }
        files
    }

    /// Unpacks the bundle as any program does that knows zips.
    pub fn unzip(&self, folder: PathBuf) -> Release {
        zip::ZipArchive::new(fs_err::File::open(&self.path).unwrap()).unwrap().extract(&folder).unwrap();
        Release { folder }
    }
}

/// Fails, naming the files, unless `folder` is the same in both bundles.
#[track_caller]
pub fn assert_same(folder: &str, windows: &Made, linux: &Made) {
    let (windows, linux) = (windows.files(folder), linux.files(folder));
    let names = windows.keys().chain(linux.keys());
    let differ: Vec<_> = names.filter(|name| windows.get(*name) != linux.get(*name)).collect();
    assert!(differ.is_empty(), "these differ between Windows and Linux: {differ:?}");
    assert!(windows.len() > 3, "`{folder}` has files");
}

/// A bundle that was unpacked on Windows.
pub struct Release {
    pub folder: PathBuf,
}

impl Release {
    /// The `holdall.exe` of the bundle, in its folder.
    pub fn holdall(&self, args: &[&str]) -> std::process::Command {
        let mut holdall = lab::wine(self.folder.join("holdall.exe"), &self.folder);
        holdall.args(args);
        holdall
    }

    /// The Python of the bundle, in its folder, with switches as the site has them.
    pub fn python(&self, args: &[&str]) -> std::process::Command {
        let mut python = lab::wine(self.folder.join("python/python.exe"), &self.folder);
        python.args(["-s", "-B", "-X", "utf8"]).args(args);
        python
    }

    /// `manage.py`, for a site that keeps its data below `shared`.
    pub fn manage(&self, shared: &Path, args: &[&str]) -> std::process::Command {
        let mut manage = self.python(&["app/manage.py"]);
        manage.args(args).env("DJANGO_SETTINGS_MODULE", "holdall_site.settings");
        manage.env("HOLDALL_SHARED", lab::windows(shared)).env("SECRET_KEY", "for a test");
        manage
    }

    /// `holdall.exe verify .`: every file is as it was bundled.
    #[track_caller]
    pub fn verify(&self) -> Said {
        let said = lab::run(&mut self.holdall(&["verify", "."])).success();
        assert!(said.stdout.contains(" files are as they were bundled\nidentity "), "{said:?}");
        said
    }
}
