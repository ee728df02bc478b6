//! Files of JSON, and files that carry other bytes.

use std::fmt::Write as _;

use azall_core::command::scripts::ScriptMeta;
use azall_core::protocol::address::Address;
use azall_core::protocol::archive::{self, Limits};
use azall_core::protocol::config::{AgentKey, Config, FilterList, RelayAccount};
use azall_core::protocol::delivery::{Acceptance, Attempt, DeliveryState};
use azall_core::protocol::filter::FilterMode;
use azall_core::protocol::identity::Identity;
use azall_core::protocol::index::script_description;
use azall_core::protocol::keyring::Keyring;
use azall_core::protocol::layout::RelPath;
use azall_core::protocol::python_json;
use azall_core::protocol::relay::{ServerUrl, Token};
use azall_core::protocol::time::Now;
use azall_core::protocol::verdict::{Subjects, VerdictSeal};
use azall_core::protocol::{spool as spooled, text as protocol_text};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::{choices, text};

const NOW: Now = Now::utc(1_773_239_400_000);

/// How much longer a JSON file can get when it is laid out as Python does it: each item on a line of its own, indented
/// by up to 128 levels.
const INDENTED: usize = 140;

/// What is longer is no config, nor an agent's key.
const CONFIG_LIMIT: usize = 512 << 10;

fn address(text: &str) -> Address {
    Address::parse(text).expect("an address")
}

/// `protocol::config`: what is read is written and read the same, also after every kind of change.
pub fn config(data: &[u8]) {
    let Ok(mut config) = Config::parse(data) else { return };
    let reread = |config: &Config| {
        let written = config.to_json();
        assert!(written.len() <= data.len() * INDENTED + 4096);
        // What grew beyond the limit by its indentation is not taken again.
        if written.len() < CONFIG_LIMIT {
            assert_eq!(&Config::parse(written.as_bytes()).expect("what was written"), config);
        }
    };
    reread(&config);
    let account = RelayAccount {
        server: ServerUrl::parse("https://relay.example").expect("a URL"),
        token: Token::parse("t"),
        address: Address::parse("a.agenttalk").ok(),
    };
    config.set_agent(&address("b@x")).expect("a change");
    config.set_filter_mode(FilterMode::Whitelist).expect("a change");
    config.add_to_filter(FilterList::Blacklist, "*@spam").expect("a change");
    assert!(!config.add_to_filter(FilterList::Blacklist, " *@SPAM").expect("a change"));
    let _ = config.add_relay(&account);
    reread(&config);
    assert!(config.agent().as_str() == "b@x" && config.filter().mode == FilterMode::Whitelist);
    config.remove_relay("https://relay.example").expect("a change");
    config.remove_from_filter(FilterList::Blacklist, "*@spam").expect("a change");
    reread(&config);
    assert!(config.relays().iter().all(|relay| relay.server != account.server));
}

/// `protocol::keyring`: what is read is written and read the same, also after use.
pub fn keyring(data: &[u8]) {
    let Ok(mut keyring) = Keyring::parse(data) else { return };
    let alice = Identity::from_seed([1; 32]);
    let (from, fingerprint) = (address("alice@x"), alice.fingerprint());
    // A megabyte of small items is a hundred of them when it is written.
    let steps = if data.len() < 100_000 { 4 } else { 1 };
    for step in 0..steps {
        let written = keyring.to_json();
        assert!(written.len() <= data.len() * INDENTED + 4096);
        let again = Keyring::parse(written.as_bytes()).expect("what was written");
        assert_eq!(again.to_json(), written);
        assert_eq!(again.damaged().len(), keyring.damaged().len());
        for (peer, entry) in keyring.entries() {
            assert_eq!(again.entry(peer), Some(entry));
        }
        for envelope2 in [false, true] {
            let standing = keyring.standing(&from, &fingerprint, envelope2);
            assert_eq!(again.standing(&from, &fingerprint, envelope2), standing);
        }
        // What was damaged and is mended is told no more after the next reading.
        keyring = again;
        match step {
            0 => drop(keyring.observe(&from, &alice.public_key(), true, NOW)),
            1 => assert!(keyring.trust(&fingerprint)),
            _ => drop(keyring.forget(&fingerprint)),
        }
        if step == 1 {
            assert!(keyring.entry(&fingerprint).is_some_and(azall_core::protocol::keyring::Entry::is_trusted));
        }
        keyring = Keyring::parse(keyring.to_json().as_bytes()).expect("what was written");
    }
    assert!(steps == 1 || keyring.lookup(&fingerprint).is_none());
}

/// `protocol::{identity, config}`: the two files that hold keys; none of it shows in an error.
pub fn key_files(data: &[u8]) {
    match Identity::parse(data) {
        Ok(identity) => {
            let again = Identity::parse(identity.to_json("now").as_bytes()).expect("what was written");
            assert_eq!(again.public_key(), identity.public_key());
            assert_eq!(again.sign(data), identity.sign(data));
        }
        Err(error) => assert!(error.to_string().len() < 200),
    }
    match AgentKey::parse(data) {
        Ok(key) => {
            let written = key.to_json();
            assert!(key.admits(&key.key) && written.len() <= data.len() * INDENTED + 4096);
            if written.len() < CONFIG_LIMIT {
                assert_eq!(AgentKey::parse(written.as_bytes()), Ok(key));
            }
        }
        Err(error) => assert!(error.to_string().len() < 400),
    }
}

