//! Bundles from their layers to a folder and back, and the golden bundle that pins the format.

use std::path::{Path, PathBuf};
use std::process::Command;

use holdall::archive::{Bundle, Difference, Written, assemble};
use holdall::entry::EntryPath;
use holdall::layer::{self, Content, Key, Layer, Source};
use holdall::manifest::{LayerKind, Manifest};
use holdall::progress::{Silent, Stage};
use holdall::release::{self, Release, ReleaseError, Slot};
use holdall::target::Target;

use crate::archive_forge;
use crate::harness::program;

pub const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/shop-1.0-windows-x86_64.zip");
const TARGET: Target = Target::WindowsX86_64;

fn sample_layer(folder: &Path, kind: LayerKind, name: &str, files: &[(&str, &[u8], bool)]) -> Layer {
    let source = |(path, content, executable): &(&str, &[u8], bool)| Source {
        path: EntryPath::parse(path, TARGET).unwrap(),
        content: Content::Bytes(content.to_vec()),
        executable: *executable,
    };
    let sources = files.iter().map(source).collect();
    layer::build_in(folder, &Key::new(kind, TARGET, &[]), name, sources, None, Stage::App, &Silent).unwrap()
}

/// Layers of constant content: compressed and stored files, an empty one, a program, a name that is not ASCII.
fn sample_layers(folder: &Path) -> Vec<Layer> {
    let license = "Permission is granted, provided that this line stays.\n".repeat(20);
    vec![
        sample_layer(folder, LayerKind::Tools, "tools", &[("holdall.exe", b"MZ\x90\0", true)]),
        sample_layer(
            folder,
            LayerKind::App,
            "shop",
            &[
                ("app/shop/settings.py", b"DEBUG = False\nALLOWED_HOSTS = []\n", false),
                ("app/manage.py", b"#!/usr/bin/env python\n", true),
                ("app/shop/__init__.py", b"", false),
                ("app/shop/gr\u{fc}\u{df}e.txt", "Gr\u{fc}\u{df}e\n".as_bytes(), false),
            ],
        ),
        sample_layer(
            folder,
            LayerKind::Package,
            "demo",
            &[
                ("python/Lib/site-packages/demo/LICENSE", license.as_bytes(), false),
                ("python/Lib/site-packages/demo/__init__.py", b"answer = 42\n", false),
            ],
        ),
        sample_layer(
            folder,
            LayerKind::Runtime,
            "cpython",
            &[("python/python.exe", &[b'M', b'Z', 0, 1, 2, 3, 4, 5], true)],
        ),
        sample_layer(folder, LayerKind::Static, "static", &[]),
    ]
}

fn sample_manifest() -> Manifest {
    let text = archive_forge::manifest(TARGET.as_str()).to_string();
    Manifest::parse(text.as_bytes()).unwrap()
}

fn write_sample(folder: &Path) -> Written {
    let layers = sample_layers(folder);
    assemble(sample_manifest(), layers, &folder.join("dist/shop.zip"), None, &Silent).unwrap()
}

fn expand_sample(folder: &Path) -> Release {
    let written = write_sample(folder);
    let bundle = Bundle::open(&written.path).unwrap();
    release::expand(&bundle, Slot::empty(&folder.join("releases/1")).unwrap(), &Silent).unwrap()
}

fn differences(release: &Release) -> Vec<String> {
    let differences = release::verify(release, &Silent).unwrap();
    differences.iter().map(Difference::to_string).collect()
}

/// Names and sizes of everything in a folder, at any depth.
fn names_below(folder: &Path) -> Vec<String> {
    let entries = walkdir::WalkDir::new(folder).min_depth(1).sort_by_file_name();
    entries.into_iter().map(|entry| entry.unwrap().path().display().to_string()).collect()
}

