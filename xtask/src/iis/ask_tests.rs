//! The questions, asked of an IIS that is made up: once of one that answers each in one way, once of one that answers
//! in another.

use std::collections::BTreeMap;
use std::io::Cursor;

use serde_json::json;

use super::super::facts::FACTS;
use super::super::file::Finding;
use super::super::stand::Done;
use super::*;

/// A site of the made-up IIS.
#[derive(Default, Clone)]
struct Site {
    port: u16,
    folder: String,
    processor: String,
    started: bool,
}

/// As much of an IIS as the questions touch. It is kind (nothing restarts, everything is shared) or not.
struct MadeUp {
    kind: bool,
    folder: PathBuf,
    pools: Vec<String>,
    sites: BTreeMap<String, Site>,
    applications: Vec<(String, String)>,
    /// Raised whenever processes restart.
    generation: u64,
    /// Requests that still get the old folder.
    stale: u32,
    /// Attempts at rights for a new pool that still fail.
    nameless: u32,
    watched: bool,
    /// A command that fails, for all that begin so.
    failing: Option<&'static str>,
}

impl MadeUp {
    fn new(kind: bool, folder: &Path) -> MadeUp {
        let nobody = if kind { 0 } else { 2 };
        MadeUp {
            kind,
            folder: folder.to_owned(),
            pools: Vec::new(),
            sites: BTreeMap::new(),
            applications: Vec::new(),
            generation: 1,
            stale: 0,
            nameless: nobody,
            watched: false,
            failing: None,
        }
    }

    /// What stands, which at the end must be nothing.
    fn leftovers(&self) -> Vec<String> {
        let applications = self.applications.iter().map(|(program, _)| program.clone());
        self.pools.iter().cloned().chain(self.sites.keys().cloned()).chain(applications).collect()
    }

    fn restart(&mut self) {
        if !self.kind {
            self.generation += 1;
        }
    }

    fn set_fastcgi(&mut self, edit: &str) -> i32 {
        let key = (attribute(edit, "fullPath"), attribute(edit, "arguments"));
        if edit.starts_with("/+") {
            self.applications.push(key);
        } else if edit.starts_with("/-") {
            let Some(at) = self.applications.iter().position(|known| *known == key) else { return 4312 };
            self.applications.remove(at);
            return 0;
        }
        self.restart();
        0
    }

    fn appcmd(&mut self, args: &[&str]) -> (i32, String) {
        let code = match *args {
            ["add", "apppool", name, ..] => {
                self.pools.push(value(name).to_owned());
                0
            }
            ["delete", "apppool", name] => removed(self.pools.iter().position(|pool| pool == name), |at| {
                self.pools.remove(at);
            }),
            ["add", "site", name, bindings, folder] => {
                let port = bindings.split(':').nth(2).and_then(|port| port.parse().ok()).unwrap();
                if !self.kind && self.sites.values().any(|site| site.port == port) {
                    return (183, String::new());
                }
                let started = self.kind;
                let site = Site { port, folder: value(folder).to_owned(), processor: String::new(), started };
                self.sites.insert(value(name).to_owned(), site);
                0
            }
            ["delete", "site", name] => {
                if self.sites.remove(name).is_some() {
                    0
                } else {
                    1168
                }
            }
            ["set", "app", site, _] => {
                if self.sites.contains_key(&site[..site.len() - 1]) {
                    0
                } else {
                    1168
                }
            }
            ["set", "vdir", site, folder] => {
                self.sites.get_mut(&site[..site.len() - 1]).unwrap().folder = value(folder).to_owned();
                self.restart();
                self.stale = if self.kind { 0 } else { 3 };
                0
            }
            ["set", "config", "/section:system.webServer/fastCgi", edit, _] => self.set_fastcgi(edit),
            ["set", "config", site, "/section:system.webServer/handlers", edit, _] => {
                let Some(site) = self.sites.get_mut(site) else { return (4312, String::new()) };
                site.processor = attribute(edit, "scriptProcessor");
                0
            }
            [verb @ ("start" | "stop"), "site", name] => {
                let site = self.sites.get_mut(name).unwrap();
                let already = site.started == (verb == "start");
                site.started = verb == "start";
                if already && !self.kind { 1056 } else { 0 }
            }
            ["list", "site", name, "/text:state"] => {
                let started = self.sites[name].started;
                return (0, if started { "Started\r\n" } else { "Stopped\r\n" }.to_owned());
            }
            ["list", "vdir", site, "/xml"] => return (0, self.sites[&site[..site.len() - 1]].folder.clone()),
            ["list", "sites", _] => i32::from(!self.kind),
            _ => panic!("the made-up IIS does not know {args:?}"),
        };
        (code, String::new())
    }

