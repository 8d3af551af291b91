//! Listening unix sockets, in a folder of their own.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::net::UnixStream;

pub type Reader = tokio::net::unix::OwnedReadHalf;
pub type Writer = tokio::net::unix::OwnedWriteHalf;

/// What a process gets as its standard input.
pub type Channel = Stdio;

/// The folder of all sockets, removed at the end.
pub struct Channels(tempfile::TempDir);

/// Where one process listens.
pub struct Address(PathBuf);

impl Channels {
    /// Makes the folder, on a path short enough for the 108 bytes that a socket's address has.
    pub fn new() -> io::Result<Channels> {
        let mut folder = std::env::temp_dir();
        if folder.as_os_str().len() > 60 && Path::new("/tmp").is_dir() {
            folder = "/tmp".into();
        }
        tempfile::Builder::new().prefix("holdall-").tempdir_in(folder).map(Channels)
    }

    /// Makes a listening socket, and what hands it to the process as descriptor 0.
    pub fn open(&self, number: u64) -> io::Result<(Address, Channel)> {
        let path = self.0.path().join(number.to_string());
        let listener = UnixListener::bind(&path)?;
        Ok((Address(path), Stdio::from(OwnedFd::from(listener))))
    }
}

impl Address {
    pub async fn connect(&self) -> io::Result<(Reader, Writer)> {
        Ok(UnixStream::connect(&self.0).await?.into_split())
    }
}

impl Drop for Address {
    fn drop(&mut self) {
        // The folder around it is removed at the end, whatever becomes of this.
        let _ = fs_err::remove_file(&self.0);
    }
}
