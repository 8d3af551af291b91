//! Folders that are no release, or a hostile one.
#![allow(clippy::unwrap_used)]

use std::io;

use super::*;
use crate::archive::ArchiveError;
use crate::durable::power_cut::scratch;

fn expanded(folder: &Path) -> Release {
    let bundle = bundle(folder, "1.0", &FILES);
    expand(&bundle, Slot::empty(&folder.join("release")).unwrap(), &Silent).unwrap()
}

fn mark_of(release: &Release) -> Mark {
    let completed = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    Mark { identity: release.identity, completed, touched: 0, made: Vec::new() }
}

#[track_caller]
fn not_complete(release: &Release, mark: &[u8]) -> ReleaseError {
    fs_err::write(release.root.join(MARK), mark).unwrap();
    Complete::open(&release.root).unwrap_err()
}

#[test]
fn a_release_is_complete_with_its_mark_alone() {
    let folder = scratch();
    let release = expanded(folder.path());
    assert!(Complete::open(&release.root).unwrap().is_none());
    assert!(Complete::open(&folder.path().join("none")).unwrap().is_none());
    let mark = mark_of(&release);
    fs_err::write(release.root.join(MARK), mark.to_bytes()).unwrap();
    let complete = Complete::open(&release.root).unwrap().unwrap();
    assert_eq!(complete.id, ReleaseId::parse(&format!("1.0-{}", release.identity.short())).unwrap());
    assert_eq!(complete.mark, mark);
}

#[test]
fn a_mark_that_does_not_belong_to_the_folder_completes_nothing() {
    let folder = scratch();
    let release = expanded(folder.path());
    let mark = mark_of(&release);
    let other = Mark { identity: Sha256::of("another"), ..mark.clone() };
    let error = not_complete(&release, &other.to_bytes());
    assert!(matches!(error, ReleaseError::Mark { source: MarkError::OtherIdentity { .. }, .. }), "{error}");
    // A file that the bundle has was not made here, nor can a file be a folder.
    for path in ["app/manage.py", "app", "app/manage.py/x"] {
        let file = MadeFile { path: entry(path), size: 0, sha256: Sha256::of(""), origin: Origin::Bytecode };
        let clash = Mark { made: vec![file], ..mark.clone() };
        let error = not_complete(&release, &clash.to_bytes());
        assert!(matches!(error, ReleaseError::Mark { source: MarkError::Path(_), .. }), "{error}");
    }
    let larger = fs_err::File::create(release.root.join(MARK)).unwrap();
    larger.set_len((64 << 20) + 1).unwrap();
    let error = Complete::open(&release.root).unwrap_err();
    assert!(matches!(error, ReleaseError::Mark { source: MarkError::TooLarge, .. }), "{error}");
    not_complete(&release, b"");
    not_complete(&release, &mark.to_bytes()[..40]);
    // A mark in a folder that holds no bundle.
    fs_err::write(release.root.join(MARK), mark.to_bytes()).unwrap();
    fs_err::remove_file(release.root.join(MANIFEST)).unwrap();
    let error = Complete::open(&release.root).unwrap_err();
    assert!(matches!(error, ReleaseError::NotARelease { .. }), "{error}");
}

#[cfg(unix)]
#[test]
fn nobody_waits_for_a_pipe_or_a_device_in_the_place_of_a_file() {
    let folder = scratch();
    let release = expanded(folder.path());
    let pipe = |path: &Path| {
        let _ = fs_err::remove_file(path);
        let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
        assert!(made.success());
    };
    #[track_caller]
    fn refused<T: std::fmt::Debug>(opened: Result<T, ReleaseError>) {
        let error = opened.unwrap_err();
        let ReleaseError::Unreadable { source, .. } = &error else { panic!("{error}") };
        assert_eq!(source.kind(), io::ErrorKind::InvalidInput);
    }
    pipe(&release.root.join(MARK));
    refused(Complete::open(&release.root));
    fs_err::remove_file(release.root.join(MARK)).unwrap();
    fs_err::os::unix::fs::symlink("/dev/zero", release.root.join(MARK)).unwrap();
    refused(Complete::open(&release.root));
    pipe(&release.root.join(MANIFEST));
    refused(Release::open(&release.root));
}

#[test]
fn indexes_that_would_fill_the_memory_together_are_not_read() {
    let folder = scratch();
    let release = expanded(folder.path());
    let mut manifest = release.manifest.clone();
    for layer in &mut manifest.layers {
        layer.index.size = 100 << 20;
    }
    let error = archive::check_indexes(folder.path(), &manifest).unwrap_err();
    assert!(matches!(error, ArchiveError::TooLarge { .. }), "{error}");
    manifest.layers.truncate(2);
    archive::check_indexes(folder.path(), &manifest).unwrap();
    manifest.layers[0].index.size = u64::MAX;
    archive::check_indexes(folder.path(), &manifest).unwrap_err();
    fs_err::write(release.root.join(MANIFEST), manifest.to_bytes()).unwrap();
    let error = Release::open(&release.root).unwrap_err();
    assert!(matches!(error, ReleaseError::Archive(ArchiveError::TooLarge { .. })), "{error}");
}

#[test]
fn a_release_counts_under_its_own_name_only() {
    let folder = scratch();
    let site = folder.path().join("site");
    let [one, other] = ["1.0", "1.1"].map(|version| bundle(folder.path(), version, &FILES));
    let complete = deploy(&releases(&site), &one, None).unwrap().complete;
    let renamed = slot(&releases(&site), &other).root().to_owned();
    fs_err::rename(complete.root(), &renamed).unwrap();
    let found = releases(&site).find().unwrap();
    let [Found { state: State::Damaged(ReleaseError::OtherRelease { found, .. }), .. }] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(*found, complete.id);
    // Nor is it taken for what a killed deploy has left.
    let error = releases(&site).reserve(&other, &[]).unwrap_err();
    assert!(matches!(error, ReleaseError::OtherRelease { .. }), "{error}");
    assert_eq!(differences(&Release::open(&renamed).unwrap()), Vec::<String>::new());
}
