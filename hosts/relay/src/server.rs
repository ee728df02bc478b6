//! Listening, serving, and stopping without losing what was accepted.

use std::future::{Future, pending};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::control::Control;
use crate::http::connection::{Peer, Watched};
use crate::http::limits::Admitted;
use crate::http::tls::{self, SELF_SIGNED_CERT, TlsError};
use crate::http::{Relay, front, router};
use crate::info::ServerInfo;
use crate::options::{DEFAULT_PORT, Limits, Options, Port, TlsSource};
use crate::store::{OpenError, Store};

/// How many ports after the default one are tried.
const MORE_PORTS: u16 = 100;

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How often it is measured how late the runtime is.
const MEASURED: Duration = Duration::from_millis(100);

/// How long to wait when the system has no more file descriptors for connections.
const NO_DESCRIPTORS: Duration = Duration::from_millis(50);

/// Why a relay did not start or did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The data folder cannot be used.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// There is no certificate to serve with.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Nothing can listen there.
    #[error("cannot listen on {address}: {source}{}", advice(.source))]
    Listen {
        /// The address and port.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the data folder cannot be written.
    #[error("cannot write {path}: {source}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system has no randomness to give.
    #[error("the system gives no random bytes: {0}")]
    Random(#[from] getrandom::Error),
    /// Neither a data folder nor `memory` was asked for.
    #[error("a relay needs a data folder, or must keep everything in memory")]
    NoFolder,
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; another server has this port: choose another with --port, or leave it out",
        io::ErrorKind::PermissionDenied => "; ports below 1024 are for privileged users",
        io::ErrorKind::AddrNotAvailable => "; this machine does not have the address",
        _ => "",
    }
}

/// A relay that listens and does not serve yet.
pub struct Server {
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    relay: Arc<Relay>,
    address: SocketAddr,
    url: String,
    stopping: watch::Sender<bool>,
    info: Option<ServerInfo>,
    control: Option<Control>,
    certificate: Option<PathBuf>,
}

impl Server {
    /// Opens the store and listens.
    ///
    /// # Errors
    /// [`ServeError`] says what stands in the way.
    pub async fn start(options: Options) -> Result<Self, ServeError> {
        let data_dir = options.data_dir.as_deref();
        // The store first: it takes the folder for this relay alone. A folder that is not there yet is nobody's, and none is made
        // for a relay that cannot listen.
        let is_new = data_dir.is_some_and(|dir| !dir.exists());
        let listens = if is_new { Some(listen(options.bind, options.port).await?) } else { None };
        let store = open(&options).await?;
        let acceptor = tls::acceptor(&options.tls, data_dir, options.bind)?;
        let certificate = data_dir.filter(|_| options.tls == TlsSource::SelfSigned);
        let certificate = certificate.map(|dir| dir.join(SELF_SIGNED_CERT));
        let listener = match listens {
            Some(listener) => listener,
            None => listen(options.bind, options.port).await?,
        };
        let failed = |source| ServeError::Listen { address: SocketAddr::new(options.bind, 0), source };
        let address = listener.local_addr().map_err(failed)?;
        let url = url(address, acceptor.is_some());
        let (stopping, stops) = watch::channel(false);
        let relay = Arc::new(Relay::new(store, options.limits, url.clone(), options.host, stops)?);
        let control = data_dir.filter(|_| !options.memory).and_then(|dir| Control::listen(dir, &relay));
        let info = data_dir.map(|dir| ServerInfo::write(dir, address, &url)).transpose();
        let info = info.map_err(|(path, source)| ServeError::File { path, source })?;
        Ok(Self { listener, acceptor, relay, address, url, stopping, info, control, certificate })
    }

    /// The relay's URL on this machine.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate that it made for itself, which clients must be told to trust.
    #[must_use]
    pub fn certificate(&self) -> Option<&Path> {
        self.certificate.as_deref()
    }

    /// Serves until `stop` is ready; then takes no more, finishes what was accepted, and closes the store.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Self { listener, acceptor, relay, address, url, stopping, info, control, .. } = self;
        tracing::info!(%url, "serving");
        if acceptor.is_none() && !address.ip().is_loopback() {
            tracing::warn!(
                "without TLS whoever is on the way reads every token and message: put a proxy with TLS before it"
            );
        }
        let stop_time = relay.limits.stop_time;
        let mut connections = JoinSet::new();
        {
            let serving = accept(&listener, acceptor.as_ref(), &relay, &mut connections);
            let controlled = async {
                match &control {
                    Some(control) => control.serve(&relay).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = stop => {}
                () = serving => {}
                () = controlled => {}
                () = measure(&relay) => {}
            }
        }
        // From here on nobody can connect, and who is connected is served what was asked and no more.
        drop((listener, control));
        tracing::info!(connections = connections.len(), "stopping");
        stopping.send_replace(true);
        let finished = timeout(stop_time, async { while connections.join_next().await.is_some() {} }).await;
        if finished.is_err() {
            tracing::warn!(connections = connections.len(), "some requests took too long and were cut off");
        }
        connections.shutdown().await;
        let _ = timeout(stop_time, relay.settling.write()).await;
        relay.store.clone().close().await;
        drop(info);
        tracing::info!("stopped");
    }
}

