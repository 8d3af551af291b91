//! A server of the lab: its IIS with appcmd, and the folder of its sites.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use assert_cmd::assert::Assert;
use serde_json::Value;

use super::bundles::Release;
use super::registered;
use super::web_server::{Lab, WebServer, free_port};
use crate::harness::{Test, command};

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(if cfg!(windows) { 600 } else { 180 });

/// A server with one site in the making, the guestbook.
pub struct Server {
    /// It ends before its folder goes.
    web: WebServer,
    pub test: Test,
    pub port: u16,
    /// What the site is called.
    pub name: &'static str,
    /// Below it lies what the web server serves.
    pub base: PathBuf,
    /// How many the site has.
    processes: usize,
    /// The folder of all sites below that.
    sites: &'static str,
}

/// The site and the folder that a story has on the IIS of a machine: nobody else's have these names.
const STORY: &str = "holdall-story";

impl Server {
    /// One with the lab's IIS, which has the CGI feature alone.
    pub fn new() -> Server {
        Server::of("cgi", "sites")
    }

    /// One that is set up so, for sites in this folder.
    pub fn of(kind: &str, sites: &'static str) -> Server {
        Server::below(Test::empty(), kind, sites)
    }

    fn below(test: Test, kind: &str, sites: &'static str) -> Server {
        let (base, web) = (test.path(""), WebServer::Lab(Lab::start(&test, kind)));
        let server = Server { test, port: free_port(), name: "guestbook", base, sites, processes: 2, web };
        server.appcmd(&["delete", "site", "Default Web Site"]);
        server.site_toml("");
        server
    }

    /// One with the IIS that the environment asks for: the lab's, or that of this machine.
    pub fn chosen() -> Server {
        if !WebServer::is_this_machine() {
            return Server::new();
        }
        let drive = std::env::var("SystemDrive").unwrap();
        // The accounts of pools read what lies below the drive's root, and nothing in the folder of whoever tests.
        let base = PathBuf::from(format!("{drive}\\{STORY}"));
        let (test, port, web) = (Test::empty(), free_port(), WebServer::ThisMachine);
        let server = Server { test, port, name: STORY, base, sites: "sites", processes: 2, web };
        // What one that was killed has left.
        server.sweep();
        server.site_toml("");
        server
    }

    /// One on which every step is as short as can be.
    pub fn with_one_process() -> Server {
        let mut server = Server::new();
        server.processes = 1;
        server
    }

    /// The machine of the lab's IIS loses its power.
    #[cfg(target_os = "linux")]
    pub fn turn_off(&mut self) {
        if let WebServer::Lab(lab) = &mut self.web {
            lab.turn_off();
        }
    }

    /// It is started again.
    #[cfg(target_os = "linux")]
    pub fn turn_on(&mut self) {
        if let WebServer::Lab(lab) = &mut self.web {
            lab.turn_on();
        }
    }

    /// The same for a story that makes and forgets releases again and again: below a folder in memory, if there is one.
    #[cfg(target_os = "linux")]
    pub fn in_memory() -> Server {
        let mut server = Server::below(Test::in_memory(), "cgi", "sites");
        server.processes = 1;
        server
    }

    /// Writes the settings: a port of this story's own, few processes, no time to drain, and `more`.
    pub fn site_toml(&self, more: &str) -> &Server {
        let (port, processes) = (self.port, self.processes);
        // On a busy machine a first page takes more than half a minute there.
        let probe = if cfg!(windows) && !more.contains("probe.") { "probe.timeout = 240" } else { "" };
        let text = format!(
            "name = '{}'\n{probe}\n{more}\n[[bindings]]\nport = {port}\n[fastcgi]\nmaxInstances = {processes}\n\
             [releases]\nkeep = 3\ndrain = 0\n[environment]\nSECRET_KEY = 'not secret'\n",
            self.name
        );
        self.test.write("site.toml", text);
        self
    }

    /// Writes the settings of another site, `NAME.toml`. Returns its port.
    pub fn another_site(&self, name: &str) -> u16 {
        let port = free_port();
        let text = self.test.read("site.toml").replace("'guestbook'", &format!("'{name}'"));
        let text = text.replace(&format!("port = {}", self.port), &format!("port = {port}"));
        self.test.write(&format!("{name}.toml"), text);
        port
    }

    /// What the lab's IIS is to be like from now on. Its list of commands, which each one reads, begins anew.
    pub fn lab(&self, text: &str) {
        let _ = fs_err::remove_file(self.test.path("iis/commands.jsonl"));
        self.test.write("iis/lab.new", text);
        // Windows replaces no file that somebody reads, as the web server does for every visitor.
        wait_for("a moment in which nobody reads lab.toml", || {
            fs_err::rename(self.test.path("iis/lab.new"), self.test.path("iis/lab.toml")).is_ok()
        });
    }

