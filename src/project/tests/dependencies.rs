//! Which files give the dependencies.

use super::*;

#[test]
fn locks_come_before_requirements_and_those_before_pyproject() {
    let tree = Tree::startproject();
    tree.write("shop/pyproject.toml", "[project]\nname = 'x'\nversion = '1'\ndependencies = ['Django']\n");
    assert_eq!(tree.project().dependencies.from, "requirements.txt");
    assert_eq!(notices_about(&tree.project(), "lists some too").len(), 1);
    tree.write("shop/pylock.toml", "");
    tree.write("shop/pylock.dev.toml", "");
    assert_eq!(tree.project().dependencies.from, "pylock.toml");
    tree.write("shop/pylock.windows-x86_64.toml", "");
    assert_eq!(tree.project().dependencies.from, "pylock.windows-x86_64.toml");
    tree.write("shop/uv.lock", "version = 1\nrequires-python = '>=3.12'\n");
    tree.write("shop/holdall.toml", "[packages]\ngroups = ['prod']\n");
    let project = tree.project();
    let (lock, folder) = (tree.path("shop/uv.lock"), tree.path("shop"));
    let expected =
        Dependencies::UvLock { lock, project: folder, extras: vec![], groups: vec!["prod".to_owned()] };
    assert_eq!(project.dependencies.value, expected);
    found(project.python.as_ref().unwrap(), ">=3.12", "uv.lock, key `requires-python`");
}

#[test]
fn a_lock_of_a_workspace_is_read_for_the_member_that_is_the_project() {
    let tree = Tree::new(&[
        ("shop/pyproject.toml", "[tool.uv.workspace]\nmembers = ['web']\n"),
        ("shop/uv.lock", "version = 1\n"),
        ("shop/web/pyproject.toml", "[project]\nname = 'web'\nversion = '1'\ndependencies = ['Django']\n"),
        ("shop/web/manage.py", &MANAGE.replace("THEM", "mysite.settings")),
        ("shop/web/mysite/settings.py", SETTINGS),
        ("shop/web/mysite/wsgi.py", &WSGI.replace("THEM", "mysite.settings")),
    ]);
    let (lock, project) = (tree.path("shop/uv.lock"), tree.path("shop/web"));
    let expected = Dependencies::UvLock { lock, project, extras: vec![], groups: vec![] };
    assert_eq!(tree.project().dependencies.value, expected);
}

#[test]
fn the_configuration_chooses_dependencies() {
    let tree = Tree::startproject();
    tree.write("shop/pyproject.toml", "[project]\nname = 'x'\nversion = '1'\ndependencies = ['Django']\n");
    tree.write("shop/holdall.toml", "packages.requirements = ['pyproject.toml']\n");
    let project = tree.project();
    assert!(matches!(project.dependencies.value, Dependencies::Pyproject { .. }));
    assert_eq!(project.dependencies.from, "holdall.toml, key `packages.requirements`");
    assert!(notices_about(&project, "lists some too").is_empty());
    tree.write(
        "shop/holdall.toml",
        "packages.requirements = ['requirements.txt']\npackages.extras = ['x']\n",
    );
    assert_eq!(notices_about(&tree.project(), "key `packages.extras` has no effect").len(), 1);
    tree.write("shop/holdall.toml", "packages.lock = 'requirements.txt'\n");
    tree.check_refused(
        "wrong value: holdall.toml, key `packages.lock` is `requirements.txt`, which is no lock that holdall reads",
        "`packages.requirements`",
    );
    tree.write(
        "shop/holdall.toml",
        "packages.lock = 'x.lock'\npackages.requirements = ['requirements.txt']\n",
    );
    let (error, _) = tree.refused();
    assert!(error.ends_with("and `packages.requirements` is set too"), "{error}");
}

#[test]
fn requirements_in_a_folder_are_chosen_for_production() {
    let tree = Tree::startproject();
    tree.remove("shop/requirements.txt");
    tree.write("shop/requirements/dev.txt", "");
    tree.write("shop/requirements/web.txt", "");
    assert_eq!(tree.project().dependencies.from, "requirements/web.txt");
    tree.write("shop/requirements/worker.txt", "");
    tree.check_refused(
        "cannot tell which requirements are for production: `requirements/dev.txt`, `requirements/web.txt`, `requirements/worker.txt`",
        "set `packages.requirements = [\"requirements/web.txt\"]` in `holdall.toml`",
    );
    tree.write("shop/requirements/base.txt", "");
    assert_eq!(tree.project().dependencies.from, "requirements/base.txt");
    tree.write("shop/requirements/prod.txt", "");
    assert_eq!(tree.project().dependencies.from, "requirements/prod.txt");
}

#[test]
fn a_missing_include_names_its_file_and_line() {
    let tree = Tree::startproject();
    tree.write("shop/requirements.txt", "-r requirements/base.txt\n");
    tree.write("shop/requirements/base.txt", "Django\r\n\r\n-c constraints.txt\r\n-r base.txt\r\n");
    tree.check_refused(
        "requirements/base.txt, line 3, includes `constraints.txt`, and there is no such file",
        "correct the line",
    );
    tree.write("shop/requirements/constraints.txt", "");
    assert_eq!(tree.project().dependencies.from, "requirements.txt");
}

