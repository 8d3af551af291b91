//! One lab: a configuration made by hand, releases with pages, and the server over it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use holdall_lab_iis::serve::Server;
use serde_json::Value;

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What differs from test to test.
pub struct Lab {
    folder: tempfile::TempDir,
    pub sites: Vec<Site>,
    pub applications: Vec<Application>,
    /// Sections for sites, below everything else.
    pub locations: String,
    misbehaves: bool,
    server: Option<Server>,
}

pub struct Site {
    pub name: &'static str,
    pub port: u16,
    pub pool: &'static str,
    pub folder: PathBuf,
    /// More applications or virtual directories, as XML.
    pub more: String,
}

/// A FastCGI application: the bridge, with the release in its environment.
#[derive(Clone)]
pub struct Application {
    pub release: &'static str,
    /// Attributes beside program and arguments.
    pub attributes: String,
}

/// An answer.
#[derive(Debug)]
pub struct Page {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub text: String,
}

impl Lab {
    /// One site with one release, `one`, which its handler passes to the bridge.
    pub fn new() -> Lab {
        let folder = tempfile::tempdir().unwrap();
        let mut lab = Lab {
            folder,
            sites: Vec::new(),
            applications: Vec::new(),
            locations: String::new(),
            misbehaves: false,
            server: None,
        };
        lab.release("one", 2);
        lab.site("shop", "pool", "one");
        lab.unlock("shop");
        lab
    }

    /// A release: a folder with pages, and a FastCGI application with so many processes.
    pub fn release(&mut self, name: &'static str, processes: u32) {
        let www = self.www(name);
        fs_err::create_dir_all(www.join("static")).unwrap();
        fs_err::write(www.join("static/site.css"), format!("/* {name} */")).unwrap();
        self.web_config(name, "");
        let config = format!("app = 'application:application'\npythonpath = ['{}']\n", here().display());
        fs_err::write(self.path(&format!("{name}/bridge.toml")), config).unwrap();
        fs_err::write(self.path(&format!("{name}/restart")), "").unwrap();
        self.applications.push(Application {
            release: name,
            attributes: format!(
                "maxInstances=\"{processes}\" instanceMaxRequests=\"100000\" signalBeforeTerminateSeconds=\"10\" \
                 stderrMode=\"IgnoreAndReturn200\" monitorChangesTo=\"{}\"",
                self.path(&format!("{name}/restart")).display()
            ),
        });
    }

    /// The release's own `web.config`: its handler, its header, and more.
    pub fn web_config(&self, release: &str, more: &str) {
        let (program, arguments) = self.command(release);
        let (buffer, existing) = if self.misbehaves { (4_194_304, "Auto") } else { (0, "PassThrough") };
        let handlers = format!(
            r#"<handlers><add name="holdall" path="*" verb="*" modules="FastCgiModule" scriptProcessor="{program}|{arguments}" resourceType="Unspecified" requireAccess="Script" responseBufferLimit="{buffer}" /></handlers>"#
        );
        let text = format!(
            r#"<configuration><system.webServer>{handlers}
            <httpProtocol><customHeaders><add name="X-Holdall-Release" value="{release}" /></customHeaders></httpProtocol>
            <httpErrors existingResponse="{existing}" />{more}</system.webServer></configuration>"#
        );
        fs_err::write(self.www(release).join("web.config"), text).unwrap();
        let of_files = r#"<configuration><system.webServer><handlers><clear /><add name="StaticFile" path="*" verb="*" modules="StaticFileModule" resourceType="File" requireAccess="Read" /></handlers></system.webServer></configuration>"#;
        fs_err::write(self.www(release).join("static/web.config"), of_files).unwrap();
    }

    pub fn site(&mut self, name: &'static str, pool: &'static str, release: &str) {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        self.sites.push(Site { name, port, pool, folder: self.www(release), more: String::new() });
    }

    /// Has the first release's processes be none of the bridge's, their answers buffered, and errors shown.
    pub fn misbehave(&mut self) {
        self.misbehaves = true;
        self.web_config("one", "");
    }

    /// Lets the site's `web.config` have handlers.
    pub fn unlock(&mut self, site: &str) {
        self.locations.push_str(&format!(
            r#"<location path="{site}" overrideMode="Allow"><system.webServer><handlers /></system.webServer></location>"#
        ));
    }

    /// Points a site to another release: one commit.
    pub fn switch(&mut self, release: &str) {
        self.sites[0].folder = self.www(release);
        self.commit();
    }

