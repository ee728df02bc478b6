//! One keep-alive connection: one request at a time, opened anew when the relay has closed it.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::error::{Error, Result};

/// How long an answer may take: longer than the longest poll.
const LONGEST: Duration = Duration::from_secs(70);

/// A request that is sent again and again: nothing in it is parsed or formatted twice.
#[derive(Clone, Debug)]
pub struct Call {
    method: Method,
    path: Uri,
    authorization: Option<HeaderValue>,
    body: Bytes,
}

impl Call {
    /// A `GET`.
    ///
    /// # Errors
    /// [`Error::Request`] for what is no path.
    pub fn get(path: &str) -> Result<Self> {
        Self::new(Method::GET, path, Bytes::new())
    }

    /// A `POST` of a JSON document.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn post(path: &str, body: impl Into<Bytes>) -> Result<Self> {
        Self::new(Method::POST, path, body.into())
    }

    fn new(method: Method, path: &str, body: Bytes) -> Result<Self> {
        match path.parse() {
            Ok(path) => Ok(Self { method, path, authorization: None, body }),
            Err(_) => Err(Error::Request { method: method.to_string(), path: path.to_owned() }),
        }
    }

    /// The same with another body.
    #[must_use]
    pub fn with(&self, body: &Bytes) -> Self {
        Self { body: body.clone(), ..self.clone() }
    }

    /// The same with what authorizes it.
    #[must_use]
    pub fn by(mut self, authorization: &HeaderValue) -> Self {
        self.authorization = Some(authorization.clone());
        self
    }

    fn request(&self, host: &HeaderValue) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.path.clone();
        let headers = request.headers_mut();
        headers.insert(HOST, host.clone());
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        if !self.body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        request
    }

    fn broken(&self, source: hyper::Error) -> Error {
        Error::Broken { method: self.method.to_string(), path: self.path.to_string(), source }
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The body, of an answer that has this status.
    ///
    /// # Errors
    /// [`Error::Answer`] for another status, or a body that is not the JSON that it should be.
    pub fn json<T: serde::de::DeserializeOwned>(&self, call: &Call, status: u16) -> Result<T> {
        let parsed = if self.status == status { serde_json::from_slice(&self.body).ok() } else { None };
        parsed.ok_or_else(|| Error::Answer {
            method: call.method.to_string(),
            path: call.path.to_string(),
            status: self.status,
            body: String::from_utf8_lossy(&self.body).chars().take(200).collect(),
        })
    }
}

/// A connection to a relay.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    host: HeaderValue,
    open: Option<SendRequest<Full<Bytes>>>,
    opened: u64,
}

impl Connection {
    /// A connection that is opened with its first request.
    #[must_use]
    pub fn to(address: SocketAddr) -> Self {
        let host = HeaderValue::from_str(&address.to_string()).unwrap_or(HeaderValue::from_static("localhost"));
        Self { address, host, open: None, opened: 0 }
    }

    /// How often it had to be opened.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.opened
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// [`Error::Connect`], [`Error::Broken`], [`Error::Silent`]. A request that was certainly not sent, because the relay
    /// had closed an idle connection, is sent once more over a new one.
    pub async fn call(&mut self, call: &Call) -> Result<Answer> {
        let whole = async {
            let response = self.send(call).await?;
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.map_err(|source| call.broken(source))?.to_bytes();
            Ok(Answer { status, body })
        };
        let answered = timeout(LONGEST, whole).await;
        if !matches!(answered, Ok(Ok(_))) {
            self.open = None;
        }
        answered.unwrap_or_else(|_| {
            Err(Error::Silent { method: call.method.to_string(), path: call.path.to_string(), after: LONGEST })
        })
    }

    /// Sends a request whose answer is read as it comes; the connection is of no use for another one until then.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn send(&mut self, call: &Call) -> Result<Response<Incoming>> {
        let mut request = call.request(&self.host);
        loop {
            let was_open = self.open.is_some();
            let open = self.ready().await?;
            match open.try_send_request(request).await {
                Ok(response) => return Ok(response),
                Err(mut failed) => {
                    self.open = None;
                    match failed.take_message() {
                        Some(unsent) if was_open => request = unsent,
                        _ => return Err(call.broken(failed.into_error())),
                    }
                }
            }
        }
    }

    async fn ready(&mut self) -> Result<&mut SendRequest<Full<Bytes>>> {
        let usable = match &mut self.open {
            Some(open) => open.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            self.open = None;
        }
        match self.open {
            Some(ref mut open) => Ok(open),
            None => {
                self.opened += 1;
                let opened = connect(self.address).await?;
                Ok(self.open.insert(opened))
            }
        }
    }
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>> {
    let failed = |source| Error::Connect { address, source };
    let stream = TcpStream::connect(address).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    let (sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|source| failed(std::io::Error::other(source)))?;
    // Its failures reach the request that waits for it.
    tokio::spawn(connection);
    Ok(sender)
}
