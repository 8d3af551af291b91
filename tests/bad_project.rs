//! Projects, options and machines that `holdall bundle` cannot work with: each is refused in words that say what,
//! where, and what to do; nothing half-written stays, and the project is as it was.

use std::collections::BTreeMap;
use std::path::Path;
#[cfg(target_os = "linux")]
use std::process::Command;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use holdall::digest::Sha256;
use holdall::target::Target;
use insta::assert_snapshot;

use crate::harness::{Test, command};
use crate::system::{apart, end, interrupt, is_alive};

const MANAGE: &str = r#"import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
"#;

const SETTINGS: &str = r#"import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = os.environ.get("SECRET_KEY", "")
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "mysite.urls"
WSGI_APPLICATION = "mysite.wsgi.application"
INSTALLED_APPS = ["django.contrib.staticfiles"]
STATIC_URL = "static/"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
"#;

const WSGI: &str = r#"import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
application = get_wsgi_application()
"#;

/// A small project in `site/`, right in all respects.
pub fn site() -> Test {
    let test = Test::empty();
    test.write("site/manage.py", MANAGE)
        .write("site/mysite/__init__.py", "")
        .write("site/mysite/settings.py", SETTINGS)
        .write("site/mysite/urls.py", "urlpatterns = []\n")
        .write("site/mysite/wsgi.py", WSGI)
        .write("site/requirements.txt", "django>=5.2,<5.3\n")
        .write("site/holdall.toml", "name = \"shop\"\nversion = \"1.0\"\n");
    test
}

impl Test {
    /// Appends to a file of the story.
    pub fn append(&self, below: &str, text: &str) -> &Test {
        self.write(below, self.read(below) + text)
    }

    /// `holdall` with these arguments ends with `code`, prints no result, and leaves the story's folder as it was.
    /// Returns what it told: the error alone, without what differs from machine to machine.
    #[track_caller]
    pub fn refused(&self, code: i32, args: &[&str]) -> String {
        let before = listing(&self.path(""));
        let told = self.holdall(args).code(code).stdout("");
        assert_eq!(listing(&self.path("")), before, "{args:?} changed the folder");
        self.words(&told.get_output().stderr)
    }

    pub fn words(&self, stderr: &[u8]) -> String {
        let told = String::from_utf8(stderr.to_vec()).unwrap();
        let error = told.find("  × ").map_or(&*told, |begin| &told[begin..]);
        let mut words = error.replace(&self.path("").display().to_string(), "[here]");
        if cfg!(windows) {
            words = with_slashes(&words);
        }
        if let Some(host) = Target::host() {
            words = words.replace(host.as_str(), "[host]");
        }
        let mut parts = words.split("Python 3.");
        let mut shown = parts.next().unwrap().to_owned();
        for part in parts {
            shown += "Python 3.X";
            shown += part.trim_start_matches(|c: char| c.is_ascii_digit());
        }
        shown
    }
}

