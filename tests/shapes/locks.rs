//! Projects by what their dependencies are written in.

use super::{manage, manifest, packages, stylesheet};
use crate::bundle::entries;
use crate::given_runtime_bundle::{tools, wheel};
use crate::harness::{Test, command};
use crate::runtime_given::{self as runtimes, AMD64};

/// Writes a wheel of `glue` 1.0, for one platform alone, into a folder.
fn glue(test: &Test, folder: &str, platform: &str) {
    let info = "glue-1.0.dist-info";
    let about = format!("Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp310-abi3-{platform}\n");
    let code = format!("PLATFORM = '{platform}'\n");
    let files = [
        ("glue.py".to_owned(), &*code),
        (format!("{info}/METADATA"), "Metadata-Version: 2.1\nName: glue\nVersion: 1.0\n"),
        (format!("{info}/WHEEL"), &*about),
    ];
    wheel(&test.path(&format!("{folder}/glue-1.0-cp310-abi3-{platform}.whl")), info, &files);
}

#[test]
fn a_lock_without_a_wheel_for_windows_names_the_package_and_takes_one_from_a_folder() {
    let test = crate::bad_project::site();
    tools(&test);
    let runtime = runtimes::zip(&test.path(""), &runtimes::full("", AMD64, 12, 10));
    test.write("site/requirements.in", "django==5.2.1\nglue\n");
    glue(&test, "wheels", "manylinux_2_17_x86_64");
    let compile = ["pip", "compile", "requirements.in", "--universal", "--no-header", "--no-annotate"];
    test.uv("site", &[&compile[..], &["--find-links", "../wheels", "-o", "requirements.txt"]].concat());
    assert!(test.read("site/requirements.txt").contains("\nglue==1.0\n"));
    let runtime = runtime.to_str().unwrap();
    // What serves for Linux comes from elsewhere, as from an index.
    let bundle = |more: &[&str]| {
        let args = ["bundle", "site", "--tools", "tools", "--output", "dist", "--runtime", runtime];
        let mut command = command(&test.path(""), args.iter().chain(more));
        command.env("UV_FIND_LINKS", test.path("wheels"));
        assert_cmd::Command::from_std(command).assert()
    };
    let told = bundle(&[]).code(3);
    let told = test.words(&told.get_output().stderr);
    assert!(
        told.replace("[host]", "windows-x86_64")
            .starts_with("  × `glue` has no wheel for windows-x86_64 and Python 3.X\n"),
        "{told}"
    );
    let cures = ["name another version of it", "make a wheel", "`; sys_platform == 'linux'`"];
    assert!(cures.iter().all(|cure| told.contains(cure)), "{told}");
    let ways = [
        "bundle with `--find-links wheels`",
        "`find-links = [\"wheels\"]` below `[packages]` in holdall.toml",
    ];
    assert!(ways.iter().all(|way| told.contains(way)), "{told}");

    // Somebody has made one on Windows: each of the ways takes it.
    let taken = || {
        let bundle = test.path("dist/shop-1.0-windows-x86_64.zip");
        let glue = entries(&bundle).remove("python/Lib/site-packages/glue.py");
        assert_eq!(glue.unwrap(), b"PLATFORM = 'win_amd64'\n");
        fs_err::remove_file(bundle).unwrap();
    };
    glue(&test, "made", "win_amd64");
    bundle(&["--find-links", "made"]).success();
    taken();
    let config = test.read("site/holdall.toml");
    test.append("site/holdall.toml", "[packages]\nfind-links = [\"../made\"]\n");
    bundle(&[]).success();
    taken();
    test.write("site/holdall.toml", config);
    bundle(&[]).code(3);
    glue(&test, "wheels", "win_amd64");
    bundle(&[]).success();
    taken();
}

#[test]
fn a_project_of_poetry_is_served_from_what_its_pyproject_requires() {
    let test = Test::empty();
    test.fixture("diary", "site");
    fs_err::remove_file(test.path("site/requirements.txt")).unwrap();
    let head = "[build-system]\nrequires = ['poetry-core>=2.0.0,<3.0.0']\nbuild-backend = 'poetry.core.masonry.api'\n\n[tool.poetry]\npackage-mode = false\n\n[tool.poetry.group.dev.dependencies]\nno-such-package = '*'\n\n";
    // As Poetry wrote it before there was a standard: nobody else reads it.
    test.write(
        "site/pyproject.toml",
        head.to_owned() + "[tool.poetry.dependencies]\npython = '^3.10'\ndjango = '^5.2'\n",
    );
    let told = test.refused(3, &["bundle", "site", "--runtime", "host"]);
    assert!(told.starts_with("  × ") && told.contains("poetry"), "{told}");

    let project = "[project]\nname = 'diary'\nversion = '0.4.0'\nrequires-python = '>=3.10,<4.0'\ndependencies = ['django (>=5.2,<5.3)']\n";
    test.write("site/pyproject.toml", head.to_owned() + project);
    let bundle = test.bundle("site", &[]);
    let about = manifest(&bundle);
    assert_eq!((&about["name"], &about["version"]), (&"diary".into(), &"0.4.0".into()));
    let inside = packages(&about);
    assert!(inside.contains(&"django") && !inside.contains(&"no-such-package"), "{inside:?}");
    let site = test.preview([&bundle]);
    stylesheet(&site);
    manage(&site, &[("SECRET_KEY", "for a test")], &["check"]);
    site.stop();
}
