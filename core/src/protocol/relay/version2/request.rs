//! What is asked of a relay in version 2.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::super::request::{get_path, post_path};
use super::super::{AgentName, Request, ServerUrl, Token};
use super::{BlobName, Challenge, Cursor};
use crate::protocol::address::Address;
use crate::protocol::identity::Identity;

/// One message of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The recipients.
    pub to: Vec<Address>,
    /// A [`Payload`](crate::protocol::relay::Payload) as text.
    pub payload: String,
    /// What the relay knows this message by: posted again under the same key, it is not stored again. Hex digits.
    pub idempotency_key: String,
}

impl Entry {
    fn to_json(&self) -> String {
        let to: Vec<&str> = self.to.iter().map(Address::as_str).collect();
        json!({"to": to, "payload": self.payload, "idempotency_key": self.idempotency_key}).to_string()
    }
}

/// How many bytes an entry takes in a batch, its comma included.
#[must_use]
pub fn entry_bytes(entry: &Entry) -> usize {
    entry.to_json().len() + 1
}

/// Asks for a text to sign. Answer: [`parse_challenge`](super::parse_challenge).
#[must_use]
pub fn challenge(server: &ServerUrl) -> Request {
    post_path(server, "/v2/challenge", None, "{}".to_owned())
}

/// Asks for the account that belongs to this name and key. Answer:
/// [`parse_registered_with_key`](super::parse_registered_with_key).
#[must_use]
pub fn register_with_key(server: &ServerUrl, name: &AgentName, key: &Identity, challenge: &Challenge) -> Request {
    let signature = STANDARD.encode(key.sign(&super::signed_bytes(name, challenge)));
    let body = json!({
        "agent_name": name.as_str(), "public_key": key.public_key_b64(), "challenge": challenge.as_str(), "signature": signature,
    });
    post_path(server, "/v2/register", None, body.to_string())
}

/// Asks who an account is. Answer: [`parse_agent`](super::parse_agent). An address with characters that no account has
/// names none.
#[must_use]
pub fn agent(server: &ServerUrl, account: &Address) -> Option<Request> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let name = account.as_str();
    name.bytes().all(is_plain).then(|| get_path(server, &format!("/v2/agents/{name}"), None))
}

/// Asks for a page of the accounts, from the one after `after`. Answer: [`parse_listed`](super::parse_listed).
#[must_use]
pub fn list_agents(server: &ServerUrl, after: Option<&AgentName>) -> Request {
    let after = after.map(|name| format!("&after={name}")).unwrap_or_default();
    get_path(server, &format!("/v2/agents?limit=1000{after}"), None)
}

/// Sends messages. Answer: [`parse_sent_batch`](super::parse_sent_batch).
#[must_use]
pub fn send_batch(server: &ServerUrl, token: &Token, entries: &[Entry]) -> Request {
    let entries: Vec<String> = entries.iter().map(Entry::to_json).collect();
    post_path(server, "/v2/messages", Some(token), format!("{{\"messages\":[{}]}}", entries.join(",")))
}

/// Asks for at most `limit` messages after a cursor, or from the oldest on, and waits so many seconds for one. Nothing is
/// deleted. Answer: [`parse_page`](super::parse_page).
#[must_use]
pub fn page(server: &ServerUrl, token: &Token, after: Option<&Cursor>, limit: u64, wait_s: u64) -> Request {
    let mut path = format!("/v2/messages?limit={limit}");
    if let Some(after) = after {
        path.push_str(&format!("&after={after}"));
    }
    if wait_s > 0 {
        path.push_str(&format!("&wait={wait_s}"));
    }
    get_path(server, &path, Some(token))
}

/// Lets the relay delete messages, at most 1,000. Answer: [`parse_acked`](super::parse_acked).
#[must_use]
pub fn ack(server: &ServerUrl, token: &Token, cursors: &[Cursor]) -> Request {
    let cursors: Vec<&str> = cursors.iter().map(Cursor::as_str).collect();
    post_path(server, "/v2/ack", Some(token), json!({"cursors": cursors}).to_string())
}

fn of_blob(method: &'static str, server: &ServerUrl, token: &Token, name: &BlobName) -> Request {
    Request { method, ..get_path(server, &format!("/v2/blobs/{name}"), Some(token)) }
}

