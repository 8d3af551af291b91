//! Old releases go, and nobody's work is in the way of it or lost by it.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use super::prune::{Kept, Pruned, Why, carry_out, plan};
use super::*;
use crate::durable::power_cut::{Tape, Tree, each_cut, scratch};
use crate::durable::{Step, Witness};

/// Deploys these versions in this order, a second apart.
fn deployed(site: &Path, versions: &[&str]) -> Vec<ReleaseId> {
    let folder = scratch();
    let deploy = |(place, version): (usize, &&str)| {
        let bundle = bundle(folder.path(), version, &FILES);
        let unmarked =
            expand_unmarked(&bundle, slot(&releases(site), &bundle), &Reuse::default(), &Silent).unwrap();
        let at = at() + Duration::from_secs(place as u64);
        let complete = complete(unmarked, &making(version), at, &Silent).unwrap().complete;
        fs_err::create_dir_all(site.join("run").join(&complete.id)).unwrap();
        fs_err::write(site.join("run").join(&complete.id).join("bridge.toml"), "secret").unwrap();
        complete.id
    };
    versions.iter().enumerate().map(deploy).collect()
}

fn kept<'a>(active: &'a ReleaseId, before: &'a ReleaseId, count: usize) -> Kept<'a> {
    Kept { active: Some(active), before: Some(before), count }
}

fn planned(site: &Path, kept: Kept<'_>) -> Vec<(ReleaseId, Why)> {
    let releases = releases(site);
    let plan = plan(&releases, &releases.find().unwrap(), kept);
    plan.removals.into_iter().map(|removal| (removal.id, removal.why)).collect()
}

fn prune(site: &Path, kept: Kept<'_>, disk: &Disk) -> Pruned {
    let releases = releases(site);
    carry_out(plan(&releases, &releases.find().unwrap(), kept), disk, &Silent)
}