#[test]
fn the_golden_bundle_is_what_this_program_writes() {
    let folder = tempfile::tempdir().unwrap();
    let written = write_sample(folder.path());
    let bytes = fs_err::read(&written.path).unwrap();
    if std::env::var_os("HOLDALL_WRITE_GOLDEN").is_some() {
        fs_err::write(GOLDEN, &bytes).unwrap();
    }
    assert!(
        fs_err::read(GOLDEN).unwrap() == bytes,
        "the bytes of a bundle have changed. If nothing but the compressor is new (`DEFLATE` in src/layer/pack.rs), \
         every cached layer is built again, and the golden bundle is written anew by running this test with \
         HOLDALL_WRITE_GOLDEN=1. If the format changed, it needs another number in src/manifest.rs and its \
         description in docs/bundle-format.md first."
    );
}

#[test]
fn the_golden_bundle_opens_and_verifies() {
    let bundle = Bundle::open(Path::new(GOLDEN)).unwrap();
    assert_eq!(bundle.verify(&Silent).unwrap(), []);
    let order: Vec<_> = bundle.layers().iter().map(|layer| layer.entry.name.as_str()).collect();
    assert_eq!(order, ["cpython", "demo", "shop", "tools"]); // the empty layer left no trace
    assert_eq!(bundle.read("app/shop/gr\u{fc}\u{df}e.txt").unwrap().unwrap(), "Gr\u{fc}\u{df}e\n".as_bytes());
    assert_eq!(bundle.read("app/shop").unwrap(), None);
    let license = bundle.find("python/Lib/site-packages/demo/LICENSE").unwrap();
    assert!(license.packed() < license.indexed.size);
}

#[test]
fn other_programs_read_the_golden_bundle() {
    let mut zip = zip::ZipArchive::new(fs_err::File::open(GOLDEN).unwrap()).unwrap();
    assert_eq!(zip.len(), 13);
    assert_eq!(zip.by_index(0).unwrap().name().unwrap(), "holdall.json");
    for at in 0..zip.len() {
        let mut file = zip.by_index(at).unwrap();
        std::io::copy(&mut file, &mut std::io::sink()).unwrap(); // checks the CRC
        let executable =
            ["holdall.exe", "app/manage.py", "python/python.exe"].contains(&&*file.name().unwrap());
        assert_eq!(
            file.unix_mode(),
            Some(if executable { 0o100_755 } else { 0o100_644 }),
            "{:?}",
            file.name()
        );
    }
    let script = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; \
                  sys.stdout.buffer.write('\\n'.join(z.namelist()).encode())";
    // Python is not needed to build holdall; where there is one, it must agree.
    if let Ok(output) = Command::new("python3").args(["-c", script, GOLDEN]).output() {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let names: Vec<_> = zip.file_names().map(Result::unwrap).collect();
        assert_eq!(String::from_utf8(output.stdout).unwrap().split('\n').collect::<Vec<_>>(), names);
    }
}

#[test]
fn the_folder_of_the_work_leaves_no_trace_in_a_bundle() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (one, two) = (write_sample(one.path()), write_sample(two.path()));
    assert_eq!(fs_err::read(&one.path).unwrap(), fs_err::read(&two.path).unwrap());
    assert_eq!((one.identity, one.size), (two.identity, two.size));
    assert_eq!(fs_err::metadata(&one.path).unwrap().len(), one.size);
}

