//! What one release takes from another.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::durable::power_cut::scratch;

/// When a file was last written to.
fn modified(complete: &Complete, path: &str) -> SystemTime {
    fs_err::metadata(complete.root().join(path)).unwrap().modified().unwrap()
}

/// Sets the time of all files that are served, as if the release were old.
fn age(complete: &Complete, seconds: u64) -> SystemTime {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    for file in complete.release.files() {
        Disk::default().set_modified(&file.path.below(complete.root()), time).unwrap();
    }
    time
}

/// Puts other bytes of the same length into a file.
fn tamper(path: &Path) {
    let mut bytes = fs_err::read(path).unwrap();
    bytes[0] ^= 1;
    fs_err::write(path, bytes).unwrap();
}

/// A bundle that cannot be read any more but for its manifest and indexes: what comes from it is damaged.
fn spoil(bundle: &Bundle, text: &str) {
    let mut bytes = fs_err::read(bundle.path()).unwrap();
    let at = bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
    bytes[at] ^= 1;
    fs_err::write(bundle.path(), bytes).unwrap();
}

#[test]
fn what_an_earlier_release_has_is_copied_and_not_unpacked_again() {
    let folder = scratch();
    let site = folder.path().join("site");
    let changed = files(&[("app/shop/settings.py", "DEBUG = True\n")]);
    let (first, second) = (bundle(folder.path(), "1.0", &FILES), bundle(folder.path(), "1.1", &changed));
    let old = deploy(&releases(&site), &first, None).unwrap().complete;
    spoil(&second, "print('manage')");
    deploy(&releases(&folder.path().join("another")), &second, None).unwrap_err();
    let new = deploy(&releases(&site), &second, Some(&old)).unwrap().complete;
    assert_eq!(differences(&new.release), Vec::<String>::new());
    // Of their own each: what is written into one stays there.
    fs_err::write(old.root().join("app/manage.py"), "print('change')\n").unwrap();
    assert_eq!(differences(&new.release), Vec::<String>::new());
    #[cfg(unix)]
    {
        let metadata = fs_err::metadata(new.root().join("python/bin/python3.12")).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&metadata) & 0o777, 0o755);
    }
}

#[test]
fn what_was_tampered_with_in_an_earlier_release_does_not_spread() {
    let folder = scratch();
    let site = folder.path().join("site");
    let (first, second) = (bundle(folder.path(), "1.0", &FILES), bundle(folder.path(), "1.1", &FILES));
    let old = deploy(&releases(&site), &first, None).unwrap().complete;
    tamper(&old.root().join("app/manage.py"));
    tamper(&old.root().join("www/static/site.css"));
    fs_err::write(old.root().join("www/static/logo.svg"), "<svg/>\n and more").unwrap();
    fs_err::remove_file(old.root().join("python/bin/python3.12")).unwrap();
    let new = deploy(&releases(&site), &second, Some(&old)).unwrap().complete;
    assert_eq!(differences(&new.release), Vec::<String>::new());
}

#[test]
fn a_large_file_is_copied_in_pieces_and_no_piece_of_a_wrong_one_stays() {
    let folder = scratch();
    let content: Vec<u8> = (0..40_000_000u32).map(|at| at as u8).collect();
    let from = folder.path().join("from");
    fs_err::write(&from, &content).unwrap();
    let (disk, size, sha256) = (Disk::default(), content.len() as u64, Sha256::of(&content));
    let to = folder.path().join("to");
    let copy = || {
        let copied = reuse::copy(&from, size, sha256, || disk.create(&to, crate::durable::Mode::Plain));
        copied.unwrap().is_some()
    };
    assert!(copy());
    assert!(fs_err::read(&to).unwrap() == content);
    fs_err::remove_file(&to).unwrap();
    tamper(&from);
    assert!(!copy() && !to.exists());
}

#[test]
fn browsers_are_told_that_a_file_is_new_whenever_it_is() {
    let folder = scratch();
    let site = folder.path().join("site");
    let red = files(&[("www/static/site.css", "body { color: red }\n")]);
    let [first, second, third] = [("1.0", &FILES[..]), ("1.1", &red), ("1.2", &FILES)]
        .map(|(version, files)| bundle(folder.path(), version, files));
    let one = deploy(&releases(&site), &first, None).unwrap().complete;
    let past = age(&one, 1000);
    let two = deploy(&releases(&site), &second, Some(&one)).unwrap().complete;
    assert_eq!(modified(&two, "www/static/logo.svg"), past);
    assert!(modified(&two, "www/static/site.css") > past);
    age(&two, 2000);
    // As in the first release, but browsers have seen that of the second.
    let reuse = Reuse::of([&one, &two], Some(&two));
    let unmarked = expand_unmarked(&third, slot(&releases(&site), &third), &reuse, &Silent).unwrap();
    let three = complete(unmarked, &making(""), at(), &Silent).unwrap().complete;
    assert!(modified(&three, "www/static/site.css") > modified(&two, "www/static/site.css"));
    assert_eq!(modified(&three, "www/static/logo.svg"), modified(&two, "www/static/logo.svg"));
    assert_eq!(complete_ones(&site, "after three").len(), 3);
}