async fn open(options: &Options) -> Result<Store, ServeError> {
    let limits = options.limits.store.clone();
    if options.memory {
        return Ok(Store::in_memory(limits)?);
    }
    let dir = options.data_dir.clone().ok_or(ServeError::NoFolder)?;
    let opened = tokio::task::spawn_blocking(move || Store::open(&dir, limits)).await;
    match opened {
        Ok(store) => Ok(store?),
        Err(error) => Err(OpenError::Start(error.to_string()).into()),
    }
}

async fn listen(bind: IpAddr, port: Port) -> Result<TcpListener, ServeError> {
    let (first, last) = match port {
        Port::Fixed(port) => (port, port),
        Port::Default => (DEFAULT_PORT, DEFAULT_PORT + MORE_PORTS),
    };
    let mut port = first;
    loop {
        let address = SocketAddr::new(bind, port);
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && port < last => port += 1,
            Err(source) => return Err(ServeError::Listen { address, source }),
        }
    }
}

/// The URL of this address on this machine.
fn url(address: SocketAddr, is_tls: bool) -> String {
    let scheme = if is_tls { "https" } else { "http" };
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => "127.0.0.1".to_owned(),
        IpAddr::V6(ip) if ip.is_unspecified() => "[::1]".to_owned(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    format!("{scheme}://{host}:{}", address.port())
}

/// Tells the throttle again and again how late the runtime is.
async fn measure(relay: &Relay) {
    loop {
        let due = Instant::now() + MEASURED;
        tokio::time::sleep_until(due).await;
        relay.throttle.was_late(due.elapsed());
    }
}

/// Accepts connections for ever, each with a task of its own.
async fn accept(
    listener: &TcpListener,
    acceptor: Option<&TlsAcceptor>,
    relay: &Arc<Relay>,
    connections: &mut JoinSet<()>,
) {
    let router = router(Arc::clone(relay));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Of one connection, or of all of them when there are no descriptors left.
                tracing::debug!(%error, "cannot accept a connection");
                sleep(NO_DESCRIPTORS).await;
                continue;
            }
        };
        match relay.connections.admit(from.ip()) {
            Some(admitted) => {
                connections.spawn(serve(stream, admitted, acceptor.cloned(), Arc::clone(relay), router.clone()));
            }
            None if acceptor.is_none() => {
                connections.spawn(refuse(stream));
            }
            None => {}
        }
    }
}

/// Tells a connection that there is no place for it, if it listens.
async fn refuse(mut stream: TcpStream) {
    let _ = timeout(Duration::from_secs(1), async {
        stream.write_all(front::NO_PLACE).await?;
        stream.shutdown().await
    })
    .await;
}

async fn serve(
    stream: TcpStream,
    admitted: Admitted,
    acceptor: Option<TlsAcceptor>,
    relay: Arc<Relay>,
    router: Router,
) {
    // Answers are written in one piece; waiting for more of them only delays them.
    let _ = stream.set_nodelay(true);
    let peer = Peer::new(admitted.origin, Arc::clone(&relay.settling));
    let Some(acceptor) = acceptor else { return talk(stream, peer, &relay, &router).await };
    let shaken = tokio::select! {
        shaken = timeout(HANDSHAKE, acceptor.accept(stream)) => shaken,
        () = relay.stops() => return,
    };
    if let Ok(Ok(stream)) = shaken {
        talk(stream, peer, &relay, &router).await;
    }
}

/// Serves the requests of a connection, until it ends or the relay stops.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(stream: S, peer: Arc<Peer>, relay: &Relay, router: &Router) {
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&peer), relay.limits.body_time));
    let service = service_fn(|request| front::answer(relay, router, &peer, request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(relay.limits.head_time)
        // Headers are as many as hyper allows, 100: another number would cost an allocation for each request.
        .max_buf_size(Limits::HEAD_BYTES)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = relay.stops() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

/// Ready when the process is told to stop, by SIGTERM or SIGINT.
///
/// # Errors
/// The system's, when it takes no handler.
pub fn told_to_stop() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_for_this_machine() {
        for (address, is_tls, expected) in [
            ("127.0.0.1:8484", false, "http://127.0.0.1:8484"),
            ("0.0.0.0:80", true, "https://127.0.0.1:80"),
            ("[::]:8484", false, "http://[::1]:8484"),
            ("[2001:db8::1]:8484", true, "https://[2001:db8::1]:8484"),
        ] {
            assert_eq!(url(address.parse().unwrap(), is_tls), expected);
        }
    }

    #[tokio::test]
    async fn a_fixed_port_that_is_taken_is_an_error_and_the_default_one_gives_way() {
        let local = IpAddr::from([127, 0, 0, 1]);
        let first = listen(local, Port::Default).await.unwrap();
        let second = listen(local, Port::Default).await.unwrap();
        let taken = first.local_addr().unwrap().port();
        assert_ne!(second.local_addr().unwrap().port(), taken);
        let error = listen(local, Port::Fixed(taken)).await.unwrap_err().to_string();
        assert!(error.contains("choose another with --port"), "{error}");
    }
}
