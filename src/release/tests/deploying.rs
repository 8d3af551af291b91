//! A bundle becomes a release, whatever happens on the way.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::durable::power_cut::{Tape, Taped, Tree, each_cut, scratch};
use crate::durable::{Step, Witness};
use crate::site::Place;

/// A process that is killed before its step of this number: nothing more is done, not even tidying.
struct KilledAt(usize, AtomicUsize);

impl Witness for KilledAt {
    fn before(&self, _: Step<'_>) -> io::Result<()> {
        match self.1.fetch_add(1, Ordering::SeqCst) {
            step if step < self.0 => Ok(()),
            _ => Err(io::Error::other("killed")),
        }
    }
}

/// Two bundles of one site; the second has a changed and a new file, and lacks some whose names carry a hash.
fn two(folder: &Path) -> (Bundle, Bundle) {
    let changed =
        files(&[("www/static/site.css", "body { color: red }\n"), ("app/shop/new.py", "new = 1\n")]);
    (bundle(folder, "1.0", &files(&reusing::HASHED)), bundle(folder, "1.1", &changed))
}

#[test]
fn a_release_is_complete_with_what_was_made_for_it() {
    let folder = scratch();
    let site = folder.path().join("site");
    let bundle = bundle(folder.path(), "1.0", &FILES);
    let Completed { complete, notices } = deploy(&releases(&site), &bundle, None).unwrap();
    assert!(notices.is_empty());
    assert_eq!(complete.root(), site.join("releases").join(&complete.id));
    assert_eq!(complete.mark.identity, bundle.identity());
    assert_eq!(complete.mark.completed, at());
    let made: Vec<_> = complete.mark.made.iter().map(|file| (file.path.as_str(), &file.origin)).collect();
    assert_eq!(made, [("www/web.config", &Origin::WebConfig)]);
    let place = Place::of(&site, &complete);
    assert_eq!(place.run(), releases(&site).run(&complete.id));
    assert_eq!((&*place.release, &place.site), (complete.root(), &site));
    let found = complete_ones(&site, "after");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].mark, complete.mark);
    // The same once more is nothing to do.
    assert!(matches!(releases(&site).reserve(&bundle, &[]).unwrap(), Reserved::Complete(_)));
    assert_eq!(releases(&site).complete(&complete.id).unwrap().unwrap().mark, complete.mark);
}

#[test]
fn a_power_cut_at_any_step_leaves_the_old_release_whole_and_the_next_deploy_finishes() {
    let folder = scratch();
    let site = folder.path().join("site");
    let (old, new) = two(folder.path());
    let old = deploy(&releases(&site), &old, None).unwrap().complete;
    let before = Tree::of(&site);
    let (disk, tape) = Tape::new();
    let watched = Releases::open(&site, Vec::new(), disk).unwrap();
    let complete = deploy(&watched, &new, Some(&old)).unwrap().complete;
    assert_eq!(complete.mark.made.len(), 3);
    let new_id = complete.id;
    let steps = tape.steps();
    let cuts = each_cut(&before, &site, &steps, 0..=steps.len(), |cut, site| {
        restore_modes(site);
        let complete: Vec<_> = complete_ones(site, cut).into_iter().map(|complete| complete.id).collect();
        assert!(
            complete == [old.id.clone()] || complete == [old.id.clone(), new_id.clone()],
            "{cut}: {complete:?}"
        );
        let old = releases(site).complete(&old.id).unwrap().unwrap();
        deploy(&releases(site), &new, Some(&old)).unwrap();
        assert_eq!(complete_ones(site, cut).len(), 2, "{cut}");
    });
    assert!(cuts > 50, "{cuts}");
    each_cut(&before, &site, &steps, steps.len()..=steps.len(), |cut, site| {
        restore_modes(site);
        assert_eq!(complete_ones(site, cut).len(), 2, "{cut}");
    });
}

/// Power cuts are played without modes: what is a program in [`FILES`] becomes one again.
pub(super) fn restore_modes(site: &Path) {
    for entry in walkdir::WalkDir::new(site) {
        let path = entry.unwrap().into_path();
        #[cfg(unix)]
        if path.parent().unwrap().ends_with("bin") {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs_err::set_permissions(path, mode).unwrap();
        }
        #[cfg(not(unix))]
        drop(path);
    }
}

#[test]
fn a_deploy_that_is_killed_at_any_step_is_finished_by_the_next() {
    let folder = scratch();
    let (old, new) = two(folder.path());
    let mut kills = 0;
    for step in 0.. {
        let site = folder.path().join(format!("site{step}"));
        let old = deploy(&releases(&site), &old, None).unwrap().complete;
        let disk = Disk::watched(Arc::new(KilledAt(step, AtomicUsize::new(0))));
        let killed = deploy(&Releases::open(&site, Vec::new(), disk).unwrap(), &new, Some(&old));
        let when = format!("killed before step {step}");
        let complete = complete_ones(&site, &when);
        assert!(complete.iter().any(|complete| complete.id == old.id), "{when}");
        if killed.is_ok() {
            assert_eq!(complete.len(), 2);
            break;
        }
        kills += 1;
        deploy(&releases(&site), &new, Some(&old)).unwrap();
        assert_eq!(complete_ones(&site, &when).len(), 2, "{when}");
    }
    assert!(kills > 20, "{kills}");
}

