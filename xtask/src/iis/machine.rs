//! The machine that is asked: Windows with IIS. On other systems this says so and does nothing.

use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use super::http::Request;
use super::plan::{APPCMD, Invocation, Names, appcmd};
use super::stand::{Done, Iis};
use crate::tools;

/// Fails on a system that has no IIS.
pub fn check_system() -> anyhow::Result<()> {
    ensure!(
        cfg!(windows),
        "this needs Windows with IIS and its CGI feature; this is {}",
        std::env::consts::OS
    );
    Ok(())
}

/// The web server, CGI, and what a server has by default: `/all` brings the parents of a feature and not their other
/// children.
const FEATURES: [&str; 6] = [
    "IIS-WebServer",
    "IIS-CGI",
    "IIS-StaticContent",
    "IIS-DefaultDocument",
    "IIS-HttpErrors",
    "IIS-RequestFiltering",
];

/// What DISM is told. It is the same on servers and clients.
fn features() -> Invocation {
    let fixed = ["/online", "/enable-feature", "/all", "/norestart", "/quiet"];
    let features = FEATURES.map(|feature| format!("/featurename:{feature}"));
    let fixed = fixed.iter().map(ToString::to_string);
    Invocation { program: "dism", args: fixed.chain(features).collect() }
}

/// Switches on IIS with all that it needs.
pub fn enable_iis() -> anyhow::Result<()> {
    let done = run(&features())?;
    // ERROR_SUCCESS_REBOOT_REQUIRED: done, and something else waits for a restart.
    let said = String::from_utf8_lossy(&done.stdout).trim().to_owned();
    ensure!([0, 3010].contains(&done.code), "`{}` ended with {}: {said}", features(), done.code);
    // Some machines have IIS, and its service disabled. Where it runs already, `net` fails, and asking will tell.
    for command in service() {
        run(&command)?;
    }
    Ok(())
}

/// What starts IIS.
fn service() -> [Invocation; 2] {
    let command =
        |program, args: &[&str]| Invocation { program, args: args.iter().map(ToString::to_string).collect() };
    [command("sc", &["config", "W3SVC", "start=", "auto"]), command("net", &["start", "W3SVC"])]
}

/// Makes sure that IIS can be asked and says which one it is.
pub fn check_iis() -> anyhow::Result<String> {
    let program = resolved(APPCMD);
    let enable = "run `cargo xtask iis-facts enable-iis` in an elevated prompt";
    ensure!(program.exists(), "there is no IIS: no `{}`; {enable}", program.display());
    let modules = run(&appcmd(["list", "config", "/section:system.webServer/globalModules"]))?;
    match modules.code {
        0 => {}
        5 => bail!("appcmd may not read the configuration: run this in an elevated prompt"),
        code => bail!("appcmd ended with {code}: {}", String::from_utf8_lossy(&modules.stdout).trim()),
    }
    let modules = String::from_utf8_lossy(&modules.stdout).into_owned();
    ensure!(modules.contains("FastCgiModule"), "IIS has no CGI feature; {enable}");
    let ask = |key: &str, value: &str| -> anyhow::Result<String> {
        let args = ["query", key, "/v", value].map(str::to_owned).into();
        let said = run(&Invocation { program: "reg", args })?.stdout;
        Ok(registry_value(&String::from_utf8_lossy(&said)).unwrap_or("?").to_owned())
    };
    let windows = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion";
    let name = ask(windows, "ProductName")?;
    let build = ask(windows, "CurrentBuildNumber")?;
    let iis = ask(r"HKLM\SOFTWARE\Microsoft\InetStp", "VersionString")?;
    Ok(format!("{name} (build {build}), IIS {}", iis.trim_start_matches("Version ")))
}

/// The value in what `reg query KEY /v NAME` prints: `    NAME    REG_SZ    VALUE`.
fn registry_value(said: &str) -> Option<&str> {
    let line = said.lines().find(|line| line.contains(" REG_SZ "))?;
    Some(line.split_once(" REG_SZ ")?.1.trim())
}

