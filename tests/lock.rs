//! `holdall lock`, and bundling from what it wrote: with no index, from folders of wheels, from an index that wants
//! to know who asks.

use std::io::Write as _;
use std::path::Path;

use base64::Engine as _;
use holdall::digest::Sha256;
use insta::assert_snapshot;
use serde_json::Value;

use crate::bad_project::{site, without_the_systems_words};
use crate::bundle::entries;
use crate::given_runtime_bundle::tools;
use crate::harness::{Test, command, host};
use crate::index_server::{Answer, Index};
use crate::runtime_given as given;
use crate::wheels::{Maker, WheelFile};

const HOST: &[&str] = &["bundle", "site", "--runtime", "host"];

/// A place where no index is: whoever asks it fails.
const NOWHERE: &str = "http://127.0.0.1:9/simple/";

impl Test {
    /// The command with other settings of uv than the user's, and with downloads of its own.
    fn holdall_with(&self, variables: &[(&str, &str)], args: &[&str]) -> assert_cmd::assert::Assert {
        let mut command = command(&self.path(""), args);
        command.envs(variables.iter().copied());
        assert_cmd::Command::from_std(command).assert()
    }

    /// The command with a cold cache of wheels and answers and of uv's own, and with nothing that knows an index.
    #[track_caller]
    fn cut_off(&self, args: &[&str]) -> assert_cmd::assert::Assert {
        let uv = self.path("uv-cache").display().to_string();
        self.holdall_with(&[("UV_DEFAULT_INDEX", NOWHERE), ("UV_CACHE_DIR", &uv)], args)
    }
}

fn json(done: assert_cmd::assert::Assert) -> Value {
    serde_json::from_slice(&done.success().get_output().stdout).unwrap()
}

/// Who may ask the private index.
const LOGIN: &str = "ann:0pen-s3same";
const PASSWORD: &str = "0pen-s3same";

