//! Version 2 of a relay: messages wait until they are acknowledged, batches are stored once, large attachments lie in blobs.

use std::collections::BTreeMap;

use azall_core::engine::effect::{Http, HttpAnswer};
use azall_core::protocol::relay::version2::BlobName;
use serde_json::{Value, json};

use crate::random::Random;
use crate::relay::{Effected, Relay, reply};

/// What a relay has beside accounts and inboxes.
#[derive(Clone, Debug, Default)]
pub struct Version2 {
    pub(crate) last_cursor: u64,
    /// By sender, key and recipient: the id that was given.
    given: BTreeMap<(String, String, String), String>,
    /// The keys of accounts, as text.
    keys: BTreeMap<String, String>,
    blobs: BTreeMap<String, Vec<u8>>,
    parts: BTreeMap<String, Vec<u8>>,
}

impl Version2 {
    /// What it holds in memory alone is gone.
    pub(crate) fn forget(&mut self) {
        (self.given, self.blobs, self.parts) = Default::default();
    }

    /// All blobs have had their time; whether there were any.
    pub(crate) fn expire_blobs(&mut self) -> bool {
        let were_any = !self.blobs.is_empty();
        (self.blobs, self.parts) = Default::default();
        were_any
    }
}

/// What a relay says that it takes at once: little, so that a small file is a large one here.
#[must_use]
pub fn limits() -> Value {
    json!({
        "message_bytes": 4096, "batch_messages": 4, "batch_bytes": 65_536, "page_messages": 3, "longest_wait_s": 20,
        "blob_bytes": 1_000_000, "message_ttl_s": 172_800,
    })
}

fn refused(status: u16, code: &str) -> HttpAnswer {
    reply(status, &json!({"error": code, "code": code}))
}

fn with_header(status: u16, name: &str, value: impl ToString, body: &[u8]) -> HttpAnswer {
    HttpAnswer::whole(status, vec![(name.to_owned(), value.to_string())], body.to_vec())
}

fn request(http: &Http) -> Value {
    serde_json::from_slice(&http.body).unwrap_or_default()
}

/// A number of the query.
fn query(path: &str, name: &str) -> Option<u64> {
    let pairs = path.split_once('?')?.1.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(known, _)| *known == name).find_map(|(_, value)| value.parse().ok())
}

/// Until when, in milliseconds from its beginning, a request waits for something; `None` when it does not wait.
#[must_use]
pub(crate) fn waits_ms(http: &Http) -> Option<i64> {
    let seconds = query(&http.url, "wait").filter(|_| http.url.contains("/v2/messages?"))?;
    i64::try_from(seconds * 1000).ok()
}

impl Relay {
    /// Whether there is nothing to answer yet to a request that waits.
    #[must_use]
    pub(crate) fn holds_back(&self, http: &Http) -> bool {
        let after = query(&http.url, "after").unwrap_or_default();
        let Some(name) = self.caller(http).filter(|_| self.speaks_2) else { return false };
        self.accounts.get(&name).is_some_and(|account| account.inbox.iter().all(|waiting| waiting.cursor <= after))
    }

    pub(crate) fn call_version2(&mut self, http: &Http, path: &str, now_ms: i64, random: &mut Random) -> Effected {
        let only = |answer| Effected { answer, taken: Vec::new(), handed_out: None };
        let plain = path.split('?').next().unwrap_or_default();
        match (http.method.as_str(), plain) {
            ("POST", "/v2/challenge") => return only(reply(200, &json!({"challenge": "sign-this", "expires_ms": 0}))),
            ("POST", "/v2/register") => return only(self.register_key(&request(http), random)),
            ("GET", "/v2/agents") => return only(reply(200, &json!({"agents": [], "next": null}))),
            ("GET", plain) if plain.starts_with("/v2/agents/") => return only(self.card(plain)),
            _ => {}
        }
        let Some(name) = self.caller(http) else { return only(refused(401, "unauthorized")) };
        match (http.method.as_str(), plain) {
            ("POST", "/v2/messages") => self.send_batch(&name, &request(http), now_ms),
            ("GET", "/v2/messages") => only(self.page(&name, path)),
            ("POST", "/v2/ack") => only(self.ack(&name, &request(http))),
            _ => only(self.blob(http, plain.trim_start_matches("/v2/blobs/"))),
        }
    }

    fn register_key(&mut self, request: &Value, random: &mut Random) -> HttpAnswer {
        let text = |name: &str| request[name].as_str().unwrap_or_default().to_owned();
        let (name, key) = (text("agent_name"), text("public_key"));
        if text("challenge") != "sign-this" || text("signature").len() != 88 {
            return refused(403, "bad_signature");
        }
        let is_taken = self.accounts.contains_key(&name);
        if is_taken && self.version2.keys.get(&name) != Some(&key) {
            return refused(409, "name_taken");
        }
        let inbox = self.accounts.remove(&name).map(|account| account.inbox).unwrap_or_default();
        let token = self.add(&name, random);
        if let Some(account) = self.accounts.get_mut(&name) {
            account.inbox = inbox;
        }
        self.version2.keys.insert(name.clone(), key);
        let address = format!("{name}.agenttalk");
        let status = if is_taken { 200 } else { 201 };
        reply(status, &json!({"status": "ok", "agent_name": name, "agent_address": address, "api_token": token}))
    }

    fn card(&self, path: &str) -> HttpAnswer {
        let name = path.trim_start_matches("/v2/agents/").trim_end_matches(".agenttalk");
        if self.accounts.contains_key(name) {
            reply(
                200,
                &json!({"agent_name": name, "agent_address": format!("{name}.agenttalk"), "public_key": null, "fingerprint": null}),
            )
        } else {
            refused(404, "no_such_agent")
        }
    }

