//! A server of the lab: its IIS, which serves, its appcmd, and the folder of its sites.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::bench::bundle::measure::{self, Run};
use crate::bench::bundle::ours::together;
use crate::tools;

/// How long the web server may take to begin and to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Parts of a run in which others work: the project runs and answers, or the web server is asked and told. The last of
/// them lies within others.
pub const OTHERS: [(&str, &[&str]); 2] =
    [("project", &["hooks-before", "self-check", "stage", "probe", "hooks-after"]), ("IIS", &["server"])];

/// A server with one site in the making. Its IIS ends when this goes.
pub struct Lab {
    folder: PathBuf,
    holdall: PathBuf,
    iis: Child,
}

/// What a command took, and what it told of it.
pub struct Told {
    pub run: Run,
    spans: Vec<(String, f64, f64)>,
}

impl Told {
    /// Of a command that tells nothing.
    pub fn silent(run: Run) -> Told {
        Told { run, spans: Vec::new() }
    }

    fn of(run: Run) -> anyhow::Result<Told> {
        let said: serde_json::Value = serde_json::from_slice(&run.said)?;
        let spans = said["spans"].as_array().context("holdall tells no spans")?;
        let span = |span: &serde_json::Value| {
            Some((span["part"].as_str()?.to_owned(), span["from"].as_f64()?, span["to"].as_f64()?))
        };
        let spans = spans.iter().map(span).collect::<Option<_>>().context("holdall tells odd spans")?;
        Ok(Told { run, spans })
    }

    /// Seconds in which one of these parts was worked on.
    pub fn spent(&self, parts: &[&str]) -> Option<f64> {
        let spans = self.spans.iter().filter(|(part, ..)| parts.contains(&part.as_str()));
        let spans: Vec<_> = spans.map(|(_, from, to)| (*from, *to)).collect();
        (!self.spans.is_empty()).then(|| together(spans))
    }

    /// Seconds in which Holdall itself worked: all but those in which the project or the web server did.
    pub fn own(&self) -> Option<f64> {
        let others: Vec<&str> = OTHERS.iter().flat_map(|(_, parts)| *parts).copied().collect();
        Some(self.run.seconds - self.spent(&others)?)
    }
}

impl Lab {
    /// Makes a server with the CGI feature alone below `folder`, and starts it.
    pub fn start(programs: &Path, holdall: &Path, folder: &Path) -> anyhow::Result<Lab> {
        let of_iis = folder.join("iis");
        fs_err::create_dir_all(folder)?;
        tools::quietly(
            Command::new(programs.join("appcmd-lab")).args(["init", "--kind", "cgi"]).arg(&of_iis),
        )?;
        // By a name of its own: one appcmd is one server to those who change it, who wait for each other.
        fs_err::copy(programs.join("appcmd"), folder.join("appcmd"))?;
        let mut delete = Command::new(folder.join("appcmd"));
        delete.args(["delete", "site", "Default Web Site"]).env("HOLDALL_LAB_IIS", &of_iis);
        tools::quietly(&mut delete)?;

        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let settings = format!(
            "name = 'shop'\n[[bindings]]\nport = {port}\n[fastcgi]\nmaxInstances = 2\n[hooks]\nbefore = []\n\
             [releases]\nkeep = 3\ndrain = 0\n"
        );
        fs_err::write(folder.join("site.toml"), settings)?;
        let ready = folder.join("ready");
        let mut iis = Command::new(programs.join("iis"));
        iis.arg("--config").arg(&of_iis).arg("--ready-file").arg(&ready);
        let iis = iis.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let lab = Lab { folder: folder.to_owned(), holdall: holdall.to_owned(), iis };
        let until = Instant::now() + PATIENCE;
        while !ready.exists() {
            ensure!(Instant::now() < until, "the lab's IIS did not begin to serve");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(lab)
    }

    /// A command that knows this server.
    pub fn run(&self, words: &[&str]) -> anyhow::Result<Run> {
        let mut holdall = Command::new(&self.holdall);
        holdall.args(words).args(["--server", "iis", "--format", "json"]).current_dir(&self.folder);
        holdall
            .env("HOLDALL_ROOT", self.folder.join("sites"))
            .env("HOLDALL_LAB_IIS", self.folder.join("iis"));
        measure::run(holdall.env("HOLDALL_APPCMD", self.folder.join("appcmd")))
    }

    /// One that tells what it did when.
    pub fn told(&self, words: &[&str]) -> anyhow::Result<Told> {
        Told::of(self.run(words)?)
    }

    /// Puts a bundle into service.
    pub fn deploy(&self, bundle: &Path) -> anyhow::Result<Told> {
        let bundle = bundle.to_str().context("the path of a bundle is text")?;
        self.told(&["deploy", bundle, "--site", "site.toml"])
    }

    /// The folder of the release that serves.
    pub fn serving(&self) -> anyhow::Result<PathBuf> {
        let status: serde_json::Value = serde_json::from_slice(&self.run(&["status"])?.said)?;
        let active = status["active"].as_str().context("no release serves")?;
        ensure!(status["drift"] == serde_json::json!([]), "the release that serves has changed: {status}");
        Ok(self.folder.join("sites/shop/releases").join(active))
    }

    /// Has the web server and all that it started end.
    pub fn stop(mut self) -> anyhow::Result<()> {
        self.end()
    }

    fn end(&mut self) -> anyhow::Result<()> {
        // Asked to end, it ends the processes that it has started. The shell's own `kill`, as in a small system there is
        // no program for it.
        tools::run(Command::new("sh").args(["-c", &format!("kill -TERM {}", self.iis.id())]))?;
        let until = Instant::now() + PATIENCE;
        while self.iis.try_wait()?.is_none() {
            ensure!(Instant::now() < until, "the lab's IIS does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if matches!(self.iis.try_wait(), Ok(None)) && self.end().is_err() {
            let _ = self.iis.kill();
            let _ = self.iis.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_do_is_none_of_our_time_and_counts_once() -> anyhow::Result<()> {
        let said = br#"{"spans": [
            {"part": "server", "from": 0.5, "to": 1.0}, {"part": "expand", "from": 1.0, "to": 2.0},
            {"part": "server", "from": 2.5, "to": 3.0}, {"part": "stage", "from": 2.0, "to": 4.0}]}"#;
        let told = Told::of(Run { seconds: 5.0, cpu: None, peak: None, said: said.to_vec() })?;
        assert_eq!(told.spent(&["expand"]), Some(1.0));
        assert_eq!(told.spent(&["server"]), Some(1.0));
        assert_eq!(told.own(), Some(2.5));
        let silent = Told::silent(Run { seconds: 5.0, cpu: None, peak: None, said: Vec::new() });
        assert_eq!(silent.own(), None);
        Ok(())
    }
}
