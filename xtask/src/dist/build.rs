//! The command and the bridge's wheel for one target, as they are handed to people.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use super::tools_folder;
use crate::{lab, tools};

/// Linux programs are linked by zig, which has the symbols of every glibc: they start on every system
/// since 2014. The wheel is checked against the same version by its name, manylinux2014.
const GLIBC: (u32, u32) = (2, 17);
const PACKAGES: [&str; 3] = ["maturin==1.16.0", "cargo-zigbuild==0.24.0", "ziglang==0.17.1"];

/// A target that Holdall is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Target {
    #[value(name = "linux-x86_64")]
    LinuxX86_64,
    #[value(name = "windows-x86_64")]
    WindowsX86_64,
}

/// What was built for a target.
#[derive(Debug)]
pub struct Built {
    pub target: Target,
    pub program: PathBuf,
    pub wheel: PathBuf,
}

impl Target {
    /// The compiler's word for it.
    pub fn triple(self) -> &'static str {
        match self {
            Target::LinuxX86_64 => "x86_64-unknown-linux-gnu",
            Target::WindowsX86_64 => lab::TARGET,
        }
    }

    pub fn exe(self) -> &'static str {
        match self {
            Target::LinuxX86_64 => "",
            Target::WindowsX86_64 => ".exe",
        }
    }

    /// The command's file name beside the command for another target.
    pub fn program(self) -> String {
        format!("holdall-{self}{}", self.exe())
    }

    /// The end of the wheel's file name.
    fn platform(self) -> &'static str {
        match self {
            Target::LinuxX86_64 => "linux_2_17_x86_64.whl",
            Target::WindowsX86_64 => "win_amd64.whl",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Target::LinuxX86_64 => "linux-x86_64",
            Target::WindowsX86_64 => "windows-x86_64",
        })
    }
}

/// Builds the command and the wheel into [`tools_folder`].
pub fn build(target: Target) -> anyhow::Result<Built> {
    if target == Target::WindowsX86_64 {
        lab::check_toolchain()?;
    }
    let python = tools::environment("dist", &PACKAGES)?;
    tools::step(&format!("build holdall for {target}"));
    let paths = Paths::of_this_machine(target)?;
    let program = build_program(target, &python, &paths)?;
    tools::step(&format!("build the bridge's wheel for {target}"));
    let wheel = build_wheel(target, &python, &paths)?;
    Ok(Built { target, program, wheel })
}

fn build_program(target: Target, python: &Path, paths: &Paths) -> anyhow::Result<PathBuf> {
    let folder = python.parent().context("a program lies in a folder")?;
    let mut cargo = match target {
        Target::LinuxX86_64 => {
            let mut zigbuild = linux(folder.join("cargo-zigbuild"), folder);
            zigbuild.args(["zigbuild", "--target", &format!("{}.{}.{}", target.triple(), GLIBC.0, GLIBC.1)]);
            zigbuild
        }
        Target::WindowsX86_64 => {
            let mut cargo = lab::cargo_windows();
            cargo.arg("build");
            cargo
        }
    };
    cargo.args(["--release", "--locked", "--package", "holdall"]);
    tools::run(cargo.env("CARGO_ENCODED_RUSTFLAGS", paths.flags()))?;
    let target_folder = match target {
        Target::LinuxX86_64 => tools::target().to_owned(),
        Target::WindowsX86_64 => lab::cargo_folder(),
    };
    let bytes = fs_err::read(
        target_folder.join(target.triple()).join("release").join(format!("holdall{}", target.exe())),
    )?;
    let program = tools_folder().join(target.program());
    accept(target, &target.program(), &bytes, paths)?;
    fs_err::create_dir_all(tools_folder())?;
    fs_err::write(&program, bytes)?;
    #[cfg(unix)]
    fs_err::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    Ok(program)
}

