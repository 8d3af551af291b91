//! A real Windows CPython, as an archive of the form in which python-build-standalone publishes one.
//!
//! The interpreter's DLL and the extension modules are the official ones: a game engine's wheel carries them, for
//! programs it packs. `python.exe` and `python3.dll`, which it lacks, are made here; the library in Python comes from
//! a CPython of the same minor version on this machine.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use object::read::pe::PeFile64;

use super::{Lab, Server, folder, made_from, source, wine};
use crate::archive::{self, Files};
use crate::tools;

/// The wheel with the DLLs, and for each minor version what is in it and its SHA-256.
const PACKAGE: &str = "panda3d==1.10.16";
const WHEELS: [Wheel; 4] = [
    Wheel {
        minor: 10,
        version: "3.10.11",
        sha256: "3f5e084314a842875f9fbb2d6276c4bf80faa277592d90620a3b90717c4847e5",
    },
    Wheel {
        minor: 11,
        version: "3.11.9",
        sha256: "37acfb92655c4226879f95c988e2ef1449a53c54486d6c1ebc00e2772429af82",
    },
    Wheel {
        minor: 12,
        version: "3.12.10",
        sha256: "f6493e2ecc0d1b7c1556a999556e5278cbc9484fe5fe1e159a1ccc02b870b18f",
    },
    Wheel {
        minor: 13,
        version: "3.13.11",
        sha256: "0e505261bb58d8402d0099c291f1a3459acfdd38f3e7d666e72aa2e1ea5dc46f",
    },
];

/// Raised when this file packs the same things in another way.
const EDITION: u32 = 1;

struct Wheel {
    minor: u8,
    /// The CPython whose DLLs it has.
    version: &'static str,
    sha256: &'static str,
}

impl Wheel {
    /// `python311`
    fn library(&self) -> String {
        format!("python3{}", self.minor)
    }
}

/// A CPython of this machine.
struct Host {
    minor: u8,
    version: String,
    stdlib: PathBuf,
}

/// What the runtime is made of.
struct Plan {
    wheel: &'static Wheel,
    host: Host,
}

impl Plan {
    fn new() -> anyhow::Result<Plan> {
        let mut seen = Vec::new();
        for host in hosts()? {
            if let Some(wheel) = WHEELS.iter().find(|wheel| wheel.minor == host.minor) {
                return Ok(Plan { wheel, host });
            }
            seen.push(host.version);
        }
        bail!(
            "the lab can have a Windows CPython 3.10 to 3.13 and needs one of the same minor version on PATH; there \
             is {}",
            seen.join(", ")
        )
    }

    /// `cpython-3.11.9-windows-x86_64-install_only`
    fn name(&self) -> String {
        format!("cpython-{}-windows-x86_64-install_only", self.wheel.version)
    }

    fn lab(&self) -> Lab {
        let runtime = folder().join(format!("{}.tar.gz", self.name()));
        Lab { runtime, python: folder().join(self.name()).join("python") }
    }

    fn mark(&self) -> PathBuf {
        folder().join(format!("{}.made-from.txt", self.name()))
    }

    /// All that decides what is in the archive.
    fn recipe(&self) -> anyhow::Result<String> {
        Ok(format!(
            "edition {EDITION}\n{PACKAGE} {}\nlibrary of CPython {} in {}\n{}",
            self.wheel.sha256,
            self.host.version,
            self.host.stdlib.display(),
            fs_err::read_to_string(source("python.c"))?
        ))
    }

    fn made(&self) -> anyhow::Result<Option<Lab>> {
        let lab = self.lab();
        let there = made_from(&self.mark(), &self.recipe()?) && lab.runtime.exists() && lab.python.exists();
        Ok(there.then_some(lab))
    }
}

/// The runtime if it is there; makes nothing.
pub fn check() -> anyhow::Result<Lab> {
    Plan::new()?.made()?.context("there is no Windows CPython yet: run `cargo xtask lab`")
}

/// Makes the runtime: a folder, which has to start in Wine, and the archive of it.
pub fn set_up() -> anyhow::Result<Lab> {
    let plan = Plan::new()?;
    if let Some(lab) = plan.made()? {
        return Ok(lab);
    }
    let lab = plan.lab();
    let wheel = download(plan.wheel)?;
    tools::step(&format!("make the Windows CPython {}", plan.wheel.version));
    let mut files = Files::new();
    add_wheel(&mut files, plan.wheel, &wheel)?;
    add_programs(&mut files, plan.wheel)?;
    add_library(&mut files, &plan.host)?;
    let unpacked = folder().join(plan.name());
    if unpacked.exists() {
        fs_err::remove_dir_all(&unpacked)?;
    }
    archive::write_folder(&files, &unpacked)?;
    tools::step("start it in Wine");
    try_out(&lab.python)?;
    archive::write_tar_gz(&files, &lab.runtime)?;
    fs_err::write(plan.mark(), plan.recipe()?)?;
    Ok(lab)
}

