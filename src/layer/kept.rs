//! The data of an entry of another zip, copied into a layer as they are: who made that zip has deflated them already.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use libdeflater::Decompressor;

use super::pack::inflate;
use crate::archive::positioned::Positioned;
use crate::archive::records::{Method, Record};
use crate::digest::Sha256;
use crate::elf::Glibc;
use crate::target::Target;

/// How much of a file's data is held at once while they are copied.
const PIECE: usize = 256 << 10;

/// Deflated data in another zip. They were inflated once and found right; while they are copied they must still be
/// the same.
#[derive(Debug, Clone)]
pub struct Kept {
    zip: Arc<Positioned>,
    /// Where the data begin in `zip`.
    offset: u64,
    packed: u64,
    /// CRC-32 of the data themselves.
    packed_crc: u32,
    pub(super) size: u64,
    crc: u32,
    pub(super) sha256: Sha256,
    pub(super) glibc: Option<Glibc>,
}

impl Kept {
    /// `packed` are the data that begin at `offset` in `zip`, and `content` is what they inflate to. `None` if they
    /// are no smaller than that.
    pub fn new(
        zip: &Arc<Positioned>,
        offset: u64,
        packed: &[u8],
        content: &[u8],
        sha256: Sha256,
        target: Target,
    ) -> Option<Kept> {
        (packed.len() < content.len()).then(|| Kept {
            zip: Arc::clone(zip),
            offset,
            packed: packed.len() as u64,
            packed_crc: crc32fast::hash(packed),
            size: content.len() as u64,
            crc: crc32fast::hash(content),
            sha256,
            glibc: Glibc::needed_by(content, target),
        })
    }

    /// The zip that the data lie in.
    pub(super) fn zip(&self) -> &Path {
        self.zip.path()
    }

    /// The entry that these data are to be; its offset is still zero.
    pub(super) fn record(&self, name: &str, executable: bool) -> Record {
        let (crc, size, packed) = (self.crc, self.size, self.packed);
        Record { name: name.to_owned(), method: Method::Deflate, crc, size, packed, executable, offset: 0 }
    }

    /// Copies the data, if they are still what they were.
    pub(super) fn copy(&self, to: &mut impl Write) -> Result<(), CopyError> {
        let mut data = self.zip.range(self.offset, self.packed);
        let mut buffer = vec![0; PIECE.min(usize::try_from(self.packed).unwrap_or(PIECE))];
        let mut crc = crc32fast::Hasher::new();
        loop {
            match data.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    crc.update(&buffer[..read]);
                    to.write_all(&buffer[..read]).map_err(CopyError::Write)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(CopyError::Read(error)),
            }
        }
        match crc.finalize() == self.packed_crc {
            true => Ok(()),
            false => Err(CopyError::Changed),
        }
    }

    /// What the data inflate to.
    pub(super) fn content(&self) -> io::Result<Vec<u8>> {
        let changed = || io::Error::new(io::ErrorKind::InvalidData, "it changed while it was read");
        let mut packed = Vec::new();
        self.copy(&mut packed).map_err(|error| match error {
            CopyError::Changed => changed(),
            CopyError::Read(error) | CopyError::Write(error) => error,
        })?;
        let size = usize::try_from(self.size).map_err(|_| changed())?;
        inflate(&packed, size, &mut Decompressor::new()).ok_or_else(changed)
    }
}

/// Why data were not copied.
#[derive(Debug)]
pub(super) enum CopyError {
    Changed,
    Read(io::Error),
    Write(io::Error),
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::layer::pack::{compressor, pack_bytes};

    #[test]
    fn data_are_copied_as_they_are_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let (path, content) = (folder.path().join("a.zip"), b"again and again and again".repeat(9));
        let (_, packed) = pack_bytes("", &content, false, &mut compressor());
        fs_err::write(&path, [b"head", &packed[..], b"tail"].concat()).unwrap();
        let zip = Arc::new(Positioned::open(&path).unwrap());
        let keep =
            |packed: &[u8]| Kept::new(&zip, 4, packed, &content, Sha256::of(&content), Target::LinuxX86_64);
        let kept = keep(&packed).unwrap();
        let mut copied = Vec::new();
        kept.copy(&mut copied).unwrap();
        assert_eq!(copied, packed);
        assert_eq!(kept.content().unwrap(), content);
        assert_eq!(kept.record("a", true).size, content.len() as u64);
        assert!(keep(&content).is_none());

        fs_err::write(&path, [b"head", &packed[1..], b"tail!"].concat()).unwrap();
        assert!(matches!(kept.copy(&mut io::sink()), Err(CopyError::Changed)));
        fs_err::write(&path, "head").unwrap();
        assert!(matches!(kept.copy(&mut io::sink()), Err(CopyError::Changed)));
    }
}