#[test]
fn a_large_file_comes_out_as_it_went_in_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = 1u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let noise: Vec<u8> = (0..5 << 20).flat_map(|_| random().to_le_bytes()).collect();
    let plain = vec![b'.'; 40 << 20];
    let files: &[(&str, &[u8], bool)] = &[("app/noise.bin", &noise, false), ("app/plain.txt", &plain, false)];
    let layer = sample_layer(folder.path(), LayerKind::App, "shop", files);
    let written =
        assemble(sample_manifest(), vec![layer], &folder.path().join("large.zip"), None, &Silent).unwrap();
    let bundle = Bundle::open(&written.path).unwrap();
    assert!(bundle.read("app/noise.bin").unwrap().unwrap() == noise);
    assert!(bundle.read("app/plain.txt").unwrap().unwrap() == plain);

    let good = fs_err::read(&written.path).unwrap();
    let plain = bundle.find("app/plain.txt").unwrap();
    let inside = good.windows(13).rposition(|window| window == b"app/plain.txt").unwrap();
    let inside = good[..inside].windows(13).rposition(|window| window == b"app/plain.txt").unwrap();
    assert!(plain.packed() < 100_000);
    for (at, damaged) in [(1_000_000, "app/noise.bin"), (inside + 13 + 500, "app/plain.txt")] {
        let mut bytes = good.clone();
        bytes[at] ^= 0x55;
        fs_err::write(&written.path, bytes).unwrap();
        let bundle = Bundle::open(&written.path).unwrap();
        let differences = bundle.verify(&Silent).unwrap();
        assert_eq!(
            differences.iter().map(Difference::to_string).collect::<Vec<_>>(),
            [format!("differs  {damaged}")]
        );
        let slot = Slot::empty(&folder.path().join("release")).unwrap();
        assert!(release::expand(&bundle, slot, &Silent).is_err());
        assert!(!folder.path().join("release").exists());
    }
}

#[test]
fn what_was_written_is_what_opens() {
    let folder = tempfile::tempdir().unwrap();
    let written = write_sample(folder.path());
    let bundle = Bundle::open(&written.path).unwrap();
    assert_eq!((bundle.manifest(), bundle.identity()), (&written.manifest, written.identity));
    assert_eq!(bundle.manifest().longest_path, 78); // an index
}

#[test]
fn more_entries_than_a_classic_zip_counts_are_written_and_opened() {
    let folder = tempfile::tempdir().unwrap();
    let source = |number| Source {
        path: EntryPath::parse(&format!("app/{:02x}/{:02x}", number / 256, number % 256), TARGET).unwrap(),
        content: Content::Bytes(Vec::new()),
        executable: false,
    };
    let sources = (0..65_600).map(source).collect();
    let layer = layer::build_in(
        folder.path(),
        &Key::new(LayerKind::App, TARGET, &[]),
        "shop",
        sources,
        None,
        Stage::App,
        &Silent,
    )
    .unwrap();
    let written =
        assemble(sample_manifest(), vec![layer], &folder.path().join("many.zip"), None, &Silent).unwrap();
    assert_eq!(Bundle::open(&written.path).unwrap().files().count(), 65_600);
    let zip = zip::ZipArchive::new(fs_err::File::open(&written.path).unwrap()).unwrap();
    assert_eq!(zip.len(), 65_602);
}

#[test]
fn two_layers_with_one_file_are_refused_and_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let twice = |path: &str, content: &[u8]| {
        sample_layer(folder.path(), LayerKind::Package, path, &[(path, content, false)])
    };
    let mut layers = vec![twice("app/A.py", b"1"), twice("app/a.py", b"2")];
    let output = folder.path().join("dist/shop.zip");
    let error = assemble(sample_manifest(), layers.clone(), &output, None, &Silent).unwrap_err();
    assert!(error.to_string().contains("the names in"), "{error}");
    let own = sample_layer(folder.path(), LayerKind::App, "own", &[(".holdall/x", b"", false)]);
    let error = assemble(sample_manifest(), vec![own], &output, None, &Silent).unwrap_err();
    assert!(error.to_string().contains("`.holdall/x` cannot stand"), "{error}");
    layers.truncate(1);
    layers.push(sample_layer(folder.path(), LayerKind::Package, "app/A.py", &[("app/b.py", b"", false)]));
    let error = assemble(sample_manifest(), layers, &output, None, &Silent).unwrap_err();
    assert!(error.to_string().contains("the manifest of"), "{error}");
    assert!(!folder.path().join("dist").exists());
}

#[test]
fn a_layer_for_another_target_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = sample_manifest();
    manifest.target = Target::LinuxX86_64;
    let error = assemble(manifest, sample_layers(folder.path()), &folder.path().join("x.zip"), None, &Silent)
        .unwrap_err();
    assert!(error.to_string().contains("made for windows-x86_64, the bundle is for linux-x86_64"), "{error}");
}