    /// Writes the configuration whole, as appcmd does.
    pub fn commit(&self) {
        let mut pools: Vec<_> = self.sites.iter().map(|site| site.pool).collect();
        pools.sort_unstable();
        pools.dedup();
        let pools: String = pools.iter().map(|pool| format!(r#"<add name="{pool}" />"#)).collect();
        let mut text = include_str!("../../src/init/applicationHost.config").to_owned();
        // Its own site would want port 80 of this machine.
        let (start, end) = (text.find("<site name").unwrap(), text.find("</site>").unwrap());
        text.replace_range(start..end + "</site>".len(), "");
        let sites = self.sites.iter().enumerate().map(site).collect::<String>();
        let applications = self.applications.iter().map(|own| self.application(own)).collect::<String>();
        for (place, more) in [
            ("<applicationPoolDefaults", pools),
            ("<siteDefaults", sites),
            ("</configuration>", self.locations.clone()),
            ("<fastCgi />", format!("<fastCgi>{applications}</fastCgi>")),
        ] {
            text = text.replacen(place, &format!("{more}{place}"), 1);
        }
        let text = text.replacen("<fastCgi />", "", 1);
        self.write("applicationHost.config", &text);
    }

    fn application(&self, application: &Application) -> String {
        let Application { release, attributes } = application;
        let (program, arguments) = self.command(release);
        let variables = format!(r#"<environmentVariable name="RELEASE" value="{release}" />"#);
        format!(
            r#"<application fullPath="{program}" arguments="{arguments}" {attributes}><environmentVariables>{variables}</environmentVariables></application>"#
        )
    }

    /// Program and arguments of a release.
    pub fn command(&self, release: &str) -> (String, String) {
        let arguments = match self.misbehaves {
            true => format!("-S {}", here().join("responder.py").display()),
            false => {
                let config = self.path(&format!("{release}/bridge.toml"));
                format!("-s -B -m holdall_bridge --config {}", config.display())
            }
        };
        (python().display().to_string(), arguments)
    }

    /// Writes a file beside the configuration, so that nobody sees half of it.
    pub fn write(&self, name: &str, text: &str) {
        let file = self.config().join(name);
        fs_err::create_dir_all(self.config()).unwrap();
        fs_err::write(file.with_extension("new"), text).unwrap();
        fs_err::rename(file.with_extension("new"), file).unwrap();
    }

    /// Answers of the lab's switches.
    pub fn switches(&self, section: &str, lines: &str) {
        self.write("lab.toml", &format!("[{section}]\n{lines}\n"));
    }

    pub fn serve(&mut self) {
        self.commit();
        self.server = Some(Server::start(&self.config()).unwrap());
    }

    pub fn stop(&mut self) {
        self.server = None;
    }

    pub fn config(&self) -> PathBuf {
        self.path("config")
    }

    pub fn www(&self, release: &str) -> PathBuf {
        self.path(&format!("{release}/www"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.sites[0].port)
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Page {
        get(&self.url(path))
    }

    /// What the application tells of itself.
    #[track_caller]
    pub fn ask(&self, path: &str) -> Value {
        self.get(path).json()
    }

    /// The lines of the journal so far.
    pub fn journal(&self) -> Vec<Value> {
        let text = fs_err::read_to_string(self.config().join("iis.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until something holds of the journal.
    #[track_caller]
    pub fn wait_for(&self, what: &str, holds: impl Fn(&[Value]) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !holds(&self.journal()) {
            assert!(Instant::now() < until, "not in time: {what}\n{:#?}", self.journal());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until a process has ended, and tells why.
    #[track_caller]
    pub fn end_of(&self, process: &Value) -> String {
        let ends = |line: &Value| line["event"] == "ended" && line["process"] == *process;
        self.wait_for("the end of a process", |lines| lines.iter().any(ends));
        self.journal().iter().find(|line| ends(line)).unwrap()["why"].as_str().unwrap().to_owned()
    }

    /// How many processes have been started.
    pub fn started(&self) -> usize {
        self.journal().iter().filter(|line| line["event"] == "started").count()
    }
}

impl Page {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

pub fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0);
    config.timeout_global(Some(PATIENCE)).build().into()
}

#[track_caller]
pub fn get(url: &str) -> Page {
    page(agent().get(url).call())
}

#[track_caller]
pub fn page(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Page {
    let mut answer = answer.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Page { status, headers, text: answer.body_mut().read_to_string().unwrap() }
}

fn site((at, site): (usize, &Site)) -> String {
    let Site { name, port, pool, folder, more } = site;
    format!(
        r#"<site name="{name}" id="{}"><application path="/" applicationPool="{pool}"><virtualDirectory path="/" physicalPath="{}" /></application>{more}<bindings><binding protocol="http" bindingInformation="*:{port}:" /></bindings></site>"#,
        at + 1,
        folder.display()
    )
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serving")
}

/// A Python with the bridge installed.
fn python() -> PathBuf {
    let named = std::env::var_os("HOLDALL_BRIDGE_PYTHON");
    named.expect("HOLDALL_BRIDGE_PYTHON names a Python with holdall_bridge installed").into()
}
