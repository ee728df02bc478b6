//! HTTP against servers that do everything wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]
#![allow(clippy::type_complexity, missing_docs)]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use azall::http::{HttpClient, HttpOptions};
use azall_core::engine::effect::{Http, HttpAnswer, IoError, IoErrorKind};

/// A server that gives each connection to `serve`, on a thread of its own.
fn server(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let serve = Arc::clone(&serve);
            thread::spawn(move || serve(stream.unwrap()));
        }
    });
    address
}

/// A server that answers every connection's first request with these bytes, and then closes.
fn answering(answer: impl Into<Vec<u8>>) -> SocketAddr {
    let answer = answer.into();
    server(move |mut stream| {
        read_request(&mut BufReader::new(stream.try_clone().unwrap()));
        let _ = stream.write_all(&answer);
    })
}

/// The request line, headers and body; `None` when the peer has closed.
fn read_request(reader: &mut impl BufRead) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    loop {
        let before = head.len();
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
        if head.len() - before <= 2 {
            break;
        }
    }
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

fn get(url: impl ToString) -> Http {
    Http {
        method: "GET".into(),
        url: url.to_string(),
        headers: vec![("authorization".into(), "Bearer s3cret".into())],
        body: Vec::new(),
        limit: 1_000_000,
        timeout_ms: 10_000,
    }
}

fn send(effect: &Http) -> Result<HttpAnswer, IoError> {
    HttpClient::default().send(effect)
}

fn send_to(address: SocketAddr) -> Result<HttpAnswer, IoError> {
    send(&get(format!("http://{address}/messages")))
}

/// What failed, checked not to tell the token or the path.
fn failure(result: Result<HttpAnswer, IoError>) -> IoErrorKind {
    let error = result.unwrap_err();
    assert!(!error.message.contains("s3cret") && !error.message.contains("/messages"), "{error}");
    error.kind
}

