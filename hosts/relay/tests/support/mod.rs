//! A relay on a free port of this machine, and a client that sends what it is told, byte by byte.
#![allow(dead_code, reason = "not every test uses everything")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use azall_relay::options::{Options, Port};
use azall_relay::server::Server;
use serde_json::Value;
use tokio::sync::oneshot;

/// A relay that runs until it is stopped or dropped.
pub(crate) struct Live {
    pub(crate) address: SocketAddr,
    pub(crate) url: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Live {
    /// With the usual limits, in memory.
    pub(crate) fn new() -> Self {
        Self::with(Options::in_memory())
    }

    /// With these options, but on a free port.
    pub(crate) fn with(options: Options) -> Self {
        let options = Options { port: Port::Fixed(0), ..options };
        let (stop, stopped) = oneshot::channel();
        let (told, started) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let server = Server::start(options).await.unwrap();
                told.send((server.address(), server.url().to_owned())).unwrap();
                server
                    .run(async {
                        let _ = stopped.await;
                    })
                    .await;
            });
        });
        let (address, url) = started.recv().unwrap();
        Self { address, url, stop: Some(stop), thread: Some(thread) }
    }

    /// Tells it to stop, and does not wait.
    pub(crate) fn tell_to_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Stops it, and waits for its end.
    pub(crate) fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.tell_to_stop();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the relay panicked");
        }
    }

    /// A new connection.
    pub(crate) fn connect(&self) -> Client {
        Client::new(TcpStream::connect(self.address).unwrap())
    }

    /// One call on a connection of its own.
    pub(crate) fn call(&self, method: &str, path: &str, token: &str, body: &str) -> Answer {
        self.connect().call(method, path, token, body)
    }

    /// Makes an account; its token.
    pub(crate) fn register(&self, name: &str) -> String {
        let answer = self.call("POST", "/register", "", &serde_json::json!({ "agent_name": name }).to_string());
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["api_token"].as_str().unwrap().to_owned()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.end();
    }
}

/// One connection.
pub(crate) struct Client<S: Read + Write = TcpStream> {
    pub(crate) stream: BufReader<S>,
}

impl Client {
    fn new(stream: TcpStream) -> Self {
        // A relay that does not answer fails the test, however long the machine takes for other things.
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    /// Sends a request with any headers.
    pub(crate) fn request(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: relay.test\r\n");
        if !body.is_empty() || matches!(method, "POST" | "PUT") {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        self.send(&[head.as_bytes(), body].concat());
    }

    /// One call.
    pub(crate) fn call(&mut self, method: &str, path: &str, token: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers: &[_] = if token.is_empty() { &[] } else { &[("Authorization", bearer.as_str())] };
        self.request(method, path, headers, body.as_bytes());
        self.answer_to(method)
    }

    /// One call with any headers beside the token.
    pub(crate) fn call_with(
        &mut self,
        method: &str,
        path: &str,
        token: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let bearer = format!("Bearer {token}");
        let mut all = vec![("Authorization", bearer.as_str())];
        all.extend_from_slice(headers);
        self.request(method, path, &all, body);
        self.answer_to(method)
    }

    /// The next answer.
    pub(crate) fn answer(&mut self) -> Answer {
        self.answer_to("GET")
    }

    fn answer_to(&mut self, method: &str) -> Answer {
        self.try_answer(method).expect("the connection was closed without an answer")
    }

    /// The next answer, unless the connection is closed first.
    pub(crate) fn try_answer(&mut self, method: &str) -> Option<Answer> {
        let (status, headers) = self.head()?;
        let mut answer = Answer { status, headers, body: Vec::new() };
        if method == "HEAD" || status == 204 {
            return Some(answer);
        }
        let length = answer.header("content-length").map(|length| length.parse().unwrap());
        answer.body = vec![0; length.expect("an answer without Content-Length")];
        self.stream.read_exact(&mut answer.body).ok()?;
        Some(answer)
    }

    /// Status and headers of the next answer.
    pub(crate) fn head(&mut self) -> Option<(u16, Vec<(String, String)>)> {
        let line = self.line()?;
        let status = line.split(' ').nth(1)?.parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Some((status, headers))
    }

    /// The next line; `None` at the end of the connection.
    pub(crate) fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(1..) => Some(line.trim_end().to_owned()),
            _ => None,
        }
    }

    /// Whether the relay has closed the connection without a further word.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.stream.fill_buf().map_or(true, <[u8]>::is_empty)
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// Status and code.
    pub(crate) fn code(&self) -> (u16, String) {
        (self.status, self.json()["code"].as_str().unwrap_or_default().to_owned())
    }

    /// The field of that name as text.
    pub(crate) fn field(&self, name: &str) -> String {
        let json = self.json();
        json[name].as_str().unwrap_or_else(|| panic!("no {name} in {self:?}")).to_owned()
    }
}