fn build_wheel(target: Target, python: &Path, paths: &Paths) -> anyhow::Result<PathBuf> {
    let bridges = tools_folder().join("bridges");
    fs_err::create_dir_all(&bridges)?;
    let wheels = || -> anyhow::Result<Vec<PathBuf>> {
        let entries = fs_err::read_dir(&bridges)?.collect::<Result<Vec<_>, _>>()?;
        let paths = entries.into_iter().map(|entry| entry.path());
        Ok(paths.filter(|path| path.to_string_lossy().ends_with(target.platform())).collect())
    };
    // A wheel of an earlier version beside the new one would make the choice ambiguous.
    for old in wheels()? {
        fs_err::remove_file(old)?;
    }
    let folder = python.parent().context("a program lies in a folder")?;
    let mut maturin = match target {
        Target::LinuxX86_64 => linux(python, folder),
        Target::WindowsX86_64 => lab::toolchain(python),
    };
    maturin.args(["-m", "maturin", "build", "--quiet", "--release", "--locked", "--target", target.triple()]);
    if target == Target::LinuxX86_64 {
        maturin.args(["--zig", "--compatibility", "manylinux2014"]);
        // It sets zig up in another way than cargo-zigbuild: in one folder each would build anew after the other.
        maturin.env("CARGO_TARGET_DIR", tools::target().join("wheel"));
    }
    maturin.arg("--manifest-path").arg(tools::root().join("bridge/Cargo.toml")).arg("--out").arg(&bridges);
    tools::run(maturin.env("CARGO_ENCODED_RUSTFLAGS", paths.flags()))?;
    let wheel = wheels()?.pop().with_context(|| {
        format!("maturin left no wheel `*{}` in `{}`", target.platform(), bridges.display())
    })?;
    let mut zip = zip::ZipArchive::new(fs_err::File::open(&wheel)?)?;
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index)?;
        let name = format!("{} in {}", entry.name()?, wheel.display());
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        accept(target, &name, &bytes, paths)?;
    }
    Ok(wheel)
}

/// `CARGO_ENCODED_RUSTFLAGS` of everything that is built for `target`.
pub fn flags(target: Target) -> anyhow::Result<OsString> {
    Ok(Paths::of_this_machine(target)?.flags())
}

/// A program that finds zig in the environment of Python whose programs are in `folder`.
fn linux(program: impl AsRef<OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    let mut path = OsString::from(folder);
    if let Some(inherited) = std::env::var_os("PATH") {
        path.push(if cfg!(windows) { ";" } else { ":" });
        path.push(inherited);
    }
    command.current_dir(tools::root()).env("PATH", path).env_remove("RUSTFLAGS");
    lab::forget_this_package(&mut command);
    command
}