/// The CPythons of this machine, the one that the other chores use first. Each is asked when its turn comes.
fn hosts() -> anyhow::Result<impl Iterator<Item = Host>> {
    let first = tools::host_python()?.path;
    let others = WHEELS.iter().rev().map(|wheel| PathBuf::from(format!("python3.{}", wheel.minor)));
    Ok(std::iter::once(first).chain(others).filter_map(|python| ask(&python)))
}

fn ask(python: &Path) -> Option<Host> {
    let question = "import platform, sys, sysconfig; \
         print(sys.version_info[1], platform.python_version(), sysconfig.get_path('stdlib'), sep='\\n')";
    let output = Command::new(python).args(["-I", "-S", "-B", "-c", question]).output().ok()?;
    let answer = String::from_utf8(output.stdout).ok()?;
    let mut lines = answer.lines();
    let minor = lines.next()?.parse().ok()?;
    Some(Host { minor, version: lines.next()?.to_owned(), stdlib: PathBuf::from(lines.next()?) })
}

/// Downloads the wheel; pip checks the digest, also of one that is there already.
fn download(wheel: &Wheel) -> anyhow::Result<PathBuf> {
    let python = tools::environment("lab", &[])?;
    let downloads = folder().join("downloads").join(wheel.library());
    fs_err::create_dir_all(&downloads)?;
    let requirements = downloads.join("requirements.txt");
    fs_err::write(&requirements, format!("{PACKAGE} --hash=sha256:{}\n", wheel.sha256))?;
    tools::step(&format!("download {PACKAGE} for CPython 3.{} on Windows", wheel.minor));
    tools::run(
        Command::new(python)
            .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"])
            .args(["--only-binary", ":all:", "--platform", "win_amd64", "--require-hashes"])
            .args(["--python-version", &format!("3.{}", wheel.minor), "--requirement"])
            .arg(requirements)
            .arg("--dest")
            .arg(&downloads),
    )?;
    fs_err::read_dir(&downloads)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .with_context(|| format!("pip left no wheel in `{}`", downloads.display()))
}

/// The DLLs and extension modules.
fn add_wheel(files: &mut Files, wheel: &Wheel, path: &Path) -> anyhow::Result<()> {
    let mut zip = zip::ZipArchive::new(fs_err::File::open(path)?)?;
    let mut found = BTreeMap::new();
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index)?;
        let Some(name) = entry.name()?.strip_prefix("deploy_libs/").map(str::to_owned) else { continue };
        if let Some(place) = place(wheel, &name) {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            found.insert(place, bytes);
        }
    }
    for needed in [format!("python/{}.dll", wheel.library()), "python/vcruntime140.dll".to_owned()] {
        ensure!(found.contains_key(&needed), "`{}` has no `{needed}`", path.display());
    }
    // The wheels for the older versions leave it out, though extension modules of other packages want it.
    if let std::collections::btree_map::Entry::Vacant(vacant) =
        found.entry("python/vcruntime140_1.dll".to_owned())
    {
        vacant.insert(fs_err::read("/usr/lib/x86_64-linux-gnu/wine/x86_64-windows/vcruntime140_1.dll")?);
    }
    files.extend(found);
    Ok(())
}

/// Where a file of the wheel lies in the runtime, or `None` for what stays out: the C runtime that is part of
/// Windows, Tcl, what CPython is tested with, the modules of the free-threaded build.
fn place(wheel: &Wheel, name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    if lower == format!("{}.dll", wheel.library()) || lower.starts_with("vcruntime140") {
        return Some(format!("python/{lower}"));
    }
    let left_out = ["api-ms-win-", "tcl", "tk", "_tkinter", "_test", "_ctypes_test"];
    let library = lower.ends_with(".dll");
    let module = lower.ends_with(".pyd") && !lower.contains("t-win");
    let wanted = (library || module) && !left_out.iter().any(|start| lower.starts_with(start));
    wanted.then(|| format!("python/DLLs/{name}"))
}

/// `python.exe`, and `python3.dll`: the name by which modules for every version find the interpreter.
fn add_programs(files: &mut Files, wheel: &Wheel) -> anyhow::Result<()> {
    let work = folder().join("build").join(wheel.library());
    fs_err::create_dir_all(&work)?;
    let library = wheel.library();

    let definition = work.join("import.def");
    fs_err::write(&definition, format!("LIBRARY {library}.dll\nEXPORTS\nPy_Main\n"))?;
    let import = work.join("import.a");
    tools::run(
        Command::new("x86_64-w64-mingw32-dlltool")
            .arg("--input-def")
            .arg(&definition)
            .arg("--output-lib")
            .arg(&import),
    )?;
    let program = work.join("python.exe");
    let import = import.to_str().context("the path of `target` is not UTF-8")?;
    wine::compile(&source("python.c"), &program, &["-municode", import])?;
    files.insert("python/python.exe".to_owned(), fs_err::read(program)?);

    let interpreter = &files[&format!("python/{library}.dll")];
    let forwards = work.join("python3.def");
    fs_err::write(&forwards, forwards_to(&library, interpreter)?)?;
    let stable = work.join("python3.dll");
    wine::compile(&forwards, &stable, &["-shared", "-nostdlib", "-Wl,--entry=0"])?;
    files.insert("python/python3.dll".to_owned(), fs_err::read(stable)?);
    Ok(())
}

