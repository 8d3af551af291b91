#![allow(clippy::unwrap_used)]

use std::io::Write as _;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zip::write::SimpleFileOptions;

use super::*;
use crate::packages::lock::local_wheel;

const LINUX: Target = Target::LinuxX86_64;
const WINDOWS: Target = Target::WindowsX86_64;

fn layout(target: Target) -> PythonLayout {
    let (program, site_packages) = match target.is_windows() {
        true => ("python/python.exe", "python/Lib/site-packages"),
        false => ("python/bin/python3.12", "python/lib/python3.12/site-packages"),
    };
    PythonLayout {
        version: "3.12.1".parse().unwrap(),
        program: EntryPath::parse(program, target).unwrap(),
        site_packages: EntryPath::parse(site_packages, target).unwrap(),
    }
}

/// A wheel being made: files with their mode, and the lines of its RECORD.
struct Maker {
    folder: tempfile::TempDir,
    file_name: String,
    dist_info: String,
    files: Vec<(String, Vec<u8>, u32)>,
    record: String,
}

impl Maker {
    fn new(name: &str) -> Maker {
        let dist_info = format!("{name}-1.dist-info");
        let mut maker = Maker {
            folder: tempfile::tempdir().unwrap(),
            file_name: format!("{name}-1-py3-none-any.whl"),
            dist_info: dist_info.clone(),
            files: Vec::new(),
            record: String::new(),
        };
        maker.add(
            &format!("{dist_info}/METADATA"),
            &format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1\n"),
        );
        maker.add(&format!("{dist_info}/WHEEL"), "Wheel-Version: 1.0\nTag: py3-none-any\n");
        maker
    }

    fn add(&mut self, name: &str, text: &str) -> &mut Maker {
        let hash = URL_SAFE_NO_PAD.encode(Sha256::of(text).as_bytes());
        self.record.push_str(&format!("\"{name}\",sha256={hash},{}\n", text.len()));
        self.add_unlisted(name, text, 0o644)
    }

    fn add_unlisted(&mut self, name: &str, text: &str, mode: u32) -> &mut Maker {
        self.files.push((name.to_owned(), text.as_bytes().to_vec(), mode));
        self
    }

