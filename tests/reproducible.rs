//! One commit of a rich project, bundled by two people who share nothing but that commit, the lock in it and this
//! holdall: each bundle is the same file, byte for byte.
//!
//! Not for Windows: users, umasks and links are made here as Unix makes them.

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, lchown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use holdall::runtime::HostPython;
use serde_json::Value;

use crate::given_runtime_bundle::tools;
use crate::harness::{Test, cache, copy_tree, prepared, program};
use crate::runtime_given::{self as given, AMD64};
use crate::shapes::{manage, stylesheet};

/// A user of whom this machine has never heard.
const STRANGER: u32 = 54321;

/// Somebody with a clone of the project, an own home, cache and shell.
struct Developer<'a> {
    test: &'a Test,
    /// All that is theirs lies below it.
    home: PathBuf,
    clone: PathBuf,
    user: Option<u32>,
    umask: &'a str,
    shell: Vec<(&'a str, String)>,
}

/// A bundle, and what was said of it.
struct Bundle {
    path: PathBuf,
    notices: String,
}

impl Developer<'_> {
    /// Runs a program as this person, in the clone.
    fn run(&self, program: impl AsRef<std::ffi::OsStr>, args: &[&str]) -> String {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("umask {}; exec \"$0\" \"$@\"", self.umask)]).arg(program).args(args);
        shell.current_dir(if self.clone.exists() { &self.clone } else { &self.home });
        for name in ["SECRET_KEY", "DJANGO_SETTINGS_MODULE", "HOLDALL_CACHE", "SOURCE_DATE_EPOCH"] {
            shell.env_remove(name);
        }
        shell.env("HOME", &self.home).env("GIT_CONFIG_NOSYSTEM", "1").env("NO_COLOR", "1");
        shell.envs(self.shell.iter().map(|(name, value)| (name, value)));
        if let Some(user) = self.user {
            shell.uid(user).gid(user);
        }
        let done = shell.output().unwrap();
        assert!(
            done.status.success(),
            "{args:?}: {}{}",
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr)
        );
        String::from_utf8(done.stdout).unwrap()
    }

    /// `holdall bundle`, into a folder of its own.
    fn bundle(&self, occasion: &str, more: &[&str]) -> Bundle {
        let output = self.home.join(occasion);
        let args = ["--format", "json", "bundle", "--output", output.to_str().unwrap()];
        let report: Value =
            serde_json::from_str(&self.run(self.test.path("bin/holdall"), &[&args[..], more].concat()))
                .unwrap();
        Bundle {
            path: PathBuf::from(report["path"].as_str().unwrap()),
            notices: report["notices"].to_string(),
        }
    }

    /// A bundle for this machine and one for Windows, in either order.
    fn both(&self, occasion: &str, windows_first: bool) -> [Bundle; 2] {
        let runtime = self.test.path("runtime.zip");
        let windows = || {
            let tools = self.test.path("tools");
            let more = ["--runtime", runtime.to_str().unwrap(), "--tools", tools.to_str().unwrap()];
            self.bundle(&format!("{occasion} for Windows"), &more)
        };
        let host = || self.bundle(&format!("{occasion} for this machine"), &["--runtime", "host"]);
        if windows_first {
            let windows = windows();
            [host(), windows]
        } else {
            [host(), windows()]
        }
    }

    fn cache(&self) -> PathBuf {
        let cache = self.shell.iter().find(|(name, _)| *name == "HOLDALL_CACHE").unwrap();
        PathBuf::from(&cache.1)
    }
}

