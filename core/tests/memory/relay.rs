//! An AgentTalk relay in memory, of version 1 (inboxes that are deleted as they are handed out) or 2 (see [`super::version2`]), with
//! answers that a test scripts.

use std::cell::{Ref, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use azall_core::engine::effect::{Http, HttpAnswer, IoError, IoErrorKind};
use serde_json::{Value, json};

use super::MemoryHost;
use super::version2::Version2;

pub(super) type Answered = Result<HttpAnswer, IoError>;

/// A relay; clones are the same relay.
#[derive(Clone, Default)]
pub(crate) struct Relay(Rc<RefCell<State>>);

#[derive(Default)]
pub(super) struct State {
    pub(super) tokens: BTreeMap<String, String>,
    pub(super) inboxes: BTreeMap<String, Vec<Value>>,
    /// What it knows beside, if it speaks version 2.
    pub(super) version2: Option<Version2>,
    scripts: BTreeMap<String, VecDeque<Answered>>,
    standing: BTreeMap<String, Answered>,
    requests: Vec<Http>,
    sent: u64,
    cursor: u64,
}

/// The address that [`Relay::connect`] gives a lone relay.
pub(crate) const URL: &str = "http://127.0.0.1:8484";

/// Lets a host reach these relays, by the beginning of their URLs, and nothing else.
pub(crate) fn connect(host: &mut MemoryHost, relays: &[(&'static str, &Relay)]) {
    let relays: Vec<_> = relays.iter().map(|(url, relay)| (*url, (*relay).clone())).collect();
    host.web = Box::new(move |http| match relays.iter().find(|(url, _)| http.url.starts_with(url)) {
        Some((url, relay)) => relay.answer(http, &http.url[url.len()..]),
        None => Err(IoError::new(IoErrorKind::Unreachable, "no such host")),
    });
}

impl Relay {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A relay that speaks version 2 as well.
    pub(crate) fn of_version2() -> Self {
        let relay = Self::default();
        relay.speak_version2(true);
        relay
    }

    /// Lets it learn version 2, or forget it.
    pub(crate) fn speak_version2(&self, speaks: bool) {
        self.0.borrow_mut().version2 = speaks.then(Version2::default);
    }

    /// Looks at what it has of version 2, or changes it.
    pub(crate) fn version2<T>(&self, look: impl FnOnce(&mut Version2) -> T) -> T {
        look(self.0.borrow_mut().version2.as_mut().unwrap())
    }

    /// Makes an account as `register` would; its token.
    pub(crate) fn account(&self, name: &str) -> String {
        let token = format!("token-of-{name}");
        self.0.borrow_mut().tokens.insert(name.to_owned(), token.clone());
        token
    }

    /// Leaves a message for an account, as the relay will hand it out.
    pub(crate) fn hand_out(&self, to: &str, message: Value) {
        self.0.borrow_mut().put(to, message);
    }

    /// The answer to the next call of this kind (`GET /messages`).
    pub(crate) fn next(&self, call: &str, answer: Answered) {
        self.0.borrow_mut().scripts.entry(call.to_owned()).or_default().push_back(answer);
    }

    /// The answer to every call of this kind from now on; none lets the relay answer by itself again.
    pub(crate) fn always(&self, call: &str, answer: Option<Answered>) {
        let standing = &mut self.0.borrow_mut().standing;
        match answer {
            Some(answer) => standing.insert(call.to_owned(), answer),
            None => standing.remove(call),
        };
    }

    /// How often a call of this kind came.
    pub(crate) fn calls(&self, call: &str) -> usize {
        self.requests().iter().filter(|http| call_of(http) == call).count()
    }

    pub(crate) fn requests(&self) -> Ref<'_, Vec<Http>> {
        Ref::map(self.0.borrow(), |state| &state.requests)
    }

    /// The messages that wait for an account.
    pub(crate) fn waiting(&self, name: &str) -> Vec<Value> {
        self.0.borrow().inboxes.get(name).cloned().unwrap_or_default()
    }

    fn answer(&self, http: &Http, path: &str) -> Answered {
        let mut state = self.0.borrow_mut();
        state.requests.push(http.clone());
        let call = call_of(http);
        if let Some(answer) = state.scripts.get_mut(&call).and_then(VecDeque::pop_front) {
            return answer;
        }
        if let Some(answer) = state.standing.get(&call) {
            return answer.clone();
        }
        match call.as_str() {
            "POST /register" => state.register(http),
            "POST /send" => state.send(http),
            "GET /messages" => state.messages(http),
            "GET /agents" => as_json(200, &json!({"agents": state.tokens.keys().collect::<Vec<_>>()})),
            "GET /status" => as_json(200, &state.status()),
            _ if path.starts_with("/v2/") && state.version2.is_some() => state.answer_version2(http, path),
            _ => as_json(404, &json!({"error": "no such call"})),
        }
    }
}

impl State {
    fn register(&mut self, http: &Http) -> Answered {
        let name = body(http)["agent_name"].as_str().unwrap().to_lowercase();
        if self.tokens.contains_key(&name) {
            return as_json(409, &json!({"error": format!("Agent '{name}' already exists")}));
        }
        let token = format!("token-of-{name}");
        self.tokens.insert(name.clone(), token.clone());
        let address = format!("{name}.agenttalk");
        as_json(201, &json!({"status": "ok", "agent_name": name, "agent_address": address, "api_token": token}))
    }

    fn send(&mut self, http: &Http) -> Answered {
        let Some(from) = self.account(http) else { return unauthorized() };
        let body = body(http);
        let to = body["to"].as_str().unwrap().trim_end_matches(".agenttalk").to_owned();
        if !self.tokens.contains_key(&to) {
            return as_json(404, &json!({"error": format!("Recipient '{to}' not found")}));
        }
        let id = self.next_id(&from);
        let message = incoming(&id, &from, &to, body["payload"].as_str().unwrap());
        self.put(&to, message);
        as_json(200, &json!({"status": "sent", "message_id": id}))
    }

    fn messages(&mut self, http: &Http) -> Answered {
        let Some(name) = self.account(http) else { return unauthorized() };
        let messages = self.inboxes.remove(&name).unwrap_or_default();
        as_json(200, &json!({"agent": name, "count": messages.len(), "messages": messages}))
    }

    /// Puts a message into an inbox.
    pub(super) fn put(&mut self, to: &str, mut message: Value) {
        self.cursor += 1;
        message["cursor"] = json!(self.cursor.to_string());
        self.inboxes.entry(to.to_owned()).or_default().push(message);
    }

    fn status(&self) -> Value {
        let mut status = json!({"server": "relay in memory"});
        if let Some(version2) = &self.version2 {
            status["api"] = json!({"v1": true, "v2": true});
            status["v2"] = version2.limits.clone();
        }
        status
    }

    pub(super) fn next_id(&mut self, from: &str) -> String {
        self.sent += 1;
        format!("17417034{:05}_{from}_9f0c2b1a", self.sent)
    }

    pub(super) fn account(&self, http: &Http) -> Option<String> {
        let bearer = http.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"))?;
        let token = bearer.1.strip_prefix("Bearer ")?;
        self.tokens.iter().find(|(_, known)| *known == token).map(|(name, _)| name.clone())
    }
}

/// The call without what differs from one to the next: the query, a blob's or an agent's name.
fn call_of(http: &Http) -> String {
    let path = http.url.splitn(4, '/').nth(3).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    let kind = ["v2/blobs", "v2/agents"].into_iter().find(|kind| path.starts_with(kind)).unwrap_or(path);
    format!("{} /{kind}", http.method)
}

pub(super) fn body(http: &Http) -> Value {
    serde_json::from_slice(&http.body).unwrap()
}

pub(super) fn unauthorized() -> Answered {
    as_json(401, &json!({"error": "Invalid token"}))
}

/// An answer with these bytes.
pub(crate) fn raw(status: u16, body: &[u8]) -> Answered {
    Ok(HttpAnswer::whole(status, Vec::new(), body.to_vec()))
}

/// An answer with a JSON document.
pub(crate) fn as_json(status: u16, document: &Value) -> Answered {
    raw(status, document.to_string().as_bytes())
}

/// No answer.
pub(crate) fn broken(kind: IoErrorKind) -> Answered {
    Err(IoError::new(kind, "scripted"))
}

/// A message as a relay hands it out.
pub(crate) fn incoming(id: &str, from: &str, to: &str, payload: &str) -> Value {
    json!({"id": id, "from": from, "to": to, "timestamp": "2026-03-11T14:30:00Z", "payload": payload})
}

/// A payload without attachments.
pub(crate) fn payload(from: &str, subject: &str, body: &str) -> String {
    json!({"subject": subject, "body": body, "from": from, "attachments": []}).to_string()
}
