//! This machine's CPythons, moved into an empty folder, run there alone: their old place is hidden, and nothing
//! outside the folder but glibc is mapped.
#![allow(clippy::print_stderr)]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use holdall::cache::Cache;
use holdall::layer::Source;
use holdall::recipe::Recipes;
use holdall::runtime::{self, HostPython, RuntimeChoice, RuntimeError, RuntimePlan, Wanted};
use holdall::target::Target;

/// Imports every module written in C, uses the ones that stand on a library, and shows what is mapped.
const SCRIPT: &str = r#"
import asyncio, bz2, ctypes, decimal, hashlib, lzma, os, sqlite3, ssl, sys, sysconfig, uuid, venv, zlib
import importlib, json
assert ssl.create_default_context().protocol == ssl.PROTOCOL_TLS_CLIENT
assert sqlite3.connect(":memory:").execute("select 6 * 7").fetchone() == (42,)
assert ctypes.CDLL(None).abs(-7) == 7
assert ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda n: n + 1)(1) == 2
for module in zlib, bz2, lzma:
    assert module.decompress(module.compress(b"bundle" * 99)) == b"bundle" * 99
assert hashlib.sha256(b"abc").hexdigest().startswith("ba7816bf")
assert decimal.Decimal("0.1") + decimal.Decimal("0.2") == decimal.Decimal("0.3")
assert uuid.uuid1().version == 1
asyncio.run(asyncio.sleep(0))
# What wheels and modules written in Rust take for granted comes from the folder too.
ctypes.CDLL("libgcc_s.so.1"), ctypes.CDLL("libstdc++.so.6")
folder = next(path for path in sys.path if path.endswith("lib-dynload"))
modules = sorted(name.split(".")[0] for name in os.listdir(folder))
for module in modules:
    importlib.import_module(module)
with open("/proc/self/maps") as maps:
    mapped = sorted({line.split(None, 5)[5].strip() for line in maps if len(line.split(None, 5)) == 6})
print(json.dumps({
    "path": sys.path, "prefix": sys.prefix, "exec_prefix": sys.exec_prefix, "modules": modules,
    "packages": sysconfig.get_path("purelib"), "module_files": sorted(
        m.__file__ for m in list(sys.modules.values()) if getattr(m, "__file__", None)),
    "mapped": mapped, "here": __import__("here").__name__, "utf8": sys.flags.utf8_mode,
}))
"#;

/// Tells which modules of the list on standard input do not import.
const IMPORT_ALL: &str = r#"
import contextlib, importlib, io, json, sys
failed = []
for name in json.load(sys.stdin):
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            importlib.import_module(name)
    except BaseException as error:
        failed.append(f"{name}: {type(error).__name__}")
print(json.dumps(failed))
"#;

/// One interpreter of each kind that is on this machine: the newest of those below a home, and the system's.
fn kinds() -> Vec<HostPython> {
    let mut kinds = BTreeMap::new();
    for python in runtime::pythons().flatten() {
        let system = python.path.starts_with("/usr");
        kinds.entry((system, python.version.minor)).or_insert(python);
    }
    assert!(!kinds.is_empty(), "no CPython of 3.10 or later on this machine");
    kinds.into_values().collect()
}

fn plan(python: &HostPython) -> RuntimePlan {
    runtime::of_python(python.clone(), &Recipes::read(None).unwrap()).unwrap()
}

fn cache() -> Cache {
    Cache::at(Path::new(env!("CARGO_TARGET_TMPDIR")).join("runtime-cache"))
}

/// Writes the files as a bundle is expanded.
fn expand(sources: &[Source], folder: &Path) {
    for source in sources {
        let file = source.path.below(folder);
        fs_err::create_dir_all(file.parent().unwrap()).unwrap();
        fs_err::write(&file, bytes(source)).unwrap();
        let mode = if source.executable { 0o755 } else { 0o644 };
        fs_err::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
    }
}

fn bytes(source: &Source) -> Vec<u8> {
    source.content.read().unwrap().into_owned()
}