/// Folders of this machine that the compilers know of, and what takes their place in what they build.
struct Paths(Vec<(PathBuf, &'static str)>);

impl Paths {
    fn of_this_machine(target: Target) -> anyhow::Result<Paths> {
        let home = std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| {
            let home = std::env::var_os(if cfg!(windows) { "USERPROFILE" } else { "HOME" })?;
            Some(PathBuf::from(home).join(".cargo"))
        });
        let rustc = match target {
            Target::LinuxX86_64 => {
                Command::new("rustc").args(["--print", "sysroot"]).current_dir(tools::root()).output()
            }
            Target::WindowsX86_64 => lab::toolchain("/usr/bin/rustc").args(["--print", "sysroot"]).output(),
        };
        let sysroot = PathBuf::from(String::from_utf8(rustc.context("cannot start rustc")?.stdout)?.trim());
        // The compiler takes the last that fits: what lies inside of another folder comes after it.
        let mut paths = vec![(tools::root(), "holdall"), (tools::target().to_owned(), "target")];
        if let Some(home) = home {
            let sources = fs_err::read_dir(home.join("registry/src")).into_iter().flatten().flatten();
            paths.push((home.clone(), "cargo"));
            paths.extend(sources.map(|entry| (entry.path(), "crates")));
        }
        let library = sysroot.join("lib/rustlib/src/rust");
        // Debian's is a link, and the compiler may say either name.
        if let Ok(real) = fs_err::canonicalize(&library) {
            paths.push((real, "rust"));
        }
        paths.push((library, "rust"));
        Ok(Paths(paths))
    }

    /// `CARGO_ENCODED_RUSTFLAGS`: paths may hold spaces.
    fn flags(&self) -> OsString {
        let mut flags = OsString::new();
        for (index, (path, name)) in self.0.iter().enumerate() {
            if index > 0 {
                flags.push("\x1f");
            }
            flags.push("--remap-path-prefix=");
            flags.push(path);
            flags.push("=");
            flags.push(name);
        }
        flags
    }

    /// The first folder of this machine that is named in `bytes`.
    fn named_in(&self, bytes: &[u8]) -> Option<&Path> {
        self.0.iter().map(|(path, _)| path.as_path()).find(|path| {
            let path = path.as_os_str().as_encoded_bytes();
            bytes.windows(path.len()).any(|window| window == path)
        })
    }
}

/// Fails when a file must not be handed to people.
fn accept(target: Target, name: &str, bytes: &[u8], paths: &Paths) -> anyhow::Result<()> {
    if let Some(path) = paths.named_in(bytes) {
        bail!("{name} holds a path of this machine: `{}`", path.display());
    }
    if target == Target::LinuxX86_64 && bytes.starts_with(b"\x7fELF") {
        let newest = newest_glibc(bytes).with_context(|| format!("{name} asks for no glibc"))?;
        ensure!(newest <= GLIBC, "{name} asks for glibc {newest:?}, newer than {GLIBC:?}");
    }
    Ok(())
}

/// The newest version of glibc whose symbols a program asks for: `GLIBC_2.17` stands among its strings.
fn newest_glibc(bytes: &[u8]) -> Option<(u32, u32)> {
    const MARK: &[u8] = b"\0GLIBC_";
    let number = |text: &str| text.parse::<u32>().ok();
    bytes
        .windows(MARK.len())
        .enumerate()
        .filter(|(_, window)| *window == MARK)
        .filter_map(|(at, _)| {
            let version = bytes[at + MARK.len()..].split(|byte| *byte == 0).next()?;
            let mut parts = std::str::from_utf8(version).ok()?.split('.');
            Some((number(parts.next()?)?, number(parts.next()?)?))
        })
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_with_a_path_of_this_machine_is_refused() {
        let paths = Paths(vec![("/home/ada/holdall".into(), "holdall")]);
        let error =
            accept(Target::WindowsX86_64, "holdall.exe", b"MZ\0/home/ada/holdall/src\0", &paths).unwrap_err();
        assert_eq!(error.to_string(), "holdall.exe holds a path of this machine: `/home/ada/holdall`");
        accept(Target::WindowsX86_64, "holdall.exe", b"MZ\0holdall/src\0", &paths).unwrap();
    }

    #[test]
    fn a_program_for_a_newer_glibc_is_refused() {
        let old = b"\x7fELF\0GLIBC_2.2.5\0GLIBC_2.17\0memcpy\0";
        assert_eq!(newest_glibc(old), Some((2, 17)));
        let none = Paths(Vec::new());
        accept(Target::LinuxX86_64, "holdall", old, &none).unwrap();
        assert!(accept(Target::LinuxX86_64, "holdall", b"\x7fELF\0GLIBC_2.9\0GLIBC_2.34\0", &none).is_err());
    }

    #[test]
    fn flags_are_apart_even_when_paths_hold_spaces() {
        let paths = Paths(vec![("/a b".into(), "x"), ("/c".into(), "y")]);
        assert_eq!(paths.flags(), "--remap-path-prefix=/a b=x\x1f--remap-path-prefix=/c=y");
    }
}
