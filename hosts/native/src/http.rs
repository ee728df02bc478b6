//! HTTP requests, over one client that is made at the first of them.

use std::fmt::Display;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use azall_core::engine::effect::{Http, HttpAnswer, IoError, IoErrorKind};
use ureq::http::{HeaderMap, Request, Response, Uri};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};
use ureq::{Agent, AsSendBody, Body};

/// The most bytes of status line and headers of an answer.
const MOST_HEADER_BYTES: usize = 64 * 1024;

/// How long a connection may take to be made. Nothing was asked by then, so giving up early loses nothing.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How a client finds and trusts its peers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpOptions {
    /// A PEM file of root certificates that are trusted beside the built-in ones.
    pub extra_roots: Option<PathBuf>,
}

impl HttpOptions {
    /// As the environment says: `AZALL_CA_FILE`, else `SSL_CERT_FILE`, names the file of further root certificates.
    #[must_use]
    pub fn from_env() -> Self {
        let named = |name| std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        Self { extra_roots: named("AZALL_CA_FILE").or_else(|| named("SSL_CERT_FILE")) }
    }
}

/// An HTTP client with its connections. Making one costs nothing: certificates and proxy settings are read at the
/// first request.
#[derive(Debug, Default)]
pub struct HttpClient {
    options: HttpOptions,
    agent: OnceLock<Result<Agent, IoError>>,
}

impl HttpClient {
    /// A client with these options.
    #[must_use]
    pub const fn new(options: HttpOptions) -> Self {
        Self { options, agent: OnceLock::new() }
    }

    /// Answers [`Http`]. Any status is an answer; redirects are not followed. A proxy is taken from `HTTPS_PROXY` and
    /// its like, but never for a loopback address.
    ///
    /// # Errors
    /// [`IoErrorKind::TimedOut`], [`IoErrorKind::Unreachable`], [`IoErrorKind::Tls`], [`IoErrorKind::TooLarge`] as
    /// they say; [`IoErrorKind::Other`] for a request that cannot be sent and an answer that is not HTTP. Messages
    /// name the peer, and neither the path nor any header.
    pub fn send(&self, effect: &Http) -> Result<HttpAnswer, IoError> {
        let uri: Uri = effect.url.parse().map_err(|_| IoError::new(IoErrorKind::Other, "not a URL"))?;
        let failed = |error: ureq::Error| failed(&uri, &error);
        let agent = self.agent.get_or_init(|| agent(&self.options)).as_ref().map_err(Clone::clone)?;
        // Without a body a POST still says that its length is 0: not every server takes it otherwise.
        let has_body = !effect.body.is_empty() || matches!(effect.method.as_str(), "POST" | "PUT" | "PATCH");
        let answered =
            if has_body { call(agent, &uri, effect, effect.body.as_slice()) } else { call(agent, &uri, effect, ()) };
        let (head, mut body) = answered.map_err(failed)?.into_parts();
        let (body, broken) = read_body(&mut body, effect.limit).map_err(failed)?;
        let broken = broken.map(|error| failed(error.into()));
        Ok(HttpAnswer { status: head.status.as_u16(), headers: headers(&head.headers), body, broken })
    }
}

fn agent(options: &HttpOptions) -> Result<Agent, IoError> {
    let roots = match &options.extra_roots {
        Some(file) => extended_roots(file)?,
        None => RootCerts::WebPki,
    };
    let tls = TlsConfig::builder().provider(TlsProvider::Rustls).root_certs(roots).build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_response_header_size(MOST_HEADER_BYTES)
        .timeout_resolve(Some(CONNECT_TIMEOUT))
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .user_agent(concat!("azall/", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(config.new_agent())
}

/// The built-in root certificates and those of a file.
fn extended_roots(file: &Path) -> Result<RootCerts, IoError> {
    let unusable = |why: &dyn Display| {
        IoError::new(IoErrorKind::Tls, format!("the file of root certificates {}: {why}", file.display()))
    };
    let pem = std::fs::read(file).map_err(|error| unusable(&error))?;
    let mut roots = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| unusable(&error))? {
            roots.push(certificate);
        }
    }
    if roots.is_empty() {
        return Err(unusable(&"it holds no certificate"));
    }
    roots.extend(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(|der| Certificate::from_der(der)));
    Ok(RootCerts::from(roots))
}

