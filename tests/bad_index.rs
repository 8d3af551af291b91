//! Package indexes that break off, lie, refuse or send somebody elsewhere, while wheels are fetched and while uv asks.

use std::process::Command;

use holdall::digest::Sha256;
use insta::assert_snapshot;

use crate::bad_packages::without_uvs_words;
use crate::bad_project::site;
use crate::harness::{Test, command, host, shared_uv};
use crate::index_server::{Answer, Asked, Index};
use crate::wheels::{Maker, WheelFile};

/// What no message and no bundle may hold.
const LOGIN: &str = "me:hush-4711";

fn wheel(name: &str) -> WheelFile {
    Maker::new(name).add(&format!("{name}/__init__.py"), "x = 1\n".repeat(100)).build()
}

/// A wheel of 6 MB, which nothing packs smaller.
fn large() -> WheelFile {
    let noise = (0..6_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761).rotate_left(n % 31) >> 11) as u8);
    Maker::new("large").add("large/noise.bin", noise.collect::<Vec<_>>()).build()
}

/// The site, which requires the wheels of the index and nothing else.
fn site_of(index_url: &str, names: &[&str]) -> Test {
    let test = site();
    test.write("site/requirements.txt", format!("--index-url {index_url}\n{}\n", names.join("\n")));
    test
}

impl Test {
    /// Bundling the site with an empty cache of its own: what is in it came from the story's index.
    fn bundling(&self, more: &[(&str, &str)]) -> assert_cmd::assert::Assert {
        let mut bundling: Command = command(&self.path(""), ["bundle", "site", "--runtime", "host"]);
        bundling.env("HOLDALL_CACHE", self.path("cache")).env("HOLDALL_UV", &shared_uv().program);
        // What uv itself asks again after a pause is its matter.
        bundling.env("UV_HTTP_RETRIES", "0").envs(more.iter().copied());
        assert_cmd::Command::from_std(bundling).assert()
    }

    /// Bundling fails and says this. Nothing of the index is told, and nothing of its wheels kept.
    #[track_caller]
    fn fails(&self, index: &Index, code: i32, more: &[(&str, &str)]) -> String {
        let done = self.bundling(more).code(code).stdout("");
        let told = String::from_utf8(done.get_output().stderr.clone()).unwrap();
        for secret in [&index.host(), "hush-4711", "127.0.0.1", "://"] {
            assert!(!told.contains(secret), "{told}");
        }
        let kept = walkdir::WalkDir::new(self.path("cache/wheels")).min_depth(1);
        let (folders, files): (Vec<_>, Vec<_>) =
            kept.into_iter().filter_map(Result::ok).partition(|entry| entry.file_type().is_dir());
        // The bridge's wheel is fetched beside.
        let bridge =
            |entry: &walkdir::DirEntry| entry.file_name().to_string_lossy().starts_with("holdall_bridge");
        assert!(files.iter().all(bridge) && folders.len() == files.len(), "{files:?}");
        self.words(&done.get_output().stderr)
    }

    /// Bundling fetches these wheels; that the site has no Django is found out after that.
    #[track_caller]
    fn fetches(&self, wheels: &[WheelFile], more: &[(&str, &str)]) {
        let done = self.bundling(more).code(3);
        let told = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
        assert!(told.contains("No module named 'django'"), "{told}");
        for wheel in wheels {
            let kept = self.path(&format!("cache/wheels/{}/{}", wheel.sha256(), wheel.file_name));
            assert_eq!(fs_err::read(kept).unwrap(), wheel.bytes);
        }
    }
}

/// What the index answers to the question for a wheel; all else is as it should be.
fn for_wheel(
    answer: impl Fn(usize, &Answer) -> Option<Answer> + Send + Sync + 'static,
) -> impl Fn(&Asked, usize, &Answer) -> Option<Answer> + Send + Sync + 'static {
    move |asked, before, due| asked.is_wheel().then(|| answer(before, due)).flatten()
}

fn wrong(due: &Answer) -> Answer {
    Answer::of("application/octet-stream", vec![b'x'; due.body.len()])
}