/// Text with `/` in the paths that it quotes. One with a backslash that was escaped is no path of this system.
pub fn with_slashes(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(at, part)| match at % 2 == 1 && !part.contains("\\\\") {
        true => part.replace('\\', "/"),
        false => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("`")
}

/// An error without the reason that the system gives, which each words in its own way.
pub fn without_the_systems_words(told: &str) -> String {
    let (before, after) = told.split_once(" (os error ").unwrap();
    let (_, after) = after.split_once(')').unwrap();
    let (what, _) = before.rsplit_once(": ").unwrap();
    format!("{what}: [why]{after}")
}

/// All that lies in a folder, with what it contains.
pub fn listing(folder: &Path) -> BTreeMap<String, Option<Sha256>> {
    let mut found = BTreeMap::new();
    for entry in walkdir::WalkDir::new(folder) {
        let entry = entry.unwrap();
        let content = entry.file_type().is_file().then(|| Sha256::of_file(entry.path()).unwrap());
        found.insert(entry.path().display().to_string(), content);
    }
    found
}

const HOST: &[&str] = &["bundle", "site", "--runtime", "host"];

#[test]
fn a_folder_without_a_project_is_named() {
    let test = site();
    test.write("empty/readme.txt", "");
    assert_snapshot!(test.refused(3, &["bundle", "empty"]), @r"
    × no `manage.py` in `[here]/empty` nor in a folder directly below
    help: run holdall in the folder of `manage.py` or name that folder; a `manage.py` that lies deeper is named by `project.manage` in `holdall.toml`
    ");
    assert_snapshot!(test.refused(3, &["bundle", "nowhere"]), @r"
    × there is no folder `nowhere`
    help: name the folder of a Django project, the one that holds `manage.py`
    ");
    let error = test.holdall(["--format", "json", "bundle", "empty"]).code(3).stderr("");
    let error: serde_json::Value = serde_json::from_slice(&error.get_output().stdout).unwrap();
    assert!(error["error"].as_str().unwrap().starts_with("no `manage.py` in `"), "{error}");
    assert!(error["help"].as_str().unwrap().starts_with("run holdall in the folder"), "{error}");
    assert_eq!((&error["causes"], &error["exit"]), (&serde_json::json!([]), &serde_json::json!(3)));
}

#[test]
fn two_projects_in_one_folder_must_be_told_apart() {
    let test = site();
    test.write("shop/manage.py", MANAGE);
    assert_snapshot!(test.refused(3, &["bundle"]), @r"
    × more than one `manage.py`: `shop/manage.py`, `site/manage.py`
    help: give the folder of the one that is meant (`site` say), or set `project.manage` in `holdall.toml` in `[here]`
    ");
}

#[test]
fn a_wrong_configuration_is_told_with_its_key_and_the_near_one() {
    let test = site();
    let refused = |text: &str| {
        test.write("site/holdall.toml", text);
        test.refused(3, HOST)
    };
    assert_snapshot!(refused("[project]\nsetings = \"mysite.settings\"\n"), @r"
    × unknown key: holdall.toml, key `project.setings`
    help: did you mean `project.settings`?
    ");
    assert_snapshot!(refused("settings = \"mysite.settings\"\n"), @r"
    × unknown key: holdall.toml, key `settings`
    help: did you mean `project.settings`?
    ");
    assert_snapshot!(refused("[project]\nname = \"shop\"\n"), @r"
    × unknown key: holdall.toml, key `project.name`
    help: did you mean `name`? It stands at the top of the file, above every `[table]`
    ");
    assert_snapshot!(refused("[project]\nsettings = \"mysite.prod\"\n"), @r"
    × there is no settings module `mysite.prod`, which holdall.toml, key `project.settings` names
    help: did you mean `mysite.settings`?
    ");
    assert_snapshot!(refused("[packages]\nfind-links = [\"\"]\n"), @r"
    × wrong value: holdall.toml, key `packages.find-links` is ``, which names no folder
    help: name a folder of wheels, such as `wheels`, or remove it from the list
    ");
    assert_snapshot!(refused("[project\n"), @r"
    × `holdall.toml` is not valid TOML
    ╰─▶ TOML parse error at line 1, column 9
          |
        1 | [project
          |         ^
        unclosed table, expected `]`
    help: correct the line named above
    ");
}

#[test]
fn settings_that_do_not_import_are_told_in_their_own_words_with_the_cures() {
    let test = site();
    let refused = |code: &str| {
        test.write("site/mysite/settings.py", SETTINGS.to_owned() + code);
        test.refused(3, HOST)
    };
    assert_snapshot!(refused("DATABASE = os.environ[\"DATABASE_URL\"]\n"), @r#"
    × the settings module `mysite.settings` cannot be loaded
    ╰─▶ mysite/settings.py:12 in <module>
            DATABASE = os.environ["DATABASE_URL"]
        KeyError: 'DATABASE_URL'
    help: - give `DATABASE_URL` a value for bundling: `DATABASE_URL = "…"` under `[build.env]` in holdall.toml (it does not enter the bundle; variables of your shell are not passed on)
          - name settings that load on this machine: `settings = "…"` under `[build]` in holdall.toml
          - or bundle without loading them: `static = "prebuilt/"` (a folder with the static files) or `static = false` under `[build]`
    "#);
    assert_snapshot!(refused("import mysite_extras\n"), @r#"
    × the settings module `mysite.settings` cannot be loaded
    ╰─▶ mysite/settings.py:12 in <module>
            import mysite_extras
        ModuleNotFoundError: No module named 'mysite_extras'
    help: - `mysite_extras` is not among the project's dependencies: add the package that has it, unless it exists on Windows alone
          - name settings that load on this machine: `settings = "…"` under `[build]` in holdall.toml
          - or bundle without loading them: `static = "prebuilt/"` (a folder with the static files) or `static = false` under `[build]`
    "#);
    let told = refused("INSTALLED_APPS += [\"rest_framework\"]\n");
    let what =
        "  × an application named by the settings `mysite.settings` cannot be loaded\n  ╰─▶ django/apps/";
    let why = "\n      ModuleNotFoundError: No module named 'rest_framework'\n  help: - `rest_framework` is not among";
    assert!(told.starts_with(what) && told.contains(why), "{told}");
    assert_snapshot!(refused("broken = = 1\n"), @r#"
    × the settings module `mysite.settings` cannot be loaded
    ╰─▶ File "mysite/settings.py", line 12
          broken = = 1
                   ^
        SyntaxError: invalid syntax
    help: - correct what the lines above name; `manage.py check` shows all of it
          - name settings that load on this machine: `settings = "…"` under `[build]` in holdall.toml
          - set the environment variables they look at under `[build.env]`
          - or bundle without loading them: `static = "prebuilt/"` (a folder with the static files) or `static = false` under `[build]`
    "#);
    assert_snapshot!(refused("raise RuntimeError(\"a \\033[31mred\\033[0m word\")\n"), @r#"
    × the settings module `mysite.settings` cannot be loaded
    ╰─▶ mysite/settings.py:12 in <module>
            raise RuntimeError("a \033[31mred\033[0m word")
        RuntimeError: a \u{1b}[31mred\u{1b}[0m word
    help: - correct what the lines above name; `manage.py check` shows all of it
          - name settings that load on this machine: `settings = "…"` under `[build]` in holdall.toml
          - set the environment variables they look at under `[build.env]`
          - or bundle without loading them: `static = "prebuilt/"` (a folder with the static files) or `static = false` under `[build]`
    "#);
}

#[test]
fn words_outside_ascii_are_told_in_utf_8_whatever_the_system_writes_itself() {
    let test = site();
    let told = test.refused(3, &["bundle", "Übung/größer"]);
    assert!(told.starts_with("  × there is no folder `Übung/größer`\n"), "{told}");
    test.append("site/mysite/settings.py", "raise RuntimeError(\"schöne Grüße aus Łódź\")\n");
    let told = test.refused(3, HOST);
    assert!(told.contains("RuntimeError: schöne Grüße aus Łódź\n"), "{told}");
}

#[test]
fn a_file_that_vanishes_while_bundling_is_missed() {
    let test = site();
    test.write("site/notes.txt", "to be bundled\n");
    test.append("site/mysite/settings.py", "(BASE_DIR / \"notes.txt\").unlink(missing_ok=True)\n");
    let told = test.holdall(HOST).code(1).stdout("");
    assert_snapshot!(test.words(&told.get_output().stderr), @r"
    × `[here]/site/notes.txt` vanished while it was being bundled
    help: another program, or the project's own code when its settings are loaded, deletes or moves files there: let it finish and bundle again, or leave the file out with `[files] exclude` in holdall.toml
    ");
    assert!(!test.path("site/dist").exists());
}

#[cfg(unix)] // Making links is a privilege on Windows.
#[test]
fn a_link_out_of_the_project_is_named_with_both_ends() {
    let test = site();
    test.write("secrets.txt", "not of the project\n");
    std::os::unix::fs::symlink("../secrets.txt", test.path("site/notes.txt")).unwrap();
    assert_snapshot!(test.refused(3, HOST), @r"
    × the link `[here]/site/notes.txt` leads to `[here]/secrets.txt`, outside of the project
    help: put the files themselves there, or leave the link out with `[files] exclude` in holdall.toml
    ");
}

#[cfg(unix)] // Windows cannot hold these files to begin with.
#[test]
fn names_that_windows_cannot_hold_are_refused_in_a_bundle_for_windows() {
    use crate::runtime_given::{AMD64, full, written};

    let test = site();
    let runtime = full("", AMD64, 12, 4);
    let runtime = written(&test.path("runtime"), &runtime).display().to_string();
    test.write("tools/bridges/holdall_bridge-0.1.0-cp310-abi3-win_amd64.whl", "")
        .write("tools/holdall-windows-x86_64.exe", "")
        .write("site/docs/con.txt", "");
    let args = ["bundle", "site", "--runtime", &runtime, "--tools", "tools"];
    assert_snapshot!(test.refused(3, &args), @r"
    × `[here]/site/docs/con.txt` cannot stand in a bundle
    ╰─▶ Windows cannot hold a file named `app/docs/con.txt`
    help: rename it, or leave it out with `[files] exclude` in holdall.toml
    ");
    fs_err::remove_file(test.path("site/docs/con.txt")).unwrap();
    test.write("site/docs/A.txt", "").write("site/docs/a.txt", "");
    assert_snapshot!(test.refused(3, &args), @r"
    × two of the project's files cannot stand beside each other in a bundle for windows-x86_64
    ╰─▶ `app/docs/A.txt` and `app/docs/a.txt` are one file on Windows
    help: rename one of them, or leave it out with `[files] exclude` in holdall.toml
    ");
}

#[test]
fn a_runtime_that_cannot_be_used_is_named() {
    let test = site();
    test.write("python.tar.xz", "\u{fd}7zXZ\0").write("python.zip", "PK\x03\x04");
    let refused = |runtime: &str| test.refused(3, &["bundle", "site", "--runtime", runtime]);
    assert_snapshot!(refused("3.12"), @r"
    × there is no file or folder `3.12` to take the runtime from
    help: name an archive or folder of CPython with `--runtime PATH` (a relative path counts from the folder you are in), or say `--runtime host` to try the project on this machine alone
    ");
    assert_snapshot!(refused("site"), @r"
    × `site` holds no runtime of a form that Holdall knows
    help: looked for, at the top, in `python/` and in `tools/`: `python.exe` with `python3XY.dll` and either `Lib/os.py` or `python3XY.zip`; or one `bin/python3.X` with `lib/python3.X/os.py`. These are the `install_only` archives of python-build-standalone and the zips of python.org
    ");
    assert_snapshot!(refused("site/manage.py"), @r"
    × `site/manage.py` is not an archive
    help: name a `.tar.gz`, a `.zip` or a folder: unpack other archives first
    ");
    assert_snapshot!(refused("python.zip"), @r"
    × the archive `python.zip` cannot be read to its end
    ╰─▶ invalid Zip archive: Could not find EOCD
    help: it is damaged or was not fetched whole: get it again and compare its SHA-256
    ");
    let told = test.refused(3, &["bundle", "site"]).replace("[host]", "windows-x86_64");
    assert!(told.starts_with("  × no runtime is named for windows-x86_64 and Python >=3.10\n"), "{told}");
    assert!(told.contains("with `--runtime PATH`; to try the project on this machine alone, say"), "{told}");
    assert_snapshot!(test.refused(3, &["bundle", "site", "--runtime", "host", "--target", "windows-arm64"]), @r"
    × `--runtime host` makes a bundle for this machine alone ([host]), and windows-arm64 was asked for
    help: leave out `--target`, or name a runtime for windows-arm64 with `--runtime PATH`
    ");
}

#[test]
fn wrong_usage_ends_with_two() {
    let test = site();
    assert_snapshot!(test.refused(2, &["bundlle", "site"]), @r"
    error: unrecognized subcommand 'bundlle'

      tip: a similar subcommand exists: 'bundle'

    Usage: holdall [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
    assert_snapshot!(test.refused(2, &["bundle", "site", "--runtim", "host"]), @r"
    error: unexpected argument '--runtim' found

      tip: a similar argument exists: '--runtime'

    Usage: holdall bundle --runtime <host|PATH> <PROJECT>

    For more information, try '--help'.
    ");
    let told = test.refused(2, &["bundle", "site", "--target", "amiga"]);
    assert!(
        told.contains("'amiga' for '--target <TARGET>': unknown target `amiga`: the targets are"),
        "{told}"
    );
    // A script gets it as every other error.
    let value = |args: &[&str]| -> serde_json::Value {
        let told = test.holdall(args).code(2).stderr("");
        let value: serde_json::Value = serde_json::from_slice(&told.get_output().stdout).unwrap();
        assert_eq!((&value["exit"], &value["causes"]), (&2.into(), &serde_json::json!([])), "{args:?}");
        value
    };
    let told = value(&["bundle", "site", "--runtim", "host", "--format", "json"]);
    assert_eq!(told["error"], "unexpected argument '--runtim' found");
    assert_snapshot!(told["help"].as_str().unwrap(), @r"
    tip: a similar argument exists: '--runtime'

    Usage: holdall bundle --runtime <host|PATH> <PROJECT>

    For more information, try '--help'.
    ");
    let told = value(&["--format=json", "inspect"]);
    assert_eq!(told["error"], "the following required arguments were not provided: <BUNDLE|FOLDER>");
    let told = value(&["--format", "json", "key"]);
    assert_eq!(told["error"], "a command is missing");
    assert_eq!(told["help"], "add `--help` to see which there are");
    let help = test.holdall(["--format", "json", "inspect", "--help"]).success().stderr("");
    let help = String::from_utf8_lossy(&help.get_output().stdout).into_owned();
    assert!(help.contains("\nUsage: holdall inspect "), "{help}");
    let version = test.holdall(["--format", "json", "--version"]).success().stderr("");
    assert!(version.get_output().stdout.starts_with(b"holdall "));
    assert_snapshot!(test.refused(2, &["inspect"]), @r"
    error: the following required arguments were not provided:
      <BUNDLE|FOLDER>

    Usage: holdall inspect <BUNDLE|FOLDER>

    For more information, try '--help'.
    ");
}

#[test]
fn a_place_that_cannot_be_written_to_is_named() {
    let test = site();
    test.write("site/dist", "a file where the folder should be\n");
    assert_snapshot!(without_the_systems_words(&test.refused(1, HOST)), @r"
    × cannot write the bundle `[here]/site/dist/shop-1.0-[host].zip`
    ╰─▶ failed to create directory `[here]/site/dist`: [why]
    help: check that the disk has room and that you may write there; nothing was left behind
    ");
    let told = command(&test.path(""), HOST).env("HOLDALL_CACHE", test.path("site/dist")).output().unwrap();
    assert_eq!(told.status.code(), Some(3));
    assert_snapshot!(without_the_systems_words(&test.words(&told.stderr)), @r"
    × cannot use the cache folder
    ╰─▶ failed to create directory `[here]/site/dist`: [why]
    help: check that you may write there and that the disk is not full, or set HOLDALL_CACHE
    ");
}

#[cfg(target_os = "linux")] // A small disk is made of memory.
#[test]
fn a_full_disk_leaves_nothing_behind() {
    let test = site();
    fs_err::create_dir(test.path("small")).unwrap();
    let mount = |program: &str, args: &[&str]| {
        let done = Command::new(program).args(args).arg(test.path("small")).stderr(Stdio::null()).status();
        done.is_ok_and(|done| done.success())
    };
    if !mount("mount", &["-t", "tmpfs", "-o", "size=1m", "tmpfs"]) {
        return; // Only root may make a small disk.
    }
    let told = test.holdall(HOST.iter().chain(&["--output", "small"])).code(1).stdout("");
    let left = listing(&test.path("small")).len();
    assert!(mount("umount", &[]));
    assert_snapshot!(test.words(&told.get_output().stderr), @r"
    × cannot write the bundle `small/shop-1.0-[host].zip`
    ╰─▶ No space left on device (os error 28)
    help: check that the disk has room and that you may write there; nothing was left behind
    ");
    assert_eq!(left, 1, "the folder itself");
}

/// Settings that say which process loads them, and wait.
const WAITING: &str = r#"
if not (BASE_DIR.parent / "go").exists():
    (BASE_DIR.parent / "pid.part").write_text(str(os.getpid()))
    (BASE_DIR.parent / "pid.part").rename(BASE_DIR.parent / "pid")
    import time
    time.sleep(120)
"#;

/// Starts `holdall` with `args`, and stops it by `stop` while the settings load; returns the exit code.
fn stopped(test: &Test, args: &[&str], stop: impl FnOnce(&mut Child)) -> Option<i32> {
    let mut command = command(&test.path(""), args);
    apart(&mut command);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for("the settings to load", || test.path("pid").exists());
    stop(&mut child);
    let asked = Instant::now();
    let code = child.wait().unwrap().code();
    assert!(asked.elapsed() < Duration::from_secs(5), "it took {:?} to stop", asked.elapsed());
    code
}

/// Ctrl-C, or what comes nearest to it.
fn ctrl_c(child: &mut Child) {
    assert!(interrupt(child), "this system lets nobody send it");
}

#[track_caller]
pub fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !there() {
        assert!(begun.elapsed() < Duration::from_secs(60), "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn ctrl_c_ends_bundling_at_once_with_all_that_it_started() {
    let test = site();
    test.append("site/mysite/settings.py", WAITING);
    let project = listing(&test.path("site"));
    assert_eq!(stopped(&test, HOST, ctrl_c), Some(130));
    let settings = test.read("pid");
    wait_for("the settings' process to end", || !is_alive(&settings));
    assert_eq!(listing(&test.path("site")), project);

    test.write("go", "");
    test.bundle("site", &[]);
}

#[test]
fn ctrl_c_ends_a_preview_that_still_bundles_its_project() {
    let test = site();
    test.append("site/mysite/settings.py", WAITING);
    assert_eq!(stopped(&test, &["preview", "site", "--port", "0"], ctrl_c), Some(130));
    let settings = test.read("pid");
    wait_for("the settings' process to end", || !is_alive(&settings));
}

#[test]
fn what_a_killed_run_leaves_is_in_nobodys_way() {
    let test = site();
    test.append("site/mysite/settings.py", WAITING);
    let code = stopped(&test, HOST, |child| child.kill().unwrap());
    assert_eq!(code, if cfg!(windows) { Some(1) } else { None });
    let settings = test.read("pid");
    assert!(!test.path("site/dist").exists());
    // Nobody can tell it: it waits for itself.
    end(&settings);

    test.write("go", "").write("dist/.holdall-dead.part", "PK").write("dist/.holdall-busy.part", "PK");
    let busy = std::fs::File::options().write(true).open(test.path("dist/.holdall-busy.part")).unwrap();
    busy.lock().unwrap();
    let bundle = test.bundle("site", &[]);
    let bundle = bundle.file_name().unwrap().to_str().unwrap().to_owned();
    let left: Vec<_> = listing(&test.path("dist")).into_keys().skip(1).collect();
    let expected =
        [".holdall-busy.part", &bundle].map(|name| test.path("dist").join(name).display().to_string());
    assert_eq!(left, expected, "another run's file stays, a dead one's goes");
}

#[test]
fn ctrl_c_while_the_bundle_is_written_leaves_all_of_it_or_nothing() {
    let test = site();
    let args = ["bundle", "site", "--runtime", "host", "--output", "dist"];
    let mut command = command(&test.path(""), args);
    apart(&mut command);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = || fs_err::read_dir(test.path("dist")).is_ok_and(|mut entries| entries.next().is_some());
    wait_for("the bundle to be begun", begun);
    ctrl_c(&mut child);
    let code = child.wait().unwrap().code();
    let left: Vec<_> = listing(&test.path("dist")).into_keys().skip(1).collect();
    match left.as_slice() {
        [] => assert_eq!(code, Some(130)),
        [bundle] => drop(test.holdall(["verify", bundle]).success()),
        more => panic!("{more:?}"),
    }
}
