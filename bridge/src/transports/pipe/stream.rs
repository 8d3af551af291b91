//! One connection on a pipe.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Duration;

use windows_sys::Win32::Foundation::{ERROR_BROKEN_PIPE, ERROR_NO_DATA, ERROR_PIPE_NOT_CONNECTED};

use super::source::Shared;
use crate::loss::PATIENCE;
use crate::transports::{Interest, Readiness, Stream};
use crate::win32::PipeEnd;

/// Bytes taken at once.
const BUFFER: usize = 64 * 1024;

/// Bytes sent at once. A peer that has not taken all of them within [`PATIENCE`] has lost the request: how many it took
/// is not to be known.
const PIECE: usize = 16 * 1024;

/// The bytes of one client. Dropped, it turns the client away and gives the pipe back.
pub struct PipeStream {
    /// There until the value is dropped.
    end: Option<PipeEnd>,
    shared: Arc<Shared>,
    /// Taken from the pipe while waiting, and not yet asked for.
    ahead: Vec<u8>,
    from: usize,
    to: usize,
    /// Pieces put together.
    gathered: Vec<u8>,
    /// Nothing has failed yet: the other end reads what was sent.
    sound: bool,
}

impl PipeStream {
    pub fn new(end: PipeEnd, shared: Arc<Shared>) -> PipeStream {
        let ahead = vec![0; BUFFER];
        PipeStream { end: Some(end), shared, ahead, from: 0, to: 0, gathered: Vec::new(), sound: true }
    }

    fn operate<T>(
        &mut self,
        limit: Option<Duration>,
        operation: impl FnOnce(&mut PipeEnd, &mut [u8]) -> io::Result<T>,
    ) -> io::Result<T> {
        let end = self.end.as_mut().expect("it is there until the stream is dropped");
        let ahead = &mut self.ahead;
        let result = self.shared.guard.during(limit, || operation(end, ahead));
        // Somebody who was merely slow has not gone, nor has one whom nobody waits for any longer.
        self.sound &= !result.as_ref().is_err_and(is_over);
        result
    }
}

impl Stream for PipeStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.from < self.to {
            let taken = into.len().min(self.to - self.from);
            into[..taken].copy_from_slice(&self.ahead[self.from..self.from + taken]);
            self.from += taken;
            return Ok(taken);
        }
        let there = match self.operate(None, |end, _| end.available()) {
            Ok(0) => return Err(io::ErrorKind::WouldBlock.into()),
            Ok(there) => there.min(into.len()),
            Err(error) if is_over(&error) => return Ok(0),
            Err(error) => return Err(error),
        };
        match self.operate(None, |end, _| end.read(&mut into[..there])) {
            // Somebody wrote no bytes, which is no end.
            Ok(0) => Err(io::ErrorKind::WouldBlock.into()),
            result => result,
        }
    }

    /// Waits until the pipe has taken what it is given: whether it could is nothing that a pipe tells.
    fn write(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut gathered = std::mem::take(&mut self.gathered);
        gathered.clear();
        for piece in pieces {
            let room = PIECE - gathered.len();
            gathered.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        let sent = self.operate(Some(PATIENCE), |end, _| end.write(&gathered));
        // What was cut off may have been taken in part.
        self.sound &= sent.is_ok();
        self.gathered = gathered;
        sent
    }

    fn wait(&mut self, interest: Interest, timeout: Duration) -> io::Result<Readiness> {
        let ready = Readiness { readable: self.from < self.to, writable: true };
        if interest != Interest::Read || ready.readable {
            return Ok(ready);
        }
        // Without time it is a question: a wait that is broken off at once might miss what is there.
        if timeout.is_zero() && matches!(self.operate(None, |end, _| end.available()), Ok(0)) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let limit = (!timeout.is_zero() && timeout < Duration::MAX).then_some(timeout);
        loop {
            match self.operate(limit, |end, ahead| end.read(ahead)) {
                Ok(0) if timeout.is_zero() => return Err(io::ErrorKind::TimedOut.into()),
                Ok(0) => {}
                Ok(read) => {
                    (self.from, self.to) = (0, read);
                    return Ok(Readiness { readable: true, writable: true });
                }
                // The next read tells of it.
                Err(error) if is_over(&error) => return Ok(Readiness { readable: true, writable: true }),
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until the client has read all: turning it away would take from it what it has not.
    fn end_output(&mut self) {
        if self.sound {
            // One that reads no more is turned away all the same.
            let _ = self.operate(Some(PATIENCE), |end, _| end.flush());
        }
    }

    fn is_half_duplex(&self) -> bool {
        true
    }
}

impl Drop for PipeStream {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            self.shared.take_back(end);
        }
    }
}

/// Whether the other end is gone.
fn is_over(error: &io::Error) -> bool {
    let gone = [ERROR_BROKEN_PIPE, ERROR_PIPE_NOT_CONNECTED, ERROR_NO_DATA];
    error.raw_os_error().is_some_and(|code| gone.iter().any(|gone| *gone as i32 == code))
}
