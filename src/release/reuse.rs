//! Files of earlier releases: what one of them has need not be unpacked, nor fetched, again.
//!
//! They are copied, and never linked. Two releases that share a file by a hard link share all of it: whoever edits it in
//! place edits both, its rights and its time are one, and a program that runs it holds it for both. Then nothing could
//! be said of one release alone, least of all that it never changes. Nor is anything in an earlier release believed: what
//! is copied has the digest that the new bundle asks for, or it is taken from the bundle.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::time::SystemTime;

use super::{Complete, Slot};
use crate::digest::{Hasher, Sha256};
use crate::durable::{Mode, NewFile};
use crate::layer::IndexedFile;

/// Files above this size pass in pieces.
const WHOLE_UP_TO: u64 = 32 << 20;

/// What earlier releases have, by what their bundles say.
#[derive(Debug, Default)]
pub struct Reuse<'a> {
    by_content: HashMap<(Sha256, u64), (&'a Complete, &'a IndexedFile)>,
    replaced: Option<(&'a Complete, HashMap<&'a str, Sha256>)>,
}

impl<'a> Reuse<'a> {
    /// Of `earlier` releases, of which `replaced` is the one that serves now.
    ///
    /// Below `www/` a file that has not changed since that one keeps its time, so that browsers need not fetch it again.
    /// Only since that one: a file that is as it was two releases ago looks older than what browsers have of the release
    /// between, and they would be told that it has not changed.
    pub fn of(earlier: impl IntoIterator<Item = &'a Complete>, replaced: Option<&'a Complete>) -> Reuse<'a> {
        let mut reuse = Reuse::default();
        for complete in replaced.into_iter().chain(earlier) {
            for file in complete.release.files() {
                reuse.by_content.entry((file.sha256, file.size)).or_insert((complete, file));
            }
        }
        reuse.replaced = replaced.map(|complete| {
            let served = complete.release.files().filter(|file| is_served(file));
            (complete, served.map(|file| (file.path.as_str(), file.sha256)).collect())
        });
        reuse
    }

    /// Copies `file` into the slot if an earlier release has it as the bundle wants it. If not, nothing is there.
    pub(super) fn copy(&self, file: &IndexedFile, slot: &Slot) -> io::Result<bool> {
        let to = file.path.below(slot.root());
        let mode = if file.executable { Mode::Program } else { Mode::Plain };
        let new = || slot.disk().create(&to, mode);
        if let Some((replaced, served)) = &self.replaced
            && served.get(file.path.as_str()) == Some(&file.sha256)
            && let Some(time) = copy(&file.path.below(replaced.root()), file.size, file.sha256, new)?
        {
            time.keep()?;
            return Ok(true);
        }
        let Some((complete, same)) = self.by_content.get(&(file.sha256, file.size)) else { return Ok(false) };
        Ok(copy(&same.path.below(complete.root()), file.size, file.sha256, new)?.is_some())
    }
}

/// A file that was copied, and the time that its original has.
pub(super) struct Copied<'a> {
    new: NewFile<'a>,
    modified: SystemTime,
}

impl Copied<'_> {
    /// Gives the copy the time of the original.
    pub(super) fn keep(self) -> io::Result<()> {
        self.new.set_modified(self.modified)
    }
}

/// Copies a file if it has this size and digest; if not, nothing is there afterwards. Fails only if it cannot be written:
/// what cannot be read, by whatever reason, is not there to be copied.
pub(super) fn copy<'a>(
    from: &Path,
    size: u64,
    sha256: Sha256,
    new: impl FnOnce() -> io::Result<NewFile<'a>>,
) -> io::Result<Option<Copied<'a>>> {
    let Ok((mut source, modified)) = open(from, size) else { return Ok(None) };
    if size <= WHOLE_UP_TO {
        let mut content = Vec::with_capacity(size as usize);
        let read = (&mut source).take(size + 1).read_to_end(&mut content);
        if read.is_err() || Sha256::of(&content) != sha256 {
            return Ok(None);
        }
        let mut new = new()?;
        new.write_all(&content)?;
        return Ok(Some(Copied { new, modified }));
    }
    let mut new = new()?;
    if stream(&mut source, size, &mut new)? != Some(sha256) {
        new.discard()?;
        return Ok(None);
    }
    Ok(Some(Copied { new, modified }))
}

/// Opens a regular file of this size; with it comes its time.
fn open(path: &Path, size: u64) -> io::Result<(File, SystemTime)> {
    let metadata = std::fs::symlink_metadata(path)?;
    if !metadata.is_file() || metadata.len() != size {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok((File::open(path)?, metadata.modified()?))
}

/// The digest of what was copied; `None` if that is not as long as it should be. Fails only if it cannot be written.
fn stream(source: &mut File, size: u64, to: &mut dyn io::Write) -> io::Result<Option<Sha256>> {
    let mut hasher = Hasher::default();
    let mut left = size;
    let mut buffer = vec![0; 1 << 20];
    while left > 0 {
        let read = match source.read(&mut buffer) {
            Ok(read @ 1..) if read as u64 <= left => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            _ => return Ok(None),
        };
        hasher.update(&buffer[..read]);
        to.write_all(&buffer[..read])?;
        left -= read as u64;
    }
    Ok(Some(hasher.finish()))
}

/// Whether browsers get the file as it is, and ask for it by its time.
pub(super) fn is_served(file: &IndexedFile) -> bool {
    file.path.as_str().starts_with("www/")
}