    fn wheel(&self) -> Wheel {
        let file = self.folder.path().join(&self.file_name);
        let mut zip = zip::ZipWriter::new(fs_err::File::create(&file).unwrap());
        let record = format!("{0}{1}/RECORD,,\n", self.record, self.dist_info);
        let record = (format!("{}/RECORD", self.dist_info), record.into_bytes(), 0o644);
        for (name, bytes, mode) in self.files.iter().chain([&record]) {
            zip.start_file(name.as_str(), SimpleFileOptions::default().unix_permissions(*mode)).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
        Wheel { locked: local_wheel(&file).unwrap(), file }
    }

    fn sources(&self, target: Target) -> Result<BTreeMap<String, (Vec<u8>, bool)>, PackagesError> {
        let mapped = map(&self.wheel(), &layout(target), target)?;
        Ok(by_name(mapped.sources(&BTreeMap::new(), None)?))
    }

    #[track_caller]
    fn refused(&self, expected: &str) {
        let error = self.sources(WINDOWS).unwrap_err();
        match &error {
            PackagesError::BadWheel { problem, .. } => assert_eq!(problem, expected),
            PackagesError::BadName { source, .. } => assert_eq!(source.to_string(), expected),
            _ => panic!("{error:?}"),
        }
    }
}

fn by_name(sources: Vec<Source>) -> BTreeMap<String, (Vec<u8>, bool)> {
    let one = |source: Source| {
        let bytes = source.content.read().unwrap().into_owned();
        (source.path.to_string(), (bytes, source.executable))
    };
    sources.into_iter().map(one).collect()
}

#[test]
fn each_part_of_a_wheel_gets_its_place_and_record_lists_what_is_there() {
    let mut maker = Maker::new("shop");
    maker.add("shop/__init__.py", "x = 1\n").add("shop-1.data/purelib/shop/pure.py", "pure");
    maker.add("shop-1.data/platlib/shop/plat.py", "plat").add("shop-1.data/data/share/shop, de.txt", "data");
    maker.add("shop-1.data/scripts/shop", "#!python").add("shop-1.data/headers/shop.h", "int x;");
    maker.add("shop/__pycache__/pure.cpython-312.pyc", "old");
    maker.add("shop-1.dist-info/REQUESTED", "").add_unlisted("shop-1.dist-info/RECORD.jws", "signed", 0o644);
    maker.add("shop-1.dist-info/INSTALLER", "pip\n").add("shop-1.dist-info/direct_url.json", "{}");
    let files = maker.sources(LINUX).unwrap();
    let site = "python/lib/python3.12/site-packages";
    let expected = [
        format!("{site}/shop-1.dist-info/INSTALLER"),
        format!("{site}/shop-1.dist-info/METADATA"),
        format!("{site}/shop-1.dist-info/RECORD"),
        format!("{site}/shop-1.dist-info/WHEEL"),
        format!("{site}/shop/__init__.py"),
        format!("{site}/shop/plat.py"),
        format!("{site}/shop/pure.py"),
        "python/share/shop, de.txt".to_owned(),
    ];
    assert_eq!(files.keys().collect::<Vec<_>>(), expected.iter().collect::<Vec<_>>());
    assert_eq!(files[&expected[0]].0, b"holdall\n");
    let record = record::read(&files[&expected[2]].0).unwrap();
    let mut listed: Vec<_> =
        expected[..7].iter().map(|path| path.trim_start_matches(site).trim_start_matches('/')).collect();
    listed.insert(0, "../../../share/shop, de.txt");
    assert_eq!(record.keys().collect::<Vec<_>>(), listed);
    for (name, recorded) in record.iter().filter(|(name, _)| !name.ends_with("/RECORD")) {
        let path = match name.strip_prefix("../../../") {
            Some(rest) => format!("python/{rest}"),
            None => format!("{site}/{name}"),
        };
        assert!(recorded.as_ref().unwrap().sha256_of(&files[&path].0).is_some(), "{name}");
    }
    let windows = maker.sources(WINDOWS).unwrap();
    assert!(windows.contains_key("python/Lib/site-packages/shop/pure.py"));
    let record =
        String::from_utf8(windows["python/Lib/site-packages/shop-1.dist-info/RECORD"].0.clone()).unwrap();
    assert!(record.starts_with("\"../../share/shop, de.txt\",sha256="), "{record}");
}

#[test]
fn the_exec_flag_is_that_of_the_wheel() {
    let mut maker = Maker::new("shop");
    maker.add("shop/tool", "ELF");
    maker.files.last_mut().unwrap().2 = 0o755;
    let files = maker.sources(LINUX).unwrap();
    let programs: Vec<_> =
        files.iter().filter(|(_, (_, executable))| *executable).map(|(name, _)| name).collect();
    assert_eq!(programs, ["python/lib/python3.12/site-packages/shop/tool"]);
}

/// A wheel with one file that was worth deflating, and where its data begin.
fn deflated() -> (Maker, Wheel, usize) {
    let mut maker = Maker::new("shop");
    maker.add("shop/a.txt", "x").add("shop/b.txt", &"again and ".repeat(1000));
    let wheel = maker.wheel();
    let bytes = fs_err::read(&wheel.file).unwrap();
    let name = b"shop/b.txt";
    let header = bytes.windows(name.len()).position(|bytes| bytes == name).unwrap();
    (maker, wheel, header + name.len())
}

#[test]
fn what_a_wheel_has_deflated_is_copied_as_it_is_or_not_at_all() {
    let (_maker, wheel, data) = deflated();
    let mapped = map(&wheel, &layout(LINUX), LINUX).unwrap();
    let sources = mapped.sources(&BTreeMap::new(), None).unwrap();
    let kept = |source: &&Source| matches!(source.content, Content::Kept(_));
    let kept: Vec<_> = sources.iter().filter(kept).map(|source| source.path.as_str()).collect();
    let site_packages = "python/lib/python3.12/site-packages";
    assert_eq!(
        kept,
        ["shop-1.dist-info/METADATA", "shop/b.txt"].map(|name| format!("{site_packages}/{name}"))
    );

    let cache = crate::cache::Cache::at(mapped.wheel.file.parent().unwrap().join("cache"));
    let build = |sources: Vec<Source>| {
        let key = crate::layer::Key::new(crate::manifest::LayerKind::Package, LINUX, &[Sha256::of("shop")]);
        let stage = crate::progress::Stage::Packages;
        crate::layer::build_cached(&cache, &key, "shop", sources, stage, &crate::progress::Silent)
    };
    let layer = build(sources.clone()).unwrap();
    let (zip, mut bytes) = (fs_err::read(&layer.file).unwrap(), fs_err::read(&wheel.file).unwrap());
    let beginning = &bytes[data..data + 20];
    assert!(zip.windows(20).any(|bytes| bytes == beginning));

    // Somebody changes the wheel after it was found right.
    bytes[data] ^= 1;
    fs_err::write(&wheel.file, bytes).unwrap();
    let error = build(sources).unwrap_err();
    assert_eq!(error.to_string(), format!("`{}` changed while it was being bundled", wheel.file.display()));
}

#[test]
fn data_that_are_damaged_are_refused_with_the_file() {
    let (_maker, wheel, data) = deflated();
    let mut bytes = fs_err::read(&wheel.file).unwrap();
    bytes[data..data + 8].fill(0xff);
    fs_err::write(&wheel.file, bytes).unwrap();
    let mapped = map(&wheel, &layout(LINUX), LINUX).unwrap();
    let error = mapped.sources(&BTreeMap::new(), None).unwrap_err();
    let PackagesError::BadWheel { problem, .. } = error else { panic!("{error:?}") };
    let expected = "its `shop/b.txt` cannot be read: its data are damaged, or not as long as it says";
    assert_eq!(problem, expected);
}

#[test]
fn a_file_that_leaves_the_folder_is_refused() {
    for name in ["../evil.py", "/evil.py", "C:/evil.py", "shop/../../evil.py", "shop-1.data/data/../../x"] {
        let expected = format!("the entry name `{name}` leaves the folder of the bundle or is absolute");
        Maker::new("shop").add(name, "x").refused(&expected);
    }
    Maker::new("shop").add("shop/con.txt", "x").refused("Windows cannot hold a file named `shop/con.txt`");
    assert!(Maker::new("shop").add("shop/con.txt", "x").sources(LINUX).is_ok());
}

#[test]
fn a_record_that_does_not_fit_is_refused_with_the_file() {
    let mut changed = Maker::new("shop");
    changed.add("shop/a.py", "as listed").files.last_mut().unwrap().1 = b"otherwise".to_vec();
    changed.refused("its `shop/a.py` is not the file of its RECORD");
    let mut longer = Maker::new("shop");
    longer.add("shop/a.py", "x").files.last_mut().unwrap().1 = b"xyz".to_vec();
    longer.refused("its `shop/a.py` is not as long as its RECORD says");
    let mut missing = Maker::new("shop");
    missing.add("shop/a.py", "x").files.pop();
    missing.refused("its RECORD names `shop/a.py`, which is not there");
    let mut unlisted = Maker::new("shop");
    unlisted.add_unlisted("shop/a.py", "x", 0o644);
    unlisted.refused("it holds `shop/a.py`, which has no hash in its RECORD");
}

#[test]
fn what_is_no_wheel_of_this_package_is_refused() {
    let mut other = Maker::new("shop");
    other.file_name = "store-1-py3-none-any.whl".to_owned();
    other.refused("its `shop-1.dist-info` is that of another package");
    let mut newer = Maker::new("shop");
    newer.files.clear();
    newer.record.clear();
    newer.add("shop-1.dist-info/WHEEL", "Wheel-Version: 2.0\n");
    newer.refused("it has Wheel-Version `2.0`, and 1 is known");
    Maker::new("shop").add("shop-1.data/magic/x", "x").refused("it holds data of the unknown kind `magic`");
    let mut twice = Maker::new("shop");
    twice.add("shop/a.py", "x").add("shop-1.data/purelib/shop/a.py", "y");
    twice.refused("two of its files become `python/Lib/site-packages/shop/a.py`");

    let folder = tempfile::tempdir().unwrap();
    let file: PathBuf = folder.path().join("shop-1-py3-none-any.whl");
    fs_err::write(&file, "not a zip").unwrap();
    let wheel = Wheel { locked: local_wheel(&file).unwrap(), file };
    assert!(matches!(map(&wheel, &layout(LINUX), LINUX), Err(PackagesError::BadWheel { .. })));
}

#[test]
fn a_wheel_for_another_platform_is_refused() {
    let mut maker = Maker::new("shop");
    maker.file_name = "shop-1-cp312-cp312-win_amd64.whl".to_owned();
    assert!(maker.sources(WINDOWS).is_ok());
    let error = maker.sources(LINUX).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`shop-1-cp312-cp312-win_amd64.whl` does not fit linux-x86_64 and Python 3.12"
    );
}