fn names(folder: PathBuf) -> Vec<String> {
    let entries = fs_err::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_newest_releases_stay_and_always_the_active_one_and_the_one_before() {
    let folder = scratch();
    let site = folder.path().join("site");
    // By time and not by name.
    let ids = deployed(&site, &["1.9", "1.10", "1.2", "1.3"]);
    let old = |ids: &[&ReleaseId]| ids.iter().map(|id| ((*id).clone(), Why::Old)).collect::<Vec<_>>();
    assert_eq!(planned(&site, kept(&ids[3], &ids[2], 3)), old(&[&ids[0]]));
    assert_eq!(planned(&site, kept(&ids[3], &ids[2], 0)), old(&[&ids[1], &ids[0]]));
    assert_eq!(planned(&site, kept(&ids[0], &ids[1], 2)), old(&[&ids[2], &ids[3]]));
    assert_eq!(planned(&site, kept(&ids[0], &ids[1], 3)), old(&[&ids[2]]));
    assert_eq!(planned(&site, kept(&ids[3], &ids[2], 4)), []);
    let releases = releases(&site);
    let plan = plan(&releases, &releases.find().unwrap(), kept(&ids[3], &ids[2], 3));
    assert_eq!(plan.to_string(), format!("remove {} (older than those that are kept)\n", ids[0]));
    let pruned = carry_out(plan, &Disk::default(), &Silent);
    assert_eq!(pruned.removed, [ids[0].clone()]);
    assert!(pruned.held.is_empty());
    assert_eq!(complete_ones(&site, "pruned").len(), 3);
    assert_eq!(names(site.join("run")), names(site.join("releases")));
}

#[test]
fn an_adopted_release_is_never_removed() {
    let folder = scratch();
    let site = folder.path().join("site");
    let ids = deployed(&site, &["1.0"]);
    let elsewhere = folder.path().join("elsewhere");
    fs_err::rename(site.join("releases").join(&ids[0]), &elsewhere).unwrap();
    let adopted = vec![Adopted { id: ids[0].clone(), folder: elsewhere.clone() }];
    let releases = Releases::open(&site, adopted, Disk::default()).unwrap();
    // Something incomplete of the same name goes, and leaves alone what the adopted one uses.
    fs_err::create_dir_all(site.join("releases").join(&ids[0])).unwrap();
    let found = releases.find().unwrap();
    let plan = plan(&releases, &found, Kept { active: None, before: None, count: 0 });
    assert_eq!(plan.removals.len(), 1);
    assert_eq!((plan.removals[0].why, &plan.removals[0].run), (Why::Incomplete, &None));
    carry_out(plan, &Disk::default(), &Silent);
    assert!(matches!(releases.find().unwrap()[0].state, State::Complete(_)));
    assert_eq!(names(site.join("run")), [ids[0].to_string()]);
}

#[test]
fn what_was_never_completed_goes_and_what_cannot_be_judged_stays() {
    let folder = scratch();
    let site = folder.path().join("site");
    let ids = deployed(&site, &["1.0", "1.1", "1.2", "1.3"]);
    let root = |id: &ReleaseId| site.join("releases").join(id);
    fs_err::remove_file(root(&ids[0]).join(MARK)).unwrap();
    fs_err::write(root(&ids[1]).join(MARK), "{").unwrap();
    fs_err::write(root(&ids[2]).join(MARK), "{\"format\": 2}").unwrap();
    fs_err::create_dir_all(site.join("releases/not a release")).unwrap();
    fs_err::write(site.join("releases/9.9-0123abcd"), "a file").unwrap();
    let kept = Kept { active: Some(&ids[3]), before: None, count: 1 };
    let expected = [(ids[0].clone(), Why::Incomplete), (ids[1].clone(), Why::Damaged)];
    assert_eq!(planned(&site, kept), expected);
    prune(&site, kept, &Disk::default());
    let left = ["9.9-0123abcd", "not a release"].map(str::to_owned);
    let mut expected = [ids[2].to_string(), ids[3].to_string()].into_iter().chain(left).collect::<Vec<_>>();
    expected.sort();
    assert_eq!(names(site.join("releases")), expected);
}

/// Refuses to remove what a program holds, with the errors that Windows gives.
struct Windows(Vec<(&'static str, i32)>);

impl Witness for Windows {
    fn before(&self, step: Step<'_>) -> io::Result<()> {
        let path = match step {
            Step::RemoveFile(path) | Step::RemoveFolder(path) | Step::Rename { from: path, .. } => path,
            _ => return Ok(()),
        };
        match self.0.iter().find(|(name, _)| path.ends_with(name)) {
            Some((_, code)) => Err(io::Error::from_raw_os_error(*code)),
            None => Ok(()),
        }
    }
}

#[test]
fn what_is_held_stays_for_the_next_time_and_all_else_goes() {
    let folder = scratch();
    let site = folder.path().join("site");
    let ids = deployed(&site, &["1.0", "1.1"]);
    let kept = || Kept { active: Some(&ids[1]), before: None, count: 1 };
    let root = site.join("releases").join(&ids[0]);
    let windows = |held: &[(&'static str, i32)]| Disk::watched(Arc::new(Windows(held.to_vec())));
    // A program that runs, and a file that is open.
    let disk = windows(&[("python3.12", 5), ("settings.py", 32)]);
    let pruned = prune(&site, kept(), &disk);
    assert!(pruned.removed.is_empty());
    let held = |pruned: &Pruned| {
        let held = pruned.held.iter().flat_map(|(_, held)| held);
        let mut held: Vec<_> = held
            .map(|held| {
                let path = held.path.strip_prefix(&site).unwrap().to_str().unwrap().replace('\\', "/");
                (path.split_once('/').unwrap().1.replace(ids[0].as_str(), "ID"), held.source.raw_os_error())
            })
            .collect();
        held.sort();
        held
    };
    let expected =
        [("ID/app/shop/settings.py".to_owned(), Some(32)), ("ID/python/bin/python3.12".to_owned(), Some(5))];
    assert_eq!(held(&pruned), expected);
    assert_eq!(names(root.clone()), ["app", PRUNING, "python"]);
    let state = |site: &Path| releases(site).find().unwrap().remove(0).state;
    assert!(matches!(state(&site), State::Pruning));
    assert_eq!(planned(&site, kept()), [(ids[0].clone(), Why::HalfRemoved)]);
    // A folder in which something is still going, and a file that is going itself.
    let pruned = prune(&site, kept(), &windows(&[("bin", 145), ("settings.py", 303)]));
    assert_eq!(held(&pruned).len(), 2);
    assert!(matches!(state(&site), State::Pruning));
    assert_eq!(prune(&site, kept(), &Disk::default()).removed, [ids[0].clone()]);
    assert_eq!(names(site.join("releases")), [ids[1].to_string()]);
    assert_eq!(names(site.join("run")), [ids[1].to_string()]);
}

#[test]
fn a_release_whose_mark_is_held_stays_whole() {
    let folder = scratch();
    let site = folder.path().join("site");
    let ids = deployed(&site, &["1.0", "1.1"]);
    let disk = Disk::watched(Arc::new(Windows(vec![(MARK, 32)])));
    let pruned = prune(&site, Kept { active: Some(&ids[1]), before: None, count: 1 }, &disk);
    assert_eq!(pruned.held.len(), 1);
    assert_eq!(complete_ones(&site, "held").len(), 2);
}

#[test]
fn a_half_removed_release_can_be_deployed_again() {
    let folder = scratch();
    let site = folder.path().join("site");
    let ids = deployed(&site, &["1.0", "1.1"]);
    let disk = Disk::watched(Arc::new(Windows(vec![("python3.12", 5)])));
    prune(&site, Kept { active: Some(&ids[1]), before: None, count: 1 }, &disk);
    let bundle = bundle(folder.path(), "1.0", &FILES);
    // The program that is held is right, and stays as it is.
    let held = Disk::watched(Arc::new(Windows(vec![("python3.12", 5)])));
    deploy(&Releases::open(&site, Vec::new(), held).unwrap(), &bundle, None).unwrap();
    assert_eq!(complete_ones(&site, "again").len(), 2);
}

#[test]
fn a_power_cut_while_pruning_leaves_nothing_that_looks_complete_and_is_not() {
    let folder = scratch();
    let site = folder.path().join("site");
    let ids = deployed(&site, &["1.0", "1.1"]);
    let kept = || Kept { active: Some(&ids[1]), before: None, count: 1 };
    let before = Tree::of(&site);
    let (disk, tape) = Tape::new();
    prune(&site, kept(), &disk);
    let steps = tape.steps();
    let cuts = each_cut(&before, &site, &steps, 0..=steps.len(), |cut, site| {
        deploying::restore_modes(site);
        let complete = complete_ones(site, cut);
        assert_eq!(complete.last().unwrap().id, ids[1], "{cut}");
        assert!(prune(site, kept(), &Disk::default()).held.is_empty(), "{cut}");
        assert_eq!(names(site.join("releases")), [ids[1].to_string()], "{cut}");
        assert_eq!(names(site.join("run")), [ids[1].to_string()], "{cut}");
    });
    assert!(cuts > 20, "{cuts}");
}

#[cfg(unix)]
#[test]
fn a_link_in_a_release_goes_and_what_it_names_stays() {
    let folder = scratch();
    let site = folder.path().join("site");
    let ids = deployed(&site, &["1.0", "1.1"]);
    let outside = folder.path().join("outside");
    fs_err::create_dir_all(&outside).unwrap();
    fs_err::write(outside.join("precious"), "").unwrap();
    fs_err::os::unix::fs::symlink(&outside, site.join("releases").join(&ids[0]).join("app/link")).unwrap();
    let pruned = prune(&site, Kept { active: Some(&ids[1]), before: None, count: 1 }, &Disk::default());
    assert_eq!(pruned.removed.len(), 1);
    assert_eq!(names(outside), ["precious"]);
}