/// Removes what an earlier run has left, lets `makes` fill a folder, calls `asks`, and removes the folder. The second
/// result tells whether it could be removed.
pub fn with_files<T>(
    makes: impl FnOnce(&Path) -> anyhow::Result<()>,
    asks: impl FnOnce(&mut dyn Iis, &Names) -> anyhow::Result<T>,
) -> anyhow::Result<(T, anyhow::Result<()>)> {
    let drive = std::env::var("SystemDrive").unwrap_or_else(|_| "C:".to_owned());
    // Below the drive's root every account may read, as the pool's and the anonymous visitor's have to.
    let names = Names::new(format!("{drive}\\holdall-facts"), free_ports()?);
    let mut machine = Machine { folder: names.folder.clone().into() };
    // Before the files: what runs holds them.
    for command in names.sweep() {
        run(&command)?;
    }
    let folder = machine.folder.clone();
    remove(&folder).context("files of an earlier run are in the way")?;
    tools::step(&format!("copy Python into {}", folder.display()));
    let asked = makes(&folder).and_then(|()| asks(&mut machine, &names));
    let removed = remove(&folder);
    Ok((asked?, removed))
}

/// Removes a folder, with patience for processes that are just ending.
fn remove(folder: &Path) -> anyhow::Result<()> {
    let started = Instant::now();
    while folder.exists() {
        match fs_err::remove_dir_all(folder) {
            Err(error) if started.elapsed() > Duration::from_secs(120) => return Err(error.into()),
            _ => std::thread::sleep(Duration::from_millis(500)),
        }
    }
    Ok(())
}

/// Three ports that nobody listens on.
fn free_ports() -> anyhow::Result<[u16; 3]> {
    let listeners = [(); 3].map(|()| TcpListener::bind(("127.0.0.1", 0)));
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(listeners) {
        *port = listener?.local_addr()?.port();
    }
    Ok(ports)
}

/// This machine's IIS.
struct Machine {
    folder: PathBuf,
}

impl Iis for Machine {
    fn run(&mut self, command: &Invocation) -> anyhow::Result<Done> {
        run(command)
    }

    fn send(&mut self, request: &Request) -> anyhow::Result<Box<dyn Read>> {
        Ok(Box::new(request.send()?))
    }

    fn pause(&mut self, time: Duration) {
        std::thread::sleep(time);
    }

    fn folder(&self) -> &Path {
        &self.folder
    }
}

/// appcmd says its errors on standard output; those of others are put behind.
fn run(command: &Invocation) -> anyhow::Result<Done> {
    let mut program = Command::new(resolved(command.program));
    let output = program.args(&command.args).stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot start `{command}`"))?;
    let code = output.status.code().with_context(|| format!("`{command}` was ended"))?;
    Ok(Done { code, stdout: [output.stdout, output.stderr].concat() })
}

/// All but appcmd are on PATH.
fn resolved(program: &str) -> PathBuf {
    match program {
        APPCMD => {
            let windows = std::env::var_os("windir").unwrap_or_else(|| r"C:\Windows".into());
            Path::new(&windows).join(r"System32\inetsrv\appcmd.exe")
        }
        program => program.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(not(windows))]
    fn another_system_is_told_what_is_needed() {
        let error = check_system().unwrap_err().to_string();
        assert_eq!(
            error,
            format!("this needs Windows with IIS and its CGI feature; this is {}", std::env::consts::OS)
        );
    }

    #[test]
    fn the_features_are_named_as_dism_knows_them() {
        let expected = "dism /online /enable-feature /all /norestart /quiet /featurename:IIS-WebServer /featurename:IIS-CGI \
            /featurename:IIS-StaticContent /featurename:IIS-DefaultDocument /featurename:IIS-HttpErrors \
            /featurename:IIS-RequestFiltering";
        assert_eq!(features().to_string(), expected);
    }

    #[test]
    fn the_value_is_found_in_what_reg_prints() {
        let said = "\r\nHKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\InetStp\r\n    VersionString    REG_SZ    Version 10.0\r\n\r\n";
        assert_eq!(registry_value(said), Some("Version 10.0"));
        assert_eq!(registry_value("ERROR: no such key\r\n"), None);
    }
}
