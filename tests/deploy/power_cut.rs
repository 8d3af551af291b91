//! The power goes in the middle of a deploy. One deploy is driven to its end and all that it has done on the disk is taped;
//! then every beginning of the tape is looked at, as the disk may show it after a power cut there, beside the
//! configuration that IIS had at that moment. Always one release serves, whole; and the next deploy knows what is to be
//! done. That it does it, and leaves nothing behind, is seen once for all moments at which it would do the same.

mod moments;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use holdall::deploy::journal::Journal;
use holdall::deploy::{self, Source, Wishes};
use holdall::durable::Disk;
use holdall::progress::Silent;
use holdall::release::{self, Complete, Releases, State};
use holdall::signature::Trust;
use holdall::site::{Home, SiteSettings};

use super::bundles::Release;
use super::server::Server;
use super::tiny;
use super::visitors::ask;

use moments::played::{Tree, each_tree};
use moments::{Appcmd, Recording};

/// The releases of the site. With the last one the first is one too many.
const VERSIONS: [&str; 4] = ["0.8", "0.9", "1.0", "1.1"];

/// A site in the making, and the bundles of its releases.
struct Story {
    server: Server,
    appcmd: Appcmd,
    bundles: BTreeMap<&'static str, PathBuf>,
}

/// What the visitors of a site may find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Serving {
    /// There is no site yet, or none that was ever started.
    Nothing,
    Release(Release),
}

impl Story {
    fn new() -> Story {
        let server = Server::with_one_process();
        server.site_toml("hooks.before = ['true']");
        let bundles = VERSIONS.map(|version| (version, tiny::bundle(&server.test.path(""), version)));
        fs_err::create_dir(server.base.join("sites")).unwrap();
        let appcmd = Appcmd::of(&server.test);
        Story { server, appcmd, bundles: bundles.into() }
    }

    fn root(&self) -> PathBuf {
        self.server.base.join("sites")
    }

    /// `holdall deploy`, which must succeed.
    #[track_caller]
    fn deploy(&self, version: &str, when: &str) {
        let bundle = self.bundles[version].to_str().unwrap();
        let done = self.server.holdall(&["deploy", bundle, "--site", "site.toml", "--server", "iis"]);
        let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
        assert!(done.get_output().status.success(), "{when}: {said}");
    }

    fn source(&self, release: Release) -> Source {
        Source::open(&self.bundles[release.version()], &Trust::new(Vec::new())).unwrap()
    }

    fn settings(&self) -> (SiteSettings, String) {
        let text = self.server.test.read("site.toml");
        (SiteSettings::parse(&text, Path::new("site.toml")).unwrap(), text)
    }

    fn home(&self, disk: Disk) -> Home {
        Home::below(&self.root(), &self.settings().0.name, disk)
    }

    /// Deploys with a disk and an appcmd that are watched.
    fn recorded(&self, release: Release) -> Recording {
        let before = Tree::of(&self.root());
        let (disk, watch) = self.appcmd.watch();
        let (settings, text) = self.settings();
        let (home, source) = (self.home(disk), self.source(release));
        let trust = Trust::new(Vec::new());
        let mut hands = moments::hands(self.appcmd.server(), &trust);
        deploy::deploy(&home, &settings, Some(text), source, Wishes::default(), &mut hands).unwrap();
        let recording = self.appcmd.recording(before, &watch, Tree::of(&self.root()));
        // All is durable at last. Nothing goes past the disk that is watched but the lock, and logs, of which a power cut may
        // take the last lines.
        let logs = self.home(Disk::default()).shared().join("logs");
        let is_ours = |path: &&Path| !path.ends_with("lock") && !path.starts_with(&logs);
        each_tree(&recording.before, &recording.steps, recording.steps.len(), |cut, tree| {
            let differing: Vec<&Path> = tree.differing(&recording.after).filter(is_ours).collect();
            assert!(differing.is_empty(), "{cut}: {differing:?}");
        });
        recording
    }