pub(super) const HASHED: [(&str, &str); 6] = [
    (
        "www/static/staticfiles.json",
        r#"{"version":"1.1","paths":{"site.css":"site.0a1b.css","plain.css":"plain.css"}}"#,
    ),
    ("www/static/plain.css", "plain"),
    ("www/static/site.css", "body { color: black }\n"),
    ("www/static/site.0a1b.css", "body { color: black }\n"),
    ("www/static/site.0a1b.css.gz", "packed"),
    ("www/static/site.ffff.css", "no storage made this name"),
];

const NEXT: [(&str, &str); 2] = [
    ("www/static/staticfiles.json", r#"{"version":"1.1","paths":{"site.css":"site.2c3d.css"}}"#),
    ("www/static/site.2c3d.css", "body { color: red }\n"),
];

fn carried(complete: &Complete) -> Vec<(&str, u32)> {
    let carried = complete.mark.made.iter().filter_map(|file| match &file.origin {
        Origin::CarriedOver { age, .. } => Some((file.path.as_str(), *age)),
        _ => None,
    });
    carried.collect()
}

#[test]
fn open_pages_find_the_hashed_files_of_the_last_releases() {
    let folder = scratch();
    let site = folder.path().join("site");
    let deployed = |version, changed: &[_], replaced: Option<&Complete>| {
        let bundle = bundle(folder.path(), version, &files(changed));
        let Completed { complete, notices } = deploy(&releases(&site), &bundle, replaced).unwrap();
        assert!(notices.is_empty());
        complete
    };
    let one = deployed("1.0", &HASHED, None);
    let past = age(&one, 1000);
    let two = deployed("1.1", &NEXT, Some(&one));
    let both = ["www/static/site.0a1b.css", "www/static/site.0a1b.css.gz"];
    assert_eq!(carried(&two), both.map(|path| (path, 1)));
    assert_eq!(modified(&two, both[0]), past);
    assert!(!two.root().join("www/static/plain.css").exists());
    let three = deployed("1.2", &[], Some(&two));
    assert_eq!(carried(&three), [(both[0], 2), (both[1], 2), ("www/static/site.2c3d.css", 1)]);
    assert!(matches!(&three.mark.made[0].origin, Origin::CarriedOver { from, .. } if *from == one.id));
    // Two releases later they go.
    let four = deployed("1.3", &[], Some(&three));
    assert_eq!(carried(&four), [("www/static/site.2c3d.css", 2)]);
    // One that the new bundle has itself is its own.
    let five = deployed("1.4", &NEXT, Some(&four));
    assert!(carried(&five).is_empty());
    assert_eq!(complete_ones(&site, "at the end").len(), 5);
}

#[test]
fn what_is_no_longer_what_was_bundled_is_not_carried_over() {
    let folder = scratch();
    let site = folder.path().join("site");
    let one =
        deploy(&releases(&site), &bundle(folder.path(), "1.0", &files(&HASHED)), None).unwrap().complete;
    tamper(&one.root().join("www/static/site.0a1b.css"));
    let next = bundle(folder.path(), "1.1", &FILES);
    let Completed { complete: two, notices } = deploy(&releases(&site), &next, Some(&one)).unwrap();
    assert_eq!(carried(&two), [("www/static/site.0a1b.css.gz", 1)]);
    assert_eq!(notices.len(), 1);
    assert!(notices[0].what.contains("`www/static/site.0a1b.css`"), "{notices:?}");
    assert_eq!(differences(&two.release), Vec::<String>::new());
    // Nor is anything by a list that somebody has changed.
    let list = one.root().join("www/static/staticfiles.json");
    fs_err::write(&list, HASHED[0].1.replace("site.0a1b.css", "site.ffff.css")).unwrap();
    let next = bundle(folder.path(), "1.2", &FILES);
    let three = deploy(&releases(&site), &next, Some(&one)).unwrap().complete;
    assert!(carried(&three).is_empty());
}

#[test]
fn what_is_carried_over_gives_way_to_what_the_bundle_has() {
    let folder = scratch();
    let site = folder.path().join("site");
    let one =
        deploy(&releases(&site), &bundle(folder.path(), "1.0", &files(&HASHED)), None).unwrap().complete;
    // A folder where the old release has a file.
    let next = files(&[("www/static/site.0a1b.css/x", "")]);
    let two = deploy(&releases(&site), &bundle(folder.path(), "1.1", &next), Some(&one)).unwrap().complete;
    assert_eq!(carried(&two), [("www/static/site.0a1b.css.gz", 1)]);
    assert_eq!(complete_ones(&site, "after").len(), 2);
}