#[test]
fn a_layer_that_is_gone_when_it_is_copied_leaves_nothing_in_dist() {
    let (folder, lost) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let layers = sample_layers(lost.path());
    drop(lost);
    let output = folder.path().join("shop.zip");
    let error = assemble(sample_manifest(), layers, &output, None, &Silent).unwrap_err();
    assert!(error.to_string().contains("the layer `cpython` changed while it was copied"), "{error}");
    assert_eq!(names_below(folder.path()), [""; 0]);
}

#[test]
fn an_older_bundle_of_the_same_name_is_replaced_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::create_dir(folder.path().join("dist")).unwrap();
    fs_err::write(folder.path().join("dist/shop.zip"), "older").unwrap();
    let written = write_sample(folder.path());
    assert!(Bundle::open(&written.path).is_ok());
    assert_eq!(names_below(&folder.path().join("dist")).len(), 1);
}

#[test]
fn an_expanded_bundle_opens_as_a_release_and_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let expanded = expand_sample(folder.path());
    let release = Release::open(&expanded.root).unwrap();
    assert_eq!((release.identity, &release.manifest), (expanded.identity, &expanded.manifest));
    assert_eq!(differences(&release), [""; 0]);
    let settings = fs_err::read_to_string(release.root.join("app/shop/settings.py")).unwrap();
    assert_eq!(settings, "DEBUG = False\nALLOWED_HOSTS = []\n");
}

#[cfg(unix)]
#[test]
fn only_programs_are_executable_whatever_the_umask() {
    use std::os::unix::fs::MetadataExt as _;
    let folder = tempfile::tempdir().unwrap();
    let release = expand_sample(folder.path());
    let mode = |path: &str| fs_err::metadata(release.root.join(path)).unwrap().mode() & 0o777;
    assert_eq!([mode("app/manage.py"), mode("app/shop/settings.py")], [0o755, 0o644]);
    assert_eq!(mode("holdall.json"), 0o644);
}

#[test]
fn every_kind_of_change_in_a_release_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let release = expand_sample(folder.path());
    let path = |below: &str| release.root.join(below);
    fs_err::write(path("app/shop/settings.py"), "DEBUG = True!\nALLOWED_HOSTS = []\n").unwrap();
    fs_err::remove_file(path("app/shop/__init__.py")).unwrap();
    fs_err::create_dir(path("app/shop/__pycache__")).unwrap();
    fs_err::write(path("app/shop/__pycache__/settings.pyc"), "").unwrap();
    fs_err::write(path("app/stranger.py"), "").unwrap();
    // What an administrator may lay there for a deploy counts in its place alone.
    fs_err::write(path("site.toml"), "").unwrap();
    fs_err::write(path("app/site.toml"), "").unwrap();
    fs_err::remove_file(path("python/python.exe")).unwrap();
    fs_err::create_dir(path("python/python.exe")).unwrap();
    #[cfg_attr(not(unix), expect(unused_mut))]
    let mut expected = vec![
        "missing  app/shop/__init__.py",
        "extra    app/shop/__pycache__/",
        "extra    app/site.toml",
        "extra    app/stranger.py",
        "differs  app/shop/settings.py",
        "differs  python/python.exe (not a regular file)",
    ];
    #[cfg(unix)]
    {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        fs_err::set_permissions(path("app/manage.py"), std::fs::Permissions::from_mode(0o644)).unwrap();
        expected.insert(4, "differs  app/manage.py (whether it is a program)");
        fs_err::rename(path("holdall.exe"), folder.path().join("holdall.exe")).unwrap();
        symlink(folder.path().join("holdall.exe"), path("holdall.exe")).unwrap();
        expected.insert(6, "differs  holdall.exe (not a regular file)");
        symlink("/", path("app/root")).unwrap();
        expected.insert(1, "extra    app/root");
    }
    assert_eq!(differences(&release), expected);
}