    /// What the next deploy would do, in its own words.
    fn planned(&self, release: Release, when: &str) -> String {
        let (settings, text) = self.settings();
        let home = self.home(Disk::default());
        let known = fs_err::read_to_string(home.site_toml()).ok();
        let text = Some(text).filter(|text| known.as_ref() != Some(text));
        let (source, mut server) = (self.source(release), self.appcmd.server());
        match deploy::plan_deploy(&home, &settings, text, &source, Wishes::default(), &mut server) {
            Ok(plan) => plan.to_string(),
            Err(error) => panic!("{when}: {error:?}"),
        }
    }

    /// Has the folder of all sites be `tree`, and IIS be told what `config` says.
    fn show(&self, tree: &Tree, config: &str) {
        let root = self.root();
        for entry in fs_err::read_dir(&root).unwrap() {
            fs_err::remove_dir_all(entry.unwrap().path()).unwrap();
        }
        tree.build(&root, &root);
        // Power cuts are played without modes.
        for path in tree.paths().filter(|path| path.ends_with(tiny::PYTHON) || path.ends_with("holdall")) {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs_err::set_permissions(path, mode).unwrap();
        }
        self.server.test.write("iis/applicationHost.config", config);
    }

    /// The release at which the switch of a configuration points is there to its last byte, and its bridge knows what it
    /// is told: so it serves, whatever else the disk has lost.
    #[track_caller]
    fn assert_serves(
        &self,
        recording: &Recording,
        tree: &Tree,
        config: &str,
        complete: &[Complete],
        when: &str,
    ) -> Serving {
        let Some(www) = moments::physical_path(config, self.server.name) else { return Serving::Nothing };
        let serving = complete.iter().find(|complete| complete.root().join("www") == Path::new(&www));
        let serving = serving.unwrap_or_else(|| panic!("{when}: `{www}` is in no complete release"));
        let differences = release::verify(&serving.release, &Silent).unwrap();
        assert!(differences.is_empty(), "{when}: {} is not whole: {differences:?}", serving.id);
        let drift = release::drift(serving).unwrap();
        assert!(drift.is_empty(), "{when}: {} is not whole: {drift:?}", serving.id);
        let program = serving.root().join(tiny::PYTHON);
        assert!(config.contains(program.to_str().unwrap()), "{when}: {} is not registered", serving.id);
        let run = self.server.home().join("run").join(&serving.id);
        for path in ["bridge.toml", "restart"].map(|name| run.join(name)) {
            let shown = tree.file(&path);
            let known = [&recording.before, &recording.after].map(|tree| tree.file(&path));
            assert!(shown.is_some() && known.contains(&shown), "{when}: {}: {shown:?}", path.display());
        }
        let version = serving.release.manifest.version.as_str();
        let known = [Release::First, Release::Second].into_iter().find(|known| known.version() == version);
        match moments::is_started(config, self.server.name) {
            true => Serving::Release(known.unwrap()),
            false => Serving::Nothing,
        }
    }

    /// All on which it depends what the next command does, and that can be had without a question to IIS.
    fn facts(&self, tree: &Tree, when: &str) -> (String, Vec<Complete>) {
        let home = self.home(Disk::default());
        let state = home.state().unwrap_or_else(|error| panic!("{when}: {error:?}"));
        let history = Journal::of(&home.folder, Disk::default()).read().unwrap();
        let found = Releases::open(&home.folder, state.adopted(), Disk::default()).unwrap().find().unwrap();
        let standing: Vec<_> =
            found.iter().map(|found| (found.id.to_string(), std::mem::discriminant(&found.state))).collect();
        let is_said =
            |path: &&Path| ["site.toml", "bridge.toml", "restart"].iter().any(|name| path.ends_with(name));
        let said: Vec<_> = tree.paths().filter(is_said).map(|path| (path, tree.file(path))).collect();
        let complete = found.into_iter().filter_map(|found| match found.state {
            State::Complete(complete) => Some(*complete),
            State::Damaged(error) => panic!("{when}: {error:?}"),
            State::Incomplete | State::Pruning => None,
        });
        let complete = complete.collect();
        (format!("{state:?} {history:?} {standing:?} {said:?}"), complete)
    }

