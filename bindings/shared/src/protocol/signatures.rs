//! Signatures: verified, made.

use std::collections::BTreeMap;

use azall_core::protocol::address::Address;
use azall_core::protocol::envelope::{
    self, Kind, Opened, Proof, SignedAttachment, SignedHeaders, seal_version1, seal_version2,
};
use azall_core::protocol::id::{Fingerprint, MessageId};
use azall_core::protocol::identity::Identity;
use azall_core::protocol::message::{Headers, Message};
use ciborium::Value;
use serde::Deserialize;

use crate::data::{from_data, map};
use crate::failure::Failure;
use crate::protocol::keys::key_bytes;

/// Keys that a signature may name without bringing them: fingerprints to public keys.
pub type Keys = BTreeMap<Fingerprint, [u8; 32]>;

/// Reads [`Keys`] from a map of fingerprints to 32 bytes or their base64; none is no keys.
///
/// # Errors
/// `argument` when it is no map, or one of them is not what it must be.
pub fn read_keys(data: &Value) -> Result<Keys, Failure> {
    let entries = match data {
        Value::Null => return Ok(Keys::new()),
        Value::Map(entries) => entries,
        _ => return Err(Failure::argument("known keys are a map of fingerprints to public keys")),
    };
    let entry = |(fingerprint, key): &(Value, Value)| Ok((from_data(fingerprint)?, key_bytes(key)?));
    entries.iter().map(entry).collect()
}

/// Verifies a message file: what its signature proves of its headers and its body.
#[must_use]
pub fn verify(file: &[u8], keys: &Keys) -> Value {
    let message = Message::parse(file);
    let opened = Opened::read(&message.headers, &message.body);
    let proof = opened.at_rest(opened.check(|fingerprint| keys.get(fingerprint).copied()), &message.headers);
    verdict(&opened, &proof)
}

/// Verifies a body, or any text with an envelope in it. The headers are those beside it, if any: a header signature speaks of them.
#[must_use]
pub fn verify_body(headers: &[(String, String)], body: &str, keys: &Keys) -> Value {
    let mut known = Headers::default();
    headers.iter().for_each(|(name, value)| known.set(name, value));
    let opened = Opened::read(&known, body);
    verdict(&opened, &opened.check(|fingerprint| keys.get(fingerprint).copied()))
}

fn verdict(opened: &Opened<'_>, proof: &Proof) -> Value {
    let reason = match proof {
        Proof::Invalid(reason) => Value::from(reason.to_string()),
        _ => Value::Null,
    };
    let signed = opened.signed_headers().filter(|_| *proof == Proof::Valid);
    let headers = signed.map_or(Value::Null, |signed| {
        let mut headers = Headers::default();
        signed.apply(&mut headers);
        Value::Map(headers.iter().map(|(name, value)| (name.into(), value.into())).collect())
    });
    map([
        ("verdict", proof.origin().word().into()),
        ("envelope", kind_word(opened.kind()).into()),
        ("fingerprint", opened.fingerprint().map_or(Value::Null, |it| it.as_str().into())),
        ("public_key", opened.public_key().map_or(Value::Null, |key| Value::Bytes(key.to_vec()))),
        ("reason", reason),
        ("headers", headers),
        ("text", opened.text().into()),
        ("before", opened.before().into()),
        ("after", opened.after().into()),
    ])
}

const fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Version1 => "version-1",
        Kind::Version2 => "version-2",
        Kind::Documented => "documented",
        Kind::Legacy => "legacy",
        _ => "none",
    }
}

/// Signs a body alone, as every existing client reads it (envelope 1).
#[must_use]
pub fn sign_body(identity: &Identity, body: &str) -> String {
    seal_version1(identity, body)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageHeaders {
    from: Address,
    to: Vec<Address>,
    #[serde(default)]
    cc: Vec<Address>,
    #[serde(default)]
    subject: String,
    date: String,
    message_id: MessageId,
    #[serde(default)]
    in_reply_to: Option<MessageId>,
    #[serde(default)]
    attachments: Vec<AttachmentFacts>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AttachmentFacts {
    name: String,
    size: u64,
    sha256: String,
}

/// Signs a body with its headers and attachments (envelope 2): `from`, `to`, `cc` (lists), `subject`, `date`, `message_id`,
/// `in_reply_to`, `attachments` (`name`, `size`, `sha256` in hex).
///
/// # Errors
/// `argument` when a field is missing or of the wrong kind; `message` when a header cannot be signed.
pub fn sign_message(identity: &Identity, headers: &Value, body: &str) -> Result<String, Failure> {
    let given: MessageHeaders = from_data(headers)?;
    let attachments = given.attachments.into_iter().map(signed_attachment).collect::<Result<_, _>>()?;
    let headers = SignedHeaders {
        from: given.from,
        to: given.to,
        cc: given.cc,
        subject: given.subject,
        date: given.date,
        message_id: Some(given.message_id),
        in_reply_to: given.in_reply_to,
        attachments,
    };
    seal_version2(identity, &headers, body).map_err(|error| Failure::new("message", error))
}

fn signed_attachment(facts: AttachmentFacts) -> Result<SignedAttachment, Failure> {
    let sha256 = azall_core::protocol::text::unhex(&facts.sha256).and_then(|bytes| bytes.try_into().ok());
    let sha256 = sha256.ok_or_else(|| Failure::argument("the sha256 of an attachment is 64 hex digits"))?;
    Ok(SignedAttachment { sha256, size: facts.size, name: facts.name })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DocumentedFields {
    from: Address,
    to: Vec<Address>,
    date: String,
    #[serde(default)]
    subject: String,
}

/// Signs a body with four headers in the documented form: `from`, `to` (list), `date`, `subject`.
///
/// # Errors
/// As [`sign_message`].
pub fn sign_documented(identity: &Identity, headers: &Value, body: &str) -> Result<String, Failure> {
    let DocumentedFields { from, to, date, subject } = from_data(headers)?;
    let headers = envelope::DocumentedHeaders { from, to, date, subject };
    envelope::seal_documented(identity, &headers, body).map_err(|error| Failure::new("message", error))
}
