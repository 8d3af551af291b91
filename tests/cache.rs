//! The cache as people see it: what `holdall cache` says and removes, runs that share it, and what becomes of things
//! in it that are damaged.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use holdall::digest::Sha256;
use insta::assert_snapshot;
use serde_json::Value;

use crate::bad_project::listing;
#[cfg(unix)]
use crate::bad_project::wait_for;
use crate::given_runtime_bundle::tools;
use crate::harness::{Test, command, prepared, shared_uv};
use crate::runtime_given::{self as given, AMD64};
#[cfg(unix)]
use crate::system::end;

pub const BUNDLE: &str = "shop-1.0-windows-x86_64.zip";

/// As much of Django as bundling asks for. A bundle with the real one takes twenty times as long, and these stories
/// make hundreds.
const DJANGO: [(&str, &str); 8] = [
    ("django/__init__.py", "def get_version():\n    return '5.2'\n\n\ndef setup():\n    pass\n"),
    (
        "django/conf.py",
        "import importlib\nimport os\n\n\nclass Settings:\n    ALLOWED_HOSTS = []\n    DEBUG = False\n\n    \
         def __getattr__(self, name):\n        return getattr(importlib.import_module(\
         os.environ['DJANGO_SETTINGS_MODULE']), name)\n\n\nsettings = Settings()\n",
    ),
    ("django/apps.py", "class Apps:\n    def get_app_configs(self):\n        return []\n\n\napps = Apps()\n"),
    ("django/db/__init__.py", ""),
    ("django/db/migrations/__init__.py", ""),
    (
        "django/db/migrations/loader.py",
        "class MigrationLoader:\n    disk_migrations = ()\n\n    \
         def __init__(self, connection, ignore_no_migrations):\n        pass\n",
    ),
    ("django/core/__init__.py", ""),
    ("django/core/management.py", "def execute_from_command_line(arguments):\n    pass\n"),
];

