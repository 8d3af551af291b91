//! What is no bundle, no longer one, or none for this machine, given to the commands that take one: refused without
//! a file being written anywhere.

use std::path::Path;

use insta::assert_snapshot;

use crate::archive_forge::Forged;
use crate::bad_project::listing;
use crate::harness::{Test, host};

const COMMANDS: [&[&str]; 3] = [&["inspect"], &["verify"], &["preview", "--port", "0", "--root", "server"]];

const FILES: &[(&str, &str, bool)] =
    &[("app/a.py", "a\n", false), ("app/manage.py", "manage\n", false), ("app/z.py", "z\n", false)];

/// A bundle for this machine with these files; what they are for does not matter before they are written.
fn forged(files: &[(&str, &str, bool)]) -> Forged {
    Forged::new(host(), &[("app", "shop", files)]).manifest(|manifest| {
        manifest["site"]["environment"] = serde_json::json!([]);
    })
}

/// Writes `bytes` as a bundle and gives it to all commands; all say the same, which is returned.
#[track_caller]
fn refused(bytes: impl AsRef<[u8]>) -> String {
    let test = Test::empty();
    test.write("shop.zip", bytes);
    let told = COMMANDS.map(|command| test.refused(1, &[command, &["shop.zip"]].concat()));
    assert!(told.iter().all(|other| *other == told[0]), "{told:?}");
    told[0].clone()
}

