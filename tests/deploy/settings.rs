//! What `site.toml` says of a site, from its first deploy to its end, and what `holdall apply` makes of it in between.

use std::process::Stdio;

use assert_cmd::assert::Assert;
use serde_json::Value;

use super::bundles::Release;
use super::server::{PATIENCE, Server, wait_for};
use super::tiny::style;
use super::visitors::ask;
use crate::harness::Page;

/// Somebody with an account of the lab's domain.
pub const ANN: (&str, &str) = ("Authorization", "Negotiate LAB\\ann");

/// Asks by this method, with these headers.
pub fn asked(method: &str, url: &str, headers: &[(&str, &str)]) -> Page {
    let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0);
    let agent: ureq::Agent =
        config.timeout_global(Some(PATIENCE)).allow_non_standard_methods(true).build().into();
    let request = ureq::http::Request::builder().method(method).uri(url);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let mut answer = agent.run(request.body(()).unwrap()).unwrap();
    let body = answer.body_mut().read_to_vec().unwrap();
    Page { status: answer.status().as_u16(), headers: answer.headers().clone(), body }
}

/// What the project was told of the request that this is the answer to.
#[track_caller]
pub fn told(page: &Page) -> Value {
    assert_eq!(page.status, 200, "{}", page.text());
    serde_json::from_str(page.header("x-environ")).unwrap()
}