/// A wheel of these files, in `wheels/`.
fn wheel(test: &Test, name: &str, files: &[(&str, &str)]) {
    let path = test.path(&format!("wheels/{name}-1.0-py3-none-any.whl"));
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    let info = |file: &str| format!("{name}-1.0.dist-info/{file}");
    let mut files: Vec<_> =
        files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    files.extend([
        (info("METADATA"), format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")),
        (info("WHEEL"), "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n".to_owned()),
    ]);
    let line = |(name, text): &(String, String)| {
        let hash = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(Sha256::of(text).as_bytes());
        format!("{name},sha256={hash},{}\n", text.len())
    };
    let record = files.iter().map(line).collect::<String>() + &info("RECORD,,\n");
    files.push((info("RECORD"), record));
    let mut archive = zip::ZipWriter::new(fs_err::File::create(path).unwrap());
    for (name, text) in files {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap();
}

/// A project for Windows whose every part is small, and all that its bundle takes: nothing comes from a network.
pub fn little() -> Test {
    let test = Test::empty();
    wheel(&test, "django", &DJANGO);
    wheel(&test, "paper", &[("paper/__init__.py", "SHEETS = 500\n")]);
    wheel(&test, "ink", &[("ink/__init__.py", "COLOUR = 'black'\n")]);
    tools(&test);
    given::written(&test.path(""), &given::full("", AMD64, minor(), 1));
    project(&test, "site", "shop", "django\npaper\n");
    test
}

/// The minor version of the tests' Python, which then is the one that runs the projects' code.
fn minor() -> u16 {
    static MINOR: LazyLock<u16> = LazyLock::new(|| {
        let ask = ["-c", "import sys; print(sys.version_info[1])"];
        let said = Command::new(prepared("HOLDALL_TEST_PYTHON")).args(ask).output().unwrap().stdout;
        String::from_utf8(said).unwrap().trim().parse().unwrap()
    });
    *MINOR
}

fn project(test: &Test, folder: &str, name: &str, requirements: &str) {
    let write = |below: &str, text: &str| {
        test.write(&format!("{folder}/{below}"), text);
    };
    write(
        "manage.py",
        &format!(
            "import os\nimport sys\n\nif __name__ == '__main__':\n    \
             os.environ.setdefault('DJANGO_SETTINGS_MODULE', '{name}.settings')\n    \
             from django.core.management import execute_from_command_line\n\n    \
             execute_from_command_line(sys.argv)\n"
        ),
    );
    write(&format!("{name}/__init__.py"), "");
    write(
        &format!("{name}/settings.py"),
        &format!(
            "SECRET_KEY = 'known'\nROOT_URLCONF = '{name}.urls'\nSTATIC_URL = '/static/'\n\
             WSGI_APPLICATION = '{name}.wsgi.application'\n"
        ),
    );
    write(&format!("{name}/urls.py"), "urlpatterns = []\n");
    write(&format!("{name}/wsgi.py"), "def application(environ, start_response):\n    pass\n");
    write("requirements.txt", &format!("--no-index\n--find-links ../wheels\n{requirements}"));
    write("holdall.toml", &format!("name = '{name}'\nversion = '1.0'\n[build]\nstatic = false\n"));
}

/// `holdall bundle PROJECT` for Windows into `OUTPUT`, with the cache `CACHE` of the story.
pub fn bundling(test: &Test, project: &str, cache: &str, output: &str) -> Command {
    let args = ["--format", "json", "bundle", project, "--runtime", "folder", "--output", output];
    let mut command = command(&test.path(""), args);
    command.env("HOLDALL_CACHE", test.path(cache)).env("HOLDALL_TOOLS", test.path("tools"));
    command
        .env("HOLDALL_PYTHON", prepared("HOLDALL_TEST_PYTHON"))
        .env("HOLDALL_UV", &shared_uv().program)
        .env("UV_OFFLINE", "1")
        .stdin(Stdio::null());
    command
}

/// Runs it to its end, which is good; returns what it reports.
#[track_caller]
pub fn bundled(mut command: Command) -> Value {
    let done = command.output().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(done.status.success(), "{}\n{}{}", done.status, said(&done.stdout), said(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

/// `holdall cache …` on the cache `CACHE` of the story.
pub fn cache_command(test: &Test, cache: &str, args: &[&str]) -> assert_cmd::assert::Assert {
    let mut command = command(&test.path(""), ["cache"]);
    command.args(args).env("HOLDALL_CACHE", test.path(cache));
    assert_cmd::Command::from_std(command).assert()
}

/// The names of what was written and not finished, anywhere in the cache.
pub fn parts(cache: &Path) -> Vec<PathBuf> {
    let entries = cache.exists().then(|| walkdir::WalkDir::new(cache).into_iter().map(Result::unwrap));
    let parts = entries.into_iter().flatten().filter(|entry| {
        let name = entry.file_name().to_string_lossy();
        let of_run = entry.path().parent().is_some_and(|folder| folder.ends_with("runs"));
        entry.depth() > 0 && (name.starts_with(".part-") || name.starts_with(".tmp") || of_run)
    });
    parts.map(walkdir::DirEntry::into_path).collect()
}

/// The files and folders in a folder, if there is one.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The one thing of a kind in the cache whose path ends like this.
#[track_caller]
fn only(cache: &Path, kind: &str, end: &str) -> PathBuf {
    let entries = walkdir::WalkDir::new(cache.join(kind)).into_iter().map(|entry| entry.unwrap().into_path());
    let found: Vec<_> =
        entries.filter(|path| path.to_string_lossy().replace('\\', "/").ends_with(end)).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().unwrap()
}

/// Says that a file or folder, and all in it, was last used so long ago.
fn age(path: &Path, age: Duration) {
    for entry in walkdir::WalkDir::new(path).contents_first(true) {
        let entry = entry.unwrap();
        if entry.file_type().is_symlink() {
            continue;
        }
        let mut options = std::fs::File::options();
        #[cfg(windows)]
        std::os::windows::fs::OpenOptionsExt::custom_flags(
            // Folders, too, and their times alone.
            std::os::windows::fs::OpenOptionsExt::access_mode(&mut options, 0x100),
            0x0200_0000,
        );
        #[cfg(not(windows))]
        options.read(true);
        options.open(entry.path()).unwrap().set_modified(SystemTime::now() - age).unwrap();
    }
}

fn flip(file: &Path) {
    let mut bytes = fs_err::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs_err::write(file, bytes).unwrap();
}

/// Turns a hex digit in the middle of a file into another, in whatever that is.
fn turn_digit(file: &Path) {
    let mut text = fs_err::read_to_string(file).unwrap();
    let middle = text.len() / 2;
    let other = if text.as_bytes()[middle] == b'0' { "1" } else { "0" };
    text.replace_range(middle..=middle, other);
    fs_err::write(file, text).unwrap();
}

fn json(done: &assert_cmd::assert::Assert) -> Value {
    serde_json::from_slice(&done.get_output().stdout).unwrap()
}

fn text(done: &assert_cmd::assert::Assert) -> String {
    String::from_utf8(done.get_output().stdout.clone()).unwrap()
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[test]
fn a_cache_says_where_it_is_and_how_much_of_what_it_holds() {
    let test = little();
    let empty = format!("{}\nnothing is cached\n", test.path("cache").display());
    cache_command(&test, "cache", &["info"]).success().stdout(empty).stderr("");
    assert!(!test.path("cache").exists(), "who looks makes nothing");

    bundled(bundling(&test, "site", "cache", "dist"));
    test.write("cache/something new/thing", "12345").write("cache/tools/uv-1.0/bin/uv", "#!");
    age(&test.path("cache/something new"), 3 * DAY);
    let info = json(&cache_command(&test, "cache", &["info", "--format", "json"]).success());
    let count = |kind: &str| info["kinds"][kind]["things"].as_u64();
    assert_eq!(
        ["layers", "wheels", "environments", "tools", "runs"].map(count),
        [Some(5), Some(3), Some(1), Some(1), None]
    );
    assert_eq!((count("something new"), &info["kinds"]["something new"]["size"]), (Some(1), &Value::from(5)));
    let sizes: u64 = walkdir::WalkDir::new(test.path("cache"))
        .min_depth(2)
        .into_iter()
        .map(|entry| entry.unwrap().metadata().unwrap())
        .filter(|found| !found.is_dir())
        .map(|found| found.len())
        .sum();
    assert_eq!(info["total"]["size"].as_u64(), Some(sizes));
    let shown = text(&cache_command(&test, "cache", &["info"]).success().stderr(""));
    let of =
        |kind: &str| shown.lines().find(|line| line.starts_with(kind)).unwrap_or_else(|| panic!("{shown}"));
    let words = |kind: &str| of(kind).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words("something new"), "something new 1 5 B 3 days ago");
    let things = info["total"]["things"].as_u64().unwrap();
    assert!(
        words("total").starts_with(&format!("total {things} ")) && words("total").ends_with(" just now"),
        "{shown}"
    );
    let tag = test.read("cache/CACHEDIR.TAG");
    assert!(tag.starts_with("Signature: 8a477f597d28d172789f06886806bc55\n# "), "{tag}");
}

/// Where a bundle for Windows is one for this machine, uv is not asked what this machine needs to load the project.
const ANSWERS_NOT_KEPT: usize = if cfg!(windows) { 1 } else { 0 };

#[test]
fn what_was_not_used_for_long_goes_and_what_is_used_stays() {
    let test = little();
    let first = bundled(bundling(&test, "site", "cache", "dist"));
    age(&test.path("cache"), 40 * DAY);
    // A run uses all that it needs; the other project's wheel it does not.
    project(&test, "other", "other", "django\nink\n");
    bundled(bundling(&test, "other", "cache", "dist"));
    let paper = only(&test.path("cache"), "wheels", "/paper-1.0-py3-none-any.whl");

    let before = listing(&test.path("cache"));
    let planned = cache_command(&test, "cache", &["prune", "--plan", "--format", "json"]).success();
    let planned = json(&planned);
    let shown = text(&cache_command(&test, "cache", &["prune", "--dry-run"]).success().stderr(""));
    assert_eq!(listing(&test.path("cache")), before, "a plan changes nothing");
    let going: Vec<_> = planned["removals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|removal| (removal["kind"].as_str().unwrap(), removal["why"].as_str().unwrap()))
        .collect();
    // What uv answered, what was packed of the first project's own files, what it was asked with, and its wheel in three
    // forms.
    let mut kinds = vec!["answers", "blocks", "blocks", "environments", "layers", "mentions", "wheels"];
    kinds.drain(..ANSWERS_NOT_KEPT);
    assert_eq!(going, kinds.iter().map(|kind| (*kind, "unused")).collect::<Vec<_>>());
    let sum = format!("\n\nto remove: {} things (", kinds.len());
    assert!(shown.contains("  last used 40 days ago\n") && shown.contains(&sum), "{shown}");

    let pruned = json(&cache_command(&test, "cache", &["prune", "--format", "json"]).success().stderr(""));
    assert_eq!(pruned["removals"], planned["removals"]);
    assert!(!paper.exists());
    assert!(text(&cache_command(&test, "cache", &["prune"]).success()).starts_with("nothing to remove; "));

    let again = bundled(bundling(&test, "site", "cache", "dist"));
    assert_eq!(again["identity"], first["identity"]);
}

#[test]
fn a_cache_is_made_small_by_what_was_used_least_lately() {
    let test = little();
    bundled(bundling(&test, "site", "cache", "dist"));
    let layer = files(&test.path("cache/layers"))
        .into_iter()
        .find(|file| file.extension().is_some_and(|end| end == "zip"));
    let layer = layer.unwrap();
    age(&layer, 3 * DAY);
    age(&layer.with_extension("sha256"), 3 * DAY);
    let size = |info: &Value| info["total"]["size"].as_u64().unwrap();
    let info = || json(&cache_command(&test, "cache", &["info", "--format", "json"]).success());
    let keep = format!("{}B", size(&info()) - 1);
    cache_command(&test, "cache", &["prune", "--keep-size", &keep]).success();
    assert!(!layer.exists() && !layer.with_extension("sha256").exists());
    assert_eq!(files(&test.path("cache/layers")).len(), 8, "one was enough");

    let shown = text(&cache_command(&test, "cache", &["prune", "--all"]).success());
    let kinds: Vec<_> = shown.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let all = ["answers", "blocks", "environments", "layers", "mentions", "wheels", "removed:"];
    assert_eq!(kinds, all[ANSWERS_NOT_KEPT..]);
    assert_eq!(size(&info()), 0);
    let wrong = cache_command(&test, "cache", &["prune", "--all", "--keep-size", "1GB"]).code(2).stdout("");
    assert!(String::from_utf8_lossy(&wrong.get_output().stderr).contains("cannot be used with"));
    let wrong = |option: &str, value: &str, why: &str| {
        let wrong = cache_command(&test, "cache", &["prune", option, value]).code(2).stdout("");
        let said = String::from_utf8_lossy(&wrong.get_output().stderr).into_owned();
        assert!(said.starts_with(&format!("error: invalid value '{value}' for '{option} <")), "{said}");
        assert!(said.contains(why), "{said}");
    };
    wrong("--older-than", "30", "give a number and one of `min`, `h`, `d`, `w`, as in `30d`");
    wrong("--older-than", "-1d", "an age is not below zero: give a whole number and its unit, as in `30d`");
    wrong("--keep-size", "-5GB", "a size is not below zero: give a number and its unit, as in `5GB`");
}

#[test]
fn what_runs_that_were_killed_have_left_goes_with_the_next_run_or_when_pruning() {
    let test = little();
    let leave = || {
        for part in [
            "runs/.tmpdead/app.zip",
            "layers/.part-dead",
            "tools/.part-dead/tool/bin",
            "environments/.part-dead/environment/bin/x",
        ] {
            test.write(&format!("cache/{part}"), "half");
        }
        let wheels = ["1", "2"].map(|wheel| format!("cache/wheels/{}", Sha256::of(wheel)));
        test.write(&format!("{}/.part-dead", wheels[0]), "half").write(".part-dead", "");
        fs_err::create_dir_all(test.path(&wheels[1])).unwrap();
        test.write(&format!("cache/layers/{}.sha256", Sha256::of("1")), "half");
    };
    leave();
    let planned = text(&cache_command(&test, "cache", &["prune", "--plan"]).success());
    assert_eq!(planned.matches("left by a run that was killed").count(), 6, "{planned}");
    assert_eq!(planned.matches("part of it is missing").count(), 1, "{planned}");
    cache_command(&test, "cache", &["verify"]).success();
    cache_command(&test, "cache", &["prune"]).success();
    assert_eq!(parts(&test.path("cache")), [""; 0].map(PathBuf::from));
    let kept = json(&cache_command(&test, "cache", &["info", "--format", "json"]).success());
    assert_eq!(kept["total"]["things"], 0);

    leave();
    bundled(bundling(&test, "site", "cache", "dist"));
    assert_eq!(parts(&test.path("cache")), [""; 0].map(PathBuf::from));
}

/// A uv that says which process it is and waits, where what it is asked has these words in it.
#[cfg(unix)]
fn uv_that_waits_for(test: &Test, words: &str) -> PathBuf {
    let (uv, real, pid) = (test.path("waiting-uv"), shared_uv().program.display(), test.path("pid"));
    let (real, pid) = (real.to_string(), pid.display());
    let wait = format!("echo $$ > '{pid}.part'; mv '{pid}.part' '{pid}'; exec sleep 120");
    let script = format!("#!/bin/sh\ncase \" $* \" in *' {words} '*) {wait};; esac\nexec '{real}' \"$@\"\n");
    test.write("waiting-uv", script);
    fs_err::set_permissions(&uv, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    uv
}

#[cfg(unix)]
#[test]
fn a_run_that_is_killed_leaves_nothing_outside_of_the_cache_and_the_next_one_clears_that() {
    let test = little();
    fs_err::create_dir(test.path("temporary")).unwrap();
    let settings = test.read("site/shop/settings.py");
    for (round, words) in ["--generate-hashes", "--constraints", "install", "settings"].iter().enumerate() {
        let cache = format!("cache-{round}");
        let mut run = bundling(&test, "site", &cache, "dist");
        run.env("TMPDIR", test.path("temporary")).env("HOLDALL_UV", uv_that_waits_for(&test, words));
        if *words == "settings" {
            let pid = test.path("pid").display().to_string();
            let wait = format!(
                "import os, time\nopen('{pid}.part', 'w').write(str(os.getpid()))\n\
                 os.rename('{pid}.part', '{pid}')\ntime.sleep(120)\n"
            );
            test.write("site/shop/settings.py", settings.clone() + &wait);
        }
        let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_for(words, || test.path("pid").exists());
        run.kill().unwrap();
        run.wait().unwrap();
        // Nobody can tell it: it waits for itself.
        end(test.read("pid").trim());
        fs_err::remove_file(test.path("pid")).unwrap();
        test.write("site/shop/settings.py", &settings);
        assert_eq!(files(&test.path("temporary")), [""; 0].map(PathBuf::from), "{words}");
        assert!(!parts(&test.path(&cache)).is_empty(), "{words}");

        bundled(bundling(&test, "site", &cache, "dist"));
        assert_eq!(parts(&test.path(&cache)), [""; 0].map(PathBuf::from), "{words}");
    }
}

#[test]
fn nothing_of_a_running_holdall_is_removed() {
    let test = little();
    bundled(bundling(&test, "site", "cache", "dist"));
    // The story takes the part of a run.
    let cache = holdall::cache::Cache::at(test.path("cache"));
    let in_use = cache.enter(|| ()).unwrap();
    test.write("cache/layers/.part-mine", "half").write("cache/runs/mine/app.zip", "whole");
    let planned = text(&cache_command(&test, "cache", &["prune", "--plan"]).success());
    assert!(planned.starts_with("nothing to remove; "), "{planned}");
    bundled(bundling(&test, "site", "cache", "dist"));
    assert!(test.path("cache/layers/.part-mine").exists() && test.path("cache/runs/mine").exists());

    let mut prune = command(&test.path(""), ["cache", "prune", "--all"]);
    prune.env("HOLDALL_CACHE", test.path("cache")).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut prune = prune.spawn().unwrap();
    let mut said = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(prune.stderr.as_mut().unwrap()), &mut said)
        .unwrap();
    assert_eq!(said, "waiting for the runs that use the cache\n");
    assert!(test.path("cache/layers/.part-mine").exists() && prune.try_wait().unwrap().is_none());
    drop(in_use);
    assert!(prune.wait().unwrap().success());
    assert_eq!(files(&test.path("cache/layers")), [""; 0].map(PathBuf::from));
}

#[test]
fn what_was_damaged_in_the_cache_is_named_removed_or_made_again_and_never_bundled() {
    let test = little();
    let whole = bundled(bundling(&test, "site", "cache", "dist"));
    let cache = test.path("cache");
    let layer = files(&cache.join("layers"))
        .into_iter()
        .find(|file| file.extension().is_some_and(|end| end == "zip"))
        .unwrap();
    let seal = layer.with_extension("sha256");
    let wheel = only(&cache, "wheels", "/paper-1.0-py3-none-any.whl");
    let python =
        only(&cache, "environments", if cfg!(windows) { "/Scripts/python.exe" } else { "/bin/python" });
    let sound = text(&cache_command(&test, "cache", &["verify"]).success());
    assert_eq!(sound, "9 things are as they were put there\n");

    type Damage<'a> = (&'a Path, fn(&Path), &'a str, Option<&'a str>);
    let remove = |file: &Path| fs_err::remove_file(file).unwrap();
    let damages: [Damage<'_>; 6] = [
        (&layer, flip, "it is not what its seal says", Some("the cached layer of `")),
        (&seal, turn_digit, "it is not what its seal says", Some("the cached layer of `")),
        (&seal, |file| fs_err::write(file, "").unwrap(), "its seal is broken", Some("the cached layer of `")),
        (&seal, remove, "its seal is missing", Some("the cached layer of `")),
        (&wheel, flip, "`paper-1.0-py3-none-any.whl` has another SHA-256", Some("the cached wheel `paper-")),
        (&python, remove, "its Python is gone", None),
    ];
    for (file, damage, why, notice) in damages {
        damage(file);
        let verified = cache_command(&test, "cache", &["verify"]).code(1);
        let told = text(&verified);
        assert!(told.contains(&format!(": {why}")) && told.lines().count() == 1, "{told}");
        let value = json(&cache_command(&test, "cache", &["verify", "--format", "json"]).code(1).stderr(""));
        assert_eq!(value["damaged"].as_array().unwrap().len(), 1, "{value}");

        let report = bundled(bundling(&test, "site", "cache", "dist"));
        assert_eq!(report["identity"], whole["identity"], "{why}");
        let notices = report["notices"].to_string();
        assert_eq!(notices.contains("damaged"), notice.is_some(), "{notices}");
        assert!(notices.contains(notice.unwrap_or_default()), "{notices}");
        cache_command(&test, "cache", &["verify"]).success();

        damage(file);
        let fixed = text(&cache_command(&test, "cache", &["verify", "--fix"]).success());
        assert!(fixed.ends_with("removed: 1 thing; 8 things are as they were put there\n"), "{fixed}");
        let report = bundled(bundling(&test, "site", "cache", "dist"));
        assert_eq!(report["identity"], whole["identity"], "{why}");
        assert!(!report["notices"].to_string().contains("damaged"));
    }

    // These are believed in nothing, and so need no word.
    for kind in ["blocks", "mentions"] {
        let kept = files(&cache.join(kind));
        assert!(!kept.is_empty(), "{kind}");
        kept.iter().for_each(|file| flip(file));
        let bundle = test.path("dist").join(BUNDLE);
        let before = Sha256::of_file(&bundle).unwrap();
        bundled(bundling(&test, "site", "cache", "dist"));
        assert_eq!(Sha256::of_file(&bundle).unwrap(), before, "{kind}");
    }

    test.write("cache/tools/uv-1.0/lib", "");
    let told = cache_command(&test, "cache", &["verify"]).code(1);
    assert_eq!(
        text(&told),
        format!("{}: the program is gone\n", cache.join("tools").join("uv-1.0").display())
    );
    assert_snapshot!(test.words(&told.get_output().stderr), @r"
    × 1 thing is damaged in the cache `[here]/cache`
    help: `holdall cache verify --fix` removes what is damaged, and the next bundle makes it again; if this comes back, check the disk
    ");
}

struct SetWhenDropped<'a>(&'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn runs_that_share_a_cold_cache_do_not_disturb_each_other_even_while_it_is_pruned() {
    let test = little();
    project(&test, "other", "other", "django\npaper\nink\n");
    let projects = ["site", "other"];
    let alone = projects.map(|project| {
        bundled(bundling(&test, project, &format!("alone-{project}"), &format!("dist-{project}")))
    });
    let check = |run: usize, report: &Value| {
        let expected = &alone[run % 2];
        assert_eq!(report["identity"], expected["identity"]);
        let [one, other] = [report, expected].map(|report| test.path(report["path"].as_str().unwrap()));
        assert_eq!(Sha256::of_file(&one).unwrap(), Sha256::of_file(&other).unwrap());
        let notices = report["notices"].to_string();
        assert!(!notices.contains("damaged"), "{notices}");
    };
    let at_once = |round: &str| {
        std::thread::scope(|scope| {
            let runs = (0..8).map(|run| {
                let (test, check) = (&test, &check);
                let output = format!("{round}-{run}");
                scope.spawn(move || check(run, &bundled(bundling(test, projects[run % 2], "cache", &output))))
            });
            let runs: Vec<_> = runs.collect();
            runs.into_iter().for_each(|run| run.join().unwrap());
        });
    };
    at_once("shared");
    let info = json(&cache_command(&test, "cache", &["info", "--format", "json"]).success());
    let count = |kind: &str| info["kinds"][kind]["things"].as_u64();
    // The runtime, the program, the bridge and three packages; nothing twice.
    assert_eq!(["layers", "wheels", "environments", "runs"].map(count), [Some(6), Some(4), Some(2), None]);
    cache_command(&test, "cache", &["verify"]).success();

    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let pruning = scope.spawn(|| {
            let mut rounds = 0;
            while !over.load(Ordering::Relaxed) {
                // uv alone stays: nobody wants it fetched again and again.
                for kind in ["layers", "wheels", "environments"] {
                    age(&test.path("cache").join(kind), 40 * DAY);
                }
                cache_command(&test, "cache", &["prune"]).success();
                rounds += 1;
            }
            rounds
        });
        {
            // Also when a run failed, or nobody would end the pruning.
            let _over = SetWhenDropped(&over);
            at_once("pruned");
        }
        assert!(pruning.join().unwrap() > 0);
    });
    cache_command(&test, "cache", &["verify"]).success();
}

#[test]
fn a_cache_folder_that_cannot_be_used_is_named() {
    let test = little();
    test.write("file", "");
    for args in [&["info"][..], &["verify"], &["verify", "--fix"], &["prune"], &["prune", "--plan"]] {
        let told = cache_command(&test, "file", args).code(3).stdout("");
        let told = test.words(&told.get_output().stderr);
        assert!(told.contains("[here]/file"), "{args:?}: {told}");
    }
    // Somebody's own folder: it serves as a cache, and nothing in it is removed.
    test.write("home/thesis.txt", "").write("home/tools/hammer", "");
    bundled(bundling(&test, "site", "home", "dist"));
    assert!(!test.path("home/CACHEDIR.TAG").exists());
    // Neither is it listed, nor is a tool of theirs taken for a damaged one of ours; and no lock is laid there.
    test.write("shed/tools/hammer", "").write("shed/notes/today", "");
    let mut told = std::collections::BTreeSet::new();
    for folder in ["home", "shed"] {
        let before = listing(&test.path(folder));
        let ways =
            [&["info"][..], &["verify"], &["verify", "--fix"], &["prune", "--plan"], &["prune", "--all"]];
        for args in ways {
            let refused = cache_command(&test, folder, args).code(3).stdout("");
            told.insert(test.words(&refused.get_output().stderr).replace(folder, "[folder]"));
        }
        assert_eq!(listing(&test.path(folder)), before);
    }
    assert_eq!(told.len(), 1, "{told:?}");
    assert_snapshot!(told.first().unwrap(), @r"
    × `[here]/[folder]` is not a folder that holdall made for its cache alone
    help: other files lie there, so nothing in it is listed, checked or removed: set HOLDALL_CACHE to a folder of its own, or remove its folders there yourself (`layers`, `wheels`, `tools`, `environments` and so on)
    ");
    fs_err::create_dir(test.path("new")).unwrap();
    for args in [&["info"][..], &["verify"], &["prune"]] {
        cache_command(&test, "new", args).success();
    }

    // An empty name is none, and one that is not whole counts from where one stands.
    let mut bundle = bundling(&test, "site", "unused", "dist");
    bundle.env("HOLDALL_CACHE", "beside");
    bundled(bundle);
    assert!(test.path("beside/CACHEDIR.TAG").exists());
    let mut info = command(&test.path(""), ["cache", "info"]);
    info.env("HOLDALL_CACHE", "")
        .env("XDG_CACHE_HOME", test.path("of-user"))
        .env("LOCALAPPDATA", test.path("of-user"));
    let said = assert_cmd::Command::from_std(info).assert().success();
    assert!(
        text(&said).starts_with(&test.path("of-user").display().to_string()) || cfg!(windows),
        "{}",
        text(&said)
    );
}
