//! A file that appears under its name whole or not at all.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::ArchiveError;
use crate::held;
use crate::interrupt::Passing;

/// Has `write` write a new file, and puts it in the place of `output` once all of it is on disk. `write` returns what
/// this returns.
pub fn write_whole<T>(
    output: &Path,
    write: impl FnOnce(&mut std::fs::File) -> Result<T, ArchiveError>,
) -> Result<T, ArchiveError> {
    let unwritable = |source| ArchiveError::Unwritable { file: output.to_owned(), source };
    let folder = match output.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs_err::create_dir_all(folder).map_err(unwritable)?;
    sweep(folder);
    let mut part = temporary(folder).map_err(unwritable)?;
    let written = write(part.as_file_mut())?;
    part.as_file().sync_all().map_err(unwritable)?;
    part.hand_over(|part| held::persist(part, output)).map_err(unwritable)?;
    sync_folder(folder).map_err(unwritable)?;
    Ok(written)
}

/// The name of a bundle that is being written.
const PREFIX: &str = ".holdall-";
const SUFFIX: &str = ".part";

/// How long a file may be empty, and nobody hold it, before its run is taken for dead.
const BEGINNING: Duration = Duration::from_secs(60);

/// Removes what runs that were killed have left in `folder`. Whoever still writes holds a lock; one that has only
/// just made its file may not hold it yet, but has written nothing either.
fn sweep(folder: &Path) {
    let parts = std::fs::read_dir(folder).into_iter().flatten().flatten().filter(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let begins = |part: &std::fs::Metadata| {
            part.len() == 0 && part.modified().is_ok_and(|at| at.elapsed().is_ok_and(|age| age < BEGINNING))
        };
        name.starts_with(PREFIX)
            && name.ends_with(SUFFIX)
            && entry.metadata().is_ok_and(|part| part.is_file() && !begins(&part))
    });
    for part in parts {
        let file = std::fs::File::options().write(true).open(part.path());
        if file.is_ok_and(|file| file.try_lock().is_ok()) {
            // If it cannot be removed it is no more in the way than before.
            let _ = std::fs::remove_file(part.path());
        }
    }
}

/// A file that removes itself unless it is renamed, with the rights that any new file has.
fn temporary(folder: &Path) -> io::Result<Passing<tempfile::NamedTempFile>> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let part = Passing::make(|| builder.tempfile_in(folder))?;
    // Held until it is whole. Not every file system can; what is left there then stays.
    let _ = part.as_file().try_lock();
    Ok(part)
}

/// Makes the new name durable, where the system lets folders be synced.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        fs_err::File::open(folder)?.sync_all()?;
    }
    Ok(())
}
