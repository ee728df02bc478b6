//! Starting, TLS, backup, and stopping.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use azall_relay::control;
use azall_relay::options::{Options, Port, TlsSource};
use azall_relay::server::{ServeError, Server};
use azall_relay::store::restore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::json;
use support::{Client, Live};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn send(relay: &Live, token: &str, to: &str, payload: &str) -> u16 {
    relay.call("POST", "/send", token, &json!({ "to": to, "payload": payload }).to_string()).status
}

fn payloads(relay: &Live, token: &str) -> Vec<String> {
    let page = relay.call("GET", "/v2/messages?limit=1000", token, "").json();
    page["messages"].as_array().unwrap().iter().map(|one| one["payload"].as_str().unwrap().to_owned()).collect()
}

fn over_tls(relay: &Live, certificate: &Path) -> Client<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TcpStream::connect(relay.address).unwrap();
    Client::over(StreamOwned::new(ClientConnection::new(config, name).unwrap(), stream))
}

#[test]
fn a_relay_that_cannot_listen_makes_no_folder() {
    let dir = folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = Port::Fixed(taken.local_addr().unwrap().port());
    let start = |name: &str| {
        let options = Options { port, ..Options::in_folder(dir.path().join(name)) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(Server::start(options)).err().unwrap()
    };
    assert!(matches!(start("new"), ServeError::Listen { .. }));
    assert!(!dir.path().join("new").exists());
    // In a folder that is there, who else has it comes first.
    let relay = Live::with(Options::in_folder(dir.path().join("relay")));
    assert!(matches!(start("relay"), ServeError::Store(_)));
    relay.stop();
    assert!(matches!(start("relay"), ServeError::Listen { .. }));
}

#[test]
fn everything_is_there_after_a_restart() {
    let dir = folder();
    let relay = Live::with(Options::in_folder(dir.path().join("relay")));
    let info: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.path().join("relay/server_info.json")).unwrap()).unwrap();
    assert_eq!(
        (info["port"].as_u64(), info["url"].as_str()),
        (Some(relay.address.port().into()), Some(relay.url.as_str()))
    );
    let anna = relay.register("anna");
    assert_eq!(send(&relay, &anna, "anna", "one"), 200);
    relay.stop();
    assert!(!dir.path().join("relay/server_info.json").exists());
    let relay = Live::with(Options::in_folder(dir.path().join("relay")));
    assert_eq!(payloads(&relay, &anna), ["one"]);
}

#[test]
fn what_was_handed_out_is_not_there_after_a_restart() {
    let dir = folder();
    let relay = Live::with(Options::in_folder(dir.path().join("relay")));
    let anna = relay.register("anna");
    assert_eq!(send(&relay, &anna, "anna", "one"), 200);
    assert_eq!(relay.call("GET", "/messages", &anna, "").json()["count"], 1);
    relay.stop();
    let relay = Live::with(Options::in_folder(dir.path().join("relay")));
    assert_eq!(payloads(&relay, &anna), Vec::<String>::new());
}