#[test]
fn any_status_is_an_answer() {
    for (status, body) in [("200 OK", "{}"), ("404 Not Found", "<html>no</html>"), ("500 Oops", ""), ("302 Found", "")]
    {
        let answer = format!(
            "HTTP/1.1 {status}\r\nLocation: http://127.0.0.1:1/\r\nX-Thing: A\r\nX-Thing: B\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = send_to(answering(answer)).unwrap();
        assert_eq!(answer.status.to_string(), status[..3]);
        assert_eq!(answer.body, body.as_bytes());
        let things: Vec<_> =
            answer.headers.iter().filter(|(name, _)| name == "x-thing").map(|(_, v)| v.as_str()).collect();
        assert_eq!(things, ["A", "B"]);
    }
}

#[test]
fn requests_arrive_whole_and_connections_are_used_again() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let address = server(move |mut stream| {
        counted.fetch_add(1, Ordering::SeqCst);
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let Some((head, body)) = read_request(&mut reader) {
            let echo = [head.as_bytes(), b"|", &body].concat();
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", echo.len()).unwrap();
            stream.write_all(&echo).unwrap();
        }
    });
    let client = HttpClient::default();
    for body in ["first", "second", ""] {
        let effect = Http { method: "POST".into(), body: body.into(), ..get(format!("http://{address}/send?x=1")) };
        let echo = String::from_utf8(client.send(&effect).unwrap().body).unwrap();
        let (head, sent) = echo.split_once('|').unwrap();
        assert!(head.starts_with("POST /send?x=1 HTTP/1.1\r\n"), "{head}");
        let head = head.to_ascii_lowercase();
        assert!(head.contains("\r\nauthorization: bearer s3cret\r\n"), "{head}");
        assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{head}");
        assert_eq!(sent, body);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[test]
fn a_body_in_chunks_and_one_that_ends_with_the_connection() {
    let chunked = answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    assert_eq!(send_to(chunked).unwrap().body, b"abcde");
    assert_eq!(send_to(answering("HTTP/1.0 200 OK\r\n\r\nabc")).unwrap().body, b"abc");
}

#[test]
fn of_half_a_body_there_is_what_came() {
    for head in ["Content-Length: 100\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n64\r\n"] {
        let answer = send_to(answering(format!("HTTP/1.1 200 OK\r\n{head}half"))).unwrap();
        assert_eq!((answer.status, &*answer.body), (200, &b"half"[..]));
        assert_eq!(answer.broken.unwrap().kind, IoErrorKind::Unreachable);
        let nothing = answering(format!("HTTP/1.1 200 OK\r\n{head}"));
        assert_eq!(failure(send_to(nothing)), IoErrorKind::Unreachable);
    }
}

#[test]
fn no_answer_at_all() {
    assert_eq!(failure(send_to(answering(""))), IoErrorKind::Unreachable);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(failure(send_to(closed)), IoErrorKind::Unreachable);
    assert_eq!(failure(send(&get("http://no-such-host.invalid/"))), IoErrorKind::Unreachable);
}

#[test]
fn what_is_not_http() {
    for garbage in ["SSH-2.0-OpenSSH_9.9\r\n", "<html><body>hello</body></html>\r\n\r\n", "\0\0\0\0\r\n\r\n"] {
        assert_eq!(failure(send_to(answering(garbage))), IoErrorKind::Other, "{garbage:?}");
    }
}

#[test]
fn a_body_is_read_up_to_its_limit() {
    for head in ["Content-Length: 200000000", "Transfer-Encoding: chunked", "Connection: close"] {
        let sent = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&sent);
        let address = server(move |mut stream| {
            read_request(&mut BufReader::new(stream.try_clone().unwrap()));
            write!(stream, "HTTP/1.1 200 OK\r\n{head}\r\n\r\n").unwrap();
            let megabyte =
                [if head.contains("chunked") { "100000\r\n" } else { "" }.as_bytes(), &[b'x'; 1 << 20], b"\r\n"];
            while counted.load(Ordering::SeqCst) < 200 && stream.write_all(&megabyte.concat()).is_ok() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        assert_eq!(failure(send_to(address)), IoErrorKind::TooLarge, "{head}");
        assert!(sent.load(Ordering::SeqCst) < 50, "the whole body was taken");
    }
    let exact = answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345");
    let effect = Http { limit: 5, ..get(format!("http://{exact}/")) };
    assert_eq!(send(&effect).unwrap().body, b"12345");
    let effect = Http { limit: 4, ..effect };
    assert_eq!(failure(send(&effect)), IoErrorKind::TooLarge);
}

#[test]
fn headers_are_bounded() {
    let many: String = (0..100_000).map(|n| format!("x-{n}: y\r\n")).collect();
    let long = format!("x: {}\r\n", "y".repeat(1_000_000));
    for headers in [many, long] {
        let kind = failure(send_to(answering(format!("HTTP/1.1 200 OK\r\n{headers}\r\n"))));
        assert!(matches!(kind, IoErrorKind::TooLarge | IoErrorKind::Other), "{kind:?}");
    }
}

#[test]
fn the_time_limit_covers_the_whole_call() {
    let silent = server(|stream| {
        thread::sleep(Duration::from_secs(20));
        drop(stream);
    });
    let dripping_head = server(|stream| drip(stream, "HTTP/1.1 200 OK\r\nX-Slow: "));
    let dripping_body = server(|stream| drip(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"));
    for address in [silent, dripping_head, dripping_body] {
        for scheme in ["http", "https"] {
            let start = Instant::now();
            let effect = Http { timeout_ms: 700, ..get(format!("{scheme}://{address}/messages")) };
            let kind = match send(&effect) {
                Ok(answer) => answer.broken.unwrap().kind,
                Err(error) => error.kind,
            };
            let took = start.elapsed();
            assert!(took < Duration::from_secs(2), "{took:?}");
            // Plain bytes where TLS is expected are refused before the time is up.
            assert!(kind == IoErrorKind::TimedOut || (scheme == "https" && kind == IoErrorKind::Tls), "{kind:?}");
        }
    }
}

/// Sends a head, then a byte every 100 ms.
fn drip(mut stream: TcpStream, head: &str) {
    let _ = stream.write_all(head.as_bytes());
    while stream.write_all(b"x").is_ok() {
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn what_cannot_be_sent_is_refused() {
    let good = get("http://127.0.0.1:1/messages");
    let header = |value: &str| vec![("x".to_owned(), value.to_owned())];
    for bad in [
        Http { url: "no url".into(), ..good.clone() },
        Http { url: "/messages".into(), ..good.clone() },
        Http { url: "ftp://127.0.0.1/".into(), ..good.clone() },
        Http { method: "GET /\r\n".into(), ..good.clone() },
        Http { headers: header("s3cret\r\nX-Injected: 1"), ..good },
    ] {
        assert_eq!(failure(send(&bad)), IoErrorKind::Other, "{bad:?}");
    }
}

/// A server behind a certificate that nobody but the holder of the returned PEM file trusts.
fn tls_server() -> (SocketAddr, tempfile::TempDir, PathBuf) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("root.pem");
    std::fs::write(&file, made.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let address = server(move |stream| {
        let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = BufReader::new(rustls::StreamOwned::new(connection, stream));
        if read_request(&mut stream).is_some() {
            let stream = stream.get_mut();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
            stream.flush().unwrap();
        }
    });
    (address, dir, file)
}

#[test]
fn certificates_are_checked_and_further_roots_can_be_given() {
    let (address, dir, root) = tls_server();
    let url = format!("https://localhost:{}/messages", address.port());
    assert_eq!(failure(send(&get(&url))), IoErrorKind::Tls);
    let trusting = HttpClient::new(HttpOptions { extra_roots: Some(root) });
    assert_eq!(trusting.send(&get(&url)).unwrap().body, b"ok");
    // The certificate is for another name.
    let elsewhere = get(format!("https://127.0.0.1:{}/messages", address.port()));
    assert_eq!(failure(trusting.send(&elsewhere)), IoErrorKind::Tls);
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "no certificate").unwrap();
    for file in [empty, dir.path().join("missing.pem")] {
        let client = HttpClient::new(HttpOptions { extra_roots: Some(file) });
        assert_eq!(failure(client.send(&get(&url))), IoErrorKind::Tls);
    }
}
