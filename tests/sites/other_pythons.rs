//! A server where other Pythons live: neither their variables nor their entries in the registry reach the site.

use std::path::{Path, PathBuf};

use crate::bundles::Release;
use crate::served::Served;
use crate::startproject::startproject;
use crate::{bundles, lab};

/// A folder of modules that end Python as soon as they are imported.
fn poison(folder: PathBuf, modules: &[&str]) -> PathBuf {
    for file in modules {
        let path = folder.join(file);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, "raise SystemExit('poisoned: ' + __file__)\n").unwrap();
    }
    folder
}

/// What an installed Python leaves in the registry, as long as this lives.
struct Installed<'a> {
    folder: &'a Path,
    keys: [String; 2],
}

impl Installed<'_> {
    /// Every Python of this version adds to its search path what stands below its `PythonPath`.
    fn at<'a>(folder: &'a Path, minor: &str) -> Installed<'a> {
        let python = format!(r"HKCU\Software\Python\PythonCore\{minor}");
        let keys = [format!(r"{python}\PythonPath\holdall-sites"), format!(r"{python}\InstallPath")];
        for key in &keys {
            reg(folder, &["add", key, "/ve", "/f", "/d", &lab::windows(folder)]).success();
        }
        Installed { folder, keys }
    }
}

impl Drop for Installed<'_> {
    fn drop(&mut self) {
        for key in &self.keys {
            reg(self.folder, &["delete", key, "/f"]);
        }
    }
}

fn reg(folder: &Path, args: &[&str]) -> lab::Said {
    lab::run(lab::wine("reg.exe", folder).args(args))
}

#[test]
fn variables_and_the_registry_entry_of_another_python_have_no_effect() {
    let test = startproject();
    let windows = bundles::for_windows(&test, "site");
    let release = windows.unzip(test.path("release"));
    let minor = windows.python_minor();
    let modules = ["django/__init__.py", "holdall_bridge/__init__.py", "sitecustomize.py"];
    let variable = poison(test.path("variable"), &modules);
    let registry = poison(test.path("registry"), &modules);
    let home = poison(test.path("home"), &["Lib/encodings/__init__.py"]);
    let others = [("PYTHONPATH", lab::windows(&variable)), ("PYTHONHOME", lab::windows(&home))];
    let _installed = Installed::at(&registry, &minor);

    let path = search_path(&release, &[], &variable);
    let own = lab::windows(&release.folder);
    assert!(!path.is_empty() && path.lines().all(|entry| entry.starts_with(&own)), "{path}");

    let mut preview = release.preview(".", &test.path("server"), &["--migrate"]);
    let site = Served::start(preview.envs(others.clone()));
    let welcome = site.visitor().get("/").unwrap().with_status(200).unwrap();
    assert!(welcome.text().contains("The install worked successfully!"), "{}", welcome.text());
    site.stop();

    // The web server hands on whatever variables it was started with, and a preview does not.
    let mut bridge = release.python(&["-m", "holdall_bridge", "--check", "--config"]);
    bridge.arg(lab::windows(&bridge_toml(&test.path("server"))));
    lab::run(bridge.envs(others.clone())).success();

    // All of that counts without the file that makes Python deaf; without `site`, too, which would be ended.
    let file = format!("python/python{}._pth", minor.replace('.', ""));
    fs_err::remove_file(release.folder.join(file)).unwrap();
    let path = search_path(&release, &["-S"], &variable);
    assert!(path.contains(&others[0].1) && path.contains(&lab::windows(&registry)), "{path}");
    for variable in others {
        let said = lab::run(release.python(&["-c", "import django"]).envs([variable]));
        assert!(!said.status.success() && said.stderr.contains("poisoned: Z:"), "{said:?}");
    }
}

/// The search path of the Python in a release, with PYTHONPATH set, each entry in a line.
fn search_path(release: &Release, switches: &[&str], variable: &Path) -> String {
    let mut python = release.python(switches);
    python.args(["-c", "import sys; print(*sys.path, sep='\\n')"]).env("PYTHONPATH", lab::windows(variable));
    lab::run(&mut python).success().stdout
}

/// The file that the bridge of the one release below `root` reads.
fn bridge_toml(root: &Path) -> PathBuf {
    let mut runs = fs_err::read_dir(root.join("site/run")).unwrap();
    runs.next().unwrap().unwrap().path().join("bridge.toml")
}