/// The folders in which the interpreter finds its library where it comes from.
fn old_places(python: &HostPython) -> Vec<PathBuf> {
    let prefix = python.path.parent().unwrap().parent().unwrap();
    if prefix == Path::new("/usr") {
        let library = format!("/usr/lib/python{}", python.version.minor);
        let local = format!("/usr/local/lib/python{}", python.version.minor);
        return [&library, "/usr/lib/python3", &local]
            .into_iter()
            .map(PathBuf::from)
            .filter(|folder| folder.is_dir())
            .collect();
    }
    vec![prefix.to_owned()]
}

/// Whether this machine lets us hide folders from a process.
fn can_hide() -> bool {
    let tried = Command::new("unshare").args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
    tried.is_ok_and(|output| output.status.success())
}

/// Runs `program` where `hidden` are empty folders.
fn run(program: &Path, hidden: &[PathBuf], hostile: &Path) -> Output {
    let mut command = if hidden.is_empty() {
        Command::new(program)
    } else {
        let mut command = Command::new("unshare");
        let script = "while [ \"$1\" != -- ]; do mount -t tmpfs none \"$1\" || exit 99; shift; done; shift; exec \"$@\"";
        command.args(["-m", "sh", "-c", script, "sh"]).args(hidden).arg("--").arg(program);
        command
    };
    command
        .args(["-I", "-B", "-X", "utf8", "-c", SCRIPT])
        .env("PYTHONPATH", hostile)
        .env("PYTHONHOME", hostile)
        .env("LD_LIBRARY_PATH", hostile)
        .current_dir("/")
        .output()
        .unwrap()
}

