//! Identities, the keyring and the ids of what was received, for the bindings' classes.

use azall_core::protocol::address::Address;
use azall_core::protocol::dedupe::MessageKey;
use azall_core::protocol::id::{Fingerprint, MessageId};
use azall_core::protocol::identity::Identity;
use azall_core::protocol::keyring::{Entry, Keyring};
use azall_core::protocol::time::Now;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ciborium::Value;

use crate::data::map;
use crate::failure::Failure;

/// A public key: 32 bytes or their base64.
///
/// # Errors
/// `argument` when it is neither.
pub fn key_bytes(data: &Value) -> Result<[u8; 32], Failure> {
    let bytes = match data {
        Value::Bytes(bytes) => Some(bytes.clone()),
        Value::Text(base64) => STANDARD.decode(base64).ok(),
        _ => None,
    };
    let wrong = || Failure::argument("a public key is 32 bytes, or their base64");
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(wrong)
}

/// An identity from its private key: 32 bytes from the system's generator.
///
/// # Errors
/// `argument` when they are not 32. They are not told.
pub fn identity_from_seed(seed: &[u8]) -> Result<Identity, Failure> {
    let seed = seed.try_into().map_err(|_| Failure::argument("a private key is 32 bytes"))?;
    Ok(Identity::from_seed(seed))
}

/// An identity from its file.
///
/// # Errors
/// `identity`, naming the field that is wrong.
pub fn identity_from_file(file: &[u8]) -> Result<Identity, Failure> {
    Identity::parse(file).map_err(|error| Failure::new("identity", error))
}

/// The fingerprint of a public key.
///
/// # Errors
/// `argument` when it is no public key.
pub fn fingerprint_of(public_key: &Value) -> Result<String, Failure> {
    Ok(Fingerprint::of_key(&key_bytes(public_key)?).to_string())
}

/// A keyring from its file.
///
/// # Errors
/// `keyring`.
pub fn keyring(file: &[u8]) -> Result<Keyring, Failure> {
    Keyring::parse(file).map_err(|error| Failure::new("keyring", error))
}

/// What a keyring says of a key that an address uses, which it remembers: `known`, `first-seen`, `key-changed` or `downgraded`.
///
/// # Errors
/// `argument` when the address or the key is none.
pub fn observe(
    keyring: &mut Keyring,
    from: &str,
    public_key: &Value,
    used_envelope2: bool,
    now: Now,
) -> Result<&'static str, Failure> {
    let from = Address::parse(from).map_err(Failure::argument)?;
    Ok(keyring.observe(&from, &key_bytes(public_key)?, used_envelope2, now).peer().word())
}

/// A fingerprint from its text.
///
/// # Errors
/// `argument` when it is none.
pub fn fingerprint(text: &str) -> Result<Fingerprint, Failure> {
    Fingerprint::parse(text).map_err(Failure::argument)
}

/// The keys of a keyring: `[{fingerprint, public_key, addresses, first_seen, last_seen, envelope2, trusted}, ...]`.
#[must_use]
pub fn keyring_entries(keyring: &Keyring) -> Value {
    let entry = |(fingerprint, entry): (&Fingerprint, &Entry)| {
        let addresses = entry.addresses().iter().map(|address| address.as_str().into()).collect();
        map([
            ("fingerprint", fingerprint.as_str().into()),
            ("public_key", Value::Bytes(entry.public_key().to_vec())),
            ("addresses", Value::Array(addresses)),
            ("first_seen", entry.first_seen().into()),
            ("last_seen", entry.last_seen().into()),
            ("envelope2", entry.used_envelope2().into()),
            ("trusted", entry.is_trusted().into()),
        ])
    };
    Value::Array(keyring.entries().map(entry).collect())
}

/// By what a message is told from others that came before: its signed id and its key, its id and its sender where nothing is signed,
/// or the id that a transport gave it.
///
/// # Errors
/// `argument` when the id or the fingerprint is none.
pub fn message_key(kind: &str, id: &str, of: &str) -> Result<MessageKey, Failure> {
    let message_id = || MessageId::parse(id).map_err(Failure::argument);
    Ok(match kind {
        "signed" => MessageKey::signed(&fingerprint(of)?, &message_id()?),
        "unsigned" => MessageKey::unsigned(of, &message_id()?),
        "transport" => MessageKey::transport(id),
        other => return Err(Failure::argument(format!("{other:?} is not `signed`, `unsigned` or `transport`"))),
    })
}
