//! What uv, pip and the index really do: these tests need the package index, and Python 3.10 or newer as `python3`.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use super::*;
use crate::cache::Cache;
use crate::entry::EntryPath;
use crate::manifest::LayerKind;
use crate::progress::Silent;
use crate::project::Dependencies;
use crate::python::{MinorVersion, PythonLayout, PythonVersion};
use crate::python_tool;
use crate::recipe::Recipes;
use crate::target::Target;

const PY312: MinorVersion = MinorVersion { major: 3, minor: 12 };

/// One cache for all runs of the tests, below the build folder: downloads are what takes time here.
static CACHE: LazyLock<Cache> =
    LazyLock::new(|| Cache::at(Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tmp/packages-cache")));

static PYTHON: LazyLock<PathBuf> = LazyLock::new(|| {
    let output = Command::new(if cfg!(windows) { "python" } else { "python3" })
        .args(["-c", "import sys; print(sys.executable)"])
        .output()
        .unwrap();
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
});

static RECIPES: LazyLock<Recipes> = LazyLock::new(|| Recipes::read(None).unwrap());

static UV: LazyLock<Uv> = LazyLock::new(|| Uv::find(&CACHE, &PYTHON, &RECIPES.uv).unwrap());

/// A folder with some files.
struct Folder(tempfile::TempDir);

impl Folder {
    fn of(files: &[(&str, &str)]) -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        for (name, text) in files {
            fs_err::write(folder.path(name), text).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn requirements(text: &str) -> (Folder, Dependencies) {
        let folder = Folder::of(&[("requirements.txt", text)]);
        let inputs = Dependencies::Requirements(vec![folder.path("requirements.txt")]);
        (folder, inputs)
    }
}

/// Wheels come from the index alone.
static INDEX: LazyLock<Supply> = LazyLock::new(Supply::default);

fn request(dependencies: &Dependencies, target: Target, minor: MinorVersion) -> Request<'_> {
    Request { dependencies, supply: &INDEX, build: Build::Nothing, target, minor }
}

fn lock_for(dependencies: &Dependencies, target: Target, minor: MinorVersion) -> Result<Lock, PackagesError> {
    // No answer is kept from one test to another.
    let folder = tempfile::tempdir().unwrap();
    let request = request(dependencies, target, minor);
    Ok(lock(&UV, &request, None, &Cache::at(folder.path()), &Silent)?.lock)
}

fn locked(dependencies: &Dependencies, target: Target) -> Result<Lock, PackagesError> {
    lock_for(dependencies, target, PY312)
}

fn downloaded(wheels: &[LockedWheel], cache: &Cache) -> Vec<Wheel> {
    let dependencies = Dependencies::Requirements(Vec::new());
    download(wheels, &request(&dependencies, Target::LinuxX86_64, PY312), cache, &Silent, &mut Vec::new())
        .unwrap()
}

fn names(lock: &Lock) -> Vec<&str> {
    lock.wheels.iter().map(|wheel| wheel.name.as_str()).collect()
}

/// A committed `requirements.txt` with hashes, as uv writes it.
fn compiled(folder: &Folder, requirement: &str, options: &[&str]) -> Dependencies {
    fs_err::write(folder.path("requirements.in"), requirement).unwrap();
    let output = folder.path("requirements.txt");
    let mut args = vec!["pip", "compile", "requirements.in", "--generate-hashes", "--python-version", "3.12"];
    args.extend(["-q", "-o", "requirements.txt"]);
    args.extend(options);
    UV.run(folder.0.path(), args).unwrap();
    Dependencies::Requirements(vec![output])
}

#[test]
fn markers_are_read_for_the_target_and_not_for_this_machine() {
    let (_folder, inputs) = Folder::requirements("django==5.2.*\n");
    let linux = locked(&inputs, Target::LinuxX86_64).unwrap();
    assert_eq!(names(&linux), ["asgiref", "django", "sqlparse"]);
    let windows = locked(&inputs, Target::WindowsX86_64).unwrap();
    assert_eq!(names(&windows), ["asgiref", "django", "sqlparse", "tzdata"]);
    assert_ne!(linux.digest, windows.digest);
    assert!(windows.version_of("Django").unwrap().starts_with("5.2."));
}

#[test]
fn a_lock_is_shown_without_any_url() {
    let (_folder, inputs) = Folder::requirements("asgiref==3.8.1\n");
    let shown = serde_json::to_string(&locked(&inputs, Target::LinuxX86_64).unwrap()).unwrap();
    assert!(
        shown.contains("pkg:pypi/asgiref@3.8.1") && shown.contains("asgiref-3.8.1-py3-none-any.whl"),
        "{shown}"
    );
    assert!(!shown.contains("://"), "{shown}");
}

#[test]
fn a_package_without_a_wheel_is_named_with_the_cures() {
    let (_folder, inputs) = Folder::requirements("django==5.2.*\nuwsgi\n");
    let error = locked(&inputs, Target::WindowsX86_64).unwrap_err();
    assert_eq!(error.to_string(), "`uwsgi` has no wheel for windows-x86_64 and Python 3.12");
    let help = miette::Diagnostic::help(&error).unwrap().to_string();
    assert!(
        help.contains("py -3.12 -m pip wheel --no-deps --wheel-dir wheels uwsgi")
            && help.contains("--find-links wheels"),
        "{help}"
    );

    let (_folder, inputs) = Folder::requirements("psycopg[binary]==3.2.1\n");
    let error = locked(&inputs, Target::WindowsArm64).unwrap_err();
    assert_eq!(error.to_string(), "`psycopg-binary` has no wheel for windows-arm64 and Python 3.12");
    let help = miette::Diagnostic::help(&error).unwrap().to_string();
    assert!(help.contains("platform_machine == 'AMD64'"), "{help}");
}

#[test]
fn an_unknown_package_is_told_in_uvs_words() {
    let (_folder, inputs) = Folder::requirements("django==99.9\n");
    let error = locked(&inputs, Target::WindowsX86_64).unwrap_err();
    assert!(
        matches!(&error, PackagesError::Unresolved { source, .. } if source.as_str().contains("django==99.9"))
    );
}

#[test]
fn a_lock_with_hashes_gives_just_what_it_names() {
    let folder = Folder::of(&[]);
    let inputs = compiled(&folder, "django==5.2.1", &["--universal"]);
    let lock = locked(&inputs, Target::WindowsX86_64).unwrap();
    assert_eq!(lock.version_of("django"), Some("5.2.1"));
    assert!(names(&lock).contains(&"tzdata"));
}

#[test]
fn a_lock_made_for_linux_alone_is_refused_for_windows() {
    let folder = Folder::of(&[]);
    let inputs = compiled(&folder, "django==5.2.1", &["--python-platform", "linux"]);
    assert!(locked(&inputs, Target::LinuxX86_64).is_ok());
    let error = locked(&inputs, Target::WindowsX86_64).unwrap_err();
    let file = folder.path("requirements.txt");
    let expected =
        format!("Python 3.12 on windows-x86_64 needs `tzdata`, which `{}` does not have", file.display());
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_wheel_that_the_lock_does_not_know_is_refused() {
    let (folder, inputs) =
        Folder::requirements(&format!("asgiref==3.8.1 --hash=sha256:{}\n", "0".repeat(64)));
    let error = locked(&inputs, Target::LinuxX86_64).unwrap_err();
    let file = folder.path("requirements.txt");
    let expected = format!("the wheel of `asgiref` 3.8.1 for linux-x86_64 is not in `{}`", file.display());
    assert_eq!(error.to_string(), expected);
}

const PYPROJECT: &str = "[project]\nname = \"shop\"\nversion = \"1\"\nrequires-python = \">=3.10\"\n\
    dependencies = [\"asgiref==3.8.1\", \"tzdata==2025.1; sys_platform == 'win32'\"]\n\
    [project.optional-dependencies]\nmore = [\"sqlparse==0.5.3\"]\n[dependency-groups]\ndev = [\"iniconfig\"]\n";

#[test]
fn a_uv_lock_is_narrowed_and_must_be_in_step() {
    let folder = Folder::of(&[("pyproject.toml", PYPROJECT)]);
    UV.run(folder.0.path(), ["lock", "--quiet"]).unwrap();
    let inputs = |extras: &[&str]| Dependencies::UvLock {
        lock: folder.path("uv.lock"),
        project: folder.0.path().to_owned(),
        extras: extras.iter().map(|extra| (*extra).to_owned()).collect(),
        groups: Vec::new(),
    };
    assert_eq!(names(&locked(&inputs(&[]), Target::LinuxX86_64).unwrap()), ["asgiref"]);
    let windows = locked(&inputs(&["more"]), Target::WindowsX86_64).unwrap();
    assert_eq!(names(&windows), ["asgiref", "sqlparse", "tzdata"]);

    fs_err::write(folder.path("pyproject.toml"), PYPROJECT.replace("3.8.1", "3.8.0")).unwrap();
    let error = locked(&inputs(&[]), Target::LinuxX86_64).unwrap_err();
    assert!(matches!(error, PackagesError::LockOutOfStep { .. }), "{error:?}");
}

#[test]
fn a_pylock_and_a_pyproject_are_narrowed_too() {
    let folder = Folder::of(&[("pyproject.toml", PYPROJECT)]);
    let pyproject = Dependencies::Pyproject {
        file: folder.path("pyproject.toml"),
        extras: vec!["more".to_owned()],
        groups: Vec::new(),
    };
    let windows = locked(&pyproject, Target::WindowsX86_64).unwrap();
    assert_eq!(names(&windows), ["asgiref", "sqlparse", "tzdata"]);

    UV.run(folder.0.path(), ["export", "-q", "--no-dev", "--format", "pylock.toml", "-o", "pylock.toml"])
        .unwrap();
    let pylock = Dependencies::Pylock(folder.path("pylock.toml"));
    assert_eq!(names(&locked(&pylock, Target::WindowsX86_64).unwrap()), ["asgiref", "tzdata"]);
    assert_eq!(names(&locked(&pylock, Target::LinuxArm64).unwrap()), ["asgiref"]);
}

/// A folder `wheels` with a wheel of asgiref 3.8.1, and the wheel's file name.
fn wheelhouse(folder: &Folder) -> String {
    let (_requirements, dependencies) = Folder::requirements("asgiref==3.8.1\n");
    let lock = locked(&dependencies, Target::LinuxX86_64).unwrap();
    let wheel = downloaded(&lock.wheels, &CACHE).remove(0);
    fs_err::create_dir(folder.path("wheels")).unwrap();
    let name = wheel.locked.file_name;
    fs_err::copy(wheel.file, folder.path("wheels").join(&name)).unwrap();
    name
}

#[test]
fn a_wheel_of_the_project_is_taken_from_its_folder() {
    let pyproject = "[project]\nname = \"shop\"\nversion = \"1\"\nrequires-python = \">=3.10\"\ndependencies = [\"asgiref\"]\n";
    let folder = Folder::of(&[]);
    let wheel = wheelhouse(&folder);
    let source = format!("[tool.uv.sources]\nasgiref = {{ path = \"wheels/{wheel}\" }}\n");
    fs_err::write(folder.path("pyproject.toml"), format!("{pyproject}{source}")).unwrap();
    UV.run(folder.0.path(), ["lock", "--quiet"]).unwrap();
    fs_err::write(folder.path("requirements.txt"), format!("./wheels/{wheel}\n")).unwrap();
    let project = folder.0.path().to_owned();
    let lock = folder.path("uv.lock");
    for dependencies in [
        Dependencies::UvLock { lock, project, extras: Vec::new(), groups: Vec::new() },
        Dependencies::Requirements(vec![folder.path("requirements.txt")]),
    ] {
        let lock = locked(&dependencies, Target::WindowsX86_64).unwrap();
        let asgiref = lock.wheels.iter().find(|wheel| wheel.name == "asgiref").unwrap();
        assert_eq!((asgiref.version.as_str(), &asgiref.file_name), ("3.8.1", &wheel));
        let fetched = downloaded(std::slice::from_ref(asgiref), &Cache::at(folder.path("cache")));
        assert!(fetched[0].file.is_file());
    }
}

#[test]
fn a_source_folder_is_no_wheel() {
    let folder = Folder::of(&[("requirements.txt", "./lib\n")]);
    fs_err::create_dir(folder.path("lib")).unwrap();
    let pyproject = "[project]\nname = \"our-lib\"\nversion = \"1\"\n[build-system]\nrequires = []\nbuild-backend = \"x\"\n";
    fs_err::write(folder.path("lib/pyproject.toml"), pyproject).unwrap();
    let dependencies = Dependencies::Requirements(vec![folder.path("requirements.txt")]);
    let error = locked(&dependencies, Target::WindowsX86_64).unwrap_err();
    assert_eq!(error.to_string(), "`our-lib` comes from a source folder, and a bundle takes wheels only");
}

#[test]
fn uv_is_installed_where_there_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path());
    let program = python_tool::installed(&RECIPES.uv, &cache, [PYTHON.clone()]).unwrap();
    assert!(program.starts_with(folder.path()));
    let said = Command::new(program).arg("--version").output().unwrap().stdout;
    let said = String::from_utf8(said).unwrap();
    assert!(said.starts_with(&format!("uv {}", RECIPES.uv.version)), "{said}");
}

/// The Python version of [`PYTHON`]: what a bundle for this machine would have.
fn host_minor() -> MinorVersion {
    let script = "import sys; print('%d.%d' % sys.version_info[:2])";
    let output = Command::new(&*PYTHON).args(["-c", script]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

fn run_python(python: &Path, script: &str) -> String {
    let output = Command::new(python).args(["-I", "-B", "-c", script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn the_build_environment_has_the_wheels_of_a_bundle_for_this_machine() {
    let Some(host) = Target::host() else { return };
    let (_folder, inputs) = Folder::requirements("django==5.2.1\n");
    let lock = lock_for(&inputs, host, host_minor()).unwrap();
    let wheels = downloaded(&lock.wheels, &CACHE);
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path());
    let request = request(&inputs, host, host_minor());
    let make = || environment(&UV, &request, &lock, &wheels, &PYTHON, &cache, &Silent).unwrap();
    // Two runs at once come to one environment.
    let (first, second) = std::thread::scope(|scope| {
        let other = scope.spawn(make);
        (make(), other.join().unwrap())
    });
    assert_eq!(first.python, second.python);
    assert_eq!(run_python(&first.python, "import django; print(django.__version__)"), "5.2.1");
    assert_eq!(first.left_out, Vec::<String>::new());
    let left: Vec<_> = fs_err::read_dir(folder.path().join("environments")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn the_build_environment_for_windows_leaves_out_what_this_machine_cannot_have() {
    if cfg!(windows) {
        return;
    }
    let (_folder, inputs) = Folder::requirements("django==5.2.*\npywin32\nmysqlclient==2.2.7\n");
    let lock = locked(&inputs, Target::WindowsX86_64).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path());
    let made = environment(
        &UV,
        &request(&inputs, Target::WindowsX86_64, PY312),
        &lock,
        &[],
        &PYTHON,
        &cache,
        &Silent,
    )
    .unwrap();
    assert_eq!(made.left_out, ["mysqlclient", "pywin32", "tzdata"]);
    let version = run_python(&made.python, "import django; print(django.__version__)");
    assert_eq!(Some(version.as_str()), lock.version_of("django"));
}

fn layout(target: Target, minor: MinorVersion) -> PythonLayout {
    let (program, site_packages) = match target.is_windows() {
        true => ("python/python.exe".to_owned(), "python/Lib/site-packages".to_owned()),
        false => (format!("python/bin/python{minor}"), format!("python/lib/python{minor}/site-packages")),
    };
    PythonLayout {
        version: PythonVersion { minor, patch: 1 },
        program: EntryPath::parse(&program, target).unwrap(),
        site_packages: EntryPath::parse(&site_packages, target).unwrap(),
    }
}

/// Asks `importlib.metadata` of every package in `site`: are its files there with the hashes of RECORD, is nothing
/// there that no RECORD lists, and do entry points load.
const METADATA: &str = "
import base64, hashlib, os, sys
from importlib import metadata
site = sys.argv[1]
sys.path.insert(0, site)
listed = set()
for package in metadata.distributions(path=[site]):
    assert package.read_text('INSTALLER') == 'holdall\\n', package.name
    assert package.read_text('direct_url.json') is None and package.read_text('REQUESTED') is None
    package.requires, package.entry_points
    for file in package.files:
        place = os.path.normpath(os.path.join(site, str(file)))
        data = open(place, 'rb').read()
        listed.add(place)
        if file.hash:
            digest = base64.urlsafe_b64encode(hashlib.new(file.hash.mode, data).digest()).rstrip(b'=').decode()
            assert (digest, len(data)) == (file.hash.value, file.size), place
        else:
            assert place.endswith('RECORD'), place
    print(package.name.lower(), len(package.entry_points))
there = {os.path.join(folder, name) for folder, _, names in os.walk(os.path.join(site, '..', '..', '..')) for name in names}
there = {os.path.normpath(place) for place in there}
assert there == listed, there ^ listed
";

#[test]
fn importlib_finds_every_package_whole_in_what_was_mapped() {
    let Some(host) = Target::host() else { return };
    let minor = host_minor();
    let (_folder, dependencies) =
        Folder::requirements("django==5.2.1\npillow\ncryptography\npsycopg[binary]\nwhitenoise\ngunicorn\n");
    let lock = lock_for(&dependencies, host, minor).unwrap();
    let wheels = downloaded(&lock.wheels, &CACHE);
    let layout = layout(host, minor);
    let folder = tempfile::tempdir().unwrap();
    for wheel in &wheels {
        for source in wheel::map(wheel, &layout, host).unwrap().sources(&BTreeMap::new(), None).unwrap() {
            let bytes = source.content.read().unwrap().into_owned();
            let file = source.path.below(folder.path());
            fs_err::create_dir_all(file.parent().unwrap()).unwrap();
            fs_err::write(&file, bytes).unwrap();
        }
    }
    let site = layout.site_packages.below(folder.path());
    let script = Folder::of(&[("check.py", METADATA)]);
    let output = Command::new(&*PYTHON).arg("-IB").arg(script.path("check.py")).arg(&site).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("django 1\n") && printed.contains("cffi 2\n"), "{printed}");
    assert_eq!(printed.lines().count(), lock.wheels.len());
}

#[test]
fn a_windows_bundle_keeps_all_native_code_and_every_module_that_is_no_test_or_example() {
    let (_folder, dependencies) = Folder::requirements(
        "django==5.2.*\ndjangorestframework\npsycopg[binary]\npillow\ncryptography\nlxml\ncelery\nnumpy\npandas\npywin32\n",
    );
    let target = Target::WindowsX86_64;
    let lock = locked(&dependencies, target).unwrap();
    let wheels = downloaded(&lock.wheels, &CACHE);
    let layout = layout(target, PY312);
    let map = || wheels.iter().map(|wheel| wheel::map(wheel, &layout, target).unwrap()).collect::<Vec<_>>();
    let whole = map();
    // The last one stands where the bridge does.
    let mut mapped = map();
    mapped.extend(wheel::map(&wheels[0], &layout, target));
    let folder = tempfile::tempdir().unwrap();
    let prunings = Prunings::new(RECIPES.packages.clone(), Whole::Only(BTreeSet::new()));
    let told = layers::prune(&mut mapped, &prunings, 4, &Cache::at(folder.path())).unwrap();

    let names = |mapped: &[wheel::Mapped]| -> BTreeSet<String> {
        mapped.iter().flat_map(|wheel| wheel.files.iter().map(|file| file.name.clone())).collect()
    };
    let (all, kept) = (names(&whole), names(&mapped));
    let left_out: Vec<&String> = all.difference(&kept).collect();
    assert_eq!(told.iter().map(|line| line.files).sum::<u64>(), left_out.len() as u64);
    assert!(left_out.len() * 10 > all.len() * 3, "{} of {}", left_out.len(), all.len());
    let ends = |name: &str, endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    let folders =
        ["tests", "test", "testing", "Demos", "demos", "samples", "examples", "_examples", "checks"];
    for name in &left_out {
        assert!(!ends(name, &[".pyd", ".dll", ".exe", ".mo", ".pth", "py.typed"]), "{name}");
        let in_folder = name.split('/').any(|part| folders.contains(&part));
        let alone = ["/conftest.py", "/tests.py", "celery/contrib/pytest.py", "celery/contrib/sphinx.py"];
        assert!(!name.ends_with(".py") || in_folder || ends(name, &alone), "{name}");
        assert!(!name.contains(".dist-info/") && !name.to_lowercase().contains("license"), "{name}");
    }
    assert!(left_out.iter().any(|name| name.ends_with("-win_amd64.lib")), "import libraries of modules");
    assert!(left_out.iter().any(|name| name.as_str() == "PyWin32.chm"));
    assert_eq!(all.iter().filter(|name| ends(name, &[".pyd", ".dll"])).count(), {
        kept.iter().filter(|name| ends(name, &[".pyd", ".dll"])).count()
    });
}

#[test]
fn the_layers_of_a_windows_bundle_are_made_once() {
    let (_folder, dependencies) = Folder::requirements("django==5.2.1\npillow\npywin32\ncryptography\n");
    let target = Target::WindowsX86_64;
    let lock = locked(&dependencies, target).unwrap();
    let mut wheels = downloaded(&lock.wheels, &CACHE);
    let bridge = wheels.pop().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path());
    let prunings = Prunings::new(RECIPES.packages.clone(), Whole::Only(BTreeSet::new()));
    let layout = layout(target, PY312);
    let shaping = Shaping { layout: &layout, target, prunings: &prunings, compiler: None };
    let make = || layers(&wheels, &bridge, &shaping, &cache, &Silent).unwrap();
    let first = make();
    let names: Vec<_> = first.layers.iter().map(|layer| (layer.kind, layer.name.as_str())).collect();
    let mut expected: Vec<_> =
        lock.wheels.iter().map(|wheel| (LayerKind::Package, wheel.name.as_str())).collect();
    expected.last_mut().unwrap().0 = LayerKind::Bridge;
    assert_eq!(names, expected);
    let files: Vec<_> = first.layers.iter().flat_map(|layer| &layer.index.files).collect();
    assert!(files.iter().any(|file| file.path.as_str() == "python/Lib/site-packages/pywin32.pth"));
    assert!(files.iter().all(|file| file.path.as_str().starts_with("python/Lib/site-packages/")));

    // What is in the cache is not read from the wheels again: layers are found, and are the same.
    let before = stamps(folder.path());
    let second = make();
    let digests = |layers: &PackageLayers| layers.layers.iter().map(|layer| layer.digest).collect::<Vec<_>>();
    assert_eq!(digests(&first), digests(&second));
    assert_eq!(before, stamps(folder.path()));
}

/// Names and times of the files in the layer cache.
fn stamps(cache: &Path) -> BTreeMap<PathBuf, std::time::SystemTime> {
    let entries = fs_err::read_dir(cache.join("layers")).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.path(), entry.metadata().unwrap().modified().unwrap())).collect()
}
