//! The whole life of one site with all that a site can have: from its first deploy to its end, under visitors. Afterwards
//! the server is as it was, byte for byte. Secrets are planted meanwhile and then looked for: in every word that a program
//! was given, in all that was said, and in every file.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::everybody::Everybody;
use super::https::{A, B, Secure};
use super::registered::{Ended, lab, standing};
use super::server::{Server, wait_for};
use super::settings::{ANN, asked, told};
use super::tiny;
use super::web_server::free_port;

/// The password of the account that the pool runs under, and a variable of the project.
const PASSWORD: &str = "planted-4711 <&> \"p\"";
const SECRET: &str = "planted-0815";

/// What of them is the same however it is written.
const MARKS: [&str; 2] = ["planted-4711", "planted-0815"];

const SETTINGS: &str = r"
pool.account = 'EXAMPLE\shop'
[authentication]
windows = true
providers = ['Negotiate']
anonymous = ['/public/']
[headers]
X-Own = 'a'
[proxies]
trusted = ['127.0.0.0/8', '::1']
[media]
url = '/media/'
";

/// A host that the site answers for at first.
const FORMER: &str = "former.example";

/// What becomes of them.
const CHANGED: [&str; 2] = ["X-Own = 'a'", "X-Own = 'b'\n[services.worker]\ninstances = 1"];

/// A worker, and a report once a day, which know the secret and don't say it.
const WORK: &str = r#"
import os, signal, sys, time

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
with open(os.path.join(os.environ["HOLDALL_SHARED"], "said.txt"), "a") as said:
    print(os.environ["HOLDALL_SERVICE"], os.environ["HOLDALL_VERSION"], len(os.environ["SECRET_KEY"]), file=said)
while sys.argv[1:] != ["once"]:
    time.sleep(0.05)
"#;

fn bundle(server: &Server, version: &str) -> String {
    let folder = server.test.path(&format!("bundle-{version}"));
    fs_err::create_dir_all(&folder).unwrap();
    let service = |name: &str, instances: u32, command: &[&str]| {
        let command = [&["python", "-m", "work"], command].concat();
        json!({
            "name": name, "command": command, "instances": instances,
            "restart": "always", "stop_timeout": 10, "environment": {},
        })
    };
    let mut report = service("report", 1, &["once"]);
    report["schedule"] = json!("daily 03:00");
    let services = json!([service("worker", 2, &[]), report]);
    tiny::bundle_with(&folder, version, &services, WORK).into_os_string().into_string().unwrap()
}

/// Writes these settings, with the site's addresses for these hosts, and without the variable that is a secret.
fn want(secure: &Secure, settings: &str, hosts: &[&str]) {
    let server = &secure.server;
    let https = |host: &&str| {
        format!(
            "[[bindings]]\nprotocol = 'https'\nport = {}\nhost = '{host}'\ncertificate = {{ subject = '{host}' }}\n",
            secure.port
        )
    };
    server.site_toml(&format!("{settings}{}", hosts.iter().map(https).collect::<String>()));
    let text = server.test.read("site.toml").replace("SECRET_KEY = 'not secret'\n", "");
    server.test.write("site.toml", text);
}

/// All that IIS, http.sys and the service manager keep.
fn kept(secure: &Secure) -> [Option<String>; 3] {
    let [iis, certificates] = secure.kept();
    let services = fs_err::read_to_string(secure.server.test.path("services/services.json")).ok();
    [iis, certificates, services]
}

/// The hosts for which http.sys shows a certificate.
fn shown_for(secure: &Secure) -> Vec<String> {
    let table: serde_json::Value = serde_json::from_str(secure.kept()[1].as_ref().unwrap()).unwrap();
    let host = |endpoint: &String| {
        endpoint.trim_start_matches("hostnameport=").split(':').next().unwrap().to_owned()
    };
    table.as_object().unwrap().keys().map(host).collect()
}

/// Whoever gives commands, and hears what they say.
struct Told<'a> {
    server: &'a Server,
    said: RefCell<Vec<String>>,
}