/// A wheel of a package that is one module.
fn wheel(name: &str, version: &str) -> Vec<u8> {
    let about = format!("{name}-{version}.dist-info");
    let files = [
        (format!("{name}/__init__.py"), "x = 1\n".to_owned()),
        (format!("{about}/METADATA"), format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")),
        (
            format!("{about}/WHEEL"),
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n".to_owned(),
        ),
    ];
    let mut record: String = files
        .iter()
        .map(|(name, text)| {
            let digest = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(Sha256::of(text).as_bytes());
            format!("{name},sha256={digest},{}\n", text.len())
        })
        .collect();
    record += &format!("{about}/RECORD,,\n");
    let record = (format!("{about}/RECORD"), record);
    let files: Vec<_> =
        files.iter().chain([&record]).map(|(name, text)| (name.as_str(), text.as_str())).collect();
    zipped(&files)
}

fn zipped(files: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// An index with `demo` 1.0, for one person alone, and that wheel. No cache has it: its module says `word`.
fn private(word: &str) -> (Index, WheelFile) {
    let demo = Maker::new("demo").add("demo/__init__.py", format!("WORD = {word:?}\n")).build();
    let index = Index::with(std::slice::from_ref(&demo), |asked, _, _| {
        let denied = || Answer::status("401 Unauthorized").with("www-authenticate", "Basic realm=\"corp\"");
        (!asked.comes_from(LOGIN)).then(denied)
    });
    (index, demo)
}

/// The site with folders of wheels: `wheels` has all that it needs, made here.
fn with_wheels(requirements: &str) -> Test {
    let test = site();
    test.write("site/requirements.txt", requirements);
    for (name, version) in [("demo", "1.0"), ("demo", "1.1"), ("other", "2.0")] {
        let file = format!("site/wheels/{name}-{version}-py3-none-any.whl");
        test.write(&file, wheel(name, version));
    }
    test
}

const OFFLINE: &[&str] = &["--find-links", "site/wheels", "--offline"];

#[test]
fn a_lock_is_written_once_kept_while_it_holds_and_renewed_when_asked() {
    let test = with_wheels("demo==1.0\n");
    let lock = |more: &[&str]| test.cut_off(&[&["lock", "site"], OFFLINE, more].concat());
    let wrote = lock(&["--python", "3.12"]).success().get_output().stdout.clone();
    let words = |told: &[u8]| match cfg!(windows) {
        true => test.words(told).replace("[host]", "windows-x86_64"),
        false => test.words(told),
    };
    assert_snapshot!(words(&wrote), @r"
    wrote `site/pylock.windows-x86_64.toml`: 1 package for windows-x86_64 and Python 3.X (the command line)
      added    demo 1.0
    ");
    let first = test.read("site/pylock.windows-x86_64.toml");
    assert!(
        first.contains("path = \"wheels/demo-1.0-py3-none-any.whl\"") && !first.contains("://"),
        "{first}"
    );
    assert!(!first.contains(&test.path("").display().to_string()), "{first}");

    // What the requirements allow further on does not move by itself.
    test.write("site/requirements.txt", "demo  # any\nother\n");
    let told = lock(&["--check"]).code(1);
    assert_snapshot!(words(&told.get_output().stdout), @r"
    would change `site/pylock.windows-x86_64.toml`: 2 packages for windows-x86_64 and Python 3.X (the lock that is there)
      added    other 2.0
    ");
    assert_snapshot!(words(&told.get_output().stderr), @r"
    × `[here]/site/pylock.windows-x86_64.toml` would change
    help: run `holdall lock --target windows-x86_64`, look at what changed, and commit it
    ");
    assert_eq!(test.read("site/pylock.windows-x86_64.toml"), first);
    let value = json(lock(&["--format", "json"]));
    assert_eq!((&value["added"][0]["name"], &value["updated"]), (&"other".into(), &Value::Array(Vec::new())));
    assert!(value["written"].as_bool().unwrap() && value["python_from"] == "the lock that is there");
    lock(&["--check"]).success();
    let told = lock(&["--upgrade"]).success();
    assert_snapshot!(words(&told.get_output().stdout), @r"
    wrote `site/pylock.windows-x86_64.toml`: 2 packages for windows-x86_64 and Python 3.X (the lock that is there)
      updated  demo 1.0 -> 1.1
    ");
    test.write("site/requirements.txt", "other\n");
    assert_eq!(json(lock(&["--format", "json"]))["removed"][0]["name"], "demo");
    assert_eq!(
        fs_err::read_dir(test.path("site"))
            .unwrap()
            .flatten()
            .filter(|file| file.file_name().to_string_lossy().starts_with(".part"))
            .count(),
        0
    );
}

#[test]
fn which_python_to_lock_for_is_said_or_asked() {
    let test = with_wheels("demo\n");
    let lock = [&["lock", "site"], OFFLINE].concat();
    assert_snapshot!(test.refused(3, &lock), @r#"
    × cannot tell for which Python to lock: nothing in the project says it
    help: name it: `holdall lock --python 3.12`, or `python = "3.12"` below `[project]` in holdall.toml, or write a `.python-version`
    "#);
    test.write("site/.python-version", ">=3.11\n");
    assert_snapshot!(test.refused(3, &lock), @r#"
    × cannot tell for which Python to lock: .python-version allows several: >=3.11
    help: name it: `holdall lock --python 3.12`, or `python = "3.12"` below `[project]` in holdall.toml, or write a `.python-version`
    "#);
    test.write("site/.python-version", "3.12.4\n");
    let value = json(test.cut_off(&[&lock[..], &["--format", "json"]].concat()));
    assert_eq!(
        (value["python"].as_str(), value["python_from"].as_str()),
        (Some("3.12"), Some(".python-version"))
    );
    let value = json(
        test.cut_off(&[&lock[..], &["--runtime", "host", "--format", "json", "--python", ">=3.10"]].concat()),
    );
    assert_eq!(value["target"], host());
    let other = [&lock[..], &["--output", "site/wheels.lock"]].concat();
    assert_snapshot!(test.refused(3, &other), @r"
    × `wheels.lock` is no name for a lock
    help: call it `pylock.NAME.toml`, with no further dot in NAME: other tools know a lock by that
    ");
}

#[test]
fn the_lock_that_is_there_is_the_one_that_is_meant_unless_there_are_several() {
    let test = with_wheels("demo==1.0\n");
    let lock = |more: &[&str]| test.cut_off(&[&["lock", "site"], OFFLINE, more].concat());
    let value = |more: &[&str]| json(lock(&[&["--format", "json"], more].concat()));
    // One that is for neither the default's target nor, as far as anybody knows, the default's Python.
    lock(&["--target", "linux-arm64", "--python", "3.12"]).success();
    lock(&["--check"]).success();
    test.write("site/requirements.txt", "demo\n");
    let upgraded = value(&["--upgrade"]);
    assert_eq!(
        (&upgraded["target"], &upgraded["python_from"], &upgraded["updated"][0]["to"]),
        (&"linux-arm64".into(), &"the lock that is there".into(), &"1.1".into())
    );
    lock(&["--check"]).success();
    assert!(!test.path("site/pylock.windows-x86_64.toml").exists());

    // A Python is named for a lock that is to come.
    assert_eq!(value(&["--python", "3.12"])["target"], "windows-x86_64");
    let told = test.refused(3, &[&["lock", "site", "--check"], OFFLINE].concat());
    assert_snapshot!(told.replace("[host]", host()), @r"
    × cannot tell which lock is meant: there are `pylock.windows-x86_64.toml` and `pylock.linux-arm64.toml`
    help: name the target of one of them: `holdall lock --target windows-x86_64` or `holdall lock --target linux-arm64`
    ");
    lock(&["--check", "--target", "linux-arm64"]).success();

    // One at another place says itself for what it is.
    lock(&["--target", "windows-arm64", "--python", "3.13", "--output", "site/pylock.other.toml"]).success();
    let other = value(&["--check", "--output", "site/pylock.other.toml"]);
    assert_eq!((&other["target"], &other["python"]), (&"windows-arm64".into(), &"3.13".into()));
}

#[test]
fn a_bundle_of_a_committed_lock_asks_no_index_and_tells_when_the_lock_is_out_of_date() {
    let test = site();
    test.write("site/requirements.txt", "django>=5.2,<5.3\n");
    test.holdall(["lock", "site", "--runtime", "host"]).success();
    let lock = format!("site/pylock.{}.toml", host());
    let written = test.read(&lock);
    // The wheels come into the cache by a bundle; from then on nobody has to be asked.
    let first = test.bundle("site", &["--version", "1"]);
    let report = test.cut_off(&[
        "--format",
        "json",
        "bundle",
        "site",
        "--runtime",
        "host",
        "--version",
        "1",
        "--output",
        "again",
    ]);
    let second = json(report)["path"].as_str().unwrap().to_owned();
    assert_eq!(Sha256::of_file(&first).unwrap(), Sha256::of_file(Path::new(&test.path(&second))).unwrap());
    let manifest: Value = serde_json::from_slice(&entries(&first)["holdall.json"]).unwrap();
    assert!(!manifest.to_string().contains("://"), "{manifest}");
    let plan = test.cut_off(&[HOST, &["--plan", "--format", "json", "--offline"]].concat());
    assert!(json(plan)["lock"].as_str().unwrap().ends_with(".toml"));

    test.append("site/requirements.txt", "# nothing new\n");
    test.cut_off(&[HOST, &["--plan"]].concat()).success();
    test.append("site/requirements.txt", "pytz\n");
    assert_snapshot!(test.refused(3, HOST), @r"
    × `[here]/site/pylock.[host].toml` is out of date: `requirements.txt` has changed since
    help: run `holdall lock --target [host]`, look at what changed, and commit it
    ");
    test.write("site/requirements.txt", "-r base.txt\n").write("site/base.txt", "django>=5.2,<5.3\n");
    assert_snapshot!(test.refused(3, HOST), @r"
    × `[here]/site/pylock.[host].toml` is out of date: it was made without `base.txt`
    help: run `holdall lock --target [host]`, look at what changed, and commit it
    ");
    test.write("site/requirements.txt", "django>=5.2,<5.3\n");
    let other = written.replace("python = \"3.", "python = \"3.9");
    test.write(&lock, other);
    assert_snapshot!(for_any_python(&test.refused(3, HOST)), @r"
    × `[here]/site/pylock.[host].toml` is for [host] and Python 3.X, and the bundle is for [host] and Python 3.X
    help: make the lock anew with `holdall lock --target [host] --python 3.X`, or bundle for what it was made for
    ");
    test.write(&lock, &written[..written.len() / 2]);
    assert_snapshot!(test.refused(3, HOST), @r"
    × `[here]/site/pylock.[host].toml` is no lock that holdall can read: unclosed inline table, expected `}`
    help: take the committed one (`git checkout -- pylock.[host].toml`); or remove it, and make it anew with `holdall lock --target [host]` or the tool that wrote it
    ");
    fs_err::remove_file(test.path(&lock)).unwrap();
    test.holdall(["lock", "site", "--target", host(), "--python", "3.12"]).success();
}

/// What is told, with a command for whichever Python this machine has.
fn for_any_python(told: &str) -> String {
    let (before, after) = told.split_once("--python 3.").unwrap();
    format!("{before}--python 3.X{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// The site with a lock of uv in place of its requirements; `more` is the end of its `pyproject.toml`.
fn locked_by_uv(dependency: &str, more: &str) -> Test {
    let test = site();
    fs_err::remove_file(test.path("site/requirements.txt")).unwrap();
    test.write("house/docopt-0.6.2-py3-none-any.whl", wheel("docopt", "0.6.2"));
    test.write("house/demo-1.0-py3-none-any.whl", wheel("demo", "1.0"));
    test.write(
        "site/pyproject.toml",
        format!(
            "[project]\nname = \"shop\"\nversion = \"1.0\"\nrequires-python = \">=3.10\"\n\
             dependencies = [\"django==5.2.1\", \"{dependency}\"]\n{more}"
        ),
    );
    test.uv("site", &["lock"]);
    test
}

#[test]
fn a_wheel_of_ones_own_that_the_lock_of_uv_does_not_know_goes_into_one_of_holdall() {
    // The index has no wheel of it at all.
    let test = locked_by_uv("docopt==0.6.2", "");
    let bundle = [HOST, &["--find-links", "house"]].concat();
    assert_snapshot!(for_any_python(&test.refused(3, &bundle)), @r"
    × `[here]/site/uv.lock` does not know the wheel of `docopt` 0.6.2 in `[here]/house`
    help: if the wheel is your own, `holdall lock --target [host] --python 3.X --find-links [here]/house` writes its hash into a lock for that target, to be committed; if not, find out who changed it before you go on
    ");
    test.holdall(["lock", "site", "--runtime", "host", "--find-links", "house"]).success();
    let lock = test.read(&format!("site/pylock.{}.toml", host()));
    assert!(lock.contains("path = \"../house/docopt-0.6.2-py3-none-any.whl\""), "{lock}");
    test.holdall(&bundle).success();
    // The lock alone knows the place, and holds what lies there against its hash.
    let other = wheel("docopt", "0.6.3");
    let found = Sha256::of(&other);
    test.write("house/docopt-0.6.2-py3-none-any.whl", &other);
    let docopt =
        crate::harness::cache().join("wheels").join(Sha256::of(wheel("docopt", "0.6.2")).to_string());
    holdall::held::remove_dir_all(&docopt).unwrap();
    let told = test.refused(1, HOST);
    assert!(
        told.starts_with(&format!("  × `docopt-0.6.2-py3-none-any.whl` has SHA-256 {found}, and")),
        "{told}"
    );
}

#[test]
fn a_lock_of_uv_without_hashes_of_what_lies_in_a_folder_says_why_and_both_ways_out_work() {
    let test = locked_by_uv("demo", "[tool.uv]\nfind-links = [\"../house\"]\n");
    assert_snapshot!(for_any_python(&test.refused(3, HOST)), @r#"
    × `demo` has no SHA-256 in `[here]/site/uv.lock`: uv writes none of a wheel in a folder
    help: `holdall lock --target [host] --python 3.X` writes it into a lock for that target, to be committed; or name the wheel in place of its folder (`demo = { path = "../house/demo-1.0-py3-none-any.whl" }` below `[tool.uv.sources]` in `pyproject.toml`) and run `uv lock`
    "#);
    let lock = test.path(&format!("site/pylock.{}.toml", host()));
    test.holdall(["lock", "site", "--runtime", "host"]).success();
    test.holdall([HOST, &["--plan"]].concat()).success();
    fs_err::remove_file(lock).unwrap();

    test.append(
        "site/pyproject.toml",
        "[tool.uv.sources]\ndemo = { path = \"../house/demo-1.0-py3-none-any.whl\" }\n",
    );
    test.uv("site", &["lock"]);
    test.holdall([HOST, &["--plan"]].concat()).success();
}

#[test]
fn a_bundle_for_windows_from_a_committed_lock_asks_no_index_on_any_machine() {
    let test = site();
    tools(&test);
    let runtime = given::tar_gz(&test.path(""), &given::full("python/", given::AMD64, 12, 10));
    let runtime = runtime.display().to_string();
    test.write("site/requirements.txt", "django>=5.2,<5.3\npywin32==311; sys_platform == 'win32'\n");
    let lock = json(test.holdall(["lock", "site", "--runtime", &runtime, "--format", "json"]));
    assert!(lock["path"].as_str().unwrap().ends_with("pylock.windows-x86_64.toml"), "{lock}");
    let bundle = ["bundle", "--runtime", &runtime, "--tools", "tools", "--format", "json"];
    let first = json(test.holdall([&bundle[..], &["site"]].concat()));

    // Somebody else has the wheels, and has never asked which of them this machine needs.
    crate::harness::copy_tree(&test.path("site"), &test.path("clone"));
    let second = json(test.cut_off(&[&bundle[..], &["clone"]].concat()));
    assert_eq!(second["identity"], first["identity"]);
    if cfg!(target_os = "linux") {
        let notices = second["notices"].to_string();
        assert!(notices.contains("since this machine has no use for them: pywin32, tzdata"), "{notices}");
    }
}

#[test]
fn a_lock_at_another_place_is_named_in_the_configuration() {
    let test = with_wheels("demo\n");
    let config = "name = \"shop\"\nversion = \"1\"\n[packages]\nfind-links = [\"wheels\"]\noffline = true\n";
    test.write("site/holdall.toml", config);
    test.write("site/holdall.toml", format!("{config}lock = \"locks/pylock.here.toml\"\n"));
    assert_snapshot!(test.refused(3, HOST), @r"
    × there is no lock `[here]/site/locks/pylock.here.toml`, which `[packages] lock` names
    help: run `holdall lock --target [host]`, which writes it there, and commit it
    ");
    test.cut_off(&["lock", "site", "--runtime", "host"]).success();
    let lock = test.read("site/locks/pylock.here.toml");
    assert!(
        lock.contains("path = \"../wheels/demo-1.1-py3-none-any.whl\"")
            && lock.contains("\"../requirements.txt\" = "),
        "{lock}"
    );
    let plan = json(test.cut_off(&[HOST, &["--plan", "--format", "json"]].concat()));
    assert_eq!(plan["wheels"][0]["file"], "demo-1.1-py3-none-any.whl");
    assert!(plan["lock"].as_str().unwrap().ends_with("pylock.here.toml"), "{plan}");
    // It is made anew where it is, from what it was made from.
    test.write("site/requirements.txt", "other\n");
    test.cut_off(&["lock", "site", "--runtime", "host"]).success();
    assert!(test.read("site/locks/pylock.here.toml").contains("other-2.0"));
    // Alone it is enough for a bundle, and nothing to lock from.
    fs_err::remove_file(test.path("site/requirements.txt")).unwrap();
    test.cut_off(&[HOST, &["--plan"]].concat()).success();
    assert_snapshot!(test.refused(3, &["lock", "site", "--runtime", "host"]), @r"
    × there is nothing to lock from: `[here]/site/locks/pylock.here.toml` is all that says what the project depends on
    help: write the dependencies into a `requirements.txt` or a `pyproject.toml`, then lock
    ");
}

#[test]
fn uv_installs_from_the_lock() {
    let test = with_wheels("demo\nother\n");
    test.cut_off(&[&["lock", "site", "--runtime", "host"], OFFLINE].concat()).success();
    let lock = format!("pylock.{}.toml", host());
    test.uv("site", &["pip", "install", "--offline", "--target", "installed", "-r", &lock]);
    assert!(test.path("site/installed/demo-1.1.dist-info/METADATA").is_file());
    assert!(test.path("site/installed/other/__init__.py").is_file());
}

#[test]
fn extras_and_groups_are_chosen_on_the_command_line_and_stand_in_the_lock() {
    let test = with_wheels("");
    fs_err::remove_file(test.path("site/requirements.txt")).unwrap();
    test.write(
        "site/pyproject.toml",
        "[project]\nname = \"shop\"\nversion = \"1\"\nrequires-python = \"==3.12.*\"\ndependencies = [\"demo\"]\n[project.optional-dependencies]\nmore = [\"other\"]\n[dependency-groups]\nlive = [\"demo==1.0\"]\n",
    );
    let names = |more: &[&str]| -> Vec<String> {
        let value =
            json(test.cut_off(&[&["lock", "site", "--format", "json", "--upgrade"], OFFLINE, more].concat()));
        let packages = value["packages"].as_array().unwrap();
        packages
            .iter()
            .map(|package| {
                format!("{}=={}", package["name"].as_str().unwrap(), package["version"].as_str().unwrap())
            })
            .collect()
    };
    assert_eq!(names(&[]), ["demo==1.1"]);
    assert_eq!(names(&["--group", "live", "--extra", "more"]), ["demo==1.0", "other==2.0"]);
    let lock = test.read("site/pylock.windows-x86_64.toml");
    assert!(lock.contains("extras = [\"more\"]\ngroups = [\"live\"]\n"), "{lock}");
    let told = test.refused(3, &[&["lock", "site", "--extra", "none"], OFFLINE].concat());
    assert!(told.contains("uv failed to select the packages") && told.contains("none"), "{told}");
}

#[test]
fn a_wheelhouse_is_enough_with_a_cold_cache_and_what_it_lacks_is_named() {
    let test = site();
    let cache = test.path("cache").display().to_string();
    let uv = test.path("uv-cache").display().to_string();
    // Programs are no matter of a wheelhouse.
    let programs = crate::harness::cache().join("tools");
    if programs.exists() {
        copy_programs(&programs, &test.path("cache/tools"));
    }
    let cold = [("HOLDALL_CACHE", &*cache), ("UV_CACHE_DIR", &*uv), ("UV_DEFAULT_INDEX", NOWHERE)];
    // The wheels of the tests' own Django are what a wheelhouse has.
    for (name, wheel) in wheels_of_the_site(&test) {
        test.write(&format!("house/{name}"), wheel);
    }
    let offline = [HOST, &["--find-links", "house", "--offline"]].concat();
    test.holdall_with(&cold, &offline).success();

    test.append("site/requirements.txt", "demo\n");
    let told = test.holdall_with(&cold, &offline).code(3);
    assert_snapshot!(without_uvs_words(&test.words(&told.get_output().stderr)), @r"
    × `demo` has no wheel for [host] and Python 3.X in `[here]/house`, and the index is not asked
    help: put one there: on a machine that reaches the index `pip download --no-deps --only-binary :all: … --dest wheels demo` fetches it; or bundle without `--offline`
    ");
    test.write("house/demo-1.0-cp39-cp39-win32.whl", wheel("demo", "1.0"));
    let told = test.holdall_with(&cold, &offline).code(3);
    assert_snapshot!(without_uvs_words(&test.words(&told.get_output().stderr)), @r"
    × `demo` has no wheel for [host] and Python 3.X in `[here]/house`, and the index is not asked
    help: put one there: on a machine that reaches the index `pip download --no-deps --only-binary :all: … --dest wheels demo` fetches it; or bundle without `--offline`
    ");
    assert_snapshot!(test.refused(3, &[HOST, &["--find-links", "houses"]].concat()), @r"
    × `--find-links` names the folder of wheels `[here]/houses`, and there is none
    help: make it and put wheels into it, or correct the path
    ");
}

/// The wheels that a bundle of the site takes, by name, as they are in the cache once it is made.
pub fn wheels_of_the_site(test: &Test) -> Vec<(String, Vec<u8>)> {
    let plan = json(test.holdall([HOST, &["--plan", "--format", "json"]].concat()));
    test.holdall(HOST).success();
    let wheels = plan["wheels"].as_array().unwrap().iter().map(|wheel| {
        let (name, sha256) = (wheel["file"].as_str().unwrap(), wheel["sha256"].as_str().unwrap());
        (name, crate::harness::cache().join("wheels").join(sha256).join(name))
    });
    let others = wheels.filter(|(name, _)| !name.starts_with("holdall"));
    others.map(|(name, cached)| (name.to_owned(), fs_err::read(cached).unwrap())).collect()
}

/// The programs that a cache holds, uv among them, in another one.
fn copy_programs(from: &Path, to: &Path) {
    crate::harness::copy_tree(from, to);
    for entry in walkdir::WalkDir::new(from).into_iter().flatten().filter(|entry| entry.file_type().is_file())
    {
        let copy = to.join(entry.path().strip_prefix(from).unwrap());
        if copy.is_file() {
            fs_err::set_permissions(copy, entry.metadata().unwrap().permissions()).unwrap();
        }
    }
}

/// What is told, without the words of uv.
fn without_uvs_words(told: &str) -> String {
    let (what, rest) = told.split_once("  ╰─▶ ").unwrap();
    let told = format!("{what}  help: {}", rest.split_once("  help: ").unwrap().1);
    // What is wanted of pip depends on this machine.
    match told.split_once(" --platform ") {
        Some((before, after)) => format!("{before} …{}", &after[after.find(" --dest").unwrap()..]),
        None => told,
    }
}

#[test]
fn a_private_index_is_asked_with_the_credentials_of_uv_and_they_are_written_nowhere() {
    let test = site();
    test.write("site/requirements.txt", "django>=5.2,<5.3\ndemo\n");
    for way in ["name", "netrc", "url"] {
        // A wheel that no cache has.
        let (index, _) =
            private(&format!("{way} {}", test.path("").display().to_string().replace('\\', "/")));
        let corp = format!("corp={}", index.simple(""));
        let uv = test.path(&format!("uv-{way}")).display().to_string();
        test.write("netrc", format!("machine 127.0.0.1\nlogin ann\npassword {PASSWORD}\n"));
        let netrc = test.path("netrc").display().to_string();
        let url = index.simple(&format!("{LOGIN}@"));
        let mut variables = match way {
            "name" => vec![
                ("UV_INDEX", &*corp),
                ("UV_INDEX_CORP_USERNAME", "ann"),
                ("UV_INDEX_CORP_PASSWORD", PASSWORD),
            ],
            "netrc" => vec![("UV_INDEX", &*corp), ("NETRC", &*netrc)],
            _ => vec![("UV_INDEX", &*url)],
        };
        variables.push(("UV_CACHE_DIR", &uv));
        let output = format!("out-{way}");
        let bundle = [HOST, &["--output", &output, "--format", "json"]].concat();
        let lock = vec!["lock", "site", "--runtime", "host", "--format", "json"];
        for args in [[HOST, &["--plan", "--format", "json"]].concat(), lock, bundle] {
            let done = test.holdall_with(&variables, &args).success();
            no_secret(&done.get_output().stdout);
            no_secret(&done.get_output().stderr);
        }
        let bundles = fs_err::read_dir(test.path(&output)).unwrap().map(|entry| entry.unwrap().path());
        for (name, content) in bundles.flat_map(|bundle| entries(&bundle)) {
            assert!(!String::from_utf8_lossy(&content).contains(PASSWORD), "{name}");
        }
        let lock = format!("site/pylock.{}.toml", host());
        let written = test.read(&lock);
        no_secret(written.as_bytes());
        assert!(
            written.contains(&format!("url = \"http://{}/files/demo-1.0-py3-none-any.whl\"", index.host())),
            "{written}"
        );
        fs_err::remove_file(test.path(&lock)).unwrap();
    }
    for answer in fs_err::read_dir(crate::harness::cache().join("answers")).into_iter().flatten() {
        no_secret(&fs_err::read(answer.unwrap().path()).unwrap_or_default());
    }
}

#[track_caller]
fn no_secret(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    assert!(!text.contains(PASSWORD), "{text}");
}

#[test]
fn an_index_that_turns_one_away_is_told_with_the_ways_in() {
    let test = site();
    let word = test.path("").display().to_string().replace('\\', "/");
    let (index, demo) = private(&word);
    test.write("site/requirements.txt", "django>=5.2,<5.3\ndemo\n");
    let uv = test.path("uv-cache").display().to_string();
    let wrong = index.simple("ann:wrong-s3cret@");
    let told = test.holdall_with(&[("UV_INDEX", &wrong), ("UV_CACHE_DIR", &uv)], HOST).code(1);
    let words = test.words(&told.get_output().stderr);
    assert!(!words.contains("wrong-s3cret") && !words.contains("127.0.0.1"), "{words}");
    assert_snapshot!(without_uvs_words(&words), @r"
    × the package index does not let uv in
    help: give it name and password: in the URL of the index, as UV_INDEX_NAME_USERNAME and UV_INDEX_NAME_PASSWORD, or in `~/.netrc`; what only a keyring knows, fetch by hand into a folder (`pip download --dest wheels`) and name that with `--find-links wheels`
    ");

    // A lock knows what to fetch, and nobody has said who asks.
    let right = index.simple(&format!("{LOGIN}@"));
    let lock = ["lock", "site", "--runtime", "host"];
    test.holdall_with(&[("UV_INDEX", &right), ("UV_CACHE_DIR", &uv)], &lock).success();
    let told = test.holdall(HOST).code(1);
    assert_snapshot!(test.words(&told.get_output().stderr), @r"
    × the index does not give `demo-1.0-py3-none-any.whl` to you: it answered 401 Unauthorized
    help: name and password for the index are missing or wrong: give them as uv takes them (in the URL of the index, as UV_INDEX_NAME_USERNAME and UV_INDEX_NAME_PASSWORD, or in `~/.netrc`); what only a keyring knows, fetch by hand into a folder (`pip download --dest wheels`) and name that with `--find-links wheels`
    ");
    // A folder with the wheel serves as well.
    test.write("house/demo-1.0-py3-none-any.whl", &demo.bytes);
    test.holdall([HOST, &["--find-links", "house"]].concat()).success();
}

#[test]
fn a_wheel_that_no_folder_has_is_not_asked_of_the_index_when_that_is_forbidden() {
    let test = site();
    let word = test.path("").display().to_string().replace('\\', "/");
    let (index, demo) = private(&word);
    // From here on Django and what it needs are in the cache.
    test.bundle("site", &[]);
    test.write("site/requirements.txt", "django>=5.2,<5.3\ndemo\n");
    let uv = test.path("uv-cache").display().to_string();
    let with_login = index.simple(&format!("{LOGIN}@"));
    let lock = ["lock", "site", "--runtime", "host"];
    test.holdall_with(&[("UV_INDEX", &with_login), ("UV_CACHE_DIR", &uv)], &lock).success();
    test.write("house/demo-1.0-py3-none-any.whl", &demo.bytes);
    let before = index.asked().len();
    assert_snapshot!(test.refused(3, &[HOST, &["--offline"]].concat()), @r"
    × `demo-1.0-py3-none-any.whl` is not in the cache, and the index is not asked
    help: put that file into a folder of wheels and name it with `--find-links DIR`; or bundle once without `--offline`
    ");
    assert_eq!(index.asked().len(), before);
    test.holdall([HOST, &["--offline", "--find-links", "house"]].concat()).success();
}

#[test]
fn a_lock_that_cannot_be_written_is_named() {
    let test = with_wheels("demo\n");
    test.write("notes", "a file where a folder should be\n");
    let lock =
        [&["lock", "site", "--python", "3.12", "--output", "notes/pylock.shop.toml"], OFFLINE].concat();
    assert_snapshot!(without_the_systems_words(&test.refused(1, &lock)), @r"
    × cannot write the lock `notes/pylock.shop.toml`
    ╰─▶ failed to create directory `notes`: [why]
    help: check that you may write there and that the disk is not full; the lock that was there is as it was
    ");
}

/// A uv that notes what it is asked, before it answers; returns the program and its notes.
#[cfg(unix)]
fn noting_uv(test: &Test) -> (String, std::path::PathBuf) {
    use std::os::unix::fs::PermissionsExt as _;

    let (program, notes) = (test.path("noting-uv"), test.path("notes"));
    let real = crate::harness::shared_uv().program.display().to_string();
    let script = format!("#!/bin/sh\necho \"$1 $2\" >> '{}'\nexec '{real}' \"$@\"\n", notes.display());
    test.write("noting-uv", script);
    fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    (program.display().to_string(), notes)
}

#[cfg(unix)]
#[test]
fn uv_is_asked_again_only_for_what_could_have_become_another() {
    let test = site();
    fs_err::remove_file(test.path("site/requirements.txt")).unwrap();
    let (uv, notes) = noting_uv(&test);
    // What is asked of uv for a plan, its version aside.
    let asked = || -> Vec<String> {
        let _ = fs_err::remove_file(&notes);
        test.holdall_with(&[("HOLDALL_UV", &uv)], &[HOST, &["--plan"]].concat()).success();
        let asked = test.read("notes");
        asked.lines().filter(|line| !line.starts_with("--version")).map(str::to_owned).collect()
    };
    let nothing: [&str; 0] = [];

    // Loose: a newer release would be found.
    let pyproject = "[project]\nname = \"shop\"\nversion = \"1\"\nrequires-python = \">=3.10\"\ndependencies = [\"django>=5.2,<5.3\"]\n";
    test.write("site/pyproject.toml", pyproject);
    assert_eq!((asked(), asked()), (vec!["pip compile".to_owned()], vec!["pip compile".to_owned()]));

    // Locked, until what the lock answers to changes.
    test.uv("site", &["lock"]);
    assert_eq!(asked(), ["lock --check", "export --frozen", "pip compile"]);
    assert_eq!(asked(), nothing);
    test.write("site/pyproject.toml", format!("{pyproject}[tool.ruff]\nline-length = 88\n"));
    assert_eq!(asked().len(), 3);
    test.write("site/pyproject.toml", pyproject.replace("5.3", "5.4"));
    assert!(test.refused(3, HOST).contains("is out of step with the project's `pyproject.toml`"));
    fs_err::remove_file(test.path("site/uv.lock")).unwrap();
    fs_err::remove_file(test.path("site/pyproject.toml")).unwrap();

    // Pinned in part, and pinned in full.
    test.write("site/requirements.txt", "django==5.2.1\n");
    assert_eq!((asked().len(), asked().len()), (1, 1));
    test.write("site/requirements.txt", "django==5.2.1\nasgiref==3.8.1  # via django\nsqlparse==0.5.3 ; python_version > '3'\ntzdata==2025.2\n");
    assert_eq!((asked().len(), asked().len()), (1, 0));
    // In another environment the answer may be another.
    test.holdall_with(
        &[("HOLDALL_UV", &uv), ("UV_EXCLUDE_NEWER", "2026-01-01")],
        &[HOST, &["--plan"]].concat(),
    )
    .success();
    assert!(test.read("notes").contains("pip compile"), "{}", test.read("notes"));
}
