//! Removing what lies in a folder: never through a link, and as far as it goes.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::durable::{Disk, gone};

/// Something that could not be removed. On Windows mostly because a program runs it or has it open.
#[derive(Debug)]
pub struct Held {
    pub path: PathBuf,
    pub source: io::Error,
}

/// Removes all below `folder` but the files that `keep` wants, and the folders that hold those. Returns what it could
/// not remove; each is tried once.
pub fn clear(disk: &Disk, folder: &Path, keep: impl Fn(&Path) -> bool) -> Vec<Held> {
    let mut held = Vec::new();
    let mut needed = HashSet::new();
    for entry in WalkDir::new(folder).min_depth(1).contents_first(true) {
        let (path, removed) = match entry {
            Ok(entry) => {
                let (path, kind) = (entry.path().to_owned(), entry.file_type());
                let removed = match () {
                    () if kind.is_dir() && needed.contains(&path) => continue,
                    () if kind.is_dir() => disk.remove_folder(&path),
                    () if kind.is_file() && keep(&path) => {
                        need_folders(&mut needed, folder, &path);
                        continue;
                    }
                    // Windows knows links to folders, which are removed as folders are.
                    () if cfg!(windows) && kind.is_symlink() => {
                        disk.remove_file(&path).or_else(|_| disk.remove_folder(&path))
                    }
                    () => disk.remove_file(&path),
                };
                (path, removed)
            }
            Err(error) => (error.path().unwrap_or(folder).to_owned(), Err(error.into())),
        };
        if let Err(source) = gone(removed) {
            need_folders(&mut needed, folder, &path);
            held.push(Held { path, source });
        }
    }
    held
}

/// Notes the folders in which `path` stays: that they are not empty is nothing to tell.
fn need_folders(needed: &mut HashSet<PathBuf>, folder: &Path, path: &Path) {
    let above = path.ancestors().skip(1).take_while(|above| *above != folder);
    // Those above a known one are known, too.
    above.map(Path::to_owned).all(|above| needed.insert(above));
}
