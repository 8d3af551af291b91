//! Wheels that no honest tool makes: each is refused by name, with what is wrong in it, before anything of it is used.

use insta::assert_snapshot;

use crate::bad_project::{listing, site};
use crate::harness::{cache, command, shared_uv};
use crate::index_server::Index;
use crate::runtime_given::{self as given, AMD64};
use crate::wheels::{Maker, WheelFile};

/// What is told of a site for Windows that requires these wheels.
#[track_caller]
fn refused_all(wheels: &[WheelFile]) -> String {
    let index = Index::of(wheels);
    let test = site();
    let names: Vec<_> = wheels.iter().map(|wheel| wheel.project.as_str()).collect();
    test.write("site/requirements.txt", format!("--index-url {}\n{}\n", index.simple(""), names.join("\n")));
    given::zip(&test.path(""), &given::full("", AMD64, 12, 4));
    crate::given_runtime_bundle::tools(&test);
    let before = listing(&test.path("site"));
    let mut bundling =
        command(&test.path(""), ["bundle", "site", "--runtime", "runtime.zip", "--output", "dist"]);
    bundling.env("HOLDALL_CACHE", test.path("cache")).env("HOLDALL_UV", &shared_uv().program);
    bundling.env("HOLDALL_TOOLS", test.path("tools"));
    let told = assert_cmd::Command::from_std(bundling).assert().code(3).stdout("");
    assert!(listing(&test.path("site")) == before && !test.path("dist").exists());
    // Nothing of it was installed or unpacked anywhere.
    for folder in ["cache/environments", "cache/layers"] {
        assert!(!test.path(folder).exists(), "{folder}");
    }
    let mut words = test.words(&told.get_output().stderr);
    for wheel in wheels {
        words = words.replace(&wheel.sha256().to_string(), "[sha256]");
    }
    words
}

#[track_caller]
fn refused(maker: &Maker) -> String {
    refused_all(&[maker.build()])
}

/// The error for a wheel with a file of this name, without the lines of help.
#[track_caller]
fn refused_name(name: &[u8]) -> String {
    let plain = "n".repeat(name.len());
    let mut maker = Maker::new("demo");
    maker.add(&plain, "x").rename(&plain, name);
    let told = refused(&maker);
    assert!(
        told.starts_with("  × `demo-1.0-py3-none-any.whl` holds a file that no bundle can have\n"),
        "{told}"
    );
    told.split("╰─▶ ").nth(1).unwrap().lines().next().unwrap().to_owned()
}

