//! Trust tokens.

use azall_bindings::protocol::trust;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::arguments::{bytes, data, text, texts};
use crate::data::to_js;
use crate::failure::{Thrown, thrown};

/// The fingerprint of a machine with these facts, in hex.
///
/// # Errors
/// `argument` for what is no list of text.
#[wasm_bindgen(js_name = machineFingerprint)]
pub fn machine_fingerprint(facts: &JsValue) -> Thrown<String> {
    thrown(texts("facts", facts).map(|facts| trust::machine_fingerprint(&facts)))
}

/// Makes a token with 32 random bytes.
///
/// # Errors
/// `argument` when a field is missing or wrong.
#[wasm_bindgen(js_name = makeTrustToken)]
pub fn make_trust_token(setting: &JsValue, nonce: &JsValue, machine_name: &JsValue) -> Thrown<JsValue> {
    let made = || {
        let (setting, nonce) = (data("setting", setting)?, bytes("nonce", nonce)?);
        trust::make(&setting, &nonce, &text("machineName", machine_name)?)
    };
    thrown(made().and_then(|token| to_js(&token)))
}

/// Checks a token, armored or not.
///
/// # Errors
/// `argument`; `trust` with the reason for which it is refused.
#[wasm_bindgen(js_name = checkTrustToken)]
pub fn check_trust_token(token: &JsValue, setting: &JsValue) -> Thrown<JsValue> {
    let checked = || trust::check(&text("token", token)?, &data("setting", setting)?);
    thrown(checked().and_then(|token| to_js(&token)))
}

/// An owner's word to an agent, proven by their secret.
///
/// # Errors
/// `argument` when the secret is none.
#[wasm_bindgen(js_name = ownerSign)]
pub fn owner_sign(secret: &JsValue, message: &JsValue) -> Thrown<String> {
    let signed = || trust::owner_sign(&text("secret", secret)?, &text("message", message)?);
    thrown(signed())
}

/// Whether an owner's word is theirs.
///
/// # Errors
/// `argument` when the secret is none.
#[wasm_bindgen(js_name = ownerVerify)]
pub fn owner_verify(secret: &JsValue, message: &JsValue, signature: &JsValue) -> Thrown<bool> {
    let verified = || {
        let (secret, message) = (text("secret", secret)?, text("message", message)?);
        trust::owner_verify(&secret, &message, &text("signature", signature)?)
    };
    thrown(verified())
}
