//! The web servers: their configurations, and who starts the bridge and replaces it.

use std::fmt;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use super::site::Site;
use crate::tools;

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A web server, and how it speaks to the bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// With `fastcgi_keep_conn on` and more connections kept than the bridge has processes.
    NginxKeeping,
    /// With a connection for each request, and the checks of `wsgiref.validate` on both sides of the application.
    Nginx,
    /// Starts the bridge itself, with a socket at descriptor 0.
    Lighttpd,
    /// Apache's mod_fcgid; it starts the bridge as well.
    Fcgid,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Server::NginxKeeping => "nginx, connections kept",
            Server::Nginx => {
                "nginx, a connection for each request, and wsgiref.validate around the guestbook"
            }
            Server::Lighttpd => "lighttpd, which starts the bridge",
            Server::Fcgid => "Apache with mod_fcgid, which starts the bridge",
        })
    }
}

impl Server {
    pub const ALL: [Server; 4] = [Server::NginxKeeping, Server::Nginx, Server::Lighttpd, Server::Fcgid];

    fn configuration(self, site: &Site, port: u16) -> String {
        let folder = site.folder.path().display();
        let forever = "public, max-age=31536000, immutable";
        match self {
            Server::NginxKeeping | Server::Nginx => {
                let keeps = self == Server::NginxKeeping;
                let (kept, keep) = if keeps { ("keepalive 16;", "on") } else { ("", "off") };
                let user = if tools::is_root() { "user root;" } else { "" };
                format!(
                    "{user} worker_processes 2; daemon off; pid {folder}/nginx.pid; error_log {folder}/web.log;\n\
                     events {{ worker_connections 256; }}\n\
                     http {{\n\
                     include /etc/nginx/mime.types; access_log off; client_max_body_size 100m;\n\
                     client_body_temp_path {folder}/nginx-body; fastcgi_temp_path {folder}/nginx-fastcgi;\n\
                     proxy_temp_path {folder}/nginx-proxy; uwsgi_temp_path {folder}/nginx-uwsgi;\n\
                     scgi_temp_path {folder}/nginx-scgi;\n\
                     upstream guestbook {{ server unix:{folder}/bridge.sock; {kept} }}\n\
                     server {{ listen 127.0.0.1:{port};\n\
                     location /static/ {{ alias {folder}/app/staticfiles/; add_header Cache-Control '{forever}'; }}\n\
                     location / {{ include /etc/nginx/fastcgi_params;\n\
                     fastcgi_param PATH_INFO $fastcgi_script_name; fastcgi_param SCRIPT_NAME '';\n\
                     fastcgi_pass guestbook; fastcgi_keep_conn {keep}; }} }} }}\n"
                )
            }
            Server::Lighttpd => format!(
                "server.modules = ( \"mod_setenv\", \"mod_alias\", \"mod_fastcgi\" )\n\
                 server.document-root = \"{folder}/app/staticfiles\"\nserver.bind = \"127.0.0.1\"\n\
                 server.port = {port}\nserver.errorlog = \"{folder}/web.log\"\n\
                 server.upload-dirs = ( \"{folder}\" )\n\
                 mimetype.assign = ( \".css\" => \"text/css\" )\n\
                 $HTTP[\"url\"] =~ \"^/static/\" {{\n\
                 alias.url = ( \"/static/\" => \"{folder}/app/staticfiles/\" )\n\
                 setenv.set-response-header = ( \"Cache-Control\" => \"{forever}\" )\n\
                 }} else {{\n\
                 fastcgi.server = ( \"/\" => (( \"bin-path\" => \"{}\", \"socket\" => \"{folder}/lighttpd.sock\",\n\
                 \"check-local\" => \"disable\", \"fix-root-scriptname\" => \"enable\", \"max-procs\" => 2 )) )\n\
                 }}\n",
                site.program.display()
            ),
            Server::Fcgid => {
                let user = if tools::is_root() { "User www-data\nGroup www-data\n" } else { "" };
                let modules: String = ["mpm_event", "authz_core", "alias", "headers", "mime", "fcgid"]
                    .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
                    .concat();
                format!(
                    "{modules}{user}ServerRoot {folder}\nPidFile {folder}/apache.pid\nServerName localhost\n\
                     Listen 127.0.0.1:{port}\nErrorLog {folder}/web.log\nDocumentRoot {folder}/app/staticfiles\n\
                     TypesConfig /etc/mime.types\nMutex file:{folder}\n\
                     FcgidIPCDir {folder}\nFcgidProcessTableFile {folder}/fcgid_shm\nFcgidMaxRequestLen 100000000\n\
                     FcgidMaxProcesses 3\nFcgidMaxRequestsPerProcess 25\nFcgidMinProcessesPerClass 2\n\
                     Alias /static/ {folder}/app/staticfiles/\nScriptAlias / {}/\n\
                     <Directory {folder}>\nRequire all granted\nOptions ExecCGI\n</Directory>\n\
                     <Files guestbook.fcgi>\nSetHandler fcgid-script\n</Files>\n\
                     <Location /static/>\nHeader set Cache-Control '{forever}'\n</Location>\n",
                    site.program.display()
                )
            }
        }
    }

