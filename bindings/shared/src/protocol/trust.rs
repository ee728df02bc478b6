//! Trust tokens.

use azall_core::protocol::address::Address;
use azall_core::protocol::text;
use azall_core::protocol::time::Now;
use azall_core::protocol::trust::{self, Expected, MachineFingerprint, Nonce, OwnerSecret, Token};
use ciborium::Value;
use serde::Deserialize;

use crate::data::{from_data, map};
use crate::failure::Failure;

/// The fingerprint of a machine with these facts, in hex.
#[must_use]
pub fn machine_fingerprint(facts: &[String]) -> String {
    trust::machine_fingerprint(facts)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Setting {
    agent: Address,
    agent_key: String,
    machine: String,
    now_ms: i64,
}

impl Setting {
    fn machine(&self) -> Result<MachineFingerprint, Failure> {
        let wrong = || Failure::argument("a machine fingerprint is 128 hex digits");
        MachineFingerprint::parse(&self.machine).ok_or_else(wrong)
    }

    fn expected<'a>(&'a self, machine: &'a MachineFingerprint) -> Expected<'a> {
        Expected { agent: &self.agent, agent_key: &self.agent_key, machine, now: Now::utc(self.now_ms) }
    }
}

/// Makes a token for `{agent, agent_key, machine, now_ms}` with 32 random bytes: `{token, armor, agent, nonce, created, expires,
/// owner_secret}`.
///
/// # Errors
/// `argument` when a field is missing or wrong.
pub fn make(setting: &Value, nonce: &[u8], machine_name: &str) -> Result<Value, Failure> {
    let setting: Setting = from_data(setting)?;
    let machine = setting.machine()?;
    let nonce = nonce.try_into().map_err(|_| Failure::argument("a nonce is 32 bytes"))?;
    let token = Token::build(&setting.expected(&machine), Nonce::new(nonce));
    let Value::Map(mut fields) = facts(&token, &setting.agent_key) else { return Ok(Value::Null) };
    fields.push(("token".into(), token.to_base64().into()));
    fields.push(("armor".into(), trust::armor::format(&token, machine_name).into()));
    Ok(Value::Map(fields))
}

/// Checks a token, armored or not, for `{agent, agent_key, machine, now_ms}`: `{agent, nonce, created, expires, owner_secret}`.
/// Whether it was used before, its caller knows.
///
/// # Errors
/// `argument` when a field is missing or wrong; `trust` with the reason for which it is refused.
pub fn check(token: &str, setting: &Value) -> Result<Value, Failure> {
    let setting: Setting = from_data(setting)?;
    let machine = setting.machine()?;
    let refused = |refusal| Failure { exit_code: 3, ..Failure::new("trust", refusal) };
    let token = trust::check_text(token, &setting.expected(&machine)).map_err(refused)?;
    Ok(facts(&token, &setting.agent_key))
}

fn facts(token: &Token, agent_key: &str) -> Value {
    map([
        ("agent", token.agent().into()),
        ("nonce", text::hex(token.nonce().as_bytes()).into()),
        ("created", token.created().into()),
        ("expires", token.expires().into()),
        ("owner_secret", token.owner_secret(agent_key).expose().into()),
    ])
}

fn owner_secret(hex: &str) -> Result<OwnerSecret, Failure> {
    OwnerSecret::parse(hex.to_owned()).ok_or_else(|| Failure::argument("it is no owner's secret"))
}

/// An owner's word to an agent, proven by their secret.
///
/// # Errors
/// `argument` when the secret is none.
pub fn owner_sign(secret: &str, message: &str) -> Result<String, Failure> {
    Ok(owner_secret(secret)?.sign(message))
}

/// Whether an owner's word is theirs.
///
/// # Errors
/// `argument` when the secret is none.
pub fn owner_verify(secret: &str, message: &str, signature: &str) -> Result<bool, Failure> {
    Ok(owner_secret(secret)?.verify(message, signature))
}
