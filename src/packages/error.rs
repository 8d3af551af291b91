//! Every way in which packages can fail to get into a bundle.

use std::io;
use std::path::{Path, PathBuf};

use super::export::Exporter;
use crate::digest::Sha256;
use crate::entry::{EntryPath, EntryPathError};
use crate::python::MinorVersion;
use crate::python_tool::PythonToolError;
use crate::said::Said;
use crate::target::Target;

/// Why packages cannot be selected, fetched or mapped.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum PackagesError {
    #[error("cannot run `{}` as uv", program.display())]
    #[diagnostic(help("let HOLDALL_UV name a uv program, or unset it"))]
    UvUnusable { program: PathBuf, source: io::Error },
    #[error("`{}` does not say which uv it is: {said:?}", program.display())]
    #[diagnostic(help("let HOLDALL_UV name a uv program, or unset it"))]
    NotUv { program: PathBuf, said: String },
    #[error("`{}` is uv {found}, and holdall needs {minimum} or newer", program.display())]
    #[diagnostic(help("update that uv, or unset HOLDALL_UV: holdall then installs one of its own"))]
    UvTooOld { program: PathBuf, found: String, minimum: String },
    #[error(transparent)]
    #[diagnostic(transparent)]
    UvNotInstalled(#[from] PythonToolError),

    #[error("`{}` is out of step with the project's `pyproject.toml`", lock.display())]
    #[diagnostic(help("run `uv lock` in the project, look at what changed, and commit it"))]
    LockOutOfStep { lock: PathBuf, source: Said },
    #[error("there is no lock `{}`, which `[packages] lock` names", file.display())]
    #[diagnostic(help("run `holdall lock --target {target}`, which writes it there, and commit it"))]
    NoLock { file: PathBuf, target: Target },
    #[error("`{}` is out of date: {why}", file.display())]
    #[diagnostic(help("run `holdall lock --target {target}`, look at what changed, and commit it"))]
    LockOutOfDate { file: PathBuf, why: String, target: Target },
    #[error("`{}` is for {found}, and the bundle is for {target} and Python {minor}", file.display())]
    #[diagnostic(help(
        "make the lock anew with `holdall lock --target {target} --python {minor}`, or bundle for what it was made for"
    ))]
    LockForOther { file: PathBuf, found: String, target: Target, minor: MinorVersion },
    #[error("cannot tell which lock is meant: there are {}", locks(targets))]
    #[diagnostic(help("name the target of one of them: {}", lock_commands(targets)))]
    SeveralLocks { targets: Vec<Target> },
    #[error("cannot write the lock `{}`", file.display())]
    #[diagnostic(help(
        "check that you may write there and that the disk is not full; the lock that was there is as it was"
    ))]
    LockUnwritable { file: PathBuf, source: io::Error },
    #[error("only {} reads `{}`, and there is none on PATH", exporter.name(), lock.display())]
    #[diagnostic(help(
        "install it ({}), or name the program in {}; or commit what it makes of the lock (`{}`) and set `packages.requirements` in `holdall.toml` to that",
        exporter.install(),
        exporter.variable(),
        exporter.by_hand()
    ))]
    NoExporter { lock: PathBuf, exporter: Exporter },
    #[error("cannot run `{}` as {}", program.display(), exporter.name())]
    #[diagnostic(help("let {} name a working program, or unset it", exporter.variable()))]
    ExporterUnusable { program: PathBuf, exporter: Exporter, source: io::Error },
    #[error("this poetry cannot export `{}`: its plugin for that is missing", lock.display())]
    #[diagnostic(help(
        "add it: `poetry self add poetry-plugin-export`, or `pipx inject poetry poetry-plugin-export`"
    ))]
    NoExportPlugin { lock: PathBuf },
    #[error("`{}` is out of step with the project's `{}`", lock.display(), exporter.source())]
    #[diagnostic(help("run `{} lock` in the project, look at what changed, and commit it", exporter.name()))]
    ExportOutOfStep { lock: PathBuf, exporter: Exporter, source: Said },
    #[error("{} cannot export `{}`", exporter.name(), lock.display())]
    #[diagnostic(help(
        "mend what it names: `{}` has to work in the folder of the lock",
        exporter.by_hand()
    ))]
    ExportFailed { lock: PathBuf, exporter: Exporter, source: Said },
    #[error("`{}` has no category `{category}`, which the configuration names", lock.display())]
    #[diagnostic(help("correct `packages.groups`, or run `pipenv lock`; the lock has {known}"))]
    NoCategory { lock: PathBuf, category: String, known: String },
    #[error("`{}` is no lock that holdall can read: {problem}", file.display())]
    #[diagnostic(help("{}", rewritten(file)))]
    Malformed { file: PathBuf, problem: String },
    #[error("{} no wheel for {target} and Python {minor}", names(packages, "has", "have"))]
    #[diagnostic(help(
        "name another version of it that has one; or make a wheel on {target} (`{}`) and bundle with `--find-links wheels`, or `find-links = [\"wheels\"]` below `[packages]` in holdall.toml; or, if {target} can do without it, give it a platform marker (`; {}`)",
        wheel_command(packages, *target, *minor),
        marker_without(*target)
    ))]
    NoWheel { packages: Vec<String>, target: Target, minor: MinorVersion, source: Said },
    #[error(
        "{} no wheel for {target} and Python {minor} in {}, and the index is not asked",
        names(packages, "has", "have"),
        folders(searched)
    )]
    #[diagnostic(help(
        "put one there: on a machine that reaches the index `{}` fetches it; or bundle without `--offline`",
        fetch_command(packages, *target, *minor)
    ))]
    NotSupplied {
        packages: Vec<String>,
        target: Target,
        minor: MinorVersion,
        searched: Vec<PathBuf>,
        source: Said,
    },
    #[error("`{file}` is not in the cache, and the index is not asked")]
    #[diagnostic(help(
        "put that file into a folder of wheels and name it with `--find-links DIR`; or bundle once without `--offline`"
    ))]
    NotHere { file: String },
    #[error("`{package}` {version} is there as source alone, and no wheel of it can be built here")]
    #[diagnostic(help(
        "install what its build asks for, or make a wheel elsewhere on {target} (`{}`) and bundle with `--find-links wheels`",
        wheel_command(std::slice::from_ref(package), *target, *minor)
    ))]
    NotBuilt { package: String, version: String, target: Target, minor: MinorVersion, source: Said },
    #[error(
        "the wheel of `{package}` {version} built here is for this machine alone, and the bundle's Python is for others too"
    )]
    #[diagnostic(help(
        "make a wheel that fits every {target} with auditwheel in a manylinux image and bundle with `--find-links wheels`; or bundle for this machine alone with `--runtime host`"
    ))]
    BuiltForHere { package: String, version: String, target: Target },
    #[error("`{package}` comes from {origin}, and a bundle takes wheels only")]
    #[diagnostic(help(
        "make a wheel of it for {target} (`uv build --wheel --out-dir wheels`, or `pip wheel`), and name the wheel's file in place of it, or require it by name and bundle with `--find-links wheels`"
    ))]
    NotAWheel { package: String, origin: &'static str, target: Target },
    #[error("the packages for {target} and Python {minor} cannot be selected")]
    #[diagnostic(help(
        "change the requirement that uv names; what works for it works for holdall. pip's own settings are not read: a private index goes into UV_INDEX, or `[[tool.uv.index]]` in `pyproject.toml`"
    ))]
    Unresolved { target: Target, minor: MinorVersion, source: Said },
    #[error("uv cannot reach the package index")]
    #[diagnostic(help(
        "check the network and the proxy; without a network, name folders of wheels with `--find-links DIR` and bundle with `--offline`"
    ))]
    Unreachable { source: Said },
    #[error("the package index does not let uv in")]
    #[diagnostic(help(
        "give it name and password: in the URL of the index, as UV_INDEX_NAME_USERNAME and UV_INDEX_NAME_PASSWORD, or in `~/.netrc`; what only a keyring knows, fetch by hand into a folder (`pip download --dest wheels`) and name that with `--find-links wheels`"
    ))]
    IndexDenied { source: Said },
    #[error("what answers uv is no package index, or a broken one")]
    #[diagnostic(help(
        "check the URL of the index (it ends in `/simple/` as a rule), its credentials and the proxy: a login page may answer in its place"
    ))]
    NoIndex { source: Said },
    #[error("uv failed to {doing}")]
    #[diagnostic(help("mend what uv names, then run the same command again"))]
    Uv { doing: &'static str, source: Said },
    #[error("the wheel of `{package}` {version} for {target} is not in `{}`", file.display())]
    #[diagnostic(help(
        "its hash stands there neither under that name nor at all: if the lock was made for one platform or one Python only, make it anew for all (`uv lock`, `uv export`, `uv pip compile --universal --generate-hashes`); if not, someone changed the file in the index: find out before you go on"
    ))]
    NotInLock { package: String, version: String, target: Target, file: PathBuf },
    #[error("`{}` does not know the wheel of `{package}` {version} in `{}`", file.display(), folder.display())]
    #[diagnostic(help(
        "if the wheel is your own, `holdall lock --target {target} --python {minor} --find-links {}` writes its hash into a lock for that target, to be committed; if not, find out who changed it before you go on",
        folder.display()
    ))]
    OwnNotInLock {
        package: String,
        version: String,
        folder: PathBuf,
        file: PathBuf,
        target: Target,
        minor: MinorVersion,
    },
    #[error("{} no SHA-256 in `{}`: uv writes none of a wheel in a folder", names(packages, "has", "have"), file.display())]
    #[diagnostic(help(
        "`holdall lock --target {target} --python {minor}` writes it into a lock for that target, to be committed; or name the wheel in place of its folder (`{} = {{ path = \"{wheel}\" }}` below `[tool.uv.sources]` in `pyproject.toml`) and run `uv lock`",
        packages.first().map_or("name", String::as_str)
    ))]
    OwnWithoutHash {
        packages: Vec<String>,
        /// The way from the lock to the first one's file.
        wheel: String,
        file: PathBuf,
        target: Target,
        minor: MinorVersion,
    },
    #[error("`{}` was made for other platforms than {target} and Python {minor}: {}", file.display(), markers.join("; "))]
    #[diagnostic(help(
        "let `environments` below `[tool.uv]` in `pyproject.toml` say that platform too, or remove it, and run `uv lock` (for a `pylock.toml`: export it anew)"
    ))]
    LockForOtherPlatforms { file: PathBuf, markers: Vec<String>, target: Target, minor: MinorVersion },
    #[error("{} no SHA-256 in `{}`, and other packages there have some", names(packages, "has", "have"), file.display())]
    #[diagnostic(help(
        "give all of them hashes, as `uv pip compile --universal --generate-hashes` and `uv export` do: what has none cannot be told from what someone put in its place"
    ))]
    NoHash { packages: Vec<String>, file: PathBuf },
    #[error("Python {minor} on {target} needs {}, which `{}` does not have", names(packages, "", ""), file.display())]
    #[diagnostic(help("the lock was made for another platform or another Python: {}", anew(file, *target)))]
    Incomplete { packages: Vec<String>, target: Target, minor: MinorVersion, file: PathBuf },

    #[error("the index is too busy to send `{file}`: it answered {answer}")]
    #[diagnostic(help("wait a little, then run the same command again: what is there is kept"))]
    Busy { file: String, answer: String },
    #[error("the index does not give `{file}` to you: it answered {answer}")]
    #[diagnostic(help(
        "name and password for the index are missing or wrong: give them as uv takes them (in the URL of the index, as UV_INDEX_NAME_USERNAME and UV_INDEX_NAME_PASSWORD, or in `~/.netrc`); what only a keyring knows, fetch by hand into a folder (`pip download --dest wheels`) and name that with `--find-links wheels`"
    ))]
    Denied { file: String, answer: String },
    #[error("the index has no `{file}`: it answered {answer}")]
    #[diagnostic(help(
        "it is gone since it was locked, or another index has it: lock again, or put the file into a folder and name that with `--find-links DIR`"
    ))]
    Gone { file: String, answer: String },
    #[error("the index sent a web page in place of `{file}`")]
    #[diagnostic(help(
        "as a rule that is a login page of the index or of a proxy: check the credentials of the index and the proxy's settings, then run the same command again"
    ))]
    WebPage { file: String },
    #[error("cannot fetch `{file}`")]
    #[diagnostic(help(
        "check the network and the proxy, then run the same command again: what is there is kept"
    ))]
    Download {
        file: String,
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("`{file}` has SHA-256 {found}, and the lock says {expected}")]
    #[diagnostic(help(
        "nothing of it was kept: run the command again; if it stays so, the index or the folder has another file than the one that was locked: find out why, and if it is right, lock anew"
    ))]
    WrongDigest { file: String, expected: Sha256, found: Sha256 },

    #[error("`{}` is not a wheel: {problem}", file.display())]
    #[diagnostic(help(
        "make or fetch the wheel again; if it stays so, use another version of it: who made it has to mend it"
    ))]
    BadWheel { file: PathBuf, problem: String },
    #[error("`{wheel}` holds a file that no bundle can have")]
    BadName {
        wheel: String,
        #[source]
        #[diagnostic_source]
        source: EntryPathError,
    },
    #[error("`{wheel}` does not fit {target} and Python {minor}")]
    #[diagnostic(help("use the wheel made for {target}"))]
    Unfit { wheel: String, target: Target, minor: MinorVersion },
    #[error("`{first}` and `{second}` both bring `{path}`, with different content")]
    #[diagnostic(help(
        "only one of them can be in a bundle: require another version of one, or leave it out"
    ))]
    Conflict { first: String, second: String, path: EntryPath },

    #[error(
        "the build environment cannot have the versions of the bundle: this Python is {found}, and the bundle's {wanted}"
    )]
    #[diagnostic(help(
        "name a Python {wanted} of this machine, or require versions that exist for both; a site whose static files are made elsewhere needs no build environment"
    ))]
    NoEnvironment { found: MinorVersion, wanted: MinorVersion, source: Said },
    #[error("cannot run the Python `{}`", python.display())]
    #[diagnostic(help("name a working Python 3.10 or newer"))]
    BadPython { python: PathBuf, source: Said },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Bytecode(#[from] crate::bytecode::BytecodeError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Layer(#[from] crate::layer::LayerError),
    #[error("cannot use the file or folder of a package")]
    #[diagnostic(help("check that it is there, that you may use it, and that the disk is not full"))]
    Io(#[from] io::Error),
}

/// `` `pylock.a.toml` and `pylock.b.toml` ``
fn locks(targets: &[Target]) -> String {
    let names: Vec<String> = targets.iter().map(|target| format!("pylock.{target}.toml")).collect();
    self::names(&names, "", "")
}

fn lock_commands(targets: &[Target]) -> String {
    let commands: Vec<String> =
        targets.iter().map(|target| format!("`holdall lock --target {target}`")).collect();
    commands.join(" or ")
}

/// A marker for a requirement that `target` can do without.
fn marker_without(target: Target) -> &'static str {
    match target {
        Target::WindowsX86_64 => "sys_platform == 'linux'",
        Target::WindowsArm64 => "platform_machine == 'AMD64'",
        Target::LinuxX86_64 => "sys_platform == 'win32'",
        Target::LinuxArm64 => "platform_machine == 'x86_64'",
    }
}

