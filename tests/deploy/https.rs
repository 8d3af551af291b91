//! Sites by HTTPS: which certificate is shown where, from the first deploy until the site is gone.

use std::path::PathBuf;
use std::time::Duration;

use holdall::site::probe::{Address, Question, Visitor};
use holdall::site::settings::Thumbprint;

use super::bundles::Release;
use super::server::{PATIENCE, Server};
use super::tiny;
use super::web_server::free_port;

pub const A: &str = "a.example";
pub const B: &str = "b.example";

/// A server with certificates, and the port for HTTPS of its site.
pub struct Secure {
    pub server: Server,
    pub port: u16,
}

impl Secure {
    pub fn new() -> Secure {
        Secure { server: Server::with_one_process(), port: free_port() }
    }

    /// Lays a certificate for a host into the store, which holds from and until so many days from now.
    pub fn certificate(&self, name: &str, host: &str, from: i64, to: i64) -> String {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let at = |days: i64| {
            let since = now.checked_add_signed(days * 86_400).unwrap();
            rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(since)
        };
        let key = rcgen::KeyPair::generate().unwrap();
        let mut made = rcgen::CertificateParams::new(vec![host.to_owned()]).unwrap();
        // An hour more, so that no day is begun meanwhile.
        (made.not_before, made.not_after) = (at(from), at(to) + Duration::from_secs(3600));
        let made = made.self_signed(&key).unwrap();
        let test = &self.server.test;
        test.write(&format!("iis/certificates/{name}.key"), key.serialize_pem());
        test.write(&format!("iis/certificates/{name}.pem"), made.pem());
        Thumbprint::of(made.der()).as_str().to_owned()
    }

    /// Has the site wanted with these bindings for HTTPS, each a host and its certificate.
    pub fn bindings(&self, bindings: &[(&str, &str)]) {
        let binding = |(host, certificate): &(&str, &str)| {
            let host = if host.is_empty() { String::new() } else { format!("host = '{host}'\n") };
            let port = self.port;
            format!("[[bindings]]\nprotocol = 'https'\nport = {port}\n{host}certificate = {certificate}\n")
        };
        self.server.site_toml(&bindings.iter().map(binding).collect::<String>());
    }

    fn bundle(&self, version: &str) -> PathBuf {
        tiny::bundle(&self.server.test.path(""), version)
    }

    pub fn deploy(&self, version: &str, more: &[&str]) -> assert_cmd::assert::Assert {
        let bundle = self.bundle(version);
        let args = ["deploy", bundle.to_str().unwrap(), "--site", "site.toml", "--server", "iis"];
        self.server.holdall(&[&args, more].concat())
    }

    fn seen(&self, host: &str) -> Result<(String, u16), String> {
        shown(self.port, host)
    }

    #[track_caller]
    fn assert_shows(&self, host: &str, thumbprint: &str) {
        assert_eq!(self.seen(host), Ok((thumbprint.to_owned(), 200)), "{host}");
    }

    fn netsh(&self, args: &[&str]) {
        let mut netsh = std::process::Command::new(super::web_server::lab_program("netsh"));
        netsh.args(args).env("HOLDALL_LAB_IIS", self.server.test.path("iis"));
        assert!(netsh.stdout(std::process::Stdio::null()).status().unwrap().success(), "{args:?}");
    }

    /// Somebody else has this certificate shown there.
    pub fn put(&self, endpoint: &str, thumbprint: &str) {
        self.put_with(endpoint, thumbprint, &[]);
    }

    fn put_with(&self, endpoint: &str, thumbprint: &str, more: &[&str]) {
        let hash = format!("certhash={thumbprint}");
        let id = "appid={4dc3e181-e14b-4a21-b022-59fc669b0914}";
        let add = ["http", "add", "sslcert", endpoint, &hash, id, "certstorename=WebHosting"];
        self.netsh(&[&add[..], more].concat());
    }

    /// All that IIS and http.sys keep.
    pub fn kept(&self) -> [Option<String>; 2] {
        ["applicationHost.config", "sslcert.json"]
            .map(|name| fs_err::read_to_string(self.server.test.path("iis").join(name)).ok())
    }

    #[track_caller]
    fn refused(&self, version: &str, more: &[&str], words: &[&str]) {
        let before = self.kept();
        let refused = self.deploy(version, more).code(3).stdout("");
        let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
        // Lines are broken between words.
        let plain = said.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
        assert!(words.iter().all(|word| plain.contains(word)), "{said}");
        assert_eq!(self.kept(), before, "nothing was changed");
    }
}

