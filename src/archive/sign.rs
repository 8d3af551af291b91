//! A signature for a bundle that is there already: all but its head is copied as it stands, so its identity stays.

use std::io::{self, BufReader, Write as _};
use std::path::Path;

use super::head::Head;
use super::records::End;
use super::whole::write_whole;
use super::{ArchiveError, Bundle};
use crate::progress::{Progress, Running, Stage, Unit};

impl Bundle {
    /// Writes this bundle with `signature` to `output`, which then is whole or untouched. It may be the bundle's own
    /// file. Returns the size of the new file.
    pub fn write_signed(
        self,
        signature: &[u8],
        output: &Path,
        progress: &dyn Progress,
    ) -> Result<u64, ArchiveError> {
        let blocks = self.blocks();
        let length = blocks.end - blocks.start;
        let running = Running::begin(progress, Stage::Assemble, length, Unit::Bytes);
        // The closure takes the bundle with it, so that its file is closed before anything is put in its place.
        write_whole(output, move |signed| {
            let unwritable = |source| ArchiveError::Unwritable { file: output.to_owned(), source };
            keep_mode(self.path(), signed).map_err(unwritable)?;
            let head = Head { manifest: self.manifest_bytes(), signature: Some(signature.to_owned()) };
            let (mut records, bytes) = head.entries();
            signed.write_all(&bytes).map_err(unwritable)?;
            let moved = |offset: u64| offset - blocks.start + bytes.len() as u64;
            for layer in self.layers() {
                let own = [&layer.index_record].into_iter().chain(&layer.records);
                records.extend(own.map(|record| record.at(moved(record.offset))));
            }
            // From the handle that was checked: what has the name by now may be another file.
            let mut content = BufReader::with_capacity(1 << 20, self.file.range(blocks.start, length));
            if io::copy(&mut content, signed).map_err(unwritable)? != length {
                return Err(ArchiveError::Truncated { file: self.path().to_owned() });
            }
            running.advance(length);
            let mut end = Vec::new();
            records.iter().for_each(|record| record.put_central(&mut end));
            let directory_offset = moved(blocks.end);
            let (entries, directory_size) = (records.len() as u64, end.len() as u64);
            end.extend(End { entries, directory_size, directory_offset }.to_bytes());
            signed.write_all(&end).map_err(unwritable)?;
            Ok(directory_offset + end.len() as u64)
        })
    }
}

/// Whoever may read the bundle may read it signed.
fn keep_mode(bundle: &Path, signed: &std::fs::File) -> io::Result<()> {
    if cfg!(unix) {
        signed.set_permissions(fs_err::metadata(bundle)?.permissions())?;
    }
    Ok(())
}
