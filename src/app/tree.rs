//! The files below a folder, with links turned into what they lead to.
//!
//! A link may lead anywhere inside the folder, never out of it and never round in a circle. Which files are
//! wanted is the caller's business; what they contain is not looked at.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ignore::WalkBuilder;

use super::error::AppError;

/// Says whether a file or folder is wanted: its path relative to the root, its path on disk, whether it is a folder.
pub type Wanted = Arc<dyn Fn(&Path, &Path, bool) -> bool + Send + Sync>;

/// The files of `root` that are wanted: path relative to `root` -> path on disk.
///
/// With `git_ignore`, what the `.gitignore` files of the repository ignore is left out, up to its top; outside of one
/// those inside `root` count. The user's own are not read, so that the result is the same on every machine.
pub fn files(root: &Path, git_ignore: bool, wanted: &Wanted) -> Result<BTreeMap<PathBuf, PathBuf>, AppError> {
    let real_root = fs_err::canonicalize(root).map_err(AppError::Unreadable)?;
    let main = scan(root, Path::new(""), git_ignore, wanted)?;
    let mut gathering = Gathering { root: &real_root, main: &main, wanted, files: main.files.clone() };
    for (link, disk) in &main.links {
        gathering.follow(link, disk, &mut Vec::new())?;
    }
    Ok(gathering.files)
}

/// What stands in a folder before links are followed; keys are relative to the root of all.
#[derive(Default)]
struct Scan {
    files: BTreeMap<PathBuf, PathBuf>,
    links: BTreeMap<PathBuf, PathBuf>,
}

/// Reads the folder `disk`, which stands for `prefix`.
fn scan(disk: &Path, prefix: &Path, git_ignore: bool, wanted: &Wanted) -> Result<Scan, AppError> {
    let relative = {
        let (disk, prefix) = (disk.to_owned(), prefix.to_owned());
        move |path: &Path| {
            // Joining an empty path would add a trailing separator.
            let rest = path.strip_prefix(&disk).expect("a walk stays below its start");
            if prefix.as_os_str().is_empty() { rest.to_owned() } else { prefix.join(rest) }
        }
    };
    let mut walk = WalkBuilder::new(disk);
    // Outside of a repository there is no top at which to stop looking upwards.
    let in_repository = disk.ancestors().any(|folder| folder.join(".git").exists());
    walk.standard_filters(false).git_ignore(git_ignore).follow_links(false);
    walk.require_git(in_repository).parents(in_repository);
    walk.filter_entry({
        let (relative, wanted) = (relative.clone(), Arc::clone(wanted));
        move |entry| {
            let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
            entry.depth() == 0 || wanted(&relative(entry.path()), entry.path(), is_folder)
        }
    });
    let mut scan = Scan::default();
    for entry in walk.build() {
        let entry = entry.map_err(|error| AppError::Unreadable(io::Error::other(error)))?;
        if entry.depth() == 0 {
            continue;
        }
        let path = relative(entry.path());
        let found = match entry.file_type() {
            Some(kind) if kind.is_symlink() => &mut scan.links,
            Some(kind) if kind.is_file() => &mut scan.files,
            // Folders are implied by their files; sockets and pipes are no content.
            _ => continue,
        };
        if path.to_str().is_none() {
            let readable = entry.path().ancestors().find(|folder| folder.to_str().is_some());
            return Err(AppError::NotUnicode { folder: readable.unwrap_or(disk).to_owned() });
        }
        found.insert(path, entry.into_path());
    }
    Ok(scan)
}

struct Gathering<'a> {
    root: &'a Path,
    main: &'a Scan,
    wanted: &'a Wanted,
    files: BTreeMap<PathBuf, PathBuf>,
}

impl Gathering<'_> {
    /// Adds what the link at `disk` leads to as `path`. `above` holds the folders that are being followed into.
    fn follow(&mut self, path: &Path, disk: &Path, above: &mut Vec<PathBuf>) -> Result<(), AppError> {
        let link = || disk.to_owned();
        let real = match fs_err::canonicalize(disk) {
            Ok(real) => real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(AppError::LinkDangles { link: link() });
            }
            // Links that lead to each other end here.
            Err(_) => return Err(AppError::LinkCycle { link: link() }),
        };
        let Ok(inside) = real.strip_prefix(self.root) else {
            return Err(AppError::LinkLeaves { link: link(), leads_to: real });
        };
        if real.is_file() {
            self.files.insert(path.to_owned(), disk.to_owned());
            return Ok(());
        }
        let place = disk.parent().map(fs_err::canonicalize).transpose().map_err(AppError::Unreadable)?;
        if place.iter().chain(above.iter()).any(|folder| folder.starts_with(&real)) {
            return Err(AppError::LinkCycle { link: link() });
        }
        let scanned;
        let (content, start) = if self.main.files.keys().any(|file| file.starts_with(inside)) {
            // What was not wanted there is not wanted under another name either.
            (self.main, inside.to_owned())
        } else {
            scanned = scan(&real, path, false, self.wanted)?;
            (&scanned, path.to_owned())
        };
        let renamed = |file: &Path| path.join(file.strip_prefix(&start).expect("filtered to be below it"));
        let below = |entry: &(&PathBuf, &PathBuf)| entry.0.starts_with(&start);
        for (file, disk) in content.files.iter().filter(below) {
            self.files.insert(renamed(file), disk.clone());
        }
        above.push(real.clone());
        for (inner, disk) in content.links.iter().filter(below) {
            self.follow(&renamed(inner), disk, above)?;
        }
        above.pop();
        Ok(())
    }
}
