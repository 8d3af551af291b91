//! What the chores need beyond Rust: a Python environment with maturin, the bridge's wheel, and the
//! environments that tests run in. All of it lies below `target/` and is made once.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use anyhow::{Context as _, anyhow, bail, ensure};

/// Versions the chores install. One place, so that a bump is one line.
const MATURIN: &str = "maturin==1.16.0";
pub const TEST_PACKAGES: [&str; 2] = ["django>=5.2,<5.3", "whitenoise[brotli]>=6.9,<7"];
/// Those whose locks holdall has them export, in one environment.
const EXPORTERS: [&str; 3] = ["poetry==2.5.1", "poetry-plugin-export==1.10.1", "pipenv==2026.10.3"];

/// The repository's root: the folder above this package.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_owned()
}

/// `target/`, wherever cargo was told to have it.
pub fn target() -> &'static Path {
    static TARGET: LazyLock<PathBuf> = LazyLock::new(|| {
        let asked = cargo().args(["metadata", "--no-deps", "--format-version", "1"]).output().ok();
        let said = asked.and_then(|asked| serde_json::from_slice::<serde_json::Value>(&asked.stdout).ok());
        let folder = said.and_then(|said| said["target_directory"].as_str().map(PathBuf::from));
        folder.unwrap_or_else(|| root().join("target"))
    });
    &TARGET
}

/// The holdall program and the folder with the bridge's wheel.
pub struct Product {
    pub holdall: PathBuf,
    pub tools: PathBuf,
}

impl Product {
    /// The bridge's wheel.
    pub fn wheel(&self) -> anyhow::Result<PathBuf> {
        wheel_in(&self.tools)
    }
}

/// Builds the command and the bridge's wheel.
pub fn build_product() -> anyhow::Result<Product> {
    build_product_as(&[])
}

/// Builds the command as it is released, and the bridge's wheel.
pub fn build_released_product() -> anyhow::Result<Product> {
    build_product_as(&["--release"])
}

/// Builds the bridge's wheel alone.
pub fn build_wheel() -> anyhow::Result<PathBuf> {
    let python = environment("maturin", &[MATURIN])?;
    step("build the bridge's wheel");
    wheel_in(&build_bridge(&python)?)
}

fn wheel_in(tools: &Path) -> anyhow::Result<PathBuf> {
    fs_err::read_dir(tools.join("bridges"))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .context("maturin left no wheel")
}

fn build_product_as(profile: &[&str]) -> anyhow::Result<Product> {
    // First, since it may be missing: nobody should wait for the compiler to be told of Python.
    let python = environment("maturin", &[MATURIN])?;
    step("build holdall");
    let holdall = build_program("bin", "holdall", profile)?;
    step("build the bridge's wheel (a minute, the first time)");
    Ok(Product { holdall, tools: build_bridge(&python)? })
}

/// Builds one program of the command's package, a `bin` or a `bench`, and returns where cargo put it.
pub fn build_program(kind: &str, name: &str, profile: &[&str]) -> anyhow::Result<PathBuf> {
    let mut build = cargo();
    build.args(["build", "--package", "holdall"]).args(profile).args([&format!("--{kind}"), name]);
    build.args(["--message-format", "json-render-diagnostics"]).stderr(Stdio::inherit());
    let output = build.output().with_context(|| format!("cannot start {build:?}"))?;
    ensure!(output.status.success(), "{build:?} ended with {}", output.status);
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        // For a bench cargo builds the command, too.
        .filter(|message| message["target"]["kind"][0] == kind && message["target"]["name"] == name)
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .next_back()
        .context("cargo does not say where it put the program")
}

/// Builds the bridge's wheel into `target/tools/bridges/` and returns `target/tools`.
fn build_bridge(python: &Path) -> anyhow::Result<PathBuf> {
    let tools = target().join("tools");
    let bridges = tools.join("bridges");
    // A wheel of an earlier version beside the new one would make the choice ambiguous.
    if bridges.exists() {
        fs_err::remove_dir_all(&bridges)?;
    }
    quietly(
        Command::new(python)
            .args(["-m", "maturin", "build", "--quiet", "--release", "--locked", "--manifest-path"])
            .arg(root().join("bridge/Cargo.toml"))
            .arg("--out")
            .arg(&bridges)
            .env("CARGO_ENCODED_RUSTFLAGS", without_paths())
            .current_dir(root()),
    )?;
    Ok(tools)
}

/// Flags that keep the folders of this machine out of what is compiled.
fn without_paths() -> String {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let folders = [Some((root(), "holdall")), home.map(|home| (home, "cargo"))].into_iter().flatten();
    let flags = folders.map(|(folder, name)| format!("--remap-path-prefix={}={name}", folder.display()));
    // Separated so, a folder may have a blank in its name.
    flags.collect::<Vec<_>>().join("\x1f")
}

