//! Reading a file at given places, from several threads, without a shared cursor.

use std::io::{self, Read};
use std::path::Path;

/// A file open for reading.
#[derive(Debug)]
pub struct Positioned {
    file: fs_err::File,
    length: u64,
}

impl Positioned {
    pub fn open(path: &Path) -> io::Result<Positioned> {
        let file = fs_err::File::open(path)?;
        let length = file.metadata()?.len();
        Ok(Positioned { file, length })
    }

    /// A handle for one more thread.
    ///
    /// Windows serialises what is read through one handle, and a duplicate is still the same handle to it:
    /// there the file is opened again. What is read is checked by digest, so another file under the same
    /// name would not go unseen.
    pub fn another(&self) -> io::Result<Positioned> {
        if cfg!(windows) {
            return Positioned::open(self.file.path());
        }
        Ok(Positioned { file: self.file.try_clone()?, length: self.length })
    }

    pub fn length(&self) -> u64 {
        self.length
    }

    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Fills `buffer` with the bytes from `offset` on; an error if the file has fewer.
    pub fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match read_at(self.file.file(), buffer, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    buffer = &mut buffer[read..];
                    offset += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The bytes from `offset` on. The caller has bounded `length`.
    pub fn bytes_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    /// A reader of `length` bytes from `offset` on.
    pub fn range(&self, offset: u64, length: u64) -> Range<'_> {
        Range { file: self, offset, left: length }
    }
}

/// A part of a file, read from its beginning to its end.
pub struct Range<'a> {
    file: &'a Positioned,
    offset: u64,
    left: u64,
}

impl Read for Range<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = read_at(self.file.file.file(), &mut buffer[..wanted], self.offset)?;
        self.offset += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(unix)]
fn read_at(file: &std::fs::File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_at(file: &std::fs::File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}
