//! What is made before anything is measured: an environment with the bridge and its peers, the C program, and a folder with
//! all that they serve.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::process::{Group, Interrupts};
use super::servers::{PAGES, Page, Place, Protocol, SERVERS, Server};
use super::{http, question};
use crate::{debian, tools};

/// Peers, pinned, so that a table can be made again.
const INSTALLED: [&str; 6] = [
    "uwsgi==2.0.31",
    "flup6==1.1.1",
    "gunicorn==27.0.1",
    "waitress==3.0.2",
    "granian==2.8.7",
    "django==5.2.19",
];

/// How long a server may take until it answers.
const START: Duration = Duration::from_secs(30);

/// A web server, the C library that peers are measured by, and what compiles with it.
const PACKAGES: [&str; 3] = ["nginx", "gcc", "libfcgi-dev"];

/// Everything that is made once. What it holds in a temporary folder goes with it.
pub struct Stand {
    pub place: Place,
    /// Why there is no C program.
    pub without_libfcgi: Option<String>,
}

impl Stand {
    pub fn prepare(before: Option<&Path>) -> anyhow::Result<Stand> {
        // Whoever may not install them is told of what is missing where it is needed.
        if tools::is_root() && cfg!(target_os = "linux") {
            debian::install("the benchmark of the bridge", &PACKAGES)?;
        }
        let python = tools::environment("bench-bridge", &INSTALLED)?;
        let wheel = tools::build_wheel()?;
        install(&python, &wheel, &["--force-reinstall"])?;
        // The paths of sockets must be short, whatever the repository's folder.
        let folder = std::env::temp_dir().join(format!("holdall-bench-{}", std::process::id()));
        fs_err::create_dir_all(folder.join("temp"))?;
        let mut stand = Stand { place: Place { folder, python, before: None }, without_libfcgi: None };
        let folder = &stand.place.folder;
        if let Some(wheel) = before {
            let build = folder.join("before");
            install(&stand.place.python, wheel, &["--target".as_ref(), build.as_os_str()])?;
            stand.place.before = Some(build);
        }
        for (name, text) in [
            ("application.py", include_str!("application.py")),
            ("in_process.py", include_str!("in_process.py")),
            ("flup_server.py", include_str!("flup_server.py")),
            ("hello.c", include_str!("hello.c")),
        ] {
            fs_err::write(folder.join(name), text)?;
        }
        stand.without_libfcgi = compile(folder).err().map(|error| format!("{error:#}"));
        Ok(stand)
    }

    /// Those that can be measured here.
    pub fn servers(&self) -> impl Iterator<Item = Server> {
        SERVERS.into_iter().filter(|server| match server {
            Server::Before => self.place.before.is_some(),
            Server::Libfcgi => self.without_libfcgi.is_none(),
            _ => true,
        })
    }

    /// Starts all servers that can have so many processes, and nginx in front of them, and waits until each answers.
    pub fn serve(&self, processes: u16, interrupts: &Interrupts) -> anyhow::Result<Serving> {
        let servers: Vec<Server> =
            self.servers().filter(|server| server.serves(Page::Hello, processes)).collect();
        let mut groups = Vec::new();
        for server in &servers {
            groups.push((*server, server.start(&self.place, processes)?));
        }
        let config = self.place.folder.join("nginx.conf");
        fs_err::write(&config, self.configuration(&servers, processes)?)?;
        let mut nginx = Command::new(nginx());
        nginx.arg("-p").arg(&self.place.folder).arg("-c").arg(&config).args(["-e", "nginx.log"]);
        let mut nginx = Group::start(nginx.stdout(self.place.log()?).stderr(self.place.log()?))?;
        for (server, group) in &mut groups {
            let front = self.place.front(*server, processes);
            for page in PAGES.into_iter().filter(|page| server.serves(*page, processes)) {
                let started = Instant::now();
                while let Err(error) = http::ask(&front, &question(page)) {
                    interrupts.check()?;
                    if started.elapsed() > START || group.has_ended()? || nginx.has_ended()? {
                        bail!("{server} does not give the page {page}: {error:#}\n{}", self.place.said());
                    }
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        }
        Ok(Serving { servers: groups, _nginx: nginx })
    }

    fn configuration(&self, servers: &[Server], processes: u16) -> anyhow::Result<String> {
        let mut sites = String::new();
        for server in servers {
            let (front, back) = (self.place.front(*server, processes), self.place.socket(*server, processes));
            let upstream = format!("{server:?}");
            // One that nobody listens at is left over by the servers of an earlier run.
            let _ = fs_err::remove_file(&front);
            writeln!(sites, "    upstream {upstream} {{\n        server \"unix:{}\";", back.display())?;
            writeln!(sites, "        keepalive 32;\n        keepalive_requests 1000000000;\n    }}")?;
            writeln!(
                sites,
                "    server {{\n        listen \"unix:{}\";\n        location / {{",
                front.display()
            )?;
            match server.protocol() {
                Protocol::Kept => writeln!(
                    sites,
                    "            fastcgi_pass {upstream};\n            fastcgi_keep_conn on;"
                )?,
                Protocol::Closed => writeln!(sites, "            fastcgi_pass {upstream};")?,
                Protocol::Http => writeln!(
                    sites,
                    "            proxy_pass http://{upstream};\n            proxy_http_version 1.1;\n            \
                     proxy_set_header Connection \"\";\n            proxy_set_header Host $host;"
                )?,
            }
            sites += "        }\n    }\n";
        }
        let user = if tools::is_root() { "user root root;" } else { "" };
        Ok(include_str!("nginx.conf").replace("USER\n", &format!("{user}\n")).replace("SITES\n", &sites))
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        // What cannot be removed lies where the system removes it.
        let _ = fs_err::remove_dir_all(&self.place.folder);
    }
}

/// Servers that answer, and nginx in front of them. All of it ends with this value.
pub struct Serving {
    pub servers: Vec<(Server, Group)>,
    _nginx: Group,
}

fn install<A: AsRef<std::ffi::OsStr>>(python: &Path, wheel: &Path, options: &[A]) -> anyhow::Result<()> {
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]);
    tools::run(pip.args(options).arg(wheel))
}

fn compile(folder: &Path) -> anyhow::Result<()> {
    let mut cc = Command::new("cc");
    cc.args(["-O2", "-o", "hello", "hello.c", "-lfcgi"]).current_dir(folder);
    tools::quietly(&mut cc).context("libfcgi is not here: `sudo apt install gcc libfcgi-dev`")
}

/// Debian has it where only root's PATH looks.
fn nginx() -> PathBuf {
    let debian = PathBuf::from("/usr/sbin/nginx");
    if debian.exists() { debian } else { "nginx".into() }
}