fn said(done: &Assert) -> String {
    let output = done.get_output();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn apply(server: &Server, more: &[&str]) -> Assert {
    server.holdall(&[&["apply", "guestbook", "--site", "site.toml", "--server", "iis"], more].concat())
}

fn configuration(server: &Server) -> String {
    fs_err::read_to_string(server.test.path("iis/applicationHost.config")).unwrap()
}

const GUARDED: &str = "
[authentication]
windows = true
providers = ['Negotiate']
anonymous = ['/public/']
[headers]
Content-Security-Policy = \"default-src 'self'\"
X-Old = 'a'
[static.mimeTypes]
'.md' = 'text/x-own'
[limits]
connectionTimeout = 60
[pool]
periodicRestartSchedule = ['03:00']
";

const OPEN: &str = "
[authentication]
windows = false
[headers]
Content-Security-Policy = \"default-src 'none'\"
X-New = 'b'
[requests]
maxQueryString = 100
[static]
cacheDays = 7
[compression]
static = false
[proxies]
trusted = ['127.0.0.0/8', '::1']
";

#[test]
fn settings_are_applied_kept_by_the_next_release_and_gone_with_the_site() {
    let server = Server::with_one_process();
    let before = configuration(&server);
    server.site_toml(GUARDED);
    server.deploy(Release::TinyFirst, &[]).success();
    server.assert_tidy(Release::TinyFirst);
    let nobody = ask(&server.url("/")).unwrap();
    assert_eq!((nobody.status, nobody.header("www-authenticate")), (401, "Negotiate"));
    assert_eq!(ask(&server.url(&style("1.0"))).unwrap().status, 401, "static files are guarded, too");
    let pretending = [ANN, ("Remote-User", "LAB\\admin"), ("Remote_User", "LAB\\admin")];
    let ann = asked("GET", &server.url("/"), &pretending);
    assert_eq!(ann.header("content-security-policy"), "default-src 'self'");
    let ann = told(&ann);
    assert_eq!((&ann["REMOTE_USER"], &ann["AUTH_TYPE"]), (&"LAB\\ann".into(), &"Negotiate".into()));
    assert!(!ann.to_string().contains("admin"), "{ann:#}");
    let public = told(&ask(&server.url("/public/page")).unwrap());
    assert_eq!((public.get("REMOTE_USER"), &public["PATH_INFO"]), (None, &"/public/page".into()));

    // Without another release.
    let guarded = configuration(&server);
    server.site_toml(OPEN);
    let plan = said(&apply(&server, &["--plan"]).success());
    for word in ["maxQueryString", "take X-Old out", "guestbook/public", "tell the bridge", "ask for /"] {
        assert!(plan.contains(word), "no `{word}` in {plan}");
    }
    assert_eq!(configuration(&server), guarded, "a plan changes nothing");
    let done = said(&apply(&server, &[]).success());
    assert!(done.contains("1.0-") && !done.contains("warm"), "{done}");
    server.assert_tidy(Release::TinyFirst);
    let by_proxy = [("X-Forwarded-For", "203.0.113.5"), ("X-Forwarded-Proto", "https")];
    let open = asked("GET", &server.url("/"), &by_proxy);
    assert_eq!((open.header("content-security-policy"), open.header("x-new")), ("default-src 'none'", "b"));
    assert!(!open.headers.contains_key("x-old"));
    let open = told(&open);
    assert_eq!((&open["REMOTE_ADDR"], &open["wsgi.url_scheme"]), (&"203.0.113.5".into(), &"https".into()));
    assert_eq!(ask(&server.url(&format!("/?{}", "x".repeat(101)))).unwrap().status, 404);
    let sheet = ask(&server.url(&style("1.0"))).unwrap();
    assert!(sheet.header("cache-control").contains("max-age=604800"), "{:?}", sheet.headers);
    let done = said(&apply(&server, &[]).success());
    assert!(done.contains("nothing to do"), "{done}");

    // What somebody else has changed is told, and set back when it is asked for.
    let header = "/customHeaders.[name='X-New'].value:c";
    server.appcmd(&["set", "config", "guestbook", "/section:httpProtocol", header, "/commit:apphost"]);
    let done = said(&apply(&server, &[]).success());
    assert!(done.contains("X-New") && done.contains("--take-over"), "{done}");
    apply(&server, &["--take-over"]).success();
    assert_eq!(ask(&server.url("/")).unwrap().header("x-new"), "b");

    // What does not go well is taken back.
    let good = (configuration(&server), fs_err::read(server.home().join("site.toml")).unwrap());
    let bad = OPEN.replace("X-New = 'b'", "X-Bad = 'c'").replace("static = false", "dynamic = false");
    server.site_toml(&format!("{bad}[probe]\npaths = ['/', '/not-there/']\n"));
    let failed = said(&apply(&server, &[]).code(4));
    assert!(failed.contains("/not-there/") && failed.contains("404"), "{failed}");
    assert_eq!(fs_err::read(server.home().join("site.toml")).unwrap(), good.1);
    server.assert_tidy(Release::TinyFirst);
    let page = ask(&server.url("/")).unwrap();
    assert_eq!((page.header("x-new"), page.headers.contains_key("x-bad")), ("b", false));
    let with_what_is_the_same = " doDynamicCompression=\"true\"";
    assert_eq!(configuration(&server).replace(with_what_is_the_same, ""), good.0);

    server.site_toml(GUARDED);
    server.deploy(Release::TinySecond, &[]).success();
    assert_eq!(ask(&server.url("/")).unwrap().status, 401);
    assert_eq!(ask(&server.url("/public/page")).unwrap().status, 200, "areas are open again, too");
    server.holdall(&["rollback", "guestbook", "--server", "iis"]).success();
    server.assert_tidy(Release::TinyFirst);
    assert_eq!(told(&asked("GET", &server.url("/"), &[ANN]))["REMOTE_USER"], "LAB\\ann");
    server.holdall(&["remove", "guestbook", "--server", "iis"]).success();
    assert_eq!(configuration(&server), before);
}

#[test]
fn an_apply_is_killed_after_every_command_to_iis() {
    let server = Server::with_one_process();
    let other = GUARDED
        .replace("windows = true", "windows = false")
        .replace("providers = ['Negotiate']\nanonymous = ['/public/']\n", "");
    server.site_toml(OPEN);
    server.deploy(Release::TinyFirst, &[]).success();
    let mut wanted = [other.as_str(), OPEN];
    for nth in 0..20 {
        server.site_toml(wanted[0]);
        server.lab("");
        let plan = server.json(&["apply", "--site", "site.toml", "--server", "iis", "--plan"]);
        let Some(command) = plan["commands"].get(nth).and_then(Value::as_str) else { break };
        // As far as a command and the plan, in which it is quoted, have it in common.
        let words = command.split("appcmd.exe ").nth(1).unwrap().split(" /").take(2).collect::<Vec<_>>();
        let words = words.join(" /").split(" \"").next().unwrap().to_owned();
        server.lab(&format!("[[fault]]\nmatches = '''{words}'''\nwhen = 'after'\nhold = 'held'\n"));
        let held = server.test.path("iis/held");
        let mut applying = server.command(&["apply", "--site", "site.toml", "--server", "iis"]);
        let mut applying = applying.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_for("the command", || held.exists() || applying.try_wait().unwrap().is_some());
        assert!(held.exists(), "the apply was over before `{command}`");
        applying.kill().unwrap();
        applying.wait().unwrap();
        server.lab("");
        fs_err::remove_file(&held).unwrap();
        // appcmd itself lives on for a moment, as it would there.
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert_eq!(ask(&server.url("/")).unwrap().status, 200, "after {command}");
        apply(&server, &[]).success();
        server.assert_tidy(Release::TinyFirst);
        let done = said(&apply(&server, &[]).success());
        assert!(done.contains("nothing to do"), "after {command}: {done}");
        wanted.reverse();
    }
}

#[test]
fn what_iis_keeps_from_visitors_elsewhere_is_the_projects_here() {
    let server = Server::with_one_process();
    server.site_toml("");
    server.deploy(Release::TinyFirst, &[]).success();
    for path in ["/bin/x", "/App_Data/x", "/a.config", "/a.cs", "/a+b", "/a%2Bb"] {
        let told = told(&ask(&server.url(path)).unwrap());
        assert_eq!(told["PATH_INFO"], path.replace("%2B", "+"), "{told:#}");
    }
    let long = told(&ask(&server.url(&format!("/?{}", "x".repeat(8192)))).unwrap());
    assert_eq!(long["query"], 8192);
    assert_eq!(ask(&server.url(&format!("/{}", "y".repeat(5000)))).unwrap().status, 200);
    for method in ["PUT", "PATCH", "DELETE", "OPTIONS"] {
        assert_eq!(told(&asked(method, &server.url("/x"), &[]))["REQUEST_METHOD"], method);
    }
    // Nobody has said that proxies are believed.
    let page = asked("GET", &server.url("/"), &[("X-Forwarded-For", "203.0.113.5"), ("Forwarded", "for=x")]);
    let told = told(&page).to_string();
    assert!(!told.contains("203.0.113.5") && !told.contains("FORWARDED"), "{told}");
    assert_eq!(ask(&server.url("/web.config")).unwrap().status, 404);
}

#[test]
fn sites_of_two_releases_and_one_below_another_do_not_know_of_each_other() {
    let server = Server::with_one_process();
    server.test.write("closed/index.html", "closed");
    let folder = format!("/physicalPath:{}", server.test.path("closed").display());
    let port = super::web_server::free_port();
    let bindings = format!("/bindings:http/*:{port}:");
    server.appcmd(&["add", "site", "/name:Intranet", &bindings, &folder]);
    let before = configuration(&server);

    server.site_toml("[headers]\nX-Site = 'first'\n");
    server.deploy(Release::TinyFirst, &[]).success();
    let second = server.another_site("second");
    let bundle = Release::TinySecond.bundle();
    let deploy = |file: &str| {
        server.holdall(&["deploy", bundle.to_str().unwrap(), "--site", file, "--server", "iis"]).success();
    };
    let text = server.test.read("second.toml").replace("'first'", "'second'");
    server.test.write("second.toml", format!("{text}[authentication]\nwindows = true\n"));
    deploy("second.toml");
    let text = text.replace("'second'", "'third'").replace(&format!("[[bindings]]\nport = {second}\n"), "");
    let text = format!(
        "below = 'Intranet/shop'\n{text}[authentication]\nwindows = true\nanonymous = ['/public/']\n"
    );
    server.test.write("third.toml", text);
    deploy("third.toml");

    let at = |port: u16, path: &str, headers: &[(&str, &str)]| {
        asked("GET", &format!("http://localhost:{port}{path}"), headers)
    };
    let first = at(server.port, "/", &[]);
    assert!(first.header("x-site") == "first" && first.text().contains("release 1.0"), "{}", first.text());
    assert_eq!(at(second, "/", &[]).status, 401);
    let page = at(second, "/", &[ANN]);
    assert!(page.header("x-site") == "second" && page.text().contains("release 1.1"), "{}", page.text());
    assert_eq!(at(port, "/shop/x", &[]).status, 401);
    let below = at(port, "/shop/x", &[ANN]);
    assert_eq!(below.header("x-site"), "third");
    let below = told(&below);
    assert_eq!((&below["SCRIPT_NAME"], &below["REMOTE_USER"]), (&"/shop".into(), &"LAB\\ann".into()));
    assert!(told(&at(port, "/shop/public/x", &[])).get("REMOTE_USER").is_none());
    assert_ne!(at(port, "/", &[]).status, 401, "the site above is as open as it was");

    for name in ["third", "guestbook", "second"] {
        server.holdall(&["remove", name, "--server", "iis"]).success();
    }
    assert_eq!(configuration(&server), before);
}