    /// The probe's answer, if a process can be found for the site.
    fn answer(&mut self, request: &Request) -> Option<String> {
        let site = self.sites.values().find(|site| site.port == request.port).cloned().unwrap();
        if site.folder.ends_with("remove") {
            return self.kind.then(|| "a file".to_owned());
        }
        let (program, arguments) = site.processor.split_once('|')?;
        let same = |known: &str, wanted: &str| match self.kind {
            true => known.replace("%SystemDrive%", "C:").eq_ignore_ascii_case(wanted),
            false => known == wanted,
        };
        self.applications.iter().find(|(known, with)| same(known, program) && with == arguments)?;
        if program.starts_with('"') == self.kind && program.contains(' ') {
            return None;
        }
        let refused = request.target.contains('+') || request.target.contains("%2B");
        if !self.kind && refused {
            return None;
        }
        let own = if self.kind || request.port == 5001 { 0 } else { 1000 };
        let (end, connect) = if self.kind { ("client", None) } else { ("server", Some(997)) };
        if request.target.contains("watch") {
            self.watched = true;
            self.restart();
        }
        Some(
            json!({
                "pid": self.generation + own,
                "arguments": [arguments.rsplit(' ').next()],
                "stdin": { "handle": 96, "synchronous": self.kind, "pipe": { "end": end } },
                "stdout": { "handle": if self.kind { -1 } else { 0 } },
                "stderr": { "handle": -1 },
                "connect": connect,
                "in_job": self.kind,
                "watched": if self.watched { "abort-record" } else { "nothing" },
                "params": {
                    "PATH_INFO": if self.kind { "/one/two" } else { "/else" },
                    "SCRIPT_NAME": "/one/two",
                    "REMOTE_USER": "",
                    "REQUEST_URI": request.target,
                    "CONTENT_LENGTH": if request.chunk.is_some() { "-1" } else { "0" },
                },
            })
            .to_string(),
        )
    }
}

impl Iis for MadeUp {
    fn run(&mut self, command: &Invocation) -> anyhow::Result<Done> {
        if self.failing.is_some_and(|failing| command.to_string().starts_with(failing)) {
            return Ok(Done { code: 5, stdout: b"ERROR".into() });
        }
        let (code, said) = match command.program {
            "icacls" => {
                let code = if self.nameless == 0 { 0 } else { 1332 };
                self.nameless = self.nameless.saturating_sub(1);
                (code, String::new())
            }
            _ => self.appcmd(&command.args.iter().map(String::as_str).collect::<Vec<_>>()),
        };
        Ok(Done { code, stdout: said.into() })
    }

    fn send(&mut self, request: &Request) -> anyhow::Result<Box<dyn Read>> {
        let folder = self.sites.values().find(|site| site.port == request.port).unwrap().folder.clone();
        let served = if self.stale > 0 { "one" } else { folder.rsplit('\\').next().unwrap() };
        self.stale = self.stale.saturating_sub(1);
        let head = format!("X-Holdall-Folder: {served}\r\n\r\n");
        let text = match self.answer(request) {
            Some(_) if request.target.contains("hold") && !self.kind => format!("HTTP/1.1 200 OK\r\n{head}"),
            Some(body) => format!("HTTP/1.1 200 OK\r\n{head}{body}"),
            None if request.target.contains(['+', '%']) => format!("HTTP/1.1 404 No\r\n{head}"),
            None => format!("HTTP/1.1 500 No\r\n{head}"),
        };
        Ok(Box::new(Cursor::new(text)))
    }

    fn pause(&mut self, _: Duration) {}

    fn folder(&self) -> &Path {
        &self.folder
    }
}

/// The pair in a collection's indexer.
fn attribute(edit: &str, name: &str) -> String {
    let start = edit.find(&format!("{name}='")).map(|at| at + name.len() + 2);
    start.map(|start| edit[start..].split('\'').next().unwrap().to_owned()).unwrap_or_default()
}

/// `/name:value`
fn value(argument: &str) -> &str {
    argument.split_once(':').unwrap().1
}

fn removed(at: Option<usize>, remove: impl FnOnce(usize)) -> i32 {
    at.map_or(1168, |at| {
        remove(at);
        0
    })
}

/// Asks a made-up IIS everything and returns it with the outcome.
fn asked(kind: bool, failing: Option<&'static str>) -> (MadeUp, anyhow::Result<Outcome>) {
    let folder = tempfile::tempdir().unwrap();
    fs_err::create_dir_all(folder.path().join("python/DLLs")).unwrap();
    fs_err::write(folder.path().join("python/DLLs/_ctypes.pyd"), "MZ").unwrap();
    let mut iis = MadeUp { failing, ..MadeUp::new(kind, folder.path()) };
    let names = Names::new(r"C:\holdall-facts", [5001, 5002, 5003]);
    let outcome = all(&mut iis, &names, |_| {});
    (iis, outcome)
}

#[track_caller]
fn check(outcome: &Outcome, expected: &[(&str, &str)]) {
    for (id, answer) in expected {
        let found = outcome.findings.get(id).map(|Finding { answer, .. }| *answer);
        assert_eq!(found, Some(*answer), "{id}: {:?}", outcome.failures);
    }
}

