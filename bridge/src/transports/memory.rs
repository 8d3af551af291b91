//! A connection without a peer: everything it will ever say is there from the start.

use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Interest, Readiness, Stream};

/// Input from a buffer, output into another. `--check` and tests answer requests through it.
#[derive(Debug)]
pub struct Memory {
    input: Vec<u8>,
    at: usize,
    output: Arc<Mutex<Vec<u8>>>,
}

impl Memory {
    /// The stream, and the place where its output gathers.
    pub fn new(input: Vec<u8>) -> (Memory, Arc<Mutex<Vec<u8>>>) {
        let output = Arc::default();
        (Memory { input, at: 0, output: Arc::clone(&output) }, output)
    }
}

impl Stream for Memory {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let rest = &self.input[self.at..];
        let taken = rest.len().min(into.len());
        into[..taken].copy_from_slice(&rest[..taken]);
        self.at += taken;
        Ok(taken)
    }

    fn write(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        pieces.iter().for_each(|piece| output.extend_from_slice(piece));
        Ok(pieces.iter().map(|piece| piece.len()).sum())
    }

    fn wait(&mut self, _: Interest, _: Duration) -> io::Result<Readiness> {
        Ok(Readiness { readable: true, writable: true })
    }
}