#[test]
fn tls_by_a_certificate_of_its_own() {
    let dir = folder();
    let options = || Options { tls: TlsSource::SelfSigned, ..Options::in_folder(dir.path().join("relay")) };
    let relay = Live::with(options());
    assert!(relay.url.starts_with("https://127.0.0.1:"));
    let certificate = dir.path().join("relay/self-signed.pem");
    let mut client = over_tls(&relay, &certificate);
    let answer = client.call("POST", "/register", "", r#"{"agent_name": "anna"}"#);
    assert_eq!(answer.json()["config"]["agenttalk"]["server"], "https://relay.test");
    let token = answer.field("api_token");
    let body = json!({ "to": "anna", "payload": "x".repeat(200_000) }).to_string();
    assert_eq!(client.call("POST", "/send", &token, &body).status, 200);
    assert_eq!(client.call("GET", "/messages", &token, "").json()["count"], 1);
    assert_eq!(client.call("GET", "/messages", &token, "").json()["count"], 0);
    // Whoever does not speak TLS is cut off, and nobody else notices.
    let mut plain = relay.connect();
    plain.request("GET", "/health", &[], b"");
    assert!(plain.try_answer("GET").is_none());
    assert_eq!(client.call("GET", "/health", "", "").status, 200);
    drop(client);
    relay.stop();
    let relay = Live::with(options());
    assert_eq!(over_tls(&relay, &certificate).call("GET", "/health", "", "").status, 200);
}

#[test]
fn a_backup_is_made_while_it_runs_and_while_it_does_not() {
    let dir = folder();
    let data = dir.path().join("relay");
    let relay = Live::with(Options::in_folder(&data));
    let anna = relay.register("anna");
    assert_eq!(send(&relay, &anna, "anna", "one"), 200);
    let mode = std::fs::metadata(data.join("control.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (running, resting) = (dir.path().join("running"), dir.path().join("resting"));
    control::backup(&data, &running).unwrap();
    let again = control::backup(&data, &running).unwrap_err().to_string();
    assert!(again.contains("running"), "{again}");
    assert_eq!(send(&relay, &anna, "anna", "two"), 200);
    relay.stop();
    assert!(!data.join("control.sock").exists());
    control::backup(&data, &resting).unwrap();
    for (file, expected) in [(&running, vec!["one"]), (&resting, vec!["one", "two"])] {
        let restored = dir.path().join(format!("from-{}", file.file_name().unwrap().display()));
        restore(file, &restored).unwrap();
        let relay = Live::with(Options::in_folder(restored));
        assert_eq!(payloads(&relay, &anna), expected);
    }
    let nowhere = control::backup(&dir.path().join("nowhere"), &dir.path().join("x")).unwrap_err().to_string();
    assert!(nowhere.contains("holds no relay"), "{nowhere}");
    assert!(!dir.path().join("nowhere").exists());
}

#[test]
fn what_was_accepted_is_finished() {
    let dir = folder();
    let data = dir.path().join("relay");
    let mut relay = Live::with(Options::in_folder(&data));
    let anna = relay.register("anna");
    let bearer = format!("Bearer {anna}");
    let idle = format!("Bearer {}", relay.register("idle"));
    let mut waiting = relay.connect();
    waiting.request("GET", "/v2/messages?wait=55", &[("Authorization", &idle)], b"");
    let mut stream = relay.connect();
    stream.request("GET", "/v2/stream", &[("Authorization", &bearer)], b"");
    assert_eq!(stream.head().unwrap().0, 200);
    // A request that has begun and ends after the word to stop.
    let body = json!({ "to": "anna", "payload": "late" }).to_string();
    let mut late = relay.connect();
    let length = body.len();
    late.send(
        format!("POST /send HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer}\r\nContent-Length: {length}\r\n\r\n")
            .as_bytes(),
    );
    while !relay.call("GET", "/metrics", "", "").text().contains("azall_relay_connections 4") {}
    let address = relay.address;
    let senders: Vec<_> = (0..4)
        .map(|_| {
            thread::spawn({
                let bearer = bearer.clone();
                move || {
                    let mut accepted = Vec::new();
                    let Ok(stream) = TcpStream::connect(address) else { return accepted };
                    let mut client = Client::over(stream);
                    for number in 0.. {
                        let payload = format!("{:?}-{number}", thread::current().id());
                        let body = json!({ "to": "anna", "payload": payload }).to_string();
                        let head = format!(
                            "POST /send HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer}\r\nContent-Length: {}\r\n\r\n",
                            body.len()
                        );
                        use std::io::Write as _;
                        if client.stream.get_mut().write_all(format!("{head}{body}").as_bytes()).is_err() {
                            break;
                        }
                        match client.try_answer("POST") {
                            Some(answer) if answer.status == 200 => accepted.push(payload),
                            Some(answer) => {
                                assert!(matches!(answer.status, 503 | 507), "{answer:?}");
                                break;
                            }
                            None => break,
                        }
                    }
                    accepted
                }
            })
        })
        .collect();
    while payloads(&relay, &anna).len() < 20 {}
    relay.tell_to_stop();
    assert_eq!(waiting.answer().json()["messages"], json!([]), "a long poll ends");
    while stream.line().is_some() {}
    late.send(body.as_bytes());
    assert_eq!(late.answer().status, 200);
    let mut accepted: Vec<String> = senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect();
    accepted.push("late".to_owned());
    relay.stop();
    let relay = Live::with(Options::in_folder(&data));
    let mut kept = Vec::new();
    loop {
        let page = relay.call("GET", "/messages", &anna, "").json();
        let messages = page["messages"].as_array().unwrap();
        if messages.is_empty() {
            break;
        }
        kept.extend(messages.iter().map(|one| one["payload"].as_str().unwrap().to_owned()));
    }
    for payload in &accepted {
        assert_eq!(kept.iter().filter(|one| *one == payload).count(), 1, "{payload}");
    }
}
