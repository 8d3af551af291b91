//! The data of a wheel's files, read at their places by as many threads as want to.

use libdeflater::Decompressor;
use zip::CompressionMethod;
use zip::read::ZipFile;

use crate::archive::positioned::Positioned;
use crate::layer::inflate;

/// Deflate packs nothing by more than this.
const DEFLATE_RATIO: u64 = 1032;

/// Where the data of a file lie in the zip.
#[derive(Debug, Clone, Copy)]
pub struct Data {
    pub offset: u64,
    packed: u64,
    /// Unpacked, in bytes, as the zip says it.
    pub size: u64,
    deflated: bool,
}

/// What was read.
pub enum Read {
    /// As it lies in the zip, and unpacked.
    Deflated(Vec<u8>, Vec<u8>),
    Stored(Vec<u8>),
}

impl Read {
    /// What the file holds.
    pub fn content(&self) -> &[u8] {
        let (Read::Deflated(_, content) | Read::Stored(content)) = self;
        content
    }

    pub fn into_content(self) -> Vec<u8> {
        let (Read::Deflated(_, content) | Read::Stored(content)) = self;
        content
    }
}

impl Data {
    /// Of an entry that the zip crate has found sound. The error is the problem.
    pub fn of<R: std::io::Read>(file: &ZipFile<'_, R>) -> Result<Data, String> {
        let deflated = match file.compression() {
            CompressionMethod::Stored => false,
            CompressionMethod::Deflated => true,
            other => return Err(format!("it is packed by {other}, and only deflate is known")),
        };
        let offset = file.data_start().ok_or("it has no data")?;
        Ok(Data { offset, packed: file.compressed_size(), size: file.size(), deflated })
    }

    /// Whether the data are those of the file as they are.
    pub fn is_stored(&self) -> bool {
        !self.deflated
    }

    /// Reads them from `zip`. The error is the problem.
    pub fn read(&self, zip: &Positioned, decompressor: &mut Decompressor) -> Result<Read, String> {
        let not_so_long = || "it is not as long as it says".to_owned();
        // What is said is not believed beyond what there is: it decides how much memory is taken.
        let most = if self.deflated { self.packed.saturating_mul(DEFLATE_RATIO) } else { self.packed };
        if self.size > most || self.packed > zip.length() || !self.deflated && self.size != self.packed {
            return Err(not_so_long());
        }
        let in_memory = |length: u64| usize::try_from(length).map_err(|_| "it is too large".to_owned());
        let data = zip.bytes_at(self.offset, in_memory(self.packed)?).map_err(|error| error.to_string())?;
        if !self.deflated {
            return Ok(Read::Stored(data));
        }
        let content = inflate(&data, in_memory(self.size)?, decompressor)
            .ok_or("its data are damaged, or not as long as it says")?;
        Ok(Read::Deflated(data, content))
    }
}
