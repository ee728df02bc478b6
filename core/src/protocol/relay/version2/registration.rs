//! Accounts that own a key.

use serde_json::Value;

use super::super::answer::{line, registered};
use super::super::{AgentName, Registered, RelayError, Reply, ServerUrl};
use super::answer::object;

/// What a signature of a registration begins with: no signed message can, since 0xFF is never part of UTF-8 text.
const DOMAIN: &[u8] = b"\xffagentazall relay register 2\n";

/// A text to be signed: 1 to 200 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge(String);

impl Challenge {
    /// Checks a text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let good = (1..=200).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        good.then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the relay made, and the host that it made it for, where it tells one.
    #[must_use]
    pub fn parts(&self) -> (&str, Option<&str>) {
        self.0.rsplit_once('@').map_or((&self.0, None), |(made, host)| (made, Some(host)))
    }
}

/// What is signed to own an account of this name.
#[must_use]
pub fn signed_bytes(name: &AgentName, challenge: &Challenge) -> Vec<u8> {
    [DOMAIN, name.as_str().as_bytes(), b"\n", challenge.as_str().as_bytes(), b"\n"].concat()
}

/// The answer to [`challenge`](super::challenge). One that names another host is refused: a relay that hands on the
/// challenge of another would get the account there with our signature.
///
/// # Errors
/// [`RelayError`].
pub fn parse_challenge(server: &ServerUrl, reply: Reply<'_>) -> Result<Challenge, RelayError> {
    let answer = object(server, reply)?;
    let challenge = answer.get("challenge").and_then(Value::as_str).and_then(Challenge::parse);
    let wrong = || RelayError::WrongShape { server: server.clone(), what: "it holds no usable challenge".to_owned() };
    let challenge = challenge.ok_or_else(wrong)?;
    match challenge.parts() {
        (_, Some(host)) if !host.eq_ignore_ascii_case(server.authority()) => {
            Err(RelayError::ForeignChallenge { server: server.clone(), named: line(host, 100) })
        }
        _ => Ok(challenge),
    }
}

/// The answer to [`register_with_key`](super::register_with_key): the account's own address is `name.agenttalk`.
///
/// # Errors
/// [`RelayError`]; `NameTaken` and `BadName` ask for another name.
pub fn parse_registered_with_key(
    server: &ServerUrl,
    name: &AgentName,
    reply: Reply<'_>,
) -> Result<Registered, RelayError> {
    let account = registered(server, &object(server, reply)?)?;
    if account.address.as_str() != format!("{name}.agenttalk") {
        let what = format!("it made an account of another name, {}", account.address);
        return Err(RelayError::WrongShape { server: server.clone(), what });
    }
    Ok(account)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use ed25519_dalek::{Signature, VerifyingKey};

    use super::super::{challenge, register_with_key};
    use super::*;
    use crate::protocol::identity::Identity;
    use crate::protocol::relay::testing::{reply, server};

    #[test]
    fn the_signature_is_over_what_the_page_says() {
        let (name, key) = (AgentName::parse("Alice").unwrap(), Identity::from_seed([7; 32]));
        let text = Challenge::parse("c4.x@relay.example").unwrap();
        let request = register_with_key(&server(), &name, &key, &text);
        assert_eq!(request.url, "https://relay.example/v2/register");
        assert_eq!(challenge(&server()).url, "https://relay.example/v2/challenge");
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!((&body["agent_name"], &body["challenge"]), (&"alice".into(), &"c4.x@relay.example".into()));
        let bytes = b"\xffagentazall relay register 2\nalice\nc4.x@relay.example\n";
        assert_eq!(signed_bytes(&name, &text), bytes);
        let decoded = |field: &str| STANDARD.decode(body[field].as_str().unwrap()).unwrap();
        let key = VerifyingKey::from_bytes(&decoded("public_key").try_into().unwrap()).unwrap();
        let signature = Signature::from_slice(&decoded("signature")).unwrap();
        key.verify_strict(bytes, &signature).unwrap();
    }

    #[test]
    fn no_challenge_of_another_relay_is_signed() {
        let parse = |text: &str| parse_challenge(&server(), reply(200, text));
        assert!(parse(r#"{"challenge": "abc"}"#).is_ok());
        assert!(parse(r#"{"challenge": "abc@Relay.Example"}"#).is_ok());
        assert!(matches!(parse(r#"{"challenge": "abc@other.example"}"#), Err(RelayError::ForeignChallenge { .. })));
        for text in [r#"{"challenge": "a b"}"#, r#"{"challenge": ""}"#, r#"{"challenge": 5}"#, "{}"] {
            assert!(matches!(parse(text), Err(RelayError::WrongShape { .. })), "{text}");
        }
    }

    #[test]
    fn only_the_account_that_was_asked_for_is_taken() {
        let name = AgentName::parse("alice").unwrap();
        let parse = |status, text: &str| parse_registered_with_key(&server(), &name, reply(status, text));
        for status in [200, 201] {
            let account = parse(status, r#"{"agent_address": "alice.agenttalk", "api_token": "t"}"#).unwrap();
            assert_eq!((account.address.as_str(), account.token.expose()), ("alice.agenttalk", "t"));
        }
        assert!(matches!(
            parse(201, r#"{"agent_address": "bob.agenttalk", "api_token": "t"}"#),
            Err(RelayError::WrongShape { .. })
        ));
        let refused =
            |status, code: &str| parse(status, &format!(r#"{{"error": "no", "code": "{code}"}}"#)).unwrap_err();
        assert!(matches!(refused(409, "name_taken"), RelayError::NameTaken { .. }));
        assert!(matches!(refused(400, "bad_name"), RelayError::BadName { .. }));
        assert!(matches!(refused(403, "bad_signature"), RelayError::Refused { .. }));
        assert!(matches!(refused(400, "bad_challenge"), RelayError::Refused { .. }));
        assert!(matches!(parse(404, r#"{"error": "no"}"#), Err(RelayError::NotVersion2 { .. })));
    }
}