#[test]
fn a_deploy_that_fails_leaves_nothing_behind() {
    let folder = scratch();
    let site = folder.path().join("site");
    let bundle = bundle(folder.path(), "1.0", &FILES);
    struct Full(usize, AtomicUsize);
    impl Witness for Full {
        fn before(&self, step: Step<'_>) -> io::Result<()> {
            let written =
                matches!(step, Step::Write { .. }) && self.1.fetch_add(1, Ordering::SeqCst) >= self.0;
            if written { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }
    }
    for writes in 0..8 {
        let disk = Disk::watched(Arc::new(Full(writes, AtomicUsize::new(0))));
        let error = deploy(&Releases::open(&site, Vec::new(), disk).unwrap(), &bundle, None).unwrap_err();
        assert!(matches!(error, ReleaseError::Unwritable { .. }), "{error}");
        assert_eq!(fs_err::read_dir(site.join("releases")).unwrap().count(), 0);
    }
}

/// A disk of so many kilobytes, as long as this lives.
#[cfg(target_os = "linux")]
struct Small<'a>(&'a Path);

#[cfg(target_os = "linux")]
impl Small<'_> {
    fn mount(folder: &Path, size: u32) -> Option<Small<'_>> {
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}k"), "tmpfs"]).arg(folder);
        mount.output().is_ok_and(|done| done.status.success()).then_some(Small(folder))
    }
}

#[cfg(target_os = "linux")]
impl Drop for Small<'_> {
    fn drop(&mut self) {
        std::process::Command::new("umount").arg(self.0).status().unwrap();
    }
}

#[cfg(target_os = "linux")]
#[test]
#[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
fn a_disk_that_is_full_at_any_moment_holds_nothing_that_looks_complete() {
    let folder = scratch();
    let bundle = bundle(folder.path(), "1.0", &FILES);
    let site = folder.path().join("site");
    fs_err::create_dir(&site).unwrap();
    let mut failures = 0;
    for pages in 1.. {
        let Some(_small) = Small::mount(&site, pages * 4) else {
            eprintln!("skipped: only root may make a small disk");
            return;
        };
        match deploy(&releases(&site), &bundle, None) {
            Ok(_) => break,
            Err(error) => assert!(matches!(error, ReleaseError::Unwritable { .. }), "{error}"),
        }
        assert!(releases(&site).find().unwrap().is_empty(), "{pages} pages");
        failures += 1;
    }
    assert!(failures > 5, "{failures}");
}

#[test]
fn what_a_killed_deploy_left_is_taken_if_it_is_right_and_goes_if_not() {
    let folder = scratch();
    let site = folder.path().join("site");
    let bundle = bundle(folder.path(), "1.0", &FILES);
    let root = slot(&releases(&site), &bundle).root().to_owned();
    fs_err::create_dir_all(root.join("app/shop/settings.py/in the way")).unwrap();
    fs_err::create_dir_all(root.join("www/static")).unwrap();
    fs_err::create_dir_all(root.join(".holdall")).unwrap();
    fs_err::write(root.join(".holdall/some.json"), "{").unwrap();
    fs_err::write(root.join("app/manage.py"), "print('manage')\n").unwrap();
    fs_err::write(root.join("www/static/site.css"), "body { color: plaid }").unwrap();
    fs_err::write(root.join("www/static/logo.svg"), "<svg/>\n").unwrap();
    fs_err::write(root.join("app/shop/__init__.py"), "x").unwrap();
    fs_err::write(root.join("app/stranger.py"), "").unwrap();
    fs_err::write(root.join(MARK), "{ half a mark").unwrap();
    fs_err::write(root.join(".release.json.part"), "").unwrap();
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
    Disk::default().set_modified(&root.join("app/manage.py"), old).unwrap();
    Disk::default().set_modified(&root.join("www/static/logo.svg"), old).unwrap();
    let complete = deploy(&releases(&site), &bundle, None).unwrap().complete;
    assert_eq!(differences(&complete.release), Vec::<String>::new());
    let modified = |path: &str| fs_err::metadata(root.join(path)).unwrap().modified().unwrap();
    assert_eq!(modified("app/manage.py"), old);
    assert!(modified("www/static/logo.svg") > old);
}

