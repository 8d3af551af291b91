//! One deploy, with all that it does on the disk, and the configuration of IIS beside it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use holdall::deploy::journal::Step as DeployStep;
use holdall::deploy::{Hands, Listener, Server};
use holdall::durable::{Disk, Step, Witness};
use holdall::progress::{Notice, Progress, Silent};
use holdall::release::ReleaseId;
use holdall::signature::Trust;
use holdall::site::iis;
use holdall::site::lock::{Holder, IfHeld};

use crate::harness::Test;

#[path = "../../../src/durable/power_cut.rs"]
#[allow(dead_code, reason = "the library's own tests use the rest")]
pub mod played;

use played::{Tape, Taped, Tree};

/// The lab's appcmd, which keeps every configuration that there was.
pub struct Appcmd {
    program: PathBuf,
    config: PathBuf,
    /// Where they are kept, by number.
    kept: PathBuf,
}

/// What was done, in order. Each step comes with the number of configurations that there had been before it.
pub struct Recording {
    pub before: Tree,
    pub after: Tree,
    pub steps: Vec<Taped>,
    pub configs: Vec<String>,
    known: Vec<usize>,
}

/// Watches a disk, and looks at each step how many configurations there have been.
pub struct Watch {
    tape: Tape,
    kept: PathBuf,
    known: Mutex<Vec<usize>>,
}

impl Appcmd {
    pub fn of(test: &Test) -> Appcmd {
        let (program, lab, kept) = (test.path("keeping/appcmd"), test.path("iis"), test.path("kept"));
        let config = lab.join("applicationHost.config");
        fs_err::create_dir(&kept).unwrap();
        let script = format!(
            "#!/bin/sh\nexport HOLDALL_LAB_IIS='{lab}'\n[ \"$1\" = list ] && exec '{appcmd}' \"$@\"\n\
             '{appcmd}' \"$@\"\ncode=$?\ncp '{config}' '{kept}'/$(ls '{kept}' | wc -l)\nexit $code\n",
            lab = lab.display(),
            appcmd = test.path("appcmd").display(),
            config = config.display(),
            kept = kept.display()
        );
        test.write("keeping/appcmd", script);
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs_err::set_permissions(&program, mode).unwrap();
        Appcmd { program, config, kept }
    }

    pub fn server(&self) -> Server {
        Server::iis(iis::Appcmd::at(&self.program))
    }

    /// A disk that is watched from now on.
    pub fn watch(&self) -> (Disk, Arc<Watch>) {
        fs_err::copy(&self.config, self.kept.join("0")).unwrap();
        let watch =
            Arc::new(Watch { tape: Tape::default(), kept: self.kept.clone(), known: Mutex::default() });
        (Disk::watched(watch.clone()), watch)
    }

    pub fn recording(&self, before: Tree, watch: &Watch, after: Tree) -> Recording {
        let mut known = watch.known.lock().unwrap().clone();
        let last = watch.kept();
        known.push(last);
        let configs =
            (0..last).map(|number| fs_err::read_to_string(self.kept.join(number.to_string())).unwrap());
        Recording { before, after, steps: watch.tape.steps(), configs: configs.collect(), known }
    }
}

impl Watch {
    fn kept(&self) -> usize {
        fs_err::read_dir(&self.kept).unwrap().count()
    }
}

impl Witness for Watch {
    fn before(&self, step: Step<'_>) -> std::io::Result<()> {
        let mut known = self.known.lock().unwrap();
        known.push(self.kept());
        self.tape.before(step)
    }
}

impl Recording {
    /// Every moment at which the power may go: so many steps are done, and IIS has the configuration of this number.
    pub fn moments(&self) -> impl Iterator<Item = (usize, usize)> {
        let before = |end: usize| if end == 0 { 1 } else { self.known[end - 1] };
        (0..=self.steps.len())
            .flat_map(move |end| (before(end)..=self.known[end]).map(move |count| (end, count - 1)))
    }
}

impl Tree {
    /// The content of a file.
    pub fn file(&self, path: &Path) -> Option<&[u8]> {
        self.0.get(path)?.as_deref()
    }

    /// Where another one is not the same.
    pub fn differing<'a>(&'a self, other: &'a Tree) -> impl Iterator<Item = &'a Path> {
        let all: BTreeSet<&Path> = self.paths().chain(other.paths()).collect();
        all.into_iter().filter(|path| self.0.get(*path) != other.0.get(*path))
    }

    /// All that lies here.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.keys().map(PathBuf::as_path)
    }
}

/// Where the site of this name lies, as a configuration says.
pub fn physical_path(config: &str, site: &str) -> Option<String> {
    let (_, rest) = section(config, site)?.split_once("physicalPath=\"")?;
    rest.split('"').next().map(str::to_owned)
}

/// Whether IIS starts the site of this name with the machine.
pub fn is_started(config: &str, site: &str) -> bool {
    section(config, site).is_some_and(|section| !section.contains("serverAutoStart=\"false\""))
}

/// What a configuration says of a site.
fn section<'a>(config: &'a str, site: &str) -> Option<&'a str> {
    let (_, rest) = config.split_once(&format!("<site name=\"{site}\""))?;
    rest.split_once("</site>").map(|(section, _)| section)
}

/// Tells nobody anything.
struct Quiet;

impl Listener for Quiet {
    fn step(&self, _: DeployStep) {}
    fn notice(&self, _: Notice) {}
    fn progress(&self) -> &dyn Progress {
        &Silent
    }
    fn waiting(&self, _: Option<&Holder>) {}
    fn draining(&self, _: &ReleaseId, _: u64) {}
}

pub fn hands(server: Server, trust: &Trust) -> Hands<'_> {
    Hands { server, trust, listener: &Quiet, if_held: IfHeld::Refuse }
}
