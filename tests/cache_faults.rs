//! Runs that are killed, or whose disk fills up, at every step by which they change the cache or the output folder.
//!
//! A step is a system call: `traced` counts them, first in a run that nobody disturbs. With two threads or more their
//! order differs a little from run to run, so a number does not stand for one call; all numbers together reach all.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use holdall::digest::Sha256;
use serde_json::Value;

use crate::bad_project::wait_for;
use crate::cache::{BUNDLE, bundled, bundling, cache_command, files, little, parts};
use crate::harness::Test;
use crate::system::is_alive;
use crate::traced::{Fault, Step, Watched, watch};

/// A project with the bundle that a run makes which nobody disturbs.
struct Story {
    test: Test,
    undisturbed: Sha256,
    /// What such a run does.
    steps: Vec<Step>,
}

/// The cache and the output folder of one disturbed run.
struct Run<'a> {
    story: &'a Story,
    name: String,
}

impl Story {
    fn begin() -> Story {
        let mut story = Story { test: little(), undisturbed: Sha256::of(""), steps: Vec::new() };
        let watched = story.run("undisturbed").watch(None);
        assert_eq!(watched.code, Some(0), "{}", watched.said);
        let calls: Vec<_> = watched.steps.iter().map(|step| step.call).collect();
        for call in ["open", "write", "sync", "mkdir", "rename", "remove"] {
            assert!(calls.contains(&call), "nobody saw a {call}: {:#?}", watched.steps);
        }
        story.undisturbed = Sha256::of_file(&story.test.path("undisturbed/dist").join(BUNDLE)).unwrap();
        story.steps = watched.steps;
        story
    }

    /// A run that begins with nothing.
    fn run(&self, name: impl Into<String>) -> Run<'_> {
        Run { story: self, name: name.into() }
    }

    /// Does the same at each step, several at a time.
    fn at_each_step(&self, one: impl Fn(usize) + Sync) {
        let next = AtomicUsize::new(1);
        let work = || {
            loop {
                match next.fetch_add(1, Ordering::Relaxed) {
                    step if step <= self.steps.len() => one(step),
                    _ => break,
                }
            }
        };
        std::thread::scope(|scope| {
            let threads = std::thread::available_parallelism().unwrap().get();
            (0..threads).for_each(|_| drop(scope.spawn(work)));
        });
    }
}

impl Run<'_> {
    fn path(&self, below: &str) -> PathBuf {
        self.story.test.path(&self.name).join(below)
    }

    fn watch(&self, fault: Option<(usize, Fault)>) -> Watched {
        let folders = ["cache", "dist"].map(|folder| self.path(folder));
        let [cache, dist] = ["cache", "dist"].map(|folder| format!("{}/{folder}", self.name));
        let watched = watch(bundling(&self.story.test, "site", &cache, &dist), &folders, fault);
        wait_for("what it started to end", || !watched.orphans.iter().any(|process| is_alive(process)));
        watched
    }

    /// The bundle is not there, or whole; and nothing in the cache is less than it seems.
    #[track_caller]
    fn is_sound(&self, what: &str) {
        for file in files(&self.path("dist")) {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            if !name.starts_with(".holdall-") {
                assert_eq!(name, BUNDLE, "{what}");
                assert_eq!(Sha256::of_file(&file).unwrap(), self.story.undisturbed, "{what}");
            }
        }
        let verified = cache_command(&self.story.test, &format!("{}/cache", self.name), &["verify"]);
        let verified = verified.get_output();
        assert!(verified.status.success(), "{what}: {}", String::from_utf8_lossy(&verified.stdout));
    }

    /// Nothing half-made is left.
    #[track_caller]
    fn is_clean(&self, what: &str) {
        let left = parts(&self.path("cache"));
        assert!(left.is_empty(), "{what} left {left:?}");
        let mut left = files(&self.path("dist"));
        // Whether another run has only just made an empty one nobody can tell.
        left.retain(|file| !file.ends_with(BUNDLE) && fs_err::metadata(file).unwrap().len() > 0);
        assert!(left.is_empty(), "{what} left {left:?}");
    }

    /// The next run makes the bundle as if nothing had been, and clears away what is left.
    #[track_caller]
    fn is_followed_by_a_good_one(&self, what: &str) {
        let [cache, dist] = ["cache", "dist"].map(|folder| format!("{}/{folder}", self.name));
        let report = bundled(bundling(&self.story.test, "site", &cache, &dist));
        let notices = report["notices"].to_string();
        assert!(!notices.contains("damaged"), "{what}: {notices}");
        assert!(self.path("dist").join(BUNDLE).exists(), "{what}");
        self.is_clean(what);
        self.is_sound(what);
    }

    fn remove(self) {
        holdall::held::remove_dir_all(&self.path("")).unwrap();
    }
}

