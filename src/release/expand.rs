//! A bundle becomes a folder, in parallel; each file counts only once its SHA-256 is right.

use std::collections::{BTreeMap, HashSet};
use std::io::Write as _;
use std::path::Path;

use rayon::prelude::*;

use super::{Release, ReleaseError, Slot};
use crate::archive::{Bundle, BundleFile, CopyError, Reader, SIGNATURE};
use crate::entry::{self, EntryPath};
use crate::layer::{Index, index};
use crate::manifest::MANIFEST;
use crate::progress::{Progress, Running, Stage, Unit};
use crate::target::Target;

/// Longest path that a Windows program takes without asking for more (MAX_PATH), less the final NUL.
const WINDOWS_LIMIT: usize = 259;

/// Expands the whole bundle. If that fails, the slot is empty again.
pub fn expand(bundle: &Bundle, mut slot: Slot, progress: &dyn Progress) -> Result<Release, ReleaseError> {
    let manifest = bundle.manifest();
    check_fits(bundle, slot.root())?;
    slot.begin().map_err(|source| ReleaseError::Unwritable { path: slot.root().to_owned(), source })?;
    let root = slot.root();
    let running = Running::begin(
        progress,
        Stage::Expand,
        manifest.layers.iter().map(|layer| layer.size).sum(),
        Unit::Bytes,
    );
    create_folders(root, bundle)?;
    bundle.read_all(|reader, file| {
        write_file(reader, file, &file.indexed.path.below(root))?;
        running.advance(file.indexed.size);
        Ok::<_, ReleaseError>(())
    })?;
    for layer in bundle.layers() {
        write_new(&root.join(Index::name(&layer.entry.digest)), &bundle.index_bytes(layer)?)?;
    }
    if let Some(signature) = bundle.signature() {
        write_new(&root.join(SIGNATURE), signature)?;
    }
    // Last, as without it the folder is no release.
    write_new(&root.join(MANIFEST), bundle.manifest_bytes())?;
    Ok(Release {
        root: slot.filled(),
        manifest: manifest.clone(),
        identity: bundle.identity(),
        signature: bundle.signature().map(<[u8]>::to_owned),
        vouched: bundle.vouched(),
        indexes: bundle.layers().iter().map(|layer| layer.index.clone()).collect(),
    })
}

/// Whether this system can hold the bundle below `root`, which need not be there; nothing is written.
pub fn check_fits(bundle: &Bundle, root: &Path) -> Result<(), ReleaseError> {
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

/// Holdall itself writes and reads longer paths, Python and IIS do not.
fn fits_windows<'a>(root: &Path, paths: impl Iterator<Item = &'a EntryPath>) -> Result<(), ReleaseError> {
    let Some(longest) = paths.max_by_key(|path| path.utf16_len()) else { return Ok(()) };
    let length = root.to_string_lossy().encode_utf16().count() + 1 + longest.utf16_len() as usize;
    if length > WINDOWS_LIMIT {
        let (folder, path) = (root.to_owned(), longest.to_string());
        return Err(ReleaseError::PathTooLong { folder, path, length, limit: WINDOWS_LIMIT });
    }
    Ok(())
}

fn create_folders(root: &Path, bundle: &Bundle) -> Result<(), ReleaseError> {
    let mut folders = HashSet::from([index::FOLDER]);
    for file in bundle.files() {
        let mut path = file.indexed.path.as_str();
        // Those above a known folder are known, too.
        while let Some((folder, _)) = path.rsplit_once('/').filter(|(folder, _)| folders.insert(folder)) {
            path = folder;
        }
    }
    let mut levels: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for folder in folders {
        levels.entry(folder.matches('/').count()).or_default().push(folder);
    }
    // A folder comes after the one it is in; those beside each other don't wait for one another.
    levels.values().try_for_each(|level| {
        level.par_iter().try_for_each(|folder| {
            let path = folder.split('/').fold(root.to_owned(), |path, part| path.join(part));
            fs_err::create_dir(&path).map_err(|source| ReleaseError::Unwritable { path, source })
        })
    })
}

fn write_file(reader: &mut Reader, file: BundleFile<'_>, path: &Path) -> Result<(), ReleaseError> {
    let unwritable = |source| ReleaseError::Unwritable { path: path.to_owned(), source };
    let mut new = create_new(path, file.indexed.executable).map_err(unwritable)?;
    reader.copy(file, &mut new).map_err(|error| match error {
        CopyError::Archive(error) => error.into(),
        CopyError::Write(source) => unwritable(source),
    })
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), ReleaseError> {
    create_new(path, false)
        .and_then(|mut file| file.write_all(bytes))
        .map_err(|source| ReleaseError::Unwritable { path: path.to_owned(), source })
}

/// Makes a file that was not there, with the mode that the format fixes, whatever the umask.
fn create_new(path: &Path, executable: bool) -> std::io::Result<fs_err::File> {
    let mut options = fs_err::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use fs_err::os::unix::fs::OpenOptionsExt as _;
        use std::os::unix::fs::PermissionsExt as _;
        let mode = if executable { 0o755 } else { 0o644 };
        let file = options.mode(mode).open(path)?;
        // Looking is cheaper than setting what is mostly right: only a narrow umask takes bits away.
        if file.metadata()?.permissions().mode() & 0o7777 != mode {
            file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        }
        Ok(file)
    }
    // Windows goes by the file's extension.
    #[cfg(not(unix))]
    {
        let _ = executable;
        options.open(path)
    }
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

    #[cfg(unix)]
    #[test]
    fn a_narrow_umask_takes_nothing_from_a_file() {
        use std::os::unix::fs::PermissionsExt as _;
        const INSIDE: &str = "HOLDALL_TEST_NARROW_UMASK";
        if std::env::var_os(INSIDE).is_some() {
            let folder = tempfile::tempdir().unwrap();
            for (executable, expected) in [(true, 0o755), (false, 0o644)] {
                let file = create_new(&folder.path().join(expected.to_string()), executable).unwrap();
                assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, expected);
            }
            return;
        }
        // A umask is the whole process's, so the same test runs once more in one of its own.
        let name = "release::expand::tests::a_narrow_umask_takes_nothing_from_a_file";
        let mut narrow = std::process::Command::new("sh");
        narrow.args(["-c", "umask 077; exec \"$0\" --exact \"$1\""]).arg(std::env::current_exe().unwrap());
        let done = narrow.arg(name).env(INSIDE, "1").output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && said.contains("1 passed"), "{said}");
    }
}
