//! Archives that are not bundles, or not any more: each is refused with what, where and what to do.

use std::io::Write as _;
use std::path::Path;

use assert_cmd::Command;
use holdall::archive::{ArchiveError, Bundle, Difference};
use holdall::progress::Silent;
use miette::Diagnostic as _;
use rayon::prelude::*;
use serde_json::json;

use crate::archive_forge::{Entry, Forged};
use crate::harness::program;

const PACKAGE: &[(&str, &str, bool)] = &[
    ("python/Lib/site-packages/demo/__init__.py", "answer = 42\n", false),
    ("python/Lib/site-packages/demo/tool", "#!python\n", true),
];
const APP: &[(&str, &str, bool)] =
    &[("app/a.py", "a\n", false), ("app/manage.py", "manage\n", false), ("app/z.py", "z\n", false)];

fn good() -> Forged {
    Forged::new("windows-x86_64", &[("package", "demo", PACKAGE), ("app", "shop", APP)])
}

/// A bundle of one layer with files of these names.
fn named(target: &str, names: &[&'static str]) -> Forged {
    let files: Vec<_> = names.iter().map(|name| (*name, "x", false)).collect();
    Forged::new(target, &[("app", "shop", &files)])
}

fn open(bytes: &[u8]) -> Result<Bundle, ArchiveError> {
    let mut file = tempfile::Builder::new().prefix("shop-").suffix(".zip").tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Bundle::open(file.path())
}

/// Opening these bytes fails; the error and its causes say all of `essentials`, name the file and what to do.
#[track_caller]
fn refused(case: &str, bytes: &[u8], essentials: &[&str]) {
    let error = open(bytes).err().unwrap_or_else(|| panic!("{case}: it was accepted"));
    let mut said = error.to_string();
    let mut help = error.help().map(|help| help.to_string());
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
    while let Some(error) = cause {
        said = format!("{said}: {error}");
        cause = error.source();
    }
    help = help.or_else(|| error.diagnostic_source()?.help().map(|help| help.to_string()));
    help =
        help.or_else(|| error.diagnostic_source()?.diagnostic_source()?.help().map(|help| help.to_string()));
    for essential in essentials {
        assert!(said.contains(essential), "{case}: `{essential}` is missing from: {said}");
    }
    assert!(said.contains(".zip"), "{case}: no file is named: {said}");
    assert!(help.is_some_and(|help| !help.is_empty()), "{case}: nothing says what to do: {said}");
    assert!(!said.contains(|c: char| c.is_control()), "{case}: control characters in: {said:?}");
}

#[test]
fn the_forger_makes_good_bundles_when_nothing_is_damaged() {
    let bundle = open(&good().bytes()).unwrap();
    assert_eq!(bundle.files().count(), 5);
    assert_eq!(bundle.manifest().layers.len(), 2);
}

#[test]
fn what_is_no_whole_zip_is_refused() {
    let good = good().bytes();
    refused("text", b"hello, I am no zip at all, and long enough to be one\n", &["is not a zip"]);
    refused("nothing", b"", &["is not a zip"]);
    refused("half", &good[..good.len() / 2], &["is cut off"]);
    refused("one byte short", &good[..good.len() - 1], &["is cut off"]);
    let comment = [&good[..good.len() - 2], b"\x05\0hello"].concat();
    refused("comment", &comment, &["something after its end"]);
    refused("junk behind", &[&good[..], b"junk"].concat(), &["something after its end"]);
    let before = self::good().with(|bundle| bundle.before = b"MZ junk".to_vec()).bytes();
    refused("junk before", &before, &["7 bytes before its first entry"]);
}

#[test]
fn a_foreign_zip_is_refused() {
    let zip = |names: &[&str]| {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for name in names {
            let stored = zip::write::SimpleFileOptions::default()
                .compression_method(zip::CompressionMethod::Stored)
                .last_modified_time(zip::DateTime::default());
            zip.start_file(*name, stored).unwrap();
            zip.write_all(b"{\"format\": 1}").unwrap();
        }
        zip.finish().unwrap().into_inner()
    };
    refused("foreign", &zip(&["readme.txt"]), &["is not a bundle", "not `holdall.json`"]);
    refused("repacked", &zip(&["holdall.json"]), &["`holdall.json`", "not as the bundle format fixes it"]);
    let foreign = good().with(|bundle| {
        bundle.entries.remove(0);
    });
    refused("no manifest", &foreign.bytes(), &["is not a bundle", "not `holdall.json`"]);
    refused("empty zip", b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", &["is not a bundle"]);
}

#[test]
fn a_manifest_that_does_not_hold_is_refused() {
    let changed = |change: fn(&mut serde_json::Value)| good().manifest(change).bytes();
    let cases: [(&str, Vec<u8>, &str); 11] = [
        ("newer", changed(|m| m["format"] = json!(2)), "has format 2, this holdall reads format 1"),
        ("newer shape", changed(|m| *m = json!({"format": 7, "new": []})), "has format 7"),
        ("no JSON", good().entry("holdall.json", |e| e.set("{")).bytes(), "cannot be read as a manifest"),
        ("unknown field", changed(|m| m["more"] = json!(1)), "unknown field `more`"),
        ("unknown target", changed(|m| m["target"] = json!("amiga")), "unknown target `amiga`"),
        ("place outside", changed(|m| m["django"]["manage"] = json!("../manage.py")), "`../manage.py`"),
        (
            "longest path",
            changed(|m| m["longest_path"] = json!(3)),
            "its longest path has 78 characters, not 3",
        ),
        ("order", changed(|m| m["layers"][1]["kind"] = json!("runtime")), "its layers are not in order"),
        ("offset", changed(|m| m["layers"][1]["offset"] = json!(5)), "begins at 5"),
        ("beyond u64", changed(|m| m["layers"][0]["length"] = json!(u64::MAX)), "begins at"),
        ("checksum", good().entry("holdall.json", |e| e.crc ^= 1).bytes(), "the content of `holdall.json`"),
    ];
    for (case, bytes, essential) in cases {
        refused(case, &bytes, &[essential]);
    }
    let huge = good().entry("holdall.json", |entry| entry.set(vec![b' '; (16 << 20) + 1]));
    refused("huge manifest", &huge.bytes(), &["the manifest would take 16777217 bytes", "16777216"]);
}

#[test]
fn entries_and_indexes_that_disagree_are_refused() {
    let tool = "python/Lib/site-packages/demo/tool";
    let extra = |at: usize| {
        let extra = Entry::new("app/extra.py", "import os", false);
        good().with(|bundle| bundle.entries.insert(at, extra)).bytes()
    };
    let without = |name: &str| {
        let place = good().place(name);
        good().with(|bundle| drop(bundle.entries.remove(place))).bytes()
    };
    let index = |change: fn(&mut Entry)| good().entry(".holdall/", change).bytes();
    let cases: [(&str, Vec<u8>, &[&str]); 16] = [
        ("extra at the end", extra(8), &["`app/extra.py`", "stands in no index"]),
        ("extra inside", extra(6), &["`app/extra.py`", "stands in no index"]),
        ("extra first", extra(1), &["`app/extra.py`", "stands in no index"]),
        ("a folder", good().with(|b| b.entries.push(Entry::new("app/", "", false))).bytes(), &["`app/`"]),
        ("first gone", without("app/a.py"), &["`app/a.py` is missing"]),
        ("last gone", without("app/z.py"), &["`app/z.py` is missing"]),
        ("last of a layer gone", without(tool), &["demo/tool` is missing"]),
        ("index gone", without(".holdall/"), &["`.holdall/", ".json` is missing"]),
        (
            "twice",
            good().entry("app/z.py", |e| e.name = b"app/a.py".to_vec()).bytes(),
            &["`app/a.py` occurs twice"],
        ),
        (
            "renamed",
            good().entry("app/z.py", |e| e.name[4] = b'y').bytes(),
            &["`app/y.py`", "stands in no index"],
        ),
        (
            "longer",
            good().entry("app/z.py", |e| e.set("zz\n")).bytes(),
            &["`app/z.py`", "has 3 bytes", "says 2"],
        ),
        (
            "program",
            good().entry(tool, |e| e.attributes = 0o100_644 << 16).bytes(),
            &["demo/tool`", "a program"],
        ),
        ("changed index", index(|e| e.set(e.data.to_ascii_uppercase())), &["`demo`", "another digest"]),
        ("longer index", index(|e| e.set([&e.data[..], b" "].concat())), &["`demo`", "another size"]),
        (
            "index a program",
            index(|e| e.attributes = 0o100_755 << 16),
            &["`.holdall/", "not as the bundle format"],
        ),
        ("index damaged", index(|e| e.crc ^= 1), &["`.holdall/", "is damaged"]),
    ];
    for (case, bytes, essentials) in cases {
        refused(case, &bytes, essentials);
    }
    type Lie = fn(&mut serde_json::Value);
    let lies: [(&str, Lie, &str); 3] = [
        ("entries", |m| m["layers"][1]["entries"] = json!(2), "the number of its files"),
        ("size", |m| m["layers"][1]["size"] = json!(1), "the size of its files"),
        ("length", |m| m["layers"][1]["length"] = json!(4000), "the length of its block"),
    ];
    for (case, change, essential) in lies {
        refused(case, &good().manifest(change).bytes(), &["`shop`", essential]);
    }
}

#[test]
fn records_that_no_bundle_has_are_refused() {
    let changed = |change: fn(&mut Entry)| good().entry("app/manage.py", change).bytes();
    let cases: [(&str, Vec<u8>, &[&str]); 18] = [
        ("overlap", changed(|e| e.shift = -1), &["`app/manage.py`", "overlaps"]),
        ("same place", changed(|e| e.shift = -44), &["`app/manage.py`", "overlaps"]),
        ("gap", changed(|e| e.gap = 3), &["belong to nothing before `app/manage.py`"]),
        ("place beyond", changed(|e| e.shift = 1 << 30), &["`app/manage.py`"]),
        (
            "local name",
            changed(|e| e.local = Some((30, b'b'))),
            &["`app/manage.py`", "described differently"],
        ),
        ("local size", changed(|e| e.local = Some((22, 9))), &["`app/manage.py`", "described differently"]),
        ("local flag", changed(|e| e.local = Some((6, 8))), &["`app/manage.py`", "described differently"]),
        (
            "no local header",
            changed(|e| e.local = Some((0, 0))),
            &["`app/manage.py`", "described differently"],
        ),
        ("data descriptor", changed(|e| e.flags |= 8), &["`app/manage.py`", "data descriptor"]),
        ("encrypted", changed(|e| e.flags |= 1), &["`app/manage.py`", "is encrypted"]),
        ("bzip2", changed(|e| e.method = 12), &["`app/manage.py`", "method 12"]),
        ("zstd", changed(|e| e.method = 93), &["`app/manage.py`", "method 93"]),
        ("link", changed(|e| e.attributes = 0o120_777 << 16), &["`app/manage.py`", "is a link"]),
        (
            "device",
            changed(|e| e.attributes = 0o060_644 << 16),
            &["`app/manage.py`", "not as the bundle format"],
        ),
        (
            "set-uid",
            changed(|e| e.attributes = 0o104_755 << 16),
            &["`app/manage.py`", "not as the bundle format"],
        ),
        ("legacy name", changed(|e| e.flags = 0), &["`app/manage.py`", "not as the bundle format"]),
        (
            "bomb",
            changed(|e| (e.method, e.size) = (8, 1 << 31)),
            &["`app/manage.py`", "2147483648 bytes from 7"],
        ),
        ("not UTF-8", changed(|e| e.name[4] = 0xFF), &["not named in UTF-8"]),
    ];
    for (case, bytes, essentials) in cases {
        refused(case, &bytes, essentials);
    }
    let index = good().entry(".holdall/", |entry| {
        entry.set(vec![0; 400_000]);
        (entry.method, entry.size) = (8, 300 << 20);
    });
    let index = index.manifest(|m| {
        m["layers"][0]["index"]["size"] = json!(300 << 20);
        m["layers"][0]["index"]["length"] = json!(400_000 + 30 + 78);
        m["layers"][0]["length"] = json!(500_000);
        m["layers"][1]["offset"] = json!(500_000);
    });
    refused("huge index", &index.bytes(), &["the index of a layer would take 314572800 bytes"]);
}

#[test]
fn end_records_that_lie_are_refused_without_believing_them() {
    type End = fn(u16, u32, u32) -> (u16, u32, u32);
    let cases: [(&str, End); 9] = [
        ("more entries", |n, size, offset| (n + 1, size, offset)),
        ("fewer entries", |n, size, offset| (n - 1, size, offset)),
        ("very many entries", |_, size, offset| (0xFFFE, size, offset)),
        ("zip64 that is not there", |_, size, offset| (0xFFFF, size, offset)),
        ("zip64 offset", |n, size, _| (n, size, u32::MAX)),
        ("huge directory", |n, _, offset| (n, 0xFFFF_FFF0, offset)),
        ("short directory", |n, size, offset| (n, size - 1, offset)),
        ("late directory", |n, size, offset| (n, size, offset + 1)),
        ("no directory", |_, _, offset| (0, 0, offset)),
    ];
    for (case, end) in cases {
        refused(case, &good().with(|bundle| bundle.end = end).bytes(), &["central directory"]);
    }
    // The records of zip64, all of their fields at their largest.
    let mut bytes = good().bytes();
    let classic = bytes.split_off(bytes.len() - 22);
    bytes.extend(b"PK\x06\x06\x2c\0\0\0\0\0\0\0\x2d\x03\x2d\0\0\0\0\0\0\0\0\0");
    bytes.extend([0xFF; 32]);
    bytes.extend(b"PK\x06\x07\0\0\0\0\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01\0\0\0");
    bytes.extend(&classic[..8]);
    bytes.extend([0xFF; 12]);
    bytes.extend([0, 0]);
    refused("zip64 of the largest numbers", &bytes, &["central directory"]);
}

#[test]
fn names_that_no_server_should_see_are_refused() {
    let cases: [(&str, &[&str], &str); 12] = [
        ("up", &["../x"], "`../x` leaves the folder"),
        ("up inside", &["app/../../x"], "`app/../../x` leaves the folder"),
        ("absolute", &["/etc/passwd"], "`/etc/passwd` leaves the folder"),
        ("drive", &["C:\\x"], "`C:\\\\x` leaves the folder"),
        ("backslash", &["app\\x"], "`app\\\\x` is malformed"),
        ("device", &["con.txt"], "Windows cannot hold a file named `con.txt`"),
        ("escape", &["app/\u{1b}[31m"], "Windows cannot hold a file named `app/\\u{1b}[31m`"),
        ("case", &["A.py", "a.py"], "`A.py` and `a.py` are one file on Windows"),
        ("file and folder", &["a", "a/b"], "`a` is a file, and `a/b` needs it to be a folder"),
        ("unsorted", &["b", "a"], "not sorted by path at `a`"),
        ("own folder", &[".Holdall/x"], "`.Holdall/x` cannot stand in the bundle"),
        ("own name", &["holdall.JSON"], "`holdall.JSON` cannot stand in the bundle"),
    ];
    for (case, names, essential) in cases {
        refused(case, &named("windows-x86_64", names).bytes(), &[essential]);
    }
    assert!(open(&named("linux-x86_64", &["A.py", "a.py", "con.txt"]).bytes()).is_ok());
    let control = named("linux-x86_64", &["app/\u{1b}[31m"]).with(|bundle| bundle.entries[2].flags |= 1);
    refused("control characters", &control.bytes(), &["`app/\\u{1b}[31m`", "is encrypted"]);
}

#[test]
fn no_byte_of_a_bundle_can_change_unseen() {
    let golden = fs_err::read(crate::archive::GOLDEN).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for good in [good().bytes(), golden] {
        // The highest bits of the last byte of deflated data mean nothing: they are where a change hides best.
        let changes = (0..good.len()).flat_map(|at| [(at, 0x01), (at, 0x80)]);
        changes.collect::<Vec<_>>().into_par_iter().for_each(|(at, bit)| {
            let mut changed = good.clone();
            changed[at] ^= bit;
            let file = folder.path().join(format!("{at}-{bit}.zip"));
            fs_err::write(&file, changed).unwrap();
            let accepted = Bundle::open(&file)
                .is_ok_and(|bundle| bundle.verify(&Silent).is_ok_and(|differences| differences.is_empty()));
            assert!(!accepted, "byte {at} of {}, bit {bit:#x}", good.len());
            fs_err::remove_file(&file).unwrap();
        });
    }
    let good = good().bytes();
    for length in 0..good.len() {
        assert!(open(&good[..length]).is_err(), "cut at {length}");
    }
}

#[test]
fn damaged_content_is_found_by_verifying() {
    let damages: [fn(&mut Entry); 3] = [
        |entry| entry.data[0] ^= 1,
        |entry| entry.set("Manage\n"), // with the checksum of a zip, and another SHA-256
        |entry| entry.crc ^= 1,
    ];
    for damage in damages {
        let bundle = open(&good().entry("app/manage.py", damage).bytes()).unwrap();
        let differences = bundle.verify(&Silent).unwrap();
        assert_eq!(
            differences.iter().map(Difference::to_string).collect::<Vec<_>>(),
            ["differs  app/manage.py"]
        );
        let error = bundle.read("app/manage.py").unwrap_err();
        assert!(error.to_string().contains("the content of `app/manage.py`"), "{error}");
    }
}

#[test]
fn a_layer_of_other_bytes_with_the_same_content_is_found_by_verifying() {
    // The index of the last layer is named after a digest that its entries do not have.
    let renamed = |digest: &str| format!(".holdall/{digest}.json");
    let bundle = good();
    let at = bundle.place("app/a.py") - 1;
    let digest = "0".repeat(64);
    let bundle = bundle.with(|bundle| bundle.entries[at].name = renamed(&digest).into());
    let bundle = bundle.manifest(|manifest| manifest["layers"][1]["digest"] = json!(digest));
    let differences = open(&bundle.bytes()).unwrap().verify(&Silent).unwrap();
    assert_eq!(differences, [Difference::Layer { name: "shop".to_owned() }]);
}

#[test]
fn a_bundle_may_carry_a_signature_behind_its_manifest_and_nowhere_else() {
    let signature = || Entry::new("holdall.json.minisig", "untrusted comment", false);
    let signed = good().with(|bundle| bundle.entries.insert(1, signature()));
    let bundle = open(&signed.bytes()).unwrap();
    assert_eq!(bundle.signature(), Some(&b"untrusted comment"[..]));
    assert_eq!(bundle.identity(), open(&good().bytes()).unwrap().identity());
    assert_eq!(bundle.verify(&Silent).unwrap(), []);
    let late = good().with(|bundle| bundle.entries.push(signature()));
    let wrong = signed.clone().entry("holdall.json.minisig", |entry| entry.crc ^= 1);
    refused("damaged signature", &wrong.bytes(), &["the content of `holdall.json.minisig`"]);
    refused("late signature", &late.bytes(), &["`holdall.json.minisig`", "stands in no index"]);
}

#[test]
fn the_command_says_what_where_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("notes.zip"), "no zip at all, only notes").unwrap();
    fs_err::write(folder.path().join("half.zip"), &good().bytes()[..700]).unwrap();
    fs_err::create_dir(folder.path().join("folder")).unwrap();
    let run = |command: &str, name: &str| {
        let mut holdall = Command::new(program());
        let assert = holdall.current_dir(folder.path()).args([command, name]).assert().code(1);
        let output = assert.get_output();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "");
        String::from_utf8(output.stderr.clone()).unwrap()
    };
    for command in ["inspect", "verify"] {
        for (name, what) in [
            ("notes.zip", "`notes.zip` is not a zip"),
            ("half.zip", "`half.zip` is cut off"),
            ("folder", "`folder` is not an expanded bundle"),
            ("missing.zip", "cannot read `missing.zip`"),
        ] {
            let said = run(command, name);
            assert!(said.contains(what) && said.contains("help: "), "{command} {name}: {said}");
        }
    }
    assert!(Path::new(folder.path()).join("folder").is_dir());
}
