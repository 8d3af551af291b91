//! A project with large packages, on Linux: what is left out of them is missed by nothing, and what Python's own
//! importlib.metadata tells of the packages is right.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::harness::{Test, cache, command};

const REQUIREMENTS: &str = "django>=5.2,<5.3\ndjangorestframework\npsycopg[binary]\nPillow\ncryptography\nlxml\n\
    celery\nnumpy\npandas\ntzdata\n";

const SETTINGS: &str = "SECRET_KEY = 'x'\nALLOWED_HOSTS = ['*']\nROOT_URLCONF = 'large.urls'\nSTATIC_URL = 'static/'\n\
    WSGI_APPLICATION = 'large.wsgi.application'\nINSTALLED_APPS = ['django.contrib.' + name for name in (\n\
    'admin', 'admindocs', 'auth', 'contenttypes', 'flatpages', 'humanize', 'messages', 'postgres', 'redirects',\n\
    'sessions', 'sitemaps', 'sites', 'staticfiles', 'syndication')] + ['rest_framework', 'rest_framework.authtoken']\n\
    SITE_ID = 1\n\
    TEMPLATES = [{'BACKEND': 'django.template.backends.django.DjangoTemplates', 'APP_DIRS': True}]\n";

const URLS: &str = "import pandas\nfrom django.urls import path\nfrom rest_framework.decorators import api_view\n\
    from rest_framework.response import Response\n\
    @api_view()\ndef table(request):\n\
    \x20   return Response({'sum': int(pandas.DataFrame({'a': [1, 2, 39]})['a'].sum())})\n\
    urlpatterns = [path('table/', table)]\n";

