//! How a FastCGI process is handed its channel, and how it is reached: the one part of the embedded server
//! that differs from system to system. It is a listening unix socket as descriptor 0; what Windows has for
//! that, a named pipe as standard input, is refused there with a clear word.

use std::io;

use tokio::io::AsyncWriteExt as _;

use super::record::{self, Record, Records};

#[cfg(not(unix))]
pub use self::elsewhere::{Address, Reader, Writer};
#[cfg(unix)]
pub use self::unix::{Address, Reader, Writer};

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

#[cfg(unix)]
mod unix {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixListener;
    use std::path::{Path, PathBuf};
    use std::process::Stdio;

    use tokio::net::UnixStream;

    pub type Reader = tokio::net::unix::OwnedReadHalf;
    pub type Writer = tokio::net::unix::OwnedWriteHalf;

    /// Where one process listens.
    pub struct Address(PathBuf);

    impl Address {
        /// Makes a listening socket in `folder`, and what hands it to the process as descriptor 0.
        pub fn listen(folder: &Path, number: u64) -> io::Result<(Address, Stdio)> {
            let path = folder.join(number.to_string());
            let listener = UnixListener::bind(&path)?;
            Ok((Address(path), Stdio::from(OwnedFd::from(listener))))
        }

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
}

#[cfg(not(unix))]
mod elsewhere {
    use std::convert::Infallible;
    use std::io;
    use std::path::Path;
    use std::process::Stdio;

    pub type Reader = tokio::net::tcp::OwnedReadHalf;
    pub type Writer = tokio::net::tcp::OwnedWriteHalf;

    /// There is none: no process can be handed a channel.
    pub struct Address(Infallible);

    impl Address {
        pub fn listen(_: &Path, _: u64) -> io::Result<(Address, Stdio)> {
            Err(io::Error::new(io::ErrorKind::Unsupported, "holdall serves on Linux only; use IIS here"))
        }

        pub async fn connect(&self) -> io::Result<(Reader, Writer)> {
            match self.0 {}
        }
    }
}