/// A module definition that passes each name of the C API on to the interpreter's DLL.
///
/// The official `python3.dll` passes on the stable part alone; nothing in the interpreter's DLL says which that is.
fn forwards_to(library: &str, dll: &[u8]) -> anyhow::Result<String> {
    let pe = PeFile64::parse(dll)?;
    let table = pe.export_table()?.with_context(|| format!("`{library}.dll` exports nothing"))?;
    let mut definition = "LIBRARY python3.dll\nEXPORTS\n".to_owned();
    for export in table.exports()? {
        let Some(name) = export.name else { continue };
        let name = std::str::from_utf8(name)?;
        if name.starts_with("Py") || name.starts_with("_Py") {
            definition.push_str(&format!("{name}={library}.{name}\n"));
        }
    }
    Ok(definition)
}

/// `Lib/`: the part of the standard library that is written in Python and the same on every system.
fn add_library(files: &mut Files, host: &Host) -> anyhow::Result<()> {
    ensure!(host.stdlib.join("os.py").is_file(), "no standard library in `{}`", host.stdlib.display());
    add_folder(files, &host.stdlib, "")?;
    let license = host.stdlib.join("LICENSE.txt");
    if license.is_file() {
        files.insert("python/LICENSE.txt".to_owned(), fs_err::read(license)?);
    }
    Ok(())
}

fn add_folder(files: &mut Files, folder: &Path, below: &str) -> anyhow::Result<()> {
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = format!("{below}{name}");
        if of_the_host(&path) {
            continue;
        }
        // A link is the distribution's: its target lies outside of the library.
        let kind = entry.file_type()?;
        if kind.is_dir() {
            add_folder(files, &entry.path(), &format!("{path}/"))?;
        } else if kind.is_file() {
            files.insert(format!("python/Lib/{path}"), fs_err::read(entry.path())?);
        }
    }
    Ok(())
}

/// What is for this system or this installation only, or would be of no use: tests, and windows on a screen.
fn of_the_host(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let at_top = |names: &[&str]| !path.contains('/') && names.contains(&path);
    at_top(&["lib-dynload", "site-packages", "dist-packages", "test", "idlelib", "tkinter", "turtledemo"])
        || at_top(&["EXTERNALLY-MANAGED", "LICENSE.txt", "sitecustomize.py"])
        || path.starts_with("config-")
        || path.starts_with("_sysconfigdata")
        || matches!(name, "__pycache__" | "test" | "tests")
        || [".pyc", ".so", ".a"].iter().any(|end| name.ends_with(end))
}

/// Starts `python.exe` and has it import what needs each of the DLLs.
pub fn try_out(python: &Path) -> anyhow::Result<()> {
    let server = Server::start()?;
    let question = "import sys, ssl, sqlite3, ctypes, asyncio, decimal, lzma, bz2, hashlib, platform; \
         answer = sqlite3.connect(':memory:').execute('select 41+1').fetchone()[0]; \
         print(sys.platform, platform.machine(), answer)";
    let output = wine::output(server.wine(python.join("python.exe")).args(["-I", "-B", "-c", question]))?;
    let answer = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    ensure!(answer == "win32 AMD64 42", "the Windows CPython answers `{answer}`");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn placed(name: &str, expected: Option<&str>) {
        assert_eq!(place(&WHEELS[3], name).as_deref(), expected);
    }

    #[test]
    fn what_a_runtime_has_is_taken_from_the_wheel() {
        placed("python313.dll", Some("python/python313.dll"));
        placed("VCRUNTIME140_1.dll", Some("python/vcruntime140_1.dll"));
        placed("_ssl.pyd", Some("python/DLLs/_ssl.pyd"));
        placed("libffi-8.dll", Some("python/DLLs/libffi-8.dll"));
        for name in
            ["api-ms-win-crt-math-l1-1-0.dll", "_ssl.cp313t-win_amd64.pyd", "_tkinter.pyd", "tcl86t.dll"]
        {
            placed(name, None);
        }
    }

    #[test]
    fn what_belongs_to_this_machine_stays_out_of_the_library() {
        for path in ["lib-dynload", "config-3.11-x86_64-linux-gnu", "json/__pycache__", "site-packages"] {
            assert!(of_the_host(path), "{path}");
        }
        for path in ["os.py", "json/decoder.py", "importlib/metadata", "configparser.py", "ensurepip"] {
            assert!(!of_the_host(path), "{path}");
        }
    }
}
