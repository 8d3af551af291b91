//! Runtimes given as archives and folders. The ones for Windows are laid out as their makers publish them, with
//! programs of a few bytes that have the right headers; the one for Linux is a real CPython, and is started.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use holdall::cache::Cache;
use holdall::layer::Source;
use holdall::progress::Silent;
use holdall::python::MinorVersion;
use holdall::recipe::Recipes;
use holdall::runtime::{self, RuntimeChoice, RuntimeError, RuntimePlan, Wanted};
use holdall::target::Target;

pub const AMD64: u16 = 0x8664;
pub const ARM64: u16 = 0xaa64;
const I386: u16 = 0x014c;

/// A PE file's headers for `machine`, then the version resource of CPython 3.`minor`.`patch`, as final.
fn dll(machine: u16, minor: u16, patch: u16) -> Vec<u8> {
    let mut bytes = vec![0; 0x40];
    bytes[..2].copy_from_slice(b"MZ");
    bytes[0x3c] = 0x40; // where the PE header begins
    bytes.extend(b"PE\0\0");
    bytes.extend(machine.to_le_bytes());
    bytes.resize(0x200, 0);
    bytes.extend(0xfeef_04bd_u32.to_le_bytes());
    bytes.extend(0x0001_0000_u32.to_le_bytes());
    bytes.extend(((3_u32 << 16) | u32::from(minor)).to_le_bytes());
    bytes.extend(((u32::from(patch) * 1000 + 150) << 16 | 1013).to_le_bytes());
    bytes
}

pub type Files = Vec<(String, Vec<u8>)>;

/// The full form below `top`: python-build-standalone has `python/`, NuGet `tools/`, python.org nothing.
pub fn full(top: &str, machine: u16, minor: u16, patch: u16) -> Files {
    let mut files: Files = [
        "python.exe",
        "pythonw.exe",
        "python3.dll",
        "vcruntime140.dll",
        "vcruntime140_1.dll",
        "LICENSE.txt",
        "DLLs/_ssl.pyd",
        "DLLs/libssl-3.dll",
        "DLLs/_tkinter.pyd",
        "DLLs/tcl86t.dll",
        "DLLs/_testcapi.pyd",
        "Lib/os.py",
        "Lib/json/__init__.py",
        "Lib/test/test_os.py",
        "Lib/ensurepip/__init__.py",
        "Lib/site-packages/pip/__init__.py",
        "Lib/tkinter/__init__.py",
        "Scripts/.empty",
        "include/Python.h",
        "libs/python3.lib",
        "tcl/tcl8.6/init.tcl",
    ]
    .map(|name| (format!("{top}{name}"), name.as_bytes().to_vec()))
    .into();
    files.push((format!("{top}python3{minor}.dll"), dll(machine, minor, patch)));
    files
}

pub fn embeddable(machine: u16, minor: u16, patch: u16) -> Files {
    let mut files: Files = [
        "python.exe",
        "pythonw.exe",
        "python3.dll",
        "vcruntime140.dll",
        "_ssl.pyd",
        "libssl-3.dll",
        "python.cat",
    ]
    .map(|name| (name.to_owned(), name.as_bytes().to_vec()))
    .into();
    files.push((format!("python3{minor}.zip"), b"PK".to_vec()));
    files.push((format!("python3{minor}._pth"), format!("python3{minor}.zip\r\n.\r\n").into_bytes()));
    files.push((format!("python3{minor}.dll"), dll(machine, minor, patch)));
    files
}

pub fn zip(folder: &Path, files: &Files) -> PathBuf {
    let path = folder.join("runtime.zip");
    let mut archive = zip::ZipWriter::new(fs_err::File::create(&path).unwrap());
    for (name, bytes) in files {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap();
    path
}

pub fn tar_gz(folder: &Path, files: &Files) -> PathBuf {
    let path = folder.join("runtime.tar.gz");
    let file = fs_err::File::create(&path).unwrap();
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(file, flate2::Compression::fast()));
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o755);
        archive.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap();
    path
}

pub fn written(folder: &Path, files: &Files) -> PathBuf {
    for (name, bytes) in files {
        let file = folder.join("folder").join(name);
        fs_err::create_dir_all(file.parent().unwrap()).unwrap();
        fs_err::write(file, bytes).unwrap();
    }
    folder.join("folder")
}

