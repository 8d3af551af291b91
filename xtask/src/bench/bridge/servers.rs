//! The bridge and its peers, each started as its manual says, with as many processes as asked and one thread in each. Only
//! flup6 has several: with one alone it refuses whoever comes while it is at work.

use std::fmt;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::process::Group;

/// What serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Server {
    Bridge,
    /// Another build of it, if one was named.
    Before,
    Uwsgi,
    Flup,
    Libfcgi,
    Gunicorn,
    Waitress,
    Granian,
}

pub const SERVERS: [Server; 8] = [
    Server::Bridge,
    Server::Before,
    Server::Uwsgi,
    Server::Flup,
    Server::Libfcgi,
    Server::Gunicorn,
    Server::Waitress,
    Server::Granian,
];

/// What a web server speaks to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// With connections that are kept.
    Kept,
    /// With a connection for each request: an idle one holds libfcgi, and flup6 forgets some of those that wait.
    Closed,
    Http,
}

impl Server {
    pub fn protocol(self) -> Protocol {
        match self {
            // uWSGI closes each of its own accord, which nginx takes from it.
            Server::Bridge | Server::Before | Server::Uwsgi => Protocol::Kept,
            Server::Flup | Server::Libfcgi => Protocol::Closed,
            Server::Gunicorn | Server::Waitress | Server::Granian => Protocol::Http,
        }
    }

    /// Whether a single peer that speaks FastCGI may ask again on its connection.
    pub fn keeps(self) -> bool {
        matches!(self, Server::Bridge | Server::Before | Server::Flup | Server::Libfcgi)
    }

    /// Whether it runs an application, and can so with several processes.
    pub fn serves(self, page: Page, processes: u16) -> bool {
        match self {
            Server::Libfcgi => page == Page::Hello && processes == 1,
            Server::Flup | Server::Waitress => processes == 1,
            _ => true,
        }
    }

    pub fn start(self, place: &Place, processes: u16) -> anyhow::Result<Group> {
        let socket = place.socket(self, processes);
        // Of one that was killed before.
        let _ = fs_err::remove_file(&socket);
        let bin = |name: &str| place.python.with_file_name(name);
        let number = processes.to_string();
        let mut listener = None;
        let mut command = match self {
            Server::Bridge | Server::Before => {
                let mut python =
                    place.bridge(if self == Server::Bridge { None } else { place.before.as_deref() });
                python.args(["--app", "application:application", "--processes", &number, "--listen"]);
                python.arg(format!("unix:{}", socket.display()));
                python
            }
            Server::Uwsgi => {
                let mut uwsgi = Command::new(bin("uwsgi"));
                uwsgi.arg("--fastcgi-socket").arg(&socket).args(["--module", "application:application"]);
                uwsgi.args(["--processes", &number, "--master", "--disable-logging", "--need-app"]);
                uwsgi.arg("--virtualenv").args(place.python.parent().and_then(Path::parent));
                uwsgi
            }
            Server::Flup => {
                let mut python = Command::new(&place.python);
                python.arg(place.folder.join("flup_server.py")).arg(&place.folder).arg(&socket);
                python
            }
            Server::Libfcgi => {
                listener = Some(UnixListener::bind(&socket)?);
                Command::new(place.folder.join("hello"))
            }
            Server::Gunicorn => {
                let mut gunicorn = Command::new(bin("gunicorn"));
                gunicorn.args(["--workers", &number, "--bind"]).arg(format!("unix:{}", socket.display()));
                gunicorn.args(["--log-level", "error", "--no-control-socket", "application:application"]);
                gunicorn
            }
            Server::Waitress => {
                let mut waitress = Command::new(bin("waitress-serve"));
                waitress.args(["--threads", &number, "--unix-socket"]).arg(&socket);
                waitress.arg("application:application");
                waitress
            }
            Server::Granian => {
                let mut granian = Command::new(bin("granian"));
                granian.args([
                    "--interface",
                    "wsgi",
                    "--workers",
                    &number,
                    "--blocking-threads",
                    "1",
                    "--uds",
                ]);
                granian.arg(&socket).args(["--log-level", "error", "application:application"]);
                granian
            }
        };
        command.stdin(listener.map_or_else(Stdio::null, |listener| OwnedFd::from(listener).into()));
        command.stdout(place.log()?).stderr(place.log()?).current_dir(&place.folder);
        Group::start(&mut command)
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Server::Bridge => "the bridge",
            Server::Before => "the bridge, the other build",
            Server::Uwsgi => "uWSGI",
            Server::Flup => "flup6",
            Server::Libfcgi => "libfcgi, in C",
            Server::Gunicorn => "gunicorn, HTTP",
            Server::Waitress => "waitress, HTTP",
            Server::Granian => "granian, HTTP",
        })
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Page {
    Hello,
    Django,
    Large,
    Upload,
}

pub const PAGES: [Page; 4] = [Page::Hello, Page::Django, Page::Large, Page::Upload];

impl Page {
    pub fn path(self) -> &'static str {
        match self {
            Page::Hello => "/hello",
            Page::Django => "/django",
            Page::Large => "/large",
            Page::Upload => "/upload",
        }
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Page::Hello => "hello",
            Page::Django => "Django hello",
            Page::Large => "1 MB answer",
            Page::Upload => "10 MB upload",
        })
    }
}

/// Where everything lies.
pub struct Place {
    pub folder: PathBuf,
    /// With the bridge and all peers.
    pub python: PathBuf,
    /// A folder with the other build of the bridge.
    pub before: Option<PathBuf>,
}

impl Place {
    pub fn socket(&self, server: Server, processes: u16) -> PathBuf {
        self.folder.join(format!("{server:?}{processes}.socket"))
    }

    /// Where nginx listens for those who ask this server.
    pub fn front(&self, server: Server, processes: u16) -> PathBuf {
        self.folder.join(format!("{server:?}{processes}.front"))
    }

    /// The bridge's command, of an installed build or of one that lies in a folder.
    pub fn bridge(&self, build: Option<&Path>) -> Command {
        let mut python = Command::new(&self.python);
        python.args(["-B", "-X", "utf8", "-m", "holdall_bridge", "--pythonpath"]).arg(&self.folder);
        if let Some(build) = build {
            python.env("PYTHONPATH", build);
        }
        python
    }

    /// What the servers say, for when one of them does not answer.
    pub fn log(&self) -> anyhow::Result<File> {
        let path = self.folder.join("servers.log");
        Ok(fs_err::OpenOptions::new().create(true).append(true).open(path)?.into_file())
    }

    /// All of it so far.
    pub fn said(&self) -> String {
        let read = |name: &str| fs_err::read_to_string(self.folder.join(name)).unwrap_or_default();
        ["servers.log", "nginx.log"].map(read).concat()
    }
}
