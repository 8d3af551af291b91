//! A server in a folder of its own.

use holdall_lab_iis::appcmd::{self, Done, Record};
use holdall_lab_iis::config::Config;
use holdall_lab_iis::init::{Kind, init};
use holdall_lab_iis::lab::Lab;
use tempfile::TempDir;

pub struct Server {
    pub folder: TempDir,
}

impl Server {
    /// A server with the CGI role service alone.
    pub fn new() -> Server {
        Server::with(Kind::Cgi, "")
    }

    /// A server with these lines of `lab.toml`; the folders of its sites lie in its own.
    pub fn with(kind: Kind, settings: &str) -> Server {
        let folder = tempfile::tempdir().unwrap();
        init(folder.path(), kind).unwrap();
        let server = Server { folder };
        server.settings(settings);
        fs_err::create_dir_all(server.folder.path().join("c").join("shop").join("admin")).unwrap();
        server
    }

    /// The same with a pool and a site `Shop` on port 81, at `C:\shop`, with an application `/app`.
    pub fn with_shop() -> Server {
        Server::new().and_shop()
    }

    pub fn and_shop(self) -> Server {
        self.done(&["add", "apppool", "/name:Shop", "/managedRuntimeVersion:"]);
        self.done(&["add", "site", "/name:Shop", "/bindings:http/*:81:", r"/physicalPath:C:\shop"]);
        self.done(&["add", "app", "/site.name:Shop", "/path:/app", r"/physicalPath:C:\shop\app"]);
        self
    }

    /// Writes `lab.toml`.
    pub fn settings(&self, settings: &str) {
        let drive = self.folder.path().join("c");
        let paths = format!(
            "[paths]\ndrives = {{ 'C:' = '{}' }}\nvariables = {{ SystemDrive = 'C:' }}\n",
            drive.display()
        );
        fs_err::write(self.folder.path().join("lab.toml"), format!("{settings}\n{paths}")).unwrap();
    }

    pub fn lab(&self) -> Lab {
        Lab::open(self.folder.path()).unwrap()
    }

    pub fn run_with(&self, args: &[&str], stdin: &str) -> Done {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        appcmd::run(&self.lab(), &args, &mut stdin.as_bytes())
    }

    /// The exit code and what was printed, with `\n` for line ends.
    pub fn run(&self, args: &[&str]) -> (i32, String) {
        let done = self.run_with(args, "");
        let text = String::from_utf8(done.stdout).unwrap();
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count(), "{text:?}");
        (done.exit, text.replace("\r\n", "\n"))
    }

    /// What a command prints that has to succeed.
    #[track_caller]
    pub fn done(&self, args: &[&str]) -> String {
        let (exit, text) = self.run(args);
        assert_eq!(exit, 0, "{args:?}: {text}");
        text
    }

    /// Runs a command that has to end so.
    #[track_caller]
    pub fn check(&self, args: &[&str], exit: i32, text: &str) {
        assert_eq!(self.run(args), (exit, text.to_owned()), "{args:?}");
    }

    /// The same for a command that must not change anything.
    #[track_caller]
    pub fn check_refused(&self, args: &[&str], exit: i32, text: &str) {
        let before = self.file();
        self.check(args, exit, text);
        assert_eq!(self.file(), before, "{args:?}");
    }

    pub fn file(&self) -> String {
        fs_err::read_to_string(self.lab().config()).unwrap()
    }

    pub fn config(&self) -> Config {
        Config::load(&self.lab().config()).unwrap()
    }

    pub fn records(&self) -> Vec<Record> {
        appcmd::records(&self.lab()).unwrap()
    }
}
