//! Nothing of a story stays on a server, however far it came: neither its sites and locations in the web server, nor its
//! folder.

use std::time::{Duration, Instant};

use super::bundles::Release;
use super::server::{PATIENCE, Server, wait_for};

impl Server {
    /// The lines that register FastCGI applications of this story.
    pub fn applications(&self) -> Vec<String> {
        let listed = self.appcmd(&["list", "config", "/section:system.webServer/fastCgi"]);
        let base = self.base.to_str().unwrap().to_lowercase();
        let ours = |line: &&str| {
            line.contains("fullPath=") && line.to_lowercase().contains(base.trim_end_matches('/'))
        };
        listed.lines().filter(ours).map(str::to_owned).collect()
    }

    /// Takes the site out of the web server and removes its files, first as people do, then what may be left of it.
    pub fn sweep(&self) {
        let until = Instant::now() + PATIENCE;
        let knows = || self.home().join("state.json").exists();
        let args = ["remove", self.name, "--with-data", "--wait", "--server", "iis"];
        // What is loaded can't be removed until the processes of the site that went have ended.
        while knows() && !self.command(&args).output().unwrap().status.success() && Instant::now() < until {
            std::thread::sleep(Duration::from_secs(1));
        }
        for site in [format!("{}~staging", self.name), self.name.to_owned()] {
            // Without its site a location is found by nobody.
            for (part, section) in [
                ("", "handlers"),
                ("", "modules"),
                ("", "security/authentication/anonymousAuthentication"),
                ("", "security/requestFiltering"),
                ("", "staticContent"),
                ("/static", "staticContent"),
            ] {
                let (location, section) =
                    (format!("{site}{part}"), format!("/section:system.webServer/{section}"));
                self.appcmd(&["clear", "config", &location, &section, "/delete", "/commit:apphost"]);
            }
            self.appcmd(&["delete", "site", &site]);
        }
        self.appcmd(&["delete", "apppool", self.name]);
        for line in self.applications() {
            let value = |name: &str| {
                let (_, rest) = line.split_once(&format!("{name}=\"")).unwrap_or_default();
                rest.split('"').next().unwrap_or_default().replace("&quot;", "\"").replace("&amp;", "&")
            };
            let item = format!("/-[fullPath='{}',arguments='{}']", value("fullPath"), value("arguments"));
            self.appcmd(&["set", "config", "/section:system.webServer/fastCgi", &item, "/commit:apphost"]);
        }
        for folder in ["sites", "copied"].map(|name| self.base.join(name)) {
            wait_for("the removal of the story's files", || {
                let _ = fs_err::remove_dir_all(&folder);
                !folder.exists()
            });
        }
        // Of the lab's story it is the folder of all that it has.
        let _ = fs_err::remove_dir(&self.base);
    }
}

#[test]
fn what_a_story_leaves_on_a_server_is_swept_however_far_it_came() {
    let server = Server::new();
    server.deploy(Release::First, &[]).success();
    server.lab("[[fault]]\nmatches = 'start site guestbook~staging'\nhold = 'held'\n");
    let held = server.test.path("iis/held");
    let mut deploying = server.deploying(Release::Second);
    wait_for("the staging site", || held.exists());
    deploying.kill().unwrap();
    deploying.wait().unwrap();
    server.lab("");
    fs_err::remove_file(&held).unwrap();
    let left = || {
        let config = server.test.read("iis/applicationHost.config");
        ["guestbook", "python"].map(|word| config.contains(word))
    };
    assert_eq!(left(), [true, true]);
    // `holdall remove` knows nothing any more of what was done.
    for name in ["site.toml", "state.json"] {
        fs_err::remove_file(server.home().join(name)).unwrap();
    }
    server.sweep();
    assert_eq!(left(), [false, false], "{}", server.test.read("iis/applicationHost.config"));
    assert!(!server.base.join("sites").exists());
    // And by its own command.
    server.deploy(Release::First, &[]).success();
    server.sweep();
    assert_eq!(left(), [false, false], "{}", server.test.read("iis/applicationHost.config"));
}
