//! `holdall bundle`, `inspect` and `verify` on sites as they lie on a developer's disk: what is found, said, packed
//! and left out.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Test, cache, command, host};

/// All files of a bundle by name.
pub fn entries(bundle: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut archive = zip::ZipArchive::new(fs_err::File::open(bundle).unwrap()).unwrap();
    let mut entries = BTreeMap::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        assert!(entries.insert(entry.name().unwrap().into_owned(), content).is_none());
    }
    entries
}

/// The project's files in a bundle, below `app/`.
fn app(bundle: &Path) -> BTreeSet<String> {
    entries(bundle).into_keys().filter_map(|name| Some(name.strip_prefix("app/")?.to_owned())).collect()
}

/// All files below a folder with their content.
fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap);
    let files = files.filter(|entry| entry.file_type().is_file());
    files.map(|entry| (entry.path().display().to_string(), fs_err::read(entry.path()).unwrap())).collect()
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(bytes)))
}

/// A site with one page and nothing that it does not need.
fn small(test: &Test, settings: &str) {
    test.write(
        "site/manage.py",
        "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'small.settings')\n\
         from django.core.management import execute_from_command_line\nimport sys\n\
         if __name__ == '__main__':\n    execute_from_command_line(sys.argv)\n",
    )
    .write("site/small/__init__.py", "")
    .write(
        "site/small/settings.py",
        format!(
            "import os\nfrom pathlib import Path\nBASE_DIR = Path(__file__).parent.parent\n\
             ROOT_URLCONF = 'small.urls'\nWSGI_APPLICATION = 'small.wsgi.application'\n\
             STATIC_URL = 'static/'\n{settings}"
        ),
    )
    .write("site/small/urls.py", "urlpatterns = []\n")
    .write(
        "site/small/wsgi.py",
        "import os\nfrom django.core.wsgi import get_wsgi_application\n\
         os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'small.settings')\n\
         application = get_wsgi_application()\n",
    )
    .write("site/requirements.txt", "django>=5.2,<5.3\n")
    .write("site/pyproject.toml", "[project]\nname = 'small'\nversion = '1'\ndynamic = ['dependencies']\n");
}

const ARGS: [&str; 3] = ["bundle", "--runtime", "host"];

#[test]
fn the_same_project_is_the_same_bundle_whoever_makes_it_and_wherever() {
    let test = Test::empty();
    test.guestbook("guestbook").guestbook("elsewhere/Ähnliches und mehr/guestbook");
    let here = test.bundle("guestbook", &[]);
    // Whoever else bundles has other rights, another language and clock, and has never done it before; wheels
    // alone are not fetched again.
    let cold = test.path("cold");
    fs_err::create_dir(&cold).unwrap();
    for kept in ["tools", "wheels"] {
        hand_on(&cache().join(kept), &cold.join(kept));
    }
    let folder = test.path("elsewhere/Ähnliches und mehr/guestbook");
    let mut other = with_few_rights(&folder, &ARGS);
    other
        .current_dir(&folder)
        .env("HOLDALL_CACHE", &cold)
        .env("HOME", test.path("elsewhere"))
        .env("TZ", "Asia/Tokyo")
        .envs(["LANG", "LC_ALL"].map(|name| (name, "tr_TR.UTF-8")))
        .env_remove("SECRET_KEY");
    assert_cmd::Command::from_std(other).assert().success();
    let there = folder.join("dist").join(here.file_name().unwrap());
    assert!(fs_err::read(&here).unwrap() == fs_err::read(&there).unwrap(), "the bytes differ");

    let about = folder.join("pages/templates/pages/about.html");
    let changed = fs_err::read_to_string(&about).unwrap() + "<!-- changed -->\n";
    fs_err::write(&about, changed).unwrap();
    let (before, after) = (identity(&test, &here), {
        test.bundle(folder.to_str().unwrap(), &[]);
        identity(&test, &here)
    });
    assert_ne!(before["identity"], after["identity"]);
    let layers = |inspected: &Value| -> BTreeMap<String, String> {
        let layers = inspected["manifest"]["layers"].as_array().unwrap().iter();
        layers.map(|layer| (layer["name"].to_string(), layer["digest"].to_string())).collect()
    };
    let (before, after) = (layers(&before), layers(&after));
    let changed: Vec<_> = before.iter().filter(|(name, digest)| after[*name] != **digest).collect();
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert_eq!(changed[0].0, "\"app\"");
}

