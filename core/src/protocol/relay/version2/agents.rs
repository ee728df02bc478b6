//! Who has an account, and with which key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::super::{AgentName, RelayError, Reply, ServerUrl};
use super::answer::object;
use crate::protocol::address::Address;
use crate::protocol::id::Fingerprint;

/// An account as a relay tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentCard {
    /// Its address.
    pub address: Address,
    /// Its key; `None` for an account of version 1.
    pub key: Option<[u8; 32]>,
}

/// A page of the accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Address, and the fingerprint of the account's key.
    pub agents: Vec<(Address, Option<Fingerprint>)>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<AgentName>,
}

/// The answer to [`agent`](super::agent); `None` when there is no such account. A key that does not belong to its stated
/// fingerprint is none.
///
/// # Errors
/// [`RelayError`].
pub fn parse_agent(server: &ServerUrl, reply: Reply<'_>) -> Result<Option<AgentCard>, RelayError> {
    let answer = match object(server, reply) {
        Err(RelayError::UnknownRecipient { .. }) => return Ok(None),
        other => other?,
    };
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    let Some(address) = text("agent_address").and_then(|address| Address::parse(address).ok()) else {
        let what = "it tells no usable agent_address".to_owned();
        return Err(RelayError::WrongShape { server: server.clone(), what });
    };
    let key =
        text("public_key").and_then(|key| STANDARD.decode(key).ok()).and_then(|key| <[u8; 32]>::try_from(key).ok());
    let stated = text("fingerprint").and_then(|fingerprint| Fingerprint::parse(fingerprint).ok());
    let key = key.filter(|key| stated == Some(Fingerprint::of_key(key)));
    Ok(Some(AgentCard { address, key }))
}

/// The answer to [`list_agents`](super::list_agents), without what is no address.
///
/// # Errors
/// [`RelayError`].
pub fn parse_listed(server: &ServerUrl, reply: Reply<'_>) -> Result<Listed, RelayError> {
    let answer = object(server, reply)?;
    let Some(agents) = answer.get("agents").and_then(Value::as_array) else {
        return Err(RelayError::WrongShape { server: server.clone(), what: "it holds no list of agents".to_owned() });
    };
    let entry = |agent: &Value| {
        let text = |name: &str| agent.get(name).and_then(Value::as_str);
        let fingerprint = text("fingerprint").and_then(|fingerprint| Fingerprint::parse(fingerprint).ok());
        Some((Address::parse(text("agent_address")?).ok()?, fingerprint))
    };
    let next = answer.get("next").and_then(Value::as_str).and_then(|name| AgentName::parse_for_small_server(name).ok());
    Ok(Listed { agents: agents.iter().take(1000).filter_map(entry).collect(), next })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::protocol::identity::Identity;
    use crate::protocol::relay::testing::{reply, server};

    #[test]
    fn an_account_tells_its_key_or_none() {
        let key = Identity::from_seed([1; 32]);
        let mut card = json!({"agent_name": "bob", "agent_address": "bob.agenttalk", "public_key": key.public_key_b64(), "fingerprint": key.fingerprint().as_str()});
        let parse = |card: &Value| parse_agent(&server(), reply(200, &card.to_string())).unwrap().unwrap();
        assert_eq!(parse(&card).key, Some(key.public_key()));
        card["fingerprint"] = json!("0000000000000000");
        assert_eq!(parse(&card).key, None);
        card["public_key"] = json!(null);
        assert_eq!(parse(&card).key, None);
        let missing = r#"{"error": "no such agent", "code": "no_such_agent"}"#;
        assert_eq!(parse_agent(&server(), reply(404, missing)), Ok(None));
        assert!(matches!(parse_agent(&server(), reply(404, "")), Err(RelayError::NotVersion2 { .. })));
    }

    #[test]
    fn a_list_has_a_next_page_or_none() {
        let body = r#"{"agents": [{"agent_name": "a", "agent_address": "a.agenttalk", "fingerprint": "3430f3e127705937"},
            {"agent_address": "../x"}, 5, {"agent_address": "b.agenttalk", "fingerprint": null}], "next": "b_2"}"#;
        let listed = parse_listed(&server(), reply(200, body)).unwrap();
        let shown: Vec<(&str, bool)> =
            listed.agents.iter().map(|(address, key)| (address.as_str(), key.is_some())).collect();
        assert_eq!(shown, [("a.agenttalk", true), ("b.agenttalk", false)]);
        assert_eq!(listed.next.unwrap().as_str(), "b_2");
        assert_eq!(parse_listed(&server(), reply(200, r#"{"agents": [], "next": "a&b"}"#)).unwrap().next, None);
    }

    proptest! {
        #[test]
        fn any_answer_is_safe(status in 100_u16..600, body in "(\\{\"agents\": ?\\[)?[\\[\\]{}\",:a1 é]{0,60}") {
            let _ = parse_agent(&server(), reply(status, &body));
            let _ = parse_listed(&server(), reply(status, &body));
        }
    }
}
