//! Listening on what the sites are bound to, connections, and the end of it all.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::body::Serving;
use super::current::{Current, OpenError};
use super::front::{self, Ends};
use super::journal::Event;
use super::model::Model;

/// How often the configuration is looked at when nobody asks for anything.
const ROUND: Duration = Duration::from_millis(20);

/// How long requests, and then processes, may take when the server ends.
const GRACE: Duration = Duration::from_secs(5);

/// The file of events beside the configuration, lines of JSON.
pub const JOURNAL: &str = "iis.jsonl";

/// A server in a thread of its own. Dropping it ends it with all its processes.
pub struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
    journal: PathBuf,
}

impl Server {
    /// Serves what the configuration in `folder` says; returns once its sites are listened for.
    pub fn start(folder: &Path) -> Result<Server, OpenError> {
        let runtime = tokio::runtime::Runtime::new().map_err(OpenError::Threads)?;
        let current = Current::open(folder)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell_ready, ready) = oneshot::channel();
        let thread = std::thread::Builder::new().name("iis".to_owned()).spawn(move || {
            let stopped = async { drop(stopped.await) };
            let tell_ready = || {
                // `start` waits for it.
                let _ = tell_ready.send(());
            };
            runtime.block_on(serve(current, tell_ready, stopped));
            // What is left is not worth waiting for.
            runtime.shutdown_background();
        });
        let thread = Some(thread.map_err(OpenError::Threads)?);
        // If it ended before, there is nobody to wait for.
        let _ = ready.blocking_recv();
        Ok(Server { stop: Some(stop), thread, journal: folder.join(JOURNAL) })
    }

    /// The file of events.
    pub fn journal(&self) -> &Path {
        &self.journal
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic over there has been printed.
            let _ = thread.join();
        }
    }
}

/// Serves until `stop` resolves. `ready` is called when the first configuration has been taken up and every address
/// that can be had is listened on.
pub async fn serve(current: Current, ready: impl FnOnce(), stop: impl Future<Output = ()>) {
    let current = Arc::new(current);
    let (stopping, stopped) = watch::channel(false);
    let mut listeners =
        Listeners { current: Arc::clone(&current), stopped, open: BTreeMap::new(), said: BTreeSet::new() };
    listeners.renew().await;
    ready();
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            () = tokio::time::sleep(ROUND) => listeners.renew().await,
        }
    }
    stopping.send_replace(true);
    let all = async {
        for (_, mut port) in listeners.open {
            while port.join_next().await.is_some() {}
        }
    };
    // Connections that last longer are cut when their tasks go.
    let _ = tokio::time::timeout(GRACE, all).await;
    current.workers.stop(GRACE).await;
}

/// The ports that are listened on, each with its connections.
struct Listeners {
    current: Arc<Current>,
    stopped: watch::Receiver<bool>,
    open: BTreeMap<u16, JoinSet<()>>,
    /// What has been told of bindings that are not served.
    said: BTreeSet<(String, String)>,
}

impl Listeners {
    async fn renew(&mut self) {
        let Ok(snapshot) = self.current.look() else { return };
        let model = &snapshot.model;
        let mut refusals = taken(model);
        let wanted = ports(model);
        self.open.retain(|port, _| wanted.contains_key(port));
        for (port, site) in wanted {
            if self.open.contains_key(&port) {
                continue;
            }
            // Whatever address a binding names, this server is for this machine alone.
            match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
                Ok(socket) => {
                    let mut tasks = JoinSet::new();
                    tasks.spawn(accept(socket, Arc::clone(&self.current), self.stopped.clone()));
                    self.open.insert(port, tasks);
                    self.current.journal.tell(Event::Listening { port });
                }
                Err(error) => refusals.push((site, format!("port {port}: {error}"))),
            }
        }
        let refusals: BTreeSet<_> = refusals.into_iter().collect();
        for (site, why) in refusals.difference(&self.said) {
            self.current.journal.tell(Event::NotServed { site, why: why.clone() });
        }
        self.said = refusals;
    }
}

/// Ports of all started sites, with one that wants each.
fn ports(model: &Model) -> BTreeMap<u16, String> {
    let sites = model.sites.iter().filter(|site| site.is_started);
    sites.flat_map(|site| site.bindings.iter().map(|binding| (binding.port, site.name.clone()))).collect()
}

/// Bindings that another site has already: http.sys gives one to the first that asks (0x800700b7 for the other).
fn taken(model: &Model) -> Vec<(String, String)> {
    let mut known = BTreeSet::new();
    let mut taken = Vec::new();
    for site in model.sites.iter().filter(|site| site.is_started) {
        for binding in &site.bindings {
            if !known.insert((binding.address.clone(), binding.port, binding.host.to_lowercase())) {
                let (address, port, host) = (&binding.address, binding.port, &binding.host);
                taken.push((
                    site.name.clone(),
                    format!("another site has {address}:{port}:{host} (0x800700b7)"),
                ));
            }
        }
    }
    taken
}

async fn accept(socket: TcpListener, current: Arc<Current>, stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let mut stopping = stopped.clone();
    loop {
        tokio::select! {
            () = is_stopped(&mut stopping) => break,
            Some(_) = connections.join_next() => {}
            accepted = socket.accept() => match accepted {
                Ok((stream, remote)) => {
                    connections.spawn(converse(stream, remote, Arc::clone(&current), stopped.clone()));
                }
                // Out of descriptors, mostly: some come free as connections end.
                Err(_) => tokio::time::sleep(ROUND).await,
            },
        }
    }
    drop(socket);
    while connections.join_next().await.is_some() {}
}

async fn is_stopped(stopped: &mut watch::Receiver<bool>) {
    // The sender outlives what it is sent to; if not, that is an end as well.
    drop(stopped.wait_for(|stopped| *stopped).await);
}

async fn converse(
    stream: TcpStream,
    remote: SocketAddr,
    current: Arc<Current>,
    stopped: watch::Receiver<bool>,
) {
    let Ok(local) = stream.local_addr() else { return };
    // Without it small answers are only slower.
    let _ = stream.set_nodelay(true);
    let https = current.is_https(local.port());
    let ends = Ends { local, remote, https };
    if !https {
        return talk(stream, ends, current, stopped).await;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions =
        rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let Ok(config) = versions else { return };
    let config = config.with_no_client_auth().with_cert_resolver(Arc::new(current.shown(local)));
    // Without a certificate the handshake is at an end.
    let accepted = tokio_rustls::TlsAcceptor::from(Arc::new(config)).accept(stream);
    if let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_secs(30), accepted).await {
        talk(stream, ends, current, stopped).await;
    }
}

/// HTTP on a connection, whatever lies below it.
async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    ends: Ends,
    current: Arc<Current>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut breaks = current.breaks.subscribe();
    let serving = Arc::<Serving>::default();
    let ours = Arc::clone(&serving);
    let service = service_fn(move |request| {
        let (current, serving) = (Arc::clone(&current), Arc::clone(&ours));
        async move { Ok::<_, Infallible>(front::answer(&current, ends, serving, request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(120));
    let mut server = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    let mut is_stopping = false;
    loop {
        tokio::select! {
            // What goes wrong on a connection is the client's doing.
            _ = server.as_mut() => return,
            broken = breaks.recv() => match broken {
                Ok(site) if serving.is_for(site) => return,
                _ => {}
            },
            () = is_stopped(&mut stopped), if !is_stopping => {
                is_stopping = true;
                server.as_mut().graceful_shutdown();
            }
        }
    }
}