#[test]
fn an_iis_that_keeps_its_processes_and_one_that_does_not_are_told_apart() {
    let (iis, outcome) = asked(true, None);
    let kind = outcome.unwrap();
    assert_eq!(kind.failures, [""; 0]);
    assert_eq!(iis.leftovers(), [""; 0]);
    assert_eq!(kind.findings.len(), FACTS.len());
    check(
        &kind,
        &[
            ("pipe.end", "client"),
            ("pipe.handle", "synchronous"),
            ("pipe.connected", "connected"),
            ("child.stdout", "invalid"),
            ("child.job", "in-a-job"),
            ("params.path", "both"),
            ("params.chunked-length", "minus-one"),
            ("request.hang-up", "abort-record"),
            ("filter.plus", "passed"),
            ("full-path.case", "ignored"),
            ("full-path.variables", "expanded"),
            ("full-path.blanks", "bare"),
            ("edit.itself", "kept"),
            ("edit.others", "kept"),
            ("sites.processes", "shared"),
            ("switch.processes", "kept"),
            ("switch.delay", "at-once"),
            ("switch.in-flight", "finished"),
            ("pool.account", "at-once"),
            ("site.created", "started"),
            ("site.port-taken", "started"),
            ("site.start-twice", "fine"),
            ("appcmd.encoding", "utf-8"),
            ("appcmd.nothing-found", "fine"),
            ("config.remove-absent", "fine"),
        ],
    );
    let (iis, outcome) = asked(false, None);
    let unkind = outcome.unwrap();
    assert_eq!(unkind.failures, [""; 0]);
    assert_eq!(iis.leftovers(), [""; 0]);
    check(
        &unkind,
        &[
            ("pipe.end", "server"),
            ("pipe.handle", "overlapped"),
            ("pipe.connected", "not-yet"),
            ("child.stdout", "none"),
            ("child.job", "free"),
            ("params.path", "script-name"),
            ("request.hang-up", "process-ended"),
            ("filter.plus", "refused"),
            ("full-path.case", "compared"),
            ("full-path.variables", "literal"),
            ("full-path.blanks", "quoted"),
            ("edit.itself", "restarted"),
            ("edit.others", "restarted"),
            ("sites.processes", "own"),
            ("switch.processes", "restarted"),
            ("switch.delay", "later"),
            ("switch.in-flight", "broken"),
            ("pool.account", "later"),
            ("site.created", "stopped"),
            ("site.port-taken", "refused"),
            ("site.stop-twice", "error"),
            ("appcmd.nothing-found", "error"),
            ("config.remove-absent", "error"),
        ],
    );
}

#[test]
fn a_question_that_fails_leaves_its_facts_unknown_and_the_others_asked() {
    let (iis, outcome) = asked(true, Some("appcmd set vdir"));
    let outcome = outcome.unwrap();
    assert_eq!(outcome.failures.len(), 1);
    assert!(outcome.failures[0].starts_with("the switch to another folder: `appcmd set vdir"), "{outcome:?}");
    assert!(!outcome.findings.contains_key("switch.delay"));
    check(&outcome, &[("pipe.end", "client"), ("loaded.delete", "done")]);
    assert_eq!(iis.leftovers(), [""; 0]);
}

#[test]
fn an_iis_that_refuses_a_site_is_left_as_it_was() {
    let (iis, outcome) = asked(true, Some("appcmd add site"));
    let error = outcome.unwrap_err().to_string();
    assert!(
        error.starts_with("`appcmd add site /name:holdall-facts") && error.ends_with("ended with 5: ERROR"),
        "{error}"
    );
    assert_eq!(iis.leftovers(), [""; 0]);
}

#[test]
fn the_folder_has_two_pythons_without_what_nothing_imports_and_a_configuration_for_each_site() {
    let temporary = tempfile::tempdir().unwrap();
    let (python, folder) = (temporary.path().join("installed"), temporary.path().join("made"));
    let kept = ["python.exe", "python313.dll", "DLLs/_ctypes.pyd", "Lib/os.py", "Lib/encodings/utf_8.py"];
    let spared =
        ["NEWS.txt", "Lib/site-packages/pip.py", "Lib/test/os.py", "Lib/encodings/__pycache__/utf_8.pyc"];
    for file in kept.iter().chain(&spared) {
        fs_err::create_dir_all(python.join(file).parent().unwrap()).unwrap();
        fs_err::write(python.join(file), file).unwrap();
    }
    make_folder(&folder, &python, &python.join("Lib/os.py")).unwrap();
    for copy in ["python", "python with blanks"] {
        assert!(kept.iter().all(|file| folder.join(copy).join(file).exists()));
        assert!(spared.iter().all(|file| !folder.join(copy).join(file).exists()));
    }
    for site in ["one", "two", "grün", "remove"] {
        let config = fs_err::read_to_string(folder.join(site).join("web.config")).unwrap();
        assert_eq!(config.contains(&format!("value=\"{site}\"")), site != "grün", "{config}");
    }
}
