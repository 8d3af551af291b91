//! What is made beside the bundle's files: bytecode; and folders that are adopted.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::durable::power_cut::scratch;
#[cfg(unix)]
use crate::durable::power_cut::{Tape, Tree, each_cut};
use crate::signature::Trust;

/// A bundle without bytecode, whose Python is that of this machine.
#[cfg(unix)]
fn bare(folder: &Path, files: &[(&str, &str)]) -> Bundle {
    let python = crate::runtime::find_python(|_| true).unwrap();
    let mut manifest = manifest("1.0");
    manifest.bytecode = None;
    manifest.python.version = python.version;
    let script = format!("#!/bin/sh\nexec '{}' \"$@\"\n", python.path.display());
    let mut files = files.to_vec();
    files.retain(|(path, _)| *path != "python/bin/python3.12");
    files.push(("python/bin/python3.12", &script));
    bundle_of(folder, manifest, &files)
}

// The bundle is for this machine alone.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn bytecode_is_compiled_by_the_python_of_the_release_when_the_bundle_has_none() {
    let folder = scratch();
    let site = folder.path().join("site");
    let broken = files(&[("app/shop/broken.py", "{{ x }} y"), ("app/shop/templates/x.py-tpl", "{{ x }}")]);
    let bundle = bare(folder.path(), &broken);
    let complete = deploy(&releases(&site), &bundle, None).unwrap().complete;
    let compiled: Vec<_> = complete.mark.made.iter().filter(|file| file.origin == Origin::Bytecode).collect();
    let digits = complete.release.manifest.python.version.minor.digits();
    let place = |path: &str, module: &str| format!("{path}/__pycache__/{module}.cpython-{digits}.pyc");
    let paths: Vec<_> = compiled.iter().map(|file| file.path.to_string()).collect();
    assert_eq!(paths, [place("app", "manage"), place("app/shop", "__init__"), place("app/shop", "settings")]);
    // Flags of PEP 552: a hash, and nobody checks it.
    assert_eq!(fs_err::read(complete.root().join(&paths[0])).unwrap()[4..8], [1, 0, 0, 0]);
    assert_eq!(complete_ones(&site, "compiled").len(), 1);
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn a_release_whose_python_does_not_run_is_not_completed() {
    let folder = scratch();
    let site = folder.path().join("site");
    let mut manifest = manifest("1.0");
    manifest.bytecode = None;
    let bundle = bundle_of(folder.path(), manifest, &files(&[("python/bin/python3.12", "#!/nowhere\n")]));
    let error = deploy(&releases(&site), &bundle, None).unwrap_err();
    assert!(matches!(error, ReleaseError::Python { .. }), "{error}");
    assert_eq!(fs_err::read_dir(site.join("releases")).unwrap().count(), 0);
}

/// A bundle unpacked by somebody, into `folder/copied`.
fn copied(folder: &Path, bundle: &Bundle) -> Release {
    let release = expand(bundle, Slot::empty(&folder.join("copied")).unwrap(), &Silent).unwrap();
    for file in release.files() {
        let constant = SystemTime::UNIX_EPOCH + Duration::from_secs(315_532_800);
        Disk::default().set_modified(&file.path.below(&release.root), constant).unwrap();
    }
    release
}

fn adopt_it(folder: &Path, making: &Making<'_>, disk: &Disk) -> Result<Complete, ReleaseError> {
    match adopt(folder, &Trust::default(), making, at(), disk, &Silent)? {
        Adoption::Complete(complete) => Ok(*complete),
        Adoption::Unmarked(unmarked) => Ok(complete(*unmarked, making, at(), &Silent)?.complete),
    }
}

#[test]
fn a_copied_folder_is_adopted_where_it_lies() {
    let folder = scratch();
    let release = copied(folder.path(), &bundle(folder.path(), "1.0", &FILES));
    let root = &release.root;
    let complete = adopt_it(root, &making("mine"), &Disk::default()).unwrap();
    assert_eq!(complete.root(), root);
    assert_eq!(differences(&complete.release), Vec::<String>::new());
    assert_eq!(drift(&complete).unwrap(), []);
    let modified = fs_err::metadata(root.join("www/static/site.css")).unwrap().modified().unwrap();
    assert_eq!(modified, at());
    // Found by its path, and once more it is nothing to do.
    let adopted = Adopted { id: complete.id.clone(), folder: root.clone() };
    let site = folder.path().join("site");
    let releases = Releases::open(&site, vec![adopted], Disk::default()).unwrap();
    let found = releases.find().unwrap();
    assert!(found.len() == 1 && found[0].adopted && matches!(found[0].state, State::Complete(_)));
    assert_eq!(releases.complete(&complete.id).unwrap().unwrap().mark, complete.mark);
    assert_eq!(adopt_it(root, &making("mine"), &Disk::default()).unwrap().mark, complete.mark);
    // What another site was told is not this one's.
    let error = adopt_it(root, &making("another's"), &Disk::default()).unwrap_err();
    assert!(matches!(error, ReleaseError::MadeElsewhere { .. }), "{error}");
    assert_eq!(fs_err::read(root.join("www/web.config")).unwrap(), b"mine");
}