/// Everything the tests use, by the environment variables under which they find it.
pub fn prepare_tests() -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    let product = build_product()?;
    let wheel = product.wheel()?;
    let django = environment("django", &TEST_PACKAGES)?;
    let bridge = environment("bridge", &[])?;
    run(Command::new(&bridge)
        .args(["-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--force-reinstall"])
        .arg(wheel))?;
    let mut prepared = vec![
        ("HOLDALL_TOOLS", product.tools),
        ("HOLDALL_TEST_PYTHON", django),
        ("HOLDALL_BRIDGE_PYTHON", bridge),
        ("HOLDALL_TEST_LAB", build_lab()?),
    ];
    // The stories with them run on Unix only.
    if cfg!(unix) {
        prepared.push(("HOLDALL_TEST_EXPORTERS", environment("exporters", &EXPORTERS)?));
    }
    Ok(prepared)
}

/// Builds the lab's IIS and returns the folder of its programs.
pub fn build_lab() -> anyhow::Result<PathBuf> {
    step("build the lab's IIS");
    quietly(cargo().args(["build", "--package", "holdall-lab-iis", "--bins"]))?;
    Ok(target().join("debug"))
}

/// A virtual environment `target/environments/<name>` with `packages`; returns its Python.
///
/// A mark with the Python and the list of packages is written last: a half-made environment is made again, and so
/// is one of a Python that has been replaced.
pub fn environment(name: &str, packages: &[&str]) -> anyhow::Result<PathBuf> {
    let folder = target().join("environments").join(name);
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let mark = folder.join("made-of.txt");
    let base = host_python()?;
    let wanted = format!("{}\n{}\n{}\n", base.version, base.path.display(), packages.join("\n"));
    if python.exists() && fs_err::read_to_string(&mark).is_ok_and(|made| made == wanted) {
        return Ok(python);
    }
    step(&format!("make the Python environment `{name}`"));
    if folder.exists() {
        fs_err::remove_dir_all(&folder)?;
    }
    make_venv(&base.path, &folder)?;
    if !packages.is_empty() {
        run(Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(packages))?;
    }
    fs_err::write(mark, wanted)?;
    Ok(python)
}

/// Debian splits `venv` from `python3`. Where this runs as root, as in a container, it is installed; else the person
/// is told to.
fn make_venv(python: &Path, folder: &Path) -> anyhow::Result<()> {
    let venv = || Command::new(python).args(["-m", "venv"]).arg(folder).output();
    if venv()?.status.success() {
        return Ok(());
    }
    let apt_get = |arguments: &[&str]| {
        let mut apt_get = Command::new("apt-get");
        apt_get.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
        quietly(&mut apt_get)
    };
    let installed = if is_root() {
        step("apt-get install python3-venv, since this Python cannot make environments");
        apt_get(&["update"])
            .and_then(|()| apt_get(&["install", "-y", "--no-install-recommends", "python3-venv"]))
    } else {
        Ok(())
    };
    let output = venv()?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let problem = anyhow!(
        "`{} -m venv` cannot make an environment. On Debian and Ubuntu the package `python3-venv` belongs to Python; \
         install it and run this again:\n\n    sudo apt install python3-venv\n\nPython said:\n{}",
        python.display(),
        String::from_utf8_lossy(&said).trim()
    );
    Err(installed.err().map_or(problem, |error| error.context("apt-get could not install `python3-venv`")))
}

/// Whether system packages may be installed without asking for more rights.
pub fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

/// A Python of this machine.
pub struct HostPython {
    pub path: PathBuf,
    version: String,
}

/// A Python 3.10 or newer on PATH.
pub fn host_python() -> anyhow::Result<HostPython> {
    let ask = "import sys; sys.version_info >= (3, 10) and print(sys.executable, '%d.%d.%d' % sys.version_info[:3], sep='\\n')";
    // On Windows `python3` is, if it is there, a link or an invitation to a shop.
    let names = if cfg!(windows) { ["python", "python3"] } else { ["python3", "python"] };
    [names[0], names[1], "python3.14", "python3.13", "python3.12", "python3.11", "python3.10"]
        .into_iter()
        .filter_map(|name| Command::new(name).args(["-c", ask]).output().ok())
        .find_map(|output| {
            let said = String::from_utf8(output.stdout).ok()?;
            let (path, version) = said.trim().split_once('\n')?;
            Some(HostPython { path: path.trim().into(), version: version.to_owned() })
        })
        .context(
            "no Python 3.10 or newer on PATH: install one (Debian, Ubuntu: `sudo apt install python3-venv`)",
        )
}

/// The folder of the Python on PATH: of the one that an environment was made from, if that is one.
pub fn base_python() -> anyhow::Result<PathBuf> {
    let mut ask = Command::new(host_python()?.path);
    ask.args(["-c", "import sys; print(sys.base_prefix)"]);
    let output = ask.output().with_context(|| format!("cannot start {ask:?}"))?;
    ensure!(output.status.success(), "{ask:?} ended with {}", output.status);
    Ok(String::from_utf8(output.stdout)?.trim().into())
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

/// Lets this process end as the command does. On Unix the command takes its place, so that Ctrl-C has one answer.
pub fn become_command(mut command: Command) -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt as _;
        Err(command.exec()).with_context(|| format!("cannot start {command:?}"))
    }
    #[cfg(not(unix))]
    run(&mut command)
}

/// Runs a command whose words are of interest only when it fails.
pub fn quietly(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("{command:?} ended with {}:\n{}", output.status, String::from_utf8_lossy(&said).trim());
    }
    Ok(())
}

/// Says what is being done.
pub fn step(what: &str) {
    println!("==> {what}");
}
