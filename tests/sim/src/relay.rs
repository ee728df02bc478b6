//! AgentTalk relays: accounts, inboxes, in version 1 a fetch that deletes what it hands out. Of version 2 see [`version2`](crate::version2).

use std::collections::BTreeMap;

use azall_core::engine::effect::{Http, HttpAnswer};
use azall_core::protocol::relay::Payload;
use serde_json::{Value, json};

use crate::model::marker_of;
use crate::random::Random;
use crate::version2::Version2;

/// A message at a relay, with what the model knows it by.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The message as the relay hands it out.
    pub json: Value,
    /// Its marker (see [`crate::model`]).
    pub marker: String,
    /// Its place in the inbox, of version 2.
    pub(crate) cursor: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) token: String,
    pub(crate) inbox: Vec<Waiting>,
}

/// What a call did at the relay.
#[derive(Clone, Debug)]
pub struct Effected {
    /// The answer.
    pub answer: HttpAnswer,
    /// Messages that were taken: for whom, and its marker.
    pub taken: Vec<(String, String)>,
    /// Whom the messages were for that this answer hands out, and so has deleted.
    pub handed_out: Option<(String, Vec<Waiting>)>,
}

/// A relay.
#[derive(Clone, Debug)]
pub struct Relay {
    /// Its URL.
    pub url: String,
    /// Whether what it has taken survives its crash.
    pub durable: bool,
    /// Until when it is down, in the world's time.
    pub down_until_ms: i64,
    /// Whether it speaks version 2 now.
    pub speaks_2: bool,
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) version2: Version2,
    serial: u64,
}

pub(crate) fn reply(status: u16, body: &Value) -> HttpAnswer {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    HttpAnswer::whole(status, headers, body.to_string().into_bytes())
}

impl Relay {
    /// A relay without accounts.
    #[must_use]
    pub fn new(url: &str, durable: bool) -> Self {
        Self {
            url: url.to_owned(),
            durable,
            down_until_ms: 0,
            speaks_2: false,
            accounts: BTreeMap::new(),
            version2: Version2::default(),
            serial: 0,
        }
    }

    /// Makes an account; its token.
    pub fn add(&mut self, name: &str, random: &mut Random) -> String {
        let token = format!("tok-{:016x}{:016x}", random.number(), random.number());
        self.accounts.insert(name.to_owned(), Account { token: token.clone(), inbox: Vec::new() });
        token
    }