#[test]
fn a_changed_index_makes_a_folder_no_release() {
    let folder = tempfile::tempdir().unwrap();
    let release = expand_sample(folder.path());
    let index = fs_err::read_dir(release.root.join(".holdall")).unwrap().next().unwrap().unwrap().path();
    fs_err::write(&index, "{}").unwrap();
    let error = Release::open(&release.root).unwrap_err();
    assert!(matches!(&error, ReleaseError::IndexDiffers { path } if *path == index), "{error}");
}

#[test]
fn a_folder_that_holds_something_is_no_slot() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("mine.txt"), "mine").unwrap();
    let error = Slot::empty(folder.path()).unwrap_err();
    assert!(matches!(error, ReleaseError::NotEmpty { .. }) && error.is_precondition(), "{error}");
    let error = Slot::empty(&folder.path().join("mine.txt")).unwrap_err();
    assert!(matches!(error, ReleaseError::NotAFolder { .. }), "{error}");
    assert_eq!(names_below(folder.path()).len(), 1);
}

#[test]
fn a_bundle_with_a_damaged_file_leaves_the_slot_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let written = write_sample(folder.path());
    let mut bytes = fs_err::read(&written.path).unwrap();
    let answer = bytes.windows(11).position(|window| window == b"answer = 42").unwrap();
    bytes[answer] ^= 1;
    fs_err::write(&written.path, bytes).unwrap();
    let bundle = Bundle::open(&written.path).unwrap();
    let (new, empty) = (folder.path().join("new"), folder.path().join("empty"));
    fs_err::create_dir(&empty).unwrap();
    for place in [&new, &empty] {
        let error = release::expand(&bundle, Slot::empty(place).unwrap(), &Silent).unwrap_err();
        assert!(error.to_string().contains("demo/__init__.py`"), "{error}");
    }
    assert!(!new.exists());
    assert_eq!(names_below(&empty), [""; 0]);
}

fn holdall(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = assert_cmd::Command::new(program());
    let output = command.current_dir(folder).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn verify_prints_count_and_identity_or_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let release = expand_sample(folder.path());
    let fine = format!("8 files are as they were bundled\nidentity {}\n", release.identity);
    for what in ["dist/shop.zip", "releases/1"] {
        let (code, out, _) = holdall(folder.path(), &["verify", what]);
        assert_eq!((code, out.as_str()), (0, fine.as_str()), "{what}");
    }
    fs_err::write(release.root.join("app/more\u{7f}.py"), "").unwrap();
    let (code, out, err) = holdall(folder.path(), &["verify", "releases/1"]);
    assert_eq!((code, out.as_str()), (1, "extra    app/more\\u{7f}.py\n"));
    assert!(err.contains("`releases/1` is not what was bundled"), "{err}");
    let (code, out, err) = holdall(folder.path(), &["--format", "json", "verify", "releases/1"]);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, err.as_str(), &value["files"]), (1, "", &serde_json::json!(8)));
    let expected = serde_json::json!([{"difference": "extra", "path": "app/more\u{7f}.py"}]);
    assert_eq!(value["differences"], expected);
}

#[test]
fn inspect_says_what_a_bundle_is_and_needs() {
    let folder = tempfile::tempdir().unwrap();
    let golden = PathBuf::from(GOLDEN);
    fs_err::copy(&golden, folder.path().join("shop.zip")).unwrap();
    let (code, out, err) = holdall(folder.path(), &["inspect", "shop.zip"]);
    assert_eq!((code, err.as_str()), (0, ""));
    insta::assert_snapshot!(out);
    let (code, out, _) = holdall(folder.path(), &["--format", "json", "inspect", "shop.zip"]);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &value["manifest"]["name"]), (0, &serde_json::json!("shop")));
    assert_eq!(value["length"], serde_json::json!(fs_err::metadata(&golden).unwrap().len()));
    let release = expand_sample(folder.path());
    let (code, out, _) = holdall(folder.path(), &["--format", "json", "inspect", "releases/1"]);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &value["identity"]), (0, &serde_json::json!(release.identity)));
}