/// The certificate that a host shows, and the status of its front page.
pub fn shown(port: u16, host: &str) -> Result<(String, u16), String> {
    let address = Address { at: ([127, 0, 0, 1], port).into(), host: format!("{host}:{port}"), https: true };
    let visitor = Visitor::at(address, PATIENCE).map_err(|trouble| trouble.to_string())?;
    let answer = visitor.ask(&Question::Page("/".to_owned())).map_err(|trouble| trouble.to_string())?;
    Ok((answer.certificate.unwrap().thumbprint, answer.status))
}

#[test]
fn hosts_show_certificates_of_their_own_which_are_renewed_and_go_with_the_site() {
    let secure = Secure::new();
    let server = &secure.server;
    let nothing = secure.kept();
    let [a, b] = [("a", A), ("b", B)].map(|(name, host)| secure.certificate(name, host, -300, 60));
    let named = format!("{{ thumbprint = '{b}' }}");
    secure.bindings(&[(A, "{ subject = 'a.example' }"), (B, &named)]);
    let plan =
        secure.deploy("1.0", &["--plan", "--script", "changes.cmd"]).success().get_output().stdout.clone();
    let plan = String::from_utf8_lossy(&plan).into_owned();
    let line =
        format!("http add sslcert hostnameport=a.example:{} certhash={}", secure.port, a.to_lowercase());
    assert!(plan.contains(&line) && server.test.read("changes.cmd").contains(&line), "{plan}");
    assert_eq!(secure.kept(), nothing);

    secure.deploy("1.0", &[]).success();
    secure.assert_shows(A, &a);
    secure.assert_shows(B, &b);
    assert!(secure.seen("c.example").is_err(), "nothing is shown to whoever names another host");
    assert!(secure.deploy("1.0", &[]).success().get_output().stdout.starts_with(b"nothing to do"));

    // Somebody has visitors asked for certificates of theirs, which stays whatever certificate is shown.
    let at_a = format!("hostnameport=a.example:{}", secure.port);
    secure.netsh(&["http", "delete", "sslcert", &at_a]);
    secure.put_with(&at_a, &a, &["clientcertnegotiation=enable"]);
    // Both are renewed: the next deploy takes up the one that is named by its subject.
    let [newer_a, newer_b] =
        [("a2", A), ("b2", B)].map(|(name, host)| secure.certificate(name, host, -1, 360));
    let before = secure.kept();
    server.lab("[[fault]]\nmatches = 'set vdir guestbook/'\nexit = 87\ntimes = 1");
    secure.deploy("1.1", &[]).code(4);
    assert_eq!(secure.kept(), before, "what failed was taken back, with the certificate");
    server.lab("");
    server.holdall(&["apply", "guestbook", "--server", "iis"]).success();
    secure.assert_shows(A, &newer_a);
    assert!(secure.kept()[1].as_ref().unwrap().contains("\"clientcertnegotiation\": \"enable\""));
    secure.deploy("1.1", &[]).success();
    secure.assert_shows(A, &newer_a);
    secure.assert_shows(B, &b);
    // What somebody has renewed by hand stays, and is told.
    let at_b = format!("hostnameport=b.example:{}", secure.port);
    secure.netsh(&["http", "delete", "sslcert", &at_b]);
    secure.put(&at_b, &newer_b);
    let done = secure.deploy("1.2", &["--take-over"]).success();
    let told = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
    assert!(told.contains("a newer certificate is not replaced by an older one"), "{told}");
    secure.assert_shows(B, &newer_b);
    assert_eq!(server.status()["iis_drift"][0]["found"], newer_b.as_str());
    server.holdall(&["rollback", "--server", "iis"]).success();
    secure.assert_shows(A, &newer_a);
    secure.assert_shows(B, &newer_b);

    // It stays when the site goes, being somebody else's; all the rest is as it was.
    server.holdall(&["remove", "guestbook", "--server", "iis"]).success();
    let [config, table] = secure.kept();
    assert_eq!(config, nothing[0]);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&table.unwrap()).unwrap().as_object().unwrap().len(),
        1
    );
    secure.netsh(&["http", "delete", "sslcert", &at_b]);
    assert_eq!(secure.kept(), nothing);
}

