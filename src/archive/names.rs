//! The names of a whole bundle, all layers together.

use std::path::Path;

use super::{ArchiveError, SIGNATURE};
use crate::entry::{self, EntryPath};
use crate::layer::Index;
use crate::layer::index;
use crate::manifest::MANIFEST;
use crate::target::Target;

/// Checks the names of all layers against each other and against holdall's own; returns the longest
/// path inside, in the UTF-16 units that Windows counts.
pub fn check<'a>(
    file: &Path,
    indexes: impl Iterator<Item = &'a Index> + Clone,
    target: Target,
) -> Result<u32, ArchiveError> {
    let paths = indexes.flat_map(|index| index.files.iter().map(|file| &file.path));
    if let Some(reserved) = paths.clone().find(|path| is_reserved(path)) {
        return Err(ArchiveError::Reserved { file: file.to_owned(), entry: reserved.to_string() });
    }
    entry::check_set(paths.clone(), target)
        .map_err(|source| ArchiveError::Names { file: file.to_owned(), source })?;
    // An index, `.holdall/<64 digits>.json`, is longer than the other names that every bundle has.
    let own = index::FOLDER.len() + 1 + 64 + ".json".len();
    Ok(paths.map(EntryPath::utf16_len).max().unwrap_or(0).max(own as u32))
}

/// In any case of letters: the same bundle rules hold whatever the target.
fn is_reserved(path: &EntryPath) -> bool {
    let path = path.as_str();
    let first = path.split('/').next().unwrap_or(path);
    first.eq_ignore_ascii_case(index::FOLDER)
        || first.eq_ignore_ascii_case(MANIFEST)
        || first.eq_ignore_ascii_case(SIGNATURE)
}