fn is_glibc(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap();
    ["libc.", "libm.", "libmvec.", "libdl.", "libpthread.", "librt.", "libutil.", "libresolv.", "ld-linux"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

#[test]
fn pythons_of_this_machine_run_from_a_folder_of_their_own() {
    let hide = can_hide();
    if !hide {
        eprintln!("this machine does not let us hide folders: the old places stay in sight");
    }
    for python in kinds() {
        eprintln!("CPython {} in {}", python.version, python.path.display());
        let plan = plan(&python);
        assert!(!plan.portable);
        let folder = tempfile::tempdir().unwrap();
        let root = fs_err::canonicalize(folder.path()).unwrap();
        expand(&runtime::sources(&plan, &cache()).unwrap(), &root);
        let packages = plan.layout.site_packages.below(&root);
        fs_err::create_dir_all(&packages).unwrap();
        fs_err::write(packages.join("here.py"), "").unwrap();
        let hostile = tempfile::tempdir().unwrap();
        fs_err::write(hostile.path().join("json.py"), "raise SystemExit('PYTHONPATH was heard')").unwrap();
        for library in ["libffi.so.8", "libffi.so.7", "libsqlite3.so.0", "libbz2.so.1.0", "libstdc++.so.6"] {
            fs_err::write(hostile.path().join(library), "LD_LIBRARY_PATH was heard").unwrap();
        }

        let hidden = if hide { old_places(&python) } else { Vec::new() };
        let output = run(&plan.layout.program.below(&root), &hidden, hostile.path());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();

        let inside = |text: &str| Path::new(text).starts_with(root.join("python"));
        let texts = |key: &str| -> Vec<String> { serde_json::from_value(said[key].clone()).unwrap() };
        for key in ["prefix", "exec_prefix", "packages"] {
            assert!(inside(said[key].as_str().unwrap()), "{key}: {}", said[key]);
        }
        assert_eq!(said["packages"].as_str().unwrap(), packages.to_str().unwrap());
        for file in texts("path").iter().chain(&texts("module_files")) {
            assert!(inside(file), "{file} is outside");
        }
        for file in texts("mapped").iter().filter(|file| file.starts_with('/')) {
            let deleted = file.ends_with(" (deleted)");
            let locale = file.starts_with("/usr/lib/locale/") || file.contains("/gconv/");
            assert!(inside(file) || is_glibc(file) || locale || deleted, "{file} is mapped");
        }
        assert!(texts("mapped").iter().any(|file| file.contains("/python/lib/libssl.so")), "{said}");
        assert!(texts("modules").len() > 20, "{said}");
        assert_eq!(said["utf8"], 1);
    }
}

/// The modules written in Python among the files of a runtime, but for programs and one that opens a browser.
fn modules(plan: &RuntimePlan, sources: &[Source]) -> Vec<String> {
    let library = format!("python/lib/python{}/", plan.layout.version.minor);
    let names = sources.iter().filter_map(|source| {
        let module = source.path.as_str().strip_prefix(&library)?.strip_suffix(".py")?;
        let module = module.strip_suffix("/__init__").unwrap_or(module).replace('/', ".");
        let starts = module.ends_with("__main__") || module == "antigravity";
        (!starts && module.split('.').all(|part| part != "lib-dynload")).then_some(module)
    });
    names.collect()
}

fn that_fail(program: &Path, modules: &[String]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("modules.json");
    fs_err::write(&list, serde_json::to_vec(modules).unwrap()).unwrap();
    let output = Command::new(program)
        // Without `site`, as packages of the machine may put something in the place of the library.
        .args(["-I", "-S", "-B", "-W", "ignore", "-X", "utf8", "-c", IMPORT_ALL])
        .stdin(fs_err::File::open(list).unwrap().into_file())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn what_is_left_of_the_library_imports_as_it_did_with_all_of_it() {
    for python in kinds() {
        let plan = plan(&python);
        let folder = tempfile::tempdir().unwrap();
        let sources = runtime::sources(&plan, &cache()).unwrap();
        expand(&sources, folder.path());
        let modules = modules(&plan, &sources);
        assert!(modules.len() > 400, "{}", modules.len());
        let left = that_fail(&plan.layout.program.below(folder.path()), &modules);
        assert_eq!(left, that_fail(&python.path, &modules), "CPython {}", python.version);
        // Modules of other systems.
        assert!(left.len() < 20, "{left:?}");
    }
}

#[test]
fn two_runs_give_the_same_bytes() {
    let python = kinds().remove(0);
    let (first, second) = (plan(&python), plan(&python));
    assert_eq!(first.digest, second.digest);
    let first = runtime::sources(&first, &cache()).unwrap();
    let second = runtime::sources(&second, &cache()).unwrap();
    assert_eq!(first.len(), second.len());
    for (a, b) in first.iter().zip(&second) {
        assert!(a.path == b.path && bytes(a) == bytes(b), "{} and {} differ", a.path, b.path);
    }
    assert!(first.is_sorted_by(|a, b| a.path < b.path));
}

#[test]
fn what_no_site_imports_stays_out() {
    for python in kinds() {
        let sources = runtime::sources(&plan(&python), &cache()).unwrap();
        let executable: Vec<_> =
            sources.iter().filter(|s| s.executable).map(|s| s.path.to_string()).collect();
        assert_eq!(executable, [format!("python/bin/python{}", python.version.minor)]);
        for source in &sources {
            let path = source.path.as_str();
            for part in
                ["/site-packages/", "/dist-packages/", "/test/", "/__pycache__/", "/tkinter/", "/ensurepip/"]
            {
                assert!(!path.contains(part), "{path}");
            }
            assert!(!path.contains("libtcl") && !path.contains("libkrb5"), "{path}");
        }
    }
}

#[test]
fn the_host_runtime_is_for_this_machine_alone() {
    let recipes = Recipes::read(None).unwrap();
    let host = Target::host().unwrap();
    let other = Target::ALL.into_iter().find(|target| *target != host);
    let wanted = Wanted { text: "any", fits: &|_| true };
    let error = runtime::survey(Some(&RuntimeChoice::Host), &wanted, other, &recipes).unwrap_err();
    assert!(matches!(error, RuntimeError::NotForHost { .. }), "{error}");

    let wanted = Wanted { text: "requires-python = \"<3\"", fits: &|_| false };
    let error = runtime::survey(Some(&RuntimeChoice::Host), &wanted, Some(host), &recipes).unwrap_err();
    assert!(error.to_string().contains("requires-python"), "{error}");
}