fn survey(path: &Path, target: Option<Target>) -> Result<RuntimePlan, RuntimeError> {
    let wanted = Wanted { text: "any", fits: &|_| true };
    runtime::survey(
        Some(&RuntimeChoice::Path(path.to_owned())),
        &wanted,
        target,
        &Recipes::read(None).unwrap(),
    )
}

fn sources(plan: &RuntimePlan) -> Vec<Source> {
    runtime::sources(plan, &Cache::at("/nowhere")).unwrap()
}

fn bytes(source: &Source) -> Vec<u8> {
    source.content.read().unwrap().into_owned()
}

fn names(sources: &[Source]) -> Vec<&str> {
    sources.iter().map(|source| source.path.as_str()).collect()
}

fn text(sources: &[Source], name: &str) -> String {
    let source = sources.iter().find(|source| source.path.as_str() == name).unwrap();
    String::from_utf8(bytes(source)).unwrap()
}

#[test]
fn a_full_runtime_for_windows_keeps_what_a_site_needs() {
    let folder = tempfile::tempdir().unwrap();
    let plan = survey(&tar_gz(folder.path(), &full("python/", AMD64, 12, 15)), None).unwrap();
    assert_eq!(plan.target, Target::WindowsX86_64);
    assert_eq!(plan.layout.version.to_string(), "3.12.15");
    assert_eq!(plan.layout.program.as_str(), "python/python.exe");
    assert_eq!(plan.layout.site_packages.as_str(), "python/Lib/site-packages");
    assert!(plan.portable);

    let sources = sources(&plan);
    assert_eq!(
        names(&sources),
        [
            "python/DLLs/_ssl.pyd",
            "python/DLLs/libssl-3.dll",
            "python/LICENSE.txt",
            "python/Lib/json/__init__.py",
            "python/Lib/os.py",
            "python/python.exe",
            "python/python3.dll",
            "python/python312._pth",
            "python/python312.dll",
            "python/vcruntime140.dll",
            "python/vcruntime140_1.dll",
        ]
    );
    assert!(sources.iter().all(|source| !source.executable));
    assert_eq!(
        text(&sources, "python/python312._pth"),
        "Lib\r\nDLLs\r\n.\r\nLib\\site-packages\r\nimport site\r\n"
    );
}

#[test]
fn archive_folder_and_the_forms_of_other_makers_give_the_same_files() {
    let folder = tempfile::tempdir().unwrap();
    let reference = sources(&survey(&tar_gz(folder.path(), &full("python/", ARM64, 13, 16)), None).unwrap());
    let folders = [written(folder.path(), &full("python/", ARM64, 13, 16))];
    let inner = folders[0].join("python");
    let nuget = zip(folder.path(), &full("tools/", ARM64, 13, 16));
    for path in [&folders[0], &inner, &nuget] {
        let plan = survey(path, Some(Target::WindowsArm64)).unwrap();
        let same = sources(&plan);
        assert_eq!(names(&same), names(&reference), "{}", path.display());
        assert!(same.iter().zip(&reference).all(|(a, b)| bytes(a) == bytes(b)));
    }
    let plain = zip(folder.path(), &full("", ARM64, 13, 16));
    assert_eq!(names(&sources(&survey(&plain, None).unwrap())), names(&reference));
}

#[test]
fn the_embeddable_form_keeps_its_zip_and_gets_a_search_path_with_packages() {
    let folder = tempfile::tempdir().unwrap();
    let plan = survey(&zip(folder.path(), &embeddable(AMD64, 11, 9)), Some(Target::WindowsX86_64)).unwrap();
    assert_eq!(plan.layout.version.to_string(), "3.11.9");
    let sources = sources(&plan);
    assert_eq!(
        names(&sources),
        [
            "python/_ssl.pyd",
            "python/libssl-3.dll",
            "python/python.exe",
            "python/python3.dll",
            "python/python311._pth",
            "python/python311.dll",
            "python/python311.zip",
            "python/vcruntime140.dll",
        ]
    );
    assert_eq!(
        text(&sources, "python/python311._pth"),
        "python311.zip\r\nLib\r\nDLLs\r\n.\r\nLib\\site-packages\r\nimport site\r\n"
    );
}

