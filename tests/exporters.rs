//! Locks of poetry and pipenv, exported by the real ones from an index of the story's own.

use std::path::PathBuf;
use std::process::Command;

use insta::assert_snapshot;

use crate::bad_project::site;
use crate::harness::{Test, command, prepared, shared_uv};
use crate::index_server::{Answer, Index};
use crate::lock::wheels_of_the_site;
use crate::runtime_given::{self as given, AMD64};
use crate::shapes::{packages, stylesheet};
use crate::wheels::{Maker, WheelFile};

const LOGIN: &str = "me:hush-4711";

/// The program in the environment that has both exporters.
fn exporter(name: &str) -> PathBuf {
    let python = prepared("HOLDALL_TEST_EXPORTERS");
    python.with_file_name(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// A package for each reason why one may be in a lock: `web` is what the site needs, the other names say it all.
fn wheels() -> Vec<WheelFile> {
    let mut web = Maker::new("web");
    web.requires("needed").requires("windows-only; sys_platform == 'win32'");
    let others = ["needed", "windows_only", "chosen_extra", "other_extra", "chosen_group", "dev_group"];
    [web.build()].into_iter().chain(others.map(|name| Maker::new(name).build())).collect()
}

/// An index of these that wants a name and a password.
fn private() -> Index {
    Index::with(&wheels(), |asked, _, _| {
        let denied = || Answer::status("401 Unauthorized").with("www-authenticate", "Basic realm=\"x\"");
        (!asked.comes_from(LOGIN)).then(denied)
    })
}

/// The site for Windows, without requirements.
fn bare_site() -> Test {
    let test = site();
    fs_err::remove_file(test.path("site/requirements.txt")).unwrap();
    given::zip(&test.path(""), &given::full("", AMD64, 12, 4));
    crate::given_runtime_bundle::tools(&test);
    test
}

fn poetry_site(index: &Index) -> Test {
    let test = bare_site();
    test.append("site/holdall.toml", "[packages]\nextras = [\"chosen\"]\ngroups = [\"production\"]\n");
    test.write(
        "site/pyproject.toml",
        format!(
            "[project]\nname = \"shop\"\nversion = \"1.0\"\nrequires-python = \">=3.10,<4\"\ndependencies = [\"web==1.0\"]\n\
             [project.optional-dependencies]\nchosen = [\"chosen_extra\"]\nother = [\"other_extra\"]\n\
             [tool.poetry]\npackage-mode = false\n\
             [tool.poetry.group.production]\noptional = true\n\
             [tool.poetry.group.production.dependencies]\nchosen_group = \"*\"\n\
             [tool.poetry.group.dev.dependencies]\ndev_group = \"*\"\n\
             [[tool.poetry.source]]\nname = \"ours\"\nurl = \"{}\"\n",
            index.simple("")
        ),
    );
    test
}

fn pipenv_site(index: &Index) -> Test {
    let test = bare_site();
    test.append("site/holdall.toml", "[packages]\ngroups = [\"production\"]\n");
    test.write(
        "site/Pipfile",
        format!(
            "[[source]]\nname = \"ours\"\nverify_ssl = false\nurl = \"{}\"\n\
             [packages]\nweb = \"==1.0\"\n[production]\nchosen_group = \"*\"\n[dev-packages]\ndev_group = \"*\"\n",
            index.simple("${INDEX_LOGIN}@")
        ),
    );
    test
}

impl Test {
    /// Runs an exporter in the site, to lock.
    fn lock_with(&self, name: &str) {
        let mut lock = Command::new(exporter(name));
        lock.arg("lock")
            .current_dir(self.path("site"))
            .envs(logins())
            .env("POETRY_VIRTUALENVS_CREATE", "false");
        let folders =
            [("POETRY_CACHE_DIR", "poetry"), ("PIPENV_CACHE_DIR", "pipenv"), ("WORKON_HOME", "envs")];
        lock.envs(folders.map(|(name, folder)| (name, self.path(folder))));
        let done = lock.output().unwrap();
        let said = [&done.stdout[..], &done.stderr].concat();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&said));
    }

    /// `holdall bundle site --plan`, for Windows or for this machine.
    fn planning(&self, more: &[&str]) -> assert_cmd::Command {
        let args = ["--format", "json", "bundle", "site", "--plan"];
        let mut planning = command(&self.path(""), args.iter().chain(more));
        planning.env("HOLDALL_CACHE", self.path("cache")).env("HOLDALL_UV", &shared_uv().program);
        planning.env("HOLDALL_POETRY", exporter("poetry")).env("HOLDALL_PIPENV", exporter("pipenv"));
        planning.envs(logins());
        if more.contains(&"runtime.zip") {
            planning.env("HOLDALL_TOOLS", self.path("tools"));
        }
        assert_cmd::Command::from_std(planning)
    }

    /// The packages of the plan. Neither it nor what is said holds anything of the index.
    #[track_caller]
    fn planned(&self, more: &[&str]) -> Vec<String> {
        let done = self.planning(more).assert().success();
        let said = [&done.get_output().stdout[..], &done.get_output().stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(!said.contains("hush") && !said.contains("127.0.0.1"), "{said}");
        let plan: serde_json::Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
        let wheels = plan["wheels"].as_array().unwrap().iter();
        let names = wheels.map(|wheel| wheel["name"].as_str().unwrap().to_owned());
        names.filter(|name| name != "holdall-bridge").collect()
    }

    #[track_caller]
    fn refused_plan(&self) -> String {
        self.refusal(&mut self.planning(&HOST))
    }

    /// What is told, with its help. It holds nothing of the index.
    #[track_caller]
    fn refusal(&self, planning: &mut assert_cmd::Command) -> String {
        let done = planning.assert().code(3);
        let said = String::from_utf8(done.get_output().stdout.clone()).unwrap();
        assert!(!said.contains("hush") && !said.contains("127.0.0.1"), "{said}");
        let told: serde_json::Value = serde_json::from_str(&said).unwrap();
        let causes = told["causes"].as_array().unwrap().iter().map(|cause| cause.as_str().unwrap());
        let lines = [told["error"].as_str().unwrap()].into_iter().chain(causes);
        let words = lines.chain(["help:", told["help"].as_str().unwrap()]).collect::<Vec<_>>().join("\n");
        self.words(words.as_bytes())
    }
}

const HOST: [&str; 2] = ["--runtime", "host"];
const WINDOWS: [&str; 2] = ["--runtime", "runtime.zip"];

/// The credentials as each of the tools takes them.
fn logins() -> [(&'static str, &'static str); 3] {
    [
        ("POETRY_HTTP_BASIC_OURS_USERNAME", "me"),
        ("POETRY_HTTP_BASIC_OURS_PASSWORD", "hush-4711"),
        ("INDEX_LOGIN", LOGIN),
    ]
}

#[test]
fn a_poetry_lock_gives_its_main_group_and_what_is_configured() {
    let index = private();
    let test = poetry_site(&index);
    test.lock_with("poetry");
    assert_eq!(test.planned(&HOST), ["chosen-extra", "chosen-group", "needed", "web"]);
    assert_eq!(test.planned(&WINDOWS), ["chosen-extra", "chosen-group", "needed", "web", "windows-only"]);

    // The credentials that poetry has serve for the wheels too. The site has no Django, which is told of after them.
    let mut bundling = command(&test.path(""), ["bundle", "site", "--runtime", "host"]);
    bundling.env("HOLDALL_CACHE", test.path("cache")).env("HOLDALL_UV", &shared_uv().program);
    bundling.env("HOLDALL_POETRY", exporter("poetry")).envs(logins());
    let done = assert_cmd::Command::from_std(bundling).assert().code(3);
    let told = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
    assert!(told.contains("No module named 'django'") && !told.contains("hush"), "{told}");
    assert_eq!(index.asked_for_wheels().iter().filter(|asked| asked.comes_from(LOGIN)).count(), 4);

    let project = test.read("site/pyproject.toml");
    test.write("site/pyproject.toml", project.replace("web==1.0", "web>=1.0"));
    assert_snapshot!(test.refused_plan(), @r"
    `[here]/site/poetry.lock` is out of step with the project's `pyproject.toml`
    pyproject.toml changed significantly since poetry.lock was last generated. Run `poetry lock` to fix the lock file.
    help:
    run `poetry lock` in the project, look at what changed, and commit it
    ");
    test.write("site/pyproject.toml", project);
    test.write("site/holdall.toml", "name = \"shop\"\nversion = \"1.0\"\npackages.groups = [\"nothing\"]\n");
    assert_snapshot!(test.refused_plan(), @r"
    poetry cannot export `[here]/site/poetry.lock`
    Group(s) not found: nothing (via --with)
    help:
    mend what it names: `poetry export --output requirements.txt` has to work in the folder of the lock
    ");
}

/// A wheel that somebody else made, for an index to serve.
fn served((file_name, bytes): (String, Vec<u8>)) -> WheelFile {
    let mut parts = file_name.splitn(3, '-');
    let [project, version] = [(); 2].map(|()| parts.next().unwrap());
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(&bytes)).unwrap();
    let metadata = format!("{project}-{version}.dist-info/METADATA");
    let metadata = std::io::read_to_string(zip.by_name(&metadata).unwrap()).unwrap();
    WheelFile { project: project.to_owned(), file_name, bytes, metadata }
}

#[test]
fn a_project_of_poetry_is_served_from_its_lock() {
    let test = Test::empty();
    test.fixture("diary", "site");
    let mut wheels: Vec<_> = wheels_of_the_site(&test).into_iter().map(served).collect();
    // What only Windows needs stands in the lock too, and what only the developers do.
    wheels.extend(["tzdata", "dev_group"].map(|name| Maker::new(name).build()));
    let index = Index::of(&wheels);
    fs_err::remove_file(test.path("site/requirements.txt")).unwrap();
    let ask = ["-c", "import sys; print('==%d.%d.*' % sys.version_info[:2])"];
    let python = Command::new(prepared("HOLDALL_TEST_PYTHON")).args(ask).output().unwrap().stdout;
    test.write(
        "site/pyproject.toml",
        format!(
            "[project]\nname = \"diary\"\nversion = \"0.4.0\"\nrequires-python = \"{}\"\ndependencies = [\"django (>=5.2,<5.3)\"]\n\
             [tool.poetry]\npackage-mode = false\n[tool.poetry.group.dev.dependencies]\ndev_group = \"*\"\n\
             [[tool.poetry.source]]\nname = \"ours\"\nurl = \"{}\"\n",
            String::from_utf8(python).unwrap().trim(),
            index.simple("")
        ),
    );
    test.lock_with("poetry");

    let bundle = |poetry: PathBuf| {
        let args = ["--format", "json", "bundle", "site", "--runtime", "host", "--output", "dist"];
        let mut bundle = command(&test.path(""), args);
        bundle.env("HOLDALL_POETRY", poetry);
        assert_cmd::Command::from_std(bundle).assert()
    };
    // It is the lock that counts, and not what it was made from.
    bundle(test.path("no-poetry")).code(3);
    let done = bundle(exporter("poetry")).success();
    let report: serde_json::Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
    let inside = packages(&report["manifest"]);
    assert!(inside.contains(&"django") && !inside.contains(&"dev-group"), "{inside:?}");
    let site = test.preview([test.path(report["path"].as_str().unwrap())]);
    let (_, style) = stylesheet(&site);
    assert_eq!(style.text(), "p { color: navy; }\n");
    site.stop();
}

#[test]
fn a_pipfile_lock_gives_its_packages_and_the_categories_that_are_configured() {
    let index = private();
    let test = pipenv_site(&index);
    test.lock_with("pipenv");
    assert_eq!(test.planned(&HOST), ["chosen-group", "needed", "web"]);

    // pipenv has locked for this machine alone: what Windows needs besides is missed, not left out.
    assert_snapshot!(test.refusal(&mut test.planning(&WINDOWS)), @r"
    Python 3.X on windows-x86_64 needs `windows-only`, which `[here]/site/Pipfile.lock` does not have
    help:
    the lock was made for another platform or another Python: pipenv locks for the machine that it runs on, so run `pipenv lock` on windows-x86_64, or require those packages in the `Pipfile` without a marker
    ");
    let pipfile = test.read("site/Pipfile");
    let cured = pipfile.replace("web = ", "windows-only = \"*\"\nweb = ");
    test.write("site/Pipfile", &cured);
    assert_snapshot!(test.refused_plan(), @r"
    `[here]/site/Pipfile.lock` is out of step with the project's `Pipfile`
    Pipfile.lock is out-of-date. Run $ pipenv lock to update.
    help:
    run `pipenv lock` in the project, look at what changed, and commit it
    ");
    test.lock_with("pipenv");
    assert_eq!(test.planned(&WINDOWS), ["chosen-group", "needed", "web", "windows-only"]);

    test.write("site/holdall.toml", "name = \"shop\"\nversion = \"1.0\"\npackages.groups = [\"nothing\"]\n");
    assert_snapshot!(test.refused_plan(), @r"
    `[here]/site/Pipfile.lock` has no category `nothing`, which the configuration names
    help:
    correct `packages.groups`, or run `pipenv lock`; the lock has `packages`, `dev-packages`, `production`
    ");
    test.write("site/Pipfile.lock", &test.read("site/Pipfile.lock")[..90]);
    assert_snapshot!(test.refused_plan(), @r"
    `[here]/site/Pipfile.lock` is no lock that holdall can read: line 4 is not JSON
    help:
    make the file anew with the tool that wrote it
    ");
}

#[test]
fn without_the_exporter_the_error_says_how_to_get_it_and_how_to_do_without() {
    let test = bare_site();
    test.write("site/pyproject.toml", "[tool.poetry]\npackage-mode = false\n").write("site/poetry.lock", "");
    let without = |name: &str| {
        let mut planning = test.planning(&HOST);
        let others = std::env::split_paths(&std::env::var_os("PATH").unwrap())
            .filter(|folder| {
                ["", ".exe", ".cmd", ".bat"].iter().all(|end| !folder.join(format!("{name}{end}")).exists())
            })
            .collect::<Vec<_>>();
        planning.env("PATH", std::env::join_paths(others).unwrap());
        planning.env_remove("HOLDALL_POETRY").env_remove("HOLDALL_PIPENV");
        test.refusal(&mut planning)
    };
    assert_snapshot!(without("poetry"), @r"
    only poetry reads `[here]/site/poetry.lock`, and there is none on PATH
    help:
    install it (`pipx install poetry`, then `poetry self add poetry-plugin-export`), or name the program in HOLDALL_POETRY; or commit what it makes of the lock (`poetry export --output requirements.txt`) and set `packages.requirements` in `holdall.toml` to that
    ");
    for file in ["pyproject.toml", "poetry.lock"] {
        fs_err::remove_file(test.path(&format!("site/{file}"))).unwrap();
    }
    test.write("site/Pipfile", "").write("site/Pipfile.lock", "{}");
    assert_snapshot!(without("pipenv"), @r"
    only pipenv reads `[here]/site/Pipfile.lock`, and there is none on PATH
    help:
    install it (`pipx install pipenv`), or name the program in HOLDALL_PIPENV; or commit what it makes of the lock (`pipenv requirements --hash > requirements.txt`) and set `packages.requirements` in `holdall.toml` to that
    ");
}

#[test]
fn an_exporter_that_cannot_export_is_told_of() {
    let index = private();
    let test = poetry_site(&index);
    test.write("site/poetry.lock", "");
    assert_snapshot!(test.refused_plan(), @r"
    `[here]/site/poetry.lock` is out of step with the project's `pyproject.toml`
    pyproject.toml changed significantly since poetry.lock was last generated. Run `poetry lock` to fix the lock file.
    help:
    run `poetry lock` in the project, look at what changed, and commit it
    ");

    // A poetry without its plugin, as most are.
    let lonely = test.path("lonely-poetry");
    test.write(
        "lonely-poetry",
        format!("#!/bin/sh\nexec '{}' --no-plugins \"$@\"\n", exporter("poetry").display()),
    );
    let made = Command::new("chmod").arg("+x").arg(&lonely).status().unwrap();
    assert!(made.success());
    assert_snapshot!(test.refusal(test.planning(&HOST).env("HOLDALL_POETRY", &lonely)), @r"
    this poetry cannot export `[here]/site/poetry.lock`: its plugin for that is missing
    help:
    add it: `poetry self add poetry-plugin-export`, or `pipx inject poetry poetry-plugin-export`
    ");
    let absent = test.path("absent-poetry");
    assert_snapshot!(test.refusal(test.planning(&HOST).env("HOLDALL_POETRY", &absent)), @r"
    cannot run `[here]/absent-poetry` as poetry
    No such file or directory (os error 2)
    help:
    let HOLDALL_POETRY name a working program, or unset it
    ");
}