/// `protocol::delivery`: what is read is written and read the same, also after attempts at any time.
pub fn delivery(data: &[u8]) {
    let Ok(mut state) = DeliveryState::parse(data) else { return };
    let reread = |state: &DeliveryState| {
        let written = state.to_json();
        assert!(written.len() <= data.len() * INDENTED + 4096);
        assert_eq!(DeliveryState::parse(&written).as_ref(), Ok(state));
    };
    reread(&state);
    let due = state.due(NOW);
    for (number, key) in due.iter().take(6).enumerate() {
        let reason = "busy".to_owned();
        let attempt = match number % 3 {
            0 => Attempt::Accepted(vec![Acceptance { transport: "t".to_owned(), id: None, at_ms: NOW.unix_ms }]),
            1 => Attempt::Retry { reason, wait_ms: Some(i64::MAX) },
            _ => Attempt::Permanent { reason },
        };
        state.record(key, attempt, NOW);
        assert!(!state.due(NOW).contains(key), "{key} waits or is settled");
    }
    assert!(!state.is_accepted() || state.is_settled());
    state.claim(NOW);
    assert!(state.is_claimed(NOW));
    reread(&state);
}

/// `protocol::spool`: the file as it is; and the input as an answer of a relay of any name.
pub fn spool(data: &[u8]) {
    if let Ok(spooled) = spooled::decode(data) {
        assert!(data.ends_with(spooled.body) && spooled.body.len() < data.len());
    }
    let server = text(data);
    let file = spooled::encode(&server, NOW, data);
    let again = spooled::decode(&file).expect("what was written");
    assert!(server.starts_with(&again.server) && again.body == data && again.day == NOW.day());
    let mut torn = file.clone();
    torn.pop();
    assert!(spooled::decode(&torn).is_err());
}

/// `protocol::verdict`: a header that somebody else wrote is void; one that is rightly sealed reads as itself, whatever
/// its words.
pub fn verdict(data: &[u8]) {
    let key = b"0123456789abcdef0123456789abcdef";
    let (seal, input) = (VerdictSeal::new(key), text(data));
    let (words, rest) = input.split_once('\n').unwrap_or((&input, ""));
    let mut parts = rest.split('\n');
    let mut part = || parts.next().unwrap_or_default();
    let subjects = Subjects { message_id: part(), from: part(), to: part(), subject: part(), date: part() };
    assert_eq!(seal.read(words, &subjects), None);

    let header = format!("{words} {}", mac(key, words, &subjects));
    let Some(sealed) = seal.read(&header, &subjects) else { return };
    let written = seal.write(&sealed.verdict, &subjects, rest);
    let again = seal.read(&written, &subjects).expect("what was written");
    assert!(again.verdict == sealed.verdict && again.is_of(rest) && !again.is_of(&header));
    assert!(protocol_text::is_header_safe(&written) && written.len() < 140);
    assert_eq!(VerdictSeal::new(b"another").read(&written, &subjects), None);
    assert_eq!(seal.read(&written, &Subjects { message_id: "another", from: "", ..subjects }), None);
}

/// The seal's MAC, as the format says it.
fn mac(key: &[u8], words: &str, subjects: &Subjects<'_>) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(b"azall verdict 2\n");
    for part in [words, subjects.message_id, subjects.from, subjects.to, subjects.subject, subjects.date] {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part.as_bytes());
    }
    mac.finalize().into_bytes().iter().take(8).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// `protocol::archive`: what is unpacked is packed and unpacked the same, within its limits; and the input itself is
/// packed under whatever name it begins with.
pub fn archive(data: &[u8]) {
    let limits = Limits { entries: 100, file_bytes: 1 << 20, total_bytes: 4 << 20, ratio: 100 };
    if let Ok(files) = archive::read(data, limits) {
        let total: usize = files.iter().map(|(_, content)| content.len()).sum();
        assert!(files.len() <= limits.entries && total as u64 <= limits.total_bytes);
        let packed = archive::build(files.iter().map(|(path, content)| (path, content.as_slice())), NOW);
        let packed = packed.expect("names that were read");
        assert_eq!(archive::read(&packed, Limits::default()), Ok(files));
    }
    let ([length], rest) = choices::<1>(data);
    let (name, content) = rest.split_at(usize::from(length).min(rest.len()));
    if let Ok(path) = RelPath::parse(&text(name))
        && !path.as_str().is_empty()
    {
        let packed = archive::build([(&path, content)], NOW).expect("a good name");
        assert_eq!(archive::read(&packed, Limits::default()), Ok(vec![(path, content.to_vec())]));
    }
}

/// `<name>.meta.json` of skills and tools: what is read is written and read the same; the index sees what reading sees.
pub fn script_meta(data: &[u8]) {
    let description = script_description(data);
    let Ok(meta) = serde_json::from_slice::<ScriptMeta>(data) else { return };
    assert_eq!(meta.description, description);
    let written = python_json::pretty(&serde_json::to_value(&meta).expect("a value"));
    assert!(written.len() <= data.len() * INDENTED + 4096);
    let again: ScriptMeta = serde_json::from_str(&written).expect("what was written");
    assert_eq!(serde_json::to_value(&again).expect("a value"), serde_json::to_value(&meta).expect("a value"));
}