#[test]
fn a_folder_that_is_not_what_was_bundled_is_not_adopted() {
    let folder = scratch();
    let release = copied(folder.path(), &bundle(folder.path(), "1.0", &FILES));
    for (path, text) in
        [("app/stranger.py", ""), ("www/static/site.css", "changed"), ("www/static/x.css", "")]
    {
        let path = release.root.join(path);
        let before = fs_err::read(&path).ok();
        fs_err::write(&path, text).unwrap();
        let error = adopt_it(&release.root, &making(""), &Disk::default()).unwrap_err();
        assert!(matches!(error, ReleaseError::Changed { count: 1, .. }), "{error}");
        assert!(!release.root.join(MARK).exists());
        assert_eq!(fs_err::read_to_string(&path).unwrap(), text);
        match before {
            Some(before) => fs_err::write(&path, before).unwrap(),
            None => fs_err::remove_file(&path).unwrap(),
        }
    }
    adopt_it(&release.root, &making(""), &Disk::default()).unwrap();
}

#[cfg(unix)]
#[test]
fn an_adoption_that_is_killed_or_fails_at_any_step_is_finished_by_the_next() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    /// Before the step of this number the run is killed, or that step alone fails.
    struct At(usize, AtomicUsize, bool);
    impl crate::durable::Witness for At {
        fn before(&self, _: crate::durable::Step<'_>) -> io::Result<()> {
            let step = self.1.fetch_add(1, Ordering::SeqCst);
            let fails = if self.2 { step >= self.0 } else { step == self.0 };
            if fails { Err(io::Error::other("killed")) } else { Ok(()) }
        }
    }
    let folder = scratch();
    let bundle = bare(folder.path(), &FILES);
    for killed in [true, false] {
        let mut stops = 0;
        for step in 0.. {
            let root = copied(folder.path(), &bundle).root;
            let disk = Disk::watched(Arc::new(At(step, AtomicUsize::new(0), killed)));
            let done = adopt_it(&root, &making("mine"), &disk);
            if let Ok(Some(complete)) = Complete::open(&root) {
                assert_eq!(differences(&complete.release), Vec::<String>::new(), "{step}");
            }
            let complete = adopt_it(&root, &making("mine"), &Disk::default()).unwrap();
            assert_eq!(differences(&complete.release), Vec::<String>::new(), "{step}");
            fs_err::remove_dir_all(&root).unwrap();
            if done.is_ok() && stops > 0 && step > stops {
                break;
            }
            stops += usize::from(done.is_err());
        }
        assert!(stops > 5, "{stops}");
    }
}

#[cfg(unix)]
#[test]
fn a_power_cut_at_any_step_of_an_adoption_is_made_good_by_the_next() {
    let folder = scratch();
    let root = copied(folder.path(), &bare(folder.path(), &FILES)).root;
    let before = Tree::of(&root);
    let (disk, tape) = Tape::new();
    adopt_it(&root, &making("mine"), &disk).unwrap();
    let steps = tape.steps();
    let cuts = each_cut(&before, &root, &steps, 0..=steps.len(), |cut, root| {
        deploying::restore_modes(root);
        if let Some(complete) = Complete::open(root).unwrap() {
            assert_eq!(differences(&complete.release), Vec::<String>::new(), "{cut}");
        }
        let complete = adopt_it(root, &making("mine"), &Disk::default()).unwrap();
        assert_eq!(differences(&complete.release), Vec::<String>::new(), "{cut}");
    });
    assert!(cuts > 10, "{cuts}");
}

#[test]
fn a_quick_look_finds_what_was_added_removed_or_touched() {
    let folder = scratch();
    let site = folder.path().join("site");
    let complete = deploy(&releases(&site), &bundle(folder.path(), "1.0", &FILES), None).unwrap().complete;
    let path = |path: &str| complete.root().join(path);
    assert_eq!(drift(&complete).unwrap(), []);
    // Touched, and still the same.
    Disk::default().set_modified(&path("app/manage.py"), SystemTime::now()).unwrap();
    assert_eq!(drift(&complete).unwrap(), []);
    fs_err::write(path("app/manage.py"), "print('MANAGE')\n").unwrap();
    fs_err::write(path("app/shop/settings.py"), "longer than before\n").unwrap();
    fs_err::remove_file(path("www/static/logo.svg")).unwrap();
    fs_err::write(path("www/stranger.txt"), "").unwrap();
    fs_err::create_dir(path("app/__pycache__")).unwrap();
    fs_err::write(path("www/web.config"), "<Configuration/>").unwrap();
    let expected = [
        "missing  www/static/logo.svg",
        "extra    app/__pycache__/",
        "extra    www/stranger.txt",
        "differs  app/manage.py",
        "differs  app/shop/settings.py",
        "differs  www/web.config",
    ];
    let found: Vec<_> = drift(&complete).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(found, expected);
    assert_eq!(differences(&complete.release), expected);
    // On Unix a time that was set back hides nothing.
    #[cfg(unix)]
    {
        let past = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        Disk::default().set_modified(&path("app/manage.py"), past).unwrap();
        assert_eq!(drift(&complete).unwrap().len(), expected.len());
    }
    fs_err::write(path(MARK), "{}").unwrap();
    assert!(differences(&complete.release).contains(&"differs  release.json".to_owned()));
}
