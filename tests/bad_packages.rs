//! Dependencies that cannot become part of a bundle, and locks that disagree with what they lock.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;

use holdall::digest::Sha256;
use insta::assert_snapshot;

use crate::bad_project::site;
use crate::harness::Test;

const HOST: &[&str] = &["bundle", "site", "--runtime", "host"];

/// What is told, without the words of uv, which are another's to choose.
#[track_caller]
pub fn without_uvs_words(told: &str, essential: &str) -> String {
    let (what, rest) = told.split_once("  ╰─▶ ").unwrap();
    let (words, help) = rest.split_once("  help: ").unwrap();
    assert!(words.contains(essential), "{told}");
    format!("{what}  help: {help}")
}

/// The site with a `uv.lock` in place of its requirements.
fn locked() -> Test {
    let test = site();
    fs_err::remove_file(test.path("site/requirements.txt")).unwrap();
    test.write(
        "site/pyproject.toml",
        "[project]\nname = \"shop\"\nversion = \"1.0\"\nrequires-python = \">=3.10\"\ndependencies = [\"django==5.2.1\"]\n",
    );
    test.uv("site", &["lock"]);
    test
}

/// `text` with every SHA-256 between the first `begin` and the next `end` made another.
fn with_other_hashes(text: &str, begin: &str, end: &str) -> String {
    let start = text.find(begin).unwrap();
    let stop = text[start + begin.len()..].find(end).map_or(text.len(), |at| start + begin.len() + at);
    let mut pieces = text[start..stop].split("sha256:");
    let mut changed = text[..start].to_owned() + pieces.next().unwrap();
    for piece in pieces {
        changed += &format!("sha256:{}{}", Sha256::of("other"), &piece[64..]);
    }
    changed + &text[stop..]
}

