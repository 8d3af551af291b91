//! Stream sockets, unix and TCP: where to listen, and the connections that come of it.

use std::fmt;
use std::io::{self, IoSlice, Read};
use std::net::ToSocketAddrs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, SockAddr, Socket, Type};

use super::{Interest, Readiness, Stream};

/// Connections the system may hold before they are accepted.
const BACKLOG: i32 = 1024;

/// Where to listen: `unix:PATH` or `tcp:HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    Unix(PathBuf),
    Tcp(String),
}

/// An address that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("`{0}` is no address to listen at")]
#[diagnostic(help("write `unix:PATH` or `tcp:HOST:PORT`"))]
pub struct AddressError(String);

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        let wrong = || AddressError(text.to_owned());
        match text.split_once(':') {
            Some(("unix", path)) if !path.is_empty() => Ok(Address::Unix(PathBuf::from(path))),
            Some(("tcp", place)) => {
                let (host, port) = place.rsplit_once(':').ok_or_else(wrong)?;
                port.parse::<u16>().map_err(|_| wrong())?;
                if host.is_empty() {
                    return Err(wrong());
                }
                Ok(Address::Tcp(place.to_owned()))
            }
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
            Address::Tcp(place) => write!(f, "tcp:{place}"),
        }
    }
}

/// Why an address cannot be listened at.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ListenError {
    #[error("another process listens at `{0}`")]
    #[diagnostic(help("stop that process, or name another address with `--listen`"))]
    Taken(Address),

    #[error("cannot listen at `{address}`: {source}")]
    #[diagnostic(help("check the address, and that this user may listen there"))]
    Refused { address: Address, source: io::Error },
}

/// A listening socket, and the file that stands for it if it made one.
#[derive(Debug)]
pub struct Listener {
    pub socket: Socket,
    pub file: Option<SocketFile>,
}

/// The file of a unix socket; it goes with this value.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl Listener {
    pub fn bind(address: &Address) -> Result<Listener, ListenError> {
        let refused = |source| ListenError::Refused { address: address.clone(), source };
        match address {
            Address::Unix(path) => {
                remove_stale(path, address)?;
                let socket = listen(&SockAddr::unix(path).map_err(refused)?).map_err(refused)?;
                Ok(Listener { socket, file: Some(SocketFile(path.clone())) })
            }
            Address::Tcp(place) => {
                let addresses = place.to_socket_addrs().map_err(refused)?;
                let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
                for found in addresses {
                    match listen(&SockAddr::from(found)) {
                        Ok(socket) => return Ok(Listener { socket, file: None }),
                        Err(error) => last = error,
                    }
                }
                match last.kind() {
                    io::ErrorKind::AddrInUse => Err(ListenError::Taken(address.clone())),
                    _ => Err(refused(last)),
                }
            }
        }
    }

    /// A socket that listens already.
    pub fn from_socket(socket: Socket) -> Listener {
        Listener { socket, file: None }
    }

    /// Where it listens, with the port the system chose if port 0 was asked for.
    pub fn address(&self) -> String {
        match self.socket.local_addr() {
            Ok(address) => match (address.as_socket(), address.as_pathname()) {
                (Some(tcp), _) => format!("tcp:{tcp}"),
                (None, Some(path)) => format!("unix:{}", path.display()),
                (None, None) => "a socket without a name".to_owned(),
            },
            Err(_) => "a socket without a name".to_owned(),
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // It may be gone with its folder; then there is nothing left to do.
        let _ = fs_err::remove_file(&self.0);
    }
}

/// A socket file whose process died stays behind and would be in the way for ever.
fn remove_stale(path: &Path, address: &Address) -> Result<(), ListenError> {
    use std::os::unix::fs::FileTypeExt;
    use std::os::unix::net::UnixStream;
    match fs_err::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs_err::remove_file(path)
                .map_err(|source| ListenError::Refused { address: address.clone(), source }),
            _ => Err(ListenError::Taken(address.clone())),
        },
        _ => Ok(()),
    }
}

fn listen(address: &SockAddr) -> io::Result<Socket> {
    let socket = Socket::new(address.domain(), Type::STREAM, None)?;
    if address.domain() != Domain::UNIX {
        socket.set_reuse_address(true)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// What a unix socket may hold of an answer, so that the end of a large one does not wait until the peer has taken the
/// beginning piece by piece. TCP sees to that itself.
const SEND_BUFFER: usize = 1 << 20;

/// A connection on a stream socket.
#[derive(Debug)]
pub struct SocketStream {
    socket: Socket,
}

impl SocketStream {
    pub fn new(socket: Socket) -> io::Result<SocketStream> {
        socket.set_nonblocking(true)?;
        if socket.local_addr().ok().as_ref().and_then(SockAddr::as_socket).is_some() {
            // Answers leave whole; waiting to join them with later ones would only delay them.
            socket.set_tcp_nodelay(true)?;
        } else {
            // The system gives as much of it as it allows anybody.
            let _ = socket.set_send_buffer_size(SEND_BUFFER);
        }
        Ok(SocketStream { socket })
    }
}

impl Stream for SocketStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        (&self.socket).read(into)
    }

    fn write(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
        const QUIET: i32 = 0x4000; // MSG_NOSIGNAL: an answer nobody takes is an error, not a signal
        #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
        const QUIET: i32 = 0;
        self.socket.send_vectored_with_flags(pieces, QUIET)
    }

    fn wait(&mut self, interest: Interest, timeout: Duration) -> io::Result<Readiness> {
        let flags = match interest {
            Interest::Read => PollFlags::IN,
            Interest::Write => PollFlags::OUT,
            Interest::Either => PollFlags::IN | PollFlags::OUT,
        };
        let mut fds = [PollFd::from_borrowed_fd(self.socket.as_fd(), flags)];
        let limit = Timespec::try_from(timeout).map_err(io::Error::other)?;
        match poll(&mut fds, Some(&limit)) {
            Ok(0) => Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => {
                let found = fds[0].revents();
                let failed = found.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL);
                Ok(Readiness {
                    readable: failed || found.contains(PollFlags::IN),
                    writable: failed || found.contains(PollFlags::OUT),
                })
            }
            Err(rustix::io::Errno::INTR) => Ok(Readiness { readable: false, writable: false }),
            Err(error) => Err(error.into()),
        }
    }

    fn end_output(&mut self) {
        // A peer that is gone already has read what it wanted.
        let _ = self.socket.shutdown(std::net::Shutdown::Write);
    }

    fn socket(&self) -> Option<&Socket> {
        Some(&self.socket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<Address>) {
        assert_eq!(text.parse().ok(), expected);
    }

    #[test]
    fn addresses_are_unix_paths_or_hosts_with_ports() {
        check("unix:/run/site.sock", Some(Address::Unix("/run/site.sock".into())));
        check("tcp:127.0.0.1:9000", Some(Address::Tcp("127.0.0.1:9000".into())));
        check("tcp:[::1]:9000", Some(Address::Tcp("[::1]:9000".into())));
        check("unix:", None);
        check("tcp:9000", None);
        check("tcp::9000", None);
        check("tcp:localhost:99999", None);
        check("/run/site.sock", None);
    }
}