#[test]
fn one_commit_is_one_bundle_whoever_makes_it_wherever_whenever_and_however_often() {
    let test = Test::empty();
    let python = python_for_everyone();
    committed(&test, python.version.minor.minor);
    let python = python.path;
    let at_hand = |name: &str| prepared(name).display().to_string();

    let ann = Developer {
        test: &test,
        home: test.path("ann"),
        clone: test.path("ann/gallery"),
        user: None,
        umask: "022",
        shell: vec![
            ("HOLDALL_CACHE", cache().display().to_string()),
            ("HOLDALL_TOOLS", at_hand("HOLDALL_TOOLS")),
            ("HOLDALL_PYTHON", python.display().to_string()),
            ("LC_ALL", "C".to_owned()),
            ("TZ", "UTC".to_owned()),
            ("RAYON_NUM_THREADS", "8".to_owned()),
            ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
        ],
    };
    let source = format!("file://{}", test.path("site").display());
    fs_err::create_dir(&ann.home).unwrap();
    ann.run("git", &["clone", "-q", &source, ann.clone.to_str().unwrap()]);

    // Björn has never bundled anything: of the cache he is given only what was downloaded.
    let home = test.path("Herr Björn/mit einem sehr viel längeren Weg/zu seinen Sachen");
    fs_err::create_dir_all(&home).unwrap();
    // A folder in memory lists its files in the order in which they came, one on a disk in another.
    let memory = Path::new("/dev/shm");
    let memory = tempfile::tempdir_in(if memory.is_dir() { memory } else { &home }).unwrap();
    let (own_cache, poison) = (home.join("cold"), home.join("python path"));
    for kept in ["tools", "wheels"] {
        copy_tree(&cache().join(kept), &own_cache.join(kept));
    }
    copy_tree(&prepared("HOLDALL_TOOLS"), &home.join("tools"));
    for module in ["json", "sitecustomize", "django"] {
        fs_err::create_dir_all(&poison).unwrap();
        fs_err::write(poison.join(format!("{module}.py")), "raise SystemExit('PYTHONPATH was heeded')\n")
            .unwrap();
    }
    // Git clones from another person's folder only by leave.
    let leave = format!("[safe]\n\tdirectory = {}\n", test.path("site/.git").display());
    fs_err::write(home.join(".gitconfig"), leave).unwrap();
    let path = std::env::var("PATH").unwrap();
    let bjorn = Developer {
        test: &test,
        clone: memory.path().join("Die Galerie (neu)"),
        user: own(&test.path("Herr Björn")).and_then(|_| own(memory.path())),
        umask: "077",
        shell: vec![
            ("HOLDALL_CACHE", own_cache.display().to_string()),
            ("HOLDALL_TOOLS", home.join("tools").display().to_string()),
            ("HOLDALL_PYTHON", python.display().to_string()),
            ("LC_ALL", "de_DE.UTF-8".to_owned()),
            ("LANGUAGE", "de".to_owned()),
            ("TZ", "Asia/Tokyo".to_owned()),
            ("SOURCE_DATE_EPOCH", "1000000000".to_owned()),
            ("RAYON_NUM_THREADS", "1".to_owned()),
            ("PYTHONHASHSEED", "4711".to_owned()),
            ("PYTHONPATH", poison.display().to_string()),
            ("PYTHONOPTIMIZE", "2".to_owned()),
            ("PATH", format!("{}:{path}:/nowhere", own_cache.display())),
        ],
        home,
    };
    bjorn.run("git", &["clone", "-q", &source, bjorn.clone.to_str().unwrap()]);
    age(&bjorn.clone);
    // What a developer's own runs leave there is in no commit and in no bundle.
    for left in ["db.sqlite3", ".env", "rooms/__pycache__/models.cpython-312.pyc", "staticfiles/old.css"] {
        let left = bjorn.clone.join(left);
        fs_err::create_dir_all(left.parent().unwrap()).unwrap();
        fs_err::write(left, "of a developer").unwrap();
    }
    own(&bjorn.clone);

    let [host, windows] = ann.both("first", false);
    let [cold_host, cold_windows] = bjorn.both("cold", true);
    assert_same(&host, &cold_host);
    assert_same(&windows, &cold_windows);
    is_rich(&host.path);

    let compiled = |bundle: &Bundle| {
        crate::bundle::entries(&bundle.path).keys().filter(|name| name.ends_with(".pyc")).count()
    };
    assert!(compiled(&host) > 100 && compiled(&windows) > 100, "both are compiled");

    // Everything that was made and kept is damaged: it is made anew, and nobody can tell.
    assert!(damage(&bjorn.cache()) > 10);
    let [repaired_host, repaired_windows] = bjorn.both("repaired", false);
    assert!(repaired_host.notices.contains("is damaged"), "{}", repaired_host.notices);
    assert_same(&host, &repaired_host);
    assert_same(&windows, &repaired_windows);
    let [warm_host, warm_windows] = bjorn.both("warm", true);
    assert!(!warm_host.notices.contains("is damaged"), "{}", warm_host.notices);
    assert_same(&host, &warm_host);
    assert_same(&windows, &warm_windows);

    // And it is a site: in the reader's language, with the compressed copies beside its static files.
    let site = test.preview([&warm_host.path]);
    let (_, style) = stylesheet(&site);
    assert_eq!(style.header("cache-control"), "public, max-age=31536000, immutable");
    assert!(site.get_in("de", "/").text().contains("<p>Willkommen in der Galerie: 4 doors.</p>"));
    let check = manage(&site, &[("SECRET_KEY", "for a test")], &["check"]);
    assert_eq!(check, "System check identified no issues (0 silenced).\n");
    site.stop();
}