#[test]
fn an_index_with_passing_troubles_gives_every_wheel() {
    let troubles = ["breaks", "forgets", "changes", "mixes", "busy", "page", "longer", "large", "good"];
    let wheels = troubles.map(|name| match name {
        "large" => large(),
        name => wheel(name),
    });
    let index = Index::with(&wheels, |asked, before, due| {
        let trouble = asked.path.strip_prefix("/files/")?.strip_suffix("-1.0-py3-none-any.whl")?;
        match (trouble, before) {
            ("breaks", 0 | 1) => Some(due.clone().cut(100)),
            // Without a tag nobody knows whether the rest would be that of the same file.
            // A line that breaks often still brings a large file.
            ("large", 0..=3) => Some(due.clone().cut(1_200_000)),
            ("forgets", 0) => Some(due.clone().without("etag").cut(100)),
            ("changes", 0) => Some(wrong(due).with("etag", "\"old\"").cut(80)),
            ("mixes", 0) => Some(wrong(due).with("etag", due.header("etag")).cut(80)),
            ("busy", 0) => Some(Answer::status("503 Service Unavailable").with("retry-after", 2)),
            ("busy", 1) => Some(Answer::status("429 Too Many Requests")),
            // Some servers call all their files pages.
            ("page", _) => Some(due.clone().with("content-type", "text/html")),
            ("longer", 0) => Some(Answer::of("application/octet-stream", [&due.body[..], b"more"].concat())),
            _ => None,
        }
    });
    site_of(&index.simple(""), &troubles).fetches(&wheels, &[]);
    let asked_for = |name: &str| {
        let asked = index.asked_for_wheels().into_iter();
        asked.filter(|asked| asked.path == format!("/files/{name}-1.0-py3-none-any.whl")).collect::<Vec<_>>()
    };
    let ranges =
        |name: &str| asked_for(name).iter().map(|asked| asked.header("range").to_owned()).collect::<Vec<_>>();
    assert_eq!(ranges("breaks"), ["", "bytes=100-", "bytes=200-"]);
    assert_eq!(ranges("forgets"), ["", ""]);
    assert_eq!(ranges("changes"), ["", "bytes=80-"]);
    assert_eq!(ranges("mixes"), ["", "bytes=80-", ""]);
    assert_eq!(ranges("busy"), ["", "", ""]);
    assert_eq!(ranges("page"), [""]);
    assert_eq!(ranges("longer"), ["", ""]);
    assert_eq!(ranges("large"), ["", "bytes=1200000-", "bytes=2400000-", "bytes=3600000-", "bytes=4800000-"]);
    assert_eq!(ranges("good"), [""]);
    let busy = asked_for("busy");
    assert!(busy[1].at - busy[0].at >= std::time::Duration::from_secs(2), "Retry-After was not heeded");
}

#[test]
fn a_wheel_that_was_damaged_in_the_cache_is_fetched_again() {
    let demo = wheel("demo");
    let index = Index::of(std::slice::from_ref(&demo));
    let test = site_of(&index.simple(""), &["demo"]);
    test.fetches(std::slice::from_ref(&demo), &[]);
    let kept = test.path(&format!("cache/wheels/{}/{}", demo.sha256(), demo.file_name));
    for damaged in [&demo.bytes[..50], b"", &vec![b'x'; demo.bytes.len()]] {
        fs_err::write(&kept, damaged).unwrap();
        test.fetches(std::slice::from_ref(&demo), &[]);
    }
    assert_eq!(index.asked_for_wheels().len(), 4);
    // A run that was killed while it wrote leaves a file that no later one takes for a wheel.
    fs_err::rename(&kept, kept.with_file_name(".part-abc")).unwrap();
    test.fetches(&[demo], &[]);
    assert_eq!(index.asked_for_wheels().len(), 5);
}

