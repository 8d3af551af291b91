//! How a FastCGI process is handed its channel, and how it is reached: with [`spawn`](super::spawn) the part of
//! the embedded server that differs from system to system. Elsewhere it is a listening unix socket as
//! descriptor 0; on Windows it is a named pipe as standard input, as IIS does it.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::io;

use tokio::io::AsyncWriteExt as _;

use super::record::{self, Record, Records};

#[cfg(unix)]
pub use unix::{Address, Channel, Channels, Reader, Writer};
#[cfg(windows)]
pub use windows::{Address, Channel, Channels, Reader, Writer};

/// A connection to one process, kept from request to request.
pub struct Connection {
    pub records: Records<Reader>,
    pub writer: Writer,
}

impl Connection {
    /// Connects to the process and waits until it answers: then it is up, and not at work on anything.
    pub async fn ready(address: &Address) -> io::Result<Connection> {
        let (reader, mut writer) = address.connect().await?;
        writer.write_all(&record::ping()).await?;
        let mut records = Records::new(reader);
        match records.next().await? {
            Some(Record::Pong) => Ok(Connection { records, writer }),
            Some(_) => Err(io::ErrorKind::InvalidData.into()),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Whether nothing has come that nobody asked for, such as the end of the connection.
    pub fn is_quiet(&self) -> bool {
        let read = self.records.reader().try_read(&mut [0]);
        self.records.is_empty() && read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}
