//! A site that gets one release after the other, each as if it had never been there: a story that brings a release many
//! times need not go back in between.

use holdall::archive::Bundle;
use holdall::release::ReleaseId;

use super::bundles::Release;
use super::server::{Server, wait_for};

/// How many servers share the work of a story, to be done sooner.
pub const SERVERS: usize = 3;

/// What stands for the release in a command that brings it.
const RELEASE: &str = "{release}";

/// A server, and the release that it gets next.
pub struct Turns {
    pub server: Server,
    pub next: Release,
    /// Who serves meanwhile; at the first deploy of a site it is nobody.
    pub serving: Option<Release>,
}

impl Turns {
    /// The first release of a project as small as can be serves, and the second was never seen. Both kinds of hooks run,
    /// and none takes its time.
    pub fn updating() -> Turns {
        Turns::of([Release::TinyFirst, Release::TinySecond], Server::in_memory())
    }

    /// The same with these releases, on a server without a site.
    pub fn of([first, second]: [Release; 2], server: Server) -> Turns {
        // The database is there, so that both releases find what they need.
        server.site_toml("hooks.before = ['manage.py migrate --noinput']");
        server.deploy(first, &[]).success();
        server.site_toml("hooks.before = ['true']\nhooks.after = ['true']");
        Turns { server, next: second, serving: Some(first) }
    }

    /// There is no site, but the data that one has left.
    pub fn making() -> Turns {
        let Turns { server, next, .. } = Turns::updating();
        remove(&server);
        Turns { server, next, serving: None }
    }

    /// The next release is brought into service, whatever was left behind, and leaves nothing behind itself. The one
    /// before is forgotten, and is the next.
    #[track_caller]
    pub fn take(&mut self, after: &str) {
        let done = self.server.deploy(self.next, &[]);
        let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
        assert!(done.get_output().status.success(), "after {after}: {said}");
        self.server.assert_tidy(self.next);
        match self.serving {
            Some(before) => {
                self.server.forget(before);
                (self.next, self.serving) = (before, Some(self.next));
            }
            None => remove(&self.server),
        }
        // Its list of commands begins anew.
        self.server.lab("");
    }

    /// Takes a turn that nobody disturbs. Returns the commands that changed something, up to what is by chance, with a
    /// word for the release.
    pub fn changes(&mut self) -> Vec<String> {
        let id = self.next.id();
        self.server.lab("");
        self.server.deploy(self.next, &[]).success();
        let mut found: Vec<String> = Vec::new();
        for words in self.server.changing() {
            let line = words.join(" ");
            let line = line.split("127.0.0.1:").next().unwrap().replace(id.as_str(), RELEASE);
            if !found.contains(&line) {
                found.push(line);
            }
        }
        assert!(found.len() > 5, "{found:?}");
        self.take("nothing");
        found
    }

    /// One of those, as the next deploy gives it.
    pub fn of_next(&self, change: &str) -> String {
        change.replace(RELEASE, self.next.id().as_str())
    }

    /// Which release serves is one of the two.
    #[track_caller]
    pub fn assert_serves(&self, after: &str) {
        let Some(before) = self.serving else { return };
        let serving = self.server.serving();
        assert!(
            [before, self.next].iter().any(|known| known.version() == serving),
            "{serving} after {after}"
        );
    }
}

/// Calls `work` so many times at once, each with its number.
pub fn shared(work: impl Fn(usize) + Sync) {
    let work = &work;
    std::thread::scope(|scope| {
        for nth in 0..SERVERS {
            scope.spawn(move || work(nth));
        }
    });
}

fn remove(server: &Server) {
    server.holdall(&["remove", "guestbook", "--server", "iis"]).success();
}

impl Release {
    fn id(self) -> ReleaseId {
        let bundle = Bundle::open(&self.bundle()).unwrap();
        ReleaseId::new(&bundle.manifest().version, &bundle.identity())
    }
}

impl Server {
    /// Removes a release that does not serve, as if it had never been there.
    pub fn forget(&self, release: Release) {
        for folder in ["releases", "run"].map(|name| self.home().join(name).join(release.id())) {
            wait_for("the end of what holds the release", || {
                let _ = fs_err::remove_dir_all(&folder);
                !folder.exists()
            });
        }
    }
}
