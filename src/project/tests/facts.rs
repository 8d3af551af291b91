//! Version, commit, Python and target, and what FastCGI will not do.

use super::*;

#[test]
fn websockets_are_told_to_stay_outside() {
    let tree = Tree::startproject();
    tree.write("shop/mysite/settings.py", "INSTALLED_APPS = [\n  'daphne',\n]\nWSGI_APPLICATION = 'mysite.wsgi.application'\nASGI_APPLICATION = 'mysite.asgi.application'\n");
    let what =
        "`daphne` is installed (mysite/settings.py, line 2), and FastCGI serves the WSGI application only";
    assert_eq!(notices_about(&tree.project(), "FastCGI"), [what]);
    tree.write("shop/mysite/settings.py", "ASGI_APPLICATION = 'mysite.asgi.application'\n");
    assert_eq!(
        notices_about(&tree.project(), "ASGI_APPLICATION is set (mysite/settings.py, line 1)").len(),
        1
    );
}

#[test]
fn git_gives_the_version_the_commit_and_whether_files_differ() {
    let tree = Tree::startproject();
    tree.git(&["init", "-q"]);
    assert_eq!(tree.project().commit, None, "nothing is committed yet");
    tree.git(&["add", "."]);
    tree.git(&["commit", "-qm", "First"]);
    let project = tree.project();
    let commit = project.commit.clone().unwrap();
    let clean = Changes::default();
    assert_eq!((commit.len(), &project.changes), (40, &clean));
    assert!(commit.starts_with(project.version.value.as_str()) && project.version.from == "git describe");
    tree.git(&["tag", "release/1.2"]);
    found(&tree.project().version, "release-1.2", "git describe");
    tree.write("shop/db.sqlite3", "");
    tree.write("shop/mysite/new.py", "");
    tree.write("shop/holdall.toml", "# nothing yet\n[files]\n");
    let changes = tree.project().changes;
    assert!(!changes.modified && !changes.reach([Path::new("mysite/urls.py")]), "{changes:?}");
    assert!(changes.reach([Path::new("mysite/urls.py"), Path::new("mysite/new.py")]));
    tree.write("shop/holdall.toml", "[files]\nexclude = ['docs']\n");
    assert!(tree.project().changes.modified, "another bundle results, and the commit does not say why");
    tree.remove("shop/holdall.toml");
    tree.remove("shop/mysite/new.py");
    tree.remove("shop/db.sqlite3");
    assert_eq!(tree.project().changes, clean);
    tree.write("shop/mysite/urls.py", "changed = 1\n");
    assert!(tree.project().changes.modified);
    tree.write("shop/pyproject.toml", "[tool.poetry]\nname = 'wine'\nversion = '3.1'\n");
    found(&tree.project().version, "3.1", "pyproject.toml, key `tool.poetry.version`");
}

#[test]
fn a_project_below_a_repository_that_ignores_it_is_not_part_of_it() {
    let tree = Tree::startproject();
    tree.git(&["init", "-q", ".."]);
    tree.git(&["commit", "-q", "--allow-empty", "-m", "First"]);
    let project = tree.project();
    assert_eq!((project.commit, project.changes), (None, Changes::default()));
}

#[test]
fn a_version_that_cannot_be_is_named_with_its_place() {
    let tree = Tree::startproject();
    tree.write("shop/pyproject.toml", "[project]\nname = 'x'\nversion = 'one two'\n");
    tree.check_refused(
        "the project cannot have this version: pyproject.toml, key `project.version`",
        "set `version`",
    );
}

#[test]
fn the_python_wanted_is_looked_for_from_the_particular_to_the_general() {
    let tree = Tree::startproject();
    tree.write("shop/runtime.txt", "python-3.11.9\n");
    found(tree.project().python.as_ref().unwrap(), "==3.11.*", "runtime.txt");
    tree.write("shop/pyproject.toml", "[tool.poetry.dependencies]\npython = '^3.10'\n");
    found(
        tree.project().python.as_ref().unwrap(),
        ">=3.10, <4",
        "pyproject.toml, key `tool.poetry.dependencies.python`",
    );
    tree.write("shop/.python-version", "# here\n3.13.1\n");
    found(tree.project().python.as_ref().unwrap(), "==3.13.*", ".python-version");
    tree.write("shop/.python-version", "shop-env\n");
    let project = tree.project();
    found(
        project.python.as_ref().unwrap(),
        ">=3.10, <4",
        "pyproject.toml, key `tool.poetry.dependencies.python`",
    );
    assert_eq!(notices_about(&project, "says `shop-env`").len(), 1);
    tree.write("shop/holdall.toml", "project.python = '3.12'");
    found(tree.project().python.as_ref().unwrap(), "==3.12.*", "holdall.toml, key `project.python`");
}

#[test]
fn the_python_of_this_machine_makes_it_the_target() {
    let tree = Tree::startproject();
    tree.write("shop/holdall.toml", "runtime.from = 'host'");
    if let Some(host) = Target::host() {
        found(&tree.project().target, host.as_str(), "holdall.toml, key `runtime.from`");
    }
    tree.write("shop/holdall.toml", "runtime.from = '../pythons/python.tar.gz'\ntarget = 'linux-arm64'");
    let project = tree.project();
    found(&project.target, "linux-arm64", "holdall.toml, key `target`");
    let path = tree.path("shop").join("../pythons/python.tar.gz");
    assert_eq!(project.runtime.unwrap().value, RuntimeFrom::Path(path));
}
