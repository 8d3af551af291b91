//! Packages that are there as source alone: built where this machine is what the bundle is for, and else refused
//! with the way to a wheel.

use std::io::Write as _;

use insta::assert_snapshot;
use serde_json::Value;

use crate::bad_project::site;
use crate::bundle::entries;
use crate::harness::Test;

const HOST: &[&str] = &["bundle", "site", "--runtime", "host", "--find-links", "site/sources"];

/// A build backend that needs nothing: it packs the package, and calls the wheel as it was told.
const BACKEND: &str = r#"
import base64, hashlib, os, zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    BREAK
    name = "brewed-1.0-TAG.whl"
    files = {
        "brewed/__init__.py": b"WHERE = 'here'\n",
        "brewed-1.0.dist-info/METADATA": b"Metadata-Version: 2.2\nName: brewed\nVersion: 1.0\n",
        "brewed-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: TAG\n",
    }
    lines = []
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(data)}")
    files["brewed-1.0.dist-info/RECORD"] = "\n".join(lines + ["brewed-1.0.dist-info/RECORD,,", ""]).encode()
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        for path, data in files.items():
            wheel.writestr(zipfile.ZipInfo(path), data)
    return name
"#;

/// The site with a requirement that a folder has as source, made of this backend.
fn with_source(backend: &str) -> Test {
    let test = site();
    test.append("site/requirements.txt", "brewed\n");
    let about = "Metadata-Version: 2.2\nName: brewed\nVersion: 1.0\n";
    let pyproject = "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n[project]\nname = \"brewed\"\nversion = \"1.0\"\n";
    // What is built is kept: each story has a source of its own.
    let backend = format!("# {}\n{backend}", test.path("").display());
    let mut archive =
        tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (name, text) in [("PKG-INFO", about), ("pyproject.toml", pyproject), ("backend.py", &backend)] {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, format!("brewed-1.0/{name}"), text.as_bytes()).unwrap();
    }
    let mut packed = archive.into_inner().unwrap();
    packed.flush().unwrap();
    test.write("site/sources/brewed-1.0.tar.gz", packed.finish().unwrap());
    test
}

#[test]
fn a_package_with_source_alone_is_built_for_this_machine_once_and_the_bundle_says_so() {
    let test = with_source(&BACKEND.replace("BREAK", "").replace("TAG", "py3-none-any"));
    let report = |output: &str| -> Value {
        let args = [HOST, &["--output", output, "--format", "json"]].concat();
        serde_json::from_slice(&test.holdall(args).success().get_output().stdout).unwrap()
    };
    let first = report("first");
    let notices = first["notices"].to_string();
    assert!(
        notices.contains("`brewed` 1.0 has no wheel: it was built here from `brewed-1.0.tar.gz` (SHA-256 "),
        "{notices}"
    );
    let files = entries(&test.path(first["path"].as_str().unwrap()));
    let module = files.iter().find(|(name, _)| name.ends_with("/site-packages/brewed/__init__.py"));
    assert_eq!(module.unwrap().1, b"WHERE = 'here'\n");
    assert_eq!(report("second")["identity"], first["identity"]);
}

#[test]
fn a_build_that_fails_is_told_with_its_own_words() {
    let test = with_source(&BACKEND.replace("BREAK", "raise SystemExit('no compiler for brewing')"));
    let told = test.refused(3, HOST);
    let (what, rest) = told.split_once("  ╰─▶ ").unwrap();
    let (words, help) = rest.split_once("  help: ").unwrap();
    assert!(words.contains("no compiler for brewing"), "{words}");
    let (before, after) = help.split_once("(`py").unwrap();
    let help = format!("{before}(`[python]{}", &after[after.find(" -m pip").unwrap()..]);
    assert_snapshot!(format!("{what}  help: {help}"), @r"
    × `brewed` 1.0 is there as source alone, and no wheel of it can be built here
    help: install what its build asks for, or make a wheel elsewhere on [host] (`[python] -m pip wheel --no-deps --wheel-dir wheels brewed`) and bundle with `--find-links wheels`
    ");
}

#[test]
fn a_lock_and_a_bundle_for_others_take_no_build_of_this_machine() {
    let test = with_source(&BACKEND.replace("BREAK", "").replace("TAG", "py3-none-any"));
    for target in ["windows-x86_64", "windows-arm64", "linux-x86_64", "linux-arm64"] {
        let lock = ["lock", "site", "--find-links", "site/sources", "--target", target, "--python", "3.12"];
        let told = test.refused(3, &lock);
        // uv's words stand between what failed and what to do.
        let what = format!("  × `brewed` has no wheel for {target} and Python 3.X\n");
        let told = told.replace("[host]", crate::harness::host());
        assert!(told.starts_with(&what), "{told}");
        let python = if target.starts_with("windows") { "py -3.12" } else { "python3.12" };
        let way = format!(
            "make a wheel on {target} (`{python} -m pip wheel --no-deps --wheel-dir wheels brewed`) and bundle with `--find-links wheels`"
        );
        assert!(told.contains(&way), "{told}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_build_for_this_machine_alone_is_refused_for_a_bundle_that_goes_to_others() {
    use crate::runtime_given as given;

    let test = with_source(
        &BACKEND.replace("BREAK", "").replace("TAG", &format!("py3-none-linux_{}", std::env::consts::ARCH)),
    );
    let (runtime, _) = given::install_only();
    given::tar_gz(&test.path(""), &runtime);
    let told =
        test.refused(3, &["bundle", "site", "--runtime", "runtime.tar.gz", "--find-links", "site/sources"]);
    assert_snapshot!(told, @r"
    × the wheel of `brewed` 1.0 built here is for this machine alone, and the bundle's Python is for others too
    help: make a wheel that fits every [host] with auditwheel in a manylinux image and bundle with `--find-links wheels`; or bundle for this machine alone with `--runtime host`
    ");
}
