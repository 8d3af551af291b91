//! Bundles with a runtime that was given, for this machine and for Windows. The Windows programs are stand-ins of a
//! few bytes: nothing here starts them.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::Path;

use base64::Engine as _;
use holdall::digest::Sha256;
use serde_json::Value;

use crate::harness::{Test, program};
use crate::runtime_given::{self as given, AMD64, ARM64};

const PROGRAM: &[u8] = b"MZ: the holdall for Windows";

/// What `manage.py startproject` makes, with one requirement that only Windows has.
fn project(test: &Test) {
    fs_err::create_dir(test.path("site")).unwrap();
    test.django(&["-m", "django", "startproject", "mysite", "site"]);
    test.write("site/requirements.txt", "django>=5.2,<5.3\npywin32==311; sys_platform == 'win32'\n");
    let settings = test.read("site/mysite/settings.py");
    test.write("site/mysite/settings.py", settings + "\nSTATIC_ROOT = BASE_DIR / 'collected'\n");
}

/// `holdall bundle site --runtime …`: what it reports.
fn bundle(test: &Test, runtime: &Path, more: &[&str]) -> Value {
    bundle_of(test, "site", runtime, more)
}

/// `holdall bundle PROJECT --runtime …`: what it reports.
pub fn bundle_of(test: &Test, project: &str, runtime: &Path, more: &[&str]) -> Value {
    let args = ["--format", "json", "bundle", project, "--output", "dist", "--runtime"].map(str::to_owned);
    let args = args.into_iter().chain([runtime.display().to_string()]);
    let done = test.holdall(args.chain(more.iter().map(|arg| arg.to_string()))).success();
    serde_json::from_slice(&done.get_output().stdout).unwrap()
}

/// The folder of Holdall's own parts for Windows on x86_64.
pub fn tools(test: &Test) {
    test.write("tools/holdall-windows-x86_64.exe", PROGRAM);
    let name = format!("holdall_bridge-{}", env!("CARGO_PKG_VERSION"));
    let info = format!("{name}.dist-info");
    let about = "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp310-abi3-win_amd64\n";
    let files = [
        ("holdall_bridge/__init__.py".to_owned(), ""),
        ("holdall_bridge/_bridge.pyd".to_owned(), "MZ"),
        (format!("{info}/METADATA"), "Metadata-Version: 2.4\nName: holdall-bridge\n"),
        (format!("{info}/WHEEL"), about),
    ];
    wheel(&test.path(&format!("tools/bridges/{name}-cp310-abi3-win_amd64.whl")), &info, &files);
}

