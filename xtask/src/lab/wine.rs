//! Wine with a prefix of the lab's own.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};

use anyhow::{Context as _, bail, ensure};

use super::{folder, made_from, source};
use crate::tools;

/// Debian keeps it out of PATH.
const SERVER: &str = "/usr/lib/wine/wineserver";

/// The folder that is Windows to Wine.
pub fn prefix() -> PathBuf {
    folder().join("wine")
}

/// The environment of every program of Wine in the lab.
pub fn environment() -> Vec<(&'static str, std::ffi::OsString)> {
    vec![
        ("WINEPREFIX", prefix().into()),
        ("WINEDEBUG", "-all".into()),
        // No .NET, no browser, no entries in the menus of the desktop.
        ("WINEDLLOVERRIDES", "mscoree,mshtml,winemenubuilder.exe=".into()),
        // In a locale without letters beyond ASCII, names of files that have some cannot be made.
        ("LC_ALL", "C.UTF-8".into()),
        // Folders of the user (Documents and the like) would be links to those of the person who runs this.
        ("HOME", folder().join("home").into()),
    ]
}

fn in_prefix(program: &str) -> Command {
    let mut command = Command::new(program);
    command.envs(environment()).env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
    // What speaks of the Linux Python would be taken by the Windows one.
    for python in ["PYTHONHOME", "PYTHONPATH"] {
        command.env_remove(python);
    }
    command
}

/// Runs a program that leaves others behind it, and shows nothing of what they write.
fn silent(command: &mut Command) -> anyhow::Result<ExitStatus> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().with_context(|| format!("cannot start {command:?}"))
}

/// Runs a program to its end and returns what it wrote; fails with its words when it fails.
pub fn output(command: &mut Command) -> anyhow::Result<Output> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    if !output.status.success() {
        bail!(
            "{command:?} ended with {}:\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(output)
}

/// The server behind all programs of the prefix. Windows programs are started through this value alone.
///
/// It stays alive between programs: the first one after it stopped takes seconds to start. One that was started
/// here is stopped, with all its programs, when this is dropped.
pub struct Server {
    ours: bool,
}

impl Server {
    pub fn start() -> anyhow::Result<Server> {
        // If this chore is killed, the server ends some minutes after its last program.
        let status = silent(in_prefix(SERVER).arg("--persistent=600"))?;
        let server = match status.code() {
            Some(0) => Server { ours: true },
            Some(2) => Server { ours: false },
            _ => bail!("Wine's server ended with {status}"),
        };
        // The first program starts Windows' own services, and these keep its standard streams open: had it pipes,
        // who reads them would wait for as long as the server lives.
        let status = silent(in_prefix("wine").args(["cmd", "/c", "exit"]))?;
        ensure!(status.success(), "Wine's first program ended with {status}");
        Ok(server)
    }

    /// A command for `program`: a path of this system, or the name of one of Windows' own programs.
    ///
    /// All three standard streams are pipes, because a Windows CPython stops at its start with anything else: use
    /// [`Command::output`], or read them.
    pub fn wine(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut wine = in_prefix("wine");
        wine.arg(program).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        wine
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.ours {
            // It fails only when there is no server, which is what is wanted.
            let _ = silent(in_prefix(SERVER).arg("--kill"));
        }
    }
}

/// Fails when the prefix is not there or was made in another way.
pub fn check() -> anyhow::Result<()> {
    ensure!(made_from(&mark(), &recipe()?), "there is no Wine prefix yet: run `cargo xtask lab`");
    Ok(())
}

/// Makes the prefix.
pub fn set_up() -> anyhow::Result<()> {
    let recipe = recipe()?;
    if made_from(&mark(), &recipe) {
        return Ok(());
    }
    tools::step("make the Wine prefix");
    let prefix = prefix();
    if prefix.exists() {
        // A server that still runs in the old prefix would write into the new one.
        silent(in_prefix(SERVER).arg("--kill"))?;
        fs_err::remove_dir_all(&prefix)?;
    }
    fs_err::create_dir_all(folder().join("home"))?;
    let status = silent(in_prefix("wine").args(["wineboot", "--init"]))?;
    ensure!(status.success(), "`wine wineboot --init` ended with {status}");
    let system = prefix.join("drive_c/windows/system32");
    compile(&source("process_prng.c"), &system.join("bcryptprimitives.dll"), &["-shared", "-ladvapi32"])?;
    compile(&source("revocation.c"), &system.join("revocation.dll"), &["-shared"])?;
    let key = r"HKLM\Software\Microsoft\Cryptography\OID\EncodingType 1\CertDllVerifyRevocation\DEFAULT";
    let set = ["/v", "Dll", "/t", "REG_MULTI_SZ", "/d", "revocation.dll", "/f"];
    let status = silent(in_prefix("wine").args(["reg", "add", key]).args(set))?;
    ensure!(status.success(), "`wine reg add` ended with {status}");
    let (name, milliseconds) = LONGEST_START;
    let key = r"HKLM\System\CurrentControlSet\Control";
    let status = silent(in_prefix("wine").args(["reg", "add", key, "/v", name, "/d", milliseconds, "/f"]))?;
    ensure!(status.success(), "`wine reg add` ended with {status}");
    // The server writes the registry when it ends.
    silent(in_prefix(SERVER).arg("--wait"))?;
    fs_err::write(mark(), recipe)?;
    Ok(())
}

/// How long a service may take until it says that it is there. Wine gives it ten seconds, Windows thirty.
const LONGEST_START: (&str, &str) = ("ServicesPipeTimeout", "120000");

fn mark() -> PathBuf {
    prefix().join("made-from.txt")
}

/// All that decides what is in the prefix.
fn recipe() -> anyhow::Result<String> {
    let version = output(in_prefix("wine").arg("--version"))?.stdout;
    let libraries =
        fs_err::read_to_string(source("process_prng.c"))? + &fs_err::read_to_string(source("revocation.c"))?;
    Ok(format!("{}\n{libraries}\n{LONGEST_START:?}", String::from_utf8_lossy(&version).trim()))
}

/// Compiles a C file for Windows, to the same bytes each time.
pub fn compile(source: &Path, output: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    tools::run(
        Command::new("x86_64-w64-mingw32-gcc")
            .args(["-O2", "-s", "-Wall", "-Wl,--no-insert-timestamp", "-o"])
            .arg(output)
            .arg(source)
            .args(arguments),
    )
}