    /// The power comes back: who visits the site is served by what it shows, and the next deploy succeeds.
    fn comes_back(&mut self, release: Release, tree: &Tree, config: &str, serving: Serving, when: &str) {
        self.show(tree, config);
        // What no disk is asked to keep is there or not.
        let home = self.server.home();
        if home.exists() {
            fs_err::write(home.join("lock.json"), "{\"who\":").unwrap();
            for run in fs_err::read_dir(home.join("run")).into_iter().flatten() {
                fs_err::write(run.unwrap().path().join("probe.toml"), "token = ''\nexpires = 0\n").unwrap();
            }
        }
        self.server.turn_on();
        if let Serving::Release(serving) = serving {
            self.assert_seen(serving, when);
        }
        self.deploy(release.version(), when);
        self.server.assert_tidy(release);
        self.assert_seen(release, when);
        self.server.turn_off();
    }

    #[track_caller]
    fn assert_seen(&self, release: Release, when: &str) {
        for path in ["/".to_owned(), tiny::style(release.version())] {
            let page = ask(&self.server.url(&path)).unwrap_or_else(|error| panic!("{when}: {error}"));
            let (status, text) = (page.status, page.text());
            let is_right = status == 200 && text.contains(&format!("release {}", release.version()));
            assert!(is_right, "{when}: {path}: {status}: {text}");
        }
    }

    /// Looks at every moment of a recording. Returns how many differ, and what was seen to serve.
    fn told(&mut self, release: Release, recording: &Recording) -> (usize, Vec<Serving>) {
        let (mut seen, mut known, mut plans) = (HashSet::new(), HashSet::new(), BTreeSet::new());
        let (mut servings, mut returns) = (Vec::new(), Vec::new());
        self.server.turn_off();
        for (end, config) in recording.moments() {
            each_tree(&recording.before, &recording.steps, end, |cut, tree| {
                if !seen.insert((digest(tree), config)) {
                    return;
                }
                let (when, text) =
                    (format!("step {end}, configuration {config}, {cut}"), &recording.configs[config]);
                self.show(tree, text);
                let (facts, complete) = self.facts(tree, &when);
                let serving = self.assert_serves(recording, tree, text, &complete, &when);
                if !servings.contains(&serving) {
                    servings.push(serving);
                }
                if known.insert((facts, config)) && plans.insert(self.planned(release, &when)) {
                    returns.push((tree.clone(), config, serving, when));
                }
            });
        }
        for (tree, config, serving, when) in returns {
            self.comes_back(release, &tree, &recording.configs[config], serving, &when);
        }
        self.server.turn_on();
        (seen.len(), servings)
    }
}

fn digest(tree: &Tree) -> u64 {
    let mut hasher = DefaultHasher::new();
    tree.hash(&mut hasher);
    hasher.finish()
}

#[test]
fn the_power_goes_at_any_step_of_a_deploy_and_the_old_or_the_new_release_serves_whole() {
    let mut story = Story::new();
    VERSIONS[..3].iter().for_each(|version| story.deploy(version, "at first"));
    // New settings are written with the new release.
    story.server.site_toml("hooks.before = ['true']\nhooks.after = ['true']");
    let recording = story.recorded(Release::Second);
    story.assert_seen(Release::Second, "without a power cut");
    let (moments, servings) = story.told(Release::Second, &recording);
    assert!(moments > 150, "{moments}");
    assert_eq!(servings, [Release::First, Release::Second].map(Serving::Release));
}

#[test]
fn the_power_goes_at_any_step_of_the_first_deploy_of_a_site_and_the_next_one_makes_it() {
    let mut story = Story::new();
    let recording = story.recorded(Release::First);
    story.assert_seen(Release::First, "without a power cut");
    let (moments, servings) = story.told(Release::First, &recording);
    assert!(moments > 150, "{moments}");
    assert_eq!(servings, [Serving::Nothing, Serving::Release(Release::First)]);
}
