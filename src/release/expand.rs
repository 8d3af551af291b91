//! A bundle becomes a folder, in parallel; each file counts only once its SHA-256 is right.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write as _};
use std::path::Path;

use rayon::prelude::*;

use super::{Release, ReleaseError, Reuse, Slot, leftover, mark};
use crate::archive::{Bundle, BundleFile, CopyError, Reader, SIGNATURE};
use crate::entry::{self, EntryPath};
use crate::layer::{Index, index};
use crate::manifest::MANIFEST;
use crate::progress::{Progress, Running, Stage, Unit};
use crate::target::Target;

/// Longest path that a Windows program takes without asking for more (MAX_PATH), less the final NUL.
pub const WINDOWS_LIMIT: usize = 259;

/// Expands the whole bundle. If that fails, the slot is empty again.
pub fn expand(bundle: &Bundle, mut slot: Slot, progress: &dyn Progress) -> Result<Release, ReleaseError> {
    let release = fill(bundle, &mut slot, &Reuse::default(), progress)?;
    slot.filled();
    Ok(release)
}

/// Makes the slot hold the whole bundle; what lies in it or in earlier releases, and is right, is not unpacked again.
pub(super) fn fill(
    bundle: &Bundle,
    slot: &mut Slot,
    reuse: &Reuse<'_>,
    progress: &dyn Progress,
) -> Result<Release, ReleaseError> {
    let manifest = bundle.manifest();
    check_fits(bundle, slot.root())?;
    slot.begin()?;
    let slot = &*slot;
    let root = slot.root();
    let there = match slot.may_have_leftovers() {
        true => leftover::take_over(slot, bundle)?,
        false => HashSet::new(),
    };
    // What is served and was left over is gone by now, and its folder with it.
    slot.make_guarded()?;
    let running = Running::begin(
        progress,
        Stage::Expand,
        manifest.layers.iter().map(|layer| layer.size).sum(),
        Unit::Bytes,
    );
    create_folders(slot, bundle)?;
    bundle.read_all(|reader, file| {
        if !there.contains(file.indexed.path.as_str()) {
            write_file(slot, reuse, reader, file)?;
        }
        running.advance(file.indexed.size);
        Ok::<_, ReleaseError>(())
    })?;
    for layer in bundle.layers() {
        write_new(slot, &Index::name(&layer.entry.digest), &bundle.index_bytes(layer)?)?;
    }
    if let Some(signature) = bundle.signature() {
        write_new(slot, SIGNATURE, signature)?;
    }
    // Last, as without it the folder is no release.
    write_new(slot, MANIFEST, bundle.manifest_bytes())?;
    Ok(Release {
        root: root.to_owned(),
        manifest: manifest.clone(),
        identity: bundle.identity(),
        signature: bundle.signature().map(<[u8]>::to_owned),
        vouched: bundle.vouched(),
        indexes: bundle.layers().iter().map(|layer| layer.index.clone()).collect(),
    })
}

/// Whether this system can hold the bundle below `root`, which need not be there; nothing is written.
pub fn check_fits(bundle: &Bundle, root: &Path) -> Result<(), ReleaseError> {
    // A bundle that brought its own mark would be complete before it is.
    if let Some(file) = bundle.files().find(|file| mark::is_reserved(&file.indexed.path)) {
        return Err(ReleaseError::Reserved { path: file.indexed.path.clone() });
    }
    if cfg!(windows) {
        windows_holds(bundle)?;
        if bundle.manifest().target.is_windows() {
            fits_windows(root, bundle.files().map(|file| &file.indexed.path))?;
        }
    }
    Ok(())
}

/// A bundle for Linux may have names that Windows, where it is now to be expanded, would bend.
fn windows_holds(bundle: &Bundle) -> Result<(), ReleaseError> {
    let target = bundle.manifest().target;
    let names = |source| ReleaseError::Names { target, source };
    let paths = bundle
        .files()
        .map(|file| EntryPath::parse(file.indexed.path.as_str(), Target::WindowsX86_64))
        .collect::<Result<Vec<_>, _>>()
        .map_err(names)?;
    entry::check_set(&paths, Target::WindowsX86_64).map_err(names)
}