#[test]
fn a_runtime_that_does_not_fit_is_refused_with_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |files: &Files, target: Option<Target>, words: &[&str]| {
        let error = survey(&zip(folder.path(), files), target).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    };
    let amd64 = full("", AMD64, 12, 1);
    refused(&amd64, Some(Target::LinuxX86_64), &["windows-x86_64", "linux-x86_64 was asked for"]);
    refused(&full("", I386, 12, 1), None, &["python312.dll", "not made for 64-bit"]);
    refused(&full("", AMD64, 9, 1), None, &["CPython 3.9.1", "3.10 is the oldest"]);

    let without = |name: &str| amd64.iter().filter(|(file, _)| file != name).cloned().collect::<Files>();
    refused(&without("Lib/os.py"), None, &["no runtime of a form"]);
    refused(&without("python312.dll"), None, &["no runtime of a form"]);
    refused(&vec![("readme.txt".to_owned(), Vec::new())], None, &["no runtime of a form"]);

    let mut unsaid = without("python312.dll");
    unsaid.push(("python312.dll".to_owned(), dll(AMD64, 12, 1)[..0x100].to_vec()));
    refused(&unsaid, None, &["does not say which CPython", "`python312.dll`", "`include/patchlevel.h`"]);
    let mut threaded = without("python312.dll");
    threaded.push(("python313t.dll".to_owned(), dll(AMD64, 13, 1)));
    refused(&threaded, None, &["free-threaded"]);

    let path = zip(folder.path(), &amd64);
    let wanted = Wanted { text: "requires-python = \">=3.13\"", fits: &|minor| minor.minor >= 13 };
    let choice = RuntimeChoice::Path(path);
    let error = runtime::survey(Some(&choice), &wanted, None, &Recipes::read(None).unwrap()).unwrap_err();
    assert!(matches!(error, RuntimeError::OtherPython { .. }));
    assert!(error.to_string().contains("3.12.1") && error.to_string().contains(">=3.13"), "{error}");
}

#[test]
fn a_runtime_that_changes_between_plan_and_work_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = zip(folder.path(), &full("", AMD64, 12, 1));
    let plan = survey(&path, None).unwrap();
    zip(folder.path(), &full("", AMD64, 12, 2));
    let error = runtime::sources(&plan, &Cache::at("/nowhere")).unwrap_err();
    assert!(matches!(error, RuntimeError::Changed { .. }), "{error}");
}

#[test]
fn a_folder_whose_python_leaves_bytecode_there_is_the_same_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), &full("", AMD64, 12, 1));
    let plan = survey(&path, None).unwrap();
    for left in ["Lib/json/__pycache__/decoder.cpython-312.pyc", "Lib/site-packages/pip/more.py"] {
        fs_err::create_dir_all(path.join(left).parent().unwrap()).unwrap();
        fs_err::write(path.join(left), "").unwrap();
    }
    assert_eq!(survey(&path, None).unwrap().digest, plan.digest);
    assert!(!sources(&plan).is_empty());
    fs_err::write(path.join("Lib/os.py"), "changed").unwrap();
    let error = runtime::sources(&plan, &Cache::at("/nowhere")).unwrap_err();
    assert!(matches!(error, RuntimeError::Changed { .. }), "{error}");
}

#[test]
fn the_layer_is_made_once_and_then_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = zip(folder.path(), &full("", AMD64, 12, 1));
    let plan = survey(&path, None).unwrap();
    let cache = Cache::at(folder.path().join("cache"));
    let layer = || {
        let mut notices = Vec::new();
        let layer = runtime::layer(&plan, None, &cache, &Silent, &mut notices).unwrap();
        assert_eq!(notices, []);
        layer
    };
    let first = layer();
    assert!(first.size() > 0);
    // Without the archive a layer could not be made again.
    fs_err::remove_file(&path).unwrap();
    assert_eq!(layer().digest, first.digest);
}

