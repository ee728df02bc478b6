//! Version 2 of the relay in memory.

use std::collections::BTreeMap;

use azall_core::engine::effect::{Http, HttpAnswer};
use azall_core::protocol::id::Fingerprint;
use azall_core::protocol::relay::AgentName;
use azall_core::protocol::relay::version2::{BlobName, Challenge, signed_bytes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::{Value, json};

use super::relay::{Answered, State, as_json, body, incoming, unauthorized};

/// What a relay of version 2 has beside accounts and inboxes.
pub(crate) struct Version2 {
    /// What it says in its status.
    pub(crate) limits: Value,
    /// The keys of accounts.
    pub(crate) keys: BTreeMap<String, [u8; 32]>,
    /// Blobs, by name.
    pub(crate) blobs: BTreeMap<String, Vec<u8>>,
    /// What has come of blobs so far.
    pub(crate) parts: BTreeMap<String, Vec<u8>>,
    /// By sender, key and recipient: the id that was given.
    given: BTreeMap<(String, String, String), String>,
    /// Challenges that were not used yet.
    challenges: Vec<String>,
}

impl Default for Version2 {
    fn default() -> Self {
        let limits = json!({
            "message_bytes": 262_144, "batch_messages": 1000, "batch_bytes": 4_194_304, "page_messages": 1000,
            "longest_wait_s": 55, "blob_bytes": 67_108_864, "message_ttl_s": 172_800,
        });
        let (keys, blobs, parts, given) = Default::default();
        Self { limits, keys, blobs, parts, given, challenges: Vec::new() }
    }
}

fn refused(status: u16, code: &str) -> Answered {
    as_json(status, &json!({"error": format!("no: {code}"), "code": code}))
}

fn with_header(status: u16, name: &str, value: impl ToString, body: &[u8]) -> Answered {
    Ok(HttpAnswer::whole(status, vec![(name.to_owned(), value.to_string())], body.to_vec()))
}

/// The name of an account as an address gives it, and the fingerprint that it certifies.
fn account_of(address: &str) -> (String, Option<Fingerprint>) {
    let name = address.trim_end_matches(".agenttalk");
    match name.rsplit_once('.') {
        Some((name, key)) => (name.to_owned(), Fingerprint::parse(key).ok()),
        None => (name.to_owned(), None),
    }
}

impl State {
    fn known2(&mut self) -> &mut Version2 {
        self.version2.as_mut().unwrap()
    }

    pub(super) fn answer_version2(&mut self, http: &Http, path: &str) -> Answered {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let query = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
        };
        match (http.method.as_str(), path) {
            ("POST", "/v2/challenge") => {
                let text = format!("challenge-{}@127.0.0.1:8484", self.known2().challenges.len());
                self.known2().challenges.push(text.clone());
                as_json(200, &json!({"challenge": text, "expires_ms": 0}))
            }
            ("POST", "/v2/register") => self.register_version2(http),
            ("GET", "/v2/agents") => self.list(),
            ("GET", path) if path.starts_with("/v2/agents/") => self.card(path.trim_start_matches("/v2/agents/")),
            _ => {
                let Some(name) = self.account(http) else { return unauthorized() };
                match (http.method.as_str(), path) {
                    ("POST", "/v2/messages") => self.send_batch(&name, http),
                    ("GET", "/v2/messages") => self.page(&name, query("after"), query("limit")),
                    ("POST", "/v2/ack") => self.ack(&name, http),
                    _ => self.blob(http, path.trim_start_matches("/v2/blobs/")),
                }
            }
        }
    }

    fn register_version2(&mut self, http: &Http) -> Answered {
        let request = body(http);
        let text = |name: &str| request[name].as_str().unwrap();
        let Ok(name) = AgentName::parse(text("agent_name")) else { return refused(400, "bad_name") };
        let challenges = &mut self.known2().challenges;
        let Some(at) = challenges.iter().position(|known| known == text("challenge")) else {
            return refused(400, "bad_challenge");
        };
        let challenge = Challenge::parse(&challenges.swap_remove(at)).unwrap();
        let bytes = |name: &str| STANDARD.decode(text(name)).unwrap();
        let key: [u8; 32] = bytes("public_key").try_into().unwrap();
        let signature = Signature::from_slice(&bytes("signature")).unwrap();
        let signed = signed_bytes(&name, &challenge);
        if VerifyingKey::from_bytes(&key).unwrap().verify_strict(&signed, &signature).is_err() {
            return refused(403, "bad_signature");
        }
        let (name, is_taken) = (name.to_string(), self.tokens.contains_key(name.as_str()));
        if is_taken && self.known2().keys.get(&name) != Some(&key) {
            return refused(409, "name_taken");
        }
        let token = format!("token-of-{name}{}", if is_taken { "-again" } else { "" });
        self.tokens.insert(name.clone(), token.clone());
        self.known2().keys.insert(name.clone(), key);
        let address = format!("{name}.agenttalk");
        let status = if is_taken { 200 } else { 201 };
        as_json(status, &json!({"status": "ok", "agent_name": name, "agent_address": address, "api_token": token}))
    }

    fn describe(&mut self, name: &str) -> Value {
        let key = self.known2().keys.get(name).copied();
        json!({
            "agent_name": name, "agent_address": format!("{name}.agenttalk"),
            "public_key": key.map(|key| STANDARD.encode(key)),
            "fingerprint": key.map(|key| Fingerprint::of_key(&key).to_string()),
        })
    }

    fn list(&mut self) -> Answered {
        let names: Vec<String> = self.tokens.keys().cloned().collect();
        let agents: Vec<Value> = names.iter().map(|name| self.describe(name)).collect();
        as_json(200, &json!({"agents": agents, "next": null}))
    }

    /// The account of an address; none when there is none, or it has another key.
    fn find(&mut self, address: &str) -> Option<String> {
        let (name, wanted) = account_of(address);
        let key = self.known2().keys.get(&name).map(Fingerprint::of_key);
        (self.tokens.contains_key(&name) && (wanted.is_none() || wanted == key)).then_some(name)
    }

    fn card(&mut self, address: &str) -> Answered {
        match self.find(address) {
            Some(name) => as_json(200, &self.describe(&name)),
            None => refused(404, "no_such_agent"),
        }
    }

    fn send_batch(&mut self, from: &str, http: &Http) -> Answered {
        let request = body(http);
        let mut answers = Vec::new();
        for message in request["messages"].as_array().unwrap() {
            let key = message["idempotency_key"].as_str().unwrap_or_default();
            let payload = message["payload"].as_str().unwrap();
            let mut recipients = Vec::new();
            for to in message["to"].as_array().unwrap() {
                let to = to.as_str().unwrap();
                recipients.push(self.send_one(from, to, key, payload));
            }
            answers.push(json!({"recipients": recipients}));
        }
        as_json(200, &json!({"messages": answers}))
    }

    fn send_one(&mut self, from: &str, to: &str, key: &str, payload: &str) -> Value {
        let refused =
            |code: &str| json!({"to": to, "status": "refused", "code": code, "error": format!("{to}: {code}")});
        let Some(name) = self.find(to) else { return refused("no_such_agent") };
        if payload.len() as u64 > self.known2().limits["message_bytes"].as_u64().unwrap() {
            return refused("too_large");
        }
        let given = (from.to_owned(), key.to_owned(), name.clone());
        let id = match self.known2().given.get(&given) {
            Some(id) => id.clone(),
            None => {
                let id = self.next_id(from);
                self.put(&name, incoming(&id, &format!("{from}.agenttalk"), &format!("{name}.agenttalk"), payload));
                id
            }
        };
        self.known2().given.insert(given, id.clone());
        json!({"to": to, "status": "sent", "message_id": id})
    }

    fn page(&mut self, name: &str, after: Option<String>, limit: Option<String>) -> Answered {
        let number = |text: &str| text.parse::<u64>().unwrap();
        let after = after.as_deref().map_or(0, number);
        let limit = limit.as_deref().map_or(100, number) as usize;
        let inbox = self.inboxes.get(name).cloned().unwrap_or_default();
        let cursor = |message: &Value| number(message["cursor"].as_str().unwrap());
        let messages: Vec<Value> = inbox.into_iter().filter(|message| cursor(message) > after).take(limit).collect();
        let next = messages.last().map_or(after, cursor).to_string();
        as_json(200, &json!({"messages": messages, "next": next}))
    }

    fn ack(&mut self, name: &str, http: &Http) -> Answered {
        let request = body(http);
        let cursors = request["cursors"].as_array().unwrap();
        let inbox = self.inboxes.entry(name.to_owned()).or_default();
        let before = inbox.len();
        inbox.retain(|message| !cursors.contains(&message["cursor"]));
        as_json(200, &json!({"deleted": before - inbox.len()}))
    }

    fn blob(&mut self, http: &Http, hash: &str) -> Answered {
        let header = |name: &str| http.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let range = |text: &str| {
            let (first, last) = text.split_once('/').map_or(text, |(range, _)| range).split_once('-').unwrap();
            (first.parse::<usize>().unwrap(), last.parse::<usize>().unwrap() + 1)
        };
        let known = self.known2();
        match http.method.as_str() {
            "HEAD" if known.blobs.contains_key(hash) => with_header(200, "content-length", 0, b""),
            "HEAD" => with_header(404, "upload-offset", known.parts.get(hash).map_or(0, Vec::len), b""),
            "PUT" if known.blobs.contains_key(hash) => as_json(200, &json!({"sha256": hash})),
            "PUT" => {
                let content_range = header("Content-Range").unwrap().trim_start_matches("bytes ");
                let total: usize = content_range.rsplit('/').next().unwrap().parse().unwrap();
                let part = known.parts.entry(hash.to_owned()).or_default();
                if range(content_range).0 != part.len() {
                    return with_header(409, "upload-offset", part.len(), br#"{"error": "x", "code": "wrong_offset"}"#);
                }
                part.extend(&http.body);
                if part.len() < total {
                    return with_header(202, "upload-offset", part.len(), b"");
                }
                let whole = known.parts.remove(hash).unwrap();
                if BlobName::of(&whole).to_string() != hash {
                    return refused(422, "wrong_hash");
                }
                known.blobs.insert(hash.to_owned(), whole);
                as_json(201, &json!({"sha256": hash}))
            }
            _ => {
                let Some(blob) = known.blobs.get(hash) else { return refused(404, "no_such_blob") };
                let (first, end) = range(header("Range").unwrap().trim_start_matches("bytes="));
                if first >= blob.len() {
                    return refused(416, "bad_range");
                }
                let end = end.min(blob.len());
                let told = format!("bytes {first}-{}/{}", end - 1, blob.len());
                with_header(206, "content-range", told, &blob[first..end])
            }
        }
    }
}
