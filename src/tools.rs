//! Where the parts of Holdall itself come from that go into a bundle: the bridge's wheel and the program for
//! the target. Finds them, and makes the layer of the program and of the script that starts it.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use crate::cache::Cache;
use crate::digest::Sha256;
use crate::entry::EntryPath;
use crate::layer::{self, Content, Key, Layer, LayerError, Source};
use crate::manifest::LayerKind;
use crate::progress::{Notice, Progress, Running, Stage, Unit};
use crate::python::MinorVersion;
use crate::recipe::DeployScripts;
use crate::target::Target;

/// The version of this program and of the parts that belong to it.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The folders that hold Holdall's own parts, most wanted first.
#[derive(Debug, Clone)]
pub struct Tools {
    folders: Vec<PathBuf>,
    /// The file of the running program.
    program: PathBuf,
}

/// Why a part of Holdall for the target cannot be had.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ToolsError {
    #[error("there is no bridge for {target} and Python {python}: no file `{pattern}` in {searched}")]
    #[diagnostic(help(
        "it is in the release archive of Holdall {}, in `bridges/`: keep that folder beside the program, or name \
         the folder that holds it with `--tools DIR` or HOLDALL_TOOLS",
        VERSION
    ))]
    NoBridge { target: Target, python: MinorVersion, pattern: String, searched: String },
    #[error("there is no holdall program for {target}: no file `{name}` in {searched}")]
    #[diagnostic(help(
        "it is in the release archive of Holdall {}: keep it beside the program, or name its folder with \
         `--tools DIR` or HOLDALL_TOOLS",
        VERSION
    ))]
    NoProgram { target: Target, name: String, searched: String },
    #[error("there is no folder `{}`, which {by} names", folder.display())]
    #[diagnostic(help("name the folder that holds `bridges/`, or leave it out to look beside the program"))]
    NoFolder { folder: PathBuf, by: &'static str },
    #[error("cannot read the folder of Holdall's own parts")]
    #[diagnostic(help("check that you may read it, or name another with `--tools DIR`"))]
    Unreadable(#[source] std::io::Error),
}

impl Tools {
    /// Looks in `named` (`--tools`, else HOLDALL_TOOLS), then beside the running program.
    pub fn find(named: Option<&Path>) -> Result<Tools, ToolsError> {
        let program = std::env::current_exe().map_err(ToolsError::Unreadable)?;
        let variable = || std::env::var_os("HOLDALL_TOOLS").filter(|folder| !folder.is_empty());
        let named = match named {
            Some(folder) => Some((folder.to_owned(), "`--tools`")),
            None => variable().map(|folder| (PathBuf::from(folder), "HOLDALL_TOOLS")),
        };
        if let Some((folder, by)) = named.clone().filter(|(folder, _)| !folder.is_dir()) {
            return Err(ToolsError::NoFolder { folder, by });
        }
        let beside = program.parent().map(Path::to_owned);
        let folders = named.map(|(folder, _)| folder).into_iter().chain(beside).collect();
        Ok(Tools { folders, program: running(program) })
    }

    /// The bridge's wheel for `target`: `bridges/holdall_bridge-<version>-cp310-abi3-<platform>.whl`. One of another
    /// version than this program's is not taken: it may read another configuration.
    pub fn bridge(&self, target: Target, python: MinorVersion) -> Result<PathBuf, ToolsError> {
        for folder in &self.folders {
            let bridges = folder.join("bridges");
            let Ok(entries) = fs_err::read_dir(&bridges) else { continue };
            let mut found = Vec::new();
            for entry in entries {
                let path = entry.map_err(ToolsError::Unreadable)?.path();
                if path.file_name().and_then(|name| name.to_str()).is_some_and(|name| fits(name, target)) {
                    found.push(path);
                }
            }
            // Several differ in the glibc they ask for: any will do, and every run must take the same.
            if let Some(path) = found.into_iter().min() {
                return Ok(path);
            }
        }
        Err(ToolsError::NoBridge {
            target,
            python,
            pattern: format!("bridges/holdall_bridge-{VERSION}-*-abi3-{}.whl", platform(target)),
            searched: self.searched(),
        })
    }

    /// The `holdall` program for `target`: this very program, or `holdall-<target>`.
    pub fn program(&self, target: Target) -> Result<PathBuf, ToolsError> {
        if Target::host() == Some(target) {
            return Ok(self.program.clone());
        }
        let name = format!("holdall-{target}{}", if target.is_windows() { ".exe" } else { "" });
        self.folders
            .iter()
            .map(|folder| folder.join(&name))
            .find(|path| path.is_file())
            .ok_or_else(|| ToolsError::NoProgram { target, name, searched: self.searched() })
    }

    fn searched(&self) -> String {
        let folders: Vec<_> = self.folders.iter().map(|folder| format!("`{}`", folder.display())).collect();
        folders.join(" and ")
    }
}

/// The file that is running, whatever has become of the `path` it was started from: an update may have put another
/// program there, or nothing yet. Windows leaves a running program where it is.
fn running(path: PathBuf) -> PathBuf {
    if cfg!(target_os = "linux") { PathBuf::from("/proc/self/exe") } else { path }
}

/// The script that deploys the folder it lies in: `deploy.cmd`, or `deploy.sh`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeployScript {
    path: EntryPath,
    text: String,
    executable: bool,
}