/// Makes `from`, if it is there, appear at `to`: as a link, where that takes no privilege.
fn hand_on(from: &Path, to: &Path) {
    if !from.exists() {
        return;
    }
    #[cfg(unix)]
    fs_err::os::unix::fs::symlink(from, to).unwrap();
    #[cfg(not(unix))]
    crate::harness::copy_tree(from, to);
}

/// The command as a user starts it whose files nobody else may read.
fn with_few_rights(folder: &Path, args: &[&str]) -> Command {
    let command = command(folder, args);
    if !cfg!(unix) {
        return command;
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask 077; exec \"$0\" \"$@\""]).arg(command.get_program()).args(command.get_args());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
}

fn identity(test: &Test, bundle: &Path) -> Value {
    let bundle = bundle.to_str().unwrap();
    json(&test.holdall(["inspect", "--format", "json", bundle]).success().get_output().stdout)
}

#[test]
fn a_plan_says_what_a_run_will_do_and_writes_nothing() {
    let test = Test::empty();
    test.guestbook("guestbook");
    let before = tree(&test.path(""));
    let plan = ["bundle", "guestbook", "--plan", "--runtime", "host"];
    let shown = test.holdall(plan).success();
    let value = test.holdall(plan.iter().chain(&["--format", "json"])).success().stderr("");
    assert!(tree(&test.path("")) == before && !test.path("guestbook/dist").exists());
    insta::with_settings!({filters => vec![
        (r"\b[0-9a-f]{8}\b", "[digest]"),
        (r"CPython 3\.\d+\.\d+", "CPython [version]"),
        (r"this machine, `[^`]*`", "this machine, [path]"),
        (r"-abi3-\w+", "-abi3-[platform]"),
        (host(), "[host]"),
        // Windows has no time zones of its own.
        (r"wheel +\[digest\] +tzdata-.*\n", ""),
        (r"\\", "/"),
        (r"  to download", ""),
        (r" {2,}", "  "),
    ]}, {
        insta::assert_snapshot!(String::from_utf8_lossy(&shown.get_output().stdout));
    });

    // What was shown is what is done.
    let plan = json(&value.get_output().stdout);
    let bundle = test.bundle("guestbook", &[]);
    let manifest = &identity(&test, &bundle)["manifest"];
    let layers = manifest["layers"].as_array().unwrap().iter();
    let packed = layers.filter(|layer| layer["kind"] == "package" || layer["kind"] == "bridge");
    let packed: Vec<_> = packed.map(|layer| layer["name"].as_str().unwrap()).collect();
    let wheels = plan["wheels"].as_array().unwrap().iter();
    assert_eq!(wheels.map(|wheel| wheel["name"].as_str().unwrap()).collect::<Vec<_>>(), packed);
    let files = plan["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file.as_str().unwrap()["app/".len()..].to_owned());
    let sources = app(&bundle).into_iter().filter(|name| !name.ends_with(".pyc"));
    assert_eq!(files.collect::<BTreeSet<_>>(), sources.collect());
    assert_eq!(plan["bytecode"], manifest["bytecode"]);
    let planned = Path::new(plan["output"].as_str().unwrap());
    assert_eq!(planned.file_name(), bundle.file_name());
}

#[test]
fn a_run_prints_its_findings_with_their_places_and_a_table_of_what_is_inside() {
    let test = Test::empty();
    test.guestbook("guestbook");
    let done = test.holdall(["bundle", "guestbook", "--runtime", "host"]).success();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (told, result) = (text(&done.get_output().stderr), text(&done.get_output().stdout));
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let told: Vec<_> = told.lines().map(words).collect();
    for finding in [
        "name guestbook pyproject.toml, key `project.name`",
        "version 1.0.0 pyproject.toml, key `project.version`",
        "settings guestbook.settings guestbook/wsgi.py, line 7",
        "application guestbook.wsgi:application guestbook/settings.py, line 94",
        "dependencies requirements.txt requirements.txt",
        "Python wanted >=3.10 pyproject.toml, key `project.requires-python`",
    ] {
        assert!(told.iter().any(|line| line == finding), "no `{finding}` in {told:#?}");
    }

    let mut lines = result.lines().map(words);
    assert_eq!(lines.next().unwrap(), "kind name files size packed");
    let table: Vec<_> = lines.by_ref().take_while(|line| !line.starts_with("total ")).collect();
    let mut inside: Vec<_> = table.iter().map(|line| line.split(' ').nth(1).unwrap()).collect();
    inside.sort_unstable();
    if cfg!(windows) {
        // Windows has no time zones of its own, and IIS.
        inside.retain(|name| !["tzdata", "iis"].contains(name));
    }
    assert_eq!(
        inside,
        ["app", "asgiref", "django", "holdall-bridge", "python", "sqlparse", "static", "tools"]
    );
    assert_eq!(lines.next().unwrap(), "");
    assert_eq!(lines.next().unwrap(), "left out of files size what");
    let left_out: Vec<_> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    assert!(
        left_out[0].starts_with("django ") && left_out[0].contains("translations to edit"),
        "{left_out:?}"
    );
    assert!(left_out.last().unwrap().starts_with("total "), "{left_out:?}");
    let times = lines.next().unwrap();
    assert!(times.contains(" in all: runtime ") && times.contains(", assemble "), "{times}");
    assert_eq!(lines.next().unwrap(), "");
    assert!(lines.next().unwrap().starts_with("identity "));
    let bundle = lines.next().unwrap().replace('\\', "/");
    assert!(bundle.starts_with(&format!("guestbook/dist/guestbook-1.0.0-{}", host())), "{bundle}");
    assert_eq!(lines.next(), None);
}

#[test]
fn values_for_the_time_of_bundling_are_in_no_output_and_in_no_bundle() {
    let test = Test::empty();
    small(&test, "SECRET_KEY = os.environ['SECRET_KEY']\nPASSWORD = os.environ['DATABASE_PASSWORD']\n");
    test.write(
        "site/holdall.toml",
        "[build.env]\nSECRET_KEY = 'only-for-bundling'\nDATABASE_PASSWORD = 'only-for-bundling'\n",
    );
    let secret = "only-for-bundling";
    let mut printed = Vec::new();
    for more in [&["--plan"][..], &["--plan", "--format", "json"], &[], &["--format", "json"]] {
        let done = test.holdall(["bundle", "site", "--runtime", "host"].iter().chain(more)).success();
        let output = done.get_output();
        if more.contains(&"json") {
            json(&output.stdout);
        }
        printed.extend([&output.stdout[..], &output.stderr[..]].concat());
    }
    assert!(!String::from_utf8_lossy(&printed).contains(secret));
    let bundle = test.bundle("site", &[]);
    for (name, content) in entries(&bundle) {
        assert!(!content.windows(secret.len()).any(|window| window == secret.as_bytes()), "{name}");
    }
}

#[test]
fn what_belongs_to_one_machine_is_bundled_only_when_it_is_named() {
    let test = Test::empty();
    small(
        &test,
        "SECRET_KEY = 'x'\nMEDIA_ROOT = BASE_DIR / 'media'\nDATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': BASE_DIR / 'rows'}}\n",
    );
    let left_out = [
        ".git/config",
        ".venv/pyvenv.cfg",
        ".venv/lib/x.py",
        "node_modules/x/index.js",
        ".env",
        ".env.production",
        "key.pem",
        "db.sqlite3",
        "rows",
        "media/upload.txt",
        "small/__pycache__/settings.cpython-312.pyc",
        "notes.log",
        "dist/small-0.9-linux-x86_64.zip",
        "holdall.toml",
    ];
    for file in left_out {
        test.write(&format!("site/{file}"), "");
    }
    test.write("site/.gitignore", "*.log\n").write("site/data/logo.bin", "");
    let bundle = test.bundle("site", &[]);
    let plain = app(&bundle);
    assert!(plain.contains("data/logo.bin"));
    for file in left_out {
        assert!(!plain.contains(file), "{file} is in the bundle");
    }

    test.write(
        "site/holdall.toml",
        "[files]\ninclude = ['/db.sqlite3', 'media/', '*.log']\nexclude = ['data']\n",
    );
    let changed = app(&test.bundle("site", &[]));
    let added: Vec<_> = changed.difference(&plain).collect();
    assert_eq!(added, ["db.sqlite3", "media/upload.txt", "notes.log"]);
    assert_eq!(plain.difference(&changed).collect::<Vec<_>>(), ["data/logo.bin"]);
}

#[test]
fn what_startproject_leaves_open_is_said_with_its_line_and_cure() {
    let test = Test::empty();
    fs_err::create_dir(test.path("site")).unwrap();
    test.django(&["-m", "django", "startproject", "mysite", "site"]);
    let settings = test.read("site/mysite/settings.py") + "ASGI_APPLICATION = 'mysite.asgi.application'\n";
    test.write("site/mysite/settings.py", settings).write("site/requirements.txt", "django>=5.2,<5.3\n");
    let plan = test.holdall(["bundle", "site", "--plan", "--runtime", "host"]).success();
    insta::with_settings!({filters => vec![(host(), "[host]")]}, {
        insta::assert_snapshot!(String::from_utf8_lossy(&plan.get_output().stderr));
    });
    // Scripts hear the same.
    let plan = test.holdall(["bundle", "site", "--plan", "--runtime", "host", "--format", "json"]).success();
    let notices = json(&plan.get_output().stdout)["notices"].clone();
    let begins = [
        "SECRET_KEY stands in the source: mysite/settings.py, line ",
        "DEBUG is True: ",
        "ASGI_APPLICATION is set (",
    ];
    for begin in begins {
        let told = |notice: &Value| notice["what"].as_str().unwrap().starts_with(begin);
        assert!(notices.as_array().unwrap().iter().any(told), "no `{begin}` in {notices}");
    }
}

#[test]
fn a_configuration_written_by_init_changes_nothing() {
    let test = Test::empty();
    small(&test, "SECRET_KEY = os.environ['SECRET_KEY']\n");
    test.git(&["init", "-q"]).git(&["add", "."]).git(&["commit", "-qm", "First"]);
    let without = fs_err::read(test.bundle("site", &[])).unwrap();
    test.holdall(["init", "site"]).success();
    let with = test.bundle("site", &[]);
    assert!(fs_err::read(&with).unwrap() == without, "{} differs", with.display());
}

#[test]
fn a_bundle_and_its_folder_are_inspected_and_verified_alike() {
    let test = Test::empty();
    small(&test, "SECRET_KEY = os.environ['SECRET_KEY']\n");
    let bundle = test.bundle("site", &[]);
    let site = test.preview([bundle.as_os_str(), "--root".as_ref(), "server".as_ref()]);
    let folder = site.ready["release"].as_str().unwrap().to_owned();
    site.stop();
    let bundle = bundle.to_str().unwrap();

    let (packed, expanded) = (identity(&test, bundle.as_ref()), identity(&test, folder.as_ref()));
    for key in ["identity", "manifest", "files", "size", "packed"] {
        assert_eq!(packed[key], expanded[key], "{key}");
    }
    assert_eq!((packed["manifest"]["name"].as_str(), &expanded["length"]), (Some("small"), &Value::Null));
    let files = packed["files"].as_u64().unwrap();
    for path in [bundle, &folder] {
        let shown = test.holdall(["inspect", path]).success().stderr("");
        let shown = String::from_utf8_lossy(&shown.get_output().stdout).into_owned();
        assert!(
            shown.starts_with(&format!("small 1 for {}", host())) && shown.contains("\n  total "),
            "{shown}"
        );
        let identity = packed["identity"].as_str().unwrap();
        let said = format!("{files} files are as they were bundled\nidentity {identity}\n");
        test.holdall(["verify", path]).success().stdout(said);
        let value = json(&test.holdall(["verify", path, "--format", "json"]).success().get_output().stdout);
        assert_eq!(
            (&value["identity"], value["differences"].as_array().unwrap().len()),
            (&packed["identity"], 0)
        );
    }

    let within = |name: &str| Path::new(&folder).join(name);
    fs_err::write(within("app/small/urls.py"), "urlpatterns = [1]\n").unwrap();
    fs_err::remove_file(within("app/small/wsgi.py")).unwrap();
    fs_err::write(within("app/small/added.py"), "").unwrap();
    let failed = test.holdall(["verify", &folder]).code(1);
    let said = String::from_utf8_lossy(&failed.get_output().stdout).into_owned();
    let error = String::from_utf8_lossy(&failed.get_output().stderr).replace(&folder, "[folder]");
    insta::with_settings!({filters => vec![(r"[\d.]+ MB", "[size]")]}, {
        insta::assert_snapshot!(format!("{said}\n{error}"));
    });
    let failed = test.holdall(["verify", &folder, "--format", "json"]).code(1).stderr("");
    let value = json(&failed.get_output().stdout);
    assert_eq!(value["differences"].as_array().unwrap().len(), 3, "{value}");
}
