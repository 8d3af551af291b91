//! Real projects of several shapes: each is bundled as it lies there, previewed, and asked for its front page and
//! a static file.

mod frontend;
mod locks;
mod places;
mod templates;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::bundle::entries;
use crate::given_runtime_bundle as given;
use crate::harness::{Page, Preview, Test, host};
use crate::runtime_given::{self as runtimes, AMD64};

/// The stylesheet that the front page links to.
pub fn stylesheet(site: &Preview) -> (String, Page) {
    let front = site.get("/");
    assert_eq!(front.status, 200, "{}", front.text());
    let address = front.between("href=\"", "\"");
    let page = site.get(&address);
    assert_eq!(page.status, 200, "{address}");
    (address, page)
}

/// What `manage.py ARGS` prints, run by the release's own Python.
#[track_caller]
pub fn manage(site: &Preview, given: &[(&str, &str)], args: &[&str]) -> String {
    let release = PathBuf::from(site.ready["release"].as_str().unwrap());
    let manifest: Value =
        serde_json::from_slice(&fs_err::read(release.join("holdall.json")).unwrap()).unwrap();
    let within = |part: &str, key: &str| release.join(manifest[part][key].as_str().unwrap());
    let mut python = Command::new(within("python", "program"));
    python.args(["-I", "-B", "-X", "utf8"]).arg(within("django", "manage")).args(args);
    python.env("DJANGO_SETTINGS_MODULE", "holdall_site.settings");
    python.env("HOLDALL_SHARED", release.ancestors().nth(2).unwrap().join("shared"));
    let done = python.envs(given.iter().copied()).current_dir(&release).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\r', "");
    assert!(done.status.success(), "{args:?}: {}{}", text(&done.stdout), text(&done.stderr));
    text(&done.stdout)
}

/// What a bundle for Windows of the project is reported to be; nothing in it is started.
fn windows(test: &Test, project: &str) -> Value {
    given::tools(test);
    let runtime = runtimes::zip(&test.path(""), &runtimes::full("", AMD64, 12, 10));
    given::bundle_of(test, project, &runtime, &["--tools", "tools"])
}

/// The names of the packages inside, sorted.
pub fn packages(manifest: &Value) -> Vec<&str> {
    let layers = manifest["layers"].as_array().unwrap().iter();
    let packages = layers.filter(|layer| layer["kind"] == "package");
    packages.map(|layer| layer["name"].as_str().unwrap()).collect()
}

fn manifest(bundle: &Path) -> Value {
    serde_json::from_slice(&entries(bundle)["holdall.json"]).unwrap()
}

#[test]
fn a_settings_package_one_folder_down_is_served_as_its_wsgi_file_says_from_a_lock_of_uv() {
    let test = Test::empty();
    test.fixture("team", "site");
    // Without a lock the versions are free: they are found, and what is wanted for development stays out.
    let plan = ["bundle", "site", "--plan", "--runtime", "host", "--format", "json"];
    let plan = |test: &Test| -> Value {
        serde_json::from_slice(&test.holdall(plan).success().get_output().stdout).unwrap()
    };
    let loose = plan(&test);
    assert_eq!(loose["project"]["dependencies"]["from"], "pyproject.toml, key `project.dependencies`");
    test.uv("site", &["lock"]);
    let locked = plan(&test);
    assert_eq!(locked["project"]["dependencies"]["from"], "uv.lock");
    assert_eq!(locked["wheels"], loose["wheels"]);
    let names = locked["wheels"].as_array().unwrap().iter().map(|wheel| wheel["name"].as_str().unwrap());
    let names = names.filter(|name| *name != "tzdata"); // Windows has no time zones of its own.
    assert_eq!(names.collect::<Vec<_>>(), ["asgiref", "django", "sqlparse", "whitenoise", "holdall-bridge"]);

    let bundle = test.bundle("site", &[]);
    assert!(bundle.file_name().unwrap().to_str().unwrap().starts_with(&format!("team-shop-2.1-{}", host())));
    let about = manifest(&bundle);
    assert_eq!(about["django"]["settings"], "config.settings.production");
    assert_eq!(about["django"]["manage"], "app/backend/manage.py");
    assert_eq!(about["site"]["static_root"], "www/assets");
    assert_eq!(about["site"]["environment"], serde_json::json!(["DATABASE_URL", "SECRET_KEY"]));
    test.holdall(["preview".as_ref(), bundle.as_os_str()]).code(3);

    let database = "DATABASE_URL=postgresql://rows.example.org/shop";
    let site = test.preview([bundle.as_os_str(), "--env".as_ref(), database.as_ref()]);
    let (address, style) = stylesheet(&site);
    let front = site.get("/").text();
    assert!(front.contains("by holdall_site.settings, with the database on rows.example.org"), "{front}");
    assert!(address.starts_with("/assets/shop/style.") && address != "/assets/shop/style.css", "{address}");
    assert_eq!(style.header("cache-control"), "public, max-age=31536000, immutable");
    let paper = style.between("url(\"", "\"");
    assert!(paper.starts_with("paper.") && paper != "paper.svg", "{paper}");
    assert_eq!(site.get(&format!("/assets/shop/{paper}")).status, 200);
    site.stop();
    let compressed = format!("www{address}.gz");
    assert!(entries(&bundle).contains_key(&compressed), "whitenoise's copy {compressed} is in the bundle");
}

