//! The web server of a story: the lab's IIS in a folder of the story's own, or the IIS of this machine.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::server::wait_for;
use crate::harness::{Test, program};
use crate::system::ask_to_end;

/// Which one a story gets that is told of either. Unset, it is the lab's.
const VARIABLE: &str = "HOLDALL_TEST_IIS";
const THIS_MACHINE: &str = "this-machine";

pub enum WebServer {
    Lab(Lab),
    /// That of Windows, whose appcmd Holdall finds by itself.
    ThisMachine,
}

/// The lab's IIS, which runs.
pub struct Lab {
    /// All that it is.
    folder: PathBuf,
    appcmd: PathBuf,
    netsh: PathBuf,
    /// None while it is turned off.
    iis: Option<Child>,
}

impl WebServer {
    /// Whether the environment asks for the IIS of this machine.
    pub fn is_this_machine() -> bool {
        std::env::var_os(VARIABLE).is_some_and(|kind| {
            assert_eq!(kind, THIS_MACHINE, "{VARIABLE} is `{THIS_MACHINE}` or unset");
            true
        })
    }

    pub fn appcmd(&self) -> Command {
        match self {
            WebServer::Lab(lab) => {
                let mut appcmd = Command::new(&lab.appcmd);
                appcmd.env("HOLDALL_LAB_IIS", &lab.folder);
                appcmd
            }
            WebServer::ThisMachine => {
                let windows = std::env::var_os("windir").unwrap();
                Command::new(Path::new(&windows).join(r"System32\inetsrv\appcmd.exe"))
            }
        }
    }

    /// Has a command know this server.
    pub fn tell(&self, holdall: &mut Command) {
        match self {
            WebServer::Lab(lab) => {
                let certificates = lab.folder.join("certificates");
                holdall.env("HOLDALL_APPCMD", &lab.appcmd).env("HOLDALL_LAB_IIS", &lab.folder);
                holdall.env("HOLDALL_NETSH", &lab.netsh).env("HOLDALL_CERTIFICATES", certificates)
            }
            WebServer::ThisMachine => holdall
                .env_remove("HOLDALL_APPCMD")
                .env_remove("HOLDALL_NETSH")
                .env_remove("HOLDALL_CERTIFICATES"),
        };
    }
}

impl Lab {
    /// One that is set up so, in the folder `iis` of a story.
    pub fn start(test: &Test, kind: &str) -> Lab {
        let folder = test.path("iis");
        let made =
            Command::new(lab_program("appcmd-lab")).args(["init", "--kind", kind]).arg(&folder).status();
        assert!(made.unwrap().success());
        fs_err::create_dir_all(folder.join("certificates")).unwrap();
        // By a name of its own: one appcmd is one server to those who change it, who wait for each other.
        let [appcmd, netsh] = ["appcmd", "netsh"].map(|name| {
            let program = test.path(&program_name(name));
            #[cfg(unix)]
            fs_err::os::unix::fs::symlink(lab_program(name), &program).unwrap();
            // On Windows only administrators make links.
            #[cfg(windows)]
            fs_err::copy(lab_program(name), &program).unwrap();
            program
        });
        let lab = Lab { iis: Some(serve(&folder)), folder, appcmd, netsh };
        lab.wait();
        lab
    }

    fn wait(&self) {
        let ready = ready(&self.folder);
        wait_for("the web server", || ready.exists());
    }

    /// It ends, and forgets what IIS keeps in no file.
    #[cfg(target_os = "linux")]
    pub fn turn_off(&mut self) {
        self.end();
        for name in ["runtime.json", "iis.jsonl", "commands.jsonl"] {
            let _ = fs_err::remove_file(self.folder.join(name));
        }
    }

    #[cfg(target_os = "linux")]
    pub fn turn_on(&mut self) {
        self.iis = Some(serve(&self.folder));
        self.wait();
    }

    fn end(&mut self) {
        let Some(mut iis) = self.iis.take() else { return };
        // With it go the processes that it has started.
        ask_to_end(&mut iis);
        let until = Instant::now() + Duration::from_secs(10);
        while iis.try_wait().unwrap().is_none() {
            if Instant::now() > until {
                let _ = iis.kill();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.end();
    }
}

/// Starts the web server of the lab in `folder`.
fn serve(folder: &Path) -> Child {
    let ready = ready(folder);
    let _ = fs_err::remove_file(&ready);
    let mut iis = Command::new(lab_program("iis"));
    iis.arg("--config").arg(folder).arg("--ready-file").arg(&ready);
    iis.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
}

/// The file that it makes once it serves.
fn ready(folder: &Path) -> PathBuf {
    folder.with_file_name("ready")
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A program of the lab: where `cargo xtask` has put it, or beside the command.
pub fn lab_program(name: &str) -> PathBuf {
    let folder = std::env::var_os("HOLDALL_TEST_LAB").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| program().parent().unwrap().to_owned());
    let path = folder.join(program_name(name));
    assert!(path.exists(), "`cargo build --package holdall-lab-iis` makes `{}`", path.display());
    path
}

fn program_name(name: &str) -> String {
    format!("{name}{}", std::env::consts::EXE_SUFFIX)
}
