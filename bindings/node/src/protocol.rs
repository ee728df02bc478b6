//! The pure functions of the protocol.

use azall_bindings::data::from_data;
use azall_bindings::protocol::signatures::{self, Keys};
use azall_bindings::protocol::{indexes, keys, messages, rules, trust};
use azall_bindings::{Failure, Value};
use azall_core::engine::effect::EffectKind;
use napi::Env;
use napi::bindgen_prelude::Unknown;
use napi_derive::napi;

use crate::convert::{self, bytes, data, text};
use crate::failure::thrown;
use crate::keys::Identity;

/// Gives what was found as a value, or throws.
fn answer<'env>(env: &'env Env, found: Result<Value, Failure>) -> napi::Result<Unknown<'env>> {
    convert::value(env, &found.map_err(|failure| thrown(env, failure))?)
}

/// Gives what needs no conversion, or throws.
fn plain<T>(env: &Env, found: Result<T, Failure>) -> napi::Result<T> {
    found.map_err(|failure| thrown(env, failure))
}

/// The version of azall.
#[napi(catch_unwind)]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// The kinds of effects that an operation may ask for.
#[napi(catch_unwind)]
pub fn effect_kinds() -> Vec<String> {
    EffectKind::ALL.iter().map(|kind| kind.name().to_owned()).collect()
}

/// Takes a message file apart: `{headers, body}`.
#[napi(catch_unwind)]
pub fn parse_message<'env>(env: &'env Env, file: Unknown<'_>) -> napi::Result<Unknown<'env>> {
    answer(env, bytes(file, "file").map(|file| messages::parse(&file)))
}

/// Writes a message file.
#[napi(catch_unwind)]
pub fn format_message(env: &Env, message: Unknown<'_>) -> napi::Result<String> {
    plain(env, data(message).and_then(|message| messages::format(&message)))
}

/// The id of a message that is new.
#[napi(catch_unwind)]
pub fn new_message_id(
    env: &Env,
    from: Unknown<'_>,
    to: Unknown<'_>,
    subject: Unknown<'_>,
    iso_now: Unknown<'_>,
    random_hex: Unknown<'_>,
) -> napi::Result<String> {
    let make = || {
        let (from, to, subject) = (text(from, "from")?, text(to, "to")?, text(subject, "subject")?);
        Ok(messages::new_id(&from, &to, &subject, &text(iso_now, "isoNow")?, &text(random_hex, "randomHex")?))
    };
    plain(env, make())
}

/// A name as a file name.
#[napi(catch_unwind)]
pub fn sanitize_name(env: &Env, name: Unknown<'_>) -> napi::Result<String> {
    plain(env, text(name, "name").map(|name| messages::sanitize(&name)))
}

fn known_keys(keys: Option<Unknown<'_>>) -> Result<Keys, Failure> {
    keys.map_or(Ok(Keys::new()), |keys| signatures::read_keys(&data(keys)?))
}

/// Verifies a message file. Keys that it may name without bringing them: fingerprints to public keys.
#[napi(catch_unwind)]
pub fn verify<'env>(env: &'env Env, file: Unknown<'_>, keys: Option<Unknown<'_>>) -> napi::Result<Unknown<'env>> {
    let verify = || Ok(signatures::verify(&bytes(file, "file")?, &known_keys(keys)?));
    answer(env, verify())
}

/// Verifies a body, or any text with an envelope in it, with the headers beside it, `[[name, value], ...]`.
#[napi(catch_unwind)]
pub fn verify_body<'env>(
    env: &'env Env,
    headers: Unknown<'_>,
    body: Unknown<'_>,
    keys: Option<Unknown<'_>>,
) -> napi::Result<Unknown<'env>> {
    let verify = || {
        let headers: Vec<(String, String)> = from_data(&data(headers)?)?;
        Ok(signatures::verify_body(&headers, &text(body, "body")?, &known_keys(keys)?))
    };
    answer(env, verify())
}

/// Signs a body alone.
#[napi(catch_unwind)]
pub fn sign_body(env: &Env, identity: &Identity, body: Unknown<'_>) -> napi::Result<String> {
    plain(env, text(body, "body").map(|body| signatures::sign_body(&identity.inner, &body)))
}