    fn send_batch(&mut self, from: &str, request: &Value, now_ms: i64) -> Effected {
        let (mut answers, mut taken) = (Vec::new(), Vec::new());
        for message in request["messages"].as_array().into_iter().flatten() {
            let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
            let (key, payload) = (text("idempotency_key"), text("payload"));
            let mut recipients = Vec::new();
            for to in message["to"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                let name = to.trim_end_matches(".agenttalk").to_lowercase();
                let given = (from.to_owned(), key.clone(), name.clone());
                let refused = |code: &str| json!({"to": to, "status": "refused", "code": code, "error": code});
                recipients.push(if let Some(id) = self.version2.given.get(&given) {
                    json!({"to": to, "status": "sent", "message_id": id})
                } else if payload.len() > 4096 {
                    refused("too_large")
                } else if let Some((id, marker)) = self.put(from, &name, &payload, now_ms) {
                    taken.push((name, marker));
                    self.version2.given.insert(given, id.clone());
                    json!({"to": to, "status": "sent", "message_id": id})
                } else {
                    refused("no_such_agent")
                });
            }
            answers.push(json!({"recipients": recipients}));
        }
        Effected { answer: reply(200, &json!({"messages": answers})), taken, handed_out: None }
    }

    fn page(&self, name: &str, path: &str) -> HttpAnswer {
        let after = query(path, "after").unwrap_or_default();
        let limit = usize::try_from(query(path, "limit").unwrap_or(100)).unwrap_or(100);
        let inbox = self.accounts.get(name).map(|account| account.inbox.as_slice()).unwrap_or_default();
        let page: Vec<_> = inbox.iter().filter(|waiting| waiting.cursor > after).take(limit).collect();
        let next = page.last().map_or(after, |waiting| waiting.cursor).to_string();
        let messages: Vec<Value> = page
            .iter()
            .map(|waiting| {
                let mut message = waiting.json.clone();
                message["cursor"] = json!(waiting.cursor.to_string());
                message
            })
            .collect();
        reply(200, &json!({"messages": messages, "next": next}))
    }

    fn ack(&mut self, name: &str, request: &Value) -> HttpAnswer {
        let cursors = request["cursors"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let cursors: Vec<u64> = cursors.filter_map(|cursor| cursor.parse().ok()).collect();
        let deleted = self.delete(name, |cursor| cursors.contains(&cursor));
        reply(200, &json!({"deleted": deleted}))
    }

    fn delete(&mut self, name: &str, is_named: impl Fn(u64) -> bool) -> usize {
        let Some(account) = self.accounts.get_mut(name) else { return 0 };
        let before = account.inbox.len();
        account.inbox.retain(|waiting| !is_named(waiting.cursor));
        before - account.inbox.len()
    }

    /// Acknowledges at once what a page hands out, as a client would that does not store first.
    pub(crate) fn ack_unstored(&mut self, http: &Http, page: &HttpAnswer) {
        let page: Value = serde_json::from_slice(&page.body).unwrap_or_default();
        let next = page["next"].as_str().and_then(|next| next.parse::<u64>().ok()).unwrap_or_default();
        if let Some(name) = self.caller(http) {
            self.delete(&name, |cursor| cursor <= next);
        }
    }

    fn blob(&mut self, http: &Http, hash: &str) -> HttpAnswer {
        let header = |name: &str| {
            let found = http.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
            found.unwrap_or_default().trim_start_matches("bytes").trim_start_matches([' ', '=']).to_owned()
        };
        let range = |text: &str| {
            let (first, last) = text.split('/').next().unwrap_or_default().split_once('-').unwrap_or_default();
            (first.parse::<usize>().unwrap_or(0), last.parse::<usize>().map_or(0, |last| last + 1))
        };
        let (blobs, parts) = (&mut self.version2.blobs, &mut self.version2.parts);
        match http.method.as_str() {
            "HEAD" if blobs.contains_key(hash) => with_header(200, "content-length", blobs[hash].len(), b""),
            "HEAD" => with_header(404, "upload-offset", parts.get(hash).map_or(0, Vec::len), b""),
            "PUT" if blobs.contains_key(hash) => reply(200, &json!({"sha256": hash})),
            "PUT" => {
                let told = header("Content-Range");
                let total = told.rsplit('/').next().and_then(|total| total.parse().ok()).unwrap_or(usize::MAX);
                let part = parts.entry(hash.to_owned()).or_default();
                if range(&told).0 != part.len() {
                    return with_header(409, "upload-offset", part.len(), br#"{"error": "x", "code": "wrong_offset"}"#);
                }
                part.extend(&http.body);
                if part.len() < total {
                    return with_header(202, "upload-offset", part.len(), b"");
                }
                let whole = parts.remove(hash).unwrap_or_default();
                if BlobName::of(&whole).to_string() != hash {
                    return refused(422, "wrong_hash");
                }
                blobs.insert(hash.to_owned(), whole);
                reply(201, &json!({"sha256": hash}))
            }
            _ => {
                let Some(blob) = blobs.get(hash) else { return refused(404, "no_such_blob") };
                let (first, end) = range(&header("Range"));
                let end = end.min(blob.len());
                if first >= end {
                    return refused(416, "bad_range");
                }
                with_header(
                    206,
                    "content-range",
                    format!("bytes {first}-{}/{}", end - 1, blob.len()),
                    &blob[first..end],
                )
            }
        }
    }
}