impl DeployScript {
    /// That of bundles for `target`.
    pub fn of(scripts: &DeployScripts, target: Target) -> DeployScript {
        // Whoever has written or checked out the file: `cmd.exe` loses its way between labels when lines end without CR,
        // and `sh` takes one for a part of the last word.
        let lines = |text: &str| text.replace("\r\n", "\n");
        let (path, text) = match target.is_windows() {
            true => ("deploy.cmd", lines(&scripts.windows).replace('\n', "\r\n")),
            false => ("deploy.sh", lines(&scripts.unix)),
        };
        let path = EntryPath::parse(path, target).expect("the script's name is good everywhere");
        DeployScript { path, text, executable: !target.is_windows() }
    }
}

/// Makes or finds the layer with the holdall program, whose digest is `digest`, and with its script.
pub fn layer(
    program: Vec<u8>,
    digest: Sha256,
    script: DeployScript,
    target: Target,
    cache: &Cache,
    progress: &dyn Progress,
    notices: &mut Vec<Notice>,
) -> Result<Layer, LayerError> {
    let key = Key::new(LayerKind::Tools, target, &[digest, Sha256::of(&script.text)]);
    if let Some(layer) = layer::find(cache, &key, "tools").layer(notices) {
        return Ok(layer);
    }
    let DeployScript { path, text, executable } = script;
    let sources = vec![
        Source {
            path: EntryPath::parse(target.program(), target).expect("the program's name is good everywhere"),
            content: Content::Bytes(program),
            executable: true,
        },
        Source { path, content: Content::Bytes(text.into_bytes()), executable },
    ];
    let _running = Running::begin(progress, Stage::Tools, layer::total_size(&sources), Unit::Bytes);
    layer::build_cached(cache, &key, "tools", sources, Stage::Tools, progress)
}

/// The platform in a wheel's name for `target`.
fn platform(target: Target) -> &'static str {
    match target {
        Target::WindowsX86_64 => "win_amd64",
        Target::WindowsArm64 => "win_arm64",
        Target::LinuxX86_64 => "manylinux*_x86_64",
        Target::LinuxArm64 => "manylinux*_aarch64",
    }
}

