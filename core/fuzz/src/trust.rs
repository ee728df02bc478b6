//! Trust tokens and the files of `protocol::trust`.

use azall_core::protocol::address::Address;
use azall_core::protocol::time::Now;
use azall_core::protocol::trust::{
    Binding, Expected, MachineFingerprint, Nonce, PendingToken, Token, UsedNonces, armor, check_text,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::text;

/// `protocol::trust::armor`: whatever the payload, its raw form is read as the same bytes; and a token made for
/// whatever agent and machine name survives its own armor.
pub fn token_armor(data: &[u8]) {
    let text = text(data);
    if let Ok(bytes) = armor::parse(&text) {
        let raw = STANDARD.encode(&*bytes);
        assert!(raw.len() < 100 || armor::parse(&raw).as_ref() == Ok(&bytes));
    }
    let (agent, machine_name) = text.split_once('\n').unwrap_or((&text, ""));
    if let Ok(agent) = Address::parse(agent) {
        let machine = MachineFingerprint::of_facts(&[machine_name.to_owned()]);
        let expected = expected(&agent, &machine);
        let token = Token::build(&expected, Nonce::new([7; 32]));
        assert_eq!(check_text(&armor::format(&token, machine_name), &expected), Ok(token));
    }
}

/// `protocol::trust::token`: the bytes as they are, and rightly signed, so that what lies behind the signature is
/// reached too.
pub fn token_binary(data: &[u8]) {
    let agent = Address::parse("bob@localhost").expect("an address");
    let machine = MachineFingerprint::of_facts(&["vm".to_owned()]);
    let expected = expected(&agent, &machine);
    let mac = Hmac::<Sha256>::new_from_slice(expected.agent_key.as_bytes()).expect("a key of any length");
    let signed = [data, &mac.chain_update(data).finalize().into_bytes()].concat();
    for bytes in [data, &signed] {
        if let Ok(token) = Token::check(bytes, &expected) {
            assert_eq!(token.as_bytes(), bytes);
            assert_eq!(token.agent(), agent.as_str());
            assert_eq!(Token::check(token.as_bytes(), &expected), Ok(token));
        }
    }
}

/// `protocol::trust::{binding, nonces, pending}`: what is read is written, unknown fields and all.
pub fn trust_files(data: &[u8]) {
    if let Ok(binding) = Binding::parse(data) {
        assert_eq!(Binding::parse(&binding.to_json()), Ok(binding));
    }
    if let Ok(nonces) = UsedNonces::parse(data) {
        assert_eq!(UsedNonces::parse(&nonces.to_json()), Ok(nonces));
    }
    if let Ok(pending) = PendingToken::parse(data) {
        assert_eq!(PendingToken::parse(&pending.to_json()), Ok(pending));
    }
}

/// The agent whose tokens are looked at, at a fixed moment.
fn expected<'a>(agent: &'a Address, machine: &'a MachineFingerprint) -> Expected<'a> {
    Expected { agent, agent_key: "0123456789abcdef0123456789abcdef", machine, now: Now::utc(1_770_282_343_000) }
}
