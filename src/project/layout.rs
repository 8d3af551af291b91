//! Where `manage.py` lies, and the folders from which Python imports the project.

use std::path::{Path, PathBuf};

use super::disk;
use super::error::ProjectError;
use super::source;

const MANAGE: &str = "manage.py";

/// How far down a `manage.py` is looked for to say where it is.
const DEEPEST: usize = 4;

/// Finds the project's `manage.py` in `root` or one folder below. Returns its path relative to `root`.
pub fn find_manage(root: &Path) -> Result<PathBuf, ProjectError> {
    let mut found = Vec::new();
    for folder in std::iter::once(root.to_owned()).chain(disk::listing(root)?) {
        if folder.join(MANAGE).is_file() && (folder == root || !is_foreign(&folder)) {
            found.push(folder.join(MANAGE));
        }
    }
    // Other tools call their scripts so too. That only matters when there is a choice.
    if found.len() > 1 && found.iter().any(|path| names_django(path)) {
        found.retain(|path| names_django(path));
    }
    let relative = |path: &PathBuf| path.strip_prefix(root).unwrap_or(path).to_owned();
    match found.as_slice() {
        [] => Err(ProjectError::NotDjango { dir: root.to_owned(), deeper: deeper(root) }),
        [only] => Ok(relative(only)),
        [.., last] => Err(ProjectError::ManyProjects {
            dir: root.to_owned(),
            example: disk::shown(root, last.parent().unwrap_or(root)),
            found: found.iter().map(|path| disk::shown(root, path)).collect(),
        }),
    }
}

/// The folder of the first `manage.py` that lies deeper, as in a repository of many services.
fn deeper(root: &Path) -> Option<String> {
    let ours = |entry: &walkdir::DirEntry| entry.depth() == 0 || !is_foreign(entry.path());
    let below = walkdir::WalkDir::new(root).max_depth(DEEPEST).sort_by_file_name().into_iter();
    let files = below.filter_entry(ours).filter_map(Result::ok);
    let mut files = files.map(walkdir::DirEntry::into_path);
    let manage = files.find(|path| path.ends_with(MANAGE) && names_django(path))?;
    Some(disk::shown(root, manage.parent().unwrap_or(root)))
}

/// Folders that hold other people's code.
fn is_foreign(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') || name == "node_modules" || folder.join("pyvenv.cfg").is_file()
}

fn names_django(manage: &Path) -> bool {
    source::read(manage).is_ok_and(|statements| {
        statements
            .iter()
            .flat_map(|statement| &statement.tokens)
            .any(|token| token.is_name("django") || token.text() == Some(super::mention::VARIABLE))
    })
}

/// The folders on Python's path, relative to the root.
#[derive(Debug, Clone)]
pub struct Roots<'a> {
    pub root: &'a Path,
    /// On the path for certain.
    certain: Vec<PathBuf>,
    /// On the path if the project turns out to live there.
    possible: Vec<PathBuf>,
}

impl Roots<'_> {
    /// The folder of `manage.py`, what the configuration adds, and the usual `src` if it is there.
    pub fn new<'a>(root: &'a Path, manage: &Path, configured: &[PathBuf]) -> Roots<'a> {
        let home = manage.parent().unwrap_or(Path::new("")).to_owned();
        let mut certain = vec![home.clone()];
        for folder in configured {
            if !certain.contains(folder) {
                certain.push(folder.clone());
            }
        }
        let mut possible = vec![home.join("src"), PathBuf::from("src")];
        possible.dedup();
        possible.retain(|folder| !certain.contains(folder) && root.join(folder).is_dir());
        Roots { root, certain, possible }
    }

    /// The file of a module, absolute.
    pub fn file_of(&self, module: &str) -> Option<PathBuf> {
        self.certain
            .iter()
            .chain(&self.possible)
            .find_map(|folder| file_below(&self.root.join(folder), module))
    }

    /// Whether the package in which `module` would lie is the project's own.
    pub fn owns_package_of(&self, module: &str) -> bool {
        let package = module.split('.').next().unwrap_or(module);
        self.folders().any(|folder| {
            folder.join(package).is_dir() || folder.join(package).with_extension("py").is_file()
        })
    }

    /// All folders that may be on the path, absolute.
    pub fn folders(&self) -> impl Iterator<Item = PathBuf> {
        self.certain.iter().chain(&self.possible).map(|folder| self.root.join(folder))
    }

    /// The path that imports all of `modules`: a possible folder is on it when one of them needs it.
    pub fn path_for(&self, modules: &[&str]) -> Vec<PathBuf> {
        let found_in = |folder: &PathBuf, module: &str| file_below(&self.root.join(folder), module).is_some();
        let mut path = self.certain.clone();
        for module in modules {
            if !path.iter().any(|folder| found_in(folder, module)) {
                path.extend(self.possible.iter().find(|folder| found_in(folder, module)).cloned());
            }
        }
        path
    }
}

fn file_below(folder: &Path, module: &str) -> Option<PathBuf> {
    let stem = module.split('.').fold(folder.to_owned(), |path, part| path.join(part));
    // A package comes before a module of the same name, as in Python.
    let file = stem.join("__init__.py");
    if file.is_file() {
        return Some(file);
    }
    let mut file = stem.into_os_string();
    file.push(".py");
    let file = PathBuf::from(file);
    file.is_file().then_some(file)
}
