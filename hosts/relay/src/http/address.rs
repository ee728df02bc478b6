//! Names and addresses of the agents of this relay.

use azall_core::protocol::id::Fingerprint;

use super::Relay;
use super::answer::Failure;
use crate::store::{Agent, AgentName, Refusal};
use axum::http::StatusCode;

/// What every address of a relay ends in.
pub(crate) const DOMAIN: &str = ".agenttalk";

/// Names that nobody may have: they would pass for the relay itself, for its operator, or for everybody.
const RESERVED: [&str; 40] = [
    "abuse",
    "admin",
    "administrator",
    "agent",
    "agentazall",
    "agents",
    "agenttalk",
    "all",
    "anonymous",
    "api",
    "azall",
    "broadcast",
    "daemon",
    "everybody",
    "everyone",
    "health",
    "help",
    "hostmaster",
    "info",
    "localhost",
    "mail",
    "mailer-daemon",
    "me",
    "metrics",
    "moderator",
    "no-reply",
    "nobody",
    "noreply",
    "null",
    "operator",
    "postmaster",
    "relay",
    "root",
    "security",
    "server",
    "status",
    "support",
    "system",
    "undefined",
    "webmaster",
];

/// The name for a new account.
///
/// # Errors
/// It is no name, or one that nobody may have.
pub(crate) fn new_name(text: &str) -> Result<AgentName, Failure> {
    let bad = |error| Failure::new(StatusCode::BAD_REQUEST, "bad_name", error);
    let name = AgentName::parse(text.trim())
        .map_err(|_| bad("agent_name must have 3 to 30 of the characters a-z 0-9 - _, the first a letter"))?;
    if RESERVED.contains(&name.as_str()) {
        return Err(bad("this name is reserved; choose another"));
    }
    Ok(name)
}

/// The agent that is meant by `name`, `name.agenttalk` or `name.<fingerprint>.agenttalk`.
///
/// # Errors
/// It is no address of a relay, or nobody here has it.
pub(crate) fn find(relay: &Relay, text: &str) -> Result<Agent, Refusal> {
    let (name, fingerprint) = split(text.trim()).ok_or(Refusal::BadAddress)?;
    let agent = relay.store.agent(&name).ok_or(Refusal::NoSuchAgent)?;
    match fingerprint {
        Some(fingerprint) if agent.key.map(|key| Fingerprint::of_key(&key)) != Some(fingerprint) => {
            Err(Refusal::NoSuchAgent)
        }
        _ => Ok(agent),
    }
}

/// The name in an address, and its fingerprint if it has one.
fn split(text: &str) -> Option<(AgentName, Option<Fingerprint>)> {
    let at = text.len().checked_sub(DOMAIN.len());
    let local = at
        .and_then(|at| text.split_at_checked(at))
        .filter(|(_, domain)| domain.eq_ignore_ascii_case(DOMAIN))
        .map(|(local, _)| local);
    let Some(local) = local else { return Some((AgentName::parse(text).ok()?, None)) };
    match local.split_once('.') {
        None => Some((AgentName::parse(local).ok()?, None)),
        Some((name, fingerprint)) => Some((AgentName::parse(name).ok()?, Some(Fingerprint::parse(fingerprint).ok()?))),
    }
}

/// `name.agenttalk`.
pub(crate) fn plain(name: &AgentName) -> String {
    format!("{name}{DOMAIN}")
}

/// `name.<fingerprint>.agenttalk`, which proves itself.
pub(crate) fn certified(name: &AgentName, key: &[u8; 32]) -> String {
    format!("{name}.{}{DOMAIN}", Fingerprint::of_key(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_three_forms() {
        let print = "3430f3e127705937";
        for (text, name, has_print) in [
            ("bob", "bob", false),
            ("Bob.AgentTalk", "bob", false),
            (&format!("bob.{print}.agenttalk"), "bob", true),
            (&format!("BOB.{}.agenttalk", print.to_uppercase()), "bob", true),
        ] {
            let (found, fingerprint) = split(text).unwrap();
            assert_eq!((found.as_str(), fingerprint.is_some()), (name, has_print), "{text}");
        }
        for text in [
            "",
            ".agenttalk",
            "bob@localhost",
            "bob.agenttalk.agenttalk",
            "bob..agenttalk",
            "bo",
            "\u{e4}\u{e4}\u{e4}",
            "bob.3430.agenttalk",
            &format!("bob.{print}"),
            &format!("x.bob.{print}.agenttalk"),
            "bob\0.agenttalk",
        ] {
            assert!(split(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn reserved_names_are_not_given() {
        assert_eq!(new_name(" Alice ").unwrap().as_str(), "alice");
        for name in RESERVED.iter().chain(&["ab", "Admin", "1abc", "a.b"]) {
            assert_eq!(new_name(name).unwrap_err().status(), StatusCode::BAD_REQUEST, "{name}");
        }
        assert!(RESERVED.is_sorted());
    }
}
