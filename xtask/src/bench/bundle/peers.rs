//! What else makes an archive of such a project. Each is run as its manual says, with four threads where it takes them.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Stand;
use crate::tools;

/// Peers of the package index, pinned, so that a table can be made again.
const INSTALLED: [&str; 4] = ["uv==0.13.9", "shiv==1.0.8", "pex==2.105.2", "pyinstaller==6.22.3"];

/// One way to make an archive, or why it cannot be measured here.
pub struct Peer {
    pub name: &'static str,
    /// Whether it works on the very bytes of the bundle, or makes something of its own from the same lock.
    pub same_bytes: bool,
    /// It takes a minute: measured twice only.
    pub slow: bool,
    pub how: Result<Made, String>,
}

/// How a peer makes its archive.
pub struct Made {
    pub version: String,
    pub command: Box<dyn Fn() -> Command>,
    /// What it leaves: removed before each run.
    pub output: PathBuf,
    /// What it remembers from one run to the next, and is to have forgotten.
    pub forgets: Option<PathBuf>,
}

/// All peers that make archives.
pub fn packers(stand: &Stand, quick: bool) -> anyhow::Result<Vec<Peer>> {
    let out = stand.folder.join("peers");
    fs_err::create_dir_all(&out)?;
    let tree = stand.release.clone();
    let bundle = stand.bundle.clone();
    let in_tree = |program: &'static str, args: &[&str], output: &Path| {
        let (tree, output) = (tree.clone(), output.to_owned());
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        Box::new(move || {
            let mut command = Command::new(program);
            command.args(&args).arg(&output).arg(".").current_dir(&tree);
            command
        })
    };
    let made = |version: String, output: &Path, command: Box<dyn Fn() -> Command>| Made {
        version,
        command,
        output: output.to_owned(),
        forgets: None,
    };
    let mut peers = Vec::new();
    let mut peer = |name, how| peers.push(Peer { name, same_bytes: true, slow: false, how });

    let output = out.join("copy.zip");
    let copy = [bundle.clone(), output.clone()];
    let cp = copy.clone();
    peer(
        "`cp` of the finished bundle",
        found("cp", "coreutils")
            .map(|version| made(version, &output, Box::new(move || with("cp", &[], &cp)))),
    );
    let script = "cp \"$1\" \"$2\" && sync \"$2\"";
    peer(
        "`cp` of the finished bundle, synced to disk",
        found("cp", "coreutils")
            .map(|version| made(version, &output, Box::new(move || shell(script, &copy)))),
    );
    let output = out.join("zip.zip");
    peer(
        "`zip -r -6`",
        found("zip", "zip")
            .map(|version| made(version, &output, in_tree("zip", &["-q", "-r", "-6"], &output))),
    );
    let output = out.join("seven.zip");
    peer(
        "`7z -tzip -mx5 -mmt4`",
        found("7zz", "7zip").map(|version| {
            let args = ["a", "-bso0", "-bsp0", "-tzip", "-mx5", "-mmt4"];
            made(version, &output, in_tree("7zz", &args, &output))
        }),
    );
    let output = out.join("tar.zst");
    let script = "tar -C \"$1\" -cf - . | zstd -q -T4 -o \"$2\"";
    let paths = [tree.clone(), output.clone()];
    peer(
        "`tar | zstd -T4`",
        found("zstd", "zstd").map(|version| made(version, &output, Box::new(move || shell(script, &paths)))),
    );
    if !quick {
        peers.extend(installers(stand, &out)?);
    }
    Ok(peers)
}

