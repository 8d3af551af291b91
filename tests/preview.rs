//! The embedded web server, asked over real connections, with a FastCGI responder behind it.

mod client;
mod command;
mod processes;
mod python;
mod responder;
mod statics;
mod streams;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdall::site::local::{Event, Listening, Served, Server};
use holdall::target::Target;

/// Not a test of its own: this is what the server starts, see [`responder`].
#[test]
fn responder_process() {
    responder::run_if_asked();
}

/// A release on disk with a server for it.
pub struct Test {
    folder: tempfile::TempDir,
    server: Option<Server>,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Test {
    pub fn start() -> Test {
        Test::with(|_| {})
    }

    /// A server with one process, unless `change` wants it otherwise.
    pub fn with(change: impl FnOnce(&mut Served)) -> Test {
        let folder = tempfile::tempdir().unwrap();
        let release = folder.path().join("release");
        for (name, text) in [
            ("holdall.json", "secret manifest"),
            ("app/settings.py", "secret settings"),
            ("python/python", "secret program"),
            ("www/web.config", "secret web.config"),
            ("www/static/base.css", "body {}"),
            ("www/static/base.a1b2c3d4e5f6.css", "body { color: red }"),
            ("www/static/grüße.txt", "0123456789"),
        ] {
            let path = release.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let mut served = Served {
            www: release.join("www"),
            target: Target::LinuxX86_64,
            hashed_static: true,
            bridge: responder::invocation(),
            processes: 1,
            queue: 100,
            patience: Duration::from_secs(60),
            grace: Duration::from_secs(20),
        };
        change(&mut served);
        let events = Arc::new(Mutex::new(Vec::new()));
        let heard = events.clone();
        let server =
            Server::start(anywhere(), served, move |event| heard.lock().unwrap().push(event)).unwrap();
        Test { folder, server: Some(server), events }
    }

    pub fn address(&self) -> SocketAddr {
        self.server.as_ref().unwrap().address()
    }

    /// A new folder, for a responder and a test to leave each other marks.
    pub fn marks(&self) -> tempfile::TempDir {
        tempfile::tempdir_in(self.folder.path()).unwrap()
    }

    pub fn www(&self) -> std::path::PathBuf {
        self.folder.path().join("release/www")
    }

    pub fn process(&self) -> String {
        client::get(self.address(), "/params").line("pid").unwrap()
    }

    pub fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    /// Stops the server; its events can still be read.
    pub fn stop(&mut self) {
        self.server.take().unwrap().stop().unwrap();
    }
}

/// Any free port of the loopback address.
pub fn anywhere() -> Listening {
    Listening::at("127.0.0.1:0".parse().unwrap()).unwrap()
}