    /// The command, which knows this server.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut holdall = command(self.test.path("").as_path(), args);
        holdall.env("HOLDALL_ROOT", self.base.join(self.sites));
        self.web.tell(&mut holdall);
        // Those of the machine that tests only where somebody wants it.
        registered::tell(&mut holdall, &self.test.path("services"));
        holdall
    }

    pub fn holdall(&self, args: &[&str]) -> Assert {
        assert_cmd::Command::from_std(self.command(args)).assert()
    }

    /// `holdall deploy` with the site's settings.
    pub fn deploy(&self, release: Release, more: &[&str]) -> Assert {
        let bundle = release.bundle();
        let args = ["deploy", bundle.to_str().unwrap(), "--site", "site.toml", "--server", "iis"];
        self.holdall(&[&args, more].concat())
    }

    /// The same, to be watched.
    pub fn deploying(&self, release: Release) -> Child {
        self.deploy_command(release).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    pub fn deploy_command(&self, release: Release) -> Command {
        let bundle = release.bundle();
        self.command(&["deploy", bundle.to_str().unwrap(), "--site", "site.toml", "--server", "iis"])
    }

    /// A command with its JSON.
    #[track_caller]
    pub fn json(&self, args: &[&str]) -> Value {
        let done = self.holdall(&[args, &["--format", "json"]].concat()).success();
        serde_json::from_slice(&done.get_output().stdout).unwrap()
    }

    #[track_caller]
    pub fn status(&self) -> Value {
        self.json(&["status", "--server", "iis"])
    }

    /// The version of the release that serves, as `status` says it.
    #[track_caller]
    pub fn serving(&self) -> String {
        let status = self.status();
        version(status["active"].as_str().unwrap_or_default()).to_owned()
    }

    pub fn appcmd(&self, args: &[&str]) -> String {
        let done = self.web.appcmd().args(args).stdin(Stdio::null()).output().unwrap();
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// The commands that appcmd was given.
    pub fn commands(&self) -> Vec<Vec<String>> {
        let text = fs_err::read_to_string(self.test.path("iis/commands.jsonl")).unwrap_or_default();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .filter(|line| line["argv"].is_array())
            .map(|line| serde_json::from_value(line["argv"].clone()).unwrap())
            .collect()
    }

    /// Commands that change something.
    pub fn changing(&self) -> Vec<Vec<String>> {
        let asks = |words: &[String]| {
            words[0] == "list" || words.starts_with(&["netsh", "http", "show"].map(str::to_owned))
        };
        self.commands().into_iter().filter(|words| !asks(words)).collect()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.port)
    }

    pub fn home(&self) -> PathBuf {
        self.base.join(self.sites).join(self.name)
    }

    pub fn journal(&self) -> Vec<Value> {
        let text = fs_err::read_to_string(self.home().join("journal.jsonl")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The programs of all processes that the lab's web server has started and that have not ended. Another does not tell.
    fn running(&self) -> Vec<String> {
        let text = match self.web {
            WebServer::Lab(_) => fs_err::read_to_string(self.test.path("iis/iis.jsonl")).unwrap(),
            WebServer::ThisMachine => String::new(),
        };
        let mut running = BTreeMap::new();
        for line in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let process = line["process"].as_u64();
            match (line["event"].as_str(), process) {
                (Some("started"), Some(process)) => {
                    running.insert(process, line["program"].as_str().unwrap().to_owned());
                }
                (Some("ended"), Some(process)) => drop(running.remove(&process)),
                _ => {}
            }
        }
        running.into_values().collect()
    }

    /// Nothing is left but what belongs to whole releases, of which `serving` serves.
    #[track_caller]
    pub fn assert_tidy(&self, serving: Release) {
        let status = self.status();
        assert_eq!(version(status["active"].as_str().unwrap()), serving.version(), "{status:#}");
        assert_eq!(status["unfinished"], serde_json::json!([]), "{status:#}");
        assert_eq!(status["drift"], serde_json::json!([]), "{status:#}");
        let releases = status["releases"].as_array().unwrap();
        assert!(releases.iter().all(|release| release["state"] == "complete"), "{status:#}");
        let known: Vec<&str> = releases.iter().map(|release| release["id"].as_str().unwrap()).collect();
        let in_folder = |name: &str| -> Vec<String> {
            let entries = fs_err::read_dir(self.home().join(name)).into_iter().flatten();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        };
        for name in in_folder("releases").iter().chain(&in_folder("run")) {
            assert!(known.contains(&name.as_str()), "{name} is left over: {status:#}");
        }
        let sites = self.appcmd(&["list", "site"]);
        assert!(!sites.contains("staging"), "{sites}");
        for line in self.applications() {
            assert!(known.iter().any(|known| line.contains(known)), "{line} is left over");
        }
        for run in &known {
            assert!(!self.home().join("run").join(run).join("probe.toml").exists());
        }
        assert!(!self.home().join("lock.json").exists());
        let left = fs_err::read_dir(self.home().join("shared/tmp")).unwrap().count();
        assert_eq!(left, 0, "something is left in tmp");
        wait_for("the end of processes of releases that are gone", || {
            self.running().iter().all(|program| known.iter().any(|known| program.contains(known)))
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.web, WebServer::ThisMachine) {
            self.sweep();
        }
    }
}

/// `1.0` of `1.0-0123abcd`.
pub fn version(id: &str) -> &str {
    id.rsplit_once('-').map_or(id, |(version, _)| version)
}

#[track_caller]
pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