#[test]
fn a_run_that_is_killed_at_any_step_leaves_nothing_that_a_later_one_could_trip_over() {
    let story = Story::begin();
    story.at_each_step(|step| {
        let run = story.run(format!("killed-{step}"));
        let watched = run.watch(Some((step, Fault::Kill)));
        let what = format!("killed at step {step}, {:?}", watched.steps.last());
        // Another order of the steps may have made it a run of fewer.
        assert!(watched.code.is_none() || watched.steps.len() < step, "{what}: {}", watched.said);
        run.is_sound(&what);
        run.is_followed_by_a_good_one(&what);
        run.remove();
    });
}

/// A run that the system denied something ended with a word on which file or folder that was, and nothing half-made.
#[track_caller]
fn told(run: &Run<'_>, watched: &Watched, why: &str, what: &str) {
    let report: Value = serde_json::from_str(&watched.said).unwrap_or_else(|_| panic!("{what}"));
    assert!(matches!(watched.code, Some(1 | 3)), "{what}");
    let words = format!("{} {}", report["error"], report["causes"]);
    assert!(words.contains(&format!("{}/", run.name)) && words.contains(why), "{what}: {words}");
    assert!(report["help"].is_string(), "{what}");
    run.is_clean(what);
}

#[test]
fn a_disk_that_fills_up_at_any_step_is_told_with_the_file_and_leaves_nothing_half_made() {
    let story = Story::begin();
    let refused = AtomicUsize::new(0);
    story.at_each_step(|step| {
        let run = story.run(format!("full-{step}"));
        let watched = run.watch(Some((step, Fault::Full(libc::ENOSPC))));
        let what = format!("full from step {step}, {:?}: {}", watched.steps.get(step - 1), watched.said);
        // What needs no more room is done nonetheless.
        if watched.code != Some(0) {
            told(&run, &watched, "No space left on device", &what);
            refused.fetch_add(1, Ordering::Relaxed);
        }
        run.is_sound(&what);
        // After each of them the same would take twice the time, and killed runs leave more.
        if step % 8 == 0 {
            run.is_followed_by_a_good_one(&what);
        }
        run.remove();
    });
    assert!(refused.into_inner() > story.steps.len() / 2);
}

#[test]
fn a_folder_that_may_not_be_written_to_is_told_wherever_it_is_met() {
    let story = Story::begin();
    let faults = [(libc::EACCES, "Permission denied"), (libc::EROFS, "Read-only file system")];
    for (error, why) in faults {
        for place in
            ["cache/.lock", "cache/runs", "cache/wheels/", "cache/environments/", "cache/layers/", "dist/"]
        {
            let at = |step: &Step| step.path.to_string_lossy().contains(&format!("/{place}"));
            let step = 1 + story.steps.iter().position(at).unwrap();
            let run = story.run(format!("denied-{error}-{step}"));
            let watched = run.watch(Some((step, Fault::Full(error))));
            let what = format!("denied at step {step}, {:?}: {}", watched.steps.get(step - 1), watched.said);
            told(&run, &watched, why, &what);
            run.is_sound(&what);
            run.remove();
        }
    }
}