#[test]
fn a_large_project_misses_nothing_of_what_is_left_out_of_its_packages() {
    let test = Test::empty();
    write_project(&test);
    let (report, bundle) = bundled(&test);
    let wheels = wheels(&test);
    let site = test.preview([bundle.as_os_str(), "--root".as_ref(), "server".as_ref()]);
    let page = site.get("/table/?format=json");
    assert!(page.status == 200 && page.text() == r#"{"sum":42}"#, "{}", page.text());
    let release = Release::at(site.ready["release"].as_str().unwrap().as_ref());
    site.stop();

    let left_out = release.metadata(&wheels);
    assert_eq!(counts(&left_out), told(&report));
    let all = left_out.values().map(Vec::len).sum::<usize>();
    let kept = report["manifest"]["layers"].as_array().unwrap().iter();
    let kept: u64 = kept.map(|layer| layer["entries"].as_u64().unwrap()).sum();
    println!("{all} files are left out, {kept} are there");
    assert!(all > 2500, "{all}");

    let pruned = release.import(&[]);
    let failed: Vec<&str> = pruned["failed"].as_object().unwrap().keys().map(String::as_str).collect();
    println!("of {} modules {} cannot be imported, left out or not", pruned["modules"], failed.len());
    assert!(pruned["modules"].as_u64().unwrap() > 2000, "{}", pruned["modules"]);
    for package in ["django.*", "rest_framework.*", "pandas.*", "numpy.*", "PIL.*", "celery.*", "lxml.*"] {
        assert!(!failed.contains(&package), "{}", pruned["failed"]);
    }
    // What cannot be imported there cannot be imported where nothing is left out.
    release.restore(&wheels, &left_out);
    let whole = release.import(&failed);
    let missing = failed.iter().filter(|name| whole["failed"][**name] != pruned["failed"][**name]);
    let missing: Vec<_> = missing.map(|name| &pruned["failed"][*name]).collect();
    assert!(missing.is_empty(), "these are for want of what was left out: {missing:#?}");
}

fn write_project(test: &Test) {
    test.write(
        "site/manage.py",
        "import os, sys\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'large.settings')\n\
         from django.core.management import execute_from_command_line\n\
         if __name__ == '__main__':\n    execute_from_command_line(sys.argv)\n",
    )
    .write("site/large/__init__.py", "")
    .write("site/large/settings.py", SETTINGS)
    .write("site/large/urls.py", URLS)
    .write(
        "site/large/wsgi.py",
        "import os\nfrom django.core.wsgi import get_wsgi_application\n\
         os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'large.settings')\n\
         application = get_wsgi_application()\n",
    )
    .write("site/requirements.txt", REQUIREMENTS)
    .write("site/pyproject.toml", "[project]\nname = 'large'\nversion = '1'\ndynamic = ['dependencies']\n");
}

/// What `holdall bundle` reports, and the bundle.
fn bundled(test: &Test) -> (Value, PathBuf) {
    let args = ["--format", "json", "bundle", "site", "--runtime", "host", "--output", "dist"];
    let done = test.holdall(args).success();
    let report: Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
    let bundle = test.path(report["path"].as_str().unwrap());
    (report, bundle)
}

/// The wheels of the project, as they lie in the cache; without that of the bridge.
fn wheels(test: &Test) -> Vec<PathBuf> {
    let args = ["--format", "json", "bundle", "site", "--runtime", "host", "--plan"];
    let done = command(&test.path(""), args).output().unwrap();
    let plan: Value = serde_json::from_slice(&done.stdout).unwrap();
    let text = |wheel: &Value, key: &str| wheel[key].as_str().unwrap().to_owned();
    let wheels = plan["wheels"].as_array().unwrap().iter().filter(|wheel| wheel["name"] != "holdall-bridge");
    let place = |wheel| cache().join("wheels").join(text(wheel, "sha256")).join(text(wheel, "file"));
    wheels.map(place).collect()
}

/// How many files of each package were left out, as the report tells it.
fn told(report: &Value) -> BTreeMap<String, u64> {
    let mut told = BTreeMap::new();
    for line in report["pruned"].as_array().unwrap() {
        assert!(!line["reason"].as_str().unwrap().is_empty() && !line["what"].as_str().unwrap().is_empty());
        *told.entry(line["package"].as_str().unwrap().to_owned()).or_default() +=
            line["files"].as_u64().unwrap();
    }
    told
}

fn counts(left_out: &BTreeMap<String, Vec<String>>) -> BTreeMap<String, u64> {
    let normalized = |name: &str| name.to_lowercase().replace(['_', '.'], "-");
    let some = left_out.iter().filter(|(_, files)| !files.is_empty());
    some.map(|(name, files)| (normalized(name), files.len() as u64)).collect()
}

/// An expanded bundle, asked by its own Python.
struct Release {
    folder: PathBuf,
    python: PathBuf,
    site_packages: PathBuf,
}

impl Release {
    fn at(folder: &Path) -> Release {
        let manifest: Value =
            serde_json::from_slice(&fs_err::read(folder.join("holdall.json")).unwrap()).unwrap();
        let inside = |key: &str| folder.join(manifest["python"][key].as_str().unwrap());
        Release {
            folder: folder.to_owned(),
            python: inside("program"),
            site_packages: inside("site_packages"),
        }
    }

    fn run(&self, script: &str, args: impl IntoIterator<Item = impl AsRef<std::ffi::OsStr>>) -> Value {
        let done = Command::new(&self.python)
            .args(["-I", "-B", "-X", "utf8", "-c", script])
            .arg(&self.site_packages)
            .args(args)
            .current_dir(&self.folder)
            .env("DJANGO_SETTINGS_MODULE", "large.settings")
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice(&done.stdout).unwrap()
    }

    /// By package the files left out. Everything else was found to be right.
    fn metadata(&self, wheels: &[PathBuf]) -> BTreeMap<String, Vec<String>> {
        serde_json::from_value(self.run(include_str!("large_project/metadata.py"), wheels)).unwrap()
    }

    fn import(&self, modules: &[&str]) -> Value {
        self.run(include_str!("large_project/imports.py"), modules)
    }

    /// Puts back what was left out.
    fn restore(&self, wheels: &[PathBuf], left_out: &BTreeMap<String, Vec<String>>) {
        let names: BTreeSet<&String> = left_out.values().flatten().collect();
        for wheel in wheels {
            let mut zip = zip::ZipArchive::new(fs_err::File::open(wheel).unwrap()).unwrap();
            for number in 0..zip.len() {
                let mut entry = zip.by_index(number).unwrap();
                let name = entry.name().unwrap().into_owned();
                if !names.contains(&name) {
                    continue;
                }
                let file = self.site_packages.join(&name);
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).unwrap();
                fs_err::create_dir_all(file.parent().unwrap()).unwrap();
                fs_err::write(file, bytes).unwrap();
            }
        }
    }
}