#[test]
fn a_name_that_leaves_the_folder_is_refused() {
    let mut maker = Maker::new("demo");
    maker.add("demo/../../../evil.py", "x");
    assert_snapshot!(refused(&maker), @r"
    × `demo-1.0-py3-none-any.whl` holds a file that no bundle can have
    ╰─▶ the entry name `demo/../../../evil.py` leaves the folder of the bundle or is absolute
    help: an archive with such a name is broken or hostile: do not use it
    ");
    for name in ["/etc/evil.py", "C:/evil.py", r"..\evil.py"] {
        let expected = format!(
            "the entry name `{}` leaves the folder of the bundle or is absolute",
            name.escape_debug()
        );
        assert_eq!(refused_name(name.as_bytes()), expected);
    }
}

#[test]
fn a_name_that_windows_cannot_hold_is_refused() {
    let mut maker = Maker::new("demo");
    maker.add("demo/aux.py", "x");
    assert_snapshot!(refused(&maker), @r#"
    × `demo-1.0-py3-none-any.whl` holds a file that no bundle can have
    ╰─▶ Windows cannot hold a file named `demo/aux.py`
    help: rename it: no reserved name (con, aux, nul, com1…), no trailing dot or space, none of <>:"|?*
    "#);
    for name in ["demo/nul.tar.gz", "demo/a.py."] {
        let expected = format!("Windows cannot hold a file named `{}`", name.escape_debug());
        assert_eq!(refused_name(name.as_bytes()), expected);
    }
    for name in [r"demo\a.py", "demo/a\0.py"] {
        let mut expected = format!("the entry name `{}` is malformed", name.escape_debug());
        if cfg!(windows) {
            expected = crate::bad_project::with_slashes(&expected);
        }
        assert_eq!(refused_name(name.as_bytes()), expected);
    }
    let long = format!("demo/{}", "n".repeat(4096));
    assert!(refused_name(long.as_bytes()).ends_with(" is malformed"));
}

#[test]
fn a_link_is_refused() {
    let mut maker = Maker::new("demo");
    maker.link("demo/passwords", "/etc/passwd").list("demo/passwords,,");
    assert_snapshot!(refused(&maker), @r"
    × `[here]/cache/wheels/[sha256]/demo-1.0-py3-none-any.whl` is not a wheel: it holds the link `demo/passwords`
    help: make or fetch the wheel again; if it stays so, use another version of it: who made it has to mend it
    ");
}

#[test]
fn a_record_that_does_not_list_what_is_there_is_refused() {
    let mut maker = Maker::new("demo");
    maker.add_unlisted("demo/more.py", "x");
    assert_snapshot!(refused(&maker), @r"
    × `[here]/cache/wheels/[sha256]/demo-1.0-py3-none-any.whl` is not a wheel: it holds `demo/more.py`, which has no hash in its RECORD
    help: make or fetch the wheel again; if it stays so, use another version of it: who made it has to mend it
    ");

    let mut maker = Maker::new("demo");
    maker.list("demo/absent.py,sha256=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA,1");
    assert_snapshot!(refused(&maker), @r"
    × `[here]/cache/wheels/[sha256]/demo-1.0-py3-none-any.whl` is not a wheel: its RECORD names `demo/absent.py`, which is not there
    help: make or fetch the wheel again; if it stays so, use another version of it: who made it has to mend it
    ");

    let mut maker = Maker::new("demo");
    maker.list("demo/a.py,md5=1B2M2Y8AsgTpgAmY7PhCfg,0").add_unlisted("demo/a.py", "");
    assert_snapshot!(refused(&maker), @r"
    × `[here]/cache/wheels/[sha256]/demo-1.0-py3-none-any.whl` is not a wheel: its RECORD gives `demo/a.py` no hash that is known
    help: make or fetch the wheel again; if it stays so, use another version of it: who made it has to mend it
    ");

    let mut maker = Maker::new("demo");
    maker
        .list("demo/a.py,sha256=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA,7")
        .add_unlisted("demo/a.py", "x");
    assert_snapshot!(refused(&maker), @r"
    × `[here]/cache/wheels/[sha256]/demo-1.0-py3-none-any.whl` is not a wheel: its `demo/a.py` is not as long as its RECORD says
    help: make or fetch the wheel again; if it stays so, use another version of it: who made it has to mend it
    ");
}

#[test]
fn a_file_that_stands_there_twice_is_refused() {
    let mut maker = Maker::new("demo");
    maker.add("demo/a.py", "x").add_unlisted("demo/b.py", "y").rename("demo/b.py", "demo/a.py");
    assert_snapshot!(refused(&maker), @r"
    × `[here]/cache/wheels/[sha256]/demo-1.0-py3-none-any.whl` is not a wheel: two of its entries have the same name
    help: make or fetch the wheel again; if it stays so, use another version of it: who made it has to mend it
    ");

    let mut maker = Maker::new("demo");
    maker.add("demo/a.py", "x").add("demo-1.0.data/purelib/demo/a.py", "y");
    assert_snapshot!(refused(&maker), @r"
    × `[here]/cache/wheels/[sha256]/demo-1.0-py3-none-any.whl` is not a wheel: two of its files become `python/Lib/site-packages/demo/a.py`
    help: make or fetch the wheel again; if it stays so, use another version of it: who made it has to mend it
    ");
}

#[test]
fn names_that_differ_in_case_alone_are_refused_for_windows() {
    let mut maker = Maker::new("demo");
    maker.add("demo/Models.py", "x").add("demo/models.py", "y");
    assert_snapshot!(refused(&maker), @r"
    × `demo-1.0-py3-none-any.whl` holds a file that no bundle can have
    ╰─▶ `python/Lib/site-packages/demo/Models.py` and `python/Lib/site-packages/demo/models.py` are one file on Windows
    help: Windows ignores case in names: rename or exclude one of the two
    ");

    let mut maker = Maker::new("demo");
    maker.add("demo/models", "x").add("demo/models/shop.py", "y");
    assert_snapshot!(refused(&maker), @r"
    × `demo-1.0-py3-none-any.whl` holds a file that no bundle can have
    ╰─▶ `python/Lib/site-packages/demo/models` is a file, and `python/Lib/site-packages/demo/models/shop.py` needs it to be a folder
    help: two inputs disagree: exclude one of them
    ");
}

/// What is told of a whole site that requires these wheels too.
#[track_caller]
fn refused_beside_django(wheels: &[WheelFile]) -> String {
    let test = site();
    test.append("site/requirements.txt", "--find-links wheels\n");
    for wheel in wheels {
        test.write(&format!("site/wheels/{}", wheel.file_name), &wheel.bytes);
        test.append("site/requirements.txt", &format!("{}==1.0\n", wheel.project));
    }
    let mut told = test.refused(3, &["bundle", "site", "--runtime", "host"]);
    told = told.replace(&cache().display().to_string().replace('\\', "/"), "[cache]");
    for wheel in wheels {
        told = told.replace(&wheel.sha256().to_string(), "[sha256]");
    }
    told
}

#[test]
fn a_file_that_is_not_that_of_its_record_is_refused() {
    let mut maker = Maker::new("demo");
    maker.add("demo/a.py", "as listed");
    maker.files.last_mut().unwrap().1 = b"otherwise".to_vec();
    assert_snapshot!(refused_beside_django(&[maker.build()]), @r"
    × `[cache]/wheels/[sha256]/demo-1.0-py3-none-any.whl` is not a wheel: its `demo/a.py` is not the file of its RECORD
    help: make or fetch the wheel again; if it stays so, use another version of it: who made it has to mend it
    ");
}

#[test]
fn two_packages_that_bring_one_module_are_refused() {
    let [one, two] = ["one", "two"].map(|name| {
        let mut maker = Maker::new(name);
        maker.add("both.py", format!("NAME = \"{name}\"\n")).build()
    });
    let told = refused_beside_django(&[one, two]);
    let (before, after) = told.split_once("both bring `").unwrap();
    let (_, after) = after.split_once("/site-packages/").unwrap();
    assert_snapshot!(format!("{before}both bring `[site-packages]/{after}"), @r"
    × `one` and `two` both bring `[site-packages]/both.py`, with different content
    help: only one of them can be in a bundle: require another version of one, or leave it out
    ");
}

#[test]
fn a_bomb_is_refused() {
    let mut maker = Maker::new("demo");
    maker.add("demo/data.bin", vec![0; 70 << 20]);
    let told = refused(&maker);
    let (before, rest) = told.split_once("its ").unwrap();
    let (_, after) = rest.split_once(" bytes").unwrap();
    assert_snapshot!(format!("{before}its [n] bytes{after}"), @r"
    × `[here]/cache/wheels/[sha256]/demo-1.0-py3-none-any.whl` is not a wheel: its [n] bytes would become 73400694, as those of no real package do
    help: make or fetch the wheel again; if it stays so, use another version of it: who made it has to mend it
    ");
}

#[test]
fn what_is_no_wheel_of_the_package_is_refused() {
    let mut other = Maker::new("other").build();
    (other.project, other.file_name) = ("demo".to_owned(), "demo-1.0-py3-none-any.whl".to_owned());
    other.metadata = other.metadata.replace("other", "demo");
    assert_snapshot!(refused_all(&[other]), @r"
    × `[here]/cache/wheels/[sha256]/demo-1.0-py3-none-any.whl` is not a wheel: its `other-1.0.dist-info` is that of another package
    help: make or fetch the wheel again; if it stays so, use another version of it: who made it has to mend it
    ");

    let mut two = Maker::new("demo");
    two.add("other-1.0.dist-info/METADATA", "x");
    assert_snapshot!(refused(&two), @r"
    × `[here]/cache/wheels/[sha256]/demo-1.0-py3-none-any.whl` is not a wheel: it has several dist-info folders
    help: make or fetch the wheel again; if it stays so, use another version of it: who made it has to mend it
    ");

    let mut newer = Maker::new("demo");
    newer.files.retain(|(name, _)| !name.ends_with("WHEEL"));
    newer.record =
        newer.record.lines().filter(|line| !line.contains("WHEEL")).map(|line| format!("{line}\n")).collect();
    newer.add("demo-1.0.dist-info/WHEEL", "Wheel-Version: 2.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n");
    assert_snapshot!(refused(&newer), @r"
    × `[here]/cache/wheels/[sha256]/demo-1.0-py3-none-any.whl` is not a wheel: it has Wheel-Version `2.0`, and 1 is known
    help: make or fetch the wheel again; if it stays so, use another version of it: who made it has to mend it
    ");

    let mut torn = Maker::new("demo").build();
    torn.bytes.truncate(torn.bytes.len() - 30);
    assert_snapshot!(refused_all(&[torn]), @r"
    × `[here]/cache/wheels/[sha256]/demo-1.0-py3-none-any.whl` is not a wheel: invalid Zip archive: Could not find EOCD
    help: make or fetch the wheel again; if it stays so, use another version of it: who made it has to mend it
    ");
}