/// The command that makes wheels of packages on the target.
fn wheel_command(packages: &[String], target: Target, minor: MinorVersion) -> String {
    let python = if target.is_windows() { format!("py -{minor}") } else { format!("python{minor}") };
    format!("{python} -m pip wheel --no-deps --wheel-dir wheels {}", packages.join(" "))
}

/// The command that fetches wheels for the target on any machine.
fn fetch_command(packages: &[String], target: Target, minor: MinorVersion) -> String {
    let platform = match target {
        Target::WindowsX86_64 => "win_amd64",
        Target::WindowsArm64 => "win_arm64",
        Target::LinuxX86_64 => "manylinux_2_28_x86_64",
        Target::LinuxArm64 => "manylinux_2_28_aarch64",
    };
    format!(
        "pip download --no-deps --only-binary :all: --platform {platform} --python-version {minor} --dest wheels {}",
        packages.join(" ")
    )
}

/// `no folder`, `` `a` ``, `` `a` or `b` ``
fn folders(folders: &[PathBuf]) -> String {
    let quoted: Vec<String> = folders.iter().map(|folder| format!("`{}`", folder.display())).collect();
    match quoted.as_slice() {
        [] => "any folder (none is named with `--find-links`)".to_owned(),
        folders => folders.join(" or "),
    }
}