    /// The tokens, which nobody but an account's owner may see.
    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        self.accounts.values().map(|account| account.token.as_str())
    }

    /// Puts messages back before those that wait: what a relay does that deletes only what was acknowledged.
    pub fn hand_back(&mut self, name: &str, messages: Vec<Waiting>) {
        if let Some(account) = self.accounts.get_mut(name) {
            account.inbox.splice(..0, messages);
        }
    }

    /// It crashes: what it holds in memory alone is gone. Gives what is lost, by recipient.
    pub fn crash(&mut self, until_ms: i64) -> Vec<(String, Waiting)> {
        self.down_until_ms = until_ms;
        if self.durable {
            return Vec::new();
        }
        self.version2.forget();
        let mut lost = Vec::new();
        for (name, account) in &mut self.accounts {
            lost.extend(account.inbox.drain(..).map(|waiting| (name.clone(), waiting)));
        }
        lost
    }

    /// Mixes up the order of what waits for an account, or doubles its last message; whether there was anything to do it to.
    pub fn disturb(&mut self, token: &str, double: bool, random: &mut Random) -> Option<(String, String)> {
        let (name, account) = self.accounts.iter_mut().find(|(_, account)| account.token == token)?;
        let count = account.inbox.len();
        if double {
            let mut twin = account.inbox.last()?.clone();
            self.version2.last_cursor += 1;
            twin.cursor = self.version2.last_cursor;
            account.inbox.push(twin.clone());
            return Some((name.clone(), twin.marker));
        }
        for at in (1..count).rev() {
            account.inbox.swap(at, random.below(at + 1));
        }
        // Each has a new place: what somebody has seen under the old one is not taken for another.
        for waiting in &mut account.inbox {
            self.version2.last_cursor += 1;
            waiting.cursor = self.version2.last_cursor;
        }
        (count > 1).then(|| (String::new(), String::new()))
    }

    /// Carries out a call.
    pub fn call(&mut self, http: &Http, now_ms: i64, random: &mut Random) -> Effected {
        let path = http.url.strip_prefix(&self.url).unwrap_or_default();
        let only = |answer| Effected { answer, taken: Vec::new(), handed_out: None };
        if self.speaks_2 && path.starts_with("/v2/") {
            return self.call_version2(http, path, now_ms, random);
        }
        match (http.method.as_str(), path) {
            ("POST", "/register") => only(self.register(&http.body, random)),
            ("POST", "/send") => self.send(http, now_ms),
            ("GET", "/messages") => self.messages(http),
            ("GET", "/agents") => {
                let agents: Vec<String> = self.accounts.keys().map(|name| format!("{name}.agenttalk")).collect();
                only(reply(200, &json!({"count": agents.len(), "agents": agents})))
            }
            ("GET", "/status") => {
                let mut status = json!({"server": "simulated", "accounts_active": self.accounts.len()});
                if self.speaks_2 {
                    status["api"] = json!({"v1": true, "v2": true});
                    status["v2"] = crate::version2::limits();
                }
                only(reply(200, &status))
            }
            ("GET", "/health") => only(reply(200, &json!({"status": "ok", "protocol": "AgentTalk", "time": "now"}))),
            _ => only(reply(404, &json!({"error": "no such path"}))),
        }
    }

    fn register(&mut self, body: &[u8], random: &mut Random) -> HttpAnswer {
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        let name = request["agent_name"].as_str().unwrap_or_default().to_owned();
        if self.accounts.contains_key(&name) {
            return reply(409, &json!({"error": format!("Agent '{name}' already exists")}));
        }
        let token = self.add(&name, random);
        reply(
            201,
            &json!({"status": "ok", "agent_name": name, "agent_address": format!("{name}.agenttalk"), "api_token": token}),
        )
    }

    pub(crate) fn caller(&self, http: &Http) -> Option<String> {
        let bearer = http.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"))?;
        let token = bearer.1.strip_prefix("Bearer ")?;
        self.accounts.iter().find(|(_, account)| account.token == token).map(|(name, _)| name.clone())
    }

    fn send(&mut self, http: &Http, now_ms: i64) -> Effected {
        let only = |answer| Effected { answer, taken: Vec::new(), handed_out: None };
        let Some(from) = self.caller(http) else { return only(reply(401, &json!({"error": "Unauthorized"}))) };
        let request: Value = serde_json::from_slice(&http.body).unwrap_or_default();
        let to = request["to"].as_str().unwrap_or_default().trim_end_matches(".agenttalk").to_lowercase();
        let payload = request["payload"].as_str().unwrap_or_default().to_owned();
        let Some((id, marker)) = self.put(&from, &to, &payload, now_ms) else {
            return only(reply(404, &json!({"error": format!("Recipient '{to}' not found")})));
        };
        let answer = reply(200, &json!({"status": "sent", "message_id": id}));
        Effected { answer, taken: vec![(to, marker)], handed_out: None }
    }

    /// Puts a message into an inbox: its id and marker; `None` when there is no such account.
    pub(crate) fn put(&mut self, from: &str, to: &str, payload: &str, now_ms: i64) -> Option<(String, String)> {
        let account = self.accounts.get_mut(to)?;
        self.serial += 1;
        self.version2.last_cursor += 1;
        let id = format!("{now_ms}_{from}_{:08x}", self.serial);
        let marker = marker_of(&Payload::parse(payload).body);
        let json = json!({
            "id": id, "from": format!("{from}.agenttalk"), "to": format!("{to}.agenttalk"),
            "timestamp": "2026-03-11T14:30:00Z", "payload": payload,
        });
        account.inbox.push(Waiting { json, marker: marker.clone(), cursor: self.version2.last_cursor });
        Some((id, marker))
    }

    fn messages(&mut self, http: &Http) -> Effected {
        let Some(name) = self.caller(http) else {
            let answer = reply(401, &json!({"error": "Unauthorized"}));
            return Effected { answer, taken: Vec::new(), handed_out: None };
        };
        let messages =
            self.accounts.get_mut(&name).map(|account| std::mem::take(&mut account.inbox)).unwrap_or_default();
        let list: Vec<&Value> = messages.iter().map(|waiting| &waiting.json).collect();
        let answer = reply(200, &json!({"agent": name, "count": list.len(), "messages": list}));
        Effected { answer, taken: Vec::new(), handed_out: Some((name, messages)) }
    }
}