#[test]
fn a_package_without_a_wheel_is_named_with_the_ways_out() {
    let test = site();
    test.append("site/requirements.txt", "uwsgi==2.0.28\n");
    // A bundle for this machine could be built from source; a lock is for others too.
    let told = test.refused(3, &["lock", "site", "--runtime", "host"]);
    // Whose machine it is that has no need of it depends on whose this is.
    let told = told.replace("== 'linux'", "== '[other]'").replace("== 'win32'", "== '[other]'");
    let (before, after) = told.split_once("(`py").unwrap();
    let told = format!("{before}(`[python]{}", &after[after.find(" -m pip").unwrap()..]);
    assert_snapshot!(without_uvs_words(&told, "uwsgi"), @r#"
    × `uwsgi` has no wheel for [host] and Python 3.X
    help: name another version of it that has one; or make a wheel on [host] (`[python] -m pip wheel --no-deps --wheel-dir wheels uwsgi`) and bundle with `--find-links wheels`, or `find-links = ["wheels"]` below `[packages]` in holdall.toml; or, if [host] can do without it, give it a platform marker (`; sys_platform == '[other]'`)
    "#);
}

#[test]
fn a_requirement_that_nothing_meets_is_told_in_uvs_words() {
    let test = site();
    test.write("site/requirements.txt", "django==99.9\n");
    let told = test.refused(3, HOST);
    assert_snapshot!(without_uvs_words(&told, "there is no version of django==99.9"), @r"
    × the packages for [host] and Python 3.X cannot be selected
    help: change the requirement that uv names; what works for it works for holdall. pip's own settings are not read: a private index goes into UV_INDEX, or `[[tool.uv.index]]` in `pyproject.toml`
    ");
    test.write("site/requirements.txt", "-r base.txt\n");
    assert_snapshot!(test.refused(3, HOST), @r"
    × requirements.txt, line 1, includes `base.txt`, and there is no such file
    help: correct the line or add the file; the path counts from the folder of the file that includes it
    ");
}

#[test]
fn a_uv_lock_out_of_step_is_refused() {
    let test = locked();
    let project = test.read("site/pyproject.toml").replace("django==5.2.1", "django==5.2.2");
    test.write("site/pyproject.toml", project);
    let told = test.refused(3, HOST);
    assert_snapshot!(without_uvs_words(&told, "needs to be updated"), @r"
    × `[here]/site/uv.lock` is out of step with the project's `pyproject.toml`
    help: run `uv lock` in the project, look at what changed, and commit it
    ");
}

#[test]
fn a_uv_lock_with_another_hash_or_broken_off_is_refused() {
    let test = locked();
    let lock = test.read("site/uv.lock");
    test.write("site/uv.lock", with_other_hashes(&lock, "name = \"django\"\nversion", "[[package]]"));
    let told = test.refused(3, HOST);
    assert_eq!(
        test.refused(3, &["lock", "site", "--runtime", "host"]),
        told,
        "what an index has is nobody's own"
    );
    let (what, rest) = told.split_once("\n  help: ").unwrap();
    assert!(
        what.starts_with("  × the wheel of `django` 5.2.1 for ")
            && what.ends_with(" is not in `[here]/site/uv.lock`"),
        "{told}"
    );
    assert!(
        rest.ends_with("if not, someone changed the file in the index: find out before you go on\n"),
        "{told}"
    );

    test.write("site/uv.lock", &lock[..lock.find("url = \"").unwrap() + 30]);
    assert_snapshot!(test.refused(3, HOST), @r"
    × `uv.lock` is broken: it is not valid TOML
    help: take the committed one (`git checkout -- uv.lock`), or remove it and run `uv lock`
    ");
}

#[test]
fn hashed_requirements_must_have_all_their_hashes_and_the_right_ones() {
    let test = site();
    test.write("site/requirements.in", "django==5.2.1\n");
    let compile = ["pip", "compile", "requirements.in", "--generate-hashes", "--universal", "--no-header"];
    test.uv("site", &[&compile[..], &["--no-annotate", "-o", "requirements.txt"]].concat());
    let hashed = test.read("site/requirements.txt");

    let begin = hashed.find("sqlparse==").unwrap();
    let bare_end = begin + hashed[begin..].find(" \\").unwrap();
    let end = begin + hashed[begin..].find("\ntypi").or(hashed[begin..].find("\ntzd")).unwrap();
    test.write("site/requirements.txt", format!("{}{}", &hashed[..bare_end], &hashed[end..]));
    assert_snapshot!(test.refused(3, HOST), @r"
    × `sqlparse` has no SHA-256 in `[here]/site/requirements.txt`, and other packages there have some
    help: give all of them hashes, as `uv pip compile --universal --generate-hashes` and `uv export` do: what has none cannot be told from what someone put in its place
    ");

    test.write("site/requirements.txt", with_other_hashes(&hashed, "django==", "\nsqlparse=="));
    assert_snapshot!(test.refused(3, HOST), @r"
    × the wheel of `django` 5.2.1 for [host] is not in `[here]/site/requirements.txt`
    help: its hash stands there neither under that name nor at all: if the lock was made for one platform or one Python only, make it anew for all (`uv lock`, `uv export`, `uv pip compile --universal --generate-hashes`); if not, someone changed the file in the index: find out before you go on
    ");
}

/// A wheel with nothing but what makes it one.
fn wheel() -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let files = [
        ("demo/__init__.py", ""),
        ("demo-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"),
        ("demo-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
        ("demo-1.0.dist-info/RECORD", ""),
    ];
    for (name, text) in files {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A page of wheels on loopback whose one wheel is not the file that its link promises.
fn lying_index() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let page = format!("<a href=\"demo-1.0-py3-none-any.whl#sha256={}\">demo</a>", Sha256::of("promised"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let asked = lines.next().unwrap_or_default();
            let _ = lines.find(|line| line.is_empty());
            let (kind, body) = match asked.contains(".whl") {
                true => ("application/octet-stream", wheel()),
                false => ("text/html", page.clone().into_bytes()),
            };
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let body = if asked.starts_with("HEAD") { Vec::new() } else { body };
            let _ = stream.write_all(&[head.as_bytes(), &body].concat());
        }
    });
    format!("http://{address}/")
}

#[test]
fn a_wheel_that_is_not_what_was_locked_is_refused() {
    let test = site();
    let index = lying_index();
    test.append("site/requirements.txt", &format!("--find-links {index}\ndemo==1.0\n"));
    let told = test.refused(1, HOST);
    assert!(!told.contains("127.0.0.1"), "{told}");
    let (found, promised) = (Sha256::of(wheel()), Sha256::of("promised"));
    let what = format!("  × `demo-1.0-py3-none-any.whl` has SHA-256 {found}, and the lock says {promised}\n");
    assert!(
        told.starts_with(&what) && told.contains("help: nothing of it was kept: run the command again"),
        "{told}"
    );
}