/// Sends a request and waits for the head of its answer.
fn call(agent: &Agent, uri: &Uri, effect: &Http, body: impl AsSendBody) -> Result<Response<Body>, ureq::Error> {
    let mut request = Request::builder().method(effect.method.as_str()).uri(uri);
    for (name, value) in &effect.headers {
        request = request.header(name, value);
    }
    // The limit covers the whole call, the reading of the answer's body included.
    let limit = Some(Duration::from_millis(effect.timeout_ms));
    let mut config = agent.configure_request(request.body(body)?).timeout_global(limit);
    if is_loopback(uri) {
        config = config.proxy(None);
    }
    agent.run(config.build())
}

fn is_loopback(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The headers with their names in lower case, as the parser gives them.
fn headers(map: &HeaderMap) -> Vec<(String, String)> {
    map.iter().map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect()
}

/// Reads a body, or as much of it as comes, and what kept the rest from coming.
fn read_body(body: &mut Body, limit: u64) -> Result<(Vec<u8>, Option<std::io::Error>), ureq::Error> {
    let too_large = || ureq::Error::BodyExceedsLimit(limit);
    if body.content_length().is_some_and(|announced| announced > limit) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    let broken = body.as_reader().take(limit.saturating_add(1)).read_to_end(&mut bytes).err();
    match broken {
        _ if bytes.len() as u64 > limit => Err(too_large()),
        Some(error) if bytes.is_empty() => Err(error.into()),
        broken => Ok((bytes, broken)),
    }
}

/// A failed call in the core's terms. The words are the library's where they cannot quote the request.
fn failed(uri: &Uri, error: &ureq::Error) -> IoError {
    use IoErrorKind::{Other, TimedOut, Tls, TooLarge, Unreachable};
    let (kind, words) = match error {
        ureq::Error::Timeout(_) => (TimedOut, "no answer within the time limit".to_owned()),
        ureq::Error::Io(io) => match certificate_error(io) {
            Some(tls) => (Tls, tls.to_string()),
            None if io.kind() == std::io::ErrorKind::TimedOut => (TimedOut, io.to_string()),
            None => (Unreachable, io.to_string()),
        },
        ureq::Error::HostNotFound => (Unreachable, "no such host".to_owned()),
        ureq::Error::ConnectionFailed => (Unreachable, "no connection".to_owned()),
        ureq::Error::ConnectProxyFailed(_) => (Unreachable, "the proxy refused to connect".to_owned()),
        ureq::Error::Rustls(tls) => (Tls, tls.to_string()),
        ureq::Error::Tls(words) => (Tls, (*words).to_owned()),
        ureq::Error::BodyExceedsLimit(limit) => (TooLarge, format!("the answer is larger than {limit} bytes")),
        ureq::Error::LargeResponseHeader(..) => (TooLarge, "the answer's headers are too large".to_owned()),
        ureq::Error::Protocol(words) => (Other, format!("not a good HTTP exchange: {words}")),
        ureq::Error::Http(words) => (Other, format!("the request cannot be sent: {words}")),
        ureq::Error::BadUri(_) => (Other, "the URL cannot be used".to_owned()),
        _ => (Other, "the HTTP call failed".to_owned()),
    };
    IoError::new(kind, format!("{}: {words}", peer(uri)))
}

/// The TLS library's error in an I/O error of the handshake or of a later read.
fn certificate_error(error: &std::io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// The peer's name and port, without the user name that a URL may carry.
fn peer(uri: &Uri) -> String {
    let host = uri.host().unwrap_or("no host");
    uri.port_u16().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