/// What is told of an index that answers so whenever it is asked for the wheel, and how often that was.
#[track_caller]
fn while_fetching(answer: impl Fn(&Answer) -> Answer + Send + Sync + 'static) -> (String, usize) {
    let demo = wheel("demo");
    let index = Index::with(std::slice::from_ref(&demo), for_wheel(move |_, due| Some(answer(due))));
    let told =
        site_of(&index.simple(&format!("{LOGIN}@")), &["demo"]).fails(&index, 1, &[("UV_HTTP_TIMEOUT", "2")]);
    let told = told.replace(&format!("the {} bytes", demo.bytes.len()), "the [size] bytes");
    (told, index.asked_for_wheels().len())
}

#[test]
fn an_index_that_never_sends_all_is_told_of() {
    let (told, asked) = while_fetching(|due| due.clone().cut(0));
    assert_snapshot!(told, @r"
    × cannot fetch `demo-1.0-py3-none-any.whl`
    ╰─▶ end of file before message length reached
    help: check the network and the proxy, then run the same command again: what is there is kept
    ");
    assert_eq!(asked, 3);
    let (told, asked) = while_fetching(|due| Answer::of("application/octet-stream", &due.body[..100]));
    assert_snapshot!(told, @r"
    × cannot fetch `demo-1.0-py3-none-any.whl`
    ╰─▶ the index sent 100 of the [size] bytes that the lock says
    help: check the network and the proxy, then run the same command again: what is there is kept
    ");
    assert_eq!(asked, 3);
    let (told, asked) = while_fetching(|due| due.clone().hanging(40));
    assert_snapshot!(told, @r"
    × cannot fetch `demo-1.0-py3-none-any.whl`
    ╰─▶ the index sent nothing for 2 s
    help: check the network and the proxy, then run the same command again: what is there is kept
    ");
    assert_eq!(asked, 3);
}

#[test]
fn an_index_that_sends_too_much_is_told_of() {
    let more = |due: &Answer| Answer::of("application/octet-stream", [&due.body[..], b"more"].concat());
    let (told, asked) = while_fetching(more);
    assert_snapshot!(told, @r"
    × cannot fetch `demo-1.0-py3-none-any.whl`
    ╰─▶ the index sends more than the [size] bytes that the lock says
    help: check the network and the proxy, then run the same command again: what is there is kept
    ");
    assert_eq!(asked, 3);
}

#[test]
fn a_wrong_file_is_refused_at_once() {
    let demo = wheel("demo");
    let (found, expected) = (Sha256::of(vec![b'x'; demo.bytes.len()]), demo.sha256());
    let (told, asked) = while_fetching(wrong);
    let told = told.replace(&found.to_string(), "[found]").replace(&expected.to_string(), "[expected]");
    assert_snapshot!(told, @r"
    × `demo-1.0-py3-none-any.whl` has SHA-256 [found], and the lock says [expected]
    help: nothing of it was kept: run the command again; if it stays so, the index or the folder has another file than the one that was locked: find out why, and if it is right, lock anew
    ");
    assert_eq!(asked, 1);
}

#[test]
fn an_index_that_stays_busy_is_told_of() {
    let (told, asked) = while_fetching(|_| Answer::status("503 Service Unavailable"));
    assert_snapshot!(told, @r"
    × the index is too busy to send `demo-1.0-py3-none-any.whl`: it answered 503 Service Unavailable
    help: wait a little, then run the same command again: what is there is kept
    ");
    assert_eq!(asked, 3);
    // Nobody sits before a command that sleeps for an hour.
    let (told, asked) = while_fetching(|_| Answer::status("429 Too Many Requests").with("retry-after", 3600));
    assert_snapshot!(told, @r"
    × the index is too busy to send `demo-1.0-py3-none-any.whl`: it answered 429 Too Many Requests and asks to wait 3600 s
    help: wait a little, then run the same command again: what is there is kept
    ");
    assert_eq!(asked, 1);
}

#[test]
fn an_index_that_gives_no_wheel_is_told_of() {
    let (login_page, asked) =
        while_fetching(|_| Answer::of("text/html; charset=utf-8", "<!doctype html><title>Log in</title>"));
    assert_snapshot!(login_page, @r"
    × the index sent a web page in place of `demo-1.0-py3-none-any.whl`
    help: as a rule that is a login page of the index or of a proxy: check the credentials of the index and the proxy's settings, then run the same command again
    ");
    assert_eq!(asked, 1);
    let (denied, asked) = while_fetching(|_| Answer::status("403 Forbidden"));
    assert_snapshot!(denied, @r"
    × the index does not give `demo-1.0-py3-none-any.whl` to you: it answered 403 Forbidden
    help: name and password for the index are missing or wrong: give them as uv takes them (in the URL of the index, as UV_INDEX_NAME_USERNAME and UV_INDEX_NAME_PASSWORD, or in `~/.netrc`); what only a keyring knows, fetch by hand into a folder (`pip download --dest wheels`) and name that with `--find-links wheels`
    ");
    assert_eq!(asked, 1);
    let (gone, asked) = while_fetching(|_| Answer::status("404 Not Found"));
    assert_snapshot!(gone, @r"
    × the index has no `demo-1.0-py3-none-any.whl`: it answered 404 Not Found
    help: it is gone since it was locked, or another index has it: lock again, or put the file into a folder and name that with `--find-links DIR`
    ");
    assert_eq!(asked, 1);
}

/// An index that wants a name and a password for everything.
fn private(wheel: &WheelFile) -> Index {
    Index::with(std::slice::from_ref(wheel), |asked, _, _| {
        let denied = || Answer::status("401 Unauthorized").with("www-authenticate", "Basic realm=\"x\"");
        (!asked.comes_from(LOGIN)).then(denied)
    })
}

#[test]
fn a_private_index_is_asked_with_the_credentials_that_uv_has() {
    let demo = wheel("demo");
    let index = private(&demo);
    site_of(&index.simple(&format!("{LOGIN}@")), &["demo"]).fetches(std::slice::from_ref(&demo), &[]);

    let test = site();
    test.write("site/requirements.txt", "demo\n");
    let by_url = index.simple(&format!("{LOGIN}@"));
    test.fetches(std::slice::from_ref(&demo), &[("UV_DEFAULT_INDEX", &by_url)]);

    fs_err::remove_dir_all(test.path("cache")).unwrap();
    let named = format!("[[index]]\nname = \"our-own\"\nurl = \"{}\"\ndefault = true\n", index.simple(""));
    test.write("site/uv.toml", named);
    let login = [("UV_INDEX_OUR_OWN_USERNAME", "me"), ("UV_INDEX_OUR_OWN_PASSWORD", "hush-4711")];
    test.fetches(std::slice::from_ref(&demo), &login);

    fs_err::remove_dir_all(test.path("cache")).unwrap();
    test.write("netrc", "machine 127.0.0.1\nlogin me\npassword hush-4711\n");
    test.fetches(&[demo], &[("NETRC", test.path("netrc").to_str().unwrap())]);
}

#[test]
fn credentials_do_not_follow_to_another_host() {
    let demo = wheel("demo");
    let elsewhere = Index::of(std::slice::from_ref(&demo));
    let there = format!("http://{}/files/{}", elsewhere.host(), demo.file_name);
    let index = Index::with(
        std::slice::from_ref(&demo),
        for_wheel(move |_, _| Some(Answer::status("302 Found").with("location", &there))),
    );
    site_of(&index.simple(&format!("{LOGIN}@")), &["demo"]).fetches(&[demo], &[]);
    assert!(index.asked_for_wheels().iter().all(|asked| asked.comes_from(LOGIN)));
    let asked = elsewhere.asked_for_wheels();
    assert_eq!(asked.len(), 1);
    for name in ["authorization", "referer", "cookie"] {
        assert_eq!(asked[0].header(name), "");
    }
}

#[test]
fn a_bundle_holds_no_credential_and_no_address_of_an_index() {
    let index = private(&wheel("demo"));
    let test = site();
    test.append("site/requirements.txt", "demo==1.0\n");
    let mut bundling = command(&test.path(""), ["bundle", "site", "--runtime", "host", "--output", "dist"]);
    bundling.env("UV_EXTRA_INDEX_URL", index.simple(&format!("{LOGIN}@")));
    let done = assert_cmd::Command::from_std(bundling).assert().success();
    let said = [&done.get_output().stdout[..], &done.get_output().stderr].concat();
    let bundle = fs_err::File::open(test.path(&format!("dist/shop-1.0-{}.zip", host()))).unwrap();
    let mut zip = zip::ZipArchive::new(bundle).unwrap();
    let mut files = vec![("what was said".to_owned(), said)];
    for at in 0..zip.len() {
        let mut file = zip.by_index(at).unwrap();
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut content).unwrap();
        files.push((file.name().unwrap().into_owned(), content));
    }
    assert!(files.iter().any(|(name, _)| name.ends_with("demo/__init__.py")));
    for secret in ["hush-4711".to_owned(), index.host()] {
        let holds = |content: &[u8]| content.windows(secret.len()).any(|part| part == secret.as_bytes());
        let found = files.iter().find(|(_, content)| holds(content)).map(|(name, _)| name);
        assert_eq!(found, None, "holds {secret}");
    }
}

/// What is told when uv asks an index that answers so for the page of the package. `code` is that of the command, and
/// `essential` is among uv's words.
#[track_caller]
fn while_uv_asks(
    answer: impl Fn(&Answer) -> Answer + Send + Sync + 'static,
    code: i32,
    essential: &str,
) -> String {
    let index = Index::with(&[wheel("demo")], move |asked, _, due| {
        asked.path.ends_with("/demo/").then(|| answer(due))
    });
    let test = site_of(&index.simple(&format!("{LOGIN}@")), &["demo"]);
    without_uvs_words(&test.fails(&index, code, &[("UV_HTTP_TIMEOUT", "2")]), essential)
}

#[test]
fn an_index_that_fails_while_uv_asks_it_is_told_of() {
    let busy = while_uv_asks(|_| Answer::status("503 Service Unavailable"), 1, "503 Service Unavailable");
    assert_snapshot!(busy, @r"
    × uv cannot reach the package index
    help: check the network and the proxy; without a network, name folders of wheels with `--find-links DIR` and bundle with `--offline`
    ");
    assert_eq!(
        while_uv_asks(|due| due.clone().cut(20), 1, "end of file before message length reached"),
        busy
    );
    assert_eq!(while_uv_asks(|due| due.clone().hanging(20), 1, "operation timed out"), busy);
    assert_eq!(while_uv_asks(|_| Answer::status("500 Internal Server Error"), 1, "500"), busy);
}

#[test]
fn an_index_that_talks_nonsense_to_uv_is_told_of() {
    let json = |_: &Answer| Answer::of("application/vnd.pypi.simple.v1+json", "{\"files\": 7}");
    let nonsense = while_uv_asks(json, 1, "unexpected JSON from `demo`");
    assert_snapshot!(nonsense, @r"
    × what answers uv is no package index, or a broken one
    help: check the URL of the index (it ends in `/simple/` as a rule), its credentials and the proxy: a login page may answer in its place
    ");
    let picture = |_: &Answer| Answer::of("image/png", "x");
    assert_eq!(while_uv_asks(picture, 1, "Unsupported `Content-Type`"), nonsense);
}

#[test]
fn an_index_that_does_not_let_uv_in_is_told_of() {
    let denied = while_uv_asks(|_| Answer::status("401 Unauthorized"), 1, "(401 Unauthorized)");
    assert_snapshot!(denied, @r"
    × the package index does not let uv in
    help: give it name and password: in the URL of the index, as UV_INDEX_NAME_USERNAME and UV_INDEX_NAME_PASSWORD, or in `~/.netrc`; what only a keyring knows, fetch by hand into a folder (`pip download --dest wheels`) and name that with `--find-links wheels`
    ");
    assert_eq!(while_uv_asks(|_| Answer::status("403 Forbidden"), 1, "403 Forbidden"), denied);
}