#[test]
fn a_file_of_two_packages_is_kept_once_if_nothing_can_break() {
    let mut first = Maker::new("a");
    first.add("tests/__init__.py", "").add("LICENSE", "MIT");
    let mut second = Maker::new("b");
    second.add("tests/__init__.py", "").add("LICENSE", "BSD").add("b.py", "b");
    let mapped: Vec<_> =
        [&first, &second].map(|maker| map(&maker.wheel(), &layout(LINUX), LINUX).unwrap()).into();
    let shared = taken(&mapped).unwrap();
    assert!(shared[0].is_empty());
    let files = by_name(mapped[1].sources(&shared[1], None).unwrap());
    let site = "python/lib/python3.12/site-packages";
    assert!(
        !files.contains_key(&format!("{site}/tests/__init__.py"))
            && files.contains_key(&format!("{site}/b.py"))
    );
    let record = record::read(&files[&format!("{site}/b-1.dist-info/RECORD")].0).unwrap();
    assert!(record.contains_key("tests/__init__.py") && !record.contains_key("LICENSE"), "{record:?}");

    let mut third = Maker::new("c");
    third.add("b.py", "another");
    let mapped: Vec<_> =
        [&second, &third].map(|maker| map(&maker.wheel(), &layout(LINUX), LINUX).unwrap()).into();
    let error = taken(&mapped).unwrap_err();
    let expected = format!("`b` and `c` both bring `{site}/b.py`, with different content");
    assert_eq!(error.to_string(), expected);
}
