//! appcmd fails at each command in turn, without effect and after it: the release before serves on, and the next deploy
//! succeeds and leaves nothing behind.

use super::bundles::Release;
use super::server::{Server, version, wait_for};
use super::visitors::Visitor;

impl Server {
    /// Deploys `release`; returns the commands that changed something, as the lab's faults match them: up to what is by
    /// chance.
    pub fn changes_of(&self, release: Release) -> Vec<String> {
        let before = self.commands().len();
        self.deploy(release, &[]).success();
        let mut found: Vec<String> = Vec::new();
        for words in self.commands()[before..].iter().filter(|words| words[0] != "list") {
            let line = words.join(" ");
            let line = line.split("127.0.0.1:").next().unwrap().to_owned();
            if !found.contains(&line) {
                found.push(line);
            }
        }
        found
    }

    /// Removes a release that does not serve, as if it had never been there.
    pub fn forget(&self, release: Release) {
        let releases = fs_err::read_dir(self.home().join("releases")).unwrap();
        let known = |name: &str| version(name) == release.version();
        for folder in
            releases.map(|entry| entry.unwrap()).filter(|entry| known(entry.file_name().to_str().unwrap()))
        {
            wait_for("the end of what holds the release", || {
                let _ = fs_err::remove_dir_all(folder.path());
                !folder.path().exists()
            });
        }
    }
}

/// Makes the server one on which the first release serves and the second was never seen.
fn reset(server: &Server) {
    server.holdall(&["rollback", "--server", "iis"]).success();
    server.forget(Release::Second);
}

fn fails_in_turn(when: &str) {
    let server = Server::with_one_process();
    // Hooks are not what this is about.
    server.site_toml("hooks.before = ['manage.py migrate --noinput']");
    server.deploy(Release::First, &[]).success();
    server.site_toml("hooks.before = []");
    let changes = server.changes_of(Release::Second);
    assert!(changes.len() > 5, "{changes:?}");
    let visitor = Visitor::of(&server);
    for change in changes {
        reset(&server);
        let text = "text = 'ERROR ( message:no )'";
        server.lab(&format!("[[fault]]\nmatches = '''{change}'''\nwhen = '{when}'\nexit = 87\n{text}\n"));
        let done = server.deploy(Release::Second, &[]);
        let code = done.get_output().status.code().unwrap();
        let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
        assert!([4, 5].contains(&code), "{code} at `{change}`: {said}");
        assert_eq!(server.serving(), "1.0", "{code} at `{change}`: {said}");
        server.lab("");
        server.deploy(Release::Second, &[]).success();
        server.assert_tidy(Release::Second);
    }
    let seen = visitor.stop();
    assert!(seen.iter().all(|seen| seen.starts_with("1.0 ") || seen.starts_with("1.1 ")), "{seen:?}");
}

#[test]
fn appcmd_fails_at_each_command_in_turn_without_effect() {
    fails_in_turn("before");
}

#[test]
fn appcmd_fails_at_each_command_in_turn_after_its_effect() {
    fails_in_turn("after");
}