/// Asks whether a blob is there, or how much of it. Answer: [`parse_blob_head`](super::parse_blob_head).
#[must_use]
pub fn blob_head(server: &ServerUrl, token: &Token, name: &BlobName) -> Request {
    of_blob("HEAD", server, token, name)
}

/// Sends a part of a blob, which begins at byte `first` of `total`. Answer: [`parse_blob_put`](super::parse_blob_put).
#[must_use]
pub fn blob_put(server: &ServerUrl, token: &Token, name: &BlobName, first: u64, total: u64, part: &[u8]) -> Request {
    let mut request = of_blob("PUT", server, token, name);
    let last = first.saturating_add(part.len() as u64).saturating_sub(1);
    request.headers.push(("Content-Type".to_owned(), "application/octet-stream".to_owned()));
    request.headers.push(("Content-Range".to_owned(), format!("bytes {first}-{last}/{total}")));
    request.body = part.to_vec();
    request
}

/// Asks for `length` bytes of a blob from byte `first` on. Answer: [`parse_blob_part`](super::parse_blob_part).
#[must_use]
pub fn blob_part(server: &ServerUrl, token: &Token, name: &BlobName, first: u64, length: u64) -> Request {
    let mut request = of_blob("GET", server, token, name);
    let last = first.saturating_add(length).saturating_sub(1);
    request.headers.retain(|(name, _)| name != "Accept");
    request.headers.push(("Accept".to_owned(), "application/octet-stream".to_owned()));
    request.headers.push(("Range".to_owned(), format!("bytes={first}-{last}")));
    request
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn server() -> ServerUrl {
        ServerUrl::parse("http://127.0.0.1:8484/").unwrap()
    }

    fn header<'a>(request: &'a Request, name: &str) -> &'a str {
        request.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    fn body(request: &Request) -> Value {
        serde_json::from_slice(&request.body).unwrap()
    }

    #[test]
    fn requests_are_those_of_the_page() {
        let token = Token::parse("t0k").unwrap();
        let to = Address::parse_list("bob.agenttalk, carl.3430f3e127705937.agenttalk").unwrap();
        let entry = Entry { to, payload: "{\"body\": \"\u{e9}\"}".to_owned(), idempotency_key: "ab12".to_owned() };
        let sent = send_batch(&server(), &token, &[entry.clone(), entry.clone()]);
        assert_eq!((sent.method, sent.url.as_str()), ("POST", "http://127.0.0.1:8484/v2/messages"));
        assert_eq!(header(&sent, "Authorization"), "Bearer t0k");
        let one = json!({"to": ["bob.agenttalk", "carl.3430f3e127705937.agenttalk"], "payload": "{\"body\": \"\u{e9}\"}", "idempotency_key": "ab12"});
        assert_eq!(body(&sent), json!({"messages": [one, one]}));
        assert_eq!(sent.body.len(), "{\"messages\":[]}".len() + 2 * entry_bytes(&entry) - 1);

        let cursor = Cursor::parse("17").unwrap();
        assert!(page(&server(), &token, None, 1000, 0).url.ends_with("/v2/messages?limit=1000"));
        assert!(page(&server(), &token, Some(&cursor), 50, 9).url.ends_with("?limit=50&after=17&wait=9"));
        assert_eq!(body(&ack(&server(), &token, &[cursor])), json!({"cursors": ["17"]}));

        let name = BlobName::of(b"hello");
        let put = blob_put(&server(), &token, &name, 2, 5, b"ll");
        assert_eq!((put.method, header(&put, "Content-Range")), ("PUT", "bytes 2-3/5"));
        assert!(put.url.ends_with("/v2/blobs/2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"));
        assert_eq!(header(&blob_part(&server(), &token, &name, 4, 8), "Range"), "bytes=4-11");
        assert_eq!(blob_head(&server(), &token, &name).method, "HEAD");
    }

    #[test]
    fn an_odd_address_is_not_put_into_a_url() {
        let at = |text: &str| agent(&server(), &Address::parse(text).unwrap());
        assert!(at("bob.agenttalk").unwrap().url.ends_with("/v2/agents/bob.agenttalk"));
        for text in ["bob%2f.agenttalk", "b\u{f6}b.agenttalk", "bob#x", "bob&after=x"] {
            assert_eq!(at(text), None, "{text}");
        }
    }
}