/// Writes a wheel of these files, with a RECORD of them in `info`.
pub fn wheel(path: &Path, info: &str, files: &[(String, &str)]) {
    let mut record = String::new();
    for (name, text) in files {
        let hash = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(Sha256::of(text).as_bytes());
        record.push_str(&format!("{name},sha256={hash},{}\n", text.len()));
    }
    record.push_str(&format!("{info}/RECORD,,\n"));
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    let mut archive = zip::ZipWriter::new(fs_err::File::create(path).unwrap());
    let record = (format!("{info}/RECORD"), record.as_str());
    for (name, text) in files.iter().chain([&record]) {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap();
}

/// The files of a bundle with their contents, after Holdall has found it whole.
fn files(test: &Test, report: &Value) -> BTreeMap<String, Vec<u8>> {
    let path = test.path(report["path"].as_str().unwrap());
    test.holdall(["verify".as_ref(), path.as_os_str()]).success();
    let mut archive = zip::ZipArchive::new(fs_err::File::open(path).unwrap()).unwrap();
    (0..archive.len())
        .map(|number| {
            let mut file = archive.by_index(number).unwrap();
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            (file.name().unwrap().into_owned(), bytes)
        })
        .collect()
}

fn packages(report: &Value) -> Vec<&str> {
    let layers = report["manifest"]["layers"].as_array().unwrap();
    let packages = layers.iter().filter(|layer| layer["kind"] == "package");
    packages.map(|layer| layer["name"].as_str().unwrap()).collect()
}

/// What the notices of a report say.
fn notices(report: &Value) -> String {
    let notices = report["notices"].as_array().unwrap();
    notices.iter().map(|notice| format!("{}\n", notice["what"].as_str().unwrap())).collect()
}

/// A bundle is refused, since a precondition does not hold, and nothing was made; returns the error and its help.
#[track_caller]
fn refused(test: &Test, runtime: &Path, more: &[&str]) -> (String, String) {
    let args = ["--format", "json", "bundle", "site", "--runtime"].map(str::to_owned).into_iter();
    let args = args.chain([runtime.display().to_string()]);
    let done = test.holdall(args.chain(more.iter().map(|arg| arg.to_string()))).code(3);
    assert!(!test.path("site/dist").exists());
    let error: Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
    (error["error"].as_str().unwrap().to_owned(), error["help"].as_str().unwrap().to_owned())
}

#[cfg(target_os = "linux")]
#[test]
fn a_portable_runtime_for_this_machine_makes_a_portable_bundle_that_serves() {
    let test = Test::empty();
    project(&test);
    let (runtime, python) = given::install_only();
    given::tar_gz(&test.path(""), &runtime);
    let report = bundle(&test, &test.path("runtime.tar.gz"), &[]);
    let manifest = &report["manifest"];
    assert_eq!(manifest["portable"], true);
    assert_eq!(manifest["python"]["version"], python.version.to_string());
    assert_eq!(manifest["target"], holdall::target::Target::host().unwrap().as_str());
    assert!(!notices(&report).contains("machine alone"), "{}", notices(&report));

    let bundle_path = test.path(report["path"].as_str().unwrap());
    let site = test.preview([bundle_path.as_os_str(), "--migrate".as_ref()]);
    let login = site.get("/admin/login/");
    assert!(login.status == 200 && login.text().contains("Django administration"), "{}", login.text());
    site.stop();

    // The same from a folder: the same bytes.
    let again = bundle(&test, &given::written(&test.path(""), &runtime), &[]);
    assert_eq!(again["identity"], report["identity"]);
}

#[cfg(target_os = "linux")]
#[test]
fn the_manifest_names_the_newest_glibc_that_any_file_asks_for() {
    use holdall::elf::Glibc;

    let test = Test::empty();
    project(&test);
    let needed = |report: &Value| -> Option<Glibc> {
        let files = files(&test, report).into_values();
        let target = holdall::target::Target::host().unwrap();
        files.filter_map(|bytes| Glibc::needed_by(bytes.as_slice(), target)).max()
    };
    let runtime = Path::new("host");
    let report = bundle(&test, runtime, &[]);
    assert_eq!(report["manifest"]["glibc"], needed(&report).unwrap().to_string());

    // A module of the project's own that asks for a newer one than all the rest.
    let shell = fs_err::read("/bin/sh").unwrap();
    let newest = Glibc::needed_by(shell.as_slice(), holdall::target::Target::host().unwrap()).unwrap();
    let (old, new) = (format!("GLIBC_{newest}\0"), b"GLIBC_2.99\0");
    assert_eq!(old.len(), new.len());
    let at = shell.windows(old.len()).position(|bytes| bytes == old.as_bytes()).unwrap();
    test.write("site/mysite/native.so", [&shell[..at], new, &shell[at + new.len()..]].concat());
    for _ in 0..2 {
        let report = bundle(&test, runtime, &[]);
        assert_eq!(report["manifest"]["glibc"], "2.99");
        assert_eq!(needed(&report).unwrap().to_string(), "2.99");
    }
}

#[test]
fn a_bundle_for_windows_is_made_here_with_what_windows_needs() {
    let test = Test::empty();
    project(&test);
    tools(&test);
    let own = "<configuration><system.webServer><rewrite /></system.webServer></configuration>\r\n";
    test.write("site/iis.config", format!("\u{feff}{own}"));
    test.write("site/holdall.toml", "[iis]\nweb-config = 'iis.config'\n");
    let full = given::tar_gz(&test.path(""), &given::full("python/", AMD64, 12, 10));
    let report = bundle(&test, &full, &["--tools", "tools"]);
    let manifest = &report["manifest"];
    // The target is the runtime's: nobody had to say it.
    assert_eq!((&manifest["target"], &manifest["portable"]), (&"windows-x86_64".into(), &true.into()));
    assert_eq!(manifest["glibc"], Value::Null);
    assert_eq!(packages(&report), ["asgiref", "django", "pywin32", "sqlparse", "tzdata"]);
    let words = notices(&report);
    let left_out = words.contains("not installed while bundling") && words.contains(": pywin32, tzdata");
    assert_eq!(left_out, !cfg!(windows), "{words}");
    let uncompiled = words.contains("the bundle has no bytecode: this machine has no Python 3.12");
    assert_eq!(uncompiled, manifest["bytecode"].is_null(), "{words}");

    let others = |report: &Value| -> Vec<Value> {
        let layers = report["manifest"]["layers"].as_array().unwrap().iter();
        layers.filter(|layer| layer["kind"] != "runtime").map(|layer| layer["digest"].clone()).collect()
    };
    let besides_runtime = others(&report);
    let windows = files(&test, &report);
    let content = |name: &str| String::from_utf8(windows[name].clone()).unwrap();
    // On Windows it is the very program that makes the bundle.
    let program = if cfg!(windows) { fs_err::read(program()).unwrap() } else { PROGRAM.to_owned() };
    assert!(windows["holdall.exe"] == program);
    assert!(content("deploy.cmd").starts_with("@echo off\r\n") && !windows.contains_key("deploy.sh"));
    assert_eq!(content("python/python312._pth"), "Lib\r\nDLLs\r\n.\r\nLib\\site-packages\r\nimport site\r\n");
    for name in ["win32/win32api.pyd", "pywin32.pth", "tzdata/zoneinfo/Europe/Berlin"] {
        assert!(windows.contains_key(&format!("python/Lib/site-packages/{name}")), "{name}");
    }
    // Who has no holdall registers the folder by the commands of IIS alone.
    for (script, does) in [("register", "add site"), ("unregister", "delete site")] {
        let script = content(&format!("iis/{script}.cmd"));
        assert!(
            script.starts_with("@echo off\r\n") && script.contains(&format!("\"%APPCMD%\" {does}")),
            "{script}"
        );
        assert_eq!(script.matches('\n').count(), script.matches("\r\n").count());
    }
    // What the project says to IIS itself goes with it.
    assert_eq!(content("iis/site.web.config"), own);
    assert!(words.contains("`iis.config`: `system.webServer/rewrite` is of URL Rewrite"), "{words}");
    let foreign = |name: &&String| name.ends_with(".so") || name.starts_with("python/lib/");
    assert_eq!(windows.keys().find(foreign), None);

    // The embeddable form differs in the runtime alone.
    let embeddable = given::zip(&test.path(""), &given::embeddable(AMD64, 12, 10));
    let report = bundle(&test, &embeddable, &["--tools", "tools", "--target", "windows-x86_64"]);
    assert_eq!(others(&report), besides_runtime);
    let flat = files(&test, &report);
    let search_path = String::from_utf8(flat["python/python312._pth"].clone()).unwrap();
    assert_eq!(search_path, format!("python312.zip\r\n{}", content("python/python312._pth")));
    assert!(flat.contains_key("python/python312.zip") && !flat.contains_key("python/Lib/os.py"));
    // For this machine: without what is for Windows alone, and with the same folder for the web server.
    let report = bundle(&test, Path::new("host"), &[]);
    let for_windows_alone = |package: &&str| ["pywin32", "tzdata"].contains(package);
    let (for_windows, rest): (Vec<_>, Vec<_>) = packages(&report).into_iter().partition(for_windows_alone);
    assert_eq!(
        (for_windows.len(), rest),
        (if cfg!(windows) { 2 } else { 0 }, vec!["asgiref", "django", "sqlparse"])
    );
    assert!(notices(&report).contains("for this machine alone"), "{}", notices(&report));
    let here = files(&test, &report);
    assert_eq!(here.contains_key("iis/register.cmd"), cfg!(windows));
    for folder in ["www/", "app/"] {
        let part = |files: &BTreeMap<String, Vec<u8>>| -> Vec<(String, Vec<u8>)> {
            let files = files.iter().filter(|(name, _)| name.starts_with(folder) && !name.ends_with(".pyc"));
            files.map(|(name, bytes)| (name.clone(), bytes.clone())).collect()
        };
        assert!(part(&windows).len() > 3, "{folder} has files");
        assert!(
            part(&windows) == part(&here) && part(&flat) == part(&here),
            "{folder} is the same everywhere"
        );
    }
}

#[test]
fn what_does_not_fit_windows_is_refused_before_anything_is_made() {
    let test = Test::empty();
    project(&test);
    let runtime = given::zip(&test.path(""), &given::full("", AMD64, 12, 10));
    let (error, help) = refused(&test, &runtime, &["--target", "linux-arm64"]);
    assert!(error.ends_with("is a runtime for windows-x86_64, and linux-arm64 was asked for"), "{error}");
    assert!(help.contains("`--target windows-x86_64`"), "{help}");
    let (error, help) = refused(&test, Path::new("host"), &["--target", "windows-arm64"]);
    assert!(error.contains("this machine alone") && error.contains("windows-arm64 was asked for"), "{error}");
    assert!(help.contains("`--runtime PATH`"), "{help}");

    // For a machine that is not this one, whichever this is.
    let runtime = given::zip(&test.path(""), &given::full("", ARM64, 12, 10));
    fs_err::create_dir_all(test.path("tools/bridges")).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let release = format!("it is in the release archive of Holdall {version}");
    let (error, help) = refused(&test, &runtime, &["--tools", "tools"]);
    assert!(error.contains("-*-abi3-win_arm64.whl` in `tools` and `"), "{error}");
    assert!(help.starts_with(&release), "{help}");
    test.write(&format!("tools/bridges/holdall_bridge-{version}-cp310-abi3-win_arm64.whl"), "");
    let (error, help) = refused(&test, &runtime, &["--tools", "tools"]);
    assert!(error.contains("no file `holdall-windows-arm64.exe` in `tools` and `"), "{error}");
    assert!(help.starts_with(&release), "{help}");
    let (error, _) = refused(&test, &runtime, &["--tools", "tols"]);
    assert_eq!(error, "there is no folder `tols`, which `--tools` names");
}

#[test]
fn a_lock_made_for_linux_alone_is_no_lock_for_windows() {
    let test = Test::empty();
    test.guestbook("site");
    tools(&test);
    let lock = test.read("site/requirements.txt");
    let (before, _) = lock.split_once("tzdata==").unwrap();
    test.write("site/requirements.txt", before);
    let runtime = given::zip(&test.path(""), &given::full("", AMD64, 12, 10));
    let (error, help) = refused(&test, &runtime, &["--tools", "tools"]);
    assert!(error.starts_with("Python 3.12 on windows-x86_64 needs `tzdata`, which `"), "{error}");
    assert!(help.starts_with("the lock was made for another platform"), "{help}");
}

#[test]
fn a_runtime_of_another_python_than_the_lock_was_made_for_is_refused() {
    let test = Test::empty();
    test.guestbook("site");
    tools(&test);
    let lock = test.read("site/requirements.txt");
    let (before, rest) = lock.split_once("typing-extensions==").unwrap();
    let (_, after) = rest.split_once("\ntzdata==").unwrap();
    test.write("site/requirements.txt", format!("{before}tzdata=={after}"));
    let runtime = given::zip(&test.path(""), &given::full("", AMD64, 10, 11));
    let (error, help) = refused(&test, &runtime, &["--tools", "tools"]);
    assert!(error.starts_with("Python 3.10 on windows-x86_64 needs `typing-extensions`, which `"), "{error}");
    assert!(help.starts_with("the lock was made for another platform or another Python"), "{help}");

    let project = test.read("site/pyproject.toml").replace(">=3.10", ">=3.12");
    test.write("site/pyproject.toml", project);
    let (error, help) = refused(&test, &runtime, &["--tools", "tools"]);
    assert!(error.contains("holds CPython 3.10.11, and the project wants another (>=3.12"), "{error}");
    assert!(help.starts_with("name a runtime that fits"), "{help}");
}

/// The program goes into its own bundles, from wherever it was started and whatever became of its file.
#[cfg(target_os = "linux")]
#[test]
fn the_running_program_is_bundled_though_its_file_is_gone() {
    let test = Test::empty();
    project(&test);
    fs_err::create_dir_all(test.path("opt")).unwrap();
    fs_err::create_dir_all(test.path("bin")).unwrap();
    let program = program();
    fs_err::copy(program, test.path("opt/holdall")).unwrap();
    std::os::unix::fs::symlink("../opt/holdall", test.path("bin/holdall")).unwrap();
    let tools = std::path::PathBuf::from(std::env::var_os("HOLDALL_TOOLS").unwrap()).join("bridges");
    std::os::unix::fs::symlink(tools, test.path("opt/bridges")).unwrap();

    // The parts beside the program are found though a link in another folder starts it, and an update that puts
    // another program in its place while it runs is not mistaken for it.
    let update = "exec 3<bin/holdall; rm opt/holdall; echo other >opt/holdall; exec /proc/self/fd/3 \"$@\"";
    let args = ["--format", "json", "bundle", "site", "--runtime", "host", "--output", "dist"];
    let usual = crate::harness::command(&test.path(""), ["bundle"]);
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", update, "sh"])
        .args(args)
        .current_dir(test.path(""))
        .envs(usual.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .env_remove("HOLDALL_TOOLS");
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["manifest"]["holdall"], Sha256::of_file(program).unwrap().to_string());
    assert!(files(&test, &report)["holdall"] == fs_err::read(program).unwrap());
}