impl Told<'_> {
    /// Gives a command with this on its standard input. Returns what it has said.
    #[track_caller]
    fn run(&self, args: &[&str], input: &str, code: i32) -> String {
        let mut command = self.server.command(args);
        command.env("HOLDALL_EVENTS", self.server.test.path("events.jsonl"));
        let done =
            assert_cmd::Command::from_std(command).write_stdin(format!("{input}\n")).assert().code(code);
        let output = done.get_output();
        let said = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
        self.said.borrow_mut().push(said.clone());
        said
    }

    /// The same, as text and as JSON, of one that changes nothing.
    #[track_caller]
    fn ask(&self, args: &[&str]) -> String {
        self.run(&[args, &["--format", "json"]].concat(), "", 0);
        self.run(args, "", 0)
    }
}

#[test]
fn a_site_with_all_that_a_site_can_have_leaves_the_server_as_it_was_and_tells_no_secret() {
    let secure = Secure::new();
    let server = &secure.server;
    let _ended = Ended(server);
    // Others were there before.
    let [own, theirs] = [("a", A), ("b", B)].map(|(name, host)| secure.certificate(name, host, -60, 60));
    secure.certificate("former", FORMER, -60, 60);
    let port = free_port();
    let binding = format!("/bindings:https/*:{port}:{B}");
    let folder = format!("/physicalPath:{}", server.test.path("iis").display());
    server.appcmd(&["add", "site", "/name:Intranet", &binding, &folder]);
    secure.put(&format!("hostnameport={B}:{port}"), &theirs);
    let words = ["binPath=", "/bin/true", "start=", "demand", "obj=", r"NT SERVICE\intranet"];
    lab(server, &[&["create", "intranet"], &words[..], &["DisplayName=", "Intranet"]].concat());
    let before = kept(&secure);
    assert!(before.iter().all(Option::is_some), "{before:?}");

    want(&secure, SETTINGS, &[A, FORMER]);
    let [first, second] = ["1.0", "1.1"].map(|version| bundle(server, version));
    let to_iis = ["--site", "site.toml", "--server", "iis"];
    let command = |verb: &[&'static str], more: &[&'static str]| [verb, &to_iis, more].concat();
    let deploy = |bundle: &'static str, more: &[&'static str]| command(&["deploy", bundle], more);
    let [first, second]: [&'static str; 2] = [first.leak(), second.leak()];
    let told_all = Told { server, said: RefCell::default() };
    told_all.run(&["env", "set", "guestbook", "SECRET_KEY"], SECRET, 0);
    let plan = told_all.ask(&deploy(first, &["--plan", "--script", "changes.cmd"]));
    for word in ["sslcert", "/path:/media", "windowsAuthentication", "holdall-guestbook-worker", "X-Own"] {
        assert!(plan.contains(word), "no `{word}` in {plan}");
    }
    // Nobody sits at a terminal, and nothing comes by standard input unless that is said.
    let refused = told_all.run(&deploy(first, &[]), PASSWORD, 3);
    assert!(refused.contains("--pool-password-stdin"), "{refused}");
    assert!(!server.home().join("releases").exists());
    assert_eq!(kept(&secure), before, "neither a plan nor a refusal changes anything");

    told_all.run(&deploy(first, &["--pool-password-stdin"]), PASSWORD, 0);
    let running = |version: &str| {
        ["worker running", "worker-2 running", "report stopped"].map(|one| format!("{one} {version}"))
    };
    assert_eq!(standing(server), running("1.0"));
    assert!(kept(&secure).iter().zip(&before).all(|(now, before)| now != before), "each of them is told");
    assert_eq!(shown_for(&secure), [A, B, FORMER]);
    fs_err::write(server.home().join("shared/media/photo.txt"), "photo").unwrap();
    let everybody = Everybody::of(&secure, &own);
    let by_proxy = [ANN, ("X-Forwarded-For", "203.0.113.5"), ("X-Forwarded-Proto", "https")];
    let page = asked("GET", &server.url("/"), &by_proxy);
    assert_eq!(page.header("x-own"), "a");
    let environ = told(&page);
    assert_eq!(
        (&environ["REMOTE_USER"], &environ["REMOTE_ADDR"]),
        (&r"LAB\ann".into(), &"203.0.113.5".into())
    );

    // Settings change without another release: those of services, too, and a host goes with what it showed.
    want(&secure, &SETTINGS.replace(CHANGED[0], CHANGED[1]), &[A]);
    let plan = told_all.ask(&command(&["apply", "guestbook"], &["--plan"]));
    assert!(plan.contains("X-Own") && plan.contains("sc.exe delete holdall-guestbook-worker-2"), "{plan}");
    told_all.run(&command(&["apply", "guestbook"], &[]), "", 0);
    let fewer = |version: &str| ["worker running", "report stopped"].map(|one| format!("{one} {version}"));
    assert_eq!(standing(server), fewer("1.0"));
    assert_eq!(shown_for(&secure), [A, B]);
    assert_eq!(asked("GET", &server.url("/"), &[ANN]).header("x-own"), "b");

    told_all.run(&deploy(second, &["--format", "json"]), "", 0);
    assert_eq!((server.serving().as_str(), &standing(server)[..]), ("1.1", &fewer("1.1")[..]));
    // The schedule comes.
    lab(server, &["start", "holdall-guestbook-report"]);
    let said = || fs_err::read_to_string(server.home().join("shared/said.txt")).unwrap();
    let report = format!("report 1.1 {}\n", SECRET.len());
    wait_for("the report", || said().contains(&report));
    wait_for("its end", || standing(server) == fewer("1.1"));
    told_all.run(&["rollback", "--server", "iis"], "", 0);
    assert_eq!((server.serving().as_str(), &standing(server)[..]), ("1.0", &fewer("1.0")[..]));
    for args in [
        &["status", "--server", "iis"][..],
        &["env", "list", "guestbook"],
        &["logs", "guestbook", "--server", "iis"],
    ] {
        told_all.ask(args);
    }

    // Whether all is well is known.
    let doctor = ["doctor", "guestbook", "--server", "iis"];
    let line = |level: &str| format!("{level:<8} site.services ");
    let said = told_all.ask(&doctor);
    assert!(said.contains(&line("ok")), "{said}");
    told_all.run(&["service", "stop", "guestbook", "worker"], "", 0);
    let said = told_all.ask(&doctor);
    assert!(
        said.contains(&line("warning")) && said.contains("holdall service start guestbook worker"),
        "{said}"
    );
    told_all.run(&["service", "start", "guestbook"], "", 0);
    assert_eq!(everybody.stop(), ["1.0", "1.1", "1.0"]);

    assert_kept_where_they_belong(server);
    // Another account, whose pool cannot be told of: what is said of the failure does not say it, either.
    let text = server.test.read("site.toml").replace(r"EXAMPLE\shop", r"EXAMPLE\other");
    server.test.write("site.toml", text);
    server.lab("[[fault]]\nmatches = 'set apppool /in'\nexit = 87\ntext = 'wrong'");
    told_all.run(&deploy(second, &["--pool-password-stdin"]), PASSWORD, 4);
    assert_kept_where_they_belong(server);
    server.lab("");

    told_all.run(&["remove", "guestbook", "--with-data", "--server", "iis"], "", 0);
    assert_eq!(kept(&secure), before);
    assert!(!server.home().exists());
    for mark in MARKS {
        assert_eq!(holding(&server.test.path(""), mark), Vec::<PathBuf>::new());
        let said = told_all.said.borrow();
        let telling: Vec<_> = said.iter().filter(|said| said.contains(mark)).collect();
        assert_eq!(telling, Vec::<&String>::new());
    }
}

/// IIS has the password, and encrypts it; of the variable only the project and those who administer it know.
#[track_caller]
fn assert_kept_where_they_belong(server: &Server) {
    let config = server.test.read("iis/applicationHost.config");
    assert!(config.contains("userName=\"EXAMPLE\\shop\"") && config.contains("password=\"[enc:"), "{config}");
    assert_eq!(holding(&server.test.path(""), MARKS[0]), Vec::<PathBuf>::new());
    assert_eq!(holding(&server.test.path(""), MARKS[1]), [server.home().join("secrets.toml")]);
    let given = server.commands().concat().concat() + &server.test.read("services/services.jsonl");
    assert!(MARKS.iter().all(|mark| !given.contains(mark)));
}

/// The files below a folder in which a text stands.
fn holding(folder: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs_err::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            found.extend(holding(&path, text));
        } else if kind.is_file()
            && fs_err::read(&path).unwrap().windows(text.len()).any(|part| part == text.as_bytes())
        {
            found.push(path);
        }
    }
    found.sort();
    found
}
