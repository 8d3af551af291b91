//! Before anything is done with the wheels: is each one what it says to be?
//!
//! Reads their lists, not their contents. Those are held against the lists when the layers are made.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::num::NonZero;
use std::path::Path;

use super::download::Wheel;
use super::error::PackagesError;
use super::parallel::each;
use super::wheel;
use crate::entry;
use crate::python::PythonLayout;
use crate::target::Target;

/// Fails for the first wheel that cannot become a layer, so that none is installed while another is hostile.
pub fn check(wheels: &[Wheel], layout: &PythonLayout, target: Target) -> Result<(), PackagesError> {
    let at_once = std::thread::available_parallelism().map_or(4, NonZero::get);
    each(at_once, wheels, |wheel| {
        let mapped = wheel::map(wheel, layout, target)?;
        entry::check_set(mapped.files.iter().map(|file| &file.path), target)
            .map_err(|source| PackagesError::BadName { wheel: wheel.locked.file_name.clone(), source })?;
        // Of two entries of one name each reader of zips takes the one it likes.
        match entries(&wheel.file)? {
            Some(all) if all != mapped.entries as u64 => {
                let problem = "two of its entries have the same name".to_owned();
                Err(PackagesError::BadWheel { file: wheel.file.clone(), problem })
            }
            _ => Ok(()),
        }
    })
    .map(drop)
}

/// How many entries a zip says it has, if it says so where every zip does.
fn entries(zip: &Path) -> io::Result<Option<u64>> {
    /// The end record without its comment, and the longest comment.
    const END: u64 = 22;
    const COMMENT: u64 = 0xFFFF;
    /// The record before the end record that says where that of a zip64 is.
    const LOCATOR: usize = 20;
    let mut file = File::open(zip)?;
    let length = file.metadata()?.len();
    let tail_at = length.saturating_sub(END + COMMENT + LOCATOR as u64);
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(tail_at))?;
    file.read_to_end(&mut tail)?;
    let number = |bytes: &[u8], at: usize, width: usize| {
        let bytes = bytes.get(at..at + width)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    };
    // Its comment, which may hold anything, ends with the file.
    let is_end = |at: &usize| {
        tail[*at..].starts_with(b"PK\x05\x06")
            && number(&tail, at + 20, 2) == Some((tail.len() - at) as u64 - END)
    };
    let last = tail.len().saturating_sub(END as usize);
    let Some(end) = (0..=last).rev().find(is_end) else { return Ok(None) };
    let entries = number(&tail, end + 10, 2);
    let locator = end.checked_sub(LOCATOR).filter(|at| tail[*at..].starts_with(b"PK\x06\x07"));
    let (Some(0xFFFF), Some(locator)) = (entries, locator) else { return Ok(entries) };
    let mut end = [0; 56];
    file.seek(SeekFrom::Start(number(&tail, locator + 8, 8).unwrap_or(0)))?;
    file.read_exact(&mut end)?;
    Ok(number(&end, 32, 8))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_zip_says_how_many_entries_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.zip");
        for (count, comment) in [(0, ""), (3, "a PK\x05\x06, and more than 22 bytes after it"), (70_000, "")]
        {
            let mut zip = zip::ZipWriter::new(File::create(&file).unwrap());
            zip.set_comment(comment).unwrap();
            let options = zip::write::SimpleFileOptions::default();
            for number in 0..count {
                zip.start_file(format!("{number}"), options).unwrap();
            }
            zip.finish().unwrap().flush().unwrap();
            assert_eq!(entries(&file).unwrap(), Some(count));
        }
        std::fs::write(&file, "no zip").unwrap();
        assert_eq!(entries(&file).unwrap(), None);
    }
}