/// The length of the path that a file will have below a folder, as Windows counts it.
pub fn length_below(folder: &Path, file: &EntryPath) -> usize {
    folder.to_string_lossy().encode_utf16().count() + 1 + file.utf16_len() as usize
}

/// Holdall itself writes and reads longer paths, Python and IIS do not.
fn fits_windows<'a>(root: &Path, paths: impl Iterator<Item = &'a EntryPath>) -> Result<(), ReleaseError> {
    let Some(longest) = paths.max_by_key(|path| path.utf16_len()) else { return Ok(()) };
    let length = length_below(root, longest);
    if length > WINDOWS_LIMIT {
        let (folder, path) = (root.to_owned(), longest.to_string());
        return Err(ReleaseError::PathTooLong { folder, path, length, limit: WINDOWS_LIMIT });
    }
    Ok(())
}

fn create_folders(slot: &Slot, bundle: &Bundle) -> Result<(), ReleaseError> {
    let mut folders = HashSet::from([index::FOLDER]);
    for file in bundle.files() {
        let mut path = file.indexed.path.as_str();
        // Those above a known folder are known, too.
        while let Some((folder, _)) = path.rsplit_once('/').filter(|(folder, _)| folders.insert(folder)) {
            path = folder;
        }
    }
    let mut inside: HashMap<&str, Vec<&str>> = HashMap::new();
    for folder in folders {
        let (above, _) = folder.rsplit_once('/').unwrap_or_default();
        inside.entry(above).or_default().push(folder);
    }
    create_inside("", &inside, slot)
}

/// Makes the folders in `above`, and those in them: each after the one it is in, and none waits for those beside it.
fn create_inside(above: &str, inside: &HashMap<&str, Vec<&str>>, slot: &Slot) -> Result<(), ReleaseError> {
    let Some(folders) = inside.get(above) else { return Ok(()) };
    folders.par_iter().try_for_each(|folder| {
        let path = folder.split('/').fold(slot.root().to_owned(), |path, part| path.join(part));
        match slot.disk().create_folder(&path) {
            // With what an earlier run left in it. A link is none: all of them were removed.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made.map_err(|source| ReleaseError::Unwritable { path, source })?,
        }
        create_inside(folder, inside, slot)
    })
}

fn write_file(
    slot: &Slot,
    reuse: &Reuse<'_>,
    reader: &mut Reader,
    file: BundleFile<'_>,
) -> Result<(), ReleaseError> {
    let path = file.indexed.path.below(slot.root());
    let unwritable = |source| ReleaseError::Unwritable { path: path.clone(), source };
    if reuse.copy(file.indexed, slot).map_err(unwritable)? {
        return Ok(());
    }
    let mut new = slot.create(&path, file.indexed.executable).map_err(unwritable)?;
    reader.copy(file, &mut new).map_err(|error| match error {
        CopyError::Archive(error) => error.into(),
        CopyError::Write(source) => unwritable(source),
    })
}

fn write_new(slot: &Slot, name: &str, bytes: &[u8]) -> Result<(), ReleaseError> {
    let path = slot.root().join(name);
    slot.create(&path, false)
        .and_then(|mut file| file.write_all(bytes))
        .map_err(|source| ReleaseError::Unwritable { path, source })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_root_that_would_break_max_path_is_refused_and_the_excess_named() {
        let root = Path::new("C:\\sites\\shop"); // 13 characters
        let fits = |length: usize| {
            let paths = ["app/a", &"p".repeat(length), "app/b"];
            let paths = paths.map(|path| EntryPath::parse(path, Target::WindowsX86_64).unwrap());
            fits_windows(root, paths.iter())
        };
        assert!(fits(245).is_ok());
        let error = fits(250).unwrap_err();
        assert!(matches!(error, ReleaseError::PathTooLong { length: 264, limit: 259, .. }), "{error}");
        assert!(error.to_string().contains(&format!("`{}`", "p".repeat(250))), "{error}");
        let help = miette::Diagnostic::help(&error).unwrap().to_string();
        assert!(help.contains("at least 5 characters shorter"), "{help}");
    }
}
