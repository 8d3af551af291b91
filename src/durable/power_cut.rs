//! Power cuts, played: what is done to a [`Disk`] is taped, and for every beginning of the tape the folders are built
//! that a disk may show after losing its power there.
//!
//! Until it is synced, a name may or may not be there, and a content may be whole, half, or as long and all zeros, as
//! file systems leave it that write sizes before data. Not every mixture is built: of the names that are not durable
//! all, none, all but the first, or only the last made it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::{Disk, Step, Witness};

/// A step of which the tape has its own copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Taped {
    CreateFolder(PathBuf),
    CreateFile(PathBuf),
    Write(PathBuf, Vec<u8>),
    Rename(PathBuf, PathBuf),
    RemoveFile(PathBuf),
    RemoveFolder(PathBuf),
    SyncFile(PathBuf),
    SyncFolder(PathBuf),
    SyncTree(PathBuf),
}

/// Writes down all that is done to its disk.
#[derive(Debug, Default)]
pub(crate) struct Tape(Mutex<Vec<Taped>>);

impl Tape {
    pub(crate) fn new() -> (Disk, Arc<Tape>) {
        let tape = Arc::new(Tape::default());
        (Disk::watched(tape.clone()), tape)
    }

    pub(crate) fn steps(&self) -> Vec<Taped> {
        self.0.lock().unwrap().clone()
    }
}

impl Witness for Tape {
    fn before(&self, step: Step<'_>) -> io::Result<()> {
        let path = Path::to_owned;
        self.0.lock().unwrap().push(match step {
            Step::CreateFolder(folder) => Taped::CreateFolder(path(folder)),
            Step::CreateFile(file) => Taped::CreateFile(path(file)),
            Step::Write { path: file, bytes } => Taped::Write(path(file), bytes.to_owned()),
            Step::Rename { from, to } => Taped::Rename(path(from), path(to)),
            Step::RemoveFile(file) => Taped::RemoveFile(path(file)),
            Step::RemoveFolder(folder) => Taped::RemoveFolder(path(folder)),
            Step::SyncFile(file) => Taped::SyncFile(path(file)),
            Step::SyncFolder(folder) => Taped::SyncFolder(path(folder)),
            Step::SyncTree(folder) => Taped::SyncTree(path(folder)),
        });
        Ok(())
    }
}

/// What lies in a folder: files with their content, and folders. Paths are whole.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Tree(pub(crate) BTreeMap<PathBuf, Option<Vec<u8>>>);

impl Tree {
    /// What lies below `root`, all of it durable.
    pub(crate) fn of(root: &Path) -> Tree {
        let entries = walkdir::WalkDir::new(root).into_iter().map(|entry| {
            let path = entry.unwrap().into_path();
            let content = path.is_file().then(|| fs_err::read(&path).unwrap());
            (path, content)
        });
        Tree(entries.collect())
    }