/// Whether a file of this name is the bridge of this version for `target`.
fn fits(name: &str, target: Target) -> bool {
    let parts: Vec<&str> = name.strip_suffix(".whl").unwrap_or_default().split('-').collect();
    let ["holdall_bridge", version, _, "abi3", found] = parts[..] else { return false };
    // Python writes the versions of previews in another way than Cargo: as versions they are equal.
    let version = pep440_rs::Version::from_str(version);
    if version.is_err() || version != pep440_rs::Version::from_str(VERSION) {
        return false;
    }
    match platform(target).split_once('*') {
        // One that was built on the spot, and not made portable, has the bare name of the system.
        Some((linux, machine)) => {
            found.ends_with(machine) && (found.starts_with(linux) || found == format!("linux{machine}"))
        }
        None => found == platform(target),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wheel_is_told_by_its_version_and_its_platform() {
        let fitting = |name: &str| -> Vec<Target> {
            let name = name.replace("VERSION", VERSION);
            Target::ALL.into_iter().filter(|target| fits(&name, *target)).collect()
        };
        for (platform, target) in [
            ("win_amd64", Target::WindowsX86_64),
            ("win_arm64", Target::WindowsArm64),
            ("manylinux_2_34_x86_64", Target::LinuxX86_64),
            ("manylinux_2_17_aarch64.manylinux2014_aarch64", Target::LinuxArm64),
            ("linux_x86_64", Target::LinuxX86_64),
        ] {
            let name = format!("holdall_bridge-VERSION-cp310-abi3-{platform}.whl");
            assert_eq!(fitting(&name), [target], "{name}");
        }
        for other in [
            "holdall_bridge-VERSION-cp310-abi3-musllinux_1_2_x86_64.whl",
            "holdall_bridge-VERSION-cp310-cp310-win_amd64.whl",
            "holdall_bridge-99.0-cp310-abi3-win_amd64.whl",
            "other-VERSION-cp310-abi3-win_amd64.whl",
            "holdall_bridge-VERSION-cp310-abi3-win_amd64.zip",
        ] {
            assert_eq!(fitting(other), [], "{other}");
        }
    }

    #[test]
    fn the_script_of_each_system_ends_its_lines_as_that_needs_it() {
        let scripts = crate::recipe::Recipes::read(None).unwrap().deploy;
        let checked_out = DeployScripts {
            windows: scripts.windows.replace('\n', "\r\n"),
            unix: scripts.unix.replace('\n', "\r\n"),
        };
        for target in Target::ALL {
            let script = DeployScript::of(&scripts, target);
            assert_eq!(script, DeployScript::of(&checked_out, target));
            let text = &script.text;
            assert!(text.is_ascii() && text.ends_with('\n'));
            let windows = if target.is_windows() { text.matches('\n').count() } else { 0 };
            assert_eq!((text.matches('\r').count(), text.matches("\r\n").count()), (windows, windows));
            assert!(text.contains(target.program()));
        }
    }

    #[test]
    fn every_label_of_the_batch_file_is_there_and_no_path_of_anybodys_is_acted_on() {
        let scripts = crate::recipe::Recipes::read(None).unwrap().deploy;
        let DeployScript { text, .. } = DeployScript::of(&scripts, Target::WindowsX86_64);
        for line in text.lines().filter(|line| !line.starts_with("rem ")) {
            if let Some((_, label)) = line.split_once("goto ") {
                assert!(text.contains(&format!("\r\n:{label}\r\n")), "{line}");
            }
            // A folder may be called `a & b`: only between quotes is that a name.
            for (at, _) in line.match_indices("%~").chain(line.match_indices("%SELF%")) {
                assert_eq!(line[..at].matches('"').count() % 2, 1, "{line}");
            }
        }
        assert!(
            text.contains("\r\n\"%~dp0holdall.exe\" deploy \"%~dp0.\" %*\r\nset \"CODE=%ERRORLEVEL%\"\r\n")
        );
    }

    #[test]
    fn a_missing_part_is_named_with_the_archive_that_has_it() {
        let empty = tempfile::tempdir().unwrap();
        let tools = Tools { folders: vec![empty.path().to_owned()], program: "holdall".into() };
        let minor = MinorVersion { major: 3, minor: 12 };
        let error = tools.bridge(Target::WindowsX86_64, minor).unwrap_err().to_string();
        assert!(
            error.contains(&format!("no file `bridges/holdall_bridge-{VERSION}-*-abi3-win_amd64.whl`")),
            "{error}"
        );
        let error = tools.program(Target::WindowsArm64).unwrap_err().to_string();
        assert!(error.contains("no file `holdall-windows-arm64.exe`"), "{error}");
    }
}
