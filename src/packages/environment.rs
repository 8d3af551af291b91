//! The build environment: the bundle's packages in the versions of the bundle, installed for this machine, so that
//! the project's own code can be asked while bundling. Nothing of it goes into the bundle.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::Url;

use super::download::{Wheel, download};
use super::error::PackagesError;
use super::inputs::{Inputs, plain};
use super::lock::{Lock, LockedWheel};
use super::question::{Question, Request};
use super::refusal::refusal;
use super::uv::Uv;
use super::{answers, pylock};
use crate::cache::{self, Cache};
use crate::digest::Sha256;
use crate::held;
use crate::interrupt::Passing;
use crate::progress::{Notice, Progress, Stage, Unit};
use crate::python::PythonVersion;
use crate::said::Said;
use crate::target::Target;

/// A Python of this machine that has the packages of a bundle.
#[derive(Debug, Clone)]
pub struct BuildEnvironment {
    pub python: PathBuf,
    /// Packages of the bundle that this machine cannot have or does not need, as those for Windows alone.
    pub left_out: Vec<String>,
    pub notices: Vec<Notice>,
}

/// Makes the environment, or finds it in the cache.
///
/// When the bundle is for this machine and for `python`'s version its own `wheels` are installed. Otherwise uv
/// selects anew, for this machine, from the dependencies of `request` with the versions of `lock`.
pub fn environment(
    uv: &Uv,
    request: &Request<'_>,
    lock: &Lock,
    wheels: &[Wheel],
    python: &Path,
    cache: &Cache,
    progress: &dyn Progress,
) -> Result<BuildEnvironment, PackagesError> {
    progress.begin(Stage::Environment, 0, Unit::Steps);
    let host = Uv { python: python.to_owned(), ..uv.clone() };
    let environment = make(&host, request, lock, wheels, cache, progress);
    progress.end(Stage::Environment);
    environment
}

fn make(
    uv: &Uv,
    request: &Request<'_>,
    lock: &Lock,
    wheels: &[Wheel],
    cache: &Cache,
    progress: &dyn Progress,
) -> Result<BuildEnvironment, PackagesError> {
    let version = version_of(&uv.python)?;
    if Target::host() == Some(lock.target) && version.minor == lock.minor {
        return Ok(BuildEnvironment {
            python: install_wheels(uv, &version, wheels, cache)?,
            left_out: Vec::new(),
            notices: Vec::new(),
        });
    }

    let mut notices = Vec::new();
    let mut here = for_this_machine(uv, request, lock, wheels, &version, cache)?;
    let there = |wheel: &&LockedWheel| !here.iter().any(|other| other.name == wheel.name);
    let (own, left_out): (Vec<_>, Vec<_>) =
        lock.wheels.iter().filter(there).partition(|wheel| wheel.is_project());
    let left_out = left_out.into_iter().map(|wheel| wheel.name.clone()).collect();
    here.extend(own.into_iter().cloned());
    let wheels = download(&here, request, cache, progress, &mut notices)?;
    Ok(BuildEnvironment { python: install_wheels(uv, &version, &wheels, cache)?, left_out, notices })
}

/// The wheels for this machine: those that were selected for the same lock before, else those that uv selects now.
fn for_this_machine(
    uv: &Uv,
    request: &Request<'_>,
    lock: &Lock,
    wheels: &[Wheel],
    version: &PythonVersion,
    cache: &Cache,
) -> Result<Vec<LockedWheel>, PackagesError> {
    // The lock fixes all versions but those of packages that only this machine needs, and of these no byte goes into
    // the bundle: an answer may be as old as the lock.
    let key = request.key(uv, &format!("environment {version} {}", lock.digest))?;
    let here = Target::host().unwrap_or(lock.target);
    let folder = std::path::absolute(request.folder())?;
    let read = |text: String| pylock::read(&text, &folder.join("answer"), here, version.minor).ok();
    if let Some(wheels) = answers::find(cache, key).and_then(read) {
        return Ok(wheels);
    }
    let question = Question::of(uv, request, cache)?;
    let own = from_bundle(wheels);
    let chosen = match request.supply.offline {
        true => select(uv, &question, request, lock, version, &own, cache),
        false => match select(uv, &question, request, lock, version, &[], cache) {
            // What the bundle has is enough for all that is no program of one platform.
            Err(unreachable @ PackagesError::Unreachable { .. }) => {
                let alone = [&own[..], &["--no-index".into(), "--offline".into()]].concat();
                select(uv, &question, request, lock, version, &alone, cache).map_err(|_| unreachable)
            }
            chosen => chosen,
        },
    }?;
    let text = fs_err::read_to_string(&chosen)?;
    let mut chosen = pylock::read_within(Some(&plain(&folder)), &text, &chosen, here, version.minor)?;
    question.give_credentials(&mut chosen);
    request.supply.prefer(&mut chosen, cache);
    let text = Lock::of(chosen.clone(), here, version.minor);
    answers::keep(cache, key, &pylock::write::write(&text, &Inputs::default(), &[], &[], &folder)?)?;
    Ok(chosen)
}

/// The folders of the bundle's own wheels, for uv to look into.
fn from_bundle(wheels: &[Wheel]) -> Vec<OsString> {
    let folders = wheels.iter().filter_map(|wheel| wheel.file.parent());
    folders.flat_map(|folder| ["--find-links".into(), folder.as_os_str().to_owned()]).collect()
}