/// Signs a body with its headers and attachments.
#[napi(catch_unwind)]
pub fn sign_message(env: &Env, identity: &Identity, headers: Unknown<'_>, body: Unknown<'_>) -> napi::Result<String> {
    let sign = || signatures::sign_message(&identity.inner, &data(headers)?, &text(body, "body")?);
    plain(env, sign())
}

/// Signs a body with four headers in the documented form.
#[napi(catch_unwind)]
pub fn sign_documented(
    env: &Env,
    identity: &Identity,
    headers: Unknown<'_>,
    body: Unknown<'_>,
) -> napi::Result<String> {
    let sign = || signatures::sign_documented(&identity.inner, &data(headers)?, &text(body, "body")?);
    plain(env, sign())
}

/// Whether a filter lets a sender through.
#[napi(catch_unwind)]
pub fn filter_accepts(env: &Env, filter: Unknown<'_>, sender: Unknown<'_>) -> napi::Result<bool> {
    let accepts = || rules::accepts(&data(filter)?, &text(sender, "sender")?);
    plain(env, accepts())
}

/// The fingerprint of a public key: 32 bytes or their base64.
#[napi(catch_unwind)]
pub fn fingerprint_of(env: &Env, public_key: Unknown<'_>) -> napi::Result<String> {
    plain(env, data(public_key).and_then(|key| keys::fingerprint_of(&key)))
}

/// The fingerprint of a machine with these facts.
#[napi(catch_unwind)]
pub fn machine_fingerprint(env: &Env, facts: Unknown<'_>) -> napi::Result<String> {
    let facts = data(facts).and_then(|facts| from_data::<Vec<String>>(&facts));
    plain(env, facts.map(|facts| trust::machine_fingerprint(&facts)))
}

/// Makes a trust token for `{agent, agent_key, machine, now_ms}` with 32 random bytes.
#[napi(catch_unwind)]
pub fn make_trust_token<'env>(
    env: &'env Env,
    setting: Unknown<'_>,
    nonce: Unknown<'_>,
    machine_name: Unknown<'_>,
) -> napi::Result<Unknown<'env>> {
    let make = || trust::make(&data(setting)?, &bytes(nonce, "nonce")?, &text(machine_name, "machineName")?);
    answer(env, make())
}

/// Checks a trust token.
#[napi(catch_unwind)]
pub fn check_trust_token<'env>(
    env: &'env Env,
    token: Unknown<'_>,
    setting: Unknown<'_>,
) -> napi::Result<Unknown<'env>> {
    let check = || trust::check(&text(token, "token")?, &data(setting)?);
    answer(env, check())
}

/// An owner's word to an agent, proven by their secret.
#[napi(catch_unwind)]
pub fn owner_sign(env: &Env, secret: Unknown<'_>, message: Unknown<'_>) -> napi::Result<String> {
    let sign = || trust::owner_sign(&text(secret, "secret")?, &text(message, "message")?);
    plain(env, sign())
}

/// Whether an owner's word is theirs.
#[napi(catch_unwind)]
pub fn owner_verify(
    env: &Env,
    secret: Unknown<'_>,
    message: Unknown<'_>,
    signature: Unknown<'_>,
) -> napi::Result<bool> {
    let verify =
        || trust::owner_verify(&text(secret, "secret")?, &text(message, "message")?, &text(signature, "signature")?);
    plain(env, verify())
}

/// The index of a day.
#[napi(catch_unwind)]
pub fn day_index(env: &Env, day: Unknown<'_>) -> napi::Result<String> {
    plain(env, data(day).and_then(|day| indexes::day(&day)))
}

/// The index of all memories.
#[napi(catch_unwind)]
pub fn memory_index(env: &Env, memories: Unknown<'_>) -> napi::Result<String> {
    plain(env, data(memories).and_then(|memories| indexes::memories(&memories)))
}

/// The description in a script's `.meta.json`.
#[napi(catch_unwind)]
pub fn script_description(env: &Env, meta: Unknown<'_>) -> napi::Result<String> {
    plain(env, bytes(meta, "meta").map(|meta| indexes::description(&meta)))
}