#[cfg(unix)]
#[test]
fn nothing_is_written_through_a_link() {
    use fs_err::os::unix::fs::symlink;
    let folder = scratch();
    let outside = folder.path().join("outside");
    fs_err::create_dir_all(outside.join("shop")).unwrap();
    fs_err::write(outside.join("manage.py"), "mine").unwrap();
    let bundle = bundle(folder.path(), "1.0", &FILES);
    // Inside of what a killed deploy left they are removed, and what they name stays.
    let site = folder.path().join("site");
    let root = slot(&releases(&site), &bundle).root().to_owned();
    fs_err::create_dir_all(&root).unwrap();
    symlink(&outside, root.join("app")).unwrap();
    fs_err::create_dir_all(root.join("www")).unwrap();
    symlink(&outside, root.join("www/static")).unwrap();
    symlink(outside.join("manage.py"), root.join("holdall.json")).unwrap();
    deploy(&releases(&site), &bundle, None).unwrap();
    assert_eq!(complete_ones(&site, "links inside").len(), 1);
    assert_eq!(fs_err::read(outside.join("manage.py")).unwrap(), b"mine");
    assert_eq!(fs_err::read_dir(outside.join("shop")).unwrap().count(), 0);
    // In the place of a folder of ours they are refused.
    let site = folder.path().join("linked");
    fs_err::create_dir_all(site.join("releases")).unwrap();
    symlink(&outside, site.join("releases").join(root.file_name().unwrap())).unwrap();
    let error = deploy(&releases(&site), &bundle, None).unwrap_err();
    assert!(matches!(error, ReleaseError::Link { .. }), "{error}");
    let site = folder.path().join("other");
    fs_err::create_dir_all(&site).unwrap();
    symlink(&outside, site.join("releases")).unwrap();
    let error = Releases::open(&site, Vec::new(), Disk::default()).unwrap_err();
    assert!(matches!(error, ReleaseError::Link { .. }), "{error}");
}

#[test]
fn a_release_in_use_is_not_repaired_under_its_visitors() {
    let folder = scratch();
    let site = folder.path().join("site");
    let bundle = bundle(folder.path(), "1.0", &FILES);
    let complete = deploy(&releases(&site), &bundle, None).unwrap().complete;
    fs_err::write(complete.root().join(MARK), "").unwrap();
    let error = releases(&site).reserve(&bundle, &[&complete.id]).unwrap_err();
    assert!(matches!(error, ReleaseError::InUse { .. }), "{error}");
    assert!(matches!(releases(&site).find().unwrap()[0].state, State::Damaged(_)));
    deploy(&releases(&site), &bundle, None).unwrap();
    assert_eq!(complete_ones(&site, "repaired").len(), 1);
}

#[test]
fn a_bundle_that_brings_a_mark_of_its_own_is_refused() {
    let folder = scratch();
    let site = folder.path().join("site");
    for name in ["app/release.json", "Release.JSON", "pruning.json"] {
        // Only at the top it would be one.
        let layer = Source { path: entry(name), content: Content::Bytes(Vec::new()), executable: false };
        let key = Key::new(LayerKind::App, TARGET, &[]);
        let layer =
            layer::build_in(folder.path(), &key, "app", vec![layer], None, Stage::App, &Silent).unwrap();
        let path = folder.path().join("hostile.zip");
        assemble(manifest("1.0"), vec![layer], &path, None, &Silent).unwrap();
        let bundle = Bundle::open(&path).unwrap();
        let deployed = deploy(&releases(&site), &bundle, None);
        match name.contains('/') {
            true => drop(deployed.unwrap()),
            false => assert!(matches!(deployed.unwrap_err(), ReleaseError::Reserved { .. })),
        }
    }
}

#[test]
fn what_the_caller_hands_in_cannot_take_the_place_of_a_file() {
    let folder = scratch();
    let site = folder.path().join("site");
    let bundle = bundle(folder.path(), "1.0", &FILES);
    for path in ["app/manage.py", "app", "app/manage.py/x", "release.json", ".holdall/x"] {
        let unmarked =
            expand_unmarked(&bundle, slot(&releases(&site), &bundle), &Reuse::default(), &Silent).unwrap();
        let mut making = making("");
        making.files[0].path = entry(path);
        let error = complete(unmarked, &making, at(), &Silent).unwrap_err();
        assert!(matches!(error, ReleaseError::Clash { .. } | ReleaseError::Reserved { .. }), "{error}");
        assert_eq!(fs_err::read_dir(site.join("releases")).unwrap().count(), 0);
    }
}

#[test]
fn a_folder_with_rights_of_its_own_is_made_before_all_that_they_are_handed_down_to() {
    let folder = scratch();
    let bundle = bundle(folder.path(), "1.0", &FILES);
    let (disk, tape) = Tape::new();
    let releases = Releases::open(&folder.path().join("site"), Vec::new(), disk).unwrap();
    // The second time something was left over: it goes, and its folder with what rights that has.
    for _ in 0..2 {
        let before = tape.steps().len();
        let slot = slot(&releases, &bundle).guard("www", "D:P".to_owned());
        let (root, www) = (slot.root().to_owned(), slot.root().join("www"));
        let unmarked = expand_unmarked(&bundle, slot, &Reuse::default(), &Silent).unwrap();
        std::mem::forget(unmarked);
        let steps = tape.steps().split_off(before);
        let inside: Vec<&Path> = steps
            .iter()
            .filter_map(|step| match step {
                Taped::CreateFolder(path) | Taped::CreateFile(path) => Some(&**path),
                _ => None,
            })
            .filter(|path| path.starts_with(&root) && **path != *root)
            .collect();
        assert_eq!(inside[0], www, "{inside:?}");
        assert!(inside.len() > 3);
    }
}