#[test]
fn another_end_of_lines_is_another_file_and_hidden_from_nobody() {
    let test = Test::empty();
    test.fixture("gallery", "site");
    test.git(&["init", "-q"]).git(&["add", "."]).git(&["commit", "-qm", "First"]);
    let bundle = |name: &str, ends: &str| {
        let source = format!("file://{}", test.path("site").display());
        let (to, ends) = (test.path(name), format!("core.autocrlf={ends}"));
        test.git(&["clone", "-q", "-c", &ends, &source, to.to_str().unwrap()]);
        crate::bundle::entries(&test.bundle(name, &[]))
    };
    let (unix, windows) = (bundle("unix", "false"), bundle("windows", "true"));
    let manifest = |bundle: &std::collections::BTreeMap<String, Vec<u8>>| -> Value {
        serde_json::from_slice(&bundle["holdall.json"]).unwrap()
    };
    // Git calls both trees clean, so both are called by the commit: what tells them apart is their identity.
    for key in ["version", "commit"] {
        assert_eq!(manifest(&unix)[key], manifest(&windows)[key]);
    }
    let text = "app/rooms/models.py";
    assert!(unix[text] != windows[text], "lines end as they end on the disk");
    assert!(!unix[text].contains(&b'\r') && windows[text].contains(&b'\r'));
    assert!(unix["holdall.json"] != windows["holdall.json"]);
    // What Holdall itself writes knows one end of lines.
    let own = |name: &&String| name.contains("/holdall_site/") || name.ends_with("/holdall.pth");
    let (same, differ): (Vec<_>, Vec<_>) =
        unix.keys().filter(own).partition(|name| unix[*name] == windows[*name]);
    assert!(same.len() > 4 && differ.is_empty(), "{differ:?}");
}

/// The repository `site`: the project `gallery`, with all that a commit can hold.
fn committed(test: &Test, minor: u16) {
    test.fixture("gallery", "site");
    test.write("site/.gitattributes", "* text=auto eol=lf\n*.cmd text eol=crlf\n*.txt -text\n*.mo binary\n");
    test.write("site/.gitignore", "__pycache__/\n/db.sqlite3\n/staticfiles/\n.env\n");
    test.write("site/bin/open.cmd", "@echo off\r\necho open\r\n");
    test.write("site/docs/opening.txt", "Written on Windows,\r\nand kept so.\r\n");
    symlink("opening.txt", test.path("site/docs/latest.txt")).unwrap();
    symlink("../rooms/templates", test.path("site/guests/templates")).unwrap();
    for program in ["manage.py", "bin/open.sh", "rooms/models.py"] {
        let program = test.path("site").join(program);
        fs_err::set_permissions(program, PermissionsExt::from_mode(0o755)).unwrap();
    }
    test.uv("site", &["lock"]);
    test.git(&["init", "-q"]).git(&["add", "."]).git(&["commit", "-qm", "First"]);

    tools(test);
    // Of the version that everybody has: bytecode is made by a Python of the same one.
    given::zip(&test.path(""), &given::full("", AMD64, minor, 10));
    fs_err::create_dir(test.path("bin")).unwrap();
    fs_err::copy(program(), test.path("bin/holdall")).unwrap();
    // Everybody may look into the story's folder.
    fs_err::set_permissions(test.path(""), PermissionsExt::from_mode(0o755)).unwrap();
}

/// Whether the tests may start programs as somebody else.
fn is_root() -> bool {
    fs_err::metadata(Test::empty().path("")).unwrap().uid() == 0
}

/// Gives a folder to the stranger, who bundles from it, where the tests have the right to.
fn own(folder: &Path) -> Option<u32> {
    if !is_root() {
        eprintln!("both bundle as the same user: only root can start a program as another one");
        return None;
    }
    for entry in walkdir::WalkDir::new(folder) {
        let path = entry.unwrap().into_path();
        lchown(&path, Some(STRANGER), Some(STRANGER)).unwrap();
    }
    Some(STRANGER)
}