/// Peers that install the packages themselves, without a Python, and pack them with the project.
fn installers(stand: &Stand, out: &Path) -> anyhow::Result<Vec<Peer>> {
    let python = tools::environment("bench", &INSTALLED)?;
    let bin = python.parent().expect("a Python lies in a folder").to_owned();
    let project = stand.project.folder.clone();
    let lock = project.join("requirements.txt");
    let wheels = stand.wheelhouse(&python)?;
    // Whole packages, as a bundle has them: PyInstaller alone would take what it sees imported.
    let packages = tools::environment(
        "bench-packages",
        &[&INSTALLED[3..], &lock_lines(&lock)?.iter().map(String::as_str).collect::<Vec<_>>()].concat(),
    );
    let version = |name: &str| {
        let pin = INSTALLED.iter().find(|pin| pin.starts_with(name)).expect("it is installed");
        pin.replace("==", " ")
    };
    let mut peers = Vec::new();

    let output = out.join("uv.zip");
    let script = "rm -rf \"$3\" && mkdir \"$3\" \
        && \"$1\" pip install -q --offline --no-index --no-deps --find-links \"$5\" --target \"$3/site-packages\" -r \"$2/requirements.txt\" \
        && cp -r \"$2\" \"$3/app\" && cd \"$3\" && zip -q -r -6 \"$4\" .";
    let paths = [bin.join("uv"), project.clone(), out.join("uv"), output.clone(), wheels.clone()];
    let uv_cache = stand.folder.join("uv");
    let command = move || {
        let mut command = shell(script, &paths);
        command.env("UV_CACHE_DIR", &uv_cache);
        command
    };
    peers.push(Peer {
        name: "`uv pip install --target`, then `zip -r -6`",
        same_bytes: false,
        slow: true,
        how: Ok(Made { version: version("uv"), command: Box::new(command), output, forgets: None }),
    });

    let output = out.join("shop.pyz");
    let args = [bin.join("shiv"), project.clone(), output.clone(), wheels.clone(), lock.clone()];
    let script = "\"$1\" --site-packages \"$2\" -o \"$3\" --no-index --no-deps --find-links \"$4\" -r \"$5\"";
    peers.push(Peer {
        name: "`shiv`",
        same_bytes: false,
        slow: true,
        how: Ok(Made {
            version: version("shiv"),
            command: Box::new(move || shell(script, &args)),
            output,
            forgets: None,
        }),
    });

    for (name, file, forgets) in
        [("`pex`", "shop.pex", true), ("`pex`, once more with its own cache", "shop.pex", false)]
    {
        let (output, root) = (out.join(file), out.join("pex-root"));
        let args =
            [bin.join("pex"), project.clone(), output.clone(), wheels.clone(), lock.clone(), root.clone()];
        let script =
            "\"$1\" -D \"$2\" -o \"$3\" --no-pypi --intransitive -f \"$4\" -r \"$5\" --pex-root \"$6\"";
        peers.push(Peer {
            name,
            same_bytes: false,
            slow: true,
            how: Ok(Made {
                version: version("pex"),
                command: Box::new(move || shell(script, &args)),
                output,
                forgets: forgets.then_some(root),
            }),
        });
    }

    let output = out.join("pyinstaller");
    let how = packages.map_err(|error| format!("{error:#}")).map(|python| {
        let work = out.join("pyinstaller-work");
        let args = [python, project.join("manage.py"), output.clone(), project.join("assets"), work];
        let collected = ["django", "rest_framework", "psycopg", "PIL", "cryptography", "lxml", "celery", "numpy", "pandas"];
        let collected: String = collected.iter().map(|name| format!(" --collect-all {name}")).collect();
        let script = format!(
            "\"$1\" -m PyInstaller --onedir --noconfirm --clean --log-level ERROR --name shop --distpath \"$3\" \
             --workpath \"$5\" --specpath \"$5\" --add-data \"$4:assets\" --hidden-import shop.settings{collected} \"$2\""
        );
        let command: Box<dyn Fn() -> Command> = Box::new(move || shell(&script, &args));
        Made { version: version("pyinstaller"), command, output: output.clone(), forgets: None }
    });
    peers.push(Peer { name: "PyInstaller, one folder", same_bytes: false, slow: true, how });
    Ok(peers)
}

fn lock_lines(lock: &Path) -> anyhow::Result<Vec<String>> {
    Ok(fs_err::read_to_string(lock)?.lines().map(str::to_owned).collect())
}

/// The version of a program on PATH, or which package has it.
pub fn found(program: &str, package: &str) -> Result<String, String> {
    let asked = ["--version", "-v", "i"].iter().find_map(|ask| {
        let output = Command::new(program).arg(ask).output().ok()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        version_in(&said).map(|version| format!("{program} {version}"))
    });
    asked.ok_or_else(|| format!("`{program}` is not here: `sudo apt install {package}`"))
}

/// The first word of what a program says of itself that looks like a version.
fn version_in(said: &str) -> Option<String> {
    let words = said.split([' ', '\n', ',', '(', ')']);
    words.map(|word| word.trim_start_matches('v')).find(|word| is_version(word)).map(str::to_owned)
}

fn is_version(word: &str) -> bool {
    word.contains('.')
        && word.starts_with(|c: char| c.is_ascii_digit())
        && word.ends_with(|c: char| c.is_ascii_alphanumeric())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '.')
}

/// A line for the shell, which gets `paths` as `$1`, `$2`, ...
pub fn shell(script: &str, paths: &[PathBuf]) -> Command {
    with("sh", &["-c", script, "sh"], paths)
}

fn with(program: &str, args: &[&str], paths: &[PathBuf]) -> Command {
    let mut command = Command::new(program);
    command.args(args).args(paths);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(said: &str, expected: Option<&str>) {
        assert_eq!(version_in(said).as_deref(), expected, "{said}");
    }

    #[test]
    fn the_version_is_found_in_what_a_program_says_of_itself() {
        check("cp (GNU coreutils) 9.1\nCopyright (C) 2022", Some("9.1"));
        check("This is Zip 3.0 (July 5th 2008), by Info-ZIP.", Some("3.0"));
        check("\n7-Zip (z) 26.02 (x64) : Copyright (c) 1999-2026", Some("26.02"));
        check("*** Zstandard CLI (64-bit) v1.5.4, by Yann Collet ***", Some("1.5.4"));
        check("UnZip 6.00 of 20 April 2009, by Debian.", Some("6.00"));
        check("no version at all.", None);
    }
}
