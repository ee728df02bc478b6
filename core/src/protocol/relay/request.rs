//! What is asked of a relay.

use std::fmt;

use serde_json::json;

use super::{AgentName, ServerUrl, Token};
use crate::protocol::address::Address;

/// Which question an answer belongs to: the same status means different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// `POST /register`
    Register,
    /// `POST /send`
    Send,
    /// `GET /messages`
    Messages,
    /// `GET /agents`
    Agents,
    /// `GET /status`
    Status,
    /// `GET /health`
    Health,
    /// Any call of version 2, whose refusals say by a code what they mean.
    Version2,
}

impl Call {
    /// The path below the server's URL.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Register => "/register",
            Self::Send => "/send",
            Self::Messages => "/messages",
            Self::Agents => "/agents",
            Self::Status => "/status",
            Self::Health => "/health",
            Self::Version2 => "/v2",
        }
    }
}

/// A complete HTTP request. `Debug` shows neither headers nor body.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, `PUT` or `HEAD`.
    pub method: &'static str,
    /// The whole URL.
    pub url: String,
    /// The headers, the authorization among them.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &self.url)
            .field("body", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Asks for an account. Answer: [`parse_registered`](super::parse_registered).
#[must_use]
pub fn register(server: &ServerUrl, name: &AgentName) -> Request {
    post(server, Call::Register, None, &json!({"agent_name": name.as_str()}))
}

/// Sends a message; `payload` is a [`Payload`](super::Payload) as text. Answer: [`parse_sent`](super::parse_sent).
#[must_use]
pub fn send(server: &ServerUrl, token: &Token, to: &Address, payload: &str) -> Request {
    post(server, Call::Send, Some(token), &json!({"to": to.as_str(), "payload": payload}))
}

/// Sends an empty message to nobody. A relay looks at the token first, so that it tells whether it accepts it, and nothing is sent.
/// Answer: [`parse_sent`](super::parse_sent).
#[must_use]
pub fn send_to_nobody(server: &ServerUrl, token: &Token) -> Request {
    post(server, Call::Send, Some(token), &json!({"to": "", "payload": ""}))
}

/// Fetches, and thereby deletes, all messages of the account. Answer: [`parse_messages`](super::parse_messages).
#[must_use]
pub fn messages(server: &ServerUrl, token: &Token) -> Request {
    get(server, Call::Messages, Some(token))
}

/// Asks who has an account. Answer: [`parse_agents`](super::parse_agents).
#[must_use]
pub fn agents(server: &ServerUrl) -> Request {
    get(server, Call::Agents, None)
}

/// Asks for facts about the server. Answer: [`parse_status`](super::parse_status).
#[must_use]
pub fn status(server: &ServerUrl) -> Request {
    get(server, Call::Status, None)
}

/// Asks whether the server is well. Answer: [`parse_health`](super::parse_health).
#[must_use]
pub fn health(server: &ServerUrl) -> Request {
    get(server, Call::Health, None)
}

fn get(server: &ServerUrl, call: Call, token: Option<&Token>) -> Request {
    get_path(server, call.path(), token)
}

fn post(server: &ServerUrl, call: Call, token: Option<&Token>, body: &serde_json::Value) -> Request {
    post_path(server, call.path(), token, body.to_string())
}

/// Asks for a path, which begins with a slash.
pub(super) fn get_path(server: &ServerUrl, path: &str, token: Option<&Token>) -> Request {
    Request { method: "GET", url: server.endpoint(path), headers: headers(token, false), body: Vec::new() }
}

/// Posts JSON to a path, which begins with a slash.
pub(super) fn post_path(server: &ServerUrl, path: &str, token: Option<&Token>, json: String) -> Request {
    Request { method: "POST", url: server.endpoint(path), headers: headers(token, true), body: json.into_bytes() }
}

fn headers(token: Option<&Token>, has_body: bool) -> Vec<(String, String)> {
    let mut headers = vec![("Accept".to_owned(), "application/json".to_owned())];
    if has_body {
        headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
    }
    if let Some(token) = token {
        headers.push(("Authorization".to_owned(), format!("Bearer {}", token.expose())));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> ServerUrl {
        ServerUrl::parse("http://127.0.0.1:8484/").unwrap()
    }

    fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
        request.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn a_message_is_sent_as_the_reference_sends_it() {
        let to = Address::parse("bob.agenttalk").unwrap();
        let request = send(&server(), &Token::parse("t0k").unwrap(), &to, "{\"subject\": \"H\u{e9}\"}");
        assert_eq!((request.method, request.url.as_str()), ("POST", "http://127.0.0.1:8484/send"));
        assert_eq!(header(&request, "Authorization"), Some("Bearer t0k"));
        assert_eq!(header(&request, "Content-Type"), Some("application/json"));
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body, json!({"to": "bob.agenttalk", "payload": "{\"subject\": \"H\u{e9}\"}"}));
        assert!(!format!("{request:?}").contains("t0k"));
    }

    #[test]
    fn only_calls_of_an_account_carry_its_token() {
        let token = Token::parse("t0k").unwrap();
        let fetch = messages(&server(), &token);
        assert_eq!((fetch.method, fetch.body.len(), header(&fetch, "Authorization")), ("GET", 0, Some("Bearer t0k")));
        let name = AgentName::parse("Alice").unwrap();
        for request in [register(&server(), &name), agents(&server()), status(&server()), health(&server())] {
            assert_eq!(header(&request, "Authorization"), None, "{request:?}");
        }
        assert_eq!(register(&server(), &name).body, b"{\"agent_name\":\"alice\"}");
    }
}
