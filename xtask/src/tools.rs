//! What the chores need beyond Rust: a Python environment with maturin, the bridge's wheel, and the
//! environments that tests run in. All of it lies below `target/` and is made once.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

/// Versions the chores install. One place, so that a bump is one line.
const MATURIN: &str = "maturin==1.16.0";
const TEST_PACKAGES: [&str; 2] = ["django>=5.2,<5.3", "whitenoise[brotli]>=6.9,<7"];

/// The repository's root: the folder above this package.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_owned()
}

/// `target/`, wherever cargo was told to have it.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The holdall program and the folder with the bridge's wheel.
pub struct Product {
    pub holdall: PathBuf,
    pub tools: PathBuf,
}

/// Builds the command and the bridge's wheel.
pub fn build_product() -> anyhow::Result<Product> {
    step("build holdall");
    run(cargo().args(["build", "--package", "holdall"]))?;
    Ok(Product {
        holdall: target().join("debug").join(format!("holdall{}", std::env::consts::EXE_SUFFIX)),
        tools: build_bridge()?,
    })
}

/// Builds the bridge's wheel into `target/tools/bridges/` and returns `target/tools`.
fn build_bridge() -> anyhow::Result<PathBuf> {
    let tools = target().join("tools");
    let python = environment("maturin", &[MATURIN])?;
    step("build the bridge's wheel");
    let bridges = tools.join("bridges");
    // A wheel of an earlier version beside the new one would make the choice ambiguous.
    if bridges.exists() {
        fs_err::remove_dir_all(&bridges)?;
    }
    run(Command::new(&python)
        .args(["-m", "maturin", "build", "--quiet", "--release", "--locked", "--manifest-path"])
        .arg(root().join("bridge/Cargo.toml"))
        .arg("--out")
        .arg(&bridges)
        .current_dir(root()))?;
    Ok(tools)
}

/// Everything the tests use, by the environment variables under which they find it.
pub fn prepare_tests() -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    let product = build_product()?;
    let wheel = fs_err::read_dir(product.tools.join("bridges"))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .context("maturin left no wheel")?;
    let django = environment("django", &TEST_PACKAGES)?;
    let bridge = environment("bridge", &[])?;
    run(Command::new(&bridge)
        .args(["-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--force-reinstall"])
        .arg(wheel))?;
    Ok(vec![
        ("HOLDALL_TOOLS", product.tools),
        ("HOLDALL_TEST_PYTHON", django),
        ("HOLDALL_BRIDGE_PYTHON", bridge),
    ])
}

/// A virtual environment `target/environments/<name>` with `packages`; returns its Python.
///
/// A mark with the list of packages is written last, so that a half-made one is made again.
fn environment(name: &str, packages: &[&str]) -> anyhow::Result<PathBuf> {
    let folder = target().join("environments").join(name);
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let mark = folder.join("packages.txt");
    let wanted = packages.join("\n");
    if python.exists() && fs_err::read_to_string(&mark).is_ok_and(|made| made == wanted) {
        return Ok(python);
    }
    step(&format!("make the Python environment `{name}`"));
    if folder.exists() {
        fs_err::remove_dir_all(&folder)?;
    }
    make_venv(&host_python()?, &folder)?;
    if !packages.is_empty() {
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(packages))?;
    }
    fs_err::write(mark, wanted)?;
    Ok(python)
}

/// Debian splits `venv` from `python3`; on a fresh machine of ours (a container, CI) it can be installed.
fn make_venv(python: &Path, folder: &Path) -> anyhow::Result<()> {
    let venv = || Command::new(python).args(["-m", "venv"]).arg(folder).output();
    if venv()?.status.success() {
        return Ok(());
    }
    step("install python3-venv");
    let installed = Command::new("apt-get").args(["update", "-qq"]).status().is_ok_and(|s| s.success())
        && Command::new("apt-get")
            .args(["install", "-y", "-qq", "--no-install-recommends", "python3-venv"])
            .env("DEBIAN_FRONTEND", "noninteractive")
            .status()
            .is_ok_and(|s| s.success());
    let output = venv()?;
    if !output.status.success() {
        bail!(
            "`{} -m venv` failed{}:\n{}{}",
            python.display(),
            if installed {
                ""
            } else {
                " and apt-get could not install it; as root: apt-get install python3-venv"
            },
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

/// A Python 3.10 or newer on PATH.
pub fn host_python() -> anyhow::Result<PathBuf> {
    let ask = "import sys; print(sys.executable if sys.version_info >= (3, 10) else '')";
    ["python3", "python", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10"]
        .into_iter()
        .filter_map(|name| Command::new(name).args(["-c", ask]).output().ok())
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .find(|path| !path.is_empty())
        .map(PathBuf::from)
        .context("no Python 3.10 or newer on PATH: install one (Debian, Ubuntu: apt-get install python3)")
}

/// The cargo that runs this chore.
pub fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}

/// Runs a command and fails with its words when it fails.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}

/// Says what is being done.
pub fn step(what: &str) {
    println!("==> {what}");
}
