//! Locks and requirements that hold for the machine where they were written, and silently not for the target: each is
//! told with the package, the target and the ways out.

use insta::assert_snapshot;
use serde_json::Value;

use crate::bad_project::site;
use crate::harness::Test;

/// Locks for Windows: what any machine can do.
const WINDOWS: &[&str] = &["lock", "site", "--target", "windows-x86_64", "--python", "3.12"];

/// What is told of a lock that cannot be made; the project stays as it was.
fn refused(test: &Test) -> String {
    let told = test.refused(3, WINDOWS);
    if cfg!(windows) { told.replace("[host]", "windows-x86_64") } else { told }
}

/// What is told, without the words of uv.
fn without_uvs_words(told: &str) -> String {
    let (what, rest) = told.split_once("  ╰─▶ ").unwrap();
    format!("{what}  help: {}", rest.split_once("  help: ").unwrap().1)
}

/// The site with requirements that uv compiled for Linux from `requirements`.
fn compiled_on_linux(requirements: &str, options: &[&str]) -> Test {
    let test = site();
    test.write("site/requirements.in", requirements);
    let compile =
        ["pip", "compile", "requirements.in", "--python-platform", "linux", "--python-version", "3.12"];
    test.uv("site", &[&compile, options, &["-o", "requirements.txt"]].concat());
    test
}

#[test]
fn requirements_with_hashes_made_on_linux_lack_what_windows_needs() {
    let test = compiled_on_linux("django==5.2.1\n", &["--generate-hashes"]);
    assert_snapshot!(refused(&test), @r"
    × Python 3.X on windows-x86_64 needs `tzdata`, which `[here]/site/requirements.txt` does not have
    help: the lock was made for another platform or another Python: make it anew for all (`uv lock`, `uv export`, `uv pip compile --universal --generate-hashes`), or name what it was made from and let `holdall lock` make one for windows-x86_64
    ");
}

#[test]
fn requirements_that_a_tool_wrote_on_linux_lack_what_windows_needs() {
    // `portalocker` needs pywin32 on Windows alone.
    let test = compiled_on_linux("django==5.2.1\nportalocker==3.2.0\n", &[]);
    assert_snapshot!(refused(&test), @r"
    × Python 3.X on windows-x86_64 needs `pywin32` and `tzdata`, which `[here]/site/requirements.txt` does not have
    help: the lock was made for another platform or another Python: make it anew for all (`uv lock`, `uv export`, `uv pip compile --universal --generate-hashes`), or name what it was made from and let `holdall lock` make one for windows-x86_64
    ");
}

#[test]
fn a_list_of_versions_that_lacks_one_is_bundled_with_a_word() {
    let test = site();
    test.write(
        "site/requirements.txt",
        "django==5.2.1\nsqlparse==0.5.3\ntzdata==2025.2\ndjango-extensions==4.1\n",
    );
    let plan = ["bundle", "site", "--runtime", "host", "--plan", "--format", "json"];
    let plan: Value = serde_json::from_slice(&test.holdall(plan).success().get_output().stdout).unwrap();
    let notices = plan["notices"].to_string();
    let said = "`requirements.txt` fixes the version of all it names, and ";
    assert!(notices.contains(said) && notices.contains("needs more: asgiref 3."), "{notices}");
}

#[test]
fn a_lock_of_uv_for_linux_alone_is_none_for_windows() {
    let test = site();
    fs_err::remove_file(test.path("site/requirements.txt")).unwrap();
    let project = |environments: &str| {
        format!(
            "[project]\nname = \"shop\"\nversion = \"1\"\nrequires-python = \">=3.10\"\ndependencies = [\"django==5.2.1\"]\n[tool.uv]\nenvironments = [{environments}]\n"
        )
    };
    test.write("site/pyproject.toml", project("\"sys_platform == 'linux'\""));
    test.uv("site", &["lock"]);
    assert_snapshot!(refused(&test), @r"
    × `[here]/site/uv.lock` was made for other platforms than windows-x86_64 and Python 3.X: sys_platform == 'linux'
    help: let `environments` below `[tool.uv]` in `pyproject.toml` say that platform too, or remove it, and run `uv lock` (for a `pylock.toml`: export it anew)
    ");
    test.uv("site", &["export", "--format", "pylock.toml", "-o", "pylock.toml"]);
    fs_err::remove_file(test.path("site/uv.lock")).unwrap();
    let told = refused(&test);
    assert!(
        told.contains("`[here]/site/pylock.toml` was made for other platforms than windows-x86_64"),
        "{told}"
    );

    fs_err::remove_file(test.path("site/pylock.toml")).unwrap();
    test.write("site/pyproject.toml", project("\"sys_platform == 'linux'\", \"sys_platform == 'win32'\""));
    test.uv("site", &["lock"]);
    test.holdall(WINDOWS).success();
    assert!(test.read("site/pylock.windows-x86_64.toml").contains("name = \"tzdata\""));
}

#[test]
fn a_package_without_a_wheel_for_arm_is_named_with_the_way_to_one() {
    let test = site();
    test.write("site/requirements.txt", "django==5.2.1\npsycopg[binary]==3.2.1\n");
    let told = test.refused(3, &["lock", "site", "--target", "windows-arm64", "--python", "3.12"]);
    assert_snapshot!(without_uvs_words(&told), @r#"
    × `psycopg-binary` has no wheel for windows-arm64 and Python 3.X
    help: name another version of it that has one; or make a wheel on windows-arm64 (`py -3.12 -m pip wheel --no-deps --wheel-dir wheels psycopg-binary`) and bundle with `--find-links wheels`, or `find-links = ["wheels"]` below `[packages]` in holdall.toml; or, if windows-arm64 can do without it, give it a platform marker (`; platform_machine == 'AMD64'`)
    "#);
}

#[test]
fn a_lock_of_uv_that_lacks_a_wheel_for_windows_names_the_package() {
    let test = site();
    fs_err::remove_file(test.path("site/requirements.txt")).unwrap();
    test.write(
        "site/pyproject.toml",
        "[project]\nname = \"shop\"\nversion = \"1\"\nrequires-python = \">=3.10\"\ndependencies = [\"django==5.2.1\", \"uvloop==0.21.0\"]\n",
    );
    test.uv("site", &["lock"]);
    assert_snapshot!(without_uvs_words(&refused(&test)), @r#"
    × `uvloop` has no wheel for windows-x86_64 and Python 3.X
    help: name another version of it that has one; or make a wheel on windows-x86_64 (`py -3.12 -m pip wheel --no-deps --wheel-dir wheels uvloop`) and bundle with `--find-links wheels`, or `find-links = ["wheels"]` below `[packages]` in holdall.toml; or, if windows-x86_64 can do without it, give it a platform marker (`; sys_platform == 'linux'`)
    "#);
}
