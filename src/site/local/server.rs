//! Listening, connections, and the end: requests in flight are let finish, up to a limit.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::event::{Event, Listener};
use super::files::Files;
use super::http::Site;
use super::params::Connection;
use super::processes::Processes;
use super::{LocalError, Served};

/// An address that this program has for itself: whoever connects waits until [`serve`] answers.
pub struct Listening {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listening {
    /// Takes the address; port 0 is any that is free.
    pub fn at(address: SocketAddr) -> Result<Listening, LocalError> {
        let failed = |source| LocalError::Listen { address, source };
        let socket = TcpListener::bind(address).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        Ok(Listening { address: socket.local_addr().map_err(failed)?, socket })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Serves until `stop` resolves, then ends all requests and processes.
///
/// `ready` is called with the address once requests are answered: a process is up, or the first one did not
/// start, which `events` has told.
pub async fn serve(
    listening: Listening,
    served: Served,
    events: impl Fn(Event) + Send + Sync + 'static,
    ready: impl FnOnce(SocketAddr),
    stop: impl Future<Output = ()>,
) -> Result<(), LocalError> {
    let Listening { socket, address } = listening;
    let socket =
        tokio::net::TcpListener::from_std(socket).map_err(|source| LocalError::Listen { address, source })?;
    let listener: Listener = Arc::new(events);
    let served = Arc::new(served);
    let site = Arc::new(Site {
        files: Files { www: served.www.clone(), target: served.target, hashed: served.hashed_static },
        processes: Processes::start(&served, &listener)?,
        served,
        listener,
    });
    let mut connections = JoinSet::new();
    let (stopping, stopped) = watch::channel(false);
    let mut stop = std::pin::pin!(stop);
    let was_stopped = tokio::select! {
        () = site.processes.settled() => false,
        () = &mut stop => true,
    };
    if !was_stopped {
        ready(address);
        accept(&socket, &site, &mut connections, &stopped, stop).await;
    }
    drop(socket);
    stopping.send_replace(true);
    let all = async { while connections.join_next().await.is_some() {} };
    let in_time = tokio::time::timeout(site.served.grace, all).await;
    if in_time.is_err() {
        connections.shutdown().await;
    }
    site.processes.stop().await;
    Ok(())
}

async fn accept(
    socket: &tokio::net::TcpListener,
    site: &Arc<Site>,
    connections: &mut JoinSet<()>,
    stopped: &watch::Receiver<bool>,
    mut stop: std::pin::Pin<&mut impl Future<Output = ()>>,
) {
    loop {
        tokio::select! {
            () = &mut stop => return,
            Some(_) = connections.join_next() => {}
            accepted = socket.accept() => match accepted {
                Ok((stream, remote)) => {
                    connections.spawn(converse(stream, remote, site.clone(), stopped.clone()));
                }
                // Out of descriptors, mostly: some come free as connections end.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
        }
    }
}

async fn converse(
    stream: TcpStream,
    remote: SocketAddr,
    site: Arc<Site>,
    mut stopped: watch::Receiver<bool>,
) {
    let Ok(local) = stream.local_addr() else { return };
    // Small answers shall not wait for the client to confirm the one before; without it they are slower.
    let _ = stream.set_nodelay(true);
    let connection = Connection { local, remote };
    let service = service_fn(move |request| {
        let site = site.clone();
        async move { Ok::<_, Infallible>(site.answer(connection, request).await) }
    });
    let mut server = std::pin::pin!(
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service)
    );
    // What goes wrong on a connection is the client's doing, or told by the request's own event.
    tokio::select! {
        _ = server.as_mut() => return,
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
    server.as_mut().graceful_shutdown();
    let _ = server.await;
}

/// A server that runs in a thread of its own until it is stopped or dropped.
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), LocalError>>>,
}

impl Server {
    /// Starts serving, and returns once requests are answered.
    pub fn start(
        listening: Listening,
        served: Served,
        events: impl Fn(Event) + Send + Sync + 'static,
    ) -> Result<Server, LocalError> {
        let runtime = tokio::runtime::Runtime::new().map_err(LocalError::Threads)?;
        let (stop, stopped) = oneshot::channel();
        let (ready, address) = oneshot::channel();
        let thread = std::thread::Builder::new().name("holdall-server".to_owned()).spawn(move || {
            let tell = move |address| {
                // `start` waits for it.
                let _ = ready.send(address);
            };
            let stopped = async {
                // A sender dropped is as good as a word.
                let _ = stopped.await;
            };
            runtime.block_on(serve(listening, served, events, tell, stopped))
        });
        let thread = thread.map_err(LocalError::Threads)?;
        match address.blocking_recv() {
            Ok(address) => Ok(Server { address, stop: Some(stop), thread: Some(thread) }),
            Err(_) => match thread.join() {
                Ok(Err(error)) => Err(error),
                Ok(Ok(())) => Err(LocalError::Threads(io::ErrorKind::Interrupted.into())),
                Err(panic) => std::panic::resume_unwind(panic),
            },
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops as [`serve`] does, and returns when all is over.
    pub fn stop(mut self) -> Result<(), LocalError> {
        self.finish()
    }

    fn finish(&mut self) -> Result<(), LocalError> {
        drop(self.stop.take());
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // `stop` tells of failures; a server that is merely dropped has nobody to tell.
            let _ = self.finish();
        }
    }
}