#[test]
fn with_no_runtime_named_the_error_says_which_archive_fits() {
    let recipes = Recipes::read(None).unwrap();
    let wanted = Wanted { text: "the project names none", fits: &|minor| minor.minor == 12 };
    let error = runtime::survey(None, &wanted, None, &recipes).unwrap_err();
    let RuntimeError::NotChosen { target, known, .. } = &error else { panic!("{error}") };
    assert_eq!(*target, Target::WindowsX86_64);
    assert!(known.file.ends_with("x86_64-pc-windows-msvc-install_only_stripped.tar.gz"), "{}", known.file);
    let help = miette::Diagnostic::help(&error).unwrap().to_string();
    for word in [&known.file, &known.sha256.to_string(), "--runtime PATH", "--runtime host"] {
        assert!(help.contains(word), "{help}");
    }
    let wanted = Wanted { text: "3.10", fits: &|minor: MinorVersion| minor.minor == 10 };
    let error = runtime::survey(None, &wanted, Some(Target::WindowsArm64), &recipes).unwrap_err();
    assert!(matches!(error, RuntimeError::NoneKnown { .. }), "{error}");
}

/// A relocatable CPython in the `install_only` form: this machine's own, with headers, links and a pip.
#[cfg(target_os = "linux")]
pub fn install_only() -> (Files, runtime::HostPython) {
    let recipes = Recipes::read(None).unwrap();
    let cache = Cache::at(Path::new(env!("CARGO_TARGET_TMPDIR")).join("runtime-cache"));
    let python = runtime::find_python(|_| true).expect("a CPython of 3.10 or later on this machine");
    let plan = runtime::of_python(python.clone(), &recipes).unwrap();
    let mut files: Files = runtime::sources(&plan, &cache)
        .unwrap()
        .iter()
        .map(|source| (source.path.to_string(), bytes(source)))
        .collect();
    let minor = python.version.minor;
    let header = format!("#define PY_VERSION \"{}\"\n", python.version);
    files.push((format!("python/include/python{minor}/patchlevel.h"), header.into_bytes()));
    for name in ["site-packages/pip/__init__.py", "test/test_os.py"] {
        files.push((format!("python/lib/python{minor}/{name}"), Vec::new()));
    }
    files.push(("python/lib/libtcl8.6.so".to_owned(), b"\x7fELF".to_vec()));
    files.push(("python/bin/pip3".to_owned(), b"#!".to_vec()));
    (files, python)
}

#[cfg(target_os = "linux")]
#[test]
fn an_install_only_runtime_for_linux_starts_from_any_folder() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (files, python) = install_only();
    let plan = survey(&tar_gz(folder.path(), &files), Target::host()).unwrap();
    assert_eq!(plan.layout.version, python.version);
    assert!(plan.portable);
    assert_eq!(plan.notices, []);

    let sources = sources(&plan);
    for source in &sources {
        let path = source.path.as_str();
        let out = ["/include/", "/test/", "/site-packages/", "pip3", "libtcl"];
        assert!(!out.iter().any(|part| path.contains(part)), "{path}");
        assert_eq!(source.executable, source.path == plan.layout.program, "{path}");
        let file = source.path.below(folder.path());
        fs_err::create_dir_all(file.parent().unwrap()).unwrap();
        fs_err::write(&file, bytes(source)).unwrap();
        let mode = if source.executable { 0o755 } else { 0o644 };
        fs_err::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
    }
    let output = std::process::Command::new(plan.layout.program.below(folder.path()))
        .args(["-I", "-B", "-X", "utf8", "-c", "import ssl, sqlite3, ctypes, zlib, sys; print(sys.prefix)"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(Path::new(said.trim()), fs_err::canonicalize(folder.path()).unwrap().join("python"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_linux_runtime_that_needs_its_machine_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (mut files, python) = install_only();
    files.retain(|(name, _)| !name.starts_with("python/lib/libz.so"));
    let error = survey(&tar_gz(folder.path(), &files), None).unwrap_err();
    assert!(matches!(&error, RuntimeError::NotRelocatable { why, .. } if why.contains("libz.so")), "{error}");

    files.retain(|(name, _)| !name.ends_with("/os.py"));
    let error = survey(&tar_gz(folder.path(), &files), None).unwrap_err();
    assert!(matches!(error, RuntimeError::NoForm { .. }), "{error} for CPython {}", python.version);
}
