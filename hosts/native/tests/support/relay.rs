//! The simulator's relay behind a real socket.
#![allow(dead_code, reason = "not every test uses everything")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use azall_core::engine::effect::Http;
use azall_sim::model::Log;
use azall_sim::random::Random;
use azall_sim::relay::{Relay, Waiting};

/// A relay that listens on this machine for as long as the test runs.
#[derive(Clone)]
pub(crate) struct LiveRelay {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

struct State {
    relay: Relay,
    random: Random,
    /// What was handed out to each account since it was last [settled](LiveRelay::settle).
    handed_out: BTreeMap<String, Vec<Waiting>>,
    /// Messages taken: recipient and marker.
    taken: Vec<(String, String)>,
}

impl LiveRelay {
    /// Starts listening on a free port.
    pub(crate) fn start(seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = State {
            relay: Relay::new(&url, true),
            random: Random::new(seed),
            handed_out: BTreeMap::new(),
            taken: Vec::new(),
        };
        let relay = Self { url, state: Arc::new(Mutex::new(state)) };
        let served = relay.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = served.clone();
                thread::spawn(move || served.serve(stream));
            }
        });
        relay
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Makes an account; its token.
    pub(crate) fn add(&self, name: &str) -> String {
        let State { relay, random, .. } = &mut *self.state();
        relay.add(name, random)
    }

    /// The client of an account is dead: what it was handed and may not have kept is handed out again, as a relay does
    /// that waits for an acknowledgement.
    pub(crate) fn hand_back(&self, name: &str) {
        let state = &mut *self.state();
        if let Some(messages) = state.handed_out.remove(name) {
            state.relay.hand_back(name, messages);
        }
    }

    /// The client of an account has ended well: what it was handed is its own.
    pub(crate) fn settle(&self, name: &str) {
        self.state().handed_out.remove(name);
    }

    /// Notes in a log what was taken for whom.
    pub(crate) fn tell(&self, log: &mut Log, mailboxes: &[String]) {
        for (name, marker) in &self.state().taken {
            if let Some(mailbox) = mailboxes.iter().position(|mailbox| mailbox == name) {
                log.copied(marker, mailbox);
            }
        }
    }

    /// Answers the requests of one connection until its client goes away.
    fn serve(&self, mut stream: TcpStream) {
        let Ok(reading) = stream.try_clone() else { return };
        let mut reader = BufReader::new(reading);
        while let Some(http) = read_request(&mut reader, &self.url) {
            let answer = {
                let state = &mut *self.state();
                let effected = state.relay.call(&http, 1_773_239_400_000, &mut state.random);
                state.taken.extend(effected.taken);
                if let Some((name, messages)) = effected.handed_out {
                    state.handed_out.entry(name).or_default().extend(messages);
                }
                effected.answer
            };
            let head = format!("HTTP/1.1 {} x\r\nContent-Length: {}\r\n\r\n", answer.status, answer.body.len());
            if stream.write_all(&[head.as_bytes(), &answer.body].concat()).is_err() {
                return;
            }
        }
    }
}

fn read_request(reader: &mut impl BufRead, url: &str) -> Option<Http> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_owned(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().unwrap_or(0))];
    reader.read_exact(&mut body).ok()?;
    Some(Http { method, url: format!("{url}{path}"), headers, body, limit: 0, timeout_ms: 0 })
}
