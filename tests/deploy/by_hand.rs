//! `iis/register.cmd` and `iis/unregister.cmd` of a bundle, run by `cmd.exe` before the lab's IIS. They find its appcmd
//! where Windows has the real one: below a folder that this story calls the system's.

use std::path::Path;
use std::process::{Command, Stdio};

use super::bundles::Release;
use super::server::Server;
use super::visitors::{ask, front_page};
use super::web_server::lab_program;

struct Desk {
    server: Server,
}

impl Desk {
    /// A server and the folder that a bundle was copied to.
    fn new() -> Desk {
        let server = Server::new();
        Release::First.expand(&server.test.path("copied"));
        copy(&lab_program("appcmd"), &server.test.path("windows/System32/inetsrv/appcmd.exe"));
        // Wine has none. Whatever ends well stands in for it: that only administrators get on is shown nowhere but there.
        if std::env::var_os("WINEPREFIX").is_some() {
            let windows = std::env::var_os("windir").unwrap();
            let any = Path::new(&windows).join("System32").join("hostname.exe");
            copy(&any, &server.test.path("tools/fltmc.exe"));
        }
        Desk { server }
    }

    /// Runs a script of the folder; returns its exit code and what it said.
    fn run(&self, script: &str, args: &[&str]) -> (i32, String) {
        let test = &self.server.test;
        let path = std::env::join_paths(
            [test.path("tools")].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
        );
        let mut cmd = Command::new("cmd.exe");
        cmd.args(["/d", "/c"]).arg(test.path("copied").join("iis").join(script)).args(args);
        cmd.env("windir", test.path("windows")).env("PATH", path.unwrap());
        cmd.env("HOLDALL_LAB_IIS", test.path("iis")).stdin(Stdio::null());
        let done = cmd.output().unwrap();
        let said = [done.stdout, done.stderr].concat();
        (done.status.code().unwrap(), String::from_utf8_lossy(&said).into_owned())
    }
}

fn copy(program: &Path, to: &Path) {
    fs_err::create_dir_all(to.parent().unwrap()).unwrap();
    fs_err::copy(program, to).unwrap();
}

#[test]
fn a_folder_is_registered_and_taken_back_by_its_own_scripts() {
    let desk = Desk::new();
    let (server, port) = (&desk.server, desk.server.port.to_string());
    // What the project has to be told stands in a file that is made for it.
    let (code, said) = desk.run("register.cmd", &[&port]);
    assert!(code == 3 && said.contains("SECRET_KEY"), "{code}: {said}");
    assert!(!server.appcmd(&["list", "site"]).contains("guestbook"));
    let text = server.test.read("guestbook-shared/bridge.toml");
    assert!(text.contains("# SECRET_KEY = \"...\""), "{text}");
    server.test.write(
        "guestbook-shared/bridge.toml",
        text.replace("# SECRET_KEY = \"...\"", "SECRET_KEY = \"not secret\""),
    );

    for _ in 0..2 {
        let (code, said) = desk.run("register.cmd", &[&port]);
        assert!(code == 0 && said.contains("The site guestbook is registered"), "{code}: {said}");
        assert_eq!(server.applications().len(), 1);
    }
    let manage = Command::new(server.test.path("copied/python/python.exe"))
        .args(["-s", "-B", "-X", "utf8", "app/manage.py", "migrate", "--noinput"])
        .current_dir(server.test.path("copied"))
        .env("DJANGO_SETTINGS_MODULE", "holdall_site.settings")
        .env("HOLDALL_SHARED", server.test.path("guestbook-shared"))
        .env("SECRET_KEY", "not secret")
        .output()
        .unwrap();
    assert!(manage.status.success(), "{}", String::from_utf8_lossy(&manage.stderr));
    let front = front_page(server, Release::First);
    let sheet = format!("/static/{}", front.between("/static/", "\""));
    let style = ask(&server.url(&sheet)).unwrap();
    assert!(style.status == 200 && !style.text().is_empty(), "{sheet}: {}", style.status);

    let (code, said) = desk.run("unregister.cmd", &[]);
    assert!(code == 0 && said.contains("is gone from IIS"), "{code}: {said}");
    let config = server.test.read("iis/applicationHost.config");
    assert!(!config.contains("guestbook") && server.applications().is_empty(), "{config}");
    assert!(server.test.path("guestbook-shared/bridge.toml").exists(), "what the project wrote stays");
    let (code, said) = desk.run("unregister.cmd", &[]);
    assert!(code == 0 && said.contains("does not serve this folder"), "{code}: {said}");
}

#[test]
fn a_machine_without_iis_or_its_cgi_feature_is_told_so() {
    let desk = Desk::new();
    let fault = "[[fault]]\nmatches = 'globalModules'\nexit = 0\ntext = '<globalModules />'\n";
    desk.server.lab(fault);
    let (code, said) = desk.run("register.cmd", &[]);
    assert!(code == 3 && said.contains("IIS has no FastCGI"), "{code}: {said}");
    fs_err::remove_file(desk.server.test.path("windows/System32/inetsrv/appcmd.exe")).unwrap();
    for script in ["register.cmd", "unregister.cmd"] {
        let (code, said) = desk.run(script, &[]);
        assert!(code == 3 && said.contains("There is no IIS on this machine"), "{code}: {said}");
    }
}