/// Lets uv select for this machine with the versions of `lock`, without the packages that have no wheel for it.
fn select(
    uv: &Uv,
    question: &Question,
    request: &Request<'_>,
    lock: &Lock,
    version: &PythonVersion,
    more: &[OsString],
    cache: &Cache,
) -> Result<PathBuf, PackagesError> {
    let work = cache.of_run()?;
    let constraints = work.path().join("constraints.txt");
    let without = work.path().join("without.txt");
    let mut excluded = BTreeSet::new();
    let alone = request.supply.offline || more.iter().any(|option| option == "--no-index");
    loop {
        // A constrained package is wanted even where nothing else wants it.
        let pinned =
            lock.wheels.iter().filter(|wheel| !excluded.contains(&wheel.name) && !wheel.is_project());
        let pins: String = pinned.map(|wheel| format!("{}=={}\n", wheel.name, wheel.version)).collect();
        fs_err::write(&constraints, pins)?;
        let mut aim: Vec<OsString> = vec!["--constraints".into(), constraints.clone().into()];
        aim.extend_from_slice(more);
        if !excluded.is_empty() {
            // A requirement whose marker never holds takes the place of every other one for the package.
            let never: String =
                excluded.iter().map(|name| format!("{name} ; python_version < '0'\n")).collect();
            fs_err::write(&without, never)?;
            aim.extend(["--override".into(), without.clone().into()]);
        }
        let failure = match question.compile(uv, &aim, None) {
            Ok(file) => return Ok(file),
            Err(failure) => failure,
        };
        // uv names one or a few at a time; each round leaves out more, so the rounds come to an end.
        let before = excluded.len();
        excluded.extend(failure.without_wheels());
        if alone {
            excluded.extend(failure.not_supplied());
        }
        if excluded.len() == before {
            let (found, wanted) = (version.minor, lock.minor);
            return Err(match failure.is_contradiction() {
                true => PackagesError::NoEnvironment { found, wanted, source: failure.said() },
                false => refusal(&failure, &Request { minor: found, ..*request }),
            });
        }
    }
}

/// A virtual environment with just these wheels.
fn install_wheels(
    uv: &Uv,
    version: &PythonVersion,
    wheels: &[Wheel],
    cache: &Cache,
) -> Result<PathBuf, PackagesError> {
    let mut list = String::new();
    for Wheel { locked, file } in wheels {
        let url = Url::from_file_path(std::path::absolute(file)?).expect("an absolute path has a URL");
        writeln!(list, "{} @ {url} --hash=sha256:{}", locked.name, locked.sha256)
            .expect("a string takes every line");
    }
    let work = cache.of_run()?;
    let file = work.path().join("requirements.txt");
    fs_err::write(&file, &list)?;
    install(uv, version, &list, &file, &["--no-deps", "--no-index", "--offline"], cache)
}

/// A virtual environment with what `file` lists, `content` being all that decides about it.
fn install(
    uv: &Uv,
    version: &PythonVersion,
    content: &str,
    file: &Path,
    options: &[&str],
    cache: &Cache,
) -> Result<PathBuf, PackagesError> {
    let environments = cache.folder(cache::ENVIRONMENTS)?;
    let of = Sha256::of(format!("environment 1\n{}\n{version}\n{content}", uv.python.display()));
    let folder = environments.join(of.to_string());
    // Only a whole environment is given this name. Its program is a link: the Python behind it may have gone.
    if program(&folder).exists() {
        cache::used(&folder);
        return Ok(program(&folder));
    }
    let work = Passing::make(|| tempfile::Builder::new().prefix(".part-").tempdir_in(&environments))?;
    let made = work.path().join("environment");
    // Relocatable, because it gets its name when it is complete.
    let venv: [OsString; 4] = ["venv".into(), "--quiet".into(), "--relocatable".into(), made.clone().into()];
    uv.run(work.path(), venv).map_err(|failure| failure.while_doing("make the build environment"))?;
    let mut args: Vec<OsString> = ["pip", "install", "--quiet", "--no-config"].map(OsString::from).into();
    args.extend(options.iter().map(OsString::from));
    args.extend(["-r".into(), file.as_os_str().to_owned(), "--python".into(), program(&made).into()]);
    uv.run_without_python(work.path(), args)
        .map_err(|failure| failure.while_doing("install the packages into the build environment"))?;
    if held::rename(&made, &folder).is_err() && !program(&folder).exists() {
        // What stands there is of no use to anyone: its Python is gone.
        held::remove_dir_all(&folder)?;
        held::rename(&made, &folder)?;
    }
    Ok(program(&folder))
}

fn program(environment: &Path) -> PathBuf {
    environment.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" })
}

/// In what way an environment in the cache is damaged, if it is.
pub fn damage(environment: &Path) -> io::Result<Option<String>> {
    let program = program(environment);
    Ok((!program.exists()).then(|| format!("its Python is gone (`{}`)", program.display())))
}

pub(super) fn version_of(python: &Path) -> Result<PythonVersion, PackagesError> {
    let bad = |said: &[u8]| PackagesError::BadPython { python: python.to_owned(), source: Said::new(said) };
    let question = "import sys; print('%d.%d.%d' % sys.version_info[:3])";
    let output = Command::new(python)
        .args(["-I", "-c", question])
        .output()
        .map_err(|error| bad(error.to_string().as_bytes()))?;
    if !output.status.success() {
        return Err(bad(&output.stderr));
    }
    String::from_utf8_lossy(&output.stdout).trim().parse().map_err(|_| bad(&output.stdout))
}