#[test]
fn a_certificate_that_will_not_do_is_refused_before_anything_is_made() {
    let secure = Secure::new();
    secure.bindings(&[(A, "{ subject = 'a.example' }")]);
    secure.refused("1.0", &[], &["no certificate for `a.example`", r"LocalMachine\My", "-importpfx"]);
    let ended = secure.certificate("a", A, -60, -1);
    secure.refused("1.0", &[], &[&format!("`{ended}`"), "ended on", "successor"]);
    secure.bindings(&[(A, "'keep'")]);
    secure.refused("1.0", &[], &["is to keep its certificate, and has none", "netsh.exe http show sslcert"]);
    let other = secure.certificate("b", B, -60, 60);
    secure.bindings(&[(A, &format!("{{ thumbprint = '{other}' }}"))]);
    secure.refused("1.0", &[], &["is for b.example and not for `a.example`"]);
    assert!(!secure.server.home().exists());
    // A site that runs is refused its next release, but not its way back.
    let soon = secure.certificate("a2", A, -60, 20);
    secure.bindings(&[(A, "{ subject = 'a.example' }")]);
    let done = secure.deploy("1.0", &[]).success();
    let told = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
    assert!(told.contains("ends in 20 days"), "{told}");
    secure.deploy("1.1", &[]).success();
    fs_err::remove_file(secure.server.test.path("iis/certificates/a2.pem")).unwrap();
    secure.refused("1.2", &[], &[&format!("`{ended}`"), "ended on"]);
    secure.certificate("c", "c.example", -1, 60);
    // The web server cannot show it without its file: the real one has it loaded.
    secure.server.test.write("iis/certificates/a2.pem", "");
    let back = secure.server.holdall(&["rollback", "--plan", "--server", "iis"]).success();
    let told = String::from_utf8_lossy(&back.get_output().stderr).into_owned();
    assert!(told.contains("ended on") && !told.contains(&soon), "{told}");
}

#[test]
fn what_other_sites_show_at_the_same_address_is_not_replaced_unasked() {
    let secure = Secure::new();
    let server = &secure.server;
    let [own, theirs] = [("a", A), ("b", B)].map(|(name, host)| secure.certificate(name, host, -60, 60));
    let at = format!("ipport=0.0.0.0:{}", secure.port);
    let binding = format!("/bindings:https/*:{}:intranet", secure.port);
    let folder = format!("/physicalPath:{}", server.test.path("iis").display());
    server.appcmd(&["add", "site", "/name:Intranet", &binding, &folder]);
    secure.put(&at, &theirs);
    let before = secure.kept();
    secure.bindings(&[("", "{ subject = 'a.example' }")]);
    secure.refused("1.0", &[], &[&format!("`{theirs}` at `{at}`, for Intranet"), "--take-over"]);
    secure.bindings(&[("", "'keep'")]);
    secure.deploy("1.0", &[]).success();
    secure.assert_shows("anybody.example", &theirs);
    server.holdall(&["remove", "guestbook", "--with-data", "--server", "iis"]).success();
    assert_eq!(secure.kept(), before);
    // Taken over, it is the other site's, too, and stays when this one goes.
    secure.bindings(&[("", "{ subject = 'a.example' }")]);
    secure.deploy("1.0", &["--take-over"]).success();
    secure.assert_shows("anybody.example", &own);
    server.holdall(&["remove", "guestbook", "--server", "iis"]).success();
    assert!(secure.kept()[1].as_ref().unwrap().contains(&own.to_lowercase()));
}

#[test]
fn a_project_that_takes_visitors_by_https_alone_is_deployed() {
    let secure = Secure::new();
    let thumbprint = secure.certificate("a", A, -60, 60);
    secure.bindings(&[(A, "{ subject = 'a.example' }")]);
    let text = secure.server.test.read("site.toml");
    secure
        .server
        .test
        .write("site.toml", format!("{text}HTTPS_ONLY = '1'\nALLOWED_HOSTS = 'a.example,localhost'\n"));
    secure.server.deploy(Release::First, &[]).success();
    secure.assert_shows(A, &thumbprint);
    secure.server.deploy(Release::Second, &[]).success();
    secure.server.assert_tidy(Release::Second);
    // By plain HTTP visitors are sent there.
    assert_eq!(super::visitors::ask(&secure.server.url("/")).unwrap().status, 301);
}

#[test]
fn a_host_with_a_certificate_of_its_own_is_refused_by_an_iis_that_knows_none() {
    let secure = Secure::new();
    secure.certificate("a", A, -1, 60);
    secure.bindings(&[(A, "{ subject = 'a.example' }")]);
    let schema = |flags: &str| {
        let bindings = format!("<collection addElement=\"binding\">{flags}</collection>");
        let text = format!("<configSchema><element name=\"bindings\">{bindings}</element></configSchema>");
        secure.server.test.write("config/schema/IIS_schema.xml", text);
    };
    schema("<attribute name=\"protocol\" type=\"string\" />");
    let before = secure.server.changing().len();
    let refused = secure.deploy("1.0", &[]).code(3).stdout("");
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    let binding = format!("https/*:{}:{A} cannot have their own", secure.port);
    assert!(said.contains(&binding) && said.contains("`ip` in `[[bindings]]`"), "{said}");
    assert!(!secure.server.home().exists() && secure.server.changing().len() == before);
    schema("<attribute name=\"sslFlags\" type=\"uint\" />");
    secure.deploy("1.0", &["--plan"]).success();
}
