//! Trust tokens and owner messages: `trust.json`.

use azall_core::protocol::address::Address;
use azall_core::protocol::text;
use azall_core::protocol::time::Now;
use azall_core::protocol::trust::{Expected, MachineFingerprint, Nonce, OwnerSecret, Token, armor, check_text};
use serde_json::Value;

use super::area::{cases, load, text as field};

/// Who and where a case is about; a check may name another agent, key or machine.
struct Setting {
    agent: Address,
    agent_key: String,
    machine: MachineFingerprint,
    now: Now,
}

impl Setting {
    fn of(case: &Value, check: Option<&Value>) -> Self {
        let pick = |own: &str, in_check: &str| {
            let other = check.and_then(|check| check.get(in_check)).and_then(Value::as_str);
            other.unwrap_or_else(|| field(case, own)).to_owned()
        };
        let seconds = check.map_or(&case["now"], |check| &check["at"]).as_i64().expect("a time in seconds");
        Self {
            agent: Address::parse(&pick("agent", "expected_agent")).expect("an address"),
            agent_key: pick("agent_key", "agent_key"),
            machine: MachineFingerprint::parse(&pick("machine_fp", "machine_fp")).expect("a machine fingerprint"),
            now: Now::utc(seconds * 1000),
        }
    }

    fn expected(&self) -> Expected<'_> {
        Expected { agent: &self.agent, agent_key: &self.agent_key, machine: &self.machine, now: self.now }
    }
}

#[test]
fn tokens_are_built_byte_for_byte() {
    for case in cases(&load("trust"), "cases") {
        let setting = Setting::of(&case, None);
        let token = Token::build(&setting.expected(), Nonce::parse(field(&case, "nonce_hex")).expect("a nonce"));
        assert_eq!(token.to_base64(), field(&case, "token_b64"));
        assert_eq!(armor::format(&token, field(&case, "machine_name")), field(&case, "armor"));
        assert_eq!(token.owner_secret(&setting.agent_key).expose(), field(&case, "owner_auth_secret"));
        assert_eq!(armor::parse(field(&case, "armor")).as_deref().map(Vec::as_slice), Ok(token.as_bytes()));
    }
}

#[test]
fn checks_give_the_references_reasons() {
    for case in cases(&load("trust"), "cases") {
        for check in cases(&case, "checks") {
            let input = match check.get("input").and_then(Value::as_str) {
                Some("armor") => field(&case, "armor"),
                Some("base64") => field(&case, "token_b64"),
                Some(other) => panic!("unknown input {other:?}"),
                None => field(&check, "token_b64"),
            };
            let what = field(&check, "what");
            let verdict = check_text(input, &Setting::of(&case, Some(&check)).expected());
            assert_eq!(verdict.is_ok(), check["expect"]["valid"] == true, "{what}: {verdict:?}");
            match verdict {
                Ok(token) => assert_eq!(text::hex(token.nonce().as_bytes()), field(&case, "nonce_hex"), "{what}"),
                Err(refusal) => assert_eq!(refusal.to_string(), field(&check["expect"], "reason"), "{what}"),
            }
        }
    }
}

#[test]
fn owner_messages_are_proven() {
    for case in cases(&load("trust"), "owner_messages") {
        let secret = OwnerSecret::parse(field(&case, "owner_auth_key").to_owned()).expect("an owner's secret");
        let (message, signature) = (field(&case, "message"), field(&case, "signature"));
        assert_eq!(secret.sign(message), signature);
        assert!(secret.verify(message, signature));
        assert!(!secret.verify(&format!("{message} "), signature));
    }
}
