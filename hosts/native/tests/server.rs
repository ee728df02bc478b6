//! `azall server` as a process: what it says, where it listens, and how it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

fn azall(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_azall"));
    command.args(arguments).current_dir(dir).env_clear().env("HOME", dir).stdin(Stdio::null());
    command
}

fn ran(dir: &Path, arguments: &[&str]) -> Output {
    azall(dir, arguments).output().unwrap()
}

/// A server in the background; killed if the test fails before it has ended.
struct Running {
    child: Child,
    told: Value,
}

impl Running {
    fn start(dir: &Path, arguments: &[&str]) -> Self {
        let arguments = [&["server", "--json"], arguments].concat();
        let mut child = azall(dir, &arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let told = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line:?}"));
        Self { child, told }
    }

    fn port(&self) -> u16 {
        self.told["port"].as_u64().unwrap().try_into().unwrap()
    }

    /// One request, and the answer's status line and body.
    fn call(&self, head: &str, body: &str) -> (String, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port())).unwrap();
        let length = body.len();
        write!(stream, "{head}\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.lines().next().unwrap().to_owned(), body.to_owned())
    }

    /// Sends a signal; the exit code and the log.
    fn end(mut self, signal: Signal) -> (Option<i32>, String) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        let code = self.child.wait().unwrap().code();
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (code, log)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_relay_ends_well_and_begins_again_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    for (round, signal) in [Signal::TERM, Signal::INT].into_iter().enumerate() {
        let server = Running::start(dir.path(), &["--port", "0", "--log", "json", "--verbose"]);
        let info: Value =
            serde_json::from_slice(&std::fs::read(dir.path().join("data/relay/server_info.json")).unwrap()).unwrap();
        assert_eq!(info["port"], server.told["port"]);
        let (status, body) = server.call("POST /register HTTP/1.1", r#"{"agent_name": "anna"}"#);
        assert_eq!(status, if round == 0 { "HTTP/1.1 201 Created" } else { "HTTP/1.1 409 Conflict" });
        let token = serde_json::from_str::<Value>(&body).unwrap()["api_token"].as_str().unwrap_or("none").to_owned();
        let head = format!("POST /send HTTP/1.1\r\nAuthorization: Bearer {token}");
        server.call(&head, r#"{"to": "anna", "payload": "a word that no log holds"}"#);
        let (code, log) = server.end(signal);
        assert_eq!(code, Some(0), "{log}");
        for line in log.lines() {
            serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        }
        assert!(log.contains("answered") && !log.contains(&token) && !log.contains("a word that"), "{log}");
        assert!(!dir.path().join("data/relay/server_info.json").exists());
    }
}

#[test]
fn the_default_port_gives_way_and_a_named_one_does_not() {
    let dir = tempfile::tempdir().unwrap();
    // Taken by this test or by somebody else: either way it is not free.
    let _taken = TcpListener::bind("127.0.0.1:8484");
    let server = Running::start(dir.path(), &["--memory"]);
    assert!(server.port() > 8484);
    assert!(!dir.path().join("data").exists(), "in memory nothing is written");
    let port = server.port().to_string();
    let refused = ran(dir.path(), &["server", "--memory", "--port", &port]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("choose another with --port"), "{said}");
    assert_eq!(server.end(Signal::TERM).0, Some(0));
}

#[test]
fn a_folder_is_one_relays_alone_and_can_be_backed_up() {
    let dir = tempfile::tempdir().unwrap();
    let server = Running::start(dir.path(), &["--port", "0"]);
    let second = ran(dir.path(), &["server", "--port", "0"]);
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("in use"), "{said}");
    server.call("POST /register HTTP/1.1", r#"{"agent_name": "anna"}"#);
    let made = ran(dir.path(), &["server", "backup", "b"]);
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    assert_eq!(server.end(Signal::TERM).0, Some(0));
    assert_eq!(ran(dir.path(), &["server", "restore", "b", "--data-dir", "other"]).status.code(), Some(0));
    let server = Running::start(dir.path(), &["--port", "0", "--data-dir", "other"]);
    assert_eq!(server.call("GET /agents HTTP/1.1", "").1, r#"{"agents":["anna.agenttalk"],"count":1}"#);
    let none = ran(dir.path(), &["server", "backup", "c", "--data-dir", "none", "--json"]);
    let document: Value = serde_json::from_slice(&none.stdout).unwrap();
    assert_eq!((none.status.code(), document["exit_code"].as_u64()), (Some(1), Some(1)));
}