#[test]
fn a_src_layout_with_ready_static_files_takes_its_version_from_git() {
    let test = Test::empty();
    test.fixture("weblog", "site");
    test.git(&["init", "-q"]).git(&["add", "."]).git(&["commit", "-qm", "First"]).git(&["tag", "v1.4"]);
    let bundle = test.bundle("site", &[]);
    let about = manifest(&bundle);
    assert_eq!(about["version"], "v1.4");
    let packages: Vec<_> =
        about["layers"].as_array().unwrap().iter().filter(|layer| layer["kind"] == "package").collect();
    assert_eq!(packages.len(), 3, "{packages:?}");
    let commit = about["commit"].as_str().unwrap();
    assert!(commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit()), "{commit}");

    let site = test.preview([&bundle]);
    let (address, style) = stylesheet(&site);
    assert_eq!(
        (address.as_str(), style.text().as_str()),
        ("/static/css/site.3f9a1c52d07e.css", "p { color: teal; }\n")
    );
    manage(&site, &[("SECRET_KEY", "for a test")], &["check"]);
    site.stop();
    let names = entries(&bundle);
    assert!(
        names.contains_key("app/src/weblog/settings.py")
            && !names.contains_key("app/prebuilt/css/site.3f9a1c52d07e.css")
    );

    // A change that is not committed shows in the version, as often as one bundles it.
    let front = test.read("site/src/weblog/templates/front.html") + "<p>More.</p>\n";
    test.write("site/src/weblog/templates/front.html", front);
    let dirty = test.bundle("site", &[]);
    let version = manifest(&dirty)["version"].as_str().unwrap().to_owned();
    let suffix = version.strip_prefix("v1.4-dirty.").unwrap();
    assert!(suffix.len() == 8 && suffix.chars().all(|c| c.is_ascii_hexdigit()), "{version}");
    test.write("site/db.sqlite3", "no part of a bundle");
    assert_eq!(test.bundle("site", &[]), dirty);
    test.write("site/src/weblog/new.py", "");
    assert_ne!(test.bundle("site", &[]), dirty);
    test.git(&["add", "."]).git(&["commit", "-qm", "Second"]);
    let version = manifest(&test.bundle("site", &[]))["version"].as_str().unwrap().to_owned();
    assert!(version.starts_with("v1.4-1-g"), "{version}");
}

#[test]
fn whatever_a_site_writes_lands_in_its_shared_folder_and_its_release_stays_as_it_was() {
    let test = Test::empty();
    test.fixture("diary", "site");
    // A developer has run it: none of that goes along.
    for left in ["logs/diary.log", "cache/x.djcache", "sessions/sessionid0", "media/old.txt", "db.sqlite3"] {
        test.write(&format!("site/{left}"), "of the developer");
    }
    let bundle = test.bundle("site", &["--version", "1"]);
    let site = test.preview([bundle.as_os_str(), "--root".as_ref(), "server".as_ref()]);
    let (address, style) = stylesheet(&site);
    assert!(site.get("/").text().contains("Das Tagebuch für heute."));
    assert!(address.starts_with("/static/grün.") && address != "/static/grün.css", "{address}");
    assert_eq!(style.text(), "p { color: navy; }\n");
    let release = site.ready["release"].as_str().unwrap().to_owned();
    site.stop();

    test.holdall(["verify", &release]).success();
    let shared = test.path("server").join("site/shared");
    let mut written: Vec<_> = walkdir::WalkDir::new(&shared)
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            entry.path().strip_prefix(&shared).unwrap().components().next().unwrap().as_os_str().to_owned()
        })
        .collect();
    written.sort();
    written.dedup();
    assert_eq!(written, ["cache", "databases", "logs", "media", "sessions"]);
    let log = fs_err::read_to_string(shared.join("logs/diary.log")).unwrap();
    assert_eq!(log.lines().collect::<Vec<_>>(), ["a visit", "a visit"]);
}
