//! The bodies of the fuzz targets: each takes bytes from nobody knows where, hands them to one parser, and asserts
//! what must hold whatever they are. That nothing panics goes without saying; beyond it, what was parsed and is
//! formatted must parse to the same value again.

use std::borrow::Cow;

use azall_core::protocol::address::Address;
use azall_core::protocol::time::{Day, Now, parse_date};
use azall_core::protocol::trust::{
    Binding, Expected, MachineFingerprint, Nonce, PendingToken, Token, UsedNonces, armor, check_text,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// A target's name, which is also that of its corpus and its binary, and its body.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("address", address),
    ("dates", dates),
    ("token_armor", token_armor),
    ("token_binary", token_binary),
    ("trust_files", trust_files),
];

/// The binary of a target: a fuzzer under `cargo fuzz`, else a program that replays the files that it is given.
#[macro_export]
macro_rules! target {
    ($name:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|data: &[u8]| azall_fuzz::$name(data));

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            std::env::args_os().skip(1).try_for_each(|file| std::fs::read(file).map(|data| azall_fuzz::$name(&data)))
        }
    };
}

/// `protocol::address`: an address that is accepted is one already, and its list form reads as itself.
pub fn address(data: &[u8]) {
    let text = text(data);
    if let Ok(address) = Address::parse(&text) {
        assert_eq!(Address::parse(address.as_str()).as_ref(), Ok(&address));
        assert_eq!(Address::parse_list(address.as_str()), Ok(vec![address.clone()]));
        assert!(address.same_as(&address) && !address.as_str().contains(['/', '\\', '\n', ',']));
        let _ = (address.relay_account(), address.certified_fingerprint());
    }
    if let Ok(list) = Address::parse_list(&text) {
        let joined = list.iter().map(Address::as_str).collect::<Vec<_>>().join(", ");
        assert_eq!(Address::parse_list(&joined), Ok(list));
    }
}

/// `protocol::time`: a date that is understood is the same moment in every form that is written.
pub fn dates(data: &[u8]) {
    let text = text(data);
    if let Some(day) = Day::parse(&text) {
        assert_eq!(day.to_string(), *text);
    }
    // Dates outside of the calendar that can be printed (years 1 to 9999) are clamped when they are.
    let printable = -62_135_510_400_000..253_402_214_400_000;
    for offset_seconds in [0, 7200, -34_200] {
        let Some(unix_ms) = parse_date(&text, offset_seconds).filter(|ms| printable.contains(ms)) else { continue };
        let now = Now { unix_ms, offset_seconds };
        let second = unix_ms.div_euclid(1000) * 1000;
        assert_eq!(parse_date(&now.utc_iso(), offset_seconds), Some(second), "{text:?}");
        assert_eq!(parse_date(&now.local_text(), offset_seconds), Some(second), "{text:?}");
        assert_eq!(parse_date(&now.local_iso(), offset_seconds), Some(unix_ms), "{text:?}");
    }
}

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

/// The bytes as text: most parsers never see anything else.
fn text(data: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(data)
}