#[test]
fn what_was_never_a_bundle_is_refused() {
    assert_snapshot!(refused("Just some text that somebody saved under this name.\n"), @r"
    × `shop.zip` is not a zip
    help: name a bundle: a file that `holdall bundle` made
    ");
    assert_snapshot!(refused(""), @r"
    × `shop.zip` is not a zip
    help: name a bundle: a file that `holdall bundle` made
    ");
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("readme.txt", zip::write::SimpleFileOptions::default()).unwrap();
    assert_snapshot!(refused(zip.finish().unwrap().into_inner()), @r"
    × `shop.zip` is not a bundle: its first entry is not `holdall.json`
    help: name a file that `holdall bundle` made; a zip packed anew by another program is not one
    ");

    let test = Test::empty();
    test.write("folder/manage.py", "");
    for command in COMMANDS {
        let gone = test.refused(1, &[command, &["gone.zip"]].concat());
        assert!(
            gone.starts_with("  × cannot read `gone.zip`\n") && gone.contains("check the name"),
            "{gone}"
        );
    }
    assert_snapshot!(test.refused(1, &["verify", "folder"]), @r"
    × `folder` is not an expanded bundle: it has no `holdall.json`
    help: name a bundle, or the folder that one was expanded into
    ");
    assert_eq!(test.refused(1, &["verify", "folder"]), test.refused(1, &["inspect", "folder"]));
}

#[test]
fn a_bundle_cut_off_anywhere_is_refused() {
    let whole = forged(FILES).bytes();
    let told = refused(&whole[..whole.len() / 2]);
    assert_snapshot!(told, @r"
    × `shop.zip` is cut off: its end is missing
    help: the copy or download did not finish: fetch it again
    ");
    for length in [10, 100, whole.len() - 100, whole.len() - 1] {
        assert_eq!(refused(&whole[..length]), told, "{length} of {} bytes", whole.len());
    }
}

#[test]
fn a_changed_byte_is_found_wherever_it_is() {
    let whole = forged(FILES).bytes();
    let flipped = |what: &str, after: usize| {
        let at = whole.windows(what.len()).enumerate().filter(|(_, bytes)| *bytes == what.as_bytes());
        let mut bytes = whole.clone();
        bytes[at.map(|(at, _)| at).nth(after).unwrap() + what.len() - 1] ^= 1;
        bytes
    };
    assert_snapshot!(refused(flipped("\"name\":\"shop\"", 0)), @r"
    × the content of `holdall.json` in `shop.zip` is damaged
    help: fetch or make the bundle again
    ");
    assert_snapshot!(refused(flipped("\"path\":\"app/a.py\"", 0)), @r"
    × the content of `.holdall/8041afe0a7b5f082b912b891fcb3ca2817c919141e53e1b8ed6b31c343913d26.json` in `shop.zip` is damaged
    help: fetch or make the bundle again
    ");
    assert_snapshot!(refused(flipped("app/z.py", 2)), @r"
    × `app/z.px` in `shop.zip` is described differently at its place and in the central directory
    help: two programs would read two different archives: do not use it
    ");
    assert_snapshot!(refused(flipped("PK\x05\x06\0", 0)), @r"
    × the central directory of `shop.zip` is damaged: its end records contradict each other
    help: fetch or make the bundle again
    ");

    // The content of a file is read when it is needed.
    let test = Test::empty();
    test.write("shop.zip", flipped("app/manage.pymanage", 0));
    test.holdall(["inspect", "shop.zip"]).success();
    assert_snapshot!(test.refused(1, &["preview", "shop.zip", "--port", "0"]), @r"
    × the content of `app/manage.py` in `shop.zip` is damaged
    help: fetch or make the bundle again
    ");
    let told = test.holdall(["verify", "shop.zip"]).code(1).stdout("differs  app/manage.py\n");
    assert_snapshot!(test.words(&told.get_output().stderr), @r"
    × `shop.zip` is not what was bundled: 1 file differs, is missing or extra
    help: fetch the bundle again, or expand it again into an empty folder
    ");
}

#[test]
fn names_that_reach_outside_or_that_windows_bends_write_nothing() {
    let named = |target: &str, names: &[&'static str]| {
        let files: Vec<_> = names.iter().map(|name| (*name, "x", false)).collect();
        refused(Forged::new(target, &[("app", "shop", &files)]).bytes())
    };
    assert_snapshot!(named(host(), &["../x"]), @r"
    × the index of the layer `shop` in `shop.zip` cannot be used
    ├─▶ it holds a bad name
    ╰─▶ the entry name `../x` leaves the folder of the bundle or is absolute
    help: no holdall of format 1 writes such an index: the archive is broken or hostile, do not use it
    ");
    assert_snapshot!(named(host(), &["/tmp/x"]), @r"
    × the index of the layer `shop` in `shop.zip` cannot be used
    ├─▶ it holds a bad name
    ╰─▶ the entry name `/tmp/x` leaves the folder of the bundle or is absolute
    help: no holdall of format 1 writes such an index: the archive is broken or hostile, do not use it
    ");
    assert_snapshot!(named("windows-x86_64", &["C:\\x"]), @r#"
    × the index of the layer `shop` in `shop.zip` cannot be used
    ├─▶ it holds a bad name
    ╰─▶ the entry name `C:\\x` leaves the folder of the bundle or is absolute
    help: no holdall of format 1 writes such an index: the archive is broken or hostile, do not use it
    "#);
    assert_snapshot!(named("windows-x86_64", &["app/con.txt"]), @r"
    × the index of the layer `shop` in `shop.zip` cannot be used
    ├─▶ it holds a bad name
    ╰─▶ Windows cannot hold a file named `app/con.txt`
    help: no holdall of format 1 writes such an index: the archive is broken or hostile, do not use it
    ");
    assert_snapshot!(named("windows-x86_64", &["app/A.py", "app/a.py"]), @r"
    × the files in `shop.zip` cannot stand beside each other
    ╰─▶ `app/A.py` and `app/a.py` are one file on Windows
    help: no holdall makes such a bundle: the archive is broken or hostile, do not use it
    ");
}

#[test]
fn a_bundle_for_another_machine_is_not_previewed() {
    let test = Test::empty();
    let other = Forged::new("windows-arm64", &[("app", "shop", FILES)]).bytes();
    test.write("shop.zip", other);
    test.holdall(["verify", "shop.zip"]).success();
    assert_snapshot!(test.refused(3, &["preview", "shop.zip", "--root", "server"]), @r"
    × the bundle is for windows-arm64, and this machine is [host]
    help: bundle the project for this machine to look at it here
    ");
}

#[test]
fn a_preview_that_fails_leaves_no_release_behind() {
    let test = Test::empty();
    let mut bytes = forged(FILES).bytes();
    let last = bytes.windows(11).position(|bytes| bytes == b"app/z.pyz\n\x50").unwrap() + 8;
    bytes[last] ^= 1;
    test.write("shop.zip", bytes).write("server/mine.txt", "kept\n");
    test.holdall(["preview", "shop.zip", "--root", "server", "--port", "0"]).code(1).stdout("");
    let left: Vec<_> = listing(&test.path("server")).into_keys().collect();
    let releases = left.iter().filter(|path| Path::new(path).ends_with("holdall.json"));
    assert_eq!(releases.count(), 0, "{left:?}");
    assert!(!left.iter().any(|path| path.ends_with(".py")), "{left:?}");
    assert_eq!(test.read("server/mine.txt"), "kept\n");
}