#[test]
fn requirements_saved_as_utf_16_are_refused_with_the_cure() {
    let tree = Tree::startproject();
    let text: Vec<u8> = "\u{feff}Django==5.2\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs_err::write(tree.path("shop/requirements.txt"), text).unwrap();
    tree.check_refused("`requirements.txt` is not UTF-8 text", "Out-File");
}

#[test]
fn without_dependencies_the_error_says_what_was_looked_for_and_what_to_do() {
    let tree = Tree::startproject();
    tree.remove("shop/requirements.txt");
    let start = "no dependencies found in `…/shop`: no `uv.lock`, `pylock.toml`, `poetry.lock`, `Pipfile.lock`, `requirements.txt` or `requirements/*.txt`; ";
    tree.check_refused(&format!("{start}no `pyproject.toml`"), "write a `requirements.txt`");
    tree.write("shop/setup.py", "");
    tree.check_refused(
        &format!("{start}no `pyproject.toml`; `setup.py` is not read"),
        "uv pip compile setup.py",
    );
    tree.write("shop/Pipfile", "[packages]\n");
    tree.check_refused(&format!("{start}no `pyproject.toml`; `Pipfile` is not read"), "run `pipenv lock`");
    tree.remove("shop/Pipfile");
    tree.write("shop/Pipfile.lock", "{}");
    let (error, _) = tree.refused();
    assert!(error.contains("; `Pipfile.lock` has no `Pipfile` beside it; no `pyproject.toml`"), "{error}");
    tree.remove("shop/Pipfile.lock");
    tree.write("shop/pyproject.toml", "[tool.poetry.dependencies]\npython = '^3.11'\n");
    tree.check_refused(
        &format!("{start}`pyproject.toml` has no `project.dependencies`"),
        "run `poetry lock`, and commit the `poetry.lock`",
    );
    tree.write("shop/pyproject.toml", "[project]\nname = 'x'\ndynamic = ['dependencies', 'version']\n");
    let (error, _) = tree.refused();
    assert!(error.contains("`pyproject.toml` leaves its dependencies to the build backend"), "{error}");
    tree.write("shop/pyproject.toml", "[project]\nname = 'x'\ndynamic = ['dependencies']\n[tool.setuptools.dynamic]\ndependencies = { file = ['deps.txt'] }\n");
    tree.write("shop/deps.txt", "Django");
    assert_eq!(
        tree.project().dependencies.value,
        Dependencies::Requirements(vec![tree.path("shop/deps.txt")])
    );
}

#[test]
fn requirements_that_only_install_the_project_give_way_to_pyproject() {
    let tree = Tree::startproject();
    tree.write("shop/requirements.txt", "-e .\n");
    tree.write("shop/pyproject.toml", "[project]\nname = 'x'\nversion = '1'\ndependencies = ['Django']\n");
    assert_eq!(tree.project().dependencies.from, "pyproject.toml, key `project.dependencies`");
}

#[test]
fn the_locks_of_poetry_and_pipenv_come_after_requirements_and_before_what_they_lock() {
    let tree = Tree::startproject();
    tree.write("shop/pyproject.toml", "[project]\nname = 'x'\nversion = '1'\ndependencies = ['Django']\n");
    tree.write("shop/poetry.lock", "");
    tree.write("shop/holdall.toml", "packages.extras = ['web']\npackages.groups = ['prod']\n");
    assert_eq!(tree.project().dependencies.from, "requirements.txt");
    assert_eq!(notices_about(&tree.project(), "`poetry.lock` lists some too").len(), 1);
    tree.remove("shop/requirements.txt");
    let (lock, extras, groups) =
        (tree.path("shop/poetry.lock"), vec!["web".to_owned()], vec!["prod".to_owned()]);
    let project = tree.project();
    assert_eq!(project.dependencies.value, Dependencies::PoetryLock { lock, extras, groups: groups.clone() });
    assert!(notices_about(&project, "has no effect").is_empty());

    tree.remove("shop/poetry.lock");
    tree.write("shop/Pipfile", "[requires]\npython_version = '3.12'\n");
    tree.write("shop/Pipfile.lock", "{}");
    let project = tree.project();
    let lock = tree.path("shop/Pipfile.lock");
    assert_eq!(project.dependencies.value, Dependencies::PipfileLock { lock, categories: groups });
    found(project.python.as_ref().unwrap(), "==3.12.*", "Pipfile, key `requires.python_version`");
    assert_eq!(notices_about(&project, "key `packages.extras` has no effect").len(), 1);

    tree.write("shop/holdall.toml", "packages.lock = 'Pipfile.lock'\n");
    tree.write("shop/requirements.txt", "Django\n");
    assert_eq!(tree.project().dependencies.from, "holdall.toml, key `packages.lock`");
    tree.remove("shop/Pipfile");
    tree.check_refused(
        "wrong value: holdall.toml, key `packages.lock` is `Pipfile.lock`, which has no `Pipfile` beside it",
        "put the lock beside its `Pipfile`",
    );
}
