//! Body bytes that arrived before the application asked for them: a little in memory, the rest in a file.
//!
//! Only a peer that sends its whole body before it reads any of the answer makes the file necessary. Without it
//! such a peer and an application that answers early would wait for each other.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// What is held in memory.
pub const IN_MEMORY: usize = 128 * 1024;

/// Bytes in the order they came.
#[derive(Debug, Default)]
pub struct Backlog {
    memory: Vec<u8>,
    at: usize,
    spill: Option<Spill>,
}

/// What did not fit, after what is in memory.
#[derive(Debug)]
struct Spill {
    file: File,
    read: u64,
    written: u64,
}

impl Backlog {
    /// What can be taken at once. It is empty only if there is nothing at all.
    pub fn front(&self) -> &[u8] {
        &self.memory[self.at..]
    }

    /// Takes `count` bytes of the front away.
    pub fn consume(&mut self, count: usize) -> io::Result<()> {
        self.at += count;
        if self.at < self.memory.len() {
            return Ok(());
        }
        self.memory.clear();
        self.at = 0;
        let Some(spill) = &mut self.spill else { return Ok(()) };
        spill.file.seek(SeekFrom::Start(spill.read))?;
        let read = (&spill.file).take(IN_MEMORY as u64).read_to_end(&mut self.memory)?;
        spill.read += read as u64;
        if spill.read == spill.written {
            self.spill = None;
        }
        Ok(())
    }

    /// How many bytes there are.
    pub fn remaining(&self) -> u64 {
        let spilt = self.spill.as_ref().map_or(0, |spill| spill.written - spill.read);
        self.front().len() as u64 + spilt
    }

    /// How much more fits in memory.
    pub fn room(&self) -> usize {
        match self.spill {
            Some(_) => 0,
            None => IN_MEMORY.saturating_sub(self.front().len()),
        }
    }

    /// Appends bytes, to a file once memory is used up.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.room() >= bytes.len() {
            // Without this a reader that is always a little behind would let the memory grow with the body.
            self.memory.drain(..self.at);
            self.at = 0;
            self.memory.extend_from_slice(bytes);
            return Ok(());
        }
        if self.spill.is_none() {
            self.spill = Some(Spill { file: tempfile::tempfile()?, read: 0, written: 0 });
        }
        let spill = self.spill.as_mut().expect("just made");
        spill.file.seek(SeekFrom::Start(spill.written))?;
        spill.file.write_all(bytes)?;
        spill.written += bytes.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in_whatever_the_pace() {
        for (push, take) in [(1_000, 700), (70_000, 1_000), (300_000, 299_999), (50_000, 200_000)] {
            let bytes: Vec<u8> = (0..1_500_000u32).map(|n| (n % 251) as u8).collect();
            let mut backlog = Backlog::default();
            let mut out = Vec::new();
            let mut pieces = bytes.chunks(push);
            loop {
                let piece = pieces.next();
                backlog.push(piece.unwrap_or_default()).unwrap();
                let count = backlog.front().len().min(take);
                out.extend_from_slice(&backlog.front()[..count]);
                backlog.consume(count).unwrap();
                assert!(backlog.memory.capacity() <= 4 * IN_MEMORY, "bounded memory");
                if piece.is_none() && backlog.front().is_empty() {
                    break;
                }
            }
            assert!(out == bytes, "pushed by {push}, taken by {take}");
        }
    }
}