impl PackagesError {
    /// Whether the project or this machine is not ready, rather than the work having failed.
    pub fn is_precondition(&self) -> bool {
        !matches!(
            self,
            PackagesError::Unreachable { .. }
                | PackagesError::NoIndex { .. }
                | PackagesError::IndexDenied { .. }
                | PackagesError::Download { .. }
                | PackagesError::Busy { .. }
                | PackagesError::Denied { .. }
                | PackagesError::Gone { .. }
                | PackagesError::WebPage { .. }
                | PackagesError::WrongDigest { .. }
                | PackagesError::LockUnwritable { .. }
                | PackagesError::Layer(_)
                | PackagesError::Io(_)
        )
    }
}

/// How to come to a file that can be read.
fn rewritten(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    match Target::ALL.iter().find(|target| name == format!("pylock.{target}.toml")) {
        // While it is there it is taken for another tool's, and for all that the project depends on.
        Some(target) => format!(
            "take the committed one (`git checkout -- {name}`); or remove it, and make it anew with `holdall lock --target {target}` or the tool that wrote it"
        ),
        None => "make the file anew with the tool that wrote it".to_owned(),
    }
}

/// How to come to a lock that serves `target` too.
fn anew(file: &Path, target: Target) -> String {
    match file.ends_with("Pipfile.lock") {
        true => format!(
            "pipenv locks for the machine that it runs on, so run `pipenv lock` on {target}, or require those packages in the `Pipfile` without a marker"
        ),
        false => {
            format!(
                "make it anew for all (`uv lock`, `uv export`, `uv pip compile --universal --generate-hashes`), or name what it was made from and let `holdall lock` make one for {target}"
            )
        }
    }
}

/// `a has`, `a and b have`, `a, b and c have`
fn names(packages: &[String], one: &str, many: &str) -> String {
    let quoted: Vec<String> = packages.iter().map(|package| format!("`{package}`")).collect();
    let text = match quoted.split_last() {
        Some((last, [])) => format!("{last} {one}"),
        Some((last, rest)) => format!("{} and {last} {many}", rest.join(", ")),
        None => format!("a package {one}"),
    };
    text.trim_end().to_owned()
}