/// A Python that the stranger may start too: root's own may lie where nobody else looks.
fn python_for_everyone() -> HostPython {
    let starts = |python: &Path| {
        let mut python = Command::new(python);
        if is_root() {
            python.uid(STRANGER).gid(STRANGER);
        }
        python.arg("-V").output().is_ok_and(|done| done.status.success())
    };
    holdall::runtime::find_python(|python| starts(&python.path)).unwrap()
}

/// Lets every file of the project be a day older than the one before.
fn age(clone: &Path) {
    let files = walkdir::WalkDir::new(clone).into_iter().map(|entry| entry.unwrap());
    let files =
        files.filter(|file| file.file_type().is_file() && !file.path().starts_with(clone.join(".git")));
    for (days, file) in files.enumerate() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 - days as u64 * 86_400);
        std::fs::File::options().append(true).open(file.path()).unwrap().set_modified(time).unwrap();
    }
}

/// Changes one byte of each file that Holdall has made and kept; downloads and programs stay.
fn damage(cache: &Path) -> usize {
    let mut damaged = 0;
    for entry in walkdir::WalkDir::new(cache) {
        let entry = entry.unwrap();
        let kind = entry.path().strip_prefix(cache).unwrap().iter().next();
        let downloaded =
            kind.is_some_and(|kind| ["tools", "wheels", "environments"].map(Some).contains(&kind.to_str()));
        if entry.file_type().is_file() && !downloaded {
            let mut bytes = fs_err::read(entry.path()).unwrap();
            if let Some(middle) = bytes.len().checked_div(2).filter(|_| !bytes.is_empty()) {
                bytes[middle] ^= 1;
                fs_err::write(entry.path(), bytes).unwrap();
                damaged += 1;
            }
        }
    }
    damaged
}

/// The bundle holds what the commit was made of, as it was committed.
fn is_rich(bundle: &Path) {
    let files = crate::bundle::entries(bundle);
    let names: BTreeSet<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(files["app/docs/opening.txt"], b"Written on Windows,\r\nand kept so.\r\n");
    assert_eq!(files["app/docs/latest.txt"], files["app/docs/opening.txt"]);
    assert_eq!(files["app/bin/open.cmd"], b"@echo off\r\necho open\r\n");
    assert_eq!(files["app/bin/open.sh"], b"#!/bin/sh\necho open\n");
    for name in ["app/guests/templates/rooms/front.html", "app/rooms/locale/de/LC_MESSAGES/django.mo"] {
        assert!(names.contains(name), "{name}");
    }
    for (begin, end) in [("style.", ".css.gz"), ("style.", ".css.br"), ("paper.", ".svg")] {
        let hashed = |name: &&str| {
            let name = name.strip_prefix("www/static/rooms/").and_then(|name| name.strip_prefix(begin));
            name.and_then(|name| name.strip_suffix(end)).is_some_and(|hash| hash.len() == 12)
        };
        assert!(names.iter().any(hashed), "a hashed {begin}{end}");
    }
    assert!(names.contains("www/static/staticfiles.json"));
    let mut archive = zip::ZipArchive::new(fs_err::File::open(bundle).unwrap()).unwrap();
    for (name, mode) in [("bin/open.sh", 0o755), ("manage.py", 0o644), ("rooms/models.py", 0o644)] {
        let entry = archive.by_name(&format!("app/{name}")).unwrap();
        assert_eq!(entry.unix_mode().unwrap() & 0o777, mode, "{name}");
    }
    let manifest: Value = serde_json::from_slice(&files["holdall.json"]).unwrap();
    assert_eq!(manifest["version"], "1.0");
}

/// Fails, naming what differs, unless both bundles are the same file.
#[track_caller]
fn assert_same(one: &Bundle, other: &Bundle) {
    let (one, other) = (&one.path, &other.path);
    let (first, second) = (fs_err::read(one).unwrap(), fs_err::read(other).unwrap());
    assert_eq!(one.file_name(), other.file_name());
    if first == second {
        return;
    }
    let (first, second) = (crate::bundle::entries(one), crate::bundle::entries(other));
    let names: BTreeSet<&String> = first.keys().chain(second.keys()).collect();
    let differ: Vec<_> = names.into_iter().filter(|name| first.get(*name) != second.get(*name)).collect();
    let (one, other, few) = (one.display(), other.display(), &differ[..differ.len().min(20)]);
    panic!("{one} and {other} are not the same; {} files differ: {few:?}", differ.len());
}