    fn command(self, site: &Site) -> Command {
        // Debian keeps them where only root looks for programs.
        let (program, words): (_, &[&str]) = match self {
            Server::NginxKeeping | Server::Nginx => ("/usr/sbin/nginx", &["-c"]),
            Server::Lighttpd => ("/usr/sbin/lighttpd", &["-D", "-f"]),
            Server::Fcgid => ("/usr/sbin/apache2", &["-D", "FOREGROUND", "-f"]),
        };
        let mut command = Command::new(program);
        command.args(words).arg(site.at("web.conf"));
        command
    }
}

/// A web server that serves the site.
pub struct Running<'a> {
    site: &'a Site,
    server: Server,
    web: Child,
    address: String,
    /// The bridge and its socket, if the web server does not start it.
    bridge: Option<(Child, UnixListener)>,
}

impl<'a> Running<'a> {
    pub fn start(site: &'a Site, server: Server) -> anyhow::Result<Running<'a>> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        fs_err::write(site.at("web.conf"), server.configuration(site, port))?;
        fs_err::write(site.at("web.log"), "")?;
        site.open_to_all()?;
        let bridge = match server {
            Server::NginxKeeping | Server::Nginx => {
                let socket = site.at("bridge.sock");
                if socket.exists() {
                    fs_err::remove_file(&socket)?;
                }
                let listener = UnixListener::bind(socket)?;
                Some((start_bridge(site, server, &listener)?, listener))
            }
            Server::Lighttpd | Server::Fcgid => None,
        };
        let log = fs_err::OpenOptions::new().append(true).open(site.at("web.log"))?.into_file();
        let mut command = server.command(site);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let web = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let mut running = Running { site, server, web, address: format!("http://127.0.0.1:{port}"), bridge };
        running.wait_until("it listens", |running| {
            if let Some(status) = running.web.try_wait()? {
                bail!("it ended with {status}: {}", running.log());
            }
            Ok(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok())
        })?;
        Ok(running)
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// Replaces every process of the bridge by a new one.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        match &mut self.bridge {
            // As a new version comes into service: the new one is there before the old one is told to go.
            Some((bridge, listener)) => {
                let new = start_bridge(self.site, self.server, listener)?;
                end(&mut std::mem::replace(bridge, new))
            }
            None => {
                let old = self.site.processes()?;
                // The web server begins anew, and lets what has begun come to its end. mod_fcgid, which does not,
                // replaces a process when it has served for long enough.
                if self.server == Server::Lighttpd {
                    signal("USR1", self.web.id())?;
                }
                self.wait_until("all processes are new ones", |running| {
                    let now = running.site.processes()?;
                    Ok(!now.is_empty() && now.iter().all(|process| !old.contains(process)))
                })
            }
        }
    }

    /// Ends the web server and the bridge with it.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        tell_to_end(self.web.id())?;
        self.web.wait()?;
        if let Some((bridge, _)) = &mut self.bridge {
            end(bridge)?;
        }
        self.wait_until("the bridge is gone", |running| Ok(running.site.processes()?.is_empty()))
    }

    /// What the web server and the bridge have said.
    pub fn log(&self) -> String {
        let read = |name| fs_err::read_to_string(self.site.at(name)).unwrap_or_default();
        let end = |text: String| {
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(30)..].join("\n")
        };
        format!("web server:\n{}\nbridge:\n{}\n", end(read("web.log")), end(read("bridge.log")))
    }

    fn wait_until(
        &mut self,
        what: &str,
        is_so: impl Fn(&mut Running<'a>) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self)? {
            ensure!(Instant::now() < deadline, "waited in vain until {what}");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // All of it fails when they have ended, which is what is wanted.
        let _ = self.web.kill();
        let _ = self.web.wait();
        for process in self.site.processes().unwrap_or_default() {
            let _ = tell_to_end(process);
        }
        if let Some((bridge, _)) = &mut self.bridge {
            let _ = bridge.wait();
        }
    }
}

/// Two processes at a socket that outlives them.
fn start_bridge(site: &Site, server: Server, listener: &UnixListener) -> anyhow::Result<Child> {
    let ready = || fs_err::read_to_string(site.at("bridge.log")).map(|log| log.matches("ready: 2").count());
    let before = ready()?;
    let application: &[&str] =
        if server == Server::Nginx { &["--app", "validated:application"] } else { &[] };
    let mut bridge = Command::new(&site.program)
        .args(["--processes", "2"])
        .args(application)
        .stdin(Stdio::from(OwnedFd::from(listener.try_clone()?)))
        .stdout(Stdio::null())
        .spawn()?;
    let deadline = Instant::now() + PATIENCE;
    while ready()? == before {
        ensure!(bridge.try_wait()?.is_none() && Instant::now() < deadline, "the bridge does not get ready");
        thread::sleep(Duration::from_millis(20));
    }
    Ok(bridge)
}

/// Tells a bridge to end, and waits for it to do so well.
fn end(bridge: &mut Child) -> anyhow::Result<()> {
    tell_to_end(bridge.id())?;
    let status = bridge.wait()?;
    ensure!(status.success(), "the bridge ended with {status}");
    Ok(())
}

fn tell_to_end(process: u32) -> anyhow::Result<()> {
    signal("TERM", process)
}

fn signal(name: &str, process: u32) -> anyhow::Result<()> {
    // The shell's own `kill`: a small system has no program for it.
    let mut kill = Command::new("sh");
    tools::quietly(kill.args(["-c", &format!("kill -{name} {process}")]))
}