    /// Makes what lay below `root` lie below `folder`, which is empty. Modes and times are not played.
    pub(crate) fn build(&self, root: &Path, folder: &Path) {
        for (path, content) in &self.0 {
            let path = folder.join(path.strip_prefix(root).unwrap());
            match content {
                Some(content) => fs_err::write(path, content).unwrap(),
                None if path == folder => {}
                None => fs_err::create_dir(path).unwrap(),
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Names {
    All,
    None,
    AllButTheFirst,
    OnlyTheLast,
}

#[derive(Debug, Clone, Copy)]
enum Contents {
    Whole,
    Half,
    Zeros,
}

/// Calls `check` with each folder that may be left of `root`, which was as `before` says when the tape began; returns
/// how many there were. The first argument says what happened.
pub(crate) fn each_cut(
    before: &Tree,
    root: &Path,
    steps: &[Taped],
    ends: RangeInclusive<usize>,
    mut check: impl FnMut(&str, &Path),
) -> usize {
    let mut seen = HashSet::new();
    for end in ends {
        each_tree(before, steps, end, |cut, tree| {
            if seen.insert(tree.clone()) {
                let folder = scratch();
                tree.build(root, folder.path());
                check(cut, folder.path());
            }
        });
    }
    seen.len()
}

/// Calls `check` with all that may be left when the power goes after so many steps. Some are the same.
pub(crate) fn each_tree(before: &Tree, steps: &[Taped], end: usize, mut check: impl FnMut(&str, &Tree)) {
    let done = &steps[..end];
    let durable = durable(done);
    let next = match steps.get(end) {
        None => "the end".to_owned(),
        Some(Taped::Write(path, bytes)) => format!("{} bytes of {}", bytes.len(), path.display()),
        Some(step) => format!("{step:?}"),
    };
    for names in [Names::All, Names::None, Names::AllButTheFirst, Names::OnlyTheLast] {
        for contents in [Contents::Whole, Contents::Half, Contents::Zeros] {
            let tree = left_after(before, done, &durable, names, contents);
            check(&format!("cut before {next}; names {names:?}, contents {contents:?}"), &tree);
        }
    }
}

/// A temporary folder, in memory where that can be had: these tests sync thousands of times.
pub(crate) fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn left_after(before: &Tree, steps: &[Taped], durable: &Durable, names: Names, contents: Contents) -> Tree {
    let Durable { names: durable_names, contents: durable_contents } = durable;
    let loose: Vec<usize> =
        (0..steps.len()).filter(|at| is_name(&steps[*at]) && !durable_names.contains(at)).collect();
    let made_it = |at: usize| {
        durable_names.contains(&at)
            || match names {
                Names::All => true,
                Names::None => false,
                Names::AllButTheFirst => loose.first() != Some(&at),
                Names::OnlyTheLast => loose.last() == Some(&at),
            }
    };
    // Contents live on under whatever name they have: files are told apart by the step that made them.
    let mut made: HashMap<PathBuf, usize> = HashMap::new();
    let mut bytes: HashMap<usize, Vec<u8>> = HashMap::new();
    let mut shown: BTreeMap<PathBuf, Shown> = BTreeMap::new();
    for (path, content) in &before.0 {
        let shows = match content {
            Some(content) => Shown::Before(content.clone()),
            None => Shown::Folder,
        };
        shown.insert(path.clone(), shows);
    }
    for (at, step) in steps.iter().enumerate() {
        match step {
            Taped::CreateFile(path) => {
                made.insert(path.clone(), at);
                bytes.insert(at, Vec::new());
                if made_it(at) && stands(&shown, path) {
                    shown.insert(path.clone(), Shown::Made(at));
                }
            }
            Taped::Write(path, written) => {
                let Some(file) = made.get(path) else {
                    // At the end of a file that was there before.
                    if let Some(Shown::Before(content)) = shown.get_mut(path) {
                        content.extend(kept(written, durable_contents.contains(&at), contents));
                    }
                    continue;
                };
                let written = kept(written, durable_contents.contains(&at), contents);
                bytes.get_mut(file).unwrap().extend(written);
            }
            Taped::Rename(from, to) => {
                let file = made.remove(from);
                if let Some(file) = file {
                    made.insert(to.clone(), file);
                }
                if made_it(at) {
                    let shows = shown.remove(from).or(file.map(Shown::Made));
                    let shows = shows.filter(|_| stands(&shown, to));
                    shows.map(|shows| shown.insert(to.clone(), shows));
                }
            }
            Taped::CreateFolder(path) if made_it(at) && stands(&shown, path) => {
                shown.insert(path.clone(), Shown::Folder);
            }
            Taped::RemoveFile(path) => {
                made.remove(path);
                if made_it(at) {
                    shown.remove(path);
                }
            }
            Taped::RemoveFolder(path) if made_it(at) && is_empty(&shown, path) => {
                shown.remove(path);
            }
            _ => {}
        }
    }
    let content = |shown: Shown| match shown {
        Shown::Folder => None,
        Shown::Before(content) => Some(content),
        Shown::Made(file) => Some(bytes[&file].clone()),
    };
    Tree(shown.into_iter().map(|(path, shown)| (path, content(shown))).collect())
}

enum Shown {
    Folder,
    Before(Vec<u8>),
    /// By the step of this number.
    Made(usize),
}

/// Whether the folder that is to hold `path` has made it.
fn stands(shown: &BTreeMap<PathBuf, Shown>, path: &Path) -> bool {
    matches!(shown.get(path.parent().unwrap()), Some(Shown::Folder))
}

fn is_empty(shown: &BTreeMap<PathBuf, Shown>, folder: &Path) -> bool {
    !shown.keys().any(|path| path != folder && path.starts_with(folder))
}

fn kept(written: &[u8], durable: bool, contents: Contents) -> Vec<u8> {
    match contents {
        Contents::Half if !durable => written[..written.len() / 2].to_owned(),
        Contents::Zeros if !durable => vec![0; written.len()],
        _ => written.to_owned(),
    }
}

fn is_name(step: &Taped) -> bool {
    !matches!(step, Taped::Write(..) | Taped::SyncFile(_) | Taped::SyncFolder(_) | Taped::SyncTree(_))
}

/// The steps whose names, and those whose contents, no power cut takes back any more.
#[derive(Default)]
struct Durable {
    names: HashSet<usize>,
    contents: HashSet<usize>,
}

fn durable(steps: &[Taped]) -> Durable {
    let mut durable = Durable::default();
    // Where what was written lies by now.
    let mut written: Vec<(usize, &Path)> = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let mut contents = |is_synced: &dyn Fn(&Path) -> bool| {
            let synced = written.iter().filter(|(_, path)| is_synced(path));
            durable.contents.extend(synced.map(|(earlier, _)| *earlier));
        };
        let mut names = |is_synced: &dyn Fn(&Path) -> bool| {
            let synced = |earlier: &usize| places(&steps[*earlier]).iter().all(|path| is_synced(path));
            let synced: Vec<usize> =
                (0..at).filter(|earlier| is_name(&steps[*earlier]) && synced(earlier)).collect();
            for earlier in synced {
                durable.names.insert(earlier);
                // A folder that is gone was empty.
                if let Taped::RemoveFolder(folder) = &steps[earlier] {
                    let inside =
                        |step: &usize| places(&steps[*step]).iter().all(|path| path.starts_with(folder));
                    durable.names.extend((0..earlier).filter(|step| is_name(&steps[*step]) && inside(step)));
                }
            }
        };
        match step {
            Taped::Write(path, _) => written.push((at, path)),
            Taped::Rename(from, to) => {
                written.iter_mut().filter(|(_, path)| path == from).for_each(|(_, path)| *path = to);
            }
            Taped::SyncFile(file) => contents(&|path| path == file),
            Taped::SyncTree(folder) => {
                contents(&|path| path.starts_with(folder));
                names(&|path| path != folder && path.starts_with(folder));
            }
            Taped::SyncFolder(folder) => names(&|path| path.parent() == Some(folder)),
            _ => {}
        }
    }
    durable
}

fn places(step: &Taped) -> Vec<&PathBuf> {
    match step {
        Taped::CreateFolder(path)
        | Taped::CreateFile(path)
        | Taped::RemoveFile(path)
        | Taped::RemoveFolder(path) => vec![path],
        Taped::Rename(from, to) => vec![from, to],
        _ => Vec::new(),
    }
}
